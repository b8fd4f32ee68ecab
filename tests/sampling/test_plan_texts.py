"""Exports: what FlagEmbedding and tevatron are given is the plan, text by text."""

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from hybridkit.cli import main
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.sampling import BatchPlan, english, hybrid, mono
from hybridkit.sampling.plan_texts import PlanTexts, export_plan, twin_languages, usable_negatives

TAGS = ("de", "en")
CORPUS = ParallelCorpus.from_rows(
    Row(
        f"r{n}",
        f"p{n}",
        f"q{n}",
        {tag: f"Frage {n}\n„{tag}“" for tag in TAGS},
        {tag: f"passage {n} {tag}" for tag in TAGS},
        {"en": f"passage {(n + 1) % 9} en"} if n % 2 else {},
    )
    for n in range(9)
)
PLAN = hybrid(alpha=0.5).plan(CORPUS, 1100, 4, 1)  # more draws than are written at a time


def test_flagembedding_lines_are_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "flag.jsonl"
    assert export_plan(PLAN, CORPUS, path, "flagembedding") == 4400
    texts = PlanTexts(PLAN, CORPUS, negatives=True)(np.arange(4400))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert [line["query"] for line in lines] == texts["query"]
    assert [line["pos"] for line in lines] == [[text] for text in texts["passage"]]
    usable = usable_negatives(PLAN, CORPUS).ravel()
    assert 0 < usable.sum() < 4400
    for position, line in enumerate(lines):
        assert set(line) == {"query", "pos", "neg"}
        (negative,) = line["neg"]
        row, _, column = PLAN.draws[position // 4, position % 4]
        if usable[position]:
            assert negative == f"passage {(row + 1) % 9} en"
        assert negative.endswith(TAGS[column])
        assert int(negative.split()[1]) not in PLAN.draws[position // 4, :, 0]
    assert "„" in path.read_text(encoding="utf-8")


def test_tevatron_lines_are_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "tevatron.jsonl"
    assert export_plan(PLAN[:5], CORPUS, path, "tevatron") == 20
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = PlanTexts(PLAN[:5], CORPUS)(np.arange(20))
    usable = usable_negatives(PLAN, CORPUS).ravel()
    for position, line in enumerate(lines):
        row, query, passage = PLAN.draws[position // 4, position % 4]
        assert list(line) == ["query_id", "query", "positive_passages", "negative_passages"]
        assert (line["query_id"], line["query"]) == (f"r{row}:{TAGS[query]}", texts["query"][position])
        answer = {"docid": f"p{row}:{TAGS[passage]}", "text": texts["passage"][position]}
        assert line["positive_passages"] == [answer]
        (negative,) = line["negative_passages"]
        assert list(negative) == ["docid", "text"]
        docid = f"r{row}:en:negative" if usable[position] else f"{position}:{TAGS[passage]}:random"
        assert negative["docid"] == docid


def as_tevatron_reads(line: dict[str, Any], query_prefix: str, passage_prefix: str) -> list[str]:
    """What tevatron makes of a line with `positive_passages` (TrainDataset in its retriever/dataset.py)."""
    read = [query_prefix + line["query"]]
    for side in ("positive_passages", "negative_passages"):
        one = line[side][0]
        read.append(passage_prefix + (f"{one['title']} {one['text']}" if "title" in one else one["text"]))
    return read


def as_flagembedding_reads(line: dict[str, Any], query_prefix: str, passage_prefix: str) -> list[str]:
    """What FlagEmbedding makes of a line (AbsEmbedderTrainDataset in its abc/finetune/embedder/AbsDataset.py)."""
    query = "{}{}".format(line.get("prompt", query_prefix), line["query"])
    return [query, *(f"{passage_prefix}{line[side][0]}" for side in ("pos", "neg"))]


@pytest.mark.parametrize(
    ("form", "reads"), [("tevatron", as_tevatron_reads), ("flagembedding", as_flagembedding_reads)]
)
@pytest.mark.parametrize("prompts", [("", ""), ("query: ", "passage: "), ("Frage:", "\u3000")])
def test_the_other_trainers_read_what_the_plan_trains_on(
    tmp_path: Path, form: str, reads: Any, prompts: tuple[str, str]
) -> None:
    # spaces at the ends, a soft hyphen, a line separator, quotes and braces: none may change
    odd = [" a  b ", "so\u00adft", "line\u2028end", '"{}"', "tab\there", "e\u0301"]
    corpus = ParallelCorpus.from_rows(
        Row(f"r{n}", f"p{n}", f"r{n}", {"en": f"{text} {n}"}, {"en": f"{n} {text}"}, {"en": f"no {text}{n} "})
        for n, text in enumerate(odd)
    )
    plan = mono().plan(corpus, 3, 4, 0)
    export_plan(plan, corpus, tmp_path / "lines.jsonl", form)
    # `datasets` reads the file in both trainers
    lines = list(
        datasets.load_dataset(
            "json", data_files=str(tmp_path / "lines.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
        )
    )
    texts = PlanTexts(plan, corpus, negatives=True)(np.arange(12))
    fed = zip(texts["query"], texts["passage"], texts["negative"], strict=True)
    trained = [[prompts[0] + query, prompts[1] + passage, prompts[1] + negative] for query, passage, negative in fed]
    assert [reads(line, *prompts) for line in lines] == trained


def test_ids_of_an_export_are_each_of_one_text(tmp_path: Path) -> None:
    names = ["a", "a:en", "a:negative", "a:en:negative", "0", "1:random", "a:de"]
    corpus = ParallelCorpus.from_rows(
        Row(
            name,
            name,
            name,
            {tag: f"{name} in {tag}?" for tag in TAGS},
            {tag: f"{name} in {tag}." for tag in TAGS},
            {tag: f"not {name} in {tag}." for tag in TAGS},
        )
        for name in names
    )
    export_plan(mono().plan(corpus, 40, 4, 0), corpus, tmp_path / "lines", "tevatron")
    found: dict[str, set[str]] = {}
    for line in map(json.loads, (tmp_path / "lines").read_text(encoding="utf-8").splitlines()):
        for one in (*line["positive_passages"], *line["negative_passages"]):
            found.setdefault(one["docid"], set()).add(one["text"])
    assert len(found) > 20 and all(len(texts) == 1 for texts in found.values())


def test_a_file_that_flagembedding_would_pass_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="FlagEmbedding reads files"):
        export_plan(PLAN, CORPUS, tmp_path / "lines.txt", "flagembedding")


def test_an_unknown_form_and_another_corpus_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="export 'beir': no such form; there are flagembedding, tevatron"):
        export_plan(PLAN, CORPUS, tmp_path / "x", "beir")
    with pytest.raises(InputError, match="another corpus"):
        export_plan(PLAN, CORPUS.select(np.arange(8)), tmp_path / "x", "tevatron")
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_the_plan_that_it_makes(parallel_rows: Path, tmp_path: Path) -> None:
    command = ["plan", "--rows", str(parallel_rows), "--strategy", "cross", "--steps", "3", "--batch-size", "4"]
    out, lines = tmp_path / "plan.parquet", tmp_path / "lines.jsonl"
    assert main([*command, "--out", str(out), "--export", "flagembedding", str(lines)]) == 0
    plan, corpus = BatchPlan.read(out), ParallelCorpus.from_jsonl(parallel_rows)
    assert [json.loads(line)["query"] for line in lines.read_text(encoding="utf-8").splitlines()] == PlanTexts(
        plan, corpus
    )(np.arange(12))["query"]
    assert main([*command, "--out", str(out), "--export", "beir", str(tmp_path / "beir.jsonl")]) == 2
    assert main([*command, "--out", str(out), "--export", "tevatron", str(lines)]) == 2  # a file that lies there


FOUR = ("ar", "de", "en", "zh")
UNEVEN = ParallelCorpus.from_rows(  # row n has its query in all four languages, but for every third: English alone
    Row(
        f"r{n}",
        f"p{n}",
        f"q{n}",
        {tag: f"query {n} {tag}" for tag in (FOUR if n % 3 else ("en",))},
        {tag: f"passage {n} {tag}" for tag in FOUR},
        {},
    )
    for n in range(12)
)


def test_a_twin_is_the_rows_query_in_another_language_drawn_uniformly() -> None:
    plan = hybrid(alpha=0.5).plan(UNEVEN, 5000, 4, seed=3)  # more steps than are looked at together
    twins = twin_languages(plan, UNEVEN)
    rows, query = plan.draws[..., 0], plan.draws[..., 1]
    alone = rows % 3 == 0
    assert (twins[alone] == -1).all() and (twins[~alone] >= 0).all() and 0 < alone.sum() < alone.size
    assert (twins != query).all()
    for own in range(4):
        counts = np.bincount(twins[~alone & (query == own)], minlength=4)
        assert counts[own] == 0
        others = np.delete(counts, own)
        assert np.abs(others / others.sum() - 1 / 3).max() < 4 * np.sqrt(2 / 9 / others.sum())
    positions = np.arange(200)
    texts = PlanTexts(plan, UNEVEN, twins=True)(positions)
    assert list(texts) == ["query", "passage", "twin"]
    expected = [
        "" if column < 0 else f"query {row} {FOUR[column]}"
        for row, column in zip(rows.ravel()[:200], twins.ravel()[:200], strict=True)
    ]
    assert texts["twin"] == expected
    assert "twin" not in PlanTexts(plan, UNEVEN)(positions)


def test_a_twin_depends_on_the_plan_and_its_position_only() -> None:
    whole = hybrid(alpha=0.5, draw="independent").plan(UNEVEN, 30, 4, seed=3)
    short = hybrid(alpha=0.5, draw="independent").plan(UNEVEN, 20, 4, seed=3)
    texts = PlanTexts(whole, UNEVEN, twins=True)
    order = np.random.default_rng(0).permutation(80)
    expected = texts(np.arange(120))["twin"]
    assert texts(order)["twin"] == [expected[position] for position in order]
    assert PlanTexts(short, UNEVEN, twins=True)(np.arange(80))["twin"] == expected[:80]
    other = hybrid(alpha=0.5).plan(UNEVEN, 20, 4, seed=4)
    assert (twin_languages(other, UNEVEN) != twin_languages(short, UNEVEN)).any()


def test_twins_are_in_languages_that_the_strategy_does_not_draw_and_need_a_second_one() -> None:
    plan = english().plan(UNEVEN, 50, 4, seed=0)
    twins = twin_languages(plan, UNEVEN)
    assert set(np.unique(twins)) == {-1, 0, 1, 3}  # all but English, column 2
    alone = UNEVEN.keep_languages(["en"])
    texts = PlanTexts(english().plan(alone, 5, 4, seed=0), alone, twins=True)
    assert texts.twins is None and list(texts(np.arange(4))) == ["query", "passage"]
