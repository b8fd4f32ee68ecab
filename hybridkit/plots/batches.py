"""Figures of batch plans: language matrix, exposure, first batches, and the languages drawn beside chance."""

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter

from hybridkit.plots.marks import handles, matrix, require_columns, row_axis
from hybridkit.plots.pairs import colour_bar, heat, small_multiples
from hybridkit.plots.palette import SIDE_COLOURS, colour, marker
from hybridkit.plots.style import WIDTH, foot, language_label, many, panels, printed, round_ticks
from hybridkit.sampling.labels import label, order

# Blues without their palest part, so that a rare pair is never taken for one that does not occur
SHARES = LinearSegmentedColormap.from_list("shares", sns.color_palette("Blues", 256)[56:])
QUERY, PASSAGE = SIDE_COLOURS.values()
BATCHES, ROWS = 6, 16  # how much of a plan batch_examples shows
SIDES = {"both": (QUERY, "o", 0.0), "query": (QUERY, "o", -0.2), "passage": (PASSAGE, "s", 0.2)}
CHANCE = "#e6e6e6"
TICKS = (0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of the shares of pairs
TITLE = 34  # characters of a panel's title in one line


@printed
def batch_composition(frame: pd.DataFrame) -> Figure:
    """Share of each (query language, passage language) among a strategy's training rows, one matrix a strategy.

    Columns: strategy, query_language, passage_language, share (0 to 1, summing to 1 within a strategy; seeds are
    averaged). Pairs that never occur are left white; the colour scale is logarithmic and shared.
    """
    require_columns(frame, "batch_composition", "strategy", "query_language", "passage_language", "share")
    strategies = order(frame["strategy"])
    languages = sorted({*frame["query_language"], *frame["passage_language"]})
    shares = {
        name: matrix(frame[(frame["strategy"] == name) & (frame["share"] > 0)], languages, languages, "share")
        for name in strategies
    }
    drawn = np.concatenate([values[~np.isnan(values)] for values in shares.values()])
    least = min(float(drawn.min()), 0.005) if drawn.size else 0.005
    norm = LogNorm(vmin=max((tick for tick in TICKS if tick <= least), default=least), vmax=1.0)
    figure, axes, first = small_multiples(len(strategies), len(languages), 0.17 if len(languages) > 5 else 0.3)
    for ax, name in zip(axes, strategies, strict=True):
        heat(ax, shares[name], languages if ax in first else [], languages, SHARES, norm, form="")
        ax.patch.set(facecolor="white", edgecolor="none", hatch=None)
        for spine in ax.spines.values():
            spine.set(visible=True, color="#999999")
        same = np.nansum(np.diagonal(shares[name]))
        ax.set_title(f"{label(name)}\n{100 * same:.0f} % same language")
        ax.set_xlabel("passage language")
    for ax in first:
        ax.set_ylabel("query language")
    bar = colour_bar(figure, axes, SHARES, norm, "share of rows (log scale)")
    ticks = [norm.vmin, *(tick for tick in TICKS if norm.vmin < tick)]  # type: ignore[operator]
    bar.set_ticks(ticks)
    bar.minorticks_off()
    bar.long_axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g} %"))
    same_pairs = "; mixed and mono differ in which rows share a batch" if {"mixed", "mono"} <= set(strategies) else ""
    foot(figure, [], "white: a pair of languages that is never drawn" + same_pairs)
    figure.suptitle("Languages of the training rows by strategy")
    return figure


@printed
def exposure(frame: pd.DataFrame) -> Figure:
    """What strategies are trained on: the share of each source, query language and passage language among their draws.

    Columns: strategy, by ("source", "query language", "passage language"; other lines are left out), name, share (0 to
    1). One panel each, a row a source or language, a marker a strategy: where they lie together, exposure is equal.
    """
    require_columns(frame, "exposure", "strategy", "by", "name", "share")
    kinds = [by for by in ("source", "query language", "passage language") if by in set(frame["by"])]
    strategies = order(frame["strategy"])
    rows = {by: list(dict.fromkeys(frame.loc[frame["by"] == by, "name"])) for by in kinds}
    height = 0.19 * max(map(len, rows.values()), default=1) + 0.32 * -(-len(strategies) // 4) + 0.9
    figure, axes = panels(1, len(kinds), WIDTH, height)
    for ax, by in zip(axes, kinds, strict=True):
        part = frame[frame["by"] == by]
        for name in strategies:
            own = part[part["strategy"] == name].set_index("name")["share"].reindex(rows[by]).fillna(0.0)
            (line,) = ax.plot(100 * own, range(len(own)), marker(name), color=colour(name), markersize=4.5, label=name)
            line.set_markerfacecolor("none")
        row_axis(ax, rows[by] if by == "source" else [language_label(tag, endonym=False) for tag in rows[by]])
        ax.set_xlim(0, 108 * part["share"].max())
        ax.xaxis.set_major_locator(round_ticks(4))
        ax.set_xlabel("share of draws (%)")
        ax.set_title(by)
    foot(figure, handles(strategies))
    figure.suptitle("Exposure of each strategy")
    return figure


@printed
def batch_examples(frame: pd.DataFrame) -> Figure:
    """The first batches of each strategy: every tile is a row, upper half its query's language, lower its passage's.

    Columns: strategy, step (from 0), position (in the batch, from 0), query_language, passage_language. The first
    six steps and sixteen positions are drawn.
    """
    columns = ("strategy", "step", "position", "query_language", "passage_language")
    require_columns(frame, "batch_examples", *columns)
    frame = frame[(frame["step"] < BATCHES) & (frame["position"] < ROWS)]
    require_columns(frame, f"batch_examples (first {BATCHES} steps, {ROWS} positions)", *columns)
    strategies = order(frame["strategy"])
    languages = sorted({*frame["query_language"], *frame["passage_language"]})
    shades = dict(zip(languages, sns.husl_palette(len(languages), s=0.65, l=0.78), strict=True))
    across = min(len(strategies), 2)
    steps, positions = int(frame["step"].max()) + 1, int(frame["position"].max()) + 1
    width = max(WIDTH * across / 2 if positions > 8 else WIDTH * across / 3, 4.2)
    figure, axes = many(len(strategies), 0.33 * steps + 0.45, 0.75, width, most=2)
    for ax, name in zip(axes, strategies, strict=True):
        part = frame[frame["strategy"] == name]
        for step, position, query, passage in part[list(columns[1:])].itertuples(index=False):
            for tag, top in ((query, 0.44), (passage, 0.0)):
                ax.add_patch(Rectangle((position - 0.46, step - top), 0.92, 0.44, color=shades[tag], linewidth=0))
                at = (position, step - top + 0.34)
                ax.annotate(tag, at, ha="center", va="baseline", fontsize=7, family="DejaVu Sans").set_in_layout(False)
        ax.set(xlim=(-0.6, positions - 0.4), ylim=(steps - 0.4, -0.6), title=label(name))
        ax.set_xticks([])
        ax.set_yticks(range(steps), [str(step + 1) for step in range(steps)])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    for ax in axes[::across]:
        ax.set_ylabel("batch")
    entries = [Patch(color=shades[tag], label=language_label(tag)) for tag in languages]
    foot(figure, entries, "tiles: rows of a batch; upper half: language of the query, lower half: of the passage")
    figure.suptitle("First batches of each strategy")
    return figure


@printed
def plan_languages(frame: pd.DataFrame) -> Figure:
    """Share of each language among what a plan drew, and the interval that chance allows, a panel a kind of batch.

    Columns: strategy, kind, side ("query", "passage" or "both"), language, share, low, high (0 to 1), as `languages` of
    a `PlanReport`. Dots outside of their interval are ringed in red.
    """
    require_columns(frame, "plan_languages", "strategy", "kind", "side", "language", "share", "low", "high")
    pairs = frame[["strategy", "kind"]].drop_duplicates()
    parts = [(name, kind) for name in order(pairs["strategy"]) for kind in pairs.loc[pairs["strategy"] == name, "kind"]]
    languages = sorted(set(frame["language"]))
    lines = max(len(fill(label(name), TITLE).splitlines()) for name, _ in parts)
    figure, axes = many(len(parts), 0.2 * len(languages) + 0.75 + 0.13 * lines, 0.5, sharey=True)
    for ax, (name, kind) in zip(axes, parts, strict=True):
        part = frame[(frame["strategy"] == name) & (frame["kind"] == kind)]
        for side, tag, share, low, high in part[["side", "language", "share", "low", "high"]].itertuples(index=False):
            shade, marker, shift = SIDES[side]
            at = languages.index(tag) + shift
            ax.plot([low, high], [at, at], color=CHANCE, linewidth=3.6, solid_capstyle="butt", zorder=1)
            odd: dict[str, Any] = {} if low <= share <= high else {"markeredgecolor": "#CC0000", "markeredgewidth": 1.4}
            ax.plot([share], [at], marker, color=shade, markersize=4, zorder=2, **odd)
        ax.set_title(f"{fill(label(name), TITLE)}\n{kind} batches")
        ax.margins(x=0.08)
        if part["share"].min() == 1:  # one language has all: no scale around a point, nor shares above the whole
            ax.set_xlim(0, 1.04)
        ax.xaxis.set_major_locator(round_ticks(4))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        row_axis(ax, [language_label(tag) for tag in languages])
        ax.set_xlabel("share")
    sides = [side for side in SIDES if side in set(frame["side"])]
    words = {"both": "language of query and passage", "query": "language of the query", "passage": "of the passage"}
    entries: list[Any] = [
        Line2D([], [], color=SIDES[one][0], marker=SIDES[one][1], linestyle="none", markersize=4.5, label=words[one])
        for one in sides
        if one != "both" or "query" not in sides
    ]
    entries.append(Patch(color=CHANCE, label="where all of them lie in 99.9 % of plans"))
    foot(figure, entries)
    figure.suptitle("Languages drawn, and what chance allows")
    return figure
