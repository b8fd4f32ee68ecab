"""Figures of the main result: a measure in the three settings by strategy, and against alpha."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hybridkit.evaluation.intervals import t_interval
from hybridkit.plots.dots import dot_rows, seeds_note
from hybridkit.plots.frames import need, one, pick
from hybridkit.plots.strategies import order
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks

SETTINGS = {"mono": "monolingual", "cross": "cross-lingual", "pool": "multilingual pool"}
SETTING_COLOURS = {"mono": "#0072B2", "cross": "#D55E00", "pool": "#CC79A7"}
RANK_DISTANCE = "rank distance (ranks; lower is less bias)"


def in_order(settings: pd.Series) -> list[str]:
    """Distinct settings as mono, cross, pool, then others by name."""
    known = list(SETTINGS)
    return sorted(set(settings), key=lambda name: (known.index(name) if name in known else 9, name))


def measure_label(measure: str) -> str:
    """A measure on an axis, with its direction: `mean AP` for AP, the unit of the rank distance."""
    return RANK_DISTANCE if measure == "rank_distance" else f"mean {measure}"


@printed
def settings(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """A measure by setting (columns) and strategy (rows), one line of panels a benchmark, seeds as points.

    Columns: strategy, seed, benchmark, setting ("mono", "cross", "pool"), measure, value (macro means). From three
    seeds on a bar shows the 95 % t interval of the mean over seeds; the dotted line is the untrained encoder.
    """
    need(frame, "settings", "strategy", "seed", "benchmark", "setting", "measure", "value")
    one(frame, "settings", "encoder", "study")
    frame = pick(frame, "settings", "measure", measure)
    benchmarks, columns = list(dict.fromkeys(frame["benchmark"])), in_order(frame["setting"])
    strategies = order(frame["strategy"])
    height = len(benchmarks) * (0.24 * len(strategies) + 0.62) + 0.65
    figure, axes = panels(len(benchmarks), len(columns), WIDTH, height, sharey=True)
    for number, ax in enumerate(axes):
        benchmark, setting = benchmarks[number // len(columns)], columns[number % len(columns)]
        part = frame[(frame["benchmark"] == benchmark) & (frame["setting"] == setting)]
        dot_rows(ax, part, strategies)
        untrained = part.loc[part["strategy"] == "untrained", "value"].mean()
        if not pd.isna(untrained):
            ax.axvline(untrained, color="#767676", linewidth=0.8, linestyle=":", zorder=0.5)
        if number < len(columns):
            ax.set_title(SETTINGS.get(setting, setting))
        if number >= len(axes) - len(columns):
            ax.set_xlabel(measure_label(measure))
        if number % len(columns) == 0:
            ax.set_ylabel(benchmark)
    dotted = "; dotted: untrained" if "untrained" in strategies else ""
    foot(figure, [], seeds_note(frame, "strategy", "benchmark", "setting") + dotted)
    figure.suptitle(f"{measure} by setting and strategy")
    return figure


@printed
def alpha_curve(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """A measure in each setting, and the rank distance, against the share alpha of monolingual batches.

    Columns: alpha (0 to 1), seed, setting, measure, value (macro means; the rank distance has measure "rank_distance").
    Line: mean over seeds; band: its 95 % t interval, from three seeds on; points: seeds.
    """
    need(frame, "alpha_curve", "alpha", "seed", "setting", "measure", "value")
    one(frame, "alpha_curve", "benchmark", "encoder", "study")
    chosen = pick(frame, "alpha_curve", "measure", measure)
    columns = in_order(chosen["setting"])
    distance = frame[frame["measure"] == "rank_distance"]
    count = len(columns) + (not distance.empty)
    figure, axes = panels(1, count, min(WIDTH, 1.9 * count + 0.5), 2.45, sharex=True)
    for ax, setting in zip(axes, columns, strict=False):
        _curve(ax, chosen[chosen["setting"] == setting], SETTING_COLOURS.get(setting, "#000000"))
        ax.set_title(SETTINGS.get(setting, setting))
    axes[0].set_ylabel(measure_label(measure))
    if not distance.empty:
        _curve(axes[-1], distance, "#444444")
        axes[-1].set(title="language bias", ylabel="rank distance (ranks;\nlower is less bias)")
        axes[-1].set_ylim(bottom=0)
    most = chosen.groupby(["alpha", "setting"])["value"].count().max()
    bands = "; line and band: mean and 95 % t interval over seeds" if most >= 3 else "; line: mean" if most > 1 else ""
    foot(figure, [], "α: share of monolingual batches (0: cross, 1: mono); points: seeds" + bands)
    figure.suptitle(f"{measure} and language bias against α")
    return figure


def _curve(axes: Axes, frame: pd.DataFrame, shade: str) -> None:
    alphas, means, lows, highs = [], [], [], []
    for share, part in frame.groupby("alpha"):
        interval = t_interval(part["value"])
        alphas.append(float(share))  # type: ignore[arg-type]
        means.append(float(part["value"].mean()))
        lows.append(interval.low if interval else means[-1])
        highs.append(interval.high if interval else means[-1])
    if highs != lows:
        axes.fill_between(alphas, lows, highs, color=shade, alpha=0.18, linewidth=0, label="interval")
    axes.plot(alphas, means, "-", color=shade, label="mean")
    axes.plot(
        frame["alpha"], frame["value"], "o", color=shade, markersize=2.6, alpha=0.75, linestyle="none", label="seeds"
    )
    axes.set_xlabel("α")
    axes.set_xticks(alphas, [f"{share:g}" for share in alphas])
    axes.yaxis.set_major_locator(round_ticks())
    axes.grid(axis="y")
