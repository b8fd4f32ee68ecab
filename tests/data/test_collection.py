"""Judged sets as values, pools of several, and measures: by hand, against trec_eval, and against the rank table."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridkit.analysis.bias import bias_measures
from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection, benchmark_of, pooled, query_clusters, read_qrels, save_judgements
from hybridkit.data.sources.open_benchmarks import is_collection, open_collection
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import target_removal
from hybridkit.evaluation.clusters import question_clusters
from hybridkit.evaluation.collection_scores import collection_values, ranked_run, with_intervals
from hybridkit.evaluation.encoder_scores import batch_losses
from hybridkit.evaluation.measures import MEASURES, distances, macro, per_query, scores, scores_of
from hybridkit.evaluation.rank_table import rank_table, rank_table_from_scores
from hybridkit.retrieval.search import search_vectors
from tests.made_tables import ids_of

Judgement = tuple[str, str, int]
Hit = tuple[str, str, float]


def judged(
    judgements: list[Judgement],
    language: str = "de",
    extra: tuple[str, ...] = (),
    size: int = 4,
    skip_own: bool = False,
) -> Collection:
    """A set of passages p0 to p3, with a query for every judgement and those of `extra`."""
    names = sorted({query for query, _, _ in judgements} | set(extra), reverse=True)
    chunk = [f"p{n}" for n in range(size)], [f"text {n}" for n in range(size)]
    return Collection(
        "toy", language, pd.DataFrame({"query_id": names, "text": "?"}), frame(judgements, "relevance"),
        lambda: iter([chunk]), size, f"print of {language}", skip_own=skip_own,
    )  # fmt: skip


def frame(rows: list[Any], last: str = "score") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query_id", "passage_id", last])


def values(found: pd.DataFrame, measure: str) -> dict[str, float]:
    return found[found["measure"] == measure].set_index("query_id")["value"].to_dict()


def test_frames_are_put_in_order() -> None:
    one = judged([("q10", "p1", 1), ("q9", "p3", 0), ("q9", "p0", 2)], extra=("q1",))
    assert one.queries["query_id"].tolist() == ["q1", "q10", "q9"]
    assert one.judgements.values.tolist() == [["q10", "p1", 1], ["q9", "p0", 2], ["q9", "p3", 0]]
    assert one.corpus == one.fingerprint


@pytest.mark.parametrize(
    ("queries", "judgements", "message"),
    [
        ({"query_id": ["1", "1"], "text": "?"}, [("1", "p", 1)], "toy, de: queries: 1 is duplicated"),
        ({"query_id": ["1"], "text": " "}, [("1", "p", 1)], "queries: text ' ' must be a text that is not empty"),
        ({"query_id": ["1"]}, [("1", "p", 1)], "queries: no column text"),
        ({"query_id": ["1"], "text": "?"}, [("1", "p", 1), ("1", "p", 0)], "judgements: 1, p is duplicated"),
        ({"query_id": ["1"], "text": "?"}, [("1", "p", 0.5)], "relevance is float64; give integers"),
        ({"query_id": ["1"], "text": "?"}, [("2", "p", 1)], "1 judgements of unknown queries, the first '2'"),
        ({"query_id": ["1"], "text": "?"}, [(1, "p", 1)], "query_id 1 must be a text that is not empty"),
    ],
)
def test_frames_that_are_none_are_refused(queries: dict[str, Any], judgements: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Collection("toy", "de", pd.DataFrame(queries), frame(judgements, "relevance"), lambda: iter([]), 1, "f")


def test_a_pool_has_every_corpus_and_each_languages_judgements() -> None:
    one, other = judged([("1", "p0", 1)], "fi"), judged([("1", "p2", 1), ("2", "p1", 0)], "sw", size=2)
    finnish, swahili = pooled([one, other])
    assert [ids for ids, _ in finnish.passages()] == [["fi:p0", "fi:p1", "fi:p2", "fi:p3"], ["sw:p0", "sw:p1"]]
    assert list(finnish.passages()) == list(swahili.passages())  # a stream that starts anew
    assert (finnish.size, finnish.setting, finnish.language) == (6, "pool", "fi")
    assert swahili.queries["query_id"].tolist() == ["sw:1", "sw:2"]
    assert swahili.judgements.values.tolist() == [["sw:1", "sw:p2", 1], ["sw:2", "sw:p1", 0]]
    assert finnish.corpus == swahili.corpus != one.corpus
    assert finnish.fingerprint != swahili.fingerprint
    assert pooled([other, one])[0].corpus != finnish.corpus  # another order of passages
    for wrong in ([one], [one, one], [finnish, other]):
        with pytest.raises(InputError, match="a pool must be of collections in two or more different languages"):
            pooled(wrong)


def test_which_names_are_judged_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "xquad-r").mkdir()
    monkeypatch.chdir(tmp_path)
    names = ["miracl", "miracl[sw]", "tydi-goldp[fi,pool]", "mine", "mine[de]", f"{tmp_path}/xquad-r"]
    assert all(map(is_collection, names))
    assert not any(map(is_collection, ["xquad-r", "xquad-r[16:]", "atlas", "mine.jsonl", "mine.jsonl[2:]"]))


def natural(seed: int = 0) -> tuple[list[Collection], np.ndarray, np.ndarray]:
    """Collections in two languages with ties, several relevant passages and neighbours in a document; embeddings."""
    random = np.random.default_rng(seed)
    sets = []
    for tag, size in (("fi", 30), ("sw", 20)):
        chunk = [f"{n // 3}#{n % 3}" for n in range(size)], [f"{tag} {n}" for n in range(size)]
        rows = {(f"{n}", chunk[0][random.integers(size)], int(random.integers(2))) for n in range(12)}
        rows |= {(f"{n}", chunk[0][(n * 7) % size], 1) for n in range(12)}
        known = pd.DataFrame(sorted(rows), columns=["query_id", "passage_id", "relevance"])
        known = known.sort_values("relevance").drop_duplicates(["query_id", "passage_id"], keep="last")
        queries = pd.DataFrame({"query_id": [str(n) for n in range(12)], "text": "?"})
        sets.append(Collection("toy", tag, queries, known, lambda chunk=chunk: iter([chunk]), size, tag))
    return sets, random.integers(-2, 3, (24, 4)).astype(np.float32), random.integers(-2, 3, (50, 4)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_a_collection_ranked_in_full_scores_as_one_that_is_searched(seed: int) -> None:
    sets, queries, passages = natural(seed)
    compare_paths(sets, queries, passages)


def compare_paths(sets: Sequence[Collection], queries: np.ndarray, passages: np.ndarray) -> None:
    """RR@10 and nDCG@10 of every query by ranks and by search; embeddings are in the order of the collections."""
    benchmark = benchmark_of(sets)
    sizes = np.cumsum([0, *(len(one.queries) for one in sets)]), np.cumsum([0, *(one.size for one in sets)])
    ids = [f"{one.name}:{one.language}:{name}" for one in sets for names, _ in one.passages() for name in names]
    asked = [f"{one.language}:{name}" for one in sets for name in one.queries["query_id"]]
    order = pd.Index(asked).get_indexer(benchmark.queries["query_id"])
    ranks = rank_table(benchmark, queries[order], passages[pd.Index(ids).get_indexer(benchmark.passages["passage_id"])])
    ours = per_query(ranks, ["RR@10", "nDCG@10"])
    assert set(ours["setting"]) == {"mono", "pool"}
    pool = pooled(sets)
    for nth, one in enumerate(sets):
        q, p = (slice(*bounds[nth : nth + 2]) for bounds in sizes)
        mono, both = (
            collection_values(part, search_vectors(part, queries[q], vectors, ids_of(part), k=50), ["RR@10", "nDCG@10"])
            for part, vectors in ((one, passages[p]), (pool[nth], passages))
        )
        theirs = pd.concat([mono.assign(query_id=f"{one.language}:" + mono["query_id"]), both])
        theirs = theirs[theirs["measure"] != "holes@10"]
        keys = ["setting", "query_id", "measure"]
        own = ours[ours["query_language"] == one.language].set_index(keys)["value"].sort_index()
        assert len(own) == 4 * len(one.queries)
        pd.testing.assert_series_equal(own, theirs.set_index(keys)["value"].sort_index(), rtol=0, atol=1e-12)


def test_tydi_goldp_ranked_in_full_scores_as_searched(real_data: Path) -> None:
    if not (real_data / "tydi-goldp").is_dir():
        pytest.skip("tydi-goldp is not among the real data sets")
    sets = open_collection(real_data / "tydi-goldp", ["id", "ko"])
    random = np.random.default_rng(0)
    count = sum(len(one.queries) for one in sets), sum(one.size for one in sets)
    compare_paths(sets, *(random.normal(size=(size, 8)).astype(np.float32) for size in count))


def test_natural_pools_serve_bias_and_clusters() -> None:
    sets, queries, passages = natural()
    benchmark = benchmark_of(sets)
    clusters = question_clusters(benchmark)
    for one in sets:  # joined as the collection joins them, and never over languages
        own = query_clusters(one)[0]
        found = clusters[f"{one.language}:" + own.index]
        assert len(set(zip(own, found, strict=True))) == own.nunique() == found.nunique()
        assert found.str.startswith(f"{one.language}:").all()
    ranks = rank_table(benchmark, queries, passages)
    assert distances(ranks).empty and target_removal(ranks).empty
    assert set(macro(scores_of(ranks))["setting"]) == {"mono", "pool"}
    panel = bias_measures(benchmark, ranks, queries, passages).set_index("measure")["value"]
    assert {"PEER", "own language in the top", "Success@1", "Success@10"} <= set(panel.index)
    assert not {"rank distance", "normalised rank distance", "target removal", "score margin", "MRC"} & set(panel.index)
    best = ranks.groupby(["query_language", "query_id"])["pool_rank"].min()
    assert panel["Success@1"] == pytest.approx((best == 1).groupby("query_language").mean().mean())
    with pytest.raises(InputError, match="no question has a query and a relevant passage in two languages"):
        batch_losses(benchmark, queries, passages, 0.05, size=2, batches=1)


def test_what_ranks_cannot_count_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    (finnish, swahili), _, _ = natural()
    with pytest.raises(InputError, match="languages of one collection, each once and without 'pool'"):
        benchmark_of(pooled([finnish, swahili]))
    with pytest.raises(InputError, match="not of toy in fi, fi"):
        benchmark_of([finnish, finnish])
    with pytest.raises(InputError, match="500,021 passages are too many to be ranked in full"):
        benchmark_of([replace(finnish, size=500_001), swahili])
    with pytest.raises(InputError, match="toy, de: 1 queries have no relevant passage"):
        benchmark_of([judged([("a", "p0", 1), ("b", "p1", 0)])])
    with pytest.raises(InputError, match="toy, de: 1 relevant passages are not in the corpus"):
        benchmark_of([judged([("a", "p0", 1), ("b", "p9", 1)])])
    with pytest.raises(InputError, match="may have the id of a query"):
        benchmark_of([judged([("p0", "p1", 1)], skip_own=True)])
    assert len(benchmark_of([judged([("a", "p0", 2), ("a", "p1", 1)])]).judgements) == 2
    assert "judgements are graded" in caplog.text


def test_judgements_go_to_a_file_and_back(tmp_path: Path) -> None:
    one = judged([("a", "p1", 2), ("b", "p0", 0)])
    save_judgements(one.judgements, tmp_path / "qrels.txt")
    assert read_qrels(tmp_path / "qrels.txt").equals(one.judgements)
    with pytest.raises(InputError, match="white space"):
        save_judgements(judged([("a b", "p1", 1)]).judgements, tmp_path / "qrels.txt")


# Measures


def test_measures_by_hand() -> None:
    one = judged([("a", "p1", 1), ("a", "p3", 2), ("b", "p0", 1), ("c", "p0", 0), ("d", "p0", 1)], extra=("e",))
    run = frame(
        [("a", "p0", 9.0), ("a", "p3", 8.0), ("b", "p1", 1.0), ("b", "p0", 1.0), ("b", "p2", 1.0)]
        + [("c", "p0", 1.0), ("e", "p0", 1.0)]
    )
    found = collection_values(one, run)
    # a: p3 (gain 2) second, the ideal has it first and p1 (gain 1) second; b: all tied, so p2, p1, p0;
    # c: judged, nothing is relevant; d: nothing retrieved; e: not judged and no part of any mean
    assert found["query_id"].unique().tolist() == ["a", "b", "c", "d"]
    a = (2 / math.log2(3)) / (2 / math.log2(2) + 1 / math.log2(3))
    assert values(found, "nDCG@10") == pytest.approx({"a": a, "b": 1 / math.log2(4), "c": 0, "d": 0})
    assert values(found, "R@100") == {"a": 0.5, "b": 1, "c": 0, "d": 0}
    assert values(found, "RR@10") == pytest.approx({"a": 1 / 2, "b": 1 / 3, "c": 0, "d": 0})
    assert values(collection_values(one, run), "holes@10") == {"a": 1, "b": 2, "c": 0, "d": 0}


def test_the_values_go_into_the_tables_of_means() -> None:
    run = frame([("a", "p0", 1.0), ("a", "p1", 0.5)])
    one = judged([("a", "p1", 1), ("b", "p1", 1)])
    table = scores(collection_values(one, run, ["RR@10"]))
    assert table.values.tolist() == [["mono", "de", "de", "RR@10", 0.25, 2], ["mono", "de", "de", "holes@10", 0.5, 2]]
    finnish, swahili = pooled([judged([("1", "p0", 1)], "fi"), judged([("1", "p0", 1)], "sw")])
    parts = [
        collection_values(finnish, frame([("fi:1", "fi:p0", 1.0), ("fi:1", "sw:p0", 2.0)]), ["RR@10"]),
        collection_values(swahili, frame([("sw:1", "sw:p0", 1.0)]), ["RR@10"]),
    ]
    table = scores(pd.concat(parts))
    assert table[["setting", "query_language", "passage_language"]].drop_duplicates().values.tolist() == [
        ["pool", "fi", "*"],
        ["pool", "sw", "*"],
    ]
    assert macro(table).values.tolist() == [["pool", "RR@10", 0.75], ["pool", "holes@10", 0.5]]


def test_a_passage_with_the_querys_id_is_no_answer_where_the_set_says_so() -> None:
    run = frame([("p0", "p0", 9.0), ("p0", "p1", 8.0)])
    one = judged([("p0", "p1", 1)])
    assert values(collection_values(one, run), "RR@10") == {"p0": 0.5}
    own = judged([("p0", "p1", 1)], skip_own=True)
    assert values(collection_values(own, run), "RR@10") == {"p0": 1}
    assert ranked_run(own, run).values.tolist() == [["p0", "p1", 1]]


def test_a_run_cut_before_a_measures_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    one = judged([("a", "p1", 1)], size=50)
    run = frame([("a", f"p{n}", float(-n)) for n in range(12)])
    collection_values(one, run)
    assert caplog.messages == [
        "toy, de: the run has 12 passages of a query at most; what is behind them counts as not found in R@100"
    ]
    caplog.clear()
    collection_values(one, run, depth=100)  # no more were found
    assert caplog.messages == []
    collection_values(judged([("a", "p1", 1)], size=12), run)
    assert caplog.messages == []


def test_an_empty_run_scores_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one = judged([("a", "p1", 1)])
    found = collection_values(one, frame([]).astype({"score": float}))
    assert found["value"].tolist() == [0, 0, 0, 0]
    assert "the run has 0 passages of a query at most" in caplog.text


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (frame([("x", "p0", 1.0)]), "toy, de: the run has queries of another set, such as 'x'"),
        (frame([("a", "p0", 1.0), ("a", "p0", 0.5)]), "the run has passage 'p0' twice for query 'a'"),
        (frame([("a", "p0", math.nan)]), "a score that is NaN"),
        (frame([("a", "p0", 1)], "rank"), "the run has no column score"),
    ],
)
def test_runs_that_cannot_be_measured_are_refused(run: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        collection_values(judged([("a", "p1", 1)]), run)


def test_what_is_no_measure_is_refused() -> None:
    with pytest.raises(InputError, match="'nDGC@10' is not a measure of ir_measures"):
        collection_values(judged([("a", "p1", 1)]), frame([("a", "p0", 1.0)]), ["nDGC@10"])


QUERIES, PASSAGES = ("q1", "q2", "q3"), tuple(f"p{n:02d}" for n in range(14))


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Judgement], np.ndarray]:
    """Judgements of one to three queries over 14 passages, and scores with many ties, for the first two queries."""
    relevance = draw(st.lists(st.lists(st.sampled_from([0, 0, 1]), min_size=14, max_size=14), min_size=1, max_size=3))
    found = [(QUERIES[q], PASSAGES[p], 1) for q, row in enumerate(relevance) for p, value in enumerate(row) if value]
    tied = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=14, max_size=14)
    return found or [("q1", "p03", 1)], np.array([draw(tied) for _ in QUERIES], np.float32)


@settings(max_examples=20)
@given(runs())
def test_the_same_values_as_the_rank_table(case: tuple[list[Judgement], np.ndarray]) -> None:
    judgements, block = case
    one = Collection(
        "t", "en", pd.DataFrame({"query_id": QUERIES, "text": "?"}),
        frame([(query, f"t:en:{passage}", relevance) for query, passage, relevance in judgements], "relevance"),
        lambda: iter([]), len(PASSAGES), "f",
    )  # fmt: skip
    ids = [f"t:en:{passage}" for passage in PASSAGES]
    benchmark = Benchmark(
        "t",
        pd.DataFrame({"language": "en", "query_id": QUERIES, "article": "a", "text": "?"}),
        pd.DataFrame({"language": "en", "passage_id": ids, "article": "a", "text": "!"}),
        one.judgements[["query_id", "passage_id"]].assign(passage_language="en"),
    )
    exact = per_query(rank_table_from_scores(benchmark, lambda rows: block[rows]))
    run = frame([(q, p, float(block[i, j])) for i, q in enumerate(QUERIES) for j, p in enumerate(ids)])
    found = collection_values(one, run, MEASURES).query("measure != 'holes@10'")
    exact = exact[(exact["setting"] == "mono") & (exact["measure"] != "rank_distance")]
    both = exact.merge(found[["query_id", "measure", "value"]], on=["query_id", "measure"], how="outer")
    assert len(both) == len(exact) == len(found)
    assert both["value_x"].to_numpy() == pytest.approx(both["value_y"].to_numpy(), abs=1e-6)


@given(runs(), st.integers(1, 14))
def test_the_same_values_as_trec_eval(case: tuple[list[Judgement], np.ndarray], depth: int) -> None:
    judgements, block = case
    kept = {
        query: dict(sorted(zip(PASSAGES, map(float, scores), strict=True), key=lambda hit: (-hit[1], hit[0]))[:depth])
        for query, scores in zip(QUERIES[:2], block, strict=False)  # nothing was retrieved for the third
    }
    qrels: dict[str, dict[str, int]] = {}
    for query, passage, relevance in judgements:
        qrels.setdefault(query, {})[passage] = relevance
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100", "recip_rank"}).evaluate(kept)
    one = Collection(
        "t", "en", pd.DataFrame({"query_id": QUERIES, "text": "?"}), frame(judgements, "relevance"),
        lambda: iter([]), len(PASSAGES), "f",
    )  # fmt: skip
    run = frame([(query, passage, score) for query, hits in kept.items() for passage, score in hits.items()])
    ours = collection_values(one, run, ["nDCG@10", "R@100", "RR", "RR@10"])
    for name, known_as in (("nDCG@10", "ndcg_cut_10"), ("R@100", "recall_100"), ("RR", "recip_rank")):
        wanted = {query: theirs.get(query, {}).get(known_as, 0.0) for query in qrels}
        assert values(ours, name) == pytest.approx(wanted, abs=1e-6)
    cut = {query: value if value >= 0.1 else 0.0 for query, value in values(ours, "RR").items()}
    assert values(ours, "RR@10") == pytest.approx(cut)


def test_scores_that_single_precision_cannot_tell_apart_keep_their_order() -> None:
    one = judged([("a", "p0", 1)])
    run = frame([("a", "p0", 1.0 + 1e-12), ("a", "p3", 1.0)])  # equal for trec_eval, which would put p3 first
    assert values(collection_values(one, run), "RR@10") == {"a": 1}


def test_queries_that_are_answered_in_one_document_are_one_draw() -> None:
    """Of eight queries two share a document by different passages; a document of most queries says nothing of them."""
    judged = [(f"q{n}", f"d{n}#0", 1) for n in range(7)] + [("q7", "d0#3", 1), ("q7", "d5#1", 0)]
    frame = pd.DataFrame(judged, columns=["query_id", "passage_id", "relevance"])
    queries = pd.DataFrame({"query_id": [f"q{n}" for n in range(8)], "text": "where"})
    one = Collection("toy", "fi", queries, frame, lambda: iter([]), 9, "f00")
    clusters, unit = query_clusters(one)
    assert unit == "documents" and clusters["q0"] == clusters["q7"] and clusters.nunique() == 7
    shared = frame.assign(passage_id=[f"d0#{n}" for n in range(len(frame))])
    clusters, unit = query_clusters(Collection("toy", "fi", queries, shared, lambda: iter([]), 9, "f00"))
    assert unit == "queries" and clusters.nunique() == 8
    run = pd.DataFrame(
        {"query_id": [f"q{n}" for n in range(4)], "passage_id": [f"d{n}#0" for n in range(4)], "score": 1.0}
    )
    values = collection_values(one, run, ["RR@10"])
    found = with_intervals(values, *query_clusters(one)).set_index("measure").loc["RR@10"]
    assert found["value"] == 0.5 and 0 <= found["low"] < 0.3 and 0.7 < found["high"] <= 1 and found["clusters"] == 7
