"""Where the models of a study are made: one after the other here, or in processes of this machine.

`ray_cluster` has the third place, a cluster. All three do the same: a plain function on plain jobs.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from hybridkit.errors import TroubleError
from hybridkit.utils.parallel import processes


class Workers(Protocol):
    """Those who do some work on jobs."""

    def each(self, work: Callable[[Any], None], jobs: Sequence[Any]) -> Iterator[None]:
        """Do the work on every job, and yield once for each that ends.

        `work` is a function at the top of a module, a job is a value that can be pickled. The first error ends the
        call, once what was begun has ended; what other jobs have made stays.
        """


class Here:
    """This process, one job after the other.

    >>> list(Here().each(print, ["a", "b"]))
    a
    b
    [None, None]
    """

    def each(self, work: Callable[[Any], None], jobs: Sequence[Any]) -> Iterator[None]:
        """Do the work on every job, in their order."""
        for job in jobs:
            work(job)
            yield


class Processes:
    """Processes of this machine, at most `count` and at most one a core, which share its cores evenly."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count

    def each(self, work: Callable[[Any], None], jobs: Sequence[Any]) -> Iterator[None]:
        """Do the work on every job, side by side."""
        try:
            with processes(min(len(jobs), self.count or len(jobs))) as pool:
                for done in as_completed([pool.submit(work, job) for job in jobs]):
                    done.result()
                    yield
        except BrokenProcessPool as error:
            raise TroubleError(
                "a process that made models was killed; is the memory full? Fewer processes need less. Everything "
                "finished is kept: run the same command again"
            ) from error
