"""Is one system better than another? Paired randomisation, effect size, bootstrap interval and Holm's correction.

The unit that is resampled is a cluster (an article or a paragraph) with all its questions in all their languages: the
13,090 queries of XQuAD-R are 1,190 questions on 240 paragraphs, and a test that took them for independent would find
differences where there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import cluster_sums, paired
from hybridkit.evaluation.resampling import bootstrap, effect_size, randomisation

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = (
    "setting", "query_language", "passage_language", "measure", "difference", "low", "high", "effect", "p", "p_holm",
    "significant", "queries", "clusters", "family",
)  # fmt: skip
OVERALL = "*"  # the query language of a setting's mean over its pairs or query languages


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    clusters: pd.Series,
    resamples: int = 10_000,
    level: float = 0.95,
    threshold: float = 0.05,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two systems on the same questions, per pair of languages and overall, measure by measure.

    `a` and `b` are per-query values (`measures.per_query`); with a column `seed`, the values of one question are
    averaged over the seeds first, so that the test is about these trainings' mean over other questions, and says
    nothing about other trainings (see `intervals.t_interval`). `clusters` gives each query_id its cluster.

    One row for each setting, query_language, passage_language and measure, and one for each setting with "*" for both
    languages, where every pair (mono, cross) or query language (pool) weighs the same, as in `measures.macro`:

    - difference: a minus b, the mean over the queries of a pair: the clusters' sums of differences, added and divided
      by the number of queries, so that a cluster counts by its size;
    - low, high: its bootstrap interval (percentiles, `level`): clusters are drawn with replacement, all their languages
      together, and sums and numbers of queries are added and divided anew; NaN where a pair has a single cluster;
    - effect: paired Cohen's d with clusters as units (d_z): the difference over the standard deviation of the clusters'
      mean differences;
    - p: two-sided paired randomisation test; under the null hypothesis a and b may be exchanged in any cluster, with
      all its languages at once. Every exchange is tried where there are no more than `resamples`, else `resamples` of
      them, and (1 + as extreme) / (1 + resamples) is given;
    - p_holm, significant (p_holm below `threshold`), family: see `holm`. Three families a measure: the language pairs
      of mono and cross, the query languages of the pool, the settings;
    - queries (distinct query ids) and clusters behind the row.

    Sources: Smucker, Allan and Carterette, CIKM 2007 (randomisation); Efron and Tibshirani 1993, chapter 8 (bootstrap
    of clusters); Holm, Scandinavian Journal of Statistics 6, 1979.

    Raises InputError for a query that one system lacks, values that are NaN, a query without a cluster.

    >>> b = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
    ...                   "query_id": ["p", "q", "r", "s"], "measure": "AP", "value": [0.1, 0.2, 0.3, 0.4]})
    >>> found = compare(b.assign(value=b.value + [0.1, 0.2, 0.1, 0.2]), b, pd.Series(list("wxyz"), list("pqrs")))
    >>> found[["query_language", "difference", "p", "significant"]].round(3).values.tolist()
    [['en', 0.15, 0.125, False], ['*', 0.15, 0.125, False]]
    """
    parts = []
    for measure, part in paired(a, b, clusters).groupby("measure", sort=False):
        sums = cluster_sums(part)
        rows = sums.labels.assign(
            measure=measure,
            difference=sums.shares.sum(axis=0),
            effect=effect_size(sums),
            p=randomisation(sums, resamples, seed),
            queries=sums.queries,
            clusters=sums.clusters,
        )
        rows["low"], rows["high"] = bootstrap(sums, resamples, level, seed)
        parts.append(rows.assign(family=_families(rows)))
    return holm(pd.concat(parts, ignore_index=True), threshold)[list(COLUMNS)]


def against(
    values: Mapping[str, pd.DataFrame],
    baseline: str,
    clusters: pd.Series,
    resamples: int = 10_000,
    level: float = 0.95,
    threshold: float = 0.05,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare several systems with one of them, setting by setting: the rows that a table marks.

    `values` has the per-query values of each system by name. Gives the overall rows of `compare` with a column `system`
    in front, corrected as one family: every system in every setting and measure. Concatenate the frames of several
    benchmarks and call `holm` on them with a family of its own where one table shows them all.

    Raises InputError for an unknown baseline, and as `compare` does.
    """
    if baseline not in values or len(values) < 2:
        raise InputError(f"no baseline {baseline!r} and another system among {', '.join(values) or 'no systems'}")
    parts = []
    for name, own in values.items():
        if name != baseline:
            found = compare(own, values[baseline], clusters, resamples, level, threshold, seed)
            found = found[found["query_language"] == OVERALL]
            parts.append(found.assign(system=name)[["system", *COLUMNS]])
    table = pd.concat(parts, ignore_index=True)
    return holm(table.assign(family=f"{len(table)} comparisons with {baseline}"), threshold)


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
