"""Which texts share long runs of letters: an index of some texts, in which others are looked up block by block.

As in BLAST (Altschul et al. 1990, doi:10.1016/S0022-2836(05)80360-2), runs of a fixed length that two texts share are
seeds, around which they are compared in short runs. Spaces are left out, so that scripts without them are no exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple
from unicodedata import category

import numpy as np

SEED = 12  # letters: of 40 letters with one word changed, some run of twelve is left
_SHORT = 6  # letters of the runs that are compared around the seeds
_COMMON = 10  # a run in more texts of the index than this is no seed
_FORMULA = 3  # a run in so many texts of the index is a formula, which says little of any of them
_FEW = 5  # letters outside of formulas that a text must have
_OWN = 0.6  # the share of them that another text must share
_MARGIN = 24  # letters by which added or removed words may shift the rest
_LETTERS, _PLACES = 1 << 20, 1 << 22  # at a time: letters of texts looked up, places of their seeds in the index
_FACTORS = [np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_WEIGHTS = ((0x3041, 0x3100, 2), (0x3400, 0xA000, 3), (0xAC00, 0xD7A4, 2), (0x20000, 0x40000, 3))


@cache
def _weights() -> np.ndarray:
    """How many letters a character counts as, uint8 (characters,): 0 for all but letters, marks and digits.

    A Chinese character counts as three, a kana or a Korean syllable as two: XQuAD's questions have 51 letters in
    English and 17 characters in Chinese on average.
    """
    found = np.fromiter((category(chr(code))[0] in "LMN" for code in range(0x110000)), np.uint8, 0x110000)
    for start, stop, weight in _WEIGHTS:
        found[start:stop] *= weight
    return found


@dataclass(frozen=True)
class Letters:
    """The letters of some texts: character codes one text after another, and where each text starts and ends."""

    codes: np.ndarray  # uint32 (letters,)
    bounds: np.ndarray  # int64 (texts + 1,)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Letters:
        """Return the letters, marks and digits of texts from `rows.normalise`; a Chinese character stands three times.

        >>> found = Letters.of(["a b-c!", "水"])
        >>> "".join(map(chr, found.codes)), found.bounds.tolist()
        ('abc水水水', [0, 3, 6])
        """
        if not len(texts):
            return cls(np.zeros(0, np.uint32), np.zeros(1, np.int64))
        codes = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        weights = _weights()[codes]
        before = np.concatenate([[0], np.cumsum(weights, dtype=np.int64)])
        ends = np.append(np.flatnonzero(codes == ord("\n")), len(codes))
        return cls(np.repeat(codes, weights), np.concatenate([[0], before[ends]]))

    @cached_property
    def sizes(self) -> np.ndarray:
        """Letters of each text."""
        return np.diff(self.bounds)

    @cached_property
    def text(self) -> np.ndarray:
        """The number of the text that each letter is of."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def seeds(self) -> tuple[np.ndarray, np.ndarray]:
        """The long runs: see `runs`."""
        return self.runs(SEED)

    @cached_property
    def short(self) -> tuple[np.ndarray, np.ndarray]:
        """The short runs: see `runs`."""
        return self.runs(_SHORT)

    def runs(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a hash of the run that starts at each letter, uint64, and whether the run ends in its text."""
        hashes, widths = [self.codes.astype(np.uint64) + np.uint64(1)], [1]
        while 2 * widths[-1] <= length:
            hashes.append(_joined(hashes[-1], hashes[-1], widths[-1], widths[-1]))
            widths.append(2 * widths[-1])
        found, covered = hashes.pop(), widths.pop()
        for one, width in zip(reversed(hashes), reversed(widths), strict=True):
            if covered + width <= length:
                found = _joined(found, one, covered, width)
                covered += width
        whole = np.repeat(self.bounds[1:], self.sizes) - np.arange(len(self.codes)) >= length
        return _mixed(np.append(found, np.zeros(len(self.codes) - len(found), np.uint64))), whole

    def whole(self) -> list[bytes]:
        """Return all letters of each text as bytes: equal where two texts have the same letters."""
        held = self.codes.tobytes()
        return [held[4 * start : 4 * stop] for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True)]


def _joined(first: np.ndarray, second: np.ndarray, covered: int, width: int) -> np.ndarray:
    """Hashes of the runs that are a run of `first` and, `covered` letters later, one of `second` of some width."""
    factor = np.uint64(pow(int(_FACTORS[0]), width, 1 << 64))
    size = max(len(second) - covered, 0)
    joined: np.ndarray = first[:size] * factor + second[covered:]
    return joined


def _mixed(values: np.ndarray) -> np.ndarray:
    for shift, factor in ((30, _FACTORS[1]), (27, _FACTORS[2])):  # SplitMix64's mixing
        values = (values ^ (values >> np.uint64(shift))) * factor
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def blocks(texts: Sequence[str]) -> Iterator[tuple[int, Letters]]:
    """Yield the letters of texts from `rows.normalise` some at a time, with the position of the first of them."""
    start, size = 0, 0
    for stop, text in enumerate(texts, start=1):
        size += len(text)
        if size >= _LETTERS or stop == len(texts):
            yield start, Letters.of(texts[start:stop])
            start, size = stop, 0


class Overlap(NamedTuple):
    """A text that was looked up and one of the index that share most of the shorter one's letters."""

    text: int
    known: int
    share: float  # 0..1
    shorter: int  # letters of the shorter of the two
    longer: int


class OverlapIndex:
    """An index of texts from `rows.normalise`, to find those that share most of their letters with others.

    In memory are some 50 bytes a letter of the indexed texts, and a few arrays of a million letters of those looked up.

    >>> index = OverlapIndex(["wer war der erfinder des wechselstroms"])
    >>> index.find(Letters.of(["ein rätsel: wer war der wahre erfinder des wechselstroms?"]), 0.5)
    [Overlap(text=0, known=0, share=1.0, shorter=33, longer=47)]
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.letters = Letters.of(texts)
        hashes, whole = self.letters.seeds
        at = np.flatnonzero(whole)
        at = at[np.argsort(hashes[at], kind="stable")]
        keys, text = hashes[at], self.letters.text[at]
        number = np.cumsum(np.diff(keys, prepend=keys[:1]) != 0)  # of the run
        again = (np.diff(number, prepend=-1) == 0) & (np.diff(text, prepend=-1) == 0)
        times = np.bincount(number[~again])[number] if len(at) else number  # texts that have the run
        self._own = np.ones(len(self.letters.codes), dtype=bool)  # letters in no formula
        for step in range(SEED):
            self._own[at[times >= _FORMULA] + step] = False
        self._keys, self._at = keys[times <= _COMMON], at[times <= _COMMON]
        bits = min(max(16, len(self._keys).bit_length() + 4), 26)
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, dtype=bool)  # whether some run's hash starts with these bits
        self._filter[self._keys >> self._shift] = True

    @property
    def formula(self) -> np.ndarray:
        """The share of each text's letters that are in formulas: in long runs that three texts or more have."""
        own = np.bincount(self.letters.text[self._own], minlength=len(self.letters.sizes))
        share: np.ndarray = 1 - own / np.maximum(self.letters.sizes, 1)
        return share

    def find(self, texts: Letters, least: float) -> list[Overlap]:
        """Return the pairs that share at least `least` of the shorter text's letters, by text and known text.

        Of the known text's letters that are in no formula more than half must be shared too: of a question made from a
        template these are what it asks for.
        """
        hashes, whole = texts.seeds
        at = np.flatnonzero(whole & self._filter[hashes >> self._shift])
        low = np.searchsorted(self._keys, hashes[at], side="left")
        count = np.searchsorted(self._keys, hashes[at], side="right") - low
        at, low, count = at[count > 0], low[count > 0], count[count > 0]
        # pieces of whole texts, with a bounded number of places in the index
        piece = (np.cumsum(count) // _PLACES)[np.searchsorted(texts.text[at], texts.text[at])]
        cuts = [*np.flatnonzero(np.diff(piece, prepend=-1)), len(at)]
        found = []
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            found += self._pairs(texts, at[start:stop], low[start:stop], count[start:stop], least)
        return found

    def _pairs(self, texts: Letters, at: np.ndarray, low: np.ndarray, count: np.ndarray, least: float) -> list[Overlap]:
        """The pairs of some seeds: at letters `at` of the texts, and `count` times in the index from `low` on."""
        nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        there, here = self._at[np.repeat(low, count) + nth], np.repeat(at, count)
        text, known = texts.text[here], self.letters.text[there]
        inner, outer = here - texts.bounds[text], there - self.letters.bounds[known]
        swap = texts.sizes[text] >= self.letters.sizes[known]  # the known text is the shorter: the inner
        inner, outer = np.where(swap, outer, inner), np.where(swap, inner, outer)
        order = np.lexsort((inner, known, text))
        text, known, inner, outer = text[order], known[order], inner[order], outer[order]
        first = np.flatnonzero((np.diff(text, prepend=-1) != 0) | (np.diff(known, prepend=-1) != 0))
        step = np.minimum(np.diff(inner, prepend=0), SEED)
        step[first] = SEED
        covered = np.add.reduceat(step, first)
        middle = first + np.diff(np.append(first, len(text))) // 2
        # where the shorter text starts in the longer one, by the seed in the middle
        text, known, shift = text[first], known[first], (outer - inner)[middle]
        sizes = texts.sizes[text], self.letters.sizes[known]
        shorter, longer = np.minimum(*sizes), np.maximum(*sizes)
        # a change takes up to eleven letters on either side from the seeds, so that a third of them is enough
        chosen = np.flatnonzero((covered > SEED) & (covered >= shorter / 3))
        text, known, shift, shorter, longer = (one[chosen] for one in (text, known, shift, shorter, longer))
        share = self._shares(texts, text, known, shift, shorter, longer, min(_OWN, least))
        kept = np.flatnonzero(share >= least)
        columns = (one[kept].tolist() for one in (text, known, share, shorter, longer))
        return [Overlap(*line) for line in zip(*columns, strict=True)]

    def _shares(
        self,
        texts: Letters,
        text: np.ndarray,
        known: np.ndarray,
        shift: np.ndarray,
        shorter: np.ndarray,
        longer: np.ndarray,
        own_least: float,
    ) -> np.ndarray:
        """How many of the shorter text's letters are in short runs that the longer has too around `shift`, 0..1."""
        inner = texts.sizes[text] < self.letters.sizes[known]  # the text is the shorter
        low = np.maximum(shift - _MARGIN, 0)
        high = np.maximum(np.minimum(shift + shorter + _MARGIN, longer), low)
        number_a, at_a = _ranges(texts.bounds[text] + np.where(inner, 0, low), np.where(inner, shorter, high - low))
        number_b, at_b = _ranges(
            self.letters.bounds[known] + np.where(inner, low, 0), np.where(inner, high - low, shorter)
        )
        a, whole_a = _of_pairs(texts.short, at_a, number_a)
        b, whole_b = _of_pairs(self.letters.short, at_b, number_b)
        shared_a = _widened(np.isin(a, b[whole_b]) & whole_a)
        shared_b = _widened(np.isin(b, a[whole_a]) & whole_b)
        pairs = len(text)
        count = np.where(
            inner, np.bincount(number_a[shared_a], minlength=pairs), np.bincount(number_b[shared_b], minlength=pairs)
        )
        # of the known text where it is the longer, only what lies beside the other counts
        place = at_b - self.letters.bounds[known][number_b]
        beside = ~inner[number_b] | (place >= shift[number_b]) & (place < (shift + shorter)[number_b])
        own = self._own[at_b] & beside
        all_own = np.bincount(number_b[own], minlength=pairs)
        shared_own = np.bincount(number_b[own & shared_b], minlength=pairs)
        alike = (all_own >= _FEW) & (shared_own >= own_least * all_own)
        share: np.ndarray = np.where(alike, count / np.maximum(shorter, 1), 0)
        return share


def _ranges(start: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each range and its positions, one range after another."""
    number = np.repeat(np.arange(len(start)), size)
    return number, np.arange(size.sum()) + np.repeat(start - np.cumsum(size) + size, size)


def _of_pairs(runs: tuple[np.ndarray, np.ndarray], at: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs as hashes that are equal only within one pair; a run that leaves its text, or the range, is none."""
    hashes, whole = runs
    end = np.append(number[_SHORT - 1 :], np.full(min(_SHORT - 1, len(number)), -1))
    return _mixed(hashes[at] ^ (number.astype(np.uint64) * _FACTORS[2])), whole[at] & (end == number)


def _widened(starts: np.ndarray) -> np.ndarray:
    """The letters of the short runs that start somewhere."""
    wide = starts.copy()
    for step in range(1, _SHORT):
        wide[step:] |= starts[:-step]
    return wide
