"""Seconds that the models of a study take here, in processes and on Ray, with one worker and with two.

Each place makes the same models (a section of the study: trained, ranked, scored) in a run folder of its own, after the
rows, plans and encoders that all start from. A worker has one core in every place (`resources.cpus`). `start` is what
comes before the first model: a Ray cluster on this machine. It needs two cores. `ratio` is by the same number of
processes.

    python benchmarks/cluster.py --study quick --section main
    python benchmarks/cluster.py --study quick --section curve --rounds 3
    python benchmarks/cluster.py --study curves --set "seeds=[0]"
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PLACES = {"here 1": ("here", 1), "processes 2": ("processes", 2), "ray 1": ("ray", 1), "ray 2": ("ray", 2)}
PEERS = {"ray 1": "here 1", "ray 2": "processes 2"}


def main() -> None:
    """Make the models in every place in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="quick")
    parser.add_argument("--section", default="main", choices=("main", "curve", "diversity"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the study")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in args.places}
    for number in range(args.rounds):
        for name in args.places:
            with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
                found[name].append(fresh.submit(_make, args.study, args.set, args.section, *PLACES[name]).result())
            print(f"round {number}: {name}: {found[name][-1]}", flush=True)
    middle = {
        name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        for name, rounds in found.items()
    }
    print(f"\n{' '.join([args.study, *args.set])}, {args.section}, median of {args.rounds} rounds")
    print(f"{'place':12} {'models':>7} {'start s':>8} {'models s':>9} {'ratio':>6}")
    for name, row in middle.items():
        peer = middle.get(PEERS.get(name, ""))
        ratio = f"{row['seconds'] / peer['seconds']:6.2f}" if peer else " " * 6
        print(f"{name:12} {row['models']:7.0f} {row['start']:8.1f} {row['seconds']:9.1f} {ratio}")


def _make(study: str, changes: list[str], section: str, kind: str, workers: int) -> dict[str, float]:
    """Make the models of a section in a new run folder: how many, and seconds."""
    from hybridkit.study.ray_cluster import ray_cluster
    from hybridkit.study.run import Run
    from hybridkit.study.settings import open_study
    from hybridkit.study.sweep import sweep
    from hybridkit.study.workers import Here, Processes

    with tempfile.TemporaryDirectory() as folder:
        run = Run(open_study(study, [*changes, "resources.cpus=1"]), Path(folder) / "run")
        run.check()
        specs = run.models(section)
        for spec in specs:
            run.trained.encoder(spec.section, spec.seed)
        began = time.perf_counter()
        block: Any = nullcontext(Here() if kind == "here" else Processes())
        if kind == "ray":
            import ray

            ray.init(num_cpus=workers, log_to_driver=False, logging_level="ERROR", object_store_memory=100 * 2**20)
            block = ray_cluster("ray", run.folder)
        with block as where:
            start = time.perf_counter() - began
            made = sweep(run, specs, run.study.section(section).benchmarks, where)
            return {"models": made, "start": start, "seconds": time.perf_counter() - began - start}


if __name__ == "__main__":
    main()
