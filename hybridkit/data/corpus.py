"""ParallelCorpus: question-passage rows in n languages, one text table per side and language, and integer rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from hybridkit.data.rows import SIDES, Row, TextKeys, connected_groups, groups_of_negatives, read_files
from hybridkit.data.storage.columns import (
    CHUNK,
    StringColumn,
    allocate,
    first_equal,
    first_of_groups,
    hash_strings,
    pieces,
    positions,
    take_cells,
    write_arrow,
)
from hybridkit.data.storage.corpus_folder import corpus_fingerprint, joined, read_folder, write_rows
from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_folder, digest
from hybridkit.utils.numbers import SHARE_BELOW_1

IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Rows known in several languages.

    `positions[side]` is an int32 array (rows, languages): the position of the row's text in `texts[side, language]`, -1
    where it has none. `ids[rows]` and `passage_ids[rows]` are numpy object arrays of str. `group` is an int32 array
    (rows,): rows of one group share an id, a passage_id, a query_id or a normalised query or passage text in any
    language, directly or through other rows; no two may meet in a batch, since one would be the other's negative though
    it may answer it.

    An opened corpus lies in mapped files, and its subsets share them: a text is read when it is used.
    """

    languages: tuple[str, ...]
    ids: StringColumn
    passage_ids: StringColumn
    group: IntArray
    positions: Mapping[str, IntArray]
    texts: Mapping[tuple[str, str], pa.Array]
    fingerprint: str
    # the corpus that this one is a subset of, with the rows and columns of it
    origin: tuple["ParallelCorpus", np.ndarray, list[int]] | None = None

    @classmethod
    def from_jsonl(cls, *paths: str | Path) -> "ParallelCorpus":
        """Read parallel rows from JSON lines (also `.gz`, `.xz`); of several files, ids get the file's stem in front.

        All of it is held in memory; `storage.corpus_writer` makes the same corpus of a stream.

        Raises:
            InputError: With file and line, for a row that cannot be used (see `rows.read_rows`).
        """
        return cls.from_rows(read_files(*paths))

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> "ParallelCorpus":
        """Return the corpus of checked rows, each distinct text kept once per side and language.

        >>> rows = [Row("1", "1", "1", {"en": "Who?", "de": "Wer?"}, {"en": "She."}, {})]
        >>> corpus = ParallelCorpus.from_rows(rows)
        >>> corpus.languages, corpus.query_text(0, "de"), corpus.passage_text(0, "de")
        (('de', 'en'), 'Wer?', None)
        """
        tables: dict[tuple[str, str], dict[str, int]] = {}
        cells: dict[str, list[dict[str, int]]] = {side: [] for side in SIDES}
        ids: list[tuple[str, str, str]] = []
        for row in rows:
            ids.append((row.id, row.passage_id, row.query_id))
            for side in SIDES:
                found = {}
                for tag, text in getattr(row, side).items():
                    table = tables.setdefault((side, tag), {})
                    found[tag] = table.setdefault(text, len(table))
                cells[side].append(found)
        languages = tuple(sorted({tag for _, tag in tables}))
        positions = {side: np.full((len(ids), len(languages)), -1, dtype=np.int32) for side in SIDES}
        column = {tag: number for number, tag in enumerate(languages)}
        for side, found_rows in cells.items():
            for number, found in enumerate(found_rows):
                for tag, position in found.items():
                    positions[side][number, column[tag]] = position
        texts = {key: pa.array(list(table), pa.large_string()) for key, table in sorted(tables.items())}
        names = [pa.array(column, pa.large_string()) for column in zip(*ids, strict=True)]
        names = names or [pa.array([], pa.large_string())] * 3
        fingerprint = corpus_fingerprint(names, [positions[side] for side in SIDES], texts.items())
        spaces: list[Iterable[np.ndarray]] = [[first_equal(hash_strings(column.to_pylist()))] for column in names[1:]]
        for side in ("query", "passage"):
            spaces.append(TextKeys.make(texts, (side,)).columns(side, languages, positions[side]))
        group = connected_groups(len(ids), spaces)
        return cls(languages, StringColumn(names[0]), StringColumn(names[1]), group, positions, texts, fingerprint)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def query_text(self, row: int, language: str) -> str | None:
        """Return the row's query in a language, or None."""
        return self._text("query", row, language)

    def passage_text(self, row: int, language: str) -> str | None:
        """Return the row's passage in a language, or None."""
        return self._text("passage", row, language)

    def _text(self, side: str, row: int, language: str) -> str | None:
        position = int(self.positions[side][row, self.column(language)])
        return self.texts[side, language][position].as_py() if position >= 0 else None

    def take_texts(self, side: str, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        """Return the texts of one side at (row, language column), in order; every one must exist."""
        out = np.empty(len(rows), dtype=object)
        for number in np.unique(columns):
            at = np.flatnonzero(columns == number)
            positions = self.positions[side][rows[at], number]
            out[at] = self.texts[side, self.languages[int(number)]].take(pa.array(positions)).to_pylist()
        return list(out)

    def column(self, language: str) -> int:
        """Return the column of a language in `positions`; InputError for a language that no row has."""
        if language not in self.languages:
            raise InputError(f"language {language!r} is in no row; the corpus has {', '.join(self.languages)}")
        return self.languages.index(language)

    @cached_property
    def has_query(self) -> np.ndarray:
        """Bool array (rows, languages): the row has a query in the language."""
        return self.positions["query"] >= 0

    @cached_property
    def has_passage(self) -> np.ndarray:
        """Bool array (rows, languages): the row has a passage in the language."""
        return self.positions["passage"] >= 0

    @cached_property
    def negative_group(self) -> IntArray:
        """Int32 (rows, languages): the group that each negative's text belongs to as a passage, -1 without one.

        A negative must stay out of a batch that holds a row of its group, since it answers that row. It is read from a
        saved corpus, else computed at first use; a subset has what the whole corpus has.
        """
        shape = self.positions["negative"].shape
        if not any(side == "negative" for side, _ in self.texts):
            return np.broadcast_to(np.int32(-1), shape)
        if self.origin is not None:
            whole, rows, columns = self.origin
            return take_cells(whole.negative_group, rows, columns)
        keys = TextKeys.make(self.texts, ("passage", "negative"))
        return groups_of_negatives(self.group, self.positions, keys, self.languages, allocate(shape))

    def query_table(self, language: str) -> tuple[np.ndarray, list[str]]:
        """Return the rows that have a query in a language, in order, and those queries."""
        return self._side_table("query", language)

    def passage_table(self, language: str) -> tuple[np.ndarray, list[str]]:
        """Return the rows that have a passage in a language, in order, and those passages."""
        return self._side_table("passage", language)

    def _side_table(self, side: str, language: str) -> tuple[np.ndarray, list[str]]:
        column = self.column(language)
        rows = np.flatnonzero(self.positions[side][:, column] >= 0)
        return rows, self.take_texts(side, rows, np.full(len(rows), column))

    def iter_texts(self) -> Iterator[str]:
        """Yield every distinct text of every side and language that a row uses, in a fixed order."""
        for side, tag in sorted(self.texts):
            table = self.texts[side, tag]
            used = np.zeros(len(table) + 1, dtype=bool)
            used[self.positions[side][:, self.column(tag)]] = True  # the position after the last one is that of -1
            start = 0
            for piece in pieces(table):
                yield from piece.filter(pa.array(used[start : start + len(piece)])).to_pylist()
                start += len(piece)

    def select(self, rows: np.ndarray) -> "ParallelCorpus":
        """Return the corpus of some rows, given as positions or as a bool mask; text tables are shared, groups stay."""
        rows = positions(rows, len(self))
        return self._subset(rows, list(range(len(self.languages))), digest(self.fingerprint, rows))

    def keep_languages(self, languages: Sequence[str]) -> "ParallelCorpus":
        """Return the corpus in some of its languages; rows left without a query or a passage are dropped."""
        columns = sorted({self.column(tag) for tag in languages})
        used = np.empty(len(self), dtype=bool)
        for start in range(0, len(self), CHUNK):
            query, passage = (
                self.positions[side][start : start + CHUNK, columns] >= 0 for side in ("query", "passage")
            )
            used[start : start + CHUNK] = query.any(axis=1) & passage.any(axis=1)
        rows = np.flatnonzero(used)
        kept = [self.languages[number] for number in columns]
        return self._subset(rows, columns, digest(digest(self.fingerprint, kept), rows))

    def both_sides(self) -> "ParallelCorpus":
        """Return the corpus without the texts of languages that a row has on one side only; rows keep their places.

        It is the corpus itself where every row has its query and its passage in the same languages.

        >>> rows = [Row("1", "1", "1", {"en": "Who?", "de": "Wer?"}, {"en": "She."}, {})]
        >>> corpus = ParallelCorpus.from_rows(rows).both_sides()
        >>> corpus.query_text(0, "en"), corpus.query_text(0, "de")
        ('Who?', None)
        """
        blocks = [slice(start, start + CHUNK) for start in range(0, len(self), CHUNK)]
        there = {side: self.positions[side] for side in ("query", "passage")}
        if all(((there["query"][rows] < 0) == (there["passage"][rows] < 0)).all() for rows in blocks):
            return self
        kept = {side: allocate(array.shape) for side, array in there.items()}
        for rows in blocks:
            both = (there["query"][rows] >= 0) & (there["passage"][rows] >= 0)
            for side, array in there.items():
                kept[side][rows] = np.where(both, array[rows], -1)
        origin = self.origin or (self, np.arange(len(self), dtype=np.int32), list(range(len(self.languages))))
        fingerprint = digest(self.fingerprint, "both sides")
        return replace(self, positions={**self.positions, **kept}, fingerprint=fingerprint, origin=origin)

    def _subset(self, rows: np.ndarray, columns: list[int], fingerprint: str) -> "ParallelCorpus":
        languages = tuple(self.languages[number] for number in columns)
        positions = {side: take_cells(array, rows, columns) for side, array in self.positions.items()}
        texts = {key: array for key, array in self.texts.items() if key[1] in languages}
        group = self.group[rows]
        # a subset of a subset refers to the whole, so that nothing between them is held
        whole, rows, columns = (
            (self, rows.astype(np.int32), columns)
            if self.origin is None
            else (self.origin[0], self.origin[1][rows], [self.origin[2][number] for number in columns])
        )
        ids, passage_ids = whole.ids.take(rows), whole.passage_ids.take(rows)
        return ParallelCorpus(languages, ids, passage_ids, group, positions, texts, fingerprint, (whole, rows, columns))

    def split(self, share: float, name: str = "held-out") -> tuple["ParallelCorpus", "ParallelCorpus"]:
        """Split into (training, held-out) by a hash of each group's first passage_id: no text is on both sides.

        `share` in 0..1 is the expected share of groups held out. The same passages go to the same side, whatever else
        the corpus holds.
        """
        SHARE_BELOW_1.check(share, "held-out share")
        groups, first = first_of_groups(self.group, self.passage_ids)
        out = np.zeros(int(self.group.max(initial=-1)) + 1, dtype=bool)
        for start in range(0, len(groups), CHUNK):
            names = first.slice(start, CHUNK).to_pylist()
            hashed = [int(digest(name, passage)[:13], 16) / 16**13 < share for passage in names]
            out[groups[start : start + CHUNK]] = hashed
        mask = out[self.group]
        return self.select(~mask), self.select(mask)

    def save(self, folder: Path) -> None:
        """Write the corpus as a folder of Arrow files that `open` maps into memory."""
        has_negatives = any(side == "negative" for side, _ in self.texts)
        with atomic_folder(folder) as temporary:
            for (side, tag), array in self.texts.items():
                write_arrow(temporary / f"{side}.{tag}.arrow", {"text": array})
            with TemporaryDirectory(dir=temporary) as work:
                names = [
                    joined(column.chunks(), Path(work) / name)
                    for name, column in (("id", self.ids), ("passage_id", self.passage_ids))
                ]
                negative_group = self.negative_group if has_negatives else None
                write_rows(
                    temporary, names, self.positions, self.group, negative_group, self.languages, self.fingerprint
                )

    @classmethod
    def open(cls, folder: Path) -> "ParallelCorpus":
        """Open a corpus that `save` or `storage.corpus_writer` wrote; all of it stays on disk until it is read."""
        saved = read_folder(folder)
        ids, passage_ids = StringColumn(saved.ids), StringColumn(saved.passage_ids)
        corpus = cls(saved.languages, ids, passage_ids, saved.group, saved.positions, saved.texts, saved.fingerprint)
        if saved.negative_group is not None:
            vars(corpus)["negative_group"] = saved.negative_group  # where the cached property looks first
        return corpus
