"""Figures of language bias: rank distance, the top of the pool, the panel of all measures, and where languages lie."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from hybridkit.evaluation.bias import BIAS_MEASURES
from hybridkit.evaluation.measures import DISTANCE, measure_of
from hybridkit.plots.marks import dot_rows, handles, one, require_columns, row_axis, seeds_note
from hybridkit.plots.palette import colour, marker
from hybridkit.plots.style import WIDTH, foot, language_label, many, panels, printed
from hybridkit.sampling.labels import label, order

_MAP = 2.35  # inches of a map with its title
_BETTER = {"lower": "← better", "higher": "better →", "none": "neither is better"}


@printed
def rank_distance(frame: pd.DataFrame) -> Figure:
    """Rank distance by query language and strategy (mean over seeds), and its mean over languages with the seeds.

    Columns: strategy, seed, query_language, value (ranks: largest minus smallest pool rank of a query's parallel
    passages, mean over queries). Lower is less language bias.
    """
    require_columns(frame, "rank_distance", "strategy", "seed", "query_language", "value")
    one(frame, "rank_distance", "benchmark", "encoder", "study", "measure")
    strategies, languages = order(frame["strategy"]), sorted(set(frame["query_language"]) - {"*"})
    frame = frame[frame["query_language"] != "*"]
    height = max(0.24 * len(languages), 0.3 * len(strategies)) + 1.5
    figure, axes = panels(1, 2, WIDTH, height, width_ratios=[1.25, 1])
    means = frame.groupby(["strategy", "query_language"])["value"].mean()
    _dots(axes[0], means.unstack("strategy").reindex(languages)[strategies])
    axes[0].set(title="by query language (mean over seeds)", ylabel="query language")
    overall = frame.groupby(["strategy", "seed"], dropna=False)["value"].mean().reset_index()
    dot_rows(axes[1], overall, strategies)
    axes[1].set_title("mean over query languages")
    for ax in axes:
        ax.set_xlabel(measure_of(DISTANCE).label)
        _ranks(ax, means)
    foot(figure, handles(strategies), "right: " + seeds_note(overall, "strategy"))
    figure.suptitle("Rank distance of parallel passages in the pool")
    return figure


@printed
def language_share(frame: pd.DataFrame, k: int = 10) -> Figure:
    """Share of each passage language among the top k of the pool beside the share expected, and the ratio of the two.

    Columns: strategy, passage_language, share, expected (0 to 1; expected = that of a perfect system that is blind to
    language). Rows of several query languages and seeds are averaged. Ratios are on a logarithmic axis: 2 and ½ are as
    far off.
    """
    require_columns(frame, "language_share", "strategy", "passage_language", "share", "expected")
    one(frame, "language_share", "benchmark", "encoder", "study", "k")
    strategies, languages = order(frame["strategy"]), sorted(set(frame["passage_language"]))
    table = frame.groupby(["strategy", "passage_language"])[["share", "expected"]].mean()
    expected = frame.groupby("passage_language")["expected"].mean().reindex(languages)
    figure, axes = panels(1, 2, WIDTH, max(0.26 * len(languages), 0.6) + 1.6, sharey=True)
    shares = table["share"].unstack("strategy").reindex(languages)[strategies]
    ratios = shares.div(expected, axis=0).where(shares > 0)
    for ax, values in zip(axes, (shares * 100, ratios), strict=True):
        _dots(ax, values)
    ys = np.arange(len(languages))
    axes[0].vlines(expected * 100, ys - 0.5, ys + 0.5, color="black", linewidth=1.2, label="expected", zorder=0.9)
    axes[1].axvline(1, color="black", linewidth=1.2, zorder=0.9)
    axes[0].set_xlim(left=0)
    axes[0].set(xlabel=f"share of the top {k} (%)", ylabel="passage language")
    span = max(1.5, float(np.nanmax(np.abs(np.log2(ratios.to_numpy())), initial=0.0)) * 1.08 + 0.05)
    axes[1].set_xscale("log", base=2)
    axes[1].set_xlim(2**-span, 2**span)
    axes[1].xaxis.set_major_locator(FixedLocator([2.0**power for power in range(-10, 11)]))
    axes[1].xaxis.set_minor_locator(NullLocator())
    axes[1].xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}")
    )
    axes[1].set_xlabel("share ÷ expected share (log scale)")
    bar = Line2D([], [], color="black", linewidth=1.2, label="expected")
    never = "no point on the right: the language never occurs in the top" if ratios.isna().to_numpy().any() else ""
    foot(figure, [*handles(strategies), bar], never, columns=6)
    figure.suptitle(f"Languages in the top {k} of the pool")
    return figure


def _dots(axes: Axes, values: pd.DataFrame) -> None:
    """One line a language (index, from the top), one point a strategy (columns), those of a language side by side."""
    for nth, name in enumerate(values):
        shift = (nth - (values.shape[1] - 1) / 2) * 0.75 / values.shape[1]
        axes.plot(
            values[name],
            np.arange(len(values)) + shift,
            marker(str(name)),
            color=colour(str(name)),
            markersize=4,
            linestyle="none",
            label=str(name),
        )
    for line in range(1, len(values)):
        axes.axhline(line - 0.5, color="#eeeeee", linewidth=0.6, zorder=0)
    row_axis(axes, [language_label(tag) for tag in values.index], below=0.5)


def _ranks(axes: Axes, values: pd.Series) -> None:
    """Make the axis logarithmic where distances span a factor of four (an untrained encoder would hide the rest)."""
    if values.min() <= 0 or values.max() < 4 * values.min():
        axes.set_xlim(left=0)
        return
    axes.set_xscale("log")
    axes.set_xlim(values.min() / 1.4, values.max() * 1.4)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("rank distance (ranks, log scale;\nlower is less bias)")


@printed
def bias_panel(frame: pd.DataFrame) -> Figure:
    """Draw measures of language bias side by side, a small panel each: one line a strategy, seeds as points.

    Columns: strategy, seed, measure, value, better ("lower", "higher", "none"), chance (what no preference would give;
    NaN where there is no such value). Chance is drawn where it lies near the values, else written below them.
    """
    require_columns(frame, "bias_panel", "strategy", "seed", "measure", "value", "better", "chance")
    one(frame, "bias_panel", "benchmark", "encoder", "study")
    measures, strategies = list(dict.fromkeys(frame["measure"])), order(frame["strategy"])
    figure, axes = many(len(measures), 0.2 * len(strategies) + 0.72, 0.7, WIDTH, sharey=True)
    for ax, measure in zip(axes, measures, strict=True):
        part = frame[frame["measure"] == measure]
        dot_rows(ax, part, strategies)
        ax.set_title(measure)
        unit = BIAS_MEASURES[measure].unit if measure in BIAS_MEASURES else "value"
        ax.set_xlabel(f"{unit}\n{_BETTER[part['better'].iloc[0]]}{_chance(ax, part)}", fontsize=7)
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
    require_columns(frame, "language_map", "strategy", "language", "x", "y", "shown", "variance")
    one(frame, "language_map", "benchmark", "encoder", "study")
    strategies = order(frame["strategy"])
    figure, axes = many(len(strategies), _MAP, 0.6, WIDTH)
    by = frame.groupby("strategy")[["x", "y"]]
    bar = _round(float((by.max() - by.min()).max(axis=1).min()) / 3)
    for ax, name in zip(axes, strategies, strict=True):
        part = frame[frame["strategy"] == name]
        ax.plot(part["x"], part["y"], "o", color=colour(name), markersize=4, linestyle="none", label=name)
        _name(ax, part, _frame(ax, part, bar))
        variance = f"{part['variance'].iloc[0]:.1%} of the variance by language"
        ax.set_title(f"{label(name)}\n{variance}\nplane shows {part['shown'].iloc[0]:.0%}", fontsize=7.5)
    foot(figure, [], f"bar: {bar:g} in the units of the embeddings; each map has a scale of its own")
    figure.suptitle("Where the languages lie: mean embeddings of their passages")
    return figure


def _frame(axes: Axes, part: pd.DataFrame, bar: float) -> float:
    """A square around the points with room for their names, and the bar of its scale; return half its side."""
    half = max(part["x"].max() - part["x"].min(), part["y"].max() - part["y"].min(), bar) / 2 * 1.35
    x, y = ((part[side].max() + part[side].min()) / 2 for side in ("x", "y"))
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), xticks=[], yticks=[], aspect="equal")
    left, low = x - 0.93 * half, y - 0.93 * half
    axes.plot([left, left + bar], [low, low], "-", color="black", linewidth=1.4, label="scale")
    return float(half)


def _name(axes: Axes, part: pd.DataFrame, half: float) -> None:
    """Write each language beside its point, on the first of four sides where nothing is yet."""
    points = part[["x", "y"]].to_numpy() / (2 * half) * 72 * (_MAP - 0.6)  # about what the axes measure, in points
    taken = [tuple(point) for point in points]
    for tag, at, (x, y) in zip(part["language"], points, part[["x", "y"]].to_numpy(), strict=True):
        middles = [(at[0] + 9, at[1] + 5), (at[0] + 9, at[1] - 5), (at[0] - 9, at[1] + 5), (at[0] - 9, at[1] - 5)]
        free = [not any(abs(a - c) < 9 and abs(b - d) < 7 for c, d in taken if (c, d) != tuple(at)) for a, b in middles]
        side = middles[free.index(True) if True in free else 0]
        taken.append(side)
        axes.annotate(
            tag,
            (x, y),
            (side[0] - at[0], side[1] - at[1]),
            textcoords="offset points",
            fontsize=7,
            ha="center",
            va="center",
        )


def _round(value: float) -> float:
    """The next lower 1, 2 or 5 of a power of ten."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)) * power:g}")
