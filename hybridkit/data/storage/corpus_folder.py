"""The folder of a corpus: each distinct text once in Arrow files, rows as `.npy`, an index with checksums.

The fingerprint is computed as a stream and equals a digest of everything at once.
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
    """The texts of one side in one language: every added text is an entry, equal entries become one text."""

    def __init__(self, work: Path, name: str) -> None:
        self.name = name
        self._work = work
        self._spool = StringSpool(work / f"{name}.texts")
        self._path = work / f"{name}.hashes"
        self._hashes = self._path.open("wb")

    def add(self, values: Any) -> int:
        """Append texts and return the number of the first one's entry; the others follow."""
        first = self._spool.count
        if first + len(values) >= 2**31:
            raise InputError(f"{self.name}: more than 2,147,483,647 texts in one language; give fewer rows")
        self._spool.add(values)
        self._hashes.write(np.ascontiguousarray(hash_arrow(values)).data)
        return first

    def finish(self, path: Path) -> np.ndarray:
        """Write the distinct texts, in order of arrival, as the Arrow file `path`; return each entry's position there.

        Texts are equal when their 128-bit hashes are.
        """
        self._hashes.close()
        position, fresh = numbered(first_equal(_map_hashes(self._path)))
        texts = self._spool.array()
        if fresh.all():
            write_arrow(path, {"text": texts})
        else:
            distinct = StringSpool(self._work / f"{self.name}.distinct")
            start = 0
            for piece in pieces(texts):
                distinct.add(piece.filter(pa.array(fresh[start : start + len(piece)])))
                start += len(piece)
            write_arrow(path, {"text": distinct.array()})
            distinct.remove()
        self._spool.remove()
        self._path.unlink()
        return position


def _map_hashes(path: Path) -> np.ndarray:
    size = path.stat().st_size // 16
    return np.memmap(path, dtype="<u8", mode="r", shape=(size, 2)) if size else np.empty((0, 2), dtype="<u8")


def normal_hashes(texts: Any, path: Path) -> np.ndarray:
    """Append hashes of the normalised texts to the file `path`; return all hashes of the file, mapped."""
    with path.open("ab") as file:
        for piece in pieces(texts):
            file.write(hash_strings(map(normalise, piece.to_pylist())).data)
    return _map_hashes(path)


class Saved(NamedTuple):
    """What a corpus folder holds, mapped; `negative_group` is None where it was not saved."""

    languages: tuple[str, ...]
    ids: Any
    passage_ids: Any
    group: np.ndarray
    positions: dict[str, np.ndarray]
    texts: dict[tuple[str, str], Any]
    negative_group: np.ndarray | None
    fingerprint: str


def write_rows(
    folder: Path,
    names: Sequence[Any],
    positions: Mapping[str, np.ndarray],
    group: np.ndarray,
    negative_group: np.ndarray | None,
    languages: Sequence[str],
    fingerprint: str,
) -> None:
    """Write all but the texts, and the index last; `names` are the Arrow large_string arrays of ids and passage_ids."""
    for side, array in positions.items():
        np.save(folder / f"{side}.npy", array)
    np.save(folder / "group.npy", group)
    if negative_group is not None:
        np.save(folder / "negative_group.npy", negative_group)
    meta = {"format": FORMAT, "languages": " ".join(languages), "fingerprint": fingerprint}
    write_arrow(folder / "rows.arrow", {"id": names[0], "passage_id": names[1]}, meta)
    write_index(folder)


def joined(arrays: Iterable[Any], path: Path) -> Any:
    """Return Arrow large_string arrays as one, joined in a file at `path`."""
    spool = StringSpool(path)
    for values in arrays:
        spool.add(values)
    array = spool.array()
    spool.close()
    return array


def read_folder(folder: Path) -> Saved:
    """Return what a corpus folder holds, mapped, once the index finds every file as it was written.

    Raises:
        InputError: For a folder without a corpus.
        DamagedError: For a file that was changed, or is of another format.
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


# Bytes of JSON for each byte of a text, as `files.digest` writes it.
_IN_JSON = np.ones(256, dtype=np.uint8)
_IN_JSON[:32] = 6
_IN_JSON[[ord(sign) for sign in '\b\t\n\f\r"\\']] = 2


def corpus_fingerprint(
    names: Sequence[Any], positions: Sequence[np.ndarray], texts: Iterable[tuple[tuple[str, str], Any]]
) -> str:
    """Return the SHA-256 of ids, integer rows and texts, as hex; one block of each is held at a time.

    The value is `files.digest([[id, passage_id, query_id], ...], *positions, *([side, language, text, ...] for each
    table))`, so that a corpus has one fingerprint, whether it was made in memory or written as a stream.

    Args:
        names: Three Arrow large_string arrays: id, passage_id and query_id of each row.
        positions: The positions of each side's texts, int32 (rows, languages).
        texts: ((side, language), texts) of each table, in order of side and language.
    """
    total = hashlib.sha256()
    rows = len(names[0])
    length = 2 + 6 * rows + 2 * max(rows - 1, 0) + sum(_json_bytes(column) for column in names)
    _update(total, length, _name_pieces(names))
    for array in positions:
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
    for piece in pieces(array):
        data, _ = arrow_bytes(piece)
        if _IN_JSON[data].max(initial=1) == 1:  # nothing to escape
            yield '"' + '", "'.join(piece.to_pylist()) + '"'
        else:
            yield json.dumps(piece.to_pylist(), ensure_ascii=False)[1:-1]


def _json_bytes(array: Any) -> int:
    """Bytes of all texts as JSON, each with its two quotes."""
    return 2 * len(array) + sum(int(_IN_JSON[arrow_bytes(piece)[0]].sum(dtype=np.int64)) for piece in pieces(array))
