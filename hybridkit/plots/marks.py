"""What several figures share: dots and differences with their intervals, legend entries, checks of a frame."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from hybridkit.errors import InputError
from hybridkit.evaluation.resampling import t_interval
from hybridkit.evaluation.significance import BEYOND, GIVEN, INTERVALS
from hybridkit.plots.palette import colour, marker
from hybridkit.plots.style import round_ticks
from hybridkit.sampling.labels import label, order

SEEDS = "points: seeds; large marker and bar: mean and 95 % t interval over seeds (from 3 seeds on)"
SINGLE = "one training each: no interval"
BOTH = "thick: 95 % interval over questions, given these trainings; thin: over questions and other trainings, from 3 on"
FILLED = (
    f"filled ({BEYOND}): differs over other trainings too; half ({GIVEN}): over questions, given these trainings; "
    "hollow: not shown"
)
DIFFERENCE = [*INTERVALS, "mark"]  # the columns of a row of `significance.judged` that are drawn


def require_columns(frame: pd.DataFrame, figure: str, *columns: str) -> pd.DataFrame:
    """Return the frame, or raise InputError where it has no rows or not these columns."""
    for column in columns:
        if column not in frame.columns:
            there = ", ".join(map(str, frame.columns)) or "none"
            raise InputError(f"figure {figure}: the frame has no column {column!r} (columns: {there}); add it")
    if frame.empty:
        raise InputError(
            f"figure {figure}: the frame has no rows (columns needed: {', '.join(columns)}); nothing to draw"
        )
    return frame


def pick(frame: pd.DataFrame, figure: str, column: str, value: str) -> pd.DataFrame:
    """Return the rows whose column equals a value; raise InputError with the known values where none does."""
    chosen = frame[frame[column] == value]
    if chosen.empty:
        there = ", ".join(sorted({str(entry) for entry in frame[column]}))
        raise InputError(f"figure {figure}: no row with {column} = {value!r}; there is {there}")
    return chosen


def one(frame: pd.DataFrame, figure: str, *columns: str) -> None:
    """Check that columns, where they are there, hold one value each, so that a mean never mixes two things."""
    for column in columns:
        if column in frame.columns and frame[column].nunique(dropna=False) > 1:
            there = ", ".join(sorted({str(entry) for entry in frame[column]}))
            raise InputError(f"figure {figure}: column {column!r} holds {there}; select one of them first")


def matrix(frame: pd.DataFrame, rows: list[str], columns: list[str], value: str = "value") -> np.ndarray:
    """Return the mean of `value` by query language (rows) and passage language (columns), NaN for a missing pair."""
    table = frame.pivot_table(index="query_language", columns="passage_language", values=value, aggfunc="mean")
    return table.reindex(index=rows, columns=columns).to_numpy(dtype=float)


def handles(strategies: Iterable[str], line: bool = False) -> list[Any]:
    """Return legend entries for strategies, in the kit's order: markers, or lines."""
    style: dict[str, Any] = {"linestyle": "-"} if line else {"linestyle": "none", "markersize": 5}
    return [
        Line2D([], [], color=colour(name), marker="" if line else marker(name), label=label(name), **style)
        for name in order(strategies)
    ]


def dot_rows(axes: Axes, frame: pd.DataFrame, strategies: list[str]) -> None:
    """Draw `value` (x) by `strategy` (y, in the order given, from the top); seeds are the rows of a strategy.

    One or two seeds are drawn as points alone; three or more also get their mean and its interval (`t_interval`).
    """
    for y, name in enumerate(strategies):
        values = frame.loc[frame["strategy"] == name, "value"].dropna().astype(float).tolist()
        shade, shape = colour(name), marker(name)
        interval = t_interval(values)
        if interval is None:
            axes.plot(values, [y] * len(values), shape, color=shade, markersize=5, linestyle="none", label=name)
            continue
        axes.plot(values, [y + 0.24] * len(values), ".", color=shade, markersize=3.5, alpha=0.8, linestyle="none")
        axes.plot([interval.low, interval.high], [y, y], color=shade, linewidth=1.6, label=f"{name} interval")
        axes.plot([interval.mean], [y], shape, color=shade, markersize=4.8, label=name)
    strategy_axis(axes, strategies, margin=0.08)


def difference_bars(
    axes: Axes, row: Sequence[Any], at: float, apart: float, shade: str, shape: str, *, upright: bool = False
) -> None:
    """Draw one difference, given the columns of DIFFERENCE; `apart` are its intervals from each other, on both sides.

    The marker is filled, half filled or hollow by its mark (`significance.judged`).
    """
    value, low, high, first, last = map(float, row[:5])
    for ends, width, side, name in (([low, high], 2.2, -apart, "questions"), ([first, last], 0.9, apart, "trainings")):
        line = ([at + side] * 2, ends) if upright else (ends, [at + side] * 2)
        axes.plot(*line, color=shade, linewidth=width, alpha=0.7 if width > 1 else 1, label=name)
    fill, face = {BEYOND: ("full", shade), GIVEN: ("left", shade)}.get(str(row[5]), ("full", "white"))
    look: dict[str, Any] = {
        "fillstyle": fill,
        "markerfacecolor": face,
        "markerfacecoloralt": "white",
        "markersize": 4.4,
    }
    axes.plot(*(([at], [value]) if upright else ([value], [at])), shape, color=shade, label="mean", **look)


def strategy_axis(axes: Axes, strategies: list[str], ticks: int = 4, below: float = 0.4, margin: float = 0.1) -> None:
    """Name strategies on the y axis, the first at the top, and rule the x axis; `below` is the room under the last."""
    row_axis(axes, [label(name) for name in strategies], below)
    axes.xaxis.set_major_locator(round_ticks(ticks))
    axes.margins(x=margin)


def row_axis(axes: Axes, labels: list[str], below: float = 0.4) -> None:
    """Name rows on the y axis from the top, without ticks, under a grid of x."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - below, below - 1)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def name_grid(axes: list[Axes], titles: list[str], below: list[str], left: list[str]) -> None:
    """Name the panels of a grid: each column above its first and below its last panel, each line at its left."""
    for number, ax in enumerate(axes):
        line, column = divmod(number, len(titles))
        if not line:
            ax.set_title(titles[column])
        if line == len(left) - 1:
            ax.set_xlabel(below[column])
        if not column:
            ax.set_ylabel(left[line])


def seeds_note(frame: pd.DataFrame, *group: str) -> str:
    """Return what the marks mean, for the foot of a figure; the interval is only mentioned where there is one."""
    most = frame.groupby(list(group), dropna=False)["value"].count().max()
    if most >= 3:
        return SEEDS
    return "points: seeds (two are no interval)" if most == 2 else SINGLE
