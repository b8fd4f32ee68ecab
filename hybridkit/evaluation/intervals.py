"""The interval over seeds: Student's t, from three trainings on."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

SEEDS_FOR_INTERVAL = 3


class Interval(NamedTuple):
    """A mean with the ends of its interval, in the unit of the values."""

    mean: float
    low: float
    high: float


def t_interval(values: Iterable[float], level: float = 0.95) -> Interval | None:
    """Student's t interval of the mean over seeds; None below three values, which are points and no interval.

    mean ± t((1 + level) / 2, n - 1) · s / √n with the sample standard deviation s (n - 1 below). It takes the seeds as
    a sample of independent trainings and says nothing on the sample of queries; `significance.compare` says the
    opposite half: how sure a difference is over questions, given the trainings there are.

    >>> [round(part, 3) for part in t_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    >>> t_interval([1.0, 2.0]) is None
    True
    """
    sample = np.asarray([value for value in values if not math.isnan(value)], dtype=float)
    if len(sample) < SEEDS_FOR_INTERVAL:
        return None
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample)))
    mean = float(sample.mean())
    return Interval(mean, mean - half, mean + half)
