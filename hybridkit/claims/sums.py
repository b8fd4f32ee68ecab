"""Sums of a model's values by article, from which any difference of strategies and its interval follow at once.

What `significance.compare` works on is linear in the values, so that sums made once a model serve every claim.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hybridkit.claims.facts import NAN, Gap
from hybridkit.evaluation.clusters import ClusterSums
from hybridkit.evaluation.intervals import t_interval
from hybridkit.evaluation.measures import KEYS, per_query
from hybridkit.evaluation.resampling import bootstrap

RESAMPLES, LEVEL, SEED = 10_000, 0.95, 0  # those of significance.compare
_ROUNDING = 1e-12
COLUMNS = ["set", "query_language", "passage_language"]  # set: of training languages
Draw = tuple[str, int]  # a set of training languages and a seed


def article_sums(ranks: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Sum every measure over the questions of an article: setting, languages, measure, cluster, sum, size.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "q"], "passage_language": "en",
    ...                       "rank": [1, 2], "pool_rank": [1, 2]})
    >>> found = article_sums(ranks, pd.Series(["a", "a"], ["p", "q"]))
    >>> found[(found["measure"] == "AP") & (found["setting"] == "mono")][["cluster", "sum", "size"]].values.tolist()
    [['a', 1.5, 2]]
    """
    values = per_query(ranks)
    values["cluster"] = values["query_id"].map(clusters)
    grouped = values.groupby([*KEYS, "measure", "cluster"], sort=False, observed=True)["value"]
    return grouped.agg(sum="sum", size="size").reset_index()


def gap_of(parts: Sequence[tuple[float, Mapping[Draw, pd.DataFrame]]], constant: float = 0.0) -> Gap:
    """The sum of scores with their factors, its interval over articles and, from three seeds on, over seeds.

    Each part is a factor and the sums of a strategy's models by set of training languages and seed: set,
    query_language, passage_language, cluster, sum, size of one measure and setting. Every pair of languages of every
    set weighs the same; seeds of a set are averaged. The intervals are those of `significance.compare` and
    `intervals.t_interval`. All parts have the same sets and pairs; a part whose only seed is -1 (the encoder before
    training) stands beside every seed.
    """
    frames = [(factor, pd.concat(models.values()).groupby([*COLUMNS, "cluster"])) for factor, models in parts]
    seeds = [sorted({seed for _, seed in models}) for _, models in parts]
    total = pd.concat([factor * grouped["sum"].mean() for factor, grouped in frames], axis=1).sum(axis=1)
    sizes = frames[0][1]["size"].first()
    wide, counts = (one.unstack(COLUMNS).fillna(0.0) for one in (total, sizes))
    counts = counts[wide.columns]
    pairs = wide.columns.to_frame(index=False)[COLUMNS[1:]].assign(setting="asked")[KEYS]
    sums = np.where(np.abs(wide.to_numpy(float)) < _ROUNDING, 0.0, wide.to_numpy(float))
    found = ClusterSums(pairs, sums + constant * counts.to_numpy(float), counts.to_numpy(float), (int(sizes.sum()),))
    low, high = bootstrap(found, RESAMPLES, LEVEL, SEED)
    trained = [own for own in seeds if own != [-1]]
    shared = sorted(set.intersection(*map(set, trained))) if trained else []
    by_seed = [constant + sum(factor * _mean(models, seed) for factor, models in parts) for seed in shared]
    interval = t_interval(by_seed)
    told = f"{len(counts)} articles" + (f", {len(shared)} seed{'s' * (len(shared) != 1)}" if shared else "")
    difference = float(found.shares.sum(axis=0)[-1])
    ends = (interval.low, interval.high) if interval else (NAN, NAN)
    return Gap(difference, float(low[-1]), float(high[-1]), *ends, told)


def mean_of(models: Mapping[Draw, pd.DataFrame]) -> float:
    """The score itself: the mean over pairs of languages, sets and seeds."""
    return float(np.mean([_mean(models, seed) for seed in sorted({seed for _, seed in models})]))


def _mean(models: Mapping[Draw, pd.DataFrame], seed: int) -> float:
    own = [frame for (_, number), frame in models.items() if number in (seed, -1)]
    found = pd.concat(own).groupby(COLUMNS)[["sum", "size"]].sum()
    return float((found["sum"] / found["size"]).mean())
