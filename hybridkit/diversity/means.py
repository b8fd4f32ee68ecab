"""Means over pairs of languages by number of training languages, with intervals over draws and seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hybridkit.evaluation.intervals import Interval
from hybridkit.seeds import generator

DRAWS_FOR_INTERVAL = 3
RESAMPLES = 2000
BY = ("series", "strategy", "setting", "seen", "group", "k")
ALL = "all"
MINUS = " minus "


def per_model(frame: pd.DataFrame, measure: str = "RR", by: Sequence[str] = BY) -> pd.DataFrame:
    """Average a measure over the pairs of languages of each model: `by`, seed, languages, value, pairs.

    Takes `outcomes`. Two draws of a group that give the same set are one. The set of all languages and the untrained
    encoder keep their own group.
    """
    chosen = frame[frame["measure"] == measure]
    keys = list(dict.fromkeys([*by, "seed", "languages"]))
    chosen = chosen.drop_duplicates([*keys, "benchmark", "setting", "query_language", "passage_language"])
    found = chosen.groupby(keys, sort=False, observed=True)["value"].agg(value="mean", pairs="size")
    return found.reset_index()


def means(frame: pd.DataFrame, measure: str = "RR", by: Sequence[str] = BY) -> pd.DataFrame:
    """Mean of a measure by number of languages and group of pairs, with the interval over draws and seeds.

    Every model weighs the same, whatever its number of pairs. Columns: `by`, mean, low, high (95 %, NaN below
    DRAWS_FOR_INTERVAL sets), models, sets. "seen-seen" pairs of one language and "unseen-unseen" ones are kept apart
    by setting, since monolingual pairs are easier and their share among the pairs changes with k.
    """
    rows = []
    for key, part in per_model(frame, measure, by).groupby(list(by), sort=False):
        interval = bootstrap(part)
        low, high = (interval.low, interval.high) if interval else (np.nan, np.nan)
        sets = part["languages"].nunique()
        rows.append((*key, part["value"].mean(), low, high, len(part), sets))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "models", "sets"])


def bootstrap(models: pd.DataFrame, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval | None:
    """Interval of the mean over models when sets of languages and seeds are drawn anew; None below three sets.

    Takes one value a model with its `languages` and `seed`. Sets are what was sampled: equal sets of two groups are
    one, and both sets and seeds are drawn with replacement, independently, a model counting as often as its set times
    its seed (Owen 2007, The pigeonhole bootstrap). Of so few sets the percentiles of the resamples would be too narrow
    (of 4 normal values they hold the mean in 80 of 100 cases), so that the interval is mean ± t(n - 1) · √(n / (n - 1))
    · the resamples' standard deviation for n sets, which for one seed is Student's (Hesterberg 2015, What Teachers
    Should Know About the Bootstrap). One set of all languages and the untrained encoder have none.

    >>> models = pd.DataFrame({"languages": list("abcd"), "seed": 0, "value": [0.1, 0.2, 0.3, 0.4]})
    >>> [round(float(part), 1) for part in bootstrap(models) or ()]
    [0.2, 0.0, 0.5]
    >>> bootstrap(models.iloc[:2]) is None
    True
    """
    from scipy.stats import t

    table = models.pivot_table(index="languages", columns="seed", values="value", aggfunc="mean")
    values = table.to_numpy(float)
    sets, seeds = values.shape
    if sets < DRAWS_FOR_INTERVAL:
        return None
    there, values = ~np.isnan(values), np.nan_to_num(values)
    random = generator(seed, "diversity", "bootstrap")
    of_sets = random.multinomial(sets, np.full(sets, 1 / sets), resamples).astype(float)
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), resamples).astype(float)
    totals = ((of_sets @ values) * of_seeds).sum(axis=1)
    counts = ((of_sets @ there) * of_seeds).sum(axis=1)
    spread = float(np.std(totals[counts > 0] / counts[counts > 0])) * (sets / (sets - 1)) ** 0.5
    half = float(t.ppf((1 + level) / 2, sets - 1)) * spread
    mean = float(values.sum() / there.sum())
    return Interval(mean, mean - half, mean + half)


def differences(frame: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Difference of two strategies, the first minus the second, on the same sets, seeds and pairs.

    Gives the columns of the frame with the difference as value and "FIRST minus SECOND" as strategy.
    """
    from hybridkit.plots.strategies import label

    keys = [name for name in frame.columns if name not in ("strategy", "value")]
    a, b = (frame[frame["strategy"] == name].drop(columns="strategy") for name in (first, second))
    both = a.merge(b, on=keys, suffixes=("", "_second"))
    return both.assign(value=both["value"] - both["value_second"], strategy=f"{label(first)}{MINUS}{label(second)}")[
        list(frame.columns)
    ]
