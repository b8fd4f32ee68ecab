"""The parts of the inspector that can be clicked, as small anywidgets; what they draw comes from `payloads`."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Dict, Int, List, Unicode

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


class Matrix(anywidget.AnyWidget):
    """The matrix: `grid` is what it shows, `selected` the pair that is picked."""

    _esm = _read("matrix.js")
    _css = _read("inspector.css")
    grid = Dict().tag(sync=True)
    selected = List(Unicode(), default_value=["", ""]).tag(sync=True)


class Queries(anywidget.AnyWidget):
    """The list of queries: `page` is shown, `selected` the query that is picked, `wanted` the page asked for."""

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
