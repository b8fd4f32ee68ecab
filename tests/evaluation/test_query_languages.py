"""Success@k and MRC: by hand, against ir_measures and scipy, and in any block size."""

from __future__ import annotations

import itertools

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hybridkit.data.benchmark import Benchmark
from hybridkit.evaluation import query_languages
from hybridkit.evaluation.measures import macro, scores
from hybridkit.evaluation.query_languages import mean_rank_correlation, success_values
from hybridkit.evaluation.rank_table import rank_table_from_scores


def made(asked: list[tuple[str, str]], passages: int = 4) -> Benchmark:
    """Queries (language, id) over a German and an English half of a pool; the first of each half answers all."""
    known = [(tag, f"t:{tag}:{n}", "a", "x") for tag in ("de", "en") for n in range(passages // 2)]
    ids = sorted({query for _, query in asked})
    judged = [(query, tag, f"t:{tag}:0") for query in ids for tag in ("de", "en")]
    return Benchmark(
        "t",
        pd.DataFrame([(tag, q, "a", q) for tag, q in asked], columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(known, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"]),
    )


def test_success_by_hand_and_by_ir_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_languages, "CUTOFFS", (1, 2, 3))
    benchmark = made([("de", "p"), ("de", "q"), ("en", "p")])  # de:0, de:1, en:0, en:1; *:0 are relevant
    block = np.array([[1, 4, 3, 2], [4, 3, 2, 1], [2, 4, 1, 3]], np.float32)
    values = success_values(rank_table_from_scores(benchmark, lambda rows: block[rows]))
    by = scores(values).set_index(["query_language", "measure"])["value"]
    assert by.to_dict() == {
        ("de", "Success@1"): 0.5,  # p: best at 2; q: at 1
        ("en", "Success@1"): 0.0,  # p: best at 3
        ("de", "Success@2"): 1.0,
        ("en", "Success@2"): 0.0,
        ("de", "Success@3"): 1.0,
        ("en", "Success@3"): 1.0,
    }
    assert macro(scores(values)).set_index("measure")["value"]["Success@1"] == 0.25
    names = [f"{language}{query}" for language, query in benchmark.queries[["language", "query_id"]].to_numpy()]
    run = [
        ir_measures.ScoredDoc(name, passage, float(score))
        for name, row in zip(names, block, strict=True)
        for passage, score in zip(benchmark.passages["passage_id"], row, strict=True)
    ]
    qrels = [ir_measures.Qrel(name, f"t:{tag}:0", 1) for name in names for tag in ("de", "en")]
    for k in (1, 2, 3):
        measure = ir_measures.parse_measure(f"Success@{k}")
        theirs = {one.query_id: one.value for one in ir_measures.iter_calc([measure], qrels, run)}
        ours = values[values["measure"] == str(measure)]
        assert theirs == dict(zip(ours["query_language"] + ours["query_id"], ours["value"], strict=True))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_mrc_is_scipys_spearman_of_every_pair(data: st.DataObject) -> None:
    every = [(tag, query) for tag in ("de", "en", "zh") for query in "pqr"]
    asked = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    benchmark = made(asked, 6)
    size = len(benchmark.queries) * 6
    block = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), np.float32).reshape(-1, 6)
    block[:, 0] += np.arange(len(block)) % 2 * 9
    constant = block.max(axis=1) == block.min(axis=1)
    sums: dict[str, list[float]] = {}
    keys = list(zip(benchmark.queries["language"], benchmark.queries["query_id"], strict=True))
    row = {key: number for number, key in enumerate(keys) if not constant[number]}
    for tag, query in row:
        others = [row[key] for key in row if key[1] == query and key[0] != tag]
        if others:
            found = [spearmanr(block[row[tag, query]], block[other]).statistic for other in others]
            sums.setdefault(tag, []).append(float(np.mean(found)))
    for block_bytes in (1, 100, 10**6):
        found = mean_rank_correlation(benchmark, lambda rows: block[rows], block_bytes)
        assert found.set_index("query_language")["queries"].to_dict() == {tag: len(v) for tag, v in sums.items()}
        expected = {tag: pytest.approx(np.mean(values)) for tag, values in sums.items()}
        assert found.set_index("query_language")["value"].to_dict() == expected


def test_the_same_ranking_has_a_correlation_of_one_and_the_reverse_of_minus_one() -> None:
    benchmark = made([("de", "p"), ("en", "p"), ("en", "alone")])
    order = np.array([[3.0, 1, 2, 0], [9, 9, 9, 0], [30, 10, 20, 0]])  # de p; en alone; en p
    same = mean_rank_correlation(benchmark, lambda rows: order[rows])
    assert same.to_numpy().tolist() == [["de", 1.0, 1], ["en", 1.0, 1]]
    reverse = mean_rank_correlation(benchmark, lambda rows: (order * [[-1], [1], [1]])[rows])
    assert reverse["value"].tolist() == [-1.0, -1.0]
    assert mean_rank_correlation(made([("de", "p"), ("en", "q")]), lambda rows: np.ones((1, 4))).empty


def test_rankings_that_ignore_the_question_are_like_each_other_and_random_ones_are_not() -> None:
    benchmark = made([(tag, f"{n:02d}") for tag, n in itertools.product(("de", "en"), range(30))], 200)
    random = np.random.default_rng(0).random((60, 200))
    assert abs(mean_rank_correlation(benchmark, lambda rows: random[rows])["value"].mean()) < 0.05
    fixed = np.tile(random[:1], (60, 1)) + 0.05 * random
    assert mean_rank_correlation(benchmark, lambda rows: fixed[rows])["value"].min() > 0.95
