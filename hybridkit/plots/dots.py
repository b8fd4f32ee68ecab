"""Dot rows: a line a strategy, its seeds as points, their mean and, from three seeds on, the t interval of the mean."""

import pandas as pd
from matplotlib.axes import Axes

from hybridkit.evaluation.intervals import t_interval
from hybridkit.plots.strategies import colour, label, marker
from hybridkit.plots.style import round_ticks

SEEDS = "points: seeds; large marker and bar: mean and 95 % t interval over seeds (from 3 seeds on)"
SINGLE = "one training each: no interval"


def dot_rows(axes: Axes, frame: pd.DataFrame, strategies: list[str]) -> None:
    """Draw `value` (x) by `strategy` (y, in the order given, from the top); seeds are the rows of a strategy.

    One or two seeds are drawn as points alone; three or more also get their mean and its interval (`t_interval`).
    """
    for place, name in enumerate(strategies):
        values = frame.loc[frame["strategy"] == name, "value"].dropna().astype(float).tolist()
        shade, shape = colour(name), marker(name)
        interval = t_interval(values)
        if interval is None:
            axes.plot(values, [place] * len(values), shape, color=shade, markersize=5, linestyle="none", label=name)
            continue
        axes.plot(values, [place + 0.24] * len(values), ".", color=shade, markersize=3.5, alpha=0.8, linestyle="none")
        axes.plot([interval.low, interval.high], [place, place], color=shade, linewidth=1.6, label=f"{name} interval")
        axes.plot([interval.mean], [place], shape, color=shade, markersize=4.8, label=name)
    axes.set_yticks(range(len(strategies)), [label(name) for name in strategies])
    axes.set_ylim(len(strategies) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(round_ticks(4))
    axes.grid(axis="x")
    axes.margins(x=0.08)


def seeds_note(frame: pd.DataFrame, *group: str) -> str:
    """What the marks mean, for the foot of a figure; the interval is only mentioned where there is one."""
    most = frame.groupby(list(group), dropna=False)["value"].count().max()
    if most >= 3:
        return SEEDS
    return "points: seeds (two are no interval)" if most == 2 else SINGLE
