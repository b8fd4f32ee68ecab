"""A Ray cluster as the place where models are made (https://docs.ray.io): started here, or one that runs already.

Each job is a task that Ray puts on a machine with the cores and GPUs that it needs. What a task makes lies in the run
folder, on storage that all machines see, or goes to a store (`utils.object_store`). A training in several processes
that no machine has room for is spread over several by Ray Train, and its model is scored by a task.
"""

import os
import pickle
import shutil
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hybridkit.errors import InputError, MissingDataError, TroubleError, first_line
from hybridkit.study.settings import Resources
from hybridkit.study.sweep import Job, run_of
from hybridkit.utils.extras import optional
from hybridkit.utils.files import code_hash, digest, is_full_disk
from hybridkit.utils.object_store import Mirror
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import also_from, product_of, seal

RETRIES = 3  # of a job whose worker or machine was lost; never of one with an error
LOOKING = 300.0  # seconds within which every machine answers the first question
WAITING = 604_800  # seconds that processes of a training wait for room on the machines, as a task does
ANSWER = 5.0  # seconds within which something answers at the cluster's address
HERE = "ray"  # the address of a cluster that is started here
_STORE_MEMORY = 100 * 2**20  # bytes for what Ray itself moves; the products are files


class Machine(NamedTuple):
    """A machine of the cluster."""

    id: str
    name: str
    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"{self.name} ({self.cpus} cores{f', {self.gpus} GPUs' if self.gpus else ''})"


class Taken(NamedTuple):
    """Cores and GPUs that a job takes."""

    cpus: int
    gpus: int
    spread: int = 0
    """Processes over several machines that train its model first, each with that much; 0 where one machine has room."""


@contextmanager
def ray_cluster(address: str, folder: Path, mirror: Mirror | None = None) -> Iterator["RayCluster"]:
    """Yield the workers of a Ray cluster; a cluster that is started here ends with the block.

    Args:
        address: "ray" for that of the environment variable RAY_ADDRESS, or a cluster that is started here; else that
            of a running one: HOST:PORT, or ray://HOST:PORT from a machine that does not belong to it.
        folder: The run folder, which every machine of the cluster must see, unless it is the copy of one in a store.
        mirror: That copy; every machine then works in a copy of its own.

    Raises:
        InputError: Where Ray is not installed, no cluster answers at the address, versions of Ray, Python or the kit
            differ, or a machine does not see the folder: with the machine.
    """
    ray = optional("ray")
    if address == HERE:
        address = os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    joined = ray.is_initialized()  # by somebody who ends it, too
    context = None if joined else _connect(ray, address)
    try:
        cluster = RayCluster(ray, address or "this machine", folder, mirror)
        if context is not None and (url := getattr(context, "dashboard_url", "")):
            print(f"Ray's dashboard: http://{url}", file=sys.stderr)
        cluster.check_machines()
        yield cluster
    finally:
        if not joined:
            ray.shutdown()


def _connect(ray: Any, address: str) -> Any:
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address in ("", "local"):
        options |= {"object_store_memory": _STORE_MEMORY}
    else:
        _reach(address)
    try:
        return ray.init(address or "local", **options)  # without an address, Ray would join any cluster of this machine
    except ImportError as error:  # its client needs more than the rest of it
        raise InputError(
            f"--on {address}: {first_line(error)}; run `pip install 'ray[client]=={version('ray')}'`, or start the "
            "command on a machine of the cluster, with --on HOST:PORT"
        ) from error
    except Exception as error:  # Ray has no errors of its own for this
        why = " ".join(str(error).split()) or type(error).__name__
        if address in ("", "local"):
            raise TroubleError(
                f"Ray could not be started here ({why}); see the logs in {_logs()}; or start it by `ray start --head` "
                "and give its address: --on HOST:PORT"
            ) from error
        cure = "install the same versions" if "ersion" in why else "check it, and that a cluster runs there"
        raise InputError(f"the Ray cluster at {address} cannot be used ({why}); {cure}") from error


def _reach(address: str) -> None:
    """Raise InputError unless something answers at an address; Ray itself would wait for minutes."""
    kind, _, rest = address.rpartition("://")
    host, _, port = rest.partition("/")[0].rpartition(":")
    if address == "auto" or kind not in ("", "ray"):
        return
    if not host or not port.isdecimal():
        raise InputError(
            f"--on {address}: must be {HERE} (a cluster that is started here), HOST:PORT or ray://HOST:PORT"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--on {address}: no Ray cluster answers there ({error}); start one by `ray start --head`, or check "
            "host and port"
        ) from error


def _logs() -> Path:
    return Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "session_latest", "logs")


class RayCluster:
    """Those who do jobs on a Ray cluster, as `workers.Workers`.

    A job has `needs`, `processes`, `static` and a `folder`, as `sweep.Job` has; other values take one core.
    """

    def __init__(self, ray: Any, address: str, folder: Path, mirror: Mirror | None = None) -> None:
        self._ray, self.address, self.folder, self._mirror = ray, address, folder, mirror

    @property
    def machines(self) -> list[Machine]:
        """The machines of the cluster at this moment."""
        found = []
        for node in self._ray.nodes():
            if node["Alive"]:
                cores, gpus = (int(node["Resources"].get(name, 0)) for name in ("CPU", "GPU"))
                found.append(Machine(node["NodeID"], node["NodeManagerHostname"], cores, gpus))
        return found

    def check_machines(self) -> None:
        """Raise InputError where a machine has another version of the kit, or does not see the run folder."""
        own = versions()
        probe = self.folder / f".probe-{digest(os.urandom(8).hex())[:16]}"
        if self._mirror is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.write_text(probe.name)
        try:
            for machine, (theirs, trouble) in self._ask_each(_probe(), str(probe) if self._mirror is None else ""):
                if theirs is None:
                    raise InputError(
                        f"{machine.name}: the kit cannot be imported there ({trouble}); install hybridkit "
                        f"{own['hybridkit']} on every machine of the cluster"
                    )
                for name, mine in own.items():
                    if theirs[name] != mine:
                        raise InputError(
                            f"{machine.name}: {name} is {theirs[name]} there and {mine} here; install the same on "
                            "every machine of the cluster"
                        )
                if trouble:
                    raise InputError(
                        f"{machine.name}: the run folder {self.folder} is not shared with it ({trouble}); set "
                        "HYBRIDKIT_RUNS to a folder that every machine sees at the same path, or to the address of a "
                        "store, as s3://bucket/runs"
                    )
        finally:
            for left in self.folder.glob(f"{probe.name}*"):
                left.unlink(missing_ok=True)

    def _ask_each(self, question: Callable[..., Any], *words: Any) -> Iterator[tuple[Machine, Any]]:
        """Ask every machine at once, and yield what each answers."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self._ray.remote(num_cpus=0)(question)
        asked = {}
        for machine in self.machines:
            there = NodeAffinitySchedulingStrategy(machine.id, soft=False)
            asked[machine] = task.options(scheduling_strategy=there).remote(*words)
        for machine, answer in asked.items():
            try:
                yield machine, self._ray.get(answer, timeout=LOOKING)
            except self._ray.exceptions.RayError as error:
                raise TroubleError(
                    f"{machine.name}: the machine does not answer ({first_line(error)}); see `ray status`"
                ) from error

    def each(self, work: Callable[[Any], None], jobs: Sequence[Any]) -> Iterator[None]:
        """Do the work on every job, side by side; a job whose worker or machine is lost is done again elsewhere."""
        taken = [self._taken(job, getattr(job, "processes", 1)) for job in jobs]
        again = self._ray.remote(max_retries=RETRIES, retry_exceptions=False)
        task, training = again(attempt), again(train_spread)
        given = {name: value for name in ("HYBRIDKIT_DATA",) if (value := os.environ.get(name))}
        store = None
        if self._mirror is not None:
            store = self._mirror.store
            self._mirror.send()  # what all jobs start from
        left = list(zip(jobs, taken, strict=True))[::-1]
        running: dict[Any, Any] = {}
        failed: Exception | None = None
        while left or running:
            while left and len(running) < self._room(taken):
                job, took = left.pop()
                name = str(job)[:100]
                if took.spread:  # the task only waits for the processes
                    there = training.options(num_cpus=0, num_gpus=0, name=name).remote(job, took, store, given)
                else:
                    there = task.options(num_cpus=took.cpus, num_gpus=took.gpus, name=name)
                    there = there.remote(work, job, took.cpus, store, given)
                running[there] = job, took
            ended, _ = self._ray.wait(list(running), num_returns=1)
            for one in ended:
                job, took = running.pop(one)
                try:
                    outcome: Outcome = self._ray.get(one)
                except self._ray.exceptions.RayTaskError as error:  # a job that its machine cannot read
                    outcome = Outcome(error=error)
                except self._ray.exceptions.RayError as error:
                    outcome = Outcome(error=_lost(job, error))
                if outcome.error is not None:
                    failed = failed or outcome.error
                    left.clear()  # what runs may end
                    continue
                if self._mirror is not None:
                    for name in outcome.sent:
                        self._mirror.bring(product_of(self.folder / name))
                if not took.spread:
                    yield
                elif failed is None:  # the model is there; the rest of the job takes one process
                    left.append((job, self._taken(job, 1)))
        if failed is not None:
            raise failed

    def _taken(self, job: Any, processes: int) -> Taken:
        """What a job of some processes takes; InputError where the machines do not have it."""
        needs: Resources = getattr(job, "needs", Resources(cpus=1))
        static: bool = getattr(job, "static", True)
        machines = self.machines
        some = any(machine.gpus for machine in machines)
        gpus = needs.gpus if needs.gpus is not None else int(some and not static)
        least = max(1, needs.cpus)
        room = {one: min(one.cpus // least, one.gpus // gpus if gpus else one.cpus) for one in machines}
        if fitting := [one for one in machines if room[one] >= processes]:
            some_or_all = processes if static else min(machine.cpus for machine in fitting)
            return Taken(needs.cpus * processes or some_or_all, gpus * processes)
        if processes > 1 and sum(room.values()) >= processes:
            if self._mirror is not None and job.spec.training(job.study).evaluate_every:
                raise InputError(
                    f"{job}: training.evaluate_every: no machine has room for {processes} processes, and several share "
                    "no folder for the best checkpoint; set HYBRIDKIT_RUNS to a folder that every machine sees, or "
                    "evaluate_every to 0"
                )
            return Taken(needs.cpus or min(one.cpus // room[one] for one in machines if room[one]), gpus, processes)
        wanted = f"{least} cores" + (f" and {gpus} GPUs" if gpus else "")
        cluster = f"of the Ray cluster at {self.address}"
        there = f"there are {', '.join(map(str, machines))}; change `resources`"
        if processes == 1:
            raise InputError(
                f"{job}: resources: a model takes {wanted}, and no machine {cluster} has that many; {there} in the "
                "study"
            )
        raise InputError(
            f"{job}: resources: a training takes {processes} times {wanted}, and the machines {cluster} have room for "
            f"{sum(room.values())} times that; {there} or `training.processes` in the study"
        )

    def _room(self, taken: Sequence[Taken]) -> int:
        """How many jobs run at a time: as many of the smallest as all machines have room for, one at least."""
        cpus, gpus = min(one.cpus for one in taken), min(one.gpus for one in taken)
        each: list[int] = [min(one.cpus // cpus, one.gpus // gpus if gpus else one.cpus) for one in self.machines]
        return max(1, sum(each))


@dataclass(frozen=True)
class Outcome:
    """What a job left: names of the checksum files that went to the store, or its error."""

    sent: tuple[str, ...] = ()
    error: Exception | None = None


def attempt(
    work: Callable[[Any], None], job: Any, cpus: int, store: str | None, environment: Mapping[str, str]
) -> Outcome:
    """Do some work on a job, on a machine of the cluster; an error is returned, so that Ray does not wrap it."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)  # a machine's own setting stays
    mirror = None
    try:
        with ExitStack() as block:
            block.enter_context(threads(cpus))
            if store is not None and isinstance(job, Job):
                mirror = _mirror(store, job.folder.name)
                job = replace(job, folder=mirror.folder)
                block.enter_context(also_from(mirror.bring))
                _read_rows(job)
            work(job)
        return Outcome(tuple(mirror.send()) if mirror is not None else ())
    except Exception as error:
        return Outcome(error=explained(error))


def train_spread(job: Any, took: Taken, store: str | None, environment: Mapping[str, str]) -> Outcome:
    """Train a model in processes on several machines, and wait for them; one that is lost is replaced.

    They go on from the last checkpoint, which all machines see in the run folder. Where each machine works in a copy
    of its own (`store`), they begin anew.
    """
    sent: list[str] = []

    def work(here: Any) -> None:
        def share(processes: int) -> None:
            if store is not None:
                _mirror(store, here.folder.name).send()  # what the processes start from
            sent.extend(_fit(job, took, store, environment))
            if store is not None:
                _mirror(store, here.folder.name).bring(trained.path(here.spec))

        trained = run_of(here).trained
        trained.train(here.spec, share)

    outcome = attempt(work, job, took.cpus, store, environment)
    return replace(outcome, sent=(*sent, *outcome.sent))


def _fit(job: Any, took: Taken, store: str | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Start the processes that train a model, as often as one is lost; return what the first of them sent to a store.

    Ray Train places them, and joins them by NCCL on GPUs, by gloo on CPUs; checkpoints and results are the kit's.
    """
    from ray.exceptions import RayActorError
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchTrainer

    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(WAITING)
    each = {"CPU": took.cpus, **({"GPU": took.gpus} if took.gpus else {})}
    share: Any = partial(_train_share, job, took, store, environment)
    starts: Any = FailureConfig()
    starts.controller_failure_limit = RETRIES
    lost: Exception = TroubleError()
    for _ in range(RETRIES + 1):
        with TemporaryDirectory() as folder:  # for Ray Train, which is given nothing to keep
            trainer: Any = TorchTrainer(
                share,
                scaling_config=ScalingConfig(num_workers=took.spread, use_gpu=took.gpus > 0, resources_per_worker=each),
                run_config=RunConfig(name="training", storage_path=folder, failure_config=starts),
            )
            try:
                return tuple(trainer.fit().return_value)
            except TrainingFailedError as error:
                why = getattr(error, "controller_failure", None)  # lost before it began
                lost = why if isinstance(why, RayActorError) else _lost_process(job, error)
    raise _lost(job, lost)


def _train_share(job: Any, took: Taken, store: str | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Train a model as one of several processes; the first writes it. Returns what it sent to a store."""

    def work(here: Any) -> None:
        from torch import distributed

        trained = run_of(here).trained
        folder = trained.path(here.spec)
        if store is not None:  # checkpoints of another time, of which other machines have others or none
            shutil.rmtree(folder.with_name(f"{folder.name}.work"), ignore_errors=True)
            distributed.barrier()
        with threads(1) if here.static else nullcontext():
            trained.train_here(here.spec, folder)
        if distributed.get_rank() == 0:
            seal(folder)

    if not took.gpus:
        os.environ["ACCELERATE_USE_CPU"] = "true"  # accelerate looks for GPUs otherwise
    outcome = attempt(work, job, took.cpus, store, environment)
    if outcome.error is not None:
        raise ShareError(outcome.error)
    return outcome.sent


class ShareError(Exception):
    """The error of one of several processes that train a model, on its way through Ray Train."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _lost_process(job: Any, failure: Exception) -> Exception:
    """Return why a process was lost of those that train a model; raise the error of one that ended with an error."""
    failures: dict[int, Exception] | None = getattr(failure, "worker_failures", None)
    if failures is None:
        cause = getattr(failure, "controller_failure", failure)
        raise TroubleError(
            f"{job}: its processes on several machines could not be started together ({first_line(cause)}); check that "
            "the machines of the cluster reach each other at all ports, and see `ray status`"
        ) from failure
    if lost := [one for one in failures.values() if not isinstance(one, ShareError)]:
        return lost[0]
    errors = [one for one in failures.values() if isinstance(one, ShareError)]
    if own := [one for one in errors if not _left_alone(one.error)]:
        raise next((one for one in own if isinstance(one.error, (InputError, TroubleError))), own[0])
    return errors[0].error


def _left_alone(error: Exception) -> bool:
    """Whether an error is that of a process whose fellow was lost; gloo has no class of errors of its own."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error)


@lru_cache(maxsize=1)
def _mirror(store: str, name: str) -> Mirror:
    """The mirror that a process keeps from job to job: what it knows to be in the store is not sent again."""
    return Mirror(store, name)


def _read_rows(job: Job) -> None:
    """Read the study's rows: of the processes of a machine, one writes their corpus, and the others wait."""
    from filelock import FileLock

    job.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(job.folder / ".rows.lock"):
        _ = run_of(job).split


def explained(error: Exception) -> Exception:
    """Return the error of a job for people elsewhere: trouble of this machine with its name, others as they are."""
    if isinstance(error, ShareError):  # it is explained where it was raised
        return error.error
    here = socket.gethostname()
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if full := next((one for one in chain if is_full_disk(one)), None):
        path = Path(str(getattr(full, "filename", None) or Path.cwd())).absolute()
        folder = next(one for one in (path, *path.parents) if one.is_dir())
        free = shutil.disk_usage(folder).free / 1e6
        return TroubleError(
            f"{here}: {path}: the disk is full ({free:,.1f} MB are free); make room on that machine and run the same "
            "command again; everything finished is kept"
        )
    if isinstance(error, MissingDataError):
        return MissingDataError(f"{here}: {error}")
    if not isinstance(error, (InputError, TroubleError)):
        error.add_note(f"on {here}:\n{''.join(traceback.format_exception(error))}")
    try:
        found: Exception = pickle.loads(pickle.dumps(error))
    except Exception:  # an error of a library that cannot be sent
        return RuntimeError(f"{here}: {''.join(traceback.format_exception(error))}")
    return found


def versions() -> dict[str, str]:
    """Return what must be the same on all machines, for the same bytes: versions, and the hash of the kit's code."""
    named = {name: version(name) for name in ("hybridkit", "torch")}
    return {**named, "hybridkit's code": code_hash()[:12], "Python": ".".join(map(str, sys.version_info[:2]))}


def look(probe: str) -> tuple[dict[str, str], str]:
    """Return the versions of this machine, and why it does not share the folder of a probe file ("" where it does)."""
    if not probe:
        return versions(), ""
    path = Path(probe)
    try:
        if path.read_text() != path.name:
            return versions(), "another file is there"
        path.with_name(f"{path.name}-{os.getpid()}").write_text("")
    except OSError as error:
        return versions(), f"{error.filename}: {error.strerror}"
    return versions(), ""


def _probe() -> Callable[[str], Any]:
    """`look` as a function that can be sent to a machine that does not have the kit, or another one."""

    def probe(path: str) -> Any:
        try:
            from hybridkit.study.ray_cluster import look
        except ImportError as error:
            return None, str(error)
        return look(path)

    return probe


def _lost(job: Any, error: Exception) -> Exception:
    return TroubleError(
        f"{job}: its worker was lost {RETRIES + 1} times ({first_line(error)}); is the machine's memory full? Give a "
        "model more cores or GPUs by `resources` in the study, so that fewer run side by side; everything finished is "
        "kept"
    )
