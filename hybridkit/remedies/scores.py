"""Remedies on scores: per query, the scores of each language's passages are put on one scale.

They are exact: each row depends on itself alone, so that bytes depend neither on threads nor on the size of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.errors import InputError
from hybridkit.remedies.parts import OnScores
from hybridkit.utils.numbers import COUNT
from hybridkit.utils.parallel import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


_TILE_BYTES = 2**22  # rows that are changed together: few enough to stay in a core's cache
_DIRECT = 256  # passages of a language up to which its best are found without groups


@dataclass(frozen=True)
class calibrate(OnScores):  # noqa: N801  written as a part of a chain
    """Take off each score the mean of the best `top` scores that the query has in the passage's language.

    A language in which every passage is near the query, relevant or not, then no longer fills the top of the pool.
    Where a language has fewer than `top` passages in the pool, the mean is that of all of them. Units are those of the
    scores.

    Raises:
        InputError: `top` below 1.

    Source:
        Merging the results of collections by statistics of each one's own scores: Callan, Lu and Croft, SIGIR 1995,
        section 4 (federated search); Savoy and Berger, CLEF 2004, doi:10.1007/11519645_3 (languages as collections).
        The mean of the best k as the level of a neighbourhood is CSLS' (Conneau et al., arXiv 1710.04087, section 2.3),
        here on the side of the query.

    >>> block = np.array([[0.9, 0.7, 0.5, 0.4, 0.2, 0.0]], np.float32)
    >>> on_block([calibrate(top=2)], block, {"de": slice(0, 3), "en": slice(3, 6)}).round(3).tolist()
    [[0.10000000149011612, -0.10000000149011612, -0.30000001192092896, 0.10000000149011612, ...]]
    """

    top: int = 5

    def __post_init__(self) -> None:
        COUNT.check(self.top, "calibrate: top, the number of best passages of a language,")

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        return f"the best {self.top} scores in every language; not the query's language"

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        return "the passage's language"

    def on_tile(self, tile: NDArray[np.float32], slices: Mapping[str, slice], absent: NDArray[np.bool_] | None) -> None:
        """Change the scores of a few queries in place."""
        best = np.full((len(tile), len(slices), self.top), -np.inf, np.float32)
        for nth, part in enumerate(slices.values()):
            if absent is None:
                found = _best(tile, part, self.top)
            else:
                known = np.where(absent[:, part], np.float32(-np.inf), tile[:, part])
                found = _best(known, slice(0, known.shape[1]), self.top)
            best[:, nth, : found.shape[1]] = found
        levels = _mean(best)
        for nth, part in enumerate(slices.values()):
            np.subtract(tile[:, part], levels[:, nth, None], out=tile[:, part])


def _mean(best: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the finite values along the last axis, summed from the least to the greatest; 0 for none."""
    best.sort(axis=-1)
    there = best > -np.inf
    sums = np.where(there, best, 0).cumsum(axis=-1, dtype=np.float64)[..., -1]
    return np.asarray(sums / np.maximum(there.sum(axis=-1), 1), np.float32)


def _best(tile: NDArray[np.float32], part: slice, top: int) -> NDArray[np.float32]:
    """The `top` greatest values of each row of tile[:, part], in any order, or all where there are fewer.

    Cells are cut into groups, every `size`-th cell in one. The best cells lie in the groups with the greatest maxima: a
    cell elsewhere is no greater than any of these maxima. So a row is read once and few of its cells are sorted.
    """
    scores = tile[:, part]
    rows, count = scores.shape
    top = min(top, count)
    size = int(max(64, (count * top) ** 0.5)) // 16 * 16
    each = count // size  # cells of a group
    if count <= _DIRECT or each < 4 or top * 4 > size:
        return np.asarray(np.partition(scores, count - top, axis=1)[:, count - top :])
    inside = each * size
    maxima = scores[:, :inside].reshape(rows, each, size).max(axis=1)
    groups = np.argpartition(maxima, size - top, axis=1)[:, size - top :]
    first = np.arange(rows)[:, None] * tile.shape[1] + part.start + groups
    cells = (first[:, :, None] + np.arange(0, inside, size)).reshape(rows, top * each)
    few = np.empty((rows, top * each + count - inside), np.float32)
    few[:, : top * each] = tile.reshape(-1).take(cells)
    few[:, top * each :] = scores[:, inside:]
    return np.asarray(np.partition(few, few.shape[1] - top, axis=1)[:, few.shape[1] - top :])


@dataclass(frozen=True)
class zscore(OnScores):  # noqa: N801
    """Replace each score by its distance from the mean of the query's scores in the passage's language, in their std.

    The standard deviation is that of all passages of the language in the pool (divided by their number); where all
    scores of a language are equal, they become 0. Units: standard deviations.

    Source:
        The Z-score of Savoy, Information Retrieval 7, 121-148 (2004), and Savoy and Berger, CLEF 2004,
        doi:10.1007/11519645_3, over all passages instead of those retrieved, and without their constant that makes
        all values positive.

    >>> block = np.array([[3.0, 1.0, 30.0, 10.0]], np.float32)
    >>> on_block([zscore()], block, {"de": slice(0, 2), "en": slice(2, 4)}).tolist()
    [[1.0, -1.0, 1.0, -1.0]]
    """

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        return "the scores of all passages of every language; not the query's language"

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        return "the passage's language"

    def on_tile(self, tile: NDArray[np.float32], slices: Mapping[str, slice], absent: NDArray[np.bool_] | None) -> None:
        """Change the scores of a few queries in place."""
        for part in slices.values():
            scores = tile[:, part]
            out = None if absent is None else absent[:, part]
            count = np.float32(scores.shape[1]) if out is None else np.maximum((~out).sum(axis=1), 1, dtype=np.float32)
            # equal scores have distances of exactly 0 from one of them, and from their mean
            anchor = scores[:, :1] if out is None else scores[np.arange(len(scores)), out.argmin(axis=1)][:, None]
            gaps = scores - anchor
            gaps -= (_present(gaps, out).sum(axis=1) / count)[:, None]
            spread = np.sqrt(np.square(_present(gaps, out)).sum(axis=1) / count)
            scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
            np.multiply(gaps, scale[:, None], out=scores)


def _present(values: NDArray[np.float32], absent: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    return values if absent is None else np.where(absent, np.float32(0), values)


def on_block(
    parts: Sequence[OnScores],
    block: NDArray[np.floating],
    slices: Mapping[str, slice],
    absent: NDArray[np.bool_] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return a block of scores as remedies change it.

    Args:
        parts: The remedies, in order.
        block: Scores (queries, passages), finite.
        slices: The columns of each language, as `benchmark.passage_slices`.
        absent: (queries, passages), True for cells that are not in the query's pool: no statistic looks at them. Their
            own new values mean nothing, but are finite.
        out: Where to write, float32 in rows without gaps; `block` itself changes it in place. By default a new array.

    Raises:
        InputError: A mask of another shape, or languages that end beyond the block.
    """
    if absent is not None and (absent.shape != block.shape or absent.dtype != bool):
        raise InputError(f"absent: {absent.dtype} of shape {absent.shape}; give bool of the block's, {block.shape}")
    if any(part.stop > block.shape[1] for part in slices.values()):
        raise InputError(f"languages of passages end beyond the {block.shape[1]} columns of the block; give its own")
    if out is None:
        out = np.array(block, np.float32, order="C")
    elif out is not block:
        out[:] = block
    height = max(1, _TILE_BYTES // (4 * max(1, out.shape[1])))
    tiles = [slice(start, start + height) for start in range(0, len(out), height)]

    def change(rows: slice) -> None:
        for part in parts:
            part.on_tile(out[rows], slices, None if absent is None else absent[rows])

    side_by_side(change, tiles)
    return out
