"""Seconds and peak memory of top-k search over 10 k, 100 k and 1 M passages, beside faiss, in one run.

Passages are the embeddings of `--embeddings FILE.npy` (float32, a row a passage), or random ones in clusters, repeated
with jitter until there are enough, L2-normalised and written to a file; queries are jittered passages. Every search is
a process of its own. `exact` is hybridkit's, which reads the file block by block; the peer is faiss' IndexFlatIP, which
holds all of it. Seconds are the least of `--rounds` of the search alone; an index is built before. The ratio is that of
CPU seconds, which other processes hardly change: compare on one thread (OMP_NUM_THREADS=1). Peak: of the process; `own`
is without the libraries and the embeddings that an index holds. Recall: of the top k against `exact`, all queries.

    python benchmarks/search.py --sizes 10000 100000
    python benchmarks/search.py --sizes 1000000 --systems exact faiss-flat ivf
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from apart import apart, peak_mib

SYSTEMS = ("exact", "faiss-flat", "ivf", "hnsw")


def main() -> None:
    """Search every pool with every system and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--embeddings", type=Path, help="a .npy file to repeat; default: random clusters")
    args = parser.parse_args()
    print(f"{args.queries} queries, top {args.k}, settings of ivf and hnsw: those of faiss_topk")
    print(
        f"{'passages':>9} {'system':10} {'build s':>8} {'wall s':>8} {'CPU s':>8} {'ratio':>6} "
        f"{'peak MiB':>8} {'own MiB':>8} recall"
    )
    with tempfile.TemporaryDirectory() as folder:
        for size in args.sizes:
            path = Path(folder) / "passages.npy"
            queries = _make(path, size, args)
            found: dict[str, dict[str, Any]] = {}
            for system in args.systems:
                found[system] = apart(_search, system, path, queries, args.k, args.rounds)
            peer = found.get("faiss-flat", {}).get("seconds")
            for system, took in found.items():
                ratio = f"{took['seconds'] / peer:6.2f}" if peer else " " * 6
                recall = _recall(took["positions"], found["exact"]["positions"]) if "exact" in found else float("nan")
                print(
                    f"{size:9,} {system:10} {took['build']:8.1f} {took['wall']:8.2f} {took['seconds']:8.2f} {ratio} "
                    f"{took['peak']:8.0f} {took['own']:8.0f} {recall:.4f}",
                    flush=True,
                )
            path.unlink()
    print("build s, CPU s: seconds of the processor; ratio: CPU s of the search over those of faiss-flat")


def _make(path: Path, size: int, args: argparse.Namespace) -> np.ndarray:
    """Write the passages a piece at a time; give the queries."""
    draw = np.random.default_rng(0)
    if args.embeddings:
        base = np.load(args.embeddings, mmap_mode="r", allow_pickle=False)
    else:
        centres = draw.standard_normal((100, args.dimensions), dtype=np.float32)
        base = np.repeat(centres, 50, axis=0) + draw.standard_normal((5000, args.dimensions), dtype=np.float32)
    base = base / np.linalg.norm(base, axis=1, keepdims=True)
    jitter = 0.5 / base.shape[1] ** 0.5

    def jittered(rows: np.ndarray) -> np.ndarray:
        out = base[rows] + jitter * draw.standard_normal((len(rows), base.shape[1]), dtype=np.float32)
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)

    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(size, base.shape[1]))
    for start in range(0, size, 50_000):
        stop = min(start + 50_000, size)
        file[start:stop] = jittered(np.arange(start, stop) % len(base))
    return jittered(draw.integers(0, len(base), args.queries))


def _search(system: str, path: Path, queries: np.ndarray, k: int, rounds: int) -> dict[str, Any]:
    import faiss
    import pyarrow as pa

    from hybridkit.data.storage.columns import StringColumn
    from hybridkit.retrieval import topk
    from hybridkit.retrieval.topk import exact_topk

    passages = np.load(path, mmap_mode="r", allow_pickle=False)
    ids = StringColumn(pa.array((f"p{n}" for n in range(len(passages))), pa.large_string()))
    _ = faiss.IndexFlatIP(queries.shape[1]), queries @ queries.T  # the libraries are in memory now
    before = peak_mib()
    start = time.process_time()
    index = None
    if system != "exact":
        index = topk.build_index(passages, system)
    build = time.process_time() - start
    seconds, walls = [], []
    for _ in range(rounds):
        start, wall = time.process_time(), time.perf_counter()
        if index is None:
            _, positions = exact_topk(queries, passages, ids, k)
        else:
            _, positions = topk.search_index(index, queries, passages, ids, k, system)
        seconds.append(time.process_time() - start)
        walls.append(time.perf_counter() - wall)
    held = 0 if system == "exact" else passages.nbytes / 2**20
    peak = peak_mib()
    least = {"build": build, "seconds": min(seconds), "wall": min(walls)}
    return least | {"peak": peak, "own": peak - before - held, "positions": positions}


def _recall(positions: np.ndarray, exact: np.ndarray) -> float:
    return float(np.mean([np.isin(right, found).mean() for right, found in zip(exact, positions, strict=True)]))


if __name__ == "__main__":
    main()
