"""Pictures of the inspector at work, as the README shows them: `make screenshots`."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from hybridkit.utils.paths import runs_folder
from tests.browser.inspector import InspectorPage
from tests.browser.jupyter import Lab
from tests.browser.notebook import open_notebook, run_all
from tests.browser.watched import Watched

if TYPE_CHECKING:
    from playwright.sync_api import Locator

MOST = 300_000  # bytes


@pytest.fixture
def folder() -> Path:
    """Where pictures go: $SCREENSHOTS, else beside the runs."""
    made = Path(os.environ.get("SCREENSHOTS") or runs_folder() / "screenshots")
    made.mkdir(parents=True, exist_ok=True)
    return made


def notebook(home: Path, run_copy: Path) -> str:
    """The inspector's notebook on the run of starter where there is one, else on quick's."""
    starter = runs_folder() / "starter"
    if not (starter / "scores.parquet").is_file():
        return "runs/quick/notebooks/inspect.ipynb"
    made = nbformat.read(run_copy / "notebooks" / "inspect.ipynb", as_version=4)
    # where the run lies among all runs its name alone says which it is: no path of this machine in a picture
    made.cells[1].source = f"import os\nos.environ['HYBRIDKIT_RUNS'] = {str(runs_folder())!r}\nrun = {str(starter)!r}"
    nbformat.write(made, home / "starter.ipynb")
    return "starter.ipynb"


def photograph(watched: Watched, top: "Locator", path: Path) -> None:
    """What stands in the window when a part of the inspector stands at its top, in few colours."""
    from PIL import Image

    top.evaluate("(one) => one.scrollIntoView({ block: 'start' })")
    watched.page.mouse.move(0, 0)
    picture = Image.open(io.BytesIO(watched.page.screenshot())).convert("RGB")
    assert picture.size == (1280, 800)
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    assert picture.getcolors(50) is None  # more than fifty colours: not an empty page
    assert path.stat().st_size < MOST


def test_pictures_of_the_inspector(watched: Watched, lab: Lab, home: Path, run_copy: Path, folder: Path) -> None:
    inspector = InspectorPage(watched.page)
    open_notebook(watched.page, lab, notebook(home, run_copy))
    run_all(watched.page)
    inspector.part("matrix").wait_for()
    photograph(watched, inspector.part("hint"), folder / "matrix.png")
    watched.page.get_by_role("checkbox", name="English under each passage").check()
    inspector.part("gloss").first.wait_for()
    photograph(watched, inspector.part("query"), folder / "query.png")
    photograph(watched, inspector.part("ladder"), folder / "ladder.png")
    watched.page.get_by_role("checkbox", name="Map of all queries and passages").check()
    inspector.part("map-state").filter(has_text="inspector.selection").wait_for()
    photograph(watched, inspector.part("map").first, folder / "map.png")
