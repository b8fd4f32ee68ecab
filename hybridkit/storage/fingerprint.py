"""The fingerprint of a corpus, taken as a stream: the same value as a digest of everything at once."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from hybridkit.storage.columns import CHUNK, pieces
from hybridkit.storage.hashes import arrow_bytes

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


def _update(total: Any, length: int, pieces: Iterator[str]) -> None:  # noqa: ANN401  a hash of hashlib
    total.update(length.to_bytes(8, "little"))
    total.update(b"[")
    for number, piece in enumerate(pieces):
        total.update(f"{', ' if number else ''}{piece}".encode())
    total.update(b"]")


def _name_pieces(names: Sequence[Any]) -> Iterator[str]:
    for start in range(0, len(names[0]), CHUNK):
        columns = [column.slice(start, CHUNK).to_pylist() for column in names]
        yield json.dumps(list(zip(*columns, strict=True)), ensure_ascii=False)[1:-1]


def _text_pieces(head: str, array: Any) -> Iterator[str]:  # noqa: ANN401  an Arrow array
    yield head
    for part in pieces(array):
        data, _ = arrow_bytes(part)
        if _IN_JSON[data].max(initial=1) == 1:  # as it stands, in quotes
            yield '"' + '", "'.join(part.to_pylist()) + '"'
        else:
            yield json.dumps(part.to_pylist(), ensure_ascii=False)[1:-1]


def _json_bytes(array: Any) -> int:  # noqa: ANN401  an Arrow array
    """Bytes of all texts as JSON, each with its two quotes."""
    total = 2 * len(array)
    for part in pieces(array):
        total += int(_IN_JSON[arrow_bytes(part)[0]].sum(dtype=np.int64))
    return total
