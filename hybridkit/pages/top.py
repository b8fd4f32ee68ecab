"""The best passages of many queries at once: one pass over the scores of a strategy, for every pair and the pool."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from hybridkit.benchmark import Benchmark
from hybridkit.bias.share import top_columns
from hybridkit.evaluation.ranks import score_blocks
from hybridkit.retrieval import Scorer
from hybridkit.widgets.ranked import POOL

Ranked = list[tuple[int, float]]  # positions of passages in the benchmark with their scores, best first


def top_passages(
    benchmark: Benchmark, scorer: Scorer, wanted: Mapping[tuple[str, str], Collection[int]], top: int = 5
) -> dict[tuple[int, str], Ranked]:
    """The `top` passages of queries among one language's candidates or the pool's.

    `wanted` gives for a query language and a passage language ("*" is the pool) the positions of the queries asked for;
    the answer's keys are (position of the query, passage language). Ties as in the rank table: score descending, then
    passage id descending. One language of queries is scored at a time, in bounded memory.
    """
    found: dict[tuple[int, str], Ranked] = {}
    sides = dict(benchmark.passage_slices) | {POOL: slice(0, len(benchmark.passages))}
    for language, rows in benchmark.query_slices.items():
        asked = {side: np.asarray(sorted(wanted.get((language, side), ())), np.int64) for side in sides}
        if not any(len(positions) for positions in asked.values()):
            continue
        for part, block in score_blocks(benchmark, scorer, part=rows):
            for side, positions in asked.items():
                here = positions[(positions >= part.start) & (positions < part.stop)]
                at = sides[side]
                for position, ranked in zip(here.tolist(), best(block[here - part.start, at], top), strict=True):
                    found[position, side] = [(column + at.start, score) for column, score in ranked]
    return found


def best(scores: NDArray[np.float32], top: int) -> list[Ranked]:
    """The `top` columns of each row with their scores, best first; of equal ones the later column goes first.

    >>> best(np.array([[0.1, 0.5, 0.5, 0.3]], np.float32), 2)
    [[(2, 0.5), (1, 0.5)]]
    """
    count = min(top, scores.shape[1])
    if not count or not len(scores):
        return [[] for _ in scores]
    columns = top_columns(scores, count)[1].reshape(len(scores), count)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort((-columns, -values), axis=1)
    ranked = [np.take_along_axis(one, order, axis=1).tolist() for one in (columns, values)]
    return [list(zip(*row, strict=True)) for row in zip(*ranked, strict=True)]
