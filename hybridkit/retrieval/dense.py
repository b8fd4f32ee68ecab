"""Dense retrieval: the scores of embeddings by the model's own similarity.

They are exact, and the same bytes for any number of threads.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError
from hybridkit.utils.parallel import side_by_side
from hybridkit.utils.reading import json_file
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.retrieval import Scorer


COSINE = "cosine"
DISTANCES = {"euclidean": "euclidean", "manhattan": "cityblock"}  # scipy's words
SIMILARITIES = (COSINE, "dot", *DISTANCES)
ROWS, COLUMNS = 256, 1024  # queries and passages of one product
_UNIT = 1e-3  # how far from 1 the length of a vector of length 1 may be
_ROWS = 2048  # rows that are looked at together
_FEW = 64  # queries below which a product is slow
_STRIP_BYTES = 64 * 2**20  # of the scores of the queries that are computed together


def dense(
    benchmark: Benchmark,
    query_embeddings: NDArray[np.floating],
    passage_embeddings: NDArray[np.floating],
    similarity: str = "dot",
) -> Scorer:
    """Return the scorer of a dense encoder: float32 scores of every query with every passage, higher is nearer.

    Passages with the same embedding, byte for byte, get the same score, however the matrix product rounds. Queries are
    taken in strips that begin at the first one of each language, so that a score does not depend on which others are
    computed with it, on the number of threads or on the process.

    Args:
        benchmark: The benchmark.
        query_embeddings: (queries, dim) in the benchmark's order.
        passage_embeddings: (passages, dim) in the benchmark's order.
        similarity: The model's own (`encoder.similarity_of`), see `scores_of`.

    Raises:
        InputError: A wrong size, NaN or infinity, cosine of rows whose length is not 1.

    >>> import pandas as pd
    >>> from hybridkit.data.benchmark import Benchmark
    >>> queries = pd.DataFrame({"language": ["en"], "query_id": ["q"], "article": "a", "text": ["Who?"]})
    >>> ids = ["t:en:1", "t:en:2"]
    >>> passages = pd.DataFrame({"language": "en", "passage_id": ids, "article": "a", "text": "x"})
    >>> toy = Benchmark("t", queries, passages, pd.DataFrame(columns=["query_id", "passage_language", "passage_id"]))
    >>> dense(toy, np.array([[1.0, 0.0]]), np.array([[0.6, 0.8], [1.0, 0.0]]))(slice(0, 1)).tolist()
    [[0.6000000238418579, 1.0]]
    """
    check_similarity(similarity)
    queries = _checked("queries", query_embeddings, len(benchmark.queries), similarity)
    passages = _checked("passages", passage_embeddings, len(benchmark.passages), similarity)
    if queries.shape[1] != passages.shape[1]:
        raise InputError(
            f"embeddings of queries have {queries.shape[1]} dimensions, those of passages {passages.shape[1]}; "
            "encode both with one encoder"
        )
    repeated, first = _repeats(passages)
    height = min(ROWS, held_together(len(passages), _STRIP_BYTES))
    starts = [at for rows in benchmark.query_slices.values() for at in range(rows.start, rows.stop, height)]
    edges = np.array([*starts, len(queries)])

    def score(rows: slice) -> NDArray[np.float32]:
        around = slice(int(np.searchsorted(edges, rows.start, "right")) - 1, int(np.searchsorted(edges, rows.stop)) + 1)
        low, high = edges[around][[0, -1]].tolist()
        block = scores_of(queries[low:high], passages, similarity, (edges[around] - low).tolist())
        block = block[rows.start - low : rows.stop - low]
        if len(repeated):
            block[:, repeated] = block[:, first]
        return block

    return score


def held_together(passages: int, size: int) -> int:
    """Return the number of queries whose scores with all passages are held at a time: `size` bytes of float32.

    A product of few queries is slow (with 16 a query takes three times as long as with 256), so below 64 queries there
    may be four times as many bytes.

    >>> held_together(10_000, 64 * 2**20), held_together(1_000_000, 64 * 2**20), held_together(100_000_000, 64 * 2**20)
    (1677, 64, 1)
    """
    row = 4 * max(1, passages)
    return max(1, size // row, min(_FEW, 4 * size // row))


def _checked(what: str, embeddings: NDArray[np.floating], count: int, similarity: str) -> NDArray[np.float32]:
    if embeddings.ndim != 2 or len(embeddings) != count:
        raise InputError(f"embeddings of {what}: shape {embeddings.shape}, but the benchmark has {count} {what}")
    embeddings = embeddings.astype(np.float32, copy=False)
    blocks = [embeddings[at : at + _ROWS] for at in range(0, len(embeddings), _ROWS)]
    finite = np.concatenate([np.ones(0, bool), *(np.isfinite(block).all(axis=1) for block in blocks)])
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(f"embeddings of {what}: {int((~finite).sum())} hold NaN or infinity, the first in row {row}")
    for nth, block in enumerate(blocks):
        check_lengths(what, np.vecdot(block, block), similarity, nth * _ROWS)
    return embeddings


def _repeats(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that repeat an earlier one, and the earlier ones, in bounded memory."""
    odd = generator(0, "repeats").integers(2**63, size=embeddings.shape[1], dtype=np.uint64) * 2 + 1
    sums = np.empty(len(embeddings), np.uint64)  # equal rows have equal sums, and others hardly ever
    for at in range(0, len(embeddings), _ROWS):
        bits = np.ascontiguousarray(embeddings[at : at + _ROWS]).view(np.uint32)
        sums[at : at + _ROWS] = (bits * odd).sum(axis=1, dtype=np.uint64)
    order = np.argsort(sums, kind="stable")
    again = np.flatnonzero(sums[order[1:]] == sums[order[:-1]])
    rows = np.union1d(order[again], order[again + 1])
    seen: dict[bytes, int] = {}
    firsts = np.array([seen.setdefault(embeddings[row].tobytes(), row) for row in rows.tolist()], np.int64)
    return rows[firsts != rows], firsts[firsts != rows]


def scores_of(
    queries: NDArray[np.float32],
    passages: NDArray[np.float32],
    similarity: str = "dot",
    edges: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Return the scores of queries (q, dim) with passages (p, dim), float32 (q, p): the higher, the nearer.

    "dot" is the inner product, "cosine" the same of vectors of length 1, "euclidean" and "manhattan" the negative
    distance, as in `sentence_transformers.util`, summed in float64. The matrix is made in products of a fixed shape,
    each by one thread and as many side by side as BLAS has threads, so that its bytes depend on the vectors and their
    order alone. `edges` are the rows at which products begin and the number of queries, by default every 256th.

    >>> scores_of(np.array([[1.0, 0.0]], np.float32), np.array([[3, 4], [1, 0]], np.float32), "euclidean").tolist()
    [[-4.4721360206604, 0.0]]
    """
    out = np.empty((len(queries), len(passages)), np.float32)
    rows = [*pairwise(edges if edges is not None else [*range(0, len(queries), ROWS), len(queries)])]
    columns = [(first, min(first + COLUMNS, len(passages))) for first in range(0, len(passages), COLUMNS)]

    def fill(tile: tuple[tuple[int, int], tuple[int, int]]) -> None:
        (first, last), (start, stop) = tile
        some, others = queries[first:last], passages[start:stop]
        if similarity in DISTANCES:
            from scipy.spatial.distance import cdist

            out[first:last, start:stop] = 0 - cdist(some, others, DISTANCES[similarity])
        else:
            np.matmul(some, others.T, out=out[first:last, start:stop])

    tiles = [(row, column) for column, row in product(columns, rows)]
    side_by_side(fill, tiles)
    return out


def own_scores(
    query: NDArray[np.float32], passages: NDArray[np.float32], similarity: str = "dot"
) -> NDArray[np.float32]:
    """Return the scores (p,) of a query (dim,), each computed by itself: they depend on the two vectors alone.

    >>> own_scores(np.array([1, 0], np.float32), np.array([[3, 4], [1, 0]], np.float32), "manhattan").tolist()
    [-6.0, 0.0]
    """
    if similarity in DISTANCES:
        from scipy.spatial.distance import cdist

        return np.asarray(0 - cdist(query[None], passages, DISTANCES[similarity])[0], np.float32)
    return np.asarray(np.vecdot(passages, query), np.float32)


def check_lengths(what: str, squares: NDArray[np.floating], similarity: str, start: int = 0) -> None:
    """Raise InputError for cosine of vectors whose length is not 1; `squares` are their squared lengths.

    A vector of zeros, of a text without a token, is allowed: it scores 0. The first row has the number `start`.
    """
    if similarity != COSINE:
        return
    lengths = np.sqrt(squares)
    wrong = np.flatnonzero((np.abs(lengths - 1) > _UNIT) & (lengths > 0))
    if len(wrong):
        raise InputError(
            f"embeddings of {what}: row {start + wrong[0]} has length {lengths[wrong[0]]:.4g}; cosine takes rows of "
            "length 1, as `encode` returns them, or give the similarity dot"
        )


def check_similarity(name: str) -> str:
    """Return the name of a similarity; InputError for another one than cosine, dot, euclidean and manhattan.

    >>> check_similarity("dot")
    'dot'
    """
    if name not in SIMILARITIES:
        raise InputError(f"similarity {name!r}: must be one of {', '.join(SIMILARITIES)}")
    return name


def similarity_in(folder: Path) -> str:
    """Return the similarity that the folder of a saved encoder names, without opening the encoder.

    Raises InputError for a damaged file or another similarity.
    """
    path = folder / "config_sentence_transformers.json"
    cure = "get the model's folder again"
    value = json_file(path, cure) if path.is_file() else {}
    if not isinstance(value, dict):
        raise InputError(f"{path}: it does not hold a model's settings; {cure}")
    try:
        return check_similarity(value.get("similarity_fn_name") or COSINE)
    except InputError as error:
        raise InputError(f"{path}: {error}; {cure}") from error


def similarity_path(embeddings: Path) -> Path:
    """Return the path of a model's similarity, beside its embeddings of queries or passages.

    >>> from pathlib import Path
    >>> similarity_path(Path("embeddings/f00d-query.npy")).as_posix()
    'embeddings/f00d-similarity.txt'
    """
    return embeddings.with_name(f"{embeddings.stem.rpartition('-')[0]}-similarity.txt")


def read_similarity(path: Path) -> str:
    """Return the similarity that a run wrote down. Raises InputError for a damaged file."""
    try:
        return check_similarity(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError, InputError) as error:
        raise InputError(f"{path}: it does not name a similarity; delete it, and it is made again") from error
