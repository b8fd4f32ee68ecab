"""Leaving a language out: what changes for it and for others, by hand, and where there is nothing to compare."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.diversity.evidence import Key
from hybridkit.analysis.diversity.left_out import KINDS, left_out, left_out_sentences
from hybridkit.evaluation.clusters import ClusterSums, model_sums
from hybridkit.evaluation.resampling import Resampling

TAGS = ["de", "en", "th"]
FEW = Resampling(resamples=400, exchanges=4_096)  # all of the exchanges of twelve articles
ALL = "de en th"


def models(seeds: tuple[int, ...] = (0,)) -> pd.DataFrame:
    sets = [("all", ALL), *(("all but one", " ".join(tag for tag in TAGS if tag != gone)) for gone in TAGS)]
    sets += [("random", "de en")]  # the same model as without Thai; a set of another group takes no part
    rows = [(group, languages, "fixed", "mono", seed) for seed in seeds for group, languages in sets]
    return pd.DataFrame(rows, columns=["group", "languages", "series", "strategy", "seed"])


def sums(value: "dict[str, dict[tuple[str, str], float]]", seeds: tuple[int, ...] = (0,)) -> dict[Key, ClusterSums]:
    """Sums of twelve questions, an article each; a model has `value` of a pair, less or more by question."""
    found: dict[Key, ClusterSums] = {}
    ids = [f"q{n}" for n in range(12)]
    clusters = pd.Series([f"a{n}" for n in range(12)], ids)
    for (languages, pairs), seed in product(value.items(), seeds):
        parts = [
            pd.DataFrame(
                {
                    "setting": "pool" if passage == "*" else "mono" if query == passage else "cross",
                    "query_language": query,
                    "passage_language": passage,
                    "query_id": ids,
                    "measure": "RR",
                    "value": mean
                    + np.linspace(-0.01, 0.01, 12) * (1 + (languages == ALL))
                    + 0.001 * seed * len(languages),
                }
            )
            for (query, passage), mean in pairs.items()
        ]
        found["fixed", "mono", seed, languages] = model_sums(pd.concat(parts), clusters)["RR"]
    return found


def planted(
    own: float = -0.2, query: float = -0.1, passage: float = -0.05, other: float = 0.02
) -> dict[str, dict[tuple[str, str], float]]:
    """What a model has of every pair: .5 with all languages, changed as planted for the language that is left out."""
    pairs = [*product(TAGS, TAGS), *((tag, "*") for tag in TAGS)]
    found = {ALL: dict.fromkeys(pairs, 0.5)}
    for gone in TAGS:
        change = {
            (q, p): own if q == p == gone else query if q == gone else passage if p == gone else other for q, p in pairs
        }
        found[" ".join(tag for tag in TAGS if tag != gone)] = {pair: 0.5 + change[pair] for pair in pairs}
    return found


def test_planted_changes_are_found_for_each_language_and_kind_of_pairs() -> None:
    table = left_out(models(), sums(planted()), how=FEW)
    means = table[table["language"] == "*"].set_index(["setting", "pairs"])["difference"]
    assert means.to_dict() == pytest.approx(
        {
            ("mono", "both"): -0.2,
            ("cross", "query"): -0.1,
            ("cross", "passage"): -0.05,
            ("pool", "query"): -0.1,
            ("mono", "other"): 0.02,
            ("cross", "other"): 0.02,
            ("pool", "other"): 0.02,
        }
    )
    assert len(table) == len(KINDS) * 4 and set(table["trainings"]) == {1} and not table["established"].any()
    assert table.loc[table["pairs"] == "both", "significant"].all()  # twelve articles, all the same way


def test_the_mean_is_that_of_the_languages_which_may_differ() -> None:
    value = planted()
    value["de en"]["th", "th"] = 0.5 - 0.8  # Thai loses more than the others
    table = left_out(models(), sums(value), how=FEW)
    own = table[table["pairs"] == "both"].set_index("language")["difference"]
    assert own.to_dict() == pytest.approx({"*": (-0.2 - 0.2 - 0.8) / 3, "de": -0.2, "en": -0.2, "th": -0.8})


def test_three_seeds_are_trainings() -> None:
    table = left_out(models((0, 1, 2)), sums(planted(), (0, 1, 2)), how=FEW)
    row = table[(table["language"] == "*") & (table["pairs"] == "query") & (table["setting"] == "cross")].iloc[0]
    assert row["trainings"] == 3 and row["crossed_low"] < row["difference"] < row["crossed_high"]
    (sentence,) = [one for one in left_out_sentences(table) if "cross-lingual queries" in one]
    assert sentence.startswith(
        "mono: leaving a language out changes RR of cross-lingual queries in the language by −.10"
    )
    assert "over questions and trainings; mean over 3 languages)" in sentence


def test_a_design_without_such_sets_has_an_empty_table() -> None:
    table = left_out(models()[models()["group"] != "all but one"], sums(planted()), how=FEW)
    assert table.empty and left_out_sentences(table) == []


def test_a_sentence_says_what_is_not_shown() -> None:
    table = left_out(models(), sums(planted(own=0.0)), how=FEW)
    assert left_out_sentences(table)[0].endswith("mean over 3 languages), not shown.")
