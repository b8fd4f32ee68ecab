"""The exact top k by a similarity over blocks of passages: nothing grows with the number of passages."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.errors import InputError
from hybridkit.ranges import COUNT
from hybridkit.retrieval.similarity import DISTANCES, check_lengths, check_similarity, scores_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hybridkit.storage.columns import StringColumn

BLOCK_BYTES = 64 * 2**20
_PAIRS = 1 << 14  # whose vectors are gathered at a time


def exact_topk(
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    k: int,
    block_bytes: int = BLOCK_BYTES,
    similarity: str = "dot",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the `k` passages that score highest for each query: (scores, places), both (queries, k).

    `similarity` is that of the model (see `scores_of`); "cosine" takes rows of length 1, as `encode` returns them.

    `queries` (n, dim) lie in memory, `passages` (m, dim) there or in a .npy file mapped by numpy, which is then read
    block by block and not through the map. `ids` break ties at the end of the list: the greater one, as bytes, goes in
    (trec_eval's rule). Within a row the order is any; where there are fewer than k passages, score -inf and place -1.

    A matrix product rounds by where a passage stands in it. It only proposes here: whatever comes closer to the k-th
    best than its error bound is scored again by itself, so that scores depend on the two vectors alone, equal passages
    tie, and the blocks' size changes nothing. Distances are computed pair by pair in the first place.

    Raises InputError for k < 1, for embeddings of two sizes or another number than ids, with NaN or infinity, and for
    cosine of rows of another length than 1.

    >>> import pyarrow as pa
    >>> from hybridkit.storage.columns import StringColumn
    >>> ids = StringColumn(pa.array(["a", "b", "c"], pa.large_string()))
    >>> passages = np.array([[0.6, 0.8], [0.6, 0.8], [0.0, 1.0]], np.float32)
    >>> exact_topk(np.array([[1.0, 0.0]]), passages, ids, k=1)
    (array([[0.6]], dtype=float32), array([[1]]))
    """
    queries = check_pair(queries, passages, len(ids), k, similarity)
    room = max(1, block_bytes // (4 * passages.shape[1]))
    group = max(1, block_bytes // (4 * room))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    places = np.full((len(queries), k), -1, np.int64)
    # n * unit roundoff bounds the error of an inner product of n terms relative to that of their absolute values
    # (Higham, Accuracy and Stability, 3.1): one for each of two products, and that for the k-th and the candidate
    slack = 4 * passages.shape[1] * 2.0**-24 * np.sqrt(np.vecdot(queries, queries))
    for start, block in blocks(passages, room):
        squares = np.vecdot(block, block)
        longest = float(squares.max())
        if not np.isfinite(longest):
            raise InputError(
                f"embeddings of passages: NaN or infinity (or numbers too large to square) in row "
                f"{start + int(np.flatnonzero(~np.isfinite(squares))[0])}"
            )
        check_lengths("passages", squares, similarity, start)
        for first in range(0, len(queries), group):
            part = slice(first, first + group)
            found = scores_of(queries[part], block, similarity)
            exact = similarity in DISTANCES
            row, column = _candidates(found, scores[part], slack[part] * (0 if exact else np.sqrt(longest)), k)
            value = found[row, column] if exact else _exact(queries[part], block, row, column)
            _merge(scores[part], places[part], row, start + column, value, ids)
    return scores, places


def blocks(passages: NDArray[np.floating], room: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (start, float32 rows) of at most `room` rows; a mapped file is read, so that its pages are not held."""
    # the base of a part of a map is the map, whose offset it has too: only of a whole one is that where it begins
    mapped = isinstance(getattr(passages, "base", None), mmap.mmap) and passages.flags.c_contiguous
    whole: Any = passages
    for start in range(0, len(passages), room):
        stop = min(start + room, len(passages))
        if mapped:
            offset = whole.offset + start * whole.shape[1] * whole.itemsize
            count = (stop - start) * whole.shape[1]
            block = np.fromfile(whole.filename, whole.dtype, count, offset=offset).reshape(-1, whole.shape[1])
        else:
            block = np.asarray(passages[start:stop])
        yield start, np.ascontiguousarray(block, np.float32)


def check_pair(
    queries: NDArray[np.floating], passages: NDArray[np.floating], count: int, k: int, similarity: str = "dot"
) -> NDArray[np.float32]:
    """Give the queries as float32, or raise InputError for what `exact_topk` says."""
    check_similarity(similarity)
    COUNT.check(k, "k, the number of passages to retrieve,")
    for what, embeddings in (("queries", queries), ("passages", passages)):
        if embeddings.ndim != 2 or 0 in embeddings.shape:
            raise InputError(f"embeddings of {what} have shape {embeddings.shape}; give (number, dimensions)")
    if len(passages) != count:
        raise InputError(f"{len(passages)} embeddings of passages for {count} passages; encode this very set")
    if queries.shape[1] != passages.shape[1]:
        raise InputError(
            f"embeddings of queries have {queries.shape[1]} dimensions, those of passages {passages.shape[1]}; "
            "encode both with one encoder"
        )
    queries = np.ascontiguousarray(queries, np.float32)
    squares = np.vecdot(queries, queries)
    finite = np.isfinite(squares)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(f"embeddings of queries: {int((~finite).sum())} hold NaN or infinity, the first in row {row}")
    check_lengths("queries", squares, similarity)
    return queries


def _candidates(
    product: NDArray[np.float32], best: NDArray[np.float32], slack: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the scores that may belong to the top k, given the best so far."""
    floor = best.min(axis=1) - slack
    if product.shape[1] > k:
        crowded = np.flatnonzero(np.count_nonzero(product >= floor[:, None].astype(np.float32), axis=1) > 2 * k)
        for row in crowded.tolist():
            own = np.partition(product[row], -k)[-k]
            floor[row] = max(floor[row], own - slack[row])
    found = np.flatnonzero(product >= np.nextafter(floor.astype(np.float32), np.float32(-np.inf))[:, None])
    return np.divmod(found, product.shape[1])


def _exact(
    queries: NDArray[np.float32], block: NDArray[np.float32], row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Inner products of pairs, each computed by itself."""
    out = np.empty(len(row), np.float32)
    for start in range(0, len(row), _PAIRS):
        part = slice(start, start + _PAIRS)
        np.vecdot(queries[row[part]], block[column[part]], out=out[part])
    return out


def _merge(
    scores: NDArray[np.float32], places: NDArray[np.int64], row: NDArray[np.int64], place: NDArray[np.int64],
    value: NDArray[np.float32], ids: StringColumn,
) -> None:  # fmt: skip
    """Put candidates, sorted by row, into the running top k, in place."""
    count = np.bincount(row, minlength=len(scores))
    if not len(row):
        return
    column = scores.shape[1] + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    wide = np.full((len(scores), scores.shape[1] + int(count.max())), -np.inf, np.float32)
    wide_places = np.full(wide.shape, -1, np.int64)
    wide[:, : scores.shape[1]], wide_places[:, : scores.shape[1]] = scores, places
    wide[row, column], wide_places[row, column] = value, place
    scores[:], places[:] = cut(wide, wide_places, scores.shape[1], ids)


def cut(
    scores: NDArray[np.float32], places: NDArray[np.int64], k: int, ids: StringColumn
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Keep the `k` best of each row, in any order; of scores that tie at the end those with the greater ids."""
    if scores.shape[1] <= k:
        return scores, places
    chosen = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    kept = np.take_along_axis(scores, chosen, axis=1)
    last = kept.min(axis=1)
    tied = np.count_nonzero(scores == last[:, None], axis=1) > np.count_nonzero(kept == last[:, None], axis=1)
    for row in np.flatnonzero(tied & (last > -np.inf)).tolist():
        sure = np.flatnonzero(scores[row] > last[row])
        equal = np.flatnonzero(scores[row] == last[row])
        names = ids[places[row, equal]].tolist()
        order = sorted(range(len(equal)), key=names.__getitem__, reverse=True)
        chosen[row] = np.concatenate([sure, equal[order[: k - len(sure)]]])
    return np.take_along_axis(scores, chosen, axis=1), np.take_along_axis(places, chosen, axis=1)
