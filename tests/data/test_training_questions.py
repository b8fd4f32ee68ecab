"""Mr. TyDi's and MIRACL's training parts: a row for every positive passage, with a judged negative."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hybridkit.data.sources.open_rows import open_corpus, open_rows_source
from hybridkit.data.sources.registry import data_set
from hybridkit.errors import InputError
from tests.data.test_collection_files import write


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the user's, and an empty cache."""
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def doc(name: str, title: str, text: str) -> dict[str, str]:
    return {"docid": name, "title": title, "text": text}


def asked(number: str, positives: list[Any], negatives: list[Any]) -> str:
    value = {"query_id": number, "query": f"Swali {number}?", "positive_passages": positives}
    return json.dumps(value | {"negative_passages": negatives}) + "\n"


def test_mr_tydi_gives_a_row_a_positive(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    lima, oslo, rome = doc("1#0", "Lima", "Mji."), doc("2#0", "Oslo", "Mji baridi."), doc("3#0", "", "Rumi.")
    text = (
        asked("7", [lima, oslo], [rome, doc("4#1", "Lima", "Mji.")]) + asked("8", [oslo], []) + asked("9", [], [rome])
    )
    write(data / "mr-tydi" / "mrtydi-v1.1-swahili" / "train.jsonl.gz", text)
    caplog.set_level(logging.INFO, "hybridkit")
    rows = list(open_rows_source("mr-tydi[sw]"))
    assert [(row.id, row.passage_id, row.query_id) for row in rows] == [
        ("sw:7:1#0", "sw:1#0", "sw:7"),
        ("sw:7:2#0", "sw:2#0", "sw:7"),
        ("sw:8:2#0", "sw:2#0", "sw:8"),
    ]
    assert rows[0].query == {"sw": "Swali 7?"}
    assert rows[0].passage == {"sw": "Lima Mji."}
    # the second negative has the text of a positive passage and is none
    assert [dict(row.negative) for row in rows] == [{"sw": "Rumi."}, {"sw": "Rumi."}, {}]
    assert "mr-tydi, sw: 1 questions have no positive passage" in caplog.text
    corpus = open_corpus(["mr-tydi[sw]"])
    assert len(set(corpus.group.tolist())) == 1, "the three share a question or a passage"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query_id": "1", "query": ', "line 2: not a whole JSON object"),
        ('["1"]', "line 2: query is missing"),
        (
            '{"query_id": "1", "query": "A?", "positive_passages": {}}',
            "line 2: positive_passages is a dict, not a list",
        ),
        (asked("1", [{"docid": "2", "text": ""}], []), r"line 2: positive_passages\[0\]: title and text are empty"),
        (asked("1", ["x"], []), r"line 2: positive_passages\[0\]: not a JSON object with docid and text"),
        (asked("1", [doc("2", "A", "B \ud800")], []), r"line 2: positive_passages\[0\] holds half a character"),
    ],
)
def test_lines_of_another_shape_are_named(data: Path, line: str, message: str) -> None:
    good = asked("0", [doc("1", "A", "B")], [])
    write(data / "mr-tydi" / "mrtydi-v1.1-thai" / "train.jsonl.gz", good + line)
    with pytest.raises(InputError, match=rf"train\.jsonl\.gz, {message}"):
        list(open_rows_source("mr-tydi[th]"))


def test_a_gzip_cut_short_is_told(data: Path) -> None:
    text = "".join(asked(str(n), [doc(f"{n}", "A", "B")], []) for n in range(500))
    path = write(data / "mr-tydi" / "mrtydi-v1.1-thai" / "train.jsonl.gz", text)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"train\.jsonl\.gz, after line \d+: the file is cut short"):
        list(open_rows_source("mr-tydi[th]"))


def miracl(data: Path, topics: str, qrels: str, *corpus: str) -> None:
    name, docs = data / "miracl" / "miracl-v1.0-te", data / "miracl-corpus" / "miracl-corpus-v1.0-te"
    write(name / "topics" / "topics.miracl-v1.0-te-train.tsv", topics)
    write(name / "qrels" / "qrels.miracl-v1.0-te-train.tsv", qrels)
    for number, text in enumerate(corpus):
        write(docs / f"docs-{number}.jsonl.gz", text)


TOPICS = "1\tఒకటి?\n2\tరెండు?\n3\tమూడు?\n"
DOCS = [
    "".join(json.dumps(doc(f"{n}#0", f"T{n}", f"text {n}"), ensure_ascii=n % 2 == 0) + "\n" for n in numbers)
    for numbers in ((0, 1, 2), (3, 4, 5))
]


def test_miracl_joins_topics_judgements_and_corpus(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    qrels = "1\tQ0\t4#0\t1\n1\tQ0\t0#0\t0\n1\tQ0\t1#0\t1\n2\tQ0\t5#0\t0\n2\tQ0\t99#0\t1\n"
    miracl(data, TOPICS, qrels, *DOCS)
    caplog.set_level(logging.INFO, "hybridkit")
    rows = list(open_rows_source("miracl-train[te]"))
    assert [(row.id, dict(row.query), dict(row.passage), dict(row.negative)) for row in rows] == [
        ("te:1:4#0", {"te": "ఒకటి?"}, {"te": "T4 text 4"}, {"te": "T0 text 0"}),
        ("te:1:1#0", {"te": "ఒకటి?"}, {"te": "T1 text 1"}, {"te": "T0 text 0"}),
    ]
    assert "miracl-train, te: 1 judged passages are not in the corpus" in caplog.text
    assert "miracl-train, te: 1 questions have no relevant passage" in caplog.text
    assert "miracl-train, te: 1 questions have no judgement" in caplog.text


@pytest.mark.parametrize(
    ("topics", "qrels", "docs", "message"),
    [
        ("1 ఒకటి?\n", "1\tQ0\t1#0\t1\n", DOCS, r"topics\..*tsv, line 1: not an id, a tab and a question"),
        (TOPICS, "1\tQ0\t1#0\n", DOCS, r"qrels\..*tsv, line 1: not a line of the form `query 0"),
        (TOPICS, "1\tQ0\t1#0\tyes\n", DOCS, r"qrels\..*tsv, line 1: not a line"),
        (TOPICS, "8\tQ0\t1#0\t1\n", DOCS, r"qrels\..*tsv: topic '8' is not in topics\."),
        (
            TOPICS,
            "1\tQ0\t1#0\t1\n",
            ['{"id": "1#0"}\n', "\n"],
            r"docs-0\.jsonl\.gz, line 1: not a JSON object with docid",
        ),
        (TOPICS, "1\tQ0\t1#0\t1\n", ['{"docid": "1#0", "te\n', "\n"], r"docs-0\.jsonl\.gz, line 1: not a JSON object"),
    ],
)
def test_files_of_another_shape_are_named(data: Path, topics: str, qrels: str, docs: list[str], message: str) -> None:
    miracl(data, topics, qrels, *docs)
    with pytest.raises(InputError, match=message):
        list(open_rows_source("miracl-train[te]"))


def test_a_language_is_fetched_without_the_others() -> None:
    files = data_set("miracl-train[te,sw]").files
    assert len(files) == 2 * 2 + 2 + 1
    assert data_set("miracl-train").address_of(files[0]) == (
        "hf://datasets/miracl/miracl/miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-train.tsv"
    )
    assert data_set("miracl-train").address_of(files[2]) == (
        "hf://datasets/miracl/miracl-corpus/miracl-corpus-v1.0-sw/docs-0.jsonl.gz"
    )
    assert len(data_set("miracl-train").files) == 2 * 16 + 189
