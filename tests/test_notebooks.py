"""The stored notebooks: parameters, no outputs, paired with a percent script, no long definitions."""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from hybridkit.study.pipeline import notebooks
from hybridkit.study.settings import Study

PATHS = sorted(notebooks().values())


def test_the_notebooks_of_a_study_exist() -> None:
    assert set(Study.__dataclass_fields__["notebooks"].default) <= set(notebooks())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_stored_without_outputs_and_with_one_cell_of_parameters(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1 and 'study = "quick"' in tagged[0].source
    assert notebook.metadata.kernelspec.name == "python3"
    *_, finish, saw, first, second, third = code  # what was seen is made from the numbers, then three cells to go on
    assert re.match(rf'run\.finish\(\s*"{path.name[:2]}"', finish.source)
    assert saw.source == f'report.conclusions.saw(run, "{path.name[:2]}")'
    assert all(cell.source.strip() and "run.finish" not in cell.source for cell in (first, second, third))
    headings = re.findall(r"^## (.*)$", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    assert headings[-2:] == ["What we saw", "Your turn"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_paired_with_a_percent_script(path: Path) -> None:
    pair = jupytext.read(path.with_suffix(".py"))
    stored = nbformat.read(path, as_version=4)
    assert [(cell.cell_type, cell.source) for cell in pair.cells] == [
        (cell.cell_type, cell.source) for cell in stored.cells
    ], f"{path.name} and its script differ: run jupytext --sync notebooks/*.ipynb"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_thin(path: Path) -> None:
    source = path.with_suffix(".py").read_text(encoding="utf-8")
    definitions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert all((node.end_lineno or 0) - node.lineno < 10 for node in definitions)
    assert "/home/" not in source and "/root/" not in source
