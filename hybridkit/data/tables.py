"""Rows from columns: CSV, TSV, parquet and JSON lines of other people, and which of their columns is what.

A file of these is read line by line. Columns are named as the keys of a row, `id`, `query.en`, `passage.de`, or the
name of the file says which column is what: `mine.csv[query.en=question, passage.en=answer]`.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridkit.errors import InputError
from hybridkit.utils.files import LINE_BYTES, read_lines, text_lines
from hybridkit.utils.naming import meant, split_name
from hybridkit.utils.reading import json_value

Record = Mapping[str, Any]
IDS = ("id", "passage_id", "query_id")
SIDES = ("query", "passage", "negative")
LANGUAGE = "language"
_KEY = re.compile(rf"{'|'.join(IDS)}|(?:{'|'.join(SIDES)})(?:\.[\w-]+)?|{LANGUAGE}")
_TABLES = {".csv": ",", ".tsv": "\t", ".parquet": ""}
_COLUMNS = "id, passage_id, query_id, query.LANG, passage.LANG and negative.LANG"
_BATCH = 4096  # rows of a parquet file in memory


def is_table(path: Path) -> bool:
    """Return whether a file has columns by its name: CSV or TSV (also `.gz`, `.xz`) or parquet.

    >>> is_table(Path("mine.csv.gz")), is_table(Path("mine.jsonl"))
    (True, False)
    """
    return _ending(path) in _TABLES


def _ending(path: Path) -> str:
    return Path(path.stem if path.suffix in (".gz", ".xz") else path.name).suffix.lower()


def columns_of(name: str) -> tuple[str, dict[str, str]]:
    """Split a name into the file and its columns by the keys of a row that they have.

    Raises:
        InputError: For other words in brackets, an unknown or duplicate key, and columns without query and passage.

    >>> columns_of("mine.csv[query.en=question, passage.en=the answer]")
    ('mine.csv', {'query.en': 'question', 'passage.en': 'the answer'})
    >>> columns_of("mine.csv[question=q]")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: mine.csv[question=q]: 'question' is not a key of a row; keys are id, passage_id, ...
    """
    base, words = split_name(name)
    columns: dict[str, str] = {}
    for word in words:
        key, equals, column = (part.strip() for part in word.partition("="))
        if not equals or not column:
            raise InputError(f"{name}: {word!r} is not KEY=COLUMN; write {base}[query.en=question,passage.en=answer]")
        if not _KEY.fullmatch(key):
            raise InputError(
                f"{name}: {key!r} is not a key of a row; keys are {_COLUMNS}, or query and passage with language="
                "the column that names their language"
            )
        if key in columns:
            raise InputError(f"{name}: the key {key} has two columns; leave one")
        columns[key] = column
    if columns:
        _check_keys(columns, name)
    return base, columns


def _check_keys(columns: Mapping[str, str], name: str) -> None:
    for side in SIDES[:2]:
        if not any(key.partition(".")[0] == side for key in columns):
            raise InputError(f"{name}: no column is the {side}; name one, as in {side}.en=COLUMN")
    if LANGUAGE in columns and not {"query", "passage"} <= set(columns):
        raise InputError(f"{name}: language={columns[LANGUAGE]} needs query=COLUMN and passage=COLUMN, without a tag")


def table_rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file and line, a row as in JSON lines) of a file with columns, which are not checked yet.

    Texts that are empty or null are left out. A row without a column for its id has its number, from 1 on.

    Raises:
        InputError: With file and line, for a file that cannot be read, a column that is missing, unknown or duplicate,
            and a line with more or fewer cells than the first.
    """
    return rows_of_records(_records(path), columns, str(path))


def rows_of_records(
    records: Iterable[tuple[str, Record]], columns: Mapping[str, str], name: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, a row as in JSON lines) of records with columns, as `table_rows` does.

    >>> records = [("line 2", {"question": "Who?", "answer": {"text": "She."}, "lang": "en"})]
    >>> columns = {"query": "question", "passage": "answer.text", "language": "lang"}
    >>> next(rows_of_records(records, columns, "mine"))
    ('line 2', {'id': '1', 'query': {'en': 'Who?'}, 'passage': {'en': 'She.'}})
    """
    known: Mapping[str, str] = columns
    for number, (where, record) in enumerate(records, start=1):
        if number == 1 or not columns and known.keys() != record.keys():
            known = columns or _own_columns(record, name)
        yield where, _row(record, known, where, number)


def _own_columns(record: Record, name: str) -> dict[str, str]:
    """The columns of a file that names them as the keys of a row."""
    unknown = [key for key in record if not _KEY.fullmatch(str(key)) or key == LANGUAGE]
    if unknown:
        near = meant(str(unknown[0]), [*IDS, *(f"{side}.en" for side in SIDES)])
        base = split_name(name)[0]
        raise InputError(
            f"{name}: unknown column {unknown[0]!r}{near}; columns are {_COLUMNS}, or say which column is what: "
            f"{Path(base).name}[query.en={unknown[0]},passage.en=...]"
        )
    columns = {str(key): str(key) for key in record}
    _check_keys(columns, name)
    return columns


def _row(record: Record, columns: Mapping[str, str], where: str, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {"id": str(number)}
    tag = str(_value(record, columns[LANGUAGE], where)) if LANGUAGE in columns else ""
    for key, column in columns.items():
        side, _, own = key.partition(".")
        value = _value(record, column, where)
        if side in IDS:
            if value not in (None, "") or side == "id":  # an id that is missing is an error, the others default to it
                row[side] = value
        elif side in SIDES and (own or tag):
            if value is not None and not isinstance(value, str):
                raise InputError(f"{where}: {column} is not a text but {type(value).__name__}; name a column of texts")
            if value and not value.isspace():
                row.setdefault(side, {})[own or tag] = value
        elif side in SIDES and value is not None:  # a column of texts by language
            if not isinstance(value, dict):
                raise InputError(
                    f"{where}: {column} is not a mapping of languages to texts; give its language, as in "
                    f"{side}.en={column}, or the column that has it, language=COLUMN"
                )
            row[side] = row.get(side, {}) | {name: text for name, text in value.items() if text}
    for side in SIDES[:2]:
        if not row.get(side):
            of = ", ".join(column for key, column in columns.items() if key.partition(".")[0] == side)
            raise InputError(f"{where}: no text in {of}, so that the row has no {side}; fill it or leave the row out")
    return row


def _value(record: Record, column: str, where: str) -> Any:
    """The value of a column, or of a part of one: `answer.text`."""
    if column in record:
        return record[column]
    value: Any = record
    for step in column.split("."):
        if not isinstance(value, dict) or step not in value:
            near = meant(column, map(str, record))
            raise InputError(f"{where}: no column {column!r}{near}; there are {', '.join(map(str, record))}")
        value = value[step]
    return value


def _records(path: Path) -> Iterator[tuple[str, Record]]:
    if _ending(path) == ".parquet":
        return _parquet(path)
    return _cells(path) if is_table(path) else _lines(path)


def _lines(path: Path) -> Iterator[tuple[str, Record]]:
    """JSON lines with keys of their own."""
    for number, text in read_lines(path):
        where = f"{path}, line {number}"
        value = json_value(text, where, "a whole JSON object", "is the line cut short?")
        if not isinstance(value, dict):
            raise InputError(f"{where}: not a JSON object but {type(value).__name__}")
        yield where, value


def _cells(path: Path) -> Iterator[tuple[str, Record]]:
    """The lines below the first one, by the names in it; a cell in quotes may hold several lines."""
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        for line, text in text_lines(path):
            number = line
            yield text

    source = lines()
    first = next(source, "")
    csv.field_size_limit(LINE_BYTES)
    separator = _TABLES[_ending(path)]
    if separator == "," and ";" in first and "," not in first:
        separator = ";"  # as spreadsheets write it where the comma is the decimal point
    try:
        header = [name.strip() for name in next(csv.reader([first], delimiter=separator, strict=True), [])]
        _check_header(header, path)
        start = 2
        for cells in csv.reader(source, delimiter=separator, strict=True):
            where, start = f"{path}, line {start}", number + 1
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{where}: {len(cells)} cells, and the first line has {len(header)}; put texts with {separator!r} "
                    "or line breaks into double quotes"
                )
            yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {number}: {error}; write a double quote in a quoted cell twice") from error


def _check_header(header: Sequence[str], path: Path) -> None:
    if not any(header):
        raise InputError(f"{path}: the first line must name the columns; it is empty")
    if twice := [name for name in header if header.count(name) > 1]:
        raise InputError(f"{path}, line 1: two columns are called {twice[0]!r}; give every column a name of its own")


def _parquet(path: Path) -> Iterator[tuple[str, Record]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", record
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path") from error
    except (OSError, pa.ArrowException) as error:
        why = str(error).partition("\n")[0]
        raise InputError(f"{path}, after row {number}: not a whole parquet file ({why}); get it again") from error
