"""Dense retrieval: the exact scores of embeddings by a model's own similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError
from hybridkit.retrieval.similarity import ROWS, check_lengths, check_similarity, scores_of
from hybridkit.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer

_ROWS = 2048  # rows that are looked at together
_STRIP_BYTES = 64 * 2**20  # of the scores of the queries that are computed together


def dense(
    benchmark: Benchmark,
    query_embeddings: NDArray[np.floating],
    passage_embeddings: NDArray[np.floating],
    similarity: str = "dot",
) -> Scorer:
    """Make the scorer of a dense encoder: float32 scores of every query with every passage, higher is nearer.

    `query_embeddings` (queries, dim) and `passage_embeddings` (passages, dim) stand in the benchmark's order;
    `similarity` is the model's own (`encoder.similarity_of`), see `scores_of`. Passages with the same embedding, byte
    for byte, get the same score, whatever the matrix product makes of the last bit. Queries are taken in strips that
    begin at the first one of each language, so that a score does not depend on which others are asked for with it, on
    the number of threads or on the process.

    Raises InputError for a wrong size, for NaN or infinity, and for cosine of rows whose length is not 1.

    >>> import pandas as pd
    >>> from hybridkit.benchmark import Benchmark
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
    height = min(ROWS, max(1, _STRIP_BYTES // (4 * max(1, len(passages)))))
    starts = [at for part in benchmark.query_slices.values() for at in range(part.start, part.stop, height)]
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


def _checked(what: str, embeddings: NDArray[np.floating], count: int, similarity: str) -> NDArray[np.float32]:
    if embeddings.ndim != 2 or len(embeddings) != count:
        raise InputError(f"embeddings of {what}: shape {embeddings.shape}, but the benchmark has {count} {what}")
    embeddings = embeddings.astype(np.float32, copy=False)
    parts = [embeddings[at : at + _ROWS] for at in range(0, len(embeddings), _ROWS)]
    finite = np.concatenate([np.ones(0, bool), *(np.isfinite(part).all(axis=1) for part in parts)])
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError(f"embeddings of {what}: {int((~finite).sum())} hold NaN or infinity, the first in row {row}")
    for nth, part in enumerate(parts):
        check_lengths(what, np.vecdot(part, part), similarity, nth * _ROWS)
    return embeddings


def _repeats(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the rows that repeat an earlier one, and the earlier ones; in memory that many embeddings do not fill."""
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
