"""Figures of language bias: the rank distance, and which languages fill the top of the pool."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from hybridkit.plots.dots import dot_rows, seeds_note
from hybridkit.plots.frames import need, one
from hybridkit.plots.scores import RANK_DISTANCE
from hybridkit.plots.strategies import colour, handles, marker, order
from hybridkit.plots.style import WIDTH, foot, panels, printed
from hybridkit.plots.text import language_label


@printed
def rank_distance(frame: pd.DataFrame) -> Figure:
    """Rank distance by query language and strategy (mean over seeds), and its mean over languages with the seeds.

    Columns: strategy, seed, query_language, value (ranks: largest minus smallest pool rank of a query's parallel
    passages, mean over queries). Lower is less language bias.
    """
    need(frame, "rank_distance", "strategy", "seed", "query_language", "value")
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
        ax.set_xlabel(RANK_DISTANCE)
        _ranks(ax, means)
    foot(figure, handles(strategies), "right: " + seeds_note(overall, "strategy"))
    figure.suptitle("Rank distance of parallel passages in the pool")
    return figure


@printed
def language_share(frame: pd.DataFrame, k: int = 10) -> Figure:
    """Share of each passage language among the top k of the pool beside the share expected, and the ratio of the two.

    Columns: strategy, passage_language, share, expected (0 to 1; expected = the language's share of all candidates).
    Rows of several query languages and seeds are averaged. Ratios stand on a logarithmic axis: 2 and ½ are as far off.
    """
    need(frame, "language_share", "strategy", "passage_language", "share", "expected")
    one(frame, "language_share", "benchmark", "encoder", "study", "k")
    strategies, languages = order(frame["strategy"]), sorted(set(frame["passage_language"]))
    table = frame.groupby(["strategy", "passage_language"])[["share", "expected"]].mean()
    expected = frame.groupby("passage_language")["expected"].mean().reindex(languages)
    figure, axes = panels(1, 2, WIDTH, max(0.26 * len(languages), 0.6) + 1.6, sharey=True)
    shares = table["share"].unstack("strategy").reindex(languages)[strategies]
    ratios = shares.div(expected, axis=0).where(shares > 0)
    for ax, values in zip(axes, (shares * 100, ratios), strict=True):
        _dots(ax, values)
    places = np.arange(len(languages))
    axes[0].vlines(
        expected * 100, places - 0.5, places + 0.5, color="black", linewidth=1.2, label="expected", zorder=0.9
    )
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
    for place, name in enumerate(values):
        shift = (place - (values.shape[1] - 1) / 2) * 0.75 / values.shape[1]
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
    axes.set_yticks(range(len(values)), [language_label(tag) for tag in values.index])
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


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
