"""The kernel of the notebooks: this interpreter whatever lies on the machine, and an error soon after it died."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from nbclient.client import NotebookClient

from hybridkit.errors import InputError
from hybridkit.study import pipeline
from hybridkit.study.pipeline import DeadKernelError, OwnSpecs, own_kernel
from hybridkit.study.run import Run
from hybridkit.study.settings import open_study
from tests.tiny_study import tiny_study

CHILD = "import subprocess, sys\nprocess = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"


def write(path: Path, *sources: str) -> Path:
    parameters = nbformat.v4.new_code_cell('study = "quick"', metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, *map(nbformat.v4.new_code_cell, sources)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel spec python3 of an environment that is gone, in front of all others."""
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/gone/bin/python", "-f", "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


def ends(pid: int) -> bool:
    """Whether a process is gone within some seconds, or waits to be taken notice of."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.usefixtures("foreign")
def test_a_foreign_spec_of_the_same_name_is_not_looked_at(tmp_path: Path) -> None:
    specs = OwnSpecs()
    assert specs.get_kernel_spec("python3").argv[0] == sys.executable
    assert specs.get_all_specs()["python3"]["spec"]["argv"][0] == sys.executable
    run = Run("quick", tmp_path / "quick")
    pipeline._execute(run, "01", write(tmp_path / "01_a.ipynb", "import sys; print(sys.executable)"), "quick", {}, "")
    (output,) = nbformat.read(run.folder / "notebooks" / "01_a.ipynb", as_version=4).cells[-1].outputs
    assert Path(output.text.strip().replace("./", f"{Path(pipeline.__file__).parents[2]}/")) == Path(sys.executable)


@pytest.mark.parametrize("moment", ["import time; time.sleep(0.3)", "pass"])
def test_a_kernel_that_is_killed_in_a_cell_ends_the_notebook_and_its_children(tmp_path: Path, moment: str) -> None:
    run = Run("quick", tmp_path / "quick")
    note = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(process.pid))"
    source = write(tmp_path / "01_a.ipynb", "1 + 1", CHILD, note, moment, "import os; os.kill(os.getpid(), 9)", "2")
    start = time.monotonic()
    with pytest.raises(
        InputError, match=r"notebook 01_a.ipynb: its process ended before the notebook did \(Kernel died"
    ):
        pipeline._execute(run, "01", source, "quick", {}, "")
    assert time.monotonic() - start < 30
    assert ends(int((tmp_path / "pid").read_text()))
    executed = nbformat.read(run.folder / "notebooks" / ".01_a.ipynb", as_version=4)
    assert any(output["data"]["text/plain"] == "2" for output in executed.cells[2].outputs)  # what was done is kept
    assert not (run.folder / "notebooks" / "01_a.ipynb").exists()


def test_a_kernel_that_cannot_start_is_told(tmp_path: Path) -> None:
    run = Run("quick", tmp_path / "quick")
    with pytest.MonkeyPatch.context() as patched, pytest.raises(InputError, match="its process ended before"):
        patched.setattr(
            pipeline, "get_kernel_dict", lambda: {"argv": [sys.executable, "-c", "1"], "language": "python"}
        )
        pipeline._execute(run, "01", write(tmp_path / "01_a.ipynb", "1"), "quick", {}, "")


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["", "in the background"])
def _interruptions(request: pytest.FixtureRequest) -> Iterator[None]:
    """As in a terminal, and as a shell starts a command in the background."""
    before = signal.signal(signal.SIGINT, request.param)
    yield
    assert signal.getsignal(signal.SIGINT) is request.param
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.usefixtures("_interruptions")
def test_who_waits_for_a_dead_kernel_for_ever_is_waked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr(pipeline, "PATIENCE", 0.5)
    sent, send = [], signal.pthread_kill

    def kill(thread: int, number: int) -> None:
        sent.append(number)
        if len(sent) > lost:  # an interruption may be raised where Python ignores errors
            send(thread, number)

    monkeypatch.setattr(pipeline.signal, "pthread_kill", kill)
    source = write(tmp_path / "a.ipynb", "import os; os.kill(os.getpid(), 9)")

    async def for_ever(self: NotebookClient) -> None:
        import asyncio

        await asyncio.sleep(600)

    monkeypatch.setattr(NotebookClient, "_async_poll_kernel_alive", for_ever)
    start = time.monotonic()
    with pytest.raises(DeadKernelError, match="Kernel died"), own_kernel() as manager:
        papermill.execute_notebook(
            str(source), None, kernel_name="python3", progress_bar=False, kernel_manager_class=manager
        )
    assert time.monotonic() - start < 30 and len(sent) > lost


def test_an_interruption_by_hand_stays_one(tmp_path: Path) -> None:
    source = write(
        tmp_path / "a.ipynb", f"import os; os.kill({os.getpid()}, {signal.SIGINT:d})", "import time; time.sleep(5)"
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    try:
        with pytest.raises(KeyboardInterrupt), own_kernel() as manager:
            papermill.execute_notebook(
                str(source), None, kernel_name="python3", progress_bar=False, kernel_manager_class=manager
            )
    finally:
        signal.signal(signal.SIGINT, before)


def own_study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study on own files in a folder of which no executed notebook may speak."""
    home = folder / "fólder of mine"
    home.mkdir()
    tiny_study(home, title="Mine")
    value = yaml.safe_load((home / "tiny.yaml").read_text())
    value |= {"rows": {"files": ["rows.jsonl"], "held_out": 0.2}, "evaluation": {"benchmarks": ["asked.jsonl"]}}
    (home / "tiny.yaml").write_text(yaml.safe_dump(value))
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(home / "runs"))
    return home


def test_an_executed_notebook_names_no_folder_of_this_machine_and_can_be_executed_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = own_study(tmp_path, monkeypatch)
    cells = [
        "from hybridkit import Run\nrun = Run(study)\nprint(run.study.at('rows.jsonl'), run.folder, study)",
        "import pandas as pd\npd.DataFrame({'file': [run.study.at('asked.jsonl')]})",
        "https = 'https://x.org' + run.study.folder; https",
    ]
    run = Run(home / "tiny.yaml")
    source = write(tmp_path / "01_a.ipynb", *cells)
    pipeline._execute(run, "01", source, pipeline._study_parameter(str(home / "tiny.yaml")), {}, "")
    made = run.folder / "notebooks" / "01_a.ipynb"
    text = made.read_text()
    assert f'"{home}' not in text and f" {home}" not in text and str(tmp_path).encode("unicode_escape").decode() in text
    notebook = nbformat.read(made, as_version=4)
    injected = next(cell for cell in notebook.cells if cell["id"] == "injected-parameters")
    assert 'study = "../../../tiny.yaml"' in injected.source
    assert notebook.cells[2].outputs[0].text.split() == ["./rows.jsonl", "runs/tiny", "./tiny.yaml"]
    monkeypatch.chdir(made.parent)
    assert Run("../../../tiny.yaml").study.key == run.study.key


def test_changed_settings_reach_the_notebooks_and_are_kept_in_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = own_study(tmp_path, monkeypatch)
    source = write(
        tmp_path / "01_a.ipynb", "from hybridkit import Run; print(Run(study).study.training.steps)", "top = 1"
    )
    monkeypatch.setattr(pipeline, "notebooks", lambda: {"01": source})
    changes = ["training.steps=3", "seeds=[1, 2]", "notebooks=['01']"]
    assert pipeline.run_study(str(home / "tiny.yaml"), ["01"], changes=changes) is None
    folder = home / "runs" / "tiny"
    assert nbformat.read(folder / "notebooks" / "01_a.ipynb", as_version=4).cells[2].outputs[0].text == "3\n"
    kept = open_study(folder / "study.yaml")
    assert (kept.training.steps, kept.seeds) == (3, (1, 2))
    assert kept.key == Run.open(folder).study.key == open_study(home / "tiny.yaml", changes).key
    assert "# --set training.steps=3\n" in (folder / "study.yaml").read_text()
    assert str(tmp_path) not in (folder / "study.yaml").read_text()
    pipeline.run_study(str(home / "tiny.yaml"), ["01"])
    assert not (folder / "study.yaml").exists() and Run.open(folder).study.training.steps == 5


def test_a_parameter_that_no_notebook_has_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path))
    with pytest.raises(InputError, match=r"-p claim: notebook 07 .*\(did you mean claims\?\); there are claims \(07\)"):
        pipeline.run_study("quick", ["07"], parameters={"claim": "mine.yaml"})
    with pytest.raises(InputError, match=r"-p claims: notebook 01 has no such parameter; there are none"):
        pipeline.run_study("quick", ["01"], parameters={"claims": "mine.yaml"})
    assert not (tmp_path / "quick").exists()


def test_all_missing_files_are_named_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = own_study(tmp_path, monkeypatch)
    (home / "rows.jsonl").unlink()
    (home / "asked.jsonl").unlink()
    with pytest.raises(
        InputError, match=r"2 missing: rows rows.jsonl: no such file \(.*benchmark asked.jsonl: no such"
    ):
        pipeline.run_study(str(home / "tiny.yaml"))
    assert not (home / "runs").exists()


def test_remedies_without_a_benchmark_to_evaluate_them_on_are_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = own_study(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="study tiny: notebook 08 evaluates remedies on a benchmark beside held-out"):
        pipeline.run_study(str(home / "tiny.yaml"), ["08"], changes=["evaluation.benchmarks=[held-out]"])
    assert not (home / "runs").exists()


def test_one_strategy_is_nothing_to_compare_and_that_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = own_study(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"study tiny: notebook 04 compares strategies.*or leave 04 and 08 out"):
        pipeline.run_study(
            str(home / "tiny.yaml"), ["01", "04", "08"], changes=["strategies=[mono]", "compare=[mono, untrained]"]
        )
    assert not (home / "runs").exists()
