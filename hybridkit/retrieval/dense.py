"""Dense retrieval: exact inner products of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer


def dense(
    benchmark: Benchmark, query_embeddings: NDArray[np.floating], passage_embeddings: NDArray[np.floating]
) -> Scorer:
    """Make the scorer of a dense encoder: float32 inner products of every query with every passage.

    `query_embeddings` (queries, dim) and `passage_embeddings` (passages, dim) stand in the benchmark's order; they are
    L2-normalised by the encoder where that is wanted. Passages with the same embedding, byte for byte, get the same
    score, whatever the matrix product makes of the last bit.

    Raises InputError for a wrong size and for NaN or infinity.

    >>> from types import SimpleNamespace
    >>> toy = SimpleNamespace(queries=[0], passages=[0, 1])
    >>> dense(toy, np.array([[1.0, 0.0]]), np.array([[0.6, 0.8], [1.0, 0.0]]))(slice(0, 1)).tolist()
    [[0.6000000238418579, 1.0]]
    """
    queries = _checked("queries", query_embeddings, len(benchmark.queries))
    passages = _checked("passages", passage_embeddings, len(benchmark.passages))
    if queries.shape[1] != passages.shape[1]:
        raise InputError(
            f"embeddings of queries have {queries.shape[1]} dimensions, those of passages {passages.shape[1]}; "
            "encode both with one encoder"
        )
    repeated, first = _repeats(passages)

    def score(rows: slice) -> NDArray[np.float32]:
        block = queries[rows] @ passages.T
        if len(repeated):
            block[:, repeated] = block[:, first]
        return block

    return score


def _checked(what: str, embeddings: NDArray[np.floating], count: int) -> NDArray[np.float32]:
    if embeddings.ndim != 2 or len(embeddings) != count:
        raise InputError(f"embeddings of {what}: shape {embeddings.shape}, but the benchmark has {count} {what}")
    embeddings = embeddings.astype(np.float32, copy=False)
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(f"embeddings of {what}: {int((~finite).sum())} hold NaN or infinity, the first in row {row}")
    return embeddings


def _repeats(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the rows that repeat an earlier one, and the earlier ones."""
    seen: dict[bytes, int] = {}
    firsts = np.fromiter((seen.setdefault(row.tobytes(), i) for i, row in enumerate(embeddings)), np.int64)
    repeated = np.flatnonzero(firsts != np.arange(len(firsts)))
    return repeated, firsts[repeated]
