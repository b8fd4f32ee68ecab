"""Training of re-rankers: the library's losses and steps, faster; the same bytes whatever happens on the way."""

import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers.cross_encoder import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments, losses
from transformers import PrinterCallback

from hybridkit.errors import InputError
from hybridkit.models import encoder, reranker
from hybridkit.models.plan_dataset import PlanBatchSampler
from hybridkit.models.reranker_training import RerankerSettings, pairs_of, train_reranker
from hybridkit.sampling import hybrid
from hybridkit.sampling.plan_pairs import PlanPairs
from tests.models.test_training import interrupt_at, log_of
from tests.tiny_rerankers import CORPUS, make_bert

PLAN = hybrid(alpha=0.5).plan(CORPUS, 12, 4, seed=2)
SETTINGS = RerankerSettings(
    steps=12, batch_size=4, learning_rate=0.01, ratio=3, negatives="random", weight_decay=0.1, checkpoint_every=5
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With dropout, so that a resumed training must find the random state again."""
    return make_bert(tmp_path_factory.mktemp("bert"), labels=0)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout."""
    return make_bert(tmp_path_factory.mktemp("still"), labels=0, dropout=0.0)


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained without an interruption."""
    return train_reranker(reranker.start(folder), CORPUS, PLAN, SETTINGS, tmp_path_factory.mktemp("whole") / "model")


def weights(folder: Path) -> str:
    return encoder.weights_hash(reranker.open(folder))


def by_library(model: CrossEncoder, settings: RerankerSettings, out: Path) -> list[float]:
    """Train as a careful user of sentence-transformers does, on the pairs of the plan; the losses of all steps."""
    draws = PlanPairs(PLAN, CORPUS, settings.negatives, settings.ratio)(np.arange(48))
    flat = settings.loss == "binary"
    columns: dict[str, Any] = dict(draws)
    if flat:
        query, passage = zip(*pairs_of(draws), strict=True)
        columns = {"query": query, "passages": passage, "label": np.concatenate(draws["labels"])}
    lists: Any = {"listnet": losses.ListNetLoss, "lambda": losses.LambdaLoss}
    arguments = CrossEncoderTrainingArguments(
        str(out),
        max_steps=12,
        per_device_train_batch_size=4 * (1 + settings.ratio) if flat else 4,
        batch_sampler=PlanBatchSampler,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=1,
        logging_steps=1,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    loss = losses.BinaryCrossEntropyLoss(model) if flat else lists[settings.loss](model)
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=Dataset.from_dict(columns), loss=loss)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


@pytest.mark.parametrize(
    ("loss", "negatives"), [("binary", "random"), ("binary", "own"), ("listnet", "random"), ("lambda", "own")]
)
def test_a_training_is_that_of_the_library(still: Path, tmp_path: Path, loss: Any, negatives: Any) -> None:
    settings = replace(SETTINGS, loss=loss, negatives=negatives)
    theirs, ours = reranker.start(still, seed=1), reranker.start(still, seed=1)
    expected = by_library(theirs, settings, tmp_path / "library")
    log = log_of(train_reranker(ours, CORPUS, PLAN, settings, tmp_path / "model"))
    assert [line["loss"] for line in log] == pytest.approx(expected, abs=2e-4)
    assert [line["kind"] for line in log] == PLAN.kinds.tolist()
    assert loss != "binary" or np.mean(expected[-4:]) < np.mean(expected[:4])  # it learns
    found = ours.state_dict()
    for name, value in theirs.state_dict().items():  # words that do not occur too: weight decay shrinks them
        if name.endswith("key.bias") or (loss != "binary" and name.endswith("classifier.bias")):
            continue  # no loss depends on it: its gradient is rounding, which Adam makes large
        torch.testing.assert_close(found[name], value, atol=2e-3, rtol=1e-3)


def test_training_twice_gives_the_same_bytes_and_a_folder_that_the_library_opens(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    again = train_reranker(
        reranker.start(folder), CORPUS, PLAN, SETTINGS, tmp_path / "model", beside=lambda _: {"README.md": "# Ä"}
    )
    assert {file.name for file in again.iterdir()} - {file.name for file in whole.iterdir()} == {"README.md"}
    for name in ("model.safetensors", "steps.jsonl"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()
    assert not (tmp_path / "model.work").exists()
    opened = CrossEncoder(str(again), device="cpu")
    probabilities = opened.predict([("where is Lima now", "Lima is over there")])
    logit = reranker.score(reranker.open(again), ["where is Lima now"], ["Lima is over there"])
    assert probabilities == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_an_interruption_gives_the_model_back_and_the_next_call_goes_on(
    folder: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = interrupt_at(8, monkeypatch, KeyboardInterrupt())
    model = reranker.start(folder)
    before = encoder.weights_hash(model)
    with pytest.raises(KeyboardInterrupt):
        train_reranker(model, CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert encoder.weights_hash(model) == before
    assert [one.name for one in (tmp_path / "model.work").iterdir()] == ["checkpoint-5"]
    shutil.copytree(tmp_path / "model.work", tmp_path / "other.work")
    train_reranker(model, CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert weights(tmp_path / "model") == weights(whole)
    assert (tmp_path / "model" / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()
    # another head at the start is another training
    train_reranker(reranker.start(folder, seed=1), CORPUS, PLAN, SETTINGS, tmp_path / "other")
    assert began == [0, 5, 0]


def test_mini_batches_change_memory_and_nothing_else(still: Path, tmp_path: Path) -> None:
    short = replace(SETTINGS, steps=4)
    logs = [
        log_of(
            train_reranker(
                reranker.start(still), CORPUS, PLAN[:4], replace(short, mini_batch=size), tmp_path / str(size)
            )
        )
        for size in (0, 2)
    ]
    assert [line["loss"] for line in logs[1]] == pytest.approx([line["loss"] for line in logs[0]], abs=1e-4)


def test_where_the_kits_way_differs_the_librarys_is_taken(
    still: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from hybridkit.models.reranker_trainer import PackedPairs

    settings = replace(SETTINGS, steps=12)
    expected = by_library(reranker.start(still), settings, tmp_path / "library")
    inner = PackedPairs.inner
    monkeypatch.setattr(PackedPairs, "inner", lambda self, features: inner(self, features) * 1.1)
    with caplog.at_level(logging.WARNING, "hybridkit"):
        log = log_of(train_reranker(reranker.start(still), CORPUS, PLAN, settings, tmp_path / "model"))
    assert "trained by sentence-transformers' plain steps" in caplog.text
    assert [line["loss"] for line in log] == pytest.approx(expected, abs=2e-4)


def test_bf16_freezing_and_cut_pairs(still: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = reranker.start(still)
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    settings = replace(SETTINGS, steps=3, precision="bf16", freeze=("embeddings",), max_length=12)
    with caplog.at_level(logging.INFO, "hybridkit"):
        out = train_reranker(model, CORPUS, PLAN[:3], settings, tmp_path / "model")
    assert "pairs of the plan that were looked at are longer than the 12 tokens" in caplog.text
    assert model.max_seq_length == 32 and "_original_forward" not in vars(model)
    for name, one in model.named_parameters():
        assert bool((one == before[name]).all()) == ("embeddings" in name), name
        assert one.requires_grad
    assert [line["step"] for line in log_of(out)] == [0, 1, 2]


def test_what_is_refused_before_anything_runs(still: Path, tmp_path: Path) -> None:
    from tests.models.test_training import CORPUS as WITHOUT

    model = reranker.start(still)
    plan = hybrid(alpha=0.5).plan(WITHOUT, 12, 4, seed=2)
    for settings, corpus, batches, why in (
        (replace(SETTINGS, negatives="own"), WITHOUT, plan, "no draw has a hard negative"),
        (replace(SETTINGS, ratio=12), CORPUS, PLAN, "lower the ratio or add rows"),
        (SETTINGS, WITHOUT, PLAN, "was made of another corpus"),
        (replace(SETTINGS, freeze=("no_such",)), CORPUS, PLAN, "must occur in the name of a parameter"),
    ):
        with pytest.raises(InputError, match=why):
            train_reranker(model, corpus, batches, settings, tmp_path / "model")
    for wrong, why in (({"loss": "mse"}, "training.loss must be"), ({"negatives": "hard"}, "training.negatives must")):
        with pytest.raises(InputError, match=why):
            RerankerSettings(steps=1, batch_size=1, **wrong)
    with pytest.raises(InputError, match="step 0: the loss is nan; lower training.learning_rate$"):
        with torch.no_grad():
            model.get_parameter("0.model.classifier.bias").fill_(np.nan)
        train_reranker(model, CORPUS, PLAN, SETTINGS, tmp_path / "nan")
    assert not list(tmp_path.glob("nan.work/checkpoint-*"))


TWO_PROCESSES = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import tests.models.test_reranker_training as tests
from hybridkit.models import reranker
tests.train_reranker(reranker.start({folder!r}), tests.CORPUS, tests.PLAN[:4], tests.SHORT, Path({out!r}) / "two")
import torch.distributed
assert torch.distributed.get_world_size() == 2
"""
SHORT = replace(SETTINGS, steps=4, learning_rate=1e-3)


def test_two_processes_train_what_one_does(still: Path, tmp_path: Path) -> None:
    one = reranker.start(still)
    train_reranker(one, CORPUS, PLAN[:4], SHORT, tmp_path / "one")
    script, root = tmp_path / "script.py", str(Path(__file__).parents[2])
    script.write_text(TWO_PROCESSES.format(root=root, folder=str(still), out=str(tmp_path)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    told = subprocess.run(
        launch,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert told.returncode == 0, told.stderr[-3000:]
    assert "plain steps" not in told.stderr
    assert len(log_of(tmp_path / "two")) == 4
    other = reranker.open(tmp_path / "two").state_dict()
    for name, value in one.state_dict().items():
        if not name.endswith("key.bias"):  # its gradient is rounding
            torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4, msg=name)
