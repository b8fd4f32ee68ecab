"""Many small trainings at once, one process a core and one thread each; large encoders one after the other."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from hybridkit.study import UNTRAINED, Study

if TYPE_CHECKING:
    from hybridkit.cell import Cell
    from hybridkit.run import Run


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads inside the block.

    A small model is faster with one, and its sums are added in one order on every machine.

    >>> import torch
    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train_all(run: "Run", cells: Sequence["Cell"]) -> None:
    """Train what is missing of some models of a run; those on a static encoder in one process a core.

    Results are the same bytes either way. An error in one ends the call; what was finished before is kept.
    """
    trained = [cell for cell in cells if cell.strategy != UNTRAINED]
    missing = list({run.model_folder(cell): cell for cell in trained if not run.model_folder(cell).is_dir()}.values())
    small = [cell for cell in missing if run.settings(cell.part)[0].name == "static"]
    workers = min(len(small), os.cpu_count() or 1)
    if workers > 1:
        for part in {cell.part for cell in small}:
            run.open_encoder(part)  # made once, before the processes that start from it
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
            jobs = [pool.submit(_train, run.study, run.folder, cell) for cell in small]
            try:
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    for cell in missing:
        run.train(cell)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def _train(study: Study, folder: Path, cell: "Cell") -> None:
    from hybridkit.run import Run

    Run(study, folder).train(cell)
