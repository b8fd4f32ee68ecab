"""Losses of finished models on new batches."""

import numpy as np
import pandas as pd
import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.evaluation import encoder_scores
from hybridkit.evaluation.encoder_scores import batch_losses

CORPUS = ParallelCorpus.from_rows(
    Row(f"{n:02}", f"{n:02}", f"{n:02}", {"en": f"who {n}", "de": f"wer {n}"}, {"en": f"she {n}", "de": f"sie {n}"}, {})
    for n in range(12)
)
BENCHMARK = Benchmark.from_corpus(CORPUS, "toy")


def embeddings(rng: np.random.Generator, rows: int) -> np.ndarray:
    found = rng.normal(size=(rows, 6)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_perfect_embeddings_have_the_loss_of_orthogonal_passages() -> None:
    ids = sorted(BENCHMARK.queries["query_id"].unique())
    place = {one: number for number, one in enumerate(ids)}
    queries = np.eye(12)[BENCHMARK.queries["query_id"].map(place)]
    owner = dict(zip(BENCHMARK.judgements["passage_id"], BENCHMARK.judgements["query_id"], strict=True))
    passages = np.eye(12)[BENCHMARK.passages["passage_id"].map(owner).map(place)]
    found = batch_losses(BENCHMARK, queries, passages, temperature=0.5, size=4, batches=3)
    # the own passage has score 1 / 0.5, three others 0
    assert found["loss"].tolist() == pytest.approx([np.log(np.exp(2) + 3) - 2] * 9)
    assert found["kind"].tolist() == ["mono"] * 3 + ["cross"] * 3 + ["pool"] * 3


def test_every_model_sees_the_same_batches_of_the_right_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, passages = embeddings(rng, len(BENCHMARK.queries)), embeddings(rng, len(BENCHMARK.passages))
    seen: list[tuple[str, list[str], list[str]]] = []
    draw = encoder_scores._draw

    def spied(*rest: object) -> tuple[np.ndarray, np.ndarray]:
        query, passage = draw(*rest)  # type: ignore[arg-type]
        kind = encoder_scores.KINDS[len(seen) % 60 // 20]
        asked = BENCHMARK.queries.iloc[query]
        seen.append((kind, asked["language"].tolist(), BENCHMARK.passages.iloc[passage]["language"].tolist()))
        judged = set(zip(BENCHMARK.judgements["query_id"], BENCHMARK.judgements["passage_id"], strict=True))
        ids = BENCHMARK.passages.iloc[passage]["passage_id"]
        assert all(pair in judged for pair in zip(asked["query_id"], ids, strict=True))
        assert asked["article"].is_unique
        return query, passage

    monkeypatch.setattr(encoder_scores, "_draw", spied)
    first = batch_losses(BENCHMARK, queries, passages, 0.1, size=5, batches=20)
    again = batch_losses(BENCHMARK, queries, passages, 0.1, size=5, batches=20)
    pd.testing.assert_frame_equal(first, again)
    assert seen[:60] == seen[60:]
    for kind, query, passage in seen:
        if kind == "mono":
            assert len({*query, *passage}) == 1
        else:
            assert all(one != other for one, other in zip(query, passage, strict=True))
        if kind == "cross":  # candidates as in the setting of that name: all in one language
            assert len(set(query)) == len(set(passage)) == 1
    for kind in ("mono", "cross"):
        assert {query[0] for one, query, _ in seen if one == kind} == {"en", "de"}
    assert sum(len(set(passage)) > 1 for kind, _, passage in seen if kind == "pool") > 30
    assert first["loss"].nunique() == 60


def test_a_batch_larger_than_the_benchmark_is_an_error() -> None:
    rng = np.random.default_rng(0)
    queries, passages = embeddings(rng, len(BENCHMARK.queries)), embeddings(rng, len(BENCHMARK.passages))
    with pytest.raises(InputError, match="toy: a mono batch of 13 needs as many articles, there are 12"):
        batch_losses(BENCHMARK, queries, passages, 0.1, size=13)


def test_a_language_without_articles_for_a_batch_is_not_drawn() -> None:
    few = [
        Row(
            f"{n:02}", f"{n:02}", f"{n:02}", {"en": f"who {n}"} | ({"th": "t"} if n < 3 else {}), {"en": f"she {n}"}, {}
        )
        for n in range(12)
    ]
    benchmark = Benchmark.from_corpus(ParallelCorpus.from_rows(few), "few")
    rng = np.random.default_rng(0)
    queries, passages = embeddings(rng, len(benchmark.queries)), embeddings(rng, len(benchmark.passages))
    with pytest.raises(InputError, match="few: a cross batch of 5 needs as many articles, there are 3"):
        batch_losses(benchmark, queries, passages, 0.1, size=5, batches=2)
    assert len(batch_losses(benchmark, queries, passages, 0.1, size=3, batches=2)) == 6
