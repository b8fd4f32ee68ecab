"""Texts that try to be more than texts stay texts, in the pages and in the inspector."""

from pathlib import Path

import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.report import inspected_run, views
from hybridkit.report.pages import write_pages
from hybridkit.study.run import Run
from hybridkit.utils.characters import shown
from tests.browser import looks
from tests.browser.hostile import FLAG, TEXTS
from tests.browser.inspector import InspectorPage
from tests.browser.jupyter import Lab
from tests.browser.notebook import open_notebook, run_all
from tests.browser.watched import Watched


@pytest.fixture(scope="module")
def benchmark(hostile_run: Run) -> Benchmark:
    return hostile_run.benchmark(hostile_run.study.evaluation.benchmarks[0])


def unharmed(watched: Watched) -> bool:
    """Nothing in the page ran: no dialog, no flag on the window, no request for the picture x."""
    assert watched.page.evaluate(f"() => window.{FLAG} === undefined")
    return watched.dialogs == [] and not [url for url in watched.requests if url.endswith("/x")]


def test_the_pages_show_them_as_texts(watched: Watched, hostile_run: Run, benchmark: Benchmark) -> None:
    index = write_pages(hostile_run)
    page = watched.page
    passages = benchmark.passages.set_index("passage_id")["text"]
    queries = benchmark.queries.set_index("language")["text"].groupby("language").agg(set)
    seen = set()
    for name in ("index.html", "en_ar.html", "th_en.html", "de_pool.html"):
        page.goto(index.with_name(name).as_uri())
        if name != "index.html":
            page.get_by_test_id("open-all").click()
            for item in page.get_by_test_id("passage").all():
                key = item.get_attribute("data-passage")
                assert item.get_by_test_id("passage-text").text_content() == shown(passages[key])
                seen.add(key)
            texts = page.locator("bdi.text[data-query]").all_text_contents()
            assert len(texts) >= len(TEXTS) and set(texts) <= {shown(text) for text in queries[name[:2]]}
        assert unharmed(watched)
        assert looks.overflow(page) <= 0
    assert len(seen) >= len(TEXTS)  # each of them was met, in one language at least
    assert watched.from_elsewhere("file://") == []


def test_the_inspector_shows_them_as_texts(
    watched: Watched, lab: Lab, home: Path, hostile_run: Run, benchmark: Benchmark
) -> None:
    inspected = inspected_run.open_inspected(hostile_run.folder)
    texts = benchmark.passages.set_index("passage_id")["text"].map(shown).to_dict()
    inspector = InspectorPage(watched.page)
    notebook = hostile_run.folder / "notebooks" / "inspect.ipynb"
    open_notebook(watched.page, lab, str(notebook.relative_to(home)))
    run_all(watched.page)
    inspector.choose("Order", "worst first")
    watched.page.get_by_role("checkbox", name="English under each passage").check()
    inspector.cell("th", "ar").click()
    frame = views.pair_queries(inspected, ("th", "ar"), "cross", minus="mono")
    inspector.settles(lambda: [key for key, _ in inspector.listed()], frame["query_id"].tolist())
    met = set()
    for key, text in zip(frame["query_id"], frame["text"], strict=True):
        inspector.rows().nth(frame["query_id"].tolist().index(key)).click()
        opened = inspector.part("query").get_by_test_id("query-text")
        inspector.settles(opened.text_content, shown(text))
        wanted = views.ranking(inspected, "th", key, "ar", "cross")["passage_id"].tolist()
        inspector.settles(lambda: [one["passage_id"] for one in inspector.ranked("ranking-pair", "cross")], wanted)
        for one in inspector.ranked("ranking-pair", "cross"):
            assert one["text"] == texts[one["passage_id"]]
            met.add(one["passage_id"])
    assert len(met) == len(TEXTS)
    assert looks.cut_off(watched.page.locator(".hk-inspector")) == []
    assert unharmed(watched)
