"""Distillation: by hand, as PyTorch computes it, the same bytes after a kill, and translations that come together."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from hybridkit.errors import InputError
from hybridkit.models import loss, teacher
from hybridkit.models.embedding import encode, features_of
from hybridkit.models.loss import Objective, batch_loss, info_nce, library_loss, teacher_distance
from hybridkit.models.teacher import teacher_vectors
from hybridkit.models.training import TrainingSettings, open_texts, train
from hybridkit.sampling import english, mixed
from tests.models.test_objective import BOTH, CORPUS, PLAN, SETTINGS, SOME_ALONE, gradients, log_of, made
from tests.models.test_training import interrupt_at, weights

pytestmark = pytest.mark.usefixtures("one_thread")
ALONE = replace(SETTINGS, distillation=1.0, contrastive=0.0)
ALL = replace(BOTH, distillation=5.0, contrastive=0.5, teacher_language="de")
TERMS = [ALONE, replace(SETTINGS, distillation=5.0), ALL]
SOME_PLAN = mixed().plan(SOME_ALONE, 6, 8, seed=2)


def test_the_distance_by_hand() -> None:
    query = torch.tensor([[2.0, 0.0], [5.0, 1.0]], requires_grad=True)
    passage = torch.tensor([[0.6, 0.8], [3.0, 4.0]], requires_grad=True)
    vectors = np.array([[0.0, 3.0], [1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    places = torch.tensor([[1, 1], [-1, 0]])  # the second row's query has no text of the teacher
    found = teacher_distance([query, passage], places, vectors)
    assert float(found.detach()) == pytest.approx((0 + (1 - 0.6) + (1 - 0.8)) / 4, rel=1e-6)
    found.backward()
    assert query.grad is not None and passage.grad is not None
    assert float(query.grad.abs().max()) == 0  # it lies there already, the other is drawn to nothing
    # of 1 - cosine: (cosine * own - the teacher's) / length, both of length 1; a quarter of it, of four texts
    expected = [[(0.6 * 0.6 - 1) / 4, (0.6 * 0.8 - 0) / 4], [0.8 * 0.6 / 5 / 4, (0.8 * 0.8 - 1) / 5 / 4]]
    np.testing.assert_allclose(passage.grad.numpy(), expected, rtol=1e-5)


def test_the_terms_are_added_by_their_weights() -> None:
    torch.manual_seed(0)
    query, passage, negative, twin = given = [torch.randn(3, 4, requires_grad=True) for _ in range(4)]
    vectors = torch.randn(5, 4).numpy()
    labels = torch.tensor([[1, 1, 0, 2], [0, 0, 1, -1], [1, 1, 4, 3]])
    near = float(teacher_distance([query, passage], labels[:, 2:], vectors).detach())
    assert near > 0.1
    own = float(info_nce([query, passage, negative], labels[:, 0], 2.0, margin=0.1).detach())
    apart = float(Objective(0.5, 0.1, 1.0)(given, labels)[1]["consistency"])
    for consistency in (0.0, 2.0):
        columns = given if consistency else given[:3]
        for contrastive in (0.0, 0.5, 1.0):
            found, parts = Objective(0.5, 0.1, consistency, contrastive, 3.0, vectors)(columns, labels)
            expected = {"infonce": own, "consistency": apart, "distillation": near}
            expected = {name: expected[name] for name in expected if name in parts}
            assert ("infonce" in parts, "consistency" in parts) == (contrastive > 0, consistency > 0)
            assert {name: float(value) for name, value in parts.items()} == pytest.approx(expected, rel=1e-5)
            assert float(found.detach()) == pytest.approx(contrastive * own + consistency * apart + 3 * near, rel=1e-5)
    found, _ = Objective(0.5, 0.1, 0.0, 0.0, 3.0, vectors)(given[:3], labels)
    negatives, queries = torch.autograd.grad(found, [negative, query], allow_unused=True)
    assert negatives is None and float(queries.abs().max()) > 0  # negatives have no part in it
    found, parts = Objective(0.5, contrastive=0.5)([query, passage], None)
    assert float(found.detach()) == pytest.approx(0.5 * float(parts["infonce"]))
    with pytest.raises(TypeError, match="vectors of a teacher"):
        Objective(0.5, distillation=1.0)


def opened(
    model: SentenceTransformer, settings: TrainingSettings, folder: Path
) -> tuple[Objective, list[dict[str, Any]], Tensor]:
    """The loss of a training, and the columns and labels of its first batch, in which some rows lack a text."""
    texts = open_texts(SOME_PLAN, SOME_ALONE, settings)
    assert texts.teacher is not None
    found, places = texts(np.arange(8)), texts.teacher.places[:8]
    if settings.teacher_language == "de":
        assert 0 < (places < 0).sum() < 16
    twins = [int(bool(text)) for text in found.get("twin", [""] * 8)]
    labels = torch.tensor(np.column_stack([np.zeros(8, int), twins, places]))
    objective = Objective.of(settings, teacher_vectors(model, texts, settings, folder))
    return objective, [features_of(model, some, side, "") for side, some in found.items()], labels


@pytest.mark.parametrize("settings", TERMS)
@pytest.mark.parametrize("kind", ["bert", "static", "two towers", "convolutions"])
def test_loss_and_gradients_are_the_librarys(kind: str, settings: TrainingSettings, tmp_path: Path) -> None:
    model = made(kind, tmp_path)
    objective, columns, labels = opened(model, settings, tmp_path)
    losses: list[Callable[[], Tensor]] = [partial(library_loss, model, columns, labels, objective)]
    for mini_batch in (0, 3) if kind != "static" else (0,):
        losses.append(partial(batch_loss(model, objective, mini_batch), [dict(one) for one in columns], labels))
    values: list[Tensor] = []
    found = [gradients(model, lambda one=one: values.append(one()) or values[-1]) for one in losses]  # type: ignore[misc]
    assert any(float(one.abs().max()) > 1e-3 for one in found[0].values())
    for other, value in zip(found[1:], values[1:], strict=True):
        assert float(value.detach()) == pytest.approx(float(values[0].detach()), rel=1e-4)
        assert other.keys() == found[0].keys()
        for name, gradient in found[0].items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=2e-4, msg=name)


@pytest.mark.parametrize(
    ("kind", "prompts", "max_length"),
    [
        ("bert", {"query": "who ", "passage": "the new "}, 6),
        ("static", {"query": "who ", "passage": "the new "}, None),
        ("two towers", {}, None),
        ("dimensions cut", {}, None),
    ],
)
def test_the_teacher_is_the_encoder_at_the_start(
    kind: str, prompts: dict[str, str], max_length: int | None, tmp_path: Path
) -> None:
    model = made(kind, tmp_path)
    model.prompts.update(prompts)
    settings = replace(ALONE, max_length=max_length, negatives=True)
    plan = english().plan(CORPUS, 2, 8, seed=0)
    lines = log_of(train(model, CORPUS, plan, settings, tmp_path / "english"))
    assert lines[0]["distillation"] == 0 and lines[0]["loss"] == pytest.approx(0, abs=1e-9)
    assert lines[1]["distillation"] < 1e-3  # a step of AdamW by the rounding of a gradient, and its weight decay
    assert "infonce" not in lines[0]

    model = made(kind, tmp_path)
    model.prompts.update(prompts)
    model.truncate_dim = None
    plan = mixed().plan(CORPUS, 2, 8, seed=0)
    texts, rows = open_texts(plan, CORPUS, settings)(np.arange(8)), plan.draws[0, :, 0]
    own = {side: CORPUS.take_texts(side, rows, np.full(8, CORPUS.column("en"))) for side in ("query", "passage")}
    embed = partial(encode, model, max_length=max_length)
    cosines = [(embed(texts[side], side) * embed(own[side], side)).sum(axis=1) for side in own]
    lines = log_of(train(model, CORPUS, plan, settings, tmp_path / "all"))
    assert lines[0]["loss"] == pytest.approx(1 - np.mean(cosines), rel=1e-4)
    assert np.mean(cosines) < 0.99


@pytest.mark.parametrize("settings", [ALL, replace(ALL, mini_batch=3), replace(ALL, precision="bf16")])
def test_the_log_names_the_parts_of_the_loss(
    settings: TrainingSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = log_of(train(made("bert", tmp_path), CORPUS, PLAN, settings, tmp_path / "model"))
    for line in lines:
        assert line["distillation"] > 0
        sums = 0.5 * line["infonce"] + 0.7 * line["consistency"] + 5 * line["distillation"]
        assert line["loss"] == pytest.approx(sums, abs=5e-4)  # of parts with four decimals
    assert not [one for one in caplog.records if one.name == "hybridkit"]  # packed, trimmed, as the library's way
    assert not (tmp_path / "model.work").exists()


def test_an_error_in_the_term_is_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right, plan = loss.teacher_distance, english().plan(CORPUS, 1, 8, seed=0)  # all of it is where it was
    for expected in (0, 1):
        caplog.clear()
        train(made("bert", tmp_path), CORPUS, plan, TERMS[1], tmp_path / str(expected))
        assert caplog.text.count("the kit's loss is") == expected
        monkeypatch.setattr(loss, "teacher_distance", lambda *given: 1.1 * right(*given))


def test_a_training_goes_on_to_the_same_bytes_with_the_vectors_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []
    write = teacher._write
    monkeypatch.setattr(teacher, "_write", lambda *given: calls.append(given[-1]) or write(*given))  # type: ignore[func-returns-value]
    settings = replace(ALL, negatives=True)
    whole = train(made("bert", tmp_path), SOME_ALONE, SOME_PLAN, settings, tmp_path / "whole")
    began = interrupt_at(5, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(made("bert", tmp_path), SOME_ALONE, SOME_PLAN, settings, tmp_path / "model")
    (kept,) = (tmp_path / "model.work").glob("teacher-*.npy")
    before = kept.read_bytes()
    train(made("bert", tmp_path), SOME_ALONE, SOME_PLAN, settings, tmp_path / "model")
    assert (began, len(calls)) == ([0, 4], 2)  # the vectors were found
    assert weights(tmp_path / "model") == weights(whole)
    assert (tmp_path / "model" / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()

    texts, model = open_texts(SOME_PLAN, SOME_ALONE, settings), made("bert", tmp_path)
    monkeypatch.setattr(teacher, "CHUNK", 5)
    for damage in (None, before[:-4] + b"\x00\x00\x80\x3f"):
        if damage:
            kept.write_bytes(damage)
        assert texts.teacher is not None
        vectors = teacher_vectors(model, texts, settings, tmp_path / "model.work")
        assert isinstance(vectors, np.memmap) and len(vectors) == len(texts.teacher) > 10
        np.testing.assert_allclose(
            vectors, np.load(tmp_path / "before.npy") if damage else vectors, rtol=1e-5, atol=1e-6
        )
        np.save(tmp_path / "before.npy", vectors)
    assert len(calls) == 4
    frozen = replace(settings, learning_rate=1.0, freeze=("word_embeddings",))  # the same vectors
    teacher_vectors(model, texts, frozen, tmp_path / "model.work")
    assert len(calls) == 4
    for other in (replace(settings, precision="bf16"), replace(settings, max_length=5)):
        teacher_vectors(model, texts, other, tmp_path / "model.work")
    assert len(calls) == 6 and len(list((tmp_path / "model.work").glob("teacher-*.npy"))) == 3


def test_translations_come_together_where_the_text_of_the_teacher_was(tmp_path: Path) -> None:
    def tables(model: SentenceTransformer) -> dict[str, np.ndarray]:
        return {tag: encode(model, CORPUS.passage_table(tag)[1], "passage") for tag in ("en", "de")}

    plan = mixed().plan(CORPUS, 60, 8, seed=1)
    start = tables(made("static", tmp_path))
    near: dict[str, dict[str, float]] = {}
    for name, settings in {
        "contrastive": SETTINGS,
        "both": replace(SETTINGS, distillation=20.0),
        "distillation": ALONE,
    }.items():
        model = made("static", tmp_path)
        train(model, CORPUS, plan, replace(settings, learning_rate=0.1), tmp_path / name)
        near[name] = {tag: float((one * start["en"]).sum(axis=1).mean()) for tag, one in tables(model).items()}
    before = float((start["de"] * start["en"]).sum(axis=1).mean())
    assert near["distillation"]["de"] > before + 0.5
    assert near["both"]["de"] > near["contrastive"]["de"] + 0.3
    # InfoNCE moves the teacher's language away from where it was, and distillation keeps it there
    assert near["distillation"]["en"] > near["both"]["en"] + 0.02 > near["contrastive"]["en"] + 0.1


def test_rows_without_a_text_of_the_teacher_are_counted_or_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(ALONE, teacher_language="de")
    missing = int((SOME_PLAN.draws[..., 0] % 4 == 3).sum())  # the query is in English only
    assert missing
    with caplog.at_level(logging.WARNING, "hybridkit"):
        train(made("static", tmp_path), SOME_ALONE, SOME_PLAN, settings, tmp_path / "some")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "hybridkit"]
    assert line == (
        f"training.distillation: the rows of {missing} queries and of 0 passages of 48 draws have no such text in 'de' "
        "and add nothing to it"
    )
    for settings in (replace(ALONE, teacher_language="fr"), replace(ALONE, teacher_language="DE")):
        with pytest.raises(InputError, match="^training.distillation: no row of the plan of mixed has a text in '"):
            train(made("static", tmp_path), SOME_ALONE, SOME_PLAN, settings, tmp_path / "none")
    assert not (tmp_path / "none").exists() and not (tmp_path / "none.work").exists()
