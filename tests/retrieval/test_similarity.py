"""The model's own similarity, held to sentence-transformers everywhere; the same bytes for any number of threads."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sentence_transformers import SentenceTransformer, SimilarityFunction
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from sentence_transformers.util import semantic_search
from threadpoolctl import threadpool_limits

from hybridkit.analysis.bias import bias_measures
from hybridkit.cli import main
from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import score_margin
from hybridkit.evaluation.encoder_scores import evaluate_encoder
from hybridkit.evaluation.measures import per_query
from hybridkit.evaluation.rank_table import rank_table, rank_table_from_scores
from hybridkit.models import encoder as encoders
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import similarity_of
from hybridkit.remedies.chains import Chain
from hybridkit.remedies.collections import remedied_searches
from hybridkit.report.inspected_run import open_inspected
from hybridkit.report.inspector.live import Search
from hybridkit.retrieval.dense import SIMILARITIES, dense, own_scores, scores_of, similarity_in
from hybridkit.retrieval.mining import Mining, mine_negatives
from hybridkit.retrieval.passage_embeddings import passages_key
from hybridkit.retrieval.runs import fuse, fusion, run_frame
from hybridkit.retrieval.search import dense_search, search_vectors
from hybridkit.retrieval.topk import exact_topk, faiss_topk
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED, open_study
from tests.made_tables import column, made

pytestmark = pytest.mark.usefixtures("cache")


def vectors(similarity: str, count: int, seed: int, dim: int = 24) -> np.ndarray:
    """Vectors of small whole numbers, so that many scores tie; for cosine any of length 1, some of them equal."""
    generator = np.random.default_rng(seed)
    found = generator.integers(-2, 3, (count, dim)).astype(np.float32)
    if similarity == "cosine":
        found = generator.normal(size=(count, dim)).astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        found[generator.permutation(count)[: count // 3]] = found[0]
    found[-1] = 0
    return found


def peer(similarity: str) -> Any:
    """The library's function, in float64 (its float32 distances come from a product that cancels), equal ones equal."""
    function = SimilarityFunction.to_similarity_fn(similarity)
    return lambda one, other: function(torch.as_tensor(one).double(), torch.as_tensor(other).double()).round(decimals=9)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_scores_are_those_of_the_library(similarity: str) -> None:
    queries, passages = vectors(similarity, 300, 0), vectors(similarity, 1100, 1)  # more than one product
    found, expected = scores_of(queries, passages, similarity), peer(similarity)(queries, passages).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(own_scores(queries[7], passages, similarity), expected[7], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_rank_tables_are_those_of_the_librarys_evaluator(similarity: str) -> None:
    benchmark = made({"de": 40, "en": 50}, queries=9)
    queries, passages = vectors(similarity, 18, 2), vectors(similarity, 90, 3)
    values = per_query(rank_table(benchmark, queries, passages, similarity=similarity))
    ids = benchmark.passages["passage_id"].tolist()
    # of equal scores the library has the lower id first, the kit as trec_eval the higher one
    mirrored = {name: f"{len(ids) - place:04d}" for place, name in enumerate(ids)}
    names = (benchmark.queries["language"] + " " + benchmark.queries["query_id"]).tolist()
    judged = benchmark.judgements.groupby("query_id")["passage_id"].agg(list).to_dict()
    relevant = {name: {mirrored[one] for one in judged[name.split()[1]]} for name in names}
    model: Any = SimpleNamespace(
        encode_query=lambda texts, **_: torch.from_numpy(queries[[names.index(text) for text in texts]]).double()
    )
    depth = [len(ids)]
    evaluator = InformationRetrievalEvaluator(
        dict(zip(names, names, strict=True)),
        dict.fromkeys(mirrored.values(), "x"),
        relevant,
        map_at_k=depth,
        mrr_at_k=[10],
        ndcg_at_k=[10],
        accuracy_at_k=[1],
        precision_recall_at_k=[1, 10],
        write_csv=False,
        score_functions={similarity: peer(similarity)},
    )
    found = evaluator.compute_all_metrics(model, corpus_embeddings=torch.from_numpy(passages).double())[similarity]
    ours = values[values["setting"] == "pool"].groupby("measure")["value"].mean()
    expected = {
        "AP": found["map@k"][depth[0]],
        "RR@10": found["mrr@k"][10],
        "nDCG@10": found["ndcg@k"][10],
        "R@10": found["recall@k"][10],
    }
    assert ours[list(expected)].to_dict() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("index", ["exact", "faiss-flat"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_top_k_is_that_of_the_librarys_search(similarity: str, index: str) -> None:
    queries, passages, ids = (
        vectors(similarity, 30, 4),
        vectors(similarity, 700, 5),
        column([f"{n:03}" for n in range(700)]),
    )
    if index == "exact":
        found, places = exact_topk(queries, passages, ids, 20, 24 * 4 * 90, similarity)  # blocks of 90 passages
        again = exact_topk(queries, passages, ids, 20, similarity=similarity)
        assert np.array_equal(np.sort(again[1]), np.sort(places)) and np.array_equal(np.sort(again[0]), np.sort(found))
    else:
        found, places = faiss_topk(queries, passages, ids, 20, index, similarity=similarity)
    hits = semantic_search(
        torch.from_numpy(queries), torch.from_numpy(passages), top_k=20, score_function=peer(similarity)
    )
    expected = [[hit["score"] for hit in line] for line in hits]
    np.testing.assert_allclose(-np.sort(-found), expected, rtol=1e-6, atol=1e-5)
    scored = peer(similarity)(queries, passages).numpy()
    np.testing.assert_allclose(found, np.take_along_axis(scored, places, axis=1), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_approximate_indexes_look_for_the_nearest_by_it(similarity: str, kind: str) -> None:
    generator = np.random.default_rng(6)
    passages = (generator.normal(size=(800, 16)) * generator.uniform(0.2, 5, (800, 1))).astype(np.float32)
    queries, ids = generator.normal(size=(40, 16)).astype(np.float32), column([f"{n:03}" for n in range(800)])
    _, places = faiss_topk(queries, passages, ids, 10, kind, similarity=similarity)
    _, exact = exact_topk(queries, passages, ids, 10, similarity=similarity)
    found = np.mean([np.isin(one, other).mean() for one, other in zip(exact, places, strict=True)])
    assert found > 0.75
    with pytest.raises(InputError, match="does not have the manhattan distance.*use dense or faiss-flat"):
        faiss_topk(queries, passages, ids, 10, kind, similarity="manhattan")


def test_cosine_of_other_lengths_and_other_names_are_refused() -> None:
    queries, passages = np.eye(2, dtype=np.float32), np.array([[1, 0], [3, 4]], np.float32)
    with pytest.raises(InputError, match="embeddings of passages: row 1 has length 5; cosine takes rows of length 1"):
        exact_topk(queries, passages, column(["a", "b"]), 1, similarity="cosine")
    with pytest.raises(InputError, match="similarity 'l2': must be one of cosine, dot, euclidean, manhattan"):
        exact_topk(queries, passages, column(["a", "b"]), 1, similarity="l2")
    benchmark = made({"en": 2}, queries=2)
    with pytest.raises(InputError, match="row 1 has length 5"):
        dense(benchmark, queries, passages, "cosine")


# what "lima" is nearest to: peru by dot (3), rome by cosine (1), oslo by euclidean (.9), oslo by manhattan (1)
TABLE = {"lima": (1.0, 0.0), "peru": (3.0, 6.0), "rome": (2.5, 0.0), "oslo": (0.9, 0.9), "river": (-1.0, -1.0)}
NEAREST = {"dot": "peru", "cosine": "rome", "euclidean": "oslo", "manhattan": "oslo"}


def looked_up(similarity: str, folder: Path) -> Path:
    """Save an encoder that looks vectors up in TABLE, whatever their length."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(["[UNK]", *TABLE])}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.tensor([(0.0, 0.0), *TABLE.values()])
    module = StaticEmbedding(words, embedding_weights=weights)
    SentenceTransformer(modules=[module], device="cpu", similarity_fn_name=similarity).save_pretrained(str(folder))
    return folder


def rows_of(folder: Path, nearest: str) -> Path:
    """Parallel rows: one question, "lima", whose answer is `nearest`, and others that answer other questions."""
    answers = [nearest, *(word for word in TABLE if word not in (nearest, "lima"))]
    lines = [
        {"id": str(n), "query": {"en": "lima" if n == 0 else f"{word} {word}"}, "passage": {"en": word}}
        for n, word in enumerate(answers)
    ]
    folder.mkdir(exist_ok=True)
    path = folder / f"{nearest}.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def judged(nearest: str) -> Collection:
    words = [word for word in TABLE if word != "lima"]
    return Collection(
        "toy",
        "en",
        pd.DataFrame({"query_id": ["q"], "text": ["lima"]}),
        pd.DataFrame({"query_id": ["q"], "passage_id": [nearest], "relevance": [1]}),
        lambda: iter([(words, words)]),
        len(words),
        "f00",
        "f01",
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_way_to_rank_takes_the_models_own(
    similarity: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = looked_up(similarity, tmp_path / "model")
    model, nearest = encoders.open(folder), NEAREST[similarity]
    assert similarity_of(model) == similarity_in(folder) == similarity
    own = model.encode_document([*TABLE], normalize_embeddings=similarity == "cosine")
    np.testing.assert_allclose(encode(model, [*TABLE], "passage"), own, atol=1e-6)
    answers = [word for word in TABLE if word != "lima"]
    embedded = encode(model, ["lima"], "query"), encode(model, answers, "passage")
    flat = search_vectors(judged(nearest), *embedded, column(answers), index="faiss-flat", similarity=similarity)
    for index, run in (("exact", dense_search(judged(nearest), model, 4)), ("faiss-flat", flat)):
        assert run["passage_id"].iloc[0] == nearest, index
        expected = model.similarity(model.encode_query(["lima"]), model.encode_document([nearest])).item()
        assert run["score"].iloc[0] == pytest.approx(expected, abs=1e-5)
    rows = rows_of(tmp_path / "rows", nearest)
    benchmark = Benchmark.from_corpus(
        ParallelCorpus.from_rows(Row(**_row(one)) for one in rows.read_text().splitlines()), "toy"
    )
    ranks = rank_table(
        benchmark,
        *(
            encode(model, frame["text"].tolist(), side)
            for frame, side in ((benchmark.queries, "query"), (benchmark.passages, "passage"))
        ),
        similarity=similarity,
    )
    assert ranks.set_index("query_id").loc["0", "rank"] == 1
    assert evaluate_encoder(model, benchmark)["AP mono"] == pytest.approx((1 / ranks["rank"]).mean())
    # the command line, in its two tables, and JSON
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    words = [word for word in TABLE if word != "lima"]
    (beir / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": one, "title": "", "text": one}) + "\n" for one in words)
    )
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "lima"}) + "\n")
    (beir / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\nq\t{nearest}\t1\n")
    out = tmp_path / "scores.json"
    command = ["evaluate", "--model", str(folder), "--benchmark", f"{beir},{rows}", "--system", "dense,bm25,fusion"]
    assert main([*command, "--json", str(out)]) == 0
    table, found = capsys.readouterr().out, json.loads(out.read_text())
    assert found[str(beir)]["dense"]["mono"]["RR@10"] == 1
    assert found[str(rows)]["dense"]["mono"]["AP"] == pytest.approx((1 / ranks["rank"]).mean())
    line = f"dense, fusion: scores by {similarity}, the model's own similarity\n"
    assert table.startswith(line) == (similarity != "cosine")
    for scored in found.values():
        assert [one.get("similarity") for one in scored.values()] == (
            [None] * 3 if similarity == "cosine" else [similarity, None, similarity]
        )


def _row(line: str) -> dict[str, Any]:
    value = json.loads(line)
    return {**value, "passage_id": value["id"], "query_id": value["id"], "negative": {}}


def test_cached_passages_are_told_apart_by_it(tmp_path: Path) -> None:
    one, other = (encoders.open(looked_up(name, tmp_path / name)) for name in ("dot", "cosine"))
    assert passages_key(judged("peru"), one) != passages_key(judged("peru"), other)
    far = encoders.open(looked_up("manhattan", tmp_path / "manhattan"))
    with pytest.raises(InputError, match="'hnsw' does not have the manhattan"):  # before anything is embedded
        remedied_searches(Chain(), ["dense", "hnsw"], judged("oslo"), far)
    assert not any((tmp_path / "cache").rglob("*.npy"))
    assert dense_search(judged("peru"), one)["passage_id"].iloc[0] == "peru"
    assert dense_search(judged("peru"), other)["passage_id"].iloc[0] == "rome"


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_mining_takes_what_is_nearest_by_it(similarity: str, tmp_path: Path) -> None:
    model = encoders.open(looked_up(similarity, tmp_path / "model"))
    furthest = "river" if similarity in ("cosine", "dot") else "peru"
    others = [word for word in TABLE if word not in (furthest, "lima")]
    texts = [("lima", furthest), *((f"{word} {word}", word) for word in others)]
    corpus = ParallelCorpus.from_rows(
        Row(str(n), str(n), str(n), {"en": query}, {"en": passage}, {}) for n, (query, passage) in enumerate(texts)
    )
    mined = mine_negatives(corpus, model, Mining())
    place = mined.positions["negative"][0, 0]
    assert mined.texts["negative", "en"][place].as_py() == NEAREST[similarity]
    # the limit is in the unit of the scores: nothing may score more than the answer, which is the furthest of all
    strict = mine_negatives(corpus, model, Mining(absolute_margin=0.0))
    assert strict.positions["negative"][0, 0] == -1


def test_a_study_ranks_searches_and_weighs_bias_by_it(tmp_path: Path) -> None:
    folder, data = looked_up("dot", tmp_path / "model"), tmp_path / "data"
    words = [word for word in TABLE if word != "lima"]
    data.mkdir()
    for name, tags in (("rows", ["de", "en"]), ("asked", ["de", "en"])):
        lines = [
            {
                "id": f"{name}{n}",
                "query": dict.fromkeys(tags, f"lima {name} {one} {n}"),
                "passage": {tag: f"{one} {tag} {name}" for tag in tags},
            }
            for n, one in enumerate(words)
        ]
        (data / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    value = {
        "name": "tiny",
        "title": "A test",
        "rows": {"files": [str(data / "rows.jsonl")]},
        "encoder": {"name": str(folder)},
        "strategies": ["mono"],
        "seeds": [0],
        "compare": ["mono", UNTRAINED],
        "evaluation": {"benchmarks": [str(data / "asked.jsonl")]},
        "training": {"steps": 2, "batch_size": 2, "learning_rate": 0.1},
    }
    (data / "tiny.yaml").write_text(yaml.safe_dump(value))
    run = Run(open_study(data / "tiny.yaml"), tmp_path / "run")
    name = str(data / "asked.jsonl")
    benchmark = run.benchmark(name)
    for spec in (ModelSpec(UNTRAINED), ModelSpec("mono", 0)):
        model = run.trained.open(spec)
        queries, passages = (
            encode_of(frame["text"].tolist())
            for encode_of, frame in (
                (model.encode_query, benchmark.queries),
                (model.encode_document, benchmark.passages),
            )
        )
        expected = rank_table_from_scores(benchmark, lambda rows, q=queries, p=passages: q[rows] @ p.T)  # type: ignore[misc]
        pd.testing.assert_frame_equal(run.ranks(spec, name), expected)
        assert run.similarity(spec, name) == "dot"
        found = bias_measures(benchmark, expected, *run.embeddings(spec, name), similarity="dot").set_index("measure")
        margin = score_margin(benchmark, queries, passages)
        assert found.loc["score margin", "value"] == pytest.approx(margin["margin_sd"].mean())
    # the inspector ranks by it, too, what is asked now and what was asked
    from hybridkit.study.scores import study_scores

    study_scores(run)
    inspected = open_inspected(run)
    scorer = inspected.scorer("mono")
    assert scorer is not None
    np.testing.assert_allclose(scorer(slice(0, 8)), queries @ passages.T, rtol=1e-6)
    (shown, _) = Search(inspected).find("lima", "mono", top=1)
    expected_score = (model.encode_query(["lima"]) @ passages.T).max()
    assert shown["score"].item() == pytest.approx(float(expected_score), rel=1e-6)
    for path in (run.folder / "embeddings").glob("*-similarity.txt"):
        path.unlink()  # as an earlier version left it
    with pytest.raises(InputError, match="earlier version of the kit.*--complete"):
        Search(inspected).find("lima", "mono", top=1)


def test_scores_of_nothing_are_0() -> None:
    nothing, something = np.zeros((1, 4), np.float32), np.array([[0, 1, 4, 2]], np.float32)
    # the system that says nothing adds nothing
    assert fusion(lambda rows: nothing, lambda rows: something)(slice(0, 1)).tolist() == [[0, 0.125, 0.5, 0.25]]
    assert not fusion(lambda rows: nothing, lambda rows: nothing)(slice(0, 1)).any()
    silent = run_frame(["q"] * 3, ["x", "y", "z"], [0, 0, 0])
    other = run_frame(["q"] * 2, ["a", "b"], [7, 5])
    assert fuse(silent, other).values.tolist()[0] == ["q", "a", 0.5]
    assert fuse(silent, other)["score"].tolist() == [0.5, 0, 0, 0, 0]
    benchmark = made({"de": 3, "en": 3}, queries=2)
    zeros = np.zeros((4, 5)), np.zeros((6, 5))
    for similarity in SIMILARITIES:
        ranks = rank_table(benchmark, *zeros, similarity=similarity)
        assert not ranks["score"].any() and np.isfinite(ranks["rank"]).all()
        assert not len(score_margin(benchmark, *zeros, similarity))  # nothing stands out from nothing


def test_the_same_bytes_for_any_number_of_threads_and_in_a_worker(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "made_tables.py"
    # kernels of OpenBLAS differ in what moves the last digits: this one shares a product out by the number of threads
    haswell = platform.machine() == "x86_64" and "avx2" in _flags()
    kernel = {"OPENBLAS_CORETYPE": "Haswell"} if haswell else {}
    found = []
    for where in ("1", "2", "4", "worker"):  # threads, and a worker of a sweep
        command = [sys.executable, str(script), where, str(tmp_path)]
        environment = {**os.environ, **kernel, "PYTHONPATH": str(script.parent.parent)}
        found.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    told = [one.communicate(timeout=300)[0].strip() for one in found]
    assert len(told[0]) == 64
    assert len(set(told)) == 1


def _flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.is_file() else ""


def test_a_score_does_not_depend_on_what_is_asked_with_it() -> None:
    benchmark = made({"de": 300, "en": 733}, queries=270)
    generator = np.random.default_rng(1)
    queries, passages = (generator.normal(size=(count, 100)).astype(np.float32) for count in (540, 1033))
    scorer = dense(benchmark, queries, passages)
    whole = scorer(slice(0, 540))
    for rows in (
        slice(0, 1),
        slice(5, 6),
        slice(255, 258),
        slice(260, 300),
        slice(539, 540),
        slice(7, 7),
        slice(540, 540),
    ):
        assert np.array_equal(scorer(rows), whole[rows])
    np.testing.assert_allclose(whole, queries @ passages.T, rtol=1e-4, atol=1e-4)
    tables = [rank_table(benchmark, queries, passages, block) for block in (1, 10**5, 10**7)]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True)
    with threadpool_limits(1):
        assert np.array_equal(scorer(slice(0, 540)), whole)
