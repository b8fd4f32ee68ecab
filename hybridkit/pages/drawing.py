"""What a page draws itself: colour classes of the heat map, and the histogram of ranks as inline SVG."""

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from hybridkit.widgets.colours import CIVIDIS, PURPLE_ORANGE, ink

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 210, 44, 12, 40


def colour_classes() -> str:
    """CSS of the two scales: .s0 to .s20 for values (cividis), .d0 to .d20 for differences (purple to orange).

    Both are told apart by people with the common kinds of colour blindness; the number in a cell is black or white,
    whichever has the larger contrast (WCAG 2.2), which is at least 4.5 on any colour.

    >>> colour_classes().splitlines()[0]
    '.s0 { background: #00224e; color: #fff }'
    """
    lines = []
    for name, scale in (("s", CIVIDIS), ("d", PURPLE_ORANGE)):
        for place, ground in enumerate(scale):
            short = "#000" if ink(ground) == "#000000" else "#fff"
            lines.append(f".{name}{place} {{ background: {ground}; color: {short} }}")
    return "\n".join(lines) + "\n"


def edges(highest: int) -> list[int]:
    """Where the bins of ranks begin, each twice as wide as the one before: 1, 2, 3-4, 5-8, ...; the last is the end.

    >>> edges(5), edges(1)
    ([1, 2, 3, 5, 9], [1, 2])
    """
    found = [1, 2]
    while found[-1] <= highest:
        found.append((found[-1] - 1) * 2 + 1)
    return found


def histogram(ranks: Mapping[str, Sequence[float]], highest: int) -> pd.DataFrame:
    """Count ranks in bins that double in width: a column a strategy, a row a bin, named "3-4" and so on.

    >>> histogram({"mono": [1, 1, 3, 7]}, 8)
    ranks  mono
    1         2
    2         0
    3-4       1
    5-8       1
    """
    bounds = edges(highest)
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(bounds)]
    counts = {name: np.histogram(np.asarray(values, float), bounds)[0] for name, values in ranks.items()}
    return pd.DataFrame(counts, index=pd.Index(names)).rename_axis(columns="ranks")


def histogram_svg(counts: pd.DataFrame, colours: Sequence[str], labels: Sequence[str]) -> str:
    """Draw a histogram of `histogram` as SVG: bars of the strategies side by side, in the order of the columns."""
    inner = _WIDTH - _LEFT - 6
    floor = _HEIGHT - _BOTTOM
    tallest = max(1, int(counts.to_numpy().max(initial=1)))
    room = inner / max(1, len(counts))
    thick = room * 0.8 / max(1, counts.shape[1])
    parts = []
    for share in (0, 0.5, 1):
        y = floor - share * (floor - _TOP)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tallest * share:,.0f}</text>')
    for row, (name, values) in enumerate(counts.iterrows()):
        left = _LEFT + row * room
        for column, value in enumerate(values):
            high = value / tallest * (floor - _TOP)
            parts.append(
                f'<rect x="{left + room * 0.1 + column * thick:.1f}" y="{floor - high:.1f}" width="{thick - 1:.1f}" '
                f'height="{high:.1f}" fill="{html.escape(colours[column])}"><title>{html.escape(labels[column])}, '
                f"rank {name}: {value}</title></rect>"
            )
        parts.append(
            f'<text x="{left + room / 2:.1f}" y="{floor + 15}" text-anchor="middle">{_brief(str(name))}</text>'
        )
    parts.append(f'<text x="{_LEFT + inner / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">rank of the passage</text>')
    told = html.escape(f"Number of queries by rank of their relevant passage: {', '.join(labels)}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{told}" '
        f'data-testid="histogram">{"".join(parts)}</svg>'
    )


def _brief(name: str) -> str:
    """The upper end of a bin, which there is room for.

    >>> _brief("5-8"), _brief("1025-2048")
    ('≤8', '≤2k')
    """
    if "-" not in name:
        return name
    end = int(name.split("-")[1])
    return f"≤{end // 1024}k" if end >= 1024 else f"≤{end}"
