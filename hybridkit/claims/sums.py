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
Part = tuple[float, Mapping[Draw, pd.DataFrame]]  # a factor and the sums of a strategy's models


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


def gap_of(parts: Sequence[Part], constant: float = 0.0) -> Gap:
    """The sum of scores with their factors, and its intervals over articles and over trainings.

    Each part is a factor and the sums of a strategy's models by set of training languages and seed, with the columns
    set, query_language, passage_language, cluster, sum, size, of one measure and setting. Every pair of languages of
    every set weighs the same; seeds of a set are averaged. All parts have the same sets and pairs; one whose only seed
    is -1 (the encoder before training) stands beside every seed. The intervals are those of `significance.compare` and
    `intervals.t_interval`: the latter over seeds, or over the sets of languages where there are several.
    """
    found = _cluster_sums(parts, constant)
    low, high = bootstrap(found, RESAMPLES, LEVEL, SEED)
    sets = sorted({name for name, _ in parts[0][1]})
    trained = [{seed for _, seed in models} - {-1} for _, models in parts]
    seeds = sorted(set.intersection(*filter(None, trained))) if any(trained) else []
    if len(sets) > 1:  # what other languages would change, of which other seeds are a part
        scores = [[mean_of({draw: one[draw] for draw in one if draw[0] == name}) for name in sets] for _, one in parts]
    else:
        scores = [[_mean(models, seed) for seed in seeds] for _, models in parts]
    weighted = np.array([factor for factor, _ in parts]) @ np.array(scores) + constant
    interval = t_interval(weighted)
    ends = (interval.low, interval.high) if interval else (NAN, NAN)
    unit = "sets of languages" if len(sets) > 1 else "seeds"
    told = [f"{len(found.sums)} articles", f"{len(sets)} {unit}" if len(sets) > 1 else "", f"{len(seeds)} seeds"]
    means = tuple(mean_of(models) for _, models in parts)
    difference = float(found.shares.sum(axis=0)[-1])
    return Gap(difference, float(low[-1]), float(high[-1]), *ends, ", ".join(filter(None, told)), means, unit)


def _cluster_sums(parts: Sequence[Part], constant: float) -> ClusterSums:
    """The parts added up by article and by pair of languages of a set."""
    grouped = [pd.concat(models.values()).groupby([*COLUMNS, "cluster"]) for _, models in parts]
    added = [factor * one["sum"].mean() for (factor, _), one in zip(parts, grouped, strict=True)]
    sums = pd.concat(added, axis=1).sum(axis=1).unstack(COLUMNS).fillna(0.0)
    sizes = grouped[0]["size"].first().unstack(COLUMNS).fillna(0.0)[sums.columns].to_numpy(float)
    pairs = sums.columns.to_frame(index=False)[COLUMNS[1:]].assign(setting="asked")[KEYS]
    values = sums.to_numpy(float)
    values = np.where(np.abs(values) < _ROUNDING, 0.0, values) + constant * sizes
    return ClusterSums(pairs, values, sizes, (int(sizes.sum()),))


def mean_of(models: Mapping[Draw, pd.DataFrame]) -> float:
    """The score itself: the mean over pairs of languages, sets and seeds."""
    return float(np.mean([_mean(models, seed) for seed in sorted({seed for _, seed in models})]))


def _mean(models: Mapping[Draw, pd.DataFrame], seed: int) -> float:
    own = [frame for (_, number), frame in models.items() if number in (seed, -1)]
    found = pd.concat(own).groupby(COLUMNS)[["sum", "size"]].sum()
    return float((found["sum"] / found["size"]).mean())
