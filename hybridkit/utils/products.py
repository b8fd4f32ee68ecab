"""Products that are whole or made anew: their checksums are kept beside them and compared before they are read.

A product, a file or a folder, has its checksums in `.NAME.sum` beside it. A folder that is opened often has an index
instead, with the size and checksum of every file, which is written last.
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from xxhash import xxh3_128

from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write, checksum, write_text

if TYPE_CHECKING:
    import pandas as pd


log = logging.getLogger("hybridkit")
T = TypeVar("T")
LARGE = 16 * 2**20  # bytes; larger files that are only counted, not read, are checked by the time of their last change
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, NotImplementedError)  # what readers raise for damage
_LINE = re.compile(r"([0-9a-f]{32})  ([^/].*)")
_known: dict[tuple[object, ...], str] = {}  # checksums that this process has read: path, size, time, inode
_reported: dict[Path, object] = {}  # damaged products that a line was logged for
_elsewhere: list[Callable[[Path], bool]] = []  # where this process looks for a product that is not here
INDEX = "index.json"
_TRUSTED = 1 << 30  # bytes; such a file that is not newer than the index is trusted, not read


def kept(product: Path, make: Callable[[Path], object], read: Callable[[Path], T]) -> T:
    """Read a product; where it is missing or damaged, it is made first, and the log says so of a damaged one.

    `make` writes the product, a file or a folder, to the path that it gets, whole or not at all.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> kept(path, lambda path: path.write_text("1 2 3"), Path.read_text)
    '1 2 3'
    >>> _ = path.write_text("1 2")
    >>> is_whole(path)
    False
    >>> kept(path, lambda path: path.write_text("1 2 3"), Path.read_text)
    '1 2 3'
    """
    if is_whole(product):
        unsealed = not sums_path(product).is_file()
        try:
            found = read(product)
        except _UNREADABLE as error:
            if not unsealed or isinstance(error, PermissionError):
                raise
            log.warning("%s: damaged (%s); it is made anew", _name(product), str(error).partition("\n")[0][:200])
        else:
            adopt(product)
            return found
    remove(product)
    make(product)
    seal(product)
    return read(product)


def frame(product: Path, make: Callable[[], "pd.DataFrame"]) -> "pd.DataFrame":
    """Return a table that is kept as parquet; where it is missing or damaged, it is made and written first."""
    import pandas as pd

    def write(path: Path) -> None:
        made = make()
        with atomic_write(path) as temporary:
            made.to_parquet(temporary, index=False)

    return kept(product, write, pd.read_parquet)


def write(product: Path, content: str | bytes) -> None:
    """Write a small file and its checksum, unless it is whole and has this content already."""
    raw = content.encode() if isinstance(content, str) else content
    if is_whole(product):
        if product.read_bytes() == raw:
            adopt(product)
            return
        sums_path(product).unlink(missing_ok=True)  # old checksums are never beside new content, even after a kill
    else:
        remove(product)
    with atomic_write(product) as temporary:
        temporary.write_bytes(raw)
    seal(product)


def seal(product: Path, *files: Path) -> None:
    """Write the checksums of a product: of the file, of all files of the folder, or of `files` below its parent."""
    if not files:
        files = tuple(sorted(path for path in product.rglob("*") if path.is_file())) if product.is_dir() else (product,)
    _write_sums(product, {path: _checksum(path) for path in files})


def adopt(product: Path) -> None:
    """Write the checksums of a product that has none and could be read, unless its folder cannot be written to."""
    if not sums_path(product).is_file():
        with suppress(OSError):
            seal(product)


def seal_again(product: Path, *files: Path) -> None:
    """Write the checksums of those of a product's files anew that have been written again; the others stay."""
    if sums := _sums(product):
        _write_sums(product, sums | {path: _checksum(path) for path in files if path in sums})


def is_whole(product: Path, thorough: bool = True) -> bool:
    """Return whether a product is there and as it was written; the log says once where it is damaged.

    With `thorough=False`, large files are read only where they are newer than their checksums: enough to count
    products, not to read them.
    """
    if not product.exists() and not any(bring(product) for bring in _elsewhere):
        return False
    wrong = changed(product, thorough)
    if wrong and _reported.get(product) != (state := [_stat(path) for path in wrong]):
        _reported[product] = state
        there = any(path.exists() for path in wrong)
        names = ", ".join(path.relative_to(product).as_posix() for path in wrong) if product.is_dir() else ""
        why = ("damaged" if there else "incomplete") + (f" ({names})" if names else "")
        log.log(logging.WARNING if there else logging.INFO, "%s: %s; it is made anew", _name(product), why)
    return not wrong


@contextmanager
def also_from(bring: Callable[[Path], bool]) -> Iterator[None]:
    """Let this process look for a missing product elsewhere, before it is made, inside the block.

    `bring` puts a product in its place and returns whether it is there now.
    """
    _elsewhere.append(bring)
    try:
        yield
    finally:
        _elsewhere.remove(bring)


def changed(product: Path, thorough: bool = True) -> list[Path]:
    """Return the files of a product that are missing or differ from their checksums; none without checksums."""
    sums = _sums(product)
    if sums is None:
        return []
    seal_state, states = _stat(sums_path(product)), {path: _stat(path) for path in sums}
    newer = {path for path, (_, written, _) in states.items() if written > seal_state[1]}
    wrong = [
        path
        for path, state in states.items()
        if (thorough or state[0] < LARGE or path in newer) and _read_once(path, state) != sums[path]
    ]
    if wrong and _stat(sums_path(product)) != seal_state:  # another process has just written it again
        return changed(product, thorough)
    if newer and not wrong:  # copied since: no need to look again
        with suppress(OSError):
            os.utime(sums_path(product))
    return wrong


def require(product: Path, cure: str, *kinds: str) -> Path:
    """Return a product's path; InputError with file and cure where a file (of some endings) is damaged."""
    for path in changed(product):
        if kinds and not (path.is_file() and path.suffix in kinds):
            continue
        raise InputError(f"{path}: {'damaged: its checksum differs' if path.exists() else 'it is missing'}; {cure}")
    return product


def remove(product: Path) -> None:
    """Remove a product and then its checksums, so that a damaged one is never without them."""
    if product.is_dir():
        shutil.rmtree(product, ignore_errors=True)
    else:
        product.unlink(missing_ok=True)
    sums_path(product).unlink(missing_ok=True)


def remove_damaged(folder: Path) -> list[Path]:
    """Remove and return every damaged file of the products under a folder; the log names each."""
    found = []
    for path in sorted(folder.rglob(".*.sum")):
        for damaged in changed(product_of(path), thorough=False):
            if damaged.is_file():
                log.warning("%s: damaged; it is made anew", damaged.relative_to(folder).as_posix())
                damaged.unlink()
                found.append(damaged)
    return found


def sums_path(product: Path) -> Path:
    """Return the path of a product's checksums.

    >>> sums_path(Path("models/mono-s0-1a2b")).as_posix()
    'models/.mono-s0-1a2b.sum'
    """
    return product.with_name(f".{product.name}.sum")


def product_of(sums: Path) -> Path:
    """Return the path of the product that a file of checksums belongs to: `sums_path` back.

    >>> product_of(Path("models/.mono-s0-1a2b.sum")).as_posix()
    'models/mono-s0-1a2b'
    """
    return sums.with_name(sums.name[1:-4])


def _checksum(path: Path) -> str:
    try:
        return checksum(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):  # removed meanwhile, or something else there
        return ""


def _read_once(path: Path, state: tuple[int, int, int]) -> str:
    """The checksum of a file in this state, "" for one that is missing; one process reads it once."""
    key = (path.absolute(), *state)
    if state[0] >= 0 and key not in _known and (found := _checksum(path)):
        _known[key] = found
    return _known.get(key, "")


def _sums(product: Path) -> dict[Path, str] | None:
    """The checksums of a product by file; None where there are none, or none that can be read, which is logged."""
    path = sums_path(product)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        text = ""
    if found := sums_in(text, product):
        return found
    log.warning("%s: damaged; the checksums are written anew", _name(path))
    with suppress(OSError):
        path.unlink()
    return None


def sums_in(text: str, product: Path) -> dict[Path, str]:
    """Return the checksums by file that the text of a product's checksum file holds; empty for a damaged one."""
    head, mark, own = text.rpartition("# ")
    lines = head.splitlines()
    matches = [_LINE.fullmatch(line) for line in lines]
    found = {product.parent / line[2]: line[1] for line in matches if line and ".." not in line[2].split("/")}
    whole = len(found) == len(lines) and mark and own == f"{xxh3_128(head.encode()).hexdigest()}\n"
    return found if whole else {}


def _write_sums(product: Path, sums: Mapping[Path, str]) -> None:
    # a file without a checksum was removed meanwhile, by another run of the same study
    lines = [f"{found}  {path.relative_to(product.parent).as_posix()}\n" for path, found in sums.items() if found]
    text = "".join(lines)
    # the last line is that of the lines themselves: damage to them must not cost a model that is whole
    write_text(sums_path(product), f"{text}# {xxh3_128(text.encode()).hexdigest()}\n")


def _stat(path: Path) -> tuple[int, int, int]:
    """Size, time of the last change and number of a file; a size of -1 where it is not there."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return -1, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino


def _name(path: Path) -> str:
    return "/".join(path.parts[-2:])


class DamagedError(InputError):
    """A file of a folder is not as it was written."""


def write_index(folder: Path) -> None:
    """Write the index of a folder; to be called when all other files are written."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != INDEX)
    found = {path.name: [path.stat().st_size, checksum(path)] for path in files}
    (folder / INDEX).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def check_index(folder: Path) -> list[Path] | None:
    """Return the files of a folder, once each is found to be as it was written; None for a folder without an index.

    A process reads a file once, at some gigabytes a second. A file of 1 GiB or more is read only where it is newer than
    the index; else its size is compared.

    Raises:
        DamagedError: With the name of the first file that is missing or was changed.
    """
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
        written = (folder / INDEX).stat().st_mtime_ns
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise damaged(folder / INDEX, str(error)) from error
    try:
        noted = {folder / name: (size, expected) for name, (size, expected) in json.loads(text).items()}
        if any(path.parent != folder or path.name in ("", "..") for path in noted):
            raise ValueError("a file of another folder")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(folder / INDEX, "not an index") from error
    for path, (size, expected) in noted.items():
        try:
            state = _stat(path)
            if state[0] != size:
                why = f"{state[0]:,} bytes, {size} were written" if state[0] >= 0 else "No such file or directory"
                raise damaged(path, why)
            if not (size >= _TRUSTED and state[1] <= written) and _read_once(path, state) != expected:
                raise damaged(path, "its bytes are not those that were written")
        except DamagedError:
            raise
        except (OSError, ValueError) as error:  # not readable, or not a name of a file
            raise damaged(path, str(getattr(error, "strerror", None) or error)) from error
    return list(noted)


def damaged(path: Path, why: str) -> DamagedError:
    """Return the error for a damaged file of a folder that can be made again."""
    return DamagedError(f"{path}: cannot be read ({why}); delete the folder {path.parent} and make it again")
