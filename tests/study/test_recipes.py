"""The search of recipes: the best point lies inside of the grid, for each strategy, and trials are made once."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.recipes import SCORES, Axis, Search, recipes_yaml, search_recipes
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED, open_study
from tests.tiny_study import tiny_study

GRID = {"learning_rate": [1e-5, 3e-5, 1e-4], "temperature": [0.01, 0.02, 0.05], "steps": [50, 100, 200]}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tiny_study(tmp_path, strategies=["mono", "cross", "hybrid(alpha=0.5)"]), tmp_path / "run")


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[ModelSpec]:
    """Scores that are a hill for each strategy, in place of trainings; the list holds what was tried."""
    tops = {"mono": (1e-3, 0.02, 100), "cross": (3e-5, 0.005, 400), "hybrid(alpha=0.5)": (3e-5, 0.02, 100)}
    made: list[ModelSpec] = []

    def score(_: Search, spec: ModelSpec) -> dict[str, float]:
        made.append(spec)
        if spec.strategy == UNTRAINED:
            return dict.fromkeys(SCORES, 0.1)
        here = (spec.learning_rate, spec.temperature, spec.steps)
        away = sum(abs(math.log(a / b)) for a, b in zip(here, tops[spec.strategy], strict=True))
        return dict.fromkeys(SCORES, 1 - away / 10 + spec.seed / 100)

    monkeypatch.setattr(Search, "_trial", score)
    return made


def test_each_strategy_gets_the_best_point_and_the_grid_grows_until_it_lies_inside(
    run: Run, trials: list[ModelSpec]
) -> None:
    table = search_recipes(run, GRID)
    own = table[table["chosen"].str.contains("own")].set_index("strategy")
    found = {name: (row["learning_rate"], row["temperature"], row["steps"]) for name, row in own.iterrows()}
    assert found == {"mono": (1e-3, 0.02, 100), "cross": (3e-5, 0.005, 400), "hybrid(alpha=0.5)": (3e-5, 0.02, 100)}
    assert own["inside"].all()
    assert own["AP"].tolist() == pytest.approx([1.0] * 3)
    assert len(trials) == len(set(trials))  # nothing is trained twice
    shared = table[table["chosen"].str.contains("shared")]
    assert len(shared) == 3  # one recipe, a line a strategy
    assert shared[["learning_rate", "temperature", "steps"]].drop_duplicates().values.tolist() == [[3e-5, 0.02, 100]]
    assert table.iloc[-1]["strategy"] == UNTRAINED


def test_every_strategy_is_tried_at_the_best_points_of_the_others(run: Run, trials: list[ModelSpec]) -> None:
    table = search_recipes(run, GRID)
    own = table[table["chosen"].str.contains("own")]
    tried = set(zip(table["strategy"], table["learning_rate"], table["temperature"], table["steps"], strict=True))
    for point in own[["learning_rate", "temperature", "steps"]].itertuples(index=False):
        assert {(name, *point) for name in own["strategy"]} <= tried


def test_a_limit_of_steps_binds_and_says_that_the_best_is_not_inside(run: Run, trials: list[ModelSpec]) -> None:
    table = search_recipes(run, GRID, ["cross"], most_steps=100)
    (best,) = table[table["chosen"] == "own shared"].to_dict("records")
    assert (best["steps"], best["inside"]) == (100, False)
    assert max(spec.steps for spec in trials) == 100


def test_an_axis_of_one_value_is_not_searched_and_seeds_are_averaged(run: Run, trials: list[ModelSpec]) -> None:
    table = search_recipes(run, GRID | {"steps": [100]}, ["hybrid"], seeds=[0, 2])
    (best,) = table[table["chosen"] == "own shared"].to_dict("records")
    assert (best["steps"], best["inside"], best["seeds"], best["AP"]) == (100, True, 2, pytest.approx(1.01))
    assert {spec.steps for spec in trials if spec.strategy != UNTRAINED} == {100}


def test_the_chosen_recipes_are_a_study_that_trains_by_them(run: Run, trials: list[ModelSpec], tmp_path: Path) -> None:
    lines = yaml.safe_load(recipes_yaml(search_recipes(run, GRID)))
    study = yaml.safe_load((tmp_path / "tiny.yaml").read_text())
    study["training"] |= lines["training"]
    study["recipes"] = lines["recipes"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(study))
    own = Run(open_study(tmp_path / "own.yaml"), tmp_path / "own")
    by_name = {spec.strategy: spec.training(own.study) for spec in own.models("recipes")}
    assert (by_name["mono"].learning_rate, by_name["cross"].steps) == (1e-3, 400)
    assert {spec.training(own.study).learning_rate for spec in own.models() if spec.strategy != UNTRAINED} == {3e-5}
    mono = [
        next(spec for spec in own.models(section) if spec.strategy == "hybrid(alpha=0.5)")
        for section in ("main", "recipes")
    ]
    assert own.trained.key(mono[0]) == own.trained.key(mono[1])  # one model where its own recipe is the shared one


def test_trials_are_trained_once_and_their_weights_are_not_kept(tmp_path: Path) -> None:
    run = Run(tiny_study(tmp_path), tmp_path / "run")
    grid = {"learning_rate": [0.02], "temperature": [0.05], "steps": [3, 5, 8]}
    table = search_recipes(run, grid, ["mono"], most_steps=8)
    assert table["AP"].between(0, 1).all()
    kept = sorted((run.folder / "recipe").glob("mono-*.json"))
    assert len(kept) == 3
    assert not list((run.folder / "recipe" / "models").glob("mono*"))
    times = [path.stat().st_mtime_ns for path in kept]
    assert search_recipes(run, grid, ["mono"], most_steps=8).equals(table)
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_the_untrained_encoder_is_scored_again_where_the_held_out_rows_change(tmp_path: Path) -> None:
    encoder.make(["Lima is old", "Oslo is cold", "Who is it?"], vocab_size=60, dim=8).save(str(tmp_path / "encoder"))
    study = tiny_study(tmp_path, encoder={"name": str(tmp_path / "encoder")})
    scores = []
    for share in (0.3, 0.6):
        run = Run(replace(study, rows=replace(study.rows, held_out=share)), tmp_path / "run")
        scores.append(Search(run, GRID, [0], 8)._trial(ModelSpec(UNTRAINED, 0)))
        assert scores[-1] == run.trained.score_held_out(run.trained.encoder())
    assert scores[0] != scores[1]


def test_a_recipe_of_a_strategy_that_the_study_does_not_have_is_an_error(tmp_path: Path) -> None:
    recipes = {"hybrid(alpha=0.3)": {"learning_rate": 0.1, "temperature": 0.05, "steps": 4}}
    with pytest.raises(InputError, match=r"recipes must name strategies of the study: mono, cross \(got 'hybrid"):
        tiny_study(tmp_path, recipes=recipes)


def test_wrong_values_are_named_before_anything_is_trained(run: Run, trials: list[ModelSpec], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training.temperature must be a number above 0 \(got 0\)"):
        search_recipes(run, GRID | {"temperature": [0.02, 0]})
    without = Run(tiny_study(tmp_path, rows={"files": [str(tmp_path / "rows.jsonl")]}), tmp_path / "run")
    with pytest.raises(InputError, match=r"no rows are held out to choose by; set rows.held_out"):
        search_recipes(without, GRID)
    assert not trials


def test_an_axis_grows_by_the_ratio_at_its_end_and_not_below_one_step() -> None:
    steps = Axis("steps", [2, 4])
    assert [steps[at] for at in (-2, -1, 0, 1, 2)] == [None, 1, 2, 4, 8]
