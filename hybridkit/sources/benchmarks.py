"""Open a benchmark by its name, by the path of parallel rows, or a part of one by its articles."""

import re
from pathlib import Path

import numpy as np

from hybridkit.benchmark import Benchmark
from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.judged import is_judged
from hybridkit.rows import read_rows
from hybridkit.sources.fetch import find
from hybridkit.sources.lareqa import read_lareqa

_SLICE = re.compile(r"^(?P<base>.+?)\[(?P<start>\d*):(?P<stop>\d*)\]$")
_PARAGRAPHS = "-paragraphs"
NAMES = ("atlas", "xquad-r", "mlqa-r", "xquad-r-paragraphs", "mlqa-r-paragraphs")


def base_name(name: str) -> str:
    """The benchmark that a name is a part of, or the name itself.

    >>> base_name("xquad-r[16:]"), base_name("atlas")
    ('xquad-r', 'atlas')
    """
    match = _SLICE.match(name)
    return match["base"] if match else name


def benchmark_path(name: str) -> Path:
    """Where a benchmark lies: the folder of one of `NAMES`, or a JSON-lines file of parallel rows.

    Raises InputError for an unknown name and MissingDataError where its files are nowhere.
    """
    if name in NAMES:
        return find(name.removesuffix(_PARAGRAPHS))
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if is_judged(name):
        raise InputError(
            f"benchmark {name!r}: it is judged in each language on its own and has no parallel passages; open it with "
            "open_judged, or say hybridkit evaluate"
        )
    raise InputError(
        f"benchmark {name!r}: there is no such benchmark or file; there are {', '.join(NAMES)}, a part such as "
        f"'xquad-r[16:]' (articles from the 17th), or a JSON-lines file of parallel rows"
    )


def open_benchmark(name: str) -> Benchmark:
    """Open a benchmark of the kit by its name, or one of parallel rows by their path, named by the file's stem.

    `xquad-r-paragraphs` and `mlqa-r-paragraphs` have the paragraph as candidate instead of the sentence. Rows of a file
    that share a query_id are one question, to which the passages of all of them are relevant.

    Raises InputError for an unknown name or files that do not read, MissingDataError where they are nowhere.
    """
    path = benchmark_path(name)
    if name in NAMES and name != "atlas":
        unit = "paragraph" if name.endswith(_PARAGRAPHS) else "sentence"
        return read_lareqa(path, name.removesuffix(_PARAGRAPHS), unit)
    rows = list(read_rows(path / "heldout.jsonl.xz" if name == "atlas" else path))
    questions = {row.id: row.query_id for row in rows}
    known_as = name if name == "atlas" else path.name.split(".")[0]
    return Benchmark.from_corpus(ParallelCorpus.from_rows(rows), known_as, questions)


def part_of(benchmark: Benchmark, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
    """The part of a benchmark that a name asks for, with the positions of its queries and passages in the whole."""
    match = _SLICE.match(name)
    start, stop = ((int(match[key]) if match[key] else None) for key in ("start", "stop")) if match else (None, None)
    part, queries, passages = benchmark.articles(start, stop)
    if len(part.queries) == 0:
        raise InputError(f"benchmark {name!r}: the part holds no article; {benchmark.name} has fewer")
    return part, queries, passages
