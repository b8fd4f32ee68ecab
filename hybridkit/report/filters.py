"""Filters that a person writes in one line, for any frame: words, and conditions on its columns."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import is_numeric_dtype

from hybridkit.errors import InputError
from hybridkit.utils.characters import visible

if TYPE_CHECKING:
    from collections.abc import Sequence


_PART = re.compile(r'(?:([^\s<>=!:"]+)(<=|>=|!=|=|<|>|:))?("[^"]+"|\S+)')
_SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def filtered(frame: pd.DataFrame, text: str, words: Sequence[str] = ("text",)) -> pd.DataFrame:
    """Return the rows of a frame that a filter leaves, as in `language=ar,de rank>10 text:river`.

    A condition is COLUMN, a sign and a value without spaces, or in "": for numbers = != < <= > >=, for texts = and !=
    (one of some, separated by commas) and : (contains). All conditions must hold; a missing number fulfils none. What
    is no condition on a column of the frame are words: one of the columns `words` must contain them, in a row, as they
    are written. Capitals and invisible characters do not count.

    Raises:
        InputError: For a number that is none, and a sign that texts or numbers do not have.

    >>> frame = pd.DataFrame({"text": ["The old river", "A sea"], "language": ["en", "de"], "rank": [12, 3]})
    >>> [filtered(frame, one).index.tolist() for one in ("OLD river", "rank>=3 rank<12", "language=de,fr", "a:b")]
    [[0], [1], [1], []]
    """
    kept = pd.Series(True, index=frame.index)
    left = []
    for match in _PART.finditer(text):
        column, sign, value = match[1], match[2], match[3].strip('"')
        if column in frame.columns:
            kept &= _holds(frame[column], column, sign, value)
        else:
            left.append(match[0].replace('"', "") if column is None else match[0])
    if left:
        sought = _plain(" ".join(left))
        kept &= pd.concat([frame[name].map(lambda one: sought in _plain(one)) for name in words], axis=1).any(axis=1)
    return frame[kept.to_numpy(bool)]


def _holds(values: pd.Series, column: str, sign: str, value: str) -> pd.Series:
    if is_numeric_dtype(values):
        if sign == ":":
            raise InputError(f"filter: {column} holds numbers; write {column}>{value} or {column}={value}")
        numbers = [_number(one, column) for one in (value.split(",") if sign in ("=", "!=") else [value])]
        if sign in _SIGNS:
            compared: pd.Series = _SIGNS[sign](values, numbers[0])
            return compared.fillna(False).astype(bool)
        return values.isin(numbers) if sign == "=" else values.notna() & ~values.isin(numbers)
    if sign in _SIGNS:
        raise InputError(f"filter: {column} holds texts; write {column}={value} or {column}:{value}")
    if sign == ":":
        return values.map(lambda one: _plain(value) in _plain(one)).astype(bool)
    among = values.map(_plain).isin([_plain(one) for one in value.split(",")])
    return among if sign == "=" else ~among


def _number(text: str, column: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"filter: {column} holds numbers, and {text!r} is none") from error


def _plain(text: object) -> str:
    return visible(str(text)).casefold()
