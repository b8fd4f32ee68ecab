"""Invisible characters: which of them belong to no word, and which must not reach a page as they are.

`visible` is for comparing and counting words; `safe`, `escaped` and `shown` are for pages, tables and the inspector.
Messages of errors go through `errors.readable`, which writes out everything that a terminal would hide.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

from hybridkit.errors import DIRECTION_CONTROLS

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt 16.0) but ZWNJ and ZWJ: what its NFKC_Casefold takes
# out, and UAX #31 leaves out of identifiers. Soft hyphen, word joiner, zero-width space, byte order mark, marks and
# controls of direction, variation selectors, fillers of Hangul, tags.
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
JOINERS = "\u200c\u200d"  # ZWNJ and ZWJ
ZWSP = "\u200b"
# Scripts that write words without spaces and may part them by ZWSP, which is what it is for (UAX #14, class SA): Thai,
# Lao, Myanmar, Khmer, Tai Le, New Tai Lue, Tai Tham, Tai Viet.
SOUTH_EAST_ASIAN = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
# Scripts whose letters join (ArabicShaping.txt), in which ZWNJ parts a word from its ending (Persian, Urdu, Kurdish).
_JOINING = (
    "\u0600-\u07ff\u0840-\u08ff\u1800-\u18af\ua840-\ua87f\ufb50-\ufdff\ufe70-\ufefc\U00010ac0-\U00010aff"
    "\U00010b80-\U00010baf\U00010d00-\U00010d3f\U00010ec0-\U00010eff\U00010f30-\U00010fdf\U0001e900-\U0001e95f"
)
LONGEST = 2_000  # characters of one text that are shown
# A class of what lies below U+10000, with no + behind it, is four times as fast; few texts have any of the others.
_HIDDEN, _HIDDEN_ABOVE = (re.compile(f"[{signs}]") for signs in re.split("(?=\U0001bca0)", IGNORABLE))
_ABOVE = re.compile("[^\0-\uffff]")
_CONTROLS = re.compile(f"[{DIRECTION_CONTROLS}]")


def visible(text: str) -> str:
    r"""Return a text without invisible characters that mean nothing: the form in which words and texts are compared.

    All of `IGNORABLE` goes, so that a word is the same word with a soft hyphen in it. ZWNJ and ZWJ stay where they have
    a meaning: ZWNJ between letters that join, both after a virama and before one, ZWJ between emoji. ZWSP goes too:
    some write it between words of Thai or Khmer, most do not. Models read texts as they are.

    Source: UAX #31, section 2.3 (joiners); UAX #29 (emoji).

    >>> visible("hy\u00adphen"), visible("\u2068Tesla\u2069"), visible("می\u200cخواهم") == "می\u200cخواهم"
    ('hyphen', 'Tesla', True)
    """
    if text.isascii():
        return text
    text = _HIDDEN.sub("", text)
    if _ABOVE.search(text):
        text = _HIDDEN_ABOVE.sub("", text)
    if "\u200c" in text or "\u200d" in text:
        text = _joiners().sub(lambda match: match[0][0] if match.lastindex else "", text)
    return text


def safe(text: str) -> str:
    r"""Return a text that turns nothing around it: controls of direction as [U+202E] and so on, lone surrogates as "?".

    For whole pages and for Markdown, whose own markup has to stay.

    >>> safe("a\u202eb"), safe("a\ud800")
    ('a[U+202E]b', 'a?')
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROLS.sub(lambda match: f"[U+{ord(match[0]):04X}]", whole)


def escaped(text: str) -> str:
    r"""Return a `safe` text with its markup escaped, to be put into HTML that is made by hand.

    >>> escaped("<b>\u202e")
    '&lt;b&gt;[U+202E]'
    """
    return html.escape(safe(text))


def shown(text: str, most: int = LONGEST) -> str:
    """Return the first `most` characters of a text, `safe`, and how many were cut off.

    For texts of data sets on pages and in the inspector; whoever puts it into HTML escapes it as well.

    >>> shown("abcdef", 4)
    'abcd … [2 more characters]'
    """
    return safe(text if len(text) <= most else f"{text[:most]} … [{len(text) - most:,} more characters]")


@cache
def marks() -> str:
    """Return every combining mark, as ranges of a character class; Python's class of letters leaves them out."""
    planes = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))  # variation selectors are all that is above
    return _ranges(planes, lambda sign: unicodedata.category(sign)[0] == "M")


@cache
def viramas() -> str:
    """Return the signs that remove a consonant's vowel and join it to the next, as ranges of a character class."""
    return _ranges(range(0x900, 0x12000), lambda sign: unicodedata.combining(sign) == 9)


@cache
def _joiners() -> re.Pattern[str]:
    """Runs of joiners; a group has matched where the first of them means something."""
    joining = f"(?=[{_JOINING}])[\\w{marks()}]"
    symbols = _ranges(range(0xA9, 0x20000), lambda sign: unicodedata.category(sign) in ("So", "Sk")) + "\u2190-\u21ff"
    either = f"[{JOINERS}]*"
    kept = (
        f"(?<=[{viramas()}])(?:\u200c{either}(?=[\\w{marks()}])|\u200d{either})",
        f"[{JOINERS}]{either}(?=[{viramas()}])",
        f"(?<=[{_JOINING}])\u200c{either}(?={joining})",
        f"(?<=[{symbols}])\u200d{either}(?=[{symbols}])",
    )
    return re.compile("|".join(f"({pattern})" for pattern in kept) + f"|[{JOINERS}]+")


def _ranges(codes: Iterable[int], wanted: Callable[[str], bool]) -> str:
    found: list[list[int]] = []
    for code in codes:
        if wanted(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
