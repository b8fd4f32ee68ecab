"""The regression of a diversity study: planted effects, jackknife intervals, checks that notice violations, words."""

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
MIDDLE = 1.5  # of log2 1 and log2 8


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
    assert found.clusters == 7 and found.left_out == {}  # six draws and the set of all
    assert found.data["fitted"].to_numpy() == pytest.approx(found.data["value"].to_numpy())


def test_intervals_cover_planted_effects_under_noise() -> None:
    found = regress(outcomes(sets(8), noise=0.02), "mono").table.set_index("term")
    covered = [found.loc[term, "low"] <= value <= found.loc[term, "high"] for term, value in PLANTED.items()]
    assert sum(covered) >= 8
    assert (found["high"] - found["low"]).between(0.001, 0.15).all()


def test_many_clusters_give_the_intervals_of_statsmodels() -> None:
    import statsmodels.api as sm

    frame = outcomes(language_sets(TAGS, ["random"], 24, [2, 4]), noise=0.02)
    found = regress(frame, "mono")
    value = found.data["value"] - found.data.groupby("pair")["value"].transform("mean")
    codes = pd.factorize(found.data["cluster"])[0]
    theirs = sm.OLS(value, found.matrix).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True).conf_int()
    ours = found.table.set_index("term")
    assert ours["estimate"].to_numpy() == pytest.approx(theirs.mean(axis=1).to_numpy())
    ratio = (ours["high"] - ours["low"]) / (theirs[1] - theirs[0])
    assert ratio.between(0.95, 1.35).all()  # the jackknife is somewhat wider, the more so the fewer the clusters


def test_a_model_on_two_lines_of_the_design_counts_once() -> None:
    frame = outcomes(sets(), noise=0.01)
    again = frame[frame["k"] == 1].assign(group="spread")
    assert regress(pd.concat([frame, again]), "mono").table.equals(regress(frame, "mono").table)


def test_monolingual_pairs_have_one_language() -> None:
    frame = outcomes(sets(), pairs=[(tag, tag) for tag in TAGS])
    found = regress(frame, "mono", setting="mono").table.set_index("term")["estimate"]
    assert list(found.index) == ["log2 k, seen-seen", "log2 k, unseen-unseen", "language seen", "language distance"]
    # what is planted on both sides adds up
    assert found.to_numpy() == pytest.approx([0.01, 0.04, 0.1 + 0.06 + 0.05, -0.03])


def test_two_sizes_leave_out_what_cannot_be_told_and_give_no_interval_to_what_rests_on_one_set() -> None:
    found = regress(outcomes(sets(2, (4, 8), ("random", "spread")), noise=0.01), "mono")
    assert found.left_out == {
        f"log2 k, {seen}": "all of its models have k = 4" for seen in ("seen-unseen", "unseen-seen", "unseen-unseen")
    }
    table = found.table.set_index("term")
    assert np.isnan(table.loc["log2 k, seen-seen", "low"])
    assert table.loc["log2 k, seen-seen", "note"] == "no interval: it rests on the set of all languages alone"
    told = sentences.regression_sentences(found)
    assert any("on unseen-unseen pairs cannot be estimated: all of its models have k = 4" in one for one in told)
    assert not named(found)["linear in log2 k"].ok and "cannot be seen" in named(found)["linear in log2 k"].words


def test_small_designs_say_why_there_is_nothing() -> None:
    one_size = outcomes(sets(3, (4,)))
    assert "nothing varies with their number" in regress(one_size, "mono").reason
    two_sets = outcomes(sets(1, (1, 2)))
    assert sentences.regression_sentences(regress(two_sets, "mono")) == [
        "mono: the effect of the number of languages cannot be estimated: there are only 2 sets of training languages."
    ]
    absent = regress(two_sets, "cross")
    assert "no trained models" in absent.reason and check(absent) == []
    few = regress(outcomes(sets(2, (1, 2, 4)), noise=0.01), "mono")
    assert set(few.table["note"]) == {"no interval: only 2 draws"} and few.table["low"].isna().all()
    table = sentences.effects([absent, few])
    assert table["note"].iloc[0].startswith("cannot be estimated: there are no trained models")
    assert list(table.columns) == ["setting", "series", "strategy", "term", "estimate", "low", "high", "note"]


def test_checks_pass_where_nothing_is_wrong() -> None:
    found = named(regress(outcomes(sets(10), noise=0.005), "mono"))
    assert list(found) == ["linear in log2 k", "residuals", "equal spread", "collinearity", "bounds", "clusters"]
    assert {name for name, one in found.items() if not one.ok} == set()
    assert "11 draws (clusters)" in found["clusters"].words


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
    assert not named(regress(outcomes(sets(4), noise=0.01), "mono"))["clusters"].ok
    near = frame.assign(
        query_distance=np.where(
            frame["query_distance"] > 0, np.minimum(frame["k"], 3) + 0.01 * (frame["query_distance"] == 4), 0
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
