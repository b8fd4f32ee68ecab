"""The lock file of the cache: what each file was when it was first fetched, so that later fetches must match."""

import json
from dataclasses import asdict, dataclass

from hybridkit.errors import InputError
from hybridkit.files import atomic_write
from hybridkit.places import cache_folder
from hybridkit.reading import json_file

LOCK_NAME = "data.lock.json"


@dataclass(frozen=True)
class Locked:
    """One fetched file: its address, the revision where the address has revisions, its bytes and SHA-256."""

    address: str
    revision: str
    bytes: int
    sha256: str


def read_lock() -> dict[str, Locked]:
    """Everything fetched so far, by the file's path in a data folder; empty before the first fetch."""
    path = cache_folder() / LOCK_NAME
    if not path.is_file():
        return {}
    cure = "move it away and fetch the data again"
    value = json_file(path, cure, "a lock file of the kit")
    try:
        return {file: Locked(**entry) for file, entry in value.items()}
    except (TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a lock file of the kit ({error}); {cure}") from error


def write_lock(file: str, entry: Locked) -> None:
    """Add or replace the entry of one file."""
    entries = {**read_lock(), file: entry}
    with atomic_write(cache_folder() / LOCK_NAME) as temporary:
        text = json.dumps({name: asdict(entries[name]) for name in sorted(entries)}, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
