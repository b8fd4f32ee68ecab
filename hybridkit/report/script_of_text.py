"""How a text is really written: romanised Hindi runs from left to right in Latin letters, whatever its language is."""

import re
import unicodedata
from itertools import islice

from hybridkit.data.languages import direction_of, language
from hybridkit.errors import InputError
from hybridkit.utils.characters import LONGEST

_WORD = re.compile(r"[^\W\d_]{2,}")
_FEWEST = 3  # words without a capital: a name in Latin letters does not make a text romanised


def direction_of_text(text: str, tag: str) -> str:
    """Return the direction to show a text in: that of its language, or the other where all its letters run that way.

    >>> direction_of_text("ما هي عاصمة 7?", "ar"), direction_of_text("ma hiya al-asima?", "ar")
    ('rtl', 'ltr')
    >>> direction_of_text("دارالحکومت کیا ہے", "hi"), direction_of_text("1999", "ar")
    ('rtl', 'rtl')
    """
    own = direction_of(tag)
    kinds = {unicodedata.bidirectional(sign) for sign in islice(text, LONGEST)}
    left, right = "L" in kinds, not kinds.isdisjoint({"R", "AL"})
    if own == "auto" or left == right:
        return own
    return "rtl" if right else "ltr"


def tag_of_text(text: str, tag: str) -> str:
    """Return the language tag that a text is to be shown by: with "-Latn" where it is a romanised one.

    >>> tag_of_text("aur kya aap jaante hain", "hi"), tag_of_text("और क्या आप", "hi"), tag_of_text("Coldplay Live", "hi")
    ('hi-Latn', 'hi', 'hi')
    """
    try:
        own = language(tag)
    except InputError:
        return tag
    if own.script == "Latn" or "-" in tag:
        return tag
    words = _WORD.findall(text[:LONGEST])
    latin = all(unicodedata.name(sign, "").startswith("LATIN") for word in words for sign in word)
    return f"{tag}-Latn" if latin and sum(word.islower() for word in words) >= _FEWEST else tag
