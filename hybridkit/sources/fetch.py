"""Where a data set lies on this machine: the user's folder, the cache, or fetched once from its public address."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from hybridkit.errors import InputError, MissingDataError
from hybridkit.files import atomic_write, sha256_file
from hybridkit.places import cache_folder
from hybridkit.sources.lock import LOCK_NAME, Locked, read_lock, write_lock
from hybridkit.sources.registry import DATA_SETS, DataSet, data_set, folders_of, locate, pins


def find(name: str) -> Path:
    """Give the path of a data set: its file, or its folder where it has several files.

    Sought in `HYBRIDKIT_DATA`, then in the cache, then fetched from the public address. The sizes of pinned files are
    checked; their hashes by `fetch`. Raises MissingDataError where it is nowhere, InputError for a changed size.
    """
    data = data_set(name)
    folder = locate(data)
    if folder is None:
        fetch(name)
        folder = cache_folder()
    for file in data.files:
        _check_size(folder / file, file)
    return folder / data.place


def rows_file(name_or_path: str | Path) -> Path:
    """Give the file of parallel rows that a user names: a data set of the kit, or the path of a file of their own.

    >>> rows_file("mine.jsonl")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: mine.jsonl: no such file, and no data set of rows; the kit knows atlas, mlqa-test, xnli-entailment, libreoffice-help, squad2-fi-en
    """  # noqa: E501  the message is one line
    known = DATA_SETS.get(str(name_or_path))
    if known and known.kind == "rows":
        place = find(known.name)
        return place if place.is_file() else place / Path(known.files[0]).name
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        rows = ", ".join(data.name for data in DATA_SETS.values() if data.kind == "rows")
        raise InputError(f"{path}: no such file, and no data set of rows; the kit knows {rows}")
    return path


def fetch(name: str, *, progress: bool = False) -> pd.DataFrame:
    """Fetch what is missing of a data set into the cache, and check the hash of every file wherever it lies.

    A pinned file must have the pinned bytes. The first fetch of another file records its address, revision, size and
    SHA-256 in the cache's lock file; later fetches must match. A broken download leaves nothing behind.

    Returns a frame: file, folder, bytes, sha256, known ("pinned", "locked", "unpinned"), fetched (bool).
    """
    data = data_set(name)
    folder = locate(data)
    fetched = set()
    if folder is None:
        folder = cache_folder()
        for file in data.files:
            if not (folder / file).is_file():
                _download(data, file, folder / file, progress)
                fetched.add(file)
    lock = read_lock()
    rows = []
    for file in data.files:
        size, sha256 = _check_size(folder / file, file), sha256_file(folder / file)
        known = pins().get(file) or _locked(lock, file)
        if known and known[1] != sha256:
            raise InputError(
                f"{folder / file}: its SHA-256 is {sha256}, not {known[1]} as recorded; remove the file and say "
                f"hybridkit data fetch {name}"
            )
        how = "pinned" if file in pins() else "locked" if file in lock else "unpinned"
        rows.append((file, str(folder), size, sha256, how, file in fetched))
    return pd.DataFrame(rows, columns=["file", "folder", "bytes", "sha256", "known", "fetched"])


def table() -> pd.DataFrame:
    """Tell what data sets there are: name, kind, licence, citation, where, bytes, pinned.

    `where` is the folder that holds all files on this machine, else the public address, else what the set was made
    from; `bytes` of files that are not here is the pinned size, 0 where that is not known.
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


def _locked(lock: dict[str, Locked], file: str) -> tuple[int, str] | None:
    return (lock[file].bytes, lock[file].sha256) if file in lock else None


def _check_size(path: Path, file: str) -> int:
    size = path.stat().st_size
    if file in pins() and pins()[file][0] != size:
        raise InputError(
            f"{path}: {size:,} bytes, not the {pins()[file][0]:,} of the data set the kit knows; the file is cut short "
            "or another one: get it again"
        )
    return size


def _missing(data: DataSet, file: str, why: str) -> MissingDataError:
    folders = " nor in ".join(str(folder) for folder in folders_of(data)) or "a checkout of the kit"
    then = "or, with a network, say" if data.address else "and have it checked by"
    cure = f"put it into a folder that HYBRIDKIT_DATA names, {then}: hybridkit data fetch {data.name}"
    if data.bundled:
        cure = "it comes with a git checkout of the kit: run from one, or restore it with git"
    return MissingDataError(f"data set {data.name}: {file} is not in {folders}, {why}; {cure}")


def _download(data: DataSet, file: str, target: Path, progress: bool) -> None:
    address = data.address_of(file)
    if not address:
        raise _missing(data, file, f"and no public address holds it as such ({data.origin})")
    before = read_lock().get(file)
    expected = pins().get(file) or ((before.bytes, before.sha256) if before else None)
    with atomic_write(target) as temporary:
        try:
            revision = _get(address, temporary, before.revision if before else "", progress)
        except (OSError, ValueError) as error:
            raise _missing(data, file, f"and {address} could not be read ({_reason(error)})") from error
        found = (temporary.stat().st_size, sha256_file(temporary))
        if expected and found != expected:
            raise InputError(
                f"{address}: {found[0]:,} bytes with SHA-256 {found[1]}, not the {expected[0]:,} with {expected[1]} "
                f"that {'are pinned' if file in pins() else f'{cache_folder() / LOCK_NAME} has'}; nothing was kept. "
                "Put the right file into a folder that HYBRIDKIT_DATA names"
            )
        # Before the rename: a kill in between leaves a lock without a file, which the next fetch has to match.
        write_lock(file, Locked(address, revision, *found))


def _get(address: str, target: Path, revision: str, progress: bool) -> str:
    """Download to `target` and return the revision, empty where the address has none."""
    if address.startswith("hf://datasets/"):
        from huggingface_hub import hf_hub_download

        owner, name, path = address.removeprefix("hf://datasets/").split("/", 2)
        got = Path(hf_hub_download(f"{owner}/{name}", path, repo_type="dataset", revision=revision or None))
        shutil.copyfile(got, target)
        return next(_after("snapshots", got.parts), "")
    import pooch

    pooch.HTTPDownloader(progressbar=progress, timeout=30)(address, str(target), None)
    return ""


def _after(part: str, parts: tuple[str, ...]) -> Iterator[str]:
    return (following for before, following in zip(parts, parts[1:], strict=False) if before == part)


def _reason(error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "no connection" if type(error).__name__ in ("ConnectionError", "ConnectTimeout", "ReadTimeout") else text
