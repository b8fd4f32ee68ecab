"""The inspector in a real JupyterLab: what it shows is what the frames hold, by mouse and by keys."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.models.embedding import encode
from hybridkit.report import inspected_run, views
from hybridkit.sampling.labels import label
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.utils.characters import shown
from tests.browser import looks
from tests.browser.conftest import PATIENCE, SIZE
from tests.browser.inspector import InspectorPage
from tests.browser.jupyter import Lab
from tests.browser.notebook import open_notebook, run_all
from tests.browser.watched import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HYBRID = "hybrid(alpha=0.5)"
PAIR = ("en", "ar")


@pytest.fixture(scope="module")
def inspected(run_copy: Path) -> inspected_run.Inspected:
    return inspected_run.open_inspected(run_copy)


@pytest.fixture(scope="module")
def opened(browser: "Browser", lab: Lab) -> Iterator[Watched]:
    """The notebook that `hybridkit inspect` opens, run: one for all tests of this file."""
    context = browser.new_context(viewport=SIZE, permissions=["clipboard-read", "clipboard-write"])
    found = Watched(context.new_page())
    found.page.set_default_timeout(PATIENCE)
    open_notebook(found.page, lab, "runs/quick/notebooks/inspect.ipynb")
    run_all(found.page)
    yield found
    context.close()


@pytest.fixture
def inspector(opened: Watched, expect: Any) -> Iterator[InspectorPage]:
    """The inspector: AP of hybrid, compared with mono, no filter; in the end there were no errors and no dialogs."""
    made = InspectorPage(opened.page)
    opened.page.set_viewport_size(SIZE)
    expect(made.part("matrix")).to_be_visible()
    choices = {"Strategy": label(HYBRID), "Compared with": "mono", "Matrix shows": label(HYBRID), "Measure": "AP"}
    for name, option in {**choices, "Order": "worst first"}.items():
        made.choose(name, option)
        expect(opened.page.get_by_role("combobox", name=name, exact=True).locator("option:checked")).to_have_text(
            option
        )
    made.write("Filter", "", enter=True)
    expect(made.part("matrix")).to_have_attribute(
        "aria-label", f"AP of {label(HYBRID)}, query language by passage language"
    )
    yield made
    assert (opened.errors, opened.dialogs) == ([], [])


def values_of(frame: pd.DataFrame, ranks: bool = False) -> dict[tuple[str, str], float]:
    """What the cells show: two decimals; of ranks none from 10 on and of whole ones, and one from 2 on."""
    found = {}
    for query, passage, value in frame[["query_language", "passage_language", "value"]].itertuples(index=False):
        digits = 2 if not ranks or value < 2 else 1 if value < 10 else 0
        found[query, passage] = float(f"{value:.{digits}f}")
    return found


def listed(frame: pd.DataFrame) -> list[tuple[str, float]]:
    """Ids and ranks on the first page of the list of queries."""
    return list(zip(frame["query_id"], frame["rank"].astype(float), strict=True))[:25]


def passages(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What a ranking should show of each of its passages."""
    found = frame.assign(
        text=frame["text"].map(shown), direction=["rtl" if tag == "ar" else "ltr" for tag in frame["language"]]
    )
    columns = ["rank", "passage_id", "text", "language", "direction", "relevant", "twin"]
    return [{str(key): value for key, value in line.items()} for line in found[columns].to_dict("records")]


def shows_query(
    inspector: InspectorPage, inspected: inspected_run.Inspected, pair: tuple[str, str], query_id: str
) -> None:
    """All that is shown of an open query is what the frames hold: its text, both rankings, the ladder."""
    text = inspected.query_texts[pair[0], query_id]
    inspector.settles(lambda: inspector.part("query").get_by_test_id("query-text").text_content(), shown(text))
    for name in (HYBRID, "mono"):
        for part, side in (("ranking-pair", pair[1]), ("ranking-pool", "*")):
            frame = views.ranking(inspected, *(pair[0], query_id), side, name)
            inspector.settles(lambda part=part, name=name: inspector.ranked(part, name), passages(frame))
    frame = views.ladder(inspected, pair[0], query_id, [HYBRID, "mono"])
    keys = zip(frame["strategy"], frame["passage_language"], strict=True)
    inspector.settles(inspector.points, dict(zip(keys, frame["pool_rank"].astype(float), strict=True)))


def test_the_matrix_is_the_frames(inspector: InspectorPage, inspected: inspected_run.Inspected) -> None:
    inspector.settles(inspector.values, values_of(views.pair_matrix(inspected, HYBRID, "AP")))
    assert len(inspector.values()) == 11 * 12
    assert inspector.cells()["ar", "de"].startswith("Arabic queries, German passages: ")
    inspector.choose("Matrix shows", "mono")
    inspector.choose("Measure", "rank distance")
    wanted = values_of(views.pair_matrix(inspected, "mono", "rank_distance"), ranks=True)
    inspector.settles(inspector.values, wanted)


def test_of_a_difference_what_may_be_chance_is_grey(
    inspector: InspectorPage, inspected: inspected_run.Inspected
) -> None:
    frame = views.pair_matrix(inspected, HYBRID, "AP", minus="mono")
    inspector.choose("Matrix shows", f"{label(HYBRID)} minus mono")
    inspector.settles(inspector.values, values_of(frame))
    grey = {(line.query_language, line.passage_language) for line in frame.itertuples() if not line.significant}
    inspector.settles(lambda: {pair for pair, name in inspector.cells().items() if "not significant" in name}, grey)


def test_a_pair_and_a_query_are_picked_by_the_mouse(
    inspector: InspectorPage, inspected: inspected_run.Inspected, expect: Any
) -> None:
    inspector.cell(*PAIR).click()
    expect(inspector.cell(*PAIR)).to_have_attribute("aria-selected", "true")
    frame = views.pair_queries(inspected, PAIR, HYBRID, minus="mono")
    inspector.settles(inspector.listed, listed(frame))
    expect(inspector.part("query-count")).to_have_text(f"1-25 of {len(frame):,} queries")
    row = inspector.rows().nth(2)
    assert row.locator("bdi").text_content() == shown(frame["text"].iloc[2], 300)
    row.click()
    expect(row).to_have_attribute("aria-selected", "true")
    shows_query(inspector, inspected, PAIR, frame["query_id"].iloc[2])


def test_a_pair_and_a_query_are_picked_by_keys(
    inspector: InspectorPage, inspected: inspected_run.Inspected, expect: Any
) -> None:
    inspector.cell("de", "de").click()
    expect(inspector.cell("de", "de")).to_have_attribute("aria-selected", "true")
    press = inspector.page.keyboard.press
    press("ArrowDown")
    press("Home")
    expect(inspector.cell("el", "ar")).to_be_focused()
    press("Enter")
    expect(inspector.cell("el", "ar")).to_have_attribute("aria-selected", "true")
    frame = views.pair_queries(inspected, ("el", "ar"), HYBRID, minus="mono")
    inspector.settles(inspector.listed, listed(frame))
    for _ in range(20):  # from the matrix to the list, by Tab alone
        press("Tab")
        if inspector.page.evaluate("() => document.activeElement.dataset.queryId !== undefined"):
            break
    press("Home")
    press("ArrowDown")
    expect(inspector.row(frame["query_id"].iloc[1])).to_be_focused()
    press("Enter")
    shows_query(inspector, inspected, ("el", "ar"), frame["query_id"].iloc[1])


def test_the_list_is_filtered_sorted_and_follows_the_strategy(
    inspector: InspectorPage, inspected: inspected_run.Inspected
) -> None:
    inspector.cell(*PAIR).click()
    inspector.write("Filter", "Maputo")
    frame = views.pair_queries(inspected, PAIR, HYBRID, minus="mono", contains="Maputo")
    assert 0 < len(frame) < 25
    inspector.settles(inspector.listed, listed(frame))
    inspector.write("Filter", "")
    inspector.choose("Order", "largest change")
    frame = views.pair_queries(inspected, PAIR, HYBRID, minus="mono", order="change")
    inspector.settles(inspector.listed, listed(frame))
    inspector.choose("Strategy", "cross")
    frame = views.pair_queries(inspected, PAIR, "cross", minus="mono", order="change")
    inspector.settles(inspector.listed, listed(frame))


def test_a_search_in_arabic_is_what_the_models_rank(
    inspector: InspectorPage, inspected: inspected_run.Inspected, run_copy: Path, expect: Any
) -> None:
    text = "ما هي عاصمة موزمبيق؟"
    inspector.write("Search", text, enter=True)
    expect(inspector.part("search-state")).to_contain_text(" ms", timeout=2 * PATIENCE)
    run = Run("quick", run_copy)
    (benchmark,) = run.study.evaluation.benchmarks
    for name in (HYBRID, "mono"):
        cell = ModelSpec(name)
        scores = run.embeddings(cell, benchmark)[1] @ encode(run.trained.open(cell), [text], "query")[0]
        best = np.sort(scores)[::-1][:10]
        found = inspector.ranked("search-results", name)
        places = [inspected.passage_positions[one["passage_id"]] for one in found]
        assert scores[places] == pytest.approx(best, abs=1e-5)
        assert [one["text"] for one in found] == [shown(inspected.passage_texts[place]) for place in places]


def test_the_view_is_copied_as_python(inspector: InspectorPage, expect: Any) -> None:
    inspector.cell(*PAIR).click()
    expect(inspector.part("python")).to_contain_text("'ar'")
    inspector.part("python-copy").click()
    copied = inspector.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == inspector.part("python").text_content()
    compile(copied, "copied", "exec")


@pytest.fixture(params=["Light", "Dark"])
def themed(inspector: InspectorPage, request: pytest.FixtureRequest, expect: Any) -> Iterator[InspectorPage]:
    """The inspector in each of JupyterLab's themes, chosen in its menu."""

    def choose(theme: str) -> None:
        inspector.page.get_by_role("menuitem", name="Settings", exact=True).click()
        # JupyterLab gives an item with a menu of its own no role
        inspector.page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).click()
        inspector.page.get_by_role("menuitemcheckbox", name=f"JupyterLab {theme}", exact=True).or_(
            inspector.page.get_by_role("menuitem", name=f"JupyterLab {theme}", exact=True)
        ).click()
        expect(inspector.page.locator("body")).to_have_attribute("data-jp-theme-name", f"JupyterLab {theme}")
        inspector.page.wait_for_timeout(500)  # its style sheet comes after its name

    inspector.page.set_viewport_size(SIZE)
    choose(request.param)
    yield inspector
    inspector.page.set_viewport_size(SIZE)
    choose("Light")


def test_it_is_readable_and_fits_in_both_themes(themed: InspectorPage, expect: Any) -> None:
    page, root = themed.page, themed.page.locator(".hk-inspector")
    page.get_by_role("checkbox", name="English under each passage").check()
    themed.part("gloss").first.wait_for()
    for width in (1440, 1280, 800, 600):
        page.set_viewport_size({"width": width, "height": 800})
        expect(themed.cell(*PAIR)).to_be_visible()
        themed.settles(lambda: looks.overflow(page), 0)
        themed.settles(lambda: looks.cut_off(root), [])
        assert len(looks.contrasts(root)) > 150
        assert looks.too_pale(root) == [], width
        clipped = themed.part("cell").evaluate_all(
            "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"
        )
        assert clipped == [], width
        colours = page.evaluate(_PLACEHOLDERS)
        assert colours and all(ratio >= 4.5 for ratio in colours), width
    page.get_by_role("checkbox", name="English under each passage").uncheck()


# Contrast of each field's placeholder with its own ground: texts that no element has.
_PLACEHOLDERS = """() => [...document.querySelectorAll(".hk-inspector input[placeholder]")].map((field) => {
  const unit = (text) => (text.startsWith("color(") ? 255 : 1);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number).slice(0, 3).map((v) => v * unit(text));
  const light = (text) => parse(text).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const pair = [getComputedStyle(field, "::placeholder").color, getComputedStyle(field).backgroundColor].map(light);
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
})"""


def test_compared_with_nothing_leaves_no_list_empty(inspector: InspectorPage, expect: Any) -> None:
    inspector.choose("Compared with", "nothing")
    expect(inspector.part("queries").get_by_role("columnheader")).to_have_count(3)
    for name in ("Compared with", "Matrix shows", "Order", "Strategy", "Measure"):
        chosen = inspector.page.get_by_role("combobox", name=name, exact=True).locator("option:checked")
        expect(chosen).to_have_count(1)
        assert chosen.text_content() == ("nothing" if name == "Compared with" else chosen.text_content()) != ""
    inspector.choose("Compared with", "mono")


def test_the_better_end_of_the_scale_is_marked_and_is_yellow(
    inspector: InspectorPage, inspected: inspected_run.Inspected
) -> None:
    for measure in ("AP", "rank distance"):
        inspector.choose("Measure", measure)
        frame = views.pair_matrix(inspected, HYBRID, measure.replace(" ", "_"))
        inspector.settles(inspector.values, values_of(frame, ranks=measure != "AP"))
        pairs = frame[frame["passage_language"] != "*"].sort_values("value", ascending=measure == "AP")
        worst, best = (tuple(line) for line in pairs.iloc[[0, -1], :2].itertuples(index=False))
        colours = [inspector.cell(*pair).evaluate("(one) => one.style.backgroundColor") for pair in (worst, best)]
        assert colours == ["rgb(0, 34, 78)", "rgb(254, 232, 56)"]  # the ends of cividis
        assert "better →" in (inspector.part("legend").text_content() or "")


def test_the_list_is_filtered_by_any_column(inspector: InspectorPage, inspected: inspected_run.Inspected) -> None:
    inspector.cell(*PAIR).click()
    inspector.write("Filter", "rank>20 rank_distance>=300")
    frame = views.pair_queries(inspected, PAIR, HYBRID, minus="mono")
    frame = frame[(frame["rank"] > 20) & (frame["rank_distance"] >= 300)]
    assert len(frame) > 0
    inspector.settles(inspector.listed, listed(frame))
    inspector.write("Filter", "rank>many")
    inspector.settles(inspector.part("query-count").text_content, "filter: rank holds numbers, and 'many' is none")


def test_more_strategies_are_shown_too(inspector: InspectorPage, expect: Any) -> None:
    inspector.page.get_by_role("checkbox", name="cross", exact=True).check()
    inspector.settles(lambda: {name for name, _ in inspector.points()}, {HYBRID, "mono", "cross"})
    expect(inspector.part("ranking-pool").locator('[data-strategy="cross"]')).to_be_visible()
    inspector.page.get_by_role("checkbox", name="cross", exact=True).uncheck()
    inspector.settles(lambda: {name for name, _ in inspector.points()}, {HYBRID, "mono"})


def test_a_seed_and_a_remedy_are_chosen(inspector: InspectorPage, inspected: inspected_run.Inspected) -> None:
    inspector.choose("Seed", "2")
    inspector.settles(inspector.values, values_of(views.pair_matrix(inspected, HYBRID, "AP", seed=2)))
    inspector.choose("Seed", "mean over all, ranks of the first")
    inspector.settles(inspector.values, values_of(views.pair_matrix(inspected, HYBRID, "AP")))
    inspector.choose("Remedy", "calibrate(top=5)")
    inspector.choose("Matrix shows", label(f"{HYBRID} with calibrate(top=5)"))
    frame = views.pair_matrix(inspected, f"{HYBRID} with calibrate(top=5)", "AP")
    inspector.settles(inspector.values, values_of(frame))
    inspector.choose("Remedy", "none")


def test_a_map_of_all_texts_is_pointed_at_filtered_and_chosen_from(
    inspector: InspectorPage, inspected: inspected_run.Inspected, expect: Any
) -> None:
    page, points = inspector.page, views.text_map(inspected, HYBRID).points
    inspector.cell(*PAIR).click()
    page.get_by_role("checkbox", name="Map of all queries and passages").check()
    canvas = page.locator(f'[data-testid=map][data-strategy="{HYBRID}"]')
    expect(inspector.part("map-state")).to_have_text(
        f"{len(points):,} of {len(points):,} texts, as a frame: inspector.selection"
    )
    canvas.focus()
    page.keyboard.press("ArrowRight")  # the point at the middle
    expect(inspector.part("map-tip").locator("bdi")).to_be_visible()
    told = inspector.part("map-tip").locator("bdi").text_content()
    assert told in set(points["text"].map(lambda text: shown(text, 300)))
    page.keyboard.press("ArrowUp")
    expect(inspector.part("map-tip").locator("bdi")).not_to_have_text(told or "")
    inspector.write("Points", "side=query language=th,hi rank>50")
    left = points[(points["side"] == "query") & points["language"].isin(["th", "hi"]) & (points["rank"] > 50)]
    expect(inspector.part("map-state")).to_contain_text(f"{len(left):,} of ")
    page.keyboard.press("Escape")
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    expect(inspector.part("map-tip").locator("b")).to_contain_text(" query, rank in the pool ")
    text = inspector.part("map-tip").locator("bdi").text_content() or ""
    page.keyboard.press("Enter")  # which opens the query
    inspector.settles(inspector.part("query").get_by_test_id("query-text").text_content, text)
    inspector.write("Points", "")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box() or {}
    page.mouse.move(box["x"] + 1, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    expect(inspector.part("map-state")).not_to_contain_text(f"{len(points):,} of {len(points):,}")
    inspector.part("map-state").wait_for()
    page.get_by_role("button", name="No rectangle").click()
    expect(inspector.part("map-state")).to_contain_text(f"{len(points):,} of {len(points):,}")
    page.get_by_role("checkbox", name="Map of all queries and passages").uncheck()
    expect(canvas).to_have_count(0)


def test_every_control_is_reached_by_tab_has_a_name_and_shows_the_focus(inspector: InspectorPage) -> None:
    root = inspector.page.locator(".hk-inspector")
    inspector.page.get_by_role("textbox", name="Search", exact=True).focus()
    stops = looks.tab_stops(inspector.page, root)
    assert [stop for stop in stops if not stop.name or not stop.visible] == []
    keys, names = [stop.key for stop in stops], [stop.name for stop in stops]
    wanted = [
        "Search in",
        "Seed",
        "Strategy",
        "Remedy",
        "Compared with",
        "Its remedy",
        "cross",
        "Matrix shows",
        "Measure",
    ]
    wanted += ["Order", "Filter", "English under each passage", "Map of all queries and passages"]
    assert [name for name in names if name in wanted] == wanted
    assert keys.count("cell") == 1 and "python-copy" in keys
    for part in ("matrix", "queries", "ladder"):
        assert inspector.part(part).get_attribute("aria-label") and inspector.part(part).get_attribute("role")
