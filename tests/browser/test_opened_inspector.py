"""`hybridkit inspect RUN`, as a person types it: the notebook opens with its cells run, and what it shows is alive."""

import os
from pathlib import Path
from typing import Any

from hybridkit.report import inspected_run, views
from hybridkit.study.run import Run
from tests.browser.inspector import InspectorPage
from tests.browser.jupyter import start_inspect
from tests.browser.watched import Watched


def test_it_opens_with_its_cells_run(watched: Watched, hostile_run: Run, tmp_path: Path, expect: Any) -> None:
    lab = start_inspect(hostile_run.folder, tmp_path, {"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]})
    try:
        watched.page.goto(lab.url("inspect.ipynb"))
        inspector = InspectorPage(watched.page)
        expect(inspector.part("matrix")).to_be_visible()
        assert watched.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").last.inner_text() == "[3]:"
        inspected = inspected_run.open_inspected(hostile_run)
        pair = ("th", "de")
        inspector.cell(*pair).click()  # its kernel answers
        frame = views.pair_queries(inspected, pair, "cross", "mono", "change")
        inspector.settles(lambda: [key for key, _ in inspector.listed()], frame["query_id"].tolist())
        assert watched.from_elsewhere(lab.address, lab.address.replace("http", "ws")) == []
        watched.page.goto("about:blank")  # it would complain that its kernel is gone
    finally:
        lab.stop()
