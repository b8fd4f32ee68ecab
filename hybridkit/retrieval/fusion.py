"""Fusion of two systems, of their scores after scaling or of their ranks: over runs and over full depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from hybridkit.errors import InputError
from hybridkit.ranges import SHARE
from hybridkit.retrieval.runs import run_frame

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hybridkit.retrieval import Scorer

RRF_K = 60


def fuse(
    first: pd.DataFrame,
    second: pd.DataFrame,
    how: Literal["interpolation", "rrf"] = "interpolation",
    weight: float = 0.5,
    k: int = 1000,
) -> pd.DataFrame:
    """Fuse two runs into one of the best `k` passages of each query, among those that either found.

    "interpolation" is MIRACL's hybrid (arXiv 2210.09984, section 4, made with Pyserini): a run's scores are scaled to
    0..1 over what it found for the query (1 if they are all equal, but 0 if all are 0), a passage it did not find gets
    0, as its last one does, and the sum is weight * first + (1 - weight) * second. "rrf" is reciprocal rank fusion
    (Cormack et al., SIGIR 2009): the sum of 1 / (60 + rank) over the runs that found the passage; it takes no weight.

    Raises InputError for another `how` and a weight outside 0..1.

    >>> one = run_frame(["q"] * 3, ["a", "b", "c"], [9, 8, 5])
    >>> other = run_frame(["q"] * 2, ["c", "d"], [0.7, 0.6])
    >>> fuse(one, other).round({"score": 3}).values.tolist()
    [['q', 'c', 0.5], ['q', 'a', 0.5], ['q', 'b', 0.375], ['q', 'd', 0.0]]
    >>> fuse(one, other, "rrf")["passage_id"].tolist()
    ['c', 'a', 'd', 'b']
    """
    if how not in ("interpolation", "rrf"):
        raise InputError(f"fusion by {how!r}: there are interpolation and rrf")
    SHARE.check(weight, "fusion: weight, the first system's share,")
    one, other = (_by_rank(run) if how == "rrf" else _between_0_and_1(run) for run in (first, second))
    both = one.merge(other, on=["query_id", "passage_id"], how="outer", suffixes=("_one", "_other")).fillna(
        {"score_one": 0.0, "score_other": 0.0}
    )
    shares = (1.0, 1.0) if how == "rrf" else (weight, 1 - weight)
    scores = shares[0] * both["score_one"] + shares[1] * both["score_other"]
    return run_frame(both["query_id"], both["passage_id"], scores, k=k)


def _between_0_and_1(run: pd.DataFrame) -> pd.DataFrame:
    scores = run["score"].astype(np.float64)
    groups = scores.groupby(run["query_id"])
    low = groups.transform("min")
    span = groups.transform("max") - low
    alike = (scores != 0).astype(np.float64)  # all of them equal: 0 says nothing of any
    return run.assign(score=((scores - low) / span.where(span > 0, 1)).where(span > 0, alike))


def _by_rank(run: pd.DataFrame) -> pd.DataFrame:
    return run.assign(score=1 / (RRF_K + run.groupby("query_id").cumcount() + 1.0))


def fusion(first: Scorer, second: Scorer, weight: float = 0.5) -> Scorer:
    """Interpolate two scorers: weight * first + (1 - weight) * second, each scaled to 0..1 over a query's passages.

    The hybrid baseline of MIRACL (arXiv 2210.09984, section 4) with weight 0.5; scaled over the whole pool here,
    where MIRACL scales over each system's top 1000. A query whose scores are all equal gets 0 from that system.
    Raises InputError for a weight outside 0..1.

    >>> one, other = (lambda rows: np.array([[0, 5, 10]])), (lambda rows: np.array([[0.2, 0.2, 0.1]]))
    >>> fusion(one, other)(slice(0, 1)).tolist()
    [[0.5, 0.75, 0.5]]
    """
    SHARE.check(weight, "fusion: weight, the first system's share,")

    def score(rows: slice) -> NDArray[np.float32]:
        return np.float32(weight) * _scaled(first(rows)) + np.float32(1 - weight) * _scaled(second(rows))

    return score


def rrf(first: Scorer, second: Scorer) -> Scorer:
    """Fuse two scorers by reciprocal rank (see `fuse`), ranks being those in the whole pool.

    The passages stand in the order of their ids, so that of equal scores the later passage has the better rank.

    >>> one, other = (lambda rows: np.array([[0, 5, 10]])), (lambda rows: np.array([[0.2, 0.2, 0.1]]))
    >>> wanted = [[1 / 63 + 1 / 62, 1 / 62 + 1 / 61, 1 / 61 + 1 / 63]]
    >>> np.allclose(rrf(one, other)(slice(0, 1)), wanted)
    True
    """

    def score(rows: slice) -> NDArray[np.float32]:
        return _reciprocal(first(rows)) + _reciprocal(second(rows))

    return score


def _scaled(block: NDArray[np.floating]) -> NDArray[np.float32]:
    low = block.min(axis=1, keepdims=True)
    span = block.max(axis=1, keepdims=True) - low
    scaled: NDArray[np.float32] = ((block - low) / np.where(span > 0, span, 1)).astype(np.float32, copy=False)
    return scaled


def _reciprocal(block: NDArray[np.floating]) -> NDArray[np.float32]:
    count = block.shape[1]
    order = count - 1 - np.argsort(-block[:, ::-1], axis=1, kind="stable")
    found = np.empty(block.shape, np.float32)
    np.put_along_axis(found, order, np.broadcast_to(1 / (RRF_K + 1 + np.arange(count)), block.shape), axis=1)
    return found
