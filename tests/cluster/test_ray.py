"""Sweeps on a Ray cluster of two nodes give the bytes of one process, whatever is killed meanwhile."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hybridkit.analysis.scores import make_collections
from hybridkit.analysis.whole_study import make_everything
from hybridkit.errors import InputError, TroubleError
from hybridkit.study import ray_cluster as clusters
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.ray_cluster import RayCluster, ray_cluster
from hybridkit.study.run import Run
from hybridkit.study.settings import Resources, Study
from hybridkit.study.shards import ShardJob, make_shards, missing_shards
from hybridkit.study.sweep import Job, is_made, make_model, sweep
from hybridkit.utils.files import remove_leftovers
from hybridkit.utils.object_store import Mirror
from tests.many_passages import SHARD, study_of_many
from tests.tiny_study import tiny_study

MADE = ("models", "plans", "ranks", "scores", "embeddings", "estimates", "leaks")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three models, one of them untrained, and one remedy."""
    return tiny_study(tmp_path_factory.mktemp("study"), remedies=["calibrate(top=5)"], notebooks=["03", "04", "08"])


def made(run: Run) -> dict[str, bytes]:
    """What the models of a run are and have, by file; what a killed worker left half written is hidden and is not."""
    found = (path for name in MADE for path in (run.folder / name).rglob("*") if path.is_file())
    return {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in found if not is_half(path)}


def is_half(path: Path) -> bool:
    """Whether a file is one that is being written, or lies in a folder that is: `files.atomic_folder`."""
    return any(part.startswith(".") and part.endswith(".tmp") for part in path.parts)


@pytest.fixture(scope="module")
def alone(study: Study, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same made on this machine."""
    run = Run(study, tmp_path_factory.mktemp("alone"))
    run.check()
    assert make_everything(run, ["04", "08"]) == 3
    return made(run)


@pytest.fixture
def workers(two_nodes: Any, tmp_path: Path) -> Iterator[RayCluster]:
    with ray_cluster(two_nodes.cluster_address, tmp_path / "run") as found:
        yield found


def test_a_sweep_on_two_nodes_has_the_bytes_of_one_process(
    workers: RayCluster, study: Study, alone: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(workers.machines) == 2
    run = Run(study, workers.folder)
    run.check()
    assert make_everything(run, ["04", "08"], workers) == 3
    assert made(run) == alone
    assert not list(run.folder.glob(".probe*"))
    assert make_everything(Run(study, workers.folder), ["04", "08"], workers) == 0
    assert sweep(run, run.models(), run.study.evaluation.benchmarks, workers) == 0


def test_an_error_comes_back_as_itself_and_others_are_kept(workers: RayCluster, study: Study) -> None:
    run = Run(study, workers.folder)
    run.check()
    untrained, mono = run.models()[:2]
    benchmarks = run.study.evaluation.benchmarks
    jobs = [Job(study, run.folder, untrained, benchmarks), Job(study, run.folder, mono, ("no-such-benchmark",))]
    with pytest.raises(InputError, match="no-such-benchmark") as caught:
        list(workers.each(make_model, jobs))
    assert isinstance(caught.value, InputError) and "Traceback" not in str(caught.value)
    assert is_made(run, untrained, benchmarks) and is_made(run, mono, ())


def test_errors_of_a_node_and_lost_workers(workers: RayCluster) -> None:
    def work(job: str) -> None:  # sent as it is, as a function within a function
        import os
        import signal
        from pathlib import Path

        from hybridkit.utils.files import atomic_folder

        if job == "full":
            raise OSError(28, "No space left on device", "/scratch/ranks/x")
        if job.startswith("/") and not Path(job).exists():
            Path(job).touch()
            with atomic_folder(Path(f"{job}-model")) as half:
                (half / "weights").write_text("half")
                os.kill(os.getpid(), signal.SIGKILL)  # the first time
        if job == "dies":
            os.kill(os.getpid(), signal.SIGKILL)

    once = str(workers.folder / "once")
    assert len(list(workers.each(work, ["a", once, "b"]))) == 3
    (half,) = workers.folder.rglob("weights")
    assert is_half(half) and not Path(f"{once}-model").exists()
    remove_leftovers(workers.folder)  # as the next run does
    assert not half.exists()
    with pytest.raises(TroubleError, match=r": /scratch/ranks/x: the disk is full \(.* everything finished is kept"):
        list(workers.each(work, ["a", "full"]))
    with pytest.raises(TroubleError, match="dies: its worker was lost 4 times .* memory"):
        list(workers.each(work, ["dies"]))


def test_what_no_node_has_is_an_error_at_once(workers: RayCluster, study: Study) -> None:
    for needs, wanted in ((Resources(gpus=1), "1 cores and 1 GPUs"), (Resources(cpus=64), "64 cores")):
        run = Run(replace(study, resources=needs), workers.folder)
        with pytest.raises(InputError, match=f"resources: a model takes {wanted}, and no machine .*\\(1 cores\\)"):
            sweep(run, run.models(), (), workers)


def test_another_version_on_a_node_is_an_error_with_its_name(
    two_nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "versions", lambda: {"hybridkit": "0.0.1", "hybridkit's code": "f00"})
    differs = pytest.raises(InputError, match=r": hybridkit is .* there and 0.0.1 here; install the same")
    with differs, ray_cluster(two_nodes.cluster_address, tmp_path):
        pass


def kill_a_worker(after: float, chosen: random.Random) -> threading.Thread:
    """Kill one of the processes that do jobs after some seconds, once there is one."""

    def kill() -> None:
        time.sleep(after)
        for _ in range(600):
            found = []
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if path.read_bytes().startswith(b"ray::study tiny"):
                        found.append(int(path.parent.name))
                except OSError:
                    continue
            if found:
                os.kill(chosen.choice(found), signal.SIGKILL)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("seed", range(10))
def test_a_worker_that_is_killed_costs_its_task_only(
    seed: int, workers: RayCluster, study: Study, alone: dict[str, bytes]
) -> None:
    run, chosen = Run(study, workers.folder), random.Random(seed)
    run.check()
    killer = kill_a_worker(chosen.uniform(0, 2), chosen)
    assert make_everything(run, ["04", "08"], workers) == 3
    killer.join(30)
    assert made(run) == alone


def test_a_killed_driver_is_started_again(
    two_nodes: Any, tmp_path: Path, study: Study, alone: dict[str, bytes]
) -> None:
    script = tmp_path / "driver.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from hybridkit.analysis.whole_study import make_everything\n"
        "from hybridkit.study.ray_cluster import ray_cluster\n"
        "from hybridkit.study.run import Run\n"
        "run = Run(sys.argv[1], Path(sys.argv[2]))\n"
        "run.check()\n"
        "with ray_cluster(sys.argv[3], run.folder) as workers:\n"
        "    make_everything(run, ['04', '08'], workers)\n"
    )
    folder = tmp_path / "run"
    words = [
        sys.executable,
        str(script),
        str(Path(str(study.folder)) / "tiny.yaml"),
        str(folder),
        two_nodes.cluster_address,
    ]
    driver = subprocess.Popen(words)
    for _ in range(6000):
        if list(folder.glob("models/.*-s0-*.sum")) or driver.poll() is not None:
            break
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("models/*/model.safetensors")}
    assert before, "a model was made before the kill"
    subprocess.run(words, check=True, timeout=600)
    assert made(Run(study, folder)) == alone
    whole = {path for path in before if path.exists()}
    assert all(path.stat().st_mtime_ns == before[path] for path in whole)


def test_nodes_without_a_common_folder_share_a_store(
    two_nodes: Any, study: Study, alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "driver"))
    mirror = Mirror(f"file://{tmp_path}/store", "tiny")
    run = Run(study, mirror.folder)
    run.check()
    with ray_cluster(two_nodes.cluster_address, run.folder, mirror) as workers:
        assert make_everything(run, ["04", "08"], workers) == 3
    assert made(run) == alone
    mirror.send_everything(leave=("corpus",))
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "another driver"))
    other = Mirror(f"file://{tmp_path}/store", "tiny")
    other.bring_all()
    assert made(Run(study, other.folder)) == alone


def test_shards_of_a_collection_on_two_nodes_of_which_one_is_killed(
    two_nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(job: ShardJob) -> None:
        import os
        import signal

        from hybridkit.retrieval import passage_embeddings
        from hybridkit.study.shards import make_shard

        once = job.folder / "once"
        if job.shard.start == SHARD and not once.exists():
            once.touch()
            passage_embeddings.encode = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        make_shard(job)

    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    study = replace(study_of_many(tmp_path), resources=Resources(passages=SHARD))
    untaught, names = ModelSpec("untrained", 0), study.evaluation.judged
    alone, run = Run(study, tmp_path / "alone"), Run(study, tmp_path / "run")
    make_collections(alone, untaught, names)
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "other"))
    with ray_cluster(two_nodes.cluster_address, run.folder) as workers:
        run.trained.encoder("main", 0)
        assert len(list(workers.each(work, missing_shards(run, untaught, names)))) == 4
        assert (run.folder / "once").exists()
        assert make_shards(run, [(untaught, names)], workers) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hybridkit.study.shards.dense_search", None)
        make_collections(run, untaught, names[1:])  # the pool
    make_collections(run, untaught, names)

    def judged(run: Run) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (run.folder / "judged").rglob("*") if path.is_file()}

    assert judged(run) == judged(alone) and len(judged(run)) == 16
