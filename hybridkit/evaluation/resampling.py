"""Randomisation test, bootstrap and effect size over clusters, for every pair of languages at once by matrix products.

scipy.stats.permutation_test gives the same p for one column (a test holds it to that); it would carry resamples x
clusters x pairs numbers, where signs (resamples, clusters) times shares (clusters, pairs) needs their product only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridkit.seeds import generator
from hybridkit.workers import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hybridkit.evaluation.clusters import ClusterSums

_BLOCK_BYTES = 32 * 2**20  # of the largest array of a block
_TIED = 1e-12  # sums this near, relative to the sum of all parts, are equal: the order of adding moves the last digits


def randomisation(sums: ClusterSums, resamples: int, seed: int) -> NDArray[np.float64]:
    """Two-sided p of every pair and setting: how often exchanging a and b in clusters gives as large a difference."""
    shares = sums.shares
    bound = np.abs(shares.sum(axis=0)) - _TIED * np.abs(shares).sum(axis=0)
    clusters = len(shares)
    exact = 2 ** min(clusters, 62) <= resamples
    total = 2**clusters if exact else resamples
    extreme = np.zeros(shares.shape[1])
    random = generator(seed, "significance", "randomisation")
    for start, stop in _blocks(total, max(shares.shape)):
        if exact:
            negative = np.arange(start, stop)[:, None] >> np.arange(clusters) & 1
        else:
            negative = random.integers(0, 2, (stop - start, clusters), dtype=np.int8)
        extreme += (np.abs((1.0 - 2.0 * negative) @ shares) >= bound).sum(axis=0)
    return extreme / total if exact else (extreme + 1) / (total + 1)


def bootstrap(
    sums: ClusterSums, resamples: int, level: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval of every pair and setting, clusters drawn with replacement; NaN with a single cluster.

    Clusters differ in size, so both the sum and the number of queries are drawn, and divided within each resample.
    """
    clusters = len(sums.sums)
    draws = np.empty((resamples, len(sums.labels)))
    random = generator(seed, "significance", "bootstrap")
    for start, stop in _blocks(resamples, max(clusters, draws.shape[1])):
        drawn = random.integers(0, clusters, (stop - start, clusters))
        place = drawn + clusters * np.arange(stop - start)[:, None]
        times = np.bincount(place.ravel(), minlength=place.size).reshape(place.shape).astype(float)
        with one_blas_thread(), np.errstate(invalid="ignore"):  # a pair of few clusters may be absent from a resample
            draws[start:stop] = sums.with_settings((times @ sums.sums) / (times @ sums.sizes))
    quantile = np.nanquantile if np.isnan(draws).any() else np.quantile
    low, high = quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    single = sums.clusters < 2
    return np.where(single, np.nan, low), np.where(single, np.nan, high)


def effect_size(sums: ClusterSums) -> NDArray[np.float64]:
    """Paired Cohen's d with clusters as units: the difference over the standard deviation of cluster means.

    0 where there is no difference at all, infinite where every cluster has the same one, NaN with a single cluster.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums.with_settings(sums.sums / sums.sizes)
        there = ~np.isnan(means)
        count = there.sum(axis=0)
        centre = np.where(there, means, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(there, (means - centre) ** 2, 0).sum(axis=0) / (count - 1))
        difference = sums.shares.sum(axis=0)
        spread = np.where(spread < _TIED * np.abs(centre), 0.0, spread)
        return np.where(difference == 0, np.where(count > 1, 0.0, np.nan), difference / spread)


def _blocks(count: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut `count` rows of `width` numbers into blocks of bounded memory."""
    step = max(1, _BLOCK_BYTES // (8 * width))
    for start in range(0, count, step):
        yield start, min(start + step, count)
