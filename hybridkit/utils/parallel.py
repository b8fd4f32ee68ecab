"""Threads of PyTorch and BLAS in one process, and a pool of processes that share the cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import RLock, Thread
from typing import TypeVar

T = TypeVar("T")
_blas = RLock()  # BLAS has one number of threads for the whole process


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


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Let each product of numpy or scipy use one thread inside the block; yields how many it could use before.

    The last digits of a product depend on the number of threads that share it. Independent products may run side by
    side in threads of the caller.

    >>> with one_blas_thread() as before:
    ...     before >= 1
    True
    """
    from threadpoolctl import ThreadpoolController

    with _blas:
        libraries = ThreadpoolController().select(user_api="blas")
        before = max([1, *(library["num_threads"] for library in libraries.info())])
        with libraries.limit(limits=1):
            yield before


def side_by_side(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do some work on each item, in as many threads as BLAS may use; products of each use one (`one_blas_thread`).

    >>> found = []
    >>> side_by_side(found.append, [1, 2])
    >>> sorted(found)
    [1, 2]
    """
    with one_blas_thread() as threads:
        if min(threads, len(items)) < 2:
            for item in items:
                work(item)
        else:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(work, items):  # so that an error is raised here
                    pass


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of at most `count` processes, at most one a core, which share the cores' threads evenly.

    An error ends all of them.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = max(1, min(count, cores))
    share = (cores // workers,)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=share) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin(share: int) -> None:
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    share = min(share, int(wanted)) if wanted.isdecimal() else share
    os.environ["OMP_NUM_THREADS"] = str(max(1, share))  # before PyTorch and BLAS are loaded
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: nobody would read what it makes."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
