"""Is one point of a curve better than another? Intervals over questions and over trainings, one correction for all.

Either alone can mislead: few trainings on thousands of questions differ "significantly" by the luck of their seeds, and
seeds that agree may do so on these questions only. A difference is established where both intervals leave out 0 and the
larger of the two p, that of the union of both null hypotheses (Berger, Technometrics 24, 1982), stays below .05 after
Holm's correction over the whole family.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, cluster_sums
from hybridkit.evaluation.intervals import t_interval
from hybridkit.evaluation.measures import KEYS
from hybridkit.evaluation.resampling import bootstrap, randomisation
from hybridkit.evaluation.significance import OVERALL, holm

RESAMPLES, LEVEL = 10_000, 0.95  # as in significance.compare
COLUMNS = [
    "setting", "measure", "difference", "low", "high", "p", "clusters", "seeds", "seeds_low", "seeds_high", "seeds_p",
]  # fmt: skip
LOWER_IS_BETTER = ("rank_distance",)
_ORDER = ("mono", "cross", "pool")
_ROUNDING = 1e-12
Models = Mapping[int, Mapping[str, ClusterSums]]  # a strategy's models: by seed, by measure


def model_sums(values: pd.DataFrame, clusters: pd.Series) -> dict[str, ClusterSums]:
    """Add up one model's per-query values (`measures.per_query`) by cluster of questions, measure by measure.

    `clusters` gives every query_id its cluster (`clusters.question_clusters`). InputError for a query without one.

    >>> values = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
    ...                        "query_id": ["p", "q"], "measure": "AP", "value": [0.5, 1.0]})
    >>> model_sums(values, pd.Series(["x", "y"], ["p", "q"]))["AP"].shares.sum(axis=0).tolist()
    [0.75, 0.75]
    """
    cluster = values["query_id"].map(clusters)
    if cluster.isna().any():
        raise InputError(f"curves: query {values['query_id'][cluster.isna()].iloc[0]!r} has no cluster; give it one")
    rows = values.assign(difference=values["value"], cluster=cluster).sort_values([*KEYS, "cluster"], kind="stable")
    return {str(measure): cluster_sums(part) for measure, part in rows.groupby("measure", sort=False)}


def contrast(parts: Sequence[tuple[float, Models]], seed: int = 0) -> pd.DataFrame:
    """A sum of systems with their factors, such as ((1, a), (-1, b)), setting by setting: is it different from 0?

    Gives setting, measure, the difference (mean over questions of a pair of languages, then over pairs or languages, as
    `measures.macro`; seeds averaged); low, high, p over questions, with clusters as units and seeds averaged first
    (bootstrap and two-sided paired randomisation as in `significance.compare`); seeds_low, seeds_high, seeds_p over
    the `seeds` that all systems have, paired (Student's t), NaN below three of them. InputError where systems share no
    seed, or were not judged on the same questions.
    """
    seeds = sorted(set.intersection(*(set(models) for _, models in parts)))
    if not seeds:
        raise InputError("curves: the systems of a comparison share no seed; train them with the same seeds")
    rows = []
    for measure, like in parts[0][1][seeds[0]].items():
        by_seed = [_combined([(factor, models[one][measure]) for factor, models in parts]) for one in seeds]
        mean = np.mean(by_seed, axis=0)
        sums = ClusterSums(like.pairs, np.where(np.abs(mean) < _ROUNDING, 0.0, mean), like.sizes, like.questions)
        ends = bootstrap(sums, RESAMPLES, LEVEL, seed)
        p, columns = randomisation(sums, RESAMPLES, seed), np.flatnonzero(sums.labels["query_language"] == OVERALL)
        own = [ClusterSums(like.pairs, one, like.sizes, like.questions).shares.sum(axis=0) for one in by_seed]
        for at in columns:
            trained = np.array([one[at] for one in own])
            interval = t_interval(trained)
            low, high = (interval.low, interval.high) if interval else (np.nan, np.nan)
            told = (sums.labels["setting"].iloc[at], measure, sums.shares.sum(axis=0)[at], ends[0][at], ends[1][at])
            rows.append((*told, p[at], sums.clusters[at], len(seeds), low, high, _t_test(trained)))
    rows.sort(key=lambda row: _ORDER.index(row[0]) if row[0] in _ORDER else len(_ORDER))
    return pd.DataFrame(rows, columns=COLUMNS)


def _combined(parts: Sequence[tuple[float, ClusterSums]]) -> np.ndarray:
    like = parts[0][1]
    for _, one in parts[1:]:
        if not (one.pairs.equals(like.pairs) and np.array_equal(one.sizes, like.sizes)):
            raise InputError("curves: the systems of a comparison were not judged on the same questions")
    found: np.ndarray = sum(factor * one.sums for factor, one in parts)  # type: ignore[assignment]
    return found


def _t_test(differences: np.ndarray) -> float:
    """Two-sided p of the paired t test over seeds; nan where there is no interval, 1 where nothing differs."""
    from scipy.stats import t

    if t_interval(differences) is None:
        return float("nan")
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    if np.abs(differences).max() < _ROUNDING:
        return 1.0
    return float(2 * t.sf(abs(differences.mean()) / error, len(differences) - 1)) if error > 0 else 0.0


def established(rows: pd.DataFrame, family: str) -> pd.DataFrame:
    """Judge all rows of `contrast` as one family of comparisons, whose name says what the correction covers.

    Adds both (both intervals leave out 0, on the same side), p_holm (Holm's correction of the larger p, 1 where there
    is no interval over seeds), established (both, and p_holm below .05), better (the side of a difference: 1 better, -1
    worse, 0 for none; a lower rank distance is better) and family.

    >>> rows = pd.DataFrame({"measure": "AP", "difference": [0.1, 0.1], "low": 0.05, "high": 0.2, "p": [0.01, 0.03],
    ...                      "seeds_low": 0.02, "seeds_high": 0.3, "seeds_p": [0.02, 0.06]})
    >>> established(rows, "toys")[["both", "p_holm", "established", "family"]].values.tolist()
    [[True, 0.04, True, '2 comparisons: toys'], [True, 0.06, False, '2 comparisons: toys']]
    """
    above = (rows["low"] > 0) & (rows["seeds_low"] > 0)
    below = (rows["high"] < 0) & (rows["seeds_high"] < 0)
    worst = rows[["p", "seeds_p"]].max(axis=1, skipna=False).fillna(1.0)
    name = f"{len(rows)} comparisons: {family}" if len(rows) != 1 else f"1 comparison: {family}"
    found = holm(pd.DataFrame({"p": worst, "family": name}))
    side = np.sign(rows["difference"]) * np.where(rows["measure"].isin(LOWER_IS_BETTER), -1, 1)
    return rows.assign(
        both=above | below, p_holm=found["p_holm"], established=(above | below) & found["significant"],
        better=side.astype(int), family=name,
    )  # fmt: skip
