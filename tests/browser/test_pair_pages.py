"""The static pages of language pairs, opened from disk: they show what the frames hold, by mouse and by keys."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from hybridkit.report import inspected_run, views
from hybridkit.utils.characters import shown
from tests.browser import looks
from tests.browser.conftest import missing
from tests.browser.watched import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Locator

HYBRID = "hybrid(alpha=0.5)"  # what quick compares, and with what
SIDES = (HYBRID, "mono")


@pytest.fixture(scope="module")
def inspected(quick_run: Path) -> inspected_run.Inspected:
    return inspected_run.open_inspected(quick_run)


@pytest.fixture(scope="module")
def index(quick_run: Path) -> Path:
    path = quick_run / "report" / "pairs" / "index.html"
    if not path.is_file():
        missing("the report has no pages of language pairs: make them with hybridkit report quick")
    return path


@pytest.fixture
def opened(watched: Watched, index: Path) -> Watched:
    """The first page; in the end, nothing was asked for but files beside it."""
    watched.page.goto(index.as_uri())
    return watched


@pytest.fixture(autouse=True)
def only_files(watched: Watched) -> Any:
    yield
    assert watched.requests and watched.from_elsewhere("file://") == []


def number(text: str) -> float:
    """A number as a page shows it: with a real minus, without a leading zero, with commas."""
    return float(text.rstrip("*").replace("−", "-").replace(",", ""))


def cells(opened: Watched) -> dict[tuple[str, str], tuple[str, str]]:
    """Text and class of every cell of the matrix, by query and passage language."""
    found = opened.page.locator("[data-testid^=cell-]").evaluate_all(
        "(all) => all.map((one) => [one.dataset.testid, one.textContent, one.className])"
    )
    return {tuple(key.split("-")[1:]): (text, look) for key, text, look in found}


def expected(frame: pd.DataFrame) -> dict[tuple[str, str], Any]:
    lines = frame.replace({"passage_language": {"*": "pool"}}).itertuples(index=False)
    return {(line.query_language, line.passage_language): line for line in lines}


@pytest.mark.parametrize("measure", ["", "AP"])
def test_the_matrix_is_the_frames(opened: Watched, inspected: inspected_run.Inspected, measure: str) -> None:
    select = opened.page.get_by_label("Measure")
    if measure:
        select.select_option(measure)
    wanted, found = expected(views.pair_matrix(inspected, HYBRID, select.input_value())), cells(opened)
    assert found.keys() == wanted.keys() and len(found) == 11 * 12
    for pair, (text, _) in found.items():
        assert number(text) == pytest.approx(wanted[pair].value, abs=0.5 if wanted[pair].value >= 2 else 0.0051), pair
    for part in ({pair for pair in wanted if pair[1] != "pool"}, {pair for pair in wanted if pair[1] == "pool"}):
        low, high = (one(part, key=lambda pair: wanted[pair].value) for one in (min, max))
        # from worse to better, whichever is the larger; the pool has ends of its own
        assert (found[low][1], found[high][1]) == (("s0", "s20") if measure == "AP" else ("s20", "s0"))
    assert "better →" in opened.page.get_by_test_id("legend").inner_text()


def test_a_difference_is_the_frames_and_what_may_be_chance_is_grey(
    opened: Watched, inspected: inspected_run.Inspected, expect: Any
) -> None:
    page = opened.page
    frames = {name: views.pair_matrix(inspected, name, "AP", minus="mono") for name in (HYBRID, "cross", "mixed")}
    name = next(name for name, frame in frames.items() if frame["significant"].nunique() == 2)
    page.get_by_label("Strategy").select_option(name)
    page.get_by_label("minus").select_option("mono")
    page.get_by_label("Measure").select_option("AP")
    expect(page.get_by_test_id("matrix").locator("caption")).to_contain_text("minus")
    wanted, found = expected(frames[name]), cells(opened)
    assert {pair: look == "grey" for pair, (_, look) in found.items()} == {
        pair: not line.significant for pair, line in wanted.items()
    }
    for pair, (text, _) in found.items():
        assert number(text) == pytest.approx(wanted[pair].value, abs=0.0051), pair
        assert text.endswith("*") == (wanted[pair].mark == "*"), pair


def test_keys_alone_lead_to_a_pair_and_to_a_passage(
    opened: Watched, inspected: inspected_run.Inspected, expect: Any
) -> None:
    page, tags = (
        opened.page,
        [str(tag) for tag in views.pair_matrix(inspected, HYBRID, "AP")["query_language"].unique()],
    )
    while not looks.focused(page).key.startswith("cell-"):
        assert looks.focused(page).tag != "body" or not page.keyboard.press("Tab")
        page.keyboard.press("Tab")
    assert looks.focused(page).visible
    first = looks.focused(page).key
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    _, query, passage = looks.focused(page).key.split("-")
    assert first == f"cell-{tags[0]}-{sorted(tags)[0]}" and query == tags[1] and passage == sorted(tags)[1]
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{query}_{passage}.html$"))
    while looks.focused(page).tag != "summary" or "Top 5" not in looks.focused(page).name:
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("top-now").first.get_by_test_id("passage")).to_have_count(5)


@pytest.mark.parametrize(("query", "passage"), [("en", "ar"), ("th", "zh"), ("hi", "*")])
def test_the_worst_queries_of_a_pair_and_their_passages_are_the_frames(
    opened: Watched, inspected: inspected_run.Inspected, query: str, passage: str
) -> None:
    page = opened.page
    page.get_by_test_id(f"cell-{query}-{passage.replace('*', 'pool')}").click()
    found = page.get_by_test_id("worst").get_by_test_id("query")
    wanted = views.pair_queries(inspected, (query, passage), HYBRID, minus="mono", order="worst").head(20)
    assert found.evaluate_all("(all) => all.map((one) => one.dataset.id)") == wanted["query_id"].tolist()
    assert [one.strip() for one in found.locator("bdi.text[data-query]").all_inner_texts()] == [
        shown(text) for text in wanted["text"]
    ]
    first = found.first
    first.locator("summary").first.click()
    for name, strategy in zip(("now", "before"), SIDES, strict=True):
        frame = views.ranking(inspected, query, wanted["query_id"].iloc[0], passage, strategy, top=5).head(5)
        check_passages(first.get_by_test_id(f"top-{name}"), frame)


def check_passages(found: "Locator", wanted: pd.DataFrame) -> None:
    """A list of passages is that of a ranking: order, texts, languages, direction, marks."""
    items = found.get_by_test_id("passage")
    assert items.evaluate_all("(all) => all.map((one) => one.dataset.passage)") == wanted["passage_id"].tolist()
    assert items.get_by_test_id("passage-text").all_text_contents() == [shown(text) for text in wanted["text"]]
    assert items.get_by_test_id("badge").all_text_contents() == wanted["language"].tolist()
    marks = items.evaluate_all("(all) => all.map((one) => one.className)")
    assert ["relevant" in mark for mark in marks] == wanted["relevant"].tolist()
    directions = items.get_by_test_id("passage-text").evaluate_all("(all) => all.map((one) => one.dir)")
    assert [one == "rtl" for one in directions] == [tag == "ar" for tag in wanted["language"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 600])
def test_texts_are_readable_and_nothing_is_wider_than_the_window(opened: Watched, width: int, scheme: str) -> None:
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for name in ("index.html", "ar_th.html", "zh_pool.html"):
        page.goto(page.url.rpartition("/")[0] + f"/{name}")
        if name != "index.html":
            page.get_by_test_id("open-all").click()
        assert looks.overflow(page) <= 0, name
        assert len(looks.contrasts(page.locator("body"))) > 50
        assert looks.too_pale(page.locator("body")) == [], name


def test_every_control_is_a_stop_of_the_tab_key_with_a_name_and_a_mark(opened: Watched) -> None:
    page = opened.page
    stops = looks.tab_stops(page, page.locator("body"))
    assert [stop for stop in stops if not stop.name or not stop.visible] == []
    keys = [stop.key for stop in stops]
    assert keys.index("strategy") < keys.index("minus") < keys.index("measure")
    assert sum(key.startswith("cell-") for key in keys) == 1  # inside the matrix, arrows move
