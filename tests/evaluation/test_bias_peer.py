"""PEER against a plain loop over ranked lists, with scipy's test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kruskal

from hybridkit.data.benchmark import Benchmark
from hybridkit.evaluation.bias import peer


def make(counts: dict[str, int], queries: list[tuple[str, str]], judged: list[tuple[str, str, int]]) -> Benchmark:
    passages = [(tag, f"t:{tag}:{n:02d}", "a", "!") for tag, count in counts.items() for n in range(count)]
    return Benchmark(
        "t",
        pd.DataFrame([(tag, q, "a", "?") for tag, q in queries], columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(passages, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(
            [(q, tag, f"t:{tag}:{n:02d}") for q, tag, n in judged],
            columns=["query_id", "passage_language", "passage_id"],
        ),
    )


def by_loop(benchmark: Benchmark, scores: np.ndarray, k: int) -> list[float]:
    """PEER of each query from its list written out, with scipy's test."""
    ids, languages = benchmark.passages["passage_id"].tolist(), benchmark.passages["language"].tolist()
    found = []
    for row, query in enumerate(benchmark.queries["query_id"]):
        relevant = set(benchmark.judgements.loc[benchmark.judgements["query_id"] == query, "passage_id"])
        order = sorted(range(len(ids)), key=lambda i: (scores[row, i], ids[i].encode()), reverse=True)
        samples: dict[str, list[int]] = {}
        for place, i in enumerate(order):
            if ids[i] not in relevant:
                samples.setdefault(languages[i], []).append(min(place, k))
        several = len(samples) > 1 and len({place for places in samples.values() for place in places}) > 1
        found.append(kruskal(*samples.values()).pvalue if several else 1.0)
    return found


@pytest.mark.parametrize("k", [1, 4, 9, 50])
def test_the_same_as_lists_written_out(k: int) -> None:
    generator = np.random.default_rng(k)
    queries = [(tag, f"q{n}") for tag in ("de", "en") for n in range(4)]
    judged = [(f"q{n}", tag, m) for n in range(3) for tag in ("de", "en", "zh") for m in range(n + 1)]
    benchmark = make({"de": 5, "en": 7, "zh": 3}, queries, judged)  # q3 has nothing relevant
    scores = generator.integers(0, 6, (len(queries), 15)).astype(np.float32)  # many ties
    found = peer(benchmark, lambda rows: scores[rows], k, block_bytes=3 * 15)
    expected = by_loop(benchmark, scores, k)
    assert found["query_language"].tolist() == ["de", "en"] and found["queries"].tolist() == [4, 4]
    assert found["value"].tolist() == pytest.approx([np.mean(expected[:4]), np.mean(expected[4:])], abs=1e-12)


def test_a_top_of_one_language_is_not_fair() -> None:
    benchmark = make({"de": 20, "en": 20}, [("en", "q")], [])
    scores = np.arange(40, dtype=np.float32)[None]  # all en before all de
    tied = peer(benchmark, lambda rows: scores, 10)
    assert tied["tested"].tolist() == [1.0] and tied["value"].iloc[0] < 0.001


def test_a_pool_of_one_language_has_nothing_to_compare() -> None:
    found = peer(make({"en": 5}, [("en", "q")], []), lambda rows: np.arange(5, dtype=np.float32)[None], 3)
    assert found[["value", "tested"]].to_numpy().tolist() == [[1.0, 0.0]]


def test_random_scores_are_fair_half_the_way() -> None:
    benchmark = make({"de": 30, "en": 50, "zh": 40}, [("en", f"q{n}") for n in range(400)], [])
    scores = np.random.default_rng(0).normal(size=(400, 120)).astype(np.float32)
    # p is uniform: its mean over 400 queries has a standard error of .29 / 20
    assert peer(benchmark, lambda rows: scores[rows], 60)["value"].iloc[0] == pytest.approx(0.5, abs=0.05)
