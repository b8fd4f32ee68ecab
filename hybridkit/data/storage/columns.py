"""Columns on disk, mapped into memory: ids, integer arrays, Arrow strings.

Equal texts are found by sorting 128-bit hashes, so that no dictionary of texts is held.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa

from hybridkit.errors import InputError
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.products import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_BUCKET = 1 << 22  # hashes sorted at a time
CHUNK = 1 << 17  # rows that are held as Python values at a time
_BYTES = 1 << 24  # of texts that are held as Python values at a time
_LARGE = 1 << 28  # bytes from which on an array lies in a file: the kernel can give its memory back
_TEXT, _ENDS = "ids.txt", "ids.ends"  # the ids' bytes one after the other; where each one ends, int64


def hash_strings(values: Iterable[str]) -> np.ndarray:
    """Return 128-bit BLAKE2 hashes of texts, uint64 (texts, 2); among 10^9 texts two are equal with a chance of 10^-21.

    >>> one, two, again = hash_strings(["a", "b", "a"]).tolist()
    >>> one == again, one == two
    (True, False)
    """
    return _joined(blake2b(value.encode(), digest_size=16).digest() for value in values)


def hash_arrow(values: Any) -> np.ndarray:
    """Return `hash_strings` of an Arrow large_string array, without making Python texts of it."""
    data, ends = arrow_bytes(values)
    view = data.data
    return _joined(blake2b(view[start:end], digest_size=16).digest() for start, end in pairwise(ends.tolist()))


def arrow_bytes(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the UTF-8 bytes of a large_string array, and the bounds of its texts in them, int64 (texts + 1,)."""
    _, offsets, data = values.buffers()
    empty = offsets is None or offsets.size == 0
    bounds = np.zeros(1, dtype=np.int64) if empty else np.frombuffer(offsets, dtype=np.int64)
    bounds = bounds[values.offset : values.offset + len(values) + 1]
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.empty(0, dtype=np.uint8)
    return raw[bounds[0] : bounds[-1]], bounds - bounds[0]


def first_equal(hashes: np.ndarray) -> np.ndarray:
    """Return the position of the first hash that equals each hash, int32 (hashes,); few are sorted at a time.

    >>> first_equal(hash_strings(["b", "a", "b", "a"]))
    array([0, 1, 0, 1], dtype=int32)
    """
    out = np.empty(len(hashes), dtype=np.int32)
    bits = max(0, int(len(hashes) // _BUCKET).bit_length())
    bucket = np.zeros(len(hashes), dtype=np.uint16)
    for start in range(0, len(hashes) if bits else 0, _BUCKET):
        bucket[start : start + _BUCKET] = hashes[start : start + _BUCKET, 0] >> np.uint64(64 - bits)
    for number in range(1 << bits):
        at = np.flatnonzero(bucket == number)
        high, low = hashes[at, 0], hashes[at, 1]
        order = np.argsort(high, kind="stable")
        same = np.diff(high[order]) == 0
        if (same & (low[order][1:] != low[order][:-1])).any():  # equal halves of different hashes: sort by both
            order = np.lexsort((low, high))
            same = (np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)
        starts = np.concatenate([[True], ~same])[: len(at)]
        out[at[order]] = at[order[starts]][np.cumsum(starts) - 1]
    return out


def numbered(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the result of `first_equal` in order of arrival: int32 (hashes,), and a bool mask of the first ones.

    >>> numbered(np.array([0, 1, 0, 3]))
    (array([0, 1, 0, 2], dtype=int32), array([ True,  True, False,  True]))
    """
    fresh = first == np.arange(len(first), dtype=first.dtype)
    rank = np.cumsum(fresh, dtype=np.int32) - np.int32(1)
    return rank[first], fresh


def _joined(digests: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)


class StringColumn:
    """A column of texts in Arrow's memory or on disk; `column[rows]` is a numpy object array of str.

    `rows` is an int, an int array, a bool mask or a slice, as in numpy; what `take` returns keeps positions, no text.

    >>> column = StringColumn(pa.array(["a", "b", "c"], pa.large_string()))
    >>> column[1], column[np.array([2, 0])].tolist(), column.take(np.array([2, 1]))[:1].tolist(), len(column)
    ('b', ['c', 'a'], ['c'], 3)
    """

    def __init__(self, values: Any, rows: np.ndarray | None = None) -> None:
        self._values, self._rows = values, rows

    def __len__(self) -> int:
        return len(self._values if self._rows is None else self._rows)

    @overload
    def __getitem__(self, rows: int) -> str: ...
    @overload
    def __getitem__(self, rows: np.ndarray | slice | list[int]) -> np.ndarray: ...
    def __getitem__(self, rows: int | np.ndarray | slice | list[int]) -> str | np.ndarray:
        if isinstance(rows, int | np.integer):
            position = range(len(self))[int(rows)]
            return str(self._values[position if self._rows is None else int(self._rows[position])])
        return np.asarray(self._arrow(positions(rows, len(self))).to_numpy(zero_copy_only=False), dtype=object)

    def __iter__(self) -> Iterator[str]:
        for chunk in self.chunks():
            yield from chunk.to_pylist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:]

    def tolist(self) -> list[str]:
        """Return every text, in order."""
        return list(self)

    def take(self, rows: np.ndarray) -> StringColumn:
        """Return the column of some rows, given as positions; no text is copied."""
        return StringColumn(self._values, rows if self._rows is None else self._rows[rows])

    def chunks(self, size: int = CHUNK) -> Iterator[Any]:
        """Yield Arrow arrays of `size` texts each, in order."""
        for start in range(0, len(self), size):
            whole = self._rows is None
            yield self._values.slice(start, size) if whole else self._arrow(np.arange(len(self))[start : start + size])

    def _arrow(self, rows: np.ndarray) -> Any:
        return self._values.take(pa.array(rows if self._rows is None else self._rows[rows]))


def pieces(texts: Any) -> Iterator[Any]:
    """Yield slices of an Arrow large_string array, of at most `CHUNK` texts and 16 MiB, at least one text.

    >>> [len(piece) for piece in pieces(pa.array(["a", "b" * 2**24, "c", "d"], pa.large_string()))]
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
    """Return every group's number, int32, and as an Arrow array its first name in the order of code points.

    >>> numbers, first = first_of_groups(np.array([1, 0, 1], dtype=np.int32), StringColumn(pa.array(["c", "b", "a"])))
    >>> dict(zip(numbers.tolist(), first.to_pylist(), strict=True))
    {1: 'a', 0: 'b'}
    """
    whole, waiting = _names_of(group[:0], pa.array([], pa.large_string())), []
    for number, chunk in enumerate(names.chunks()):
        waiting.append(_names_of(group[number * CHUNK :][: len(chunk)], chunk.cast(pa.large_string())))
        if sum(map(len, waiting)) > max(len(whole), 8 * CHUNK):
            whole, waiting = _first(pa.concat_tables([whole, *waiting])), []
    whole = _first(pa.concat_tables([whole, *waiting])).combine_chunks()
    return whole["group"].to_numpy(), only_chunk(whole["name"])


def _names_of(group: np.ndarray, names: Any) -> Any:
    return _first(pa.table({"group": pa.array(np.ascontiguousarray(group)), "name": names}))


def _first(table: Any) -> Any:
    """The first name of each group; the order of UTF-8 bytes is that of code points."""
    found = table.group_by("group", use_threads=False).aggregate([("name", "min")])
    return found.select(["group", "name_min"]).rename_columns(["group", "name"])


def positions(rows: np.ndarray | slice | list[int], count: int) -> np.ndarray:
    """Return positions, a bool mask or a slice as int64 positions, as numpy understands them.

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


def allocate(shape: tuple[int, ...], dtype: type = np.int32) -> np.ndarray:
    """Return an array to fill, in memory or, from 256 MiB on, in a file of the cache that vanishes with the array."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize < _LARGE:
        return np.empty(shape, dtype=dtype)
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_folder()) as file:
        return np.asarray(np.memmap(file, dtype=dtype, mode="w+", shape=shape))


def take_cells(array: np.ndarray, rows: np.ndarray, columns: list[int] | None = None) -> np.ndarray:
    """Return a copy of some rows and columns of a table, made block by block in what `allocate` returns."""
    columns = list(range(array.shape[1])) if columns is None else columns
    out = allocate((len(rows), len(columns)), array.dtype.type)
    for start in range(0, len(rows), CHUNK):
        out[start : start + CHUNK] = array[rows[start : start + CHUNK]][:, columns]
    return out


def write_arrow(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write Arrow arrays as one record batch, so that each is one piece when the file is mapped."""
    table = pa.table(columns).replace_schema_metadata(metadata)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path) -> Any:
    """Return an Arrow file, mapped into memory; DamagedError for one that is missing or damaged."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, str(error)) from error


def only_chunk(column: Any) -> Any:
    """Return the single chunk of a column that `write_arrow` wrote; an empty column may have none."""
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def read_npy(path: Path) -> np.ndarray:
    """Return a .npy file, mapped into memory; DamagedError for one that is missing or damaged."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.asarray(array)
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TokenError) as error:
        raise damaged(path, str(error)) from error


class StringSpool:
    """Texts that are appended to a file, to be mapped as one Arrow large_string array; nothing is kept in memory."""

    def __init__(self, path: Path, ends: Path | None = None) -> None:
        self._path, self._ends = path, ends or path.with_name(f"{path.name}.ends")
        self._data, self._bounds = path.open("wb"), self._ends.open("wb")
        self._bounds.write(bytes(8))
        self._size = self.count = 0

    def add(self, values: Any) -> None:
        """Append an Arrow large_string array."""
        data, bounds = arrow_bytes(values)
        self._data.write(data.data)
        self._bounds.write((bounds[1:] + self._size).data)
        self._size += len(data)
        self.count += len(values)

    def array(self) -> Any:
        """Return all texts so far, mapped; the next call has those that are added later."""
        self._data.flush()
        self._bounds.flush()
        data = pa.memory_map(str(self._path)).read_buffer() if self._size else pa.py_buffer(b"")
        bounds = pa.memory_map(str(self._ends)).read_buffer()
        return pa.LargeStringArray.from_buffers(self.count, bounds, data)

    def close(self) -> None:
        """Close the files."""
        self._data.close()
        self._bounds.close()

    def remove(self) -> None:
        """Close and delete the files."""
        self.close()
        self._path.unlink()
        self._ends.unlink()


@contextmanager
def id_writer(folder: Path) -> Iterator[Callable[[Sequence[str]], None]]:
    """Yield a function that writes ids into a folder, in the order of its calls; older ids there are replaced.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with id_writer(folder) as add:
    ...     add(["a", "ж"])
    ...     add(["c#1"])
    >>> open_ids(folder)[np.array([2, 1])].tolist()
    ['c#1', 'ж']
    """
    spool = StringSpool(folder / _TEXT, folder / _ENDS)
    try:
        yield lambda ids: spool.add(pa.array(ids, pa.large_string()))
    finally:
        spool.close()


def open_ids(folder: Path) -> StringColumn:
    """Return the ids of a folder, mapped into memory; InputError where they are missing or damaged."""
    try:
        ends, text = (pa.memory_map(str(folder / name)).read_buffer() for name in (_ENDS, _TEXT))
        values = pa.LargeStringArray.from_buffers(ends.size // 8 - 1, ends, text)
        values.validate()
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"{folder}: its ids cannot be read ({error}); delete the folder and make it again") from error
    return StringColumn(values)
