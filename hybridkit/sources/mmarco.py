"""mMARCO (arXiv:2108.13897): MS MARCO's passages and queries in 14 languages, joined on ids by the training triples.

The hub's unicamp-dl/mmarco, Apache-2.0 for the translations; MS MARCO itself is for research that is not commercial.
`data/google` holds the translations of the second version (Google Translate) and the English originals.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hybridkit.bars import bar
from hybridkit.errors import InputError
from hybridkit.seeds import generator
from hybridkit.sources.triples import Triples, read_triples
from hybridkit.sources.tsv import read_tsv
from hybridkit.storage.columns import CHUNK
from hybridkit.storage.writer import CorpusWriter

LANGUAGES = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "fr": "french", "hi": "hindi",
    "id": "indonesian", "it": "italian", "ja": "japanese", "nl": "dutch", "pt": "portuguese", "ru": "russian",
    "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip
UNITS = ("triples", "pairs")  # what a row is
_COLUMN = {"query": 0, "passage": 1, "negative": 2}
TRIPLES = "mmarco/data/triples.train.ids.small.tsv"

log = logging.getLogger("hybridkit")


def files_of(language: str) -> tuple[str, str]:
    """The files of a language in a data folder: collection and training queries.

    >>> files_of("de")[0]
    'mmarco/data/google/collections/german_collection.tsv'
    """
    name = LANGUAGES[language]
    return (
        f"mmarco/data/google/collections/{name}_collection.tsv",
        f"mmarco/data/google/queries/train/{name}_queries.train.tsv",
    )


def add_mmarco(writer: CorpusWriter, home: Path, words: Sequence[str] = (), prefix: str = "", seed: int = 0) -> None:
    """Add mMARCO's training rows to a corpus that is being written; texts go from file to file, ids join as integers.

    `home` is the data folder that has `mmarco/`; `words` are languages (all 14 by default) and `triples` or `pairs`;
    `prefix` goes before every id. With `triples`, the default, every line (query, positive, negative) is a row, 39.8
    million of them, each with its own hard negative: arXiv 2408.10536 trains on mMARCO's triples, and says no more of
    them. A query's rows never meet in a batch, since they share query_id. With `pairs`, every distinct (query,
    positive) is one row, in order of ids, and its negative is drawn from its lines (named seed): a hundredth of the
    rows, one negative each. The id of a row is the number of its line, or QUERY-POSITIVE.

    A negative that another line gives as a positive of the same query is left out (the files hold no other judgement of
    training queries). Lines that name an id which a language's files lack, or whose text is blank, are without that
    text; they are counted in the log. Rows left without a query or a passage in any language fall away.

    Raises MissingDataError for a missing file; InputError for a line of another shape (file and line), an id that
    stands twice, and a language in which most lines name an unknown query or positive.
    """
    unit = next((word for word in words if word in UNITS), UNITS[0])
    languages = [tag for tag in LANGUAGES if tag in words] or list(LANGUAGES)
    files = {tag: [home / file for file in files_of(tag)] for tag in languages}
    needed = [home / TRIPLES, *(file for pair in files.values() for file in pair)]
    for file in needed:
        if not file.is_file():  # said before an hour is spent on the others
            next(read_tsv(file, {}, source="mmarco"))
    size = sum(file.stat().st_size for file in needed)
    with (
        TemporaryDirectory(dir=writer.work) as work,
        bar(total=size, desc="mmarco triples", unit="B", unit_scale=True) as shown,
    ):
        triples = read_triples(home / TRIPLES, Path(work), shown.update)
        if triples.dropped:
            log.info("mmarco: %d negatives are positives of their query and left out", triples.dropped)
        if unit == "pairs":
            triples = triples.one_each(generator(seed, "mmarco", "negatives"))
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
    """Copy the texts of the sought ids (sorted, by side) from a file; each id's entry, -1 for one that is not there."""
    entries = {side: np.full(len(ids), -1, dtype=np.int32) for side, ids in sought.items()}
    for batch in read_tsv(path, {"id": "id", "text": "text"}, done, "mmarco"):
        ids, texts = batch["id"].to_numpy(), batch["text"]
        filled = pc.not_equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
        for side, wanted in sought.items():
            if not len(wanted):
                continue
            place = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
            here = np.flatnonzero((wanted[place] == ids) & filled)
            place = place[here]
            names, counts = np.unique(ids[here], return_counts=True)
            if again := [*names[counts > 1].tolist(), *ids[here][entries[side][place] >= 0].tolist()]:
                raise InputError(f"{path}: the id {again[0]} stands twice; get the file again")
            first = writer.add_texts(side, tag, texts.take(pa.array(here)))
            entries[side][place] = np.arange(first, first + len(here), dtype=np.int32)
    return {(side, tag): found for side, found in entries.items()}


def _add_rows(
    writer: CorpusWriter, triples: Triples, entries: Mapping[tuple[str, str], np.ndarray], prefix: str, unit: str
) -> None:
    ids = {"query": triples.queries, "passage": triples.positives, "negative": triples.negatives}
    lacking = dict.fromkeys(entries, 0)
    kept = 0
    for start in range(0, len(triples.lines), CHUNK):
        block = triples.lines[start : start + CHUNK]
        place = {side: np.searchsorted(ids[side], block[:, column]) for column, side in enumerate(ids)}
        known = {key: _at(found, place[key[0]], block[:, _COLUMN[key[0]]] >= 0) for key, found in entries.items()}
        for key, found in known.items():
            lacking[key] += int(((found < 0) & (block[:, _COLUMN[key[0]]] >= 0)).sum())
        has = {side: np.any([found >= 0 for key, found in known.items() if key[0] == side], axis=0) for side in ids}
        rows = np.flatnonzero(has["query"] & has["passage"])
        query, passage = (pa.array(block[rows, column]).cast(pa.large_string()) for column in (0, 1))
        lines = pa.array(start + 1 + rows).cast(pa.large_string())
        names = lines if unit == "triples" else _join(query, "-", passage)
        columns = [_join(prefix, "", column) if prefix else column for column in (names, passage, query)]
        writer.add_rows(columns[0], columns[1], columns[2], {key: found[rows] for key, found in known.items()})
        kept += len(rows)
    _tell(lacking, len(triples.lines), kept)


def _join(first: Any, between: str, second: Any) -> Any:  # noqa: ANN401  Arrow arrays, or one text
    first = pa.scalar(first, pa.large_string()) if isinstance(first, str) else first
    return pc.binary_join_element_wise(first, second, pa.scalar(between, pa.large_string()))


def _at(entries: np.ndarray, place: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Entries of ids by their place among the sorted ones, -1 where a line names none."""
    out = np.full(len(place), -1, dtype=np.int32)
    out[named] = entries[place[named]]
    return out


def _tell(lacking: Mapping[tuple[str, str], int], lines: int, kept: int) -> None:
    """Log the lines whose texts a language's files lack; InputError where that is most of them."""
    for (side, tag), count in lacking.items():
        if not count:
            continue
        what = f"mmarco, {tag}: {count:,} of {lines:,} lines name a {side} that its files lack, or whose text is blank"
        if side != "negative" and 2 * count > lines:
            raise InputError(f"{what}; are {' and '.join(files_of(tag))} those of the triples?")
        log.warning("%s", what)
    if not kept:
        raise InputError(f"mmarco: none of {lines:,} lines has a query and a positive; are the files of one release?")
    if kept < lines:
        log.warning("mmarco: %s of %s lines have no query or no positive in any language and fall away",
                    f"{lines - kept:,}", f"{lines:,}")  # fmt: skip
