"""Runs: the top k passages of every query as a frame in trec_eval's order, and the fusion of two systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hybridkit.data.collection import whole
from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from hybridkit.data.storage.columns import StringColumn
    from hybridkit.retrieval import Scorer


RUN_COLUMNS = ("query_id", "passage_id", "score")
RRF_K = 60


def run_frame(query_ids: ArrayLike, passage_ids: ArrayLike, scores: ArrayLike, k: int | None = None) -> pd.DataFrame:
    """Return a run: DataFrame[query_id, passage_id, score (float32)] of the best `k` passages of each query.

    The three arguments belong together position by position, in any order. The run is sorted by query_id, then by score
    descending, then by passage id as UTF-8 bytes descending, which is how trec_eval breaks ties.

    Raises InputError for a passage that a query has twice and for scores with NaN or infinity.

    >>> run_frame(["q", "q", "q"], ["a", "b", "c"], [0.5, 0.5, 0.9], k=2).values.tolist()
    [['q', 'c', 0.8999999761581421], ['q', 'b', 0.5]]
    """
    query, queries = pd.factorize(np.asarray(query_ids, object), sort=True)
    # code points sort as their UTF-8 bytes do
    passage, passages = pd.factorize(np.asarray(passage_ids, object), sort=True)
    values = np.asarray(scores, np.float32)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"run: passage {passages[passage[first]]!r} has the score {values[first]}; give finite ones")
    order = np.lexsort((-passage, -values, query))
    query, passage, values = query[order], passage[order], values[order]
    pairs = query.astype(np.int64) * max(1, len(passages)) + passage
    in_order = np.sort(pairs)
    if (in_order[1:] == in_order[:-1]).any():
        twice = int(np.flatnonzero(pd.Series(pairs).duplicated())[0])
        raise InputError(
            f"run: query {queries[query[twice]]!r} has passage {passages[passage[twice]]!r} twice; ids must be "
            "unique over everything that is searched (put the set or the language in front)"
        )
    if k is not None:
        kept = np.arange(len(query)) - np.searchsorted(query, query) < k
        query, passage, values = query[kept], passage[kept], values[kept]
    return pd.DataFrame({"query_id": queries[query], "passage_id": passages[passage], "score": values})


def frame_of_positions(
    query_ids: Sequence[str], ids: StringColumn, scores: NDArray[np.float32], positions: NDArray[np.int64]
) -> pd.DataFrame:
    """Return the run of scores and positions of passages, both (queries, k); a position of -1 is left out."""
    query, column = np.nonzero(positions >= 0)
    names = ids[positions[query, column]] if len(query) else np.empty(0, object)
    return run_frame(np.asarray(query_ids, object)[query], names, scores[query, column])


def merge_runs(runs: Sequence[pd.DataFrame], k: int = 1000) -> pd.DataFrame:
    """Return the run over all corpora of a collection from one system's runs over each of them.

    It is the run of a search over all together where scores do not depend on the corpus (dense ones do not, BM25's
    do). Raises InputError for an id that two corpora have.

    >>> runs = [run_frame(["q"], ["de:1"], [0.4]), run_frame(["q", "q"], ["en:1", "en:2"], [0.7, 0.1])]
    >>> merge_runs(runs, k=2)["passage_id"].tolist()
    ['en:1', 'de:1']
    """
    every = pd.concat([run[list(RUN_COLUMNS)] for run in runs], ignore_index=True)
    return run_frame(every["query_id"], every["passage_id"], every["score"], k)


def save_run(run: pd.DataFrame, path: Path) -> None:
    """Write a run in TREC's format, `query_id Q0 passage_id rank score hybridkit`; nine digits give every float32 back.

    Raises InputError for an id with white space in it, which the format cannot hold.
    """
    queries, passages = (whole(run[column].to_numpy(object)) for column in ("query_id", "passage_id"))
    ranks = run.groupby("query_id").cumcount() + 1
    lines = zip(queries, passages, ranks, run["score"], strict=True)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{query} Q0 {passage} {rank} {score:.9g} hybridkit\n" for query, passage, rank, score in lines)


def fuse(
    first: pd.DataFrame, second: pd.DataFrame, how: Literal["interpolation", "rrf"] = "interpolation", k: int = 1000
) -> pd.DataFrame:
    """Fuse two runs into one of the best `k` passages of each query, among those that either found.

    "interpolation" scales a run's scores to 0..1 over what it found for the query (1 if they are all equal, but 0 if
    all are 0), gives 0 to a passage that it did not find, as its last one has, and takes the mean of
    both. "rrf" is reciprocal rank fusion: the sum of 1 / (60 + rank) over the runs that found the passage.

    Raises:
        InputError: Another `how`.

    Source:
        MIRACL's hybrid, arXiv 2210.09984, section 4; for "rrf" Cormack et al., SIGIR 2009.

    >>> one = run_frame(["q"] * 3, ["a", "b", "c"], [9, 8, 5])
    >>> other = run_frame(["q"] * 2, ["c", "d"], [0.7, 0.6])
    >>> fuse(one, other).round({"score": 3}).values.tolist()
    [['q', 'c', 0.5], ['q', 'a', 0.5], ['q', 'b', 0.375], ['q', 'd', 0.0]]
    >>> fuse(one, other, "rrf")["passage_id"].tolist()
    ['c', 'a', 'd', 'b']
    """
    if how not in ("interpolation", "rrf"):
        raise InputError(f"fusion by {how!r}: it must be interpolation or rrf")
    one, other = (_by_rank(run) if how == "rrf" else _between_0_and_1(run) for run in (first, second))
    both = one.merge(other, on=["query_id", "passage_id"], how="outer", suffixes=("_one", "_other")).fillna(
        {"score_one": 0.0, "score_other": 0.0}
    )
    share = 1.0 if how == "rrf" else 0.5
    scores = share * both["score_one"] + share * both["score_other"]
    return run_frame(both["query_id"], both["passage_id"], scores, k=k)


def _between_0_and_1(run: pd.DataFrame) -> pd.DataFrame:
    scores = run["score"].astype(np.float64)
    groups = scores.groupby(run["query_id"])
    low = groups.transform("min")
    span = groups.transform("max") - low
    alike = (scores != 0).astype(np.float64)  # of scores that are all equal
    return run.assign(score=((scores - low) / span.where(span > 0, 1)).where(span > 0, alike))


def _by_rank(run: pd.DataFrame) -> pd.DataFrame:
    return run.assign(score=1 / (RRF_K + run.groupby("query_id").cumcount() + 1.0))


def fusion(first: Scorer, second: Scorer) -> Scorer:
    """Return the mean of two scorers, each scaled to 0..1 over all passages of a query.

    MIRACL's hybrid (arXiv 2210.09984, section 4) scales over each system's top 1000 instead. A query whose scores are
    all equal gets 0 from that system.

    >>> one, other = (lambda rows: np.array([[0, 5, 10]])), (lambda rows: np.array([[0.2, 0.2, 0.1]]))
    >>> fusion(one, other)(slice(0, 1)).tolist()
    [[0.5, 0.75, 0.5]]
    """

    def score(rows: slice) -> NDArray[np.float32]:
        return np.float32(0.5) * _scaled(first(rows)) + np.float32(0.5) * _scaled(second(rows))

    return score


def _scaled(block: NDArray[np.floating]) -> NDArray[np.float32]:
    low = block.min(axis=1, keepdims=True)
    span = block.max(axis=1, keepdims=True) - low
    scaled: NDArray[np.float32] = ((block - low) / np.where(span > 0, span, 1)).astype(np.float32, copy=False)
    return scaled
