"""Exports: what FlagEmbedding and tevatron are given is the plan, text by text."""

import json
from pathlib import Path

import numpy as np
import pytest

from hybridkit.cli import main
from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.rows import Row
from hybridkit.sampling import BatchPlan, hybrid
from hybridkit.sampling.exports import export_plan
from hybridkit.sampling.negatives import usable_negatives
from hybridkit.sampling.texts import PlanTexts

TAGS = ("de", "en")
CORPUS = ParallelCorpus.from_rows(
    Row(f"r{n}", f"p{n}", f"q{n}", {tag: f"Frage {n}\n„{tag}“" for tag in TAGS},
        {tag: f"passage {n} {tag}" for tag in TAGS}, {"en": f"passage {(n + 1) % 9} en"} if n % 2 else {})
    for n in range(9)
)  # fmt: skip
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
        answer = {"docid": f"p{row}:{TAGS[passage]}", "title": "", "text": texts["passage"][position]}
        assert line["positive_passages"] == [answer]
        (negative,) = line["negative_passages"]
        assert list(negative) == ["docid", "title", "text"]
        docid = f"r{row}:negative:en" if usable[position] else f"{position}:random:{TAGS[passage]}"
        assert negative["docid"] == docid


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
