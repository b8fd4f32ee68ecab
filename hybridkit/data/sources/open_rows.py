"""Training rows by name: data sets of the kit and of the hub, and files, opened as one corpus or checked."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import VERSION, Row, read_rows
from hybridkit.data.sources.fetch import find, home_of, recorded
from hybridkit.data.sources.hub_rows import MARK, HubRows
from hybridkit.data.sources.registry import DATA_SETS, DataSet, data_set
from hybridkit.data.storage.columns import first_equal, hash_strings
from hybridkit.data.storage.corpus_writer import corpus_writer
from hybridkit.data.tables import columns_of
from hybridkit.errors import InputError
from hybridkit.utils.files import digest, sha256_file
from hybridkit.utils.naming import meant, split_name, stem_of, stems_of
from hybridkit.utils.paths import cache_folder

log = logging.getLogger("hybridkit")
_IN_MEMORY = 32 << 20  # bytes of JSON lines up to which rows are not written to the cache
_PACKED = {".gz": 8, ".xz": 8}  # how much larger such a file is when it is read


@dataclass(frozen=True)
class RowsFile:
    """A file of rows: JSON lines, CSV, TSV or parquet.

    `columns` says which of its columns is what, where it was given; `note` is what a run notes beside the file's name.
    """

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def rows(self, prefix: str = "") -> Iterator[Row]:
        """Yield the rows, each checked; `prefix` goes before every id."""
        return read_rows(self.path, prefix, self.columns)


def file_of(name: str | Path) -> RowsFile:
    """Return the file of rows that a path, perhaps with columns in brackets, or a name of the hub stands for.

    >>> file_of("mine.csv[query.en=question,passage.en=answer]").columns
    {'query.en': 'question', 'passage.en': 'answer'}

    Raises:
        InputError: For words in brackets that are not KEY=COLUMN; as `HubRows.find` for a name that begins with hf:.
    """
    if str(name).startswith(MARK):
        rows = HubRows.of(str(name))
        path = rows.find()
        return RowsFile(path, note=rows.recorded)
    base, columns = columns_of(str(name))
    note = f"[{','.join(f'{key}={column}' for key, column in columns.items())}]" if columns else ""
    return RowsFile(Path(base).expanduser(), columns, note)


def own_name(name: str) -> str:
    """Return what tables and figures call a file of rows: its stem, with the subset; any other name as it is.

    >>> own_name("../data/faq.csv[query.en=q,passage.en=a,2:]"), own_name("xquad-r[16:]"), own_name("sets/mine")
    ('faq[2:]', 'xquad-r[16:]', 'sets/mine')
    """
    base, words = split_name(name)
    if base.startswith(MARK):
        columns = ",".join(word for word in words if "=" in word)
        stem = stem_of(HubRows.of(f"{base}[{columns}]" if columns else base).file)
    elif (stem := stem_of(base)) == Path(base).name:
        return name
    subset = [word for word in words if "=" not in word]
    return f"{stem}[{','.join(subset)}]" if subset else stem


def rows_source(name: str | Path) -> DataSet | RowsFile:
    """Look a name of training rows up: the data set, where it has a format of its own, else a file of rows.

    >>> rows_source("mine.jsonl")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: mine.jsonl: no such file, and no data set of rows; the kit knows atlas, mlqa-test, ...
    """
    known = DATA_SETS.get(split_name(str(name))[0])
    if known and known.own_format:
        return data_set(str(name))
    if known and known.kind == "rows" and known.name == str(name):
        path = find(known)
        return RowsFile(path if path.is_file() else path / Path(known.files[0]).name)
    file = file_of(name)
    if not file.path.is_file():
        rows = [data.name for data in DATA_SETS.values() if data.kind == "rows"]
        near = meant(str(name), rows)
        raise InputError(f"{file.path}: no such file, and no data set of rows{near}; the kit knows {', '.join(rows)}")
    return file


def open_rows_source(name: str | Path, prefix: str = "") -> Iterator[Row]:
    """Yield the rows of a data set, with words in brackets where it takes some, or of a file; one at a time.

    `prefix` goes before every id.

    Raises:
        InputError: For an unknown name or a file that cannot be read (with its line).
        MissingDataError: Where the files are missing.

    >>> next(open_rows_source("miracl-train[tlh]"))
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: data set 'miracl-train[tlh]': 'tlh' is not an option of miracl-train; ...
    """
    return _rows(rows_source(name), prefix)


def _rows(source: DataSet | RowsFile, prefix: str) -> Iterator[Row]:
    if isinstance(source, RowsFile):
        return source.rows(prefix)
    if source.read is None:
        raise InputError(f"{source.name}: it is too large to be read row by row; open it as a corpus, with open_corpus")
    return _checked(source.read(home_of(source), source.chosen), source.name, prefix)


def open_corpus(names: Sequence[str | Path]) -> ParallelCorpus:
    """Return the pooled rows of data sets and files; of several, ids get the name or the file's stem in front.

    Data sets with a format of their own, and files of more than 32 MiB, are written to the cache as a corpus once, row
    by row, and mapped from there.

    Raises:
        InputError: For no name or a duplicate one, and as `open_rows_source`.
    """
    sources = [rows_source(name) for name in names]
    files = [source.path for source in sources if isinstance(source, RowsFile)]
    if len(files) == len(sources) and sum(map(_size, files)) <= _IN_MEMORY:
        prefixes = _prefixes(names, sources)
        return ParallelCorpus.from_rows(chain.from_iterable(map(_rows, sources, prefixes)))
    folder = cache_folder() / "corpora" / corpus_key(source_hashes(names))
    if not folder.is_dir():
        log.info("%s: written to %s once, to open at once from then on", ", ".join(map(str, names)), folder)
    return kept_corpus(folder, names)


def kept_corpus(folder: Path, names: Sequence[str | Path]) -> ParallelCorpus:
    """Return the pooled rows that are kept in a folder; it is written where it is missing.

    A folder that is damaged or has another format is made anew, and the log says so.
    """
    if folder.is_dir():
        try:
            return ParallelCorpus.open(folder)
        except InputError as error:
            log.warning("%s; it is removed and its rows are read again", str(error).rpartition("; ")[0])
    write_pooled(folder, names)
    return ParallelCorpus.open(folder)


def write_pooled(folder: Path, names: Sequence[str | Path]) -> None:
    """Write the pooled rows of data sets and files as a corpus that `ParallelCorpus.open` maps, as a stream."""
    sources = [rows_source(name) for name in names]
    prefixes = _prefixes(names, sources)
    with corpus_writer(folder) as writer:
        for source, prefix in zip(sources, prefixes, strict=True):
            if isinstance(source, DataSet) and source.write:
                source.write(writer, home_of(source), source.chosen, prefix)
            else:
                writer.add(_rows(source, prefix))


def _prefixes(names: Sequence[str | Path], sources: Sequence[DataSet | RowsFile]) -> list[str]:
    stems = _stems(names, sources)
    return [f"{stem}/" for stem in stems] if len(stems) > 1 else [""]


def _size(path: Path) -> int:
    return path.stat().st_size * _PACKED.get(path.suffix, 1)


def source_stems(names: Sequence[str | Path]) -> list[str]:
    """Return what goes before the ids of each source: the name of a data set with its own format, else the file's stem.

    All differ, and none has a slash in it, so that `STEM/ID` is unique.

    Raises:
        InputError: For no name and for a duplicate one.

    >>> source_stems(["miracl-train[sw]", "atlas"])
    ['miracl-train[sw]', 'train']
    """
    return _stems(names, [rows_source(name) for name in names])


def _stems(names: Sequence[str | Path], sources: Sequence[DataSet | RowsFile]) -> list[str]:
    files = [source.path if isinstance(source, RowsFile) else Path(source.name) for source in sources]
    stems = [stem_of(file) for file in files]
    for position, name in enumerate(names):  # "train" is the file of atlas, and often one of the user's own
        if str(name) in DATA_SETS and stems.count(stems[position]) > 1:
            files[position] = Path(str(name))
    return stems_of(files)


def source_hashes(names: Sequence[str | Path]) -> dict[str, str]:
    """Return the SHA-256 of every file that the rows are read from, by its name; a corpus is kept under these.

    Of files that `fetch` has put into the cache the recorded hash is taken, since hashing takes minutes.
    """
    found: dict[str, str] = {}
    sources = [rows_source(name) for name in names]
    for source, stem in zip(sources, _stems(names, sources), strict=True):
        if isinstance(source, RowsFile):
            path = source.path
            written = path.name if stem == stem_of(path) else f"{stem} ({path.name})"
            found[f"{written} {source.note}".rstrip()] = sha256_file(path)
            continue
        home = home_of(source)
        for file in source.files:
            found[f"{source.name}: {file}"] = recorded(home / file, file) or sha256_file(home / file)
    return found


def corpus_key(hashes: Mapping[str, str]) -> str:
    """Return the name of the folder in which a pooled corpus of files with these hashes is kept."""
    return digest(VERSION, list(hashes.items()))[:16]  # in the order of the rows


def _checked(rows: Iterator[Row], name: str, prefix: str) -> Iterator[Row]:
    count = 0
    for row in rows:
        count += 1
        yield (
            row
            if not prefix
            else replace(row, id=prefix + row.id, passage_id=prefix + row.passage_id, query_id=prefix + row.query_id)
        )
    if not count:
        raise InputError(f"{name}: its files hold no usable row; are they the right ones?")


@dataclass(frozen=True)
class RowsReport:
    """What a file of parallel rows holds.

    `groups` counts the sets of rows that a batch never holds two of (they share a passage or a text), `largest_group`
    the rows of the largest; `languages` has a line a language: language, queries, passages, both, negatives (rows that
    have such a text).
    """

    path: str
    rows: int
    passages: int
    groups: int
    largest_group: int
    languages: pd.DataFrame

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.rows:,} rows over {self.passages:,} passages; {self.groups:,} groups of rows that "
            f"never meet in a batch, the largest of {self.largest_group:,}\n{self.languages.to_string(index=False)}"
        )


def check_rows(path: str | Path) -> RowsReport:
    """Read a user's file (see `file_of`), or a data set by its name, as training does; return a summary.

    Raises:
        InputError: With file, line and key, for the first row that cannot be used.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.jsonl"
    >>> _ = path.write_text('{"id": "1", "query": {"en": "Who?", "de": "Wer?"}, "passage": {"de": "Sie."}}')
    >>> check_rows(path).languages
      language  queries  passages  both  negatives
    0       de        1         1     1          0
    1       en        1         0     0          0
    """
    corpus = open_corpus([path])
    query, passage, negative = (corpus.positions[side] >= 0 for side in ("query", "passage", "negative"))
    languages = pd.DataFrame(
        {
            "language": corpus.languages,
            "queries": query.sum(axis=0),
            "passages": passage.sum(axis=0),
            "both": (query & passage).sum(axis=0),
            "negatives": negative.sum(axis=0),
        }
    )
    sizes = np.unique(corpus.group, return_counts=True)[1]
    hashes = [hash_strings(chunk.to_pylist()) for chunk in corpus.passage_ids.chunks()]
    passages = len(np.unique(first_equal(np.concatenate(hashes))))
    return RowsReport(str(path), len(corpus), passages, len(sizes), int(sizes.max()), languages)
