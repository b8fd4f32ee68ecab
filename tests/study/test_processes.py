"""One model that several processes train: what one process trains, and a kill of one of them costs some steps."""

import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hybridkit.cli import main
from hybridkit.errors import TroubleError
from hybridkit.models import launch
from hybridkit.study.run import Run
from hybridkit.study.sweep import Job, make_jobs, sweep
from hybridkit.study.workers import Here, Processes
from hybridkit.utils.parallel import processes, threads
from tests.tiny_rerankers import make_bert
from tests.tiny_study import tiny_study

TRAINING = {"steps": 5, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 2}


def same(one: Path, two: Path) -> None:
    for (name, value), other in zip(
        load_file(one / "model.safetensors").items(), load_file(two / "model.safetensors").values(), strict=True
    ):
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-5, msg=name)


def test_a_study_s_model_of_two_processes_is_that_of_one(tmp_path: Path) -> None:
    alone = Run(tiny_study(tmp_path), tmp_path / "alone")
    spec = alone.models()[1]
    one = alone.trained.train(spec)
    both = Run(tiny_study(tmp_path, training={**TRAINING, "processes": 2}), tmp_path / "both")
    two = both.trained.train(spec)
    assert one.name != two.name  # the last digits differ
    same(one, two)
    assert (one / "steps.jsonl").read_text().count("\n") == (two / "steps.jsonl").read_text().count("\n") == 5
    again = Run(both.study, tmp_path / "both").trained
    assert again.train(spec) == two and not list(two.parent.glob("*.work"))


def test_processes_that_are_asked_for_share_models_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bert = make_bert(tmp_path / "bert", labels=0)
    study = tiny_study(tmp_path, encoder={"name": str(bert)}, training={**TRAINING, "learning_rate": 0.001})
    found = []
    for folder, workers in (("here", Here()), ("processes", Processes(2))):
        run = Run(study, tmp_path / folder)
        with threads(1):
            assert sweep(run, run.models(), study.evaluation.benchmarks, workers) == 3
        files = (path for part in ("models", "scores") for path in (run.folder / part).rglob("*") if path.is_file())
        found.append({str(path.relative_to(run.folder)): path.read_bytes() for path in files})
    assert found[0] == found[1] and any(name.endswith("model.safetensors") for name in found[0])


def test_with_a_gpu_processes_share_small_models_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(Processes, "each", lambda *_: pytest.fail("several processes would share the GPU's memory"))
    run = Run(tiny_study(tmp_path, encoder={"name": str(make_bert(tmp_path / "bert", labels=0))}), tmp_path / "run")
    jobs = [Job(run.study, run.folder, spec, ()) for spec in run.models()]
    assert make_jobs(run, lambda _: None, jobs, Processes(2)) == 3


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for given, expected in (("", "4"), ("3", "3"), ("16", "4")):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        with processes(2) as pool:
            assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == expected


def test_the_command_trains_in_two_processes(
    tmp_path: Path, parallel_rows: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--model", "static", "--rows", str(parallel_rows), "--strategy", "cross", "--steps", "4"]
    words += ["--batch-size", "8", "--lr", "0.01", "--seed", "0"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    capfd.readouterr()
    json = tmp_path / "two.json"
    assert main([*words, "--out", str(tmp_path / "two"), "--processes", "2", "--json", str(json)]) == 0
    assert capfd.readouterr().out.count(": 4 steps, loss ") == 1 and json.is_file()
    same(tmp_path / "one", tmp_path / "two")


def test_a_process_that_is_killed_ends_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim.py").write_text(
        "import os, signal, time\n"
        "if os.environ['RANK'] == '1':\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "time.sleep(300)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(TroubleError, match="a training in 2 processes did not end well .* goes on from the last"):
        launch.launch(2, "victim")
    assert time.monotonic() - began < 250
