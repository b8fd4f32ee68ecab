"""Tables of ids and texts with tabs between them, read in blocks; a line of another shape is named."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hybridkit.errors import InputError, MissingDataError

_BLOCK = 1 << 23  # bytes read at a time


def read_tsv(
    path: Path, columns: Mapping[str, str], done: Callable[[int], object] = lambda _: None, source: str = ""
) -> Iterator[Any]:
    r"""Yield the lines of a file without a head line as Arrow record batches of some MiB.

    `columns` names each column and says what it holds, "id" (a number from 0 to 2,147,483,646, int32) or "text"
    (large_string, quotes and all); `done` is told the bytes of each block. Blank lines are passed over. Raises
    MissingDataError for a missing file (with the command that fetches data set `source`), InputError with file and line
    for a line with another number of columns, an id that is none or bytes that are no UTF-8.

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
        raise InputError(f"{path}: the file is empty; get it again")
    try:
        source_file, read = pa.OSFile(str(path)), 0
        reader = csv.open_csv(
            source_file,
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
            yield batch
            done(source_file.tell() - read)
            read = source_file.tell()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}{_bad_line(path, columns)} ({str(error).splitlines()[0]}); get it again") from error


def _bad_line(path: Path, columns: Mapping[str, str]) -> str:
    """Look for the first line of another shape, which Arrow's reader does not always name."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            cells = raw.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").split(b"\t")
            if cells == [b""]:
                continue
            where = f", line {number}: "
            if len(cells) != len(columns):
                return f"{where}{len(cells)} columns, not the {len(columns)} of {', '.join(columns)}"
            for (name, kind), cell in zip(columns.items(), cells, strict=True):
                if kind == "id" and not (cell.strip().isdigit() and len(cell) < 20 and int(cell) < 2**31 - 1):
                    return f"{where}{name} is {cell[:40].decode(errors='replace')!r}, not a number"
                try:
                    cell.decode()
                except UnicodeDecodeError as error:
                    return f"{where}{name} is not UTF-8 ({error.reason})"
    return ": cannot be read"
