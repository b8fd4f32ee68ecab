"""Parallel rows: one question-passage pair each, known in n languages, checked one by one.

They are read from JSON lines, and from CSV, TSV and parquet files (`tables`).

Rows that share an id or a text, directly or through others, form a group: a batch never holds two of them.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybridkit.data.languages import language
from hybridkit.data.storage.columns import first_equal, hash_strings
from hybridkit.data.tables import IDS, is_table, table_rows
from hybridkit.data.tables import SIDES as SIDES
from hybridkit.errors import InputError
from hybridkit.utils.characters import visible
from hybridkit.utils.files import read_lines
from hybridkit.utils.naming import stems_of
from hybridkit.utils.reading import encodable, json_value

_KEY = re.compile(r'"[ \t\n\r]*:')  # the end of every key, and perhaps a piece of a text
VERSION = 2  # of what counts as one text: a corpus that the kit keeps and that has other groups is made anew
_BLOCK = 1 << 20  # rows looked at together


@dataclass(frozen=True)
class Row:
    """One question-passage pair: texts by language tag, and the ids of the row, its passage and its query."""

    id: str
    passage_id: str
    query_id: str
    query: Mapping[str, str]
    passage: Mapping[str, str]
    negative: Mapping[str, str]


def read_rows(path: Path, prefix: str = "", columns: Mapping[str, str] | None = None) -> Iterator[Row]:
    """Yield the rows of a file, each checked; `prefix` goes before every id.

    JSON lines, CSV and TSV (all also `.gz`, `.xz`) and parquet are told apart by the file's name. `columns` says which
    column has which key of a row, as `tables.columns_of` returns them; in JSON lines these are keys of the objects.

    Raises:
        InputError: With file, line and key, for a line that is not a JSON object, an unknown key, a missing or empty
            text or id, a duplicate id, an invalid language tag, a negative that equals the passage.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.jsonl"
    >>> _ = path.write_text('{"id": "1", "query": {"en": "Who?"}, "passage": {"de": "Sie."}}')
    >>> next(read_rows(path))
    Row(id='1', passage_id='1', query_id='1', query={'en': 'Who?'}, passage={'de': 'Sie.'}, negative={})
    """
    hashes = array("q")  # 8 bytes an id instead of the id itself
    for _, row in _read(path, prefix, columns or {}):
        hashes.append(hash(row.id[len(prefix) :]))
        yield row
    if not hashes:
        what = "below the names of the columns" if is_table(path) else "JSON object a line"
        raise InputError(f"{path}: the file holds no row; give at least one {what}")
    _check_ids(path, np.sort(np.frombuffer(hashes, dtype=np.int64)), columns or {})


def _read(path: Path, prefix: str, columns: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
    """Each row with its file and line."""
    if columns or is_table(path):
        for where, value in table_rows(path, columns):
            yield where, row_of(value, where, prefix)
        return
    for number, text in read_lines(path):
        where = f"{path}, line {number}"
        yield where, _parse(text, where, prefix)


def _check_ids(path: Path, hashes: np.ndarray, columns: Mapping[str, str]) -> None:
    """Raise InputError for a duplicate id; the file is read again only where hashes are equal."""
    twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    if not twice:
        return
    seen: dict[str, str] = {}
    for where, row in _read(path, "", columns):
        if row.id in seen:
            place = seen[row.id].removeprefix(f"{path}, ")
            raise InputError(f"{where}: the id {row.id!r} is on {place} already; give every row its own")
        if hash(row.id) in twice:
            seen[row.id] = where


def read_files(*paths: str | Path) -> Iterator[Row]:
    """Yield the rows of one or more files as `read_rows` does; of several, ids get the file's stem in front.

    Raises:
        InputError: For no file or a duplicate one, with the first row, and as `read_rows`.
    """
    files = [Path(path) for path in paths]
    for file, stem in zip(files, stems_of(files), strict=True):
        yield from read_rows(file, f"{stem}/" if len(files) > 1 else "")


def _parse(text: str, where: str, prefix: str) -> Row:
    what, cure = "a whole JSON object", "is the line cut short?"
    value = json_value(text, where, what, cure)
    if _keys(value) != len(_KEY.findall(text)):  # a key may be duplicated, or a text look like one: slowly then
        value = json_value(text, where, what, cure, lambda pairs: _object(pairs, where))
    if not isinstance(value, dict):
        raise InputError(f"{where}: a row is a JSON object with id, query and passage, not {type(value).__name__}")
    return row_of(value, where, prefix, halves="\\u" in text)  # the only way to half a character


def row_of(value: Mapping[str, Any], where: str, prefix: str = "", halves: bool = True) -> Row:
    """Return a row as JSON has it, checked as `read_rows` does; `halves` is whether texts may hold half a character."""
    if unknown := sorted(set(value) - {*SIDES, *IDS}):
        flat = not {"query", "passage"} & set(value)
        cure = "; or say which key is what, as in FILE[query.en=question,passage.en=answer]" if flat else ""
        raise InputError(f"{where}: unknown key {unknown[0]!r}; a row has {', '.join((*IDS, *SIDES))}{cure}")
    ids = {key: _id(value.get(key, value.get("id")), key, where) for key in IDS}
    texts = {side: _texts(value.get(side), side, where) for side in SIDES}
    if halves:
        for key in IDS:
            encodable(ids[key], f"{where}: {key}")
        for side in SIDES:
            for tag, side_text in texts[side].items():
                encodable(side_text, f"{where}: the {side} in {tag!r}")
    for tag, negative in texts["negative"].items():
        if negative == texts["passage"].get(tag):
            raise InputError(f"{where}: the negative in {tag!r} equals the passage; give another or leave it out")
    ident, passage_id, query_id = (prefix + ids[key] for key in IDS)
    return Row(ident, passage_id, query_id, texts["query"], texts["passage"], texts["negative"])


def _keys(value: Any) -> int:
    """Count the keys of an object and of the objects in it."""
    if not isinstance(value, dict):
        return -1
    return len(value) + sum(len(texts) for texts in value.values() if isinstance(texts, dict))


def _object(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    """A JSON object whose keys all differ: of two texts in one language, JSON silently drops the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{where}: the key {again!r} is duplicated in one object; leave one")
    return found


def _id(value: Any, key: str, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or value.isspace():
        raise InputError(f"{where}: {key} is {value!r}; give a text that is not empty")
    return value


def _texts(value: Any, side: str, where: str) -> dict[str, str]:
    if value is None and side == "negative":
        return {}
    if not isinstance(value, dict) or not value:
        raise InputError(f'{where}: {side} is {value!r}; give an object such as {{"en": "a text"}}')
    for tag, text in value.items():
        try:
            language(tag)
        except InputError as error:
            raise InputError(f"{where}, {side}: {error}") from error
        if not isinstance(text, str) or not text or text.isspace():
            raise InputError(
                f"{where}: the {side} in {tag!r} is empty or not a text; give one or leave the language out"
            )
    return value


def normalise(text: str) -> str:
    r"""Return the form in which two texts count as the same: `visible`, NFKC, case folded, spaces collapsed.

    >>> normalise(" Ｏverview  of Fi\u00adles ") == normalise("overview of files")
    True
    """
    form = text if text.isascii() else unicodedata.normalize("NFKC", visible(text))  # ASCII is its own NFKC
    return " ".join(form.casefold().split())


@dataclass(frozen=True)
class TextKeys:
    """Equal numbers for equal normalised texts: `keys[starts[side, language] + position]` is that of a table's text."""

    keys: np.ndarray
    starts: Mapping[tuple[str, str], int]

    @classmethod
    def make(cls, texts: Mapping[tuple[str, str], Any], sides: Sequence[str]) -> "TextKeys":
        """Number the texts of some sides' tables (Arrow arrays) in memory; the sides are compared with each other."""
        starts, hashes = {}, [np.empty((0, 2), dtype=np.uint64)]
        for key in sorted(key for key in texts if key[0] in sides):
            starts[key] = sum(map(len, hashes))
            hashes.append(hash_strings(map(normalise, texts[key].to_pylist())))
        return cls(first_equal(np.concatenate(hashes)), starts)

    def of(self, side: str, tag: str, positions: np.ndarray) -> np.ndarray:
        """Return the keys of the texts at some positions of a table, -1 where the position is -1."""
        if (side, tag) not in self.starts:
            return np.full(len(positions), -1, dtype=np.int32)
        return np.where(positions >= 0, self.keys[self.starts[side, tag] + np.maximum(positions, 0)], np.int32(-1))

    def columns(self, side: str, languages: Sequence[str], positions: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the keys of a side's texts, int32 (rows,), language by language."""
        for column, tag in enumerate(languages):
            yield self.of(side, tag, positions[:, column])


def connected_groups(count: int, spaces: Iterable[Iterable[np.ndarray]]) -> np.ndarray:
    """Number the connected components of rows that share a key, directly or through other rows.

    Args:
        count: Number of rows.
        spaces: Each is one or more int arrays (rows,). Rows that have a key in common anywhere in a space are joined;
            -1 means no key. Keys of different spaces have nothing to do with each other.

    Returns:
        The component of each row, int32 (rows,), numbered in order of first rows. In memory are a few integers a row
        and a key.

    >>> connected_groups(4, [[np.array([7, 8, 7, 9])], [np.array([0, 1, -1, 2]), np.array([3, -1, -1, 1])]])
    array([0, 1, 0, 1], dtype=int32)
    """
    labels = np.arange(count, dtype=np.int32)
    for space in spaces:
        row_of = np.empty(0, dtype=np.int32)  # a row that has the key, whatever its label becomes
        for keys in space:
            grown = np.full(max(len(row_of), int(keys.max(initial=-1)) + 1), -1, dtype=np.int32)
            grown[: len(row_of)] = row_of
            labels, row_of = _joined(labels, keys, grown), grown
    first = np.full(count, count, dtype=np.int32)
    first[labels[::-1]] = np.arange(count, dtype=np.int32)[
        ::-1
    ]  # of equal positions the last one is kept: the first row
    leaders = np.flatnonzero(first < count)
    rank = np.empty(count, dtype=np.int32)
    rank[leaders[np.argsort(first[leaders])]] = np.arange(len(leaders), dtype=np.int32)
    return rank[labels]


def _joined(labels: np.ndarray, keys: np.ndarray, row_of: np.ndarray) -> np.ndarray:
    """Labels after the rows of each key were joined to any one of them; new keys are entered in `row_of`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = np.flatnonzero(keys >= 0)
    keys = keys[rows]
    fresh = row_of[keys] < 0
    row_of[keys[fresh]] = rows[fresh]
    one, other = labels[rows], labels[row_of[keys]]
    apart = one != other  # few, once the ids have joined what belongs together
    if not apart.any():
        return labels
    size = int(labels.max()) + 1
    edges = (np.ones(int(apart.sum()), dtype=np.int8), (one[apart], other[apart]))
    components = connected_components(coo_matrix(edges, shape=(size, size)), directed=False)[1]
    return np.asarray(components[labels], dtype=np.int32)


def groups_of_negatives(
    group: np.ndarray, positions: Mapping[str, np.ndarray], keys: TextKeys, languages: Sequence[str], out: np.ndarray
) -> np.ndarray:
    """Fill and return `out`, int32 (rows, languages): the group that each negative's text belongs to, -1 without one.

    That is the group of the rows that have the same normalised text as a passage, in any language; all of them are in
    one group. `keys` are those of passages and negatives together.
    """
    group_of = np.full(len(keys.keys), -1, dtype=np.int32)
    for found in keys.columns("passage", languages, positions["passage"]):
        group_of[found[found >= 0]] = group[found >= 0]
    for start in range(0, len(group), _BLOCK):
        block = positions["negative"][start : start + _BLOCK]
        for column, tag in enumerate(languages):
            found = keys.of("negative", tag, block[:, column])
            out[start : start + _BLOCK, column] = np.where(found >= 0, group_of[np.maximum(found, 0)], -1)
    return out
