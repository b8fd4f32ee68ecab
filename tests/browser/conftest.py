"""Debian's chromium driven by Playwright; every test here is skipped, with the reason, where something is missing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from hybridkit.cli.inspect import write_notebook
from hybridkit.study.run import Run
from hybridkit.utils.paths import checkout, runs_folder
from tests.browser.hostile import make_run
from tests.browser.jupyter import Lab, start
from tests.browser.patience import TIMES
from tests.browser.watched import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The sandbox of chromium refuses to run as root; nothing but loopback and files is opened here.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 1280, "height": 800}
PATIENCE = 30_000 * TIMES  # milliseconds that anything may take; machines may be busy


def missing(reason: str) -> NoReturn:
    """Skip, but fail where CI says that the tests must run: there none passes by being skipped."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """A chromium without a screen."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs chromium: on Debian, apt install chromium fonts-noto-core fonts-noto-cjk")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("needs Playwright: pip install playwright")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def expect(browser: "Browser") -> Any:
    """Playwright's assertions, which wait."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    return expect


@pytest.fixture
def watched(browser: "Browser") -> Iterator[Watched]:
    """A fresh page at 1280 x 800 that notes errors, dialogs and requests; errors and dialogs fail its test."""
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    found = Watched(page)
    yield found
    context.close()
    assert (found.errors, found.dialogs) == ([], [])


@pytest.fixture(scope="session")
def quick_run() -> Path:
    """The run folder of the quick study, with its results."""
    folder = runs_folder() / "quick"
    if not (folder / "report" / "index.html").is_file():
        missing("no run of the quick study here: make it with make reproduce")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copies of the kit's notebooks, in notebooks/, and a runs/: what is written goes there."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "notebooks").mkdir()
    for path in (Path(str(checkout())) / "notebooks").glob("*.ipynb"):
        shutil.copy(path, folder / "notebooks")
    return folder


@pytest.fixture(scope="session")
def run_copy(quick_run: Path, home: Path) -> Path:
    """A copy of the quick run, with the notebook that `hybridkit inspect` writes."""
    folder = home / "runs" / "quick"
    shutil.copytree(quick_run, folder, ignore=shutil.ignore_patterns("inspect*.ipynb"))
    write_notebook(folder)
    return folder


@pytest.fixture(scope="session")
def lab(run_copy: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on the copies."""
    given = {"HYBRIDKIT_RUNS": str(run_copy.parent), "OMP_NUM_THREADS": "1"}
    if data := os.environ.get("HYBRIDKIT_DATA"):
        given["HYBRIDKIT_DATA"] = str(Path(data).absolute())
    server = start(home, tmp_path_factory.mktemp("jupyter"), given)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def hostile_run(home: Path) -> Run:
    """A run whose texts and ids try to be more than texts, with its notebook."""
    run = make_run(home / "evil")
    write_notebook(run.folder)
    return run
