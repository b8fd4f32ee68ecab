"""Commands on a whole study: run, figures, report, recipe, export."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybridkit.cli.options import (
    CommandResult,
    Commands,
    command,
    completed,
    count,
    names,
    numbers,
    records,
    seed,
    show,
    studies,
)
from hybridkit.errors import InputError

if TYPE_CHECKING:
    from hybridkit.study.run import Run


def add(commands: Commands) -> None:
    """Declare the commands."""
    _add_run(commands)
    figures = command(
        commands,
        "figures",
        "draw the figures of a study again from its scores, computing nothing",
        redraw,
        "figures quick",
        "figures starter --to figures/starter",
    )
    _add_study(figures)
    figures.add_argument("--to", type=Path, metavar="FOLDER", help="where to draw them (the study's own folder)")
    report = command(
        commands,
        "report",
        "write the HTML report of a study again",
        write,
        "report quick",
        "report quick --single-file",
    )
    _add_study(report)
    whole = "write it as one file, report.html in the run folder, without the pages of language pairs"
    report.add_argument("--single-file", action="store_true", help=whole)
    recipe = command(
        commands,
        "recipe",
        "search learning rate, temperature and steps of each strategy, scored on the study's held-out rows",
        try_out,
        "recipe starter --learning-rate 1e-5,3e-5,1e-4 --temperature 0.02,0.05 --steps 50,100,200 --out recipe.csv",
    )
    _add_study(recipe)
    option = recipe.add_argument
    option(
        "--learning-rate", type=numbers, metavar="X,X,X", help="learning rates to start with (the study's, no search)"
    )
    option("--temperature", type=numbers, metavar="X,X,X", help="temperatures to start with (the study's, no search)")
    option("--steps", type=numbers, metavar="N,N,N", help="steps to start with (the study's, no search)")
    option("--most-steps", type=int, default=0, metavar="N", help="no trial has more steps (no limit)")
    option("--strategy", action="append", help="a strategy; may be repeated (those of the study)")
    option("--seed", type=seed, action="append", metavar="N", help="a seed; may be repeated (the first of the study)")
    option("--out", type=Path, metavar="FILE.csv", help="also write the table here")
    given = command(
        commands,
        "export",
        "copy a model out of a run, with its benchmark scores in its card",
        export,
        'export quick "hybrid(alpha=0.5)"',
        "export runs/starter cross --seed 1 --out my-model",
        'export starter "hybrid(alpha=0.5)" --remedy "centre(by=\'rows\')"',
        'export starter "hybrid(alpha=0.5)" --push my-team/my-model',
    )
    given.add_argument("run", metavar="RUN", help="a study's name, or the path of its YAML file or of a run folder")
    given.add_argument("model", metavar="MODEL", help='the strategy that it was trained with, e.g. "hybrid(alpha=0.5)"')
    given.add_argument("--seed", type=seed, metavar="N", help="its seed (the first of the study)")
    given.add_argument("--out", type=Path, metavar="FOLDER", help="a new folder (export/ in the run folder)")
    vectors = "write the language vectors of a remedy beside the model: \"centre(by='rows')\", shift or lir"
    given.add_argument("--remedy", metavar="REMEDY", help=vectors)
    hub = "also upload it to the hub, into a new or empty repository, which is private where it is made"
    given.add_argument("--push", metavar="ORG/NAME", help=hub)


def _add_run(commands: Commands) -> None:
    parser = command(
        commands,
        "run",
        "run the notebooks of a study and write its report; only what is missing is made",
        run,
        "run quick",
        "run starter --dry-run",
        "run quick --notebook 04 --notebook 05",
        "run studies/mine.yaml --fresh",
        "run studies/paper.yaml --on ray://head:10001",
        "run studies/mine.yaml --processes 4",
        "run quick --set training.steps=50 --set seeds=[0] --set name=quick-50",
    )
    _add_study(parser)
    option = parser.add_argument
    option("--notebook", type=names, action="extend", metavar="NN", help="only this notebook, e.g. 04; may be repeated")
    option("--fresh", action="store_true", help="remove the run folder first: everything is made again")
    option(
        "--dry-run",
        action="store_true",
        help="only print what is missing, rows, steps, disk and time: texts and a training step are timed",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--on",
        metavar="WHERE",
        help="make all models on a Ray cluster: `ray` starts one here, HOST:PORT or ray://HOST:PORT is one that runs",
    )
    where.add_argument(
        "--processes",
        type=count,
        metavar="N",
        help="make all models first: N processes share the cores, the models (with a GPU, the small ones), and shards "
        "of large collections",
    )
    option(
        "-p",
        nargs=2,
        action="append",
        default=[],
        dest="parameters",
        metavar=("NAME", "VALUE"),
        help="set a parameter of the notebooks; may be repeated",
    )
    option(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="KEY=VALUE",
        help="replace a setting of the study, e.g. training.steps=50, seeds=[0], or name=short for a run folder of its "
        "own; may be repeated",
    )


def _add_study(parser: argparse.ArgumentParser) -> None:
    study = parser.add_argument(
        "study", metavar="STUDY", help="a study's name (a file under studies/) or the path of its YAML file"
    )
    completed(study, studies, "yaml", "yml")


def run(args: argparse.Namespace) -> CommandResult:
    """Run a study and write its report."""
    from hybridkit.analysis.claims.file import CLAIMS, check_claims
    from hybridkit.study.pipeline import run_study
    from hybridkit.study.settings import open_study
    from hybridkit.utils.object_store import mirrored
    from hybridkit.utils.paths import runs_folder, runs_store, short_path

    study, folder = open_study(args.study, args.changes), runs_folder()
    parameters: dict[str, str] = dict(args.parameters)
    done = list(args.notebook or study.notebooks)
    if "07" in done and not args.dry_run:
        check_claims(parameters.get("claims", CLAIMS))
    if args.fresh and runs_store() and not args.dry_run:
        raise InputError(
            f"--fresh: the run is in a store, whose products other machines have too; remove {runs_store()}/"
            f"{study.name} there, or set HYBRIDKIT_RUNS to another address"
        )
    with mirrored(None if args.dry_run else runs_store(), study.name, leave=("corpus",)) as mirror:

        def first(run: "Run", numbers: Sequence[str]) -> None:
            from hybridkit.analysis.whole_study import make_everything
            from hybridkit.study.workers import Processes

            if args.on is None:
                make_everything(run, numbers, Processes(args.processes))
                return
            from hybridkit.study.ray_cluster import ray_cluster

            with ray_cluster(args.on, run.folder, mirror) as workers:
                make_everything(run, numbers, workers)

        before = None if args.on is None and args.processes is None else first
        left = run_study(args.study, args.notebook, args.fresh, args.dry_run, parameters, args.changes, before)
        if left is None:
            from hybridkit.report.html_report import write_report
            from hybridkit.study.run import Run

            made = Run(study, folder / study.name)
            print(f"report   {short_path(write_report(made))}")
            print(f"figures  {short_path(made.folder / 'figures')}")
            print(f"scores   {short_path(made.folder / 'scores.parquet')} and scores.csv")
    if mirror is not None:
        print(f"store    {mirror.url}")
    value = {"study": study.name, "folder": str(folder / study.name), "notebooks": done, "dry_run": args.dry_run}
    value |= {"set": args.changes} if args.changes else {}
    if left is not None:
        value["estimate"] = vars(left) | {"rows": None if left.rows is None else records(left.rows)}
    return CommandResult("", value)


def redraw(args: argparse.Namespace) -> CommandResult:
    """Draw the figures of a study again."""
    from hybridkit.report.html_report import redraw_study

    paths = [str(path) for path in redraw_study(args.study, args.to)]
    return CommandResult("\n".join(paths), paths)


def write(args: argparse.Namespace) -> CommandResult:
    """Write the report of a study that was run."""
    from hybridkit.report.html_report import write_report
    from hybridkit.study.run import open_run

    path = write_report(open_run(args.study), args.single_file)
    return CommandResult(str(path), {"report": str(path)})


def try_out(args: argparse.Namespace) -> CommandResult:
    """Search recipes on the held-out rows of a study."""
    from hybridkit.study.recipes import AXES, recipes_yaml, search_recipes
    from hybridkit.study.run import Run
    from hybridkit.utils.files import atomic_write

    run = Run(args.study)
    given = {name: getattr(args, name) or [getattr(run.study.training, name)] for name in AXES}
    given["steps"] = [int(value) if value == int(value) else value for value in given["steps"]]
    table = search_recipes(run, given, args.strategy or (), args.seed or (), args.most_steps)
    if args.out:
        with atomic_write(args.out) as temporary:
            table.to_csv(temporary, index=False)
    plain = table.assign(**{name: table[name].map("{:g}".format) for name in AXES})
    return CommandResult(f"{show(plain)}\n\n{recipes_yaml(table)}", records(table))


def export(args: argparse.Namespace) -> CommandResult:
    """Copy a model out of a run."""
    from hybridkit.remedies import parse
    from hybridkit.study.export import check_push, export_model, find_model, push
    from hybridkit.study.run import open_run

    made = open_run(args.run)
    remedy = parse(args.remedy) if args.remedy else None
    spec = find_model(made, args.model, args.seed)
    if args.push is not None:
        check_push(args.push)
    folder = export_model(made, spec, args.out, remedy, args.push or "")
    value = {"model": str(folder)}
    text = f"{folder}\nThe scores are in {folder / 'README.md'}"
    if args.push is not None:
        value["address"] = push(folder, args.push)
        text += f"\nIt is at {value['address']}"
    return CommandResult(text, value)
