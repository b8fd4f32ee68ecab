"""The regressions of a whole diversity study in one table: strategies, series, settings, differences."""

from collections.abc import Sequence

import pandas as pd

from hybridkit.diversity.means import differences
from hybridkit.diversity.regression import Regression, regress
from hybridkit.sections import HYBRID
from hybridkit.study import UNTRAINED

SETTINGS = ("cross", "mono")


def regressions(frame: pd.DataFrame, measure: str = "RR") -> list[Regression]:
    """Regress each strategy of the outcomes in each series and setting, in the kit's order (see `regress`)."""
    from hybridkit.plots.strategies import order

    trained = frame[frame["strategy"] != UNTRAINED]
    return [
        regress(trained, strategy, series, measure, setting)
        for setting in SETTINGS
        for series in dict.fromkeys(trained["series"])
        for strategy in order(trained["strategy"])
    ]


def strategy_differences(frame: pd.DataFrame, first: str = HYBRID) -> pd.DataFrame:
    """Differences of one strategy from every other trained one, in the columns of the outcomes; empty without it."""
    others = [name for name in dict.fromkeys(frame["strategy"]) if name not in (first, UNTRAINED)]
    parts = [differences(frame, first, name) for name in others]
    return pd.concat(parts, ignore_index=True) if parts else frame.iloc[:0]


def effects(fits: Sequence[Regression]) -> pd.DataFrame:
    """One table of all estimates: setting, series, strategy, term, estimate, low, high, note (a reason for none)."""
    parts = []
    for fit in fits:
        table = fit.table
        left = pd.DataFrame(
            [(term, f"cannot be estimated: {reason}") for term, reason in fit.left_out.items()],
            columns=["term", "note"],
        )
        if fit.reason:
            left = pd.DataFrame([("all", f"cannot be estimated: {fit.reason}")], columns=["term", "note"])
        both = pd.concat([one for one in (table, left) if len(one)], ignore_index=True)
        for place, (name, value) in enumerate(
            (("setting", fit.setting), ("series", fit.series), ("strategy", fit.strategy))
        ):
            both.insert(place, name, pd.Series([value] * len(both)))
        parts.append(both)
    columns = ["setting", "series", "strategy", "term", "estimate", "low", "high", "note"]
    return pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)
