"""Texts that try to be more than texts stay texts, in the pages and in the inspector."""

import pytest

from hybridkit.benchmark import Benchmark
from hybridkit.pages import write_pages
from hybridkit.pages.texts import shown
from hybridkit.run import Run
from tests.browser import looks
from tests.browser.hostile import FLAG, TEXTS
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
