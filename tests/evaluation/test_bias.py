"""Language share of the top k; rank distance by hand stands in test_measures.py beside the values it belongs to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridkit.data.benchmark import Benchmark
from hybridkit.evaluation.bias import language_share, top_columns


def toy() -> Benchmark:
    ids = ["t:de:1", "t:de:2", "t:de:3", "t:en:1"]
    return Benchmark(
        "t",
        pd.DataFrame({"language": ["de", "en", "en"], "query_id": ["p", "p", "q"], "article": "a", "text": "?"}),
        pd.DataFrame({"language": ["de", "de", "de", "en"], "passage_id": ids, "article": "a", "text": "!"}),
        pd.DataFrame({"query_id": ["p"], "passage_language": ["de"], "passage_id": ids[:1]}),
    )


def test_shares_by_hand() -> None:
    # de p: top 2 are de:1, de:2. en p: en:1 and, of the tied three, de:3. en q: all tied, so en:1 and de:3.
    scores = np.array([[0.9, 0.8, 0.1, 0.2], [0.5, 0.5, 0.5, 0.6], [0, 0, 0, 0]], np.float32)
    table = language_share(toy(), lambda rows: scores[rows], k=2)
    # A perfect top 2 of p: de:1, then one of three, two of them German. q has no relevant passage: any two of four.
    p = np.array([1 + 2 / 3, 1 / 3]) / 2
    q = np.array([3 / 4, 1 / 4])
    assert table[["query_language", "passage_language", "share"]].to_numpy().tolist() == [
        ["de", "de", 1.0],
        ["de", "en", 0.0],
        ["en", "de", 0.5],
        ["en", "en", 0.5],
    ]
    assert table["expected"].tolist() == pytest.approx([*p, *(p + q) / 2])


def parallel(sizes: tuple[int, ...] = (12, 3, 7)) -> Benchmark:
    """Two questions in three languages with as many sentences as given, one of them relevant to each question."""
    tags = [f"l{number}" for number in range(len(sizes))]
    ids = [(tag, f"t:{tag}:{n:02d}") for tag, size in zip(tags, sizes, strict=True) for n in range(size)]
    queries = pd.DataFrame([(tag, name, name, "?") for tag in tags for name in "pq"])
    passages = pd.DataFrame([(tag, name, "a", "!") for tag, name in ids])
    judged = pd.DataFrame([(name, tag, f"t:{tag}:{n:02d}") for n, name in enumerate("pq") for tag in tags])
    queries.columns, passages.columns = (
        ["language", "query_id", "article", "text"],
        ["language", "passage_id", "article", "text"],
    )
    judged.columns = ["query_id", "passage_language", "passage_id"]
    return Benchmark("t", queries, passages, judged)


def perfect(benchmark: Benchmark, draw: np.random.Generator) -> np.ndarray:
    """Scores of a perfect and blind system: relevant passages first, the rest behind, each in random order."""
    scores = draw.random((len(benchmark.queries), len(benchmark.passages)))
    at = {name: n for n, name in enumerate(benchmark.passages["passage_id"])}
    judged = benchmark.judgements.groupby("query_id")["passage_id"].agg(list)
    for row, name in enumerate(benchmark.queries["query_id"]):
        scores[row, [at[one] for one in judged[name]]] += 1
    return np.asarray(scores, np.float32)


def test_a_perfect_ranking_shows_each_language_as_often_as_expected() -> None:
    toy, draw = parallel(), np.random.default_rng(0)
    scores = perfect(toy, draw)
    table = language_share(toy, lambda rows: scores[rows], k=3)  # as many as there are relevant passages
    assert (table["share"] / table["expected"]).tolist() == pytest.approx([1.0] * 9, abs=1e-12)
    for k in (2, 8):  # on average over the orders that there are
        tables = []
        for _ in range(400):
            scores = perfect(toy, draw)
            tables.append(language_share(toy, lambda rows, scores=scores: scores[rows], k=k))
        ratio = sum(one["share"] for one in tables) / len(tables) / tables[0]["expected"]
        assert ratio.tolist() == pytest.approx([1.0] * 9, abs=0.1)


def test_a_top_deeper_than_the_pool_is_the_pool() -> None:
    table = language_share(toy(), lambda rows: np.zeros((rows.stop - rows.start, 4)), k=10)
    assert table["share"].tolist() == pytest.approx(table["expected"].tolist())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda width: st.tuples(
            st.lists(
                st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=width, max_size=width), min_size=1, max_size=4
            ),
            st.integers(1, width),
        )
    )
)
def test_top_columns_are_those_of_a_sort(case: tuple[list[list[float]], int]) -> None:
    lines, k = case
    rows, columns = top_columns(np.array(lines, np.float32), k)
    for number, line in enumerate(lines):
        best = sorted(range(len(line)), key=lambda column: (line[column], column), reverse=True)[:k]
        assert columns[rows == number].tolist() == sorted(best)
