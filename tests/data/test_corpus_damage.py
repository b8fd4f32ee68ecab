"""A corpus folder that is damaged is never read as other texts; one that the kit keeps is made anew."""

import json
import logging
import os
import random
import shutil
from pathlib import Path

import pytest

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.data.sources import open_rows
from hybridkit.data.sources.open_rows import check_rows, kept_corpus, open_corpus
from hybridkit.errors import InputError
from hybridkit.utils import files, products
from hybridkit.utils.products import INDEX, DamagedError
from tests.corpus_values import look

ROWS = [
    Row(
        f"r{n}",
        f"p{n // 2}",
        f"q{n}",
        {"en": f"Who is {n}?", "de": f"Wer ist {n}?"},
        {"en": f"She, {n}."},
        {"en": f"He, {n}."} if n % 3 else {},
    )
    for n in range(12)
]
LINES = "".join(
    f'{{"id": "{n}", "query": {{"en": "Who is {n}?"}}, "passage": {{"de": "Sie, {n}."}}}}\n' for n in range(9)
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage") / "sound"
    ParallelCorpus.from_rows(ROWS).save(folder)
    return folder


FILES = (
    INDEX,
    "group.npy",
    "negative.en.arrow",
    "negative.npy",
    "negative_group.npy",
    "passage.en.arrow",
    "passage.npy",
    "query.de.arrow",
    "query.en.arrow",
    "query.npy",
    "rows.arrow",
)


def damaged(content: bytes, chance: random.Random) -> list[bytes]:
    """A file emptied, halved, zeroed, as noise, and with each of many single bits flipped."""
    found = [b"", content[: len(content) // 2], bytes(len(content)), chance.randbytes(len(content))]
    for _ in range(40):
        bits = bytearray(content)
        bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
        found.append(bytes(bits))
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_damage_is_one_error_that_names_the_file(sound: Path, tmp_path: Path, name: str) -> None:
    folder, chance = tmp_path / "corpus", random.Random(name)
    assert sorted(path.name for path in sound.iterdir()) == sorted(FILES)
    shutil.copytree(sound, folder)
    content, want = (sound / name).read_bytes(), look(ParallelCorpus.open(folder))
    errors = 0
    for bad in damaged(content, chance):
        (folder / name).write_bytes(bad)
        try:
            assert look(ParallelCorpus.open(folder)) == want  # say, a space in the index
        except DamagedError as error:
            errors += 1
            assert "cannot be read" in str(error) and f"delete the folder {folder} and make it again" in str(error)
            assert name == INDEX or str(folder / name) in str(error)
    assert errors == 44 if name != INDEX else errors >= 25
    (folder / name).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        ParallelCorpus.open(folder)


def test_a_large_file_is_trusted_unless_it_is_newer_than_the_index(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(sound, folder, copy_function=shutil.copy2)  # with their times
    read: list[Path] = []
    whole = files.checksum
    monkeypatch.setattr(products, "checksum", lambda path: read.append(path) or whole(path))
    monkeypatch.setattr(products, "_TRUSTED", 1000)
    large = {name for name in FILES if (folder / name).stat().st_size >= 1000 and name != INDEX}
    ParallelCorpus.open(folder)
    assert large and {path.name for path in read} == {*FILES} - large - {INDEX}
    ParallelCorpus.open(folder)
    assert len(read) == len(FILES) - 1 - len(large)  # nothing is read twice by one process
    os.utime(folder / min(large), ns=(2**62, 2**62))  # newer than the index
    ParallelCorpus.open(folder)
    assert read[-1].name == min(large)


def test_what_the_kit_keeps_is_made_anew(sound: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine.jsonl").write_text(LINES)
    folder, names = tmp_path / "kept", [tmp_path / "mine.jsonl"]
    caplog.set_level(logging.WARNING, logger="hybridkit")
    want = look(kept_corpus(folder, names))
    assert want == look(open_corpus(names)) and not caplog.records
    text = folder / "query.en.arrow"
    text.write_bytes(text.read_bytes().replace(b"Who is 3?", b"Who is 8?"))
    assert look(kept_corpus(folder, names)) == want
    assert [record.getMessage() for record in caplog.records] == [
        f"{text}: cannot be read (its bytes are not those that were written); it is removed and its rows are read again"
    ]
    caplog.clear()
    (folder / INDEX).unlink()
    assert look(kept_corpus(folder, names)) == want
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder / INDEX}: cannot be read (it is missing); it is removed and its rows are read again"
    ]
    caplog.clear()
    assert look(kept_corpus(folder, names)) == want and not caplog.records


def test_a_large_file_is_streamed_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.jsonl").write_text(LINES)
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    want = look(open_corpus([tmp_path / "mine.jsonl"]))
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(open_rows, "_IN_MEMORY", 100)
    assert look(open_corpus([tmp_path / "mine.jsonl"])) == want
    assert len(list((tmp_path / "cache" / "corpora").iterdir())) == 1
    assert check_rows(tmp_path / "mine.jsonl").passages == 9
    (tmp_path / "other.jsonl").write_text(LINES)
    one, other = tmp_path / "mine.jsonl", tmp_path / "other.jsonl"
    assert open_corpus([one, other]).ids.tolist()[0] == "mine/0"
    assert open_corpus([other, one]).ids.tolist()[0] == "other/0"  # the order of files is that of the rows


@pytest.mark.parametrize("name", ["../mine.jsonl", "/etc/hosts", "..", "", "a/b"])
def test_an_index_that_leads_out_of_its_folder_is_no_index(sound: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(sound, tmp_path / "corpus")
    (folder / INDEX).write_text(json.dumps({name: [3, "0" * 32]}))
    with pytest.raises(DamagedError, match=r"corpus/index.json: cannot be read .* delete the folder .*/corpus and"):
        ParallelCorpus.open(folder)
