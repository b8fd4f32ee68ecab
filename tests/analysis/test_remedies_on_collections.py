"""Remedies of a study on test collections: results by hand, what is kept apart, what is told at the start."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hybridkit import plots
from hybridkit.analysis import remedies
from hybridkit.analysis.scores import collection_queries, collection_table
from hybridkit.analysis.whole_study import make_everything
from hybridkit.errors import InputError
from hybridkit.models.embedding import encode
from hybridkit.study.estimate import estimate
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.workers import Here
from tests.tiny_study import tiny_study

CHAINS = ["centre(by='rows')", "centre(by='passages')", "calibrate(top=1)", "interpolate(0.5)"]


@pytest.fixture
def run(tmp_path: Path, judged_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    asked = {"benchmarks": [str(tmp_path / "asked.jsonl")], "judged": [str(judged_folder), f"{judged_folder}[pool]"]}
    study = tiny_study(tmp_path, lone=0, remedies=CHAINS, evaluation=asked, notebooks=["08"])
    return Run(study, tmp_path / "run")


def test_results_are_those_of_the_chain_on_the_models_embeddings(run: Run) -> None:
    spec = ModelSpec("cross", 0, remedy="centre(by='rows')")
    own, pool = run.study.judged_in("main")
    rows, model = run.row_embeddings(spec, ("de", "en")), run.trained.open(spec)
    vectors, ids = [], []
    for one in run.collections(own):
        ((names, texts),) = one.passages()
        found = encode(model, list(texts), "passage") - rows.passage[one.language].mean(axis=0)
        vectors.append(found / np.linalg.norm(found, axis=1, keepdims=True))
        ids += [f"{one.language}:{name}" for name in names]
    for _, _, values in collection_queries(run, [spec], [pool]):
        language = str(values["query_language"].iloc[0])
        (asked,) = (one.queries for one in run.collections(own) if one.language == language)
        queries = encode(model, asked["text"].tolist(), "query") - rows.query[language].mean(axis=0)
        order = np.argsort(-(queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ np.concatenate(vectors).T)
        wanted = [[ids[at] for at in line].index(f"{language}:{language}#{nth}") for nth, line in enumerate(order)]
        got = values[values["measure"] == "RR@10"].sort_values("query_id")["value"]
        assert got.tolist() == pytest.approx([1 / (rank + 1) for rank in wanted])


def test_none_is_what_the_study_is_without_remedies_and_no_two_systems_share_a_file(run: Run) -> None:
    table, _ = remedies.collection_remedies(run)
    plain = collection_table(run).rename(columns={"language": "query_language"})
    none = table[table["remedy"] == "none"]
    keys = ["benchmark", "strategy", "seed", "setting", "query_language", "measure"]
    both = none.merge(plain, on=keys, suffixes=("", "_plain"))
    assert len(both) == len(none) == 3 * 4 and both["value"].tolist() == both["value_plain"].tolist()
    files = {
        run.judged_path(spec, one, "queries") for spec in run.systems() for one in run.collections(*run.study.judged)
    }
    assert len(files) == 4 * (3 * 5 - 1)


def test_table_points_and_comparisons_say_the_same(run: Run) -> None:
    found, systems = remedies.collection_remedies(run)
    table, points = remedies.collection_table(found), remedies.collection_points(systems)
    assert len(table) == 3 * 5 - 1 and list(table) == [*run.study.judged, "seeds"]
    for row in points.to_dict("records"):
        assert row["value"] == pytest.approx(table.loc[(row["strategy"], row["remedy"]), row["benchmark"]])
    compared = remedies.compare_remedies(run, systems, "mono")
    for row in compared[compared["kind"] == "a remedy"].to_dict("records"):
        first, second = (
            table.loc[(row["strategy"], row[name]), row["benchmark"]] for name in ("remedy", "against_remedy")
        )
        assert row["difference"] == pytest.approx(first - second)
    figure = plots.remedy_collections(points)
    assert [axes.get_title() for axes in figure.axes] == list(run.study.judged)


def test_made_before_the_notebooks_nothing_is_left_to_encode(run: Run) -> None:
    assert (estimate(run).seconds or {})["collections"] > 0
    assert make_everything(run, ["04"], Here()) == 3
    assert not any(
        run.judged_path(spec, one, "queries").is_file()
        for spec in run.systems()
        if spec.remedy
        for one in run.collections(*run.study.judged)
    )
    assert make_everything(run, ["08"], Here()) == 3
    assert make_everything(Run(run.study, run.folder), ["08"], Here()) == 0
    assert "collections" not in (estimate(Run(run.study, run.folder)).seconds or {})
    opened = Run(run.study, run.folder)
    opened.model = lambda _: pytest.fail("a model was opened")  # type: ignore[method-assign,assignment]
    assert len(remedies.collection_remedies(opened)[1]) == 2


def test_a_study_without_collections_has_nothing_to_show(tmp_path: Path) -> None:
    run = Run(tiny_study(tmp_path, remedies=CHAINS[:1]), tmp_path / "run")
    table, systems = remedies.collection_remedies(run)
    assert table.empty and remedies.collection_table(table).empty and remedies.collection_points(systems).empty
    assert {"low", "high", "mark"} <= set(remedies.compare_remedies(run, systems, "mono"))


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ("zscore", "needs the scores of all passages, and a collection is searched to 1000; give calibrate"),
        ("calibrate(top=2000)", "give a smaller top"),
        ("centre(by='passages') + lir(k=1, by='passages')", "one remedy by passages acts on embeddings; leave one"),
    ],
)
def test_what_a_collection_cannot_have_is_told_before_anything_is_trained(run: Run, chain: str, said: str) -> None:
    wrong = Run(replace(run.study, remedies=(chain,)), run.folder)
    with pytest.raises(InputError, match=said) as error:
        wrong.check()
    assert f"remedies: {chain!r}, on {run.study.judged[0]}" in str(error.value)
    assert not (run.folder / "models").exists()


def test_rows_that_lack_a_language_of_a_collection_are_told_too(run: Run, judged_folder: Path, tmp_path: Path) -> None:
    asked = replace(run.study.evaluation, benchmarks=("held-out",))
    rows = replace(run.study.rows, languages=("en",))
    wrong = Run(replace(run.study, evaluation=asked, rows=rows, strategies=("mono",), compare=("mono", "untrained")))
    with pytest.raises(InputError, match=r"on .*toy: rows: no query in 'de'"):
        wrong.check()
