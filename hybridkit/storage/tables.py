"""Texts that arrive as a stream and end up as one Arrow array on disk, each distinct text once."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hybridkit.errors import InputError
from hybridkit.groups import normalise
from hybridkit.storage.columns import pieces, write_arrow
from hybridkit.storage.hashes import arrow_bytes, first_equal, hash_arrow, hash_strings, numbered


class StringSpool:
    """Texts appended to a file, to be mapped as one Arrow large_string array; nothing stays in memory."""

    def __init__(self, path: Path) -> None:
        self._path, self._ends = path, path.with_name(f"{path.name}.ends")
        self._data, self._bounds = path.open("wb"), self._ends.open("wb")
        self._bounds.write(bytes(8))
        self._size = self.count = 0

    def add(self, values: Any) -> None:  # noqa: ANN401  an Arrow array
        """Append an Arrow large_string array."""
        data, bounds = arrow_bytes(values)
        self._data.write(data.data)
        self._bounds.write((bounds[1:] + self._size).data)
        self._size += len(data)
        self.count += len(values)

    def array(self) -> Any:  # noqa: ANN401  an Arrow array
        """All texts so far, mapped; more may be added afterwards, to be seen by the next call."""
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


class TextTable:
    """The texts of one side in one language: every text that is added is an entry, equal entries become one text."""

    def __init__(self, work: Path, name: str) -> None:
        self.name = name
        self._work = work
        self._spool = StringSpool(work / f"{name}.texts")
        self._path = work / f"{name}.hashes"
        self._hashes = self._path.open("wb")

    def add(self, values: Any) -> int:  # noqa: ANN401  an Arrow array
        """Append texts; returns the number of the first one's entry, the others follow."""
        first = self._spool.count
        if first + len(values) >= 2**31:
            raise InputError(f"{self.name}: more than 2,147,483,647 texts in one language; give fewer rows")
        self._spool.add(values)
        self._hashes.write(np.ascontiguousarray(hash_arrow(values)).data)
        return first

    def finish(self, path: Path) -> np.ndarray:
        """Write the distinct texts, in order of arrival, as the Arrow file `path`; returns each entry's position there.

        Texts are equal when their 128-bit hashes are.
        """
        self._hashes.close()
        place, fresh = numbered(first_equal(_map_hashes(self._path)))
        texts = self._spool.array()
        if fresh.all():
            write_arrow(path, {"text": texts})
        else:
            distinct = StringSpool(self._work / f"{self.name}.distinct")
            start = 0
            for part in pieces(texts):
                distinct.add(part.filter(pa.array(fresh[start : start + len(part)])))
                start += len(part)
            write_arrow(path, {"text": distinct.array()})
            distinct.remove()
        self._spool.remove()
        self._path.unlink()
        return place


def _map_hashes(path: Path) -> np.ndarray:
    size = path.stat().st_size // 16
    return np.memmap(path, dtype="<u8", mode="r", shape=(size, 2)) if size else np.empty((0, 2), dtype="<u8")


def normal_hashes(texts: Any, path: Path) -> np.ndarray:  # noqa: ANN401  an Arrow array
    """Hashes of the normalised texts, appended to the file `path`; returns all that the file holds, mapped."""
    with path.open("ab") as file:
        for part in pieces(texts):
            file.write(hash_strings(map(normalise, part.to_pylist())).data)
    return _map_hashes(path)
