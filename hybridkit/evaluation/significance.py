"""Is one system better than another? Paired randomisation, effect size, bootstrap interval and Holm's correction.

The unit that is resampled is a cluster (an article or a paragraph) with all its questions in all their languages: the
13,090 queries of XQuAD-R are 1,190 questions on 240 paragraphs, and a test that took them for independent would find
differences where there are none.

`contrast` also tests whether a difference holds over trainings. Either interval alone can mislead: few trainings on
thousands of questions differ "significantly" by the luck of their seeds, and seeds that agree may do so on these
questions only. A difference is established where both intervals leave out 0 and the larger of the two p, that of the
union of both null hypotheses (Berger, Technometrics 24, 1982), stays below .05 after Holm's correction over the family.
All of it is linear in the values, so that `article_sums`, made once a model, serve every difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, cluster_sums, paired
from hybridkit.evaluation.measures import KEYS, LOWER_IS_BETTER, SETTINGS, per_query
from hybridkit.evaluation.resampling import DEFAULT, Resampling, bootstrap, effect_size, ends, randomisation, t_interval

NAN = float("nan")
_ESTIMATE = ("measure", "difference", "low", "high")
COLUMNS = (*KEYS, *_ESTIMATE, "effect", "p", "p_holm", "significant", "queries", "clusters", "family")
CONTRAST_COLUMNS = ["setting", *_ESTIMATE, "p", "clusters", "seeds", "seeds_low", "seeds_high", "seeds_p"]
SUM_COLUMNS = ["set", "query_language", "passage_language"]  # set: of training languages
_ROUNDING = 1e-12  # smaller sums are 0 but for the order of adding
OVERALL = "*"  # the query language of a setting's mean over its pairs or query languages
Models = Mapping[int, Mapping[str, ClusterSums]]  # a strategy's models: by seed, by measure
Draw = tuple[str, int]  # a set of training languages and a seed
Part = tuple[float, Mapping[Draw, pd.DataFrame]]  # a factor and the sums of a strategy's models


@dataclass(frozen=True)
class Difference:
    """A difference with what is known of its chance: an interval over articles and one over trainings, NaN without.

    `unit` says what the second one is over: seeds, or sets of training languages; `basis` what both were made from.
    `scores` are those of the terms, in their order.
    """

    difference: float
    low: float = NAN
    high: float = NAN
    seeds_low: float = NAN
    seeds_high: float = NAN
    basis: str = "numbers without an interval"
    scores: tuple[float, ...] = ()
    unit: str = "seeds"


def compare(a: pd.DataFrame, b: pd.DataFrame, clusters: pd.Series, how: Resampling = DEFAULT) -> pd.DataFrame:
    """Compare two systems on the same questions, per pair of languages and overall, measure by measure.

    With a column `seed`, the values of one question are averaged over the seeds first, so that the test is about these
    trainings' mean over other questions, and says nothing about other trainings (see `resampling.t_interval`).

    Args:
        a: Per-query values (`measures.per_query`).
        b: The same of the other system.
        clusters: The cluster of each query_id (`clusters.question_clusters`).
        how: Resamples, level, threshold and seed.

    Returns:
        One row for each setting, query_language, passage_language and measure, and one for each setting with "*" for
        both languages, where every pair (mono, cross) or query language (pool) weighs the same, as in `measures.macro`:

        - difference: a minus b, the mean over the queries of a pair: the clusters' sums of differences, added and
          divided by the number of queries, so that a cluster counts by its size;
        - low, high: its bootstrap interval (percentiles): clusters are drawn with replacement, all their languages
          together, and sums and numbers of queries are added and divided anew; NaN where a pair has a single cluster;
        - effect: paired Cohen's d with clusters as units (d_z): the difference over the standard deviation of the
          clusters' mean differences;
        - p: two-sided paired randomisation test; under the null hypothesis a and b may be exchanged in any cluster,
          with all its languages at once. Every exchange is tried where there are no more than `resamples`, else
          `resamples` of them, and p is (1 + as extreme) / (1 + resamples);
        - p_holm, significant (p_holm below the threshold), family: see `holm`. Three families a measure: the language
          pairs of mono and cross, the query languages of the pool, the settings;
        - queries (distinct query ids) and clusters behind the row.

    Raises:
        InputError: For a query that one system does not have, values that are NaN, a query without a cluster.

    Source:
        Smucker, Allan and Carterette, CIKM 2007 (randomisation); Efron and Tibshirani 1993, chapter 8 (bootstrap of
        clusters); Holm, Scandinavian Journal of Statistics 6, 1979.

    Example:
        >>> b = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
        ...                   "query_id": ["p", "q", "r", "s"], "measure": "AP", "value": [0.1, 0.2, 0.3, 0.4]})
        >>> found = compare(b.assign(value=b.value + [0.1, 0.2, 0.1, 0.2]), b, pd.Series(list("wxyz"), list("pqrs")))
        >>> found[["query_language", "difference", "p", "significant"]].round(3).values.tolist()
        [['en', 0.15, 0.125, False], ['*', 0.15, 0.125, False]]
    """
    parts = []
    for measure, rows in paired(a, b, clusters).groupby("measure", sort=False):
        sums = cluster_sums(rows)
        found = _tested(sums, str(measure), how).assign(effect=effect_size(sums))
        parts.append(found.assign(family=_families(found)))
    return holm(pd.concat(parts, ignore_index=True), how.threshold)[list(COLUMNS)]


def _tested(sums: ClusterSums, measure: str, how: Resampling) -> pd.DataFrame:
    """Return the difference of every pair and setting, its interval and its p, which all comparisons share."""
    low, high = bootstrap(sums, how)
    return sums.labels.assign(
        measure=measure,
        difference=sums.shares.sum(axis=0),
        low=low,
        high=high,
        p=randomisation(sums, how),
        queries=sums.queries,
        clusters=sums.clusters,
    )


def against(
    values: Mapping[str, pd.DataFrame], baseline: str, clusters: pd.Series, how: Resampling = DEFAULT
) -> pd.DataFrame:
    """Compare several systems with one of them, setting by setting: the rows that a table marks.

    Concatenate the frames of several benchmarks and call `holm` on them with a family of its own where one table shows
    them all.

    Args:
        values: The per-query values of each system by name.
        baseline: One of the names.
        clusters: The cluster of each query_id.
        how: Resamples, level, threshold and seed.

    Returns:
        The overall rows of `compare` with a column `system` in front, corrected as one family: every system in every
        setting and measure.

    Raises:
        InputError: For an unknown baseline, and as `compare` does.
    """
    if baseline not in values or len(values) < 2:
        raise InputError(f"no baseline {baseline!r} and another system among {', '.join(values) or 'no systems'}")
    parts = []
    for name, own in values.items():
        if name != baseline:
            found = compare(own, values[baseline], clusters, how)
            found = found[found["query_language"] == OVERALL]
            parts.append(found.assign(system=name)[["system", *COLUMNS]])
    table = pd.concat(parts, ignore_index=True)
    return holm(table.assign(family=f"{len(table)} comparisons with {baseline}"), how.threshold)


def holm(frame: pd.DataFrame, threshold: float = 0.05) -> pd.DataFrame:
    """Correct p for the number of tests in each family (Holm 1979): p_holm, and significant where it is below.

    `frame` has the columns p and family, a text that names what the correction covers and belongs in the caption. The
    chance that any difference of a family is called significant without being there is at most `threshold`.

    >>> holm(pd.DataFrame({"p": [0.01, 0.04, 0.03], "family": "three"}))[["p_holm", "significant"]].values.tolist()
    [[0.03, True], [0.06, False], [0.06, False]]
    """
    from statsmodels.stats.multitest import multipletests

    p, families = frame["p"].to_numpy(float), frame["family"].to_numpy(object)
    corrected = np.ones(len(frame))
    for family in pd.unique(families):
        rows = families == family
        corrected[rows] = multipletests(p[rows], method="holm")[1]
    return frame.assign(p_holm=corrected, significant=corrected < threshold)


def _families(rows: pd.DataFrame) -> pd.Series:
    """Name the family of each row of one measure: the pairs of languages, the pool's query languages, the settings."""
    own = rows["query_language"] != OVERALL
    pool = own & (rows["setting"] == "pool")
    pairs, same = own & ~pool, rows["query_language"] == rows["passage_language"]
    kinds = {
        "languages" if same[pairs].all() else "language pairs": pairs,
        "query languages of the pool": pool,
        "settings": ~own,
    }
    family = pd.Series("", index=rows.index, dtype=object)
    for kind, chosen in kinds.items():
        count = int(chosen.sum())
        family[chosen] = f"{count} {kind if count > 1 else 'comparison'}, {rows['measure'].iloc[0]}"
    return family


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


def contrast(terms: Sequence[tuple[float, Models]], how: Resampling = DEFAULT) -> pd.DataFrame:
    """Test whether a sum of systems with their factors, such as ((1, a), (-1, b)), is different from 0, by setting.

    Seeds are averaged first for what is over questions, with clusters as units, as in `compare`. What is over seeds is
    over those that all systems have, paired, and missing below three of them.

    Args:
        terms: A factor and the models of a system by seed and measure (`model_sums`), each.
        how: Resamples, level and seed.

    Returns:
        A frame with setting, measure, difference (mean over questions of a pair of languages, then over pairs or
        languages, as `measures.macro`), low, high, p (over questions), clusters, seeds (their number), seeds_low,
        seeds_high, seeds_p (Student's t over seeds).

    Raises:
        InputError: Where systems share no seed, or were not judged on the same questions.
    """
    seeds = sorted(set.intersection(*(set(models) for _, models in terms)))
    if not seeds:
        raise InputError("curves: the systems of a comparison share no seed; train them with the same seeds")
    parts = []
    for measure, like in terms[0][1][seeds[0]].items():
        by_seed = [_combined([(factor, models[seed][measure]) for factor, models in terms]) for seed in seeds]
        sums = replace(like, sums=_rounded(np.mean(by_seed, axis=0)))
        found = _tested(sums, measure, how).assign(seeds=len(seeds))
        trained = np.stack([replace(like, sums=one).shares.sum(axis=0) for one in by_seed], axis=1)
        found[["seeds_low", "seeds_high"]] = [ends(t_interval(one)) for one in trained]
        found["seeds_p"] = [_t_test(one) for one in trained]
        parts.append(found[found["query_language"] == OVERALL])
    rows = pd.concat(parts, ignore_index=True)
    position = rows["setting"].map(lambda setting: [*SETTINGS, setting].index(setting))
    return rows.iloc[np.argsort(position.to_numpy(), kind="stable")].reset_index(drop=True)[CONTRAST_COLUMNS]


def _rounded(values: np.ndarray) -> np.ndarray:
    """Make 0 of what is 0 but for the order of adding."""
    return np.where(np.abs(values) < _ROUNDING, 0.0, values)


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
        both=above | below,
        p_holm=found["p_holm"],
        established=(above | below) & found["significant"],
        better=side.astype(int),
        family=name,
    )


def article_sums(ranks: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Return the sums of every measure by article: setting, languages, measure, cluster, sum, size.

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


def difference_of(parts: Sequence[Part], constant: float = 0.0, how: Resampling = DEFAULT) -> Difference:
    """Return the sum of scores with their factors, and its intervals over articles and over trainings.

    Every pair of languages of every set of training languages weighs the same; seeds of a set are averaged. The
    intervals are those of `compare` and of `t_interval`: the latter over seeds, or over the sets of languages where
    there are several.

    Args:
        parts: A factor and the sums (`article_sums`, of one measure and setting) of a strategy's models by set of
            training languages and seed, with a column `set`. All parts have the same sets and pairs; one whose only
            seed is -1 (the encoder before training) is compared with every seed.
        constant: What is added to the sum.
        how: Resamples, level and seed.
    """
    found = _cluster_sums(parts, constant)
    low, high = bootstrap(found, how)
    sets = sorted({name for name, _ in parts[0][1]})
    trained = [{seed for _, seed in models} - {-1} for _, models in parts]
    seeds = sorted(set.intersection(*filter(None, trained))) if any(trained) else []
    if len(sets) > 1:  # what other languages would change, of which other seeds are a part
        scores = [[mean_of({draw: one[draw] for draw in one if draw[0] == name}) for name in sets] for _, one in parts]
    else:
        scores = [[_mean(models, seed) for seed in seeds] for _, models in parts]
    weighted = np.array([factor for factor, _ in parts]) @ np.array(scores) + constant
    unit = "sets of languages" if len(sets) > 1 else "seeds"
    basis = [f"{len(found.sums)} articles", f"{len(sets)} {unit}" if len(sets) > 1 else "", f"{len(seeds)} seeds"]
    means = tuple(mean_of(models) for _, models in parts)
    questions = float(found.shares.sum(axis=0)[-1]), float(low[-1]), float(high[-1])
    return Difference(*questions, *ends(t_interval(weighted)), ", ".join(filter(None, basis)), means, unit)


def _cluster_sums(parts: Sequence[Part], constant: float) -> ClusterSums:
    """The parts added up by article and by pair of languages of a set."""
    grouped = [pd.concat(models.values()).groupby([*SUM_COLUMNS, "cluster"]) for _, models in parts]
    added = [factor * one["sum"].mean() for (factor, _), one in zip(parts, grouped, strict=True)]
    sums = pd.concat(added, axis=1).sum(axis=1).unstack(SUM_COLUMNS).fillna(0.0)
    sizes = grouped[0]["size"].first().unstack(SUM_COLUMNS).fillna(0.0)[sums.columns].to_numpy(float)
    pairs = sums.columns.to_frame(index=False)[SUM_COLUMNS[1:]].assign(setting="query")[KEYS]
    return ClusterSums(pairs, _rounded(sums.to_numpy(float)) + constant * sizes, sizes, (int(sizes.sum()),))


def mean_of(models: Mapping[Draw, pd.DataFrame]) -> float:
    """The score itself: the mean over pairs of languages, sets and seeds."""
    return float(np.mean([_mean(models, seed) for seed in sorted({seed for _, seed in models})]))


def _mean(models: Mapping[Draw, pd.DataFrame], seed: int) -> float:
    own = [frame for (_, number), frame in models.items() if number in (seed, -1)]
    found = pd.concat(own).groupby(SUM_COLUMNS)[["sum", "size"]].sum()
    return float((found["sum"] / found["size"]).mean())
