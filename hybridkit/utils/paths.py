"""Where files lie: those that come with the kit, a project's own, the cache, the folders of data and of runs."""

import hashlib
import os
from pathlib import Path

PROJECT = ".hybridkit"  # the file that marks the folder of a project (`hybridkit init`)


def checkout() -> Path | None:
    """Return the checkout this package runs from, or None when it was installed without one.

    >>> found = checkout()
    >>> found is None or (found / "hybridkit").is_dir()
    True
    """
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "pyproject.toml").is_file() or (folder / ".git").exists() else None


def bundled(name: str) -> Path:
    """Return where a file or folder that comes with the kit is: notebooks, studies, data/atlas, data/published.

    In the checkout that the package runs from; an installed package has a copy of them inside (`setup.py`).

    >>> bundled("studies").joinpath("quick.yaml").is_file()
    True
    """
    return (checkout() or Path(__file__).resolve().parents[1] / "bundled") / name


def project() -> Path | None:
    """Return the folder of the project that the current folder is in, or None: the nearest one with a file .hybridkit.

    Its studies, notebooks and runs go before those of the kit.
    """
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / PROJECT).is_file()), None)


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
    """Return the folder that run folders lie in: `HYBRIDKIT_RUNS` if it is set, else `runs` of the project we are in.

    Without a project it is `runs` of the checkout, and for an installed package that of the current folder.

    Where that is the address of a store, as s3://bucket/runs, it is a copy of it on this machine (`store_copy`).

    >>> runs_folder().is_absolute()
    True
    """
    given = os.environ.get("HYBRIDKIT_RUNS")
    if url := runs_store():
        return store_copy(url)
    return Path(given).expanduser().absolute() if given else (project() or checkout() or Path.cwd()) / "runs"


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


def short_path(path: Path) -> str:
    """Return a path as a person types it: from the current folder if it is inside.

    >>> short_path(Path.cwd() / "runs" / "quick")
    'runs/quick'
    """
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
