"""Sets of training languages and the design of a diversity study: nested, distinct, with the budget that is said."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from hybridkit.data.languages import language
from hybridkit.errors import InputError
from hybridkit.study.model_spec import ModelSpec, curve_models, design, language_sets
from hybridkit.study.run import Run
from hybridkit.study.settings import Study, open_study
from hybridkit.study.sweep import sweep

XQUAD = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]


def test_sets_of_a_draw_are_nested_and_draws_begin_differently() -> None:
    sets = language_sets(XQUAD, ["random"], 11, [1, 2, 4, 8, "all"])
    for draw in range(11):
        inside = [set(one.languages) for one in sets if one.group == "random" and one.draw == draw]
        assert [len(one) for one in inside] == [1, 2, 4, 8]
        assert all(small < large for small, large in pairwise(inside))
    assert {one.languages for one in sets if len(one.languages) == 1} == {(tag,) for tag in XQUAD}
    assert [one for one in sets if len(one.languages) == 11] == [one for one in sets if one.group == "all"]
    assert len(sets) == 11 * 4 + 1


def test_spread_sets_have_more_families_than_random_ones_and_share_the_first_language() -> None:
    sets = language_sets(XQUAD, ["random", "spread"], 5, [1, 4])

    def families(group: str) -> int:
        chosen = [one for one in sets if one.group == group and len(one.languages) == 4]
        return sum(len({language(tag).family for tag in one.languages}) for one in chosen)

    assert families("spread") == 5 * 4  # XQuAD-R has six families, so four of them fit into every set of four
    assert families("random") < families("spread")
    ones = {(one.group, one.draw): one.languages for one in sets if len(one.languages) == 1}
    assert all(ones["random", draw] == ones["spread", draw] for draw in range(5))


def test_a_family_has_only_the_sizes_that_it_can() -> None:
    sets = language_sets(XQUAD, ["Indo-European", "Germanic"], 2, [2, 4, 8])
    assert {(one.group, len(one.languages)) for one in sets} == {
        ("Indo-European", 2),
        ("Indo-European", 4),
        ("Germanic", 2),
    }
    assert all(language(tag).family == "Indo-European" for one in sets for tag in one.languages)


def test_all_but_one_leaves_each_language_out_once_beside_all_of_them() -> None:
    sets = language_sets(XQUAD, ["random"], 2, [1, "all but one", "all"])
    without = [one for one in sets if one.group == "all but one"]
    assert [sorted({*XQUAD} - set(one.languages)) for one in without] == [[tag] for tag in sorted(XQUAD)]
    assert [len(one.languages) for one in sets if one.group != "all but one"] == [1, 11, 1]
    with pytest.raises(InputError, match="'all but one' needs three languages or more"):
        language_sets(["de", "en"], ["random"], 1, ["all but one", "all"])


def test_a_strategy_has_the_sets_of_the_sizes_that_it_asks_for(study: Study, tmp_path: Path) -> None:
    assert study.diversity is not None
    sizes = {"mono": (3, "all"), "cross": ("all but one", "all")}
    asked = replace(study, diversity=replace(study.diversity, strategies=sizes, series=("fixed",), seeds=(0,)))
    lines = design(asked, Run(asked, tmp_path / "run").rows)
    assert lines.groupby("strategy")["group"].value_counts().to_dict() == {
        ("cross", "all"): 1,
        ("cross", "all but one"): 4,
        ("mono", "all"): 1,
        ("mono", "random"): 2,
        ("mono", "spread"): 2,
        ("untrained", "untrained"): 1,
    }


@pytest.mark.parametrize(
    ("groups", "sizes", "message"),
    [
        (["random"], [12], "a set of 12 languages is too large, the training rows have 11: ar, de"),
        (["far"], [2], "unknown group 'far'; there are random, spread, and families and branches of languages: Indo-"),
        (["Uralic"], [2], "the training rows have fewer than two languages of 'Uralic'"),
    ],
)
def test_sets_that_cannot_be(groups: list[str], sizes: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        language_sets(XQUAD, groups, 1, sizes)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """40 rows in four languages, eight of them without Greek; sets of one, two and all languages."""
    tags = ["ar", "de", "el", "en"]
    rows = []
    for n in range(40):
        text = {tag: f"{tag} number {n}" for tag in (tags if n % 5 else ["ar", "de", "en"])}
        rows.append({"id": str(n), "query": {tag: f"what {one}" for tag, one in text.items()}, "passage": text})
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines)
    (tmp_path / "asked.jsonl").write_text(lines.replace("number", "asked"))
    value = {
        "name": "tiny",
        "title": "A test",
        "rows": {"files": [str(tmp_path / "rows.jsonl")]},
        "seeds": [0],
        "encoder": {"name": "static", "vocab_size": 120, "dim": 16},
        "strategies": ["mono", "cross"],
        "compare": ["cross", "mono"],
        "evaluation": {"benchmarks": [str(tmp_path / "asked.jsonl")]},
        "training": {"steps": 8, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 2},
        "diversity": {
            "strategies": {"mono": [1, 2, "all"], "cross": [2, "all"]},
            "groups": ["random", "spread"],
            "draws": 2,
            "seeds": [0, 1],
            "series": ["fixed", "growing"],
        },
        "curve": {
            "alphas": [0, 1],
            "seeds": [0, 1],
            "rows": [10, 20],
            "batch_sizes": [2, 8],
            "strategies": ["mono"],
            "pairs": ["cross", "cross(pairs='one')"],
        },
        "notebooks": ["02", "06"],
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(value))
    return open_study(tmp_path / "tiny.yaml")


def test_every_set_has_the_same_rows_and_steps_in_the_fixed_series(study: Study, tmp_path: Path) -> None:
    run = Run(study, tmp_path / "run")
    lines = design(run.study, run.rows)
    untrained, lines = lines[:2], lines[2:]
    assert untrained[["strategy", "series", "k"]].values.tolist() == [
        ["untrained", "fixed", 0],
        ["untrained", "growing", 0],
    ]
    assert len(run.split[0]) == 40
    fixed, growing = (lines[lines["series"] == name] for name in ("fixed", "growing"))
    assert {len(run.corpus(spec)) for spec in fixed["model"]} == {32}  # as many as Greek alone has
    assert {spec.training(study).steps for spec in fixed["model"]} == {8}
    amounts = {len(spec.languages): (len(run.corpus(spec)), spec.training(study).steps) for spec in growing["model"]}
    assert amounts == {1: (8, 2), 2: (16, 4), 0: (32, 8)}
    for spec in lines["model"]:
        assert set(run.corpus(spec).languages) == set(spec.languages or run.split[0].languages)
    # a seed: two groups x two draws x the sizes below all, and all languages once, where both series meet
    assert fixed["strategy"].value_counts().to_dict() == {"mono": 2 * (2 * 2 * 2 + 1), "cross": 2 * (2 * 2 + 1)}
    assert lines[lines["k"] == 4].groupby(["strategy", "seed"])["model"].nunique().max() == 1


def test_too_many_rows_are_refused(study: Study, tmp_path: Path) -> None:
    assert study.diversity is not None
    asked = replace(study, diversity=replace(study.diversity, rows=33))
    with pytest.raises(InputError, match="diversity.rows: 33 is more than the 32 rows of"):
        design(asked, Run(asked, tmp_path / "run").rows)


def test_the_cells_of_curves(study: Study, tmp_path: Path) -> None:
    run = Run(study, tmp_path / "run")
    assert curve_models(study, "alpha") == [ModelSpec(name, s, "curve") for s in (0, 1) for name in ("cross", "mono")]
    assert [len(run.corpus(spec)) for spec in curve_models(study, "rows")] == [10, 20] * 2
    small, large = (set(run.corpus(spec).ids) for spec in curve_models(study, "rows")[:2])
    assert small < large
    sizes = [
        (spec.training(study).batch_size, spec.training(study).steps) for spec in curve_models(study, "batch_size")
    ]
    assert sizes == [(2, 16), (8, 4)] * 2
    assert [spec.strategy for spec in curve_models(study, "pairs")] == ["cross", "cross(pairs='one')"] * 2
    assert len(run.models("curve")) == 4 + 4 + 4 + 2  # cross stands in two of them


def test_a_sweep_makes_what_is_missing_and_keeps_no_embeddings(study: Study, tmp_path: Path) -> None:
    run = Run(study, tmp_path / "run")
    specs, names = curve_models(study, "alpha"), run.study.section("curve").benchmarks
    sweep(run, specs[:1], names)
    assert sweep(run, specs, names) == len(specs) - 1
    assert sweep(Run(study, tmp_path / "run"), specs, names) == 0
    assert all(run.ranks_path(spec, name).is_file() for spec in specs for name in names)
    assert not list((tmp_path / "run" / "embeddings").iterdir())


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"diversity": {"strategies": {"cross": [1, 2]}, "seeds": [0]}}, "diversity.strategies: cross: a set of 1"),
        (
            {"diversity": {"strategies": {"mono": ["every"]}, "seeds": [0]}},
            "must be 'all', 'all but one' or a whole number from 1 on .got",
        ),
        ({"diversity": {"strategies": {"mono": ["all but one"]}, "seeds": [0]}}, "compared with 'all'; add it"),
        ({"diversity": {"strategies": {"mono": [2]}, "seeds": [0], "groups": ["far"]}}, "unknown group 'far'"),
        ({"diversity": {"strategies": {"mono": [2]}, "seeds": [0], "series": ["wild"]}}, "series.0. must be"),
        ({"diversity": {"strategies": {"mon": [2]}, "seeds": [0]}}, "diversity.strategies.*'mon'"),
        ({"curve": {"seeds": [0], "alphas": [1.5]}}, "curve.alphas.0. must be a number from 0 to 1"),
        ({"curve": {"seeds": [0], "pairs": ["cross"]}}, "curve.pairs must name two"),
        ({"curve": {"seeds": [0], "batch_sizes": [1]}}, "curve.batch_sizes.0. must be a whole number from 2"),
    ],
)
def test_sections_that_cannot_be(tmp_path: Path, section: dict[str, object], message: str) -> None:
    base = Path(__file__).parents[2] / "studies" / "quick.yaml"
    value = yaml.safe_load(base.read_text(encoding="utf-8")) | section
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(value))
    with pytest.raises(InputError, match=message) as error:
        open_study(tmp_path / "mine.yaml")
    assert "mine.yaml" in str(error.value)
