"""Replace words of many texts at once by translations; which ones depends on seed, side and position alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hybridkit.characters import visible
from hybridkit.lexicon import Lexicons
from hybridkit.sampling.words import Entries, in_case_of, is_spaced, join_words, split_words
from hybridkit.seeds import generator

# a target language, and the translations into it spelt in the case of the word
Options = tuple[tuple[str, tuple[str, ...]], ...]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Switcher:
    """Switches words of texts with probability `p` each (arXiv 2305.05295, section 3).

    A word is looked up folded, and known if some translation of it differs from it in more than case. `multilingual`
    draws the language of every known word anew among the targets that know it; with `bilingual=True` all texts of a
    position that are in one language are switched into one target, drawn among all. Of several translations one is
    drawn; all draws are uniform. English texts are switched into the languages of `lexicons`; with `pivot` texts in
    one of those are switched into English and, by way of English, the others; all other texts stay.
    """

    lexicons: Lexicons
    p: float
    bilingual: bool = False
    pivot: bool = False
    seed: int = 0

    def switch(self, texts: Sequence[str], tags: Sequence[str], positions: np.ndarray, side: str) -> list[str]:
        r"""The texts, switched; `tags` are their languages, `positions` (n,) their places in a plan.

        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "en-de.txt").write_text("money geld\nwhich welches")
        >>> switcher = Switcher(Lexicons.open(str(folder)), p=1.0)
        >>> switcher.switch(["Which money? MONEY!", "Welches Geld?"], ["en", "de"], np.array([0, 1]), "query")
        ['Welches geld? GELD!', 'Welches Geld?']
        """
        out = list(texts)
        for number, words in self._chosen(texts, tags, positions, side).items():
            out[number] = words.switched()
        return out

    def count(self, texts: Sequence[str], tags: Sequence[str], positions: np.ndarray, side: str) -> np.ndarray:
        """Of every text its words, the known and the switched ones among them, int64 (n, 3)."""
        chosen = self._chosen(texts, tags, positions, side)
        counts = np.zeros((len(texts), 3), dtype=np.int64)
        for number, text in enumerate(texts):
            words = chosen.get(number)
            counts[number] = words.counts() if words else (len(split_words(text)) // 2, 0, 0)
        return counts

    def can_switch(self, tag: str) -> bool:
        """Tell whether texts in a language are switched at all."""
        return bool(self.targets(tag))

    def targets(self, tag: str) -> tuple[str, ...]:
        """The languages into which texts in a language are switched."""
        if tag == "en":
            return self.lexicons.languages
        if not self.pivot or tag not in self.lexicons.languages:
            return ()
        return ("en", *(target for target in self.lexicons.languages if target != tag))

    def _chosen(
        self, texts: Sequence[str], tags: Sequence[str], positions: np.ndarray, side: str
    ) -> dict[int, "_Words"]:
        """Every text that can be switched, cut into words, with its draws."""
        numbers = [number for number, tag in enumerate(tags) if self.targets(tag)]
        cut = [split_words(texts[number], self._entries(tags[number])) for number in numbers]
        counts = np.array([len(pieces) // 2 for pieces in cut], dtype=np.int64)
        owner = np.repeat(np.arange(len(numbers)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.asarray(positions, dtype=np.uint64)[numbers]
        # 20 bits of a position's numbers are its own: two for each of its first half million words
        index = (places[owner] << np.uint64(20)) + (within.astype(np.uint64) << np.uint64(1))
        hits = np.flatnonzero((_mix(self._key(side), index) >> np.uint64(11)) * 2.0**-53 < self.p)
        draws = _mix(self._key(side), index[hits] + np.uint64(1)).tolist()
        one_target = (_mix(self._key("language"), places) >> np.uint64(32)).tolist() if self.bilingual else None
        found = {}
        for at, (number, pieces) in enumerate(zip(numbers, cut, strict=True)):
            tag, target = tags[number], ""
            if one_target is not None:
                targets = self.targets(tag)
                target = targets[one_target[at] * len(targets) >> 32]
            found[number] = _Words(pieces, tag, self._options(tag, target), [])
        for at, word, draw in zip(owner[hits].tolist(), within[hits].tolist(), draws, strict=True):
            found[numbers[at]].draws.append((word, draw))
        return found

    @cached_property
    def _caches(self) -> tuple[dict[tuple[str, str], "_Options"], dict[str, "Entries | None"], dict[str, np.uint64]]:
        return {}, {}, {}

    def _options(self, tag: str, target: str) -> "_Options":
        found = self._caches[0].get((tag, target))
        if found is None:
            found = _Options(self.lexicons, tag, (target,) if target else self.targets(tag))
            self._caches[0][tag, target] = found
        return found

    def _entries(self, tag: str) -> "Entries | None":
        if tag not in self._caches[1]:
            spaced = tag == "en" or is_spaced(tag)
            self._caches[1][tag] = None if spaced else Entries(self.lexicons.lexicons[tag].to_english)
        return self._caches[1][tag]

    def _key(self, side: str) -> np.uint64:
        if side not in self._caches[2]:
            key = generator(self.seed, "codeswitch", side).integers(2**64, dtype=np.uint64)
            self._caches[2][side] = np.uint64(key)
        return self._caches[2][side]


class _Options(dict[str, Options]):
    """What each word of a language may become; worked out when it is first asked for."""

    def __init__(self, lexicons: Lexicons, source: str, targets: tuple[str, ...]) -> None:
        super().__init__()
        self._lexicons, self._source, self._targets = lexicons, source, targets

    def __missing__(self, word: str) -> Options:
        options, seen = [], visible(word)
        small = seen.lower()
        for target, found in self._lexicons.all_translations(word, self._source, self._targets).items():
            others = [in_case_of(seen, other, target) for other in found if visible(other).lower() != small]
            if others:
                options.append((target, tuple(others)))
        if len(self) > 1_000_000:  # a bound on memory; words are worked out again
            self.clear()
        self[word] = tuple(options)
        return self[word]


@dataclass(frozen=True)
class _Words:
    """One text cut into words, what they may become, and (word, 64 random bits) of those chosen to be switched."""

    pieces: list[str]
    tag: str
    options: _Options
    draws: list[tuple[int, int]]

    def switched(self) -> str:
        pieces, done = self.pieces, []
        for word, draw in self.draws:
            options = self.options[pieces[2 * word + 1]]
            if options:
                target, translations = options[(draw >> 32) * len(options) >> 32]
                pieces[2 * word + 1] = translations[(draw & 0xFFFFFFFF) * len(translations) >> 32]
                done.append((word, target))
        if self.tag == "en" and all(is_spaced(target) for _, target in done):
            return "".join(pieces)
        tags, changed = [self.tag] * (len(pieces) // 2), [False] * (len(pieces) // 2)
        for word, target in done:
            tags[word], changed[word] = target, True
        return join_words(pieces, tags, changed)

    def counts(self) -> tuple[int, int, int]:
        known = [bool(self.options[word]) for word in self.pieces[1::2]]
        return len(known), sum(known), sum(known[word] for word, _ in self.draws)


def _mix(key: np.uint64, index: np.ndarray) -> np.ndarray:
    """64 random bits for each index: the numbers of SplitMix64 (Steele, Lea, Flood 2014, figure 17) seeded by `key`."""
    mixed = key + (index + np.uint64(1)) * _GAMMA
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
