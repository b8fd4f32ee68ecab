"""Figure of the main result: a measure in the three settings by strategy."""

import pandas as pd
from matplotlib.figure import Figure

from hybridkit.plots.dots import dot_rows, seeds_note
from hybridkit.plots.frames import need, one, pick
from hybridkit.plots.strategies import order
from hybridkit.plots.style import WIDTH, foot, panels, printed

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
