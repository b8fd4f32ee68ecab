"""Members of a published archive, read without unpacking it."""

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from hybridkit.errors import InputError
from hybridkit.files import LINE_BYTES

_PACKED, _UNPACKED = 200, 2**28  # times its own size that a member may unpack to, and bytes it always may


@contextmanager
def open_archive(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """Open the zip archive of the data set `name`; nothing of it is ever written to disk.

    Raises InputError for what is no whole zip, for a member whose name leads out of the archive, and, from inside the
    block, for a member that turns out to be cut short or damaged.
    """
    cure = f"remove the file and say hybridkit data fetch {name}"
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
            raise  # the machine's trouble, not the archive's: bzip2 has no number, a seek before the start has EINVAL
        raise InputError(f"{path}: no whole zip archive, cut short or damaged ({error}); {cure}") from error
    except (NotImplementedError, RuntimeError) as error:  # a compression of its own, a password
        raise InputError(f"{path}: its members cannot be read ({error}); {cure}") from error


def member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a member.

    Raises InputError, naming what there is, where the archive has none of that name, and for one that unpacks to
    hundreds of times its size.
    """
    try:
        told = archive.getinfo(name)
        if told.file_size > max(_UNPACKED, _PACKED * told.compress_size):
            why = f"{name} unpacks to more than {_PACKED} times its size, which no texts do"
            raise InputError(f"{archive.filename}: {why}; is it another file?")
        return archive.open(told)
    except KeyError as error:
        there = ", ".join(sorted(archive.namelist())[:5]) or "nothing"
        raise InputError(f"{archive.filename}: no member {name}, but {there}, ...; is it another file?") from error


def table(file: IO[bytes], where: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    r"""Yield (line number from 1, the wanted columns) of a tab-separated table with a header and no quoting.

    Raises InputError for a header without the columns, a line with more or fewer of them than the header, bad UTF-8.

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
