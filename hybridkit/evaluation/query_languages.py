"""Language bias as a user feels it: what an answer and a ranking owe to the language that the question is asked in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.evaluation.measures import KEYS
from hybridkit.evaluation.rank_table import BLOCK_BYTES, score_blocks
from hybridkit.utils.parallel import one_blas_thread

if TYPE_CHECKING:
    from hybridkit.data.benchmark import Benchmark
    from hybridkit.retrieval import Scorer


CUTOFFS = (1, 10)


def success_values(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return whether the top of the pool answers a question at all: Success@k of every query, k of `CUTOFFS`.

    A query's value is 1 where the best of its relevant passages, in whatever language, is among the first k of the
    pool, else 0. The mean over the queries of a language is the probability that somebody who asks in it gets an
    answer (`measures.scores`; `measures.macro` is the mean over query languages). It rises with the quality of a system
    as much as it falls with bias: compare query languages, and systems of like quality.

    Args:
        ranks: A rank table.

    Returns:
        The columns of `measures.per_query`; measures are named as in ir_measures, "Success@1". Queries without a
        relevant passage are not in it.

    Example:
        >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "p", "q"], "pool_rank": [9, 1, 4]})
        >>> success_values(ranks).pivot(index="query_id", columns="measure", values="value").to_numpy().tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    best = ranks.groupby(["query_language", "query_id"], sort=True)["pool_rank"].min().reset_index()
    best = best.assign(setting="pool", passage_language="*")
    parts = [best.assign(measure=f"Success@{k}", value=(best["pool_rank"] <= k).astype(float)) for k in CUTOFFS]
    return pd.concat(parts, ignore_index=True)[[*KEYS, "query_id", "measure", "value"]]


def mean_rank_correlation(benchmark: Benchmark, scorer: Scorer, block_bytes: int = BLOCK_BYTES) -> pd.DataFrame:
    """Return MRC by query language: how alike the rankings are that a question gets in its languages; 1 is the same.

    For a question in languages a and b, Spearman's correlation between the two rankings of the whole pool, with average
    ranks for ties. The value of a language is the mean over its questions of the mean over their other languages; the
    mean over languages is MRC. Most of a pool is irrelevant to a question, and weighs as much as its top.

    XQuAD-R's 13,090 rankings of 13,014 passages take about half a minute on one core. The scores and ranks of some
    questions in all of their languages are held at a time, about twice `block_bytes`, or one question's.

    Args:
        benchmark: Queries and the pool.
        scorer: Scores of any system.
        block_bytes: Scores held at a time.

    Returns:
        query_language, value and queries: those that are known in another language too, without those for which no
        ranking differs from a tie of everything. Empty where no question is known in two languages.

    Raises:
        InputError: For scores of a wrong shape, with NaN or infinity.

    Source:
        Yang, Jiang and Baldwin, "Language Bias in Information Retrieval", arXiv 2509.06195 (Mean Rank Correlation).

    Example:
        >>> from hybridkit.data.benchmark import Benchmark
        >>> both = pd.concat([toy.queries, toy.queries.assign(language="de")])
        >>> asked = Benchmark("t", both, toy.passages, toy.judgements)
        >>> scores = np.array([[4, 3, 2, 1], [4, 3, 1, 2]])  # squared differences of ranks: 2, so 1 - 6 * 2 / (4 * 15)
        >>> mean_rank_correlation(asked, lambda rows: scores[rows]).round(3).values.tolist()
        [['de', 0.8, 1], ['en', 0.8, 1]]
    """
    from scipy.stats import rankdata

    slices, width = benchmark.query_slices, len(benchmark.passages)
    ids = benchmark.queries["query_id"].to_numpy(object).astype(str)
    # of every question, the position of its query in each language, -1 for none
    questions, question = np.unique(ids, return_inverse=True)
    at = np.full((len(questions), len(slices)), -1)
    for number, rows in enumerate(slices.values()):
        at[question[rows], number] = np.arange(rows.start, rows.stop)
    at = at[(at >= 0).sum(axis=1) > 1]
    total, count = np.zeros(len(slices)), np.zeros(len(slices), int)
    step = max(1, block_bytes // (4 * max(1, width) * max(1, len(slices))))
    for start in range(0, len(at), step):
        some = at[start : start + step]
        ranks = np.zeros((*some.shape, width), np.int32)
        for number in range(len(slices)):
            known = np.flatnonzero(some[:, number] >= 0)
            # ids are in one order in every language, so that these are neighbours but for questions of one language
            for low, high in _stretches(some[known, number]):
                for rows, block in score_blocks(benchmark, scorer, block_bytes, slice(low, high)):
                    mine = known[(some[known, number] >= rows.start) & (some[known, number] < rows.stop)]
                    for line in mine.tolist():
                        row = block[some[line, number] - rows.start]
                        ranks[line, number] = 2 * rankdata(row) - (width + 1)  # whole numbers around 0
        with one_blas_thread():
            for line in range(len(some)):
                there = some[line] >= 0
                own = ranks[line, there].astype(np.float64)
                products = own @ own.T  # sums of whole numbers: exact in any order
                size = products.diagonal()
                able = size > 0
                if able.sum() < 2:
                    continue
                found = products[np.ix_(able, able)] / np.sqrt(np.outer(size[able], size[able]))
                languages = np.flatnonzero(there)[able]
                total[languages] += (found.sum(axis=1) - found.diagonal()) / (len(found) - 1)
                count[languages] += 1
    frame = pd.DataFrame({"query_language": list(slices), "value": total / np.maximum(count, 1), "queries": count})
    return frame[frame["queries"] > 0].reset_index(drop=True)


def _stretches(positions: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of neighbours among ascending positions, as (first, last + 1).

    >>> _stretches(np.array([3, 4, 5, 9]))
    [(3, 6), (9, 10)]
    """
    if not len(positions):
        return []
    ends = np.flatnonzero(np.diff(positions) > 1)
    return list(zip(positions[[0, *(ends + 1)]].tolist(), (positions[[*ends, -1]] + 1).tolist(), strict=True))
