"""The folder of a corpus: texts as Arrow files, each distinct text once, rows as `.npy`, an index with checksums.

The fingerprint is taken as a stream and has the value of a digest of everything at once.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from hybridkit.data.rows import SIDES, normalise
from hybridkit.data.storage.columns import (
    CHUNK,
    StringSpool,
    arrow_bytes,
    first_equal,
    hash_arrow,
    hash_strings,
    numbered,
    only_chunk,
    pieces,
    read_arrow,
    read_npy,
    write_arrow,
)
from hybridkit.errors import InputError
from hybridkit.utils.products import INDEX, check_index, damaged, write_index

FORMAT = "3"


class TextTable:
    """The texts of one side in one language: every text that is added is an entry, equal entries become one text."""

    def __init__(self, work: Path, name: str) -> None:
        self.name = name
        self._work = work
        self._spool = StringSpool(work / f"{name}.texts")
        self._path = work / f"{name}.hashes"
        self._hashes = self._path.open("wb")

    def add(self, values: Any) -> int:
        """Append texts; returns the number of the first one's entry, the others follow."""
        first = self._spool.count
        if first + len(values) >= 2**31:
            raise InputError(f"{self.name}: more than 2,147,483,647 texts in one language; give fewer rows")
        self._spool.add(values)
        self._hashes.write(np.ascontiguousarray(hash_arrow(values)).data)
        return first

    def finish(self, path: Path) -> np.ndarray:
        """Write the distinct texts, in order of arrival, as the Arrow file `path`; returns each entry's position there.

        Texts are equal when their 128-bit hashes are.
        """
        self._hashes.close()
        place, fresh = numbered(first_equal(_map_hashes(self._path)))
        texts = self._spool.array()
        if fresh.all():
            write_arrow(path, {"text": texts})
        else:
            distinct = StringSpool(self._work / f"{self.name}.distinct")
            start = 0
            for part in pieces(texts):
                distinct.add(part.filter(pa.array(fresh[start : start + len(part)])))
                start += len(part)
            write_arrow(path, {"text": distinct.array()})
            distinct.remove()
        self._spool.remove()
        self._path.unlink()
        return place


def _map_hashes(path: Path) -> np.ndarray:
    size = path.stat().st_size // 16
    return np.memmap(path, dtype="<u8", mode="r", shape=(size, 2)) if size else np.empty((0, 2), dtype="<u8")


def normal_hashes(texts: Any, path: Path) -> np.ndarray:
    """Hashes of the normalised texts, appended to the file `path`; returns all that the file holds, mapped."""
    with path.open("ab") as file:
        for part in pieces(texts):
            file.write(hash_strings(map(normalise, part.to_pylist())).data)
    return _map_hashes(path)


class Saved(NamedTuple):
    """What a corpus folder holds, mapped; `negative_group` is None where it was not saved."""

    languages: tuple[str, ...]
    ids: Any
    passage_ids: Any
    group: np.ndarray
    places: dict[str, np.ndarray]
    texts: dict[tuple[str, str], Any]
    negative_group: np.ndarray | None
    fingerprint: str


def write_rows(
    folder: Path,
    names: Sequence[Any],
    places: Mapping[str, np.ndarray],
    group: np.ndarray,
    negative_group: np.ndarray | None,
    languages: Sequence[str],
    fingerprint: str,
) -> None:
    """Write all but the texts, and the index last; `names` are the Arrow large_string arrays of ids and passage_ids."""
    for side, array in places.items():
        np.save(folder / f"{side}.npy", array)
    np.save(folder / "group.npy", group)
    if negative_group is not None:
        np.save(folder / "negative_group.npy", negative_group)
    meta = {"format": FORMAT, "languages": " ".join(languages), "fingerprint": fingerprint}
    write_arrow(folder / "rows.arrow", {"id": names[0], "passage_id": names[1]}, meta)
    write_index(folder)


def joined(parts: Iterable[Any], path: Path) -> Any:
    """Join Arrow large_string arrays through a file at `path`."""
    spool = StringSpool(path)
    for part in parts:
        spool.add(part)
    array = spool.array()
    spool.close()
    return array


def read_folder(folder: Path) -> Saved:
    """Map what `write_rows` and its texts wrote, once the index finds every file as it was written.

    Raises InputError for a folder without a corpus of this format, DamagedError for a file that was changed.
    """
    rows, files = folder / "rows.arrow", check_index(folder)
    if files is None and not rows.is_file():
        raise InputError(f"{folder}: no corpus here (rows.arrow is missing); make it with ParallelCorpus.save")
    if files is None:
        raise damaged(folder / INDEX, "it is missing")
    table = read_arrow(rows)
    meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if meta.get("format") != FORMAT:
        raise damaged(rows, f"format {meta.get('format')}, this version reads {FORMAT}")
    names = {path.name for path in files}
    texts = {}
    for name in sorted(name for name in names if name.count(".") == 2 and name.endswith(".arrow")):
        side, tag, _ = name.split(".")
        texts[side, tag] = only_chunk(read_arrow(folder / name)["text"])
    return Saved(
        tuple(meta["languages"].split()),
        only_chunk(table["id"]),
        only_chunk(table["passage_id"]),
        read_npy(folder / "group.npy"),
        {side: read_npy(folder / f"{side}.npy") for side in SIDES},
        texts,
        read_npy(folder / "negative_group.npy") if "negative_group.npy" in names else None,
        meta["fingerprint"],
    )


# Bytes that each byte of a text takes in JSON as `files.digest` writes it.
_IN_JSON = np.ones(256, dtype=np.uint8)
_IN_JSON[:32] = 6
_IN_JSON[[ord(sign) for sign in '\b\t\n\f\r"\\']] = 2


def corpus_fingerprint(
    names: Sequence[Any], places: Sequence[np.ndarray], texts: Iterable[tuple[tuple[str, str], Any]]
) -> str:
    """SHA-256 over ids, integer rows and texts, as hex; one block of each is held at a time.

    `names` are three Arrow large_string arrays: id, passage_id and query_id of each row; `texts` gives ((side,
    language), texts) in order, one table after the other, so that one may be held at a time. The value is
    `files.digest([[id, passage_id, query_id], ...], *places, *([side, language, text, ...] for each table))`, tables in
    order of side and language, so that a corpus has one fingerprint, whether it was made in memory or written as a
    stream.
    """
    total = hashlib.sha256()
    rows = len(names[0])
    length = 2 + 6 * rows + 2 * max(rows - 1, 0) + sum(_json_bytes(column) for column in names)
    _update(total, length, _name_pieces(names))
    for array in places:
        header = f"{array.dtype}{array.shape}".encode()
        total.update((len(header) + array.nbytes).to_bytes(8, "little"))
        total.update(header)
        for start in range(0, len(array), CHUNK):
            total.update(np.ascontiguousarray(array[start : start + CHUNK]).data)
    for key, array in texts:
        head = json.dumps([*key])[1:-1]
        _update(total, 2 + len(head) + 2 * len(array) + _json_bytes(array), _text_pieces(head, array))
    return total.hexdigest()


def _update(total: Any, length: int, pieces: Iterator[str]) -> None:
    total.update(length.to_bytes(8, "little"))
    total.update(b"[")
    for number, piece in enumerate(pieces):
        total.update(f"{', ' if number else ''}{piece}".encode())
    total.update(b"]")


def _name_pieces(names: Sequence[Any]) -> Iterator[str]:
    for start in range(0, len(names[0]), CHUNK):
        columns = [column.slice(start, CHUNK).to_pylist() for column in names]
        yield json.dumps(list(zip(*columns, strict=True)), ensure_ascii=False)[1:-1]


def _text_pieces(head: str, array: Any) -> Iterator[str]:
    yield head
    for part in pieces(array):
        data, _ = arrow_bytes(part)
        if _IN_JSON[data].max(initial=1) == 1:  # as it stands, in quotes
            yield '"' + '", "'.join(part.to_pylist()) + '"'
        else:
            yield json.dumps(part.to_pylist(), ensure_ascii=False)[1:-1]


def _json_bytes(array: Any) -> int:
    """Bytes of all texts as JSON, each with its two quotes."""
    total = 2 * len(array)
    for part in pieces(array):
        total += int(_IN_JSON[arrow_bytes(part)[0]].sum(dtype=np.int64))
    return total
