"""Find a data set in the user's folder or the cache, or fetch it once from its public address and lock it.

The lock file has the hash of each file when it was first fetched; later fetches must match.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.data.sources.registry import DATA_SETS, DataSet, folders_of, locate, pins
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.files import atomic_write, sha256_file
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.progress import bar
from hybridkit.utils.reading import json_file

if TYPE_CHECKING:
    import httpx


_TRIES = 3
_PLAIN = {"Accept-Encoding": "identity"}  # the file's own bytes, so that offsets are offsets in the file
LOCK_NAME = "data.lock.json"
log = logging.getLogger("hybridkit")


def download(address: str, part: Path, progress: bool = False) -> None:
    """Download an http address to the file `part`, going on after the bytes that it already has.

    A broken connection is tried again as long as bytes come, and three times in a row without any; what came stays in
    `part`. Bytes are only appended while the server says that the file is the same (its ETag or date, kept in `part` +
    ".of"); else the download starts anew.

    Raises:
        httpx.HTTPError: Where the address cannot be read.
    """
    import httpx

    tries = 0
    while True:
        before = _size(part)
        try:
            return _get_stream(address, part, progress)
        except httpx.TransportError:
            tries = tries + 1 if _size(part) <= before else 0
            if tries == _TRIES:
                raise


def forget(part: Path) -> None:
    """Remove what a download left: its bytes and their version."""
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)


def sizes(addresses: Mapping[str, str]) -> dict[str, int]:
    """Return the sizes of files in bytes, by name, as the servers report them; files without an answer are left out."""
    hub = {file: address for file, address in addresses.items() if address.startswith("hf://")}
    return _hub_sizes(hub) | _http_sizes({file: address for file, address in addresses.items() if file not in hub})


def hub_parts(address: str) -> tuple[str, str]:
    """Return repository and path of an address of the hub's data sets.

    >>> hub_parts("hf://datasets/castorini/mr-tydi/mrtydi-v1.1-thai/train.jsonl.gz")
    ('castorini/mr-tydi', 'mrtydi-v1.1-thai/train.jsonl.gz')
    """
    owner, name, path = address.removeprefix("hf://datasets/").split("/", 2)
    return f"{owner}/{name}", path


def _get_stream(address: str, part: Path, progress: bool) -> None:
    import httpx

    have, version = _size(part), _version(part)
    known = version.read_text(encoding="utf-8") if have and version.is_file() else ""
    headers = _PLAIN | ({"Range": f"bytes={have}-", "If-Range": known} if known else {})
    with httpx.stream("GET", address, headers=headers, follow_redirects=True, timeout=30) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return  # the last byte had come when it broke off
            forget(part)
            raise httpx.RemoteProtocolError(f"{address} is shorter than what came of it before")
        answer.raise_for_status()
        more = answer.status_code == httpx.codes.PARTIAL_CONTENT
        if more and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            forget(part)
            raise httpx.RemoteProtocolError(f"{address} sent another range than was requested")
        part.parent.mkdir(parents=True, exist_ok=True)
        version.write_text(_same_as(answer), encoding="utf-8")
        start = have if more else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if more else "wb") as file,
            bar(total=total, initial=start, desc=part.stem, unit="B", unit_scale=True, disable=not progress) as shown,
        ):
            for chunk in answer.iter_raw():
                file.write(chunk)
                shown.update(len(chunk))
    if total is not None and _size(part) != total:
        raise httpx.RemoteProtocolError(f"{_size(part):,} of {total:,} bytes came of {address}")


def _same_as(answer: "httpx.Response") -> str:
    """The version of a file: a strong ETag, else the date, else ""."""
    tag = answer.headers.get("ETag", "")
    return str(tag if tag.startswith('"') else answer.headers.get("Last-Modified", ""))


def _http_sizes(addresses: Mapping[str, str]) -> dict[str, int]:
    import httpx

    found = {}
    for file, address in addresses.items():
        try:
            answer = httpx.head(address, headers=_PLAIN, follow_redirects=True, timeout=10)
        except httpx.TransportError:
            break  # no network: the next one would only take time too
        if answer.is_success and "Content-Length" in answer.headers:
            found[file] = int(answer.headers["Content-Length"])
    return found


def _hub_sizes(addresses: Mapping[str, str]) -> dict[str, int]:
    import httpx
    from huggingface_hub import HfApi

    found: dict[str, int] = {}
    wanted: dict[str, dict[str, str]] = {}
    for file, address in addresses.items():
        repository, path = hub_parts(address)
        wanted.setdefault(repository, {})[path] = file
    for repository, files in wanted.items():
        try:
            infos: Iterable[object] = HfApi().get_paths_info(repository, list(files), repo_type="dataset")
        except (OSError, ValueError, httpx.HTTPError):
            continue
        found |= {files[getattr(info, "path", "")]: int(getattr(info, "size", 0)) for info in infos}
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _version(part: Path) -> Path:
    return part.with_name(part.name + ".of")


@dataclass(frozen=True)
class Locked:
    """One fetched file: its address, the revision where the address has revisions, its bytes and SHA-256."""

    address: str
    revision: str
    bytes: int
    sha256: str


def read_lock() -> dict[str, Locked]:
    """Return everything fetched so far, by the file's path in a data folder; empty before the first fetch."""
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


def find(data: DataSet) -> Path:
    """Return the path of a data set: its file, or its folder where it has several files.

    Sought in `HYBRIDKIT_DATA`, then in the cache, then fetched from the public address. The sizes of pinned files are
    checked; their hashes by `fetch`.

    Raises:
        MissingDataError: Where it is missing and cannot be fetched.
        InputError: For a pinned file of another size.
    """
    return home_of(data) / data.path


def home_of(data: DataSet) -> Path:
    """Return the data folder that holds all files of a data set; sought, fetched and checked as `find` does."""
    folder = locate(data)
    if folder is None:
        fetch(data)
        folder = cache_folder()
    for file in data.files:
        _check_size(folder / file, file)
    return folder


def fetch(data: DataSet, *, progress: bool = False, agree: Callable[[], bool] | None = None) -> pd.DataFrame:
    """Fetch what is missing of a data set into the cache, and check the hash of every file wherever it is.

    Its size and licence are logged first; `agree` may then say no. A pinned file must have the pinned bytes. The first
    fetch of another file records its address, revision, size and SHA-256 in the cache's lock file; later fetches must
    match. The bytes of a broken download are kept, and the next fetch goes on from there.

    Returns:
        A frame: file, folder, bytes, sha256, known ("pinned", "locked", "unpinned"), fetched (bool).

    Raises:
        InputError: For too small a disk, a refusal, other bytes than those pinned or locked.
        MissingDataError: For a file that is missing and cannot be fetched.
    """
    folder = locate(data)
    fetched: dict[str, str] = {}
    if folder is None:
        folder = cache_folder()
        missing = [file for file in data.files if not (folder / file).is_file()]
        _announce(data, missing)
        if agree is not None and not agree():
            raise InputError(f"data set {data.name}: nothing was fetched")
        for file in missing:
            fetched[file] = _download(data, file, folder / file, progress)
    lock = read_lock()
    rows = []
    for file in data.files:
        size, sha256 = _check_size(folder / file, file), fetched.get(file) or sha256_file(folder / file)
        known = _known(file, lock)
        if known and known[1] != sha256:
            raise InputError(
                f"{folder / file}: its SHA-256 is {sha256}, not {known[1]} as recorded; remove the file and run "
                f"`hybridkit data fetch {data.name}`"
            )
        how = "pinned" if file in pins() else "locked" if file in lock else "unpinned"
        rows.append((file, str(folder), size, sha256, how, file in fetched))
    return pd.DataFrame(rows, columns=["file", "folder", "bytes", "sha256", "known", "fetched"])


def table() -> pd.DataFrame:
    """Return the data sets as a frame: name, kind, licence, citation, where, bytes, pinned.

    `where` is the folder that holds all files on this machine, else the public address, else what the data set was made
    from; `bytes` of files that are not here is the pinned size, 0 where that is unknown.
    """
    lock, rows = read_lock(), []
    for data in DATA_SETS.values():
        folder = locate(data)
        size = sum((folder / file).stat().st_size if folder else pins().get(file, (0, ""))[0] for file in data.files)
        how = "bundled" if data.bundled else "pinned" if set(data.files) <= set(pins()) else "unpinned"
        if how == "unpinned" and set(data.files) <= {*pins(), *lock}:
            how = "locked"
        where = str(folder) if folder else (data.address_of(data.files[0]) or f"not public as such: {data.origin}")
        rows.append((data.name, data.kind, data.licence, data.citation, where, size, how))
    return pd.DataFrame(rows, columns=["name", "kind", "licence", "citation", "where", "bytes", "pinned"])


def recorded(path: Path, file: str) -> str:
    """Return the SHA-256 that the lock file has of a file in the cache; "" for other files, and for another size."""
    entry = read_lock().get(file)
    whole = entry is not None and path == cache_folder() / file and path.stat().st_size == entry.bytes
    return entry.sha256 if entry is not None and whole else ""


def _announce(data: DataSet, missing: list[str]) -> None:
    """Log what is about to be fetched; InputError where the disk is too small for it."""
    lock = read_lock()
    known = {file: (_known(file, lock) or (0, ""))[0] for file in missing}
    unknown = {file: data.address_of(file) for file, size in known.items() if not size and data.address_of(file)}
    known |= sizes(unknown)
    total, unsized = sum(known.values()), sum(not size for size in known.values())
    files = f"{len(missing)} file{'s' if len(missing) > 1 else ''}"
    size = (
        f"{total / 1e6:,.1f} MB" + (f" and {unsized} of unknown size" if unsized else "") if total else "size unknown"
    )
    log.info(
        "%s: %s, %s, into %s; licence %s (%s)", data.name, files, size, cache_folder(), data.licence, data.citation
    )
    disk = next(folder for folder in (cache_folder(), *cache_folder().parents) if folder.is_dir())
    here = sum(path.stat().st_size for path in (_part(cache_folder() / file) for file in missing) if path.is_file())
    if (free := shutil.disk_usage(disk).free) < total - here:
        raise InputError(
            f"data set {data.name}: {total / 1e6:,.1f} MB are missing and {free / 1e6:,.1f} MB are free in {disk}; "
            "make room, or set HYBRIDKIT_CACHE to a folder with more"
        )


def _known(file: str, lock: Mapping[str, Locked]) -> tuple[int, str] | None:
    """Bytes and SHA-256 that a file must have, where it is pinned or locked."""
    return pins().get(file) or ((lock[file].bytes, lock[file].sha256) if file in lock else None)


def _check_size(path: Path, file: str) -> int:
    size = path.stat().st_size
    if file in pins() and pins()[file][0] != size:
        raise InputError(
            f"{path}: {size:,} bytes, not the {pins()[file][0]:,} of the known data set; the file is cut short or "
            "another one: get it again"
        )
    return size


def _missing(data: DataSet, file: str, why: str) -> MissingDataError:
    folders = " nor in ".join(str(folder) for folder in folders_of(data))
    then = "or, with a network, run" if data.address else "and have it checked by"
    cure = f"put it into a folder that HYBRIDKIT_DATA names, {then}: hybridkit data fetch {data.name}"
    if data.bundled:
        cure = "it comes with the kit: install that again, or restore the file with git"
    return MissingDataError(f"data set {data.name}: {file} is not in {folders}, {why}; {cure}")


def _download(data: DataSet, file: str, target: Path, progress: bool) -> str:
    """Fetch one file, check it, record it, move it to `target` and return its SHA-256."""
    import httpx

    address = data.address_of(file)
    if not address:
        raise _missing(data, file, f"and it is not public as such ({data.origin})")
    lock, part = read_lock(), _part(target)
    expected = _known(file, lock)
    try:
        revision = _get(address, part, lock[file].revision if file in lock else "", progress)
    except (OSError, ValueError, httpx.HTTPError) as error:
        kept = f"; {part.stat().st_size:,} bytes of it are kept and the next try goes on" if part.is_file() else ""
        raise _missing(data, file, f"and {address} could not be read ({_reason(error)}{kept})") from error
    found = (part.stat().st_size, sha256_file(part))
    if expected and found != expected:
        forget(part)
        raise InputError(
            f"{address}: {found[0]:,} bytes with SHA-256 {found[1]}, not the {expected[0]:,} with {expected[1]} "
            f"that {'are pinned' if file in pins() else f'{cache_folder() / LOCK_NAME} has'}; nothing was kept. "
            "Put the right file into a folder that HYBRIDKIT_DATA names"
        )
    # Before the rename: a kill in between leaves a lock without a file, which the next fetch has to match.
    write_lock(file, Locked(address, revision, *found))
    os.replace(part, target)
    forget(part)
    return found[1]


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _get(address: str, part: Path, revision: str, progress: bool) -> str:
    """Download to `part` and return the revision, "" where the address has none."""
    if not address.startswith("hf://datasets/"):
        download(address, part, progress)
        return ""
    from huggingface_hub import hf_hub_download

    repository, path = hub_parts(address)
    got = Path(hf_hub_download(repository, path, repo_type="dataset", revision=revision or None))
    part.parent.mkdir(parents=True, exist_ok=True)
    forget(part)
    with suppress(OSError):  # the hub's own cache resumes downloads; a second name for its file takes no room
        os.link(got.resolve(), part)
    if not part.is_file():  # another disk
        shutil.copyfile(got, part)
    return got.parts[got.parts.index("snapshots") + 1] if "snapshots" in got.parts else ""


def _reason(error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "no connection" if type(error).__name__ in ("ConnectError", "ConnectTimeout", "ReadTimeout") else text
