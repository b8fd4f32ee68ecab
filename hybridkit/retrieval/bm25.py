"""BM25 over a pool of passages in any mixture of languages: every score of every query, for the rank table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridkit.ranges import SHARE, Range
from hybridkit.retrieval.tokens import tokens as tokens

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer

# k1 and b of Anserini and of MIRACL's baselines (arXiv 2210.09984)
K1, B = 0.9, 0.4


def bm25(benchmark: Benchmark, k1: float = K1, b: float = B) -> Scorer:
    """Make a BM25 scorer over all passages of the benchmark, one index for the whole pool.

    Lucene's variant (bm25s, arXiv 2407.03618), with the k1 and b that MIRACL's baselines use (arXiv 2210.09984).
    Passages are cut into `tokens` of their own language. So is the query for each language's passages, so that a name
    in it is written as they write it: on XQuAD-R mAP is .757 mono, .124 cross, .094 pool, without stems .717, .122,
    .092. A query without a known token scores 0 everywhere, and so does a passage without a token. Scores are float32.
    Raises InputError for k1 below 0 and b outside 0..1.
    """
    check_parameters(k1, b)
    import bm25s

    index = bm25s.BM25(method="lucene", k1=k1, b=b, backend="numpy")
    parts = _parts(benchmark.passages)
    texts = benchmark.passages["text"].tolist()
    cut = [tokens(text, tag) for tag, part in parts for text in texts[part]]
    if not any(cut):  # no passage has a token: bm25s would divide by their mean length, 0
        return lambda rows: np.zeros((rows.stop - rows.start, len(texts)), np.float32)
    index.index(cut, show_progress=False)
    data, indices, bounds = _by_part(index, [part for _, part in parts])
    asked = benchmark.queries["text"].tolist()

    def score(rows: slice) -> NDArray[np.float32]:
        block = np.zeros((rows.stop - rows.start, len(texts)), np.float32)
        for line, text in zip(block, asked[rows], strict=True):
            for place, (tag, _) in enumerate(parts):
                for known in index.get_tokens_ids(tokens(text, tag)):
                    start, stop = bounds[known, place], bounds[known, place + 1]
                    line[indices[start:stop]] += data[start:stop]  # a passage stands once under a token
        return block

    return score


def check_parameters(k1: float, b: float) -> None:
    """Raise InputError for parameters that are out of range."""
    Range(0).check(k1, "BM25: k1")
    SHARE.check(b, "BM25: b")


def _parts(passages: pd.DataFrame) -> list[tuple[str, slice]]:
    """Where the passages of each language stand; all of them as one part where no language is told."""
    if "language" not in passages:
        return [("", slice(0, len(passages)))]
    tags = passages["language"].to_numpy(object)
    edges = [0, *(np.flatnonzero(tags[1:] != tags[:-1]) + 1).tolist(), len(tags)]
    return [(tags[start], slice(start, stop)) for start, stop in zip(edges, edges[1:], strict=False) if start < stop]


def _by_part(index: object, parts: list[slice]) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """The weights under each token and their passages, in order, and where each part's begin (tokens, parts + 1)."""
    scores = vars(index)["scores"]
    starts = scores["indptr"].astype(np.int64)
    count = scores["num_docs"]
    keys = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * count + scores["indices"]
    order = np.argsort(keys, kind="stable")
    edges = np.array([*(part.start for part in parts), count])
    bounds = np.searchsorted(keys[order], np.arange(len(starts) - 1)[:, None] * count + edges)
    return scores["data"][order], scores["indices"][order].astype(np.int64), bounds
