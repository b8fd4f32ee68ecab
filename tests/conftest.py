"""What every test may use: no network, no screen, repeatable property tests, and real data where somebody has it."""

import gzip
import json
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

# Before anything imports matplotlib or the hub's client.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The same examples on every run; slow machines are no failure.
settings.register_profile("hybridkit", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("hybridkit")

CHECKOUT = Path(__file__).resolve().parent.parent
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


# Files that take a minute or so are begun first, so that no process waits for what another one began last.
LONG = ("test_rehearsal.py", "test_mteb_tasks.py", "test_shards.py", "test_processes.py", "test_new_project.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of long files to the front."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests speak to this machine only; anything else fails the test at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise OSError(f"tests use no network, and this one asked for {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_full_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each training accelerate looks through all of Python's objects, half a second in a process of tests."""
    if memory := sys.modules.get("accelerate.utils.memory"):
        monkeypatch.setattr(memory, "gc", SimpleNamespace(collect=lambda: 0))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets (HYBRIDKIT_DATA, or shared/data beside the checkout); skips the test without one."""
    for folder in (os.environ.get("HYBRIDKIT_DATA"), CHECKOUT.parent / "shared" / "data"):
        if folder and (Path(folder) / "xquad-r").is_dir():
            return Path(folder)
    pytest.skip("needs the real data sets: set HYBRIDKIT_DATA to a folder that has xquad-r/")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_parallel_rows(path: Path, count: int) -> Path:
    """Write a file of rows in English and German that are easily told apart."""
    rows = [
        {
            "id": str(n),
            "query": {"en": f"who is {n}", "de": f"wer ist {n}"},
            "passage": {"en": f"she {n}", "de": f"sie {n}"},
        }
        for n in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def parallel_rows(tmp_path: Path) -> Path:
    """A file of 60 rows in English and German that are easily told apart."""
    return write_parallel_rows(tmp_path / "mine.jsonl", 60)


@pytest.fixture
def judged_folder(tmp_path: Path) -> Path:
    """A set in MIRACL's layout in two languages, with a topic for each passage."""
    root = tmp_path / "toy"
    for tag, words in (("en", ["Lima", "Oslo", "Rome"]), ("de", ["Bonn", "Bern"])):
        home = root / f"toy-v1.0-{tag}"
        name = f"toy-v1.0-{tag}-dev.tsv"
        for folder in ("topics", "qrels", "corpus"):
            (home / folder).mkdir(parents=True)
        (home / "topics" / f"topics.{name}").write_text("".join(f"q{n}\twhere is {w}\n" for n, w in enumerate(words)))
        (home / "qrels" / f"qrels.{name}").write_text("".join(f"q{n} Q0 {tag}#{n} 1\n" for n in range(len(words))))
        lines = [json.dumps({"docid": f"{tag}#{n}", "title": "", "text": f"{w} is here"}) for n, w in enumerate(words)]
        with gzip.open(home / "corpus" / "docs-0.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    return root
