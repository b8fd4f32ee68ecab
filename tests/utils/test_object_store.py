"""A run folder in a store: whole products travel, half-written ones do not, and a store that fails is asked again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybridkit.errors import InputError, TroubleError
from hybridkit.utils import object_store
from hybridkit.utils.object_store import PATIENCE, Mirror, mirrored
from hybridkit.utils.paths import runs_folder, runs_store
from hybridkit.utils.products import also_from, is_whole, kept, seal, sums_path


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mirror]:
    """The same run as a machine of some name has it: each has a cache of its own, and all reach one store."""

    def on(machine: str) -> Mirror:
        monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / machine))
        return Mirror(f"file://{tmp_path}/store", "tiny")

    return on


def model(mirror: Mirror, name: str = "mono", text: str = "weights") -> Path:
    folder = mirror.folder / "models" / name
    (folder / "inner").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "inner" / "weights").write_text(text)
    seal(folder)
    return folder


def test_a_product_of_one_machine_is_read_on_another(at: Callable[[str], Mirror]) -> None:
    one = at("one")
    made = model(one)
    (one.folder / "scores.csv").write_text("x")
    seal(one.folder / "scores.csv")
    assert one.send() == ["models/.mono.sum"]  # what lies at the top changes from run to run, and is the driver's
    assert one.send() == []
    two = at("two")
    assert two.folder != one.folder
    there = two.folder / "models" / "mono"
    assert not is_whole(there)
    with also_from(two.bring):
        assert is_whole(there) and not is_whole(two.folder / "models" / "cross")
        assert not is_whole(two.folder.parent / "passages")  # of the cache, which no store has
        found = kept(
            there, lambda _: pytest.fail("it is in the store"), lambda path: {one.name for one in path.iterdir()}
        )
        assert found == {"config.json", "inner"}
    assert (there / "inner" / "weights").read_text() == (made / "inner" / "weights").read_text()
    assert sums_path(there).read_bytes() == sums_path(made).read_bytes()
    assert two.send() == []  # it is known to be there


def test_everything_is_sent_and_products_are_brought(at: Callable[[str], Mirror], tmp_path: Path) -> None:
    one = at("one")
    with mirrored(one.store, "tiny", leave=("corpus",)) as mirror:
        assert mirror is not None
        model(mirror)
        for name in ("scores.csv", "report/index.html", "notebooks/01.stamp", "corpus/a/rows", ".tmp/x"):
            (mirror.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (mirror.folder / name).write_text("x")
        seal(mirror.folder / "scores.csv")
    found = {path.relative_to(tmp_path / "store" / "tiny").as_posix() for path in (tmp_path / "store").rglob("*")}
    assert {"scores.csv", ".scores.csv.sum", "report/index.html", "models/.mono.sum"} <= found
    # a stamp says that this machine's notebooks are up to date; a corpus is made of the data files
    assert not {"notebooks/01.stamp", "corpus", ".tmp"} & found
    two = at("two")
    with mirrored(two.store, "tiny"):
        assert is_whole(two.folder / "models" / "mono") and not (two.folder / "scores.csv").exists()


def test_what_is_half_written_is_not_there(at: Callable[[str], Mirror], monkeypatch: pytest.MonkeyPatch) -> None:
    one = at("one")
    model(one)
    monkeypatch.setattr(one._fs, "pipe_file", lambda *_: _stop())
    with pytest.raises(KeyboardInterrupt):  # as a kill between the files and their checksums
        one.send()
    two = at("two")
    two.bring_all()
    assert not two.bring(two.folder / "models" / "mono") and not (two.folder / "models").exists()


def _stop() -> None:
    raise KeyboardInterrupt


def test_damage_in_the_store_is_never_read(
    at: Callable[[str], Mirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = at("one")
    model(one)
    one.send()
    (tmp_path / "store" / "tiny" / "models" / "mono" / "inner" / "weights").write_text("WEIGHTS")
    two = at("two")
    clock(monkeypatch)
    with pytest.raises(TroubleError, match="models/mono/inner/weights differs in the store from its checksum"):
        two.bring(two.folder / "models" / "mono")
    assert not (two.folder / "models" / "mono").exists()


def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that goes on only while somebody sleeps; returns the pauses."""
    pauses: list[float] = []
    monkeypatch.setattr(object_store.time, "monotonic", lambda: sum(pauses))
    monkeypatch.setattr(object_store.time, "sleep", pauses.append)
    return pauses


def failing(pauses: list[float], seconds: float, works: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    def ask(*words: Any, **more: Any) -> Any:
        if sum(pauses) < seconds:
            raise error
        return works(*words, **more)

    return ask


def test_a_store_that_fails_for_20_seconds_is_asked_again(
    at: Callable[[str], Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = at("one")
    model(one)
    pauses = clock(monkeypatch)
    monkeypatch.setattr(one._fs, "put_file", failing(pauses, 20, one._fs.put_file, ConnectionError("refused")))
    assert one.send() == ["models/.mono.sum"]
    assert 20 <= sum(pauses) < 40
    two = at("two")
    assert two.bring(two.folder / "models" / "mono")


def test_a_store_that_fails_for_longer_is_an_error_with_its_address(
    at: Callable[[str], Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = at("one")
    model(one)
    pauses = clock(monkeypatch)
    monkeypatch.setattr(one._fs, "put_file", failing(pauses, 1e9, one._fs.put_file, ConnectionError("refused")))
    with pytest.raises(TroubleError, match=f"{one.url}: the store has failed for 60 s .*refused.*finished is kept"):
        one.send()
    assert PATIENCE / 2 < sum(pauses) <= PATIENCE


def test_a_refusal_and_a_full_disk_are_not_asked_again(
    at: Callable[[str], Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = at("one")
    model(one)
    pauses = clock(monkeypatch)
    monkeypatch.setattr(one._fs, "put_file", failing(pauses, 1, one._fs.put_file, PermissionError("403")))
    with pytest.raises(InputError, match="access is refused .*403.*; check the credentials"):
        one.send()
    monkeypatch.setattr(one._fs, "put_file", failing(pauses, 1, one._fs.put_file, OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        one.send()
    assert not pauses


def test_a_product_that_is_removed_meanwhile_is_left_out(
    at: Callable[[str], Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = at("one")
    (model(one) / "config.json").unlink()  # embeddings of a model whose ranks are all that is kept
    model(one, "cross")
    assert one.send() == ["models/.cross.sum"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://mine/runs", r"s3 needs a package; run `pip install s3fs`"),
        ("nonsense://mine", "nonsense://mine/tiny: not the address of a store"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(InputError, match=message):
        Mirror(url, "tiny")


def test_runs_in_a_store_have_a_copy_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("HYBRIDKIT_RUNS", "s3://mine/runs/")
    assert runs_store() == "s3://mine/runs"
    assert runs_folder().parent == tmp_path / "stores"
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path))
    assert runs_store() is None and runs_folder() == tmp_path
