"""Columns that stay on disk: ids behind a small class, integer arrays and Arrow files mapped into memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any, overload

import numpy as np
import pyarrow as pa

from hybridkit.places import cache_folder
from hybridkit.storage.checksums import damaged
from hybridkit.storage.hashes import arrow_bytes

CHUNK = 1 << 17  # rows that are held as Python values at a time
_BYTES = 1 << 24  # of texts that are held as Python values at a time
_LARGE = 1 << 28  # bytes from which on an array lies in a file: the kernel can give its memory back


class StringColumn:
    """A column of texts in Arrow's memory or on disk, of which `column[rows]` gives a numpy object array of str.

    `rows` is an int, an int array, a bool mask or a slice, as numpy takes them; a part made by `take` keeps positions,
    no text.

    >>> column = StringColumn(pa.array(["a", "b", "c"], pa.large_string()))
    >>> column[1], column[np.array([2, 0])].tolist(), column.take(np.array([2, 1]))[:1].tolist(), len(column)
    ('b', ['c', 'a'], ['c'], 3)
    """

    def __init__(self, values: Any, rows: np.ndarray | None = None) -> None:  # noqa: ANN401  an Arrow array
        self._values, self._rows = values, rows

    def __len__(self) -> int:
        return len(self._values if self._rows is None else self._rows)

    @overload
    def __getitem__(self, rows: int) -> str: ...
    @overload
    def __getitem__(self, rows: np.ndarray | slice | list[int]) -> np.ndarray: ...
    def __getitem__(self, rows: int | np.ndarray | slice | list[int]) -> str | np.ndarray:
        if isinstance(rows, int | np.integer):
            place = range(len(self))[int(rows)]
            return str(self._values[place if self._rows is None else int(self._rows[place])])
        return np.asarray(self._arrow(positions(rows, len(self))).to_numpy(zero_copy_only=False), dtype=object)

    def __iter__(self) -> Iterator[str]:
        for part in self.chunks():
            yield from part.to_pylist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401  numpy's protocol
        return self[:]

    def tolist(self) -> list[str]:
        """Every text, in order."""
        return list(self)

    def take(self, rows: np.ndarray) -> "StringColumn":
        """The column of some rows, given as positions; no text is copied."""
        return StringColumn(self._values, rows if self._rows is None else self._rows[rows])

    def chunks(self, size: int = CHUNK) -> Iterator[Any]:
        """Arrow arrays of `size` texts each, in order."""
        for start in range(0, len(self), size):
            whole = self._rows is None
            yield self._values.slice(start, size) if whole else self._arrow(np.arange(len(self))[start : start + size])

    def _arrow(self, places: np.ndarray) -> Any:  # noqa: ANN401  an Arrow array
        return self._values.take(pa.array(places if self._rows is None else self._rows[places]))


def pieces(texts: Any) -> Iterator[Any]:  # noqa: ANN401  Arrow arrays
    """Cut an Arrow large_string array into slices of at most `CHUNK` texts and 16 MiB, one text at least.

    >>> [len(part) for part in pieces(pa.array(["a", "b" * 2**24, "c", "d"], pa.large_string()))]
    [1, 1, 2]
    """
    ends = arrow_bytes(texts)[1]
    start = 0
    while start < len(texts):
        fits = int(np.searchsorted(ends, ends[start] + _BYTES, side="right")) - 1
        end = min(max(fits, start + 1), start + CHUNK, len(texts))
        yield texts.slice(start, end - start)
        start = end


def first_of_groups(group: np.ndarray, names: StringColumn) -> tuple[np.ndarray, Any]:
    """Every group's number, int32, and as an Arrow array its first name in the order of code points.

    >>> numbers, first = first_of_groups(np.array([1, 0, 1], dtype=np.int32), StringColumn(pa.array(["c", "b", "a"])))
    >>> dict(zip(numbers.tolist(), first.to_pylist(), strict=True))
    {1: 'a', 0: 'b'}
    """
    whole, waiting = _first_names(group[:0], pa.array([], pa.large_string())), []
    for number, part in enumerate(names.chunks()):
        waiting.append(_first_names(group[number * CHUNK :][: len(part)], part.cast(pa.large_string())))
        if sum(map(len, waiting)) > max(len(whole), 8 * CHUNK):
            whole, waiting = _least(pa.concat_tables([whole, *waiting])), []
    whole = _least(pa.concat_tables([whole, *waiting])).combine_chunks()
    return whole["group"].to_numpy(), only_chunk(whole["name"])


def _first_names(group: np.ndarray, names: Any) -> Any:  # noqa: ANN401  Arrow's array and table
    return _least(pa.table({"group": pa.array(np.ascontiguousarray(group)), "name": names}))


def _least(table: Any) -> Any:  # noqa: ANN401  an Arrow table
    """The least name of each group; that of UTF-8 bytes is that of code points."""
    found = table.group_by("group", use_threads=False).aggregate([("name", "min")])
    return found.select(["group", "name_min"]).rename_columns(["group", "name"])


def positions(rows: np.ndarray | slice | list[int], count: int) -> np.ndarray:
    """Turn positions, a bool mask or a slice into int64 positions, as numpy understands them.

    >>> positions(np.array([True, False, True]), 3), positions(slice(1, None), 3), positions(np.array([-1]), 3)
    (array([0, 2]), array([1, 2]), array([2]))
    """
    if isinstance(rows, slice):
        return np.arange(*rows.indices(count))
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (count,):
            raise IndexError(f"a mask of {rows.shape} for {count} rows")
        return np.flatnonzero(rows)
    rows = rows.astype(np.int64) if rows.size else np.zeros(rows.shape, dtype=np.int64)
    if rows.size and not (-count <= rows.min() and rows.max() < count):
        raise IndexError(f"rows from {rows.min()} to {rows.max()} of {count} rows")
    return np.where(rows < 0, rows + count, rows)


def room(shape: tuple[int, ...], dtype: type = np.int32) -> np.ndarray:
    """An array to fill, in memory or, from 256 MiB on, in a file of the cache that goes with the array."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize < _LARGE:
        return np.empty(shape, dtype=dtype)
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_folder()) as file:
        return np.asarray(np.memmap(file, dtype=dtype, mode="w+", shape=shape))


def take_cells(array: np.ndarray, rows: np.ndarray, columns: list[int] | None = None) -> np.ndarray:
    """Copy some rows and columns of a table, block by block, into `room`."""
    columns = list(range(array.shape[1])) if columns is None else columns
    out = room((len(rows), len(columns)), array.dtype.type)
    for start in range(0, len(rows), CHUNK):
        out[start : start + CHUNK] = array[rows[start : start + CHUNK]][:, columns]
    return out


def write_arrow(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write Arrow arrays as one record batch, so that each is one piece when the file is mapped."""
    table = pa.table(columns).replace_schema_metadata(metadata)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path, *, doubted: bool = False) -> Any:  # noqa: ANN401  an Arrow table
    """Map an Arrow file into memory. Raises DamagedError for one that is missing or damaged.

    What no checksum speaks for is `doubted`: it is read through, so that no text in it is broken.
    """
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        if doubted:
            table.validate(full=True)
        return table
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, str(error)) from error


def only_chunk(column: Any) -> Any:  # noqa: ANN401  Arrow's column and array
    """The single piece of a column that `write_arrow` wrote; an empty one may have none."""
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def read_npy(path: Path) -> np.ndarray:
    """Map a .npy file into memory. Raises DamagedError for one that is missing or damaged."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.asarray(array)
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TokenError) as error:
        raise damaged(path, str(error)) from error
