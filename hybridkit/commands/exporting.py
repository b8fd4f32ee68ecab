"""The option `--export FORM FILE` of `hybridkit plan`: the plan's rows as lines for another trainer."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybridkit.corpus import ParallelCorpus
    from hybridkit.sampling import BatchPlan


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--export", nargs=2, metavar=("FORM", "FILE"),
        help="also write every row as JSON lines for another trainer; FORM is flagembedding or tevatron",
    )  # fmt: skip


def refuse(export: list[str] | None) -> None:
    """Raise InputError, before the plan is made, for an unknown form and for a file that lies there."""
    from hybridkit.errors import InputError
    from hybridkit.sampling.exports import check_export

    if export is None:
        return
    form, file = export
    check_export(form, file)
    if Path(file).expanduser().exists():
        raise InputError(f"{file}: it exists; give --export another file, or remove it")


def export(export: list[str] | None, plan: "BatchPlan", corpus: "ParallelCorpus") -> None:
    """Write what the option asks for."""
    from hybridkit.sampling.exports import export_plan

    if export is not None:
        export_plan(plan, corpus, Path(export[1]).expanduser(), export[0])
