"""Which languages rows know, and the pairs that they may draw: rows with the same languages are looked at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hybridkit.corpus import ParallelCorpus

_ROWS = 1 << 18  # rows looked at in one go


@dataclass(frozen=True, eq=False)
class Patterns:
    """The distinct patterns of known languages among the rows of a corpus.

    `query` and `passage` are bool (patterns, languages); `of_row` is int32 (rows,), the pattern of each row.
    """

    languages: tuple[str, ...]
    query: np.ndarray
    passage: np.ndarray
    of_row: np.ndarray

    @classmethod
    def of(cls, corpus: ParallelCorpus) -> "Patterns":
        """Look at every row of a corpus, in bounded memory."""
        count, width = len(corpus), len(corpus.languages)
        found = [np.unique(_codes(corpus, first)) for first in range(0, count, _ROWS)]
        codes = np.unique(np.concatenate([*found, _codes(corpus, count)]))
        of_row = np.empty(count, dtype=np.int32)
        for first in range(0, count, _ROWS):
            of_row[first : first + _ROWS] = np.searchsorted(codes, _codes(corpus, first))
        known = np.unpackbits(codes.view(np.uint8).reshape(len(codes), codes.itemsize), axis=1).astype(bool)
        return cls(corpus.languages, known[:, :width], known[:, width : 2 * width], of_row)

    @cached_property
    def times(self) -> np.ndarray:
        """Number of rows of each pattern, int64 (patterns,)."""
        return np.bincount(self.of_row, minlength=len(self.query))

    @cached_property
    def sizes(self) -> dict[str, np.ndarray]:
        """Rows by language that have a `query`, a `passage`, or `both`, each (languages,)."""
        known = {"query": self.query, "passage": self.passage, "both": self.query & self.passage}
        return {side: self.times @ has for side, has in known.items()}

    def with_pair(self, weights: np.ndarray) -> np.ndarray:
        """Bool array (patterns,): whether the pattern has a pair of positive weight (languages, languages)."""
        reached = (self.query.astype(np.int64) @ (weights > 0)) > 0
        return np.asarray((reached & self.passage).any(axis=1))


def _codes(corpus: ParallelCorpus, first: int) -> np.ndarray:
    """The known languages of some rows, packed into one sortable value a row."""
    part = slice(first, first + _ROWS)
    known = np.concatenate([corpus.places["query"][part] >= 0, corpus.places["passage"][part] >= 0], axis=1)
    packed = np.packbits(known, axis=1)
    width = max(8, packed.shape[1])
    padded = np.zeros((len(packed), width), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    # numbers sort much faster than bytes, and up to 32 languages fit into one
    return padded.view(np.uint64 if width == 8 else f"S{width}").ravel()


class PairTable:
    """The pairs of languages that a row may draw and their weights, a flat list by pattern.

    `pairs` is int (pairs, 2), columns of query and passage languages in order, `weights` float (pairs,), all positive.
    A row draws among the pairs that it has, each with a probability proportional to its weight.
    """

    def __init__(self, patterns: Patterns, pairs: np.ndarray, weights: np.ndarray) -> None:
        self._of_row = patterns.of_row
        self.pairs = pairs.astype(np.int32)
        queries, passages = self.pairs.T
        self._width = len(patterns.languages)
        step = max(1, (1 << 22) // max(1, len(queries)))
        parts, counts = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int64)]
        for first in range(0, len(patterns.query), step):
            part = slice(first, first + step)
            has = patterns.query[part][:, queries] & patterns.passage[part][:, passages]
            parts.append(np.nonzero(has)[1].astype(np.int32))
            counts.append(has.sum(axis=1))
        self._pair, self._counts = np.concatenate(parts), np.concatenate(counts)
        self._first = np.cumsum(self._counts) - self._counts
        self._bounds = None if len(weights) == 0 or np.ptp(weights) == 0 else self._cumulate(weights[self._pair])

    @classmethod
    def of(cls, patterns: Patterns, weights: np.ndarray) -> "PairTable":
        """The pairs of positive weight in a matrix (languages, languages), query by passage."""
        pairs = np.argwhere(weights > 0)
        return cls(patterns, pairs, weights[pairs[:, 0], pairs[:, 1]])

    def _cumulate(self, weight: np.ndarray) -> np.ndarray:
        """Upper ends of the pairs' intervals, those of pattern n in n..n + 1, so that one search serves all rows."""
        total = np.add.reduceat(weight, self._first[self._counts > 0])
        number = np.repeat(np.arange(len(self._counts)), self._counts)
        share = weight / np.repeat(total, self._counts[self._counts > 0])
        ends = np.cumsum(share)  # every pattern sums to 1
        return np.asarray(ends - (np.cumsum(self._counts > 0) - 1)[number] + number)

    @property
    def usable(self) -> np.ndarray:
        """Bool array (patterns,): whether a row of the pattern has a pair to draw."""
        return self._counts > 0

    def rows(self) -> np.ndarray:
        """Bool array (rows,): whether the row has a pair to draw."""
        return np.asarray(self.usable[self._of_row])

    def draw(self, rows: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Pairs for some rows, int32 (..., 2), from a uniform number each; every row must be usable."""
        if len(self.pairs) == 1:
            return np.broadcast_to(self.pairs[0], (*rows.shape, 2))
        own = self._of_row[rows]
        first, count = self._first[own], self._counts[own]
        if self._bounds is None:
            at = first + (chance * count).astype(np.int64)
        else:
            at = np.searchsorted(self._bounds, own + chance, side="right")
            at = np.clip(at, first, first + count - 1)
        return np.asarray(self.pairs[self._pair[at]])

    def expected(self, times: np.ndarray) -> np.ndarray:
        """Expected draws of each pair, float (languages, languages), of `times` (patterns,) drawn rows."""
        if self._bounds is None:
            share = 1 / np.repeat(np.maximum(self._counts, 1), self._counts)
        else:
            start = np.repeat(np.arange(len(self._counts)), self._counts).astype(float)
            inner = np.ones(len(start), dtype=bool)
            inner[self._first[self._counts > 0]] = False
            start[inner] = self._bounds[np.flatnonzero(inner) - 1]
            share = self._bounds - start
        drawn = np.bincount(self._pair, share * np.repeat(times, self._counts), minlength=len(self.pairs))
        out = np.zeros((self._width, self._width))
        out[self.pairs[:, 0], self.pairs[:, 1]] = drawn
        return out
