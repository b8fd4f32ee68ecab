"""`hybridkit evaluate` on judged sets: the table by language, the JSON, pools, and what it refuses."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import nDCG
from sentence_transformers import SentenceTransformer

from hybridkit.cli import commands as main
from hybridkit.data.collection import Collection
from hybridkit.data.sources.open_benchmarks import open_benchmark, open_collection
from hybridkit.evaluation.clusters import question_clusters
from hybridkit.evaluation.measures import per_query
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.evaluation.significance import compare
from hybridkit.models import encoder
from hybridkit.models.embedding import encode
from hybridkit.retrieval.bm25 import bm25
from hybridkit.retrieval.dense import dense
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from tests.tiny_study import tiny_study

LANGUAGES = ("de", "sw")
MEASURES = ["nDCG@10", "R@100", "RR@10", "holes@10"]


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HYBRIDKIT_DATA", raising=False)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of 12 passages in each of two languages, and a query on every second."""
    folder = tmp_path_factory.mktemp("sets") / "mine"
    for tag in LANGUAGES:
        home, name = folder / f"mine-{tag}", f"mine-{tag}-dev.tsv"
        for part in ("topics", "qrels", "corpus"):
            (home / part).mkdir(parents=True)
        asked = range(0, 12, 2)
        (home / "topics" / f"topics.{name}").write_text("".join(f"{n}\t{tag} what is thing{n}?\n" for n in asked))
        (home / "qrels" / f"qrels.{name}").write_text("".join(f"{n}\tQ0\t{n}#0\t1\n" for n in asked))
        docs = [{"docid": f"{n}#0", "title": f"thing{n}", "text": f"{tag} is number{7 * n}"} for n in range(12)]
        (home / "corpus" / "docs-0.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static encoder, untrained."""
    out = tmp_path_factory.mktemp("model") / "static"
    texts = [f"{tag} what is thing{n} number{7 * n}?" for tag in LANGUAGES for n in range(12)]
    encoder.make(texts, vocab_size=200, dim=16).save(str(out))
    return out


def exact(judged: Collection, model: SentenceTransformer) -> pd.DataFrame:
    """Every passage of a set by inner product: what the command's runs are held against."""
    ids, texts = (sum(parts, []) for parts in zip(*judged.passages(), strict=True))
    scores = encode(model, judged.queries["text"].tolist()) @ encode(model, texts, "passage").T
    rows = [(q, p, scores[i, j]) for i, q in enumerate(judged.queries["query_id"]) for j, p in enumerate(ids)]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "score"])


def by_hand(judged: Collection, run: pd.DataFrame) -> float:
    """RR@10 of a set in which every query has one relevant passage; ties as in trec_eval."""
    found = []
    for query, wanted, _ in judged.judgements.itertuples(index=False):
        part = run[run["query_id"] == query].sort_values(["score", "passage_id"], ascending=False)
        rank = part["passage_id"].tolist().index(wanted) + 1
        found.append(1 / rank if rank <= 10 else 0.0)
    return float(np.mean(found))


def told(arguments: list[str], tmp_path: Path) -> dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]]:
    path = tmp_path / "told.json"
    assert main.main(["evaluate", *arguments, "--json", str(path)]) == 0
    value: dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]] = without_differences(
        json.loads(path.read_text())
    )
    return value


def without_differences(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: without_differences(one) for key, one in value.items() if key != "against"}


@pytest.mark.parametrize("remedies", [[], ["--remedy", "none", "--remedy", "calibrate(top=2)"]])
def test_systems_and_remedies_are_compared_with_the_first(
    mine: Path,
    model: Path,
    parallel_rows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    remedies: list[str],
) -> None:
    names = f"{parallel_rows},{mine},{mine}[pool]"
    arguments = ["--model", str(model), "--benchmark", names, "--system", "dense,bm25", *remedies]
    told(arguments, tmp_path)
    shown = capsys.readouterr().out
    compared = 0
    for name, found in json.loads((tmp_path / "told.json").read_text()).items():
        lines = found if not remedies else {(s, r): one for s, of in found.items() for r, one in of.items()}
        (first, *_), measure = lines, "AP" if name == str(parallel_rows) else "nDCG@10"
        assert "against" not in lines[first]
        for line, own in list(lines.items())[1:]:
            ((against, settings),) = own["against"].items()
            assert against == (", ".join(first) if remedies else first)
            assert list(settings) == [one for one in own if one not in ("languages", "intervals", "against")]
            for setting, measures in settings.items():
                difference, (low, high) = measures[measure]["difference"], measures[measure]["interval"]
                assert difference == pytest.approx(own[setting][measure] - lines[first][setting][measure], abs=1e-9)
                assert low <= difference <= high and 0 <= measures[measure]["p"] <= 1
                assert measures[measure]["mark"] in ("", "°")  # one training: nothing is established
                assert f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]{measures[measure]['mark']}" in shown, line
                compared += 1
    assert compared == (5 if not remedies else 3 * 5 + 3 * 2)
    assert "95 % interval over articles" in shown and "It says nothing of other trainings" in shown
    # the same comparison by hand
    benchmark = open_benchmark(str(parallel_rows))
    opened, clusters = encoder.open(model), question_clusters(benchmark)
    queries, passages = (
        encode(opened, frame["text"].tolist(), side)
        for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages))
    )
    ranks = (rank_table_from_scores(benchmark, one) for one in (bm25(benchmark), dense(benchmark, queries, passages)))
    by_hand = compare(*(per_query(one, ["AP"]) for one in ranks), clusters)
    (pool,) = by_hand[(by_hand["setting"] == "pool") & (by_hand["query_language"] == "*")].to_dict("records")
    assert f"{pool['difference']:+.4f} [{pool['low']:+.4f}, {pool['high']:+.4f}]" in shown


def test_a_system_alone_is_compared_with_nothing(model: Path, parallel_rows: Path, tmp_path: Path) -> None:
    told(["--model", str(model), "--benchmark", str(parallel_rows)], tmp_path)
    assert "against" not in (tmp_path / "told.json").read_text()


def test_the_table_and_the_json_by_language(
    mine: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(model), "--benchmark", str(mine), "--system", "dense,bm25,fusion,rrf"]
    value = told([*arguments, "--strategy-label", "mine"], tmp_path)[str(mine)]
    assert list(value) == ["dense", "bm25", "fusion", "rrf"]
    for found in value.values():
        assert set(found) == {"mono", "languages", "intervals"}
        assert list(found["mono"]) == MEASURES
        assert list(found["languages"]) == ["de>de", "sw>sw"]
        for measure in MEASURES:
            mean = sum(one[measure] for one in found["languages"].values()) / 2
            assert found["mono"][measure] == pytest.approx(mean)
        assert {one["queries"] for one in found["languages"].values()} == {6}
        assert found["mono"]["R@100"] == 1  # all twelve were retrieved
        for tag, own in found["intervals"].items():
            low, high = own["RR@10"]
            assert own["unit"] in ("queries", "documents") and low <= found["languages"][tag]["RR@10"] <= high
    german, _ = open_collection(mine)
    opened = encoder.open(model)
    assert value["dense"]["languages"]["de>de"]["RR@10"] == pytest.approx(by_hand(german, exact(german, opened)))
    assert value["bm25"]["mono"]["RR@10"] == 1  # every query names its passage
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["strategy", "benchmark", "system", "setting", "language", "queries", *MEASURES]
    assert [line.split()[4:6] for line in lines[1:4]] == [["de", "6"], ["sw", "6"], ["mean", "12"]]
    assert lines[1 + 4 * 3 : 2 + 4 * 3] == [""]  # differences from dense follow


def test_a_pool_is_labelled_as_one(mine: Path, model: Path, tmp_path: Path) -> None:
    name = f"{mine}[pool]"
    value = told(["--model", str(model), "--benchmark", f"{mine},{name}"], tmp_path)
    assert set(value[str(mine)]["dense"]) == {"mono", "languages", "intervals"}
    assert set(value[name]["dense"]) == {"pool", "languages", "intervals"}
    assert list(value[name]["dense"]["languages"]) == ["de>*", "sw>*"]
    opened = encoder.open(model)
    for one in open_collection(name):
        wanted = by_hand(one, exact(one, opened))
        assert value[name]["dense"]["languages"][f"{one.language}>*"]["RR@10"] == pytest.approx(wanted)
    assert value[name]["dense"]["pool"]["holes@10"] > value[str(mine)]["dense"]["mono"]["holes@10"] - 1e-9


def test_parallel_and_judged_in_one_call(
    mine: Path, parallel_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = told(["--benchmark", f"{mine}[sw],{parallel_rows}", "--system", "bm25"], tmp_path)
    assert list(value) == [f"{mine}[sw]", str(parallel_rows)]
    assert set(value[str(parallel_rows)]["bm25"]) == {"mono", "cross", "pool", "languages"}
    # the user's own translated set: every pair of its languages, and the pool
    assert set(value[str(parallel_rows)]["bm25"]["languages"]) == {"de>de", "de>en", "en>de", "en>en"}
    assert list(value[f"{mine}[sw]"]["bm25"]["languages"]) == ["sw>sw"]
    ranked, searched = capsys.readouterr().out.strip().split("\n\n")
    assert "rank_distance" in ranked.splitlines()[0]
    assert len(searched.splitlines()) == 1 + 1  # one language has no mean of its own


def test_depth_cuts_the_runs(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(["--benchmark", f"{mine}[sw]", "--system", "bm25", "--depth", "5"], tmp_path)
    assert capsys.readouterr().err.count("--depth 5: on collections, what is behind it counts as not found") == 1
    told(["--benchmark", f"{mine}[sw]", "--system", "bm25", "--depth", "12"], tmp_path)  # as many as there are
    assert "--depth" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--system", "dense"], "needs an encoder; give --model"),
        (["--system", "bm25", "--depth", "0"], "--depth must be a whole number from 1 on"),
        (
            ["--system", "bm25,hnsw", "--benchmark", "atlas"],
            "--system hnsw: it searches collections such as miracl; atlas is ranked",
        ),
        (["--system", "bm25", "--benchmark", "tydi-goldp[xx]"], "no language 'xx'; there are en, fi, id, ko, sw"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    mine: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["evaluate", "--benchmark", str(mine), *more]) == main.INPUT
    assert message in capsys.readouterr().err


def test_saved_runs_have_the_printed_scores(mine: Path, parallel_rows: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    arguments = ["--benchmark", f"{mine}[sw],{parallel_rows}", "--system", "bm25", "--save-runs", str(folder)]
    value = told(arguments, tmp_path)
    for name, setting, passages in ((f"{mine}[sw]", "sw>sw", 12), (str(parallel_rows), "en>de", 60)):
        languages = setting.replace(">", ".")
        (found,) = folder.glob(f"*{Path(name).name.partition('[')[0]}*.bm25.{languages}.run")
        qrels = found.with_name(found.name.replace(f".bm25.{languages}.run", f".{languages}.qrels"))
        run, judged = ir_measures.read_trec_run(str(found)), ir_measures.read_trec_qrels(str(qrels))
        wanted = value[name]["bm25"]["languages"][setting]["nDCG@10"]
        assert ir_measures.calc_aggregate([nDCG @ 10], judged, run) == pytest.approx({nDCG @ 10: wanted}, abs=1e-5)
        assert max(Counter(line.split()[0] for line in found.read_text().splitlines()).values()) <= passages
    assert len(list(folder.glob("*.pool.run"))) == 2  # of the parallel rows, for each language of queries


REMEDIES = ["--remedy", "none", "--remedy", "calibrate(2)", "--remedy", "centre(by='passages') + zscore"]


def test_remedies_are_blocks_of_rows_and_keys_of_the_json(
    model: Path, parallel_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", str(model), "--benchmark", str(parallel_rows), "--system", "dense,bm25,fusion"]
    before = told(arguments, tmp_path)[str(parallel_rows)]
    capsys.readouterr()
    value = told([*arguments, *REMEDIES], tmp_path)[str(parallel_rows)]
    centred = "centre(by='passages') + zscore"
    assert {name: list(found) for name, found in value.items()} == {
        "dense": ["none", "calibrate(top=2)", centred],
        "bm25": ["none", "calibrate(top=2)"],  # it has no embeddings
        "fusion": ["none", "calibrate(top=2)", centred],
    }
    for system, found in value.items():
        assert {name: found["none"][name] for name in before[system]} == before[system]
        assert set(found["none"]) - set(before[system]) == {"own", "other"}  # the answer in one language
        assert found["none"]["own"]["RR"] <= before[system]["pool"]["RR"]
        calibrated = found["calibrate(top=2)"]
        assert calibrated["mono"] == before[system]["mono"] and calibrated["cross"] == before[system]["cross"]
    assert value["dense"]["calibrate(top=2)"]["pool"]["AP"] > before["dense"]["pool"]["AP"]
    assert value["dense"][centred]["mono"] != before["dense"]["mono"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["benchmark", "system", "remedy", "setting"]
    assert lines[1 + 8 * 5] == ""  # differences from dense without a remedy follow


def test_remedies_by_rows(model: Path, parallel_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        json.dumps(
            {
                "id": f"row {n}",
                "query": {tag: f"{tag} what is thing{n} number?" for tag in ("en", "de")},
                "passage": {tag: f"{tag} number{7 * n} is thing{n} here" for tag in ("en", "de")},
            }
        )
        for n in range(12)
    ]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(lines))
    arguments = ["--model", str(model), "--benchmark", str(parallel_rows), "--remedy", "centre(by='rows')"]
    value = told([*arguments, "--remedy", "shift", "--remedy-rows", str(rows)], tmp_path)[str(parallel_rows)]
    assert list(value["dense"]) == ["centre(by='rows')", "shift(source='en')"]
    capsys.readouterr()
    for more, message in (
        ([], "it is estimated from parallel rows; give --remedy-rows NAME"),
        (["--remedy-rows", str(parallel_rows)], "60 of 60 are in what is evaluated too; the first is '0', whose"),
        (["--remedy-rows", "no-such-rows"], "no such file, and no data set of rows"),
    ):
        assert main.main(["evaluate", *arguments, *more]) == main.INPUT
        assert message in capsys.readouterr().err


def test_half_way_to_the_start(
    model: Path, parallel_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "trained"
    arguments = ["train", "--model", str(model), "--rows", str(parallel_rows), "--strategy", "cross", "--steps", "3"]
    assert main.main([*arguments, "--batch-size", "4", "--lr", "0.05", "--out", str(trained)]) == 0
    remedies = [word for w in (0, 0.5, 1) for word in ("--remedy", f"interpolate({w})")]
    given = ["--benchmark", str(parallel_rows)]
    value = told(["--model", str(trained), *given, "--remedy", "none", *remedies], tmp_path)[str(parallel_rows)][
        "dense"
    ]
    start = told(["--model", str(model), *given, "--remedy", "none"], tmp_path)[str(parallel_rows)]["dense"]["none"]
    assert value["interpolate(0)"] == start and value["interpolate(1)"] == value["none"] != start
    assert value["interpolate(0.5)"] not in (start, value["none"])
    other = tmp_path / "other"
    encoder.make(["wer ist das she sie who is"], vocab_size=60, dim=16, seed=1).save(str(other))
    more = ["evaluate", "--model", str(trained), *given, "--remedy", "interpolate(0.5)", "--start", str(other)]
    assert main.main(more) == main.INPUT
    assert "its weights are not those that" in capsys.readouterr().err


def test_half_way_to_the_start_of_a_model_of_a_study(
    parallel_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # a name that opens from here, and is no path beside the study
    encoder.make(["wer ist das sie she who is"], vocab_size=60, dim=16, seed=0).save("the-start")
    (tmp_path / "study").mkdir()
    plain = {"steps": 3, "batch_size": 4, "learning_rate": 0.05}
    run = Run(tiny_study(tmp_path / "study", encoder={"name": "the-start"}, training=plain), tmp_path / "run")
    trained = str(run.trained.train(ModelSpec("mono")))
    given = ["--benchmark", str(parallel_rows), "--remedy"]
    found = told(["--model", trained, *given, "interpolate(0)"], tmp_path)[str(parallel_rows)]["dense"]
    start = told(["--model", "the-start", *given, "none"], tmp_path)[str(parallel_rows)]["dense"]
    assert found["interpolate(0)"] == start["none"]
    encoder.make(["wer ist das sie she who is"], vocab_size=60, dim=16, seed=1).save("the-start")
    assert main.main(["evaluate", "--model", trained, *given, "interpolate(0)"]) == main.INPUT
    assert "its weights are not those that" in capsys.readouterr().err


def test_remedies_on_a_pool_of_collections(mine: Path, model: Path, tmp_path: Path) -> None:
    name, remedies = f"{mine}[pool]", ["none", "calibrate(top=3)", "centre(by='passages')"]
    arguments = ["--model", str(model), "--benchmark", f"{name},{mine}", "--system", "dense,bm25,fusion,rrf"]
    before = told(arguments, tmp_path)
    value = told([*arguments, *[word for one in remedies for word in ("--remedy", one)]], tmp_path)
    assert list(value[name]) == ["dense", "bm25", "fusion", "rrf"]
    for system, found in value[name].items():
        assert list(found) == (remedies if system != "bm25" else remedies[:2])
        assert found["none"] == before[name][system]
    # within one language nothing is compared with another
    assert value[str(mine)]["dense"]["calibrate(top=3)"] == before[str(mine)]["dense"]
    # the pool against the definition, from all scores
    opened = encoder.open(model)
    for one in open_collection(name):
        run = exact(one, opened)
        language = run["passage_id"].str[:2]
        best = run.sort_values("score").groupby(["query_id", language])["score"].apply(lambda part: part.tail(3).mean())
        levels = [best[query, tag] for query, tag in zip(run["query_id"], language, strict=True)]
        wanted = by_hand(one, run.assign(score=run["score"] - levels))
        got = value[name]["dense"]["calibrate(top=3)"]["languages"][f"{one.language}>*"]["RR@10"]
        assert got == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--system", "bm25", "--remedy", "centre(by='passages')"],
            "it acts on embeddings or weights, and bm25 has none",
        ),
        (["--system", "bm25", "--remedy", "zscore"], "zscore: it needs the scores of all passages, and"),
        (["--system", "bm25", "--remedy", "calibrate(top=0)"], "must be a whole number from 1 on (got 0)"),
        (["--system", "bm25", "--remedy", "zscore + lir"], "write lir(k=1) + zscore"),
        (["--system", "bm25", "--remedy", "none", "--remedy-rows", "atlas"], "no remedy is estimated from rows"),
        (["--system", "bm25", "--remedy", "none", "--start", "e5-small"], "--start: no remedy needs it"),
        (
            ["--system", "bm25", "--remedy", "calibrate(5)", "--depth", "4"],
            "a collection is searched to 4; give a smaller top, or search deeper (--depth)",
        ),
    ],
)
def test_remedies_that_do_not_fit_are_refused(
    mine: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["evaluate", "--benchmark", str(mine), *more]) == main.INPUT
    assert message in capsys.readouterr().err


def test_interpolation_without_a_start_is_refused(
    model: Path, parallel_rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["evaluate", "--model", str(model), "--benchmark", str(parallel_rows), "--remedy", "interpolate(0.5)"]
    assert main.main(given) == main.INPUT
    assert "it does not say which encoder it was trained from; give --start NAME" in capsys.readouterr().err
