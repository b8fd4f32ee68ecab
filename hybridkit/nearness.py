"""Texts that are nearly the same: MinHash (rensa) finds long ones, words the short; shingles and numbers decide."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category

import numpy as np

from hybridkit.groups import normalise

_BANDS, _WIDTH, _SEED = 20, 5, 1  # of two texts at 0.8 the bands find 9996 of 10,000
_MASK = [np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_HAN = re.compile("[\u3040-\u9fff\U00020000-\U0003ffff]")


@dataclass(frozen=True)
class Nearness:
    """When two texts are nearly the same.

    They share at least `similarity` of their shingles (Jaccard; runs of `shingle` characters, letters and digits only)
    and of their numbers. Up to `sentence` letters (a Chinese character counts as three) a word, even a letter, makes
    another question of a text, "capital of Chad" and "capital of Mali", Irland and Island: there the words must be the
    same, in nearly the same order, or the letters, however they are joined to words.
    """

    similarity: float = 0.8
    shingle: int = 5
    sentence: int = 200


class _Letters(dict[int, str]):
    """For `str.translate`: letters, marks and digits stay, the rest is a space; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if category(chr(code))[0] in "LMN" else " "
        return self[code]


_LETTERS = _Letters()


def letters(text: str) -> str:
    """The letters and digits of a text, normalised, words parted by single spaces.

    >>> letters("Who is  “Tesla”?"), letters("पानी?")
    ('who is tesla', 'पानी')
    """
    return " ".join(normalise(text).translate(_LETTERS).split())


def shingles(text: str, size: int) -> set[str]:
    """The runs of `size` characters of a text that went through `letters`, with a space before and behind it.

    >>> sorted(shingles("a bc", 3))
    [' a ', ' bc', 'a b', 'bc ']
    """
    text = f" {text} ".ljust(size)
    return {text[start : start + size] for start in range(len(text) - size + 1)}


def similarity(one: str, other: str, rule: Nearness) -> float:
    """How near two texts that went through `letters` are, 0..1: 0 where the rule says that they are not near.

    >>> rule = Nearness()
    >>> similarity("what is the capital of chad", "what is the capital of mali", rule)
    0.0
    >>> similarity("what is the data base format", "what is the database format", rule)
    1.0
    """
    if not one or not other:  # without a letter a text is near no other
        return 0.0
    if _joined(one) == _joined(other):
        return 1.0
    if not min(_size(one), _size(other)) > rule.sentence and _bag(one) != _bag(other):
        return 0.0
    numbers = [Counter(re.findall(r"\d+", text)) for text in (one, other)]
    if (numbers[0] & numbers[1]).total() < rule.similarity * (numbers[0] | numbers[1]).total():
        return 0.0
    first, second = shingles(one, rule.shingle), shingles(other, rule.shingle)
    shared = len(first & second) / len(first | second)
    return shared if shared >= rule.similarity else 0.0


def _joined(text: str) -> str:
    return text.replace(" ", "")


def _bag(text: str) -> str:
    return " ".join(sorted(text.split()))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text) + 2 * len(_HAN.findall(text))


class NearIndex:
    """Texts that went through `letters`, which others are held against: give it the few, ask it of the many."""

    def __init__(self, texts: Sequence[str], rule: Nearness) -> None:
        self._texts, self._rule = texts, rule
        self._same: dict[str, list[int]] = {}  # by the words in order of the alphabet, and by the letters alone
        for place, text in enumerate(texts):
            for key in {_bag(text), _joined(text)}:
                self._same.setdefault(key, []).append(place)
        self._long = [place for place, text in enumerate(texts) if _size(text) > rule.sentence]
        self._digests = _digests([texts[place] for place in self._long], rule.shingle)
        keys = _band_keys(self._digests)
        self._order = np.argsort(keys, axis=0, kind="stable")
        self._keys = np.take_along_axis(keys, self._order, axis=0)

    def near(self, texts: Sequence[str]) -> Iterator[tuple[int, int, float]]:
        """Give (position in `texts`, position in the index, similarity) for every pair that is near, in order."""
        pairs = {
            (asked, place)
            for asked, text in enumerate(texts)
            for key in (_bag(text), _joined(text)) for place in self._same.get(key, ())
        }  # fmt: skip
        if self._long:
            long = [place for place, text in enumerate(texts) if _size(text) > self._rule.sentence]
            digests = _digests([texts[place] for place in long], self._rule.shingle)
            for asked, known in _pairs(_band_keys(digests), self._keys, self._order):
                # what 100 hashes tell is less than 0.2 too low in all but one of a million pairs
                if np.mean(digests[asked] == self._digests[known]) >= self._rule.similarity - 0.2:
                    pairs.add((long[asked], self._long[known]))
        for asked, known in sorted(pairs):
            found = similarity(texts[asked], self._texts[known], self._rule)
            if found:
                yield asked, known, found


def _pairs(keys: np.ndarray, known: np.ndarray, order: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (asked, known) that share the key of a band."""
    found: set[tuple[int, int]] = set()
    for band in range(keys.shape[1]):
        low = np.searchsorted(known[:, band], keys[:, band], side="left")
        high = np.searchsorted(known[:, band], keys[:, band], side="right")
        for asked in np.flatnonzero(high > low).tolist():
            found.update((asked, int(order[at, band])) for at in range(low[asked], high[asked]))
    return sorted(found)


def _digests(texts: Sequence[str], size: int) -> np.ndarray:
    """MinHash of each text's shingles, uint32 (texts, bands x width); shingles are hashed as polynomials at once."""
    from rensa import RMinHash

    padded = [f" {text} ".ljust(size) for text in texts]
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = max(len(codes) - size + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        hashes = hashes * _MASK[0] + codes[place : place + count] + np.uint64(1)
    for shift, factor in ((30, _MASK[1]), (27, _MASK[2])):  # SplitMix64's mixing
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * factor
    ends = np.cumsum(lengths)
    left = np.repeat(ends, lengths)[:count] - np.arange(count) if count else np.zeros(0, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths - size + 1)]).astype(np.uint64)
    rows = RMinHash.digest_matrix_from_flat_token_hashes(
        hashes[left >= size], offsets, _BANDS * _WIDTH, _SEED
    ).to_rows()
    return np.array(rows, dtype=np.uint32).reshape(len(texts), _BANDS * _WIDTH)


def _band_keys(digests: np.ndarray) -> np.ndarray:
    parts = digests.reshape(len(digests), _BANDS, _WIDTH).astype(np.uint64)
    keys = np.zeros(parts.shape[:2], dtype=np.uint64)
    for place in range(_WIDTH):
        keys = (keys ^ parts[:, :, place]) * _MASK[1]
        keys ^= keys >> np.uint64(31)
    return keys
