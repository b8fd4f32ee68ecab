"""Where the kit's files lie: the checkout, the cache, the folders of data and of runs."""

import hashlib
import os
from pathlib import Path


def checkout() -> Path | None:
    """Return the checkout this package runs from, or None when it was installed without one.

    >>> found = checkout()
    >>> found is None or (found / "hybridkit").is_dir()
    True
    """
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "pyproject.toml").is_file() or (folder / ".git").exists() else None


def cache_folder() -> Path:
    """Return the folder for what can be made or fetched again; it may not exist yet.

    `HYBRIDKIT_CACHE` if it is set, else `data/cache` of a checkout that can be written to, else the user's own cache.

    >>> cache_folder().is_absolute()
    True
    """
    if given := os.environ.get("HYBRIDKIT_CACHE"):
        return Path(given).expanduser().absolute()
    home = checkout()
    if home is not None and os.access(home, os.W_OK):
        return home / "data" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "hybridkit"


def data_folders() -> list[Path]:
    """Return the folders in which data sets are sought, in order: `HYBRIDKIT_DATA` if it is set, then the cache.

    >>> data_folders()[-1] == cache_folder()
    True
    """
    given = os.environ.get("HYBRIDKIT_DATA")
    return [*([Path(given).expanduser().absolute()] if given else []), cache_folder()]


def runs_folder() -> Path:
    """Return the folder that run folders lie in: `HYBRIDKIT_RUNS` if it is set, else `runs` of the checkout or here.

    Where that is the address of a store, as s3://bucket/runs, it is a copy of it on this machine (`store_copy`).

    >>> runs_folder().is_absolute()
    True
    """
    given = os.environ.get("HYBRIDKIT_RUNS")
    if url := runs_store():
        return store_copy(url)
    return Path(given).expanduser().absolute() if given else (checkout() or Path.cwd()) / "runs"


def runs_store() -> str | None:
    """Return the address of the store of run folders that `HYBRIDKIT_RUNS` names, None where it names a folder."""
    given = os.environ.get("HYBRIDKIT_RUNS", "")
    return given.rstrip("/") if "://" in given else None


def store_copy(url: str) -> Path:
    """Return the folder on this machine's disk for what is read from and written to a store of run folders.

    >>> store_copy("s3://mine/runs").parent.name
    'stores'
    """
    return cache_folder() / "stores" / hashlib.sha256(url.encode()).hexdigest()[:12]
