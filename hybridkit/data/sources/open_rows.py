"""Training rows by name: data sets of the registry and a user's files, opened as one corpus or checked."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import VERSION, Row, read_rows
from hybridkit.data.sources import mmarco, mrtydi, translated_sets
from hybridkit.data.sources import mrtydi as miracl_train
from hybridkit.data.sources.fetch import home_of, recorded, rows_file
from hybridkit.data.sources.registry import DATA_SETS, data_set
from hybridkit.data.storage.columns import first_equal, hash_strings
from hybridkit.data.storage.corpus_writer import CorpusWriter, corpus_writer
from hybridkit.errors import InputError
from hybridkit.utils.files import digest, sha256_file
from hybridkit.utils.naming import split_name, stem_of, stems_of
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.products import INDEX

log = logging.getLogger("hybridkit")
_IN_MEMORY = 32 << 20  # bytes of JSON lines up to which rows are not written to the cache
_PACKED = {".gz": 8, ".xz": 8}  # how much larger such a file is when it is read
# A reader takes the data folder that holds the files and the words that the name has in brackets.
READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[Row]]] = {
    "squad-translate-train": translated_sets.read_translated,
    "mlqa": translated_sets.read_mlqa,
    "xnli": translated_sets.read_xnli,
    "xnli-15way": translated_sets.read_xnli_15way,
    "mr-tydi": mrtydi.read_mrtydi,
    "miracl-train": miracl_train.read_miracl_train,
}
# The same for what is too large to go row by row: it writes tables of texts and integers, with a prefix for its ids.
WRITERS: dict[str, Callable[[CorpusWriter, Path, Sequence[str], str], None]] = {"mmarco": mmarco.add_mmarco}


def open_rows_source(name: str | Path, prefix: str = "") -> Iterator[Row]:
    """Yield the rows of a data set, with words in brackets where it takes some, or of a file; one at a time.

    `prefix` goes before every id. Raises InputError for an unknown name or a file that does not read (with its place),
    MissingDataError where the files are nowhere.

    >>> next(open_rows_source("miracl-train[tlh]"))
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: data set 'miracl-train[tlh]': 'tlh' is nothing that can be asked of miracl-train; ...
    """
    base = split_name(str(name))[0]
    if base in WRITERS:
        raise InputError(f"{name}: it is not read row by row; open it as a corpus, with open_corpus")
    reader = READERS.get(base)
    if reader is None:
        return read_rows(rows_file(name), prefix)
    data = data_set(str(name))
    return _checked(reader(home_of(data.name), data.chosen), data.name, prefix)


def open_corpus(names: Sequence[str | Path]) -> ParallelCorpus:
    """Pool the rows of data sets and files; of several, ids get the name or the file's stem in front.

    What has a format of its own, and files of more than 32 MiB, are written to the cache as a corpus once, row by row,
    and mapped from there. Raises InputError for none, or two of one name.
    """
    prefixed = _prefixed(names)
    if not any(map(_has_own_format, names)) and sum(map(_size, names)) <= _IN_MEMORY:
        return ParallelCorpus.from_rows(chain.from_iterable(open_rows_source(*one) for one in prefixed))
    folder = cache_folder() / "corpora" / corpus_key(source_hashes(names))
    if not folder.is_dir():
        log.info("%s: written to %s once, to open at once from then on", ", ".join(map(str, names)), folder)
    return kept_corpus(folder, names)


def kept_corpus(folder: Path, names: Sequence[str | Path]) -> ParallelCorpus:
    """Open the pooled rows of data sets and files that the kit keeps in a folder, which is made where it is missing.

    A folder that is damaged, or was written by an earlier version, which had no index, is made anew; the log says so.
    """
    if folder.is_dir():
        try:
            if (folder / INDEX).is_file():
                return ParallelCorpus.open(folder)
            log.warning("%s: written by another version of hybridkit; its rows are read again", folder)
        except InputError as error:
            log.warning("%s; it is removed and its rows are read again", str(error).partition("; delete")[0])
    write_pooled(folder, names)
    return ParallelCorpus.open(folder)


def write_pooled(folder: Path, names: Sequence[str | Path]) -> None:
    """Write the pooled rows of data sets and files as a corpus that `ParallelCorpus.open` maps, never holding them all.

    Raises what `open_corpus` raises.
    """
    prefixed = _prefixed(names)
    with corpus_writer(folder) as writer:
        for name, prefix in prefixed:
            base, words = split_name(str(name))
            if base in WRITERS:
                WRITERS[base](writer, home_of(data_set(str(name)).name), words, prefix)
            else:
                writer.add(open_rows_source(name, prefix))


def _prefixed(names: Sequence[str | Path]) -> list[tuple[str | Path, str]]:
    stems = source_stems(names)
    return [(name, f"{stem}/" if len(names) > 1 else "") for name, stem in zip(names, stems, strict=True)]


def _has_own_format(name: str | Path) -> bool:
    base = split_name(str(name))[0]
    return base in READERS or base in WRITERS


def _size(name: str | Path) -> int:
    path = rows_file(name)
    return path.stat().st_size * _PACKED.get(path.suffix, 1)


def source_stems(names: Sequence[str | Path]) -> list[str]:
    """What stands before the ids of each source, with a slash: a data set of its own format by name, else file stems.

    All differ, and none has a slash in it, so that an id tells its source. Raises InputError for no name, and for one
    that stands twice.

    >>> source_stems(["miracl-train[sw]", "atlas"])
    ['miracl-train[sw]', 'train']
    """
    files = [Path(str(name)) if _has_own_format(name) else rows_file(name) for name in names]
    stems = [stem_of(file) for file in files]
    for place, name in enumerate(names):  # "train" is the file of atlas, and often one of the user's own
        if str(name) in DATA_SETS and stems.count(stems[place]) > 1:
            files[place] = Path(str(name))
    return stems_of(files)


def source_hashes(names: Sequence[str | Path]) -> dict[str, str]:
    """SHA-256 of every file that the rows are read from, by its name; what a corpus is known by.

    Files that `fetch` has put into the cache are known by the hash that it recorded, for hashing takes minutes.
    """
    found: dict[str, str] = {}
    for name, stem in zip(names, source_stems(names), strict=True):
        if _has_own_format(name):
            data = data_set(str(name))
            home = home_of(data.name)
            found |= {f"{name}: {file}": recorded(home / file, file) or sha256_file(home / file) for file in data.files}
        else:
            path = rows_file(name)
            found[path.name if stem == stem_of(path) else f"{stem} ({path.name})"] = sha256_file(path)
    return found


def corpus_key(hashes: Mapping[str, str]) -> str:
    """Name of the folder in which a pooled corpus of files with such hashes is kept; other groups have another one."""
    return digest(VERSION, list(hashes.items()))[:16]  # in their order, which is that of the rows


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
        raise InputError(f"{name}: its files hold no row that can be used; are they the right ones?")


@dataclass(frozen=True)
class RowsReport:
    """What a file of parallel rows holds.

    `groups` counts the sets of rows that may never meet in a batch (they share a passage or a text), `largest_group`
    the rows of the largest; `languages` has a line a language: language, queries, passages, both, negatives (rows that
    have the text in it).
    """

    path: str
    rows: int
    passages: int
    groups: int
    largest_group: int
    languages: pd.DataFrame

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.rows:,} rows over {self.passages:,} passages; {self.groups:,} groups of rows that may "
            f"not meet in a batch, the largest of {self.largest_group:,}\n{self.languages.to_string(index=False)}"
        )


def check_rows(path: str | Path) -> RowsReport:
    """Read a user's JSON lines (also `.gz`, `.xz`), or a data set by its name, as training would, and summarise them.

    Raises InputError naming file, line and key for the first row that cannot be used.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.jsonl"
    >>> _ = path.write_text('{"id": "1", "query": {"en": "Who?", "de": "Wer?"}, "passage": {"de": "Sie."}}')
    >>> check_rows(path).languages
      language  queries  passages  both  negatives
    0       de        1         1     1          0
    1       en        1         0     0          0
    """
    corpus = open_corpus([path])
    query, passage, negative = (corpus.places[side] >= 0 for side in ("query", "passage", "negative"))
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
    hashes = [hash_strings(part.to_pylist()) for part in corpus.passage_ids.chunks()]
    passages = len(np.unique(first_equal(np.concatenate(hashes))))
    return RowsReport(str(path), len(corpus), passages, len(sizes), int(sizes.max()), languages)
