"""The command inspect: JupyterLab on a notebook that shows the inspector on what a run left behind."""

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from hybridkit.cli.options import CommandResult, Commands, command
from hybridkit.errors import InputError

NOTEBOOK = "inspect.ipynb"  # beside the run's executed notebooks; the report takes those with a number only
LOOPBACK = "127.0.0.1"
log = logging.getLogger("hybridkit")
_FOLDERS = ("HYBRIDKIT_DATA", "HYBRIDKIT_RUNS", "HYBRIDKIT_CACHE")
_OLD_IMPORT = re.compile(r"from hybridkit\.widgets(?:\.\w+)? import (inspect|open_inspected|views)\b")
_TITLE = """# The inspector on {name}
Run the cells (Run, Run All Cells). A cell of the matrix, picked by a click or with the arrow keys, is a pair of
languages; a query of the list below it opens its rankings."""
_OPEN = """from pathlib import Path

from hybridkit import inspect

inspector = inspect(Path(run).resolve())
inspector"""
_STATE = """# what is picked above, as values: they can be read, set, observed and linked
inspector.pair, inspector.query_id"""


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "inspect",
        "open JupyterLab on the inspector: see why the models of a run rank as they do",
        inspect,
        "inspect quick",
        "inspect runs/starter",
        "inspect runs/starter --no-browser --port 8899",
    )
    option = parser.add_argument
    option("run", metavar="RUN", help="a run folder, or the name or YAML file of a study that was run")
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
    """Write the notebook if it is not there and open it; return when JupyterLab has ended."""
    from hybridkit.study.run import find_run

    folder = find_run(args.run)
    if args.complete and not args.dry_run:
        complete(folder)
    notebook = write_notebook(folder)
    # the address that is printed leads to the notebook too, which a file's name as argument would not do
    options = [f"--notebook-dir={notebook.parent}", f"--LabApp.default_url=/lab/tree/{notebook.name}"]
    options += ["--ServerApp.kernel_spec_manager_class=hybridkit.study.pipeline.OwnSpecs"]
    options += ["--no-browser"] * args.no_browser
    if is_root():  # JupyterLab refuses to start else; a setting of the machine must not open it to the network
        options += ["--allow-root"] + [f"--ServerApp.ip={LOOPBACK}"] * (args.ip is None)
        where = args.ip or "this machine only"
        log.info("as root, e.g. in a container, JupyterLab listens on %s and asks for the token of its address", where)
    options += [] if args.ip is None else [f"--ServerApp.ip={args.ip}"]
    options += [] if args.port is None else [f"--port={args.port}"]
    words = [sys.executable, "-m", "jupyterlab", *options]
    value = {"run": str(folder), "notebook": str(notebook), "command": words}
    if args.dry_run:
        return CommandResult(" ".join(["jupyter", "lab", *words[3:]]), value)
    code = _open(words)
    if code == -signal.SIGINT:  # stopped before it could ask
        raise KeyboardInterrupt
    if code:
        raise InputError(f"{notebook}: JupyterLab stopped with exit code {code}; its messages are above")
    return CommandResult("", value)


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
    import nbformat

    from hybridkit.utils.files import write_text

    path = folder / "notebooks" / NOTEBOOK
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        if (mended := _OLD_IMPORT.sub(r"from hybridkit import \1", text)) != text:
            write_text(path, mended)
        return path
    new = nbformat.v4
    parameters = new.new_code_cell('run = ".."  # the run folder', metadata={"tags": ["parameters"]})
    cells = [
        new.new_markdown_cell(_TITLE.format(name=folder.name)),
        parameters,
        *map(new.new_code_cell, (_OPEN, _STATE)),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"inspect-{number}"
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    write_text(path, nbformat.writes(new.new_notebook(cells=cells, metadata={"kernelspec": kernel})) + "\n")
    return path


def _open(words: list[str]) -> int:
    """Run JupyterLab until it ends and return its exit code; Ctrl-C goes to JupyterLab, which asks before it stops."""
    process = subprocess.Popen(words, env=_environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _environment() -> dict[str, str]:
    """The environment of the kernels: that of this command; they start in another folder."""
    found = {name: str(Path(os.environ[name]).expanduser().absolute()) for name in _FOLDERS if os.environ.get(name)}
    return {**os.environ, **found, "JUPYTER_PREFER_ENV_PATH": "1"}
