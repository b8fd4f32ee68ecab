"""What the inspector looks at: traits to read, set, observe and link, and the lines of Python that show the same."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import traitlets
from traitlets import Bool, HasTraits, TraitError, Tuple, Unicode, validate

from hybridkit.report import views
from hybridkit.report.views import DISTANCE, POOL

if TYPE_CHECKING:
    import pandas as pd

    from hybridkit.report.inspected_run import Inspected


SHOWS = ("before", "now", "difference")


class State(HasTraits):
    """The pair, the query, the strategies and what is asked of them; every trait is checked when it is set.

    It begins with what a first look needs: the study's two strategies, the measure of bias, the pair of languages that
    is most biased, and of its queries the one that changed most.
    """

    pair = Tuple(Unicode(), Unicode(), default_value=("", ""))
    query_id = Unicode()
    strategy = Unicode()
    minus = Unicode(None, allow_none=True)
    shows = Unicode("now")
    measure = Unicode("AP")
    order = Unicode("worst")
    contains = Unicode()
    search = Unicode()
    candidates = Unicode(POOL)
    gloss = Bool(False)

    def __init__(self, inspected: Inspected) -> None:
        self.inspected = inspected
        super().__init__()
        there = inspected.strategies
        if not there:
            return
        first, second = (*inspected.compare, *[name for name in reversed(there) if name not in inspected.compare], "")[
            :2
        ]
        self.strategy, self.minus = first, second or None
        if second:
            self.shows, self.order = "before", "change"
        if self.twins:
            self.measure = DISTANCE
        chosen = views.most_biased(inspected, second or first) if self.twins else None
        self.pair = chosen or self.pairs[0]
        self.query_id = str(self.queries()["query_id"].iloc[0])

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Every pair of languages that has ranks, and every query language with the pool."""
        frame = views.pair_matrix(self.inspected, self.inspected.strategies[-1], "AP")
        return list(zip(frame["query_language"], frame["passage_language"], strict=True))

    @cached_property
    def twins(self) -> bool:
        """Whether any query has relevant passages in two languages, without which there is no rank distance."""
        there = self.inspected.strategies
        return bool(there) and bool(len(views.pair_matrix(self.inspected, there[-1], DISTANCE)))

    @property
    def names(self) -> list[str]:
        """The strategies that are looked at: before, then now."""
        return [name for name in (self.minus, self.strategy) if name]

    def matrix(self) -> pd.DataFrame:
        """The frame that the matrix shows."""
        if self.shows == "difference":
            return views.pair_matrix(self.inspected, self.strategy, self.measure, self.minus)
        shown = self.minus if self.shows == "before" and self.minus else self.strategy
        return views.pair_matrix(self.inspected, shown, self.measure)

    def queries(self) -> pd.DataFrame:
        """The frame that the list of queries shows, all its pages."""
        return views.pair_queries(self.inspected, self.pair, self.strategy, self.minus, self.order, self.contains)

    def rankings(self, side: str, top: int = 10) -> dict[str, pd.DataFrame]:
        """The rankings of the open query by each strategy, among a language's passages or in the pool ("*")."""
        return {
            name: views.ranking(self.inspected, self.pair[0], self.query_id, side, name, top) for name in self.names
        }

    def ladder(self) -> pd.DataFrame:
        """The frame that the rank ladder draws."""
        return views.ladder(self.inspected, self.pair[0], self.query_id, self.names)

    @validate("strategy", "minus", "shows", "measure", "order", "candidates", "pair")
    def _known(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        languages = list(self.inspected.benchmark.passage_slices)
        known: dict[str, Any] = {
            "strategy": self.inspected.strategies,
            "minus": [None, *self.inspected.strategies],
            "shows": SHOWS,
            "measure": views.MEASURES,
            "order": views.ORDERS,
            "candidates": [POOL, *languages],
            "pair": None,
        }
        there = self.pairs if name == "pair" else known[name]
        if value not in there:
            raise TraitError(f"{name}: {value!r} is none of {', '.join(map(str, there))}")
        return value

    @traitlets.observe("minus")
    def _alone(self, change: Any) -> None:
        """Without a second strategy there is no before, no difference and no change."""
        if change["new"] is None:
            self.shows = "now"
            self.order = "worst" if self.order == "change" else self.order


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
        "from hybridkit import open_inspected, views",
        f"run = open_inspected({inspected.name!r}, {inspected.benchmark_name!r})",
        f"{{{', '.join(parts)}}}",
    ]
    return "\n".join(lines)


def _arguments(values: list[Any]) -> str:
    return ", ".join(["run", *(repr(value) for value in values)])
