"""What the commands share: how a command is declared, the types of its options, and its result as text and JSON."""

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError
from hybridkit.utils.naming import split_name
from hybridkit.utils.numbers import SEED, check_seed

if TYPE_CHECKING:
    import pandas as pd

    from hybridkit.data.corpus import ParallelCorpus


ROW_FILES = ("jsonl", "csv", "tsv", "parquet", "gz", "xz")
Commands = Any  # what add_subparsers returns; its type is generic and private to argparse


@dataclass(frozen=True)
class CommandResult:
    """What a command prints, and the same as a JSON value for `--json`."""

    text: str
    value: Any = field(default=None)


def command(
    commands: Commands, name: str, summary: str, handler: Callable[[argparse.Namespace], CommandResult], *examples: str
) -> argparse.ArgumentParser:
    """Declare a command: its summary, the function that does it, and examples (what follows `hybridkit`).

    >>> commands = argparse.ArgumentParser(prog="hybridkit").add_subparsers()
    >>> hello = command(commands, "hello", "say hello", lambda _: CommandResult("hello"), "hello --json hello.json")
    >>> hello.epilog.splitlines()[1]
    '  hybridkit hello --json hello.json'
    """
    parser = _add_parser(commands, name, summary, *examples)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what is printed to this file, as JSON")
    parser.set_defaults(handler=handler)
    return parser


def group(commands: Commands, name: str, summary: str, *examples: str) -> Commands:
    """Declare a command that has commands of its own; returns what to declare them on."""
    return _add_parser(commands, name, summary, *examples).add_subparsers(required=True, metavar="COMMAND")


def _add_parser(commands: Commands, name: str, summary: str, *examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        allow_abbrev=False,
        epilog="\n".join(["examples:", *(f"  hybridkit {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def completed(action: argparse.Action, known: Callable[[], Iterable[str]], *endings: str) -> None:
    """Let the shell complete an argument by known names, and by files with some endings (argcomplete)."""

    def words(prefix: str, **_: Any) -> list[str]:
        from argcomplete.completers import FilesCompleter

        return [*known(), *(FilesCompleter(endings)(prefix) if endings else [])]

    vars(action)["completer"] = words


def studies() -> Iterable[str]:
    """Return the names of the studies that are here."""
    from hybridkit.study.settings import known_studies

    return known_studies()


def models() -> Iterable[str]:
    """Return the short names of models."""
    from hybridkit.models.encoder import ALIASES

    return ["static", *ALIASES]


def row_sets() -> Iterable[str]:
    """Return the names of the data sets of rows."""
    from hybridkit.data.sources.registry import DATA_SETS

    return [data.name for data in DATA_SETS.values() if data.kind == "rows"]


def benchmarks() -> Iterable[str]:
    """Return the names of benchmarks and collections."""
    from hybridkit.data.sources import collection_files
    from hybridkit.data.sources.open_benchmarks import NAMES

    return [*NAMES, *collection_files.NAMES]


def names(text: str) -> list[str]:
    """Split a list of names or files at its commas, but not in brackets and not in the name of a file that is here.

    >>> names("xquad-r[16:], mlqa-r"), names("mono,hybrid(by='size', alpha=0.5)")
    (['xquad-r[16:]', 'mlqa-r'], ['mono', "hybrid(by='size', alpha=0.5)"])
    """
    found: list[str] = []
    rest = text
    while rest:
        name = _file_here(rest) or _until_comma(rest)
        found.append(name.strip())
        rest = rest[len(name) :]
        if rest == ",":
            found.append("")
        rest = rest.removeprefix(",")
    if not found or not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; write NAME or NAME,NAME")
    return found


def _file_here(text: str) -> str:
    """The longest beginning of a list that is a path on disk with a comma or a bracket in it."""
    parts = text.split(",")
    for count in range(len(parts), 0, -1):
        name = ",".join(parts[:count])
        path = Path(split_name(name.strip())[0]).expanduser()
        if ({*"[](),"} & {*path.name}) and path.exists():
            return name
    return ""


def _until_comma(text: str) -> str:
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            return text[:position]
    return text


def numbers(text: str) -> list[float]:
    """Read a list of numbers.

    >>> numbers("1e-5,3e-5")
    [1e-05, 3e-05]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 1e-5,3e-5") from error


def count(text: str) -> int:
    """Read a whole number from 1 on.

    >>> count("2")
    2
    """
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 on")
    return int(text)


def seed(text: str) -> int:
    """Read a seed.

    >>> seed("7")
    7
    """
    try:
        return check_seed(int(text))
    except ValueError as error:
        message = str(error) if isinstance(error, InputError) else f"seed must be {SEED} (got {text!r})"
        raise argparse.ArgumentTypeError(message) from error


def add_plan_options(parser: argparse.ArgumentParser, strategy: bool = True) -> None:
    """Declare what a batch plan is made of: rows, strategy (required or not), steps, batch size, seed."""
    add = parser.add_argument
    rows = add("--rows", type=names, required=True, metavar="FILE[,FILE]", help="parallel rows: data sets or files")
    completed(rows, row_sets, *ROW_FILES)
    add("--strategy", required=strategy, help='english, mixed, mono, cross or "hybrid(alpha=0.5)"')
    add("--steps", type=int, required=True, metavar="N", help="number of batches")
    add("--batch-size", type=int, required=True, metavar="N", help="rows in a batch")
    add("--seed", type=seed, default=0, metavar="N", help="seed of the plan and the training (0)")


def open_rows(files: list[str]) -> "ParallelCorpus":
    """Open the parallel rows that `--rows` names."""
    from hybridkit.data.sources.open_rows import open_corpus

    return open_corpus(files)


def show(frame: "pd.DataFrame", digits: int = 4) -> str:
    """A table as text for a terminal: all of it, however wide, numbers with so many digits behind the point."""
    return frame.to_string(index=False, na_rep="-", float_format=lambda value: f"{value:.{digits}f}")


def records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """A table as plain JSON values, a missing number as null.

    >>> import pandas as pd
    >>> records(pd.DataFrame({"language": ["de"], "rows": [3], "AP": [float("nan")]}))
    [{'language': 'de', 'rows': 3, 'AP': None}]
    """
    return [
        {str(key): None if value != value else value for key, value in row.items()} for row in frame.to_dict("records")
    ]


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value to a file, whole or not at all."""
    from hybridkit.utils.files import write_text

    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path.expanduser(), text)
