"""Order, colour, marker and label of a strategy, and numbers as all figures write them; needs no plotting library."""

import hashlib
import re
from collections.abc import Iterable

# Okabe & Ito's colours, safe for the common kinds of colour blindness; a marker each, for prints in grey.
_FIXED: dict[str, tuple[str, str]] = {
    "untrained": ("#767676", "X"),
    "english": ("#56B4E9", "v"),
    "mixed": ("#E69F00", "s"),
    "mono": ("#0072B2", "<"),
    "cross": ("#D55E00", ">"),
    "hybrid(alpha=0.5)": ("#009E73", "o"),
}
_SWITCHED = {"english": "#CC79A7", "mono": "#8C6D00", "cross": "#6A51A3", "hybrid(alpha=0.5)": "#000000"}
_OTHERS = ("#CC79A7", "#000000", "#8C6D00", "#6A51A3", "#A6761D")
_OTHER_MARKERS = ("D", "P", "^", "p", "h", "d")
_ALPHA = re.compile(r"hybrid\(alpha=([0-9.eE+-]+)\)")
_RANK = {name: rank for rank, name in enumerate(["untrained", "english", "mixed", "mono", "cross"])}


def alpha(strategy: str) -> float | None:
    """The share of monolingual batches in a strategy's name, None when it is no hybrid.

    >>> alpha("hybrid(alpha=0.25)"), alpha("mono")
    (0.25, None)
    """
    match = _ALPHA.fullmatch(strategy)
    return float(match[1]) if match else None


def order(strategies: Iterable[str]) -> list[str]:
    """Distinct strategies in the kit's order: untrained, english, mixed, mono, cross, hybrid by alpha, others by name.

    A code-switched strategy follows the one that it switches.

    >>> order(["hybrid(alpha=0.5)", "zigzag", "cross", "mono", "hybrid(alpha=0.25)", "untrained", "mono"])
    ['untrained', 'mono', 'cross', 'hybrid(alpha=0.25)', 'hybrid(alpha=0.5)', 'zigzag']
    """

    def key(name: str) -> tuple[int, float, bool, str]:
        base = switched(name)
        share, rank = alpha(base or name), _RANK.get(base or name, 99)
        return (rank, 0.0, base is not None, name) if share is None else (50, share, base is not None, name)

    return sorted({str(strategy) for strategy in strategies}, key=key)


def switched(strategy: str) -> str | None:
    """The strategy that a code-switched one switches, None for any other.

    >>> switched("codeswitch(hybrid(alpha=0.5), p=0.3)"), switched("mono")
    ('hybrid(alpha=0.5)', None)
    """
    if not strategy.startswith("codeswitch("):
        return None
    from hybridkit.sampling import parse

    return str(getattr(parse(strategy), "base", strategy))


def colour(strategy: str) -> str:
    """Colour of a strategy as #rrggbb; hybrids are greens, darker with alpha, and 0.5 is Okabe and Ito's.

    >>> colour("mono"), colour("hybrid(alpha=0.5)"), colour("hybrid(alpha=0.75)")
    ('#0072B2', '#009E73', '#00694d')
    """
    if strategy in _FIXED:
        return _FIXED[strategy][0]
    if (base := switched(strategy)) in _SWITCHED:
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


def label(strategy: str) -> str:
    """A strategy as a figure names it.

    >>> label("hybrid(alpha=0.5)"), label("cross"), label("codeswitch(english, p=0.5)")
    ('hybrid α = 0.5', 'cross', 'english, switched')
    """
    if base := switched(strategy):
        return f"{label(base)}, switched"
    share = alpha(strategy)
    return strategy if share is None else f"hybrid α = {share:g}"


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def bare(text: str) -> str:
    """A formatted number with a minus sign for the hyphen, and without the zero in front of the point.

    >>> bare("-0.250"), bare("+0.5"), bare("10.0")
    ('−.250', '+.5', '10.0')
    """
    text = text.replace("-", "−")
    return text.replace("0.", ".", 1) if text.lstrip("+−").startswith("0.") else text
