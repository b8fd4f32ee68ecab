"""Parts of the outcomes that single figures are drawn from: the least and the most diverse set, and distance."""

from itertools import combinations

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.languages import language_distance
from hybridkit.study import UNTRAINED

_PAIR = ["series", "benchmark", "setting", "query_language", "passage_language"]
SIDES = {
    "mono": "unseen language, monolingual",
    "query": "unseen query, seen passage",
    "passage": "seen query, unseen passage",
}


def spread(languages: str) -> float:
    """Mean distance of the languages of a set (joined by spaces) from each other; 0 for one language.

    >>> spread("de en"), spread("ar th zh"), spread("de")
    (1.0, 4.0, 0.0)
    """
    pairs = list(combinations(languages.split(), 2))
    return sum(language_distance(*pair) for pair in pairs) / len(pairs) if pairs else 0.0


def extremes(
    frame: pd.DataFrame, strategy: str, benchmark: str, series: str = "fixed", measure: str = "RR"
) -> pd.DataFrame:
    """A measure by pair of languages for the least and the most diverse set of a strategy, seeds averaged.

    Diverse is, in this order: more languages, more families, more scripts, farther from each other (`spread`), the
    first by name of equals. Columns: which ("least", "most"), languages, query_language, passage_language, value.
    Raises InputError where the strategy has fewer than two sets.
    """
    chosen = frame[
        (frame["strategy"] == strategy) & (frame["series"] == series) & (frame["measure"] == measure)
        & (frame["benchmark"] == benchmark) & (frame["setting"] != "pool")
    ]  # fmt: skip
    sets = chosen.drop_duplicates("languages")[["k", "families", "scripts", "languages"]].to_dict("records")
    if len(sets) < 2:
        raise InputError(
            f"diversity: {strategy!r} has {len(sets)} sets of languages in the series {series!r}; two differ"
        )
    sets.sort(key=lambda one: str(one["languages"]))
    sets.sort(key=lambda one: (one["k"], one["families"], one["scripts"], spread(str(one["languages"]))))
    by = ["languages", "query_language", "passage_language"]
    parts: list[pd.DataFrame] = []
    for which, one in (("least", sets[0]), ("most", sets[-1])):
        own = chosen[chosen["languages"] == one["languages"]].groupby(by, sort=False)["value"].mean().reset_index()
        own.insert(0, "which", pd.Series([which] * len(own)))
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def by_distance(frame: pd.DataFrame, measure: str = "RR") -> pd.DataFrame:
    """Gain over the untrained encoder on the same pairs, by the distance of the language that is not trained on.

    A line a model, side and distance: series, strategy, group, k, languages, seed, side (a value of SIDES), distance
    (0: trained on), value (mean over pairs), pairs. On the sides of cross-lingual pairs the other language is seen.
    """
    chosen = frame[(frame["measure"] == measure) & (frame["setting"] != "pool")]
    base = chosen.loc[chosen["strategy"] == UNTRAINED, [*_PAIR, "value"]].rename(columns={"value": "base"})
    trained = chosen[chosen["strategy"] != UNTRAINED].merge(base, on=_PAIR)
    trained["value"] -= trained["base"]
    mono, seen = trained["setting"] == "mono", trained["seen"]
    which = {
        "mono": (mono, "query_distance"),
        "query": (~mono & seen.str.endswith("-seen"), "query_distance"),
        "passage": (~mono & seen.str.startswith("seen-"), "passage_distance"),
    }
    parts = [trained[own].assign(side=SIDES[side], distance=trained[name]) for side, (own, name) in which.items()]
    by = ["series", "strategy", "group", "k", "languages", "seed", "side", "distance"]
    grouped = pd.concat(parts, ignore_index=True).groupby(by, sort=False)["value"]
    found: pd.DataFrame = grouped.agg(value="mean", pairs="size").reset_index()
    return found
