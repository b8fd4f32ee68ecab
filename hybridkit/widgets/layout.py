"""The controls and parts of the inspector, laid out; what they say goes to its traits and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from hybridkit.palette import label
from hybridkit.widgets import parts, views
from hybridkit.widgets.payloads import MEASURE_NAMES, spoken
from hybridkit.widgets.ranked import POOL

if TYPE_CHECKING:
    from hybridkit.widgets.inspector import Inspector

_ORDERS = {"worst": "worst first", "change": "largest change", "distance": "largest rank distance"}


class Layout:
    """The widgets of an inspector; `box` holds them all."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector = inspector
        self.controls: dict[str, Any] = {}
        self._busy = False
        self.hint, self.missing, self.query, self.pair, self.pool, self.search_state, self.results = (
            ipywidgets.HTML() for _ in range(7)
        )
        self.matrix, self.queries, self.ladder, self.code = (
            parts.Matrix(),
            parts.Queries(),
            parts.Ladder(),
            parts.Code(),
        )
        there = inspector.inspected.strategies
        languages = list(inspector.inspected.benchmark.passage_slices)
        named = [(label(name), name) for name in there]
        for trait, text, options in (
            ("strategy", "Strategy", named),
            ("minus", "Compared with", [("nothing", None), *named]),
            ("shows", "Matrix shows", self._shows()),
            ("measure", "Measure", [(MEASURE_NAMES.get(one, one), one) for one in views.MEASURES]),
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

    def _control(self, trait: str, control: Any) -> None:  # noqa: ANN401
        control.style.description_width = "initial"
        control.layout.width = "auto"
        control.add_class(f"hk-{trait}")
        control.observe(lambda change: self._set(trait, change["new"]), "value")
        self.controls[trait] = control

    def _set(self, trait: str, value: Any) -> None:  # noqa: ANN401
        if self._busy or (value is None and trait != "minus"):
            return
        try:
            setattr(self.inspector, trait, value)
        except traitlets.TraitError:  # what a control cannot offer; it goes back to what is
            self.follow(trait)

    def _pair_picked(self, change: Any) -> None:  # noqa: ANN401
        self._set("pair", tuple(change["new"]))

    def _language_picked(self, change: Any) -> None:  # noqa: ANN401
        if change["new"]:
            self.inspector.pick(change["new"])

    def _named(self, box: Any, name: str) -> Any:  # noqa: ANN401
        box.add_class(f"hk-{name}")
        return box

    def _boxes(self) -> Any:  # noqa: ANN401
        c = self.controls

        def row(*names: str) -> Any:  # noqa: ANN401
            return self._named(ipywidgets.Box([c[name] for name in names]), "controls")

        def column(*widgets: Any) -> Any:  # noqa: ANN401
            return self._named(ipywidgets.VBox(widgets), "column")

        def columns(*widgets: Any) -> Any:  # noqa: ANN401
            return self._named(ipywidgets.Box(widgets), "columns")

        return self._named(
            ipywidgets.VBox([
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
            ]),
            "inspector",
        )  # fmt: skip
