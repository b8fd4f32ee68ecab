"""Rank table, all measures and rank distance of XQuAD-R's shapes, beside the bare matrix product and a known peer.

13,090 queries x 13,014 candidates x 384 dimensions in 11 languages: 121 pairs, the pool and the rank distance in one
pass over the scores. Embeddings are random unit vectors (no passage is easy to find, so no shortcut helps), or those of
`--embeddings FOLDER` (query.npy, passage.npy); the benchmark is xquad-r where the data is there, else one of its shape.

- The product: `queries @ passages.T` in numpy into memory that is allocated, in turns with the rank table for
  `--rounds` rounds in one process.
- The peer: sentence-transformers' InformationRetrievalEvaluator over the same embeddings, which it gets instead of
  a model, called for every pair and for the pool with measures at full depth. Timed on `--pairs` of the 121 pairs (all
  their queries) and on `--pool-queries` queries of the pool, and scaled up, since the time of both is that of the hits
  that it lists query by query; `--whole` times all of it. Its AP is compared with ours.
- Peak memory: the largest resident set of a process that opens the benchmark and makes the table, libraries included.
- Growth: the rank table of 800 queries in pools of `--growth` passages, made by repeating and jittering 5,000 vectors,
  mapped from disk. Memory is the private memory (RssAnon, Linux) that it takes on top of the benchmark's own frames.

On a busy machine compare seconds of CPU, not of the clock.

    HYBRIDKIT_DATA=... python benchmarks/ranks.py
    python benchmarks/ranks.py --pairs 0 --growth 10000 100000 1000000
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from apart import apart, peak_mib

TAGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
QUESTIONS, CANDIDATES, DIM = 1190, 13_014, 384
Numbers = dict[str, float]


def main() -> None:
    """Run every part in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, help="folder with query.npy and passage.npy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=3, help="pairs that the peer is timed on; 0: no peer")
    parser.add_argument("--pool-queries", type=int, default=44)
    parser.add_argument("--whole", action="store_true", help="time the peer on everything")
    parser.add_argument("--growth", type=int, nargs="*", default=[10_000, 100_000], help="sizes of pools")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.embeddings or Path(temporary)
        benchmark = shaped()
        if not args.embeddings:
            for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages)):
                np.save(folder / f"{side}.npy", unit(len(frame), side))
        print(f"{len(benchmark.queries):,} queries x {len(benchmark.passages):,} passages, {benchmark.name}")
        ours = apart(timed, folder, args.rounds)
        for name in ("product", "ranks", "measures"):
            print(f"{name:<10} {ours[name]:7.2f} s, CPU {ours[name + ' cpu']:7.2f} s")
        clock, cpu = (
            (ours["ranks" + kind] + ours["measures" + kind]) / ours["product" + kind] for kind in ("", " cpu")
        )
        print(f"all of it takes {clock:.2f} x the product by the clock, {cpu:.2f} x in CPU time")
        print(f"peak memory of the process {apart(peak, folder)['peak']:,.0f} MiB")
        if args.pairs:
            sizes = (121, 13_090) if args.whole else (args.pairs, args.pool_queries)
            theirs = apart(peer, folder, *sizes)
            clock, cpu = (
                theirs[kind] / (ours["ranks" + end] + ours["measures" + end])
                for kind, end in (("seconds", ""), ("cpu", " cpu"))
            )
            print(
                f"InformationRetrievalEvaluator {theirs['seconds']:,.0f} s, CPU {theirs['cpu']:,.0f} s, scaled from "
                f"{theirs['pairs']:.0f} of 121 pairs and {theirs['pool']:,.0f} queries of the pool "
                f"({theirs['share']:.1%} of the hits): {clock:,.0f} x by the clock, {cpu:,.0f} x in CPU time; "
                f"AP differs by at most {theirs['gap']:.0e}"
            )
        for size in args.growth:
            found = apart(grow, Path(temporary), size)
            print(
                f"800 in {size:>9,}: {found['seconds']:7.2f} s, CPU {found['cpu']:7.2f} s, "
                f"{found['cpu'] / size * 1e6:5.1f} s a million, {found['memory']:5.0f} MiB",
                flush=True,
            )


def timed(folder: Path, rounds: int) -> Numbers:
    """Median seconds of the product, of the rank table and of the measures, in turns."""
    from hybridkit.evaluation.measures import macro, per_query, scores
    from hybridkit.evaluation.rank_table import rank_table

    benchmark, queries, passages = opened(folder)
    took: dict[str, list[float]] = {}
    room = np.empty((len(queries), len(passages)), np.float32)
    for nth in range(rounds + 1):  # the first products of a process are slow
        product = clocked(lambda: np.matmul(queries, passages.T, out=room))
        ranks = clocked(lambda: rank_table(benchmark, queries, passages))
        table = ranks[0]
        measures = clocked(lambda: macro(scores(per_query(table))))  # noqa: B023  called at once
        for name, (_, seconds, cpu) in (("product", product), ("ranks", ranks), ("measures", measures)):
            if nth:
                took.setdefault(name, []).append(seconds)
                took.setdefault(f"{name} cpu", []).append(cpu)
    return {name: statistics.median(times) for name, times in took.items()}


def peak(folder: Path) -> Numbers:
    """Make the table once; the process' own peak memory."""
    from hybridkit.evaluation.measures import macro, per_query, scores
    from hybridkit.evaluation.rank_table import rank_table

    macro(scores(per_query(rank_table(*opened(folder)))))
    return {"peak": peak_mib()}


def peer(folder: Path, pairs: int, pool_queries: int) -> Numbers:
    """Seconds of the peer, scaled up to 121 pairs and all queries in the pool."""
    from hybridkit.evaluation.measures import per_query
    from hybridkit.evaluation.rank_table import rank_table
    from hybridkit.utils.seeds import generator

    benchmark, queries, passages = opened(folder)
    mine = per_query(rank_table(benchmark, queries, passages))
    mine = (
        mine[mine["measure"] == "AP"]
        .set_index(["query_language", "passage_language", "query_id"])["value"]
        .sort_index()
    )
    every = [(a, b) for a in benchmark.query_slices for b in benchmark.passage_slices]
    chosen = generator(0, "benchmark", "pairs").permutation(len(every))[:pairs]
    jobs = [
        (every[n][0], every[n][1], benchmark.query_slices[every[n][0]], benchmark.passage_slices[every[n][1]])
        for n in chosen.tolist()
    ]
    found, gap = {"pairs": np.zeros(2), "pool": np.zeros(2)}, 0.0
    for query_language, language, rows, columns in jobs:
        seconds, difference = evaluated(benchmark, queries, passages, mine, query_language, language, rows, columns)
        found["pairs"], gap = found["pairs"] + seconds, max(gap, difference)
    each = max(1, pool_queries // len(benchmark.query_slices))  # in small parts, since the peer keeps every hit
    queries_timed = 0
    for query_language, rows in benchmark.query_slices.items():
        for start in range(rows.start, min(rows.start + each, rows.stop), 50):
            some = slice(start, min(start + 50, rows.start + each, rows.stop))
            everything = slice(0, len(benchmark.passages))
            seconds, difference = evaluated(benchmark, queries, passages, mine, query_language, "*", some, everything)
            found["pool"], gap, queries_timed = (
                found["pool"] + seconds,
                max(gap, difference),
                queries_timed + some.stop - start,
            )
    whole = found["pairs"] * len(every) / len(jobs) + found["pool"] * len(benchmark.queries) / queries_timed
    cells = sum((rows.stop - rows.start) * (columns.stop - columns.start) for _, _, rows, columns in jobs)
    share = (cells + queries_timed * len(passages)) / (2 * len(queries) * len(passages))
    return {"seconds": whole[0], "cpu": whole[1], "pairs": len(jobs), "pool": queries_timed, "share": share, "gap": gap}


def evaluated(
    benchmark: Any,
    queries: np.ndarray,
    passages: np.ndarray,
    mine: pd.Series,
    query_language: str,
    language: str,
    rows: slice,
    columns: slice,
) -> tuple[np.ndarray, float]:
    """One call of the peer: its seconds (clock, CPU), and how far its mean AP is from ours."""
    import torch
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    ids = benchmark.passages["passage_id"].iloc[columns].tolist()
    names = benchmark.queries["query_id"].iloc[rows].tolist()
    inside = benchmark.judgements[benchmark.judgements["passage_id"].isin(ids)]
    relevant = inside[inside["query_id"].isin(names)].groupby("query_id")["passage_id"].agg(set).to_dict()
    places = {name: place for place, name in enumerate(names)}
    vectors = torch.from_numpy(np.array(queries[rows]))
    model = SimpleNamespace(encode_query=lambda texts, **_: vectors[[places[text] for text in texts]])
    corpus, depth = torch.from_numpy(np.array(passages[columns])), [len(ids)]

    def run() -> Any:
        evaluator = InformationRetrievalEvaluator(
            dict(zip(names, names, strict=True)),
            dict(zip(ids, ids, strict=True)),
            relevant,
            mrr_at_k=depth,
            ndcg_at_k=[10],
            accuracy_at_k=[1],
            precision_recall_at_k=[1, 10],
            map_at_k=depth,
            score_functions={"dot": lambda a, b: a @ b.T},
            write_csv=False,
        )
        return evaluator.compute_all_metrics(model, corpus_embeddings=corpus)

    scores, seconds, cpu = clocked(run)
    ours = mine[query_language, language].reindex(list(relevant)).mean()
    return np.array([seconds, cpu]), abs(float(scores["dot"]["map@k"][depth[0]]) - float(ours))


def grow(folder: Path, size: int) -> Numbers:
    """Seconds and private memory of the rank table of 800 queries in a pool of `size` passages, mapped from disk."""
    from hybridkit.evaluation.rank_table import rank_table

    base, queries, path = unit(5_000, "growth"), unit(800, "growth queries"), folder / "pool.npy"
    pool = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(size, DIM))
    for start in range(0, size, len(base)):
        some = pool[start : start + len(base)]
        some[:] = base[: len(some)] + 0.01 * unit(len(some), f"jitter {start}")
    pool.flush()
    del pool
    benchmark = shape({tag: size // 4 + (nth < size % 4) for nth, tag in enumerate(TAGS[:4])}, 200)
    before, most, done = private(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            most[0] = max(most[0], private())

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, seconds, cpu = clocked(lambda: rank_table(benchmark, queries, np.load(path, mmap_mode="r")))
    done.set()
    watcher.join()
    path.unlink()
    return {"seconds": seconds, "cpu": cpu, "memory": most[0] - before}


def private() -> float:
    """Private memory of this process in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 2**10


def clocked(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a call gives, its seconds and its CPU seconds."""
    start, cpu = time.perf_counter(), time.process_time()
    found = call()
    return found, time.perf_counter() - start, time.process_time() - cpu


def shaped() -> Any:
    """XQuAD-R, or a benchmark of its shape."""
    from hybridkit.data.sources.open_benchmarks import open_benchmark
    from hybridkit.errors import InputError, MissingDataError

    try:
        return open_benchmark("xquad-r")
    except (InputError, MissingDataError):
        counts = [CANDIDATES // len(TAGS) + (nth < CANDIDATES % len(TAGS)) for nth in range(len(TAGS))]
        return shape(dict(zip(TAGS, counts, strict=True)), QUESTIONS)


def shape(candidates: dict[str, int], questions: int) -> Any:
    """Make a benchmark of so many candidates a language and so many questions, each relevant one a language."""
    from hybridkit.data.benchmark import Benchmark

    queries = pd.DataFrame({"language": np.repeat([*candidates], questions), "article": "a", "text": "?"})
    queries["query_id"] = [f"q{n:05d}" for _ in candidates for n in range(questions)]
    ids = [f"made:{tag}:{n:08d}" for tag, count in candidates.items() for n in range(count)]
    language = np.repeat([*candidates], [*candidates.values()])
    passages = pd.DataFrame({"language": language, "passage_id": ids, "article": "a", "text": "!"})
    place = {tag: np.arange(questions) * count // questions for tag, count in candidates.items()}
    judged = [(f"q{n:05d}", tag, f"made:{tag}:{place[tag][n]:08d}") for tag in candidates for n in range(questions)]
    return Benchmark(
        "made", queries, passages, pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"])
    )


def opened(folder: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    """The benchmark and the embeddings of its queries and passages."""
    return shaped(), np.load(folder / "query.npy"), np.load(folder / "passage.npy")


def unit(count: int, name: str) -> np.ndarray:
    """Random vectors of length 1, float32 (count, DIM)."""
    from hybridkit.utils.seeds import generator

    found = generator(0, "benchmark", name).standard_normal((count, DIM), dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
