"""Figures of language bias from several sides: the panel of measures, and where the languages lie."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hybridkit.bias.sides import SIDES
from hybridkit.plots.dots import dot_rows, seeds_note
from hybridkit.plots.frames import need, one
from hybridkit.plots.strategies import colour, label, order
from hybridkit.plots.style import WIDTH, foot, panels, printed

_MAP = 2.35  # inches of a map with its title
_BETTER = {"lower": "← better", "higher": "better →", "none": "neither is better"}


@printed
def bias_panel(frame: pd.DataFrame) -> Figure:
    """Draw measures of language bias side by side, a small panel each: one line a strategy, seeds as points.

    Columns: strategy, seed, measure, value, better ("lower", "higher", "none"), chance (what no preference would give;
    NaN where there is no such value). Chance is drawn where it lies near the values, else written below them.
    """
    need(frame, "bias_panel", "strategy", "seed", "measure", "value", "better", "chance")
    one(frame, "bias_panel", "benchmark", "encoder", "study")
    measures, strategies = list(dict.fromkeys(frame["measure"])), order(frame["strategy"])
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    figure, axes = panels(rows, columns, WIDTH, rows * (0.2 * len(strategies) + 0.72) + 0.7, sharey=True)
    for ax, measure in zip(axes, measures, strict=False):
        part = frame[frame["measure"] == measure]
        dot_rows(ax, part, strategies)
        ax.set_title(measure)
        unit = SIDES[measure].unit if measure in SIDES else "value"
        ax.set_xlabel(f"{unit}\n{_BETTER[part['better'].iloc[0]]}{_chance(ax, part)}", fontsize=7)
    for ax in axes[len(measures) :]:
        ax.set_visible(False)
    foot(figure, [], seeds_note(frame, "strategy", "measure") + "; dotted: chance, where it is near")
    figure.suptitle("Language bias from several sides")
    return figure


def _chance(axes: Axes, part: pd.DataFrame) -> str:
    """Draw the chance level where that leaves the values half of the axis or more; else give it as a text."""
    chance = float(part["chance"].mean())
    if math.isnan(chance):
        return ""
    low, high = part["value"].min(), part["value"].max()
    if max(high, chance) - min(low, chance) > 2 * (high - low):
        return f"; chance: {chance:,.{0 if chance >= 100 else 3}f}"
    axes.axvline(chance, color="black", linewidth=0.9, linestyle=":", zorder=0.5, label="chance")
    return ""


@printed
def language_map(frame: pd.DataFrame) -> Figure:
    """Draw the languages' mean embeddings in the plane, one map a strategy, each in a scale of its own.

    Columns: strategy, language, x, y (units of the embeddings), shown (share of the centroids' variance that the plane
    shows) and variance (share of the embeddings' variance that lies between languages). The bar in a corner has the
    same length in every map's own units: the longer it is drawn, the nearer the languages are.
    """
    need(frame, "language_map", "strategy", "language", "x", "y", "shown", "variance")
    one(frame, "language_map", "benchmark", "encoder", "study")
    strategies = order(frame["strategy"])
    columns = min(3, len(strategies))
    rows = -(-len(strategies) // columns)
    figure, axes = panels(rows, columns, WIDTH, rows * _MAP + 0.6)
    by = frame.groupby("strategy")[["x", "y"]]
    bar = _round(float((by.max() - by.min()).max(axis=1).min()) / 3)
    for ax, name in zip(axes, strategies, strict=False):
        part = frame[frame["strategy"] == name]
        ax.plot(part["x"], part["y"], "o", color=colour(name), markersize=4, linestyle="none", label=name)
        _name(ax, part, _frame(ax, part, bar))
        told = f"{part['variance'].iloc[0]:.1%} of the variance by language"
        ax.set_title(f"{label(name)}\n{told}\nplane shows {part['shown'].iloc[0]:.0%}", fontsize=7.5)
    for ax in axes[len(strategies) :]:
        ax.set_visible(False)
    foot(figure, [], f"bar: {bar:g} in the units of the embeddings; each map has a scale of its own")
    figure.suptitle("Where the languages lie: mean embeddings of their passages")
    return figure


def _frame(axes: Axes, part: pd.DataFrame, bar: float) -> float:
    """A square around the points with room for their names, and the bar that gives its scale; gives half its side."""
    half = max(part["x"].max() - part["x"].min(), part["y"].max() - part["y"].min(), bar) / 2 * 1.35
    x, y = ((part[side].max() + part[side].min()) / 2 for side in ("x", "y"))
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), xticks=[], yticks=[], aspect="equal")
    left, low = x - 0.93 * half, y - 0.93 * half
    axes.plot([left, left + bar], [low, low], "-", color="black", linewidth=1.4, label="scale")
    return float(half)


def _name(axes: Axes, part: pd.DataFrame, half: float) -> None:
    """Write each language beside its point, on the first of four sides where nothing stands yet."""
    points = part[["x", "y"]].to_numpy() / (2 * half) * 72 * (_MAP - 0.6)  # about what the axes measure, in points
    taken = [tuple(point) for point in points]
    for tag, at, (x, y) in zip(part["language"], points, part[["x", "y"]].to_numpy(), strict=True):
        middles = [(at[0] + 9, at[1] + 5), (at[0] + 9, at[1] - 5), (at[0] - 9, at[1] + 5), (at[0] - 9, at[1] - 5)]
        free = [not any(abs(a - c) < 9 and abs(b - d) < 7 for c, d in taken if (c, d) != tuple(at)) for a, b in middles]
        side = middles[free.index(True) if True in free else 0]
        taken.append(side)
        axes.annotate(
            tag, (x, y), (side[0] - at[0], side[1] - at[1]), textcoords="offset points", fontsize=7,
            ha="center", va="center",
        )  # fmt: skip


def _round(value: float) -> float:
    """The next lower 1, 2 or 5 of a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)) * power:g}")
