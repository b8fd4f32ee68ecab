"""Files that are whole or absent: atomic writes, hashes, and text read line by line, compressed or not."""

import errno
import gzip
import hashlib
import json
import lzma
import os
import shutil
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_128

from hybridkit.errors import InputError

LINE_BYTES = 2**26  # of one line, and so of one text
_PACKED, _UNPACKED = 200, 2**28  # times its own size that a packed file may unpack to, and bytes it always may
_BLANK = 10**6  # empty lines of a file
_ABANDONED = 7 * 24 * 3600.0  # seconds after which nobody on another machine still writes what has not changed since


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{machine()}-{os.getpid()}.tmp")


@cache
def machine() -> str:
    """Return a short name of this machine, or of the container that it is: in it, the number of a process is unique.

    A folder may be shared by many machines, whose processes have the same numbers.

    >>> len(machine())
    8
    """
    space = Path("/proc/self/ns/pid")
    own = f"{socket.gethostname()} {space.readlink() if space.is_symlink() else ''}"
    return hashlib.sha256(own.encode()).hexdigest()[:8]


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` when the block ends well.

    After a kill or an error in the block, `path` is as it was before.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("ok")
    >>> target.read_text()
    'ok'
    """
    temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, and rename it to `path` when the block ends well; an older `path` is replaced.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "model"
    >>> with atomic_folder(target) as temporary:
    ...     _ = (temporary / "config.json").write_text("{}")
    >>> [file.name for file in target.iterdir()]
    ['config.json']
    """
    temporary = _temporary(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    aside = temporary.with_suffix(".old")
    try:
        yield temporary
        if path.is_dir():  # moved away whole: a kill while it is deleted must not leave half of it at `path`
            os.replace(path, aside)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half written under a folder; that of a running process stays.

    Whether a process of another machine still runs is not known: what it left is removed after a week.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> left = [(folder / f".model.{machine()}-{pid}.tmp").mkdir() for pid in (os.getpid(), 2**22 + 1)]
    >>> (folder / f".model.01234567-{2**22 + 1}.tmp").mkdir()
    >>> remove_leftovers(folder)
    >>> sorted(path.name.split(".")[2].split("-")[0] == machine() for path in folder.iterdir())
    [False, True]
    """
    for parent, folders, files in os.walk(folder):  # which goes on where a folder is renamed meanwhile
        for name in [*folders, *files]:
            path = Path(parent, name)
            if name.startswith(".") and name.endswith(".tmp") and _is_left(path):
                shutil.rmtree(path, ignore_errors=True) if name in folders else path.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    """Whether no process writes to a temporary path any more; names without a machine are of an earlier version."""
    where, _, pid = path.name.rsplit(".", 2)[1].rpartition("-")
    if not (pid.isdecimal() and pid.isascii() and len(pid) < 10):
        return False
    if where in ("", machine()):
        return not _runs(int(pid))
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED
    except FileNotFoundError:
        return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error says that a disk is full.

    Writers outside Python have errors of their own: safetensors quotes the system's, PyTorch says only that it failed.

    >>> is_full_disk(OSError(errno.ENOSPC, "No space left on device")), is_full_disk(OSError(errno.EPERM, "no"))
    (True, False)
    """
    text = str(error)
    quoted = "No space left on device" in text or "os error 28" in text or "PytorchStreamWriter failed" in text
    return quoted or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex; the file is read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_hash() -> str:
    """Return the hash of the package's own code."""
    folder = Path(__file__).parents[1]
    return digest([[str(path.relative_to(folder)), sha256_file(path)] for path in sorted(folder.rglob("*.py"))])


def checksum(path: Path) -> str:
    """Return the XXH128 of a file's bytes as hex, at some GB a second. It finds damage, not forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxh3_128).hexdigest()


def digest(*values: Any) -> str:
    """Return the SHA-256 of values as hex: bytes and arrays by content (with type and shape), others by canonical JSON.

    >>> digest({"b": 1, "a": [2.0]}) == digest({"a": [2.0], "b": 1})
    True
    >>> digest("a", "b") == digest("ab")
    False

    Raises:
        TypeError: For an array of Python objects, whose bytes are addresses; give its `tolist()`.
    """
    total = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                raise TypeError("digest of an array of objects; give its tolist()")
            header = f"{value.dtype}{value.shape}".encode()
            total.update((len(header) + value.nbytes).to_bytes(8, "little"))
            total.update(header)
            total.update(np.ascontiguousarray(value).data)  # no copy: an array may be most of the memory
            continue
        raw = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
        total.update(len(raw).to_bytes(8, "little"))
        total.update(raw)
    return total.hexdigest()


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its end) of a UTF-8 file, also `.gz`, `.xz`; blank lines are skipped.

    Raises:
        InputError: As `text_lines`, and for a million empty lines.
    """
    blank = 0
    for number, raw in text_lines(path):
        text = raw.rstrip("\r\n")
        if text.strip():
            yield number, text
        elif (blank := blank + 1) > _BLANK:
            raise InputError(f"{path}, line {number}: {_BLANK:,} lines are empty; is it a file of lines?")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text with its end) of a UTF-8 file, also `.gz`, `.xz`.

    Raises:
        InputError: With the file, and the line where it is known, for a file that is missing or cut short, bad UTF-8,
            a line of more than 64 MiB and a packed file that unpacks to hundreds of times its size.
    """
    opener: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    number = 0
    try:
        with opener(path, "rb") as file:
            for number, raw in enumerate(_lines(file, path, packed=opener is not open), start=1):
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: this is a folder; give the file in it") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}, line {number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        why = f"the file is cut short or damaged ({error}); get it again"
        raise InputError(f"{path}, after line {number}: {why}") from error


def _lines(file: Any, path: Path, packed: bool) -> Iterator[bytes]:
    """The lines of a file, none longer than a text may be, and of a packed one no more bytes than texts unpack to."""
    number, total, most = 0, 0, max(_UNPACKED, _PACKED * path.stat().st_size)
    while raw := file.readline(LINE_BYTES + 1):
        number += 1
        total += len(raw)
        if len(raw) > LINE_BYTES:
            raise InputError(f"{path}, line {number}: longer than {LINE_BYTES >> 20} MiB; is it a file of lines?")
        if packed and total > most:
            why = f"the file unpacks to more than {_PACKED} times its size, which no texts do"
            raise InputError(f"{path}, line {number}: {why}; get it again")
        yield raw
