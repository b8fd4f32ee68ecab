"""Checkpoints that are damaged are passed over, with one line; the training ends in the bytes of an undisturbed one."""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from hybridkit.models.training import train
from tests.models.test_training import CORPUS, PLAN, SETTINGS, interrupt_at, static, weights
from tests.utils.test_products import DAMAGES

MARK = "hybridkit-checkpoint.json"
FILES = ["trained.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", MARK]
WATCHED = replace(SETTINGS, evaluate_every=3, checkpoint_every=3)


def falling(model: SentenceTransformer) -> Mapping[str, float]:
    """A held-out score that is best at the first evaluation and worse ever after."""
    falling.calls += 1  # type: ignore[attr-defined]
    return {"AP": 1 / falling.calls}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(static(), CORPUS, PLAN, SETTINGS, tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was stopped after its second checkpoint."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        interrupt_at(11, patched, KeyboardInterrupt())
        train(static(), CORPUS, PLAN, SETTINGS, folder / "model")
    assert sorted(path.name for path in (folder / "model.work").iterdir()) == ["checkpoint-10", "checkpoint-5"]
    return folder / "model.work"


def test_the_mark_lists_every_file(stopped: Path) -> None:
    checkpoint = stopped / "checkpoint-10"
    assert {path.name for path in checkpoint.iterdir()} == set(FILES)
    assert set(json.loads((checkpoint / MARK).read_text())["files"]) == set(FILES) - {MARK}


@pytest.mark.parametrize("damage", ["removed", "emptied", "noise", "flipped"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    whole: Path,
    stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: str,
) -> None:
    shutil.copytree(stopped, tmp_path / "model.work")
    path = tmp_path / "model.work" / "checkpoint-10" / name
    raw = path.read_bytes()
    path.unlink()
    if damage != "removed":
        path.write_bytes(DAMAGES[damage](raw))
    began = interrupt_at(99, monkeypatch, RuntimeError())
    train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert began == [5]
    for file in ("model.safetensors", "steps.jsonl"):
        assert (tmp_path / "model" / file).read_bytes() == (whole / file).read_bytes()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "hybridkit"]
    assert line.startswith("checkpoint-10: ") and line.endswith("; the training goes on without it")
    assert name in line or name == MARK


def test_the_checkpoint_of_an_earlier_version_is_taken_as_it_is(
    whole: Path, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(stopped, tmp_path / "model.work")
    mark = tmp_path / "model.work" / "checkpoint-10" / MARK
    mark.write_text(json.dumps({"training": json.loads(mark.read_text())["training"]}))
    began = interrupt_at(99, monkeypatch, RuntimeError())
    train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert (began, [one for one in caplog.records if one.name == "hybridkit"]) == ([10], [])
    assert weights(tmp_path / "model") == weights(whole)


def test_all_damaged_is_a_training_from_the_start(
    whole: Path, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stopped, tmp_path / "model.work")
    for path in (tmp_path / "model.work").glob("*/optimizer.pt"):
        path.unlink()
    began = interrupt_at(99, monkeypatch, RuntimeError())
    train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert began == [0]
    assert weights(tmp_path / "model") == weights(whole)


def test_the_best_weights_so_far_are_looked_at_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(out: Path) -> Path:
        falling.calls = 0  # type: ignore[attr-defined]
        return train(static(), CORPUS, PLAN, WATCHED, out, measure=falling)

    whole = run(tmp_path / "whole")
    began = interrupt_at(11, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "model")
    work = tmp_path / "model.work"
    assert sorted(path.name for path in work.glob("c*")) == ["checkpoint-3", "checkpoint-9"]  # the best and the last
    shutil.copytree(work, tmp_path / "moved.work")
    for path in (work / "checkpoint-3").glob("*.safetensors"):
        path.write_bytes(bytes(len(path.read_bytes())))
    with caplog.at_level(logging.WARNING, "hybridkit"):
        run(tmp_path / "model")
    lines = [record.getMessage() for record in caplog.records if record.name == "hybridkit"]
    assert [line.partition(";")[0] for line in lines] == [
        "checkpoint-3: trained.safetensors is damaged",
        "checkpoint-9: of checkpoint-3, whose weights are the best so far, trained.safetensors is damaged",
    ]
    shutil.rmtree(work, ignore_errors=True)
    run(tmp_path / "moved")  # the best checkpoint is sought where the work folder is now
    assert began == [0, 0, 9]
    assert weights(tmp_path / "model") == weights(tmp_path / "moved") == weights(whole)
