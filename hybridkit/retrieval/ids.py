"""Passage ids of a collection on disk: written as they come, read by position, never all in memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError
from hybridkit.storage.columns import StringColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_TEXT, _ENDS = "ids.txt", "ids.ends"  # the ids' bytes one after the other; where each one ends, int64


@contextmanager
def id_writer(folder: Path) -> Iterator[Callable[[Sequence[str]], None]]:
    """Give a function that appends ids to those of a folder, which it starts anew.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with id_writer(folder) as add:
    ...     add(["a", "ж"])
    ...     add(["c#1"])
    >>> open_ids(folder)[np.array([2, 1])].tolist()
    ['c#1', 'ж']
    """
    with (folder / _TEXT).open("wb") as text, (folder / _ENDS).open("wb") as ends:
        ends.write(np.zeros(1, np.int64).tobytes())
        total = 0

        def add(ids: Sequence[str]) -> None:
            nonlocal total
            raw = [name.encode() for name in ids]
            stops = total + np.cumsum([len(name) for name in raw], dtype=np.int64)
            text.write(b"".join(raw))
            ends.write(stops.tobytes())
            total = int(stops[-1]) if len(stops) else total

        yield add


def open_ids(folder: Path) -> StringColumn:
    """Map the ids of a folder into memory. Raises InputError where they are missing or damaged."""
    import pyarrow as pa

    try:
        ends, text = (pa.memory_map(str(folder / name)).read_buffer() for name in (_ENDS, _TEXT))
        values = pa.LargeStringArray.from_buffers(ends.size // 8 - 1, ends, text)
        values.validate()
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"{folder}: its ids cannot be read ({error}); delete the folder and make it again") from error
    return StringColumn(values)


def ids_in_memory(chunks: Iterator[tuple[list[str], list[str]]]) -> StringColumn:
    """The ids of a stream of (ids, texts), as one column in memory."""
    import pyarrow as pa

    parts = [pa.array(ids, pa.large_string()) for ids, _ in chunks]
    return StringColumn(pa.concat_arrays(parts) if parts else pa.array([], pa.large_string()))
