"""Notebooks in a real JupyterLab, run by its own menu."""

from typing import Any

from tests.browser.inspector import InspectorPage
from tests.browser.jupyter import Lab
from tests.browser.notebook import open_notebook, run_all
from tests.browser.watched import Watched


def test_notebook_05_runs_and_asks_for_nothing_from_elsewhere(watched: Watched, lab: Lab, expect: Any) -> None:
    page = watched.page
    open_notebook(page, lab, "notebooks/05_bias_analysis.ipynb")
    run_all(page)
    inspector = InspectorPage(page)
    inspector.cell("hi", "th").click()
    expect(inspector.cell("hi", "th")).to_have_attribute("aria-selected", "true")
    expect(inspector.part("query-count")).to_contain_text("1-25 of")
    assert page.locator(".jp-OutputArea-output img").count() >= 4
    assert watched.from_elsewhere(lab.address, lab.address.replace("http", "ws")) == []
