"""Pairs of languages that a strategy's rows may draw, with their weights; rows of equal languages count once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.languages import language
from hybridkit.errors import InputError
from hybridkit.utils.numbers import SHARE

Pairs = str | tuple[str, ...]  # "all", "one", "en-x", or pairs such as "de-en"
_ROWS = 1 << 18  # rows looked at in one go


def check_pairs(value: object) -> Pairs:
    """Return the option `pairs` checked, a list as a tuple; InputError for anything else.

    It is "all" pairs of two different languages; "one" pair a batch; "en-x", those with one language (here English) on
    either side; or a list of pairs, query language first.

    >>> check_pairs(["de-en", "zh-Hant-en"]), check_pairs("en-x")
    (('de-en', 'zh-Hant-en'), 'en-x')
    """
    if isinstance(value, str):
        if value in ("all", "one"):
            return value
        if value.endswith("-x"):
            _known(value[:-2], f"pairs={value!r}")
            return value
    if isinstance(value, list | tuple) and value and all(isinstance(pair, str) for pair in value):
        pairs = tuple(_spelt(*split_pair(pair)) for pair in value)
        if len(set(pairs)) < len(pairs):
            raise InputError(f"pairs={list(value)!r}: a pair is duplicated; leave one")
        return pairs
    raise InputError(f"pairs={value!r}: give 'all', 'one', 'en-x' or a list of pairs such as ['de-en', 'en-de']")


def split_pair(pair: str) -> tuple[str, str]:
    """Return the query language and the passage language of a pair, with a hyphen or a > between them.

    Raises InputError where it does not name two different languages.

    >>> split_pair("zh-Hant-en"), split_pair("en-pt-BR"), split_pair("en-x-foo>be-tarask")
    (('zh-Hant', 'en'), ('en', 'pt-BR'), ('en-x-foo', 'be-tarask'))
    """
    parts = pair.split("-")
    cuts = [("-".join(parts[:cut]), "-".join(parts[cut:])) for cut in range(1, len(parts))]
    for sides in cuts if ">" not in pair else [pair.split(">", 1)]:
        try:
            both = [language(tag).tag for tag in sides]
        except InputError:
            continue
        if both[0] != both[1]:
            return both[0], both[1]
    raise InputError(f"pairs: {pair!r} is not a pair of two different languages; write query-passage, such as 'de-en'")


def _spelt(query: str, passage: str) -> str:
    """A pair with a hyphen, and with a > where that would be another pair."""
    return f"{query}-{passage}" if split_pair(f"{query}-{passage}") == (query, passage) else f"{query}>{passage}"


def check_weights(value: object) -> dict[str, float]:
    """Return weights of languages, checked and in order of the tags; they are numbers from 0 to 1 that sum to 1.

    >>> check_weights({"en": 0.75, "de": 0.25})
    {'de': 0.25, 'en': 0.75}
    """
    if not isinstance(value, Mapping) or not value or not all(isinstance(tag, str) for tag in value):
        raise InputError(f"weights={value!r}: give a weight by language, such as {{'en': 0.5, 'de': 0.5}}")
    for tag, weight in value.items():
        _known(tag, "weights")
        SHARE.check(weight, f"weights: that of {tag!r}")
    if abs((total := sum(value.values())) - 1) > 1e-6:
        raise InputError(f"weights={dict(value)!r}: they must sum to 1 (they sum to {total:g})")
    return dict(sorted(value.items()))


def allowed_pairs(pairs: Pairs, languages: Sequence[str]) -> np.ndarray:
    """Return which pairs of two languages `pairs` allows, bool (languages, languages), query by passage.

    Raises InputError for a language that is not among those of the rows.

    >>> allowed_pairs("en-x", ["de", "en"]).tolist()
    [[False, True], [True, False]]
    """
    different = ~np.eye(len(languages), dtype=bool)
    if pairs in ("all", "one"):
        return different
    allowed = np.zeros_like(different)
    if isinstance(pairs, str):
        centre = column(pairs[:-2], languages, f"pairs={pairs!r}")
        allowed[centre], allowed[:, centre] = True, True
        return np.asarray(allowed & different)
    for pair in pairs:
        query, passage = (column(tag, languages, f"pair {pair!r}") for tag in split_pair(pair))
        allowed[query, passage] = True
    return allowed


def column(tag: str, languages: Sequence[str], what: str) -> int:
    """Return the column of a language; InputError, beginning with `what`, for one that no row has."""
    if tag not in languages:
        raise InputError(f"{what}: language {tag!r} is in no row; the corpus has {', '.join(languages) or 'none'}")
    return list(languages).index(tag)


def _known(tag: str, what: str) -> None:
    try:
        language(tag)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


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
        """Return the patterns of a corpus, found in bounded memory."""
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
        """Return which patterns have a pair of positive weight (languages, languages), bool (patterns,)."""
        reached = (self.query.astype(np.int64) @ (weights > 0)) > 0
        return np.asarray((reached & self.passage).any(axis=1))


def _codes(corpus: ParallelCorpus, first: int) -> np.ndarray:
    """The known languages of some rows, packed into one sortable value a row."""
    rows = slice(first, first + _ROWS)
    known = np.concatenate([corpus.positions["query"][rows] >= 0, corpus.positions["passage"][rows] >= 0], axis=1)
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
        self.of_row = patterns.of_row
        self.pairs = pairs.astype(np.int32)
        queries, passages = self.pairs.T
        self._width = len(patterns.languages)
        step = max(1, (1 << 22) // max(1, len(queries)))
        found, counts = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int64)]
        for first in range(0, len(patterns.query), step):
            some = slice(first, first + step)
            has = patterns.query[some][:, queries] & patterns.passage[some][:, passages]
            found.append(np.nonzero(has)[1].astype(np.int32))
            counts.append(has.sum(axis=1))
        self._pair, self._counts = np.concatenate(found), np.concatenate(counts)
        self._first = np.cumsum(self._counts) - self._counts
        self._bounds = None if len(weights) == 0 or np.ptp(weights) == 0 else self._cumulate(weights[self._pair])

    @classmethod
    def of(cls, patterns: Patterns, weights: np.ndarray) -> "PairTable":
        """Return the table of the pairs of positive weight in a matrix (languages, languages), query by passage."""
        pairs = np.argwhere(weights > 0)
        return cls(patterns, pairs, weights[pairs[:, 0], pairs[:, 1]])

    def _cumulate(self, weight: np.ndarray) -> np.ndarray:
        """Upper ends of the pairs' intervals, those of pattern n in n..n + 1, so that one search serves all rows."""
        total = np.add.reduceat(weight, self._first[self._counts > 0])
        number = np.repeat(np.arange(len(self._counts)), self._counts)
        share = weight / np.repeat(total, self._counts[self._counts > 0])
        ends = np.cumsum(share)  # every pattern sums to 1
        return np.asarray(ends - (np.cumsum(self._counts > 0) - 1)[number] + number)

    def rows(self) -> np.ndarray:
        """Return which rows have a pair to draw, bool (rows,)."""
        return np.asarray((self._counts > 0)[self.of_row])

    def draw(self, rows: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Return pairs for some rows, int32 (..., 2), from a uniform number each; every row must be usable."""
        if len(self.pairs) == 1:
            return np.broadcast_to(self.pairs[0], (*rows.shape, 2))
        own = self.of_row[rows]
        first, count = self._first[own], self._counts[own]
        if self._bounds is None:
            at = first + (chance * count).astype(np.int64)
        else:
            at = np.searchsorted(self._bounds, own + chance, side="right")
            at = np.clip(at, first, first + count - 1)
        return np.asarray(self.pairs[self._pair[at]])

    def expected(self, times: np.ndarray) -> np.ndarray:
        """Return the expected draws of each pair, float (languages, languages), of `times` (patterns,) drawn rows."""
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
