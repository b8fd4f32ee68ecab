"""Randomisation test, bootstrap and effect size over clusters, for every pair of languages at once by matrix products.

scipy.stats.permutation_test gives the same p for one column (a test holds it to that); it would carry resamples x
clusters x pairs numbers, where signs (resamples, clusters) times shares (clusters, pairs) needs their product only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hybridkit.utils.parallel import one_blas_thread
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hybridkit.evaluation.clusters import ClusterSums


_BLOCK_BYTES = 32 * 2**20  # of the largest array of a block
_TIED = 1e-12  # sums this near, relative to the sum of all terms, are equal: the order of adding moves the last digits
TRAININGS_NEEDED = 3  # seeds, or sets of training languages: fewer are points and no interval


@dataclass(frozen=True)
class Resampling:
    """How a comparison is tested: draws for an interval and for p, level of intervals, threshold of Holm's p, seed.

    p takes more draws than an interval, so that the smallest there can be, 1 / (1 + exchanges), stays below the
    threshold times any family of comparisons here.
    """

    resamples: int = 10_000
    exchanges: int = 100_000
    level: float = 0.95
    threshold: float = 0.05
    seed: int = 0


DEFAULT = Resampling()


class Interval(NamedTuple):
    """A mean with the ends of its interval, in the unit of the values."""

    mean: float
    low: float
    high: float


def randomisation(shares: NDArray[np.float64], how: Resampling = DEFAULT) -> NDArray[np.float64]:
    """Two-sided p of every column: how often exchanging the two sides in clusters gives as large a difference.

    `shares` (clusters, columns) are what each cluster adds to each difference. Every exchange is tried where there are
    no more than `how.exchanges`, else that many are drawn and p is (1 + as extreme) / (1 + exchanges), never 0.
    """
    whole = shares.sum(axis=0)
    bound = np.abs(whole) - _TIED * np.abs(shares).sum(axis=0)
    clusters = len(shares)
    exact = 2 ** min(clusters, 62) <= how.exchanges
    total = 2**clusters if exact else how.exchanges
    extreme = np.zeros(shares.shape[1])
    random = generator(how.seed, "significance", "randomisation")
    for start, stop in _blocks(total, max(shares.shape)):
        if exact:
            negative = (np.arange(start, stop)[:, None] >> np.arange(clusters) & 1).astype(np.uint8)
        else:
            drawn = np.frombuffer(random.bytes((stop - start) * -(-clusters // 8)), np.uint8)
            negative = np.unpackbits(drawn.reshape(stop - start, -1), axis=1, count=clusters)
        extreme += (np.abs(whole - 2 * (negative.astype(float) @ shares)) >= bound).sum(axis=0)
    return extreme / total if exact else (extreme + 1) / (total + 1)


def bootstrap(
    tables: Sequence[ClusterSums], how: Resampling = DEFAULT
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of the mean over some tables, in every column: clusters are drawn with replacement, the same for all.

    Clusters differ in size, so both the sum and the number of queries are drawn, and divided within each resample.
    Percentiles of few resampled clusters lie too near each other (of 16 clusters they hold the truth in 91 of 100
    cases): they are taken farther out, as far as Student's t is from the normal distribution for so many clusters
    (Hesterberg 2015, What Teachers Should Know About the Bootstrap, section 5.3; see `spread_of`). NaN with a single
    cluster.

    Returns:
        The low and the high ends (columns,).
    """
    from scipy.stats import norm, t

    clusters = len(tables[0].names)
    draws = np.empty((how.resamples, tables[0].shares.shape[1]))
    random = generator(how.seed, "significance", "bootstrap")
    for start, stop in _blocks(how.resamples, max(clusters, draws.shape[1])):
        drawn = random.integers(0, clusters, (stop - start, clusters))
        cell = drawn + clusters * np.arange(stop - start)[:, None]
        times = np.bincount(cell.ravel(), minlength=cell.size).reshape(cell.shape).astype(float)
        with one_blas_thread(), np.errstate(invalid="ignore"):  # a pair of few clusters may be absent from a resample
            parts = [one.with_settings((times @ one.sums) / (times @ one.sizes)) for one in tables]
        draws[start:stop] = parts[0] if len(parts) == 1 else np.mean(parts, axis=0)
    factor, freedom = spread_of(weights_of(tables))
    tails = norm.sf(np.sqrt(factor) * t.isf((1 - how.level) / 2, freedom))
    ends = np.full((2, len(tails)), np.nan)
    for column in np.flatnonzero(~np.isnan(tails)):
        values = draws[:, column]
        ends[:, column] = np.quantile(values[~np.isnan(values)], [tails[column], 1 - tails[column]])
    return ends[0], ends[1]


def weights_of(tables: Sequence[ClusterSums]) -> NDArray[np.float64]:
    """The share of the questions of each column that each cluster has, in the mean over some tables."""
    found: NDArray[np.float64] = np.mean([one.weights for one in tables], axis=0)
    return found


def spread_of(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much the clusters' squares underestimate the variance of a weighted mean, and degrees of freedom.

    For weights w (clusters, columns) that add up to 1 and clusters whose own means m vary alike, the sum of
    (w (m - mean))² is the quadratic form m'Am with A = P'diag(w²)P, P = I - 1w'. The factor is what makes it unbiased,
    Σw² / tr A, and the degrees of freedom are Satterthwaite's, (tr A)² / tr A² (Bell and McCaffrey, Survey Methodology
    28, 2002). Of n equal clusters they are n / (n - 1) and n - 1; NaN with a single cluster.

    >>> spread_of(np.full((5, 1), 0.2))[0].round(6).tolist(), spread_of(np.full((5, 1), 0.2))[1].round(6).tolist()
    ([1.25], [4.0])
    """
    two, three, four, five = ((weights**power).sum(axis=0) for power in (2, 3, 4, 5))
    trace = two - 2 * three + two**2
    square = four - 4 * five + 4 * two * four + 2 * three**2 - 4 * two**2 * three + two**4
    single = (weights > 0).sum(axis=0) < 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(single, np.nan, two / trace), np.where(single, np.nan, trace**2 / square)


def effect_size(tables: Sequence[ClusterSums]) -> NDArray[np.float64]:
    """Paired Cohen's d with clusters as units: the difference over the standard deviation of cluster means.

    0 where there is no difference at all, infinite where every cluster has the same one, NaN with a single cluster.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.mean([one.with_settings(one.sums / one.sizes) for one in tables], axis=0)
        there = ~np.isnan(means)
        count = there.sum(axis=0)
        centre = np.where(there, means, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(there, (means - centre) ** 2, 0).sum(axis=0) / (count - 1))
        difference = np.mean([one.means for one in tables], axis=0)
        spread = np.where(spread < _TIED * np.abs(centre), 0.0, spread)
        return np.where(difference == 0, np.where(count > 1, 0.0, np.nan), difference / spread)


def ends(interval: Interval | None) -> tuple[float, float]:
    """Return the ends of an interval, NaN where there is none."""
    return (interval.low, interval.high) if interval else (math.nan, math.nan)


def _blocks(count: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut `count` rows of `width` numbers into blocks of bounded memory."""
    step = max(1, _BLOCK_BYTES // (8 * width))
    for start in range(0, count, step):
        yield start, min(start + step, count)


def t_interval(values: Iterable[float]) -> Interval | None:
    """Student's t interval of the mean over seeds; None below three values, which are points and no interval.

    mean ± t(.975, n - 1) · s / √n with the sample standard deviation s (n - 1 below). It takes the seeds as
    a sample of independent trainings and says nothing on the sample of queries; `significance.compare` says the
    opposite half: how sure a difference is over questions, given the trainings there are.

    >>> [round(part, 3) for part in t_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    >>> t_interval([1.0, 2.0]) is None
    True
    """
    sample = np.asarray([value for value in values if not math.isnan(value)], dtype=float)
    if len(sample) < TRAININGS_NEEDED:
        return None
    from scipy.stats import t

    half = float(t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample)))
    mean = float(sample.mean())
    return Interval(mean, mean - half, mean + half)


def over_sets(models: pd.DataFrame, unit: str = "languages") -> Interval | None:
    """Interval of the mean over models for other random sets of languages and other seeds; None below three sets.

    Takes one value a model with its set (the column `unit`: its languages, or the draw that several sets are of) and
    its `seed`; see `two_way`. Sets of one draw are nested and share languages: they are one unit, the draw. Where sets
    do not have the same seeds, the seeds of a set are averaged and taken for one.

    >>> models = pd.DataFrame({"languages": list("abcd"), "seed": 0, "value": [0.1, 0.2, 0.3, 0.4]})
    >>> [round(float(part), 3) for part in over_sets(models) or ()]
    [0.25, 0.045, 0.455]
    >>> over_sets(models.iloc[:2]) is None
    True
    """
    table = set_table(models, unit)
    return Interval(*map(float, two_way(table)[:3])) if len(table) >= TRAININGS_NEEDED else None


def set_table(models: pd.DataFrame, unit: str = "languages") -> NDArray[np.float64]:
    """Lay values out by set (rows) and seed (columns), as `two_way` takes them."""
    table = models.groupby([unit, "seed"])["value"].mean().unstack().to_numpy(float)
    return np.nanmean(table, axis=1, keepdims=True) if np.isnan(table).any() else table


def two_way(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean, low, high and p of values by set and seed, for other sets and, from three seeds on, other seeds.

    Sets are drawn independently of each other and trained each by itself: over sets, seeds averaged, the interval is
    Student's t. What a seed does to every set alike (an initialisation, an order of the rows) is a second source of
    chance, which fewer than three seeds do not show: the interval is then one given these seeds. From three on, with A
    and B the squared standard errors of the mean from the means of the sets and of the seeds, and E what the
    interaction of both brings to B (it is in A already), the interval is mean ± t √(A + max(B - E, 0)) with
    Satterthwaite's degrees of freedom.

    Args:
        values: Of shape (sets, seeds, ...), without missing ones; two sets or more.

    Returns:
        Of shape (4, ...); p is two-sided, of a mean of 0.

    Source:
        Satterthwaite, Biometrics Bulletin 2, 1946; Searle, Casella and McCulloch, Variance Components, 1992 (two-way
        random effects). `tests/analysis/test_diversity_coverage.py` holds how often it covers.
    """
    from scipy.stats import t

    sets, seeds = values.shape[:2]
    of_sets, of_seeds, mean = values.mean(axis=1), values.mean(axis=0), values.mean(axis=(0, 1))
    first, second = of_sets.var(axis=0, ddof=1) / sets, np.zeros_like(mean)
    if seeds >= TRAININGS_NEEDED:
        both = ((values - of_sets[:, None] - of_seeds + mean) ** 2).sum(axis=(0, 1)) / ((sets - 1) * (seeds - 1))
        second = np.maximum(of_seeds.var(axis=0, ddof=1) / seeds - both / (sets * seeds), 0.0)
    total, below = first + second, first**2 / (sets - 1) + second**2 / max(seeds - 1, 1)
    freedom = np.divide(total**2, below, out=np.full_like(total, sets - 1), where=below > 0)
    half = t.ppf(0.975, freedom) * np.sqrt(total)
    ratio = np.divide(np.abs(mean), np.sqrt(total), out=np.where(mean == 0, 0.0, np.inf), where=total > 0)
    return np.stack([mean, mean - half, mean + half, 2 * t.sf(ratio, freedom)])
