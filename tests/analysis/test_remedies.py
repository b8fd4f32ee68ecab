"""Remedies of a study: results by hand where they can be, what is shared and kept, choice on held-out rows alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis import remedies
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table
from hybridkit.models import encoder
from hybridkit.remedies import parse
from hybridkit.report.inspected_run import open_inspected
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import index_of, model_scores, study_scores
from tests.tiny_study import tiny_study

CHAINS = ["centre(by='rows')", "calibrate(top=1)", "interpolate(0.5)", "interpolate(0.5) + shift(source='en')"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("study")
    training = {"steps": 8, "batch_size": 4, "learning_rate": 0.05}
    study = tiny_study(folder, lone=0, asked=10, seeds=[0, 1, 2], training=training, remedies=CHAINS)
    return Run(study, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def results(run: Run) -> tuple[pd.DataFrame, dict]:
    return remedies.remedy_results(run)


@pytest.fixture(scope="module")
def compared(run: Run, results: tuple[pd.DataFrame, dict]) -> pd.DataFrame:
    return remedies.compare_remedies(run, results[1], "mono")


def benchmark(run: Run) -> str:
    return str(run.benchmarks()[0])


def test_every_model_has_each_remedy_and_the_untrained_encoder_none_in_its_weights(run: Run) -> None:
    systems = run.systems()
    assert len(systems) == len(set(systems)) == 7 * 5 - 2
    assert {spec.remedy for spec in systems if spec.strategy == "untrained"} == {"", *CHAINS[:2]}
    assert len({run.trained.key(spec) for spec in systems}) == 7  # a remedy trains nothing
    paths = [run.ranks_path(spec, benchmark(run)) for spec in systems]
    assert len(set(paths)) == len(systems)


def test_one_benchmark_alone_and_a_wrong_one(run: Run, results: tuple[pd.DataFrame, dict]) -> None:
    alone = remedies.remedy_results(run, benchmark(run))
    pd.testing.assert_frame_equal(alone[0], results[0])
    with pytest.raises(InputError, match=r"benchmark: must be one of .*got 'xquad'"):
        remedies.remedy_results(run, "xquad")


def test_none_is_what_the_study_is_without_remedies(run: Run, results: tuple[pd.DataFrame, dict]) -> None:
    plain = study_scores(run).drop(columns=["queries"])
    own = results[0]
    none = own[(own["remedy"] == "none") & own["setting"].isin(["mono", "cross", "pool"])]
    keys = [name for name in plain if name != "value"]
    both = none.merge(plain, on=keys, suffixes=("", "_plain"))
    assert len(both) == len(none) == 7 * 8 and np.allclose(both["value"], both["value_plain"], rtol=1e-12)


def test_results_are_those_of_the_chain_on_the_models_embeddings(run: Run) -> None:
    name = benchmark(run)
    spec = ModelSpec("cross", 1, remedy="centre(by='rows')")
    chain, part = parse(spec.remedy), run.subset(name)[0]
    rows = run.row_embeddings(spec, part.languages)
    queries, passages = (np.array(one) for one in run.embeddings(ModelSpec("cross", 1), name))
    for side, found, frame in (("query", queries, part.queries), ("passage", passages, part.passages)):
        for tag in ("de", "en"):
            found[frame["language"] == tag] -= rows.side(side)[tag].mean(axis=0)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
    ours, theirs = run.ranks(spec, name), rank_table(part, queries, passages)
    assert np.abs(ours["score"] - theirs["score"]).max() < 1e-5
    assert (ours["rank"] == theirs["rank"]).mean() > 0.98  # but for ties
    assert str(chain) == spec.remedy and run.estimate_path(spec, name).is_file()


def test_calibration_changes_the_pool_alone(run: Run) -> None:
    plain = model_scores(run, ModelSpec("mono", 0), benchmark(run)).set_index(
        ["setting", "query_language", "passage_language", "measure"]
    )
    calibrated = model_scores(run, ModelSpec("mono", 0, remedy="calibrate(top=1)"), benchmark(run)).set_index(
        plain.index.names
    )
    change = (plain["value"] - calibrated["value"].reindex(plain.index)).abs()
    assert change.drop("pool", level="setting").max() == 0 < change["pool"].max()


def test_weights_lie_between_the_start_and_what_was_trained(run: Run) -> None:
    spec = ModelSpec("cross", 0, remedy="interpolate(0.5)")
    found, trained = run.trained.open(spec), run.trained.open(ModelSpec("cross", 0))
    start = run.trained.encoder("main", 0)
    for name, weight in found.state_dict().items():
        half = (start.state_dict()[name] + trained.state_dict()[name]) / 2
        assert np.allclose(weight, half, atol=1e-7)
    assert encoder.weights_hash(found) not in (encoder.weights_hash(start), encoder.weights_hash(trained))
    assert run.embedding_paths(spec, benchmark(run)) != run.embedding_paths(ModelSpec("cross", 0), benchmark(run))


def test_chains_with_the_same_weights_share_embeddings(run: Run) -> None:
    name = benchmark(run)
    half = [ModelSpec("cross", 0, remedy=text) for text in CHAINS[2:]]
    assert run.embedding_paths(half[0], name) == run.embedding_paths(half[1], name)
    plain = [ModelSpec("cross", 0, remedy=text) for text in ("", *CHAINS[:2])]
    assert len({str(run.embedding_paths(spec, name)) for spec in plain}) == 1


def test_table_and_front(results: tuple[pd.DataFrame, dict]) -> None:
    table = remedies.remedy_table(results[0])
    assert list(table) == ["mono", "cross", "pool", "own", "other", "rank distance", "seeds"]
    assert len(table) == 13 and table.index[0][1:] == ("untrained", "none")
    points = remedies.remedy_points(results[1])
    pool = points[points["column"] == "pool"].set_index(["strategy", "remedy"])["value"]
    assert np.allclose(pool, table.droplevel(0)["pool"].reindex(pool.index))
    plane = points[points["front"] & points["column"].isin(["mono", "pool"])].pivot(
        index=["strategy", "remedy"], columns="column", values="value"
    )
    every = table.droplevel(0)
    assert 0 < len(plane) < 13
    for mono, pool in plane[["mono", "pool"]].to_numpy():
        assert not ((every["mono"] > mono + 1e-12) & (every["pool"] > pool + 1e-12)).any()


def test_comparisons_are_three_families_and_add_up(compared: pd.DataFrame, results: tuple[pd.DataFrame, dict]) -> None:
    assert set(compared["kind"]) == {"a remedy", "a strategy", "without training"}
    assert compared.groupby("kind")["family"].nunique().tolist() == [1, 1, 1]
    table = remedies.remedy_table(results[0]).droplevel(0)
    kind = (compared["kind"] == "a remedy") & (compared["setting"] == "pool") & (compared["measure"] == "AP")
    for row in compared[kind].to_dict("records"):
        first, second = (table["pool"][row["strategy"], row[name]] for name in ("remedy", "against_remedy"))
        assert row["difference"] == pytest.approx(first - second)
    trained = compared[(compared["kind"] == "a strategy") & (compared["strategy"] == "cross")]
    assert set(trained["trainings"]) == {3} and set(trained["setting"]) == {"mono", "cross", "pool", "own", "other"}


def test_two_strategies_are_compared_where_the_untrained_encoder_is_left_out(
    run: Run, results: tuple[pd.DataFrame, dict]
) -> None:
    trained = {
        name: {system: models for system, models in own.items() if system[0] != "untrained"}
        for name, own in results[1].items()
    }
    found = remedies.compare_remedies(run, trained, "mono")
    assert set(found["kind"]) == {"a remedy", "a strategy"}
    assert remedies.what_is_left(found)


def test_what_is_left_says_no_more_than_the_marks(compared: pd.DataFrame) -> None:
    none = compared.assign(mark="")
    said = remedies.what_is_left(none)
    assert len(said) == 5 and said[0].startswith("Without a remedy: cross − mono, pool")
    assert all(one.count("not shown") == 2 for one in said)
    assert "not shown" not in " ".join(remedies.what_is_left(compared.assign(mark="*")))


def test_a_system_is_chosen_on_held_out_rows_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    own: Callable = remedies.remedy_values

    def noted(run: Run, spec: ModelSpec, name: str) -> pd.DataFrame:
        asked.append(name)
        return own(run, spec, name)

    monkeypatch.setattr(remedies, "remedy_values", noted)
    chosen = remedies.chosen_systems(run)
    assert set(asked) == {"held-out"} and list(chosen["need"]) == list(remedies.NEEDS)
    unknown = chosen.set_index("need").loc["you cannot know a passage's language"]
    assert unknown["remedy"] in ("none", "interpolate(0.5)")


def test_advice_names_what_was_chosen_with_its_numbers(run: Run, results: tuple[pd.DataFrame, dict]) -> None:
    table = remedies.remedy_table(results[0])
    chosen = pd.DataFrame(
        [("your answers may be in any language", "cross", "calibrate(top=1)", 0.5)],
        columns=["need", "strategy", "remedy", "value"],
    )
    (said,) = remedies.advice(chosen, table, ("mono", "none"))
    assert said.startswith(
        "If your answers may be in any language: cross with calibrate(top=1), chosen on held-out rows"
    )
    assert f"pool {table['pool'].loc[benchmark(run), 'cross', 'calibrate(top=1)']:.3f}".replace("0.", ".") in said


def test_without_held_out_rows_nothing_is_chosen(tmp_path: Path) -> None:
    rows = {"files": [str(tmp_path / "rows.jsonl")], "held_out": 0}
    run = Run(tiny_study(tmp_path, rows=rows, remedies=CHAINS[:1]), tmp_path / "run")
    assert (
        remedies.chosen_systems(run).empty and remedies.advice(remedies.chosen_systems(run), pd.DataFrame(), ()) == []
    )


def test_the_inspector_opens_systems_with_remedies(run: Run, results: tuple[pd.DataFrame, dict]) -> None:
    study_scores(run)
    found = open_inspected(run, benchmark(run))
    name = "cross with centre(by='rows')"
    assert len(found.strategies) == 13 and name in found.strategies and found.missing == []
    spec = ModelSpec("cross", 2, remedy="centre(by='rows')")
    assert found.ranks(name, 2).equals(run.ranks(spec, benchmark(run)))
    scorer = found.scorer(name, 2)
    assert scorer is not None
    assert np.array_equal(scorer(slice(0, 5)), run.scorer(spec, benchmark(run))(slice(0, 5)))
    run.estimate_path(spec, benchmark(run)).unlink()
    assert (name, 2) not in open_inspected(run, benchmark(run)).results
    assert len(index_of(run)) == 33


def test_what_needs_no_rows_reads_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "remedy_rows", lambda *_: pytest.fail("rows were read"))
    run.ranks(ModelSpec("mono", 0, remedy="calibrate(top=1)"), benchmark(run))
    with pytest.raises(pytest.fail.Exception, match="rows were read"):
        run.ranks(ModelSpec("mono", 0, remedy="centre(by='rows')"), benchmark(run))


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (["none"], "none is always there"),
        (["calibrate(5)", "calibrate(top=5)"], "each once"),
        (["calibrate(top=0)"], "top"),
        (["calibrate(top=3) + centre"], "act in the order"),
        (["wash"], "wash"),
    ],
)
def test_wrong_remedies_of_a_study_are_errors_at_the_start(tmp_path: Path, listed: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        tiny_study(tmp_path, remedies=listed)
    assert "tiny.yaml: remedies" in str(error.value)


@pytest.mark.parametrize(
    ("chain", "languages", "said"),
    [
        ("centre(by='rows')", ["en"], r"remedies: \"centre\(by='rows'\)\", on .*: rows: no query in 'de'"),
        ("shift(source='fr')", None, "no query in 'fr'"),
        ("centre(by='rows') + lir(k=1, by='passages')", None, "give one by for all"),
    ],
)
def test_what_rows_cannot_give_is_told_before_anything_is_trained(
    tmp_path: Path, chain: str, languages: list[str] | None, said: str
) -> None:
    rows = {"files": [str(tmp_path / "rows.jsonl")], "languages": languages}
    strategies = {"strategies": ["mono", "mixed"], "compare": ["mono", "mixed"]}
    run = Run(tiny_study(tmp_path, rows=rows, remedies=[chain], **strategies), tmp_path / "run")
    with pytest.raises(InputError, match=said):
        run.check()
    assert not (tmp_path / "run" / "models").exists()
