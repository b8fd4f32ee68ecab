"""A study from data to figures: its notebooks in order through papermill, only what is missing.

Notebooks run in the interpreter that runs the kit; a dead kernel is an error within seconds.
"""

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from threading import Event, Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any

import yaml
import zmq
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from hybridkit.data.sources.open_benchmarks import base_name
from hybridkit.errors import InputError
from hybridkit.study.run import Run
from hybridkit.study.settings import open_study, study_path
from hybridkit.study.training_rows import evaluated_key
from hybridkit.utils.files import code_hash, digest, sha256_file, write_text
from hybridkit.utils.naming import meant
from hybridkit.utils.paths import bundled, cache_folder, checkout, data_folders, project, short_path
from hybridkit.utils.products import changed, remove, remove_damaged, seal, sums_path

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from hybridkit.study.estimate import Estimate

PATIENCE = 10.0  # seconds that a client has to notice a dead kernel by itself
CHANGED = "study.yaml"  # of a run folder: the study with the settings of --set


def notebooks() -> dict[str, Path]:
    """Return the path of each notebook by its number: those of the project, and of the kit where it has none.

    Example:
        >>> sorted(notebooks())[:2]
        ['01', '02']
    """
    home, own = project(), bundled("notebooks")
    folders = [own, *([home / "notebooks"] if home else [])]
    found = {path.name[:2]: path for folder in folders for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not found:
        raise InputError(f"{own}: no notebooks here; they come with the kit: install it again")
    return dict(sorted(found.items()))


def run_study(
    study: str,
    chosen: Sequence[str] | None = None,
    fresh: bool = False,
    dry_run: bool = False,
    parameters: Mapping[str, str] | None = None,
    changes: Sequence[str] = (),
    first: Callable[[Run, Sequence[str]], object] | None = None,
) -> "Estimate | None":
    """Execute a study's notebooks, but those whose source, settings, parameters, code and data are the same as before.

    Args:
        study: The study's name, or the path of its YAML file.
        chosen: Numbers of notebooks; those of the study unless given.
        fresh: Whether to remove the run folder first.
        dry_run: Whether to estimate only what is left to do; nothing is executed.
        parameters: Parameters of the notebooks, as text.
        changes: Settings in place of the study's, as in `open_study`; the changed study is kept in the run folder.
        first: Called with the run and the numbers of its notebooks before the first of them, once the run is checked.

    Returns:
        The estimate of a dry run, else None.

    Raises:
        InputError: For an unknown notebook, parameter or file, before anything is made, and for a notebook that failed;
            what was finished is kept.
    """
    run = Run(open_study(study, changes))
    known = notebooks()
    numbers = list(chosen or run.study.notebooks)
    if unknown := [number for number in numbers if number not in known]:
        raise InputError(f"notebook {unknown[0]!r}: there is no such notebook; there are {', '.join(known)}")
    own = {number: _parameters_of(known[number]) if parameters else [] for number in numbers}
    _check_parameters(parameters or {}, own)
    if dry_run:
        from hybridkit.study.estimate import estimate

        print(f"study {run.study.name}: notebooks {', '.join(numbers)}")
        left = estimate(run)
        print(left)
        return left
    _refuse_missing(run)
    if "08" in numbers and not any(base_name(name) != "held-out" for name in run.study.evaluation.benchmarks):
        raise InputError(
            f"study {run.study.name}: notebook 08 evaluates remedies on a benchmark beside held-out; name one under "
            "evaluation.benchmarks, or leave 08 out of `notebooks`"
        )
    if len(run.study.strategies) < 2 and (comparing := [number for number in numbers if number in ("04", "08")]):
        raise InputError(
            f"study {run.study.name}: notebook {comparing[0]} compares strategies, and `strategies` has one; name "
            f"another, or leave {' and '.join(comparing)} out of `notebooks`"
        )
    if fresh:
        shutil.rmtree(run.folder, ignore_errors=True)
    run.prepare()
    named = _named(study, run, changes)
    if damaged := remove_damaged(run.folder):  # what is made from them is checked once more
        for stamp in (run.folder / "notebooks").glob("*.stamp"):
            stamp.unlink()
        remove(run.folder / "report" / "pairs")
    given = dict(parameters or {})
    if Path(given.get("claims", "")).is_file():  # the kernel starts in another folder
        given["claims"] = str(Path(given["claims"]).absolute())
    run.check()
    if first is not None:
        first(run, numbers)
    made_of = _contents(run, given)
    for number in numbers:
        _execute(
            run, number, known[number], named, {name: given[name] for name in own[number] if name in given}, made_of
        )
    if any(
        path.parent.name == "embeddings" for path in damaged
    ):  # those of the section main are kept for the inspector
        for spec in run.models():
            for name in run.study.evaluation.benchmarks:
                run.embeddings(spec, name)
    return None


def _parameters_of(notebook: Path) -> list[str]:
    """Names of the parameters of a notebook, but the study."""
    import papermill

    return [name for name in papermill.inspect_notebook(str(notebook)) if name != "study"]


def _check_parameters(given: Mapping[str, str], own: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError for a parameter that no notebook which is run has."""
    for name in given:
        known = dict.fromkeys(one for names in own.values() for one in names)
        if name in known:
            continue
        if name == "study":
            raise InputError("-p study: the study is the argument of `hybridkit run`; leave the parameter out")
        there = ", ".join(f"{one} ({' '.join(number for number in own if one in own[number])})" for one in known)
        raise InputError(
            f"-p {name}: notebook {', '.join(own)} has no such parameter{meant(name, known)}; there are "
            f"{there or 'none'}; settings of a study are changed by --set"
        )


def _refuse_missing(run: Run) -> None:
    """Raise InputError for all files of a study that are not here and that the run cannot fetch by itself."""
    from hybridkit.study.estimate import missing

    gone = [one.message for one in missing(run.study) if not one.fetched]
    if gone:
        raise InputError(f"study {run.study.name}: {len(gone)} missing: {' | '.join(gone)}")


def _named(study: str, run: Run, changes: Sequence[str]) -> str:
    """What the notebooks call the study: its name or path, or the file with its changed settings in the run folder."""
    path = run.folder / CHANGED
    if not changes:
        path.unlink(missing_ok=True)  # of an earlier run with changes
        return _study_parameter(study)
    text = "".join(f"# --set {change}\n" for change in changes)
    text += yaml.safe_dump(run.study.written(run.folder), allow_unicode=True, sort_keys=False)
    write_text(path, f"# The study {study_path(study).name} as it was run, with\n{text}")
    if open_study(path).key != run.study.key:
        raise InputError(f"{path}: it does not read back as the study that was written; report this as a bug")
    return str(path)


def _contents(run: Run, parameters: Mapping[str, str]) -> str:
    """Hash of what a study's files hold: rows, encoders, lexicons, benchmarks, collections, claims."""
    claims = Path(parameters.get("claims", ""))
    written = sha256_file(claims) if claims.is_file() else ""
    return digest(run.rows.whole.fingerprint, list(map(run.trained.key, run)), evaluated_key(run.study), written)


def _execute(run: Run, number: str, source: Path, study: str, parameters: Mapping[str, str], made_of: str) -> None:
    import papermill

    out, product = run.folder / "notebooks" / source.name, run.folder / source.stem
    stamp = out.with_suffix(".stamp")
    key = digest(sha256_file(source), run.study.key, dict(parameters), str(run.folder.name), code_hash(), made_of)
    same = stamp.is_file() and stamp.read_bytes() == key.encode()
    if same and sums_path(product).is_file() and not changed(product):
        print(f"{source.stem}: up to date", file=sys.stderr)
        return
    for path in (stamp, sums_path(product)):
        path.unlink(missing_ok=True)
    print(source.stem, file=sys.stderr)
    out.parent.mkdir(parents=True, exist_ok=True)
    given = {"study": study, **{name: _plain(value) for name, value in parameters.items()}}
    os.environ["HYBRIDKIT_RUNS"] = str(run.folder.parent)
    for name in {"HYBRIDKIT_DATA", "HYBRIDKIT_CACHE"} & set(os.environ):  # the kernel starts in another folder
        os.environ[name] = str(Path(os.environ[name]).expanduser().absolute())
    partial = out.with_name(f".{out.name}")
    kept = f"the executed cells are in {short_path(partial)}; what was finished is kept for the next run"
    try:
        with own_kernel() as manager:
            papermill.execute_notebook(
                str(source),
                str(partial),
                given,
                kernel_name="python3",
                cwd=str(out.parent if source.is_relative_to(Path(__file__).parents[1]) else source.parent),
                progress_bar=True,
                log_output=False,
                stderr_file=sys.stderr,
                kernel_manager_class=manager,
                record_timing=False,
            )
    except papermill.PapermillExecutionError as error:
        why = f"{error.ename}: {error.evalue}"
        raise InputError(f"notebook {source.name} stopped in cell {error.exec_count}: {why}; {kept}") from error
    except (RuntimeError, TimeoutError) as error:  # of the client: it waited for a kernel that is dead
        why = str(error).partition("\n")[0]
        raise InputError(
            f"notebook {source.name}: its process ended before the notebook did ({why}); it was killed, or the "
            f"memory is full; {kept}"
        ) from error
    _strip_machine(partial, run, study)
    os.replace(partial, out)
    left = [out, run.folder / "notebooks" / f"{number}.json", *sorted((run.folder / "figures").glob(f"{number}_*"))]
    seal(product, *filter(Path.is_file, left))
    write_text(stamp, key)


def _study_parameter(study: str) -> str:
    path = study_path(study)
    # its own path, not that which a link leads to: relative paths in it start from there
    return study if path.parent == bundled("studies") and path.stem == study else str(path.absolute())


def _plain(value: str) -> object:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # not JSON: a text
        return value


def _strip_machine(path: Path, run: Run, study: str) -> None:
    """Remove what differs by machine and time from an executed notebook: paths, progress bars, states of widgets, ids.

    A widget without its kernel does nothing; the text that it has for such a copy stays. The path of the study becomes
    one from the notebook, so that the copy can be executed again where it is.
    """
    import nbformat

    notebook: NotebookNode = nbformat.read(path, as_version=4)
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"  # papermill's changes each time
            if Path(study).is_absolute():
                cell.source = cell.source.replace(_escaped(study), os.path.relpath(study, path.parent.resolve()))
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if not _is_bar(one)]
            for one in cell.outputs:
                one.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    names = {str(folder): name for folder, name in _folders(run).items() if len(folder.parts) > 1}
    forms = {form: name for folder, name in names.items() for form in (folder, _escaped(folder))}
    longest = "|".join(re.escape(folder) for folder in sorted(forms, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.~/-])({longest})(?![\w.-])")
    for cell in notebook.cells:
        for key in ("source", "outputs"):
            if key in cell:
                cell[key] = _mapped(cell[key], lambda text: pattern.sub(lambda found: forms[found[1]], text))
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def _folders(run: Run) -> dict[Path, str]:
    """Folders of this machine, and what an executed notebook calls them."""
    found = {
        Path.home(): "~",
        cache_folder(): "HYBRIDKIT_CACHE",
        **dict.fromkeys(data_folders()[:-1], "HYBRIDKIT_DATA"),
    }
    found |= {run.folder.parent: "runs", run.folder: f"runs/{run.folder.name}"}
    here = [Path.cwd(), *([Path(run.study.folder)] if run.study.folder else [])]
    found |= {folder: "." for folder in (*here, project(), checkout()) if folder is not None}
    if not any(Path(sys.prefix).is_relative_to(folder) for folder in found):
        found[Path(sys.prefix)] = "PYTHON"
    return found


def _escaped(path: str) -> str:
    """A path as papermill writes it into a cell."""
    return path.encode("unicode_escape").decode().replace('"', '\\"')


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Change every text in lists and mappings."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    if isinstance(value, dict):
        return type(value)({key: _mapped(one, change) for key, one in value.items()})
    return value


def _is_bar(output: Mapping[str, str]) -> bool:
    """Whether an output is nothing but progress bars, which were shown on the terminal."""
    parts = re.split(r"[\r\n]", output.get("text", "x")) if output.get("name") == "stderr" else ["x"]
    return all(not part.strip() or re.search(r"\d+%\|", part) for part in parts)


class DeadKernelError(RuntimeError):
    """The kernel of a notebook died, and its client did not notice."""


class OwnSpecs(KernelSpecManager):
    """The kernels of this machine; python3 is always this interpreter, whatever spec of that name is installed."""

    def find_kernel_specs(self) -> dict[str, str]:
        """The folder of each kernel by its name."""
        return {**super().find_kernel_specs(), NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The spec of a kernel.

        >>> import sys
        >>> OwnSpecs().get_kernel_spec("python3").argv[0] == sys.executable
        True
        """
        if kernel_name == NATIVE_KERNEL_NAME:
            return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())
        return super().get_kernel_spec(kernel_name)


@contextmanager
def own_kernel() -> Iterator[type[AsyncKernelManager]]:
    """Yield the class of managers that start the kernel; when the block ends, it and all it started are killed.

    Raises DeadKernelError where the block goes on waiting for a dead kernel.
    """
    started: list[Popen[bytes]] = []
    over, stuck = Event(), Event()

    class Manager(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _specs(self) -> KernelSpecManager:
            return OwnSpecs()

        @default("transport_encryption")
        def _encryption(self) -> str:  # what a kernel is sent is for nobody else on this machine
            return "auto" if zmq.has("curve") else "disabled"

        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
            await super()._async_launch_kernel(kernel_cmd, **options)
            started.append(self.provisioner.process)  # type: ignore[union-attr]
            Thread(target=watch, args=(started[-1], self), daemon=True).start()

    def watch(process: Popen[bytes], manager: Manager) -> None:
        while process.poll() is None and not over.wait(0.5):
            pass
        # a kernel that was shut down is dead too, while what it made is still being written
        patience = PATIENCE * (30 if manager.shutting_down else 1)
        # again and again: raised in a callback whose errors Python ignores, an interruption is lost
        while not over.wait(patience) and waiting is main_thread():
            stuck.set()
            signal.pthread_kill(waiting.ident or 0, signal.SIGINT)
            patience = PATIENCE

    def wake(number: int, frame: object) -> None:
        if stuck.is_set():
            raise KeyboardInterrupt

    waiting = current_thread()
    # a shell that starts a command in the background lets it ignore interruptions
    ignoring = waiting is main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignoring:
        signal.signal(signal.SIGINT, wake)
    try:
        yield Manager
    except KeyboardInterrupt:
        if stuck.is_set():
            raise DeadKernelError("Kernel died") from None
        raise
    finally:
        over.set()
        if ignoring:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in started:  # a kernel leads a group of its own: what it started ends with it
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
