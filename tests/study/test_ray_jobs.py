"""How jobs are given to a cluster, with a stand-in for Ray that does them in threads; tests/cluster has Ray itself."""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as first_of
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hybridkit.errors import InputError, TroubleError
from hybridkit.study import ray_cluster as clusters
from hybridkit.study.ray_cluster import Machine, Outcome, RayCluster, ShareError, Taken
from hybridkit.study.settings import Resources


class LostError(Exception):
    """As Ray's for a worker that was killed."""


class StandIn:
    """The few words of Ray that the kit uses; machines are (cores, GPUs)."""

    exceptions = SimpleNamespace(RayError=LostError, RayTaskError=ZeroDivisionError)

    def __init__(self, *machines: tuple[int, int]) -> None:
        self.pool = ThreadPoolExecutor(8)
        self.machines = machines
        self.options: list[dict[str, Any]] = []
        self.running = self.most = 0
        self.lock = threading.Lock()

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "Alive": True,
                "NodeID": str(n),
                "NodeManagerHostname": f"node{n}",
                "Resources": {"CPU": cpus, "GPU": gpus},
            }
            for n, (cpus, gpus) in enumerate(self.machines)
        ] + [{"Alive": False, "NodeID": "x", "NodeManagerHostname": "gone", "Resources": {"CPU": 64.0}}]

    def remote(self, **_: Any) -> Any:
        return lambda function: SimpleNamespace(options=lambda **given: self._task(function, given))

    def _task(self, function: Any, given: dict[str, Any]) -> Any:
        def work(*words: Any) -> Any:
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            try:
                return function(*words)
            finally:
                with self.lock:
                    self.running -= 1

        def remote(*words: Any) -> "Future[Any]":
            self.options.append(given)
            return self.pool.submit(work, *words)

        return SimpleNamespace(remote=remote)

    def wait(self, running: list["Future[Any]"], num_returns: int) -> tuple[list["Future[Any]"], list["Future[Any]"]]:
        done, left = first_of(running, return_when=FIRST_COMPLETED)
        return list(done), list(left)

    def get(self, one: "Future[Any]", timeout: float | None = None) -> Any:
        return one.result(timeout)


@dataclass(frozen=True)
class Small:
    """A job."""

    name: str
    needs: Resources = Resources()
    static: bool = True
    processes: int = 1

    def __str__(self) -> str:
        return self.name


def cluster(tmp_path: Path, *machines: tuple[int, int]) -> tuple[StandIn, RayCluster]:
    ray = StandIn(*machines)
    return ray, RayCluster(ray, "here", tmp_path / "run")


def test_as_many_jobs_run_as_there_is_room_for(tmp_path: Path) -> None:
    ray, workers = cluster(tmp_path, (2, 0), (1, 0))
    assert workers.machines == [Machine("0", "node0", 2, 0), Machine("1", "node1", 1, 0)]
    done: list[str] = []

    def work(job: Small) -> None:
        time.sleep(0.05)
        done.append(job.name)

    jobs = [Small(str(n)) for n in range(7)]
    assert len(list(workers.each(work, jobs))) == 7
    assert sorted(done) == [job.name for job in jobs] and ray.most == 3
    assert {(one["num_cpus"], one["num_gpus"]) for one in ray.options} == {(1, 0)}
    assert list(workers.each(work, [])) == []


def test_what_a_job_takes(tmp_path: Path) -> None:
    _, workers = cluster(tmp_path, (8, 0), (16, 2), (12, 1))
    assert workers._taken(Small("a"), 1) == Taken(1, 0)  # a static encoder needs no GPU
    assert workers._taken(Small("a", static=False), 1) == Taken(12, 1)  # all cores of the smaller machine with a GPU
    assert workers._taken(Small("a", Resources(gpus=0), static=False), 1) == Taken(8, 0)
    assert workers._taken(Small("a", Resources(cpus=4, gpus=2), static=False), 1) == Taken(4, 2)
    assert workers._room([Taken(4, 1), Taken(6, 1)]) == 3 and workers._room([Taken(8, 0)]) == 1 + 2 + 1
    with pytest.raises(
        InputError, match=r"a: resources: a model takes 1 cores and 3 GPUs, .* node1 \(16 cores, 2 GPUs\)"
    ):
        workers._taken(Small("a", Resources(gpus=3)), 1)
    with pytest.raises(InputError, match="a model takes 17 cores, and no machine .* change `resources` in the study"):
        list(workers.each(print, [Small("a", Resources(cpus=17))]))


def test_what_processes_that_share_a_training_take(tmp_path: Path) -> None:
    _, workers = cluster(tmp_path, (8, 0), (16, 2), (12, 1))
    large = Small("a", static=False)
    assert workers._taken(Small("a"), 16) == Taken(16, 0)  # one machine has room: a core each
    assert workers._taken(Small("a", Resources(cpus=2)), 8) == Taken(16, 0)
    assert workers._taken(large, 2) == Taken(16, 2)  # a GPU each, and all cores of the machine
    assert workers._taken(large, 3) == Taken(8, 1, spread=3)  # each as many as all have beside a GPU
    assert workers._taken(Small("a", Resources(cpus=5), static=False), 3) == Taken(5, 1, spread=3)
    assert workers._taken(Small("a", Resources(gpus=0), static=False), 24) == Taken(1, 0, spread=24)
    for wanted, needs, processes, room in (
        ("1 cores and 1 GPUs", Resources(), 4, 3),
        ("9 cores and 1 GPUs", Resources(cpus=9), 3, 2),
        ("1 cores", Resources(gpus=0), 37, 36),
        ("17 cores", Resources(cpus=17, gpus=0), 2, 0),
    ):
        refused = f"a: resources: a training takes {processes} times {wanted}, .* room for {room} times that"
        with pytest.raises(InputError, match=f"{refused}.*node2 .*change `resources` or `training.processes`"):
            workers._taken(Small("a", needs, static=False), processes)


def test_a_spread_training_comes_before_the_rest_of_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray, workers = cluster(tmp_path, (1, 0), (1, 0))
    done: list[str] = []

    def train(job: Small, took: Taken, store: str | None, _: Any) -> Outcome:
        done.append(f"train {job}")
        assert took == Taken(1, 0, spread=2) and store is None
        return Outcome(error=InputError("nan") if job.name == "bad" else None)

    monkeypatch.setattr(clusters, "train_spread", train)
    jobs = [Small("a", processes=2), Small("b")]
    assert len(list(workers.each(lambda job: done.append(str(job)), jobs))) == 2
    assert sorted(done) == ["a", "b", "train a"] and done.index("train a") < done.index("a")
    assert {one["name"]: one["num_cpus"] for one in ray.options if one["num_cpus"]} == {"a": 1, "b": 1}
    with pytest.raises(InputError, match="^nan$"):
        list(workers.each(lambda job: done.append(str(job)), [Small("bad", processes=2)]))
    assert "bad" not in done


class TrainError(Exception):
    """As Ray Train's for processes that ended with errors."""

    def __init__(self, **found: Any) -> None:
        super().__init__("Training failed\nTraceback ...")
        self.__dict__.update(found)


def test_why_processes_ended_that_train_together() -> None:
    nan, bug = ShareError(InputError("the loss is nan")), ShareError(KeyError("x"))
    alone, dead = ShareError(RuntimeError("[.../gloo/transport/tcp/pair.cc:1] Connection closed by peer")), LostError()
    for failures in ([bug, nan], [alone, nan], [nan]):
        with pytest.raises(ShareError) as caught:
            clusters._lost_process("a", TrainError(worker_failures=dict(enumerate(failures))))
        assert clusters.explained(caught.value) is nan.error
    with pytest.raises(ShareError, match="'x'"):
        clusters._lost_process("a", TrainError(worker_failures={1: bug}))
    for lost, why in (([alone, dead], dead), ([nan, dead], dead), ([alone], alone.error)):
        assert clusters._lost_process("a", TrainError(worker_failures=dict(enumerate(lost)))) is why
    with pytest.raises(TroubleError, match="^a: .* could not be started together .OSError: no route.; check that the"):
        clusters._lost_process("a", TrainError(controller_failure=OSError("no route\nto host")))


def test_an_error_lets_what_runs_end_and_starts_no_more(tmp_path: Path) -> None:
    _, workers = cluster(tmp_path, (2, 0))
    done: list[str] = []

    def work(job: Small) -> None:
        if job.name == "1":
            raise InputError("rows.jsonl, line 3: no text")
        time.sleep(0.3)
        done.append(job.name)

    with pytest.raises(InputError, match="^rows.jsonl, line 3: no text$"):
        list(workers.each(work, [Small(str(n)) for n in range(9)]))
    assert done == ["0"]


def test_a_worker_that_is_lost_for_good_is_an_error_with_its_job(tmp_path: Path) -> None:
    ray, workers = cluster(tmp_path, (1, 0))

    def lost(*_: Any, **__: Any) -> Any:
        raise LostError("The worker died unexpectedly while executing this task.")

    ray.get = lost  # type: ignore[method-assign]
    with pytest.raises(TroubleError, match="study tiny: mono: its worker was lost 4 times .*memory full"):
        list(workers.each(lambda _: None, [Small("study tiny: mono")]))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (None, "No module named 'hybridkit'"),
            "node0: the kit cannot be imported there .*No module.* install hybridkit",
        ),
        (({"hybridkit": "0.0.9"}, ""), "node0: hybridkit is 0.0.9 there and 1 here; install the same"),
        (
            ({"hybridkit": "1"}, "/runs/x: No such file"),
            "node0: the run folder .* is not shared with it .*No such file.*s3://",
        ),
    ],
)
def test_machines_that_cannot_be_used(
    answer: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, workers = cluster(tmp_path, (1, 0))
    monkeypatch.setattr("hybridkit.study.ray_cluster.versions", lambda: {"hybridkit": "1"})
    monkeypatch.setattr(workers, "_ask_each", lambda *_: [(workers.machines[0], answer)])
    with pytest.raises(InputError, match=message):
        workers.check_machines()
    assert not list(workers.folder.iterdir())
