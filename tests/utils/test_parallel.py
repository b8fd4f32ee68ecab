"""Trainings in processes of their own give the same bytes as one after the other."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hybridkit.errors import InputError
from hybridkit.study.pipeline import run_study
from hybridkit.study.run import Run
from hybridkit.study.settings import EncoderSettings, Study, open_study
from hybridkit.study.sweep import sweep


@pytest.fixture
def study(parallel_rows: Path) -> Study:
    quick = open_study("quick")
    training = replace(quick.training, steps=3, batch_size=8)
    files = replace(quick.rows, files=(str(parallel_rows),))
    encoder = EncoderSettings("static", vocab_size=100, dim=8)
    both = ("mono", "cross")
    return replace(
        quick, rows=files, training=training, encoder=encoder, strategies=both, compare=both, seeds=(0,), curve=None
    )


def test_processes_and_one_process_make_the_same_models(study: Study, tmp_path: Path) -> None:
    together, alone = Run(study, tmp_path / "together"), Run(study, tmp_path / "alone")
    specs = together.models()
    sweep(together, specs)
    for spec in specs[1:]:
        alone.trained.train(spec)
        weights = [run.trained.path(spec) / "model.safetensors" for run in (together, alone)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
    before = [path.stat().st_mtime_ns for path in sorted((together.folder / "models").rglob("*.safetensors"))]
    sweep(together, specs)
    assert before == [path.stat().st_mtime_ns for path in sorted((together.folder / "models").rglob("*.safetensors"))]


def test_an_error_in_a_process_is_told_here(study: Study, tmp_path: Path) -> None:
    broken = replace(study, training=replace(study.training, batch_size=100))
    with pytest.raises(InputError, match="the batch size is 100"):
        sweep(Run(broken, tmp_path / "run"), Run(broken, tmp_path / "run").models())


def test_an_unknown_notebook_and_a_dry_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path))
    with pytest.raises(InputError, match="notebook '99': there is no such notebook; there are 01"):
        run_study("quick", ["99"])
    monkeypatch.setattr("hybridkit.study.estimate.time_step", lambda *_: 1.0)
    monkeypatch.setattr("hybridkit.study.estimate.time_texts", lambda *_: 1.0)
    left = run_study("quick", dry_run=True)
    assert left is not None
    assert left.left == left.trainings > 20
    assert f"{left.left} trainings, {left.left} of them missing" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for the process in /proc")
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from hybridkit.utils.parallel import processes\n"
        "if __name__ == '__main__':\n"
        "    with processes(1) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        pool.submit(time.sleep, 600)\n"
        "        time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the process went on for 10 seconds after its parent was killed")
