"""Readers that data sets share: tables with tabs, queries, passages, archives, languages joined on an id."""

import errno
import io
import lzma
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from hashlib import blake2b
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from hybridkit.data.rows import Row
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.files import LINE_BYTES, read_lines
from hybridkit.utils.reading import encodable, json_value

_BARE = re.compile(rb"\r(?!\n|\Z)")  # the last one of a file ends its line
_HIDDEN = "\ufdd0".encode()
_BLOCK = 1 << 23  # bytes read at a time
_PACKED, _UNPACKED = 200, 2**28  # times its own size that a member may unpack to, and bytes it always may


def read_tsv(
    path: Path, columns: Mapping[str, str], done: Callable[[int], object] = lambda _: None, source: str = ""
) -> Iterator[Any]:
    r"""Yield the lines of a file without a head line as Arrow record batches of some MiB.

    Blank lines are skipped.

    Args:
        path: The file, in UTF-8.
        columns: The name of each column and its kind, "id" (a number from 0 to 2,147,483,646, int32) or "text"
            (large_string, quotes and carriage returns included).
        done: Is called with the bytes of each block that was read.
        source: The data set, for the message about a missing file.

    Raises:
        MissingDataError: For a missing file, with the command that fetches the data set.
        InputError: With file and line, for a line with another number of columns, an invalid id or bad UTF-8.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "queries.tsv"
    >>> _ = path.write_text('7\tWho is "she"?')
    >>> [batch.to_pydict() for batch in read_tsv(path, {"id": "id", "text": "text"})]
    [{'id': [7], 'text': ['Who is "she"?']}]
    """
    from pyarrow import csv

    kinds = {"id": pa.int32(), "text": pa.large_string()}
    if not path.is_file():
        cure = f"run `hybridkit data fetch {source}`, " if source else ""
        raise MissingDataError(f"{path}: there is no such file; {cure}or set HYBRIDKIT_DATA to the folder that has it")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty; give one line of {', '.join(columns)} or more, with tabs between")
    lines, read = _Lines(path), 0
    try:
        reader = csv.open_csv(
            pa.PythonFile(lines, mode="r"),
            csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=list(columns)),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types={name: kinds[kind] for name, kind in columns.items()}, null_values=[]),
        )
        for batch in reader:
            for name, kind in columns.items():
                if kind == "id" and len(batch) and pc.min(batch[name]).as_py() < 0:
                    raise pa.ArrowInvalid("an id below 0")
            yield lines.whole(batch, columns)
            done(lines.read_so_far - read)
            read = lines.read_so_far
    except (pa.ArrowInvalid, OSError) as error:
        why = _bad_line(path, columns) or f": cannot be read ({str(error).splitlines()[0]}); is it such a table?"
        raise InputError(f"{path}{why}") from error
    finally:
        lines.close()


class _Lines(io.RawIOBase):
    """A file whose carriage returns within lines Arrow does not take for ends of lines.

    They go through Arrow as U+FDD0, a code point that is not a character and that no text may hold.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._ready, self._held, self._hidden, self.read_so_far = path.open("rb"), b"", b"", False, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes; Arrow reads a block at a time."""
        while len(self._ready) < size:
            raw = self._file.read(size)
            self.read_so_far += len(raw)
            data = whole = self._held + raw
            self._held = b""
            if raw:  # whether a carriage return at the end ends a line depends on the next byte
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

    def whole(self, batch: Any, columns: Mapping[str, str]) -> Any:
        """Return a batch of the file with its carriage returns put back."""
        for position, (name, kind) in enumerate(columns.items()):
            if self._hidden and kind == "text":
                batch = batch.set_column(position, name, pc.replace_substring(batch[name], _HIDDEN.decode(), "\r"))
        return batch

    def _hide(self, data: bytes) -> bytes:
        if b"\r" not in data:
            return data
        hidden = _BARE.sub(_HIDDEN, data)
        self._hidden |= hidden != data
        return hidden


def _bad_line(path: Path, columns: Mapping[str, str]) -> str:
    """Look for the first line of another shape, which Arrow's reader does not always name; where, why and the cure."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            cells = raw.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").split(b"\t")
            if cells == [b""]:
                continue
            where = f", line {number}: "
            if len(cells) != len(columns):
                why = f"{where}{len(cells)} columns, not the {len(columns)} of {', '.join(columns)}"
                if len(cells) > len(columns):
                    return f"{why}; take the tab out of its text, or leave the other columns out"
                return f"{why}; the line is cut short, or a text was broken in two: mend it, or get the file again"
            for (name, kind), cell in zip(columns.items(), cells, strict=True):
                if kind == "id" and not (cell.strip().isdigit() and len(cell) < 20 and int(cell) < 2**31 - 1):
                    value = repr(cell[:40].decode(errors="replace"))
                    return f"{where}{name} is {value}, not a number from 0 to 2,147,483,646; give one"
                try:
                    cell.decode()
                except UnicodeDecodeError as error:
                    return f"{where}{name} is not UTF-8 ({error.reason}); save the file as UTF-8"
    return ""


def read_questions(path: Path) -> list[tuple[int, str, str]]:
    r"""Read topics, lines of an id, a tab and a question: (line number, id, question) of each.

    The first tab ends the id; another one, as in topic 350 of BEIR's robust04, belongs to the question.

    Raises:
        InputError: With file and line, for a line without a tab or with nothing on one side of it, and where every line
            has the same number of columns, more than two.

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


def field(value: Any, key: str, kind: type, where: str) -> Any:
    """Return `value[key]`; InputError, with `where` and the key, unless it is an object with that key and kind."""
    if not isinstance(value, dict) or not isinstance(value.get(key), kind):
        raise InputError(f"{where}{key}: missing, or not a {kind.__name__}; get the file again")
    return value[key]


def read_passage(line: str, where: str, key: str = "docid") -> tuple[str, str]:
    """Return the id and the text (title, space, text) of a JSON line; see `text_object`.

    >>> read_passage('{"docid": "7#0", "title": "Lima", "text": "A city."}', "docs-0.jsonl, line 1")
    ('7#0', 'Lima A city.')
    """
    return passage_of(json_value(line, where, *_form(key)), where, key)


def passage_of(value: Any, where: str, key: str = "docid") -> tuple[str, str]:
    """Return the id and the text of a passage that was read; see `text_object`."""
    name, title, text = text_object(value, where, key)
    return name, f"{title} {text}".strip()


def text_object(value: Any, where: str, key: str) -> tuple[str, str, str]:
    """Return id, title ("" where there is none) and text of a JSON object such as {"docid": "1", "text": "A text."}.

    `key` is that of the id, a text or a whole number. Raises InputError, which begins with `where`, for another value.
    """
    what, cure = _form(key)
    if not isinstance(value, dict):
        raise InputError(f"{where}: not {what} (it is a {type(value).__name__}); {cure}")
    if missing := [name for name in (key, "text") if name not in value]:
        raise InputError(f"{where}: not {what} ({missing[0]!r} is missing); {cure}")
    name, title, text = value[key], value.get("title") or "", value["text"]
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not (isinstance(name, str) and isinstance(title, str) and isinstance(text, str) and name.strip()):
        raise InputError(f"{where}: not {what} (one of them is not a text, or the id is empty); {cure}")
    return encodable(name, where), encodable(title, where), encodable(text, where)


@cache
def _form(key: str) -> tuple[str, str]:
    return f"a JSON object with {key} and text", f'write {{"{key}": "1", "title": "", "text": "A text."}}'


@contextmanager
def open_archive(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """Yield the opened zip archive of the data set `name`; nothing of it is ever written to disk.

    Raises:
        InputError: For a file that is not a whole zip, a member whose name leads out of the archive, and, from inside
            the block, a member that is cut short or damaged.
    """
    cure = f"remove the file and run `hybridkit data fetch {name}`"
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member.replace("\\", "/")).parts:
                    raise InputError(f"{path}: its member {member!r} leads out of the archive; this is another file")
            yield archive
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno != errno.EINVAL:
            raise  # an error of the machine: those of bzip2 have no number, a seek before the start has EINVAL
        raise InputError(f"{path}: not a whole zip archive, cut short or damaged ({error}); {cure}") from error
    except (NotImplementedError, RuntimeError) as error:  # an unknown compression, a password
        raise InputError(f"{path}: its members cannot be read ({error}); {cure}") from error


def member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a member; InputError where it is missing, or unpacks to hundreds of times its size."""
    try:
        info = archive.getinfo(name)
        if info.file_size > max(_UNPACKED, _PACKED * info.compress_size):
            why = f"{name} unpacks to more than {_PACKED} times its size, which no texts do"
            raise InputError(f"{archive.filename}: {why}; is it another file?")
        return archive.open(info)
    except KeyError as error:
        there = ", ".join(sorted(archive.namelist())[:5]) or "nothing"
        raise InputError(f"{archive.filename}: no member {name}, but {there}, ...; is it another file?") from error


def table(file: IO[bytes], where: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    r"""Yield (line number from 1, the wanted columns) of a tab-separated table with a header and no quoting.

    Raises:
        InputError: For a header without the columns, a line with more or fewer columns than the header, bad UTF-8.

    >>> from io import BytesIO
    >>> next(table(BytesIO(b"a\tb\n1\t2\n"), "t.tsv", ["b"]))
    (2, {'b': '2'})
    """
    header: list[str] = []
    for number, raw in enumerate(iter(partial(file.readline, LINE_BYTES + 1), b""), start=1):
        if len(raw) > LINE_BYTES:
            raise InputError(f"{where}, line {number}: longer than {LINE_BYTES >> 20} MiB; get the file again")
        try:
            cells = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n").split("\t")
        except UnicodeDecodeError as error:
            raise InputError(f"{where}, line {number}: not UTF-8 ({error.reason}); get the file again") from error
        if not header:
            if missing := [name for name in columns if name not in cells]:
                raise InputError(f"{where}, line 1: no column {missing[0]!r} in the header; it has {', '.join(cells)}")
            header = cells
        elif len(cells) != len(header):
            raise InputError(
                f"{where}, line {number}: {len(cells)} columns, not the {len(header)} of the header; is it cut short?"
            )
        else:
            line = dict(zip(header, cells, strict=True))
            yield number, {name: line[name] for name in columns}


class RowJoin:
    """Collects the queries and passages of rows in any order, and yields the rows in the order of their first texts.

    Texts are in a temporary sqlite database that vanishes with this object, each passage once; in memory are the ids.
    The first text of an id and language is kept. A row's passage_id is the hash of its passage in English, else in its
    first language, so that rows about one passage share it.

    >>> join = RowJoin()
    >>> join.query("q1", "de", "Wer?"), join.query("q1", "en", "Who?"), join.passage("q1", "en", "She.")
    (None, None, None)
    >>> [(row.query, row.passage) for row in join.rows()]
    [({'de': 'Wer?', 'en': 'Who?'}, {'en': 'She.'})]
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._base = sqlite3.connect("")  # an empty name: a private file that is deleted when closed
        self._base.execute("PRAGMA cache_size = -65536")  # KiB in memory before it spills
        self._base.execute("PRAGMA journal_mode = OFF")
        for table, rest in (("query", "text TEXT"), ("passage", "hash TEXT")):
            columns = f"number INTEGER, language TEXT, {rest}, PRIMARY KEY (number, language)"
            self._base.execute(f"CREATE TABLE {table} ({columns}) WITHOUT ROWID")
        self._base.execute("CREATE TABLE body (hash TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")

    def __len__(self) -> int:
        """Number of ids so far, complete or not."""
        return len(self._numbers)

    def query(self, row: str, language: str, text: str) -> None:
        """Add the query of a row in a language."""
        self._base.execute("INSERT OR IGNORE INTO query VALUES (?, ?, ?)", (self._number(row), language, text))

    def passage(self, row: str, language: str, text: str) -> None:
        """Add the passage of a row in a language."""
        key = blake2b(text.encode(), digest_size=12).hexdigest()
        self._base.execute("INSERT OR IGNORE INTO body VALUES (?, ?)", (key, text))
        self._base.execute("INSERT OR IGNORE INTO passage VALUES (?, ?, ?)", (self._number(row), language, key))

    def rows(self) -> Iterator[Row]:
        """Yield every row that has a query and a passage, in any languages."""
        passages = self._base.execute(
            "SELECT number, language, body.text, hash FROM passage JOIN body USING (hash) ORDER BY number, language"
        )
        queries = self._base.execute("SELECT number, language, text FROM query ORDER BY number, language")
        found = ((number, list(lines)) for number, lines in groupby(passages, key=lambda line: line[0]))
        at, lines = next(found, (-1, []))
        names = list(self._numbers)
        for number, texts in groupby(queries, key=lambda line: line[0]):
            while 0 <= at < number:
                at, lines = next(found, (-1, []))
            if at != number:
                continue
            query = {language: text for _, language, text in texts}
            passage = {language: text for _, language, text, _ in lines}
            key = next((key for _, language, _, key in lines if language == "en"), lines[0][3])
            yield Row(names[number], key, names[number], query, passage, {})

    def _number(self, row: str) -> int:
        return self._numbers.setdefault(row, len(self._numbers))
