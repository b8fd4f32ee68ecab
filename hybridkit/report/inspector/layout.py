"""The controls of the inspector and its clickable widgets, laid out and joined to its traits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets
from traitlets import Dict, Int, List, Unicode

from hybridkit.report import views
from hybridkit.report.views import POOL, spoken
from hybridkit.sampling.labels import label

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


class Code(anywidget.AnyWidget):
    """Lines of Python with a button that copies them."""

    _esm = _read("code.js")
    code = Unicode().tag(sync=True)


class Layout:
    """The widgets of an inspector; `box` holds them all."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector = inspector
        self.controls: dict[str, Any] = {}
        self._busy = False
        self.hint, self.missing, self.query, self.pair, self.pool, self.search_state, self.results = (
            ipywidgets.HTML() for _ in range(7)
        )
        self.matrix, self.queries, self.ladder, self.code = (Matrix(), Queries(), Ladder(), Code())
        there = inspector.inspected.strategies
        languages = list(inspector.inspected.benchmark.passage_slices)
        named = [(label(name), name) for name in there]
        for trait, text, options in (
            ("strategy", "Strategy", named),
            ("minus", "Compared with", [("nothing", None), *named]),
            ("shows", "Matrix shows", self._shows()),
            ("measure", "Measure", [(one.replace("_", " "), one) for one in views.MEASURES]),
            ("order", "Order", [(name, key) for key, name in _ORDERS.items()]),
            ("candidates", "Search in", [("all languages", POOL), *((spoken(tag), tag) for tag in languages)]),
        ):
            self._control(trait, ipywidgets.Dropdown(options=options, value=None, description=text))
        self._control("contains", ipywidgets.Text(description="Filter", placeholder="text in the query"))
        search = ipywidgets.Text(
            description="Search", continuous_update=False, placeholder="a question, in any language"
        )
        self._control("search", search)
        self._control("gloss", ipywidgets.Checkbox(description="English under each passage", indent=False))
        self.box = self._boxes() if there else self._named(ipywidgets.VBox([self.hint, self.missing]), "inspector")
        for name in self.controls:
            self.follow(name)
        self.matrix.observe(self._pair_picked, "selected")
        self.queries.observe(lambda change: self._set("query_id", change["new"]), "selected")
        self.queries.observe(lambda change: inspector.turn(change["new"]), "wanted")
        self.ladder.observe(self._language_picked, "picked")

    def follow(self, trait: str) -> None:
        """Let a control show what its trait is now."""
        if trait in ("strategy", "minus"):
            self._busy = True  # new options put the value back to the first of them
            self.controls["shows"].options = self._shows()
            self.controls["shows"].value = self.inspector.shows
            self._busy = False
        if trait in self.controls:
            value = getattr(self.inspector, trait)
            control = self.controls[trait]
            known = [one for _, one in control.options] if isinstance(control, ipywidgets.Dropdown) else [value]
            if value in known:
                control.value = value

    def _shows(self) -> list[tuple[str, str]]:
        now, before = self.inspector.strategy, self.inspector.minus
        if not before:
            return [(label(now) if now else "", "now")]
        return [(label(before), "before"), (label(now), "now"), (f"{label(now)} minus {label(before)}", "difference")]

    def _control(self, trait: str, control: Any) -> None:
        control.style.description_width = "initial"
        control.layout.width = "auto"
        control.add_class(f"hk-{trait}")
        control.observe(lambda change: self._set(trait, change["new"]), "value")
        self.controls[trait] = control

    def _set(self, trait: str, value: Any) -> None:
        if self._busy or (value is None and trait != "minus"):
            return
        try:
            setattr(self.inspector, trait, value)
        except traitlets.TraitError:  # what a control cannot offer; it goes back to what is
            self.follow(trait)

    def _pair_picked(self, change: Any) -> None:
        self._set("pair", tuple(change["new"]))

    def _language_picked(self, change: Any) -> None:
        if change["new"]:
            self.inspector.pick(change["new"])

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
                    row("strategy", "minus", "shows", "measure"),
                    columns(column(self.matrix), column(row("order", "contains"), self.queries)),
                    self.query,
                    row("gloss"),
                    columns(column(self.pair), column(self.pool)),
                    self.ladder,
                    row("search", "candidates"),
                    self.search_state,
                    self.results,
                    self.code,
                ]
            ),
            "inspector",
        )
