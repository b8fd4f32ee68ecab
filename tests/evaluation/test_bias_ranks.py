"""Bias read off the rank table: normalised distance, target removal and gaps, by hand and by another way."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.evaluation.bias import language_gap, normalised_distance, target_removal
from hybridkit.evaluation.measures import per_query, scores


def table(rows: list[tuple[str, str, str, int]], pool: int = 12) -> pd.DataFrame:
    columns = ["query_language", "query_id", "passage_language", "pool_rank"]
    return pd.DataFrame(rows, columns=columns).assign(pool_candidates=pool)


def test_normalised_distance_by_hand() -> None:
    # de q: ranks 1, 2, 3 of 12 stand together; en q: distance 9, least 2, random 2 * 13 / 4 = 6.5
    rows = [("de", "q", tag, rank) for tag, rank in (("de", 1), ("en", 2), ("fr", 3))]
    rows += [("en", "q", tag, rank) for tag, rank in (("de", 1), ("en", 5), ("fr", 10))]
    rows += [("en", "r", "en", 7)]  # one language: no distance
    assert normalised_distance(table(rows)).to_numpy().tolist() == [["de", 0.0, 1], ["en", 7 / 4.5, 1]]


@pytest.mark.parametrize(("pool", "known"), [(5, 2), (6, 3), (7, 4)])
def test_every_order_of_a_pool_has_a_mean_of_one(pool: int, known: int) -> None:
    rows = [
        ("en", str(nth), f"l{place}", rank)
        for nth, ranks in enumerate(itertools.combinations(range(1, pool + 1), known))
        for place, rank in enumerate(ranks)
    ]
    assert normalised_distance(table(rows, pool))["value"].tolist() == pytest.approx([1.0])


def test_a_pool_of_relevant_passages_alone_has_no_scale() -> None:
    assert normalised_distance(table([("en", "q", "de", 1), ("en", "q", "en", 2)], pool=2)).empty


def test_target_removal_by_hand() -> None:
    # before: (1/1 + 2/3 + 3/6) / 3. Without en (1): de 2, fr 5, so (1/2 + 2/5) / 2.
    # Without de (3): en 1, fr 5, so (1 + 2/5) / 2. Without fr (6): en 1, de 3, so (1 + 2/3) / 2.
    rows = [("en", "q", "en", 1), ("en", "q", "de", 3), ("en", "q", "fr", 6)]
    rows += [("en", "r", "de", 3), ("sw", "r", "sw", 1)]  # none in its own language; none in another
    found = target_removal(table(rows)).set_index("removed")
    assert found["before"].tolist() == pytest.approx([(1 + 2 / 3 + 1 / 2) / 3] * 2)
    assert found.loc["own", "after"] == pytest.approx((1 / 2 + 2 / 5) / 2)
    assert found.loc["other", "after"] == pytest.approx(((1 + 2 / 5) / 2 + (1 + 2 / 3) / 2) / 2)
    assert found["fall"].tolist() == pytest.approx((found["before"] - found["after"]).tolist())
    assert found["queries"].tolist() == [1, 1] and found["query_language"].tolist() == ["en", "en"]


def ap(order: list[str | None]) -> float:
    """AP of a ranking written out, None for what is not relevant."""
    hits = [place for place, what in enumerate(order, 1) if what]
    return sum(nth / place for nth, place in enumerate(hits, 1)) / len(hits)


@given(st.lists(st.sampled_from([None, "de", "en", "fr"]), min_size=2, max_size=12))
def test_target_removal_is_what_ranking_a_smaller_pool_gives(order: list[str | None]) -> None:
    rows = [("en", "q", what, place) for place, what in enumerate(order, 1) if what]
    others = sorted({what for what in order if what} - {"en"})
    if "en" not in order or not others:
        assert not rows or target_removal(table(rows)).empty
        return
    found = target_removal(table(rows)).set_index("removed")
    without = {gone: ap([what for what in order if what != gone]) for gone in ["en", *others]}
    assert found.loc["own", "after"] == pytest.approx(without["en"])
    assert found.loc["other", "after"] == pytest.approx(np.mean([without[gone] for gone in others]))
    assert found["before"].tolist() == pytest.approx([ap(order)] * 2)


def test_without_preference_both_removals_cost_the_same() -> None:
    # every order of three languages at ranks 1, 4, 9 once: no language is preferred
    rows = [
        ("en", str(nth), tag, rank)
        for nth, tags in enumerate(itertools.permutations(["de", "en", "fr"]))
        for tag, rank in zip(tags, (1, 4, 9), strict=True)
    ]
    own, other = target_removal(table(rows)).sort_values("removed", ascending=False)["fall"]
    assert own == pytest.approx(other)


def test_gaps_by_hand() -> None:
    ranks = pd.DataFrame(
        [("de", "q", "de", 1, 1), ("de", "q", "en", 2, 4), ("en", "q", "de", 4, 3), ("en", "q", "en", 2, 2)],
        columns=["query_language", "query_id", "passage_language", "rank", "pool_rank"],
    )
    found = language_gap(scores(per_query(ranks))).set_index(["setting", "side"])
    # mono de 1, en 1/2; cross de>en 1/2, en>de 1/4; pool de (1 + 2/4) / 2, en (1/2 + 2/3) / 2
    assert found.loc[("mono", "query_language"), ["value", "best", "worst"]].tolist() == [0.5, "de", "en"]
    assert found.loc[("cross", "query_language"), ["value", "best", "worst"]].tolist() == [0.25, "de", "en"]
    assert found.loc[("cross", "passage_language"), ["value", "best", "worst"]].tolist() == [0.25, "en", "de"]
    assert found.loc[("pool", "query_language"), "value"] == pytest.approx(3 / 4 - 7 / 12)
