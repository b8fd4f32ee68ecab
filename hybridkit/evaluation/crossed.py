"""An interval over questions and trainings together, by the two-way random effects of articles and seeds.

What a difference would be on other questions and with other trainings is one question, not two: an interval over
questions says nothing of the next training, one over trainings nothing of the next questions, and a difference outside
of both may still be chance. The difference d of training t on cluster c is taken as the truth plus an effect of the
cluster, one of the training, and one of both together, all of them random, with clusters of unequal size:

- A, the variance that clusters bring to the mean: their squared influences on the mean over trainings, corrected for
  their number and unequal size (`resampling.spread_of`);
- B, what trainings bring: s² / T of their means, minus what the interaction brings, which A holds already;
- the interval is d ± c √(A + B), where c is Cochran's weighted mean of Student's t for either part, (A t_A + B t_B) /
  (A + B): exact where one part is 0, and on the safe side where both are there and trainings are few.

`tests/evaluation/test_crossed.py` holds, by simulation, how often it rejects without a difference and how often it
covers; Satterthwaite's degrees of freedom reject up to 9 of 100 with three trainings, A + B without the subtraction
1 of 100 where the interaction is all there is.

Source:
    Cochran, Biometrics 20, 1964 (the weighted t); Searle, Casella and McCulloch, Variance Components, 1992 (two-way
    random effects); Owen, Annals of Applied Statistics 1, 2007 (why crossed samples need both).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hybridkit.evaluation.resampling import TRAININGS_NEEDED, spread_of, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridkit.evaluation.clusters import ClusterSums

_STEPS = 50  # halvings of [-700, 0], where the logarithm of p lies


class Crossed(NamedTuple):
    """The ends of intervals over questions and trainings together and two-sided p, in every column; NaN without.

    all_low and all_high are the ends of an interval that is right for whichever of several contrasts is picked.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]
    all_low: NDArray[np.float64]
    all_high: NDArray[np.float64]


def crossed(tables: Sequence[ClusterSums], level: float = 0.95, choices: int = 1) -> Crossed:
    """Return the interval of the mean over trainings, each with its table of the same clusters, and p of no difference.

    NaN below three trainings, and with a single cluster. With several `choices`, 1 - level is shared out among them for
    the interval of whichever is picked (Bonferroni).
    """
    means = np.stack([one.means for one in tables])
    if len(tables) < TRAININGS_NEEDED:
        return Crossed(*np.full((5, means.shape[1]), np.nan))
    influences = np.stack([one.influences for one in tables])
    count, mean = len(tables), means.mean(axis=0)
    factor, freedom = spread_of(weights_of(tables))
    centre = influences.mean(axis=0)
    clusters = factor * (centre**2).sum(axis=0)
    both = factor * ((influences - centre) ** 2).sum(axis=(0, 1)) / (count * (count - 1))
    trainings = np.maximum(means.var(axis=0, ddof=1) / count - both, 0.0)
    parts = np.stack([clusters, trainings])
    error, outside = np.sqrt(parts.sum(axis=0)), np.full(means.shape[1], 1 - level)
    half, wide = (_factor(outside / several, parts, freedom, count - 1) * error for several in (1, choices))
    return Crossed(mean - half, mean + half, _p(mean, parts, freedom, count - 1), mean - wide, mean + wide)


def _factor(
    p: NDArray[np.float64], parts: NDArray[np.float64], freedom: NDArray[np.float64], other: int
) -> NDArray[np.float64]:
    """Cochran's weighted mean of the t of both parts (2, columns) of a variance, beyond which lies the probability p.

    >>> _factor(np.array([0.05]), np.array([[1.0], [0.0]]), np.array([10.0]), 2).round(3).tolist()
    [2.228]
    >>> _factor(np.array([0.05]), np.array([[1.0], [1.0]]), np.array([10.0]), 2).round(3).tolist()
    [3.265]
    """
    from scipy.special import stdtrit  # Student's quantiles, without what scipy.stats.t checks each time

    total = parts.sum(axis=0)
    share = np.where(total > 0, parts[0] / np.where(total > 0, total, 1.0), 1.0)
    with np.errstate(invalid="ignore"):  # a quantile may be infinite; of a part that is not there it counts for nothing
        first, second = -share * stdtrit(freedom, p / 2), -(1 - share) * stdtrit(other, p / 2)
    found: NDArray[np.float64] = first + np.where(share < 1, second, 0.0)
    return found


def _p(
    mean: NDArray[np.float64], parts: NDArray[np.float64], freedom: NDArray[np.float64], other: int
) -> NDArray[np.float64]:
    """The p at which the interval just holds 0, found by halving the range of its logarithm."""
    error = np.sqrt(parts.sum(axis=0))
    low, high = np.full(len(mean), -700.0), np.zeros(len(mean))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        reach = np.where(error > 0, _factor(np.exp(middle), parts, freedom, other), 0.0) * error
        beyond = reach >= np.abs(mean)
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return np.where(np.isnan(freedom), np.nan, np.where(mean == 0, 1.0, np.exp(high)))
