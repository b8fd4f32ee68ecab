"""Figures of what strategies put into batches: the language matrix of a plan, and its first batches tile by tile."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from hybridkit.plots.frames import matrix, need
from hybridkit.plots.matrix import colour_bar, heat, small_multiples
from hybridkit.plots.strategies import label, order
from hybridkit.plots.style import WIDTH, foot, panels, printed
from hybridkit.plots.text import language_label

# Blues without their palest part, so that a rare pair is never taken for one that does not occur
SHARES = LinearSegmentedColormap.from_list("shares", sns.color_palette("Blues", 256)[56:])
BATCHES, ROWS = 6, 16  # how much of a plan batch_examples shows


@printed
def batch_composition(frame: pd.DataFrame) -> Figure:
    """Share of each (query language, passage language) among a strategy's training rows, one matrix a strategy.

    Columns: strategy, query_language, passage_language, share (0 to 1, summing to 1 within a strategy; seeds are
    averaged). Pairs that never occur are left white; the colour scale is logarithmic and shared.
    """
    need(frame, "batch_composition", "strategy", "query_language", "passage_language", "share")
    strategies = order(frame["strategy"])
    languages = sorted({*frame["query_language"], *frame["passage_language"]})
    shares = {
        name: matrix(frame[(frame["strategy"] == name) & (frame["share"] > 0)], languages, languages, "share")
        for name in strategies
    }
    drawn = np.concatenate([values[~np.isnan(values)] for values in shares.values()])
    norm = LogNorm(vmin=min(float(drawn.min()), 0.005) if drawn.size else 0.005, vmax=1.0)
    figure, axes, first = small_multiples(len(strategies), len(languages), 0.17 if len(languages) > 5 else 0.3)
    for ax, name in zip(axes, strategies, strict=True):
        heat(ax, shares[name], languages, languages, SHARES, norm, form="")
        ax.patch.set(facecolor="white", edgecolor="none", hatch=None)
        for spine in ax.spines.values():
            spine.set(visible=True, color="#999999")
        same = np.nansum(np.diagonal(shares[name]))
        ax.set_title(f"{label(name)}\n{100 * same:.0f} % same language")
        ax.set_xlabel("passage language")
    for ax in first:
        ax.set_ylabel("query language")
    bar = colour_bar(figure, axes, SHARES, norm, "share of rows (log scale)")
    ticks = [tick for tick in (0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0) if norm.vmin <= tick]  # type: ignore[operator]
    bar.set_ticks(ticks)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g} %"))
    same_pairs = "; mixed and mono differ in which rows share a batch" if {"mixed", "mono"} <= set(strategies) else ""
    foot(figure, [], "white: a pair of languages that is never drawn" + same_pairs)
    figure.suptitle("Languages of the training rows by strategy")
    return figure


@printed
def batch_examples(frame: pd.DataFrame) -> Figure:
    """The first batches of each strategy: every tile is a row, upper half its query's language, lower its passage's.

    Columns: strategy, step (from 0), position (place in the batch, from 0), query_language, passage_language. The first
    six steps and sixteen positions are drawn.
    """
    columns = ("strategy", "step", "position", "query_language", "passage_language")
    need(frame, "batch_examples", *columns)
    frame = frame[(frame["step"] < BATCHES) & (frame["position"] < ROWS)]
    need(frame, f"batch_examples (first {BATCHES} steps, {ROWS} positions)", *columns)
    strategies = order(frame["strategy"])
    languages = sorted({*frame["query_language"], *frame["passage_language"]})
    shades = dict(zip(languages, sns.husl_palette(len(languages), s=0.65, l=0.78), strict=True))
    across = min(len(strategies), 2)
    down = -(-len(strategies) // across)
    steps, positions = int(frame["step"].max()) + 1, int(frame["position"].max()) + 1
    width = max(WIDTH * across / 2 if positions > 8 else WIDTH * across / 3, 4.2)
    figure, axes = panels(down, across, width, down * (0.27 * steps + 0.45) + 0.75)
    for spare in axes[len(strategies) :]:
        spare.set_visible(False)
    for ax, name in zip(axes, strategies, strict=False):
        part = frame[frame["strategy"] == name]
        for step, position, query, passage in part[list(columns[1:])].itertuples(index=False):
            for tag, top in ((query, 0.44), (passage, 0.0)):
                ax.add_patch(Rectangle((position - 0.46, step - top), 0.92, 0.44, color=shades[tag], linewidth=0))
                at = (position, step - top + 0.31)
                ax.annotate(tag, at, ha="center", va="baseline", fontsize=5, family="DejaVu Sans").set_in_layout(False)
        ax.set(xlim=(-0.6, positions - 0.4), ylim=(steps - 0.4, -0.6), title=label(name))
        ax.set_xticks([])
        ax.set_yticks(range(steps), [str(step + 1) for step in range(steps)])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    for ax in axes[: len(strategies) : across]:
        ax.set_ylabel("batch")
    entries = [Patch(color=shades[tag], label=language_label(tag)) for tag in languages]
    foot(figure, entries, "tiles: rows of a batch; upper half: language of the query, lower half: of the passage")
    figure.suptitle("First batches of each strategy")
    return figure
