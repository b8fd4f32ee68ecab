"""The report: every user text escaped, nothing from the network."""

import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from hybridkit.errors import InputError
from hybridkit.plots.figure_files import draw
from hybridkit.report.html_report import write_report
from hybridkit.study.pipeline import _strip_machine
from hybridkit.study.run import Run
from hybridkit.study.training_rows import write_json
from tests.plots.test_figure_files import FRAME

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run("quick", tmp_path / "quick")
    made.prepare()
    write_json(made.folder / "data.json", {})
    return made


def test_texts_are_shown_as_texts(run: Run) -> None:
    draw(run.folder / "figures", "curve", "curves", FRAME, EVIL)
    outputs = [
        nbformat.v4.new_output("display_data", {"text/html": pd.DataFrame({EVIL: [EVIL]})._repr_html_()}),
        nbformat.v4.new_output("display_data", {"text/plain": EVIL}),
        nbformat.v4.new_output("stream", text=EVIL),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)])
    (run.folder / "notebooks").mkdir(parents=True)
    nbformat.write(notebook, run.folder / "notebooks" / "01_data.ipynb")
    index = write_report(run)
    for page in index.parent.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text and "<img src=x" not in text
        assert "&lt;script&gt;alert" in text
        assert 'href="index.html"' in text and 'href="01_data.html"' in text


# what a browser would fetch by itself: a script, a picture, a style, a module; and what it may fetch
FETCHED = re.compile(
    r"""\bsrc\s*=\s*(?!["']?(?:data:|\.\./figures/))|<link\b|@import|\bimport\b[^;<]{0,60}["']http|url\(["']?(?:https?:)?//"""
)


def test_no_page_asks_anybody_for_anything(run: Run) -> None:
    draw(run.folder / "figures", "curve", "curves", FRAME, "How to read it")
    markdown = nbformat.v4.new_markdown_cell("$\\alpha$ is the share, ```mermaid\ngraph LR\n```")
    widget = nbformat.v4.new_output("display_data", {"text/plain": "inspector", "text/vnd.mermaid": "graph LR"})
    notebook = nbformat.v4.new_notebook(cells=[markdown, nbformat.v4.new_code_cell("x", outputs=[widget])])
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    (run.folder / "notebooks").mkdir(parents=True)
    nbformat.write(notebook, run.folder / "notebooks" / "01_data.ipynb")
    pages = sorted(write_report(run).parent.rglob("*.html"))
    assert [page.name for page in pages] == ["01_data.html", "index.html", "index.html"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        found = [text[one.start() : one.start() + 80] for one in FETCHED.finditer(text)]
        own = [one for one in found if page.parent.name == "pairs" and "//" not in one]  # files beside it
        assert found == own, page.name
        assert "Content-Security-Policy" in text and "default-src 'none'" in text
    assert "alpha$ is the share" in pages[0].read_text(encoding="utf-8")


def test_without_executed_notebooks_the_command_is_named(run: Run) -> None:
    with pytest.raises(InputError, match="hybridkit run quick"):
        write_report(run)


def test_progress_bars_leave_the_executed_copy_and_warnings_stay(tmp_path: Path) -> None:
    bar = "mono seed 0:   0%|          | 0/250 [00:00<?]\rmono seed 0:  83%|████ | 207/250 [00:10<00:02]\n\n"
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text=text) for text in (bar, bar + "UserWarning: look\n")
    ]
    path = tmp_path / "01_a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)]), path)
    _strip_machine(path)
    (kept,) = nbformat.read(path, as_version=4).cells[0].outputs
    assert "UserWarning: look" in kept.text
