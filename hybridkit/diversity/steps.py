"""What more languages do to the same pairs: every set against the next larger one of its draw, which contains it."""

from typing import NamedTuple

import pandas as pd

from hybridkit.diversity.means import ALL
from hybridkit.diversity.words import amount
from hybridkit.evaluation.intervals import t_interval
from hybridkit.study import UNTRAINED

_MODEL = ["series", "strategy", "seed"]
_PAIR = ["benchmark", "setting", "query_language", "passage_language"]
_PAIRS = {"cross": "cross-lingual", "mono": "monolingual"}


class _Set(NamedTuple):
    k: int
    languages: str


def steps(frame: pd.DataFrame, measure: str = "RR") -> pd.DataFrame:
    """Difference between a set and the next larger one of its draw on the same pairs, by what was and is seen.

    Since the sets of a draw are nested, a pair either stays as it is ("unseen-unseen", "seen-seen") or has a language
    that becomes seen: `was` and `seen` say which. The first step is from the untrained encoder. Columns: series,
    strategy, seed, group, draw, from_k, to_k, from_languages, to_languages, setting, was, seen, difference, pairs.
    Equal steps of two draws are there once.
    """
    chosen = frame[frame["measure"] == measure]
    parts = []
    for (group, draw), own in chosen[~chosen["group"].isin([ALL, UNTRAINED])].groupby(["group", "draw"], sort=False):
        chain = pd.concat([own, chosen[chosen["group"] == ALL]])
        for keys, models in chain.groupby(_MODEL, sort=False):
            base = chosen[(chosen["strategy"] == UNTRAINED) & (chosen["series"] == keys[0])]
            named = dict(zip([*_MODEL, "group", "draw"], (*keys, group, draw), strict=True))
            parts += _along(pd.concat([base, models]), named)
    columns = [*_MODEL, "group", "draw", "from_k", "to_k", "from_languages", "to_languages"]
    columns += ["setting", "was", "seen", "difference", "pairs"]
    if not parts:
        return pd.DataFrame(columns=columns)
    once = [*_MODEL, "from_languages", "to_languages", "setting", "was", "seen"]
    return pd.concat(parts, ignore_index=True).drop_duplicates(once, ignore_index=True)[columns]


def _along(models: pd.DataFrame, named: dict[str, object]) -> list[pd.DataFrame]:
    """The steps of one chain of nested sets, each a line a kind of pair."""
    sets = [
        _Set(int(k), str(languages)) for k, languages in sorted(set(zip(models["k"], models["languages"], strict=True)))
    ]
    found = []
    for first, second in zip(sets, sets[1:], strict=False):
        before = models.loc[models["languages"] == first.languages, [*_PAIR, "seen", "value"]]
        after = models.loc[models["languages"] == second.languages, [*_PAIR, "seen", "value"]]
        both = before.rename(columns={"seen": "was"}).merge(after, on=_PAIR, suffixes=("", "_after"))
        both["difference"] = both["value_after"] - both["value"]
        table = both.groupby(["setting", "was", "seen"], sort=False)["difference"].agg(["mean", "size"]).reset_index()
        table = table.rename(columns={"mean": "difference", "size": "pairs"})
        ends = {
            "from_k": first.k,
            "to_k": second.k,
            "from_languages": first.languages,
            "to_languages": second.languages,
        }
        for column, value in {**named, **ends}.items():
            table[column] = pd.Series([value] * len(table))
        found.append(table)
    return found


def mean_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of each kind of step over sets and seeds, with Student's t interval over sets from three on.

    Columns: series, strategy, setting, from_k, to_k, was, seen, mean, low, high, sets. A set's seeds are averaged
    first. Where the larger set is that of all languages, its one model a seed is on every side, and the interval is
    that over the smaller sets, given this model.
    """
    by = ["series", "strategy", "setting", "from_k", "to_k", "was", "seen"]
    rows = []
    for key, part in table.groupby(by, sort=False):
        values = part.groupby(["from_languages", "to_languages"])["difference"].mean()
        interval = t_interval(values)
        low, high = (interval.low, interval.high) if interval else (float("nan"), float("nan"))
        rows.append((*key, float(values.mean()), low, high, len(values)))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "sets"])


def steps_told(means: pd.DataFrame, measure: str = "RR", setting: str = "cross", series: str = "fixed") -> list[str]:
    """Say in sentences what happens to the pairs of a setting from each number of languages to the next."""
    from hybridkit.plots.strategies import label

    chosen = means[(means["setting"] == setting) & (means["series"] == series)]
    sentences = []
    for row in chosen.sort_values(["strategy", "from_k", "was"]).to_dict("records"):
        kind = f"stay {row['was']}" if row["was"] == row["seen"] else f"go from {row['was']} to {row['seen']}"
        start = "the untrained encoder" if row["from_k"] == 0 else str(row["from_k"])
        languages = "language" if row["to_k"] == 1 else "languages"
        few = f"{row['sets']} set{'s' * (row['sets'] > 1)}, no interval"
        sentences.append(
            f"{label(row['strategy'])}, {start} to {row['to_k']} {languages}: {measure} on {_PAIRS[setting]} pairs "
            f"that {kind} changes by {amount(row['mean'], row['low'], row['high'], few)}."
        )
    return sentences
