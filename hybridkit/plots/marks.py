"""What several figures share: dots and differences with their intervals, legend entries, checks of a frame."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import measure_of
from hybridkit.evaluation.resampling import Interval, t_interval
from hybridkit.evaluation.significance import BEYOND, GIVEN, INTERVALS
from hybridkit.plots.palette import INK, colour, marker
from hybridkit.plots.style import round_ticks
from hybridkit.sampling.labels import label, order

SEEDS = "points: seeds; large marker and bar: mean and 95 % t interval over seeds (from 3 seeds on)"
SINGLE = "one training each: no interval"
FAR = "arrow: a difference beyond the axis, with its value"
_FAR = 3.0  # times as far from 0 as the interval of any other difference
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


def difference_key() -> list[Any]:
    """Return the legend entries of `difference_bars`: both intervals, and the three fillings of a marker."""
    line: dict[str, Any] = {"color": INK, "solid_capstyle": "butt"}
    point: dict[str, Any] = {"color": INK, "marker": "o", "linestyle": "none"}
    return [
        Line2D([], [], **line, **_THICK, label="95 % interval over questions, given these trainings"),
        Line2D([], [], **line, **_THIN, label="over questions and other trainings (from 3 on)"),
        Line2D([], [], **point, **_filling(BEYOND, INK), label=f"differs over other trainings too ({BEYOND})"),
        Line2D([], [], **point, **_filling(GIVEN, INK), label=f"over questions, given these trainings ({GIVEN})"),
        Line2D([], [], **point, **_filling("", INK), label="no difference shown"),
    ]


def better(measure: str, upright: bool = False) -> str:
    """Return which way of an axis is better: "better →", "← better", upright "better ↑" or "↓ better".

    >>> better("AP"), better("rank_distance", upright=True)
    ('better →', '↓ better')
    """
    if measure_of(measure).better == "lower":
        return "↓ better" if upright else "← better"
    return "better ↑" if upright else "better →"


def inside(interval: Interval | None, least: float, most: float) -> Interval | None:
    """Cut an interval of a mean at the range of its measure: Student's t knows of no such bounds.

    A mean outside of the range is of another measure than was said, whose interval stays as it is.

    >>> inside(Interval(0.9, 0.7, 1.1), 0, 1)
    Interval(mean=0.9, low=0.7, high=1)
    """
    if interval is None or not least <= interval.mean <= most:
        return interval
    return Interval(interval.mean, max(interval.low, least), min(interval.high, most))


def reach(frame: pd.DataFrame) -> float:
    """How far from 0 the differences of a panel are drawn, so that none of them sets the scale of all others.

    At most a quarter of them lie beyond: those three times as far as the interval of any other. `inf`: all are drawn.

    >>> reach(pd.DataFrame([[value] * 5 for value in (0.02, 0.03, -0.01, -0.34)], columns=INTERVALS))
    0.03
    """
    sizes = frame["difference"].abs().sort_values(ascending=False)
    ends = frame[list(INTERVALS)].abs().max(axis=1)[sizes.index]
    for count in range(max(len(sizes) // 4, len(sizes) > 2), 0, -1):
        if sizes.iloc[count - 1] > _FAR * ends.iloc[count:].max():
            return float(ends.iloc[count:].max())
    return math.inf


def dot_rows(
    axes: Axes, frame: pd.DataFrame, strategies: list[str], least: float = -math.inf, most: float = math.inf
) -> None:
    """Draw `value` (x) by `strategy` (y, in the order given, from the top); seeds are the rows of a strategy.

    One or two seeds are drawn as points alone; three or more also get their mean and its interval (`t_interval`), which
    ends at the range of the measure, `least` to `most`.
    """
    for y, name in enumerate(strategies):
        values = frame.loc[frame["strategy"] == name, "value"].dropna().astype(float).tolist()
        shade, shape = colour(name), marker(name)
        interval = inside(t_interval(values), least, most)
        if interval is None:
            axes.plot(values, [y] * len(values), shape, color=shade, markersize=5, linestyle="none", label=name)
            continue
        axes.plot(values, [y + 0.24] * len(values), ".", color=shade, markersize=3.5, alpha=0.8, linestyle="none")
        axes.plot([interval.low, interval.high], [y, y], color=shade, linewidth=1.6, label=f"{name} interval")
        axes.plot([interval.mean], [y], shape, color=shade, markersize=4.8, label=name)
    strategy_axis(axes, strategies, margin=0.08)


def difference_bars(
    axes: Axes, row: Sequence[Any], at: float, shade: str, shape: str, far: float = math.inf, *, upright: bool = False
) -> None:
    """Draw one difference, given the columns of DIFFERENCE: the thin interval on the thick, pale one.

    The marker is filled, half filled or hollow by its mark (`significance.judged`). One farther from 0 than `far`
    (`reach`) is an arrow at the edge with its value and mark.
    """
    value, low, high, first, last = map(float, row[:5])
    if abs(value) > far:
        _arrow(axes, value, str(row[5]).replace("nan", ""), at, shade, upright)
        return
    for ends, look, name in (([low, high], _THICK, "questions"), ([first, last], _THIN, "trainings")):
        line = ([at] * 2, ends) if upright else (ends, [at] * 2)
        axes.plot(*line, color=shade, solid_capstyle="butt", label=name, **look)
    point = ([at], [value]) if upright else ([value], [at])
    axes.plot(*point, shape, color=shade, label="mean", **_filling(str(row[5]), shade))


_THICK: dict[str, Any] = {"linewidth": 7.5, "alpha": 0.35}
_THIN: dict[str, Any] = {"linewidth": 1.1}


def _filling(mark: str, shade: str) -> dict[str, Any]:
    fill, face = {BEYOND: ("full", shade), GIVEN: ("left", shade)}.get(mark, ("full", "white"))
    return {"fillstyle": fill, "markerfacecolor": face, "markerfacecoloralt": "white", "markersize": 3.4}


def _arrow(axes: Axes, value: float, mark: str, at: float, shade: str, upright: bool) -> None:
    """Write a difference that lies beyond an axis at that end of it, along the axis."""
    number = (f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+.2f}").replace("-", "\u2212") + mark
    above = value > 0
    text, end = (f"{number} →", "right") if above else (f"← {number}", "left")
    look: dict[str, Any] = {"fontsize": 7, "color": shade, "annotation_clip": False}
    if upright:
        across: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "top" if above else "bottom"}
        axes.annotate(text, (at, float(above)), xycoords=axes.get_xaxis_transform(), **across, **look)
        return
    axes.annotate(text, (float(above), at), xycoords=axes.get_yaxis_transform(), ha=end, va="center", **look)


def strategy_axis(axes: Axes, strategies: list[str], ticks: int = 4, below: float = 0.4, margin: float = 0.1) -> None:
    """Name strategies on the y axis, the first at the top, and rule the x axis; `below` is the room under the last."""
    row_axis(axes, [label(name) for name in strategies], below)
    axes.xaxis.set_major_locator(round_ticks(ticks, least=3))
    axes.margins(x=margin)


def log_ranks(axes: Axes, values: pd.Series, upright: bool = False, ticks: tuple[float, ...] = (1.0, 2.0, 5.0)) -> bool:
    """Make an axis of ranks logarithmic where they span a factor of four: one far out would hide all others.

    `ticks` are those of each power of ten. Returns whether it is logarithmic; else the axis begins at 0.
    """
    set_limits, set_scale = (axes.set_ylim, axes.set_yscale) if upright else (axes.set_xlim, axes.set_xscale)
    if values.min() <= 0 or values.max() < 4 * values.min():
        set_limits(0)
        return False
    set_scale("log")
    set_limits(values.min() / 1.4, values.max() * 1.4)
    axis = axes.yaxis if upright else axes.xaxis
    axis.set_major_locator(LogLocator(subs=ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    return True


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
