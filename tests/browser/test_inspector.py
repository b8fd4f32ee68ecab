"""The inspector in a real JupyterLab: what it shows is what the frames hold, by mouse and by keys."""

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


@pytest.mark.parametrize("width", [1280, 700])
def test_it_is_readable_and_fits(inspector: InspectorPage, width: int, expect: Any) -> None:
    inspector.page.set_viewport_size({"width": width, "height": 800})
    root = inspector.page.locator(".hk-inspector")
    expect(inspector.cell(*PAIR)).to_be_visible()
    inspector.settles(lambda: looks.overflow(inspector.page), 0)
    inspector.settles(lambda: looks.cut_off(root), [])
    assert len(looks.contrasts(root)) > 150
    assert looks.too_pale(root) == []


def test_every_control_is_reached_by_tab_has_a_name_and_shows_the_focus(inspector: InspectorPage) -> None:
    root = inspector.page.locator(".hk-inspector")
    inspector.page.get_by_role("combobox", name="Strategy", exact=True).focus()
    stops = looks.tab_stops(inspector.page, root)
    assert [stop for stop in stops if not stop.name or not stop.visible] == []
    keys, names = [stop.key for stop in stops], [stop.name for stop in stops]
    wanted = ["Compared with", "Matrix shows", "Measure", "Order", "Filter", "English under each passage", "Search"]
    assert [name for name in names if name in wanted] == wanted
    assert keys.count("cell") == 1 and "python-copy" in keys
    for part in ("matrix", "queries", "ladder"):
        assert inspector.part(part).get_attribute("aria-label") and inspector.part(part).get_attribute("role")
