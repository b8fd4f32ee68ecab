"""The figures of remedies: strategies with each in two planes, what they give untrained, and on test collections."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import DISTANCE
from hybridkit.plots.marks import (
    DIFFERENCE,
    FAR,
    better,
    difference_bars,
    difference_key,
    handles,
    name_grid,
    one,
    reach,
    require_columns,
    row_axis,
)
from hybridkit.plots.palette import colour, marker
from hybridkit.plots.style import WIDTH, foot, many, panels, printed, round_ticks
from hybridkit.sampling.labels import label, order

AXES = {
    "mono": "mean AP, monolingual",
    "pool": "mean AP, multilingual pool",
    "own": "RR, the answer\nin the query's language",
    "other": "RR, the answer\nin one other language",
}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*", "d", "8")
_PLAIN = "none"
_BARS = "bars: 95 % intervals over questions and trainings (over questions where there are fewer than 3 trainings)"
_FRONT = "#9a9a9a"
_DISTANCE = "rank distance"


@printed
def remedy_planes(
    frame: pd.DataFrame, planes: tuple[tuple[str, str], ...] = (("mono", "pool"), ("own", "other"))
) -> Figure:
    """Every strategy (colour) with every remedy (marker) in planes of two measures; a line joins the front.

    Columns: benchmark (a line of panels each), strategy, remedy, column (a key of `AXES`), value, low, high,
    crossed_low, crossed_high, front. Bars are 95 % intervals over questions and trainings where there are three
    trainings, else over questions. Both axes are better upwards and to the right.
    """
    needed = (
        "benchmark",
        "strategy",
        "remedy",
        "column",
        "value",
        "low",
        "high",
        "crossed_low",
        "crossed_high",
        "front",
    )
    require_columns(frame, "remedy_planes", *needed)
    one(frame, "remedy_planes", "encoder", "study")
    if unknown := sorted(set(sum(planes, ())) - set(AXES)):
        raise InputError(f"figure remedy_planes: no axis {unknown[0]!r}; there are {', '.join(AXES)}")
    rows = list(dict.fromkeys(frame["benchmark"]))
    remedies = _remedies(frame)
    figure, axes = panels(len(rows), len(planes), WIDTH, 2.9 * len(rows) + 0.5 + 0.17 * -(-len(remedies) // 2))
    for number, ax in enumerate(axes):
        row, plane = rows[number // len(planes)], planes[number % len(planes)]
        _plane(ax, frame[frame["benchmark"] == row], plane, remedies)
        if not number % len(planes):
            ax.set_title(row, loc="left")
    shapes = [
        Line2D([], [], color="#404040", label=name, linestyle="none", **_look(remedies, name)) for name in remedies
    ]
    line = Line2D([], [], color=_FRONT, linewidth=0.9, label="front: nothing is better on both axes")
    foot(figure, [*_strategies(frame), *shapes, line], _BARS, columns=2)
    figure.suptitle("Strategies and remedies against language bias")
    return figure


def _remedies(frame: pd.DataFrame) -> list[str]:
    """The remedies of a frame, none first."""
    return sorted(dict.fromkeys(frame["remedy"]), key=lambda name: name != _PLAIN)


def _strategies(frame: pd.DataFrame) -> list[Line2D]:
    """The legend's entries of the strategies: a line of colour each, since markers are those of remedies."""
    found: list[Line2D] = handles(order(frame["strategy"]), line=True)
    for entry in found:
        entry.set_linewidth(4)
    return found


def _plane(axes: Axes, frame: pd.DataFrame, plane: tuple[str, str], remedies: list[str]) -> None:
    """The points of one benchmark in one plane."""
    x, y = (frame[frame["column"] == name].set_index(["strategy", "remedy"]) for name in plane)
    for system in x.index.intersection(y.index, sort=False):
        strategy, remedy = system
        at = [one.loc[system] for one in (x, y)]
        (left, right), (low, high) = map(_ends, at)
        shade = colour(strategy)
        axes.plot([left, right], [at[1]["value"]] * 2, color=shade, linewidth=0.7, alpha=0.45, label="interval")
        axes.plot([at[0]["value"]] * 2, [low, high], color=shade, linewidth=0.7, alpha=0.45, label="interval")
        point = [at[0]["value"]], [at[1]["value"]]
        axes.plot(*point, color=shade, linestyle="none", label=f"{strategy}, {remedy}", **_look(remedies, remedy))
    ahead = x.loc[x["front"].astype(bool), "value"].sort_values()
    axes.plot(ahead, y.loc[ahead.index, "value"], color=_FRONT, linewidth=0.9, zorder=0.6, label="front")
    axes.set(xlabel=f"{AXES[plane[0]]}  {better('AP')}", ylabel=f"{AXES[plane[1]]}  {better('AP', upright=True)}")
    axes.grid()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(round_ticks(5))
    axes.margins(0.06)


def _ends(row: Mapping[Any, Any]) -> tuple[float, float]:
    crossed = row["crossed_low"] == row["crossed_low"]
    return (
        (float(row["crossed_low"]), float(row["crossed_high"])) if crossed else (float(row["low"]), float(row["high"]))
    )


def _look(remedies: list[str], name: str) -> dict[str, Any]:
    """The marker of a remedy; none is a hollow circle."""
    marker = _MARKERS[remedies.index(name) % len(_MARKERS)]
    hollow = {"markersize": 5.2, "markerfacecolor": "white"} if name == _PLAIN else {"markersize": 4.4}
    return {"marker": marker, **hollow}


@printed
def remedy_effects(frame: pd.DataFrame) -> Figure:
    """The difference of a system with each remedy from another system, a panel a column of the table.

    Columns: benchmark, strategy, remedy, against_strategy, against_remedy, column, and those of `marks.DIFFERENCE`. A
    benchmark is a line of panels. Thick bars are intervals over questions, thin ones over questions and trainings.
    """
    needed = ("benchmark", "strategy", "remedy", "against_strategy", "against_remedy", "column", *DIFFERENCE)
    require_columns(frame, "remedy_effects", *needed)
    one(frame, "remedy_effects", "encoder", "study", "strategy", "against_strategy", "against_remedy")
    rows, columns = list(dict.fromkeys(frame["benchmark"])), list(dict.fromkeys(frame["column"]))
    remedies = _remedies(frame)
    strategy = str(frame["strategy"].iloc[0])
    height = len(rows) * (0.26 * len(remedies) + 0.75) + 1.25
    figure, axes = panels(len(rows), len(columns), WIDTH, height, sharey=True)
    far: list[float] = []
    for number, ax in enumerate(axes):
        row, name = rows[number // len(columns)], columns[number % len(columns)]
        ax.axvline(0, color="#767676", linewidth=0.8, zorder=0.5)
        part = frame[(frame["benchmark"] == row) & (frame["column"] == name)]
        far.append(reach(part))
        for remedy, *values in part[["remedy", *DIFFERENCE]].itertuples(index=False, name=None):
            difference_bars(ax, values, remedies.index(remedy), colour(strategy), "o", far[-1])
        row_axis(ax, [name.replace(" + ", " +\n") for name in remedies])
        ax.xaxis.set_major_locator(round_ticks(2))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))  # short: panels are narrow
        ax.margins(x=0.12)
    answer = f"Δ RR\n{better('RR')}"
    units = {_DISTANCE: f"Δ ranks\n{better(DISTANCE)}", "own": answer, "other": answer}
    below = [units.get(name, f"Δ AP\n{better('AP')}") for name in columns]
    name_grid(axes, columns, below, rows)
    foot(figure, difference_key(), FAR * any(map(math.isfinite, far)), columns=1)
    against = label(str(frame["against_strategy"].iloc[0]))
    remedy = str(frame["against_remedy"].iloc[0])
    figure.suptitle(f"{label(strategy)} with each remedy, minus {against}" + f" with {remedy}" * (remedy != _PLAIN))
    return figure


@printed
def remedy_collections(frame: pd.DataFrame, measure: str = "nDCG@10") -> Figure:
    """The mean of every strategy (colour and marker) with every remedy (a line) on test collections, a panel each.

    Columns: benchmark, strategy, remedy, value, low, high, crossed_low, crossed_high. Bars are 95 % intervals over
    questions and trainings where there are three trainings, else over questions.
    """
    needed = ("benchmark", "strategy", "remedy", "value", "low", "high", "crossed_low", "crossed_high")
    require_columns(frame, "remedy_collections", *needed)
    one(frame, "remedy_collections", "encoder", "study")
    names, strategies = list(dict.fromkeys(frame["benchmark"])), order(frame["strategy"])
    remedies = _remedies(frame)
    step = 0.7 / max(1, len(strategies))
    height = (0.1 * len(strategies) + 0.16) * len(remedies) + 0.5
    figure, axes = many(len(names), height, 1.1, WIDTH, most=2, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        part = frame[frame["benchmark"] == name]
        for row in part.to_dict("records"):
            nth, shade = strategies.index(row["strategy"]), colour(row["strategy"])
            at = remedies.index(row["remedy"]) + step * (nth - (len(strategies) - 1) / 2)
            ax.plot(_ends(row), [at, at], color=shade, linewidth=1.1, alpha=0.6, label="interval")
            ax.plot([row["value"]], [at], marker(row["strategy"]), color=shade, markersize=4, label=row["strategy"])
        row_axis(ax, [one.replace(" + ", " +\n") for one in remedies])
        ax.set(title=name, xlabel=f"mean {measure}  {better(measure)}")
        ax.xaxis.set_major_locator(round_ticks(4))
        ax.margins(x=0.06)
    foot(figure, handles(strategies), _BARS)
    figure.suptitle("Strategies and remedies where a question is answered in its own language")
    return figure
