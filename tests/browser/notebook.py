"""A notebook in JupyterLab, as a person has it before them: opened, run, waited for."""

import re
from typing import TYPE_CHECKING

from tests.browser.jupyter import Lab
from tests.browser.patience import TIMES

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROMPTS = ".jp-Notebook .jp-CodeCell .jp-InputPrompt"


def open_notebook(page: "Page", lab: Lab, name: str) -> None:
    """Open a notebook of the server's folder and wait until its kernel is there."""
    from playwright.sync_api import expect

    page.goto(lab.url(name))
    # the dot of the toolbar says "idle" before there is a kernel, so the words of the status bar are waited for
    expect(page.locator("#jp-bottom-panel")).to_contain_text("Python 3 (ipykernel) | Idle", timeout=60_000 * TIMES)


def run_all(page: "Page", seconds: float = 90) -> None:
    """Run all cells and wait until the last one has run; fails with the traceback of the first that did not."""
    from playwright.sync_api import expect

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    stopped = page.locator(".jp-OutputArea-output").filter(has_text="Traceback (most recent call last)")
    last = page.locator(PROMPTS).last
    expect(stopped.first.or_(last.filter(has_text=re.compile(r"\[\d+\]")))).to_be_visible(
        timeout=1000 * seconds * TIMES
    )
    assert stopped.all_inner_texts() == []
