"""The command `hybridkit data negatives`: mine hard negatives and write the rows with them."""

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.commands.options import Commands, Told, command, names, records, seed, show

if TYPE_CHECKING:
    from hybridkit.corpus import ParallelCorpus
    from hybridkit.rows import Row


def add(data: Commands) -> None:
    """Declare the command among those on data."""
    mining = command(
        data, "negatives", "mine a hard negative for every row and write the rows with it", mine,
        "data negatives --rows mine.jsonl --with bm25 --out mined.jsonl",
        "data negatives --rows mine.jsonl --with e5-small --relative-margin 0.05 --out mined.jsonl",
    )  # fmt: skip
    option = mining.add_argument
    option("--rows", type=names, required=True, metavar="FILE[,FILE]", help="parallel rows: data sets or files")
    option("--with", dest="system", required=True, metavar="bm25|MODEL",
           help="what ranks the passages: bm25, or an encoder as `hybridkit train` takes them")  # fmt: skip
    option("--out", type=Path, required=True, metavar="FILE", help="the rows with their negatives, JSON lines")
    option("--language", choices=("passage", "any"), help="look among passages in this one's language, or in any")
    option("--range-min", type=int, metavar="N", help="pass over the N highest that are allowed (0)")
    option("--range-max", type=int, metavar="N", help="look at the N highest (20)")
    option("--top", type=int, metavar="N", help="draw one of the N highest that are left (1)")
    option("--max-score", type=float, metavar="X", help="leave out what scores more than this")
    option("--absolute-margin", type=float, metavar="X", help="leave out what scores closer to the answer than this")
    option("--relative-margin", type=float, metavar="X", help="the same, as a share of the answer's score")
    option("--replace", dest="keep", action="store_false", help="mine anew where a row has a negative already")
    option("--seed", type=seed, metavar="N", help="seed of --top (0)")


def mine(args: argparse.Namespace) -> Told:
    """Mine, write the rows, and tell how many have a negative."""
    from dataclasses import fields

    from hybridkit import encoder
    from hybridkit.errors import InputError
    from hybridkit.files import atomic_write
    from hybridkit.sampling.mining import mine_negatives, negative_counts
    from hybridkit.sampling.ranking import Mining
    from hybridkit.sources.rowsets import open_corpus, open_rows_source, source_stems

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
    return Told(f"{show(counts)}\n\n{out}", records(counts))


def _rows(mined: "ParallelCorpus", rows: Iterable["Row"]) -> Iterator[dict[str, Any]]:
    """The rows as they were read, which stand in the corpus in the same order, with the negatives of the corpus."""
    for number, row in enumerate(rows):
        places = mined.places["negative"][number].tolist()
        negative = {
            tag: mined.texts["negative", tag][place].as_py()
            for tag, place in zip(mined.languages, places, strict=True) if place >= 0
        }  # fmt: skip
        yield {key: value for key, value in (vars(row) | {"negative": negative}).items() if value}
