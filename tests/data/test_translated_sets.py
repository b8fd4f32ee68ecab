"""Rows out of files in SQuAD's and XNLI's formats: joined on ids, counted or refused where they do not fit."""

import json
import logging
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.data.sources.fetch import fetch
from hybridkit.data.sources.open_rows import open_corpus, open_rows_source, source_hashes
from hybridkit.data.sources.registry import data_set
from hybridkit.data.sources.translated_sets import boundaries
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.files import sha256_file

# Two paragraphs of one article; the second question's answer stands in the second sentence of the first paragraph.
ENGLISH = [
    ("Lima is in Peru. It has a port.", [("q1", "Where is Lima?", "Peru", 11), ("q2", "What has it?", "a port", 24)]),
    ("Oslo is cold.", [("q3", "How is Oslo?", "cold", 8)]),
]
GERMAN = [
    # q1's offset is off by two; q2's answer is nowhere
    (
        "Lima liegt in Peru. Es hat Häfen.",
        [("q1", "Wo liegt Lima?", "Peru", 16), ("q2", "Was hat es?", "einen Hafen", 3)],
    ),
    ("Oslo ist kalt.", [("q3", "Wie ist Oslo?", "kalt", 9)]),
]


def squad(paragraphs: Iterable[Any], **more: Any) -> dict[str, Any]:
    return {
        "data": [
            {
                "title": "Cities",
                "paragraphs": [
                    {
                        "context": text,
                        "qas": [
                            {"id": i, "question": q, "answers": [{"text": a, "answer_start": s}]}
                            for i, q, a, s in asked
                        ],
                    }
                    for text, asked in paragraphs
                ],
            }
        ],
        **more,
    }


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the user's, and an empty cache."""
    folder = tmp_path / "data"
    monkeypatch.setenv("HYBRIDKIT_DATA", str(folder))
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def translated(data: Path) -> Path:
    """English and German of SQuAD's translated training part."""
    folder = data / "squad-translate-train"
    folder.mkdir(parents=True)
    (folder / "train-v1.1.json").write_text(json.dumps(squad(ENGLISH, version="1.1")))
    (folder / "squad.translate.train.en-de.json").write_text(json.dumps({"version": "1.1", **squad(GERMAN)}))
    return folder


def by_id(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.id: row for row in rows}


def test_squad_is_joined_on_ids_sentence_by_sentence(translated: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hybridkit")
    rows = by_id(open_rows_source("squad-translate-train[en,de]"))
    assert list(rows) == ["q1", "q2", "q3"]
    assert rows["q1"].query == {"en": "Where is Lima?", "de": "Wo liegt Lima?"}
    assert rows["q1"].passage == {"en": "Lima is in Peru.", "de": "Lima liegt in Peru."}
    assert rows["q2"].query == {"en": "What has it?"}
    assert rows["q2"].passage == {"en": "It has a port."}
    assert rows["q3"].passage == {"en": "Oslo is cold.", "de": "Oslo ist kalt."}
    assert len({row.passage_id for row in rows.values()}) == 3
    assert "squad-translate-train, de: 1 of 3 questions dropped" in caplog.text
    assert "1 of 3 questions are not known in all of the languages" in caplog.text


def test_squad_by_paragraph_shares_the_passage_id(translated: Path) -> None:
    rows = by_id(open_rows_source("squad-translate-train[paragraph,en,de]"))
    assert rows["q1"].passage["en"] == rows["q2"].passage["en"] == ENGLISH[0][0]
    assert rows["q1"].passage_id == rows["q2"].passage_id != rows["q3"].passage_id
    corpus = open_corpus(["squad-translate-train[paragraph,en,de]"])
    assert corpus.group[0] == corpus.group[1] != corpus.group[2]


def test_a_corpus_of_a_source_is_that_of_its_rows(translated: Path, parallel_rows: Path) -> None:
    name = "squad-translate-train[de]"
    corpus = open_corpus([name])
    assert corpus.fingerprint == ParallelCorpus.from_rows(open_rows_source(name)).fingerprint
    pooled = open_corpus([name, parallel_rows])
    assert len(pooled) == 2 + 60
    assert pooled.ids[:1].tolist() == [f"{name}/q1"]
    assert pooled.ids[-1:].tolist() == ["mine/59"]
    file = "squad-translate-train/squad.translate.train.en-de.json"
    hashes = {f"{name}: {file}": sha256_file(translated.parent / file), "mine.jsonl": sha256_file(parallel_rows)}
    assert source_hashes([name, parallel_rows]) == hashes


def test_what_is_asked_of_a_source_is_checked(data: Path) -> None:
    with pytest.raises(InputError, match=r"'fi' is not an option of squad-translate-train; it takes en, ar"):
        open_rows_source("squad-translate-train[fi]")
    with pytest.raises(InputError, match="it takes nothing in brackets"):
        data_set("mlqa-test[de]")
    with pytest.raises(InputError, match="no such file, and no data set of rows; the kit knows .*miracl-train"):
        open_rows_source("squat")
    assert data_set("squad-translate-train[paragraph]").files == data_set("squad-translate-train").files


def test_nowhere_is_one_error(data: Path) -> None:
    with pytest.raises(
        MissingDataError, match=r"en-de\.json is not in .*hybridkit data fetch squad-translate-train\[de\]"
    ):
        open_rows_source("squad-translate-train[de]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(squad(ENGLISH))[:-40], "not whole JSON"),
        ("", "not whole JSON, at its beginning"),
        ('{"rows": []}', "no articles"),
        ('{"data": {"a": 1}}', "no articles"),
        ('{"data": [5]}', r"data\[0\]\.paragraphs: missing"),
        ('{"data": [{"paragraphs": [{"context": 3}]}]}', r"paragraphs\[0\]\.qas: missing"),
        (json.dumps(squad([("A b.", [("q", 7, "b", 2)])])), r"qas\[0\]\.question: missing, or not a str"),
        (json.dumps(squad([("A b.", [("q", "A?", "b", "2")])])), r"answers\[0\]\.answer_start: missing, or not a int"),
    ],
)
def test_json_of_another_shape_is_named(translated: Path, text: str, message: str) -> None:
    (translated / "train-v1.1.json").write_text(text)
    with pytest.raises(InputError, match=rf"train-v1\.1\.json: .*{message}"):
        list(open_rows_source("squad-translate-train[en]"))


def test_a_file_without_a_single_answer_is_refused(translated: Path) -> None:
    (translated / "train-v1.1.json").write_text(json.dumps(squad([("A b.", [("q", "A?", "c", 2)])])))
    with pytest.raises(InputError, match=r"squad-translate-train\[en\]: its files hold no usable row"):
        list(open_rows_source("squad-translate-train[en]"))


def test_sentences_are_mostly_those_of_lareqa(real_data: Path) -> None:
    """XQuAD-R's breaks come from another splitter; ours find the same sentence around an answer nearly always."""
    for language, least in (("en", 0.95), ("de", 0.92), ("ar", 0.95), ("zh", 0.94), ("hi", 0.93), ("ru", 0.92)):
        same = total = 0
        for article in json.loads((real_data / "xquad-r" / f"{language}.json").read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                text, spans = paragraph["context"], boundaries(paragraph["context"], language)
                for question in paragraph["qas"]:
                    start = question["answers"][0]["answer_start"]
                    theirs = next((text[a:b] for a, b in paragraph["sentence_breaks"] if start < b), "")
                    ours = next((text[a:b] for a, b in spans if start < b), "")
                    same, total = same + (theirs.strip() == ours.strip()), total + 1
        assert total == 1190
        assert same / total > least, language


def mlqa_zip(path: Path, change: Callable[[str, dict[str, Any]], Any] = lambda _, value: value) -> None:
    """English and German, test and dev; q1 is asked in both, q2 in English only; each has its own context files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {"en": ENGLISH[0][0], "de": GERMAN[0][0]}
    answers = {("en", "q1"): ("Peru", 11), ("de", "q1"): ("Peru", 14), ("en", "q2"): ("a port", 24)}
    questions = {("en", "q1"): "Where is Lima?", ("de", "q1"): "Wo liegt Lima?", ("en", "q2"): "What has it?"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("MLQA_V1/README.md", "MLQA")
        for split in ("dev", "test"):
            for context in ("en", "de"):
                for asked in ("en", "de"):
                    both = [q for q in ("q1", "q2") if (context, q) in answers and (asked, q) in questions]
                    rows = [(f"{split}{q}", questions[asked, q], *answers[context, q]) for q in both]
                    name = f"MLQA_V1/{split}/{split}-context-{context}-question-{asked}.json"
                    archive.writestr(name, json.dumps(change(name, squad([(texts[context], rows)], version=1.0))))


def test_mlqa_is_read_from_its_archive(data: Path) -> None:
    mlqa_zip(data / "mlqa" / "MLQA_V1.zip")
    rows = by_id(open_rows_source("mlqa[en,de]"))
    assert list(rows) == ["test:testq1", "test:testq2"]
    assert rows["test:testq1"].query == {"en": "Where is Lima?", "de": "Wo liegt Lima?"}
    assert rows["test:testq1"].passage == {"en": "Lima is in Peru.", "de": "Lima liegt in Peru."}
    assert rows["test:testq2"].passage == {"en": "It has a port."}
    assert list(by_id(open_rows_source("mlqa[dev,de]"))) == ["dev:devq1"]
    assert len(list(open_rows_source("mlqa[dev,test,en]"))) == 4
    assert list((data / "mlqa").iterdir()) == [data / "mlqa" / "MLQA_V1.zip"]


def test_a_question_of_another_language_stands_beside_any_context(data: Path) -> None:
    # only the members of different languages know q9: German question, English context
    def change(name: str, value: dict[str, Any]) -> dict[str, Any]:
        if name.endswith("test-context-en-question-de.json"):
            value["data"][0]["paragraphs"][0]["qas"].append(
                {"id": "q9", "question": "Wo?", "answers": [{"text": "port", "answer_start": 26}]}
            )
        return value

    mlqa_zip(data / "mlqa" / "MLQA_V1.zip", change)
    row = by_id(open_rows_source("mlqa[en,de]"))["test:q9"]
    assert (row.query, row.passage) == ({"de": "Wo?"}, {"en": "It has a port."})


def test_archives_that_are_not_whole(data: Path) -> None:
    path = data / "mlqa" / "MLQA_V1.zip"
    mlqa_zip(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"MLQA_V1\.zip: not a whole zip archive.*hybridkit data fetch mlqa"):
        list(open_rows_source("mlqa[en]"))
    at = whole.index(b"context-en-question-en.json", whole.index(b"MLQA_V1/test")) + 60
    path.write_bytes(whole[:at] + bytes(byte ^ 255 for byte in whole[at : at + 8]) + whole[at + 8 :])
    with pytest.raises(InputError, match=r"MLQA_V1\.zip: not a whole zip archive, cut short or damaged"):
        list(open_rows_source("mlqa[en]"))
    path.write_bytes(whole)
    with pytest.raises(InputError, match=r"no member MLQA_V1/test/test-context-es-question-es\.json, but MLQA_V1/"):
        list(open_rows_source("mlqa[es]"))
    for name in ("../outside.json", "/etc/outside.json", "a\\..\\..\\outside.json"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "{}")
        with pytest.raises(InputError, match=r"leads out of the archive"):
            list(open_rows_source("mlqa[en]"))


HEADER = [
    "language",
    "gold_label",
    "sentence1_binary_parse",
    "sentence2_binary_parse",
    "sentence1_parse",
    "sentence2_parse",
    "sentence1",
    "sentence2",
    "promptID",
    "pairID",
    "genre",
    "label1",
    "label2",
    "label3",
    "label4",
    "label5",
    "sentence1_tokenized",
    "sentence2_tokenized",
    "match",
]


def xnli_line(language: str, label: str, premise: str, hypothesis: str, pair: int) -> str:
    cells = dict.fromkeys(HEADER, "") | {
        "language": language,
        "gold_label": label,
        "sentence1": premise,
        "sentence2": hypothesis,
        "promptID": "1",
        "pairID": str(pair),
        "genre": "facetoface",
        "match": "True",
    }
    return "\t".join(cells[name] for name in HEADER)


def xnli_zip(folder: Path, lines: list[str] | None = None) -> None:
    given = lines or [
        xnli_line("bg", "neutral", "И той каза", "Той се обади", 1),
        xnli_line("de", "entailment", 'Er sagte "Mama.', "Er sprach.", 2),
        xnli_line("en", "neutral", "And he said", "He called", 1),
        xnli_line("en", "entailment", 'And he said, "Mama.', "He spoke.", 2),
        xnli_line("en", "entailment", 'And he said, "Mama.', "He was there.", 3),
    ]
    (folder / "xnli").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "xnli" / "XNLI-1.0.zip", "w") as archive:
        for split in ("dev", "test"):
            archive.writestr(f"XNLI-1.0/xnli.{split}.tsv", "\n".join(["\t".join(HEADER), *given]) + "\n")
            archive.writestr(f"__MACOSX/XNLI-1.0/._xnli.{split}.tsv", "x")


def test_xnli_gives_entailed_hypotheses_as_queries(data: Path) -> None:
    xnli_zip(data)
    rows = by_id(open_rows_source("xnli"))
    assert list(rows) == ["dev:2", "dev:3", "test:2", "test:3"]
    assert rows["dev:2"].query == {"de": "Er sprach.", "en": "He spoke."}
    assert rows["dev:2"].passage == {"de": 'Er sagte "Mama.', "en": 'And he said, "Mama.'}
    assert rows["dev:2"].passage_id == rows["test:3"].passage_id
    assert rows["dev:3"].query == {"en": "He was there."}
    assert [row.id for row in open_rows_source("xnli[test,de]")] == ["test:2"]


def test_the_15way_corpus_gives_the_languages(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    xnli_zip(data)
    sentences = {
        "en": ['And he said, "Mama.', "He spoke."],
        "sw": ["Naye akasema, Mama.", "Alizungumza."],
        "th": ["เขาพูด", ""],
    }
    lines = ["\t".join(sentences), *("\t".join(cells) for cells in zip(*sentences.values(), strict=True))]
    with zipfile.ZipFile(data / "xnli" / "XNLI-15way.zip", "w") as archive:
        archive.writestr("XNLI-15way/xnli.15way.orig.tsv", "\n".join(lines) + "\n")
    caplog.set_level(logging.INFO, "hybridkit")
    rows = by_id(open_rows_source("xnli-15way[en,sw,th,test]"))
    assert list(rows) == ["test:2"]
    assert rows["test:2"].query == {"en": "He spoke.", "sw": "Alizungumza."}
    assert rows["test:2"].passage == {"en": 'And he said, "Mama.', "sw": "Naye akasema, Mama."}
    assert "1 pairs dropped" in caplog.text
    with pytest.raises(InputError, match=r"line 1: no column 'ar' in the header; it has en, sw, th"):
        list(open_rows_source("xnli-15way"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("de\tentailment", r"xnli\.dev\.tsv, line 2: 2 columns, not the 19 of the header"),
        (xnli_line("de", "maybe", "A.", "B.", 2), r"line 2: 'de' and 'maybe' must be a language and a label"),
        (xnli_line("xx", "neutral", "A.", "B.", 2), "line 2: 'xx' and 'neutral'"),
        (xnli_line("de", "entailment", "A.", " ", 2), "line 2: an empty sentence"),
        (xnli_line("de", "neutral", "A.", "B.", 2), "xnli: its files hold no usable row"),
    ],
)
def test_tables_of_another_shape_are_named(data: Path, line: str, message: str) -> None:
    xnli_zip(data, [line])
    with pytest.raises(InputError, match=message):
        list(open_rows_source("xnli"))


def test_what_fetch_put_into_the_cache_is_known_by_its_recorded_hash(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xnli_zip(tmp_path / "elsewhere")
    got = tmp_path / "elsewhere" / "xnli" / "XNLI-1.0.zip"
    monkeypatch.setattr("hybridkit.data.sources.fetch.sizes", lambda _: {})
    monkeypatch.setattr(
        "hybridkit.data.sources.fetch.download", lambda _, part, __: (part.parent.mkdir(parents=True), got.rename(part))
    )
    (row,) = fetch(data_set("xnli")).to_dict("records")
    monkeypatch.setattr("hybridkit.data.sources.open_rows.sha256_file", None)
    assert source_hashes(["xnli"]) == {"xnli: xnli/XNLI-1.0.zip": row["sha256"]}
