"""Checks of the frames that figures are drawn from."""

import numpy as np
import pandas as pd

from hybridkit.errors import InputError


def need(frame: pd.DataFrame, figure: str, *columns: str) -> pd.DataFrame:
    """Give back the frame when it has rows and the columns; raises InputError that names the figure and the column."""
    for column in columns:
        if column not in frame.columns:
            there = ", ".join(map(str, frame.columns)) or "none"
            raise InputError(f"figure {figure}: the frame has no column {column!r} (columns: {there}); add it")
    if frame.empty:
        raise InputError(
            f"figure {figure}: the frame has no rows (columns needed: {', '.join(columns)}); nothing to draw"
        )
    return frame


def pick(frame: pd.DataFrame, figure: str, column: str, value: str) -> pd.DataFrame:
    """Rows whose column equals a value; raises InputError naming the values there are when none does."""
    chosen = frame[frame[column] == value]
    if chosen.empty:
        there = ", ".join(sorted({str(entry) for entry in frame[column]}))
        raise InputError(f"figure {figure}: no row with {column} = {value!r}; there is {there}")
    return chosen


def one(frame: pd.DataFrame, figure: str, *columns: str) -> None:
    """Check that columns, where they are there, hold one value each, so that a mean never mixes two things."""
    for column in columns:
        if column in frame.columns and frame[column].nunique(dropna=False) > 1:
            there = ", ".join(sorted({str(entry) for entry in frame[column]}))
            raise InputError(f"figure {figure}: column {column!r} holds {there}; select one of them first")


def matrix(frame: pd.DataFrame, rows: list[str], columns: list[str], value: str = "value") -> np.ndarray:
    """Mean of `value` by query language (rows) and passage language (columns), float64; NaN where there is none."""
    table = frame.pivot_table(index="query_language", columns="passage_language", values=value, aggfunc="mean")
    return table.reindex(index=rows, columns=columns).to_numpy(dtype=float)
