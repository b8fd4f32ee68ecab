"""What can be said of a cluster without one: bad addresses, errors of machines, resources in a study."""

import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hybridkit.cli import main
from hybridkit.errors import InputError, MissingDataError, TroubleError
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.ray_cluster import _reach, attempt, explained, look, ray_cluster, versions
from hybridkit.study.settings import Resources, Study, open_study, study_of_run
from hybridkit.study.sweep import Job
from hybridkit.utils.products import write
from tests.tiny_study import tiny_study


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(InputError, match=r"^ray is not installed; .*pip install 'hybridkit\[cluster\]'"),
        ray_cluster("ray", tmp_path),
    ):
        pass


def test_nothing_imports_ray_unless_it_is_asked_for() -> None:
    import subprocess

    code = "import sys, hybridkit.study.ray_cluster, hybridkit.analysis.whole_study; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bad_addresses_fail_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    for address in (closed, f"ray://{closed}"):
        with pytest.raises(InputError, match=f"--on {address}: no Ray cluster answers there"):
            _reach(address)
    for address in ("nowhere", "ray://head", "127.0.0.1:no"):
        with pytest.raises(InputError, match=f"--on {address}: must be ray .*HOST:PORT or ray://HOST:PORT"):
            _reach(address)


def test_resources_are_settings_that_no_hash_depends_on(tmp_path: Path) -> None:
    plain = tiny_study(tmp_path)
    asks = tiny_study(tmp_path, resources={"gpus": 1, "cpus": 4})
    assert asks.resources == Resources(cpus=4, gpus=1)
    assert asks.key == plain.key and asks == plain
    written = plain.written(tmp_path)
    assert "resources" not in written and asks.written(tmp_path) == {
        **written,
        "resources": {"cpus": 4, "gpus": 1, "passages": 98_304},
    }
    with pytest.raises(InputError, match="resources.gpus must be a whole number from 0 on"):
        tiny_study(tmp_path, resources={"gpus": -1})


def test_a_run_keeps_the_resources_of_its_study(tmp_path: Path) -> None:
    from hybridkit.study.run import Run

    study: Study = replace(open_study("quick"), resources=Resources(cpus=2))
    Run(study, tmp_path / "run").prepare()
    assert study_of_run(tmp_path / "run").resources == Resources(cpus=2)


def full(_: object) -> None:
    raise OSError(28, "No space left on device", "/scratch/models/x")


def wrong(_: object) -> None:
    raise InputError("rows.jsonl, line 3: no text")


def bug(_: object) -> None:
    raise ZeroDivisionError("of ours")


class Unsendable(Exception):  # noqa: N818
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} {two}")


def test_errors_of_a_machine_name_it_and_others_are_what_they_were() -> None:
    here = socket.gethostname()
    error = attempt(full, None, 1, None, {}).error
    assert isinstance(error, TroubleError)
    assert str(error).startswith(f"{here}: /scratch/models/x: the disk is full (") and "everything finished" in str(
        error
    )
    error = attempt(wrong, None, 1, None, {}).error
    assert type(error) is InputError and str(error) == "rows.jsonl, line 3: no text"
    error = attempt(bug, None, 1, None, {}).error
    assert type(error) is ZeroDivisionError and "in bug" in error.__notes__[0] and here in error.__notes__[0]
    assert str(explained(MissingDataError("xquad-r is missing"))) == f"{here}: xquad-r is missing"
    assert "1 2" in str(explained(Unsendable(1, 2)))


def test_a_job_gets_the_data_folder_of_the_driver_where_its_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def check(expected: str) -> None:
        assert os.environ["HYBRIDKIT_DATA"] == expected

    monkeypatch.setenv("HYBRIDKIT_DATA", "/own")
    assert attempt(check, "/own", 1, None, {"HYBRIDKIT_DATA": "/driver"}).error is None
    monkeypatch.delenv("HYBRIDKIT_DATA")
    assert attempt(check, "/driver", 1, None, {"HYBRIDKIT_DATA": "/driver"}).error is None


def leave(job: Job) -> None:
    write(job.folder / "ranks" / f"{job.spec.seed}.txt", str(job.spec))


def test_what_one_job_has_sent_to_a_store_the_next_does_not_send_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    study = tiny_study(tmp_path)
    jobs = [Job(study, tmp_path / "run", ModelSpec("mono", seed)) for seed in (0, 1)]
    sent = [attempt(leave, job, 1, f"file://{tmp_path}/store", {}) for job in jobs]
    assert [one.error for one in sent] == [None, None]
    assert [f"ranks/.{seed}.txt.sum" in one.sent for seed, one in enumerate(sent)] == [True, True]
    assert not {*sent[0].sent} & {*sent[1].sent}


def test_a_machine_says_whether_it_sees_a_folder(tmp_path: Path) -> None:
    probe = tmp_path / ".probe-1"
    found, trouble = look(str(probe))
    assert found == versions() and trouble == f"{probe}: No such file or directory"
    probe.write_text("another")
    assert look(str(probe))[1] == "another file is there"
    probe.write_text(probe.name)
    assert look(str(probe))[1] == "" and len(list(tmp_path.iterdir())) == 2
    assert look("") == (versions(), "")


def test_a_trouble_of_a_machine_ends_a_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TroubleError("node7: the disk is full")

    monkeypatch.setattr("hybridkit.study.pipeline.run_study", fail)
    assert main(["run", "quick", "--on", "ray"]) == 1
    assert "hybridkit: node7: the disk is full" in capsys.readouterr().err
