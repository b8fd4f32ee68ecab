"""Top-k search by a similarity: exact over blocks of passages in bounded memory, and with faiss (flat, IVF, HNSW)."""

from __future__ import annotations

import logging
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.errors import InputError
from hybridkit.retrieval.dense import DISTANCES, check_lengths, check_similarity, own_scores, scores_of
from hybridkit.utils.extras import optional
from hybridkit.utils.files import atomic_write, digest
from hybridkit.utils.numbers import COUNT
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridkit.data.storage.columns import StringColumn


BLOCK_BYTES = 64 * 2**20
_PAIRS = 1 << 14  # whose vectors are gathered at a time
log = logging.getLogger("hybridkit")
KINDS = ("faiss-flat", "ivf", "hnsw")
SAMPLE = 100  # queries on which an approximate index is compared with exact search
# M and efConstruction of HNSW (arXiv 1603.09320); the seed that draws the passages that IVF's clusters are learnt from
_LINKS, _BUILD, _SEED = 32, 200, 0
_SPARE = 32  # candidates beyond k, so that ties at the end can be settled by their ids
_GROUP = 256  # queries that are searched at a time


def exact_topk(
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    k: int,
    block_bytes: int = BLOCK_BYTES,
    similarity: str = "dot",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the `k` passages that score highest for each query: (scores, positions), both (queries, k), unordered.

    Where there are fewer than k passages, the score is -inf and the position -1.

    A matrix product rounds by the position of a passage in it, so that it only proposes here: whatever comes closer to
    the k-th best than its error bound is scored again by itself. Scores then depend on the two vectors alone, equal
    passages tie, and the size of blocks changes nothing. Distances are computed pair by pair in the first place.

    Args:
        queries: (n, dim), in memory.
        passages: (m, dim), in memory or a .npy file mapped by numpy, which is read block by block, not through the map.
        ids: Ids of the passages, which break ties at the end of the list: the greater, as bytes, is in (trec_eval).
        k: Passages of each query.
        block_bytes: Size of a block.
        similarity: See `scores_of`; "cosine" takes rows of length 1, as `encode` returns them.

    Raises:
        InputError: k < 1, embeddings of two sizes or of another number than ids, NaN or infinity, cosine of rows of
            another length than 1.

    >>> import pyarrow as pa
    >>> from hybridkit.data.storage.columns import StringColumn
    >>> ids = StringColumn(pa.array(["a", "b", "c"], pa.large_string()))
    >>> passages = np.array([[0.6, 0.8], [0.6, 0.8], [0.0, 1.0]], np.float32)
    >>> exact_topk(np.array([[1.0, 0.0]]), passages, ids, k=1)
    (array([[0.6]], dtype=float32), array([[1]]))
    """
    queries = check_pair(queries, passages, len(ids), k, similarity)
    room = max(1, block_bytes // (4 * passages.shape[1]))
    group = max(1, block_bytes // (4 * room))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    positions = np.full((len(queries), k), -1, np.int64)
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
            some = slice(first, first + group)
            found = scores_of(queries[some], block, similarity)
            exact = similarity in DISTANCES
            row, column = _candidates(found, scores[some], slack[some] * (0 if exact else np.sqrt(longest)), k)
            value = found[row, column] if exact else _exact(queries[some], block, row, column)
            _merge(scores[some], positions[some], row, start + column, value, ids)
    return scores, positions


def faiss_topk(
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    k: int,
    kind: str,
    folder: Path | None = None,
    similarity: str = "dot",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the top k by a faiss index of `kind` ("faiss-flat", "ivf", "hnsw"); arguments and result as `exact_topk`.

    faiss proposes; what it found is scored anew as `exact_topk` scores, and ties are broken by ids. The index is built
    from blocks and is in memory whole while it is searched. With `folder`, which must be that of these embeddings, an
    approximate index is kept there and read back. Cosine and dot are searched by inner product, euclidean by L2,
    manhattan by "faiss-flat" alone. Of n passages IVF makes 4 sqrt(n) clusters, at least 39 passages each, as faiss
    advises, and searches the nearest quarter, at least 8; HNSW's efSearch is 2 k, at least 256.

    Raises InputError as `exact_topk` does, for another kind, and where faiss is not installed.
    """
    check_pair(queries, passages, len(ids), k, similarity)
    index = open_index(passages, kind, folder, similarity)
    return search_index(index, queries, passages, ids, k, kind, similarity)


def measured_recall(
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    positions: NDArray[np.int64],
    similarity: str = "dot",
) -> float:
    """Return the mean share of the exact top k that `positions` (queries, k) hold, over `SAMPLE` random queries.

    >>> import pyarrow as pa
    >>> from hybridkit.data.storage.columns import StringColumn
    >>> ids = StringColumn(pa.array(["a", "b", "c"], pa.large_string()))
    >>> measured_recall(np.eye(2), np.array([[3, 1], [2, 3], [1, 2]]), ids, np.array([[0, 1], [0, 1]]))
    0.75
    """
    chosen = np.sort(generator(0, "recall").permutation(len(queries))[:SAMPLE])
    _, exact = exact_topk(np.asarray(queries)[chosen], passages, ids, positions.shape[1], similarity=similarity)
    pairs = zip(exact, positions[chosen], strict=True)
    return float(np.mean([np.isin(right[right >= 0], found).mean() for right, found in pairs]))


def check_pair(
    queries: NDArray[np.floating], passages: NDArray[np.floating], count: int, k: int, similarity: str = "dot"
) -> NDArray[np.float32]:
    """Return the queries as float32; InputError for what `exact_topk` refuses."""
    check_similarity(similarity)
    COUNT.check(k, "k, the number of passages to retrieve,")
    for what, embeddings in (("queries", queries), ("passages", passages)):
        if embeddings.ndim != 2 or 0 in embeddings.shape:
            raise InputError(f"embeddings of {what} have shape {embeddings.shape}; give (number, dimensions)")
    if len(passages) != count:
        raise InputError(f"{len(passages)} embeddings of passages for {count} passages; encode this collection")
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


def blocks(passages: NDArray[np.floating], room: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (start, float32 rows) of at most `room` rows; a mapped file is read, so that its pages are not held."""
    # a slice of a map has the map as its base and the map's offset: only of a whole map is that where it begins
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
        some = slice(start, start + _PAIRS)
        np.vecdot(queries[row[some]], block[column[some]], out=out[some])
    return out


def _merge(
    scores: NDArray[np.float32],
    positions: NDArray[np.int64],
    row: NDArray[np.int64],
    position: NDArray[np.int64],
    value: NDArray[np.float32],
    ids: StringColumn,
) -> None:
    """Put candidates, sorted by row, into the running top k, in place."""
    count = np.bincount(row, minlength=len(scores))
    if not len(row):
        return
    column = scores.shape[1] + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    wide = np.full((len(scores), scores.shape[1] + int(count.max())), -np.inf, np.float32)
    wide_positions = np.full(wide.shape, -1, np.int64)
    wide[:, : scores.shape[1]], wide_positions[:, : scores.shape[1]] = scores, positions
    wide[row, column], wide_positions[row, column] = value, position
    scores[:], positions[:] = cut(wide, wide_positions, scores.shape[1], ids)


def cut(
    scores: NDArray[np.float32], positions: NDArray[np.int64], k: int, ids: StringColumn
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Keep the `k` best of each row, in any order; of scores that tie at the end those with the greater ids."""
    if scores.shape[1] <= k:
        return scores, positions
    chosen = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    kept = np.take_along_axis(scores, chosen, axis=1)
    last = kept.min(axis=1)
    tied = np.count_nonzero(scores == last[:, None], axis=1) > np.count_nonzero(kept == last[:, None], axis=1)
    for row in np.flatnonzero(tied & (last > -np.inf)).tolist():
        sure = np.flatnonzero(scores[row] > last[row])
        equal = np.flatnonzero(scores[row] == last[row])
        names = ids[positions[row, equal]].tolist()
        order = sorted(range(len(equal)), key=names.__getitem__, reverse=True)
        chosen[row] = np.concatenate([sure, equal[order[: k - len(sure)]]])
    return np.take_along_axis(scores, chosen, axis=1), np.take_along_axis(positions, chosen, axis=1)


def search_index(
    index: Any,
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    k: int,
    kind: str,
    similarity: str = "dot",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Search an index of `build_index` or `open_index`; the rest is as for `faiss_topk`."""
    queries = check_pair(queries, passages, len(ids), k, similarity)
    count = len(passages)
    if kind == "ivf":
        index.nprobe = min(max(8, index.nlist // 4), index.nlist)
    elif kind == "hnsw":
        index.hnsw.efSearch = max(256, 2 * k)  # above k + _SPARE
    scores = np.full((len(queries), k), -np.inf, np.float32)
    positions = np.full((len(queries), k), -1, np.int64)
    for first in range(0, len(queries), _GROUP):
        some = slice(first, first + _GROUP)
        _, found = index.search(queries[some], min(k + _SPARE, count))
        exact = np.full(found.shape, -np.inf, np.float32)
        for query, line, row in zip(queries[some], exact, found, strict=True):
            there = row >= 0  # an approximate index may find fewer
            line[there] = own_scores(query, np.asarray(passages[row[there]], np.float32), similarity)
        kept = cut(exact, found, k, ids)
        scores[some, : kept[0].shape[1]], positions[some, : kept[1].shape[1]] = kept
    return scores, positions


def open_index(passages: NDArray[np.floating], kind: str, folder: Path | None = None, similarity: str = "dot") -> Any:
    """Build an index of passages, or read the one that is kept in the folder of these embeddings; see `faiss_topk`."""
    faiss = _faiss()
    made_by = {"ivf": (None, _SEED), "hnsw": (_LINKS, _BUILD)}.get(kind, ())
    metric = [] if _by_product(similarity) else [similarity]
    name = digest([kind, faiss.__version__, *made_by, *metric])[:16]
    path = folder / f"{kind}-{name}.faiss" if folder and made_by else None
    if path is None or not path.is_file():
        index = build_index(passages, kind, similarity)
        if path is not None:
            with atomic_write(path) as temporary:
                faiss.write_index(index, str(temporary))
        return index
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read ({str(error)[:80]}); delete it, and it is made again") from error
    if (index.ntotal, index.d) != passages.shape:
        raise InputError(
            f"{path}: an index of {index.ntotal} passages in {index.d} dimensions, and these are {passages.shape}; "
            "it was made from others: delete it or give another folder"
        )
    return index


def build_index(passages: NDArray[np.floating], kind: str, similarity: str = "dot") -> Any:
    """Build an index of faiss from passages, block by block; InputError for NaN, infinity and an unknown kind."""
    check_index(kind, similarity)
    faiss = _faiss()
    count, width = passages.shape
    metric = faiss.METRIC_INNER_PRODUCT if _by_product(similarity) else faiss.METRIC_L2
    if kind == "faiss-flat":
        index = faiss.IndexFlat(width, faiss.METRIC_L1 if similarity == "manhattan" else metric)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, _LINKS, metric)
        index.hnsw.efConstruction = _BUILD
    else:
        lists = max(1, min(round(4 * count**0.5), count // 39))
        index = faiss.IndexIVFFlat(faiss.IndexFlat(width, metric), width, lists, metric)
        sample = generator(_SEED, "ivf").permutation(count)[: 64 * lists]
        index.train(np.ascontiguousarray(passages[np.sort(sample)], np.float32))
    for start, block in blocks(passages, max(1, BLOCK_BYTES // (4 * width))):
        if not np.isfinite(np.vecdot(block, block)).all():
            raise InputError(f"embeddings of passages: NaN or infinity in rows {start} to {start + len(block) - 1}")
        index.add(block)
    return index


def check_index(kind: str, similarity: str) -> None:
    """Raise InputError for an unknown index, and for one that cannot search by a similarity."""
    if kind not in KINDS:
        raise InputError(f"index {kind!r}: it must be one of exact, {', '.join(KINDS)}")
    if similarity == "manhattan" and kind != "faiss-flat":
        raise InputError(
            f"index {kind!r} does not have the manhattan distance that this model is made for; use dense or faiss-flat"
        )


def _by_product(similarity: str) -> bool:
    return similarity not in DISTANCES


def _faiss() -> Any:
    return optional("faiss")
