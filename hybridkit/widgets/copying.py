"""A view of the inspector as three lines of Python that reproduce it without the widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridkit.widgets.ranked import POOL

if TYPE_CHECKING:
    from hybridkit.widgets.opening import Inspected


def as_python(inspected: Inspected, matrix: list[Any], listed: list[Any], query_id: str, names: list[str]) -> str:
    """Three lines: an import, the opening of the run, and the view, a dict of frames by name.

    matrix, queries, pair and pool (the rankings of each strategy of `names`) and ladder; without a query that is open,
    the first two. `matrix` and `listed` are the arguments of `views.pair_matrix` and `views.pair_queries`. Every text
    is written by `repr`, so that nothing of a data set is run.
    """
    query, passage = listed[0]
    parts = [
        f"'matrix': views.pair_matrix({_arguments(matrix)})",
        f"'queries': views.pair_queries({_arguments(listed)})",
    ]
    if query_id:
        for key, side in {"pair": passage, "pool": POOL}.items():
            one = f"views.ranking(run, {query!r}, {query_id!r}, {side!r}, name)"
            parts.append(f"{key!r}: {{name: {one} for name in {names!r}}}")
        parts.append(f"'ladder': views.ladder({_arguments([query, query_id, names])})")
    lines = [
        "from hybridkit.widgets import views",
        f"run = views.open_inspected({inspected.name!r}, {inspected.benchmark_name!r})",
        f"{{{', '.join(parts)}}}",
    ]
    return "\n".join(lines)


def _arguments(values: list[Any]) -> str:
    return ", ".join(["run", *(repr(value) for value in values)])
