"""Exposure: what strategies draw, counted by hand, and the differences that make a comparison unfair."""

import numpy as np
import pandas as pd
import pytest

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.sampling import cross, hybrid, mixed, mono
from hybridkit.sampling.exposure import exposure, exposure_sentences, side_by_side, unequal
from hybridkit.sampling.plan import BatchPlan

FEW, MANY = ("de", "en"), ("ar", "de", "el", "en", "th", "zh")


def lopsided() -> ParallelCorpus:
    """400 question answering rows in two languages and 100 others in six, as in the studies on real data."""
    return ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {tag: f"q{n} {tag}" for tag in tags}, {tag: f"p{n} {tag}" for tag in tags}, {})
        for n in range(500)
        for tags in (FEW if n < 400 else MANY,)
    )


CORPUS = lopsided()
SOURCES = np.array(["qa"] * 400 + ["nli"] * 100, dtype=object)


def test_counts_of_two_plans_by_hand() -> None:
    corpus = ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {"de": f"q{n}", "en": "same"[: 2 + n]}, {"de": f"p{n}", "en": f"p{n}"}, {})
        for n in range(3)
    )
    draws = np.array([[[0, 0, 0], [1, 0, 0]], [[1, 0, 1], [2, 1, 0]]], dtype=np.int32)
    plan = BatchPlan(draws, np.array(["mono", "cross"], dtype=object), ("de", "en"), "x", 0, corpus.fingerprint)
    found = exposure(
        {"x": [plan, plan[:1]]}, corpus, np.array(["a", "b", "b"]), lambda texts, side: (np.full(len(texts), 9), 5)
    )
    lines = found.set_index(["by", "name"])["draws"].to_dict()
    assert lines == {
        ("source", "a"): 2,
        ("source", "b"): 4,
        ("query language", "de"): 5,
        ("query language", "en"): 1,
        ("passage language", "de"): 5,
        ("passage language", "en"): 1,
        ("pair", "de-de"): 4,
        ("pair", "de-en"): 1,
        ("pair", "en-de"): 1,
        ("distinct rows", ""): 3,
        ("distinct texts", ""): 7,  # three queries and four passages
        ("tokens", ""): 60,  # cut at five
    }
    assert found.loc[found["by"] == "source", "share"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found.loc[found["by"] == "tokens", "share"].isna().all()


def test_strategies_have_equal_exposure_by_default_and_the_old_rule_has_not() -> None:
    """What made every difference of the first studies one of data: mono drew the language first, cross the row."""
    strategies = [mono(), cross(), mixed(), hybrid(alpha=0.5)]
    plans = {str(one): [one.plan(CORPUS, 200, 16, seed) for seed in range(3)] for one in strategies}
    assert unequal(exposure(plans, CORPUS, SOURCES)).empty
    assert exposure_sentences(exposure(plans, CORPUS, SOURCES)) == [
        "Exposure is equal: of the 4 strategies none draws a source, or a language of queries or passages, more than "
        "1.25 times as often as another."
    ]
    old = {"mono": [mono(by="uniform", draw="independent").plan(CORPUS, 200, 16, 0)], "cross": plans["cross"]}
    found = unequal(exposure(old, CORPUS, SOURCES)).set_index("by")
    assert set(found.index) == {"source", "query language", "passage language"}
    assert found.loc["source", "first"] == "mono"
    assert found.loc["source", "ratio"] > 3
    (sentence,) = exposure_sentences(exposure(old, CORPUS, SOURCES))
    assert sentence.startswith(
        "mono was trained on other data than cross, which a difference between them may come from"
    )


def test_strategies_of_equal_exposure_are_named_together() -> None:
    shares = {"english": 1.0, "switched": 1.0, "mono": 0.2, "cross": 0.22}
    lines = [(name, "passage language", "en", 9.0, share) for name, share in shares.items()]
    (sentence,) = exposure_sentences(pd.DataFrame(lines, columns=["strategy", "by", "name", "draws", "share"]))
    assert sentence == (
        "english and switched were trained on other data than mono and cross, which a difference between them may come "
        "from: passage language en (english 1.000, mono 0.200)."
    )


def test_what_one_strategy_never_draws_is_the_largest_difference() -> None:
    frame = pd.DataFrame(
        [("a", "source", "x", 4.0, 1.0), ("b", "source", "x", 2.0, 0.5), ("b", "source", "y", 2.0, 0.5)],
        columns=["strategy", "by", "name", "draws", "share"],
    )
    (line,) = unequal(frame).to_dict("records")
    assert (line["first"], line["second"], line["name"], line["ratio"]) == ("b", "a", "y", np.inf)
    assert side_by_side(frame)["a"].tolist() == [1.0, 0.0]
    assert unequal(frame[frame["strategy"] == "a"]).empty


def test_a_plan_of_other_rows_is_refused() -> None:
    with pytest.raises(InputError, match="was made of another corpus"):
        exposure({"mono": [mono().plan(CORPUS, 2, 4, 0)]}, CORPUS.select(np.arange(100)))
