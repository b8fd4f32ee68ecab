"""Which of many texts are equal, told by 128-bit hashes in sorted integers, so that no dictionary of texts is held."""

from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np

_BUCKET = 1 << 22  # hashes sorted at a time


def hash_strings(values: Iterable[str]) -> np.ndarray:
    """128-bit BLAKE2 hashes of texts as uint64 (texts, 2); among 10^9 texts two share one with a chance of 10^-21.

    >>> one, two, again = hash_strings(["a", "b", "a"]).tolist()
    >>> one == again, one == two
    (True, False)
    """
    return _joined(blake2b(value.encode(), digest_size=16).digest() for value in values)


def hash_arrow(values: Any) -> np.ndarray:  # noqa: ANN401  an Arrow array
    """The same of an Arrow large_string array, without making Python texts of it."""
    data, ends = arrow_bytes(values)
    view = data.data
    return _joined(blake2b(view[start:end], digest_size=16).digest() for start, end in pairwise(ends.tolist()))


def arrow_bytes(values: Any) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401  an Arrow array
    """The UTF-8 bytes of a large_string array, and where each text starts and ends in them (texts + 1,)."""
    _, offsets, data = values.buffers()
    empty = offsets is None or offsets.size == 0
    bounds = np.zeros(1, dtype=np.int64) if empty else np.frombuffer(offsets, dtype=np.int64)
    bounds = bounds[values.offset : values.offset + len(values) + 1]
    raw = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.empty(0, dtype=np.uint8)
    return raw[bounds[0] : bounds[-1]], bounds - bounds[0]


def first_equal(hashes: np.ndarray) -> np.ndarray:
    """Position of the first hash that equals each hash, int32 (hashes,); few are sorted at a time.

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
    """Number what `first_equal` found in order of arrival: int32 (hashes,), and a bool mask of the first ones.

    >>> numbered(np.array([0, 1, 0, 3]))
    (array([0, 1, 0, 2], dtype=int32), array([ True,  True, False,  True]))
    """
    fresh = first == np.arange(len(first), dtype=first.dtype)
    rank = np.cumsum(fresh, dtype=np.int32) - np.int32(1)
    return rank[first], fresh


def _joined(digests: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)
