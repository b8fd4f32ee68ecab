"""Seconds, files and memory that the machine which hands out a sweep needs for each model, without the models.

A study on atlas with one strategy, a small encoder in a folder, and as many seeds as there are to be models. The models
are given to workers that do nothing: what is timed is the driver's part (rows read, plans made, jobs named and looked
for), and then the same again, as for a sweep that is started again. A plan has 250 batches of 128, as quick's.

    python benchmarks/many_models.py --models 10 100 1000
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from apart import apart, peak_mib
from rehearsal import write_xlm_r


class Nobody:
    """Workers that do nothing."""

    def each(self, work: Callable[[Any], None], jobs: Sequence[Any]) -> Iterator[None]:
        """Yield for every job."""
        yield from (None for _ in jobs)


def main() -> None:
    """Time every number of models in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[10, 100, 1000])
    args = parser.parse_args()
    print(
        f"{'models':>7} {'first s':>8} {'CPU s':>7} {'again s':>8} {'CPU s':>7} {'files':>7} {'MB':>7} {'peak MiB':>9}"
    )
    for count in args.models:
        with tempfile.TemporaryDirectory() as folder:
            first, again, files, size, peak = apart(_timed, Path(folder), count)
        seconds = f"{first[0]:8.1f} {first[1]:7.1f} {again[0]:8.1f} {again[1]:7.1f}"
        print(f"{count:7,} {seconds} {files:7,} {size / 1e6:7.1f} {peak:9.0f}", flush=True)


def _timed(folder: Path, count: int) -> tuple[tuple[float, float], tuple[float, float], int, int, float]:
    from hybridkit.analysis.whole_study import make_everything
    from hybridkit.study.run import Run
    from hybridkit.study.settings import EncoderSettings, open_study

    os.environ["HYBRIDKIT_CACHE"] = str(folder / "cache")
    quick = open_study("quick")
    write_xlm_r(folder / "encoder", ["a small encoder of some letters"], 60)
    study = dataclasses.replace(
        quick,
        encoder=EncoderSettings(str(folder / "encoder")),
        strategies=("mono",),
        seeds=tuple(range(count)),
        remedies=(),
        compare=("mono", "untrained"),
        untrained=False,
    )
    times = []
    for _ in range(2):
        began, spent = time.perf_counter(), time.process_time()
        assert make_everything(Run(study, folder / "run"), ["03"], Nobody()) == count
        times.append((time.perf_counter() - began, time.process_time() - spent))
    files = [path for path in (folder / "run").rglob("*") if path.is_file()]
    return times[0], times[1], len(files), sum(path.stat().st_size for path in files), peak_mib()


if __name__ == "__main__":
    main()
