"""Trackers follow a training and change nothing of it; several processes are settings like others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.training import TrainingSettings, train
from hybridkit.sampling import hybrid
from tests.models.test_training import CORPUS

PLAN = hybrid(alpha=0.5).plan(CORPUS, 8, 4, seed=2)
SETTINGS = TrainingSettings(steps=8, batch_size=4, learning_rate=0.02, evaluate_every=4)


class Tracker(TrainerCallback):
    """Keeps what it is told, as tensorboard would write it."""

    logged: list[dict[str, float]] = []
    logging_dir: str | None = None
    folders: list[str | None] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        self.logged.append({"step": state.global_step, **(logs or {})})
        self.folders.append(self.logging_dir)


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> type[Tracker]:
    monkeypatch.setattr(Tracker, "logged", [])
    monkeypatch.setattr(Tracker, "folders", [])
    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "tensorboard", Tracker)
    return Tracker


def trained(settings: TrainingSettings, out: Path) -> Path:
    model = encoder.make(CORPUS.iter_texts(), vocab_size=90, dim=16, seed=0)
    return train(model, CORPUS, PLAN, settings, out, measure=lambda _: {"AP": 0.5, "AP mono": 0.25})


def test_a_tracker_gets_losses_by_kind_and_held_out_scores_and_the_model_is_the_same(
    tracker: type[Tracker], tmp_path: Path
) -> None:
    plain = trained(SETTINGS, tmp_path / "plain")
    assert not tracker.logged
    followed = trained(replace(SETTINGS, report_to=("tensorboard",)), tmp_path / "followed")
    steps = [line for line in tracker.logged if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    kinds = [next(name for name in line if name.startswith("loss_")) for line in steps]
    assert kinds == [f"loss_{kind}" for kind in PLAN.kinds] and len(set(kinds)) == 2
    assert all(line["loss"] == line[kind] for line, kind in zip(steps, kinds, strict=True))
    held_out = [line for line in tracker.logged if any(name.endswith("AP mono") for name in line)]
    assert [line["step"] for line in held_out] == [4, 8]
    assert set(tracker.folders) == {str(tmp_path / "followed.logs")}  # the checkpoints beside it are removed
    names = sorted(path.name for path in plain.iterdir())
    assert names == sorted(path.name for path in followed.iterdir())
    for name in names:
        if (plain / name).is_file():
            assert (plain / name).read_bytes() == (followed / name).read_bytes(), name


def test_keys_know_nothing_of_trackers_and_of_one_process() -> None:
    followed = replace(SETTINGS, report_to=("wandb",))
    assert followed.key == SETTINGS.key and followed.written == SETTINGS.written
    assert not {"processes", "report_to"} & {*SETTINGS.key, *SETTINGS.written}
    assert replace(SETTINGS, processes=2).key == {**SETTINGS.key, "processes": 2}


def test_a_study_that_is_tracked_is_the_same_study(tmp_path: Path) -> None:
    from tests.tiny_study import tiny_study

    settings = {"steps": 5, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 2}
    plain = tiny_study(tmp_path)
    tracked = tiny_study(tmp_path, training={**settings, "report_to": ["tensorboard"]})
    assert tracked.training.report_to == ("tensorboard",) and tracked.key == plain.key
    assert "report_to" not in plain.written(tmp_path)["training"]
    assert "processes" not in plain.written(tmp_path)["training"]
    assert tracked.written(tmp_path)["training"]["report_to"] == ("tensorboard",)


def test_trackers_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> None:
        raise RuntimeError("TensorBoardCallback requires tensorboard to be installed.")

    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "tensorboard", missing)
    with pytest.raises(InputError, match="report_to: tensorboard is not installed; run `pip install tensorboard`"):
        trained(replace(SETTINGS, report_to=("tensorboard",)), tmp_path / "out")
    with pytest.raises(InputError, match="report_to: unknown tracker 'board'; there are .*tensorboard"):
        trained(replace(SETTINGS, report_to=("board",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tensorboard_writes_beside_the_model(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained(replace(SETTINGS, report_to=("tensorboard",)), tmp_path / "out")
    found = EventAccumulator(str(tmp_path / "out.logs"))
    found.Reload()
    tags = found.Tags()["scalars"]
    assert {"train/loss", "train/loss_mono", "train/loss_cross"} <= set(tags)
    assert any("AP mono" in tag for tag in tags)
    assert [one.step for one in found.Scalars("train/loss")] == list(range(1, 9))


def test_processes_share_a_batch_equally(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training.processes must divide the batch size, 4 \(got 3\)"):
        replace(SETTINGS, processes=3)
    with pytest.raises(InputError, match="training.processes: it is 2, and 1 train together here"):
        trained(replace(SETTINGS, processes=2), tmp_path / "out")
