"""Write a corpus as a stream: texts go to disk as they come, rows become integers; memory is bounded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from hybridkit.data.rows import SIDES, Row, TextKeys, connected_groups, groups_of_negatives
from hybridkit.data.storage.columns import CHUNK, StringSpool, first_equal, hash_arrow, only_chunk, read_arrow
from hybridkit.data.storage.corpus_folder import TextTable, corpus_fingerprint, normal_hashes, write_rows
from hybridkit.utils.files import atomic_folder

_ROWS, _LETTERS = 10_000, 1 << 24  # rows of Python objects held at a time, and characters of their texts
_NAMES = ("id", "passage_id", "query_id")


class CorpusWriter:
    """Takes rows, or texts and integer rows, and writes the folder that `ParallelCorpus.open` maps.

    In memory are a block of rows and, at the end, 16 bytes a distinct text of one table and some integers a row. The
    corpus is the one that `ParallelCorpus.from_rows` makes of the same rows, with its fingerprint and groups. `work` is
    a folder for temporary files.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        self.rows = 0
        self.work, self._folder = work, folder
        self._tables: dict[tuple[str, str], TextTable] = {}
        self._entries: dict[tuple[str, str], BinaryIO] = {}
        self._names = {name: StringSpool(work / f"{name}.name") for name in _NAMES}

    def add(self, rows: Iterable[Row]) -> None:
        """Append checked rows."""
        for block in _blocks(rows):
            found: dict[tuple[str, str], dict[str, int]] = {}
            cells: dict[tuple[str, str], np.ndarray] = {}
            for number, row in enumerate(block):
                for side in SIDES:
                    for tag, text in getattr(row, side).items():
                        if (side, tag) not in cells:
                            found[side, tag], cells[side, tag] = {}, np.full(len(block), -1, dtype=np.int32)
                        table = found[side, tag]
                        cells[side, tag][number] = table.setdefault(text, len(table))
            for (side, tag), table in found.items():
                cell = cells[side, tag]
                cell[cell >= 0] += self.add_texts(side, tag, pa.array(list(table), pa.large_string()))
            names = [pa.array([getattr(row, name) for row in block], pa.large_string()) for name in _NAMES]
            self.add_rows(names[0], names[1], names[2], cells)

    def add_texts(self, side: str, tag: str, texts: Any) -> int:
        """Append texts (an Arrow large_string array) to a table; return the entry of the first, the others follow.

        Equal texts may be added again: they become one when the corpus is written.
        """
        if (side, tag) not in self._tables:
            self._tables[side, tag] = TextTable(self.work, f"{side}.{tag}")
        return self._tables[side, tag].add(texts)

    def add_rows(
        self, ids: Any, passage_ids: Any, query_ids: Any, entries: Mapping[tuple[str, str], np.ndarray]
    ) -> None:
        """Append rows: three Arrow large_string arrays, and by (side, language) each row's entry, -1 without a text.

        A (side, language) that is left out is in no row of these.
        """
        for name, values in zip(_NAMES, (ids, passage_ids, query_ids), strict=True):
            self._names[name].add(values)
        for key in entries:
            if key not in self._entries:
                self._entries[key] = (self.work / f"{key[0]}.{key[1]}.entries").open("w+b")
                _absent(self._entries[key], self.rows)
        for key, file in self._entries.items():
            if key in entries:
                file.write(np.ascontiguousarray(entries[key], dtype=np.int32).data)
            else:
                _absent(file, len(ids))
        self.rows += len(ids)

    def finish(self) -> None:
        """Write the corpus: distinct texts, rows, groups and fingerprint."""
        languages = sorted({tag for _, tag in self._tables})
        positions = {side: self._write_positions(side, languages) for side in SIDES}
        names = [self._names[name].array() for name in _NAMES]
        queries, passages = self._keys("query"), self._keys("passage", "negative")

        def spaces() -> Iterator[Iterable[np.ndarray]]:
            for name in names[2:0:-1]:  # query ids first: they join most rows of a large corpus
                yield [first_equal(self._name_hashes(name))]
            yield queries.columns("query", languages, positions["query"])
            yield passages.columns("passage", languages, positions["passage"])

        group = connected_groups(self.rows, spaces())
        negative_group = None
        if any(side == "negative" for side, _ in self._tables):
            negative_group = self._array("negative_group", (self.rows, len(languages)))
            groups_of_negatives(group, positions, passages, languages, negative_group)
        texts = ((key, self._texts(*key)) for key in sorted(self._tables))
        fingerprint = corpus_fingerprint(names, [positions[side] for side in SIDES], texts)
        write_rows(self._folder, names[:2], positions, group, negative_group, languages, fingerprint)
        for spool in self._names.values():
            spool.close()

    def _write_positions(self, side: str, languages: Sequence[str]) -> np.ndarray:
        """Finish the tables of a side, and return the positions of its texts, int32 (rows, languages), mapped."""
        position_of = {
            tag: self._tables[side, tag].finish(self._folder / f"{side}.{tag}.arrow")
            for tag in languages
            if (side, tag) in self._tables
        }
        files = {tag: self._entries.get((side, tag)) for tag in position_of}
        for file in files.values():
            if file:
                file.seek(0)
        out = self._array(side, (self.rows, len(languages)))
        for start in range(0, self.rows, CHUNK):
            block = np.full((min(CHUNK, self.rows - start), len(languages)), -1, dtype=np.int32)
            for column, tag in enumerate(languages):
                if file := files.get(tag):
                    entries = np.frombuffer(file.read(4 * len(block)), dtype=np.int32)
                    block[entries >= 0, column] = position_of[tag][entries[entries >= 0]]
            out[start : start + CHUNK] = block
        for file in files.values():
            if file:
                file.close()
                Path(file.name).unlink()
        return out

    def _texts(self, side: str, tag: str) -> Any:
        """The distinct texts of a finished table; mapped anew each time, since pages that were read take memory."""
        return only_chunk(read_arrow(self._folder / f"{side}.{tag}.arrow")["text"])

    def _keys(self, *sides: str) -> TextKeys:
        hashes, starts = np.empty((0, 2), dtype=np.uint64), {}
        keys = (key for key in self._tables if key[0] in sides)
        for side, tag in sorted(keys, key=lambda key: (sides.index(key[0]), key)):
            starts[side, tag] = len(hashes)
            hashes = normal_hashes(self._texts(side, tag), self.work / f"{sides[0]}.keys")
        return TextKeys(first_equal(hashes), starts)

    def _name_hashes(self, name: Any) -> np.ndarray:
        out = self._array("names", (self.rows, 2), np.uint64)
        for start in range(0, self.rows, CHUNK):
            out[start : start + CHUNK] = hash_arrow(name.slice(start, CHUNK))
        return out

    def _array(self, name: str, shape: tuple[int, ...], dtype: type = np.int32) -> np.ndarray:
        if not all(shape):
            return np.empty(shape, dtype=dtype)
        return np.asarray(np.memmap(self.work / f"{name}.array", dtype=dtype, mode="w+", shape=shape))


@contextmanager
def corpus_writer(folder: Path) -> Iterator[CorpusWriter]:
    """Yield a writer whose corpus lies in `folder`, whole, when the block ends well; else nothing changes there.

    >>> import tempfile
    >>> from hybridkit.data.corpus import ParallelCorpus
    >>> rows = [Row(str(n), str(n), str(n), {"en": f"Who is {n}?"}, {"en": f"She, {n}."}, {}) for n in range(3)]
    >>> folder = Path(tempfile.mkdtemp()) / "corpus"
    >>> with corpus_writer(folder) as writer:
    ...     writer.add(iter(rows))
    >>> ParallelCorpus.open(folder).fingerprint == ParallelCorpus.from_rows(rows).fingerprint
    True
    """
    with atomic_folder(folder) as temporary, TemporaryDirectory(dir=temporary) as work:
        writer = CorpusWriter(temporary, Path(work))
        yield writer
        writer.finish()


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    letters = 0
    for row in rows:
        block.append(row)
        letters += sum(sum(map(len, getattr(row, side).values())) for side in SIDES)
        if len(block) >= _ROWS or letters >= _LETTERS:
            yield block
            block, letters = [], 0
    if block:
        yield block


def _absent(file: BinaryIO, rows: int) -> None:
    for start in range(0, rows, CHUNK):
        file.write(np.full(min(CHUNK, rows - start), -1, dtype=np.int32).data)
