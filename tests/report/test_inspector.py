"""The inspector's widget: what it opens with, its state, safety of what it shows, and the Python that it copies."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from traitlets import TraitError

from hybridkit.plots import palette
from hybridkit.report import views
from hybridkit.report.inspector import payloads
from hybridkit.report.inspector.inspector import Inspector, inspect
from hybridkit.utils.characters import shown
from tests.inspected_run import HYBRID, made_run

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]> --> </bdi></li>",
    "\u202egnp.exe\u202c",
    "\u2066a\u2069",
    "&lt;b&gt;",
    "\" onclick='x'",
    "\ud800",
    "x" * 100_000,
]


@pytest.fixture
def inspector(tmp_path: Path) -> Inspector:
    found = inspect(made_run(tmp_path / "mine"))
    assert found.widget is not None
    return found


def test_it_opens_on_the_most_biased_pair_and_what_changed_there(inspector: Inspector) -> None:
    state = [inspector.strategy, inspector.minus, inspector.shows, inspector.measure, inspector.pair, inspector.order]
    assert state == [HYBRID, "mono", "before", "rank_distance", ("de", "ar"), "change"]
    assert inspector.query_id == "r01"
    # mono has German to Arabic 35 behind; the hybrid 2, but for one of twelve
    assert inspector.hint == (
        "mono is most biased from German to Arabic: it ranks the Arabic passage 35 ranks of the pool behind the first "
        "of its twins; hybrid α = 0.5: 5. Pick a cell, then a query."
    )


def cells(inspector: Inspector) -> dict[tuple[str, str], dict[str, Any]]:
    grid = inspector.layout.matrix.grid
    tags = [column["tag"] for column in grid["columns"]]
    return {(row["tag"], tag): one for row in grid["rows"] for tag, one in zip(tags, row["cells"], strict=True)}


def test_the_matrix_names_its_cells_and_greys_what_is_not_significant(inspector: Inspector) -> None:
    assert cells(inspector)["de", "ar"]["label"] == "German queries, Arabic passages: 35"
    assert cells(inspector)["de", "*"]["label"] == "German queries, pool of all languages: 35"
    inspector.shows = "difference"
    inspector.wait()
    found = cells(inspector)
    assert found["de", "ar"]["text"] == "−30"
    assert not found["de", "ar"]["grey"]
    assert found["en", "en"] == {
        "text": "0",
        "label": "English queries, English passages: 0, not significant",
        "colour": palette.GREY,
        "ink": palette.GREY_INK,
        "grey": True,
    }


def test_what_is_clicked_is_the_state(inspector: Inspector) -> None:
    widget = inspector.layout
    widget.matrix.selected = ["en", "*"]
    assert inspector.pair == ("en", "*")
    assert widget.pair.value == ""  # the pool is shown once
    widget.matrix.selected = ["de", "ar"]
    widget.queries.selected = "r03"
    assert inspector.query_id == "r03"
    assert 'data-rank="36"' in widget.pool.value
    widget.ladder.picked = "en"  # another language of the same query
    assert (inspector.pair, inspector.query_id) == (("de", "en"), "r03")
    assert widget.matrix.selected == ["de", "en"]
    widget.controls["strategy"].value = "mono"
    assert inspector.strategy == "mono"


def test_the_state_is_shown_and_checked(inspector: Inspector) -> None:
    inspector.contains = "r1"
    assert [row["id"] for row in inspector.layout.queries.page["rows"]] == ["r10", "r11", "r12"]
    assert inspector.layout.controls["contains"].value == "r1"
    inspector.gloss = True
    assert (
        '<bdi class="hk-text" data-testid="gloss" lang="en" dir="ltr">she is r01</bdi>' in inspector.layout.pair.value
    )
    for name, wrong in {
        "pair": ("de", "fr"),
        "strategy": "x",
        "measure": "y",
        "order": "z",
        "candidates": "fr",
    }.items():
        with pytest.raises(TraitError, match=name):
            setattr(inspector, name, wrong)
    inspector.order, inspector.shows = "change", "difference"
    inspector.minus = None
    assert (inspector.shows, inspector.order) == ("now", "worst")


def test_pages_of_queries() -> None:
    frame = pd.DataFrame({"query_id": [f"q{n}" for n in range(51)], "text": "Who?"})
    frame[["rank", "before", "change", "rank_distance"]] = pd.NA
    found = payloads.queries(frame, "ar", 2)
    assert (found["page"], found["pages"], found["start"], found["total"]) == (2, 3, 50, 51)
    # a question in Latin letters under a language that is written from right to left
    assert [(row["id"], row["direction"]) for row in found["rows"]] == [("q50", "ltr")]
    assert payloads.queries(frame.assign(text="من هو"), "ar", 0)["rows"][0]["direction"] == "rtl"
    assert payloads.queries(frame, "ar", 9)["page"] == 2


def test_the_lines_of_python_reproduce_the_view(inspector: Inspector) -> None:
    inspector.contains = "IST"
    lines = inspector.python.splitlines()
    assert len(lines) == 3
    names: dict[str, Any] = {}
    exec("\n".join(lines[:2]), names)  # the only exec of the kit: the lines are its own
    found = eval(compile(ast.parse(lines[2], mode="eval"), "lines", "eval"), names)
    pd.testing.assert_frame_equal(found["matrix"], inspector.matrix())
    pd.testing.assert_frame_equal(found["queries"], inspector.queries())
    pd.testing.assert_frame_equal(found["ladder"], inspector.ladder())
    for side, language in (("pair", "ar"), ("pool", "*")):
        for name, frame in inspector.rankings(language).items():
            pd.testing.assert_frame_equal(found[side][name], frame)
    assert list(found["pair"]) == ["mono", HYBRID]


def test_texts_of_the_filter_do_not_leave_their_quotes(inspector: Inspector) -> None:
    inspector.contains = "'); import os; ('"
    assert inspector.query_id == "r01"
    (third,) = ast.parse(inspector.python.splitlines()[2]).body
    assert isinstance(third, ast.Expr)
    assert not [node for node in ast.walk(third) if isinstance(node, ast.Import)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_text(text: str) -> None:
    row = [1, text[:40], "ar", text, 0.5, True, False]
    frame = pd.DataFrame([row], columns=views.RANKING_COLUMNS, dtype=object)
    page = payloads.rankings({"mono": frame}, text[:40], "ranking-pool", {"mono": "#000000"}, lambda _: text)
    page += payloads.query(text, "en", text[:40]) + payloads.note([text], "missing", "note")
    assert len(page) < 20_000
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("<bdi") == page.count("</bdi>") == 3
    assert not any(control in page for control in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud800")


@given(st.text())
def test_any_text_is_inside_its_own_element(text: str) -> None:
    from html.parser import HTMLParser

    class Elements(HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.append(tag)

    parser = Elements()
    parser.found = []
    parser.feed(payloads.query(text, "th", text))
    assert parser.found == ["div", "span", "bdi", "code"]


def test_a_long_text_says_how_much_is_cut() -> None:
    assert shown("x" * 100_000).endswith("… [98,000 more characters]")


def test_a_script_in_a_passage_comes_to_the_widget_escaped(tmp_path: Path) -> None:
    inspector = inspect(made_run(tmp_path / "mine", texts={"r01": HOSTILE[0]}))
    assert inspector.widget is not None
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in inspector.layout.pool.value
    assert "<script" not in inspector.layout.pool.value


def test_javascript_writes_data_as_text_only() -> None:
    files = list(Path(payloads.__file__).parent.glob("*.js"))
    assert len(files) >= 3
    for path in files:
        code = path.read_text(encoding="utf-8")
        assert not [
            word
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "http:", "https:")
            if word in code.replace("http://www.w3.org/2000/svg", "")
        ]


def test_the_colours_are_those_of_the_figures_and_can_be_read() -> None:
    for name, scale in (("cividis", palette.CIVIDIS), ("PuOr_r", palette.PURPLE_ORANGE)):
        assert scale == [to_hex(one) for one in matplotlib.colormaps[name](np.linspace(0, 1, 21))]
        assert all(palette.contrast(one, palette.ink(one)) >= 4.5 for one in scale)
    assert palette.contrast(palette.GREY, palette.GREY_INK) >= 4.5


def test_it_opens_without_a_run_and_says_so(tmp_path: Path) -> None:
    found = inspect(tmp_path / "none")
    assert found.widget is not None
    assert "hybridkit run quick" in found.layout.missing.value
    assert found.hint == "There is nothing to inspect yet."


def test_it_opens_without_rank_tables(tmp_path: Path) -> None:
    folder = made_run(tmp_path / "mine")
    shutil.rmtree(folder / "ranks")
    found = inspect(folder)
    assert found.widget is not None
    assert "hybridkit run mine" in found.layout.missing.value


def test_it_opens_with_one_strategy(tmp_path: Path) -> None:
    found = inspect(made_run(tmp_path / "mine", ("mono",)))
    assert found.widget is not None
    assert (found.strategy, found.minus, found.shows, found.pair) == ("mono", None, "now", ("de", "ar"))
    assert "one strategy only" in found.layout.missing.value


def test_it_opens_on_a_benchmark_without_twins(tmp_path: Path) -> None:
    found = inspect(made_run(tmp_path / "mine", twins=False))
    assert found.widget is not None
    assert (found.measure, found.twins) == ("AP", False)
    assert "no query has twins" in found.hint.lower()
    assert any("twins" in one for one in found.missing)
    found.measure = "rank_distance"  # asked for all the same: an empty matrix
    assert found.layout.matrix.grid["rows"] == []


def test_a_search_that_cannot_be_done_says_why(inspector: Inspector) -> None:
    shutil.rmtree(inspector.inspected.folder / "models")
    inspector.search = "من هو"
    inspector.wait()
    assert "is deleted; make it again with" in inspector.layout.search_state.value


def test_a_copy_without_a_front_end_is_small_and_names_no_path(inspector: Inspector, tmp_path: Path) -> None:
    from ipywidgets.embed import dependency_state

    bundle = inspector._repr_mimebundle_()
    assert inspector.hint in bundle["text/plain"]
    assert str(tmp_path) not in json.dumps(bundle)
    assert 10_000 < len(json.dumps(dependency_state([inspector.layout.box]))) < 2_000_000


def test_the_parts_are_found_by_their_names() -> None:
    folder = Path(payloads.__file__).parent
    told = (folder / "__init__.py").read_text(encoding="utf-8")
    there = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.[jp][sy]"))
    for name in (
        "matrix",
        "cell",
        "queries",
        "query-count",
        "page-next",
        "page-previous",
        "ladder",
        "python",
        "python-copy",
    ):
        assert name in told
        assert f'"{name}"' in there


def options(inspector: Inspector, control: str) -> list[str]:
    return [name for name, _ in inspector.layout.controls[control].options]


def test_compared_with_nothing_leaves_a_choice_in_every_list(inspector: Inspector) -> None:
    inspector.layout.controls["minus"].value = ""
    assert (inspector.minus, inspector.shows, inspector.order) == (None, "now", "worst")
    for name in ("minus", "shows", "order", "strategy", "measure"):
        assert inspector.layout.controls[name].index is not None
    assert inspector.layout.controls["minus"].label == "nothing"
    assert "largest change" not in options(inspector, "order")
    with pytest.raises(TraitError, match="order"):
        inspector.order = "change"
    inspector.layout.controls["minus"].value = "mono"
    assert inspector.minus == "mono" and "largest change" in options(inspector, "order")


def several_seeds(folder: Path) -> Path:
    """The run made by hand with a second seed, in which each strategy has the other's model, and with a remedy."""
    index = json.loads((folder / "index.json").read_text())
    mono, hybrid = index["results"]
    files = {key: value for key, value in hybrid.items() if key not in ("strategy", "seed")}
    others = {key: value for key, value in mono.items() if key not in ("strategy", "seed")}
    index["results"] += [{**mono, **files, "seed": 1}, {**hybrid, **others, "seed": 1}]
    index["results"] += [{**one, "remedy": "calibrate(top=5)"} for one in index["results"][:]]
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def test_seeds_and_remedies_are_chosen(tmp_path: Path) -> None:
    inspector = inspect(several_seeds(made_run(tmp_path / "mine")))
    assert inspector.widget is not None
    assert options(inspector, "seed") == ["mean over all, ranks of the first", "0", "1"]
    assert options(inspector, "remedy") == options(inspector, "minus_remedy") == ["none", "calibrate(top=5)"]
    assert options(inspector, "strategy") == ["mono", "hybrid α = 0.5"]
    inspector.layout.controls["seed"].value = 1
    assert inspector.seed == 1
    # of seed 1 the hybrid has mono's model, which puts the Arabic passage last
    assert cells(inspector)["de", "ar"]["label"] == "German queries, Arabic passages: 4.8"
    assert inspector.ladder().iloc[-1].tolist() == [HYBRID, "ar", 36, 12]
    inspector.layout.controls["remedy"].value = "calibrate(top=5)"
    assert inspector.strategy == f"{HYBRID} with calibrate(top=5)"
    inspector.layout.controls["strategy"].value = "mono"
    assert inspector.strategy == "mono with calibrate(top=5)"
    names: dict[str, Any] = {}
    lines = inspector.python.splitlines()
    exec("\n".join(lines[:2]), names)
    pd.testing.assert_frame_equal(eval(lines[2], names)["matrix"], inspector.matrix())


def test_more_strategies_are_shown_too(tmp_path: Path) -> None:
    inspector = inspect(several_seeds(made_run(tmp_path / "mine")))
    assert inspector.widget is not None
    assert list(inspector.layout.more) == []  # without a remedy there are two, which are compared
    inspector.layout.controls["remedy"].value = "calibrate(top=5)"
    assert list(inspector.layout.more) == ["mono with calibrate(top=5)", HYBRID]
    inspector.layout.more[HYBRID].value = True
    assert inspector.names == ["mono", f"{HYBRID} with calibrate(top=5)", HYBRID]
    assert inspector.layout.pool.value.count("<section") == 3
    assert [one["name"] for one in inspector.layout.ladder.data["strategies"]] == inspector.names
    with pytest.raises(TraitError, match="also"):
        inspector.also = ("none such",)


def test_the_map_is_filtered_and_a_selection_is_a_frame(inspector: Inspector) -> None:
    inspector.map = True
    inspector.wait()
    layout = inspector.layout
    assert [one["name"] for one in layout.map.data["maps"]] == ["mono", HYBRID]
    assert "72 of 72 texts" in layout.map_state.value
    layout.controls["where"].value = "side=query language=de,en rank<=1"
    assert inspector.selection["language"].value_counts().to_dict() == {"de": 12, "en": 12}
    assert sum(layout.map.chosen) == 24
    points = inspector.text_map("mono").points
    across = points.loc[inspector.selection.index, "x"]  # on the map of mono, which the rectangle is drawn on
    middle = float((across.min() + across.max()) / 2)
    layout.map.box = [0, -1e9, middle, -1e9, 1e9]
    assert inspector.box == ("mono", -1e9, middle, -1e9, 1e9)
    assert (inspector.selection["x"] <= middle).all() and 0 < len(inspector.selection) < 24
    layout.controls["where"].value = "rank>x"
    assert "is none" in layout.map_state.value
    query = int(np.flatnonzero((points["side"] == "query") & (points["id"] == "r07") & (points["language"] == "en"))[0])
    layout.map.hovered = query
    assert layout.map.tip["text"] == "who is r07" and layout.map.tip["what"].startswith(
        "English query, rank in the pool"
    )
    layout.map.picked = query
    assert (inspector.pair, inspector.query_id) == (("en", "ar"), "r07")
    assert layout.map.links[0] == query and len(layout.map.links) == 4
    passage = int(np.flatnonzero(points["id"] == "toy:de:r03")[0])
    layout.map.picked = passage
    assert (inspector.pair, inspector.query_id) == (("en", "de"), "r03")
    inspector.map = False
    assert layout.map.data == {}


def test_the_better_end_is_marked_and_of_one_colour_for_any_measure(inspector: Inspector) -> None:
    legend = inspector.layout.matrix.grid["legend"]
    assert (legend["pairs"], legend["pool"], legend["colours"][-1]) == (["35", "0"], ["35", "13"], palette.CIVIDIS[-1])
    found = cells(inspector)
    assert (found["de", "ar"]["colour"], found["de", "de"]["colour"]) == (palette.CIVIDIS[0], palette.CIVIDIS[-1])
    inspector.measure = "AP"
    found = cells(inspector)
    assert (found["de", "ar"]["colour"], found["de", "de"]["colour"]) == (palette.CIVIDIS[0], palette.CIVIDIS[-1])
    assert found["de", "*"]["colour"] in (palette.CIVIDIS[0], palette.CIVIDIS[-1])  # the pool has ends of its own


def test_nothing_asks_for_anything(inspector: Inspector) -> None:
    styles = (Path(payloads.__file__).parent / "inspector.css").read_text(encoding="utf-8")
    assert "url(" not in styles and "@import" not in styles
