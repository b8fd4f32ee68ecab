"""Parallel rows: what reads, and what every wrong line gets (file, line, what is wrong)."""

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from hybridkit.data.rows import Row, read_rows
from hybridkit.errors import InputError

GOOD = '{"id": "a", "query": {"en": "Who?"}, "passage": {"de": "Sie."}}'


def write(folder: Path, *lines: str) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def line(**changes: Any) -> str:
    return json.dumps({"id": "b", "query": {"en": "Where?"}, "passage": {"de": "Hier."}} | changes)


def test_ids_default_to_the_id_and_get_the_prefix(tmp_path: Path) -> None:
    path = write(tmp_path, line(id=7, query_id="q", negative={"de": "Dort."}), line(passage_id="p"))
    first, second = read_rows(path, "set/")
    assert first == Row("set/7", "set/7", "set/q", {"en": "Where?"}, {"de": "Hier."}, {"de": "Dort."})
    assert (second.id, second.passage_id, second.query_id) == ("set/b", "set/p", "set/b")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n\n", b"   \n"])
def test_bom_line_ends_and_blank_lines(tmp_path: Path, start: bytes, end: bytes) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(start + GOOD.encode() + (end or b"\n") + line().encode() + end)
    assert [row.id for row in read_rows(path)] == ["a", "b"]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("Who?", "Who\u2028\u0085is?"))
    assert next(read_rows(path)).query == {"en": "Who\u2028\u0085is?"}


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_read_and_broken_ones_are_named(tmp_path: Path, ending: str, pack: Any) -> None:
    lines = [GOOD, *(line(id=str(number), passage={"de": f"Text {number * 7919}"}) for number in range(2000))]
    whole = pack("\n".join(lines).encode())
    path = tmp_path / f"mine.jsonl{ending}"
    path.write_bytes(whole)
    assert len(list(read_rows(path))) == 2001
    middle = len(whole) // 2
    for broken in (whole[:middle], b"no archive at all", whole[:10] + b"\xff" * 200):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=rf"mine\.jsonl\{ending}.*cut short or damaged"):
            list(read_rows(path))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (line()[:40], "not a whole JSON object .* is the line cut short"),
        ("[1, 2]", "a row is a JSON object with id, query and passage, not list"),
        ("12", "a row is .* not int"),
        (line(qery={"en": "x"}), "unknown key 'qery'; a row has id, passage_id"),
        ('{"query": {"en": "x"}, "passage": {"en": "x"}}', "id is None"),
        (line(id=""), "id is ''"),
        (line(id="  "), "id is '  '"),
        (line(id=True), "id is True"),
        (line(passage_id=None), "passage_id is None"),
        ('{"id": "b", "passage": {"en": "x"}}', "query is None"),
        ('{"id": "b", "query": {"en": "x"}}', "passage is None"),
        (line(query={}), "query is {}"),
        (line(query="Where?"), "query is 'Where\\?'; give an object"),
        (line(query={"en": ""}), "the query in 'en' is empty"),
        (line(passage={"de": " \t"}), "the passage in 'de' is empty"),
        (line(passage={"de": None}), "the passage in 'de' is empty or not a text"),
        (line(passage={"de": 3}), "the passage in 'de' is empty or not a text"),
        (line(negative={"de": ""}), "the negative in 'de' is empty"),
        (line(negative={"de": "Hier."}), "the negative in 'de' equals the passage"),
        (line(query={"xx": "x"}), "query: 'xx' is not a language tag"),
        (line(passage={"DE": "x"}), "passage: 'DE' is not a language tag.*write 'de'"),
        (line(query={"english": "x"}), "query: 'english' is not a language tag"),
        ('{"id": "b", "query": {"en": "x", "en": "y"}, "passage": {"en": "x"}}', "the key 'en' is duplicated"),
        ('{"id": "b", "query": {"en" : "x", "en":"y"}, "passage": {"en": "x"}}', "the key 'en' is duplicated"),
        ('{"id": "b", "id"\t: "c", "query": {"en": "x"}, "passage": {"en": "x"}}', "the key 'id' is duplicated"),
        ('{"id": "b", "query": {"en": "a \\": b"}, "query": {"en": "x"}, "passage": {"en": "x"}}', "the key 'query'"),
        (
            '{"id": "b", "query": {"en": "\\ud83d"}, "passage": {"en": "x"}}',
            r"the query in 'en' holds half a char.*ud83d",
        ),
        ('{"id": "\\udc00", "query": {"en": "x"}, "passage": {"en": "x"}}', "id holds half a character"),
        (
            '{"id": ' + "9" * 5000 + ', "query": {"en": "x"}, "passage": {"en": "x"}}',
            "not a whole JSON object .*thousands of digits",
        ),
        ("[" * 200_000, "not a whole JSON object .*nested too deep"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(tmp_path: Path, bad: str, message: str) -> None:
    path = write(tmp_path, GOOD, bad)
    rows = read_rows(path)
    assert next(rows).id == "a"
    with pytest.raises(InputError, match=rf"mine\.jsonl, line 2(: |, ){message}"):
        next(rows)


def test_a_text_that_looks_like_a_key(tmp_path: Path) -> None:
    text = 'he said "en": "x", "en" : and {"id": 1}'
    assert next(read_rows(write(tmp_path, line(query={"en": text})))).query == {"en": text}


def test_an_id_that_stood_before(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, line(id=5), line(id="5"))
    with pytest.raises(InputError, match=r"line 3: the id '5' is on line 2 already"):
        list(read_rows(path, "set/"))


def test_bad_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + line().encode().replace(b"Hier", b"K\xf6ln") + b"\n")
    with pytest.raises(InputError, match=r"mine\.jsonl, line 2: not UTF-8 .*save the file as UTF-8"):
        list(read_rows(path))
    path.write_text(GOOD, encoding="utf-16")
    with pytest.raises(InputError, match="line 1: not UTF-8"):
        list(read_rows(path))


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_a_file_without_rows(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.jsonl: the file holds no row"):
        list(read_rows(path))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none.jsonl: there is no such file"):
        list(read_rows(tmp_path / "none.jsonl"))
    with pytest.raises(InputError, match="this is a folder"):
        list(read_rows(tmp_path))
