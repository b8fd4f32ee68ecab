"""The command inspect: JupyterLab on a notebook that shows the inspector on a run, or on any models."""

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridkit.cli.options import CommandResult, Commands, command, names
from hybridkit.errors import InputError

NOTEBOOK = "inspect.ipynb"  # beside the run's executed notebooks; the report takes those with a number only
LOOPBACK = "127.0.0.1"
log = logging.getLogger("hybridkit")
_FOLDERS = ("HYBRIDKIT_DATA", "HYBRIDKIT_RUNS", "HYBRIDKIT_CACHE")
_OLD_IMPORT = re.compile(r"from hybridkit\.widgets(?:\.\w+)? import (inspect|open_inspected|views)\b")
_TITLE = """# The inspector on {name}
A cell of the matrix, picked by a click or with the arrow keys, is a pair of languages; a query of the list beside it
opens its rankings. After a change of the cells: Run, Run All Cells."""
_OPEN = """from pathlib import Path

from hybridkit import inspect

inspector = inspect(Path(run).resolve())
inspector"""
_OPEN_MODELS = """from hybridkit import inspect_models

inspector = inspect_models(models, benchmarks, max_length=max_length, precision=precision)
inspector"""
_STATE = """# what is picked above, as values: they can be read, set, observed and linked;
# with the map, inspector.selection is the frame of the texts that filter and rectangle leave
inspector.pair, inspector.query_id"""
_EXTENSION = "hybridkit.report.inspector.run_cells"


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "inspect",
        "open JupyterLab on the inspector: see why the models of a run, or any others, rank as they do",
        inspect,
        "inspect quick",
        "inspect runs/starter --no-browser --port 8899",
        "inspect --model e5-small --model my-model --benchmark mine.jsonl",
        "inspect --model before=e5-small --model after=my-model --benchmark xquad-r,mine.jsonl --max-length 256",
    )
    option = parser.add_argument
    option("run", nargs="?", metavar="RUN", help="a run folder, or the name or YAML file of a study that was run")
    model = "without a run: a folder, hub name or alias, also as NAME=MODEL; repeat it for each; the last is compared "
    option("--model", action="append", metavar="MODEL", help=f"{model}with the first")
    option(
        "--benchmark",
        type=names,
        metavar="NAME[,NAME]",
        help="with --model: parallel benchmarks, or files of your own parallel rows",
    )
    option("--max-length", type=int, metavar="N", help="with --model: cut texts at so many tokens (the model's limit)")
    option(
        "--precision", choices=("float32", "bf16"), default="float32", help="with --model: arithmetic of the encoder"
    )
    option("--no-browser", action="store_true", help="start JupyterLab and print its address, opening no browser")
    option("--port", type=int, metavar="N", help="port of JupyterLab (8888, or the next free one)")
    option("--ip", metavar="ADDRESS", help="address it listens on (this machine only; 0.0.0.0 in a container)")
    option("--allow-root", action="store_true", help=argparse.SUPPRESS)  # of earlier versions: root is seen by itself
    option(
        "--complete",
        action="store_true",
        help="first make what is missing in the run: models, rank tables, embeddings of its benchmarks",
    )
    option("--dry-run", action="store_true", help="only write the notebook and print the command that would open it")


def inspect(args: argparse.Namespace) -> CommandResult:
    """Write the notebook if it is not there and open it with its cells run; return when JupyterLab has ended."""
    from hybridkit.study.run import find_run

    if bool(args.run) == bool(args.model):
        raise InputError(
            "inspect: give a run, as `hybridkit inspect quick`, or models, as `hybridkit inspect --model e5-small "
            "--model my-model --benchmark mine.jsonl`"
        )
    if args.model:
        value, notebook = _of_models(args)
    else:
        if args.benchmark or args.max_length is not None:
            raise InputError("inspect: --benchmark and --max-length are for --model; a run has those of its study")
        folder = find_run(args.run)
        if args.complete and not args.dry_run:
            complete(folder)
        value, notebook = {"run": str(folder)}, write_notebook(folder)
    # the address that is printed leads to the notebook too, which a file's name as argument would not do
    options = [f"--notebook-dir={notebook.parent}", f"--LabApp.default_url=/lab/tree/{notebook.name}"]
    options += ["--ServerApp.kernel_spec_manager_class=hybridkit.study.pipeline.OwnSpecs"]
    options += [f"--ServerApp.jpserver_extensions={_EXTENSION}=True"]
    options += ["--no-browser"] * args.no_browser
    if is_root():  # JupyterLab refuses to start else; a setting of the machine must not open it to the network
        options += ["--allow-root"] + [f"--ServerApp.ip={LOOPBACK}"] * (args.ip is None)
        where = args.ip or "this machine only"
        log.info("as root, e.g. in a container, JupyterLab listens on %s and asks for the token of its address", where)
    options += [] if args.ip is None else [f"--ServerApp.ip={args.ip}"]
    options += [] if args.port is None else [f"--port={args.port}"]
    words = [sys.executable, "-m", "jupyterlab", *options]
    value |= {"notebook": str(notebook), "command": words}
    if args.dry_run:
        return CommandResult(" ".join(["jupyter", "lab", *words[3:]]), value)
    code = _open(words, {"HYBRIDKIT_INSPECT": notebook.name})
    if code == -signal.SIGINT:  # stopped before it could ask
        raise KeyboardInterrupt
    if code:
        raise InputError(f"{notebook}: JupyterLab stopped with exit code {code}; its messages are above")
    return CommandResult("", value)


def _of_models(args: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """Encode and rank what is not kept, and write the notebook on the models."""
    from hybridkit.report.inspected_models import open_models
    from hybridkit.utils.files import digest
    from hybridkit.utils.paths import cache_folder

    if not args.benchmark:
        raise InputError("inspect --model: name what to look at, e.g. --benchmark xquad-r or --benchmark mine.jsonl")
    if args.complete:
        raise InputError("inspect --complete: it is for a run; models are encoded and ranked when they are opened")
    given = named_models(args.model)
    limits = {"max_length": args.max_length, "precision": args.precision}
    if not args.dry_run:
        for one in args.benchmark:  # now, with bars on the terminal; the notebook finds all of it kept
            open_models(given, one, **limits)
    benchmarks = list(map(_whole, args.benchmark))
    values = {"models": {name: _whole(one) for name, one in given.items()}, "benchmarks": benchmarks, **limits}
    path = cache_folder() / "inspected" / "notebooks" / f"inspect-{digest(values)[:16]}.ipynb"
    if not path.is_file():
        lines = "\n".join(f"{name} = {value!r}" for name, value in values.items())
        _write(path, _TITLE.format(name=" and ".join(given)), lines, _OPEN_MODELS)
    return {key: values[key] for key in ("models", "benchmarks")}, path


def named_models(given: Sequence[str]) -> dict[str, str]:
    """Models by their names: NAME of NAME=MODEL, else the last part of a path, or all of it where two parts are equal.

    >>> named_models(["e5-small", "runs/x/my-model"]), named_models(["before=e5-small", "after=a/m"])
    ({'e5-small': 'e5-small', 'my-model': 'runs/x/my-model'}, {'before': 'e5-small', 'after': 'a/m'})
    """
    found: list[tuple[str, str]] = []
    for one in given:
        name, mark, model = one.partition("=")
        own = mark and not Path(one).expanduser().exists()
        found.append((name, model) if own else (Path(one).name or one, one))
    last = [name for name, _ in found]
    models = {name if last.count(name) == 1 else model: model for name, model in found}
    if len(models) < len(found):
        raise InputError(f"--model: {found[-1][1]!r} and another have one name; give each its own, as NAME=MODEL")
    return models


def _whole(name: str) -> str:
    """A path from anywhere, brackets of a subset kept; a name of the kit or the hub as it is."""
    base, mark, rest = (name, "", "") if Path(name).expanduser().exists() else name.partition("[")
    path = Path(base).expanduser()
    return f"{path.absolute()}{mark}{rest}" if path.exists() else name


def is_root() -> bool:
    """Return whether the user is root, as in most containers."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def complete(folder: Path) -> None:
    """Make what the inspector shows and the run does not have: models, rank tables, embeddings, and their index."""
    from hybridkit.study.run import Run
    from hybridkit.study.scores import write_index
    from hybridkit.study.sweep import sweep

    run = Run.open(folder)
    run.prepare()
    names = run.study.evaluation.benchmarks
    sweep(run, run.models(), names)
    for spec in run.models():
        for name in names:
            run.embeddings(spec, name)
    write_index(run)


def write_notebook(folder: Path) -> Path:
    """Write the notebook of a run folder unless it is there; return its path.

    What a person added to one that is there stays; imports that an earlier version of the kit wrote become those of
    today. The notebook names the run by a relative path: a run folder that was moved or copied still opens.
    """
    from hybridkit.utils.files import write_text

    path = folder / "notebooks" / NOTEBOOK
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        if (mended := _OLD_IMPORT.sub(r"from hybridkit import \1", text)) != text:
            write_text(path, mended)
        return path
    _write(path, _TITLE.format(name=folder.name), 'run = ".."  # the run folder', _OPEN)
    return path


def _write(path: Path, title: str, values: str, opening: str) -> None:
    """Write a notebook: its title, a cell of parameters, one that opens the inspector, one with its state."""
    import nbformat

    from hybridkit.utils.files import write_text

    new = nbformat.v4
    parameters = new.new_code_cell(values, metadata={"tags": ["parameters"]})
    cells = [new.new_markdown_cell(title), parameters, *map(new.new_code_cell, (opening, _STATE))]
    for number, cell in enumerate(cells):
        cell["id"] = f"inspect-{number}"
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    write_text(path, nbformat.writes(new.new_notebook(cells=cells, metadata={"kernelspec": kernel})) + "\n")


def _open(words: list[str], more: Mapping[str, str] | None = None) -> int:
    """Run JupyterLab until it ends and return its exit code; Ctrl-C goes to JupyterLab, which asks before it stops."""
    process = subprocess.Popen(words, env={**_environment(), **(more or {})})
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # none is left behind without its command
    try:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _environment() -> dict[str, str]:
    """The environment of the kernels: that of this command; they start in another folder."""
    found = {name: str(Path(os.environ[name]).expanduser().absolute()) for name in _FOLDERS if os.environ.get(name)}
    return {**os.environ, **found, "JUPYTER_PREFER_ENV_PATH": "1"}
