"""Every page of a report, opened from disk with the network watched: none asks anybody for anything."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.watched import Watched


def test_no_page_of_the_report_asks_anybody_for_anything(watched: Watched, quick_run: Path) -> None:
    pages = sorted((quick_run / "report").glob("*.html"))
    assert len(pages) == 9
    for page in pages:
        watched.page.goto(page.as_uri())
        watched.page.wait_for_load_state("networkidle")
        assert watched.page.locator("img").count() > 0, page.name
        # pictures far down the index come when they are looked at
        shown = "images => images.every(image => image.loading == 'lazy' || (image.complete && image.naturalWidth > 0))"
        assert watched.page.locator("img").evaluate_all(shown), page.name
    assert watched.from_elsewhere("file://") == []


def test_what_an_output_asks_for_is_not_fetched(watched: Watched, quick_run: Path, tmp_path: Path) -> None:
    page = quick_run / "report" / "01_data_exploration.html"
    asks = "<img src='https://example.org/a.png'><script src='https://example.org/a.js'></script>"
    (tmp_path / "page.html").write_text(page.read_text(encoding="utf-8").replace("</main>", f"{asks}</main>"))
    watched.page.goto((tmp_path / "page.html").as_uri())
    watched.page.wait_for_load_state("networkidle")
    assert any("Content Security Policy" in error for error in watched.errors)
    assert watched.page.locator("img[src^=https]").evaluate("image => image.naturalWidth") == 0
    watched.errors.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [600, 1440])
def test_pages_fit_every_width_and_follow_the_theme(watched: Watched, quick_run: Path, theme: Any, width: int) -> None:
    watched.page.emulate_media(color_scheme=theme)
    watched.page.set_viewport_size({"width": width, "height": 900})
    for name in ("index", "04_evaluation", "06_language_diversity", "07_claims"):
        watched.page.goto((quick_run / "report" / f"{name}.html").as_uri())
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, name
        paper, ink = (
            watched.page.evaluate(f"getComputedStyle(document.body).{one}.match(/\\d+/g).slice(0, 3).map(Number)")
            for one in ("backgroundColor", "color")
        )
        assert (sum(paper) < sum(ink)) == (theme == "dark") and abs(sum(paper) - sum(ink)) > 500
    watched.page.emulate_media(media="print")
    assert (
        not watched.page.locator("nav.pages").is_visible()
        and not watched.page.locator("details.code").first.is_visible()
    )
