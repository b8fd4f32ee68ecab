"""Ranks against a brute-force sort, ties included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table, rank_table_from_scores, read_ranks, score_blocks, write_ranks


def make(counts: dict[str, int], queries: list[tuple[str, str]], judged: list[tuple[str, str, int]]) -> Benchmark:
    """A benchmark of `counts` passages a language; `judged` has (query id, passage language, passage number)."""
    passages = [
        (lang, f"toy:{lang}:{n:03d}", "a", f"{lang} {n}") for lang, count in counts.items() for n in range(count)
    ]
    return Benchmark(
        "toy",
        pd.DataFrame([(lang, q, "a", q) for lang, q in queries], columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(passages, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(
            [(q, lang, f"toy:{lang}:{n:03d}") for q, lang, n in judged],
            columns=["query_id", "passage_language", "passage_id"],
        ),
    )


def brute(benchmark: Benchmark, scores: np.ndarray) -> list[tuple[object, ...]]:
    """Rank by sorting (score, id as bytes) from high to low, as trec_eval does."""
    rows: list[tuple[object, ...]] = []
    ids = benchmark.passages["passage_id"].tolist()
    languages = benchmark.passages["language"].tolist()
    for number, query in enumerate(benchmark.queries.itertuples()):
        relevant = benchmark.judgements[benchmark.judgements["query_id"] == query.query_id]
        order = sorted(range(len(ids)), key=lambda i: (scores[number, i], ids[i].encode()), reverse=True)
        for judged in relevant.sort_values("passage_id").itertuples():
            at = ids.index(judged.passage_id)
            own = [i for i in order if languages[i] == judged.passage_language]
            rows.append((query.language, query.query_id, judged.passage_id, own.index(at) + 1, order.index(at) + 1))
    return rows


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_ranks_are_those_of_a_sort(data: st.DataObject) -> None:
    tags = data.draw(st.lists(st.sampled_from(["de", "en", "zh", "zh-Hant"]), min_size=1, max_size=4, unique=True))
    counts = {tag: data.draw(st.integers(1, 6)) for tag in tags}
    names = ["q1", "q2", "q3"]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(tags)).flatmap(
        lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, counts[pair[1]] - 1))
    )
    asked = data.draw(st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(names)), min_size=1, unique=True))
    known = {name for _, name in asked}
    judged = [judgement for judgement in data.draw(st.lists(pairs, unique=True)) if judgement[0] in known]
    benchmark = make(counts, asked, judged)
    shape = (len(asked), sum(counts.values()))
    flat = data.draw(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5]), min_size=shape[0] * shape[1], max_size=9999))
    scores = np.array(flat[: shape[0] * shape[1]], np.float32).reshape(shape)
    block = data.draw(st.sampled_from([1, 64, 10**6]))
    ranks = rank_table_from_scores(benchmark, lambda rows: scores[rows], block)
    columns = ["query_language", "query_id", "passage_id", "rank", "pool_rank"]
    assert list(ranks[columns].itertuples(index=False, name=None)) == brute(benchmark, scores)
    assert ranks["candidates"].tolist() == [counts[tag] for tag in ranks["passage_language"]]
    assert (ranks["pool_candidates"] == shape[1]).all()


def test_a_worked_example() -> None:
    benchmark = make({"de": 2, "en": 2}, [("en", "q")], [("q", "de", 0), ("q", "en", 1)])
    # de:000 .5, de:001 .5, en:000 .9, en:001 .5; of equals the highest id leads: en:000 en:001 de:001 de:000
    ranks = rank_table_from_scores(benchmark, lambda rows: np.array([[0.5, 0.5, 0.9, 0.5]]))
    assert ranks["rank"].tolist() == [2, 2]
    assert ranks["pool_rank"].tolist() == [4, 2]
    assert ranks["score"].dtype == np.float32


def test_equal_embeddings_tie_wherever_they_stand() -> None:
    generator = np.random.default_rng(0)
    count = 203  # odd, so that the last columns go through another part of the matrix product
    benchmark = make({"de": count, "en": count}, [("en", "q")], [("q", "de", 5), ("q", "en", count - 1)])
    passages = generator.normal(size=(2 * count, 97)).astype(np.float32)
    passages[[5, 100, 300, 2 * count - 1]] = passages[5]
    query = passages[5:6] + np.float32(0.01)
    ranks = rank_table(benchmark, query, passages)
    # four equal ones lead: positions 405, 300, 100, 5 in this order; in de 100 stands before 5
    assert ranks["pool_rank"].tolist() == [4, 1]
    assert ranks["rank"].tolist() == [2, 1]


def test_blocks_keep_to_one_language_and_to_the_memory_given() -> None:
    benchmark = make({"en": 4}, [("en", f"q{n}") for n in range(5)] + [("de", "q0")], [("q0", "en", 0)])
    blocks = [rows for rows, _ in score_blocks(benchmark, lambda rows: np.zeros((rows.stop - rows.start, 4)), 2 * 4)]
    assert [(rows.start, rows.stop) for rows in blocks] == [(0, 1), (1, 3), (3, 5), (5, 6)]


@pytest.mark.parametrize(
    ("queries", "passages", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), "benchmark has 1 queries"),
        (np.zeros((1, 3)), np.zeros((2, 4)), "3 dimensions, those of passages 4"),
        (np.zeros((1, 3)), np.array([[0, 0, 0], [0, np.nan, 0]]), "the first in row 1"),
        (np.array([[np.inf, 0, 0]]), np.zeros((2, 3)), "NaN or infinity"),
    ],
)
def test_bad_embeddings(queries: np.ndarray, passages: np.ndarray, message: str) -> None:
    benchmark = make({"en": 2}, [("en", "q")], [("q", "en", 0)])
    with pytest.raises(InputError, match=message):
        rank_table(benchmark, queries, passages)


@pytest.mark.parametrize(("scores", "message"), [([[0.0]], "shape"), ([[0.0, np.nan]], "not finite")])
def test_bad_scores(scores: list[list[float]], message: str) -> None:
    benchmark = make({"en": 2}, [("en", "q")], [("q", "en", 0)])
    with pytest.raises(InputError, match=message):
        rank_table_from_scores(benchmark, lambda rows: np.array(scores))


def test_a_file_comes_back_the_same_and_other_files_are_refused(tmp_path: Path) -> None:
    benchmark = make({"de": 2, "en": 2}, [("en", "q")], [("q", "de", 0), ("q", "en", 1)])
    ranks = rank_table_from_scores(benchmark, lambda rows: np.array([[0.5, 0.5, 0.9, 0.5]]))
    path = tmp_path / "ranks.parquet"
    write_ranks(ranks, path)
    pd.testing.assert_frame_equal(read_ranks(path), ranks)
    ranks.to_parquet(path)
    with pytest.raises(InputError, match="format none"):
        read_ranks(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="make it again"):
        read_ranks(path)
    with pytest.raises(InputError, match="make it again"):
        read_ranks(tmp_path / "none.parquet")
