"""`hybridkit inspect`, as a person types it: the notebook opens with its cells run, and what it shows is alive."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hybridkit.cli import main
from hybridkit.report import inspected_models, inspected_run, views
from hybridkit.report.inspected_run import Inspected
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from tests.browser.inspector import InspectorPage
from tests.browser.jupyter import start_inspect
from tests.browser.watched import Watched
from tests.conftest import write_parallel_rows


def opens_alive(
    watched: Watched, words: Sequence[str], notebook: Path, home: Path, expect: Any, inspected: Inspected
) -> None:
    """Its cells are run; a click into the matrix lists the queries of the pair as the frames have them."""
    lab = start_inspect(words, notebook.parent, home, {"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]})
    try:
        watched.page.goto(lab.url(notebook.name))
        inspector = InspectorPage(watched.page)
        expect(inspector.part("matrix")).to_be_visible()
        assert watched.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").last.inner_text() == "[3]:"
        pair = list(inspector.cells())[1]
        inspector.cell(*pair).click()  # its kernel answers
        name, minus = inspected.compare
        frame = views.pair_queries(inspected, pair, name, minus, "change")
        inspector.settles(lambda: [key for key, _ in inspector.listed()], frame["query_id"].tolist())
        assert watched.from_elsewhere(lab.address, lab.address.replace("http", "ws")) == []
        watched.page.goto("about:blank")  # it would complain that its kernel is gone
    finally:
        lab.stop()


def test_a_run_opens_with_its_cells_run(watched: Watched, hostile_run: Run, tmp_path: Path, expect: Any) -> None:
    notebook = hostile_run.folder / "notebooks" / "inspect.ipynb"
    inspected = inspected_run.open_inspected(hostile_run)
    opens_alive(watched, [str(hostile_run.folder)], notebook, tmp_path, expect, inspected)


def test_models_of_no_run_open_with_their_cells_run(
    watched: Watched, hostile_run: Run, tmp_path: Path, expect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    rows = write_parallel_rows(tmp_path / "meine Zeilen ☂.jsonl", 20)
    models = {name: str(hostile_run.trained.path(ModelSpec(name, 0))) for name in ("mono", "cross")}
    words = [word for name, folder in models.items() for word in ("--model", f"{name}={folder}")]
    words += ["--benchmark", str(rows)]
    inspected = inspected_models.open_models(models, rows)
    assert main(["inspect", *words, "--dry-run"]) == 0
    (notebook,) = (tmp_path / "cache" / "inspected" / "notebooks").glob("*.ipynb")
    opens_alive(watched, words, notebook, tmp_path, expect, inspected)
