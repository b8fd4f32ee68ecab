"""A study's strategies compared: the values are those of its scores, seeds are averaged, one family for a table."""

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.scores import (
    compare_strategies,
    compare_with_baseline,
    compared_pairs,
    families,
    macro_scores,
    main_table,
    pair_significance,
    pair_values,
    part_of,
    system,
)
from hybridkit.errors import InputError
from hybridkit.evaluation.significance import FIXED
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
    return str(run.benchmarks()[0])


def test_differences_are_those_of_the_scores(run: Run, benchmark: str) -> None:
    scores = study_scores(run)
    comparison = compare_strategies(run, benchmark, "cross", "mono")
    keys = ["query_language", "passage_language"]
    ours = pair_significance(comparison).set_index(keys)["value"].sort_index()
    values = pair_values(scores, benchmark, ["cross", "mono"]).set_index(["strategy", *keys])["value"]
    theirs = (values["cross"] - values["mono"]).sort_index()
    assert ours.index.tolist() == theirs.index.tolist() and len(ours) == 4
    assert np.allclose(ours, theirs) and (ours != 0).any()
    assert set(pair_significance(comparison)["family"]) == {"4 comparisons: language pairs, AP"}
    macros = macro_scores(scores)
    mean = macros.groupby(["strategy", "setting", "measure"])["value"].mean()
    overall = comparison[comparison["query_language"] == "*"].set_index(["setting", "measure"])["difference"]
    for (setting, measure), difference in overall.items():
        assert difference == pytest.approx(mean["cross", setting, measure] - mean["mono", setting, measure])
    assert set(comparison["measure"]) == {"AP", "rank_distance"} and set(comparison["clusters"]) == {10}


def test_a_table_is_marked_by_one_family(run: Run, benchmark: str) -> None:
    found = compare_with_baseline(run, "mono")
    assert found[["benchmark", "system", "against"]].drop_duplicates().to_numpy().tolist() == [
        [benchmark, "cross", "mono"]
    ]
    assert len(found) == 4
    assert set(found["family"]) == {f"4 comparisons: every strategy with mono, on {benchmark}"}
    assert set(found["trainings"]) == {3} and found["crossed_low"].notna().all()
    single = compare_strategies(run, benchmark, "cross", "mono")
    single = single[single["query_language"] == "*"]
    for name in ("difference", "low", "high", "p", "crossed_low", "crossed_high", "crossed_p"):
        assert found[name].tolist() == pytest.approx(single[name].tolist()), name
    assert (found["p_holm"] >= found["p"]).all() and (found["crossed_p_holm"] >= found["crossed_p"]).all()
    table = main_table(macro_scores(study_scores(run)))
    marked = paper_table(table, marks=significance_marks(found, "mono"))
    marks = {cell.endswith(("°", "*")) for cell in marked.cells[marked.names.index("mono")]}
    assert marks == {False} and marked.names == ("untrained", "mono", "cross")
    cross = marked.cells[marked.names.index("cross")]
    wanted = found.assign(column=found["setting"].where(found["measure"] == "AP", "rank distance")).set_index("column")[
        "mark"
    ]
    for name, spec in zip(marked.columns, cross, strict=True):
        assert spec.endswith(("°", "*")) == bool(wanted.get(name, "")) and spec.endswith(wanted.get(name, ""))


def test_a_system_has_its_seeds_and_an_unknown_strategy_is_named(run: Run, benchmark: str) -> None:
    models = system(run, benchmark, "cross", ["RR"])
    assert sorted(models) == [0, 1, 2] and all(set(one) == {"RR"} for one in models.values())
    assert list(system(run, benchmark, "untrained")) == [FIXED]  # it meets every seed of the others
    with pytest.raises(InputError, match="no strategy 'mixed'; there are untrained, mono, cross"):
        system(run, benchmark, "mixed")
    with pytest.raises(InputError, match="no baseline 'mixed'"):
        compare_with_baseline(run, "mixed")


def test_hybrid_against_cross_is_in_the_family_of_the_main_table() -> None:
    names = ["untrained", "english", "cross", "hybrid(alpha=0.5)", "codeswitch(hybrid(alpha=0.5), p=0.5)"]
    assert compared_pairs(names, "english") == [
        ("cross", "english"),
        ("hybrid(alpha=0.5)", "english"),
        (names[4], "english"),
        ("hybrid(alpha=0.5)", "cross"),
        (names[4], "hybrid(alpha=0.5)"),
    ]


def test_no_family_holds_a_set_and_a_part_of_itself(run: Run, benchmark: str) -> None:
    part = f"{benchmark}[3:]"
    parts = part_of(run, [part, benchmark])
    assert parts == {part: benchmark}
    named = families(pd.Series([benchmark, benchmark, part]), "all with mono", parts)
    assert named == [f"all with mono, on {benchmark}"] * 2 + [f"all with mono, on {part}, a part of {benchmark}"]
    assert part_of(run, [f"{benchmark}[:3]", part]) == {}  # no question is in both
    assert part_of(run, [f"{benchmark}[:4]", part]) == {f"{benchmark}[:4]": part}  # the larger is the whole
