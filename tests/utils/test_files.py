"""Files are whole or absent, digests tell values apart, and named seeds give streams of their own."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hybridkit
from hybridkit.utils import files
from hybridkit.utils.files import atomic_folder, atomic_write, digest, sha256_file
from hybridkit.utils.seeds import generator

ROOT = str(Path(hybridkit.__file__).parents[1])


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    file, folder = tmp_path / "scores.csv", tmp_path / "model"
    file.write_text("old")
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(OSError, match="no space"), atomic_write(file) as temporary:
        temporary.write_text("half")
        raise OSError("no space left on device")
    with pytest.raises(KeyboardInterrupt), atomic_folder(folder) as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    assert [one.name for one in folder.iterdir()] == ["old"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model", "scores.csv"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with atomic_folder(tmp_path / "deep" / "model") as temporary:
            (temporary / name).touch()
    assert [one.name for one in (tmp_path / "deep" / "model").iterdir()] == ["second"]
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["model"]


def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    code = (
        f"import sys, time; sys.path.insert(0, {ROOT!r})\n"
        "from pathlib import Path; from hybridkit.utils.files import atomic_folder, atomic_write\n"
        f"home = Path({str(tmp_path)!r})\n"
        "with atomic_folder(home / 'model') as a, atomic_write(home / 'f') as b:\n"
        "    (a / 'half').touch(); b.write_text('half'); print('ready', flush=True); time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "f").exists()


def test_digest_tells_types_shapes_and_borders_apart() -> None:
    array = np.arange(6, dtype=np.int32)
    others = [array.astype(np.int64), array.reshape(2, 3), array + 1, array.tolist(), b"1", "0", 0, None, [], {}]
    assert len({digest(one) for one in [array, *others]}) == 1 + len(others)
    assert digest(array[::2]) == digest(np.array([0, 2, 4], dtype=np.int32))  # content, not memory layout
    assert digest("ä") == digest("ä") != digest("a\u0308")
    # run folders are keyed by it: SHA-256 over 8 bytes of length and the canonical JSON
    assert digest("a") == hashlib.sha256(b"\x03\0\0\0\0\0\0\0" + b'"a"').hexdigest()
    with pytest.raises(TypeError, match="tolist"):
        digest(np.array(["a"], dtype=object))


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert sha256_file(tmp_path / "abc") == known


def test_named_seeds_give_streams_of_their_own() -> None:
    names = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", "b"), (0, "ab"), (0, "a/b"), (0, "b", "a")]
    first = [float(generator(*name).random()) for name in names]
    assert len(set(first)) == len(names)
    assert first == [float(generator(*name).random()) for name in names]


def test_streams_are_the_same_in_another_process() -> None:
    code = f"import sys; sys.path.insert(0, {ROOT!r})\nfrom hybridkit.utils.seeds import generator\n"
    code += "print(generator(3, 'x').random())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert float(out) == generator(3, "x").random()


def test_what_another_machine_writes_stays_for_a_week(tmp_path: Path) -> None:
    dead = 2**22 + 1
    own, other = (tmp_path / f".model.{where}-{dead}.tmp" for where in (files.machine(), "01234567"))
    older = tmp_path / f".model.{dead}.tmp"  # of an earlier version
    for path in (own, other, older):
        path.mkdir()
    files.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [other]
    os.utime(other, (0, 0))
    files.remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
