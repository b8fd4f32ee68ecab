"""`hybridkit train --kind reranker` and re-ranked systems of `hybridkit evaluate`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hybridkit.cli import commands as main
from hybridkit.cli import train
from hybridkit.models import encoder, reranker
from tests.cli.test_evaluate import mine  # noqa: F401  a fixture
from tests.cli.test_main import refused, rows_in
from tests.tiny_rerankers import make_bert

PLAN = ["--strategy", "mono", "--steps", "3", "--batch-size", "4", "--max-length", "24"]


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HYBRIDKIT_DATA", raising=False)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows_in(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"), labels=0)


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dense") / "static"
    texts = [f"{tag} what is thing{n} number{7 * n}?" for tag in ("de", "en", "fr") for n in range(12)]
    encoder.save(encoder.make(texts, vocab_size=200, dim=16), out)
    return out


def training(rows: Path, bert: Path, out: Path, *more: str) -> list[str]:
    known = ["--kind", "reranker", "--model", str(bert), "--rows", str(rows), *PLAN, "--ratio", "2"]
    return ["train", *known, "--out", str(out), *more]


@pytest.fixture(scope="module")
def model(rows: Path, bert: Path) -> Path:
    out = rows.parent / "reranker"
    assert main.main(training(rows, bert, out, "--negatives", "mined")) == 0
    return out


def test_a_training_is_whole_and_its_card_says_what_it_is(rows: Path, bert: Path, model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    assert {"modules.json", "model.safetensors", "steps.jsonl", "README.md", "hybridkit-train.json"} <= names
    noted = json.loads((model / "hybridkit-train.json").read_text())
    assert (noted["negatives"], noted["ratio"], noted["loss"]) == ("mined", 2, "binary")
    card = (model / "README.md").read_text()
    assert "pipeline_tag: text-ranking" in card and "- reranker" in card and "hybridkit train --kind reranker" in card
    assert reranker.score(reranker.open(model), ["a"], ["b"]).shape == (1,)
    assert main.main(training(rows, bert, model, "--negatives", "mined", "--resume")) == 0  # it is finished


def test_an_unfinished_training_goes_on_to_the_same_weights(
    rows: Path, bert: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    out, more = tmp_path / "out", ["--negatives", "mined", "--checkpoint-every", "2"]
    with monkeypatch.context() as patch:
        patch.setattr("hybridkit.models.training.atomic_folder", stop)
        assert main.main(training(rows, bert, out, *more)) == 130
    assert list(train.work_folder(out).glob("checkpoint-*")) and not out.exists()
    assert main.main(training(rows, bert, out, *more, "--resume")) == 0
    assert (out / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def test_trainings_that_are_refused(rows: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert "no draw has a hard negative" in refused(training(rows, bert, out), capsys)
    assert "lower the ratio" in refused(training(rows, bert, out, "--negatives", "random", "--ratio", "12"), capsys)
    assert "--temperature: it is for --kind encoder" in refused(training(rows, bert, out, "--temperature", "1"), capsys)
    known = ["train", "--rows", str(rows), *PLAN, "--out", str(out), "--model"]
    assert "--ratio: it is for --kind reranker" in refused([*known, str(bert), "--ratio", "2"], capsys)
    assert "--pair-loss: it is for" in refused([*known, str(bert), "--pair-loss", "binary"], capsys)
    assert "--negatives mined: it is for" in refused([*known, str(bert), "--negatives", "mined"], capsys)
    reranked = [*known, "static", "--kind", "reranker", "--negatives", "random"]
    assert "it has no transformer" in refused(reranked, capsys)
    assert not out.exists() and not train.work_folder(out).exists()


def value_of(arguments: list[str], tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "value.json"
    assert main.main(["evaluate", *arguments, "--json", str(path)]) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_a_parallel_benchmark_is_re_ranked_with_and_without_remedies(
    rows: Path, dense: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systems = [f"rerank({first}, model={model}, depth=3)" for first in ("dense", "bm25", "fusion")]
    known = ["--model", str(dense), "--benchmark", str(rows), "--system", ",".join(["dense", *systems])]
    value = value_of([*known, "--save-runs", str(tmp_path / "runs")], tmp_path)[str(rows)]
    assert [*value] == ["dense", *systems]
    shown = capsys.readouterr().out
    for system in systems:
        assert {"mono", "cross", "pool", "languages", "reranked"} <= value[system].keys()
        assert {"AP", "RR@10", "nDCG@10"} <= value[system]["pool"].keys() and "rank_distance" in value[system]["pool"]
        assert f"{system}: the best 3 of each query are re-ranked, others keep the first stage's ranks" in shown
    # behind the depth nothing moves
    assert value[systems[0]]["mono"]["R@10"] == value["dense"]["mono"]["R@10"]
    assert value[systems[0]]["mono"]["AP"] != value["dense"]["mono"]["AP"]
    columns = ["query", "q0", "passage", "rank", "score", "tag"]
    (run,) = (tmp_path / "runs").glob("*rerank_dense*.en.en.run")
    (plain,) = (tmp_path / "runs").glob("*mine.jsonl.dense.en.en.run")
    ours, theirs = (pd.read_csv(path, sep=" ", names=columns, dtype={"query": str}) for path in (run, plain))
    relevant = ours[ours["passage"].str.rpartition(":")[2] == ours["query"]]
    assert (1 / relevant["rank"]).mean() == pytest.approx(value[systems[0]]["languages"]["en>en"]["AP"])
    for query, part in ours.groupby("query"):
        before = theirs[theirs["query"] == query]["passage"].tolist()
        assert part["passage"].tolist()[3:] == before[3:] and set(part["passage"][:3]) == set(before[:3])
    remedied = value_of([*known, "--remedy", "none", "--remedy", "calibrate(top=2)"], tmp_path)[str(rows)]
    for system in systems:
        found = remedied[system]
        assert [*found] == ["none", "calibrate(top=2)"]
        assert {"own", "other", "pool", "reranked"} <= found["none"].keys()
        # a language's own order is the same with calibration, before and after
        assert found["none"]["mono"] == found["calibrate(top=2)"]["mono"] == value[system]["mono"]
        assert found["none"]["pool"] == value[system]["pool"]


def test_a_collection_is_re_ranked(
    mine: Path,  # noqa: F811  the fixture
    model: Path,
    dense: Path,
    tmp_path: Path,
) -> None:
    systems = [f"rerank({first}, model={model}, depth=4)" for first in ("bm25", "rrf")]
    names = f"{mine},{mine}[pool]"
    value = value_of(["--model", str(dense), "--benchmark", names, "--system", ",".join(["bm25", *systems])], tmp_path)
    for name in names.split(","):
        assert [*value[name]] == ["bm25", *systems]
        for system in systems:
            assert value[name][system]["reranked"].startswith("the best 4")
    mono = value[str(mine)]
    assert mono[systems[0]]["mono"]["R@100"] == mono["bm25"]["mono"]["R@100"]


def test_systems_that_are_refused(
    rows: Path, bert: Path, dense: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ["evaluate", "--benchmark", str(rows), "--model", str(dense), "--system"]
    assert "this is a dual encoder" in refused([*known, f"rerank(dense, model={dense}, depth=3)"], capsys)
    assert "no head that gives a pair" in refused([*known, f"rerank(dense, model={bert}, depth=3)"], capsys)
    assert "no such folder" in refused([*known, "rerank(dense, model=./nowhere, depth=3)"], capsys)
    assert "depth 13 is beyond the 12 passages" in refused([*known, f"rerank(dense, model={model}, depth=13)"], capsys)
    assert "rrf" in refused([*known, f"rerank(rrf, model={model}, depth=3)"], capsys)
    without = ["evaluate", "--benchmark", str(rows), "--system", f"rerank(dense, model={model}, depth=3)"]
    assert "needs an encoder" in refused(without, capsys)
    assert "this is a re-ranker" in refused([*known[:3], "--model", str(model)], capsys)
    inner = [*known, f"rerank(bm25, model={model}, depth=3)", "--remedy", "centre(by='passages')"]
    assert "acts on embeddings or weights, and bm25 has none" in refused(inner, capsys)
    for wrong, why in (
        (f"rerank(dense, model={model}, depth=0)", "must be a whole number from 1 on"),
        (f"rerank(sparse, model={model})", "there is no system 'sparse'"),
        ("rerank(dense)", "which re-ranker"),
    ):
        with pytest.raises(SystemExit):
            main.main([*known, wrong])
        assert why in capsys.readouterr().err
    assert not (tmp_path / "cache" / "rerank").exists()


def test_an_encoder_learns_from_a_re_ranker(
    rows: Path, bert: Path, dense: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mined = tmp_path / "mined.jsonl"
    assert main.main(["data", "negatives", "--rows", str(rows), "--with", "bm25", "--out", str(mined)]) == 0
    plan = [*PLAN[:-2], "--lr", "0.01", "--negatives"]
    known = ["train", "--model", "static", "--rows", str(mined), *plan, "--out", str(tmp_path / "out")]
    options = ["--margin-mse", "0.5", "--reranker"]
    assert main.main([*known, *options, str(model)]) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| margin mse | 0.5 |" in card and "| reranker | reranker |" in card
    line = json.loads((tmp_path / "out" / "steps.jsonl").read_text().splitlines()[-1])
    assert line["loss"] == pytest.approx(line["infonce"] + 0.5 * line["margin_mse"], abs=2e-4)
    noted = json.loads((tmp_path / "out" / train.RECORD).read_text())
    assert noted["reranker"] == encoder.model_hash(reranker.open(model))  # type: ignore[arg-type]
    moved = shutil.copytree(model, tmp_path / "moved")
    capsys.readouterr()
    assert main.main([*known, *options, str(moved), "--resume"]) == 0
    assert "finished" in capsys.readouterr().out
    with_head = make_bert(tmp_path / "other")
    assert "another training" in refused([*known, *options, str(with_head), "--resume"], capsys)

    known[-1] = str(tmp_path / "none")
    for given, why in (
        ([*options, str(dense)], "this is a dual encoder, which embeds each text by itself"),
        ([*options, str(bert)], "no head that gives a pair of texts a score"),
        ([*options, "./nowhere"], "./nowhere: there is no such folder"),
        (["--reranker", str(model)], "training.reranker must be left out: margin_mse is 0"),
        (options[:2], "training.reranker must be given where margin_mse is above 0"),
        ([*options, str(model), "--rows", str(rows)], "no draw of the plan of mono has a hard negative"),
    ):
        assert why in refused([*known, *given], capsys)
    known.remove("--negatives")
    assert "training.margin_mse must be 0 where negatives is false" in refused([*known, *options, str(model)], capsys)
    pairs = training(rows, bert, tmp_path / "none", *options, str(model))
    assert "--margin-mse: it is for --kind encoder" in refused(pairs, capsys)
    assert not list(tmp_path.glob("none*"))
