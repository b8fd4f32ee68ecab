"""What is of a benchmark's collection: rows and encoders, with the source of each statement."""

import pytest

from hybridkit.data.relatives import UNKNOWN, relatives, relatives_table
from hybridkit.models.encoder import ALIASES
from hybridkit.study.settings import open_study


def test_starter_trains_on_a_relative_and_its_encoder_was_tuned_on_another() -> None:
    study = open_study("starter")
    table = relatives_table(study.evaluation.benchmarks, study.rows.files, study.encoder.name)
    lines = table[["benchmark", "collection", "who", "relative"]].to_numpy().tolist()
    assert lines == [  # a part of a benchmark is that benchmark
        ["xquad-r", "SQuAD", "e5-small", "yes"],
        ["mlqa-r", "MLQA", "mlqa-test", "yes"],
        ["mlqa-r", "MLQA", "e5-small", "no"],
    ]
    assert table["what"].str.contains("MLQA's test part; MLQA-R is made of the development part").sum() == 1
    assert table.loc[table["who"] == "e5-small", "source"].str.contains("arXiv 2402.05672, section 2, tables 1").all()


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_is_known_under_both_names_with_a_source(alias: str) -> None:
    one, other = (relatives_table(["xquad-r", "miracl"], [], name) for name in (alias, ALIASES[alias]))
    columns = ["benchmark", "relative", "what", "source"]
    assert one[columns].equals(other[columns]) and one["source"].str.contains("arXiv").all()
    assert set(one["relative"]) == ({"yes"} if alias == "e5-small" else {"no"})


def test_of_other_encoders_and_of_rows_of_ones_own_nothing_is_said() -> None:
    table = relatives_table(["xquad-r", "mine.jsonl"], ["mine-too.jsonl"], "my/model")
    assert table["relative"].eq("unknown").all() and table["what"].eq(UNKNOWN).all() and len(table) == 2
    assert relatives("held-out", ("mine.jsonl",), "static") == ("mine.jsonl",)
