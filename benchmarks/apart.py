"""Run one contender of a benchmark in a process of its own, and measure the memory that a process has taken."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def apart(run: Callable[..., Any], *args: Any) -> Any:
    """Return what a function of the benchmark's file returns in a fresh process, so that memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(run, args)
        pool.close()  # and let it end by itself: a process that is killed leaves semaphores behind
        pool.join()
    return found


def peak_mib() -> float:
    """Return the largest resident set of this process so far, in MiB, libraries and mapped files included."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux hands ru_maxrss down from the process that started this one
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
