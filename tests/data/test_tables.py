"""Rows from CSV, TSV, parquet, flat JSON lines and the hub: the same rows as JSON lines, errors with file and line."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridkit.cli import main
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row, read_rows
from hybridkit.data.sources.hub_rows import HubRows
from hybridkit.data.sources.open_benchmarks import base_name, open_benchmark
from hybridkit.data.sources.open_rows import check_rows, file_of, open_corpus, source_hashes
from hybridkit.errors import InputError, MissingDataError

ROWS = [
    Row("a", "p", "a", {"de": 'Wer, "du"?', "en": "Who,\nyou?"}, {"de": "Sie.", "en": "She."}, {}),
    Row("b", "b", "b", {"en": "What;\t?"}, {"de": "Das."}, {"de": "Nein."}),
]
COLUMNS = ["id", "passage_id", "query.de", "query.en", "passage.de", "passage.en", "negative.de"]


def cells(row: Row) -> list[str]:
    sides = {side: getattr(row, side) for side in ("query", "passage", "negative")}
    return [row.id, "" if row.passage_id == row.id else row.passage_id] + [
        sides[name.split(".")[0]].get(name.split(".")[1], "") for name in COLUMNS[2:]
    ]


def table(path: Path, separator: str) -> Path:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([COLUMNS, *map(cells, ROWS)])
    path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    return path


@pytest.mark.parametrize(("name", "separator"), [("m.csv", ","), ("m.tsv", "\t"), ("m.csv", ";"), ("m.CSV", ",")])
def test_cells_are_the_rows_of_json_lines(tmp_path: Path, name: str, separator: str) -> None:
    assert list(read_rows(table(tmp_path / name, separator))) == ROWS


def test_packed_tables_are_read(tmp_path: Path) -> None:
    path = table(tmp_path / "m.tsv", "\t")
    (tmp_path / "m.tsv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_rows(tmp_path / "m.tsv.gz")) == ROWS
    assert ParallelCorpus.from_jsonl(path).fingerprint == open_corpus([tmp_path / "m.tsv.gz"]).fingerprint


def test_parquet_has_texts_by_language_or_a_column_for_each(tmp_path: Path) -> None:
    flat = pa.table({name: [cells(row)[n] or None for row in ROWS] for n, name in enumerate(COLUMNS)})
    pq.write_table(flat, tmp_path / "flat.parquet")
    assert list(read_rows(tmp_path / "flat.parquet")) == ROWS
    sides = {side: [dict(getattr(row, side)) or None for row in ROWS] for side in ("query", "passage", "negative")}
    nested = pa.table({"id": ["a", "b"], "passage_id": ["p", "b"], **sides})
    pq.write_table(nested, tmp_path / "nested.parquet")
    assert list(read_rows(tmp_path / "nested.parquet")) == ROWS


def test_columns_of_other_people_are_named_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        {"nr": 7, "frage": "Wer?", "answer": {"text": "Sie."}, "tags": []},
        {"nr": 8, "frage": "x", "answer": {"text": "y"}},
    ]
    Path("faq.jsonl").write_text("\n".join(map(json.dumps, lines)))
    name = "faq.jsonl[query.de=frage, passage.de=answer.text, id=nr]"
    expected = Row("7", "7", "7", {"de": "Wer?"}, {"de": "Sie."}, {})
    assert next(file_of(name).rows()) == expected
    assert source_hashes([name]).keys() == {"faq.jsonl [query.de=frage,passage.de=answer.text,id=nr]"}
    assert check_rows(name).rows == 2
    # one row a language, and no id: it is the number
    Path("long.csv").write_text("lang,q,a\nde,Wer?,Sie.\nen,Who?,She.\n")
    rows = list(file_of("long.csv[query=q,passage=a,language=lang]").rows("x/"))
    assert [(row.id, *row.query.items()) for row in rows] == [("x/1", ("de", "Wer?")), ("x/2", ("en", "Who?"))]


def test_a_table_is_a_benchmark_too_with_a_subset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("faq.csv").write_text("q,d,a\n" + "".join(f"who {n}?,wer {n}?,she {n}\n" for n in range(4)))
    name = "faq.csv[query.en=q,query.de=d,passage.en=a]"
    assert base_name(f"{name[:-1]},1:]") == name
    whole = open_benchmark(name)
    assert (whole.name, len(whole.queries), len(whole.passages)) == ("faq", 8, 4)
    assert len(open_benchmark(f"{name[:-1]},1:]").queries) == 6
    assert main(["data", "check", name, "--json", "found.json"]) == 0
    assert json.loads(Path("found.json").read_text())["rows"] == 4


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("id,query.en,passage.en\n1,a\n", "m.csv", r"m.csv, line 2: 2 cells, and the first line has 3"),
        ('id,query.en,passage.en\n1,"a\nb",c\n2,d\n', "m.csv", r"m.csv, line 4: 2 cells"),
        ("id,query.en,passage.en\n1,a,b\n1,c,d\n", "m.csv", r"line 3: the id '1' is on line 2 already"),
        ("id,query.en,passage.en\n1,,b\n", "m.csv", r"line 2: no text in query.en, so that the row has no query"),
        ("id,query.en,passage.en\n,a,b\n", "m.csv", r"line 2: id is ''; give a text that is not empty"),
        ("id,qury.en,passage.en\n1,a,b\n", "m.csv", r"unknown column 'qury.en' \(did you mean query.en\?\).*say which"),
        ("id,query.en,query.en\n1,a,b\n", "m.csv", r"line 1: two columns are called 'query.en'"),
        ("id,query.en\n1,a\n", "m.csv", r"no column is the passage; name one, as in passage.en=COLUMN"),
        ("q,a\nx,y\n", "m.csv[query.en=q,passage.en=b]", r"line 2: no column 'b'; there are q, a"),
        ("q,a\nx,y\n", "m.csv[query.en=q]", r"no column is the passage"),
        ("q,a\nx,y\n", "m.csv[query=q,passage=a]", r"line 2: q is not a mapping of languages to texts; give its lang"),
        ("q,a\nx,y\n", "m.csv[q]", r"'q' is not KEY=COLUMN"),
        ("q,a\nx,y\n", "m.csv[query.xx-yy-zz=q,passage.en=a]", r"line 2, query: "),
        ('q,a\n"x" y,z\n', "m.csv[query.en=q,passage.en=a]", r"line 2: .*write a double quote in a quoted cell twice"),
        ('q,a\n"x,z\n', "m.csv[query.en=q,passage.en=a]", r"m.csv, line 2: unexpected end of data"),
        ("", "m.csv", r"the first line must name the columns"),
        ("id,query.en,passage.en\n", "m.csv", r"the file holds no row; give at least one below the names"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        list(file_of(name).rows())


def test_a_parquet_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"query.en": ["a"] * 99, "passage.en": ["b"] * 99}), path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="m.parquet, after row 0: not a whole parquet file"):
        list(read_rows(path))


NAME = "hf:me/faq[config=de,split=test,query.de=frage,passage.de=antwort.text,id=nr]"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A data set in the hub's layout; gives the revisions that were asked for."""
    import datasets
    import huggingface_hub

    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    home = tmp_path / "faq"
    (home / "de").mkdir(parents=True)
    (home / "README.md").write_text(
        "---\nconfigs:\n- config_name: de\n  data_files:\n  - split: test\n    path: de/test-*.parquet\n---\n"
    )
    rows = [{"nr": n, "frage": f"wer ist {n}?", "antwort": {"text": f"sie {n}"}, "bild": "x"} for n in range(5)]
    pq.write_table(pa.Table.from_pylist(rows), home / "de" / "test-0.parquet")
    asked: list[str] = []
    load = datasets.load_dataset

    def info(_: Any, repository: str, revision: str | None = None) -> SimpleNamespace:
        if repository != "me/faq":
            raise OSError(f"no data set {repository}")
        return SimpleNamespace(sha=revision or "c0ffee")

    def local(repository: str, config: str | None, *, split: str, revision: str, streaming: bool) -> Any:
        assert streaming
        asked.append(revision)
        return load(str(tmp_path / repository.split("/")[1]), config, split=split, streaming=True)

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "load_dataset", local)
    return asked


def test_rows_of_the_hub_are_streamed_once_at_a_recorded_revision(hub: list[str], tmp_path: Path) -> None:
    corpus = open_corpus([NAME])
    assert len(corpus) == 5 and corpus.query_text(2, "de") == "wer ist 2?" and corpus.ids[2] == "2"
    assert corpus.passage_text(2, "de") == "sie 2"
    assert source_hashes([NAME]).keys() == {"faq-de-test.jsonl hf:me/faq@c0ffee"}
    assert len(open_benchmark(NAME).queries) == 5 and open_benchmark(NAME).name == "faq-de-test"
    assert hub == ["c0ffee"]  # once
    (lock,) = json.loads((tmp_path / "cache" / "data.lock.json").read_text().replace("hub/", "")).values()
    assert lock["revision"] == "c0ffee" and lock["address"] == "hf:me/faq"
    # gone from the cache, it is read again at the recorded revision, and must be the same
    HubRows.of(NAME).file.unlink()
    assert open_corpus([NAME]).fingerprint == corpus.fingerprint and hub[1:] == ["c0ffee"]
    HubRows.of(NAME).file.unlink()
    rows = [{"nr": n, "frage": f"was ist {n}?", "antwort": {"text": f"sie {n}"}} for n in range(5)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "faq" / "de" / "test-0.parquet")
    with pytest.raises(InputError, match="at revision c0ffee its rows are not those of before"):
        open_corpus([NAME])
    assert not HubRows.of(NAME).file.exists()


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:me/none[query.de=a,passage.de=b]", r"cannot be read from the hub \(no data set me/none\)"),
        (NAME.replace("split=test", "split=train"), r"cannot be read from the hub .*train.*; check name, config="),
        (NAME.replace("=frage", "=frag"), r"row 1: no column 'frag' \(did you mean frage\?\)"),
        ("hf:me/faq[config=de,split=test]", r"unknown column 'nr'.* say which column is what"),
        ("hf:../faq[config=de]", r"is not a name of the hub; write hf:OWNER/NAME"),
    ],
)
def test_what_the_hub_does_not_have_is_told(name: str, message: str) -> None:
    with pytest.raises((InputError, MissingDataError), match=message):
        open_corpus([name])
