"""Which languages fill the top of the pool, beside the share expected of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.evaluation.ranks import BLOCK_BYTES, score_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer


def language_share(benchmark: Benchmark, scorer: Scorer, k: int = 10, block_bytes: int = BLOCK_BYTES) -> pd.DataFrame:
    """Compute the share of each language among the top k of the pool, beside the share expected.

    Gives query_language, passage_language, share (mean over the queries; sums to 1 for each query language) and
    expected, the language's share of all candidates, which a system blind to language would tend to. Ties are broken
    as in the rank table. `scorer` is any system's, such as `retrieval.dense.dense(benchmark, queries, passages)`.

    Raises InputError for scores of a wrong shape, with NaN or infinity.

    >>> from hybridkit.benchmark import Benchmark
    >>> queries = pd.DataFrame({"language": ["en"], "query_id": ["q"], "article": "a", "text": ["Who?"]})
    >>> ids = ["t:de:1", "t:en:1", "t:en:2"]
    >>> passages = pd.DataFrame({"language": ["de", "en", "en"], "passage_id": ids, "article": "a", "text": "x"})
    >>> judgements = pd.DataFrame({"query_id": "q", "passage_language": ["de", "en"], "passage_id": ids[:2]})
    >>> toy = Benchmark("t", queries, passages, judgements)
    >>> language_share(toy, lambda rows: np.array([[0.9, 0.1, 0.5]]), k=2).round(2).values.tolist()
    [['en', 'de', 0.5, 0.33], ['en', 'en', 0.5, 0.67]]
    """
    slices = benchmark.passage_slices
    starts = [part.start for part in slices.values()]
    sizes = np.array([part.stop - part.start for part in slices.values()])
    k = min(k, len(benchmark.passages))
    counts = {language: np.zeros(len(slices), np.int64) for language in benchmark.query_slices}
    language_of = benchmark.queries["language"].to_numpy(object)
    for rows, block in score_blocks(benchmark, scorer, block_bytes):
        columns = top_columns(block, k)[1]
        nth = np.searchsorted(starts, columns, side="right") - 1
        counts[language_of[rows.start]] += np.bincount(nth, minlength=len(slices))
    parts = [
        pd.DataFrame(
            {
                "query_language": query_language,
                "passage_language": list(slices),
                "share": found / found.sum(),
                "expected": sizes / sizes.sum(),
            }
        )
        for query_language, found in counts.items()
    ]
    return pd.concat(parts, ignore_index=True)


def top_columns(block: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the k best columns of each row as (rows, columns), columns ascending; of equals the greater column is in.

    >>> top_columns(np.array([[0.5, 0.9, 0.5, 0.5]], np.float32), 2)[1].tolist()
    [1, 3]
    """
    kth = np.partition(block, block.shape[1] - k, axis=1)[:, [block.shape[1] - k]]
    rows, columns = np.nonzero(block >= kth)
    tied = block[rows, columns] == kth[rows, 0]
    room = k - np.bincount(rows[~tied], minlength=len(block))
    # how many of the row's ties stand at or after this one: the last `room` of them are in
    after = np.bincount(rows[tied], minlength=len(block)).cumsum()[rows] - np.cumsum(tied) + 1
    kept = ~tied | (after <= room[rows])
    return rows[kept], columns[kept]
