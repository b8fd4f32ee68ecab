"""The language matrix, a heat map of query language by passage language: of a measure, or of a difference of two."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hybridkit.errors import InputError
from hybridkit.evaluation.significance import BEYOND, GIVEN
from hybridkit.plots.marks import matrix, one, require_columns
from hybridkit.plots.style import DIGITS, GREYED, MISSING, WIDTH, foot, language_label, many, printed
from hybridkit.sampling.labels import label, order
from hybridkit.utils.numbers import bare

READABLE = 13  # languages up to which a cell has room for a number
_SAME = ("benchmark", "measure", "setting", "encoder", "study")


def heat(
    axes: Axes,
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    colours: str | Colormap,
    norm: Normalize,
    form: str = ".2f",
    size: float = DIGITS,
    endonyms: bool = False,
) -> None:
    """Draw a matrix (rows, columns) with the languages as ticks and its numbers in the cells; NaN is hatched grey.

    Without `rows` the languages of the rows are not named, as where another matrix to the left has them.
    `form` is the number format, "" for none; the minus sign and leading zero are shortened (0.81 is .81) to save room.
    """
    labels = [[_short(value, form) for value in row] for row in values] if form else False
    sns.heatmap(
        values,
        ax=axes,
        mask=np.isnan(values),
        cmap=colours,
        norm=norm,
        cbar=False,
        square=True,
        annot=np.array(labels) if form else False,
        fmt="",
        annot_kws={"fontsize": size, "fontfamily": "DejaVu Sans"},
        linewidths=0.4,
        linecolor="white",
        xticklabels=[language_label(tag, endonym=False) for tag in columns],
        yticklabels=[language_label(tag, endonym=endonyms) for tag in rows] if rows else False,
    )
    for number in axes.texts:
        number.set_in_layout(False)  # they lie inside the axes; a layout that asks each of them takes seconds
    if np.isnan(values).any():
        axes.patch.set(facecolor=MISSING, edgecolor="#999999", hatch="/////")
    axes.set_anchor("W")  # a square in the middle of its cell would move with the room for its own labels
    axes.tick_params(length=0, pad=1.5)
    axes.tick_params(axis="x", rotation=90 if len(columns) > 12 else 0)
    axes.tick_params(axis="y", rotation=0)


def grey_out(axes: Axes, cells: np.ndarray) -> None:
    """Cover cells of a heat map, given as a matrix of truths, with a light grey; their numbers stay, in grey."""
    for row, column in np.argwhere(cells):
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=GREYED, edgecolor="white", linewidth=0.4))
    for number in axes.texts:
        column, row = (int(part) for part in number.get_position())
        if cells[row, column]:
            number.set_color("#6e6e6e")


def small_multiples(
    count: int, languages: int, cell: float, labels: float = 0.35, most: int = 3
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Lay out `count` language matrices, `cell` inches a language or a little less, at most `most` beside each other.

    `labels` is the room for the language names at the left, in inches. No figure is wider than a page.
    Returns the figure, the axes in use, and those of them that are in the first column.
    """
    for across in range(most, 0, -1):
        columns = -(-count // -(-count // across))
        bar = 0.1 if count % columns else 0.85  # the colour bar is drawn in an empty cell, or beside the matrices
        widest = (WIDTH - labels - bar) / columns - 0.13
        if cell * languages <= widest:
            break
    side = min(max(cell * languages * (1.2 if columns > 1 else 1), 1.9 if count == 1 else 1.4), widest)
    width = min((side + 0.13) * columns + labels + bar, WIDTH)
    figure, axes = many(count, side + 0.75, 0.5, max(width, 3.6), most=most)
    return figure, axes, axes[::columns]


def colour_bar(figure: Figure, axes: list[Axes], colours: str | Colormap, norm: Normalize, label: str) -> Any:
    """One colour bar for several matrices, thin, with its label along it; in an empty cell of their grid, if any."""
    spare = [ax for ax in figure.axes if not (ax.get_visible() and ax.axison)]
    if spare:
        spare[0].set_visible(True)
        spare[0].set_axis_off()
        inside = spare[0].inset_axes((0.1, 0.6 - 0.3 * len(spare[0].child_axes), 0.85, 0.05))
        bar = figure.colorbar(ScalarMappable(norm, colours), cax=inside, label=label, orientation="horizontal")
    else:
        bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, label=label, fraction=0.04, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    return bar


def _short(value: float, form: str) -> str:
    if np.isnan(value):
        return ""
    text = format(value, form)
    if float(text) == 0:
        return text.replace("-", "").replace("+", "")
    return bare(text)


def _languages(frame: pd.DataFrame) -> list[str]:
    return sorted({*frame["query_language"], *frame["passage_language"]} - {"*"})


@printed
def language_pairs(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """A measure for every pair of languages, one heat map a strategy, all on one colour scale.

    Columns: strategy, query_language, passage_language, value. Seeds are averaged; a `setting` column may hold "mono"
    and "cross" together (the diagonal is mono), rows of the pool (passage language "*") are left out; pairs without a
    value are hatched.
    """
    require_columns(frame, "language_pairs", "strategy", "query_language", "passage_language", "value")
    frame = frame[frame["passage_language"] != "*"]
    require_columns(
        frame, "language_pairs (without the pool)", "strategy", "query_language", "passage_language", "value"
    )
    one(frame, "language_pairs", *[column for column in _SAME if column != "setting"])
    strategies, languages = order(frame["strategy"]), _languages(frame)
    tables = {name: matrix(frame[frame["strategy"] == name], languages, languages) for name in strategies}
    values = np.stack(list(tables.values()))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    norm = Normalize(low, high) if high > low else Normalize(low - 0.05, high + 0.05)
    numbers = len(languages) <= READABLE
    figure, axes, first = small_multiples(len(strategies), len(languages), 0.165 if numbers else 0.1)
    for ax, name in zip(axes, strategies, strict=True):
        heat(ax, tables[name], languages if ax in first else [], languages, "cividis", norm, ".2f" if numbers else "")
        off = tables[name][~np.eye(len(languages), dtype=bool)]
        means = [f"mono {np.nanmean(np.diagonal(tables[name])):.3f}"] if _any(np.diagonal(tables[name])) else []
        means += [f"cross {np.nanmean(off):.3f}"] if _any(off) else []
        ax.set_title(f"{label(name)}\n{', '.join(means)}")
        ax.set_xlabel("passage language")
    for ax in first:
        ax.set_ylabel("query language")
    colour_bar(figure, axes, "cividis", norm, f"mean {measure}")
    if np.isnan(values).any():
        foot(figure, [], "hatched: no judged query")
    figure.suptitle(f"{measure} by query and passage language")
    return figure


@printed
def pair_difference(frame: pd.DataFrame, a: str = "", b: str = "", measure: str = "AP") -> Figure:
    """The difference of two strategies for every pair of languages, on a diverging scale centred at 0.

    Columns: query_language, passage_language, value (a minus b). `a` and `b` name the two in the title. With a column
    mark (and family, what its correction covers; `significance.judged`), differences without a mark are greyed out, and
    those that are established over trainings too are bold.
    """
    require_columns(frame, "pair_difference", "query_language", "passage_language", "value")
    one(frame, "pair_difference", "strategy", *[column for column in _SAME if column != "setting"])
    frame = frame[frame["passage_language"] != "*"]
    languages = _languages(frame)
    difference = matrix(frame, languages, languages)
    if not _any(difference):
        raise InputError("figure pair_difference: no pair of languages has a value; nothing to draw")
    limit = max(float(np.nanmax(np.abs(difference))), 1e-9)
    norm = TwoSlopeNorm(0.0, -limit, limit)
    numbers = len(languages) <= READABLE
    figure, axes, _ = small_multiples(1, len(languages), 0.34 if numbers else 0.2, 1.3)
    form = ("+.2f" if limit >= 0.05 else "+.3f") if numbers else ""  # small differences need a digit more
    heat(axes[0], difference, languages, languages, "PuOr_r", norm, form, endonyms=True)
    axes[0].set(xlabel="passage language", ylabel="query language")
    names = f"{label(a)} minus {label(b)}" if a and b else "a minus b"
    figure.suptitle(f"Difference in {measure}: {names}")
    colour_bar(figure, axes, "PuOr_r", norm, f"difference in mean {measure}")
    notes = ["hatched: no judged query"] if np.isnan(difference).any() else []
    if "mark" in frame.columns:
        code = frame.assign(mark=frame["mark"].fillna("").map({"": 0.0, GIVEN: 1.0, BEYOND: 2.0}))
        marks = matrix(code, languages, languages, "mark")
        grey_out(axes[0], marks == 0)
        for text in axes[0].texts:
            column, row = (int(part) for part in text.get_position())
            text.set_fontweight("bold" if marks[row, column] == 2 else "normal")
        families = ", ".join(dict.fromkeys(frame["family"])) if "family" in frame.columns else ""
        notes.append("grey: no difference is shown; plain: over questions, given these trainings; bold: over other")
        notes[-1] += " trainings too" + f"\n(Holm’s correction: {families})" * bool(families)
    foot(figure, [], "; ".join(notes))
    return figure


def _any(values: np.ndarray) -> bool:
    return bool((~np.isnan(values)).any())
