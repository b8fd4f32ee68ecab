"""Seconds to encode and search a collection: in one process whole, shard by shard, and in processes of their own.

The encoder is that of the study quick before training, with one thread; every way must find the same run. Passages are
counted and checked beforehand.

    HYBRIDKIT_DATA=FOLDER python benchmarks/shards.py --collection "miracl[yo]" --passages 24576 --processes 1 2
"""

import argparse
import dataclasses
import os
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd

from hybridkit.retrieval.search import dense_search
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED, Resources, open_study
from hybridkit.study.shards import found_by_shards, make_shards
from hybridkit.study.workers import Here, Processes
from hybridkit.utils.parallel import threads


def main() -> None:
    """Time every way and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collection", default="miracl[yo]", help="of one language")
    parser.add_argument("--passages", type=int, default=24_576, help="of a shard")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    spec = ModelSpec(UNTRAINED, 0)
    study = dataclasses.replace(open_study("quick"), resources=Resources(passages=args.passages))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYBRIDKIT_CACHE"] = f"{folder}/cache"
        start = Run(study, Path(folder) / "run")
        (one,) = start.collections(args.collection)
        model, want = start.trained.open(spec), pd.DataFrame()
        for name, workers in [
            ("whole", None),
            ("shards", Here()),
            *((f"{n} apart", Processes(n)) for n in args.processes),
        ]:
            shutil.rmtree(Path(folder) / "cache" / "passages", ignore_errors=True)  # made anew
            run, began, before = Run(study, start.folder), time.perf_counter(), os.times()
            if workers is None:
                with threads(1):
                    want = found = dense_search(one, model)
            else:
                make_shards(run, [(spec, [args.collection])], workers)
                found = found_by_shards(run, spec, one)
            took, spent = time.perf_counter() - began, sum(os.times()[:4]) - sum(before[:4])
            assert found is not None and found.equals(want), name
            for path in run.folder.rglob("judged/*/*"):
                path.unlink()
            print(
                f"{name:>8}: {took:6.1f} s, of the processor {spent:6.1f} s, load {os.getloadavg()[0]:.1f}", flush=True
            )


if __name__ == "__main__":
    main()
