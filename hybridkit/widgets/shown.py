"""Texts of data sets made safe to show: bidi controls as visible signs, long ones cut with a mark of how much."""

from __future__ import annotations

import re

LONGEST = 2_000  # characters of one text that are shown
_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they would turn or hide letters beyond their own text


def shown(text: str, most: int = LONGEST) -> str:
    """A text as it is shown: its first `most` characters, controls of direction as signs such as [U+202E].

    A text that is cut says how much was cut off. Half a surrogate, which no page may hold, becomes a question mark.

    >>> shown("abcdef", 4), shown("a\u202eb")
    ('abcd … [2 more characters]', 'a[U+202E]b')
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    told = whole if len(whole) <= most else f"{whole[:most]} … [{len(whole) - most:,} more characters]"
    return _CONTROLS.sub(lambda match: f"[U+{ord(match[0]):04X}]", told)
