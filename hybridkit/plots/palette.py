"""Colours and markers of strategies, and the colour scales of matrices; needs no plotting library."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hybridkit.sampling.labels import UNTRAINED, alpha, switched, switched_into

if TYPE_CHECKING:
    from collections.abc import Iterable

# Okabe & Ito's colours, safe for the common kinds of colour blindness; a marker each, for prints in grey.
_FIXED: dict[str, tuple[str, str]] = {
    UNTRAINED: ("#767676", "X"),
    "english": ("#56B4E9", "v"),
    "mixed": ("#E69F00", "s"),
    "mono": ("#0072B2", "<"),
    "cross": ("#D55E00", ">"),
    "cross(pairs='one')": ("#7F2704", "d"),
    "hybrid(alpha=0.5)": ("#009E73", "o"),
}
_SWITCHED = {"english": "#CC79A7", "mono": "#8C6D00", "cross": "#6A51A3", "hybrid(alpha=0.5)": "#000000"}
_OTHERS = ("#882255", "#332288", "#999933", "#661100", "#44546A")
_SPARE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9")
_OTHER_MARKERS = ("D", "P", "^", "p", "h", "H")
# What is no strategy has none of the colours above: greys and slates, told apart by their markers and lines too.
INK, NEUTRAL = "#333333", "#767676"
SIDE_COLOURS = {"query": "#34495E", "passage": "#A9B8C6"}
SEEN = {  # query seen: dark; passage seen: a whole line
    "seen-seen": ("#222222", "o", "-"),
    "seen-unseen": ("#222222", "s", "--"),
    "unseen-seen": ("#9A9A9A", "^", "-"),
    "unseen-unseen": ("#9A9A9A", "v", "--"),
    "seen": ("#222222", "o", "-"),
    "unseen": ("#9A9A9A", "v", "--"),
}
# matplotlib's cividis and PuOr reversed, the scales of the kit's figures, in 21 steps (a test holds them to it).
CIVIDIS = (  # noqa: SIM905  easier to read than a list
    "#00224e #002b62 #083370 #243c6e #35456c #434e6c #4f576c #5b606e #666970 #727274 #7d7c78 #888578 #948e77 #a19975 "
    "#aea371 #bcae6c #c8b866 #d6c35d #e5cf52 #f3db42 #fee838"
).split()
PURPLE_ORANGE = (  # noqa: SIM905
    "#2d004b #3f1268 #532687 #6a4c9a #8073ac #9990bf #b1aad1 #c5c2de #d8daeb #e8e9f1 #f7f7f6 #faecd7 #fee0b6 #fdcc8c "
    "#fcb761 #ee9b39 #e08214 #c96d0d #b25706 #974907 #7f3b08"
).split()
GREY, GREY_INK = "#e9e9e9", "#595959"  # of what is not significant


def colour(strategy: str) -> str:
    """Colour of a strategy as #rrggbb; hybrids are greens, darker with alpha, and 0.5 is Okabe and Ito's.

    >>> colour("mono"), colour("hybrid(alpha=0.5)"), colour("hybrid(alpha=0.75)")
    ('#0072B2', '#009E73', '#00694d')
    """
    if strategy in _FIXED:
        return _FIXED[strategy][0]
    if (base := switched(strategy)) in _SWITCHED and not switched_into(strategy):
        return _SWITCHED[str(base)]
    share = alpha(strategy)
    if share is None:
        return _OTHERS[_number(strategy) % len(_OTHERS)]
    away = min(abs(share - 0.5) / 0.5, 1.0) * 2 / 3  # towards white below one half, towards black above
    target = 255 if share < 0.5 else 0
    parts = [round(part + (target - part) * away) for part in (0x00, 0x9E, 0x73)]
    return "#" + "".join(f"{part:02x}" for part in parts)


def marker(strategy: str) -> str:
    """Marker of a strategy, in matplotlib's letters; fixed by name like the colour."""
    if strategy in _FIXED:
        return _FIXED[strategy][1]
    return _OTHER_MARKERS[_number(strategy) % len(_OTHER_MARKERS)]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def colours(strategies: Iterable[str]) -> dict[str, str]:
    """Colours of strategies that are drawn together: those of `colour`, but another where one is taken.

    >>> colours(["mono", "before", "after"])
    {'mono': '#0072B2', 'before': '#332288', 'after': '#882255'}
    """
    found: dict[str, str] = {}
    for name in strategies:
        free = [one for one in (colour(name), *_OTHERS, *_SPARE) if one not in found.values()]
        found[name] = free[0] if free else colour(name)
    return found


def step(value: float, low: float, high: float) -> int:
    """Which of the steps of a scale a value has between `low` and `high`; `low` may be the larger of the two.

    >>> step(0.0, -1, 1), step(5, 0, 1), step(0.3, 0.3, 0.3), step(9.0, 10, 0)
    (10, 20, 10, 2)
    """
    share = (value - low) / (high - low) if high != low else 0.5
    return round(min(max(share, 0.0), 1.0) * (len(CIVIDIS) - 1))


def ink(ground: str) -> str:
    """Black or white, whichever has the larger contrast with a colour: 4.5 or more on any.

    >>> ink("#00224e"), ink("#fee838")
    ('#ffffff', '#000000')
    """
    return "#000000" if contrast(ground, "#000000") >= contrast(ground, "#ffffff") else "#ffffff"


def contrast(one: str, other: str) -> float:
    """Contrast of two colours (WCAG 2.2), from 1 to 21.

    >>> round(contrast("#000000", "#ffffff"), 2)
    21.0
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
