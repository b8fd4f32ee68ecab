"""Tables in the style of a paper, as HTML and LaTeX: best bold, second underlined, significant differences marked.

HTML is made by great-tables. Its LaTeX (1.1) leaves out bold and underline, knows no footnotes and no label, so that is
written here, for the package booktabs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.significance import BEYOND, GIVEN, marks_note
from hybridkit.utils.characters import escaped
from hybridkit.utils.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from great_tables import GT


LOWER_IS_BETTER = ("rank distance",)
_MISSING = "–"
_LATEX = {  # [ and * because a line that begins with one would be an option of the \\ before it
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",
    "*": "{*}",
    "α": r"$\alpha$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    GIVEN: r"\textdegree{}",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "\u00a0": "~",
}


@dataclass(frozen=True, eq=False)
class PaperTable:
    """A table ready to be set: its cells as text, and which are best, second and marked; made by `paper_table`.

    `groups` and `names` are the benchmark and the strategy of each line; `cells`, `best` and `second` have the same
    shape (lines, columns). A notebook shows it as HTML.
    """

    groups: tuple[str, ...]
    names: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    best: np.ndarray
    second: np.ndarray
    caption: str

    def _repr_html_(self) -> str:
        return to_html(self)


def paper_table(table: pd.DataFrame, caption: str = "", marks: pd.DataFrame | None = None) -> PaperTable:
    """Return a table ready to be set: three decimals, whole ranks, whole counts, the best and second values marked.

    Best and second are those of each benchmark and column by what is printed: values that look alike are alike.

    Args:
        table: The frame of `analysis.scores.main_table`, with the index levels benchmark and strategy.
        caption: What is printed with the table; `caption_of` makes one that explains the marks.
        marks: What is shown behind a number ("°", "*" or ""), for all lines and columns or some (`significance_marks`).

    Raises:
        InputError: For a frame with other index levels, and for marks that are not in the table.

    >>> table = pd.DataFrame({"pool": [0.5, 0.7], "rank distance": [300.0, 200.0], "seeds": [3, 3]},
    ...                      index=pd.MultiIndex.from_product([["xquad-r"], ["mono", "cross"]]))
    >>> found = paper_table(table, marks=pd.DataFrame({"pool": ["*"]}, index=table.index[1:]))
    >>> found.cells, found.best.tolist()
    ((('0.500', '300', '3'), ('0.700*', '200', '3')), [[False, False, False], [True, True, False]])
    """
    from hybridkit.sampling.labels import label

    if table.index.nlevels != 2 or table.empty:
        raise InputError(
            "a table must have the index levels benchmark and strategy; give a frame of main_table(macros)"
        )
    marked = _marked(table, marks)
    groups = table.index.get_level_values(0).astype(str)
    texts = np.empty(table.shape, dtype=object)
    best, second = np.zeros(table.shape, bool), np.zeros(table.shape, bool)
    for column, name in enumerate(table.columns):
        digits = 0 if name in LOWER_IS_BETTER or pd.api.types.is_integer_dtype(table[name]) else 3
        values = table[name].to_numpy(float).round(digits)
        shown = [_MISSING if np.isnan(value) else f"{value:.{digits}f}" for value in values]
        texts[:, column] = [f"{text}{mark}" for text, mark in zip(shown, marked[:, column], strict=True)]
        if pd.api.types.is_integer_dtype(table[name]):
            continue  # a count is not a contest
        for group in pd.unique(groups):
            lines = np.flatnonzero((groups == group) & ~np.isnan(values))
            better = values[lines] if name in LOWER_IS_BETTER else -values[lines]
            ranked = np.unique(better)
            for rank, chosen in zip(ranked[:2], (best, second), strict=False):
                chosen[lines, column] = better == rank
    names = tuple(label(str(name)) for name in table.index.get_level_values(1))
    cells = tuple(tuple(line) for line in texts.tolist())
    return PaperTable(tuple(groups), names, tuple(map(str, table.columns)), cells, best, second, caption)


def _marked(table: pd.DataFrame, marks: pd.DataFrame | None) -> np.ndarray:
    if marks is None:
        return np.full(table.shape, "", object)
    unknown = [*marks.index.difference(table.index), *marks.columns.difference(table.columns)]
    if unknown:
        raise InputError(f"marks of {unknown[0]!r}, which is not in the table; give lines and columns of the table")
    return marks.reindex(index=table.index, columns=table.columns, fill_value="").fillna("").to_numpy(object)


def significance_marks(comparisons: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Turn comparisons with a baseline into the marks of `paper_table`.

    `comparisons` has the columns benchmark, system, against, setting, measure (AP or rank_distance) and mark: the rows
    of `scores.compare_with_baseline`, of which those with the baseline are taken.

    >>> rows = pd.DataFrame({"benchmark": "b", "system": "cross", "against": "mono", "setting": ["mono", "pool"],
    ...                      "measure": "AP", "mark": ["", "°"]})
    >>> significance_marks(rows, "mono").loc[("b", "cross")].to_dict()
    {'mono': '', 'pool': '°'}
    """
    rows = comparisons[comparisons["measure"].isin(["AP", "rank_distance"]) & (comparisons["against"] == baseline)]
    names = rows["setting"].where(rows["measure"] == "AP", "rank distance")
    wide = rows.assign(column=names).pivot(index=["benchmark", "system"], columns="column", values="mark")
    return wide.rename_axis(index=["benchmark", "strategy"], columns=None)


def caption_of(baseline: str, comparisons: pd.DataFrame, similarity: str = "cosine") -> str:
    """A caption that explains the marks of a table, with the tests and the families that their correction covers.

    The encoder's `similarity`, by which passages are ranked, is named where it is not cosine.

    >>> rows = pd.DataFrame({"trainings": 5, "p_holm": 0.4, "significant": False,
    ...                      "family": ["4 comparisons: toys"] * 4})
    >>> caption_of("mono", rows)[-60:]
    'both p < 0.05 after Holm’s correction (4 comparisons: toys).'
    """
    from hybridkit.sampling.labels import label

    ranked = "" if similarity == "cosine" else f"Passages are ranked by {similarity}, the encoder's own similarity. "
    return (
        f"{ranked}AP: mean over languages (mono), ordered pairs of languages (cross) or query languages (pool), then "
        "over seeds; rank distance in ranks, lower is less bias. Bold: best; underlined: second, within a benchmark. "
        f"Marks say what differs from {label(baseline)}: {marks_note(comparisons)}"
    )


def to_html(table: PaperTable) -> str:
    """A table as HTML with its own style, all texts escaped; the same bytes for the same table."""
    return great_table(table).as_raw_html()


def great_table(table: PaperTable) -> GT:
    """The great-tables object of a table, to be styled further."""
    from great_tables import GT, loc, style
    from great_tables import html as raw

    frame = pd.DataFrame(table.cells, columns=list(table.columns))
    frame.insert(0, "strategy", list(table.names))
    frame.insert(0, "benchmark", list(table.groups))
    out = GT(frame, rowname_col="strategy", groupname_col="benchmark", id="scores").cols_align(
        "right", list(table.columns)
    )
    for rows, text in ((table.best, style.text(weight="bold")), (table.second, style.text(decorate="underline"))):
        for column, name in enumerate(table.columns):
            if rows[:, column].any():
                out = out.tab_style(text, loc.body(columns=name, rows=np.flatnonzero(rows[:, column]).tolist()))
    return out.tab_source_note(raw(escaped(table.caption))) if table.caption else out


def to_latex(table: PaperTable, label: str = "") -> str:
    r"""A table for LaTeX, all texts escaped; it needs \usepackage{booktabs}, and fonts for benchmark names.

    >>> yes, no = np.array([[True]]), np.array([[False]])
    >>> found = PaperTable(("b_1",), ("mono",), ("pool",), (("0.5°",),), best=yes, second=no, caption="")
    >>> print(to_latex(found))
    \begin{table}
    \centering
    \begin{tabular}{lr}
    \toprule
     & pool \\
    \midrule
    \multicolumn{2}{l}{\textit{b\_1}} \\
    mono & \textbf{0.5}\rlap{\textdegree{}} \\
    \bottomrule
    \end{tabular}
    \end{table}
    """
    lines = [r"\begin{table}", r"\centering"]
    lines += [rf"\caption{{{latex(table.caption)}}}"] if table.caption else []
    lines += [rf"\label{{{label}}}"] if label else []
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    lines += [_line(["", *map(latex, table.columns)])]
    before = None
    for nth, (group, name, cells) in enumerate(zip(table.groups, table.names, table.cells, strict=True)):
        if group != before:
            lines += [r"\midrule", _line([rf"\multicolumn{{{len(cells) + 1}}}{{l}}{{\textit{{{latex(group)}}}}}"])]
            before = group
        flags = zip(cells, table.best[nth], table.second[nth], strict=True)
        lines.append(_line([latex(name), *(_cell(text, best, second) for text, best, second in flags)]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def save_table(table: PaperTable, folder: Path, name: str, label: str = "") -> None:
    """Write a table as NAME.html and NAME.tex, each whole or absent."""
    write_text(folder / f"{name}.html", to_html(table))
    write_text(folder / f"{name}.tex", to_latex(table, label))


def latex(text: str) -> str:
    r"""Escape what LaTeX takes for a command, and write the signs that are not in its text fonts as commands.

    >>> print(latex("hybrid α = 0.5 & 100 %_x"))
    hybrid $\alpha$ = 0.5 \& 100 \%\_x
    """
    return "".join(_LATEX.get(character, character) for character in text)


def _cell(text: str, best: bool, second: bool) -> str:
    """The number alone is bold or underlined; the mark hangs behind it, so that digits stay in line."""
    mark = text[len(text.rstrip(GIVEN + BEYOND)) :]
    number = latex(text.removesuffix(mark))
    framed = rf"\textbf{{{number}}}" if best else rf"\underline{{{number}}}" if second else number
    return framed + rf"\rlap{{{latex(mark)}}}" * bool(mark)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
