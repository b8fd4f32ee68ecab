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
_STRINGS = {pa.string(), pa.large_string()}


class StringSpool:
    """Texts appended to a file, to be mapped as one Arrow large_string array; nothing stays in memory."""

    def __init__(self, path: Path) -> None:
        self._path, self._ends = path, path.with_name(f"{path.name}.ends")
        self._data, self._bounds = path.open("wb"), self._ends.open("wb")
        self._bounds.write(bytes(8))
        self._size = self.count = 0

    def add(self, values: Any) -> None:
        """Append an Arrow large_string array."""
        data, bounds = arrow_bytes(values)
        self._data.write(data.data)
        self._bounds.write((bounds[1:] + self._size).data)
        self._size += len(data)
        self.count += len(values)

    def array(self) -> Any:
        """All texts so far, mapped; more may be added afterwards, to be seen by the next call."""
        self._data.flush()
        self._bounds.flush()
        data = pa.memory_map(str(self._path)).read_buffer() if self._size else pa.py_buffer(b"")
        bounds = pa.memory_map(str(self._ends)).read_buffer()
        return pa.LargeStringArray.from_buffers(self.count, bounds, data)

    def close(self) -> None:
        """Close the files."""
        self._data.close()
        self._bounds.close()

    def remove(self) -> None:
        """Close and delete the files."""
        self.close()
        self._path.unlink()
        self._ends.unlink()


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
    """Map what `write_rows` and its texts wrote, once the index finds every file to be what was written.

    Folders of formats 1 and 2 have no index: what can be told without one is checked, texts and places read through.
    Raises InputError for what is no corpus, DamagedError for a file that is not what was written.
    """
    rows = folder / "rows.arrow"
    listed = check_index(folder)
    if listed is None and not rows.is_file():
        raise InputError(f"{folder}: no corpus here (rows.arrow is missing); make it with ParallelCorpus.save")
    doubted = listed is None
    files = {path.name for path in (sorted(folder.iterdir()) if listed is None else listed)}
    table = read_arrow(rows, doubted=doubted)
    try:
        meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        languages = tuple(meta["languages"].split())
        if meta.get("format") not in ("1", "2", FORMAT):
            kinds = f"1, 2 and {FORMAT}"
            raise InputError(f"{folder}: corpus format {meta.get('format')}, this kit reads {kinds}; make it again")
        if doubted and meta["format"] == FORMAT:
            raise damaged(folder / INDEX, "it is missing")
        ids, passage_ids = only_chunk(table["id"]), only_chunk(table["passage_id"])
        negative_group = None
        if meta["format"] == "1":  # integers as Arrow columns, one a language: copied into memory
            group = table["group"].to_numpy()
            places = {
                side: np.stack([table[f"{side}:{tag}"].to_numpy() for tag in languages], axis=1) for side in SIDES
            }
        else:
            group = read_npy(folder / "group.npy")
            places = {side: read_npy(folder / f"{side}.npy") for side in SIDES}
            if "negative_group.npy" in files:
                negative_group = read_npy(folder / "negative_group.npy")
        texts = {}
        for name in sorted(name for name in files if name.count(".") == 2 and name.endswith(".arrow")):
            side, tag, _ = name.split(".")
            texts[side, tag] = only_chunk(read_arrow(folder / name, doubted=doubted)["text"])
        saved = Saved(languages, ids, passage_ids, group, places, texts, negative_group, meta["fingerprint"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # no such column, a shape of another kind
        if isinstance(error, InputError):
            raise
        raise damaged(rows, f"{type(error).__name__}: {error}") from error
    if doubted:
        _check(folder, saved)
    return saved


def _check(folder: Path, saved: Saved) -> None:
    """Raise DamagedError where rows, places and texts do not belong together."""
    count, width = len(saved.ids), len(saved.languages)
    for names in (saved.ids, saved.passage_ids):
        if len(names) != count or names.type not in _STRINGS or names.null_count:
            raise damaged(folder / "rows.arrow", "ids of another kind")
    for name, array, shape in (
        ("group", saved.group, (count,)),
        *((side, places, (count, width)) for side, places in saved.places.items()),
        ("negative_group", saved.negative_group, (count, width)),
    ):
        if array is None:
            continue
        if array.dtype != np.int32 or array.shape != shape:
            raise damaged(folder / f"{name}.npy", f"{array.dtype} {array.shape}, not int32 {shape}")
        low = 0 if name == "group" else -1
        if array.size and (array.min() < low or ("group" in name and array.max() >= count)):
            raise damaged(folder / f"{name}.npy", f"numbers from {array.min()} to {array.max()}")
    for side, places in saved.places.items():
        for column, tag in enumerate(saved.languages):
            table = saved.texts.get((side, tag))
            known = 0 if table is None else len(table)
            if count and places[:, column].max() >= known:
                raise damaged(folder / f"{side}.{tag}.arrow", f"{known} texts, there must be more")
    for (side, tag), table in saved.texts.items():
        if table.type != pa.large_string() or table.null_count or tag not in saved.languages or side not in SIDES:
            raise damaged(folder / f"{side}.{tag}.arrow", "no table of texts of this corpus")


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
