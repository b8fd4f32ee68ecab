"""Notebooks in a real JupyterLab, run by its own menu."""

from tests.browser.jupyter import Lab
from tests.browser.notebook import open_notebook, run_all
from tests.browser.watched import Watched


def test_notebook_05_runs_and_asks_for_nothing_from_elsewhere(watched: Watched, lab: Lab) -> None:
    page = watched.page
    open_notebook(page, lab, "notebooks/05_bias_analysis.ipynb")
    run_all(page)
    assert page.locator(".jp-OutputArea-output img").count() >= 4
    assert watched.from_elsewhere(lab.address, lab.address.replace("http", "ws")) == []
