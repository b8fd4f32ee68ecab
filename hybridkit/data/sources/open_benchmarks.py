"""Open a benchmark or a collection by its name or path, or a subset of a benchmark by its articles or languages."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import POOL, Collection, benchmark_of, pooled
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import read_rows
from hybridkit.data.sources.fetch import find
from hybridkit.data.sources.hub_rows import MARK
from hybridkit.data.sources.lareqa import read_lareqa
from hybridkit.data.sources.open_rows import file_of
from hybridkit.data.sources.registry import DATA_SETS, data_set
from hybridkit.errors import InputError
from hybridkit.utils.naming import meant, split_name, stem_of

_SLICE = re.compile(r"(?P<start>\d{0,9}):(?P<stop>\d{0,9})", re.ASCII)
_PARAGRAPHS = "-paragraphs"
NAMES = ("atlas", "xquad-r", "mlqa-r", "xquad-r-paragraphs", "mlqa-r-paragraphs")


def base_name(name: str) -> str:
    """Return the benchmark that a name is a subset of, or the name itself.

    >>> base_name("xquad-r[16:]"), base_name("xquad-r[ar,de]"), base_name("atlas")
    ('xquad-r', 'xquad-r', 'atlas')
    """
    return _split(name)[0]


def _split(name: str) -> tuple[str, tuple[str, ...]]:
    """A benchmark's name without the words in brackets that choose a subset, and these; a collection stays whole.

    Words that say which column of a file is what are part of the name.
    """
    base, words = split_name(name)
    columns, words = (tuple(one for one in words if ("=" in one) == of) for of in (True, False))
    parallel = base in NAMES or Path(base).expanduser().is_file() or any(map(_SLICE.fullmatch, words))
    if columns or base.startswith(MARK):
        return f"{base}[{','.join(columns)}]" if columns else base, words
    return (base, words) if parallel else (name, ())


def benchmark_path(name: str) -> Path:
    """Return where a benchmark lies: the folder of one of `NAMES` or of a collection, or a file of parallel rows.

    Raises:
        InputError: For an unknown name.
        MissingDataError: Where its files are missing.
    """
    if name in NAMES:
        return find(data_set(name.removesuffix(_PARAGRAPHS)))
    if name.startswith(MARK):
        return file_of(name).path
    path = Path(split_name(name)[0] if "=" in name else name).expanduser()
    if path.is_file():
        return path
    if name == "held-out":
        raise InputError(
            "benchmark 'held-out': these are the rows that a study holds out; name it in a study's benchmarks"
        )
    if is_collection(name):
        own = split_name(name)[0]
        return find(data_set(own)) if own in DATA_SETS else Path(own).expanduser()
    raise InputError(
        f"benchmark {name!r}: there is no such benchmark or file{meant(name, NAMES)}; there are {', '.join(NAMES)}, "
        "a subset such as 'xquad-r[16:]' (articles from the 17th) or 'xquad-r[ar,de]' (languages), a file of parallel "
        "rows, or a collection, as tydi-goldp"
    )


def open_benchmark(name: str | Path) -> Benchmark:
    """Open a benchmark of the kit by its name, or one of parallel rows by their path, named by the file's stem.

    `xquad-r-paragraphs` and `mlqa-r-paragraphs` have the paragraph as candidate instead of the sentence. Brackets name
    a subset: `xquad-r[16:]`, the articles from the 17th on; `xquad-r[ar,de]`, queries and passages in some languages;
    `xquad-r[16:,ar,de]`, both. Rows of a file that share a query_id (or, where the file has none, a query) are one
    question, to which the passages of all of them are relevant. A small collection (see `open_collection`), whole or
    some of its languages, is ranked in full as well, in the settings mono and pool (`collection.benchmark_of`).

    Raises:
        InputError: For an unknown name, files that cannot be read, a subset without an article, a large collection.
        MissingDataError: Where files are missing.

    >>> len(open_benchmark("atlas[:2]").subset()[0].passages["article"].unique())
        2
    """
    name = str(name)
    base = base_name(name)
    if is_collection(name):
        return benchmark_of(open_collection(name))
    path = benchmark_path(base)
    if base in NAMES and base != "atlas":
        unit = "paragraph" if base.endswith(_PARAGRAPHS) else "sentence"
        return subset_of(read_lareqa(path, base.removesuffix(_PARAGRAPHS), unit), name)[0]
    rows = list(read_rows(path / "heldout.jsonl.xz") if base == "atlas" else file_of(base).rows())
    named = any(row.query_id != row.id for row in rows)
    questions = {row.id: row.query_id for row in rows} if named else None
    whole = Benchmark.from_corpus(ParallelCorpus.from_rows(rows), base if base == "atlas" else stem_of(path), questions)
    return subset_of(whole, name)[0]


def subset_of(benchmark: Benchmark, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
    """Return the subset that a name asks for, with the positions of its queries and passages in the whole benchmark."""
    _, words = _split(name)
    if not words:
        return benchmark, np.arange(len(benchmark.queries)), np.arange(len(benchmark.passages))
    ranges = [match for word in words if (match := _SLICE.fullmatch(word))]
    languages = [word for word in words if not _SLICE.fullmatch(word)]
    if len(ranges) > 1:
        raise InputError(f"benchmark {name!r}: it has {len(ranges)} ranges of articles; give one")
    for tag in languages:
        if tag not in benchmark.languages:
            raise InputError(
                f"benchmark {name!r}: {benchmark.name} has no language {tag!r}; it has {', '.join(benchmark.languages)}"
            )
    start, stop = (int(number) if number else None for number in (ranges[0].groups() if ranges else ("", "")))
    subset, queries, passages = benchmark.subset(start, stop, languages)
    if len(subset.queries) == 0:
        raise InputError(f"benchmark {name!r}: the subset holds no article; {benchmark.name} has fewer")
    return subset, queries, passages


def open_collection(name_or_folder: str | Path, languages: Sequence[str] | None = None) -> tuple[Collection, ...]:
    """Open a test collection, one `Collection` a language: `miracl`, `tydi-goldp`, or a folder of the user's.

    A folder has MIRACL's layout or BEIR's (see `collection_files`). Languages may also be given in brackets after the
    name, as in "tydi-goldp[fi,sw]", with "pool" for what `pooled` makes of them. A BEIR folder does not say its
    language, which is English unless a language is given.

    The passages are read once, to count them and to check their ids; the result is kept in the cache. Topics without
    judgements are left out and counted in the log, as are judged passages that are not in the corpus.

    Raises:
        InputError: For an unknown name or language and files that cannot be read (with file and line).
        MissingDataError: Where files are missing.

    >>> open_collection("tydi-goldp[tlh]")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: tydi-goldp: no language 'tlh'; there are en, fi, id, ko, sw
    """
    from hybridkit.data.sources import collection_files

    base, words = split_name(str(name_or_folder))
    wanted = tuple(dict.fromkeys([*(languages or ()), *(word for word in words if word != POOL)]))
    if base in collection_files.NAMES:
        found = collection_files.open_known(base, wanted)
    elif collection_files.is_beir(Path(base).expanduser()):
        found = collection_files.open_beir(Path(base).expanduser(), wanted)
    else:
        found = collection_files.open_folder(Path(base).expanduser(), wanted)
    return pooled(found) if POOL in words else found


def is_collection(name: str) -> bool:
    """Return whether a name is that of a test collection: one of the kit's, or any folder.

    >>> is_collection("tydi-goldp[fi,pool]"), is_collection("xquad-r[16:]")
    (True, False)
    """
    from hybridkit.data.sources import collection_files

    base, _ = split_name(name)
    if base_name(name) in NAMES:  # there may be a folder of that name too
        return False
    return base in collection_files.NAMES or Path(base).expanduser().is_dir()
