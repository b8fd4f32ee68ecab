"""The inspector: see why a model ranks as it does, pair of languages by pair, query by query.

`inspect(run)` shows it in JupyterLab on the models of a study, `inspect_models(models, benchmark)` on any others. Its
state is one object with traits, which can be read, set, observed and linked:

    inspector.benchmark  what the models are looked at on
    inspector.pair       (query language, passage language), ("ar", "*") for the pool
    inspector.query_id   the query that is open
    inspector.strategy   the strategy that is looked at ("now")
    inspector.minus      the one that it is compared with ("before"), None for none
    inspector.also       more strategies, whose rankings, ladder and map are shown too
    inspector.seed       of the models; None for the mean over all in the matrix, and the ranks of the first
    inspector.shows      what the matrix shows: "before", "now" or "difference"
    inspector.measure    of the matrix: one of views.MEASURES
    inspector.order      of the queries: "worst", "change" or "distance"
    inspector.contains   filter of the queries listed: words, and conditions such as rank>10
    inspector.gloss      whether the English twin is shown under each passage
    inspector.search     the query that is searched live
    inspector.candidates what is searched: "*" for the pool, or a language
    inspector.map        whether the map of all texts is shown
    inspector.where      filter of its points, as language=ar,de rank>10
    inspector.box        (strategy, x, x, y, y), the part of its map that is chosen; () for none
    inspector.selection  the points that filter and box leave, as a frame

`hybridkit.report.inspector` lists the names by which tests and screen readers find its parts.
"""

from __future__ import annotations

import contextvars
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from traitlets import Bool, HasTraits, Int, TraitError, Tuple, Unicode, validate

from hybridkit.errors import InputError
from hybridkit.plots.palette import colours
from hybridkit.report import views
from hybridkit.report.inspected_models import open_models
from hybridkit.report.inspected_run import Inspected, open_inspected
from hybridkit.report.inspector import payloads
from hybridkit.report.inspector.live import Search
from hybridkit.report.text_map import TextMap, text_map
from hybridkit.report.views import DISTANCE, POOL, candidates_name, filtered, spoken
from hybridkit.sampling.labels import label
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.study.run import Run


SHOWS = ("before", "now", "difference")
_KEPT = 6  # maps that are held at a time
_ALL = ("hint", "matrix", "queries", "query", "map", "python")
# what is drawn again when a trait changes
_REDRAWS = {
    "benchmark": (),
    "pair": ("matrix", "queries", "query", "links", "python"),
    "query_id": ("queries", "query", "links", "python"),
    "strategy": _ALL,
    "minus": _ALL,
    "also": ("query", "map", "python"),
    "seed": _ALL,
    "shows": ("matrix", "python"),
    "measure": ("matrix", "python"),
    "order": ("queries", "python"),
    "contains": ("queries", "python"),
    "gloss": ("query",),
    "search": ("search",),
    "candidates": ("search",),
    "map": ("map", "python"),
    "where": ("points",),
    "box": ("points",),
}


def inspect(run: Run | Path | str, benchmark: str | None = None) -> Inspector:
    """Open the inspector on a run (a Run, its folder, or the name of its study) and one benchmark of it."""
    return Inspector(open_inspected(run, benchmark))


def inspect_models(
    models: Mapping[str, SentenceTransformer | Path | str],
    benchmark: str | Path | Benchmark | Sequence[str | Path | Benchmark],
    *,
    max_length: int | None = None,
    precision: str = "float32",
) -> Inspector:
    """Open the inspector on any models, without a study: what is not kept is encoded and ranked first.

    The arguments are those of `open_models`: SentenceTransformers, folders or hub names by names of your own, the first
    being what the last is compared with; a parallel benchmark, a JSON-lines file of parallel rows, or some of them.

    Example:
        >>> inspect_models({"before": "e5-small", "after": "my-model"}, "mine.jsonl")  # doctest: +SKIP
    """
    return Inspector(open_models(models, benchmark, max_length=max_length, precision=precision))


class State(HasTraits):
    """What the inspector looks at; every trait is checked when it is set.

    It begins with what a first look needs: the two strategies that are compared, the measure of bias, the pair of
    languages that is most biased, and of its queries the one that changed most.
    """

    benchmark = Unicode()
    pair = Tuple(Unicode(), Unicode(), default_value=("", ""))
    query_id = Unicode()
    strategy = Unicode()
    minus = Unicode(None, allow_none=True)
    also = Tuple()
    seed = Int(None, allow_none=True)
    shows = Unicode("now")
    measure = Unicode("AP")
    order = Unicode("worst")
    contains = Unicode()
    search = Unicode()
    candidates = Unicode(POOL)
    gloss = Bool(False)
    map = Bool(False)
    where = Unicode()
    box = Tuple()

    def __init__(self, inspected: Inspected) -> None:
        self.inspected = inspected
        self._maps: dict[tuple[str, str, int | None], TextMap] = {}
        super().__init__()
        self._begin()

    def _begin(self) -> None:
        """Look at what the benchmark begins with; strategies that it has results of stay."""
        if self.benchmark != self.inspected.benchmark_name:
            self.benchmark = self.inspected.benchmark_name
        there = self.inspected.strategies
        if not there:
            return
        kept = [name for name in (self.strategy, self.minus) if name in there]
        others = [name for name in reversed(there) if name not in self.inspected.compare]
        first, second = (*(kept if len(kept) == 2 else (*self.inspected.compare, *others)), "", "")[:2]
        self.box, self.candidates = (), POOL
        self.also = tuple(name for name in self.also if name in there)
        self.seed = self.seed if self.seed in self.inspected.shared_seeds else None
        self.strategy, self.minus = first, second or None
        if second and not kept:
            self.shows, self.order = "before", "change"
        if self.twins and not kept:
            self.measure = DISTANCE
        biased = views.most_biased(self.inspected, second or first, self.seed) if self.twins else None
        if self.pair not in self.pairs:
            self.pair = biased or self.pairs[0]
        listed = views.pair_queries(self.inspected, self.pair, self.strategy, self.minus, self.order, "", self.seed)
        if self.query_id not in set(listed["query_id"]):
            self.query_id = str(listed["query_id"].iloc[0])

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
        """The strategies that are looked at: before, now, and those that are shown too."""
        return list(dict.fromkeys(name for name in (self.minus, self.strategy, *self.also) if name))

    @property
    def drawn(self) -> str:
        """The strategy whose values the matrix shows."""
        return self.minus if self.shows == "before" and self.minus else self.strategy

    def matrix(self) -> pd.DataFrame:
        """The frame that the matrix shows."""
        minus = self.minus if self.shows == "difference" else None
        return views.pair_matrix(self.inspected, self.drawn, self.measure, minus, self.seed)

    def queries(self) -> pd.DataFrame:
        """The frame that the list of queries shows, all its pages."""
        strategies = self.strategy, self.minus
        return views.pair_queries(self.inspected, self.pair, *strategies, self.order, self.contains, self.seed)

    def rankings(self, side: str, top: int = 10) -> dict[str, pd.DataFrame]:
        """The rankings of the open query by each strategy, among a language's passages or in the pool ("*")."""
        query = self.pair[0], self.query_id
        return {name: views.ranking(self.inspected, *query, side, name, top, self.seed) for name in self.names}

    def ladder(self) -> pd.DataFrame:
        """The frame that the rank ladder draws."""
        return views.ladder(self.inspected, self.pair[0], self.query_id, self.names, self.seed)

    def text_map(self, strategy: str) -> TextMap:
        """The map of all texts by a strategy, with the shares of variance that its axes show; the last few are held."""
        key = (self.benchmark, strategy, self.seed)
        if key not in self._maps:
            made = text_map(self.inspected, strategy, self.seed)
            self._maps = dict([*self._maps.items(), (key, made)][-_KEPT:])
        return self._maps[key]

    @property
    def selection(self) -> pd.DataFrame:
        """The points that filter and box leave, a row each, with the columns of `views.text_map`.

        x and y are those of the strategy whose map has the box, or of the strategy now; ranks are those of now.
        """
        name = self.box[0] if self.box else self.strategy
        points = self.text_map(name).points
        ranked = self.text_map(self.strategy).points
        found = ranked.assign(x=points["x"], y=points["y"])
        if self.box:
            _, left, right, low, high = self.box
            found = found[found["x"].between(left, right) & found["y"].between(low, high)]
        return filtered(found, self.where, ("text", "id"))

    @property
    def python(self) -> str:
        """Three lines of Python that reproduce the view: an import, the opening of the run, a dict of frames by name.

        matrix, queries, pair and pool (the rankings of each strategy) and ladder; without a query that is open, the
        first two; with the map, its points by each strategy. Every text is written by `repr`, so that nothing of a data
        set is run.
        """
        opened = self.inspected.call
        minus = self.minus if self.shows == "difference" else None
        seed = self.seed
        frames = {
            "matrix": _call("pair_matrix", self.drawn, self.measure, minus=minus, seed=seed),
            "queries": _call(
                "pair_queries", self.pair, self.strategy, self.minus, self.order, self.contains, seed=seed
            ),
        }
        each = f"for name in {self.names!r}}}"
        if self.query_id:
            query = [self.pair[0], self.query_id]
            for key, side in {"pair": self.pair[1], "pool": POOL}.items():
                frames[key] = f"{{name: {_call('ranking', *query, side, _Name(), seed=seed)} {each}"
            frames["ladder"] = _call("ladder", *query, self.names, seed=seed)
        if self.map:
            frames["map"] = f"{{name: {_call('text_map', _Name(), seed=seed)}.points {each}"
        lines = [
            f"from hybridkit import {opened.partition('(')[0]}, views",
            f"run = {opened}",
            f"{{{', '.join(f'{name!r}: {frame}' for name, frame in frames.items())}}}",
        ]
        return "\n".join(lines)

    @validate("benchmark", "strategy", "minus", "also", "seed", "shows", "measure", "order", "candidates", "pair")
    def _known(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        known: dict[str, Callable[[], Any]] = {
            "benchmark": lambda: [self.inspected.benchmark_name, *self.inspected.benchmarks],
            "strategy": lambda: self.inspected.strategies,
            "minus": lambda: [None, *self.inspected.strategies],
            "also": lambda: self.inspected.strategies,
            "seed": lambda: [None, *self.inspected.shared_seeds],
            "shows": lambda: SHOWS if self.minus else SHOWS[1:2],
            "measure": lambda: views.MEASURES,
            "order": lambda: [one for one in views.ORDERS if self.minus or one != "change"],
            "candidates": lambda: [POOL, *self.inspected.benchmark.passage_slices],
            "pair": lambda: self.pairs,
        }
        for one in value if name == "also" else (value,):
            if one not in known[name]():
                raise TraitError(f"{name}: {one!r} is not one of {', '.join(map(str, known[name]()))}")
        return value

    @traitlets.observe("minus")
    def _alone(self, change: Any) -> None:
        """Without a second strategy there is no before, no difference and no change."""
        if change["new"] is None:
            self.shows = "now"
            self.order = "worst" if self.order == "change" else self.order


class _Name:
    """The variable `name` in a line of Python."""

    def __repr__(self) -> str:
        return "name"


def _call(function: str, *values: Any, **more: Any) -> str:
    written = [*map(repr, values), *(f"{name}={value!r}" for name, value in more.items() if value is not None)]
    return f"views.{function}({', '.join(['run', *written])})"


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
        self._keeps_query = self._quiet = False
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
        query, passage = views.most_biased(self.inspected, self.names[0], self.seed) or ("", "")
        ranks = []
        for name in (self.minus or self.strategy, self.strategy):
            frame = views.pair_matrix(self.inspected, name, DISTANCE, seed=self.seed)
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
        """Wait until what runs beside the notebook (tests of significance, a search, a map) is done and shown."""
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

    def pick_point(self, position: int) -> None:
        """Open the query of a point of the map, or a question that its passage answers; a passage may answer none."""
        point = self.text_map(self.strategy).points.iloc[position]
        judged, (query, passage) = self.inspected.benchmark.judgements, self.pair
        if point["side"] == "query":
            query, names = point["language"], [point["id"]]
        else:
            passage = point["language"]
            names = judged.loc[judged["passage_id"] == point["id"], "query_id"].tolist()
        names = [name for name in names if (query, name) in self.inspected.query_positions]
        if names and (query, passage) in self.pairs:
            self._keeps_query = True
            try:
                self.pair, self.query_id = (query, passage), self.query_id if self.query_id in names else names[0]
            finally:
                self._keeps_query = False

    def draw(self, *names: str) -> None:
        """Draw parts of the widget again, where it is shown."""
        if self.layout is not None:
            for name in names:
                getattr(self, f"_draw_{name}")(self.layout)

    def _changed(self, change: Any) -> None:
        name = change["name"]
        if self._quiet:
            return
        if name == "benchmark":
            self._open(change["new"])
            return
        if name in ("pair", "contains", "order"):
            self._page = 0
        if name == "pair" and not self._keeps_query:
            listed = self._listed()[0]
            self.query_id = str(listed["query_id"].iloc[0]) if len(listed) else ""
        if self.layout is not None:
            self.layout.follow(name)
        self.draw(*_REDRAWS[name])

    def _open(self, benchmark: str) -> None:
        """Look at another benchmark."""
        if benchmark == self.inspected.benchmark_name:
            return
        before = self.inspected
        if self.layout is not None:
            opening = f"Opening {shown(benchmark, 80)}; what is not kept is encoded first ..."
            self.layout.hint.value = payloads.note([opening], "hint", "status")
        try:
            self.inspected = before.at(benchmark)
        except InputError as error:
            self.benchmark = before.benchmark_name  # which what is shown is of
            if self.layout is not None:
                self.layout.follow("benchmark")
                self.layout.hint.value = payloads.note([str(error)], "hint", "status")
            raise
        for name in ("pairs", "twins"):
            self.__dict__.pop(name, None)
        self._quiet, self._page, self.models = True, 0, Search(self.inspected)
        try:
            self._begin()
        finally:
            self._quiet = False
        if self.layout is not None:
            self.layout.reopen()
            self.draw(*(_ALL if self.names else ("hint",)))

    def _listed(self) -> tuple[pd.DataFrame, str]:
        """The queries that the filter leaves, and what is wrong with the filter: then it leaves none."""
        try:
            return self.queries(), ""
        except InputError as error:
            empty = views.pair_queries(self.inspected, self.pair, self.strategy, self.minus, seed=self.seed).head(0)
            return empty, str(error)

    def _draw_hint(self, layout: Any) -> None:
        layout.hint.value = payloads.note([self.hint], "hint", "status")
        layout.missing.value = payloads.note(self.missing, "missing", "note")

    def _draw_matrix(self, layout: Any) -> None:
        title, waits = f"{self.measure.replace('_', ' ')} of {label(self.drawn)}", False
        difference = self.shows == "difference"
        plain = (self.inspected, self.strategy, self.minus, self.measure, self.seed)
        if difference and self.minus:
            title = f"{self.measure.replace('_', ' ')}: {label(self.strategy)} minus {label(self.minus)}"
            waits = not views.is_kept(self.inspected, self.strategy, self.minus, self.measure, self.seed)
            title += " (testing which differ ...)" if waits else ""
        title += f", seed {self.seed}" if self.seed is not None else ""
        frame = views.plain_difference(*plain) if waits else self.matrix()
        title += ", query language by passage language"
        layout.matrix.grid = payloads.matrix(frame, title, self.measure, difference)
        layout.matrix.selected = list(self.pair)
        if waits:
            self._beside(self._test)

    def _test(self) -> None:
        before = (self.benchmark, self.strategy, self.minus, self.measure, self.shows, self.seed)
        self.matrix()
        if before == (self.benchmark, self.strategy, self.minus, self.measure, self.shows, self.seed):
            self.draw("matrix")

    def _draw_queries(self, layout: Any) -> None:
        frame, wrong = self._listed()
        layout.queries.page = payloads.queries(frame, self.pair[0], self._page, wrong)
        before = label(self.minus) if self.minus else ""
        layout.queries.heads = ["query", before, label(self.strategy), "moved" if before else "", "rank distance"]
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
        size = len(self.inspected.benchmark.passages)
        layout.ladder.data = payloads.ladder(self.ladder(), size, colours(self.names))

    def _rankings(self, frames: dict[str, pd.DataFrame], candidates: str, title: str, testid: str) -> str:
        gloss = (lambda name: views.gloss(self.inspected, name)) if self.gloss else None
        return payloads.rankings(frames, f"{title}: {candidates}", testid, colours(self.names), gloss)

    def _draw_map(self, layout: Any) -> None:
        if not self.map:
            layout.map.data = {}
            return
        layout.map_state.value = payloads.note(["Laying out the texts ..."], "map-state", "status")
        self._beside(self._lay_out)

    def _lay_out(self) -> None:
        """Make the maps of all strategies that are looked at and show them, unless others are wanted meanwhile."""
        wanted = (self.benchmark, tuple(self.names), self.seed)
        try:
            maps = {name: self.text_map(name) for name in self.names}
        except InputError as error:
            if self.layout is not None and wanted == (self.benchmark, tuple(self.names), self.seed):
                self.layout.map.data = {}
                self.layout.map_state.value = payloads.note([str(error)], "map-state", "status")
            return
        if self.layout is None or not self.map or wanted != (self.benchmark, tuple(self.names), self.seed):
            return
        self.layout.map.chosen, self.layout.map.links = b"", []  # those of another benchmark
        self.layout.map.data = payloads.text_maps(maps)
        self.draw("links", "points")

    def _draw_links(self, layout: Any) -> None:
        """The open query of the map, and the passages that answer it."""
        if not self.map:
            return
        inspected, judged = self.inspected, self.inspected.benchmark.judgements
        at = inspected.query_positions.get((self.pair[0], self.query_id), -1)
        answers = judged.loc[judged["query_id"] == self.query_id, "passage_id"]
        first = len(inspected.benchmark.queries)
        linked = [first + inspected.passage_positions[name] for name in answers]
        layout.map.links = [at, *linked] if at >= 0 else []

    def _draw_points(self, layout: Any) -> None:
        """Which points filter and box leave; drawn once the maps are there."""
        if not self.map or not layout.map.data:
            return
        try:
            left = self.selection.index.to_numpy()
        except InputError as error:
            layout.map_state.value = payloads.note([str(error)], "map-state", "status")
            return
        size = len(self.text_map(self.strategy).points)
        chosen = np.zeros(size, np.uint8)
        chosen[left] = 1
        layout.map.chosen = chosen.tobytes()
        state = f"{len(left):,} of {size:,} texts, as a frame: inspector.selection"
        layout.map_state.value = payloads.note([state], "map-state", "status")

    def tip(self, position: int) -> dict[str, Any]:
        """What the map shows beside a point: its text, what it is, its language."""
        points = self.text_map(self.strategy).points
        return payloads.tip(points.iloc[position], position) if 0 <= position < len(points) else {}

    def _draw_python(self, layout: Any) -> None:
        layout.code.code = self.python

    def _draw_search(self, layout: Any) -> None:
        if not Search.cut(self.search):
            layout.search_state.value = layout.results.value = ""
            return
        cold = [label(name) for name in self.names if not self.models.ready(name, self.seed)]
        state = f"Loading the model of {', '.join(cold)} ..." if cold else "Searching ..."
        layout.search_state.value = payloads.note([state], "search-state", "status")
        self._beside(self._search)

    def _search(self) -> None:
        def wanted() -> tuple[Any, ...]:
            return self.search, self.candidates, tuple(self.names), self.benchmark, self.seed

        before, names, frames, states = wanted(), self.names, {}, []
        for name in names:
            try:
                frames[name], seconds = self.models.find(self.search, name, self.candidates, seed=self.seed)
                states.append(f"{label(name)}: {1000 * seconds:,.0f} ms")
            except InputError as error:
                states.append(f"{label(name)}: {error}")
        if before != wanted() or self.layout is None:
            return  # another search was begun meanwhile
        title = f"Search for “{shown(Search.cut(self.search), 80)}”"
        candidates = candidates_name(self.candidates)
        self.layout.results.value = self._rankings(frames, candidates, title, "search-results") if frames else ""
        self.layout.search_state.value = payloads.note([f"{'; '.join(states)}."], "search-state", "status")

    def _beside(self, work: Callable[[], None]) -> None:
        """Do something slow beside the notebook, whose controls go on working."""
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()
