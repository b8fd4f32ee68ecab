"""A Ray cluster as the place where models are made (https://docs.ray.io): started here, or one that runs already.

Each job is a task that Ray puts on a machine with the cores and GPUs that it needs. What a task makes lies in the run
folder, on storage that all machines see, or goes to a store (`utils.object_store`).
"""

import os
import pickle
import shutil
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from hybridkit.errors import InputError, MissingDataError, TroubleError, first_line
from hybridkit.study.settings import Resources
from hybridkit.study.sweep import Job, run_of
from hybridkit.utils.extras import optional
from hybridkit.utils.files import code_hash, digest, is_full_disk
from hybridkit.utils.object_store import Mirror
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import also_from, product_of

RETRIES = 3  # of a job whose worker or machine was lost; never of one with an error
LOOKING = 300.0  # seconds within which every machine answers the first question
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

    A job has `needs`, `static` and a `folder`, as `sweep.Job` has; other values take one core.
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
        taken = [self._taken(job) for job in jobs]
        task = self._ray.remote(max_retries=RETRIES, retry_exceptions=False)(attempt)
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
                job, (cpus, gpus) = left.pop()
                there = task.options(num_cpus=cpus, num_gpus=gpus, name=str(job)[:100])
                running[there.remote(work, job, cpus, store, given)] = job
            ended, _ = self._ray.wait(list(running), num_returns=1)
            for one in ended:
                job = running.pop(one)
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
                yield
        if failed is not None:
            raise failed

    def _taken(self, job: Any) -> tuple[int, int]:
        """Cores and GPUs of a job; InputError where no machine has them."""
        needs: Resources = getattr(job, "needs", Resources(cpus=1))
        static: bool = getattr(job, "static", True)
        machines = self.machines
        some = any(machine.gpus for machine in machines)
        gpus = needs.gpus if needs.gpus is not None else int(some and not static)
        fitting = [machine for machine in machines if machine.gpus >= gpus and machine.cpus >= max(1, needs.cpus)]
        if not fitting:
            wanted = f"{max(1, needs.cpus)} cores" + (f" and {gpus} GPUs" if gpus else "")
            raise InputError(
                f"{job}: resources: a model takes {wanted}, and no machine of the Ray cluster at {self.address} has "
                f"that many; there are {', '.join(map(str, machines))}; change `resources` in the study"
            )
        return needs.cpus or (1 if static else min(machine.cpus for machine in fitting)), gpus

    def _room(self, taken: Sequence[tuple[int, int]]) -> int:
        """How many jobs run at a time: as many of the smallest as all machines have room for, one at least."""
        cpus, gpus = (min(column) for column in zip(*taken, strict=True))
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
