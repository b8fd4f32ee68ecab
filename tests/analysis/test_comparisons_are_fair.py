"""What a comparison of strategies rests on: own recipes beside the shared one, and what each one was trained on."""

from dataclasses import replace

import pytest

from hybridkit import analysis
from hybridkit.study.run import Run
from hybridkit.study.scores import study_scores
from hybridkit.study.settings import Recipe
from tests.tiny_study import tiny_study


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("fair")
    recipes = {"mono": {"learning_rate": 0.2, "temperature": 0.05, "steps": 7}}
    return Run(tiny_study(folder, recipes=recipes), folder / "run")


def test_strategies_are_compared_by_their_own_recipes_beside_the_shared_one(run: Run) -> None:
    assert run.study.recipes == {"mono": Recipe(0.2, 0.05, 7)}
    table, against = analysis.scores.own_recipes(run, "mono")
    shared = analysis.scores.main_table(analysis.scores.macro_scores(study_scores(run)))
    name = run.benchmarks()[0]
    assert table.loc[(name, "cross")].equals(shared.loc[(name, "cross")])  # it has no recipe of its own
    assert table.loc[(name, "mono"), "mono"] != shared.loc[(name, "mono"), "mono"]
    assert set(against["system"]) == {"cross"}
    assert against["family"].str.contains("own recipes").all()
    by_hand = table.loc[(name, "cross")] - table.loc[(name, "mono")]
    found = against[against["measure"] == "AP"].set_index("setting")["difference"]
    assert found["pool"] == pytest.approx(by_hand["pool"])
    recipes = analysis.scores.recipe_table(run)
    assert recipes.loc["mono, own recipe"].tolist() == [0.2, 0.05, 7]
    assert recipes.loc["cross, own recipe"].tolist() == recipes.loc["all, shared recipe"].tolist()


def test_a_study_of_one_recipe_has_nothing_to_compare_by_others(run: Run) -> None:
    table, against = analysis.scores.own_recipes(Run(replace(run.study, recipes={}), run.folder), "mono")
    assert table.empty
    assert against.empty


def test_the_exposure_of_a_study_is_that_of_its_plans(run: Run) -> None:
    frame = analysis.exposure.study_exposure(run)
    assert list(dict.fromkeys(frame["strategy"])) == ["mono", "cross"]
    drawn = frame[(frame["by"] == "query language") & (frame["strategy"] == "cross")].set_index("name")["draws"]
    assert drawn.to_dict() == run.plan(run.models()[2]).frame()["query_language"].value_counts().to_dict()
    assert (frame[frame["by"] == "tokens"]["draws"] > 0).all()
    table = analysis.exposure.exposure_table(frame)
    assert table.loc["query language, %"].sum().tolist() == pytest.approx([100, 100])
    assert "pair, %" not in table.index
