"""A run made by hand: twelve questions in three languages, two models whose every score is written down."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.sources.open_benchmarks import open_benchmark
from hybridkit.evaluation.rank_table import rank_table, write_ranks
from hybridkit.study.scores import INDEX, INDEX_FORMAT, Result

HYBRID = "hybrid(alpha=0.5)"
ASKED = {"ar": "من هو", "de": "wer ist", "en": "who is"}
TOLD = {"ar": "هي", "de": "sie ist", "en": "she is"}
ROWS = [f"r{n:02d}" for n in range(1, 13)]


def score(strategy: str, query: tuple[str, str], passage: tuple[str, str]) -> float:
    """How `mono` and the hybrid score a passage (language, row) for a query (language, row).

    mono likes its own language, and puts the Arabic answer to a German question last; the hybrid has the three answers
    first, but for r03, where it does as mono does.
    """
    far = query[0] == "de" and passage[0] == "ar" and (strategy == "mono" or query[1] == "r03")
    if query[1] != passage[1]:
        return 0.6 if strategy == "mono" and query[0] == passage[0] else 0.1
    if query[0] == passage[0]:
        return 0.9
    return 0.05 if far else (0.5 if strategy == "mono" else 0.8)


def made_run(
    folder: Path,
    strategies: tuple[str, ...] = ("mono", HYBRID),
    texts: dict[str, str] | None = None,
    twins: bool = True,
) -> Path:
    """Write the run folder; `texts` replaces English passages by row, without `twins` each row has one language."""
    lines = []
    for place, row in enumerate(ROWS):
        tags = ASKED if twins else [list(ASKED)[place % 3]]
        passages = {tag: f"{TOLD[tag]} {row}" for tag in tags}
        if "en" in passages:
            passages["en"] = (texts or {}).get(row, passages["en"])
        lines.append(
            json.dumps({"id": row, "query": {tag: f"{ASKED[tag]} {row}" for tag in tags}, "passage": passages})
        )
    folder.mkdir(parents=True)
    path = folder / "toy.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    settings = {
        "name": "mine",
        "title": "Made by hand",
        "rows": {"files": [str(path)]},
        "training": {"steps": 1, "batch_size": 2},
        "strategies": list(strategies),
        "seeds": [0],
        "compare": [HYBRID, "mono"] if HYBRID in strategies else ["mono", "untrained"],
        "encoder": {"name": "static"},
        "evaluation": {"benchmarks": [str(path)]},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    results = [_model(folder, open_benchmark(str(path)), strategy, str(path)) for strategy in strategies]
    index = {"format": INDEX_FORMAT, "results": [dataclasses.asdict(one) for one in results]}
    (folder / INDEX).write_text(json.dumps(index))
    return folder


def _model(folder: Path, benchmark: Benchmark, strategy: str, name: str) -> Result:
    queries = list(zip(benchmark.queries["language"], benchmark.queries["query_id"], strict=True))
    passages = list(zip(benchmark.passages["language"], benchmark.passages["article"], strict=True))
    scores = np.array([[score(strategy, query, passage) for passage in passages] for query in queries], np.float32)
    own = np.eye(len(passages), dtype=np.float32)  # so that a product with the queries is the scores themselves
    at = "m" if strategy == "mono" else "h"
    for side, array in (("query", scores), ("passage", own)):
        place = folder / "embeddings" / f"{at}-{side}.npy"
        place.parent.mkdir(exist_ok=True)
        np.save(place, array)
    write_ranks(rank_table(benchmark, scores, own), folder / "ranks" / f"{at}.parquet")
    (folder / "models" / at).mkdir(parents=True)
    return Result(
        strategy,
        0,
        name,
        f"ranks/{at}.parquet",
        f"scores/{at}.parquet",
        f"embeddings/{at}-query.npy",
        f"embeddings/{at}-passage.npy",
        f"models/{at}",
        benchmark.fingerprint,
    )
