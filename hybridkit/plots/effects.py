"""Figure of differences from a baseline: a forest of intervals over questions, with the seeds as points."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hybridkit.errors import InputError
from hybridkit.plots.frames import need, one
from hybridkit.plots.scores import SETTINGS, in_order
from hybridkit.plots.strategies import colour, label, marker, order
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks

_DISTANCE = "rank distance"


@printed
def effects(frame: pd.DataFrame, baseline: str = "", measure: str = "AP") -> Figure:
    """The difference of each system from a baseline, a panel a setting and one for the rank distance.

    Columns: system, setting, measure, difference, low, high, significant: the rows of `significance.against`. Bars are
    bootstrap intervals over questions; filled markers are significant, hollow ones are not. Rows with a `seed`
    (`comparisons.seed_differences`) are drawn as points; a column benchmark makes a line of panels each.
    """
    needed = ("system", "setting", "measure", "difference", "low", "high", "significant")
    need(frame, "effects", *needed)
    one(frame, "effects", "encoder", "study")
    names = frame["setting"].where(frame["measure"] == measure, _DISTANCE)
    frame = frame.assign(panel=names)[frame["measure"].isin([measure, "rank_distance"])]
    if frame.empty:
        raise InputError(f"figure effects: no rows of {measure!r} or 'rank_distance'; nothing to draw")
    seeds = frame["seed"].notna() if "seed" in frame.columns else pd.Series(False, index=frame.index)
    rows = list(dict.fromkeys(frame["benchmark"])) if "benchmark" in frame.columns else [""]
    columns, systems = in_order(frame["panel"]), order(frame["system"])
    columns = [name for name in columns if name != _DISTANCE] + [_DISTANCE] * (_DISTANCE in columns)
    height = len(rows) * (0.24 * len(systems) + 0.62) + 0.65
    figure, axes = panels(len(rows), len(columns), WIDTH, height, sharey=True)
    for number, ax in enumerate(axes):
        row, name = rows[number // len(columns)], columns[number % len(columns)]
        chosen = frame["panel"] == name
        chosen &= frame["benchmark"] == row if row else True
        _forest(ax, frame[chosen & ~seeds], frame[chosen & seeds], systems)
        if number < len(columns):
            ax.set_title(SETTINGS.get(name, "language bias" if name == _DISTANCE else name))
        if number >= len(axes) - len(columns):
            ax.set_xlabel("Δ rank distance (ranks)" if name == _DISTANCE else f"Δ mean {measure}")
        if number % len(columns) == 0:
            ax.set_ylabel(row)
    text = "marker and bar: mean and 95 % bootstrap interval over questions; filled: significant"
    foot(figure, [], text + "; points: seeds" * bool(seeds.any()))
    figure.suptitle("Difference" + f" from {label(baseline)}" * bool(baseline))
    return figure


def _forest(axes: Axes, rows: pd.DataFrame, seeds: pd.DataFrame, systems: list[str]) -> None:
    axes.axvline(0, color="#767676", linewidth=0.8, zorder=0.5)
    for place, name in enumerate(systems):
        shade = colour(name)
        points = seeds.loc[seeds["system"] == name, "difference"].tolist()
        axes.plot(points, [place + 0.26] * len(points), ".", color=shade, markersize=3.5, alpha=0.8, linestyle="none")
        own = rows[rows["system"] == name]
        ends = own[["difference", "low", "high"]].to_numpy(float)
        for (value, low, high), significant in zip(ends.tolist(), own["significant"], strict=True):
            axes.plot([low, high], [place, place], color=shade, linewidth=1.6, label=f"{name} interval")
            axes.plot(
                [value], [place], marker(name), color=shade, markerfacecolor=shade if significant else "white",
                markersize=5, label=name,
            )  # fmt: skip
    axes.set_yticks(range(len(systems)), [label(name) for name in systems])
    axes.set_ylim(len(systems) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(round_ticks(3))
    axes.grid(axis="x")
    axes.margins(x=0.1)
