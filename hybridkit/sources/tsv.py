"""Tables of ids and texts with tabs between them, read in blocks; a line of another shape is named."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hybridkit.errors import InputError, MissingDataError
from hybridkit.files import read_lines

_BARE = re.compile(rb"\r(?!\n|\Z)")  # the last one of a file ends its line
_HIDDEN = "\ufdd0".encode()
_BLOCK = 1 << 23  # bytes read at a time


def read_tsv(
    path: Path, columns: Mapping[str, str], done: Callable[[int], object] = lambda _: None, source: str = ""
) -> Iterator[Any]:
    r"""Yield the lines of a file without a head line as Arrow record batches of some MiB.

    `columns` names each column and says what it holds, "id" (a number from 0 to 2,147,483,646, int32) or "text"
    (large_string, quotes, carriage returns and all); `done` is told the bytes of each block. Blank lines are passed
    over. Raises MissingDataError for a missing file (with the command that fetches data set `source`), InputError with
    file and line for a line with another number of columns, an id that is none or bytes that are no UTF-8.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "queries.tsv"
    >>> _ = path.write_text('7\tWho is "she"?')
    >>> [batch.to_pydict() for batch in read_tsv(path, {"id": "id", "text": "text"})]
    [{'id': [7], 'text': ['Who is "she"?']}]
    """
    from pyarrow import csv

    kinds = {"id": pa.int32(), "text": pa.large_string()}
    if not path.is_file():
        cure = f"say hybridkit data fetch {source}, " if source else ""
        raise MissingDataError(f"{path}: there is no such file; {cure}or set HYBRIDKIT_DATA to the folder that has it")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty; give one line of {', '.join(columns)} or more, with tabs between")
    lines, read = _Lines(path), 0
    try:
        reader = csv.open_csv(
            pa.PythonFile(lines, mode="r"),
            csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=list(columns)),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(
                column_types={name: kinds[kind] for name, kind in columns.items()}, null_values=[],
            ),
        )  # fmt: skip
        for batch in reader:
            for name, kind in columns.items():
                if kind == "id" and len(batch) and pc.min(batch[name]).as_py() < 0:
                    raise pa.ArrowInvalid("an id below 0")
            yield lines.whole(batch, columns)
            done(lines.read_so_far - read)
            read = lines.read_so_far
    except (pa.ArrowInvalid, OSError) as error:
        told = _bad_line(path, columns) or f": cannot be read ({str(error).splitlines()[0]}); is it such a table?"
        raise InputError(f"{path}{told}") from error
    finally:
        lines.close()


class _Lines(io.RawIOBase):
    """A file in which a carriage return that ends no line is no line's end for Arrow either, which takes it for one.

    It goes through Arrow as U+FDD0, a code point that is no character and that no text may hold.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._ready, self._held, self._hidden, self.read_so_far = path.open("rb"), b"", b"", False, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes; Arrow asks for a block at a time."""
        while len(self._ready) < size:
            raw = self._file.read(size)
            self.read_so_far += len(raw)
            data = whole = self._held + raw
            self._held = b""
            if raw:  # what comes next tells what a carriage return at the end is
                data = data.rstrip(b"\r")
                self._held = whole[len(data) :]
            self._ready += self._hide(data)
            if not raw:
                break
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def close(self) -> None:
        self._file.close()
        super().close()

    def whole(self, batch: Any, columns: Mapping[str, str]) -> Any:  # noqa: ANN401  a record batch
        """A batch of the file with what was hidden put back."""
        for place, (name, kind) in enumerate(columns.items()):
            if self._hidden and kind == "text":
                batch = batch.set_column(place, name, pc.replace_substring(batch[name], _HIDDEN.decode(), "\r"))
        return batch

    def _hide(self, data: bytes) -> bytes:
        if b"\r" not in data:
            return data
        hidden = _BARE.sub(_HIDDEN, data)
        self._hidden |= hidden != data
        return hidden


def read_questions(path: Path) -> list[tuple[int, str, str]]:
    r"""Read topics, lines of an id, a tab and a question: (line number, id, question) of each.

    The first tab ends the id; another one, as in topic 350 of BEIR's robust04, is a part of the question. Raises
    InputError with file and line for a line that has no tab or nothing on one side of it, and where every line has the
    same number of columns, more than two.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "topics.tsv"
    >>> _ = path.write_text("349\tliving cells\n350\thazardous to\twork with terminals\n")
    >>> read_questions(path)
    [(1, '349', 'living cells'), (2, '350', 'hazardous to\twork with terminals')]
    """
    found, columns = [], set()
    for number, line in read_lines(path):
        name, tab, question = line.partition("\t")
        if not name.strip() or not question.strip():
            why = "an empty id or question" if tab else "no tab; a line is an id, a tab and a question"
            raise InputError(f"{path}, line {number}: not an id, a tab and a question: {line[:60]!r} has {why}")
        columns.add(line.count("\t") + 1)
        found.append((number, name, question))
    if len(found) > 1 and len(columns) == 1 and (count := columns.pop()) > 2:
        raise InputError(
            f"{path}, line {found[0][0]}: every line has {count} columns; a topic has an id, a tab and a question, "
            "leave the other columns out"
        )
    return found


def _bad_line(path: Path, columns: Mapping[str, str]) -> str:
    """Look for the first line of another shape, which Arrow's reader does not always name; where, why and the cure."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            cells = raw.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").split(b"\t")
            if cells == [b""]:
                continue
            where = f", line {number}: "
            if len(cells) != len(columns):
                told = f"{where}{len(cells)} columns, not the {len(columns)} of {', '.join(columns)}"
                if len(cells) > len(columns):
                    return f"{told}; take the tab out of its text, or leave the other columns out"
                return f"{told}; the line is cut short, or a text was broken in two: mend it, or get the file again"
            for (name, kind), cell in zip(columns.items(), cells, strict=True):
                if kind == "id" and not (cell.strip().isdigit() and len(cell) < 20 and int(cell) < 2**31 - 1):
                    told = repr(cell[:40].decode(errors="replace"))
                    return f"{where}{name} is {told}, not a number from 0 to 2,147,483,646; give one"
                try:
                    cell.decode()
                except UnicodeDecodeError as error:
                    return f"{where}{name} is not UTF-8 ({error.reason}); save the file as UTF-8"
    return ""
