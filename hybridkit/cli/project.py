"""The command init: a project to own, with a study on the user's rows."""

import argparse
from pathlib import Path

from hybridkit.cli.options import ROW_FILES, CommandResult, Commands, command, completed, models, names, row_sets


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "init",
        "write a project of your own: a commented study on your rows, the notebooks, a Makefile",
        init,
        "init shop --rows faq.jsonl",
        'init shop --rows "faq.csv[query.en=question,query.de=frage,passage.en=answer]" --encoder labse',
    )
    option = parser.add_argument
    option("folder", type=Path, metavar="FOLDER", help="where; files that are there already stay")
    rows = option(
        "--rows",
        type=names,
        action="extend",
        default=[],
        metavar="FILE[,FILE]",
        help="your rows: JSON lines, CSV, TSV, parquet or hf:OWNER/NAME; may be repeated (the bundled atlas)",
    )
    encoder = option(
        "--encoder", default="", metavar="NAME", help="what to train (e5-small where it is here, else static)"
    )
    completed(rows, row_sets, *ROW_FILES)
    completed(encoder, models)
    option("--name", default="", metavar="NAME", help="name of the study (that of the first file)")


def init(args: argparse.Namespace) -> CommandResult:
    """Write the project and say what comes next."""
    from hybridkit.study.new_project import new_project
    from hybridkit.utils.paths import short_path

    folder = args.folder.expanduser()
    study, *others = new_project(folder, args.rows, args.encoder, args.name)
    lines = [f"{short_path(study.absolute())}: the study, with a comment on every choice; read and change it"]
    lines += [f"beside it {len(others)} more files, among them the notebooks, which are yours to change too"]
    here = "" if folder.absolute() == Path.cwd() else f"cd '{folder}' && "
    lines += [f"next: {here}hybridkit run {study.stem} --dry-run, then hybridkit run {study.stem}"]
    value = {"study": str(study), "files": [str(path) for path in (study, *others)]}
    return CommandResult("\n".join(lines), value)
