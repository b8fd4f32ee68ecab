"""The index of a folder: size and checksum of every file, written last and looked at before anything is read."""

import json
from pathlib import Path

from hybridkit.errors import InputError
from hybridkit.files import checksum as checksum_of

INDEX = "index.json"
_TRUSTED = 1 << 30  # bytes from which on a file that is no newer than the index is not read through to be opened
_sound: dict[tuple[str, int, int, int], str] = {}  # what this process has read: path, size, time, inode -> checksum


class DamagedError(InputError):
    """A file of a folder is not as it was written."""


def write_index(folder: Path) -> None:
    """Note every file of a folder; to be called when all of them are written."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != INDEX)
    found = {path.name: [path.stat().st_size, checksum_of(path)] for path in files}
    (folder / INDEX).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def check_index(folder: Path) -> list[Path] | None:
    """The files of a folder, each found to be what was written; None for a folder without an index.

    XXH3 reads some gigabytes a second and a process reads a file once. A file of 1 GiB or more is read through only
    where it is newer than the index; else its size is looked at. Raises DamagedError that names the file.
    """
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
        written = (folder / INDEX).stat().st_mtime_ns
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise damaged(folder / INDEX, str(error)) from error
    try:
        noted = {folder / name: (size, checksum) for name, (size, checksum) in json.loads(text).items()}
        if any(path.parent != folder or path.name in ("", "..") for path in noted):
            raise ValueError("a file that lies elsewhere")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(folder / INDEX, "no index") from error
    for path, (size, checksum) in noted.items():
        try:
            state = path.stat()
            read = state.st_size == size and not (size >= _TRUSTED and state.st_mtime_ns <= written)
            key = (str(path.absolute()), state.st_size, state.st_mtime_ns, state.st_ino)
            if read and key not in _sound:
                _sound[key] = checksum_of(path)
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
