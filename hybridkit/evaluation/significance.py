"""The rule of evidence: what counts as a difference, for every comparison of the kit.

A comparison is a sum of systems with their factors, such as ((1, hybrid), (-1, mono)), each given as its trainings
(seeds), and each training as sums by cluster of questions (`trainings_of`). `contrast` says how large it is, and

- `low`, `high`, `p`: given these trainings, what other questions would change. The unit is a cluster (an
  article) with all its questions in all their languages: the 13,090 queries of XQuAD-R are 1,190 questions on 48
  articles, and a test that took them for independent would find differences where there are none;
- `crossed_low`, `crossed_high`, `crossed_p`: what other questions and other trainings would change, from three
  trainings on that all systems share (see `crossed`).

`judged` corrects both p for a family of comparisons that is named before its numbers are seen, and marks each row:

- `°` significant: a difference over questions like these, given these trainings; another training may differ;
- `*` established: a difference over other trainings too. Nothing is with fewer than three trainings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, combined, model_sums
from hybridkit.evaluation.crossed import crossed
from hybridkit.evaluation.measures import KEYS, LOWER_IS_BETTER
from hybridkit.evaluation.resampling import DEFAULT, TRAININGS_NEEDED, Resampling, bootstrap, effect_size, randomisation

OVERALL = "*"  # the languages of a setting's mean over its pairs or query languages
FIXED = -1  # in place of a seed: a system without trainings of its own meets every training of the others
GIVEN, BEYOND = "°", "*"  # the marks
INTERVALS = ("difference", "low", "high", "crossed_low", "crossed_high")
COLUMNS = (*KEYS, "measure", *INTERVALS, "p", "crossed_p", "trainings", "effect", "queries", "clusters")
CHOSEN = ("all_low", "all_high")
JUDGED = ("p_holm", "significant", "crossed_p_holm", "established", "mark", "better", "family")
Models = Mapping[int | str, Mapping[str, ClusterSums]]  # a system: by training (a seed, a set of languages), by measure
Term = tuple[float, Models]


def contrast(
    terms: Sequence[Term], constant: float = 0.0, how: Resampling = DEFAULT, overall: bool = False, choices: int = 1
) -> pd.DataFrame:
    """Say how large a sum of systems with their factors is, and how sure that is over questions and over trainings.

    Trainings are paired: those that all systems have are compared, each with its own. A system that is not trained
    (`FIXED`) meets all of them. Every training weighs the same, and in a setting every pair (mono, cross) or query
    language (pool), as in `measures.macro`.

    Args:
        terms: A factor and a system, each: its trainings, as sums by measure (`trainings_of`).
        constant: What is added to the sum.
        how: Draws, level and seed.
        overall: Leave the pairs of languages out; trainings may then be of different pairs (of sets of languages).
        choices: How many such contrasts are looked at together, say the points of a curve, to speak of the best.

    Returns:
        One row for each setting, pair of languages and measure, and one for each setting with "*" for both languages:

        - difference: the sum, in the unit of the measure; queries (in a setting the most that a pair has) and clusters;
        - low, high: its interval given these trainings, by the bootstrap of clusters (`resampling.bootstrap`);
        - p: two-sided paired randomisation test over clusters (`resampling.randomisation`);
        - crossed_low, crossed_high, crossed_p: over clusters and trainings together (`crossed.crossed`), NaN below
          three trainings; trainings: their number;
        - all_low, all_high, with several choices: the ends of an interval over both that is right for whichever of them
          is picked by its numbers (Bonferroni: 1 - level is shared out among them);
        - effect: paired Cohen's d with clusters as units (d_z).

    Raises:
        InputError: Where systems share no training or were not judged on the same questions.

    Source:
        Smucker, Allan and Carterette, CIKM 2007 (randomisation); Efron and Tibshirani 1993, chapter 8 (bootstrap of
        clusters); `crossed` for the rest.

    Example:
        >>> values = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
        ...                        "query_id": [*"pqrs"], "measure": "AP", "value": [0.1, 0.2, 0.3, 0.4]})
        >>> clusters = pd.Series([*"wxyz"], [*"pqrs"])
        >>> better = trainings_of(values.assign(value=values["value"] + [0.1, 0.2, 0.1, 0.2]), clusters)
        >>> found = contrast([(1, better), (-1, trainings_of(values, clusters))])
        >>> found[["query_language", "difference", "p", "trainings"]].round(3).values.tolist()
        [['en', 0.15, 0.125, 1], ['*', 0.15, 0.125, 1]]
    """
    own = [set(models) - {FIXED} for _, models in terms]
    shared = set.intersection(*filter(None, own)) if any(own) else {FIXED}
    if not shared:
        raise InputError("comparison: the systems share no seed; train them with the same seeds")
    trainings = sorted(shared, key=str)
    chosen = [(factor, [models[one if one in models else FIXED] for one in trainings]) for factor, models in terms]
    measures = [name for name in chosen[0][1][0] if all(name in one for _, models in chosen for one in models)]
    parts = []
    for measure in measures:
        by_training = [
            combined([(factor, models[nth][measure]) for factor, models in chosen], constant)
            for nth in range(len(trainings))
        ]
        by_training = [replace(one, overall=overall) for one in by_training]
        parts.append(_tested(by_training, how, choices).assign(measure=measure))
    return pd.concat(parts, ignore_index=True)[[*COLUMNS, *CHOSEN[: 2 * (choices > 1)]]]


def _tested(by_training: list[ClusterSums], how: Resampling, choices: int) -> pd.DataFrame:
    """The rows of one measure, from the contrast's sums in each training."""
    first = by_training[0]
    if all(one.pairs.equals(first.pairs) for one in by_training):
        mean = [combined([(1 / len(by_training), one) for one in by_training])]
    elif first.overall:
        names = np.array(sorted({name for one in by_training for name in one.names}, key=str), object)
        mean = by_training = [one.on(names) for one in by_training]
    else:
        raise InputError("comparison: the trainings were judged on different pairs of languages; compare overall only")
    shares = np.mean([one.shares for one in mean], axis=0)
    low, high = bootstrap(mean, how)
    both = crossed(by_training, how.level, choices)
    return mean[0].labels.assign(
        difference=shares.sum(axis=0),
        low=low,
        high=high,
        crossed_low=both.low,
        crossed_high=both.high,
        p=randomisation(shares, how),
        crossed_p=both.p,
        all_low=both.all_low,
        all_high=both.all_high,
        trainings=len(by_training),
        effect=effect_size(mean),
        queries=np.max([one.queries for one in mean], axis=0),
        clusters=np.max([one.clusters for one in mean], axis=0),
    )


def trainings_of(values: pd.DataFrame, clusters: pd.Series) -> dict[int | str, dict[str, ClusterSums]]:
    """Add up a system's per-query values (`measures.per_query`) by seed, measure and cluster, as `contrast` takes them.

    Without a column `seed` the system has no trainings of its own (`FIXED`). Raises InputError as `model_sums` does.

    >>> values = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en", "query_id": "p",
    ...                        "measure": "AP", "value": [0.5, 1.0], "seed": [0, 1]})
    >>> {seed: sums["AP"].means.tolist() for seed, sums in trainings_of(values, pd.Series(["x"], ["p"])).items()}
    {0: [0.5, 0.5], 1: [1.0, 1.0]}
    """
    if "seed" not in values:
        return {FIXED: model_sums(values, clusters)}
    return {int(str(seed)): model_sums(part, clusters) for seed, part in values.groupby("seed")}


def compare(a: pd.DataFrame, b: pd.DataFrame, clusters: pd.Series, how: Resampling = DEFAULT) -> pd.DataFrame:
    """Compare the per-query values of two systems, a minus b: `contrast` and `judged` in one step.

    Families: the pairs of languages of mono and cross, the query languages of the pool, the settings; each a measure.
    """
    return judged(contrast([(1, trainings_of(a, clusters)), (-1, trainings_of(b, clusters))], how=how), how=how)


def judged(rows: pd.DataFrame, family: str = "", how: Resampling = DEFAULT) -> pd.DataFrame:
    """Judge rows of `contrast` by the rule of evidence: both p corrected by Holm's method over a family.

    The chance that any row of a family gets a mark without a difference is at most `how.threshold`, for either mark.

    Args:
        rows: Rows of `contrast`, with columns of the caller's own.
        family: What the correction covers, in words that do not depend on the numbers. Left out, the rows may have a
            column family, one for each row; else they are those of `compare`.
        how: The threshold.

    Returns:
        The rows with p_holm and significant (over questions, given these trainings: p_holm below the threshold and an
        interval without 0), crossed_p_holm and established (significant, and crossed_p_holm below the threshold; never
        with fewer than three trainings), mark ("°" significant, "*" established, ""), better (1: the difference is
        for the better, -1: for the worse, 0: there is none; a lower rank distance is better), family (with its size).

    >>> rows = pd.DataFrame({"measure": "AP", "difference": 0.1, "low": 0.05, "high": 0.2, "p": [0.01, 0.02, 0.03],
    ...                      "crossed_p": [0.01, 0.06, float("nan")]})
    >>> found = judged(rows, "toys")
    >>> found["p_holm"].tolist(), found["mark"].tolist(), found["family"][0]
    ([0.03, 0.04, 0.04], ['*', '°', '°'], '3 comparisons: toys')
    """
    if "family" in rows and not family:
        names = rows["family"]
    else:
        names = pd.Series(family, rows.index) if family else _families(rows)
    sizes = names.groupby(names).transform("size")
    families = [f"{size} comparison{'s' * (size > 1)}: {name}" for size, name in zip(sizes, names, strict=True)]
    rows = rows.drop(columns="family", errors="ignore")
    questions, trainings = (holm(rows[name].fillna(1.0), families) for name in ("p", "crossed_p"))
    significant = (questions < how.threshold) & ((rows["low"] > 0) | (rows["high"] < 0))
    established = significant & (trainings < how.threshold)
    side = np.sign(rows["difference"]) * np.where(rows["measure"].isin(LOWER_IS_BETTER), -1, 1)
    return rows.assign(
        p_holm=questions,
        significant=significant,
        crossed_p_holm=np.where(rows["crossed_p"].isna(), np.nan, trainings),
        established=established,
        mark=np.where(established, BEYOND, np.where(significant, GIVEN, "")),
        better=side.astype(int),
        family=families,
    )


def holm(p: pd.Series, families: Sequence[str]) -> np.ndarray:
    """Correct p for the number of tests in each family (Holm, Scandinavian Journal of Statistics 6, 1979).

    The same as statsmodels' `multipletests` (a test holds it to that), which collects garbage at every call and so
    takes a tenth of a second a family.

    >>> holm(pd.Series([0.01, 0.04, 0.03]), ["three"] * 3).tolist()
    [0.03, 0.06, 0.06]
    """
    names, values = np.asarray(families, object), p.to_numpy(float)
    corrected = np.ones(len(values))
    for family in pd.unique(names):
        rows = np.flatnonzero(names == family)
        rows = rows[np.argsort(values[rows], kind="stable")]
        corrected[rows] = np.minimum(np.maximum.accumulate(values[rows] * np.arange(len(rows), 0, -1)), 1.0)
    return corrected


def _families(rows: pd.DataFrame) -> pd.Series:
    """Name the family of each row: by measure the pairs of languages, the pool's query languages, the settings."""
    own, pool = rows["query_language"] != OVERALL, rows["setting"] == "pool"
    kinds = np.where(~own, "settings", np.where(pool, "query languages of the pool", "language pairs"))
    return pd.Series([f"{kind}, {measure}" for kind, measure in zip(kinds, rows["measure"], strict=True)], rows.index)


def at_most(p: float) -> str:
    """Write a p that resampling gave, and Holm's correction enlarged: rounded up, and never as 0.

    >>> at_most(12 / 100_001), at_most(0.03104), at_most(0.0), at_most(1.0)
    ('p ≤ .00012', 'p ≤ .032', 'p < .000001', 'p = 1')
    """
    if p >= 1:
        return "p = 1"
    if p < 1e-6:
        return "p < .000001"
    digits = 1 - int(np.floor(np.log10(p)))
    rounded = np.ceil(round(p * 10**digits, 6)) / 10**digits
    return f"p ≤ {rounded:.{digits}f}".replace("0.", ".", 1).rstrip("0")


def marks_note(rows: pd.DataFrame, threshold: float = 0.05) -> str:
    """Explain the marks of `judged` rows, as captions and legends print it: the tests, the families, what is missing.

    >>> rows = pd.DataFrame({"trainings": [2, 2], "p_holm": [0.00002, 0.4], "significant": [True, False],
    ...                      "family": "2 comparisons: toys"})
    >>> marks_note(rows).split("; ")[0]
    '° differs on questions like these, given these trainings (paired randomisation over articles)'
    >>> marks_note(rows)[-77:]
    'No row has three trainings in common, so that nothing is shown of other ones.'
    """
    most = int(rows["trainings"].max()) if len(rows) else 0
    families = "; ".join(dict.fromkeys(rows["family"]))
    text = (
        f"{GIVEN} differs on questions like these, given these trainings (paired randomisation over articles); "
        f"{BEYOND} differs over other trainings too (articles and seeds crossed); both p < {threshold:g} after Holm’s "
        f"correction ({families})"
    )
    if rows["significant"].any():
        text += f"; where {GIVEN} or {BEYOND} stands, {at_most(float(rows.loc[rows['significant'], 'p_holm'].max()))}"
    if most < TRAININGS_NEEDED:
        return f"{text}. No row has three trainings in common, so that nothing is shown of other ones."
    return text + "."
