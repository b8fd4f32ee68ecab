"""Where data sets come from: found, fetched once and locked, refused when changed, and missed in one clear error."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hybridkit.errors import InputError, MissingDataError
from hybridkit.files import sha256_file
from hybridkit.sources import fetch as fetching
from hybridkit.sources import registry
from hybridkit.sources.check import check_rows
from hybridkit.sources.fetch import fetch, find, rows_file, table
from hybridkit.sources.lock import LOCK_NAME
from hybridkit.sources.published import published
from hybridkit.sources.registry import DataSet, data_set, pins

ROW = b'{"id": "1", "query": {"en": "Who?"}, "passage": {"de": "Sie."}}\n'


class Server(ThreadingHTTPServer):
    """Serves `body` under any path; with `cut`, promises all of it and sends only half."""

    body = ROW
    cut = False


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # noqa: N802  the name http.server asks for
        body = self.server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.server.cut else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no folder of the user's, and the data set `toy` at an address where nobody listens."""
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HYBRIDKIT_DATA", raising=False)
    serve_toy_at("http://127.0.0.1:9", monkeypatch)
    return tmp_path / "cache"


def serve_toy_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = DataSet("toy", "rows", ("train/toy.jsonl",), "MIT", "nobody", "this test", f"{address}/{{tail}}")
    monkeypatch.setitem(registry.DATA_SETS, "toy", toy)


@pytest.fixture
def toy(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    serve_toy_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    return cache / "train" / "toy.jsonl"


def test_the_first_fetch_locks_what_came(toy: Path, cache: Path) -> None:
    assert find("toy") == toy
    assert toy.read_bytes() == ROW
    entry = json.loads((cache / LOCK_NAME).read_text())["train/toy.jsonl"]
    assert entry["bytes"] == len(ROW)
    assert entry["sha256"] == sha256_file(toy)
    assert entry["address"].endswith("/toy.jsonl")


def test_a_second_find_needs_no_network(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find("toy")
    monkeypatch.setattr(fetching, "_get", None)
    assert find("toy") == toy
    (row,) = fetch("toy").to_dict("records")
    assert row["known"] == "locked"
    assert row["fetched"] is False


def test_changed_bytes_at_the_address_are_refused(toy: Path, server: Server) -> None:
    find("toy")
    toy.unlink()
    server.body = ROW.replace(b"Who", b"Why")
    with pytest.raises(InputError, match=f"not the {len(ROW)} .*{LOCK_NAME}"):
        find("toy")
    assert not list(toy.parent.iterdir())
    server.body = ROW
    assert find("toy").read_bytes() == ROW


def test_bytes_that_differ_from_a_pin_are_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "pins", lambda: {"train/toy.jsonl": (len(ROW), "0" * 64)})
    with pytest.raises(InputError, match="pinned"):
        fetch("toy")
    assert not toy.exists()


def test_a_cut_download_leaves_nothing(toy: Path, cache: Path, server: Server) -> None:
    server.cut = True
    with pytest.raises(MissingDataError, match="hybridkit data fetch toy"):
        find("toy")
    assert not (cache / LOCK_NAME).exists()
    assert not list(toy.parent.iterdir())
    server.cut = False
    assert find("toy").read_bytes() == ROW


def test_no_file_and_no_network_is_one_error_with_file_folders_and_command(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "mine"))
    with pytest.raises(MissingDataError) as caught:
        find("toy")
    for part in ("train/toy.jsonl", str(tmp_path / "mine"), str(cache), "hybridkit data fetch toy"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["xquad-r", "miracl", "mlqa-test"])
def test_real_data_sets_without_network_say_the_same(cache: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "hub"))
    with pytest.raises(MissingDataError, match=f"{data_set(name).files[0]}.*hybridkit data fetch {name}"):
        find(name)


def test_the_users_folder_comes_before_the_cache(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find("toy")
    mine = tmp_path / "mine" / "train" / "toy.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(ROW + ROW)
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "mine"))
    assert find("toy") == mine
    with pytest.raises(InputError, match="SHA-256"):
        fetch("toy")


def test_a_pinned_file_cut_short_is_told_by_its_size(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tmp_path / "mine" / "train" / "mlqa-test.jsonl"
    short.parent.mkdir(parents=True)
    short.write_bytes(ROW)
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "mine"))
    with pytest.raises(InputError, match=r"mlqa-test\.jsonl: 64 bytes, not the 5,625,386"):
        find("mlqa-test")


def test_a_damaged_lock_file_is_named(toy: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / LOCK_NAME).write_text('{"train/toy.jsonl": ')
    with pytest.raises(InputError, match=LOCK_NAME):
        find("toy")


def test_rows_are_a_name_or_a_path(toy: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_bytes(ROW)
    assert rows_file(own) == own
    assert rows_file(str(own)) == own
    assert rows_file("toy") == toy
    with pytest.raises(InputError, match="xquad-r: no such file"):
        rows_file("xquad-r")
    with pytest.raises(InputError, match="there is no data set 'squad'"):
        find("squad")


def test_the_table_tells_each_set_once(cache: Path) -> None:
    frame = table().set_index("name")
    assert list(frame.columns) == ["kind", "licence", "citation", "where", "bytes", "pinned"]
    assert frame.index.is_unique
    assert frame.loc["atlas", "pinned"] == "bundled"
    assert frame.loc["toy", "pinned"] == "unpinned"
    assert frame.loc["mlqa-r", "licence"] == "CC BY-NC 4.0"
    assert frame.loc["xquad-r", "where"].startswith("https://")
    assert frame.loc["xquad-r", "bytes"] == sum(pins()[file][0] for file in data_set("xquad-r").files)


def test_pins_and_table_name_the_same_files() -> None:
    named = {file for data in registry.DATA_SETS.values() if not data.bundled for file in data.files}
    assert set(pins()) == named


def test_real_files_have_their_pinned_hashes(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    for name in ("xquad-r", "mlqa-r"):
        assert set(fetch(name).known) == {"pinned"}
        assert find(name) == real_data / name


def test_own_rows_are_checked_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(
        '{"id": "1", "passage_id": "p", "query": {"en": "Who?", "de": "Wer?"}, "passage": {"de": "Sie."}}\n'
        '{"id": "2", "passage_id": "p", "query": {"en": "A?"}, "passage": {"de": "Sie."}, "negative": {"de": "Er."}}\n'
        '{"id": "3", "query": {"en": "When?"}, "passage": {"en": "Now."}}\n',
        encoding="utf-8",
    )
    report = check_rows(path)
    assert (report.rows, report.passages, report.groups, report.largest_group) == (3, 2, 2, 2)
    assert report.languages.to_numpy().tolist() == [["de", 1, 2, 1, 1], ["en", 3, 1, 1, 0]]
    assert "3 rows over 2 passages" in str(report)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "4", "query": {"en": "Whe')
    with pytest.raises(InputError, match=r"own\.jsonl, line 4"):
        check_rows(path)


def test_published_numbers_are_those_of_the_paper() -> None:
    frame = published()
    paper = frame[frame.source == "arXiv 2408.10536"]
    assert len(paper) == 1032
    assert not frame.isna().any(axis=None)
    means = paper.query("benchmark == 'xquad-r' and language == 'mean' and measure == 'AP'")
    wide = means.pivot(index=["encoder", "strategy"], columns="setting", values="value").round(3)
    # The means that the paper's text and abstract speak of.
    assert wide.loc[("XLM-R", "mono")].to_dict() == {"mono": 0.792, "cross": 0.674, "pool": 0.548}
    assert wide.loc[("XLM-R", "hybrid(alpha=0.5)")].to_dict() == {"mono": 0.798, "cross": 0.705, "pool": 0.593}
    assert wide.loc[("LaBSE", "cross")].to_dict() == {"mono": 0.801, "cross": 0.762, "pool": 0.679}
    assert paper.query("measure == 'rank_distance'")["value"].min() > 100
    miracl = frame.query("source != 'arXiv 2408.10536' and encoder == 'bm25' and split == 'dev' and language == 'ar'")
    assert miracl.set_index("measure")["value"].to_dict() == {"nDCG@10": 0.4809, "R@100": 0.8885}
