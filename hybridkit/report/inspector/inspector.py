"""The inspector: see why a model ranks as it does, pair of languages by pair, query by query.

`inspect(run)` shows it in JupyterLab. Its state is one object with traits, which can be read, set, observed and linked:

    inspector.pair       (query language, passage language), ("ar", "*") for the pool
    inspector.query_id   the query that is open
    inspector.strategy   the strategy that is looked at ("now")
    inspector.minus      the one that it is compared with ("before"), None for none
    inspector.shows      what the matrix shows: "before", "now" or "difference"
    inspector.measure    of the matrix: one of views.MEASURES
    inspector.order      of the queries: "worst", "change" or "distance"
    inspector.contains   text that the queries listed hold
    inspector.gloss      whether the English twin is shown under each passage
    inspector.search     the query that is searched live
    inspector.candidates what is searched: "*" for the pool, or a language

`hybridkit.report.inspector` lists the names by which tests and screen readers find its parts.
"""

from __future__ import annotations

import contextvars
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import traitlets
from traitlets import Bool, HasTraits, TraitError, Tuple, Unicode, validate

from hybridkit.errors import InputError
from hybridkit.report import views
from hybridkit.report.inspected_run import Inspected, open_inspected
from hybridkit.report.inspector import payloads
from hybridkit.report.inspector.live import Search
from hybridkit.report.views import DISTANCE, POOL, candidates_name, spoken
from hybridkit.sampling.labels import label
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from hybridkit.study.run import Run


SHOWS = ("before", "now", "difference")
_ALL = ("hint", "matrix", "queries", "query", "python")
# what is drawn again when a trait changes
_REDRAWS = {
    "pair": ("matrix", "queries", "query", "python"),
    "query_id": ("queries", "query", "python"),
    "strategy": _ALL,
    "minus": _ALL,
    "shows": ("matrix", "python"),
    "measure": ("matrix", "python"),
    "order": ("queries", "python"),
    "contains": ("queries", "python"),
    "gloss": ("query",),
    "search": ("search",),
    "candidates": ("search",),
}


def inspect(run: Run | Path | str, benchmark: str | None = None) -> Inspector:
    """Open the inspector on a run (a Run, its folder, or the name of its study) and one benchmark of it."""
    return Inspector(open_inspected(run, benchmark))


class State(HasTraits):
    """What the inspector looks at; every trait is checked when it is set.

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
        others = [name for name in reversed(there) if name not in inspected.compare]
        first, second = (*inspected.compare, *others, "")[:2]
        self.strategy, self.minus = first, second or None
        if second:
            self.shows, self.order = "before", "change"
        if self.twins:
            self.measure = DISTANCE
        biased = views.most_biased(inspected, second or first) if self.twins else None
        self.pair = biased or self.pairs[0]
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

    @property
    def drawn(self) -> str:
        """The strategy whose values the matrix shows."""
        return self.minus if self.shows == "before" and self.minus else self.strategy

    def matrix(self) -> pd.DataFrame:
        """The frame that the matrix shows."""
        minus = self.minus if self.shows == "difference" else None
        return views.pair_matrix(self.inspected, self.drawn, self.measure, minus)

    def queries(self) -> pd.DataFrame:
        """The frame that the list of queries shows, all its pages."""
        return views.pair_queries(self.inspected, self.pair, self.strategy, self.minus, self.order, self.contains)

    def rankings(self, side: str, top: int = 10) -> dict[str, pd.DataFrame]:
        """The rankings of the open query by each strategy, among a language's passages or in the pool ("*")."""
        query = self.pair[0], self.query_id
        return {name: views.ranking(self.inspected, *query, side, name, top) for name in self.names}

    def ladder(self) -> pd.DataFrame:
        """The frame that the rank ladder draws."""
        return views.ladder(self.inspected, self.pair[0], self.query_id, self.names)

    @property
    def python(self) -> str:
        """Three lines of Python that reproduce the view: an import, the opening of the run, a dict of frames by name.

        matrix, queries, pair and pool (the rankings of each strategy) and ladder; without a query that is open, the
        first two. Every text is written by `repr`, so that nothing of a data set is run.
        """
        matrix = [self.drawn, self.measure, *([self.minus] if self.shows == "difference" else [])]
        listed = [self.pair, self.strategy, self.minus, self.order, self.contains]
        frames = {
            "matrix": f"views.pair_matrix({_arguments(matrix)})",
            "queries": f"views.pair_queries({_arguments(listed)})",
        }
        if self.query_id:
            query = [self.pair[0], self.query_id]
            for key, side in {"pair": self.pair[1], "pool": POOL}.items():
                one = f"views.ranking({_arguments([*query, side])}, name)"
                frames[key] = f"{{name: {one} for name in {self.names!r}}}"
            frames["ladder"] = f"views.ladder({_arguments([*query, self.names])})"
        lines = [
            "from hybridkit import open_inspected, views",
            f"run = open_inspected({self.inspected.name!r}, {self.inspected.benchmark_name!r})",
            f"{{{', '.join(f'{name!r}: {frame}' for name, frame in frames.items())}}}",
        ]
        return "\n".join(lines)

    @validate("strategy", "minus", "shows", "measure", "order", "candidates", "pair")
    def _known(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        known: dict[str, Callable[[], Any]] = {
            "strategy": lambda: self.inspected.strategies,
            "minus": lambda: [None, *self.inspected.strategies],
            "shows": lambda: SHOWS,
            "measure": lambda: views.MEASURES,
            "order": lambda: views.ORDERS,
            "candidates": lambda: [POOL, *self.inspected.benchmark.passage_slices],
            "pair": lambda: self.pairs,
        }
        if value not in known[name]():
            raise TraitError(f"{name}: {value!r} is not one of {', '.join(map(str, known[name]()))}")
        return value

    @traitlets.observe("minus")
    def _alone(self, change: Any) -> None:
        """Without a second strategy there is no before, no difference and no change."""
        if change["new"] is None:
            self.shows = "now"
            self.order = "worst" if self.order == "change" else self.order


def _arguments(values: list[Any]) -> str:
    return ", ".join(["run", *map(repr, values)])


class Inspector(State):
    """The widget on what a run left behind, with its state as traits; shown when it ends a cell of a notebook.

    >>> from hybridkit.report.inspected_run import open_inspected
    >>> Inspector(open_inspected("no-such-run")).missing
    ['No run is at no-such-run: make one with `hybridkit run quick`, and open that.']
    """

    def __init__(self, inspected: Inspected) -> None:
        super().__init__(inspected)
        self.models = Search(inspected)
        self.layout: Any = None  # the widgets, once they are shown
        self._threads: list[threading.Thread] = []
        self._page = 0
        self._keeps_query = False
        self.observe(self._changed, list(_REDRAWS))

    @property
    def missing(self) -> list[str]:
        """What is not there, a sentence each with the command that makes it."""
        return self.inspected.missing

    @property
    def hint(self) -> str:
        """One sentence on what there is to see."""
        if not self.names:
            return "There is nothing to inspect yet."
        if not self.twins:
            return (
                "Pick a cell, a pair of languages; then a query of it. No query has twins here, so bias has no ranks."
            )
        query, passage = views.most_biased(self.inspected, self.names[0]) or ("", "")
        ranks = []
        for name in self.names:
            frame = views.pair_matrix(self.inspected, name, DISTANCE)
            own = frame[(frame["query_language"] == query) & (frame["passage_language"] == passage)]
            ranks.append(float(own["value"].iloc[0]) if len(own) else float("nan"))
        text = (
            f"{label(self.names[0])} is most biased from {spoken(query)} to {spoken(passage)}: it ranks the "
            f"{spoken(passage)} passage {ranks[0]:,.0f} ranks of the pool behind the first of its twins"
        )
        return (
            f"{text}; {label(self.strategy)}: {ranks[1]:,.0f}. Pick a cell, then a query." if self.minus else f"{text}."
        )

    @property
    def widget(self) -> Any:
        """The widget itself, made when it is first shown."""
        if self.layout is None:
            from hybridkit.report.inspector.layout import Layout

            self.layout = Layout(self)
            self.draw(*(_ALL if self.names else ("hint",)))
        return self.layout.box

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; a copy without a front end has the hint instead."""
        bundle = self.widget._repr_mimebundle_(**options)
        found = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**found, "text/plain": f"Inspector of language pairs (in JupyterLab). {self.hint}"}

    def wait(self) -> None:
        """Wait until what runs beside the notebook (tests of significance, a search) is done and shown."""
        while self._threads:
            self._threads.pop().join()

    def turn(self, page: int) -> None:
        """Show another page of the queries."""
        self._page = page
        self.draw("queries")

    def pick(self, language: str) -> None:
        """Look at the open query among the passages of another language, as a click on the ladder does."""
        self._keeps_query = True
        try:
            self.pair = (self.pair[0], language)
        finally:
            self._keeps_query = False

    def draw(self, *names: str) -> None:
        """Draw parts of the widget again, where it is shown."""
        if self.layout is not None:
            for name in names:
                getattr(self, f"_draw_{name}")(self.layout)

    def _changed(self, change: Any) -> None:
        name = change["name"]
        if name in ("pair", "contains", "order"):
            self._page = 0
        if name == "pair" and not self._keeps_query:
            self.query_id = str(self.queries()["query_id"].iloc[0]) if len(self.queries()) else ""
        if self.layout is not None:
            self.layout.follow(name)
        self.draw(*_REDRAWS[name])

    def _draw_hint(self, layout: Any) -> None:
        layout.hint.value = payloads.note([self.hint], "hint", "status")
        layout.missing.value = payloads.note(self.missing, "missing", "note")

    def _draw_matrix(self, layout: Any) -> None:
        title, waits = f"{self.measure.replace('_', ' ')} of {label(self.drawn)}", False
        difference = self.shows == "difference"
        if difference and self.minus:
            title = f"{self.measure.replace('_', ' ')}: {label(self.strategy)} minus {label(self.minus)}"
            waits = not views.is_kept(self.inspected, self.strategy, self.minus, self.measure)
            title += " (testing which differ ...)" if waits else " (grey: not significant; *: over other trainings too)"
        plain = (self.inspected, self.strategy, self.minus, self.measure)
        frame = views.plain_difference(*plain) if waits else self.matrix()
        title += ", query language by passage language"
        layout.matrix.grid = payloads.matrix(frame, title, self.measure, difference)
        layout.matrix.selected = list(self.pair)
        if waits:
            self._beside(self._test)

    def _test(self) -> None:
        before = (self.strategy, self.minus, self.measure, self.shows)
        self.matrix()
        if before == (self.strategy, self.minus, self.measure, self.shows):
            self.draw("matrix")

    def _draw_queries(self, layout: Any) -> None:
        layout.queries.page = payloads.queries(self.queries(), self.pair[0], self._page)
        before = label(self.minus) if self.minus else "before"
        layout.queries.heads = ["query", before, label(self.strategy), "moved", "rank distance"]
        layout.queries.wanted = layout.queries.page["page"]
        layout.queries.selected = self.query_id

    def _draw_query(self, layout: Any) -> None:
        if not self.query_id:
            return
        text = self.inspected.query_texts.get((self.pair[0], self.query_id), "")
        layout.query.value = payloads.query(text, self.pair[0], self.query_id)
        passage, names = self.pair[1], ("Pair", "ranking-pair")
        pair = "" if passage == POOL else self._rankings(self.rankings(passage), candidates_name(passage), *names)
        layout.pair.value = pair
        layout.pool.value = self._rankings(self.rankings(POOL), "passages of all languages", "Pool", "ranking-pool")
        layout.ladder.data = payloads.ladder(self.ladder(), len(self.inspected.benchmark.passages))

    def _rankings(self, frames: dict[str, pd.DataFrame], candidates: str, title: str, testid: str) -> str:
        gloss = (lambda name: views.gloss(self.inspected, name)) if self.gloss else None
        return payloads.rankings(frames, f"{title}: {candidates}", testid, gloss)

    def _draw_python(self, layout: Any) -> None:
        layout.code.code = self.python

    def _draw_search(self, layout: Any) -> None:
        if not Search.cut(self.search):
            layout.search_state.value = layout.results.value = ""
            return
        cold = [label(name) for name in self.names if not self.models.ready(name)]
        state = f"Loading the model of {', '.join(cold)} ..." if cold else "Searching ..."
        layout.search_state.value = payloads.note([state], "search-state", "status")
        self._beside(self._search)

    def _search(self) -> None:
        before, frames, states = (self.search, self.candidates, tuple(self.names)), {}, []
        for name in self.names:
            try:
                frames[name], seconds = self.models.find(self.search, name, self.candidates)
                states.append(f"{label(name)}: {1000 * seconds:,.0f} ms")
            except InputError as error:
                states.append(f"{label(name)}: {error}")
        if before != (self.search, self.candidates, tuple(self.names)) or self.layout is None:
            return  # another search was begun meanwhile
        title = f"Search for “{shown(Search.cut(self.search), 80)}”"
        candidates = candidates_name(self.candidates)
        self.layout.results.value = self._rankings(frames, candidates, title, "search-results")
        self.layout.search_state.value = payloads.note([f"{'; '.join(states)}."], "search-state", "status")

    def _beside(self, work: Callable[[], None]) -> None:
        """Do something slow beside the notebook, whose controls go on working."""
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()
