"""Figures of curves: a measure against alpha, training rows or batch size; differences with both their intervals."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.evaluation.measures import DISTANCE, SETTINGS, in_order, measure_of
from hybridkit.evaluation.resampling import t_interval
from hybridkit.plots.marks import (
    DIFFERENCE,
    FAR,
    better,
    difference_bars,
    difference_key,
    dot_rows,
    handles,
    inside,
    log_ranks,
    one,
    pick,
    reach,
    require_columns,
    strategy_axis,
)
from hybridkit.plots.palette import INK, NEUTRAL, colour, marker
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks
from hybridkit.sampling.labels import label, order

_X = {"alpha": "α", "rows": "training rows", "batch_size": "batch size"}
_PUBLISHED = 0.5  # the alpha of arXiv 2408.10536
_PAIRS = {"cross": "cross,\nmixed pairs", "cross(pairs='one')": "cross, one\npair a batch"}


@printed
def curves(frame: pd.DataFrame, over: str = "alpha", measure: str = "AP") -> Figure:
    """A measure in each setting, and the rank distance, against alpha, the training rows or the batch size.

    Columns: x, strategy, seed, setting, measure, value (`curves.scores.curve_scores`). `over` is "alpha" (one line),
    "rows" or "batch_size" (a line a strategy, logarithmic x). Line: mean over seeds; band: its 95 % t interval, from
    three seeds on; points: seeds. The dotted line is at the published alpha.
    """
    require_columns(frame, "curves", "x", "strategy", "seed", "setting", "measure", "value")
    one(frame, "curves", "benchmark", "encoder", "study")
    whole, strategies = over == "alpha", order(frame["strategy"])
    drawn = _panels(frame, "curves", measure)
    figure, axes = panels(1, len(drawn), min(WIDTH, 1.9 * len(drawn) + 0.5), 2.6 + 0.25 * (not whole), sharex=True)
    for ax, (name, part) in zip(axes, drawn.items(), strict=True):
        if whole:
            ax.axvline(_PUBLISHED, color="#767676", linewidth=0.8, linestyle=":", zorder=0.5)
            _line(ax, part, INK, "o", "")
        for strategy in () if whole else strategies:
            _line(ax, part[part["strategy"] == strategy], colour(strategy), marker(strategy), strategy)
        _finish(ax, name, over, sorted(set(frame["x"])))
    log = DISTANCE in drawn and log_ranks(axes[-1], drawn[DISTANCE]["value"], upright=True)
    distance = f"rank distance\n(ranks{', log scale' * log})\n{better(DISTANCE, True)}"
    _y_labels(axes, list(drawn), f"mean {measure}\n{better(measure, True)}", distance)
    counts = frame.groupby(["x", "strategy", "setting", "measure"])["value"].count()
    bands = {1: "", 2: "; line: mean"}.get(int(counts.max()), "; line and band: mean and 95 % t interval over seeds")
    start = "α: share of monolingual batches (0: cross, 1: mono); dotted: as published\n" if whole else ""
    foot(figure, [] if whole else handles(strategies, line=True), f"{start}points: seeds{bands}")
    figure.suptitle(f"{measure} and language bias against {_X.get(over, over)}")
    return figure


@printed
def curve_differences(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """The difference of every alpha to alpha 0.5, a panel a setting and one for the rank distance.

    Columns: x, setting, measure, difference, low, high, crossed_low, crossed_high, mark: the rows of `curves.contrasts`
    for "alpha". With all_low and all_high the thin bars are those that hold for whichever alpha is picked.
    """
    require_columns(frame, "curve_differences", "x", "setting", "measure", *DIFFERENCE)
    one(frame, "curve_differences", "benchmark", "encoder", "study")
    chosen = {"all_low": "crossed_low", "all_high": "crossed_high"}
    if corrected := set(chosen) <= set(frame.columns):
        frame = frame.drop(columns=chosen.values()).rename(columns=chosen)
    drawn = _panels(frame, "curve_differences", measure)
    figure, axes = panels(1, len(drawn), min(WIDTH, 1.9 * len(drawn) + 0.5), 3.1, sharex=True)
    far: list[float] = []
    for ax, (name, part) in zip(axes, drawn.items(), strict=True):
        far.append(reach(part))
        ax.axhline(0, color=NEUTRAL, linewidth=0.8, zorder=0.5)
        for x, *row in part[["x", *DIFFERENCE]].itertuples(index=False, name=None):
            difference_bars(ax, row, float(x), INK, "o", far[-1], upright=True)
        ax.plot([_PUBLISHED], [0], "D", color=NEUTRAL, markersize=3.5, linestyle="none", label="published")
        ax.margins(x=0.12)
        _finish(ax, name, "alpha", sorted({*frame["x"], _PUBLISHED}))
    distance = f"Δ rank distance\n(ranks)\n{better(DISTANCE, True)}"
    _y_labels(axes, list(drawn), f"Δ mean {measure}\n{better(measure, True)}", distance)
    published: dict[str, Any] = {"marker": "D", "color": NEUTRAL, "linestyle": "none", "markersize": 3.5}
    entries = [*difference_key(), Line2D([], [], **published, label=f"α = {_PUBLISHED}, as published")]
    notes = ["thin intervals hold for any α that is picked"] * corrected + [FAR] * any(map(math.isfinite, far))
    foot(figure, entries, "; ".join(notes), columns=1)
    figure.suptitle(f"Is any α better than {_PUBLISHED}? Differences with both intervals")
    return figure


@printed
def pair_batches(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """Strategies that differ in the pairs of a batch: their values, and below the difference to the first of them.

    Rows with a value (strategy, seed, setting, measure, value: `curves.scores.curve_scores`) and rows with a difference
    (strategy, against, setting, measure, difference, low, high, crossed_low, crossed_high, mark) in one frame.
    """
    require_columns(frame, "pair_batches", "strategy", "seed", "setting", "measure", "value", "against", *DIFFERENCE)
    one(frame, "pair_batches", "benchmark", "encoder", "study")
    strategies = list(dict.fromkeys(frame.loc[frame["value"].notna(), "strategy"]))
    drawn = _panels(frame, "pair_batches", measure)
    height = 0.34 * len(strategies) + 0.3 * (len(strategies) - 1) + 2.7
    figure, axes = panels(2, len(drawn), WIDTH, height, height_ratios=[len(strategies), len(strategies) - 0.4])
    for number, (name, part) in enumerate(drawn.items()):
        above, below = axes[number], axes[number + len(drawn)]
        measured = measure_of(DISTANCE if name == DISTANCE else measure)
        dot_rows(above, part[part["value"].notna()], strategies, measured.least, measured.most)
        above.set_yticks(range(len(strategies)), [_PAIRS.get(name, label(name)) for name in strategies])
        above.set_title(SETTINGS.get(name, "language bias"))
        above.set_xlabel(
            f"rank distance (ranks)\n{better(name)}" if name == DISTANCE else f"mean {measure}\n{better(measure)}"
        )
        _difference_rows(below, part[part["difference"].notna()], strategies[1:])
        below.set_yticks(range(len(strategies) - 1), [_PAIRS.get(name, label(name)) for name in strategies[1:]])
        below.set_xlabel("Δ " + above.get_xlabel())
        if number:
            above.set_yticklabels([])
            below.set_yticklabels([])
    foot(figure, difference_key(), f"above: seeds, mean and t interval; below: minus {label(strategies[0])}", columns=1)
    figure.suptitle("Pairs of languages inside a batch")
    return figure


def _panels(frame: pd.DataFrame, figure: str, measure: str) -> dict[str, pd.DataFrame]:
    """The rows of each panel: the settings of a measure, then the rank distance where there is one."""
    chosen = pick(frame, figure, "measure", measure)
    found = {name: chosen[chosen["setting"] == name] for name in in_order(chosen["setting"])}
    distance = frame[frame["measure"] == DISTANCE]
    return found | ({DISTANCE: distance} if len(distance) and measure != DISTANCE else {})


def _line(axes: Axes, frame: pd.DataFrame, shade: str, shape: str, name: str) -> None:
    points = frame.groupby("x")["value"]
    measured = measure_of(str(frame["measure"].iloc[0]))
    intervals = {float(x): inside(t_interval(part), measured.least, measured.most) for x, part in points}  # type: ignore[arg-type]
    means = {float(x): float(part.mean()) for x, part in points}  # type: ignore[arg-type]
    ends = [(x, found.low, found.high) for x, found in intervals.items() if found]
    if ends:
        xs, lows, highs = zip(*ends, strict=True)
        axes.fill_between(xs, lows, highs, color=shade, alpha=0.18, linewidth=0, label=f"{name} interval".strip())
    axes.plot(list(means), list(means.values()), "-", color=shade, label=f"{name} mean".strip())
    axes.plot(
        frame["x"],
        frame["value"],
        shape,
        color=shade,
        markersize=2.6,
        alpha=0.75,
        linestyle="none",
        label=f"{name} seeds".strip(),
    )


def _difference_rows(axes: Axes, frame: pd.DataFrame, strategies: list[str]) -> None:
    axes.axvline(0, color=NEUTRAL, linewidth=0.8, zorder=0.5)
    for strategy, *row in frame[["strategy", *DIFFERENCE]].itertuples(index=False, name=None):
        difference_bars(axes, row, strategies.index(strategy), colour(strategy), marker(strategy), reach(frame))
    strategy_axis(axes, strategies, ticks=3, below=0.5)


def _finish(axes: Axes, name: str, over: str, xs: list[float]) -> None:
    axes.set_title(SETTINGS.get(name, "language bias" if name == DISTANCE else name))
    axes.set_xlabel(_X.get(over, over))
    if over != "alpha":
        axes.set_xscale("log")
        axes.minorticks_off()
    shown = xs if len(xs) <= 6 else xs[:: -(-len(xs) // 6)]
    axes.set_xticks(shown, [f"{x:g}" for x in shown])
    axes.yaxis.set_major_locator(round_ticks())
    axes.grid(axis="y")


def _y_labels(axes: list[Axes], names: list[str], text: str, distance: str) -> None:
    """The measure on the first panel, the rank distance with its unit on its own."""
    axes[0].set_ylabel(distance if names[0] == DISTANCE else text)
    if names[-1] == DISTANCE:
        axes[-1].set_ylabel(distance)
