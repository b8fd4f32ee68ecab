"""Tables of every kind from one set of random vectors, as a hash of their bytes: run as a program, it prints it."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection
from hybridkit.data.storage.columns import StringColumn
from hybridkit.evaluation.bias import score_margin
from hybridkit.evaluation.measures import per_query, scores
from hybridkit.evaluation.rank_table import rank_table, rank_table_from_scores, write_ranks
from hybridkit.retrieval.dense import dense
from hybridkit.retrieval.runs import fusion
from hybridkit.retrieval.topk import exact_topk
from hybridkit.utils.parallel import processes


def column(ids: list[str]) -> StringColumn:
    return StringColumn(pa.array(ids, pa.large_string()))


def ids_of(collection: Collection) -> StringColumn:
    """The ids of its passages, in the order of its stream."""
    return column([name for ids, _ in collection.passages() for name in ids])


def made(passages: dict[str, int], queries: int) -> Benchmark:
    """A benchmark of so many passages a language and questions in each; question n has a relevant one in each."""
    tags = list(passages)
    asked = [(tag, f"q{n:03}", "a", "?") for tag in tags for n in range(queries)]
    there = [(tag, f"t:{tag}:{n:04}", "a", "!") for tag, count in passages.items() for n in range(count)]
    judged = [(f"q{n:03}", tag, f"t:{tag}:{n * 3 % passages[tag]:04}") for tag in tags for n in range(queries)]
    return Benchmark(
        "t",
        pd.DataFrame(asked, columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(there, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"]),
    )


def products(folder: str) -> str:
    """Make tables of every kind and return a hash of their bytes."""
    benchmark = made({"de": 301, "en": 700}, queries=40)
    one = Benchmark(  # a language with a single question, to which every passage is an answer
        "t",
        pd.concat([benchmark.queries, pd.DataFrame([("fr", "q999", "a", "?")], columns=benchmark.queries.columns)]),
        benchmark.passages,
        pd.concat(
            [
                benchmark.judgements,
                benchmark.passages[["passage_id"]].assign(
                    query_id="q999", passage_language=benchmark.passages["language"]
                ),
            ]
        ),
    )
    generator = np.random.default_rng(0)
    queries, passages = (generator.normal(size=(count, 768)).astype(np.float32) for count in (81, 1001))
    ids, parts = column([f"{n:04}" for n in range(1001)]), []
    for similarity in ("dot", "euclidean", "manhattan"):
        ranks = rank_table(one, queries, passages, similarity=similarity)
        path = Path(folder) / f"{os.getpid()}-{similarity}.parquet"
        for frame in (ranks, scores(per_query(ranks))):
            write_ranks(frame, path)
            parts.append(path.read_bytes())
        found, places = exact_topk(queries, passages, ids, 9, similarity=similarity)
        scorer = dense(one, queries, passages, similarity)
        fused = rank_table_from_scores(one, fusion(scorer, lambda rows: np.ones((rows.stop - rows.start, 1001))))
        margin = score_margin(one, queries, passages, similarity)
        parts += [part.tobytes() for part in (found, places, fused["score"].to_numpy(), margin["margin_sd"].to_numpy())]
    return hashlib.sha256(b"".join(parts)).hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        with processes(2) as pool:
            print(pool.submit(products, sys.argv[2]).result())
    else:
        with threadpool_limits(int(sys.argv[1])):
            print(products(sys.argv[2]))
