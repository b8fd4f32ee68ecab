"""Margin and consistency: by hand, as sentence-transformers and PyTorch compute them, and off by default."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder, loss
from hybridkit.models.embedding import encode, features_of
from hybridkit.models.loss import Objective, batch_loss, info_nce, library_loss, symmetric_kl
from hybridkit.models.training import TrainingSettings, train
from hybridkit.sampling import hybrid, mixed
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.files import digest
from tests.encoder_kinds import KINDS, text
from tests.models.test_training import interrupt_at, log_of, weights

pytestmark = pytest.mark.usefixtures("one_thread")


def rows(alone: int) -> list[Row]:
    """Rows in two languages, with a negative in two of three; in every `alone`-th the query is English only."""
    return [
        Row(
            str(n),
            str(n),
            str(n),
            {"en": f"who {text(n, 1 + n % 5)}"}
            | ({} if n % alone == alone - 1 else {"de": f"wer {text(n + 40, 1 + n % 4)}"}),
            {"en": f"the {text(n + 80, 2 + n)}", "de": f"die {text(n + 120, 1 + 2 * n % 11)}"},
            {} if n % 3 == 0 else {tag: f"new {text(n + 160, 3)}" for tag in ("en", "de")},
        )
        for n in range(14)
    ]


CORPUS = ParallelCorpus.from_rows(rows(alone=99))
SOME_ALONE = ParallelCorpus.from_rows(rows(alone=4))
PLAN = hybrid(alpha=0.5).plan(CORPUS, 6, 8, seed=1)
SETTINGS = TrainingSettings(steps=6, batch_size=8, learning_rate=1e-3, warmup=0.0, checkpoint_every=2)
BOTH = replace(SETTINGS, margin=0.2, consistency=0.7)
TERMS = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.5), (0.3, 2.0)]


def made(kind: str, folder: Path) -> SentenceTransformer:
    """The same encoder at every call."""
    return KINDS[kind](folder / "parts")


def test_the_margin_by_hand() -> None:
    query = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    passage = torch.tensor([[3.0, 0.0], [0.6, 0.8]])  # cosines 1 and .6, 0 and .8
    first = -log(exp((1 - 0.25) / 0.5) / (exp((1 - 0.25) / 0.5) + exp(0.6 / 0.5)))
    second = -log(exp((0.8 - 0.25) / 0.5) / (exp((0.8 - 0.25) / 0.5) + exp(0 / 0.5)))
    found, parts = Objective(temperature=0.5, margin=0.25)([query, passage], None)
    assert (float(found), parts) == (pytest.approx((first + second) / 2, rel=1e-6), {})
    # a hard negative is a candidate of both and has no margin; the one that is not present is no candidate
    negative = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    first = -log(exp(0.75 / 0.5) / (exp(0.75 / 0.5) + exp(0.6 / 0.5) + exp(0 / 0.5)))
    second = -log(exp(0.55 / 0.5) / (exp(0.55 / 0.5) + exp(0 / 0.5) + exp(1 / 0.5)))
    found, _ = Objective(temperature=0.5, margin=0.25)([query, passage, negative], torch.tensor([1, 0]))
    assert float(found) == pytest.approx((first + second) / 2, rel=1e-6)


def test_consistency_by_hand() -> None:
    assert float(symmetric_kl(torch.tensor([[log(3), 0.0]]), torch.tensor([[0.0, 0.0]]))) == pytest.approx(
        (0.75 * log(1.5) + 0.25 * log(0.5) + 0.5 * log(0.5 / 0.75) + 0.5 * log(2)) / 2, rel=1e-6
    )
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    passage = torch.tensor([[0.8, 0.6], [0.0, 1.0], [1.0, 0.0]])
    negative = torch.tensor([[0.6, -0.8], [9.0, 9.0], [0.8, -0.6]])
    twin = torch.tensor([[0.8, 0.6], [7.0, -7.0], [-0.6, 0.8]])
    labels = torch.tensor([[1, 1], [0, 0], [1, 1]])  # the second row has neither a negative nor a twin
    candidates = torch.cat([passage, negative[[0, 2]]]).numpy().astype(float)
    p, q = (softmax(one.numpy().astype(float) @ candidates.T / 0.5, axis=1) for one in (query, twin))
    kl = (rel_entr(p, q).sum(axis=1) + rel_entr(q, p).sum(axis=1)) / 2
    assert kl[0] > 0.1
    with_margin = float(info_nce([query, passage, negative], labels[:, 0], scale=2.0, margin=0.1))
    found, parts = Objective(0.5, margin=0.1, consistency=3.0)([query, passage, negative, twin], labels)
    assert float(parts["consistency"]) == pytest.approx((kl[0] + kl[2]) / 3, rel=1e-5)  # no margin in p and q
    assert float(parts["infonce"]) == pytest.approx(with_margin, rel=1e-6)  # no twin is a candidate
    assert float(found) == pytest.approx(with_margin + 3 * (kl[0] + kl[2]) / 3, rel=1e-5)


def test_a_batch_without_twins_or_with_equal_ones_adds_nothing() -> None:
    torch.manual_seed(0)
    query, passage = torch.randn(3, 4), torch.randn(3, 4)
    plain = float(info_nce([query, passage], None, 2.0))
    for twin, there in ((torch.randn(3, 4), 0), (query, 1)):
        given = [one.clone().requires_grad_() for one in (query, passage, twin)]
        found, parts = Objective(0.5, consistency=4.0)(given, torch.tensor([[0, there]] * 3))
        assert float(found.detach()) == pytest.approx(plain, rel=1e-6)
        assert float(parts["consistency"]) == pytest.approx(0, abs=1e-6)
        (gradient,) = torch.autograd.grad(found, given[2:])
        assert float(gradient.abs().max()) == pytest.approx(0, abs=1e-6)


def before(embeddings: list[Tensor], present: Tensor | None, scale: float, gather: bool = False) -> Tensor:
    """The loss as it was before there were margin and consistency."""
    unit: list[Any] = [nn.functional.normalize(one.float(), dim=-1) for one in embeddings]
    queries, targets = unit[0], unit[1:]
    known = None if present is None or len(targets) < 2 else present.to(queries.device) > 0
    scores = queries @ torch.cat(targets).T * scale
    if known is not None:
        scores[:, len(targets[0]) :].masked_fill_(~known, -torch.inf)
    return nn.functional.cross_entropy(scores, torch.arange(len(queries)))


@pytest.mark.parametrize("kind", ["bert", "static"])
@pytest.mark.parametrize("negatives", [False, True])
def test_by_default_a_training_gives_the_bytes_that_it_gave_before(
    kind: str, negatives: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, negatives=negatives)
    now = train(made(kind, tmp_path), CORPUS, PLAN, settings, tmp_path / "now")
    monkeypatch.setattr(
        Objective, "__call__", lambda self, some, labels, gather=False: (before(some, labels, 1 / self.temperature), {})
    )
    then = train(made(kind, tmp_path), CORPUS, PLAN, settings, tmp_path / "then")
    files = [*now.glob("**/*.safetensors"), now / "steps.jsonl"]
    assert len(files) == 2
    for file in files:
        assert (then / file.relative_to(now)).read_bytes() == file.read_bytes()
    assert set(log_of(now)[0]) == {"step", "kind", "loss", "learning_rate"}
    assert weights(now) != encoder.weights_hash(made(kind, tmp_path))


def test_the_keys_of_trainings_without_them_stay() -> None:
    plain = TrainingSettings(steps=12, batch_size=4, learning_rate=0.02)
    assert digest(plain.key) == "130c1faa761564e3bbc3d2b78a231c4b2852453033498fe9bf9ca9648c62e4aa"  # of version 0.2
    off = {"margin": 0, "consistency": 0, "distillation": 0, "contrastive": 1, "margin_mse": 0}
    assert replace(plain, **off, teacher_language="en", reranker="").key == plain.key
    keys = [digest(replace(plain, **{name: 0.1}).key) for name in off if name != "margin_mse"]
    keys.append(digest(replace(plain, negatives=True, margin_mse=0.1, reranker="some").key))
    keys.append(digest(replace(plain, negatives=True).key))
    assert len({*keys, digest(plain.key)}) == 7


def features(model: SentenceTransformer, negatives: bool = False) -> tuple[list[dict[str, Any]], Tensor]:
    """Columns of the first batch of a plan in which some rows have no twin, with their labels."""
    texts = PlanTexts(mixed().plan(SOME_ALONE, 1, 8, seed=0), SOME_ALONE, negatives=negatives, twins=True)(np.arange(8))
    labels = torch.tensor([[int(bool(one)) for one in texts.get(side, [""] * 8)] for side in ("negative", "twin")]).T
    assert 0 < labels[:, 1].sum() < 8
    return [features_of(model, found, side, "") for side, found in texts.items()], labels


def gradients(model: SentenceTransformer, value: Callable[[], Tensor]) -> dict[str, Tensor]:
    model.eval().zero_grad()
    value().backward()
    return {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}


@pytest.mark.parametrize(("margin", "consistency"), TERMS)
@pytest.mark.parametrize("kind", ["bert", "static", "gpt2 right", "two towers", "convolutions"])
def test_loss_and_gradients_are_the_librarys(kind: str, margin: float, consistency: float, tmp_path: Path) -> None:
    model, objective = made(kind, tmp_path), Objective(0.1, margin, consistency)
    columns, labels = features(model)
    labels = labels if consistency else None  # type: ignore[assignment]
    columns = columns if consistency else columns[:2]
    losses, values = [partial(library_loss, model, columns, labels, objective)], []
    for mini_batch in (0, 3) if kind != "static" else (0,):
        losses.append(partial(batch_loss(model, objective, mini_batch), [dict(one) for one in columns], labels))
    found = []
    for one in losses:
        found.append(gradients(model, lambda one=one: values.append(one()) or values[-1]))  # type: ignore[misc]
    assert len(found[0]) >= 1 and any(float(one.abs().max()) > 1e-3 for one in found[0].values())
    for other, value in zip(found[1:], values[1:], strict=True):
        assert float(value.detach()) == pytest.approx(float(values[0].detach()), rel=1e-4)
        assert other.keys() == found[0].keys()
        for name, gradient in found[0].items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=2e-4, msg=name)


@pytest.mark.parametrize("mini_batch", [1, 3, 8])
def test_cached_gradients_are_the_plain_ones(mini_batch: int, tmp_path: Path) -> None:
    model = made("bert", tmp_path)
    columns, labels = features(model, negatives=True)
    assert len(columns) == 4 and 0 < labels[:, 0].sum() < 8
    found = []
    for size in (0, mini_batch):
        value = batch_loss(model, Objective(0.1, 0.3, 2.0), size)
        found.append(gradients(model, partial(value, [dict(one) for one in columns], labels)))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-4, msg=name)


@pytest.mark.parametrize("settings", [BOTH, replace(BOTH, mini_batch=3), replace(BOTH, precision="bf16")])
def test_the_log_names_the_parts_of_the_loss(
    settings: TrainingSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = made("bert", tmp_path)
    texts = PlanTexts(PLAN, CORPUS, twins=True)(np.arange(8))
    query, passage, twin = (
        torch.tensor(encode(model, texts[side], "passage" if side == "passage" else "query"))
        for side in ("query", "passage", "twin")
    )
    objective = Objective(settings.temperature, settings.margin, settings.consistency)
    loss_value, parts = objective([query, passage, twin], torch.ones(8, 2))
    lines = log_of(train(model, CORPUS, PLAN, settings, tmp_path / "model"))
    near = 2e-2 if settings.precision == "bf16" else 1e-4
    assert lines[0]["loss"] == pytest.approx(float(loss_value), rel=near)
    for name, value in parts.items():
        assert lines[0][name] == pytest.approx(float(value), rel=near, abs=1e-4)
    for line in lines:
        assert line["consistency"] > 0
        assert line["loss"] == pytest.approx(line["infonce"] + 0.7 * line["consistency"], abs=2e-4)
    assert not [one for one in caplog.records if one.name == "hybridkit"]  # packed, trimmed, as the library's way


def test_an_error_in_a_term_is_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right, cross_entropy = loss.symmetric_kl, loss._cross_entropy
    for settings, name, wrong in (
        (replace(SETTINGS, consistency=0.7), "symmetric_kl", lambda *given: 1.1 * right(*given)),
        (replace(SETTINGS, margin=0.2), "_cross_entropy", lambda scores, own, _: cross_entropy(scores, own, 0.0)),
    ):
        for expected in (0, 1):
            caplog.clear()
            train(made("bert", tmp_path), CORPUS, PLAN[:1], settings, tmp_path / f"{name}{expected}")
            assert caplog.text.count("the kit's loss is") == expected
            monkeypatch.setattr(loss, name, wrong)
        monkeypatch.undo()


def test_a_training_with_consistency_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(BOTH, negatives=True)
    plan = mixed().plan(SOME_ALONE, 6, 8, seed=2)
    whole = train(made("bert", tmp_path), SOME_ALONE, plan, settings, tmp_path / "whole")
    again = train(made("bert", tmp_path), SOME_ALONE, plan, settings, tmp_path / "again")
    began = interrupt_at(5, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(made("bert", tmp_path), SOME_ALONE, plan, settings, tmp_path / "model")
    train(made("bert", tmp_path), SOME_ALONE, plan, settings, tmp_path / "model")
    assert began == [0, 4]
    for other in (again, tmp_path / "model"):
        assert weights(other) == weights(whole)
        assert (other / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()


def test_consistency_makes_languages_score_alike(tmp_path: Path) -> None:
    settings = replace(SETTINGS, learning_rate=0.2)
    apart = []
    for weight in (0.0, 4.0):
        model = made("static", tmp_path)
        train(model, CORPUS, PLAN, replace(settings, consistency=weight), tmp_path / str(weight))
        passages = encode(model, CORPUS.passage_table("en")[1], "passage")
        one, other = (
            torch.tensor(encode(model, CORPUS.query_table(tag)[1]) @ passages.T) / settings.temperature
            for tag in ("en", "de")
        )
        apart.append(float(symmetric_kl(one, other).mean()))
    assert apart[1] < 0.6 * apart[0]


def test_queries_in_one_language_are_counted_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = mixed().plan(SOME_ALONE, 6, 8, seed=2)
    settings = replace(SETTINGS, consistency=1.0)
    alone = int((PlanTexts(plan, SOME_ALONE, twins=True).twins < 0).sum())  # type: ignore[operator]
    with caplog.at_level(logging.WARNING, "hybridkit"):
        train(made("static", tmp_path), SOME_ALONE, plan, settings, tmp_path / "some")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "hybridkit"]
    assert line == (
        f"training.consistency: the queries of {alone} of 48 draws are known in one language only and add nothing to it"
    )
    english = ParallelCorpus.from_rows(rows(alone=1))
    with pytest.raises(InputError, match="^training.consistency: no query of the plan of mixed is known in a second"):
        train(made("static", tmp_path), english, mixed().plan(english, 6, 8, seed=0), settings, tmp_path / "none")
    assert not (tmp_path / "none").exists() and not (tmp_path / "none.work").exists()
