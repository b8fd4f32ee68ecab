"""rerank: the best of a first stage in the order of a re-ranker, against a plain sort; scores kept by content."""

import logging
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table_from_scores, read_ranks, reranked_table, write_ranks
from hybridkit.evaluation.single_pools import single_pools, single_pools_from_scores
from hybridkit.models import reranker
from hybridkit.remedies import parse as parse_chain
from hybridkit.retrieval import rerank
from hybridkit.retrieval.rerank import PairScores, Reranking, parse, rerank_run
from hybridkit.retrieval.runs import run_frame
from tests.tiny_rerankers import CITIES, make_bert

TAGS, SIZE = ("de", "en", "sw"), 9


def toy() -> Benchmark:
    names = [f"q{n}" for n in range(5)]
    queries = pd.DataFrame(
        [(tag, name, name, f"{tag} {name}?") for tag in TAGS for name in names],
        columns=["language", "query_id", "article", "text"],
    )
    passages = pd.DataFrame(
        [(tag, f"t:{tag}:{n}", str(n), f"{tag} passage {n}") for tag in TAGS for n in range(SIZE)],
        columns=["language", "passage_id", "article", "text"],
    )
    judged = [(f"q{n}", tag, f"t:{tag}:{at}") for n in range(5) for tag in TAGS for at in {n, 8 - n}]
    return Benchmark(
        "t", queries, passages, pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"])
    )


BENCHMARK = toy()
FIRST = np.random.default_rng(0).integers(0, 12, (15, 27)).astype(np.float32) / 4  # with ties


def scorer(rows: slice) -> np.ndarray:
    return FIRST[rows].copy()


def pair_score(query: str, passage: str) -> float:
    return float((len(query) * 7 + sum(map(ord, query + passage)) * 31) % 5)  # with ties


def score(queries: Any, passages: Any) -> np.ndarray:
    return np.array([pair_score(*pair) for pair in zip(queries, passages, strict=True)], np.float32)


def order(row: int, first: np.ndarray, columns: Any, depth: int) -> list[int]:
    """Columns as a re-ranked ranking has them, by two plain sorts."""
    ranked = sorted(columns, key=lambda at: (-first[at], -at))  # ids ascend with the columns
    query, texts = BENCHMARK.queries["text"][row], BENCHMARK.passages["text"]
    return sorted(ranked[:depth], key=lambda at: (-pair_score(query, texts[at]), -at)) + ranked[depth:]


@pytest.mark.parametrize("depth", [1, 3, 9])
def test_ranks_are_those_of_sorting_twice_and_are_read_back(depth: int, tmp_path: Path) -> None:
    table = reranked_table(BENCHMARK, scorer, Reranking(BENCHMARK, score, depth))
    plain = rank_table_from_scores(BENCHMARK, scorer)
    assert [*table] == [*plain]
    position = {name: at for at, name in enumerate(BENCHMARK.passages["passage_id"])}
    row = {(q.language, q.query_id): at for at, q in enumerate(BENCHMARK.queries.itertuples())}
    slices = {tag: range(27)[part] for tag, part in BENCHMARK.passage_slices.items()}
    moved = 0
    for line, before in zip(table.itertuples(), plain.itertuples(), strict=True):
        at, column = row[line.query_language, line.query_id], position[line.passage_id]
        assert line.score == FIRST[at, column]
        assert line.rank == order(at, FIRST[at], slices[line.passage_language], depth).index(column) + 1
        assert line.pool_rank == order(at, FIRST[at], range(27), depth).index(column) + 1
        if before.rank > depth:
            assert line.rank == before.rank
        if before.pool_rank > depth:
            assert line.pool_rank == before.pool_rank
        moved += line.rank != before.rank
    assert (moved > 0) == (depth > 1)
    assert (table["rank"] > table["pool_rank"]).any() == (depth > 1)
    write_ranks(table, tmp_path / "ranks.parquet")
    pd.testing.assert_frame_equal(read_ranks(tmp_path / "ranks.parquet"), table)


@pytest.mark.parametrize("remedy", ["none", "calibrate(top=2)"])
def test_pools_with_one_answer_are_re_ranked_each_by_itself(remedy: str) -> None:
    chain, depth = parse_chain(remedy), 4
    found = single_pools_from_scores(
        BENCHMARK, scorer, chain.on_block if chain.on_scores else None, reranking=Reranking(BENCHMARK, score, depth)
    )
    plain = single_pools(rank_table_from_scores(BENCHMARK, scorer))
    keys = ["query_language", "query_id", "kind", "passage_language", "passage_id", "candidates"]
    pd.testing.assert_frame_equal(found[keys], plain[keys])
    row = {(q.language, q.query_id): at for at, q in enumerate(BENCHMARK.queries.itertuples())}
    ids = BENCHMARK.passages["passage_id"].tolist()
    judged = BENCHMARK.judgements
    for line in found.itertuples():
        own = judged[(judged["query_id"] == line.query_id) & (judged["passage_language"] != line.passage_language)]
        absent = np.isin(ids, own["passage_id"])
        at = row[line.query_language, line.query_id]
        first = chain.on_block(FIRST[at : at + 1], BENCHMARK.passage_slices, absent[None])[0]
        expected = order(at, first, np.flatnonzero(~absent).tolist(), depth)
        assert line.rank == expected.index(ids.index(line.passage_id)) + 1


def test_only_the_best_are_scored_and_those_of_the_pool_are_among_them() -> None:
    asked: list[tuple[str, str]] = []

    def counted(queries: Any, passages: Any) -> np.ndarray:
        asked.extend(zip(queries, passages, strict=True))
        return score(queries, passages)

    reranked_table(BENCHMARK, scorer, Reranking(BENCHMARK, counted, 3))
    assert len(set(asked)) == 15 * 3 * 3
    assert len(asked) == 15 * 3 * 3 + 15 * 3


def test_a_run_is_re_ranked_and_only_needed_texts_are_held() -> None:
    queries = pd.DataFrame({"query_id": ["a", "b", "c"], "text": ["de q0?", "en q1?", "none?"]})
    judgements = pd.DataFrame({"query_id": ["a"], "passage_id": ["p1"], "relevance": [1]})
    texts = {f"p{n}": f"de passage {n}" for n in range(12)}

    def stream() -> Any:
        names = list(texts)
        yield from ((names[at : at + 5], [texts[name] for name in names[at : at + 5]]) for at in range(0, 12, 5))

    mine = Collection("mine", "de", queries, judgements, stream, 12, "f00")
    first = np.random.default_rng(1).integers(0, 5, (2, 12)) / 2
    run = run_frame(np.repeat(["a", "b"], 12), [*texts] * 2, first.ravel())
    found = rerank_run(run, mine, score, 4)
    assert sorted(found["query_id"].unique()) == ["a", "b"] and len(found) == 24
    for name, text in (("a", "de q0?"), ("b", "en q1?")):
        before = run[run["query_id"] == name]["passage_id"].tolist()
        best = sorted(before[:4], key=lambda one: (-pair_score(text, texts[one]), [-ord(letter) for letter in one]))
        top = found[found["query_id"] == name]["passage_id"].tolist()
        assert [pair_score(text, texts[one]) for one in top[:4]] == [pair_score(text, texts[one]) for one in best]
        assert set(top[:4]) == set(best) and top[4:] == before[4:]
    with pytest.raises(InputError, match="passage 'x' of the run is not in the collection"):
        rerank_run(run_frame(["a"], ["x"], [1.0]), mine, score, 4)
    assert len(rerank_run(run.iloc[:0], mine, score, 4)) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("reranker"))


def test_scores_are_kept_by_content(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = reranker.open(folder)
    pairs = [(f"where is {one} now", f"{other} is over there") for one in CITIES[:6] for other in CITIES]
    queries, passages = ([*side] for side in zip(*pairs, strict=True))
    scores = PairScores(model, folder=tmp_path)
    found = scores(queries + queries[:9], passages + passages[:9])
    assert scores.scored == 72 and found.dtype == np.float32
    np.testing.assert_allclose(found[:72], reranker.score(model, queries, passages), atol=2e-5)
    assert (found[72:] == found[:9]).all()
    again = PairScores(reranker.open(folder), folder=tmp_path)
    assert (again(queries, passages) == found[:72]).all() and again.scored == 0
    assert again(["where is Lima now"], ["new"]).shape == (1,) and again.scored == 1
    short = PairScores(model, max_length=8, folder=tmp_path)
    assert short.path != scores.path and scores.cut == 0
    short(queries[:5], passages[:5])
    with caplog.at_level(logging.INFO, "hybridkit"):
        short.report()
    assert "5 of 5 pairs are longer than the 8 tokens" in caplog.text
    # a pair is its two texts, not what they are together
    assert rerank._key("ab", "c") != rerank._key("a", "bc")
    with sqlite3.connect(scores.path) as base:
        base.execute("UPDATE scores SET score = 99.0 WHERE pair = ?", [rerank._key(*pairs[0])])
    mended = PairScores(model, folder=tmp_path)
    np.testing.assert_allclose(mended(queries, passages), found[:72], atol=2e-5)
    assert mended.scored == 1  # the one that was damaged
    scores.path.write_bytes(b"no data base" * 500)
    np.testing.assert_allclose(mended(queries, passages), found[:72], atol=2e-5)
    assert mended.scored == 73 and "damaged" in caplog.text


def test_a_kill_keeps_the_pairs_that_were_scored(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = reranker.open(folder)
    queries, passages = ["where is Lima now"] * 12, [f"{one} is over there" for one in CITIES]
    monkeypatch.setattr(rerank, "_CHUNK", 5)
    whole = PairScores(model, folder=tmp_path / "whole")(queries, passages)
    own, calls = reranker.score_and_count, []

    def dies(*args: Any, **more: Any) -> tuple[np.ndarray, int]:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return own(*args, **more)

    monkeypatch.setattr(reranker, "score_and_count", dies)
    scores = PairScores(model, folder=tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        scores(queries, passages)
    again = PairScores(model, folder=tmp_path / "killed")
    assert (again(queries, passages) == whole).all()  # byte for byte: it goes on at whole chunks
    assert (scores.scored, again.scored) == (10, 2)


def test_systems_are_read_and_written() -> None:
    for text, same in (
        ("rerank(dense, model=runs/a-b/m, depth=5)", "rerank(dense, model=runs/a-b/m, depth=5)"),
        (" rerank( fusion , depth = 7, model='a, (b)') ", 'rerank(fusion, model="a, (b)", depth=7)'),
        ("rerank(bm25, model=/x/y)", "rerank(bm25, model=/x/y, depth=20)"),
    ):
        assert str(parse(text)) == same and parse(same) == parse(text)
    for text, why in (
        ("rerank(dense)", "which re-ranker"),
        ("rerank(model=x)", "cannot be read"),
        ("rerank()", "cannot be read"),
        ("rerank dense", "cannot be read"),
        ("rerank(dense, model=x, depth=0)", "depth, .* must be a whole number from 1 on .got 0"),
        ("rerank(dense, model=x, depth=ten)", "depth must be a whole number from 1 on .got ten"),
        ("rerank(dense, model=x, model=y)", "once each"),
        ("rerank(dense, x)", "is not model=FOLDER"),
        ("rerank(rerank(bm25, model=x), model=y)", "the first stage is a re-ranker itself"),
    ):
        with pytest.raises(InputError, match=why):
            parse(text)
    with pytest.raises(InputError, match="depth 10 is beyond the 9 passages of t in 'de'"):
        Reranking(BENCHMARK, score, 10)
