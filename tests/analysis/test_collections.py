"""A study's models on judged sets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridkit.analysis.diversity import collections, outcomes
from hybridkit.analysis.scores import by_language, collection_queries, collection_table, compare_on_collections
from hybridkit.errors import InputError
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import DiversitySettings, EvaluationSettings, Study, open_study


def small(rows: Path, **changes: Any) -> Study:
    """The study quick on rows of a test: one strategy, one seed, two steps."""
    study = open_study("quick")
    return replace(
        study,
        strategies=("mono",),
        compare=("mono", "untrained"),
        seeds=(0,),
        curve=None,
        rows=replace(study.rows, files=(str(rows),)),
        training=replace(study.training, steps=2, batch_size=4),
        encoder=replace(study.encoder, vocab_size=90, dim=8),
        **changes,
    )


def test_every_model_is_scored_in_every_language_once(
    judged_folder: Path, parallel_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    study = small(parallel_rows, evaluation=EvaluationSettings(("held-out",), judged=(str(judged_folder),)))
    table = collection_table(Run(study, tmp_path / "run"))
    assert set(table["language"]) == {"en", "de"}
    assert set(table["strategy"]) == {"untrained", "mono"}
    assert {"nDCG@10", "R@100", "RR@10"} <= set(table["measure"])
    queries = table[table["measure"] == "RR@10"].set_index(["strategy", "language"])["queries"]
    assert queries["mono", "en"] == 3
    assert queries["mono", "de"] == 2
    assert (table.loc[table["measure"] == "R@100", "value"] == 1).all()  # fewer than 100 passages: all are found
    taught = table.groupby("strategy")["train_languages"].first()
    assert taught["untrained"] == ""
    assert taught["mono"] == "de en"
    monkeypatch.setattr("hybridkit.analysis.scores.dense_search", None)  # the second time everything is read
    assert collection_table(Run(study, tmp_path / "run")).equals(table)
    without = replace(study, evaluation=EvaluationSettings(("held-out",)))
    assert collection_table(Run(without, tmp_path / "run")).empty


def test_judged_sets_tell_what_a_set_of_languages_does_for_one_language(
    judged_folder: Path, parallel_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    study = small(
        parallel_rows,
        evaluation=EvaluationSettings(("held-out",)),
        diversity=DiversitySettings(
            strategies={"mono": (1, "all")}, groups=("random",), draws=1, seeds=(0,), judged=(str(judged_folder),) * 2
        ),
    )
    run = Run(study, tmp_path / "run")
    asked = collections.collection_values(run)
    table = collections.collection_effects(run, asked)
    assert set(table["language"]) == {"de", "en", "*"} and set(table["measure"]) == set(collections.MEASURES)
    table = table[table["measure"] == "RR@10"].set_index(["k", "language", "seen"])
    one = next(line for line in outcomes.models(run).to_dict("records") if line["k"] == 1)
    other = "de" if one["languages"] == "en" else "en"
    kinds = [(1, one["languages"], "seen"), (1, other, "unseen"), (1, "*", "seen"), (1, "*", "unseen")]
    assert set(table.index) == {*kinds, (2, "de", "seen"), (2, "en", "seen"), (2, "*", "seen")}
    # by hand: means over questions of the model and of the untrained encoder
    values = {
        (spec, values["query_language"].iloc[0]): values[values["measure"] == "RR@10"]["value"]
        for _, spec, values in collection_queries(run, list(outcomes.models(run)["model"]), [str(judged_folder)])
    }
    base = ModelSpec("untrained", 0, "diversity")
    for tag, seen in ((one["languages"], "seen"), (other, "unseen")):
        row, mine = table.loc[(1, tag, seen)], values[one["model"], tag]
        gains = mine.to_numpy() - values[base, tag].to_numpy()
        assert row["value"] == pytest.approx(mine.mean()) and row["gain"] == pytest.approx(gains.mean())
        assert gains.min() - 1e-9 <= row["low"] <= row["gain"] <= row["high"] <= gains.max() + 1e-9
        assert (row["draws"], row["queries"]) == (1, len(mine)) and np.isnan(row["crossed_low"])
        assert table.loc[(1, "*", seen), "gain"] == pytest.approx(row["gain"])
    every = next(line["model"] for line in outcomes.models(run).to_dict("records") if line["k"] == 2)
    means = {tag: (values[every, tag].mean(), values[base, tag].mean()) for tag in ("de", "en")}
    assert table.loc[(2, "*", "seen"), "value"] == pytest.approx(np.mean([mine for mine, _ in means.values()]))
    assert table.loc[(2, "*", "seen"), "gain"] == pytest.approx(np.mean([a - b for a, b in means.values()]))
    assert table.loc[(2, "*", "seen"), "queries"] == 5
    frame = collections.collection_outcomes(run, asked)
    own = frame[(frame["measure"] == "RR@10") & (frame["k"] == 2)].set_index("query_language")["value"]
    assert own.to_dict() == pytest.approx({tag: mine for tag, (mine, _) in means.items()})
    none = Run(replace(study, diversity=None), tmp_path / "run")
    asked = collections.collection_values(none)
    assert collections.collection_effects(none, asked).empty and collections.collection_outcomes(none, asked).empty


def test_a_judged_set_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    study = open_study("quick")
    study = replace(study, evaluation=replace(study.evaluation, judged=("tydi-goldpp",)))
    with pytest.raises(InputError, match="tydi-goldpp"):
        Run(study, tmp_path / "run").check()


def test_values_on_a_collection_have_intervals_and_strategies_are_judged(
    judged_folder: Path, parallel_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    study = small(parallel_rows, evaluation=EvaluationSettings(("held-out",), judged=(str(judged_folder),)))
    run = Run(replace(study, strategies=("mono", "cross"), seeds=(0, 1, 2)), tmp_path / "run")
    table = collection_table(run)
    own = table[(table["strategy"] == "mono") & (table["measure"] == "RR@10")]
    assert (own["low"] <= own["value"]).all() and (own["value"] <= own["high"]).all()
    assert set(own["unit"]) == {"queries"}  # all three passages are of the one document "en"
    assert own.set_index(["language", "seed"])["clusters"].to_dict() == {
        (tag, seed): count for tag, count in (("en", 3), ("de", 2)) for seed in range(3)
    }
    shown = by_language(table)
    assert shown.loc[(str(judged_folder), "mono", "mono", "R@100"), "en"] == "1.000 [1.000, 1.000]"
    found = compare_on_collections(run, "mono")
    assert set(found["language"]) == {"en", "de", "*"} and set(found["trainings"]) == {3}
    mean = table[table["measure"] == "nDCG@10"].groupby(["strategy", "language"])["value"].mean()
    by = found.set_index("language")["difference"]
    for tag in ("en", "de"):
        assert by[tag] == pytest.approx(mean["cross", tag] - mean["mono", tag])
    assert by["*"] == pytest.approx((by["en"] + by["de"]) / 2) and found["mark"].isin(["", "°", "*"]).all()
    nothing = compare_on_collections(Run(small(parallel_rows), tmp_path / "none"), "mono")
    assert nothing.empty and "mark" in nothing
