"""The index of a folder: size and checksum of every file, written last and looked at before anything is read."""

import json
from pathlib import Path

from xxhash import xxh3_128

from hybridkit.errors import InputError

INDEX = "index.json"
_BLOCK = 1 << 20
_TRUSTED = 1 << 30  # bytes from which on a file whose time is that of its writing is not read through to be opened
_sound: dict[tuple[str, int, int, int], str] = {}  # what this process has read: path, size, time, inode -> checksum


class DamagedError(InputError):
    """A file of a folder is not as it was written."""


def write_index(folder: Path) -> None:
    """Note every file of a folder; to be called when all of them are written."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.name != INDEX):
        state = path.stat()
        found[path.name] = [state.st_size, state.st_mtime_ns, _checksum(path)]
    (folder / INDEX).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def check_index(folder: Path) -> list[Path] | None:
    """The files of a folder, each found to be what was written; None for a folder without an index.

    XXH3 reads some gigabytes a second and a process reads a file once. Of a file of 1 GiB or more, size and time must
    be those of its writing; it is read through where its time is another. Raises DamagedError that names the file.
    """
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise damaged(folder / INDEX, str(error)) from error
    try:
        noted = {folder / name: (size, time, checksum) for name, (size, time, checksum) in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(folder / INDEX, "no index") from error
    for path, (size, time, checksum) in noted.items():
        try:
            state = path.stat()
            read = state.st_size == size and not (size >= _TRUSTED and state.st_mtime_ns == time)
            key = (str(path.absolute()), state.st_size, state.st_mtime_ns, state.st_ino)
            if read and key not in _sound:
                _sound[key] = _checksum(path)
        except (OSError, ValueError) as error:  # missing, or a name that is none
            raise damaged(path, str(getattr(error, "strerror", None) or error)) from error
        if state.st_size != size:
            raise damaged(path, f"{state.st_size:,} bytes, {size} were written")
        if read and _sound[key] != checksum:
            raise damaged(path, "its bytes are not those that were written")
    return list(noted)


def damaged(path: Path, why: str) -> DamagedError:
    """The error for a file of a folder that can be made again."""
    return DamagedError(f"{path}: cannot be read ({why}); delete the folder {path.parent} and make it again")


def _checksum(path: Path) -> str:
    total = xxh3_128()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()
