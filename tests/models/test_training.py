"""Training: the loss of the paper, and the same weights whatever happens to the process on the way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybridkit
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.embedding import encode
from hybridkit.models.training import TrainingSettings, train
from hybridkit.sampling import hybrid
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.progress import calm_bars

CITIES = ["Lima", "Oslo", "Rome", "Kyiv", "Bonn", "Bern", "Cork", "Nice", "Gent", "Riga", "Baku", "Doha"]
CORPUS = ParallelCorpus.from_rows(
    Row(
        city,
        city,
        city,
        {"en": f"where is {city} now", "de": f"wo liegt {city} jetzt"},
        {"en": f"{city} is over there", "de": f"{city} liegt dort"},
        {},
    )
    for city in CITIES
)
PLAN = hybrid(alpha=0.5).plan(CORPUS, 12, 4, seed=2)
SETTINGS = TrainingSettings(steps=12, batch_size=4, learning_rate=0.02, weight_decay=0.1, checkpoint_every=5)
ROOT = str(Path(hybridkit.__file__).parents[1])


def static(seed: int = 0) -> Any:
    return encoder.make(CORPUS.iter_texts(), vocab_size=90, dim=16, seed=seed)


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with dropout, so that a resumed training must find the random state again."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = encoder.train_tokenizer(CORPUS.iter_texts(), 90)
    tokenizer.add_special_tokens(["<pad>"])
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    bert = BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32, **sizes))
    with calm_bars():
        bert.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=32).save_pretrained(folder)
    return folder


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[int]:
    """Raise once when a step is done; gives the list in which every training writes the step it began at."""
    from hybridkit.models.trainer import Progress

    began: list[int] = []
    begin, end = Progress.on_train_begin, Progress.on_step_end

    def on_train_begin(self: Progress, args: Any, state: Any, control: Any, **more: Any) -> None:
        began.append(state.global_step)
        begin(self, args, state, control, **more)

    def on_step_end(self: Progress, args: Any, state: Any, control: Any, **more: Any) -> None:
        end(self, args, state, control, **more)
        if state.global_step == step and len(began) == 1:
            raise error

    monkeypatch.setattr(Progress, "on_train_begin", on_train_begin)
    monkeypatch.setattr(Progress, "on_step_end", on_step_end)
    return began


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static encoder, trained without an interruption."""
    return train(static(), CORPUS, PLAN, SETTINGS, tmp_path_factory.mktemp("whole") / "model")


def weights(folder: Path) -> str:
    return encoder.weights_hash(encoder.open(folder))


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]


def test_the_log_has_one_line_a_step(whole: Path) -> None:
    log = log_of(whole)
    assert [line["step"] for line in log] == list(range(12))
    assert [line["kind"] for line in log] == PLAN.kinds.tolist()
    assert all(line["loss"] > 0 for line in log)
    assert log[-1]["loss"] < log[0]["loss"]
    assert max(line["learning_rate"] for line in log) <= 0.02


@pytest.mark.parametrize("prompts", [{}, {"query": "where now ", "passage": "over there "}])
def test_the_first_loss_is_infonce_over_the_batch(tmp_path: Path, prompts: dict[str, str]) -> None:
    model = static()
    model.prompts.update(prompts)
    texts = PlanTexts(PLAN, CORPUS)(np.arange(PLAN.draws.shape[1]))
    query, passage = (encode(model, texts[side], side) for side in ("query", "passage"))
    scores = query @ passage.T / SETTINGS.temperature
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - scores.diagonal())
    log = log_of(train(model, CORPUS, PLAN, SETTINGS, tmp_path / "model"))
    assert log[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_training_twice_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    again = train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert {file.name for file in again.iterdir()} == {file.name for file in whole.iterdir()}
    files = [*whole.glob("**/*.safetensors"), whole / "steps.jsonl"]
    assert len(files) == 2
    for file in files:
        assert (again / file.relative_to(whole)).read_bytes() == file.read_bytes()
    assert not (tmp_path / "model.work").exists()


def test_an_interruption_gives_the_encoder_back_and_the_next_call_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = interrupt_at(8, monkeypatch, KeyboardInterrupt())
    model, before = static(), encoder.weights_hash(static())
    with pytest.raises(KeyboardInterrupt):
        train(model, CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert encoder.weights_hash(model) == before
    assert not (tmp_path / "model").exists()
    assert [one.name for one in (tmp_path / "model.work").iterdir()] == ["checkpoint-5"]
    # what a kill in the middle of writing a checkpoint leaves: weights that are wrong, and no mark
    broken = tmp_path / "model.work" / "checkpoint-10"
    shutil.copytree(tmp_path / "model.work" / "checkpoint-5", broken)
    (broken / "hybridkit-checkpoint.json").unlink()
    (broken / "trainer_state.json").write_text("{")
    train(model, CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert began == [0, 5]
    assert weights(tmp_path / "model") == weights(whole) == encoder.weights_hash(model)
    assert (tmp_path / "model" / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()


def test_dropout_goes_on_where_it_was(bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(encoder.open(bert_folder), CORPUS, PLAN, SETTINGS, tmp_path / "whole")
    began = interrupt_at(7, monkeypatch, RuntimeError("power"))
    with pytest.raises(RuntimeError, match="power"):
        train(encoder.open(bert_folder), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    train(encoder.open(bert_folder), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert began == [0, 5]
    assert weights(tmp_path / "model") == weights(whole) != weights(bert_folder)
    assert log_of(tmp_path / "model") == log_of(whole)


def test_another_training_does_not_go_on_from_this_ones_checkpoints(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    began = interrupt_at(7, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(static(), CORPUS, PLAN, replace(SETTINGS, temperature=0.1), tmp_path / "model")
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path / "model.work", kept)
    train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert weights(tmp_path / "model") == weights(whole)
    # the same plan and settings, another encoder at the start
    shutil.copytree(kept, tmp_path / "other.work")
    train(static(seed=1), CORPUS, PLAN, replace(SETTINGS, temperature=0.1), tmp_path / "other")
    assert began == [0, 0, 0]


def test_a_kill_between_training_and_saving(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: Any) -> dict[str, str]:
        raise OSError("no space left on device")

    began = interrupt_at(99, monkeypatch, RuntimeError())
    with pytest.raises(OSError, match="no space"):
        train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model", beside=no_space)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model.work"]
    train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model", beside=lambda _: {"README.md": "# Ä"})
    assert began == [0, 12]  # nothing is trained again
    assert weights(tmp_path / "model") == weights(whole)
    assert (tmp_path / "model" / "README.md").read_text(encoding="utf-8") == "# Ä"
    assert (tmp_path / "model" / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()


KILLED = """
import sys, time
sys.path.insert(0, {root!r})
import importlib.util
spec = importlib.util.spec_from_file_location("training_tests", {file!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
from hybridkit.models.trainer import Progress
def on_step_end(self, args, state, control, **more):
    if state.global_step == 8:
        print("ready", flush=True)
        time.sleep(600)
Progress.on_step_end = on_step_end
from pathlib import Path
tests.train(tests.static(), tests.CORPUS, tests.PLAN, tests.SETTINGS, Path({out!r}))
"""


def test_kill_9_and_go_on(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = KILLED.format(root=ROOT, file=__file__, out=str(tmp_path / "model"))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert not (tmp_path / "model").exists()
    began = interrupt_at(99, monkeypatch, RuntimeError())
    train(static(), CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert began == [5]
    assert weights(tmp_path / "model") == weights(whole)
    assert (tmp_path / "model" / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()


def test_frozen_parameters_stay_and_are_free_again_afterwards(bert_folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    model = encoder.open(bert_folder)
    learnable = {name for name, one in model.named_parameters() if one.requires_grad}
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    train(model, CORPUS, PLAN, replace(SETTINGS, freeze=("word_embeddings", "LayerNorm")), tmp_path / "model")
    for name, one in model.named_parameters():
        still = "word_embeddings" in name or "LayerNorm" in name or name not in learnable
        assert bool((one == before[name]).all()) == still, name
    assert {name for name, one in model.named_parameters() if one.requires_grad} == learnable
    assert any("pooler" in name for name in before)
    assert not any("pooler" in name for name in learnable)  # nothing reads it, and it stays out
    for freeze, message in (
        (("no_such",), "must occur in the name of a parameter"),
        (("e",), "must leave a parameter to train"),
    ):
        with pytest.raises(InputError, match=f"training.freeze: .*{message}"):
            train(model, CORPUS, PLAN, replace(SETTINGS, freeze=freeze), tmp_path / "none")


def test_the_encoder_comes_back_without_autocast(bert_folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    model = encoder.open(bert_folder)
    train(model, CORPUS, PLAN, replace(SETTINGS, precision="bf16", max_length=8), tmp_path / "model")
    assert model.max_seq_length == 32
    assert "_original_forward" not in vars(model)
    texts = [*CORPUS.iter_texts()]
    here, there = encode(model, texts), encode(encoder.open(tmp_path / "model"), texts)
    np.testing.assert_array_equal(here, there)
    assert np.abs(here - encode(model, texts, precision="bf16")).max() > 1e-4  # bf16 would have shown


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    from dataclasses import replace

    script, seen = iter([0.1, 0.5, 0.4, 0.3, 0.9]), []

    def measure(model: Any) -> dict[str, float]:
        seen.append(encoder.weights_hash(model))
        return {"AP": next(script), "AP mono": 1.0}

    model = static()
    settings = replace(SETTINGS, evaluate_every=2, patience=2)
    train(model, CORPUS, PLAN, settings, tmp_path / "model", measure=measure)
    assert len(seen) == len(set(seen)) == 4
    assert encoder.weights_hash(model) == weights(tmp_path / "model") == seen[1]
    assert [line["step"] for line in log_of(tmp_path / "model")] == list(range(8))


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    import torch

    model = static()
    with torch.no_grad():
        next(model.parameters())[:] = float("nan")
    with pytest.raises(InputError, match="training, step 0: the loss is nan; lower training.learning_rate"):
        train(model, CORPUS, PLAN, SETTINGS, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_does_not_fit_is_said_before_training(tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(InputError, match="another corpus"):
        train(static(), CORPUS.select(np.arange(8)), PLAN, SETTINGS, tmp_path / "model")
    with pytest.raises(InputError, match="max_length 8: this encoder takes texts of any length"):
        train(static(), CORPUS, PLAN, replace(SETTINGS, max_length=8), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("temperature", 0.0),
        ("warmup", 1.0),
        ("weight_decay", -0.1),
        ("max_length", 3),
        ("precision", "fp16"),
        ("checkpoint_every", 0),
        ("evaluate_every", -1),
        ("patience", 2),
        ("negatives", 1),
        ("margin", -0.1),
        ("consistency", -1e-9),
        ("distillation", -0.5),
        ("margin_mse", -0.5),
        ("contrastive", 0.0),
        ("teacher_language", ""),
        ("watch", ""),
        ("watch", b"AP"),
        *(
            (name, value)
            for name in (
                *("learning_rate", "temperature", "warmup", "weight_decay"),
                *("margin", "consistency", "distillation", "contrastive", "margin_mse"),
            )
            for value in (float("inf"), float("nan"), True, "1", None)
        ),
        *(
            (name, value)
            for name in ("steps", "batch_size", "checkpoint_every", "patience", "mini_batch", "max_length")
            for value in (8.0, True, "8", float("nan"))
        ),
    ],
)
def test_settings_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"^training.{name} must be .*got {re.escape(repr(value))}"):
        TrainingSettings(**({"steps": 1, "batch_size": 2} | {name: value}))


def test_the_key_of_a_training_keeps_whole_numbers_as_python_code_gave_them() -> None:
    """A training of an earlier version with `weight_decay=0` has that 0 in its key, and goes on by it."""
    key = TrainingSettings(steps=1, batch_size=2, learning_rate=1, warmup=0, weight_decay=0).key
    assert [repr(key[name]) for name in ("learning_rate", "warmup", "weight_decay")] == ["1", "0", "0"]
