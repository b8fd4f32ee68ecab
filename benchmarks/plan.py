"""Seconds and peak memory of planning: 100,000 batches of 100 over a million rows in 9 languages, every strategy.

Each plan is made in a process of its own, from a corpus of integers (planning reads no text), and then written to a
parquet table with its ids. Two corpora: one whose rows share nothing, and one in which a tenth of the rows shares one
passage and three in ten rows lack some languages. The peer is sentence-transformers' NoDuplicatesBatchSampler with
precomputed hashes, over as many rows of one string each, timed for some of the batches and scaled up: it keeps texts
of a batch different and does nothing else: it has no languages, and its batches are not kept.

    python benchmarks/plan.py
    python benchmarks/plan.py --rows 100000 --steps 10000
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from apart import apart, peak_mib

TAGS = ("ar", "de", "en", "es", "hi", "ru", "th", "vi", "zh")
STRATEGIES = ("mono", "cross", "hybrid(alpha=0.5)", "cross(pairs='one')", "hybrid(level='row')")


def main() -> None:
    """Make every plan and the peer's batches, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES)
    parser.add_argument("--corpora", nargs="+", choices=("distinct", "shared"), default=("distinct", "shared"))
    parser.add_argument("--peer-batches", type=int, default=1000, help="batches that the peer is timed for; 0: no peer")
    args = parser.parse_args()
    print(f"{args.steps:,} batches of {args.batch_size} over {args.rows:,} rows in {len(TAGS)} languages")
    print(f"{'batches of':30} {'corpus':8} {'plan s':>8} {'cpu s':>8} {'write s':>8} {'peak MiB':>9} {'ratio':>6}")
    peer = apart(_measured, _peer, args) if args.peer_batches else None
    if peer:
        print(f"{'NoDuplicatesBatchSampler':30} {'distinct':8} {'':8} {peer['cpu']:8.1f} {'':8} {peer['peak']:9.0f}")
    for corpus in args.corpora:
        for strategy in args.strategies:
            took = apart(_measured, _plan, args, strategy, corpus)
            ratio = f"{peer['cpu'] / took['cpu']:6.1f}" if peer else ""
            numbers = f"{took['plan']:8.1f} {took['cpu']:8.1f} {took['write']:8.1f} {took['peak']:9.0f} {ratio}"
            print(f"{strategy:30} {corpus:8} {numbers}", flush=True)
    print("cpu s: processor seconds, which other work on the machine does not change; of the peer scaled up from what")
    print("was timed; ratio: the peer's over the plan's; peak: of the process, with corpus, plan, file and libraries")


def _measured(run: Any, *args: Any) -> dict[str, float]:
    took: dict[str, float] = run(*args)
    return took | {"peak": peak_mib()}


def _plan(args: argparse.Namespace, strategy: str, kind: str) -> dict[str, float]:
    import pyarrow as pa

    from hybridkit.data.corpus import ParallelCorpus
    from hybridkit.data.storage.columns import StringColumn
    from hybridkit.sampling import parse

    random = np.random.default_rng(0)
    place = np.repeat(np.arange(args.rows, dtype=np.int32)[:, None], len(TAGS), axis=1)
    group = np.arange(args.rows, dtype=np.int32)
    if kind == "shared":
        group[random.random(args.rows) < 0.1] = 0
        place[(random.random(place.shape) < 0.5) & (random.random(args.rows) < 0.3)[:, None]] = -1
        place[group == 0, 0] = 0
    positions = {"query": place, "passage": place, "negative": np.full_like(place, -1)}
    ids = StringColumn(pa.array(np.arange(args.rows)).cast(pa.large_string()))
    corpus = ParallelCorpus(
        languages=TAGS, ids=ids, passage_ids=ids, group=group, positions=positions, texts={}, fingerprint="benchmark"
    )
    ready, used = time.perf_counter(), _cpu()
    plan = parse(strategy).plan(corpus, args.steps, args.batch_size, seed=0)
    made, cpu = time.perf_counter(), _cpu() - used
    with tempfile.TemporaryDirectory() as folder:
        plan.write(Path(folder) / "plan.parquet", corpus)
    return {"plan": made - ready, "cpu": cpu, "write": time.perf_counter() - made}


def _cpu() -> float:
    return sum(os.times()[:4])  # of this process and those it has waited for


def _peer(args: argparse.Namespace) -> dict[str, float]:
    import torch
    from datasets import Dataset, disable_progress_bars
    from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

    disable_progress_bars()
    dataset = Dataset.from_dict({"query": [str(number) for number in range(args.rows)]})
    start = _cpu()
    sampler = NoDuplicatesBatchSampler(
        dataset,
        args.batch_size,
        drop_last=True,
        generator=torch.Generator(),
        seed=0,
        precompute_hashes=True,
        precompute_num_proc=1,
    )
    next(iter(sampler))  # hashes are made once, the order of the rows for every epoch
    hashed = _cpu()
    batches = iter(sampler)
    next(batches)
    ordered = _cpu()
    count = min(args.peer_batches, args.rows // args.batch_size - 1)
    for _ in range(count):
        next(batches)
    epochs = args.steps * args.batch_size / args.rows
    each = (_cpu() - ordered) / count
    return {"cpu": (hashed - start) + (ordered - hashed) * max(0.0, epochs - 1) + each * args.steps}


if __name__ == "__main__":
    main()
