"""What a diversity study shows, in sentences: effects with their intervals, and what so few runs cannot show."""

import math

import pandas as pd

from hybridkit.diversity import regression as terms
from hybridkit.diversity.means import ALL, DRAWS_FOR_INTERVAL
from hybridkit.diversity.outcomes import SEEN
from hybridkit.diversity.regression import FAR, Regression
from hybridkit.evaluation.intervals import SEEDS_FOR_INTERVAL
from hybridkit.palette import bare
from hybridkit.study import UNTRAINED

_EFFECTS = {
    f"log2 k, {seen}": f"doubling the number of training languages changes {{}} on {seen} pairs" for seen in SEEN
}
_EFFECTS |= {
    terms.QUERY_SEEN: f"training on the query's language changes {{}} (against an unseen one at distance {FAR})",
    terms.PASSAGE_SEEN: f"training on the passage's language changes {{}} (against an unseen one at distance {FAR})",
    terms.BOTH_SEEN: "having trained on both changes {} beyond what each does",
    terms.LANGUAGE_SEEN: f"training on the language changes {{}} (against an unseen one at distance {FAR})",
    terms.LANGUAGE_DISTANCE: "one step farther from the nearest training language to an unseen one changes {}",
    terms.QUERY_DISTANCE: "one step farther from the nearest training language to an unseen query's changes {}",
    terms.PASSAGE_DISTANCE: "one step farther from the nearest training language to an unseen passage's changes {}",
}


def told(regression: Regression) -> list[str]:
    """Say each effect of a regression with its interval, and whether that leaves out 0; why, where it cannot be.

    A sentence begins with the strategy. An interval that holds 0 is no proof that there is no effect, and is told as
    "no clear effect".
    """
    from hybridkit.plots.strategies import label

    name = label(regression.strategy)
    if regression.reason:
        return [f"{name}: the effect of the number of languages cannot be estimated: {regression.reason}."]
    sentences = []
    for row in regression.table.to_dict("records"):
        effect = _EFFECTS[row["term"]].format(regression.measure)
        sentences.append(f"{name}: {effect} by {amount(row['estimate'], row['low'], row['high'], row['note'])}.")
    for term, reason in regression.left_out.items():
        sentences.append(f"{name}: how {_EFFECTS[term].format(regression.measure)} cannot be estimated: {reason}.")
    return sentences


def amount(estimate: float, low: float = math.nan, high: float = math.nan, note: str = "") -> str:
    """Write an effect with its interval, as a paper does.

    >>> amount(0.0124, 0.004, 0.02), amount(-0.002, -0.01, 0.006)
    ('+.012 (.004 to .020)', '−.002 (−.010 to .006), no clear effect')
    >>> amount(0.1, note="no interval: only 2 draws")
    '+.100 (no interval: only 2 draws)'
    """
    if math.isnan(low) or math.isnan(high):
        return f"{number(estimate, '+')} ({note or 'no interval'})"
    clear = low > 0 or high < 0
    return f"{number(estimate, '+')} ({number(low)} to {number(high)})" + ("" if clear else ", no clear effect")


def number(value: float, sign: str = "") -> str:
    """Write a number with three decimals and no leading zero.

    >>> number(0.5), number(-0.25), number(0.5, "+"), number(1.5)
    ('.500', '−.250', '+.500', '1.500')
    """
    return bare(format(value, f"{sign}.3f"))


def limits(design: pd.DataFrame) -> list[str]:
    """Say what the runs of a design cannot show; an empty list is a design without these limits.

    Takes the frame of `design` or the rows of `outcomes`: group, draw, k, languages, series, strategy, seed.
    """
    rows = design[design["strategy"] != UNTRAINED]
    if rows.empty:
        return ["This study trains nothing on sets of languages."]
    return [*_draws(rows), *_seeds(rows), *_sizes(rows), *_series(rows)]


def _draws(rows: pd.DataFrame) -> list[str]:
    drawn = rows[rows["group"] != ALL]
    draws = drawn.groupby("group")["draw"].nunique()
    few = draws[draws < DRAWS_FOR_INTERVAL]
    found = []
    if len(few):
        told = ", ".join(f"{group} {count}" for group, count in few.items())
        found.append(
            f"Sets are drawn too few times for an interval over draws (draws by group: {told}; needed: "
            f"{DRAWS_FOR_INTERVAL}): how much a result depends on which languages were drawn is hardly known, and a "
            "difference between two numbers of languages may be one between the languages that happened to be drawn."
        )
    for group, part in drawn[drawn["k"] > 1].groupby(["group", "k"])["languages"]:
        name, k = group
        if part.nunique() == 1 and drawn.loc[drawn["group"] == name, "draw"].nunique() > 1:
            found.append(f"Every draw of {name} gives the same set of {k} languages ({part.iloc[0]}): it counts once.")
    if ALL in set(rows["group"]):
        found.append(
            "The set of all languages is one set: its mean has no interval over draws, and only languages that no row "
            "is in are unseen to it."
        )
    return found


def _seeds(rows: pd.DataFrame) -> list[str]:
    seeds = rows["seed"].nunique()
    if seeds >= SEEDS_FOR_INTERVAL:
        return []
    count = "one seed" if seeds == 1 else f"{seeds} seeds"
    return [
        f"Every model is trained with {count}: how far two trainings on the same languages lie apart "
        + ("is not known." if seeds == 1 else "is hardly known.")
    ]


def _sizes(rows: pd.DataFrame) -> list[str]:
    from hybridkit.plots.strategies import label

    found = []
    sizes = rows.groupby("strategy", sort=False)["k"].agg(lambda k: sorted(set(k)))
    for strategy, ks in sizes.items():
        if len(ks) < 3:
            at = " and ".join(map(str, ks))
            found.append(
                f"{label(str(strategy))} is trained on {at} languages only: "
                + ("two points show a direction and no shape." if len(ks) == 2 else "nothing varies with their number.")
            )
    return found


def _series(rows: pd.DataFrame) -> list[str]:
    series = set(rows["series"])
    if series == {"fixed"}:
        return [
            "All models are trained on the same number of rows, so that more languages mean fewer rows of each: "
            "whether languages that bring rows of their own help more is not asked (series: growing)."
        ]
    if series == {"growing"}:
        return ["Rows grow with the number of languages: what the languages do and what the rows do is not told apart."]
    return []
