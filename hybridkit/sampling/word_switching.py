"""Replace words of many texts by translations: how texts are split into words, and which words change."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from hybridkit.data.languages import language
from hybridkit.data.sources.lexicons import DOTTED, Lexicons
from hybridkit.utils.characters import IGNORABLE, JOINERS, SOUTH_EAST_ASIAN, ZWSP, marks, viramas, visible
from hybridkit.utils.seeds import generator

# Scripts that are written without spaces between words (Unicode Annex 29 leaves them to dictionaries). Korean has some.
_UNSPACED_SCRIPTS = frozenset({"Hans", "Hant", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
# Their blocks: Thai, Lao, Tibetan, Myanmar; Khmer; kana; Han and its extensions; kana of half width.
_UNSPACED_LETTERS = (
    r"\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9f\U00020000-\U0003ffff"
)
# a target language, and the translations into it spelt in the case of the word
Options = tuple[tuple[str, tuple[str, ...]], ...]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


@cache
def is_spaced(tag: str) -> bool:
    """Return whether a language puts spaces between its words.

    >>> is_spaced("de"), is_spaced("th"), is_spaced("zh")
    (True, False, False)
    """
    return language(tag).script not in _UNSPACED_SCRIPTS


@cache
def stop_words() -> frozenset[str]:
    """Return the English stop words of arXiv 2305.05295: NLTK's list, of which bm25s has a copy.

    >>> len(stop_words()), "the" in stop_words(), "bank" in stop_words()
    (179, True, False)
    """
    from bm25s.stopwords import STOPWORDS_EN_PLUS

    return frozenset(STOPWORDS_EN_PLUS)


def split_words(text: str, entries: "Entries | None" = None) -> list[str]:
    r"""Split a text into [gap, word, gap, word, ..., gap]; joined they are the text again.

    A word is a run of letters, digits and their marks, with apostrophes inside, and with what is not seen (soft
    hyphens and their like, see `characters.visible`) between them. ZWSP separates words only in scripts that use it so,
    Thai and Khmer among them. In a language without spaces, give the `entries` of its lexicon: a run is cut into the
    longest entries from left to right, and what lies between stays together.

    >>> split_words('Mo\u00adney, in "Côte d’Ivoire"')
    ['', 'Mo\xadney', ', ', 'in', ' "', 'Côte', ' ', 'd’Ivoire', '"']
    >>> split_words("我在银行。", Entries(["银行", "在"]))
    ['', '我', '', '在', '', '银行', '。']
    """
    pieces = _word().split(text)
    if entries is None:
        return pieces
    cut = pieces[:1]
    for word, gap in zip(pieces[1::2], pieces[2::2], strict=True):
        segments = entries.cut(word)
        cut += [piece for segment in segments for piece in (segment, "")]
        cut[-1] = gap
    return cut


class Entries:
    """The words of a language without spaces, which are looked up in runs of letters.

    An entry is not found where its ends would tear a letter from its vowel signs or tone marks (Thai, Lao: also the
    vowels written before or after their consonant), or where it is a piece of a word in Latin or another script.

    >>> Entries(["กา", "การ"]).cut("การกา"), Entries(["ก"]).cut("กา"), Entries(["a", "银行"]).cut("banka银行")
    (['การ', 'กา'], ['กา'], ['banka', '银行'])
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        lengths: dict[str, set[int]] = {}
        for word in self._words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    def cut(self, run: str) -> list[str]:
        """Cut a run into entries and the stretches between them; joined they are the run."""
        seen = visible(run)
        return self._cut(run) if seen == run else _spread(self._cut(seen), run)

    def _cut(self, run: str) -> list[str]:
        folded = run.lower()
        if len(folded) != len(run):  # a capital that has no small letter of one character
            folded = run
        ends = [match.end() for match in _cluster().finditer(run)]
        bounds = {0, *ends}
        segments: list[str] = []
        at = unknown = 0
        for end in ends:
            if end <= at:
                continue
            found = next(
                (
                    at + size
                    for size in self._lengths.get(folded[at], ())
                    if at + size in bounds and folded[at : at + size] in self._words
                ),
                0,
            )
            if found:
                segments += [piece for piece in (run[unknown:at], run[at:found]) if piece]
                unknown = found
            at = found or end
        return segments + ([run[unknown:]] if unknown < len(run) else [])


def _spread(segments: list[str], run: str) -> list[str]:
    """The segments of a run's visible characters with all of its characters; the unseen go with what is behind them."""
    out, at = [], 0
    for segment in segments:
        start = at
        for letter in segment:
            at = run.index(letter, at) + 1
        out.append(run[start:at])
    out[-1] += run[at:]
    return out


def in_case_of(word: str, translation: str, tag: str) -> str:
    """Return a translation in the case of the word that it replaces: UPPER, Capitalised, or as the lexicon has it.

    >>> [in_case_of(word, "istanbul", "tr") for word in ("ROME", "Rome", "rome")]
    ['İSTANBUL', 'İstanbul', 'istanbul']
    """
    dotted = tag.partition("-")[0] in DOTTED
    if len(word) > 1 and word.isupper():
        return (translation.replace("i", "İ") if dotted else translation).upper()
    if not word[:1].isupper():
        return translation
    first = "İ" if dotted and translation[:1] == "i" else translation[:1].title()
    return first + translation[1:]


def join_words(pieces: list[str], tags: list[str], changed: list[bool]) -> str:
    """Join the pieces of `split_words` after words were replaced; of each word `tags` has its language.

    A word changed into a language with spaces gets one on either side where it has none; between two neighbours
    changed into the same language without spaces, white space falls away.

    >>> join_words(["", "银行", " ", "钱", "?"], ["zh", "zh"], [True, True])
    '银行钱?'
    >>> join_words(["", "我", "", "bank", "。"], ["zh", "en"], [False, True])
    '我 bank。'
    """
    for left in range(len(tags) - 1):
        at, right = 2 * left + 2, left + 1
        if not pieces[at]:
            if any(changed[one] and is_spaced(tags[one]) for one in (left, right)):
                pieces[at] = " "
        elif changed[left] and changed[right] and tags[left] == tags[right] and not is_spaced(tags[left]):
            pieces[at] = pieces[at].strip() if pieces[at].isspace() else pieces[at]
    return "".join(pieces)


@cache
def _word() -> re.Pattern[str]:
    # Python's \w leaves out the marks without which no word of Hindi or Thai is whole, and the joiners inside words
    letter, between = rf"[\w{marks()}]", f"[{IGNORABLE.replace(ZWSP, '')}{JOINERS}]"
    unseen = rf"(?:{between}|(?<![{SOUTH_EAST_ASIAN}]){ZWSP}(?![{SOUTH_EAST_ASIAN}]))"
    run = rf"{letter}+(?:{unseen}+{letter}+)*"
    chillu = rf"(?:(?<=[{viramas()}])\u200d)?"  # Malayalam writes some last consonants with a virama and ZWJ
    return re.compile(rf"((?=\w){run}(?:{unseen}*['’]{unseen}*{run})*{chillu})")


@cache
def _cluster() -> re.Pattern[str]:
    """What may not be torn: a stretch of letters of other scripts, or a letter with its marks and the vowels around.

    Thai and Lao write some vowels before their consonant and some behind it, as letters of their own.
    """
    before, behind = r"[\u0e40-\u0e44\u0ec0-\u0ec4]", r"\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"
    return re.compile(rf"[^{_UNSPACED_LETTERS}]+|{before}?.[{marks()}{JOINERS}{behind}]*")


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
        r"""Return the texts, switched; `tags` are their languages, `positions` (n,) their positions in a plan.

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
        """Count the words of every text, int64 (n, 5).

        They are all words, those that are known, those that are switched; then the words of English texts that are no
        `stop_words`, and those of them that are switched.
        """
        chosen = self._chosen(texts, tags, positions, side)
        counts = np.zeros((len(texts), 5), dtype=np.int64)
        for number, text in enumerate(texts):
            words = chosen.get(number)
            counts[number] = words.counts() if words else (len(split_words(text)) // 2, 0, 0, 0, 0)
        return counts

    def targets(self, tag: str) -> tuple[str, ...]:
        """Return the languages into which texts in a language are switched."""
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
        slots = np.asarray(positions, dtype=np.uint64)[numbers]
        # 20 bits of a position's numbers are its own: two for each of its first half million words
        index = (slots[owner] << np.uint64(20)) + (within.astype(np.uint64) << np.uint64(1))
        hits = np.flatnonzero((_mix(self._key(side), index) >> np.uint64(11)) * 2.0**-53 < self.p)
        draws = _mix(self._key(side), index[hits] + np.uint64(1)).tolist()
        one_target = (_mix(self._key("language"), slots) >> np.uint64(32)).tolist() if self.bilingual else None
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
    """What each word of a language may become, worked out when it is first looked up."""

    def __init__(self, lexicons: Lexicons, source: str, targets: tuple[str, ...]) -> None:
        super().__init__()
        self._lexicons, self._source, self._targets = lexicons, source, targets

    def __missing__(self, word: str) -> Options:
        options, seen = [], visible(word)
        small = seen.lower()
        for target, found in self._lexicons.translations(word, self._source, self._targets).items():
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

    def counts(self) -> tuple[int, int, int, int, int]:
        words = self.pieces[1::2]
        known = [bool(self.options[word]) for word in words]
        content = [self.tag == "en" and visible(word).lower() not in stop_words() for word in words]
        switched = [word for word, _ in self.draws if known[word]]
        return len(known), sum(known), len(switched), sum(content), sum(content[word] for word in switched)


def _mix(key: np.uint64, index: np.ndarray) -> np.ndarray:
    """64 random bits for each index: the numbers of SplitMix64 (Steele, Lea, Flood 2014, figure 17) seeded by `key`."""
    mixed = key + (index + np.uint64(1)) * _GAMMA
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
