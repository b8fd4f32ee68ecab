"""Schedules: an alpha that moves along training, as values that print and parse back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hybridkit.errors import InputError


class Schedule:
    """A share that depends on the step. Make one with `linear(0, 1, steps=1000)` or `step({0: 1.0, 500: 0.5})`."""

    @property
    def absolute(self) -> bool:
        """Whether it counts steps from the start, so that a plan of n steps is the beginning of a longer one."""
        return True

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest share of the schedule."""
        raise NotImplementedError

    def at(self, steps: int) -> np.ndarray:
        """The share at each of the steps of a training, float64 (steps,)."""
        raise NotImplementedError


@dataclass(frozen=True)
class linear(Schedule):  # noqa: N801  written as a strategy's option
    """From `start` at the first step to `stop` at step `steps` and after it; over the whole training without `steps`.

    Over the whole training the first batch has `start` and the last `stop`, so the share of a step depends on how many
    there are: such a plan is not the beginning of a longer one, as all others are. Raises InputError for a share
    outside 0..1 and for steps below 1.

    >>> linear(0, 1, steps=4).at(6).tolist(), linear(1, 0).at(3).tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0, 1.0], [1.0, 0.5, 0.0])
    >>> str(linear(0, 0.5, steps=1000))
    'linear(0, 0.5, steps=1000)'
    """

    start: float
    stop: float
    steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("start", "stop"):
            check_share(getattr(self, name), f"{name} of linear")
        whole = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if self.steps is not None and not (whole and self.steps >= 1):
            raise InputError(f"steps={self.steps!r} of linear: give a whole number of steps, or leave it out")

    def __str__(self) -> str:
        """The text that parses back."""
        end = "" if self.steps is None else f", steps={self.steps}"
        return f"linear({self.start!r}, {self.stop!r}{end})"

    @property
    def absolute(self) -> bool:
        """False without `steps`: then the share depends on the length of the training."""
        return self.steps is not None

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest share."""
        return min(self.start, self.stop), max(self.start, self.stop)

    def at(self, steps: int) -> np.ndarray:
        """The share at each of the steps, float64 (steps,)."""
        way = np.arange(steps) / (max(steps - 1, 1) if self.steps is None else self.steps)
        way = np.minimum(way, 1.0)
        return np.asarray(self.start * (1 - way) + self.stop * way)


@dataclass(frozen=True)
class step(Schedule):  # noqa: N801
    """A share that jumps: `{0: 1.0, 500: 0.5}` is 1.0 in the first 500 steps and 0.5 from step 500 (from 0) on.

    Raises InputError for a share outside 0..1, a step that is no whole number from 0, or none for step 0.

    >>> step({0: 1.0, 2: 0.5}).at(4).tolist(), str(step({2: 0.5, 0: 1}))
    ([1.0, 1.0, 0.5, 0.5], 'step({0: 1, 2: 0.5})')
    """

    shares: Mapping[int, float] = field(hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.shares, Mapping) or not self.shares:
            raise InputError(f"step({self.shares!r}): give shares by step, such as step({{0: 1.0, 500: 0.5}})")
        for at, share in self.shares.items():
            if isinstance(at, bool) or not isinstance(at, int) or at < 0:
                raise InputError(f"step {at!r} of {dict(self.shares)!r}: steps are whole numbers from 0")
            check_share(share, f"step {at}")
        if 0 not in self.shares:
            raise InputError(f"step({dict(self.shares)!r}): say the share of step 0 as well")
        object.__setattr__(self, "shares", dict(sorted(self.shares.items())))

    def __str__(self) -> str:
        """The text that parses back."""
        return f"step({self.shares!r})"

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest share."""
        return min(self.shares.values()), max(self.shares.values())

    def at(self, steps: int) -> np.ndarray:
        """The share at each of the steps, float64 (steps,)."""
        changes, shares = list(self.shares), np.array(list(self.shares.values()), dtype=float)
        return np.asarray(shares[np.searchsorted(changes, np.arange(steps), side="right") - 1])


def check_share(value: object, what: str) -> None:
    """Raise InputError unless a value is a number from 0 to 1; `what` names it.

    >>> check_share(0.5, "alpha")
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{what}={value!r}: the share of mono batches is a number from 0 to 1")
