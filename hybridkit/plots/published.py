"""The figure that puts published numbers beside ours."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.plots.frames import need
from hybridkit.plots.scores import SETTINGS, in_order, measure_label
from hybridkit.plots.strategies import label, order
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")


@printed
def published(frame: pd.DataFrame, ours: str = "this study") -> Figure:
    """Published numbers (hollow) beside ours (filled), by strategy, in one panel a setting and measure.

    Columns: benchmark, setting, system (the encoder), strategy, measure, value, source (where the number is from; rows
    whose source equals `ours` are drawn filled). One line of panels a benchmark; several rows of one point (seeds) are
    averaged.
    """
    need(frame, "published", "benchmark", "setting", "system", "strategy", "measure", "value", "source")
    points = frame.groupby(["benchmark", "setting", "measure", "strategy", "system", "source"], sort=False)["value"]
    frame = points.mean().reset_index()
    kinds = list(dict.fromkeys(zip(frame["setting"], frame["measure"], strict=True)))
    kinds.sort(key=lambda kind: (kind[1] == "rank_distance", kind[1], in_order(frame["setting"]).index(kind[0])))
    benchmarks, strategies = list(dict.fromkeys(frame["benchmark"])), order(frame["strategy"])
    systems = sorted({(system, source) for system, source in zip(frame["system"], frame["source"], strict=True)})
    names = sorted({system for system, _ in systems})
    height = len(benchmarks) * (0.28 * len(strategies) + 0.62) + 0.3 + 0.2 * -(-len(systems) // 3)
    figure, axes = panels(len(benchmarks), len(kinds), max(WIDTH * min(len(kinds), 4) / 4, 4.2), height, sharey=True)
    for number, ax in enumerate(axes):
        benchmark, (setting, measure) = benchmarks[number // len(kinds)], kinds[number % len(kinds)]
        here = (frame["benchmark"] == benchmark) & (frame["setting"] == setting) & (frame["measure"] == measure)
        for place, (system, source) in enumerate(systems):
            shift = (place - (len(systems) - 1) / 2) * 0.6 / max(len(systems), 1)
            part = frame[here & (frame["system"] == system) & (frame["source"] == source)]
            at = [strategies.index(name) + shift for name in part["strategy"]]
            ax.plot(part["value"], at, label=f"{system}, {source}", **_look(names.index(system), source == ours))
        for line in range(1, len(strategies)):
            ax.axhline(line - 0.5, color="#eeeeee", linewidth=0.6, zorder=0)
        ax.set_yticks(range(len(strategies)), [label(name) for name in strategies])
        ax.set_ylim(len(strategies) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_locator(round_ticks(4))
        ax.grid(axis="x")
        ax.margins(x=0.1)
        if number < len(kinds):
            ax.set_title("language bias" if measure == "rank_distance" else SETTINGS.get(setting, setting))
        if number >= len(axes) - len(kinds):
            ax.set_xlabel(measure_label(measure).replace(" (ranks; ", "\n(ranks; "))
        if number % len(kinds) == 0:
            ax.set_ylabel(benchmark)
    entries = [
        Line2D([], [], label=f"{system}, {source}", **_look(names.index(system), source == ours))
        for system, source in systems
    ]
    foot(figure, entries, columns=3)
    figure.suptitle("Published numbers (hollow) and ours (filled)")
    return figure


def _look(number: int, filled: bool) -> dict[str, Any]:
    shade = _COLOURS[number % len(_COLOURS)]
    look: dict[str, Any] = {"marker": _MARKERS[number % len(_MARKERS)], "linestyle": "none", "markersize": 4.5}
    return {**look, "color": shade, "markerfacecolor": shade if filled else "none", "markeredgewidth": 1.0}
