"""Benchmarks: order, checks, articles, and making one of a parallel corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hybridkit.data.benchmark import JUDGEMENT_COLUMNS, PASSAGE_COLUMNS, QUERY_COLUMNS, Benchmark
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.data.sources.open_benchmarks import base_name, open_benchmark, subset_of
from hybridkit.errors import InputError


def frames(**changes: pd.DataFrame) -> dict[str, pd.DataFrame]:
    queries = pd.DataFrame({"language": ["en", "de"], "query_id": "q1", "article": "a", "text": ["Who?", "Wer?"]})
    ids = ["t:en:2", "t:en:10", "t:de:1"]
    passages = pd.DataFrame(
        {"language": ["en", "en", "de"], "passage_id": ids, "article": ["a", "b", "a"], "text": "x"}
    )
    judgements = pd.DataFrame({"query_id": "q1", "passage_language": ["en", "de"], "passage_id": ["t:en:2", "t:de:1"]})
    return {"queries": queries, "passages": passages, "judgements": judgements, **changes}


def test_frames_are_put_in_the_byte_order_of_ids() -> None:
    benchmark = Benchmark("t", **frames())
    assert benchmark.queries["language"].tolist() == ["de", "en"]
    assert benchmark.passages["passage_id"].tolist() == ["t:de:1", "t:en:10", "t:en:2"]
    assert benchmark.passage_slices == {"de": slice(0, 1), "en": slice(1, 3)}
    assert benchmark.query_slices == {"de": slice(0, 1), "en": slice(1, 2)}


def test_languages_stand_as_their_ids_do() -> None:
    ids = ["t:zh:1", "t:zh-Hant:1"]
    passages = pd.DataFrame({"language": ["zh", "zh-Hant"], "passage_id": ids, "article": "a", "text": "x"})
    queries = pd.DataFrame({"language": ["zh", "zh-Hant"], "query_id": "q1", "article": "a", "text": "x"})
    judgements = pd.DataFrame({"query_id": ["q1"], "passage_language": ["zh"], "passage_id": ["t:zh:1"]})
    benchmark = Benchmark("t", queries, passages, judgements)
    assert benchmark.languages == tuple(benchmark.passage_slices) == tuple(benchmark.query_slices) == ("zh-Hant", "zh")


def test_the_fingerprint_hangs_on_every_part_and_not_on_the_order_given() -> None:
    first = Benchmark("t", **frames()).fingerprint
    shuffled = {name: frame.iloc[::-1] for name, frame in frames().items()}
    assert Benchmark("t", **shuffled).fingerprint == first
    for name, frame in frames().items():
        if name != "judgements":
            other = frame.assign(text=["other", *frame["text"].iloc[1:]])
            assert Benchmark("t", **frames(**{name: other})).fingerprint != first
    assert Benchmark("t", **frames(judgements=frames()["judgements"].iloc[:1])).fingerprint != first


def test_articles_are_cut_like_a_slice() -> None:
    benchmark = Benchmark("t", **frames())
    part, queries, passages = benchmark.subset(1)
    assert (queries.tolist(), passages.tolist(), len(part.judgements)) == ([], [1], 0)
    part, queries, passages = benchmark.subset(0, 1)
    assert (queries.tolist(), passages.tolist(), len(part.judgements)) == ([0, 1], [0, 2], 2)
    assert part.passages["text"].tolist() == ["x", "x"]
    whole, queries, passages = benchmark.subset()
    assert whole.fingerprint == benchmark.fingerprint


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("queries", {"text": ["", "x"]}, "queries: text '' must be a text"),
        ("queries", {"language": ["en", "en"]}, "en, q1 is duplicated"),
        ("passages", {"passage_id": ["t:en:2", "t:en:2", "t:de:1"]}, "t:en:2 is duplicated"),
        ("passages", {"passage_id": ["t:en:2", "en:10", "t:de:1"]}, "'en:10' must start with 't:en:'"),
        ("judgements", {"query_id": ["q1", "q7"]}, "unknown queries, the first 'q7'"),
        ("judgements", {"passage_id": ["t:en:2", "t:de:9"]}, "'t:de:9' as 'de'"),
        ("judgements", {"passage_language": ["en", "en"]}, "'t:de:1' as 'en'"),
    ],
)
def test_bad_frames(name: str, change: dict[str, Any], message: str) -> None:
    frame = frames()[name].assign(**change)
    with pytest.raises(InputError, match=message):
        Benchmark("t", **frames(**{name: frame}))


def test_missing_columns_and_repeated_judgements() -> None:
    with pytest.raises(InputError, match="no column article"):
        Benchmark("t", **frames(queries=frames()["queries"].drop(columns="article")))
    twice = pd.concat([frames()["judgements"]] * 2)
    with pytest.raises(InputError, match="is duplicated"):
        Benchmark("t", **frames(judgements=twice))


def row(name: str, passage: str, query: dict[str, str], passages: dict[str, str]) -> Row:
    return Row(name, passage, name, query, passages, {})


def test_a_benchmark_of_parallel_rows() -> None:
    corpus = ParallelCorpus.from_rows(
        [
            row("r1", "p1", {"en": "Who?", "de": "Wer?"}, {"en": "She.", "zh": "她"}),
            row("r2", "p1", {"en": "Which one?"}, {"en": "She."}),
            row("r3", "p2", {"de": "Wo?"}, {"en": "There."}),
        ]
    )
    benchmark = Benchmark.from_corpus(corpus, "mine")
    assert benchmark.languages == ("de", "en", "zh")
    assert benchmark.queries[["language", "query_id", "article"]].to_numpy().tolist() == [
        ["de", "r1", "p1"],
        ["de", "r3", "p2"],
        ["en", "r1", "p1"],
        ["en", "r2", "p1"],
    ]
    assert benchmark.passages["passage_id"].tolist() == ["mine:en:p1", "mine:en:p2", "mine:zh:p1"]
    # relevant are a row's own passages: r2 has no Chinese one, though another question of its paragraph has
    assert benchmark.judgements[["query_id", "passage_id"]].to_numpy().tolist() == [
        ["r1", "mine:en:p1"],
        ["r1", "mine:zh:p1"],
        ["r2", "mine:en:p1"],
        ["r3", "mine:en:p2"],
    ]


def test_one_passage_id_with_several_texts_gives_a_candidate_each() -> None:
    corpus = ParallelCorpus.from_rows(
        [
            row("r1", "p1", {"en": "Who?"}, {"en": "She.", "de": "Sie."}),
            row("r2", "p1", {"en": "Which?"}, {"en": "He.", "de": "Sie."}),  # another sentence of the paragraph
            row("r3", "p1", {"en": "Who then?"}, {"en": "She."}),
            row("r4", "p1", {"de": "Wer?"}, {"en": "They."}),
        ]
    )
    benchmark = Benchmark.from_corpus(corpus, "mine")
    assert benchmark.passages[["passage_id", "article", "text"]].to_numpy().tolist() == [
        ["mine:de:p1", "p1", "Sie."],
        ["mine:en:p1", "p1", "She."],
        ["mine:en:p1#2", "p1", "He."],
        ["mine:en:p1#3", "p1", "They."],
    ]
    assert benchmark.judgements[["query_id", "passage_id"]].to_numpy().tolist() == [
        ["r1", "mine:de:p1"],
        ["r1", "mine:en:p1"],
        ["r2", "mine:de:p1"],
        ["r2", "mine:en:p1#2"],
        ["r3", "mine:en:p1"],
        ["r4", "mine:en:p1#3"],
    ]


def test_a_row_without_a_query_gives_a_candidate_and_no_judgement() -> None:
    corpus = ParallelCorpus.from_rows(
        [row("r1", "p1", {"de": "Wer?"}, {"en": "She."}), row("r2", "p2", {"en": "Who?"}, {"en": "He."})]
    ).keep_languages(["en"])
    assert Benchmark.from_corpus(corpus, "mine").passages["passage_id"].tolist() == ["mine:en:p2"]
    rows = [Row("r1", "p1", "r1", {}, {"en": "She."}, {}), row("r2", "p2", {"en": "Who?"}, {"en": "He."})]
    benchmark = Benchmark.from_corpus(ParallelCorpus.from_rows(rows), "mine")
    assert benchmark.passages["passage_id"].tolist() == ["mine:en:p1", "mine:en:p2"]
    assert benchmark.judgements["query_id"].tolist() == ["r2"]


def test_names_of_parts(tmp_path: Path) -> None:
    lines = [
        json.dumps({"id": f"r{n}", "query": {"en": f"q{n}", "de": f"f{n}"}, "passage": {"en": f"p{n}"}})
        for n in range(4)
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(lines))
    assert base_name(f"{path}[2:]") == str(path)
    benchmark = open_benchmark(str(path))
    assert benchmark.name == "mine"
    part, queries, passages = subset_of(benchmark, f"{path}[1:3]")
    assert part.passages["passage_id"].tolist() == ["mine:en:r1", "mine:en:r2"]
    assert queries.tolist() == [1, 2, 5, 6]
    assert passages.tolist() == [1, 2]
    assert len(subset_of(benchmark, str(path))[0].queries) == 8
    assert len(subset_of(benchmark, f"{path}[:]")[0].queries) == 8
    part, queries, passages = subset_of(benchmark, f"{path}[en]")
    assert (set(part.queries["language"]), part.languages, queries.tolist()) == ({"en"}, ("en",), [4, 5, 6, 7])
    assert passages.tolist() == [0, 1, 2, 3] and len(part.judgements) == 4
    both, queries, _ = subset_of(benchmark, f"{path}[de, :2]")
    assert (queries.tolist(), base_name(f"{path}[de, :2]")) == ([0, 1], str(path)) and len(both.passages) == 0
    assert part.fingerprint != benchmark.fingerprint
    for words, said in (
        ("de,fr", "mine has no language 'fr'; it has de, en"),
        (":1,2:", "2 ranges of articles; give one"),
    ):
        with pytest.raises(InputError, match=said):
            subset_of(benchmark, f"{path}[{words}]")
    with pytest.raises(InputError, match="the subset holds no article; mine has fewer"):
        subset_of(benchmark, f"{path}[4:]")
    with pytest.raises(
        InputError,
        match="benchmark 'xquad': there is no such benchmark or file \\(did you mean xquad-r\\?\\); there are atlas",
    ):
        open_benchmark("xquad")


def test_rows_of_one_query_id_are_one_question(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "query_id": "q", "passage_id": "a", "query": {"en": "Who?", "de": "Wer?"}, "passage": {"en": "A."}},
        {"id": "2", "query_id": "q", "passage_id": "b", "query": {"en": "Who?"}, "passage": {"en": "B.", "de": "B!"}},
        {"id": "3", "query": {"en": "Where?"}, "passage": {"en": "A."}, "passage_id": "a"},
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    benchmark = open_benchmark(str(path))
    assert benchmark.queries.to_numpy().tolist() == [
        ["de", "q", "a", "Wer?"],
        ["en", "3", "a", "Where?"],
        ["en", "q", "a", "Who?"],
    ]
    assert benchmark.judgements[["query_id", "passage_id"]].to_numpy().tolist() == [
        ["3", "mine:en:a"],
        ["q", "mine:de:b"],
        ["q", "mine:en:a"],
        ["q", "mine:en:b"],
    ]
    lines[1]["query"] = {"en": "Whom?"}
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match="mine, en: query_id 'q' has two different queries"):
        open_benchmark(str(path))


def test_a_sample_is_drawn_evenly_from_the_articles_and_grows() -> None:
    asked = [(tag, f"q{n}", f"a{n % 3}", f"{tag} {n}") for tag in ("de", "en") for n in range(12)]
    passages = [(tag, f"t:{tag}:{n}", f"a{n}", f"{tag} {n}") for tag in ("de", "en") for n in range(3)]
    judged = [(f"q{n}", tag, f"t:{tag}:{n % 3}") for tag in ("de", "en") for n in range(12)]
    whole = Benchmark(
        "t",
        pd.DataFrame(asked, columns=QUERY_COLUMNS),
        pd.DataFrame(passages, columns=PASSAGE_COLUMNS),
        pd.DataFrame(judged, columns=JUDGEMENT_COLUMNS),
    )
    samples = {count: whole.sample(count, 1) for count in (1, 3, 6, 12)}
    for count, (part, positions) in samples.items():
        assert part.queries.equals(whole.queries.iloc[positions].reset_index(drop=True))
        assert part.passages.equals(whole.passages) and len(part.queries) == 2 * count
        assert set(part.judgements["query_id"]) == set(part.queries["query_id"])
        assert part.queries.groupby("article")["query_id"].nunique().tolist() == [max(1, count // 3)] * min(3, count)
    ids = [set(part.queries["query_id"]) for part, _ in samples.values()]
    assert ids[0] < ids[1] < ids[2] < ids[3]
    assert len({tuple(whole.sample(3, seed)[0].queries["query_id"]) for seed in range(5)}) > 2
    with pytest.raises(InputError, match="^t: 13 of its questions are asked for, and it has 12$"):
        whole.sample(13)


def test_rows_with_one_query_are_one_question_with_all_of_their_answers() -> None:
    rows = [
        Row("a", "p1", "a", {"en": "Parameters:", "de": "Parameter:"}, {"en": "One", "de": "Eins"}, {}),
        Row("b", "p2", "b", {"en": "Parameters:", "de": "Werte:"}, {"en": "Two", "de": "Zwei"}, {}),
        Row("c", "p3", "c", {"en": "Parameters:"}, {"en": "Three"}, {}),
        Row("d", "p4", "d", {"de": "Parameter:"}, {"de": "Vier"}, {}),  # no English: a question of its own
        Row("e", "p5", "e", {"en": "Who?"}, {"en": "Five"}, {}),
    ]
    benchmark = Benchmark.from_corpus(ParallelCorpus.from_rows(rows), "mine")
    asked = list(
        zip(benchmark.queries["language"], benchmark.queries["query_id"], benchmark.queries["text"], strict=True)
    )
    assert asked == [
        ("de", "a", "Parameter:"),
        ("de", "d", "Parameter:"),
        ("en", "a", "Parameters:"),
        ("en", "e", "Who?"),
    ]
    answers = benchmark.judgements[benchmark.judgements["query_id"] == "a"]["passage_id"]
    assert answers.tolist() == ["mine:de:p1", "mine:de:p2", "mine:en:p1", "mine:en:p2", "mine:en:p3"]
    named = Benchmark.from_corpus(ParallelCorpus.from_rows(rows), "mine", {row.id: row.id for row in rows})
    assert named.queries["language"].tolist().count("en") == 4  # ids that somebody gave are kept apart
