"""MarginMSE: by hand, as sentence-transformers computes it, from scores that are made once, the same after a kill."""

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
from sentence_transformers.sentence_transformer.losses import MarginMSELoss
from sentence_transformers.util import pairwise_cos_sim
from torch import Tensor

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder, loss, margins, reranker
from hybridkit.models.embedding import encode, features_of
from hybridkit.models.loss import Objective, batch_loss, info_nce, library_loss, margin_distance
from hybridkit.models.margins import reranker_margins
from hybridkit.models.training import TrainingSettings, open_texts, train
from hybridkit.sampling import mixed, parse
from hybridkit.sampling.plan import BatchPlan
from tests.encoder_kinds import WORDS
from tests.models.test_objective import gradients, log_of, made
from tests.models.test_training import interrupt_at, weights
from tests.tiny_rerankers import make_bert

pytestmark = pytest.mark.usefixtures("one_thread")


def corpus(without: int) -> ParallelCorpus:
    """Rows in two languages; every `without`-th has no hard negative, some queries are in English only."""
    return ParallelCorpus.from_rows(
        Row(
            str(n),
            str(n),
            str(n),
            {"en": f"who is {WORDS[n]}"} | ({} if n % 5 == 4 else {"de": f"wer ist {WORDS[n + 20]}"}),
            {"en": f"{WORDS[n]} is {WORDS[2 * n]}" + " far" * (n % 4), "de": f"{WORDS[n + 20]} liegt {WORDS[n]}"},
            {} if n % without == 0 else {tag: f"nobody {tag} knows {WORDS[3 * n]}" for tag in ("en", "de")},
        )
        for n in range(1, 15)
    )


CORPUS, SOME = corpus(without=99), corpus(without=3)
PLAN, SOME_PLAN = (mixed().plan(one, 6, 8, seed=2) for one in (CORPUS, SOME))
PLAIN = TrainingSettings(steps=6, batch_size=8, learning_rate=1e-3, warmup=0.0, checkpoint_every=2, negatives=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("reranker"))


def taught(folder: Path, **changes: Any) -> TrainingSettings:
    return replace(PLAIN, **({"margin_mse": 0.3, "reranker": str(folder)} | changes))


def terms(folder: Path) -> list[TrainingSettings]:
    """It alone, beside InfoNCE, and beside every other term."""
    every = {"margin": 0.2, "consistency": 0.7, "distillation": 5.0, "teacher_language": "de"}
    return [taught(folder, contrastive=0.0), taught(folder), taught(folder, contrastive=0.5, **every)]


def test_the_distance_by_hand() -> None:
    query = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]], requires_grad=True)
    passage = torch.tensor([[0.6, 0.8], [1.0, 0.0], [9.0, 9.0]], requires_grad=True)
    negative = torch.tensor([[-4.0, 3.0], [0.0, 5.0], [torch.nan, torch.nan]])  # the third row has none
    wanted = torch.tensor([10.0, -1.0, 7.0])
    found = margin_distance([query, passage, negative], torch.tensor([1, 1, 0]), wanted, scale=5.0)
    first, second = 5 * (0.6 + 0.8) - 10, 5 * (0 - 1) + 1
    assert float(found.detach()) == pytest.approx((first**2 + second**2) / 3, rel=1e-6)
    found.backward()
    assert passage.grad is not None and query.grad is not None
    assert torch.isfinite(query.grad).all() and float(passage.grad[2].abs().max()) == 0
    # of the cosine with (.6, .8), already of length 1: the query's direction less its part along the passage
    direction = np.array([1.0, 0.0]) - 0.6 * np.array([0.6, 0.8])
    np.testing.assert_allclose(passage.grad[0].numpy(), 2 * first * 5 / 3 * direction, rtol=1e-5)


def test_it_is_the_librarys_loss_of_a_batch_where_every_row_has_a_negative() -> None:
    torch.manual_seed(0)
    given = [torch.randn(6, 5, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    scores = torch.randn(6, 2, dtype=torch.float64) * 8
    theirs = MarginMSELoss(torch.nn.Identity(), lambda one, other: pairwise_cos_sim(one, other) / 0.02)  # type: ignore[arg-type]
    expected = theirs.compute_loss_from_embeddings(given, scores)  # of both scores, it takes the difference itself
    objective = Objective(0.02, contrastive=0.0, margin_mse=1.0, margins=(scores[:, 0] - scores[:, 1]).numpy())
    labels = torch.tensor([[1, 0, -1, -1, n] for n in range(6)])
    found, parts = objective(given, labels)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert {name: float(one) for name, one in parts.items()} == {"margin_mse": float(found.detach())}
    for ours, other in zip(torch.autograd.grad(found, given), torch.autograd.grad(expected, given), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-3)


def test_the_terms_are_added_by_their_weights() -> None:
    torch.manual_seed(0)
    given = [torch.randn(3, 4) for _ in range(3)]
    labels, wanted = torch.tensor([[1, 0, -1, -1, 4], [0, 0, -1, -1, 0], [1, 0, -1, -1, 2]]), np.arange(5.0)
    apart = float(margin_distance(given, labels[:, 0], torch.tensor([4.0, 0.0, 2.0]), 2.0))
    own = float(info_nce(given, labels[:, 0], 2.0, margin=0.1))  # the margin is InfoNCE's alone
    for contrastive in (0.0, 1.0):
        found, parts = Objective(0.5, 0.1, contrastive=contrastive, margin_mse=3.0, margins=wanted)(given, labels)
        assert float(found) == pytest.approx(contrastive * own + 3 * apart, rel=1e-6)
        assert float(parts["margin_mse"]) == pytest.approx(apart, rel=1e-6)
    with pytest.raises(TypeError, match="margins of a re-ranker"):
        Objective(0.5, margin_mse=1.0)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", ["bert", "static", "two towers", "convolutions"])
def test_loss_and_gradients_are_the_librarys(kind: str, number: int, folder: Path, tmp_path: Path) -> None:
    settings, model = terms(folder)[number], made(kind, tmp_path)
    texts = open_texts(PLAN, CORPUS, settings)
    found, known = texts(np.arange(8)), np.random.default_rng(0).normal(0, 9, len(PLAN) * 8).astype(np.float32)
    twins = [int(bool(text)) for text in found.get("twin", [""] * 8)]
    places = np.full((8, 2), -1) if texts.teacher is None else texts.teacher.places[:8]
    labels = torch.tensor(np.column_stack([np.ones(8, int), twins, places, np.arange(8)]))
    vectors = np.random.default_rng(1).normal(size=(99, model.get_embedding_dimension() or 0)).astype(np.float32)
    objective = Objective.of(settings, vectors if settings.distillation else None, known)
    columns = [features_of(model, some, side, "") for side, some in found.items()]
    losses: list[Callable[[], Tensor]] = [partial(library_loss, model, columns, labels, objective)]
    for mini_batch in (0, 3) if kind != "static" else (0,):
        losses.append(partial(batch_loss(model, objective, mini_batch), [dict(one) for one in columns], labels))
    values: list[Tensor] = []
    grown = [gradients(model, lambda one=one: values.append(one()) or values[-1]) for one in losses]  # type: ignore[misc]
    assert any(float(one.abs().max()) > 1 for one in grown[0].values())
    for other, value in zip(grown[1:], values[1:], strict=True):
        assert float(value.detach()) == pytest.approx(float(values[0].detach()), rel=1e-4)
        assert other.keys() == grown[0].keys()
        for name, gradient in grown[0].items():
            near = 1e-5 * float(max(one.abs().max() for one in grown[0].values()))
            torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=max(2e-4, near), msg=name)


def by_hand(model: SentenceTransformer, plan: BatchPlan, rows: ParallelCorpus, settings: TrainingSettings) -> float:
    """The term of a training's first batch, by the encoder as it is."""
    texts = open_texts(plan, rows, settings)
    found = texts(np.arange(8))
    has = np.array([bool(text) for text in found["negative"]])
    both = reranker.open(settings.reranker)
    vectors = {side: encode(model, [text or "-" for text in some], side) for side, some in found.items()}
    scores = [
        reranker.score(both, found["query"], [text or "-" for text in found[side]]) for side in ("passage", "negative")
    ]
    own = [(vectors["query"] * vectors[side]).sum(axis=1) / settings.temperature for side in ("passage", "negative")]
    return float((((own[0] - own[1]) - (scores[0] - scores[1])) ** 2 * has).sum() / 8)


@pytest.mark.parametrize("kind", ["bert", "static", "two towers"])
@pytest.mark.parametrize("changes", [{}, {"mini_batch": 3}, {"contrastive": 0.0}, {"precision": "bf16"}])
def test_a_training_learns_the_margins_of_its_re_ranker(
    kind: str, changes: dict[str, Any], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if kind == "static" and "mini_batch" in changes:
        pytest.skip("it has no mini-batches")
    settings = taught(folder, **changes)
    expected = by_hand(made(kind, tmp_path), PLAN, CORPUS, settings)
    assert expected > 1
    lines = log_of(train(made(kind, tmp_path), CORPUS, PLAN, settings, tmp_path / "model"))
    assert lines[0]["margin_mse"] == pytest.approx(expected, rel=0.05 if settings.precision == "bf16" else 1e-3)
    for line in lines:
        parts = settings.contrastive * line.get("infonce", 0.0) + 0.3 * line["margin_mse"]
        assert line["loss"] == pytest.approx(parts, rel=1e-4, abs=2e-4)
        assert ("infonce" in line) == (settings.contrastive > 0)
    assert not [one for one in caplog.records if one.name == "hybridkit"]  # packed, trimmed, as the library's way
    assert not (tmp_path / "model.work").exists()


def test_a_student_comes_nearer_to_the_re_ranker(folder: Path, tmp_path: Path) -> None:
    settings = taught(folder, contrastive=0.0, learning_rate=0.05, steps=60)
    plan, model = mixed().plan(CORPUS, 60, 8, seed=1), made("static", tmp_path)
    before = by_hand(model, plan, CORPUS, settings)
    train(model, CORPUS, plan, settings, tmp_path / "model")
    assert by_hand(model, plan, CORPUS, settings) < 0.2 * before


def test_an_error_in_the_term_is_found_before_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = loss.margin_distance
    for expected in (0, 1):
        caplog.clear()
        train(made("bert", tmp_path), CORPUS, PLAN[:1], taught(folder), tmp_path / str(expected))
        assert caplog.text.count("the kit's loss is") == expected
        monkeypatch.setattr(loss, "margin_distance", lambda *given: 1.1 * right(*given))


SWITCHED = "codeswitch(english, p=0.5, side='both', lexicon='{}')"


@pytest.mark.parametrize("strategy", ["mixed", "english", SWITCHED])
def test_margins_are_those_of_the_texts_that_are_trained_on_and_each_pair_is_scored_once(
    strategy: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "en-de.txt").write_text("who wer\nis ist\nknows weiss\n")
    plan = parse(strategy.format(tmp_path / "words")).plan(SOME, 6, 8, seed=2)
    settings = taught(folder, max_length=9)
    texts = open_texts(plan, SOME, settings)
    found, model = texts(np.arange(48)), reranker.open(folder)
    expected = [
        float(np.subtract(*(reranker.score(model, [query], [one], max_length=9)[0] for one in (passage, negative))))
        if negative
        else 0
        for query, passage, negative in zip(found["query"], found["passage"], found["negative"], strict=True)
    ]
    scored: list[tuple[str, str]] = []
    plain = reranker.score_and_count

    def count(model: Any, queries: Any, passages: Any, *more: Any, **named: Any) -> Any:
        scored.extend(zip(queries, passages, strict=True))
        return plain(model, queries, passages, *more, **named)

    monkeypatch.setattr(reranker, "score_and_count", count)
    monkeypatch.setattr(margins, "CHUNK", 7)
    values, known = reranker_margins(texts, settings, tmp_path / "work")
    np.testing.assert_allclose(values, expected, atol=1e-4)
    assert values.dtype == np.float32 and 0 < np.count_nonzero(values) < 48
    pairs = {
        (query, other)
        for query, *others in zip(found["query"], found["passage"], found["negative"], strict=True)
        for other in others
        if others[1]
    }
    assert sorted(scored) == sorted(pairs) and (SWITCHED not in strategy or len(pairs) > 40)
    assert known == encoder.model_hash(model)  # type: ignore[arg-type]


def test_a_training_goes_on_to_the_same_bytes_with_the_scores_of_the_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []
    write = margins._write
    monkeypatch.setattr(margins, "_write", lambda *given: calls.append(given[-1]) or write(*given))  # type: ignore[func-returns-value]
    settings = terms(folder)[2]
    whole = train(made("bert", tmp_path), SOME, SOME_PLAN, settings, tmp_path / "whole")
    began = interrupt_at(5, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(made("bert", tmp_path), SOME, SOME_PLAN, settings, tmp_path / "model")
    (kept,) = (tmp_path / "model.work").glob("margins-*.npy")
    before = kept.read_bytes()
    moved = make_bert(tmp_path / "moved")  # the same re-ranker elsewhere is the same training
    train(made("bert", tmp_path), SOME, SOME_PLAN, replace(settings, reranker=str(moved)), tmp_path / "model")
    assert (began, len(calls)) == ([0, 4], 2)  # the scores were found
    assert weights(tmp_path / "model") == weights(whole)
    assert (tmp_path / "model" / "steps.jsonl").read_bytes() == (whole / "steps.jsonl").read_bytes()

    texts = open_texts(SOME_PLAN, SOME, settings)
    kept.parent.mkdir()
    for damage in (b"", before[:-4] + b"\x00\x00\x80\x3f"):
        kept.write_bytes(damage)
        reranker_margins(texts, settings, kept.parent)
        assert kept.read_bytes() == before
    assert len(calls) == 4
    other = make_bert(tmp_path / "other", hidden=8)
    for change in ({"precision": "bf16"}, {"max_length": 9}, {"reranker": str(other)}):
        reranker_margins(texts, replace(settings, **change), kept.parent)  # type: ignore[arg-type]
    assert len(calls) == 7 and len(list(kept.parent.glob("margins-*.npy"))) == 4
    reranker_margins(texts, replace(settings, learning_rate=1.0, reranker=str(moved)), kept.parent)
    assert len(calls) == 7


def test_another_re_ranker_is_another_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert taught(folder).key == taught(Path("elsewhere")).key == PLAIN.key | {"margin_mse": 0.3}
    began = interrupt_at(5, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        train(made("static", tmp_path), CORPUS, PLAN, taught(folder), tmp_path / "model")
    other = make_bert(tmp_path / "other", hidden=8)
    train(made("static", tmp_path), CORPUS, PLAN, taught(other), tmp_path / "model")
    assert began == [0, 0] and "it is of another training" in caplog.text


def test_rows_without_a_negative_are_counted_or_refused(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = taught(folder)
    usable = open_texts(SOME_PLAN, SOME, settings).usable
    assert usable is not None
    with caplog.at_level(logging.WARNING, "hybridkit"):
        lines = log_of(train(made("bert", tmp_path), SOME, SOME_PLAN, settings, tmp_path / "some"))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "hybridkit"]
    assert line == (
        f"training.margin_mse: {(~usable).sum()} of 48 draws have no hard negative for their batch and add nothing to "
        "it"
    )
    assert 0 < usable[:8].sum() < 8
    expected = by_hand(made("bert", tmp_path), SOME_PLAN, SOME, settings)
    assert lines[0]["margin_mse"] == pytest.approx(expected, rel=1e-3)
    none = corpus(without=1)
    with pytest.raises(InputError, match="^training.margin_mse: no draw of the plan of mixed has a hard negative"):
        train(made("static", tmp_path), none, mixed().plan(none, 2, 8, seed=0), settings, tmp_path / "none")
    assert not list(tmp_path.glob("none*"))


def test_what_is_no_re_ranker_is_refused_before_anything_runs(folder: Path, tmp_path: Path) -> None:
    encoder.save(encoder.make(CORPUS.iter_texts(), 60, 4), tmp_path / "dual")
    several = make_bert(tmp_path / "several", labels=3)
    for name, why in (
        (tmp_path / "dual", "this is a dual encoder, which embeds each text by itself"),
        (tmp_path / "nowhere", "nowhere: there is no such folder"),
        (several, "it gives 3 scores to a pair"),
        (make_bert(tmp_path / "headless", labels=0), "no head that gives a pair of texts a score"),
    ):
        with pytest.raises(InputError, match=why):
            train(made("static", tmp_path), CORPUS, PLAN, taught(name), tmp_path / "model")
    assert not list(tmp_path.glob("model*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"margin_mse": 1.0, "negatives": False, "reranker": "r"},
            "training.margin_mse must be 0 where negatives is f",
        ),
        ({"margin_mse": 1.0}, "training.reranker must be given where margin_mse is above 0"),
        ({"reranker": "r"}, "training.reranker must be left out: margin_mse is 0 .got 'r'."),
        ({"margin_mse": -1.0}, "training.margin_mse must be a number from 0 on"),
        ({"contrastive": 0.0}, "training.contrastive must be above 0 where distillation and margin_mse are 0"),
    ],
)
def test_settings_that_do_not_fit_each_other(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(PLAIN, **changes)
