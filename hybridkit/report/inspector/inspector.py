"""The inspector: see why a model ranks as it does, pair of languages by pair, query by query.

`inspect(run)` or `Inspector(open_inspected(run))` shows it in JupyterLab. Its state is one object with traits, which
can be read, set, observed and linked:

    inspector.pair       (query language, passage language), ("ar", "*") for the pool
    inspector.query_id   the query that is open
    inspector.strategy   the strategy that is looked at ("now")
    inspector.minus      the one that it is compared with ("before"), None for none
    inspector.shows      what the matrix shows: "before", "now" or "difference"
    inspector.measure    of the matrix: one of views.MEASURES
    inspector.order      of the queries: "worst", "change" or "distance"
    inspector.contains   text that the queries listed hold
    inspector.gloss      whether the English twin stands under each passage
    inspector.search     the query that is searched live
    inspector.candidates what is searched: "*" for the pool, or a language

By which names tests and screen readers find its parts is told in `hybridkit.report.inspector`.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError
from hybridkit.report import views
from hybridkit.report.inspected_run import Inspected, open_inspected
from hybridkit.report.inspector import payloads
from hybridkit.report.inspector.live import Search
from hybridkit.report.inspector.state import State, as_python
from hybridkit.report.views import POOL, candidates_name, spoken
from hybridkit.sampling.labels import label
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from pathlib import Path

    from hybridkit.study.run import Run


_ALL = ("hint", "matrix", "queries", "query", "python")
# what is drawn anew when a trait changes
_TOUCHES = {
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


class Inspector(State):
    """The widget on what a run left behind, with its state as traits; shown when it ends a cell of a notebook.

    >>> from hybridkit.report.inspected_run import open_inspected
    >>> Inspector(open_inspected("no-such-run")).missing
    ['No run is at no-such-run: make one with `hybridkit run quick`, and open that.']
    """

    def __init__(self, inspected: Inspected) -> None:
        super().__init__(inspected)
        self.models = Search(inspected)
        self._threads: list[threading.Thread] = []
        self._page = 0
        self.layout: Any = None  # the widgets, once they are shown
        self.observe(self._changed, list(_TOUCHES))

    @property
    def missing(self) -> list[str]:
        """What is not there, a sentence each with the command that makes it."""
        return self.inspected.missing

    @property
    def hint(self) -> str:
        """One sentence on what there is to see, in words of the frames."""
        if not self.names:
            return "There is nothing to inspect yet."
        if not self.twins:
            return (
                "Pick a cell, a pair of languages; then a query of it. No query has twins here, so bias has no ranks."
            )
        base = self.minus or self.strategy
        query, passage = views.most_biased(self.inspected, base) or ("", "")
        cells = [self._value(name, query, passage) for name in self.names]
        told = (
            f"{label(base)} is most biased from {spoken(query)} to {spoken(passage)}: it ranks the {spoken(passage)} "
            f"passage {cells[0]:,.0f} ranks of the pool behind the first of its twins"
        )
        return (
            f"{told}; {label(self.strategy)}: {cells[1]:,.0f}. Pick a cell, then a query." if self.minus else f"{told}."
        )

    @property
    def python(self) -> str:
        """Three lines of Python that reproduce the view without the widget."""
        difference = self.shows == "difference"
        shown = self.minus if self.shows == "before" and self.minus else self.strategy
        matrix = [shown, self.measure, *([self.minus] if difference else [])]
        listed = [self.pair, self.strategy, self.minus, self.order, self.contains]
        return as_python(self.inspected, matrix, listed, self.query_id, self.names)

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

    def draw(self, *parts: str) -> None:
        """Draw parts of the widget anew."""
        if self.layout is not None:
            for part in parts:
                getattr(self, f"_draw_{part}")(self.layout)

    def _changed(self, change: Any) -> None:
        name = change["name"]
        if name in ("pair", "contains", "order"):
            self._page = 0
        if name == "pair" and not self._kept_query():
            self.query_id = str(self.queries()["query_id"].iloc[0]) if len(self.queries()) else ""
        if self.layout is not None:
            self.layout.follow(name)
        self.draw(*_TOUCHES[name])

    def pick(self, language: str) -> None:
        """Look at the open query among the passages of another language, as a click on the ladder does."""
        self._keep = True
        try:
            self.pair = (self.pair[0], language)
        finally:
            self._keep = False

    _keep = False

    def _kept_query(self) -> bool:
        return self._keep

    def _value(self, strategy: str, query: str, passage: str) -> float:
        frame = views.pair_matrix(self.inspected, strategy, views.DISTANCE)
        at = (frame["query_language"] == query) & (frame["passage_language"] == passage)
        return float(frame.loc[at, "value"].iloc[0]) if at.any() else float("nan")

    def _draw_hint(self, widget: Any) -> None:
        widget.hint.value = payloads.note([self.hint], "hint", "status")
        widget.missing.value = payloads.note(self.missing, "missing", "note")

    def _draw_matrix(self, widget: Any) -> None:
        named, difference = self.measure.replace("_", " "), self.shows == "difference"
        waits = False
        if difference and self.minus:
            title = f"{named}: {label(self.strategy)} minus {label(self.minus)}"
            waits = not views.is_kept(self.inspected, self.strategy, self.minus, self.measure)
            title += " (testing which differ ...)" if waits else " (grey: not significant)"
        else:
            title = f"{named} of {label(self.minus if self.shows == 'before' and self.minus else self.strategy)}"
        frame = (
            views.plain_difference(self.inspected, self.strategy, self.minus, self.measure) if waits else self.matrix()
        )
        told = f"{title}, query language by passage language"
        widget.matrix.grid = payloads.matrix(frame, told, self.measure, difference)
        widget.matrix.selected = list(self.pair)
        if waits:
            self._beside(self._test)

    def _test(self) -> None:
        asked = (self.strategy, self.minus, self.measure, self.shows)
        self.matrix()
        if asked == (self.strategy, self.minus, self.measure, self.shows):
            self.draw("matrix")

    def _draw_queries(self, widget: Any) -> None:
        widget.queries.page = payloads.queries(self.queries(), self.pair[0], self._page)
        widget.queries.heads = [
            "query",
            label(self.minus) if self.minus else "before",
            label(self.strategy),
            "moved",
            "rank distance",
        ]
        widget.queries.wanted = widget.queries.page["page"]
        widget.queries.selected = self.query_id

    def _draw_query(self, widget: Any) -> None:
        if not self.query_id:
            return
        text = self.inspected.query_texts.get((self.pair[0], self.query_id), "")
        widget.query.value = payloads.query(text, self.pair[0], self.query_id)
        gloss = (lambda name: views.gloss(self.inspected, name)) if self.gloss else None
        pool, passage = "Pool: passages of all languages", self.pair[1]
        widget.pair.value = (
            ""
            if passage == POOL
            else payloads.rankings(self.rankings(passage), f"Pair: {candidates_name(passage)}", "ranking-pair", gloss)
        )
        widget.pool.value = payloads.rankings(self.rankings(POOL), pool, "ranking-pool", gloss)
        widget.ladder.data = payloads.ladder(self.ladder(), len(self.inspected.benchmark.passages))

    def _draw_python(self, widget: Any) -> None:
        widget.code.code = self.python

    def _draw_search(self, widget: Any) -> None:
        if not Search.cut(self.search):
            widget.search_state.value = widget.results.value = ""
            return
        cold = [label(name) for name in self.names if not self.models.ready(name)]
        state = f"Loading the model of {', '.join(cold)} ..." if cold else "Searching ..."
        widget.search_state.value = payloads.note([state], "search-state", "status")
        self._beside(self._search)

    def _search(self) -> None:
        asked, frames, told = (self.search, self.candidates, tuple(self.names)), {}, []
        for name in self.names:
            try:
                frames[name], seconds = self.models.find(self.search, name, self.candidates)
                told.append(f"{label(name)}: {1000 * seconds:,.0f} ms")
            except InputError as error:
                told.append(f"{label(name)}: {error}")
        if asked != (self.search, self.candidates, tuple(self.names)) or self.layout is None:
            return  # another search was begun meanwhile
        gloss = (lambda name: views.gloss(self.inspected, name)) if self.gloss else None
        title = f"Search for “{shown(Search.cut(self.search), 80)}”, {candidates_name(self.candidates)}"
        self.layout.results.value = payloads.rankings(frames, title, "search-results", gloss)
        self.layout.search_state.value = payloads.note([f"{'; '.join(told)}."], "search-state", "status")

    def _beside(self, work: Any) -> None:
        """Do something slow beside the notebook, whose controls go on working."""
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()


def inspect(run: Run | Path | str, benchmark: str | None = None) -> Inspector:
    """Open the inspector on a run (a Run, its folder, or the name of its study) and one benchmark of it."""
    return Inspector(open_inspected(run, benchmark))
