"""The language matrix: a heat map of query language by passage language, used by several figures."""

from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hybridkit.palette import bare
from hybridkit.plots.style import GREYED, MISSING, panels
from hybridkit.plots.text import language_label

READABLE = 13  # languages up to which a cell has room for a number


def heat(
    axes: Axes, values: np.ndarray, rows: list[str], columns: list[str], colours: str | Colormap, norm: Normalize,
    form: str = ".2f", size: float = 6.0, endonyms: bool = False,
) -> None:  # fmt: skip
    """Draw a matrix (rows, columns) with the languages as ticks and its numbers in the cells; NaN is hatched grey.

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
        yticklabels=[language_label(tag, endonym=endonyms) for tag in rows],
    )
    for number in axes.texts:
        number.set_in_layout(False)  # they lie inside the axes; a layout that asks each of them takes seconds
    if np.isnan(values).any():
        axes.patch.set(facecolor=MISSING, edgecolor="#999999", hatch="/////")
    axes.set_anchor("W")  # a square in the middle of its place would move with the room for its own labels
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
    count: int, languages: int, cell: float, labels: float = 0.35
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Lay out `count` language matrices, `cell` inches a language, at most three beside each other.

    `labels` is the room for the language names at the left, in inches.
    Returns the figure, the axes in use, and those of them that stand in the first column.
    """
    columns = min(count, 3)
    rows = -(-count // columns)
    side = max(cell * languages, 1.9 if count == 1 else 1.4)
    figure, axes = panels(rows, columns, max((side + labels) * columns + 1.0, 3.6), (side + 0.5) * rows + 0.8)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count], axes[:count:columns]


def colour_bar(figure: Figure, axes: list[Axes], colours: str | Colormap, norm: Normalize, label: str) -> Any:  # noqa: ANN401
    """One colour bar for several matrices, thin, with its label along it."""
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
