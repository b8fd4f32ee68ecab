"""A study's strategies compared question by question: the values of a strategy, two of them by pair, all with one."""

from collections.abc import Collection

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import question_clusters
from hybridkit.evaluation.intervals import t_interval
from hybridkit.evaluation.measures import per_query
from hybridkit.evaluation.significance import OVERALL, against, compare, holm
from hybridkit.run import Run
from hybridkit.study import UNTRAINED

MEASURES = ("AP", "rank_distance")


def strategy_values(run: Run, benchmark: str, strategy: str, measures: Collection[str] = MEASURES) -> pd.DataFrame:
    """Per-query values of a strategy's models on a benchmark, with their seed: what `significance.compare` takes.

    Raises InputError for a strategy that the study has not.
    """
    cells = [cell for cell in run.cells() if cell.strategy == strategy]
    if not cells:
        there = ", ".join(dict.fromkeys(cell.strategy for cell in run.cells()))
        raise InputError(f"study {run.study.name}: no strategy {strategy!r}; there are {there}")
    parts = []
    for cell in cells:
        parts.append(per_query(run.ranks(cell, benchmark), measures).assign(seed=cell.seed))
    return pd.concat(parts, ignore_index=True)


def compare_strategies(
    run: Run, benchmark: str, first: str, second: str, unit: str = "article", measures: Collection[str] = MEASURES
) -> pd.DataFrame:
    """Compare two strategies on a benchmark per pair of languages and overall: the frame of `significance.compare`."""
    clusters = question_clusters(run.part(benchmark)[0], unit)
    a, b = (strategy_values(run, benchmark, name, measures) for name in (first, second))
    return compare(a, b, clusters)


def pair_significance(comparison: pd.DataFrame, measure: str = "AP") -> pd.DataFrame:
    """Take the language pairs of a comparison in the columns that the figure `pair_difference` is drawn from.

    >>> rows = pd.DataFrame({"setting": ["cross", "cross", "pool"], "query_language": ["de", "*", "de"],
    ...                      "passage_language": ["en", "*", "*"], "measure": "AP", "difference": [0.1, 0.1, 0.2],
    ...                      "p_holm": 0.01, "significant": True, "family": ["2 language pairs, AP"] * 3})
    >>> pair_significance(rows)[["query_language", "passage_language", "value"]].values.tolist()
    [['de', 'en', 0.1]]
    """
    kept = (comparison["passage_language"] != OVERALL) & (comparison["measure"] == measure)
    columns = ["query_language", "passage_language", "difference", "p_holm", "significant", "family"]
    return comparison.loc[kept, columns].rename(columns={"difference": "value"}).reset_index(drop=True)


def compare_with_baseline(run: Run, baseline: str, unit: str = "article") -> pd.DataFrame:
    """Compare every trained strategy with one of them, in every setting and benchmark: what tables mark.

    The rows of `significance.against` with a column benchmark in front, corrected as one family: all benchmarks,
    strategies, settings, and the rank distance of the pool. The untrained encoder is left out, since nobody doubts
    that it differs.
    """
    names = list(dict.fromkeys(cell.strategy for cell in run.cells() if cell.strategy != UNTRAINED))
    parts = []
    for benchmark in run.study.evaluation.benchmarks:
        values = {name: strategy_values(run, benchmark, name) for name in names}
        found = against(values, baseline, question_clusters(run.part(benchmark)[0], unit))
        found.insert(0, "benchmark", benchmark)
        parts.append(found)
    table = pd.concat(parts, ignore_index=True)
    return holm(table.assign(family=f"{len(table)} comparisons with {baseline}"))


def seed_differences(macros: pd.DataFrame, baseline: str, measures: Collection[str] = MEASURES) -> pd.DataFrame:
    """Differences from a baseline seed by seed, and from three seeds on their t interval: what trainings vary by.

    Takes `results.macro_scores`; gives benchmark, system, setting, measure, seed, difference, mean, low, high, where
    the last three belong to all seeds of the row's comparison and low and high are NaN below three. Seeds that the
    baseline has not are left out, and so is the untrained encoder.

    >>> macros = pd.DataFrame({"benchmark": "b", "strategy": ["mono"] * 3 + ["cross"] * 3, "seed": [0, 1, 2] * 2,
    ...                        "setting": "pool", "measure": "AP", "value": [0.1, 0.2, 0.3, 0.2, 0.4, 0.6]})
    >>> found = seed_differences(macros, "mono")
    >>> found["difference"].round(2).tolist(), found[["mean", "low", "high"]].iloc[0].round(3).tolist()
    ([0.1, 0.2, 0.3], [0.2, -0.048, 0.448])
    """
    kept = macros[macros["measure"].isin(list(measures)) & (macros["strategy"] != UNTRAINED)]
    by = ["benchmark", "setting", "measure"]
    base = kept.loc[kept["strategy"] == baseline, [*by, "seed", "value"]].rename(columns={"value": "base"})
    if base.empty:
        raise InputError(f"no baseline {baseline!r}; there are {', '.join(dict.fromkeys(kept['strategy']))}")
    rows = kept[kept["strategy"] != baseline].merge(base, on=[*by, "seed"]).rename(columns={"strategy": "system"})
    rows["difference"] = rows["value"] - rows["base"]
    group = ["benchmark", "system", "setting", "measure"]
    found = {key: t_interval(part) for key, part in rows.groupby(group)["difference"]}
    intervals = [found[key] for key in rows[group].itertuples(index=False, name=None)]
    rows["mean"] = rows.groupby(group)["difference"].transform("mean")
    rows["low"] = [interval.low if interval else float("nan") for interval in intervals]
    rows["high"] = [interval.high if interval else float("nan") for interval in intervals]
    return rows[[*group, "seed", "difference", "mean", "low", "high"]]
