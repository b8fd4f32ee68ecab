"""One parallel row, typeset: the same question and passage in every language, each in its script and direction."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.languages import language
from hybridkit.plots.frames import need
from hybridkit.plots.style import WIDTH, Page, covers, fonts, printed
from hybridkit.plots.text import language_label, wrap

SIZE, LEADING, GAP = 8.0, 0.165, 0.13  # points; inches a line; inches between rows
BASE = 0.75  # where the baseline stands in a line
COLUMNS = {"query": (1.35, 2.5), "passage": (4.0, 3.1)}  # left edge and width, inches


@printed
def sample_row(frame: pd.DataFrame, title: str = "One row in its languages") -> Figure:
    """A parallel row as a table: language, query, passage; right-to-left languages are set from the right.

    Columns: language (tag), query, passage (texts; None or NaN where the row has none, shown as a dash). Long texts are
    broken into at most six lines.
    """
    need(frame, "sample_row", "language", "query", "passage")
    figure = Page(figsize=(WIDTH, 1))
    figure.set_layout_engine("none")  # everything here has its place in inches
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
