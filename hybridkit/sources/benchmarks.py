"""Open a benchmark by its name, by the path of parallel rows, or a part of one by its articles."""

import re
from pathlib import Path

import numpy as np

from hybridkit.benchmark import Benchmark
from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.judged import is_judged
from hybridkit.naming import split_name, stem_of
from hybridkit.rows import read_rows
from hybridkit.sources.fetch import find
from hybridkit.sources.lareqa import read_lareqa

_SLICE = re.compile(r"(?P<start>\d{0,9}):(?P<stop>\d{0,9})", re.ASCII)
_PARAGRAPHS = "-paragraphs"
NAMES = ("atlas", "xquad-r", "mlqa-r", "xquad-r-paragraphs", "mlqa-r-paragraphs")


def base_name(name: str) -> str:
    """The benchmark that a name is a part of, or the name itself.

    >>> base_name("xquad-r[16:]"), base_name("atlas")
    ('xquad-r', 'atlas')
    """
    base, words = split_name(name)
    return base if len(words) == 1 and _SLICE.fullmatch(words[0]) else name


def benchmark_path(name: str) -> Path:
    """Where a benchmark lies: the folder of one of `NAMES`, or a JSON-lines file of parallel rows.

    Raises InputError for an unknown name and MissingDataError where its files are nowhere.
    """
    if name in NAMES:
        return find(name.removesuffix(_PARAGRAPHS))
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if name == "held-out":
        raise InputError("benchmark 'held-out': those are the rows that a study holds out; only a study has them")
    if is_judged(name):
        raise InputError(
            f"benchmark {name!r}: it is judged in each language on its own and has no parallel passages; open it with "
            "open_judged, or say hybridkit evaluate"
        )
    raise InputError(
        f"benchmark {name!r}: there is no such benchmark or file; there are {', '.join(NAMES)}, a part such as "
        f"'xquad-r[16:]' (articles from the 17th), or a JSON-lines file of parallel rows"
    )


def open_benchmark(name: str | Path) -> Benchmark:
    """Open a benchmark of the kit by its name, or one of parallel rows by their path, named by the file's stem.

    `xquad-r-paragraphs` and `mlqa-r-paragraphs` have the paragraph as candidate instead of the sentence. A part is
    asked for in brackets, as everywhere: `xquad-r[16:]`, the articles from the 17th on. Rows of a file that share a
    query_id are one question, to which the passages of all of them are relevant.

    Raises InputError for an unknown name, files that do not read or a part without an article, MissingDataError where
    files are nowhere.

    >>> len(open_benchmark("atlas[:2]").articles()[0].passages["article"].unique())
    2
    """
    name = str(name)
    base = base_name(name)
    path = benchmark_path(base)
    if base in NAMES and base != "atlas":
        unit = "paragraph" if base.endswith(_PARAGRAPHS) else "sentence"
        return part_of(read_lareqa(path, base.removesuffix(_PARAGRAPHS), unit), name)[0]
    rows = list(read_rows(path / "heldout.jsonl.xz" if base == "atlas" else path))
    questions = {row.id: row.query_id for row in rows}
    whole = Benchmark.from_corpus(ParallelCorpus.from_rows(rows), base if base == "atlas" else stem_of(path), questions)
    return part_of(whole, name)[0]


def part_of(benchmark: Benchmark, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
    """The part of a benchmark that a name asks for, with the positions of its queries and passages in the whole."""
    if base_name(name) == name:
        return benchmark, np.arange(len(benchmark.queries)), np.arange(len(benchmark.passages))
    match = _SLICE.fullmatch(split_name(name)[1][0])
    start, stop = (int(one) if one else None for one in match.groups()) if match else (None, None)
    part, queries, passages = benchmark.articles(start, stop)
    if len(part.queries) == 0:
        raise InputError(f"benchmark {name!r}: the part holds no article; {benchmark.name} has fewer")
    return part, queries, passages
