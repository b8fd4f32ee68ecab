"""Tokens of a text in any language, for BM25: stems where there is a stemmer, n-grams where there are no spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

from hybridkit.characters import JOINERS, marks, visible
from hybridkit.errors import InputError
from hybridkit.languages import language as facts

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 3  # part of the key of every index, so that one of other tokens is never read

# Blocks of the scripts that are written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Korean writes its particles onto the word. Lucene's CJKAnalyzer, which MIRACL's baseline reads Korean with, makes
# pairs of its syllables too: nDCG@10 of tydi-goldp[ko] is .71 by pairs and .43 by words.
_HANGUL = "\uac00-\ud7af"
_DOTLESS = str.maketrans({"I": "ı", "İ": "i"})  # Turkish and Azerbaijani, where casefold would write an English i


def tokens(text: str, language: str = "") -> list[str]:
    r"""Split a text: words, casefolded and stemmed, and pairs of characters where a script has no spaces.

    What is not `visible` goes, then NFKC; combining marks and joiners that say something belong to their word, so that
    Devanagari and pointed Arabic stay whole. A text without a letter or digit has no token.
    `language` is a tag: words are stemmed where there is a `stemmer` for it, and Korean is cut into pairs too. Without
    one words stay whole. Raises InputError for a tag that is none.

    >>> tokens("Der Fl\u00aduß, 308 हिन्दी")
    ['der', 'fluss', '308', 'हिन्दी']
    >>> tokens("NFL超級盃 水")
    ['nfl', '超級', '級盃', '水']
    >>> tokens("Two rivers flowed", "en"), tokens("한강이 2", "ko")
    (['two', 'river', 'flow'], ['한강', '강이', '2'])
    """
    base = language.partition("-")[0]
    stem = stemmer(base)
    text = unicodedata.normalize("NFKC", visible(text))
    if base in ("az", "azj", "tr"):
        text = text.translate(_DOTLESS)
    found: list[str] = []
    for match in _runs(_UNSPACED + _HANGUL if base == "ko" else _UNSPACED).finditer(text.casefold()):
        run = match.group()
        if match.lastgroup == "word":
            found.append(stem(run) if stem else run)
        elif len(run) == 1:
            found.append(run)
        else:
            found.extend(run[start : start + 2] for start in range(len(run) - 1))
    return found


@cache
def stemmer(language: str) -> Callable[[str], str] | None:
    """Snowball's stemmer of a language (PyStemmer), or None where it has none; `language` is a tag without a region.

    >>> stemmer("fi")("taloissa"), stemmer("sw"), stemmer("")
    ('talo', None, None)
    """
    if not language:
        return None
    snowball = _snowball()
    name = facts(language).name.split()[0].lower()  # "Norwegian Bokmål" is Norwegian
    stem: Callable[[str], str] | None = snowball.Stemmer(name).stemWord if name in snowball.algorithms() else None
    return stem


def stemmer_version() -> str:
    """Version of the stemmers, which change words now and then."""
    return str(_snowball().version())


def _snowball() -> Any:  # noqa: ANN401  a module
    try:
        import Stemmer
    except ImportError as error:  # words left whole would give other scores without a word
        raise InputError("BM25 stems words with PyStemmer, which is not here; `pip install PyStemmer`") from error
    return Stemmer


@cache
def _runs(unspaced: str) -> re.Pattern[str]:
    inside = f"(?![{unspaced}])[\\w{JOINERS}{marks()}]"  # a word starts with a letter or digit, not with a mark
    return re.compile(f"(?P<unspaced>[{unspaced}]+)|(?P<word>(?=\\w)(?:{inside})+)")
