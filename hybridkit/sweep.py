"""Many models of a study: planned, counted, then trained and scored, only what is missing, with one progress bar."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hybridkit.bars import bar
from hybridkit.products import is_whole
from hybridkit.study import UNTRAINED, Study
from hybridkit.workers import processes, threads

if TYPE_CHECKING:
    from hybridkit.cell import Cell
    from hybridkit.run import Run


def sweep(run: "Run", cells: Sequence["Cell"], benchmarks: Sequence[str] = ()) -> int:
    """Train some models of a run and score them on some benchmarks, as far as they are not; gives how many were not.

    Says how many models there are and how many are missing; the bar foretells the time from the first ones that are
    done. Models on a static encoder go to one process a core with one thread each, larger ones are made one after the
    other with all threads; results are the same bytes either way. Every product is whole or not there: stopped at any
    point, even by a kill, the next call does what is left. An error in one model ends the call and keeps the others.
    Embeddings are kept of the models of the main part only (`Run.forget_embeddings`).
    """
    missing = _missing(run, cells, benchmarks)
    if not missing:
        return 0
    print(f"{len(set(map(run.model_key, cells)))} models, {len(missing)} to make", file=sys.stderr)
    small = [cell for cell in missing if run.settings(cell.part)[0].name == "static"]
    with bar(total=len(missing), desc="models", unit="model") as shown:
        for _ in _in_processes(run, small, benchmarks) if len(small) > 1 else ():
            shown.update()
        for cell in _missing(run, missing, benchmarks):
            make(run, cell, benchmarks)
            shown.update()
    return len(missing)


def make(run: "Run", cell: "Cell", benchmarks: Sequence[str]) -> None:
    """Train one model and score it on the benchmarks."""
    from hybridkit.results import cell_scores

    if cell.strategy != UNTRAINED:
        run.train(cell)
    for name in benchmarks:
        run.ranks(cell, name)  # also where only its scores are left
        cell_scores(run, cell, name)
    kept = {run.model_key(one) for one in run.cells()} if "main" in run.study.parts else set()
    for name in benchmarks if run.model_key(cell) not in kept else ():
        run.forget_embeddings(cell, name)


def _missing(run: "Run", cells: Sequence["Cell"], benchmarks: Sequence[str]) -> list["Cell"]:
    """One cell of every model that is not trained or not ranked on every benchmark."""
    found = {
        run.model_key(cell): cell
        for cell in cells
        if (cell.strategy != UNTRAINED and not is_whole(run.model_folder(cell), thorough=False))
        or not all(is_whole(run.ranks_path(cell, name), thorough=False) for name in benchmarks)
    }
    return list(found.values())


def _in_processes(run: "Run", cells: Sequence["Cell"], benchmarks: Sequence[str]) -> Iterator[None]:
    for part in {cell.part for cell in cells}:
        run.open_encoder(part)  # made once, before the processes that start from it
    with processes(len(cells)) as pool:
        jobs = [pool.submit(_make, run.study, run.folder, cell, tuple(benchmarks)) for cell in cells]
        for job in as_completed(jobs):
            job.result()
            yield


def _make(study: Study, folder: Path, cell: "Cell", benchmarks: Sequence[str]) -> None:
    with threads(1):
        make(_run_here(folder, study.key, study), cell, benchmarks)


@cache
def _opened() -> dict[tuple[Path, str], "Run"]:
    return {}


def _run_here(folder: Path, key: str, study: Study) -> "Run":
    """The run of this process, opened once for all of its models."""
    from hybridkit.run import Run

    runs = _opened()
    if (folder, key) not in runs:
        runs.clear()
        runs[folder, key] = Run(study, folder)
    return runs[folder, key]
