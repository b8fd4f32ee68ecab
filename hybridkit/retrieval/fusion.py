"""Fusion of two systems: interpolation of their scores after scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.retrieval import Scorer


def fusion(first: Scorer, second: Scorer, weight: float = 0.5) -> Scorer:
    """Interpolate two scorers: weight * first + (1 - weight) * second, each scaled to 0..1 over a query's passages.

    The hybrid baseline of MIRACL (arXiv 2210.09984, section 4) with weight 0.5; scaled over the whole pool here,
    where MIRACL scales over each system's top 1000. A query whose scores are all equal gets 0 from that system.

    >>> one, other = (lambda rows: np.array([[0, 5, 10]])), (lambda rows: np.array([[0.2, 0.2, 0.1]]))
    >>> fusion(one, other)(slice(0, 1)).tolist()
    [[0.5, 0.75, 0.5]]
    """

    def score(rows: slice) -> NDArray[np.float32]:
        return np.float32(weight) * _scaled(first(rows)) + np.float32(1 - weight) * _scaled(second(rows))

    return score


def _scaled(block: NDArray[np.floating]) -> NDArray[np.float32]:
    low = block.min(axis=1, keepdims=True)
    span = block.max(axis=1, keepdims=True) - low
    scaled: NDArray[np.float32] = ((block - low) / np.where(span > 0, span, 1)).astype(np.float32, copy=False)
    return scaled
