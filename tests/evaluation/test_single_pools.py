"""Pools with the answer in one language: ranks against a smaller pool that is sorted by hand, remedies and measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.sources.lareqa import read_lareqa
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import macro, scores
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.evaluation.single_pools import single_pool_values, single_pools, single_pools_from_scores


def make(counts: dict[str, int], queries: list[tuple[str, str]], judged: list[tuple[str, str, int]]) -> Benchmark:
    """A benchmark of `counts` passages a language; `judged` has (query id, passage language, passage number)."""
    passages = [(tag, f"toy:{tag}:{n:03d}", "a", f"{tag} {n}") for tag, count in counts.items() for n in range(count)]
    known = [(query, tag, f"toy:{tag}:{n:03d}") for query, tag, n in judged]
    columns = ["language", "query_id", "article", "text"]
    return Benchmark(
        "toy",
        pd.DataFrame([(tag, query, "a", query) for tag, query in queries], columns=columns),
        pd.DataFrame(passages, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(known, columns=["query_id", "passage_language", "passage_id"]),
    )


def less_best(top: int, block: np.ndarray, slices: dict[str, slice], absent: np.ndarray | None) -> np.ndarray:
    """Each language's scores less the mean of its `top` best: a remedy that estimates from what is in the pool."""
    out = block.copy()
    for columns in slices.values():
        here = block[:, columns].astype(float)
        if absent is not None:
            here[absent[:, columns]] = -np.inf
        best = np.sort(here, axis=1)[:, ::-1][:, :top]
        counted = np.isfinite(best)
        out[:, columns] -= np.where(counted, best, 0).sum(axis=1, keepdims=True) / np.maximum(
            counted.sum(axis=1, keepdims=True), 1
        )
    return out


def brute(benchmark: Benchmark, block: np.ndarray, top: int | None) -> set[tuple[object, ...]]:
    """Take the passages out, score and sort what is left: query, kept language, passage, rank, candidates."""
    passages, judged, found = benchmark.passages, benchmark.judgements, set()
    for number, query in enumerate(benchmark.queries.itertuples()):
        own = judged[judged["query_id"] == query.query_id]
        for kept in set(own["passage_language"]):
            gone = set(own.loc[own["passage_language"] != kept, "passage_id"])
            left = [i for i, name in enumerate(passages["passage_id"]) if name not in gone]
            values = {i: np.float32(block[number, i]) for i in left}
            for language in benchmark.languages if top else ():
                here = [i for i in left if passages["language"][i] == language]
                best = sorted((float(values[i]) for i in here), reverse=True)[:top]
                for i in here:
                    values[i] = np.float32(values[i] - np.float32(sum(best) / len(best)))
            order = sorted(left, key=lambda i: (values[i], passages["passage_id"][i].encode()), reverse=True)
            for name in own.loc[own["passage_language"] == kept, "passage_id"]:
                at = order.index(list(passages["passage_id"]).index(name)) + 1
                found.add((query.language, query.query_id, kept, name, at, len(left)))
    return found


def rows_of(pools: pd.DataFrame) -> set[tuple[object, ...]]:
    columns = ["query_language", "query_id", "passage_language", "passage_id", "rank", "candidates"]
    return set(pools[columns].itertuples(index=False, name=None))


def assert_drawn(pools: pd.DataFrame, every: set[tuple[object, ...]]) -> None:
    """The pools are, of every pool that there could be, all own ones and one other language a query."""
    others = pools[pools["kind"] == "other"].groupby(["query_language", "query_id"])["passage_language"]
    assert (others.nunique() == 1).all() and set(others.groups) == {row[:2] for row in every if row[0] != row[2]}
    drawn = others.first().to_dict()
    assert rows_of(pools) == {row for row in every if row[2] in (row[0], drawn.get(row[:2]))}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_ranks_are_those_of_a_pool_that_never_had_the_others(data: st.DataObject) -> None:
    counts = {tag: data.draw(st.integers(1, 5)) for tag in ("de", "en", "zh")}
    names = ["p", "q"]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(list(counts))).flatmap(
        lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, counts[pair[1]] - 1))
    )
    judged = data.draw(st.lists(pairs, unique=True, max_size=8))
    asked = [(tag, name) for tag in ("de", "en") for name in names]
    benchmark = make(counts, asked, judged)
    size = (len(benchmark.queries), len(benchmark.passages))
    few = st.integers(0, 3).map(lambda number: number / 4)  # ties everywhere, and exact sums
    block = np.array(data.draw(st.lists(few, min_size=size[0] * size[1], max_size=size[0] * size[1])), np.float32)
    block = block.reshape(size)
    found = single_pools(rank_table_from_scores(benchmark, lambda rows: block[rows]))
    assert_drawn(found, brute(benchmark, block, None))
    assert (found["kind"] == "own").equals(found["query_language"] == found["passage_language"])
    top = data.draw(st.sampled_from([1, 2]))
    bytes_ = data.draw(st.sampled_from([1, 200, 10**6]))

    def remedy(block: np.ndarray, slices: dict[str, slice], absent: np.ndarray | None) -> np.ndarray:
        return less_best(top, block, slices, absent)

    adjusted = single_pools_from_scores(benchmark, lambda rows: block[rows], remedy, block_bytes=bytes_)
    assert_drawn(adjusted, brute(benchmark, block, top))
    nothing = single_pools_from_scores(benchmark, lambda rows: block[rows], lambda block, *_: block)
    pd.testing.assert_frame_equal(nothing, found)


def three() -> tuple[Benchmark, np.ndarray]:
    """Two questions with the same scores and answers; s draws German, u French."""
    judged = [(name, tag, 0) for name in ("s", "u") for tag in ("de", "en", "fr")]
    benchmark = make({"de": 2, "en": 2, "fr": 2}, [("en", "s"), ("en", "u")], judged)
    return benchmark, np.array([[0.9, 0.3, 0.8, 0.5, 0.5, 0.5]] * 2, np.float32)


def test_by_hand() -> None:
    # in order: de:0 .9*, en:0 .8*, fr:1 .5, fr:0 .5*, en:1 .5, de:1 .3 (* answers; of equals the greater id leads)
    benchmark, block = three()
    ranks = rank_table_from_scores(benchmark, lambda rows: block[rows])
    assert ranks["pool_rank"].tolist() == [1, 2, 4] * 2
    pools = single_pools(ranks)
    assert pools[["query_id", "kind", "passage_language", "rank", "candidates"]].to_numpy().tolist() == [
        ["s", "other", "de", 1, 4],
        ["s", "own", "en", 1, 4],
        ["u", "other", "fr", 2, 4],
        ["u", "own", "en", 1, 4],
    ]
    values = single_pool_values(pools, ["RR", "R@1"])
    assert values.groupby(["setting", "measure"])["value"].mean().to_dict() == {
        ("own", "RR"): 1.0,
        ("own", "R@1"): 1.0,
        ("other", "RR"): 0.75,  # (1 + 1/2) / 2
        ("other", "R@1"): 0.5,
    }
    table = macro(scores(values))
    assert table.set_index(["setting", "measure"])["value"]["other", "RR"] == 0.75


def test_a_remedy_does_not_see_what_was_taken_out() -> None:
    # kept in fr: left are de:1 .3, en:1 .5, fr:0 .5, fr:1 .5. Less each language's best: all 0, so de:1, en:1 and fr:0
    # tie with fr:1, and ids decide: fr:1, fr:0, en:1, de:1. Seen through the whole pool it were de -.6, en -.3, fr 0.
    benchmark, block = three()

    def blind(block: np.ndarray, slices: dict[str, slice], absent: np.ndarray | None) -> np.ndarray:
        assert absent is not None and absent.sum() == 2 * len(absent)
        return less_best(1, block, slices, absent)

    found = single_pools_from_scores(benchmark, lambda rows: block[rows], blind)
    # kept in de: de:0, en:1 and fr:1 tie, and de:0 has the smallest id; kept in en: en:0, de:1 and fr:1 tie
    assert found["passage_language"].tolist() == ["de", "en", "fr", "en"] and found["rank"].tolist() == [3, 2, 2, 2]
    whole = single_pools_from_scores(
        benchmark, lambda rows: block[rows], lambda block, slices, _: less_best(1, block, slices, None)
    )
    assert whole["rank"].tolist() == [2, 2, 2, 2]


def test_the_draw_depends_on_the_question_alone() -> None:
    names = [f"q{number}" for number in range(40)]
    tags = {"de": 1, "en": 1, "fr": 1}
    benchmark = make(tags, [("en", name) for name in names], [(name, tag, 0) for name in names for tag in tags])
    random = np.random.default_rng(0).random((40, 3), np.float32)
    first, second = (
        single_pools(rank_table_from_scores(benchmark, lambda rows, block=block: block[rows]))
        for block in (random, random[::-1])
    )
    assert len(first) == 80 and first["passage_language"].tolist() == second["passage_language"].tolist()
    drawn = first.loc[first["kind"] == "other", "passage_language"]
    assert 10 <= (drawn == "de").sum() <= 30 and set(drawn) == {"de", "fr"}
    ranks = rank_table_from_scores(benchmark, lambda rows: random[rows])
    half = single_pools(ranks[ranks["query_id"] < "q2"])  # whichever other questions there are
    assert half.equals(first[first["query_id"] < "q2"].reset_index(drop=True))


def test_natural_pools_and_errors() -> None:
    benchmark = make({"de": 2, "en": 3}, [("de", "p"), ("en", "q")], [("p", "de", 0), ("q", "en", 0), ("q", "en", 2)])
    ranks = rank_table_from_scores(benchmark, lambda rows: np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])[rows])
    pools = single_pools(ranks)  # answers in the own language alone: nothing is taken out
    assert pools["kind"].tolist() == ["own"] * 3 and pools["rank"].tolist() == ranks["pool_rank"].tolist()
    assert set(single_pool_values(pools)["setting"]) == {"own"}
    with pytest.raises(InputError, match="remedy of scores returned shape"):
        single_pools_from_scores(benchmark, lambda rows: np.ones((1, 5)), lambda block, *_: block[:, :2])
    with pytest.raises(InputError, match="not finite"):
        single_pools_from_scores(benchmark, lambda rows: np.ones((1, 5)), lambda block, *_: block * np.nan)
    empty = single_pools(ranks.iloc[:0])
    assert empty.empty and list(empty) == list(pools)


def test_real_pools_have_one_row_a_kind(real_data: Path) -> None:
    benchmark, _, _ = read_lareqa(real_data / "mlqa-r", "mlqa-r").subset(0, 20)
    random = np.random.default_rng(3).random((len(benchmark.queries), len(benchmark.passages)), np.float32)
    pools = single_pools(rank_table_from_scores(benchmark, lambda rows: random[rows]))
    assert not pools.duplicated(["query_language", "query_id", "kind"]).any()
    assert (pools["rank"] <= pools["candidates"]).all() and set(pools["kind"]) == {"own", "other"}
