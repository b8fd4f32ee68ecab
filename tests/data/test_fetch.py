"""Where data sets come from: found, fetched once and locked, refused when changed, and missed in one clear error."""

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hybridkit.cli import commands as main
from hybridkit.data.sources import fetch as fetching
from hybridkit.data.sources import registry
from hybridkit.data.sources.fetch import LOCK_NAME, fetch, find, table
from hybridkit.data.sources.open_rows import RowsFile, check_rows, rows_source
from hybridkit.data.sources.published import mteb, published
from hybridkit.data.sources.registry import DataSet, data_set, pins
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.files import sha256_file

ROW = b'{"id": "1", "query": {"en": "Who?"}, "passage": {"de": "Sie."}}\n'


class Server(ThreadingHTTPServer):
    """Serves `body` under any path, whole or from where it is asked to, with `tag` as its ETag where it has one.

    While `cuts` are left, an answer promises everything and sends half of it. `asked` has the ranges of all requests.
    """

    body = ROW
    tag = ""
    cuts = 0
    ranges = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:  # noqa: N802  the name http.server asks for
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()

    def do_GET(self) -> None:  # noqa: N802
        server, body = self.server, self.server.body
        wanted = self.headers.get("Range", "")
        server.asked.append(wanted)
        same = bool(server.tag) and self.headers.get("If-Range") == server.tag
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and same and server.ranges else 0
        if first >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        server.cuts -= 1
        self.wfile.write(body[first : first + (len(body) - first) // 2] if server.cuts >= 0 else body[first:])

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
    assert find(data_set("toy")) == toy
    assert toy.read_bytes() == ROW
    entry = json.loads((cache / LOCK_NAME).read_text())["train/toy.jsonl"]
    assert entry["bytes"] == len(ROW)
    assert entry["sha256"] == sha256_file(toy)
    assert entry["address"].endswith("/toy.jsonl")


def test_a_second_find_needs_no_network(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find(data_set("toy"))
    monkeypatch.setattr(fetching, "_get", None)
    assert find(data_set("toy")) == toy
    (row,) = fetch(data_set("toy")).to_dict("records")
    assert row["known"] == "locked"
    assert row["fetched"] is False


def test_changed_bytes_at_the_address_are_refused(toy: Path, server: Server) -> None:
    find(data_set("toy"))
    toy.unlink()
    server.body = ROW.replace(b"Who", b"Why")
    with pytest.raises(InputError, match=f"not the {len(ROW)} .*{LOCK_NAME}"):
        find(data_set("toy"))
    assert not list(toy.parent.iterdir())
    server.body = ROW
    assert find(data_set("toy")).read_bytes() == ROW


def test_bytes_that_differ_from_a_pin_are_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "pins", lambda: {"train/toy.jsonl": (len(ROW), "0" * 64)})
    with pytest.raises(InputError, match="pinned"):
        fetch(data_set("toy"))
    assert not toy.exists()


LONG = b"".join(b'{"id": "%d", "query": {"en": "Who?"}, "passage": {"de": "Sie."}}\n' % n for n in range(4000))


def test_a_broken_download_goes_on_by_itself(toy: Path, server: Server) -> None:
    server.body, server.tag, server.cuts = LONG, '"v1"', 3
    assert find(data_set("toy")).read_bytes() == LONG
    assert server.asked[0] == ""
    starts = [int(wanted[len("bytes=") : -1]) for wanted in server.asked[1:]]
    assert len(starts) == 3
    assert 0 < starts[0] < starts[1] < starts[2] < len(LONG)
    assert list(toy.parent.iterdir()) == [toy]


def test_a_later_fetch_goes_on_where_one_was_killed(
    toy: Path, cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = toy.with_name("toy.jsonl.part")
    server.body, server.tag, server.cuts = LONG, '"v1"', 1
    monkeypatch.setattr(fetching, "_TRIES", 1)
    monkeypatch.setattr(fetching, "_size", lambda _: 0)  # as if not a byte had come: it gives up
    with pytest.raises(
        MissingDataError, match=r"bytes of it are kept and the next try goes on.*hybridkit data fetch toy"
    ):
        find(data_set("toy"))
    assert not (cache / LOCK_NAME).exists()
    assert not toy.exists()
    kept = part.stat().st_size
    assert part.read_bytes() == LONG[:kept]
    assert 0 < kept < len(LONG)
    monkeypatch.undo()
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(cache))
    monkeypatch.delenv("HYBRIDKIT_DATA", raising=False)
    serve_toy_at(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    assert find(data_set("toy")).read_bytes() == LONG
    assert server.asked[-1] == f"bytes={kept}-"
    assert list(toy.parent.iterdir()) == [toy]


@pytest.mark.parametrize(("tag", "ranges"), [('"v2"', True), ("", True), ('"v1"', False), ('W/"v1"', True)])
def test_another_version_and_a_server_without_ranges_start_anew(
    toy: Path, server: Server, tag: str, ranges: bool
) -> None:
    toy.parent.mkdir(parents=True)
    toy.with_name("toy.jsonl.part").write_bytes(b"the beginning of another file" * 9999)
    toy.with_name("toy.jsonl.part.of").write_text('"v1"')
    server.body, server.tag, server.ranges = LONG, tag, ranges
    assert find(data_set("toy")).read_bytes() == LONG


def test_a_kill_before_the_last_step_needs_no_byte_more(toy: Path, server: Server) -> None:
    toy.parent.mkdir(parents=True)
    toy.with_name("toy.jsonl.part").write_bytes(LONG)
    toy.with_name("toy.jsonl.part.of").write_text('"v1"')
    server.body, server.tag = LONG, '"v1"'
    assert find(data_set("toy")).read_bytes() == LONG
    assert server.asked == [f"bytes={len(LONG)}-"]


def test_more_than_the_server_has_is_thrown_away(toy: Path, server: Server) -> None:
    toy.parent.mkdir(parents=True)
    toy.with_name("toy.jsonl.part").write_bytes(LONG + b"?")
    toy.with_name("toy.jsonl.part.of").write_text('"v1"')
    server.body, server.tag = LONG, '"v1"'
    assert find(data_set("toy")).read_bytes() == LONG


def test_a_server_that_never_ends_an_answer_is_given_up(toy: Path, server: Server) -> None:
    server.body, server.cuts = LONG, 1000  # no ETag: every try starts anew and breaks at the same place
    with pytest.raises(MissingDataError, match="hybridkit data fetch toy"):
        find(data_set("toy"))
    assert len(server.asked) == 4
    assert not toy.exists()


def test_size_and_licence_are_told_before_anything_comes(
    toy: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hybridkit")
    server.body = b"x" * 2_500_000
    with pytest.raises(InputError, match="toy: nothing was fetched"):
        fetch(data_set("toy"), agree=lambda: False)
    assert server.asked == []
    assert "toy: 1 file, 2.5 MB, into " in caplog.text
    assert "licence MIT (nobody)" in caplog.text
    assert fetch(data_set("toy"), agree=lambda: True).fetched.all()


def test_a_disk_too_small_is_told_before_anything_comes(
    toy: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(InputError, match="are missing and 0.0 MB are free in .*HYBRIDKIT_CACHE"):
        fetch(data_set("toy"))
    assert server.asked == []


def test_files_of_the_hub_come_at_a_recorded_revision(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The hub's client is stood in for: it has its own cache, and goes on after a break by itself."""
    caplog.set_level(logging.INFO, "hybridkit")
    got = tmp_path / "hub" / "snapshots" / "abc123" / "toy.jsonl"
    got.parent.mkdir(parents=True)
    got.write_bytes(ROW)
    asked = []

    def hub(repository: str, path: str, *, repo_type: str, revision: str | None) -> str:
        asked.append((repository, path, repo_type, revision))
        return str(got)

    told = [SimpleNamespace(path="toy.jsonl", size=3_000_000)]
    monkeypatch.setattr("huggingface_hub.hf_hub_download", hub)
    monkeypatch.setattr("huggingface_hub.HfApi.get_paths_info", lambda *_, **__: told)
    serve_toy_at("hf://datasets/somebody/toys", monkeypatch)
    found = find(data_set("toy"))
    assert found.read_bytes() == ROW
    assert found.samefile(got), "no second copy on one disk"
    assert "toy: 1 file, 3.0 MB, into " in caplog.text
    assert json.loads((cache / LOCK_NAME).read_text())["train/toy.jsonl"]["revision"] == "abc123"
    found.unlink()
    assert find(data_set("toy")).read_bytes() == ROW
    assert asked == [
        ("somebody/toys", "toy.jsonl", "dataset", None),
        ("somebody/toys", "toy.jsonl", "dataset", "abc123"),
    ]


def test_the_command_asks_at_a_terminal_only(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main.main(["data", "fetch", "toy"]) == 2
    told = capsys.readouterr().err
    assert told.index("licence MIT") < told.index("Fetch it? [y/N]") < told.index("nothing was fetched")
    assert main.main(["data", "fetch", "toy", "--yes"]) == 0
    assert "Fetch it?" not in capsys.readouterr().err
    toy.unlink()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert main.main(["data", "fetch", "toy"]) == 0
    toy.unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main.main(["data", "fetch", "toy"]) == 0
    assert "Fetch it?" not in capsys.readouterr().err.partition("[y/N]")[2]


def test_no_file_and_no_network_is_one_error_with_file_folders_and_command(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "mine"))
    with pytest.raises(MissingDataError) as caught:
        find(data_set("toy"))
    for part in ("train/toy.jsonl", str(tmp_path / "mine"), str(cache), "hybridkit data fetch toy"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["xquad-r", "miracl", "mlqa-test"])
def test_real_data_sets_without_network_say_the_same(cache: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "hub"))
    with pytest.raises(MissingDataError, match=f"{data_set(name).files[0]}.*hybridkit data fetch {name}"):
        find(data_set(name))


def test_the_users_folder_comes_before_the_cache(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find(data_set("toy"))
    mine = tmp_path / "mine" / "train" / "toy.jsonl"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(ROW + ROW)
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "mine"))
    assert find(data_set("toy")) == mine
    with pytest.raises(InputError, match="SHA-256"):
        fetch(data_set("toy"))


def test_a_pinned_file_cut_short_is_told_by_its_size(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tmp_path / "mine" / "train" / "mlqa-test.jsonl"
    short.parent.mkdir(parents=True)
    short.write_bytes(ROW)
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "mine"))
    with pytest.raises(InputError, match=r"mlqa-test\.jsonl: 64 bytes, not the 5,625,386"):
        find(data_set("mlqa-test"))


def test_a_damaged_lock_file_is_named(toy: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / LOCK_NAME).write_text('{"train/toy.jsonl": ')
    with pytest.raises(InputError, match=LOCK_NAME):
        find(data_set("toy"))


def test_rows_are_a_name_or_a_path(toy: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_bytes(ROW)
    for name in (own, str(own)):
        found = rows_source(name)
        assert isinstance(found, RowsFile) and found.path == own and not found.columns
    assert getattr(rows_source("toy"), "path", None) == toy
    with pytest.raises(InputError, match="xquad-r: no such file"):
        rows_source("xquad-r")
    with pytest.raises(InputError, match="there is no data set 'squad'"):
        find(data_set("squad"))


def test_the_table_tells_each_set_once(cache: Path) -> None:
    frame = table().set_index("name")
    assert list(frame.columns) == ["kind", "licence", "citation", "where", "bytes", "pinned"]
    assert frame.index.is_unique
    assert frame.loc["atlas", "pinned"] == "bundled"
    assert frame.loc["toy", "pinned"] == "unpinned"
    assert frame.loc["mlqa-r", "licence"] == "CC BY-NC 4.0"
    assert frame.loc["xquad-r", "where"].startswith("https://")
    assert frame.loc["xquad-r", "bytes"] == sum(pins()[file][0] for file in data_set("xquad-r").files)


def test_every_file_is_pinned_bundled_or_public() -> None:
    files = [(data, file) for data in registry.DATA_SETS.values() if not data.bundled for file in data.files]
    assert set(pins()) <= {file for _, file in files}
    for data, file in files:
        assert file in pins() or re.fullmatch(r"(https|hf)://[^{}]+", data.address_of(file)), file


def test_real_files_have_their_pinned_hashes(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(real_data))
    for name in ("xquad-r", "mlqa-r"):
        assert set(fetch(data_set(name)).known) == {"pinned"}
        assert find(data_set(name)) == real_data / name


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
    lareqa = frame[frame["encoder"] == "mBERT"]
    assert set(lareqa["setting"]) == {"pool"} and set(lareqa["measure"]) == {"AP"} and len(lareqa) == 8
    by = lareqa.set_index(["benchmark", "strategy"])["value"]
    assert by["xquad-r", "cross"] == 0.66 and by["xquad-r", "english"] == 0.29 and by["mlqa-r", "mixed"] == 0.26


def test_mteb_is_whole_and_never_among_what_is_compared() -> None:
    frame, tasks = mteb(), ["Belebele", "MIRACL", "MLQA", "XQuAD"]
    assert len(frame) == 10_612 and frame["model"].nunique() == 24
    assert set(frame["task"]) == {*(f"{task}Retrieval" for task in tasks), "MIRACLRetrievalHardNegatives"}
    assert frame["value"].between(0, 1).all() and not frame.isna().any(axis=None)
    assert not frame.duplicated(["model", "revision", "task", "query_language", "passage_language", "measure"]).any()
    assert not set(published()["encoder"]) & set(frame["model"])
