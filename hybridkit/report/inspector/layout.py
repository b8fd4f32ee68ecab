"""The controls of the inspector and its clickable widgets, laid out and joined to its traits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets
from traitlets import Bytes, Dict, Float, Int, List, Unicode

from hybridkit.report import views
from hybridkit.report.views import POOL, spoken
from hybridkit.sampling.labels import label
from hybridkit.utils.naming import stem_of

if TYPE_CHECKING:
    from hybridkit.report.inspector.inspector import Inspector


_HERE = Path(__file__).parent
_ORDERS = {"worst": "worst first", "change": "largest change", "distance": "largest rank distance"}


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


class Matrix(anywidget.AnyWidget):
    """The matrix: `grid` is what it shows, `selected` the pair that is picked."""

    _esm = _read("matrix.js")
    _css = _read("inspector.css")
    grid = Dict().tag(sync=True)
    selected = List(Unicode(), default_value=["", ""]).tag(sync=True)


class Queries(anywidget.AnyWidget):
    """The list of queries: `page` is shown, `selected` the query that is picked, `wanted` the page to be shown next."""

    _esm = _read("queries.js")
    page = Dict().tag(sync=True)
    heads = List(Unicode(), default_value=["query", "before", "now", "change", "distance"]).tag(sync=True)
    selected = Unicode().tag(sync=True)
    wanted = Int(0).tag(sync=True)


class Ladder(anywidget.AnyWidget):
    """The rank ladder: `data` is what it draws, `picked` the language that was clicked last."""

    _esm = _read("ladder.js")
    data = Dict().tag(sync=True)
    picked = Unicode().tag(sync=True)


class TextMaps(anywidget.AnyWidget):
    """Maps of all texts: `data` is what they draw, `chosen` a byte a point, 1 where filter and box leave it.

    `links` are the positions of the open query and of the passages that answer it; `hovered` is the point under the
    mouse and `tip` what it is; `picked` the point that was clicked last; `box` map, x, x, y, y of a rectangle.
    """

    _esm = _read("map.js")
    data = Dict().tag(sync=True)
    chosen = Bytes().tag(sync=True)
    links = List(Int()).tag(sync=True)
    hovered = Int(-1).tag(sync=True)
    tip = Dict().tag(sync=True)
    picked = Int(-1).tag(sync=True)
    box = List(Float()).tag(sync=True)


class Code(anywidget.AnyWidget):
    """Lines of Python with a button that copies them."""

    _esm = _read("code.js")
    code = Unicode().tag(sync=True)


class Layout:
    """The widgets of an inspector; `box` holds them all.

    A control has the name of its trait; "remedy" and "minus_remedy" are the second halves of `strategy` and `minus`.
    """

    def __init__(self, inspector: Inspector) -> None:
        self.inspector = inspector
        self.controls: dict[str, Any] = {}
        self._busy = False
        self.hint, self.missing, self.query, self.pair, self.pool = (ipywidgets.HTML() for _ in range(5))
        self.search_state, self.results, self.map_state = (ipywidgets.HTML() for _ in range(3))
        self.matrix, self.queries, self.ladder, self.code, self.map = Matrix(), Queries(), Ladder(), Code(), TextMaps()
        self.also = ipywidgets.Box([])
        self.more: dict[str, Any] = {}  # the boxes in it, by strategy
        for trait, text in (
            ("benchmark", "Benchmark"),
            ("seed", "Seed"),
            ("strategy", "Strategy"),
            ("remedy", "Remedy"),
            ("minus", "Compared with"),
            ("minus_remedy", "Its remedy"),
            ("shows", "Matrix shows"),
            ("measure", "Measure"),
            ("order", "Order"),
            ("candidates", "Search in"),
        ):
            self._control(trait, ipywidgets.Dropdown(description=text))
        contains = ipywidgets.Text(description="Filter", placeholder="words, or rank>10 change<0")
        self._control("contains", contains)
        search = ipywidgets.Text(
            description="Search", continuous_update=False, placeholder="a question, in any language"
        )
        self._control("search", search)
        self._control("gloss", ipywidgets.Checkbox(description="English under each passage", indent=False))
        self._control("map", ipywidgets.Checkbox(description="Map of all queries and passages", indent=False))
        where = ipywidgets.Text(description="Points", placeholder="language=ar,de side=query rank>10")
        self._control("where", where)
        there = inspector.inspected.strategies
        self.box = self._boxes() if there else self._named(ipywidgets.VBox([self.hint, self.missing]), "inspector")
        self.reopen()
        self.matrix.observe(self._pair_picked, "selected")
        self.queries.observe(lambda change: self._set("query_id", change["new"]), "selected")
        self.queries.observe(lambda change: inspector.turn(change["new"]), "wanted")
        self.ladder.observe(self._language_picked, "picked")
        self.map.observe(self._hovered, "hovered")
        self.map.observe(self._point_picked, "picked")
        self.map.observe(self._boxed, "box")

    def reopen(self) -> None:
        """Offer what the benchmark that is looked at has."""
        there = self.inspector.inspected.strategies
        if not there:
            return
        for name in self.controls:
            self.follow(name)

    def follow(self, trait: str) -> None:
        """Let a control show what its trait is now, and offer what there is now."""
        self._busy = True  # new options put the value back to the first of them
        try:
            for name in {"strategy": ("strategy", "remedy"), "minus": ("minus", "minus_remedy")}.get(trait, (trait,)):
                self._follow(name)
            if trait in ("strategy", "minus"):
                for name in ("shows", "order"):
                    self._follow(name)
            if trait in ("strategy", "minus", "also"):
                self._offer_more()
        finally:
            self._busy = False

    def _follow(self, name: str) -> None:
        control = self.controls.get(name)
        if control is None:
            return
        if isinstance(control, ipywidgets.Dropdown):
            options = self._options(name)
            if list(control.options) != options:
                control.options = options
            value = self._value(name)
            if value in [one for _, one in options]:
                control.value = value
            few = {"benchmark": 2, "seed": 3, "remedy": 2, "minus_remedy": 2}.get(name, 0)
            control.layout.display = None if len(options) >= few else "none"
        else:
            control.value = getattr(self.inspector, name)
        if name == "map":
            self.controls["where"].layout.display = None if self.inspector.map else "none"

    def _value(self, name: str) -> Any:
        """The value that a control shows; "" stands for None, which ipywidgets takes for no choice at all."""
        inspector = self.inspector
        if name in ("strategy", "remedy"):
            return self._halves(inspector.strategy)[name == "remedy"]
        if name in ("minus", "minus_remedy"):
            return self._halves(inspector.minus or "")[name == "minus_remedy"]
        value = getattr(inspector, name)
        return "" if value is None else value

    def _halves(self, system: str) -> tuple[str, str]:
        """The strategy and the remedy of one of the inspector's strategies."""
        found = next((one for (name, _), one in self.inspector.inspected.results.items() if name == system), None)
        return (found.strategy, found.remedy) if found else (system, "")

    def _systems(self) -> dict[tuple[str, str], str]:
        return {self._halves(name): name for name in self.inspector.inspected.strategies}

    def _options(self, name: str) -> list[tuple[str, Any]]:
        inspector, inspected = self.inspector, self.inspector.inspected
        if name in ("strategy", "minus"):
            found = [(label(base), base) for base in dict.fromkeys(base for base, _ in self._systems())]
            return [*([("nothing", "")] if name == "minus" else []), *found]
        if name in ("remedy", "minus_remedy"):
            own = self._halves((inspector.strategy if name == "remedy" else inspector.minus) or "")[0]
            return [(remedy or "none", remedy) for base, remedy in self._systems() if base == own]
        if name == "shows":
            now, before = inspector.strategy, inspector.minus
            shown: list[tuple[str, Any]] = [(label(now) if now else "", "now")]
            if before:
                shown = [(label(before), "before"), *shown, (f"{label(now)} minus {label(before)}", "difference")]
            return shown
        if name == "order":
            return [(text, key) for key, text in _ORDERS.items() if inspector.minus or key != "change"]
        lists: dict[str, list[tuple[str, Any]]] = {
            "benchmark": [(shown_name(one), one) for one in inspected.benchmarks],
            "seed": [("mean over all, ranks of the first", ""), *((str(one), one) for one in inspected.shared_seeds)],
            "measure": [(one.replace("_", " "), one) for one in views.MEASURES],
            "candidates": [
                ("all languages", POOL),
                *((spoken(tag), tag) for tag in inspected.benchmark.passage_slices),
            ],
        }
        return lists[name]

    def _control(self, trait: str, control: Any) -> None:
        control.style.description_width = "initial"
        control.layout.width = "auto"
        control.add_class(f"hk-{trait.replace('_', '-')}")
        control.observe(lambda change: self._set(trait, change["new"]), "value")
        self.controls[trait] = control

    def _set(self, trait: str, value: Any) -> None:
        if self._busy or value is None:
            return
        if trait in ("strategy", "minus", "remedy", "minus_remedy"):
            trait, value = self._system(trait, value)
        try:
            setattr(self.inspector, trait, None if value == "" and trait in ("minus", "seed") else value)
        except traitlets.TraitError:  # what a control cannot offer; it goes back to what is
            self.follow(trait)

    def _system(self, control: str, value: str) -> tuple[str, str]:
        """The trait that a choice of strategy or remedy sets, and the strategy with remedy that it sets it to."""
        trait = {"remedy": "strategy", "minus_remedy": "minus"}.get(control, control)
        base, remedy = self._halves(getattr(self.inspector, trait) or "")
        base, remedy = (value, remedy) if control == trait else (base, value)
        systems = self._systems()
        return trait, systems.get((base, remedy)) or next((systems[one] for one in systems if one[0] == base), "")

    def _offer_more(self) -> None:
        """Offer the other strategies to be shown too: without a remedy, and with those of the two compared."""
        inspector = self.inspector
        compared = [inspector.strategy, inspector.minus or ""]
        remedies = {"", *(self._halves(name)[1] for name in compared)}
        offered = [
            name
            for name in inspector.inspected.strategies
            if name not in compared and (name in inspector.also or self._halves(name)[1] in remedies)
        ]
        if offered != list(self.more):
            self.more = {name: self._more(name) for name in offered}
            self.also.children = [ipywidgets.Label("Shown too:"), *self.more.values()] if offered else []
        for name, one in self.more.items():
            one.value = name in inspector.also

    def _more(self, name: str) -> Any:
        made = ipywidgets.Checkbox(description=label(name), indent=False)
        made.add_class("hk-also")
        made.observe(self._also_picked, "value")
        return made

    def _also_picked(self, _: Any) -> None:
        if not self._busy:
            self.inspector.also = tuple(name for name, one in self.more.items() if one.value)

    def _pair_picked(self, change: Any) -> None:
        self._set("pair", tuple(change["new"]))

    def _language_picked(self, change: Any) -> None:
        if change["new"]:
            self.inspector.pick(change["new"])

    def _hovered(self, change: Any) -> None:
        self.map.tip = self.inspector.tip(change["new"])

    def _point_picked(self, change: Any) -> None:
        if change["new"] >= 0:
            self.inspector.pick_point(change["new"])

    def _boxed(self, change: Any) -> None:
        box = change["new"]
        names = [one["name"] for one in self.map.data.get("maps", [])]
        self.inspector.box = (names[int(box[0])], *map(float, box[1:])) if box and int(box[0]) < len(names) else ()

    def _named(self, box: Any, name: str) -> Any:
        box.add_class(f"hk-{name}")
        return box

    def _boxes(self) -> Any:
        c = self.controls

        def row(*names: str) -> Any:
            return self._named(ipywidgets.Box([c[name] for name in names]), "controls")

        def column(*widgets: Any) -> Any:
            return self._named(ipywidgets.VBox(widgets), "column")

        def columns(*widgets: Any) -> Any:
            return self._named(ipywidgets.Box(widgets), "columns")

        return self._named(
            ipywidgets.VBox(
                [
                    self.hint,
                    self.missing,
                    row("search", "candidates"),
                    self.search_state,
                    self.results,
                    row("benchmark", "seed", "strategy", "remedy", "minus", "minus_remedy"),
                    self._named(self.also, "controls"),
                    columns(
                        self._named(column(row("shows", "measure"), self.matrix), "fits"),
                        column(row("order", "contains"), self.queries),
                    ),
                    self.query,
                    row("gloss"),
                    columns(column(self.pair), column(self.pool)),
                    self.ladder,
                    row("map", "where"),
                    self.map,
                    self.map_state,
                    self.code,
                ]
            ),
            "inspector",
        )


def shown_name(benchmark: str) -> str:
    """A benchmark as a list names it: a file by its stem.

    >>> shown_name("/home/me/mine.jsonl"), shown_name("xquad-r[16:]")
    ('mine', 'xquad-r[16:]')
    """
    return stem_of(Path(benchmark)) if "/" in benchmark else benchmark
