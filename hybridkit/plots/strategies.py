"""Legend entries of strategies; their order, colours, markers and labels are the palette's (hybridkit.palette)."""

from collections.abc import Iterable
from typing import Any

from matplotlib.lines import Line2D

from hybridkit.palette import alpha, colour, label, marker, order, switched

__all__ = ["alpha", "colour", "handles", "label", "marker", "order", "switched"]


def handles(strategies: Iterable[str], line: bool = False) -> list[Any]:
    """Legend entries for strategies, in the kit's order: markers, or lines."""
    style: dict[str, Any] = {"linestyle": "-"} if line else {"linestyle": "none", "markersize": 5}
    return [
        Line2D([], [], color=colour(name), marker="" if line else marker(name), label=label(name), **style)
        for name in order(strategies)
    ]
