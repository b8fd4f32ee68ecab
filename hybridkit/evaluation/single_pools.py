"""Single pools: the answer in one language only, among passages of all; a parallel pool has it in every language.

A parallel pool rewards whatever balances languages, since there is something to find in each. Here the relevant
passages of all languages but one are taken out of the pool, question by question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridkit.data.storage.columns import hash_strings
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import KEYS, MEASURES, per_query
from hybridkit.evaluation.rank_table import (
    BLOCK_BYTES,
    named_pairs,
    rank_table_from_scores,
    relevant_positions,
    score_blocks,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.retrieval import Scorer
    from hybridkit.retrieval.rerank import Reranking


# A remedy of scores: block (rows, passages) float32, columns of each language, and which cells are not in the pool
# (bool, the block's shape; None for none) -> the block to rank by.
Adjust: TypeAlias = Callable[[NDArray[np.float32], dict[str, slice], "NDArray[np.bool_] | None"], NDArray[np.floating]]
_QUERY = ["query_language", "query_id"]
_COLUMNS = [*_QUERY, "kind", "passage_language", "passage_id", "rank", "candidates"]


def single_pools(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return the rank of each question's passages in a pool that has its answer in one language only.

    Nothing is scored again. Ranks of a rank table have no ties left (equal scores are ordered by id), so that a passage
    moves up by one for every passage that is taken out before it: its rank is `pool_rank` less the relevant passages of
    other languages that have a smaller one. The ranks are those of scoring the smaller pool.

    The kind "other" keeps one other language, drawn for each question in each query language among those that it has a
    relevant passage in. The draw depends on the question and on its languages alone: systems are compared alike.

    Args:
        ranks: A rank table.

    Returns:
        One row for a query, kind and relevant passage that is kept, sorted: query_language, query_id, kind ("own": the
        query's language, "other"), passage_language, passage_id, rank (from 1) and candidates (passages that are left).
        A query without a relevant passage in its language has no row of "own", one without others none of "other".

    Source:
        LAReQA, arXiv 2004.05484, takes targets out of the pool; see `bias.target_removal`.

    Example:
        >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "en"],
        ...                       "passage_id": ["t:de:1", "t:en:1"], "pool_rank": [4, 1], "pool_candidates": 9})
        >>> single_pools(ranks)[["kind", "passage_language", "rank", "candidates"]].values.tolist()
        [['other', 'de', 3, 8], ['own', 'en', 1, 8]]
    """
    frame = ranks.sort_values([*_QUERY, "pool_rank"], kind="stable", ignore_index=True)
    query = frame.groupby(_QUERY, sort=False).ngroup().to_numpy()
    before = frame.groupby(query).cumcount().to_numpy()
    own_before = frame.groupby([query, frame["passage_language"].to_numpy(object)]).cumcount().to_numpy()
    size = np.bincount(query)[query] if len(query) else before
    own_size = frame.groupby([query, frame["passage_language"].to_numpy(object)])["pool_rank"].transform("size")
    frame["rank"] = frame["pool_rank"] - (before - own_before)
    frame["candidates"] = frame["pool_candidates"] - (size - own_size.to_numpy(np.int64))
    same = (frame["query_language"] == frame["passage_language"]).to_numpy(bool)
    frame["kind"] = np.where(same, "own", "other")
    kept = same | _drawn(frame)
    return _sorted(frame[kept])


def single_pools_from_scores(
    benchmark: Benchmark,
    scorer: Scorer,
    adjust: Adjust | None = None,
    block_bytes: int = BLOCK_BYTES,
    reranking: Reranking | None = None,
) -> pd.DataFrame:
    """Return `single_pools` from the scores of any system, with a remedy that estimates from the smaller pool.

    What a remedy takes off the scores of a language comes from the passages that a query finds there. In a single pool
    these are others than in the whole one, so that every pool is adjusted by itself: `adjust` gets the scores of some
    queries, the columns of each language and a mask of the cells that are not in the pool, and returns the scores to
    rank by; what it returns in masked cells does not matter. Without it, the rank table gives the same ranks sooner.
    With `reranking` the best of every smaller pool are then re-ranked.

    At most about four times `block_bytes` are held at a time. Ties: score descending, then passage id descending, as
    in the rank table. The columns are those of `single_pools`.

    Raises:
        InputError: For scores of a wrong shape, with NaN or infinity, before or after `adjust`.

    >>> scores = np.array([[0.9, 0.2, 0.5, 0.5]])  # de:1, de:2, en:1, en:2; relevant: de:1, en:1
    >>> single_pools_from_scores(toy, lambda rows: scores)[["kind", "rank", "candidates"]].values.tolist()
    [['other', 1, 3], ['own', 2, 3]]
    """
    if adjust is None and reranking is None:
        return single_pools(rank_table_from_scores(benchmark, scorer, block_bytes))
    every_query, every_passage = relevant_positions(benchmark)
    frame = named_pairs(benchmark, every_query, every_passage)
    frame["kind"] = np.where(frame["query_language"] == frame["passage_language"], "own", "other")
    spoken = pd.factorize(frame["passage_language"])[0]
    kept = np.flatnonzero((frame["kind"] == "own").to_numpy(bool) | _drawn(frame))
    # a pool is a query and the language that is kept; they are in the order of the queries
    keys, pool = np.unique(np.stack([every_query[kept], spoken[kept]]), axis=1, return_inverse=True)
    order = np.argsort(pool.ravel(), kind="stable")
    kept, pool = kept[order], pool.ravel()[order]
    rank, candidates = np.zeros(len(kept), np.int64), np.zeros(len(kept), np.int64)
    for rows, block in score_blocks(benchmark, scorer, block_bytes):
        first, last = np.searchsorted(keys[0], [rows.start, rows.stop]).tolist()
        for start in range(first, last, len(block)):
            query, language = keys[:, start : min(start + len(block), last)]
            absent = np.zeros((len(query), block.shape[1]), bool)
            begin, end = (np.searchsorted(every_query, query, side) for side in ("left", "right"))
            line = np.repeat(np.arange(len(query)), end - begin)
            of_query = np.arange(len(line)) + np.repeat(begin - np.cumsum(end - begin) + (end - begin), end - begin)
            absent[line, every_passage[of_query]] = spoken[of_query] != language[line]
            own_block = block[query - rows.start]
            changed = own_block if adjust is None else adjust(own_block, benchmark.passage_slices, absent)
            scores = np.array(changed, np.float32)
            if reranking is not None:
                scores = reranking.of_pool(query, scores, absent)
            if scores.shape != absent.shape or not np.isfinite(scores[~absent]).all():
                raise InputError(
                    f"{benchmark.name}: a remedy of scores returned shape {scores.shape} for {absent.shape}, or scores "
                    "that are not finite"
                )
            scores[absent] = -np.inf
            left = np.count_nonzero(~absent, axis=1)
            low, high = np.searchsorted(pool, [start, start + len(query)]).tolist()
            for at in range(low, high):
                row, column = pool[at] - start, every_passage[kept[at]]
                own = scores[row, column]
                above = np.count_nonzero(scores[row, :column] > own)
                rank[at] = above + np.count_nonzero(scores[row, column:] >= own)
                candidates[at] = left[row]
    return _sorted(frame.iloc[kept].assign(rank=rank, candidates=candidates))


def single_pool_values(pools: pd.DataFrame, measures: Collection[str] = MEASURES) -> pd.DataFrame:
    """Return the value of every measure for every query in its single pools, in the columns of `measures.per_query`.

    `setting` is "own" or "other", passage_language "*". Where a query has a pool for every other
    language, its value is the mean over them. `measures.scores`, `measures.macro` and the tests of significance take
    the frame.

    >>> pools = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "el", "en"],
    ...                       "kind": ["other", "other", "own"], "rank": [4, 2, 1]})
    >>> single_pool_values(pools, ["RR"])[["setting", "passage_language", "value"]].values.tolist()
    [['own', '*', 1.0], ['other', '*', 0.375]]
    """
    # in its own pool, a passage's rank in that pool is all that a measure of one language looks at
    values = per_query(pools.assign(pool_rank=pools["rank"]), [name for name in MEASURES if name in measures])
    values = values[values["setting"] != "pool"]
    values = values.assign(setting=values["setting"].map({"mono": "own", "cross": "other"}), passage_language="*")
    grouped = values.groupby([*KEYS, "query_id", "measure"], sort=False)["value"]
    found: pd.DataFrame = grouped.mean().reset_index()
    return found


def _drawn(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are of the other language that the kind "other" keeps."""
    other = (frame["query_language"] != frame["passage_language"]).to_numpy(bool)
    if not other.any():
        return other
    # the language whose number, a hash of query and language, is the smallest: of others it depends on nothing; another
    # text in front of them would draw other languages
    query, language = (frame[name].to_numpy(object) for name in ("query_id", "query_language"))
    named = [
        f"single pool\n0\n{tag}\n{one}\n{passage}"
        for tag, one, passage in zip(language, query, frame["passage_language"], strict=True)
    ]
    number = np.where(other, hash_strings(named)[:, 0], np.uint64(2**64 - 1))
    least = pd.Series(number).groupby([language, query], sort=False).transform("min").to_numpy()
    drawn: NDArray[np.bool_] = other & (number == least)
    return drawn


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[_COLUMNS].sort_values(
        [*_QUERY, "kind", "passage_language", "passage_id"], kind="stable", ignore_index=True
    )
