"""The curves of a study as one tidy frame: macro means of every model with its place on the curve."""

from collections.abc import Collection

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.evaluation.measures import macro
from hybridkit.results import cell_scores
from hybridkit.run import Run
from hybridkit.sweep import sweep

COLUMNS = ["x", "strategy", "seed", "benchmark", "setting", "measure", "value"]
MEASURES = ("AP", "rank_distance")
_LACKS = {  # what a study without a section is told
    "alpha": ("curve over alpha", "{alphas: [0, 0.25, 0.5, 0.75, 1], seeds: [0, 1, 2, 3, 4]}"),
    "rows": ("curve over training rows", "{rows: [300, 600, 1200], seeds: [0, 1, 2, 3, 4]}"),
    "batch_size": ("curve over the batch size", "{batch_sizes: [32, 64, 128], seeds: [0, 1, 2, 3, 4]}"),
    "pairs": ("comparison of pairs in a batch", "{pairs: [cross, \"cross(pairs='one')\"], seeds: [0, 1, 2, 3, 4]}"),
}


def place(cell: Cell, section: str) -> float:
    """Where a model stands on the x axis of a section: its alpha, rows or batch size; 0 among the pairs.

    >>> place(Cell("mono", part="curve"), "alpha"), place(Cell("mono", part="curve", rows=300), "rows")
    (1.0, 300.0)
    """
    of = {"alpha": cell.alpha, "rows": float(cell.rows), "batch_size": float(cell.batch_size)}
    return of.get(section, 0.0)


def curve_scores(run: Run, section: str = "alpha", measures: Collection[str] = MEASURES) -> pd.DataFrame:
    """Macro means of the models of one curve: x, strategy, seed, benchmark, setting, measure, value.

    `section` is "alpha", "rows" (as many steps on fewer rows), "batch_size" (as many draws) or "pairs". Trains and
    scores what is missing; a frame without rows where the study has no such section (`lacking` says so in words).
    """
    cells, parts = run.curve_cells(section), []
    names = run.benchmarks("curve") if cells else ()
    sweep(run, cells, names)
    for cell in cells:
        for name in names:
            found = macro(cell_scores(run, cell, name))
            found = found[found["measure"].isin(list(measures))]
            parts.append(
                found.assign(x=place(cell, section), strategy=cell.strategy, seed=cell.seed, benchmark=name)[COLUMNS]
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def make_curves(run: Run) -> int:
    """Train and score every model of a study's curves that is missing, with one bar; gives how many were."""
    cells = run.cells("curve")
    return sweep(run, cells, run.benchmarks("curve")) if cells else 0


def lacking(run: Run, section: str) -> str:
    """Say that a study has no such section, and which key of its file would give it; "" where it has one.

    >>> from hybridkit.study import open_study
    >>> import tempfile, pathlib
    >>> print(lacking(Run(open_study("starter"), pathlib.Path(tempfile.mkdtemp())), "rows"))
    This study has no curve over training rows; `curve: {rows: [300, 600, 1200], seeds: [0, 1, 2, 3, 4]}` would give it.
    """
    if run.curve_cells(section):
        return ""
    name, key = _LACKS[section]
    return f"This study has no {name}; `curve: {key}` would give it."


def means(curve: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds by strategy and x (rows), benchmark, setting and measure (columns); a table to look at."""
    by = ["strategy", "x"] if curve["x"].any() else ["strategy"]
    found = curve.groupby([*by, "benchmark", "setting", "measure"], sort=False)["value"].mean()
    wide: pd.DataFrame = found.unstack(["benchmark", "setting", "measure"])
    return wide.sort_index()
