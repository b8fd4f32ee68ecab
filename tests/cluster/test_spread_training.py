"""Processes on two nodes of one core each train one model: the bytes of the launcher, whatever is killed meanwhile."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hybridkit.errors import InputError
from hybridkit.study.ray_cluster import RayCluster, ray_cluster
from hybridkit.study.run import Run
from hybridkit.study.settings import Study
from hybridkit.study.sweep import sweep
from hybridkit.utils.object_store import Mirror
from tests.tiny_study import tiny_study

TRAINING = {"steps": 60, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 5, "processes": 2}
MADE = ("models", "ranks", "scores")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Models of two processes each, which no node has room for."""
    return tiny_study(tmp_path_factory.mktemp("study"), training=TRAINING)


def made(run: Run) -> dict[str, bytes]:
    found = (path for name in MADE for path in (run.folder / name).rglob("*") if path.is_file())
    return {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def launched(study: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What two processes of the launcher make on this machine."""
    run = Run(study, tmp_path_factory.mktemp("launched"))
    assert sweep(run, run.models()[-1:], study.evaluation.benchmarks) == 1
    return made(run)


@pytest.fixture
def workers(two_nodes: Any, tmp_path: Path) -> Iterator[RayCluster]:
    with ray_cluster(two_nodes.cluster_address, tmp_path / "run") as found:
        yield found


def processes_of_trainings() -> list[int]:
    """The processes of this test's cluster that train a model together: children of its nodes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"RayTrainWorker" in path.read_bytes() and parent(parent(int(path.parent.name))) == os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


class Killer(threading.Thread):
    """Kills a process of a training once a checkpoint is whole, and notes the steps of it and of later ones."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.before, self.after, self.ended = folder, 0, set[int](), False

    def run(self) -> None:
        while not self.ended:
            steps = {
                int(path.parent.name.split("-")[1])
                for path in self.folder.glob("models/*.work/checkpoint-*/hybridkit-checkpoint.json")
            }
            if self.before:
                self.after |= steps
            elif max(steps, default=0) >= 20 and (found := processes_of_trainings()):
                os.kill(max(found), signal.SIGKILL)
                self.before = max(steps)
            time.sleep(0.01)


def test_a_process_that_is_killed_costs_steps_only(
    workers: RayCluster, study: Study, launched: dict[str, bytes]
) -> None:
    killer = Killer(workers.folder)
    killer.start()
    run = Run(study, workers.folder)
    assert sweep(run, run.models()[-1:], study.evaluation.benchmarks, workers) == 1
    killer.ended = True
    killer.join()
    assert 20 <= killer.before < 60 and max(killer.after) > killer.before
    assert min(killer.after) > 5, "it went on from a checkpoint"
    assert made(run) == launched
    assert not list(run.folder.glob("models/*.work"))
    assert sweep(run, run.models()[-1:], study.evaluation.benchmarks, workers) == 0


def test_nodes_without_a_common_folder_train_together(
    two_nodes: Any, study: Study, launched: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "driver"))
    mirror = Mirror(f"file://{tmp_path}/store", "tiny")
    run = Run(study, mirror.folder)
    with ray_cluster(two_nodes.cluster_address, run.folder, mirror) as workers:
        assert sweep(run, run.models()[-1:], study.evaluation.benchmarks, workers) == 1
        measured = replace(study, training=replace(study.training, evaluate_every=2))
        with pytest.raises(InputError, match="training.evaluate_every: no machine has room for 2 processes, .* to 0"):
            sweep(Run(measured, mirror.folder), run.models()[-1:], (), workers)
    assert made(run) == launched


def test_an_error_of_a_process_comes_back_as_itself(workers: RayCluster, tmp_path: Path) -> None:
    study = tiny_study(tmp_path, training={**TRAINING, "learning_rate": 1e38})
    run = Run(study, workers.folder)
    with pytest.raises(InputError, match=r"^training, step \d+: the loss is (nan|inf); lower training.learning_rate"):
        sweep(run, run.models()[-1:], (), workers)


def test_more_processes_than_the_cluster_has_room_for_are_an_error_at_once(workers: RayCluster, tmp_path: Path) -> None:
    run = Run(tiny_study(tmp_path, training={**TRAINING, "processes": 4}), workers.folder)
    refused = r"resources: a training takes 4 times 1 cores, and the machines .* have room for 2 times that"
    with pytest.raises(InputError, match=refused):
        sweep(run, run.models(), (), workers)
