"""Any models without a study: what is shown is what the kit's own evaluation says, and nothing is encoded twice."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sentence_transformers import SentenceTransformer

import hybridkit
from hybridkit.data.benchmark import Benchmark
from hybridkit.data.sources.open_benchmarks import open_benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import scores_of
from hybridkit.evaluation.rank_table import rank_table
from hybridkit.models import embedding, encoder
from hybridkit.report import views
from hybridkit.report.inspected_models import open_models
from hybridkit.report.inspector.inspector import inspect_models
from tests.inspected_run import ASKED, ROWS, TOLD

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own rows in three languages, in a folder whose name has a space and letters beyond ASCII."""
    path = tmp_path_factory.mktemp("eigene Zeilen ü") / "mine.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = [
        {
            "id": row,
            "query": {tag: f"{ASKED[tag]} {row}" for tag in ASKED},
            "passage": {tag: f"{TOLD[tag]} {row}" for tag in TOLD},
        }
        for row in ROWS
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(rows: Path) -> dict[str, SentenceTransformer]:
    texts = [*open_benchmark(rows).passages["text"], *open_benchmark(rows).queries["text"]]
    return {name: encoder.make(texts, 200, 16, seed) for seed, name in enumerate(("before", "after"))}


def test_what_is_shown_is_what_evaluation_says(models: dict[str, SentenceTransformer], rows: Path) -> None:
    found = open_models(models, rows)
    assert (found.strategies, found.compare, found.missing) == (["before", "after"], ("after", "before"), [])
    benchmark = open_benchmark(rows)
    sides = [embedding.encode(models["after"], benchmark.queries["text"].tolist(), "query")]
    sides += [embedding.encode(models["after"], benchmark.passages["text"].tolist(), "passage")]
    table = scores_of(rank_table(benchmark, *sides))
    wanted = table[table["measure"] == "AP"].set_index(["query_language", "passage_language"])["value"]
    shown = views.pair_matrix(found, "after", "AP").set_index(["query_language", "passage_language"])["value"]
    pd.testing.assert_series_equal(shown.sort_index(), wanted.sort_index(), rtol=1e-12)


def test_nothing_is_encoded_twice_whatever_a_model_is_called(
    models: dict[str, SentenceTransformer], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_models(models, rows)
    encoder.save(models["after"], tmp_path / "saved")
    monkeypatch.setattr(embedding, "encode", lambda *_, **__: pytest.fail("it was encoded again"))
    again = open_models({"a": models["before"], "b": tmp_path / "saved"}, [str(rows)])
    assert {one.ranks for one in again.results.values()} == {one.ranks for one in first.results.values()}


def test_other_texts_weights_or_lengths_are_encoded_anew(
    models: dict[str, SentenceTransformer], rows: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(rows.read_text(encoding="utf-8").replace("she is r05", "she was r05"), encoding="utf-8")
    found = [open_models({"m": models["before"]}, rows), open_models({"m": models["after"]}, rows)]
    found += [open_models({"m": models["before"]}, rows, precision="bf16"), open_models({"m": models["before"]}, other)]
    assert len({one.results["m", 0].passages for one in found}) == 4


def test_the_widget_opens_on_any_models(models: dict[str, SentenceTransformer], rows: Path) -> None:
    inspector = inspect_models(models, [rows, open_benchmark("atlas[:3]")])
    assert inspector.widget is not None
    assert (inspector.strategy, inspector.minus, inspector.benchmark) == ("after", "before", str(rows))
    inspector.search = "من هو r07"
    inspector.wait()
    assert " ms" in inspector.layout.search_state.value
    inspector.benchmark = "atlas"
    assert inspector.inspected.benchmark.name == "atlas" and inspector.pair in inspector.pairs
    assert len(inspector.layout.matrix.grid["rows"]) == 11


def test_the_lines_of_python_open_folders_and_names_again(
    models: Mapping[str, SentenceTransformer], rows: Path, tmp_path: Path
) -> None:
    for name, model in models.items():
        encoder.save(model, tmp_path / name)
    inspector = inspect_models({name: tmp_path / name for name in models}, rows, precision="bf16")
    names: dict[str, Any] = {}
    lines = inspector.python.splitlines()
    exec("\n".join(lines[:2]), names)  # the lines are the kit's own
    pd.testing.assert_frame_equal(eval(lines[2], names)["queries"], inspector.queries())
    assert "open_models(models, " in inspect_models(models, rows).python  # objects have no path


def test_a_difference_of_two_models_is_tested_over_questions_only(
    models: dict[str, SentenceTransformer], rows: Path
) -> None:
    found = views.pair_matrix(open_models(models, rows), "after", "AP", "before")
    assert set(found["mark"]) <= {"", "°"}  # of one training each nothing is known of others


@pytest.mark.parametrize(
    ("given", "benchmark", "told"),
    [
        ({}, "atlas[:2]", "give some by name"),
        ({" ": "x"}, "atlas[:2]", "must be a text"),
        ({"a": "./no-such-folder"}, "atlas[:2]", "no-such-folder"),
        ({"a": "./no-such-folder"}, "no-such-benchmark", "no-such-benchmark"),
        ({"a": "./no-such-folder"}, "", "name"),
    ],
)
def test_what_cannot_be_opened_is_an_error(given: dict[str, Any], benchmark: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        open_models(given, benchmark)


def test_one_model_and_a_benchmark_without_twins_are_named(models: dict[str, SentenceTransformer], rows: Path) -> None:
    whole = open_benchmark(rows)
    judged = whole.judgements[whole.judgements["passage_language"] == "de"]
    found = open_models({"one": models["before"]}, Benchmark("mine", whole.queries, whole.passages, judged))
    assert [one.split(",")[0] for one in found.missing] == ["No query of mine has twins", "There is one model only"]


def test_it_is_public() -> None:
    assert hybridkit.inspect_models is inspect_models and hybridkit.open_models is open_models
