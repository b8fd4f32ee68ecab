"""A study's strategies compared: the values are those of its scores, seeds are averaged, one family for a table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.scores import (
    compare_strategies,
    compare_with_baseline,
    macro_scores,
    main_table,
    pair_significance,
    pair_values,
    seed_differences,
    strategy_values,
)
from hybridkit.errors import InputError
from hybridkit.evaluation.resampling import t_interval
from hybridkit.report.paper_table import paper_table, significance_marks
from hybridkit.study.run import Run
from hybridkit.study.scores import study_scores
from tests.tiny_study import tiny_study


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two strategies with three seeds, a few steps each, on rows in two languages; ten questions to judge by."""
    folder = tmp_path_factory.mktemp("study")
    training = {"steps": 8, "batch_size": 4, "learning_rate": 0.05}
    rows = {"files": [str(folder / "rows.jsonl")]}
    study = tiny_study(folder, lone=0, asked=10, rows=rows, seeds=[0, 1, 2], training=training)
    return Run(study, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def benchmark(run: Run) -> str:
    return str(run.study.evaluation.benchmarks[0])


def test_differences_are_those_of_the_scores(run: Run, benchmark: str) -> None:
    scores = study_scores(run)
    comparison = compare_strategies(run, benchmark, "cross", "mono")
    keys = ["query_language", "passage_language"]
    ours = pair_significance(comparison).set_index(keys)["value"].sort_index()
    values = pair_values(scores, benchmark, ["cross", "mono"]).set_index(["strategy", *keys])["value"]
    theirs = (values["cross"] - values["mono"]).sort_index()
    assert ours.index.tolist() == theirs.index.tolist() and len(ours) == 4
    assert np.allclose(ours, theirs) and (ours != 0).any()
    assert set(pair_significance(comparison)["family"]) == {"4 language pairs, AP"}
    macros = macro_scores(scores)
    mean = macros.groupby(["strategy", "setting", "measure"])["value"].mean()
    overall = comparison[comparison["query_language"] == "*"].set_index(["setting", "measure"])["difference"]
    for (setting, measure), difference in overall.items():
        assert difference == pytest.approx(mean["cross", setting, measure] - mean["mono", setting, measure])
    assert set(comparison["measure"]) == {"AP", "rank_distance"} and set(comparison["clusters"]) == {10}


def test_a_table_is_marked_by_one_family(run: Run, benchmark: str) -> None:
    found = compare_with_baseline(run, "mono")
    assert found[["benchmark", "system"]].drop_duplicates().to_numpy().tolist() == [[benchmark, "cross"]]
    assert len(found) == 4 and set(found["family"]) == {"4 comparisons with mono"}
    single = compare_strategies(run, benchmark, "cross", "mono")
    single = single[single["query_language"] == "*"]
    assert found["p"].tolist() == single["p"].tolist() and (found["p_holm"] >= found["p"]).all()
    table = main_table(macro_scores(study_scores(run)))
    marked = paper_table(table, marks=significance_marks(found))
    daggers = {cell.endswith("†") for cell in marked.cells[marked.names.index("mono")]}
    assert daggers == {False} and marked.names == ("untrained", "mono", "cross")
    cross = marked.cells[marked.names.index("cross")]
    wanted = found.assign(column=found["setting"].where(found["measure"] == "AP", "rank distance")).set_index("column")[
        "significant"
    ]
    for name, spec in zip(marked.columns, cross, strict=True):
        assert spec.endswith("†") == bool(wanted.get(name, False))


def test_seeds_are_paired_and_have_an_interval_from_three_on(run: Run) -> None:
    macros = macro_scores(study_scores(run))
    found = seed_differences(macros, "mono")
    pool = found[(found["setting"] == "pool") & (found["measure"] == "AP")]
    own = macros[(macros["setting"] == "pool") & (macros["measure"] == "AP")]
    values = own.set_index(["strategy", "seed"])["value"]
    assert pool["difference"].tolist() == pytest.approx([values["cross", s] - values["mono", s] for s in range(3)])
    assert pool[["mean", "low", "high"]].iloc[0].tolist() == pytest.approx(t_interval(pool["difference"]))
    two = seed_differences(macros[macros["seed"] < 2], "mono")
    assert two["low"].isna().all() and two["mean"].notna().all() and "untrained" not in set(two["system"])
    with pytest.raises(InputError, match="no baseline 'mixed'"):
        seed_differences(macros, "mixed")


def test_values_carry_their_seed_and_an_unknown_strategy_is_named(run: Run, benchmark: str, tmp_path: Path) -> None:
    values = strategy_values(run, benchmark, "cross", ["RR"])
    assert set(values["measure"]) == {"RR"} and values.groupby("seed").size().nunique() == 1
    assert sorted(values["seed"].unique()) == [0, 1, 2] and isinstance(values, pd.DataFrame)
    with pytest.raises(InputError, match="no strategy 'mixed'; there are untrained, mono, cross"):
        strategy_values(run, benchmark, "mixed")
