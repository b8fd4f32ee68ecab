"""`hybridkit inspect`: which run is meant, the notebook in its folder, and how JupyterLab is started on it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hybridkit.cli import commands as main
from hybridkit.cli import inspect
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.study.run import Run, find_run
from hybridkit.study.scores import study_scores
from tests.tiny_study import tiny_study

KERNEL = "--ServerApp.kernel_spec_manager_class=hybridkit.study.pipeline.OwnSpecs"
CELLS = "--ServerApp.jpserver_extensions=hybridkit.report.inspector.run_cells=True"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run, as far as the command looks at it."""
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(inspect, "is_root", lambda: False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", ["mine", "elsewhere/mine.yaml", "mine.yml"])
def test_a_run_is_found_by_its_study(run: Path, name: str) -> None:
    assert find_run(name) == run


def test_a_run_is_found_by_its_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = run.parent.parent / "copied"
    run.rename(moved)
    assert find_run(str(moved)) == moved
    monkeypatch.chdir(moved.parent)
    assert find_run("copied/") == moved


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("starter", "hybridkit run starter"),
        ("runs/starter", "hybridkit run starter"),
        ("studies/my.yaml", "hybridkit run studies/my.yaml"),
    ],
)
def test_without_a_run_the_runs_and_the_command_are_told(run: Path, name: str, cure: str) -> None:
    with pytest.raises(InputError, match=name) as raised:
        find_run(name)
    assert f"`{cure}`" in str(raised.value)
    assert str(raised.value).endswith(f"Runs there are in {run.parent}: {run.name}")


def test_without_any_run_none_are_told(run: Path) -> None:
    (run / "settings.json").unlink()
    with pytest.raises(InputError, match=r"There is no such study; there are codeswitch.* Runs there are in .*: none$"):
        find_run("mine")


def test_the_notebook_is_whole_plain_and_names_the_run_by_a_relative_path(run: Path) -> None:
    path = inspect.write_notebook(run)
    assert path == run / "notebooks" / "inspect.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    names: dict[str, Any] = {}
    exec(compile(parameters.source, path.name, "exec"), names)  # noqa: S102  our own cell
    assert (path.parent / names["run"]).resolve() == run.resolve()
    assert notebook.metadata.kernelspec.name == "python3"
    assert str(run.parent) not in path.read_text(encoding="utf-8")
    assert not list(path.parent.glob("[0-9]*"))  # what the report takes as executed notebooks


def test_cells_that_a_person_added_stay(run: Path) -> None:
    path = inspect.write_notebook(run)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("inspector.pair"))
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert inspect.write_notebook(run) == path
    assert path.read_bytes() == before


def test_imports_of_an_earlier_version_become_those_of_today(run: Path) -> None:
    path = inspect.write_notebook(run)
    notebook = nbformat.read(path, as_version=4)
    lines = [
        "from hybridkit.widgets.inspector import inspect",
        "from hybridkit.widgets.opening import open_inspected",
        "from hybridkit.widgets import views",
        "import hybridkit.mine  # of a person's own",
    ]
    notebook.cells[2].source = "\n".join([lines[0], "inspector = inspect(run)"])
    notebook.cells.append(nbformat.v4.new_code_cell("\n".join(lines)))
    nbformat.write(notebook, path)
    inspect.write_notebook(run)
    cells = nbformat.read(path, as_version=4).cells
    assert cells[2].source == "from hybridkit import inspect\ninspector = inspect(run)"
    names = ("inspect", "open_inspected", "views")
    assert cells[-1].source.splitlines() == [*(f"from hybridkit import {name}" for name in names), lines[3]]


def started(run: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, list[str], dict[str, str]]:
    """The exit code of the command, and the words and environment that JupyterLab would have been started with."""
    found: list[Any] = []

    class Ended:
        def __init__(self, words: list[str], env: dict[str, str]) -> None:
            found.extend((words, env))

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Ended)
    code = main.main(["inspect", str(run), *options])
    return code, found[0], found[1]


def test_jupyterlab_is_started_by_words_in_this_environment(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    monkeypatch.setenv("HYBRIDKIT_DATA", "data")
    code, words, environment = started(run, monkeypatch, "--no-browser", "--port", "8899")
    assert code == 0
    assert words[:3] == [sys.executable, "-m", "jupyterlab"]
    assert (run / "notebooks" / "inspect.ipynb").is_file()
    folder, address = f"--notebook-dir={run / 'notebooks'}", "--LabApp.default_url=/lab/tree/inspect.ipynb"
    assert set(words[3:]) == {folder, address, KERNEL, CELLS, "--no-browser", "--port=8899"}
    assert environment["HYBRIDKIT_INSPECT"] == "inspect.ipynb"  # whose cells are run
    assert environment["HYBRIDKIT_DATA"] == str(run.parent / "data")  # kernels start in another folder
    assert environment["JUPYTER_PREFER_ENV_PATH"] == "1"


def test_a_browser_is_opened_unless_told_otherwise(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, words, _ = started(run, monkeypatch)
    assert "--no-browser" not in words and "--allow-root" not in words


@pytest.mark.parametrize(("ip", "listens"), [((), "127.0.0.1"), (("--ip", "0.0.0.0"), "0.0.0.0")])  # noqa: S104
def test_root_in_a_container_gets_an_inspector_that_only_this_machine_reaches(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ip: tuple[str, ...], listens: str
) -> None:
    monkeypatch.setattr(inspect, "is_root", lambda: True)
    _, words, _ = started(run, monkeypatch, *ip)
    assert "--allow-root" in words
    assert [word for word in words if "ip=" in word] == [f"--ServerApp.ip={listens}"]
    assert not [word for word in words if "token" in word or "password" in word]  # JupyterLab's own, which is random
    assert "asks for the token" in capsys.readouterr().err


def test_a_dry_run_starts_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(subprocess, "Popen", never)
    out = tmp_path / "told.json"
    assert main.main(["inspect", "mine", "--dry-run", "--json", str(out)]) == 0
    notebook = str(run / "notebooks" / "inspect.ipynb")
    address = "--LabApp.default_url=/lab/tree/inspect.ipynb"
    words = ["jupyter", "lab", f"--notebook-dir={run / 'notebooks'}", address, KERNEL, CELLS]
    assert capsys.readouterr().out.split() == words
    told = json.loads(out.read_text())
    assert (told["run"], told["notebook"], told["command"][0]) == (str(run), notebook, sys.executable)


def test_that_jupyterlab_failed_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inspect, "_open", lambda *_: 3)
    assert main.main(["inspect", str(run)]) == 2
    assert "exit code 3" in capsys.readouterr().err


def test_ctrl_c_is_jupyterlabs() -> None:
    code = "import os, signal, sys; os.kill(os.getppid(), signal.SIGINT); sys.stdin.read(); sys.exit(7)"
    reading = (
        "import signal, sys; from hybridkit.cli.inspect import _open; before = signal.getsignal(signal.SIGINT); "
        "code = _open([sys.executable, *sys.argv[1:]]); "
        "sys.exit(code if signal.getsignal(signal.SIGINT) is before else 1)"
    )
    process = subprocess.Popen([sys.executable, "-c", reading, "-c", code], stdin=subprocess.PIPE)
    process.communicate(timeout=30)  # closes its input, which ends the inner process
    assert process.returncode == 7


def test_jupyterlab_ends_with_the_command() -> None:
    code = "import sys, time; print('here', flush=True); time.sleep(60)"
    opening = (
        "import sys; from hybridkit.cli.inspect import _open; sys.exit(_open([sys.executable, *sys.argv[1:]]) != -15)"
    )
    process = subprocess.Popen([sys.executable, "-c", opening, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"here\n"
    process.terminate()
    assert process.wait(30) == 0


def test_what_is_missing_in_a_run_is_made_again(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    run, (asked,) = Run(study, tmp_path / "tiny"), study.evaluation.benchmarks
    study_scores(run)
    inspect.complete(run.folder)  # lacks at most the index
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    lost = [run.ranks_path(run.models()[1], asked), *run.embedding_paths(run.models()[2], asked)]
    for path in [*lost, run.folder / "index.json"]:
        path.unlink()
    shutil.rmtree(run.trained.path(run.models()[1]))
    inspect.complete(run.folder)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


def test_models_are_opened_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "my models ü"
    rows = [
        {"id": f"r{n}", "query": {"de": f"wer {n}", "en": f"who {n}"}, "passage": {"de": f"er {n}", "en": f"he {n}"}}
        for n in range(8)
    ]
    folder.mkdir()
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for name, seed in (("a", 0), ("b", 1)):
        encoder.save(encoder.make(["wer who er he 1 2 3"], 40, 8, seed), folder / name)
    monkeypatch.chdir(folder)
    found: list[Any] = []
    monkeypatch.setattr(inspect, "_open", lambda *given: found.append(given) or 0)
    words = ["inspect", "--model", "before=a", "--model", "b", "--benchmark", "mine.jsonl"]
    assert main.main(words) == 0
    ((started_words, more),) = found
    place = next(word for word in started_words if word.startswith("--notebook-dir=")).partition("=")[2]
    notebook = nbformat.read(Path(place) / more["HYBRIDKIT_INSPECT"], as_version=4)
    nbformat.validate(notebook)
    names: dict[str, Any] = {}
    exec(compile(notebook.cells[1].source, "cell", "exec"), names)  # noqa: S102  our own cell
    assert names["models"] == {"before": str(folder / "a"), "b": str(folder / "b")}
    monkeypatch.chdir(tmp_path)  # the kernel starts in another folder
    monkeypatch.setattr("hybridkit.models.embedding.encode", lambda *_, **__: pytest.fail("it was encoded again"))
    exec(compile(notebook.cells[2].source, "cell", "exec"), names)  # noqa: S102
    assert names["inspector"].names == ["before", "b"]


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ([], "give a run"),
        (["quick", "--model", "a"], "give a run"),
        (["--model", "a"], "--benchmark xquad-r"),
        (["quick", "--benchmark", "atlas"], "are for --model"),
        (["--model", "a/m", "--model", "a/m", "--benchmark", "atlas"], "one name"),
        (["--model", "./none", "--benchmark", "atlas[:2]"], "there is no such folder"),
    ],
)
def test_what_cannot_be_inspected_is_told(words: list[str], cure: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["inspect", *words]) == 2
    assert cure in capsys.readouterr().err
