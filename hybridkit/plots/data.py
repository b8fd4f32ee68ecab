"""Figures of the rows a study trains on: rows by language, lengths of their texts, and one row typeset."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hybridkit.data.languages import language
from hybridkit.plots.marks import one, require_columns, row_axis
from hybridkit.plots.palette import SIDE_COLOURS
from hybridkit.plots.style import (
    WIDTH,
    Page,
    covers,
    fonts,
    foot,
    language_label,
    many,
    panels,
    printed,
    round_ticks,
    wrap,
)

QUANTILES = ("q05", "q25", "q50", "q75", "q95")
SIZE, LEADING, GAP = 8.0, 0.165, 0.13  # points; inches a line; inches between rows
BASE = 0.75  # the baseline of a line
COLUMNS = {"query": (1.35, 2.5), "passage": (4.0, 3.1)}  # left edge and width, inches


@printed
def coverage(frame: pd.DataFrame) -> Figure:
    """Rows with a query and with a passage in each language, one panel a source.

    Columns: source (str), language (tag), queries, passages (numbers of rows). A language without rows
    in a source has no bars there; every panel has an axis of its own, because sources differ in size.
    """
    require_columns(frame, "coverage", "source", "language", "queries", "passages")
    sources, languages = list(dict.fromkeys(frame["source"])), sorted(set(frame["language"]))
    figure, axes = many(len(sources), 0.19 * len(languages) + 0.75, 0.5, sharey=True)
    for ax, source in zip(axes, sources, strict=True):
        part = frame[frame["source"] == source].groupby("language")[["queries", "passages"]].sum()
        part = part.reindex(languages, fill_value=0)
        for shift, side, column in ((-0.19, "query", "queries"), (0.19, "passage", "passages")):
            ax.barh(np.arange(len(languages)) + shift, part[column], height=0.38, color=SIDE_COLOURS[side])
        ax.set_title(str(source))
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        row_axis(ax, [language_label(tag) for tag in languages])
        ax.set_xlabel("rows")
    foot(figure, [Patch(color=shade, label=f"rows with a {side}") for side, shade in SIDE_COLOURS.items()])
    figure.suptitle("Rows by language")
    return figure


@printed
def text_lengths(frame: pd.DataFrame) -> Figure:
    """Lengths of queries and passages in each language as boxes of quantiles.

    Columns: language (tag), side ("query" or "passage"), unit ("characters", "words" or "tokens"; one or several),
    q05, q25, q50, q75, q95 (quantiles, in that unit).
    """
    require_columns(frame, "text_lengths", "language", "side", "unit", *QUANTILES)
    one(frame, "text_lengths", "source")
    languages, units = sorted(set(frame["language"])), list(dict.fromkeys(frame["unit"]))
    figure, axes = panels(1, len(units), WIDTH if len(units) > 1 else 4.6, 0.26 * len(languages) + 1.3, sharey=True)
    for ax, unit in zip(axes, units, strict=True):
        part = frame[frame["unit"] == unit].set_index(["side", "language"])
        for shift, side in ((-0.19, "query"), (0.19, "passage")):
            there = [nth for nth, tag in enumerate(languages) if (side, tag) in part.index]
            found = [part.loc[(side, languages[nth])] for nth in there]
            names = dict(zip(QUANTILES, ("whislo", "q1", "med", "q3", "whishi"), strict=True))
            ax.bxp(
                [{new: float(entry[old]) for old, new in names.items()} for entry in found],
                positions=[nth + shift for nth in there],
                widths=0.32,
                orientation="horizontal",
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": SIDE_COLOURS[side], "edgecolor": "none"},
                medianprops={"color": "white", "linewidth": 1.4},
                whiskerprops={"color": SIDE_COLOURS[side], "linewidth": 0.9},
                capprops={"color": SIDE_COLOURS[side], "linewidth": 0.9},
            )
        ax.set_xlabel(f"length ({unit})")
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(round_ticks(6))
        row_axis(ax, [language_label(tag) for tag in languages])
    entries = [Patch(color=shade, label=side) for side, shade in SIDE_COLOURS.items()]
    foot(figure, entries, "white line: median; box: middle half; whiskers: 5th to 95th percentile")
    figure.suptitle("Text lengths by language")
    return figure


@printed
def sample_row(frame: pd.DataFrame, title: str = "One row in its languages") -> Figure:
    """A parallel row as a table: language, query, passage; right-to-left languages are set from the right.

    Columns: language (tag), query, passage (texts; None or NaN where the row has none, shown as a dash). Long texts are
    broken into at most six lines.
    """
    require_columns(frame, "sample_row", "language", "query", "passage")
    figure = Page(figsize=(WIDTH, 1))
    figure.set_layout_engine("none")  # everything here is placed in inches
    rows = []
    for entry in frame.to_dict("records"):
        tag = str(entry["language"])
        lines = {
            side: wrap(figure, entry[side], tag, width, SIZE) if isinstance(entry[side], str) else ["–"]
            for side, (_, width) in COLUMNS.items()
        }
        rows.append((tag, lines, max(map(len, lines.values()))))
    height = 0.75 + sum(lines * LEADING + GAP for *_, lines in rows)
    figure.set_size_inches(WIDTH, height)
    at = height - 0.2
    figure.text(0.5, at / height, title, ha="center", va="center", fontsize=9.5)
    at -= 0.28
    figure.text(0.1 / WIDTH, at / height, "language", va="center", fontsize=7.5, color="#444444")
    for side, (left, _) in COLUMNS.items():
        figure.text(left / WIDTH, at / height, side, va="center", fontsize=7.5, color="#444444")
    at -= 0.12
    for tag, lines, most in rows:
        figure.add_artist(Line2D([0.08 / WIDTH, 1 - 0.08 / WIDTH], [at / height] * 2, color="#cccccc", linewidth=0.6))
        at -= GAP / 2
        spoken = language(tag)
        name = spoken.endonym if covers(spoken.endonym) else spoken.name
        base = (at - LEADING * BASE) / height
        figure.text(0.1 / WIDTH, base, language_label(tag, False), va="baseline", fontsize=SIZE)
        figure.text(0.48 / WIDTH, base, name, va="baseline", fontsize=SIZE, color="#444444")
        for side, (left, width) in COLUMNS.items():
            right = spoken.direction == "rtl"
            for number, line in enumerate(lines[side]):
                figure.text(
                    (left + width * right) / WIDTH,
                    (at - LEADING * (number + BASE)) / height,
                    line,
                    ha="right" if right else "left",
                    va="baseline",
                    fontsize=SIZE,
                    fontfamily=fonts(spoken.script),
                )
        at -= most * LEADING + GAP / 2
    return figure
