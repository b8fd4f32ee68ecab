"""The regression of a diversity study: planted effects, estimates draw by draw, checks of what it assumes, words."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.diversity import sentences
from hybridkit.analysis.diversity.outcomes import with_predictors
from hybridkit.analysis.diversity.regression import Check, Regression, check, regress
from hybridkit.study.model_spec import LanguageSet, language_sets

TAGS = ["ar", "de", "en", "es", "hi", "ru", "th", "tr"]
PAIRS = list(itertools.permutations(TAGS, 2))
PLANTED = {
    "log2 k, seen-seen": 0.01,
    "log2 k, seen-unseen": 0.02,
    "log2 k, unseen-seen": 0.03,
    "log2 k, unseen-unseen": 0.04,
    "query seen": 0.1,
    "passage seen": 0.06,
    "both seen": 0.05,
    "query distance": -0.02,
    "passage distance": -0.01,
}
MIDDLE = 1.0  # of log2 1 and log2 4, the sets that are drawn


def outcomes(
    sets: list[LanguageSet],
    noise: float = 0.0,
    seed: int = 0,
    bend: Callable[[float], float] | None = None,
    strategy: str = "mono",
    pairs: list[tuple[str, str]] = PAIRS,
) -> pd.DataFrame:
    """Outcomes with the planted effects; noise is of draws, sets and observations, each of this size."""
    random = np.random.default_rng(seed)
    hard = dict(zip(pairs, random.uniform(0.2, 0.4, len(pairs)), strict=True))
    of_draw = {key: random.normal(0, noise) for key in dict.fromkeys((one.group, one.draw) for one in sets)}
    rows = []
    for one in sets:
        tags = " ".join(one.languages)
        level = of_draw[one.group, one.draw] + random.normal(0, noise)
        rows += [
            (one.group, one.draw, len(one.languages), tags, *pair, hard[pair] + level + random.normal(0, noise))
            for pair in pairs
        ]
    columns = ["group", "draw", "k", "languages", "query_language", "passage_language", "value"]
    frame = pd.DataFrame(rows, columns=columns).assign(
        series="fixed", strategy=strategy, seed=0, benchmark="toy", measure="RR"
    )
    same = frame["query_language"] == frame["passage_language"]
    frame = with_predictors(frame.assign(setting=np.where(same, "mono", "cross")), "static")
    query, passage = frame["seen"].str.startswith("seen"), frame["seen"].str.endswith("-seen")
    for seen in sorted(set(frame["seen"])):
        logs = frame["log2_k"] - MIDDLE
        shape = logs if bend is None else frame["log2_k"].map(bend)
        frame["value"] += PLANTED[f"log2 k, {seen}"] * shape.where(frame["seen"] == seen, 0.0)
    frame["value"] += PLANTED["query seen"] * query + PLANTED["passage seen"] * passage
    frame["value"] += PLANTED["both seen"] * (query & passage)
    frame["value"] += PLANTED["query distance"] * (frame["query_distance"] - 3).where(~query, 0)
    frame["value"] += PLANTED["passage distance"] * (frame["passage_distance"] - 3).where(~passage, 0)
    return frame


def sets(
    draws: int = 6, sizes: tuple[int, ...] = (1, 2, 4, 8), groups: tuple[str, ...] = ("random",)
) -> list[LanguageSet]:
    return language_sets(TAGS, groups, draws, sizes)


def named(regression: Regression) -> dict[str, Check]:
    return {one.name: one for one in check(regression)}


def test_planted_effects_are_found_exactly_without_noise() -> None:
    found = regress(outcomes(sets()), "mono")
    assert found.table.set_index("term")["estimate"].to_dict() == pytest.approx(PLANTED)
    assert found.table.set_index("term")[["low", "high"]].to_numpy() == pytest.approx(
        np.array([[value, value] for value in PLANTED.values()]), abs=1e-9
    )
    assert found.draws == 6 and found.left_out == {}  # the set of all languages is no draw
    assert found.data["fitted"].to_numpy() == pytest.approx(found.data["value"].to_numpy())


def test_intervals_cover_planted_effects_under_noise() -> None:
    found = regress(outcomes(sets(8), noise=0.02), "mono").table.set_index("term")
    covered = [found.loc[term, "low"] <= value <= found.loc[term, "high"] for term, value in PLANTED.items()]
    assert sum(covered) >= 8
    assert (found["high"] - found["low"]).between(0.001, 0.15).all()


def test_an_estimate_is_the_mean_of_the_draws_own_regressions() -> None:
    import statsmodels.api as sm
    from scipy.stats import ttest_1samp

    frame = outcomes(sets(4), noise=0.02)
    found = regress(frame, "mono")
    own = found.data[found.data["draw"] == 2]
    value = own["value"] - own.groupby("pair")["value"].transform("mean")
    theirs = sm.OLS(value, found.matrix.loc[own.index]).fit().params
    ours = found.by_draw[found.by_draw["draw"] == 2].set_index("term")["value"]
    assert ours.to_dict() == pytest.approx(theirs.to_dict())
    four = found.by_draw[found.by_draw["term"] == "query seen"]["value"]
    wanted = ttest_1samp(four, 0).confidence_interval()
    row = found.table.set_index("term").loc["query seen"]
    assert row[["estimate", "low", "high"]].tolist() == pytest.approx([four.mean(), wanted.low, wanted.high])


def test_sets_that_were_chosen_take_no_part_beside_random_draws() -> None:
    frame = outcomes(sets(), noise=0.01)
    again = frame[frame["k"] == 1].assign(group="spread")
    assert regress(pd.concat([frame, again]), "mono").table.equals(regress(frame, "mono").table)


def test_monolingual_pairs_have_one_language() -> None:
    frame = outcomes(sets(), pairs=[(tag, tag) for tag in TAGS])
    found = regress(frame, "mono", setting="mono").table.set_index("term")["estimate"]
    assert list(found.index) == ["log2 k, seen-seen", "log2 k, unseen-unseen", "language seen", "language distance"]
    # what is planted on both sides adds up
    assert found.to_numpy() == pytest.approx([0.01, 0.04, 0.1 + 0.06 + 0.05, -0.03])


def test_sets_that_were_chosen_have_estimates_and_no_interval() -> None:
    found = regress(outcomes(sets(3, (1, 2, 4), ("spread",)), noise=0.01), "mono")
    assert set(found.table["note"]) == {"no interval: the sets are chosen (spread), not drawn at random"}
    assert found.table["estimate"].notna().all() and found.table["low"].isna().all()
    said = sentences.regression_sentences(found)
    assert all("not drawn at random" in one or "cannot be estimated" in one for one in said)


def test_terms_that_one_draw_cannot_separate_are_left_out_of_all() -> None:
    frame = outcomes(sets(3, (1, 2, 4)))
    flat = frame.assign(passage_distance=frame["passage_distance"].where(frame["draw"] != 1, 3.0))
    found = regress(flat, "mono")
    assert found.left_out == {"passage distance": "in draw 1 of random sets it does not vary within pairs"}
    assert "passage distance" not in set(found.by_draw["term"])


def test_small_designs_say_why_there_is_nothing() -> None:
    one_size = outcomes(sets(3, (4,)))
    assert sentences.regression_sentences(regress(one_size, "mono")) == [
        "mono: the effect of the number of languages cannot be estimated: all sets of a draw have 4 languages, "
        "so that nothing varies with their number."
    ]
    absent = regress(one_size, "cross")
    assert "no trained models" in absent.reason and check(absent) == []
    few = regress(outcomes(sets(2, (1, 2, 4)), noise=0.01), "mono")
    assert set(few.table["note"]) == {"no interval: 2 random draws, 3 are needed"} and few.table["low"].isna().all()
    table = sentences.effects([absent, few])
    assert table["note"].iloc[0].startswith("cannot be estimated: there are no trained models")
    columns = ["setting", "series", "strategy", "term", "estimate", "low", "high", "p", "p_holm", "note"]
    assert list(table.columns) == columns


def test_checks_pass_where_nothing_is_wrong() -> None:
    found = named(regress(outcomes(sets(10), noise=0.005), "mono"))
    assert list(found) == ["linear in log2 k", "residuals", "equal spread", "collinearity", "bounds", "draws"]
    assert {name for name, one in found.items() if not one.ok} == set()
    assert found["draws"].words.startswith("10 draws with ")


def test_checks_flag_planted_violations() -> None:
    bent = named(regress(outcomes(sets(10), noise=0.002, bend=lambda logs: 3 * (logs - MIDDLE) ** 2), "mono"))
    assert not bent["linear in log2 k"].ok and "read the slope as an average" in bent["linear in log2 k"].words
    frame = outcomes(sets(10), noise=0.005)
    wide = frame.assign(value=frame["value"] + np.random.default_rng(1).normal(0, 0.2, len(frame)) * (frame["k"] == 1))
    unequal = named(regress(wide, "mono"))["equal spread"]
    assert not unequal.ok and "for k 1 against" in unequal.words
    far = frame["value"].where(np.arange(len(frame)) % 60 > 0, frame["value"] + 0.5)
    assert not named(regress(frame.assign(value=far), "mono"))["residuals"].ok
    low = named(regress(frame.assign(value=frame["value"] - 0.4), "mono"))["bounds"]
    assert not low.ok and "outside 0 to 1" in low.words
    assert not named(regress(outcomes(sets(4), noise=0.01), "mono"))["draws"].ok
    near = frame.assign(
        query_distance=np.where(
            frame["query_distance"] > 0, np.minimum(frame["k"], 3) + 0.01 * frame["passage_distance"], 0
        )
    )  # distance all but follows k
    assert not named(regress(near, "mono"))["collinearity"].ok


def test_differences_of_strategies_are_regressed_alike() -> None:
    mono = outcomes(sets(), noise=0.01)
    hybrid = mono.assign(strategy="hybrid(alpha=0.5)", value=mono["value"] + 0.01 * mono["log2_k"])
    apart = sentences.strategy_differences(pd.concat([mono, hybrid]))
    (cross, alone) = sentences.regressions(apart)
    assert cross.strategy == "hybrid α = 0.5 minus mono" and alone.reason  # there are no monolingual pairs
    slopes = cross.table[cross.table["term"].str.startswith("log2 k")]
    assert slopes["estimate"].tolist() == pytest.approx([0.01] * 4)
    assert sentences.regression_sentences(cross)[3] == (
        "hybrid α = 0.5 minus mono: doubling the number of training languages changes RR on unseen-unseen pairs by "
        "+.010 (.010 to .010)."
    )
    assert named(cross)["bounds"].ok
    assert sentences.strategy_differences(mono).empty


def test_effects_are_one_family_for_holms_correction() -> None:
    fits = sentences.regressions(outcomes(sets(4), noise=0.004))
    table = sentences.effects(fits)
    known = table[table["p"].notna()]
    assert known["p_holm"].min() == pytest.approx(known["p"].min() * len(known)) and len(known) > 5
    lost = known[((known["low"] > 0) | (known["high"] < 0)) & (known["p_holm"] >= 0.05)]
    said = [line for lines in sentences.fit_sentences(fits).values() for line in lines]
    assert sum(line.endswith("not established.") for line in said) == len(lost) > 0
