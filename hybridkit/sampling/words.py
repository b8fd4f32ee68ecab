"""Words of a text and what stands between them, in languages with and without spaces; the case of a word kept."""

import re
from collections.abc import Iterable
from functools import cache

from hybridkit.characters import IGNORABLE, JOINERS, SOUTH_EAST_ASIAN, ZWSP, marks, viramas, visible
from hybridkit.languages import language
from hybridkit.lexicon import DOTTED

# Scripts that are written without spaces between words (Unicode Annex 29 leaves them to dictionaries). Korean has some.
_UNSPACED_SCRIPTS = frozenset({"Hans", "Hant", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
# Their blocks: Thai, Lao, Tibetan, Myanmar; Khmer; kana; Han and its extensions; kana of half width.
_UNSPACED_LETTERS = (
    r"\u0e00-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9f\U00020000-\U0003ffff"
)


@cache
def is_spaced(tag: str) -> bool:
    """Tell whether a language puts spaces between its words.

    >>> is_spaced("de"), is_spaced("th"), is_spaced("zh")
    (True, False, False)
    """
    return language(tag).script not in _UNSPACED_SCRIPTS


def split_words(text: str, entries: "Entries | None" = None) -> list[str]:
    r"""Split a text into [gap, word, gap, word, ..., gap]; joined they are the text again.

    A word is a run of letters, digits and their marks, with apostrophes inside, and with what is not seen (soft
    hyphens and their like, see `characters.visible`) between them. ZWSP parts words only in scripts that use it so,
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
    """The words of a language without spaces, ready to be found in a run of letters.

    No entry is found whose ends would tear a letter from its vowel signs or tone marks (Thai, Lao: also the vowels
    written before or after the consonant they belong to), or that is a part of a word in Latin or another script.

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
                (at + size for size in self._lengths.get(folded[at], ())
                 if at + size in bounds and folded[at : at + size] in self._words), 0,
            )  # fmt: skip
            if found:
                segments += [part for part in (run[unknown:at], run[at:found]) if part]
                unknown = found
            at = found or end
        return segments + [part for part in (run[unknown:],) if part]


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
    """Spell a translation in the case of the word it stands for: UPPER, Capitalised, or as the lexicon has it.

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
    """Join what `split_words` gave once words have been replaced; `tags` and `changed` tell of every word.

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
    # Python's \w lacks the marks without which no word of Hindi or Thai is whole, and the joiners inside words
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
