"""Simulation: the intervals of language diversity cover at the designs that the kit ships, or are not there."""

import itertools

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.diversity import sentences
from hybridkit.analysis.diversity.outcomes import means, with_predictors
from hybridkit.analysis.diversity.regression import regress
from hybridkit.evaluation.resampling import over_sets, two_way
from hybridkit.study.model_spec import language_sets

TAGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")  # of XQuAD-R, and of atlas
ASKED = ("ar", "de", "en", "ru", "th", "zh")  # pairs of these are enough, and quicker
DESIGNS: dict[str, tuple[tuple[str, ...], int, tuple[int | str, ...], int]] = {  # groups, draws, sizes, seeds
    "quick": (("random", "spread"), 2, (1, 4, "all"), 1),
    "diversity": (("random", "spread", "Indo-European"), 3, (1, 2, 4, 8, "all"), 2),
    "small": (("random", "spread"), 2, (1, 2, 4, "all"), 1),
}


def studies(name: str, count: int, setting: str = "cross") -> pd.DataFrame:
    """Studies of a design without any effect; study n has the seeds from n times the design's number of seeds on.

    Chance is that of a draw (shared by its nested sets), of a training language (shared by all sets that have it), of a
    model, of a model on a group of pairs, and of each value; none of it depends on k, on what was seen or on distance.
    """
    groups, draws, sizes, seeds = DESIGNS[name]
    pairs = list(itertools.permutations(ASKED, 2)) if setting == "cross" else [(tag, tag) for tag in ASKED]
    lines = [
        (of.group, of.draw, len(of.languages), " ".join(of.languages), *pair)
        for of in language_sets(TAGS, groups, draws, sizes)
        for pair in pairs
    ]
    one = pd.DataFrame(lines, columns=["group", "draw", "k", "languages", "query_language", "passage_language"])
    one = one.assign(series="fixed", strategy="mono", benchmark="toy", measure="RR", setting=setting)
    one = with_predictors(one, "static")
    has = np.array([[tag in text.split() for tag in TAGS] for text in one["languages"]], dtype=float)
    random = np.random.default_rng(len(name))

    def chance(*keys: str, spread: float) -> np.ndarray:
        code = one.groupby(list(keys)).ngroup().to_numpy()
        return random.normal(0, spread, (code.max() + 1, count * seeds))[code]

    of_study = chance("group", "draw", spread=0.01) + has / has.sum(axis=1, keepdims=True) @ random.normal(
        0, 0.02, (len(TAGS), count * seeds)
    )
    of_study = np.repeat(of_study[:, ::seeds], seeds, axis=1)
    own = chance("languages", spread=0.01) + chance("languages", "seen", spread=0.01)
    value = of_study + own + random.normal(0, 0.01, own.shape)
    frame = pd.concat([one] * (count * seeds), ignore_index=True)
    return frame.assign(value=value.T.ravel(), seed=np.repeat(np.arange(count * seeds), len(one)))


@pytest.mark.parametrize("setting", ["cross", "mono"])
def test_intervals_of_the_regression_cover_at_the_design_of_diversity(setting: str) -> None:
    seeds, count = 2, 400 if setting == "mono" else 160
    frame = studies("diversity", count, setting)
    found = regress(frame[frame["group"] == "random"], "mono", setting=setting).by_draw
    held = {}
    for term, own in found.groupby("term"):
        values = own.pivot(index="draw", columns="seed", values="value").to_numpy().reshape(3, count, seeds)
        _, low, high, _ = two_way(values.swapaxes(1, 2))
        held[term] = np.mean((low <= 0) & (high >= 0))
    assert len(held) == (9 if setting == "cross" else 4)
    assert 0.93 <= np.mean(list(held.values())) <= 0.97
    # effects of distance are estimated more precisely in some draws than in others: their intervals cover more often
    assert min(held.values()) >= 0.925, held


def test_intervals_are_those_of_random_draws_alone() -> None:
    frame = studies("diversity", 1)
    random = frame[frame["group"] == "random"]
    found = regress(frame, "mono")
    assert found.draws == 3 and set(found.by_draw["group"]) == {"random"}
    assert found.table.equals(regress(random, "mono").table) and found.table["low"].notna().all()
    values = found.by_draw[found.by_draw["term"] == "query seen"].pivot(index="draw", columns="seed", values="value")
    row = found.table.set_index("term").loc["query seen"]
    assert row[["estimate", "low", "high"]].tolist() == pytest.approx(two_way(values.to_numpy())[:3].tolist())
    table = means(frame)
    assert set(table.loc[table["low"].notna(), "group"]) == {"random"}


@pytest.mark.parametrize("name", ["quick", "small"])
def test_two_draws_have_no_interval_anywhere_and_sentences_say_so(name: str) -> None:
    frame = studies(name, 1)
    found = regress(frame, "mono")
    assert found.table["low"].isna().all()
    assert set(found.table["note"]) == {"no interval: 2 random draws, 3 are needed"}
    assert means(frame)["low"].isna().all()
    assert all("no effect" not in line for line in sentences.regression_sentences(found))
    assert "Languages were drawn at random twice, and an interval needs 3 draws" in sentences.limits(frame)[0]
    four = frame[frame["k"].isin([4, len(TAGS)])]  # as hybrid is trained in both
    assert "all sets of a draw have 4 languages" in regress(four, "mono").reason


@pytest.mark.parametrize(("sets", "seeds", "of_seed"), [(3, 1, 0), (3, 2, 0), (3, 2, 0.3), (3, 3, 0.5), (9, 3, 0.5)])
def test_the_interval_over_sets_covers_with_effects_of_sets_and_of_seeds(sets: int, seeds: int, of_seed: float) -> None:
    random = np.random.default_rng(seeds)
    values = random.normal(0, 1, (sets, 1, 20_000)) + random.normal(0, of_seed, (1, seeds, 20_000))
    _, low, high, _ = two_way(values + random.normal(0, 0.3, (sets, seeds, 20_000)))
    assert 0.93 <= np.mean((low <= 0) & (high >= 0)) <= 0.97


def test_the_interval_over_sets_of_one_seed_is_students_and_needs_three() -> None:
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(0).normal(0.5, 0.1, 5)
    models = pd.DataFrame({"languages": [f"l{n}" for n in range(5)], "seed": 0, "value": values})
    wanted = ttest_1samp(values, 0).confidence_interval()
    assert over_sets(models) == pytest.approx((values.mean(), wanted.low, wanted.high))
    assert over_sets(models.iloc[:2]) is None


def test_what_three_seeds_do_to_every_set_alike_widens_the_interval() -> None:
    lines = [(f"l{n}", seed, float(seed)) for n in range(6) for seed in range(3)]
    models = pd.DataFrame(lines, columns=["languages", "seed", "value"])
    # sets are alike, seeds 0, 1 and 2 are not: B = 1 / 3 with two degrees of freedom, t = 4.302653 (table)
    half = 4.302653 * (1 / 3) ** 0.5
    assert over_sets(models) == pytest.approx((1.0, 1.0 - half, 1.0 + half), abs=1e-5)
    assert over_sets(models[models["seed"] < 2]) == pytest.approx((0.5, 0.5, 0.5))  # given these two seeds
