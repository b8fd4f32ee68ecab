"""ParallelCorpus: question-passage rows in n languages, one text table per side and language, and integer rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from hybridkit.errors import InputError
from hybridkit.files import atomic_folder, digest
from hybridkit.groups import connected_groups
from hybridkit.rows import Row, read_rows

_FORMAT = "1"
SIDES = ("query", "passage", "negative")
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Rows known in several languages.

    `places[side]` is an int32 array (rows, languages): the position of the row's text in `texts[side, language]`, -1
    where it has none. `group` is an int32 array (rows,): rows of one group share an id, a passage_id, a query_id or a
    normalised query or passage text in any language, directly or through other rows; no two may meet in a batch, since
    one would be the other's negative though it may answer it.
    """

    languages: tuple[str, ...]
    ids: np.ndarray
    passage_ids: np.ndarray
    group: IntArray
    places: Mapping[str, IntArray]
    texts: Mapping[tuple[str, str], pa.Array]
    fingerprint: str

    @classmethod
    def from_jsonl(cls, *paths: str | Path) -> "ParallelCorpus":
        """Read parallel rows from JSON lines (also `.gz`, `.xz`); of several files, ids get the file's stem in front.

        Raises InputError with file and line for a row that cannot be used (see `rows.read_rows`).
        """
        files = [Path(path) for path in paths]
        stems = [file.name.split(".")[0] for file in files]
        if not files or len(set(stems)) < len(stems):
            raise InputError(f"{', '.join(map(str, files)) or 'no file'}: give one or more files with different names")
        prefixes = [f"{stem}/" for stem in stems] if len(files) > 1 else [""]
        return cls.from_rows(
            row for file, prefix in zip(files, prefixes, strict=True) for row in read_rows(file, prefix)
        )

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> "ParallelCorpus":
        """Build the corpus from checked rows, each distinct text kept once per side and language.

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
        places = {side: np.full((len(ids), len(languages)), -1, dtype=np.int32) for side in SIDES}
        column = {tag: number for number, tag in enumerate(languages)}
        for side, found_rows in cells.items():
            for number, found in enumerate(found_rows):
                for tag, place in found.items():
                    places[side][number, column[tag]] = place
        texts = {key: pa.array(list(table), pa.large_string()) for key, table in sorted(tables.items())}
        names = np.array(ids, dtype=object).reshape(-1, 3)
        fingerprint = digest(
            names.tolist(),
            *(places[side] for side in SIDES),
            *([*key, *array.to_pylist()] for key, array in texts.items()),
        )
        group = connected_groups(names[:, 1:], places, texts, languages)
        return cls(languages, names[:, 0], names[:, 1], group, places, texts, fingerprint)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def query_text(self, row: int, language: str) -> str | None:
        """The row's query in a language, None where it has none."""
        return self._text("query", row, language)

    def passage_text(self, row: int, language: str) -> str | None:
        """The row's passage in a language, None where it has none."""
        return self._text("passage", row, language)

    def _text(self, side: str, row: int, language: str) -> str | None:
        place = int(self.places[side][row, self.column(language)])
        return self.texts[side, language][place].as_py() if place >= 0 else None

    def take_texts(self, side: str, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        """The texts of one side at (row, language column), in order; every one must exist."""
        out = np.empty(len(rows), dtype=object)
        for number in np.unique(columns):
            at = np.flatnonzero(columns == number)
            places = self.places[side][rows[at], number]
            out[at] = self.texts[side, self.languages[int(number)]].take(pa.array(places)).to_pylist()
        return list(out)

    def column(self, language: str) -> int:
        """Column of a language in `places`. Raises InputError for a language that no row has."""
        if language not in self.languages:
            raise InputError(f"language {language!r} is in no row; the corpus has {', '.join(self.languages)}")
        return self.languages.index(language)

    @cached_property
    def has_query(self) -> np.ndarray:
        """Bool array (rows, languages): the row has a query in the language."""
        return self.places["query"] >= 0

    @cached_property
    def has_passage(self) -> np.ndarray:
        """Bool array (rows, languages): the row has a passage in the language."""
        return self.places["passage"] >= 0

    def query_table(self, language: str) -> tuple[np.ndarray, list[str]]:
        """Rows that have a query in a language, in order, and those queries."""
        return self._side_table("query", language)

    def passage_table(self, language: str) -> tuple[np.ndarray, list[str]]:
        """Rows that have a passage in a language, in order, and those passages."""
        return self._side_table("passage", language)

    def _side_table(self, side: str, language: str) -> tuple[np.ndarray, list[str]]:
        column = self.column(language)
        rows = np.flatnonzero(self.places[side][:, column] >= 0)
        return rows, self.take_texts(side, rows, np.full(len(rows), column))

    def iter_texts(self) -> Iterator[str]:
        """Every distinct text of every side and language that a row uses, in a fixed order."""
        for side, tag in sorted(self.texts):
            used = np.unique(self.places[side][:, self.column(tag)])
            yield from self.texts[side, tag].take(pa.array(used[used >= 0])).to_pylist()

    def select(self, rows: np.ndarray) -> "ParallelCorpus":
        """The corpus of some rows, given as positions or as a bool mask; text tables are shared, groups stay."""
        rows = np.arange(len(self))[rows]
        places = {side: array[rows] for side, array in self.places.items()}
        key = digest(self.fingerprint, rows.astype(np.int64))
        return ParallelCorpus(
            self.languages, self.ids[rows], self.passage_ids[rows], self.group[rows], places, self.texts, key
        )

    def keep_languages(self, languages: Sequence[str]) -> "ParallelCorpus":
        """The corpus in some of its languages only; rows left without a query or a passage fall away."""
        columns = sorted({self.column(tag) for tag in languages})
        kept = tuple(self.languages[number] for number in columns)
        places = {side: array[:, columns] for side, array in self.places.items()}
        texts = {key: array for key, array in self.texts.items() if key[1] in kept}
        whole = ParallelCorpus(
            kept, self.ids, self.passage_ids, self.group, places, texts, digest(self.fingerprint, list(kept))
        )
        return whole.select(np.logical_and(whole.has_query.any(axis=1), whole.has_passage.any(axis=1)))

    def split(self, share: float, name: str = "held-out") -> tuple["ParallelCorpus", "ParallelCorpus"]:
        """Split into (training, held-out) by a hash of each group's first passage_id: no text stands on both sides.

        `share` in 0..1 is the expected share of groups held out; the same passages go to the same side whatever else
        the corpus holds beside their group.
        """
        if not 0 <= share < 1:
            raise InputError(f"held-out share {share}: give a number from 0 to below 1")
        first: dict[int, str] = {}
        for group, passage_id in zip(self.group.tolist(), self.passage_ids, strict=True):
            first[group] = min(passage_id, first.get(group, passage_id))
        out = {group: int(digest(name, passage)[:13], 16) / 16**13 < share for group, passage in first.items()}
        mask = np.array([out[group] for group in self.group.tolist()], dtype=bool)
        return self.select(~mask), self.select(mask)

    def save(self, folder: Path) -> None:
        """Write the corpus as Arrow files that `open` maps into memory."""
        columns: dict[str, pa.Array] = {
            "id": pa.array(self.ids), "passage_id": pa.array(self.passage_ids), "group": pa.array(self.group)
        }  # fmt: skip
        for side, array in self.places.items():
            columns |= {f"{side}:{tag}": pa.array(array[:, i]) for i, tag in enumerate(self.languages)}
        meta = {"format": _FORMAT, "languages": " ".join(self.languages), "fingerprint": self.fingerprint}
        with atomic_folder(folder) as temporary:
            _write_arrow(temporary / "rows.arrow", pa.table(columns).replace_schema_metadata(meta))
            for (side, tag), array in self.texts.items():
                _write_arrow(temporary / f"{side}.{tag}.arrow", pa.table({"text": array}))

    @classmethod
    def open(cls, folder: Path) -> "ParallelCorpus":
        """Open a corpus that `save` wrote; texts stay on disk until they are read."""
        if not (folder / "rows.arrow").is_file():
            raise InputError(f"{folder}: no corpus here (rows.arrow is missing); make it with ParallelCorpus.save")
        table = _read_arrow(folder / "rows.arrow")
        meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if meta.get("format") != _FORMAT:
            raise InputError(f"{folder}: corpus format {meta.get('format')}, this kit reads {_FORMAT}; make it again")
        languages = tuple(meta["languages"].split())
        places = {side: np.stack([table[f"{side}:{tag}"].to_numpy() for tag in languages], axis=1) for side in SIDES}
        texts = {}
        for file in sorted(folder.glob("*.*.arrow")):
            side, tag, _ = file.name.split(".")
            texts[side, tag] = _read_arrow(file)["text"].chunk(0)  # `save` wrote one; combining would copy it
        names = [np.array(table[key].to_pylist(), dtype=object) for key in ("id", "passage_id")]
        return cls(languages, names[0], names[1], table["group"].to_numpy(), places, texts, meta["fingerprint"])


def _write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read_arrow(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete the folder and make it again") from error
