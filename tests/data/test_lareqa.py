"""LAReQA's files: the facts known of the real ones, and what a bad file gets."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.sources.lareqa import read_file, read_lareqa, sentence_of
from hybridkit.data.sources.open_benchmarks import base_name, open_benchmark, subset_of
from hybridkit.errors import InputError, MissingDataError

CHECKOUT = Path(__file__).parents[2]
MLQA = {  # questions, candidates
    "ar": (517, 2545),
    "de": (512, 2362),
    "en": (1148, 6264),
    "es": (500, 1787),
    "hi": (507, 2426),
    "vi": (511, 2828),
    "zh": (504, 2322),
}


def data(name: str) -> Path:
    """The folder of a real data set, or a skip that says where it was sought."""
    folders = [Path(os.environ.get("HYBRIDKIT_DATA") or "-"), CHECKOUT.parent / "shared" / "data"]
    for folder in folders:
        if (folder / name / "en.json").is_file():
            return folder / name
    pytest.skip(f"{name} is neither in HYBRIDKIT_DATA nor in ../shared/data beside the checkout")


@cache
def real(name: str) -> Benchmark:
    return read_lareqa(data(name), name)


def test_counts_of_xquad_r() -> None:
    benchmark = real("xquad-r")
    assert benchmark.languages == ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
    assert set(benchmark.queries.groupby("language").size()) == {1190}
    assert benchmark.queries["query_id"].nunique() == 1190
    sizes = benchmark.passages.groupby("language").size()
    assert (len(benchmark.passages), sizes["ar"], sizes["th"], sizes["de"]) == (13014, 1222, 852, 1276)
    assert len(benchmark.judgements) == 13090
    paragraphs = benchmark.passages["passage_id"].str.split(":").str[2]
    assert sorted(set(paragraphs)) == [f"{number:04d}" for number in range(240)]
    assert benchmark.passages["passage_id"].iloc[0] == "xquad-r:ar:0000:000"
    assert benchmark.passages["text"].duplicated().any()  # repeated sentences stay candidates


def test_articles_of_xquad_r() -> None:
    benchmark = real("xquad-r")
    assert benchmark.queries.groupby("query_id")["article"].nunique().max() == 1
    assert list(benchmark.passages["article"].unique()) == [f"{number:04d}" for number in range(48)]
    rest, queries, passages = benchmark.subset(16)
    assert rest.passages["article"].unique().tolist() == [f"{number:04d}" for number in range(16, 48)]
    assert rest.passages["text"].tolist() == benchmark.passages["text"].iloc[passages].tolist()
    assert rest.queries["text"].tolist() == benchmark.queries["text"].iloc[queries].tolist()
    assert len(rest.judgements) == len(rest.queries) == len(queries)
    some = read_lareqa(data("xquad-r"), "xquad-r", languages=["th", "de"])
    assert some.languages == ("de", "th")
    assert some.passages.equals(
        benchmark.passages[benchmark.passages["language"].isin(["de", "th"])].reset_index(drop=True)
    )


def test_counts_of_mlqa_r() -> None:
    benchmark = real("mlqa-r")
    found = {
        tag: (int((benchmark.queries["language"] == tag).sum()), int((benchmark.passages["language"] == tag).sum()))
        for tag in benchmark.languages
    }
    assert found == MLQA
    known = benchmark.queries.groupby("query_id").size()
    assert set(known) == {2, 3, 4}
    assert len(benchmark.judgements) == len(benchmark.queries)
    # the articles: one for each English one, with every question's languages in one
    assert benchmark.queries.groupby("query_id")["article"].nunique().max() == 1
    assert benchmark.passages["article"].nunique() == 520
    assert benchmark.passages.groupby("article")["language"].nunique().min() >= 2


@pytest.mark.parametrize(("name", "fewest", "most"), [("xquad-r", 2, 20), ("mlqa-r", 1, 8)])
def test_answers_that_run_past_their_sentence(name: str, fewest: int, most: int) -> None:
    counts = []
    for path in sorted(data(name).glob("*.json")):
        paragraphs = [p for article in json.loads(path.read_text())["data"] for p in article["paragraphs"]]
        past = 0
        for paragraph, read in zip(paragraphs, read_file(path, name), strict=True):
            for question, kept in zip(paragraph["qas"], read.questions, strict=True):
                answer = question["answers"][0]
                start, end = paragraph["sentence_breaks"][kept.sentence]
                assert start <= answer["answer_start"] < end  # every start is inside a sentence, half-open
                past += answer["answer_start"] + len(answer["text"]) > end
        counts.append(past)
    assert (min(counts), max(counts)) == (fewest, most)


@pytest.mark.parametrize("name", ["xquad-r", "mlqa-r"])
def test_the_breaks_give_the_sentences(name: str) -> None:
    off = []
    for path in sorted(data(name).glob("*.json")):
        for article in json.loads(path.read_text())["data"]:
            for paragraph in article["paragraphs"]:
                spans = zip(paragraph["sentences"], paragraph["sentence_breaks"], strict=True)
                off += [path.stem for text, (start, end) in spans if paragraph["context"][start:end] != text]
    assert off == (["tr", "tr"] if name == "xquad-r" else [])


def test_a_start_between_sentences_belongs_to_the_next() -> None:
    breaks = [(0, 4), (6, 9), (9, 12)]
    assert [sentence_of(breaks, start) for start in range(0, 13)] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, None]


def paragraph(**changes: object) -> dict[str, Any]:
    question = {"id": "q1", "question": "Who?", "answers": [{"answer_start": 5, "text": "her"}]}
    whole = {
        "context": "One. Two.",
        "sentences": ["One.", "Two."],
        "sentence_breaks": [[0, 4], [5, 9]],
        "qas": [question],
    }
    return {**whole, **changes}


def write(folder: Path, language: str, *paragraphs: dict[str, Any], title: str = "T") -> None:
    content = {"data": [{"title": title, "paragraphs": list(paragraphs)}]}
    (folder / f"{language}.json").write_text(json.dumps(content))


def test_a_small_file(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph())
    write(tmp_path, "de", paragraph(sentences=["Eins.", "Zwei."]), title="Anders")
    benchmark = read_lareqa(tmp_path, "mlqa-r", languages=["en", "de"])
    assert benchmark.passages.to_numpy().tolist() == [
        ["de", "mlqa-r:de:0000:000", "0000", "Eins."],
        ["de", "mlqa-r:de:0000:001", "0000", "Zwei."],
        ["en", "mlqa-r:en:0000:000", "0000", "One."],
        ["en", "mlqa-r:en:0000:001", "0000", "Two."],
    ]
    assert benchmark.judgements["passage_id"].tolist() == ["mlqa-r:de:0000:001", "mlqa-r:en:0000:001"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sentences": ["One."]}, r"paragraphs\[0\]\.sentence_breaks: 2 of them for 1"),
        ({"sentences": ["One.", " "]}, r"sentences\[1\]"),
        ({"sentence_breaks": [[0, 4], [3, 9]]}, r"sentence_breaks\[1\]"),
        ({"qas": [{"id": "q1", "question": "Who?", "answers": []}]}, r"qas\[0\]\.answers"),
        ({"qas": [{"id": "q1", "question": "", "answers": [{"answer_start": 0}]}]}, r"qas\[0\]\.question"),
        ({"qas": [{"id": "q1", "question": "?", "answers": [{"answer_start": 9}]}]}, "9 is outside"),
        ({"qas": [{"id": "q1", "question": "?", "answers": [{"answer_start": "5"}]}]}, r"answers\[0\]\.answer_start"),
        ({"qas": None}, r"data\[0\]\.paragraphs\[0\]\.qas"),
    ],
)
def test_bad_files_are_named_with_the_key(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, "en", paragraph(**changes))
    with pytest.raises(InputError, match=r"en\.json.*" + message):
        read_lareqa(tmp_path, "xquad-r", languages=["en"])


def test_files_that_are_cut_short_or_missing_and_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="hybridkit data fetch xquad-r"):
        read_lareqa(tmp_path, "xquad-r", languages=["en"])
    (tmp_path / "en.json").write_text('{"data": [')
    with pytest.raises(InputError, match="not a whole JSON file"):
        read_lareqa(tmp_path, "xquad-r", languages=["en"])
    with pytest.raises(InputError, match="no language fr"):
        read_lareqa(tmp_path, "xquad-r", languages=["fr"])
    with pytest.raises(InputError, match="'squad'"):
        read_lareqa(tmp_path, "squad")
    with pytest.raises(InputError, match="unit 'page'"):
        read_lareqa(tmp_path, "xquad-r", unit="page")


def test_a_question_that_stands_twice(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph(), paragraph())
    with pytest.raises(InputError, match="en, q1 is duplicated"):
        read_lareqa(tmp_path, "xquad-r", languages=["en"])


@pytest.mark.parametrize(("name", "counts"), [("xquad-r", 11 * [240]), ("mlqa-r", [439, 456, 978, 454, 425, 451, 443])])
def test_paragraphs_as_candidates(name: str, counts: list[int]) -> None:
    sentences, paragraphs = real(name), read_lareqa(data(name), name, "paragraph")
    assert paragraphs.name == f"{name}-paragraphs"
    assert paragraphs.passages.groupby("language").size().tolist() == counts
    assert paragraphs.queries.equals(sentences.queries)
    assert paragraphs.passages["passage_id"].iloc[0] == f"{name}-paragraphs:ar:0000"
    # a question's paragraph is the one that its sentence stands in
    of_sentence = sentences.judgements["passage_id"].str.rsplit(":", n=1).str[0].str.replace(name, f"{name}-paragraphs")
    assert of_sentence.tolist() == paragraphs.judgements["passage_id"].tolist()
    # and holds that sentence: its text is the paragraph's but for white space
    texts = paragraphs.passages.set_index("passage_id")["text"]
    said = sentences.passages.set_index("passage_id")["text"][sentences.judgements["passage_id"]]
    held = sum("".join(one.split()) in "".join(texts[key].split()) for one, key in zip(said, of_sentence, strict=True))
    assert held >= len(said) - 20


def test_paragraphs_are_named_and_cut_like_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(data("xquad-r").parent))
    whole = open_benchmark(base_name("xquad-r-paragraphs[16:]"))
    part, queries, passages = subset_of(whole, "xquad-r-paragraphs[16:]")
    beside = subset_of(real("xquad-r"), "xquad-r[16:]")
    assert queries.tolist() == beside[1].tolist()
    assert part.passages["article"].unique().tolist() == beside[0].passages["article"].unique().tolist()
    assert len(passages) == len(part.passages) == 11 * 160
