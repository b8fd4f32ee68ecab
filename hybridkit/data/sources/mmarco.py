"""mMARCO (arXiv:2108.13897): MS MARCO's passages and queries in 14 languages, joined on ids by the training triples.

The hub's unicamp-dl/mmarco, Apache-2.0 for the translations; MS MARCO itself is for research that is not commercial.
`data/google` holds the translations of the second version (Google Translate) and the English originals.
Triples of ids (query, positive, negative) are read once, into integers on disk.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hybridkit.data.sources.readers import read_tsv
from hybridkit.data.storage.columns import CHUNK
from hybridkit.data.storage.corpus_writer import CorpusWriter
from hybridkit.errors import InputError
from hybridkit.utils.progress import bar
from hybridkit.utils.seeds import generator

_MANY = 1 << 22  # numbers that are collected before duplicates are removed
_SHIFT = np.int64(32)
_NAMES = (
    "ar=arabic de=german en=english es=spanish fr=french hi=hindi id=indonesian it=italian ja=japanese nl=dutch "
    "pt=portuguese ru=russian vi=vietnamese zh=chinese"
)
UNITS = ("triples", "pairs")  # what a row is
_COLUMN = {"query": 0, "passage": 1, "negative": 2}
TRIPLES = "mmarco/data/triples.train.ids.small.tsv"
log = logging.getLogger("hybridkit")


@dataclass(frozen=True)
class Triples:
    """Triples of ids; `lines` is int32 (lines, 3): query, positive and negative, -1 for a negative that is a positive.

    `judged` are the distinct (query, positive) as sorted int64, the query in the upper half; `queries`, `positives` and
    `negatives` are the sorted distinct ids of each column; `dropped` counts negatives that are positives too.
    """

    lines: np.ndarray
    judged: np.ndarray
    negatives: np.ndarray
    dropped: int

    @property
    def queries(self) -> np.ndarray:
        """Sorted distinct ids of the queries, int32."""
        return np.unique(self.judged >> _SHIFT).astype(np.int32)

    @property
    def positives(self) -> np.ndarray:
        """Sorted distinct ids of the positives, int32."""
        return np.unique(self.judged.astype(np.int32))

    def one_each(self, random: np.random.Generator) -> "Triples":
        """Return one line for every distinct (query, positive), in order of ids; its negative is drawn from its lines.

        A line without a negative is drawn only where there is no other.
        """
        chosen, best = np.full(len(self.judged), -1, dtype=np.int32), np.full(len(self.judged), np.inf)
        for block in _blocks(self.lines):
            chance = random.random(len(block))
            order = np.argsort(-chance)  # of lines of one pair the last one is kept: that with the smallest number
            order = order[block[order, 2] >= 0]
            pair = np.searchsorted(self.judged, _paired(block[order, 0], block[order, 1]))
            lower = chance[order] < best[pair]
            best[pair[lower]], chosen[pair[lower]] = chance[order][lower], block[order, 2][lower]
        lines = np.stack([(self.judged >> _SHIFT).astype(np.int32), self.judged.astype(np.int32), chosen], axis=1)
        return replace(self, lines=lines, negatives=np.unique(chosen[chosen >= 0]))


def read_triples(path: Path, work: Path, done: Callable[[int], object] = lambda _: None) -> Triples:
    """Read a file of lines QUERY TAB POSITIVE TAB NEGATIVE; the numbers are kept in the folder `work`, 12 bytes a line.

    Raises:
        InputError: With file and line, for a line of another form.
        MissingDataError: For a missing file.
    """
    columns = {"query": "id", "positive": "id", "negative": "id"}
    pairs, count = _Distinct(), 0
    with (work / "triples").open("wb") as file:
        for batch in read_tsv(path, columns, done, "mmarco"):
            ids = np.stack([batch[name].to_numpy() for name in columns], axis=1)
            file.write(ids.data)
            pairs.add(_paired(ids[:, 0], ids[:, 1]))
            count += len(ids)
    judged = pairs.all()
    lines = np.asarray(np.memmap(work / "triples", dtype=np.int32, mode="r+", shape=(count, 3)))
    negatives, dropped = _Distinct(), 0
    for block in _blocks(lines):
        key = _paired(block[:, 0], block[:, 2])
        wrong = judged[np.minimum(np.searchsorted(judged, key), len(judged) - 1)] == key
        block[wrong, 2] = -1
        dropped += int(wrong.sum())
        negatives.add(block[~wrong, 2])
    return Triples(lines, judged, negatives.all(), dropped)


class _Distinct:
    """Collects the distinct numbers of a stream, in memory that is bounded by their number."""

    def __init__(self) -> None:
        self._whole, self._waiting = np.empty(0, dtype=np.int64), [np.empty(0, dtype=np.int64)]

    def add(self, numbers: np.ndarray) -> None:
        """Add some numbers."""
        self._waiting.append(np.unique(numbers))
        if sum(map(len, self._waiting)) > max(_MANY, len(self._whole)):
            self.all()

    def all(self) -> np.ndarray:
        """Return the distinct numbers, sorted, int64."""
        self._whole, self._waiting = np.unique(np.concatenate([self._whole, *self._waiting])), []
        return self._whole


def _blocks(lines: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(lines), CHUNK):
        yield lines[start : start + CHUNK]


def _paired(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    return np.asarray((high.astype(np.int64) << _SHIFT) | low)


LANGUAGES = dict(pair.split("=") for pair in _NAMES.split())


def files_of(language: str) -> tuple[str, str]:
    """Return the files of a language in a data folder: collection and training queries.

    >>> files_of("de")[0]
    'mmarco/data/google/collections/german_collection.tsv'
    """
    name = LANGUAGES[language]
    return (
        f"mmarco/data/google/collections/{name}_collection.tsv",
        f"mmarco/data/google/queries/train/{name}_queries.train.tsv",
    )


def add_mmarco(writer: CorpusWriter, home: Path, words: Sequence[str] = (), prefix: str = "") -> None:
    """Add mMARCO's training rows to a corpus that is being written; texts go from file to file, ids are integers.

    With `triples`, every line (query, positive, negative) is a row, 39.8 million of them, each with its own hard
    negative, as in arXiv 2408.10536. A query's rows never meet in a batch, since they share query_id. With `pairs`,
    every distinct (query, positive) is one row, in order of ids, and its negative is drawn from its lines (named seed):
    a hundredth of the rows. The id of a row is the number of its line, or QUERY-POSITIVE.

    A negative that another line has as a positive of the same query is left out (the files hold no other judgement of
    training queries). An id that is not in a language's files, or whose text is blank, has no text there; the log
    counts the lines. Rows without a query or a passage in any language are dropped.

    Args:
        writer: Writer of the corpus.
        home: The data folder that has `mmarco/`.
        words: Languages (all 14 by default), and `triples` (the default) or `pairs`.
        prefix: Goes before every id.

    Raises:
        MissingDataError: For a missing file.
        InputError: For a line of another form (with file and line), a duplicate id, and a language in which most lines
            name an unknown query or positive.
    """
    unit = next((word for word in words if word in UNITS), UNITS[0])
    languages = [tag for tag in LANGUAGES if tag in words] or list(LANGUAGES)
    files = {tag: [home / file for file in files_of(tag)] for tag in languages}
    inputs = [home / TRIPLES, *(file for pair in files.values() for file in pair)]
    for file in inputs:
        if not file.is_file():  # before an hour is spent on the others
            next(read_tsv(file, {}, source="mmarco"))
    size = sum(file.stat().st_size for file in inputs)
    with (
        TemporaryDirectory(dir=writer.work) as work,
        bar(total=size, desc="mmarco triples", unit="B", unit_scale=True) as shown,
    ):
        triples = read_triples(home / TRIPLES, Path(work), shown.update)
        if triples.dropped:
            log.info("mmarco: %d negatives are positives of their query and left out", triples.dropped)
        if unit == "pairs":
            triples = triples.one_each(generator(0, "mmarco", "negatives"))
        entries: dict[tuple[str, str], np.ndarray] = {}
        for tag, (collection, queries) in files.items():
            shown.set_description(f"mmarco {tag}")
            sought = {"passage": triples.positives, "negative": triples.negatives}
            for path, ids in ((queries, {"query": triples.queries}), (collection, sought)):
                entries |= _add_texts(writer, path, tag, ids, shown.update)
        shown.set_description("mmarco rows")
        _add_rows(writer, triples, entries, prefix, unit)


def _add_texts(
    writer: CorpusWriter, path: Path, tag: str, sought: Mapping[str, np.ndarray], done: Callable[[int], object]
) -> dict[tuple[str, str], np.ndarray]:
    """Copy the texts of the sought ids (sorted, by side) from a file; return each id's entry, -1 for a missing one."""
    entries = {side: np.full(len(ids), -1, dtype=np.int32) for side, ids in sought.items()}
    for batch in read_tsv(path, {"id": "id", "text": "text"}, done, "mmarco"):
        ids, texts = batch["id"].to_numpy(), batch["text"]
        filled = pc.not_equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
        for side, wanted in sought.items():
            if not len(wanted):
                continue
            position = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
            here = np.flatnonzero((wanted[position] == ids) & filled)
            position = position[here]
            names, counts = np.unique(ids[here], return_counts=True)
            if again := [*names[counts > 1].tolist(), *ids[here][entries[side][position] >= 0].tolist()]:
                raise InputError(f"{path}: the id {again[0]} is duplicated; get the file again")
            first = writer.add_texts(side, tag, texts.take(pa.array(here)))
            entries[side][position] = np.arange(first, first + len(here), dtype=np.int32)
    return {(side, tag): found for side, found in entries.items()}


def _add_rows(
    writer: CorpusWriter, triples: Triples, entries: Mapping[tuple[str, str], np.ndarray], prefix: str, unit: str
) -> None:
    ids = {"query": triples.queries, "passage": triples.positives, "negative": triples.negatives}
    missing = dict.fromkeys(entries, 0)
    kept = 0
    for start in range(0, len(triples.lines), CHUNK):
        block = triples.lines[start : start + CHUNK]
        position = {side: np.searchsorted(ids[side], block[:, column]) for column, side in enumerate(ids)}
        known = {key: _at(found, position[key[0]], block[:, _COLUMN[key[0]]] >= 0) for key, found in entries.items()}
        for key, found in known.items():
            missing[key] += int(((found < 0) & (block[:, _COLUMN[key[0]]] >= 0)).sum())
        has = {side: np.any([found >= 0 for key, found in known.items() if key[0] == side], axis=0) for side in ids}
        rows = np.flatnonzero(has["query"] & has["passage"])
        query, passage = (pa.array(block[rows, column]).cast(pa.large_string()) for column in (0, 1))
        lines = pa.array(start + 1 + rows).cast(pa.large_string())
        names = lines if unit == "triples" else _join(query, "-", passage)
        columns = [_join(prefix, "", column) if prefix else column for column in (names, passage, query)]
        writer.add_rows(columns[0], columns[1], columns[2], {key: found[rows] for key, found in known.items()})
        kept += len(rows)
    _report(missing, len(triples.lines), kept)


def _join(first: Any, between: str, second: Any) -> Any:
    first = pa.scalar(first, pa.large_string()) if isinstance(first, str) else first
    return pc.binary_join_element_wise(first, second, pa.scalar(between, pa.large_string()))


def _at(entries: np.ndarray, positions: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Entries of ids by their positions among the sorted ones, -1 where a line names no id."""
    out = np.full(len(positions), -1, dtype=np.int32)
    out[named] = entries[positions[named]]
    return out


def _report(missing: Mapping[tuple[str, str], int], lines: int, kept: int) -> None:
    """Log the lines whose texts are not in a language's files; InputError where that is most of them."""
    for (side, tag), count in missing.items():
        if not count:
            continue
        what = f"mmarco, {tag}: {count:,} of {lines:,} lines name a {side} that is missing in its files or blank"
        if side != "negative" and 2 * count > lines:
            raise InputError(f"{what}; are {' and '.join(files_of(tag))} those of the triples?")
        log.warning("%s", what)
    if not kept:
        raise InputError(f"mmarco: none of {lines:,} lines has a query and a positive; are the files of one release?")
    if kept < lines:
        log.warning(
            "mmarco: %s of %s lines have no query or no positive in any language and are dropped",
            f"{lines - kept:,}",
            f"{lines:,}",
        )
