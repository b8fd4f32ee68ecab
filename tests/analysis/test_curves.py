"""Curves: planted differences are found, planted nulls are not called better, and words say what is not established."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis import curves
from hybridkit.analysis.curves import COLUMNS, curve_scores, make_curves, missing_points
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, model_sums
from hybridkit.evaluation.measures import macro, scores
from hybridkit.evaluation.resampling import Resampling
from hybridkit.evaluation.significance import CHOSEN, Models, compare, contrast, judged
from hybridkit.study.run import Run
from hybridkit.study.settings import open_study, strategy_at
from hybridkit.utils.seeds import generator

HYBRID, ONE = "hybrid(alpha=0.5)", "cross(pairs='one')"
CLUSTERS = pd.Series({f"q{number}": f"article {number // 2}" for number in range(24)})  # 12 articles
PLACES = [("mono", "de", "de"), ("mono", "en", "en"), ("cross", "de", "en"), ("pool", "de", "*"), ("pool", "en", "*")]


def values(base: float, name: str, noise: float = 0.004, distance: float = 100.0) -> pd.DataFrame:
    """One model's per-query values: AP around `base` in every setting, rank distance around `distance` in the pool."""
    rows = [(*place, query, "AP", base) for place in PLACES for query in CLUSTERS.index]
    rows += [("pool", tag, "*", query, "rank_distance", distance) for tag in ("de", "en") for query in CLUSTERS.index]
    columns = ["setting", "query_language", "passage_language", "query_id", "measure", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    spread = np.where(frame["measure"] == "AP", noise, 1000 * noise)
    return frame.assign(value=frame["value"] + spread * generator(0, "toy", name).normal(size=len(frame)))


def models(base: float, name: str, seeds: int = 5, luck: float = 0.0, distance: float = 100.0) -> Models:
    """Seeds of a strategy; `luck` is how far trainings lie apart: alternately above and below their mean."""
    return {
        seed: model_sums(values(base + luck * (-1) ** seed, f"{name} {seed}", distance=distance), CLUSTERS)
        for seed in range(seeds)
    }


def curve(better: float, seeds: int = 5, luck: float = 0.0) -> pd.DataFrame:
    """Alpha 0.25 is better by `better` than 0.5, alpha 1 worse by 0.1 and 50 ranks."""
    own = {0.25: 0.5 + better, 0.5: 0.5, 1.0: 0.4}
    points = {
        (alpha, str(strategy_at(alpha))): models(
            base, f"alpha {alpha}", seeds, luck * (alpha == 0.25), 100.0 + 50 * (alpha == 1)
        )
        for alpha, base in own.items()
    }
    return curves.contrasts({"toy": points}, "alpha")


def test_a_contrast_is_that_of_compare_and_of_the_means() -> None:
    a, b = ([values(base, f"{name} {seed}") for seed in range(3)] for base, name in ((0.52, "a"), (0.5, "b")))
    ours = contrast([(1, models(0.52, "a", 3)), (-1, models(0.5, "b", 3))], overall=True)
    together = [pd.concat([one.assign(seed=seed) for seed, one in enumerate(frames)]) for frames in (a, b)]
    theirs = compare(*together, CLUSTERS)
    theirs = theirs[theirs["query_language"] == "*"].set_index(["setting", "measure"])
    keys = list(ours[["setting", "measure"]].itertuples(index=False, name=None))
    assert keys == [("mono", "AP"), ("cross", "AP"), ("pool", "AP"), ("pool", "rank_distance")]
    for name in ("difference", "low", "high", "p", "crossed_low", "crossed_high", "crossed_p", "clusters"):
        assert ours[name].tolist() == pytest.approx(theirs.loc[keys, name].tolist()), name
    means = [[macro(scores(one)).set_index(["setting", "measure"])["value"] for one in frames] for frames in (a, b)]
    apart = [first["pool", "AP"] - second["pool", "AP"] for first, second in zip(*means, strict=True)]
    row = ours.set_index(["setting", "measure"]).loc[("pool", "AP")]
    assert row["difference"] == pytest.approx(np.mean(apart)) and row["trainings"] == 3


def test_a_planted_difference_is_found_and_said() -> None:
    found = curve(0.03)
    assert found.loc[(found["x"] == 0.25) & (found["measure"] == "AP"), "established"].all()
    said = curves.curve_sentences(found, "alpha")
    assert said[1].startswith(
        "AP in monolingual retrieval: 0.25 is established as better than 0.5; the best is 0.25 with +.0"
    )
    assert "corrected for the choice among 2" in said[1]
    assert said[1].endswith("established as worse: 1.") and len(said) == 5
    assert said[4].startswith("Rank distance in the multilingual pool: no alpha is established as better than 0.5;")
    assert said[4].endswith("established as worse: 1.")  # more ranks apart is worse


def test_a_planted_null_is_not_called_better() -> None:
    found = curve(0.0)
    assert not found.loc[found["x"] == 0.25, "established"].any()
    assert all(
        "no alpha is established as better than 0.5" in sentence
        for sentence in curves.curve_sentences(found, "alpha")[1:]
    )


def test_questions_alone_do_not_establish_what_seeds_disagree_on() -> None:
    found = curve(0.01, luck=0.02)  # trainings lie .02 above and below: their mean is no sure gain
    near = found[(found["x"] == 0.25) & (found["measure"] == "AP")]
    assert (near["low"] > 0).all() and (near["crossed_low"] < 0).all()
    assert set(near["mark"]) == {"°"} and not near["established"].any()
    said = curves.curve_sentences(found, "alpha")[1]
    assert "no alpha is established as better than 0.5" in said
    assert "better given these trainings, which says nothing of others: 0.25" in said


def test_the_family_holds_every_comparison_and_no_part_of_a_benchmark() -> None:
    found = curve(0.03)  # two alphas besides 0.5, AP in three settings and the rank distance: 2 x 4
    assert len(found) == 8 and set(found["family"]) == {"8 comparisons: every alpha with 0.5, on toy"}
    points = {(x, str(strategy_at(x))): models(0.5, f"part {x}", 3) for x in (0.25, 0.5)}
    both = curves.contrasts({"toy": points, "toy[1:]": points}, "alpha", {"toy[1:]": "toy"})
    assert dict(zip(both["benchmark"], both["family"], strict=True)) == {
        "toy": "4 comparisons: every alpha with 0.5, on toy",
        "toy[1:]": "4 comparisons: every alpha with 0.5, on toy[1:], a part of toy",
    }


def test_one_seed_establishes_nothing() -> None:
    found = curve(0.03, seeds=1)
    assert found["crossed_low"].isna().all() and not found["established"].any() and found["crossed_p_holm"].isna().all()
    said = curves.curve_sentences(found, "alpha")
    assert said[0].endswith("With 1 seed nothing is known of other trainings, so that none can be established.")
    assert "; 1 seed, nothing on others)" in said[1] and "no alpha is established as better" in said[1]


def test_the_best_of_ten_equal_alphas_is_not_established() -> None:
    """The choice of the best is paid for: among ten alphas without a difference five curves in a hundred, at most.

    For each curve the interval of the best covers 0, its truth, in 95 % at least; its own interval covers far less.
    """
    worlds, seeds, clusters = 200, 5, 16
    tags = [f"w{world}" for world in range(worlds)]
    pairs = pd.DataFrame({"setting": "mono", "query_language": tags, "passage_language": tags})
    names = np.array([f"a{number:02}" for number in range(clusters)], object)
    sizes = np.repeat(1.0 + np.arange(clusters)[:, None] % 3, worlds, axis=1)
    random, asked = generator(0, "ten alphas"), np.zeros(sizes.shape, np.uint64)

    def trained() -> Models:
        """Seeds vary as much as the mean over articles does."""
        article = 0.5 * random.normal(size=sizes.shape)
        noise = [
            article + 0.5 * random.normal(size=(1, worlds)) + random.normal(size=sizes.shape) for _ in range(seeds)
        ]
        return {n: {"AP": ClusterSums(pairs, one * sizes, sizes, names, asked)} for n, one in enumerate(noise)}

    how, base = Resampling(resamples=100, exchanges=1000), trained()
    found = []
    for alpha in range(10):
        rows_of = contrast([(1, trained()), (-1, base)], how=how, choices=10)
        found.append(rows_of[rows_of["query_language"] != "*"].assign(x=alpha, family=rows_of["query_language"]))
    rows_all = judged(pd.concat(found, ignore_index=True))
    tolerance = 2.6 * np.sqrt(0.05 * 0.95 / worlds)
    assert rows_all.groupby("family")["established"].any().mean() <= 0.05 + tolerance
    best = rows_all.loc[rows_all.groupby("family")["difference"].idxmax()]
    assert ((best[CHOSEN[0]] <= 0) & (best[CHOSEN[1]] >= 0)).mean() >= 0.95 - tolerance
    assert ((best["crossed_low"] <= 0) & (best["crossed_high"] >= 0)).mean() < 0.9


def test_pairs_are_compared_with_the_first_and_told() -> None:
    points = {(0.0, "cross"): models(0.5, "cross", distance=90.0), (0.0, ONE): models(0.48, "one")}
    said = curves.curve_sentences(curves.contrasts({"toy": points}, "pairs"), "pairs")
    assert "4 comparisons" in said[0] and len(said) == 5
    assert said[3].startswith("AP in the multilingual pool: one pair a batch (cross) minus pairs mixed inside a batch")
    assert all(sentence.endswith("which is worse.") for sentence in said[1:])
    same = {(0.0, "cross"): models(0.5, "a"), (0.0, ONE): models(0.5, "b")}
    said = curves.curve_sentences(curves.contrasts({"toy": same}, "pairs"), "pairs")
    assert all(sentence.endswith("no difference is established.") for sentence in said[1:])


def test_along_the_rows_the_change_of_a_difference_is_tested() -> None:
    gain = {100.0: 0.02, 400.0: 0.03, 1600.0: 0.06}
    points = {
        (x, name): models(0.5 + (more if name == HYBRID else 0.0), f"{name} {x}")
        for x, more in gain.items()
        for name in ("mono", "cross", HYBRID)
    }
    found = curves.contrasts({"toy": points}, "rows")
    assert len(found) == 2 * 3 * 4 and set(found["strategy"]) == {HYBRID}  # two others, two ends and the change
    change = found[(found["at"] == "change") & (found["measure"] == "AP")]
    assert change["difference"].tolist() == pytest.approx([0.04] * 6, abs=0.004) and change["established"].all()
    still = found[(found["at"] == "change") & (found["measure"] == "rank_distance")]
    assert not still["established"].any()
    said = curves.curve_sentences(found, "rows")
    assert len(said) == 1 + 4 * 2
    assert "hybrid α = 0.5 minus mono is +.0" in said[1] and "at 100 training rows and +.0" in said[1]
    assert "at 1,600 training rows; the difference changes: +.0" in said[1]
    assert "no change of the difference is established" in said[-1]


def test_what_is_compared() -> None:
    points = [(alpha, str(strategy_at(alpha))) for alpha in (0.0, 0.5, 1.0)]
    assert [one.x for one in curves.planned(points, "alpha")] == [0.0, 1.0]
    assert curves.planned([points[0], points[2]], "alpha") == []  # without 0.5 there is nothing to compare with
    assert curves.planned([], "rows") == curves.planned([(9.0, "mono"), (9.0, "cross")], "rows") == []
    (only,) = curves.planned([(9.0, "mono"), (9.0, HYBRID)], "batch_size")
    assert only.at == "smallest"
    empty = curves.contrasts({}, "alpha")
    assert empty.empty and curves.curve_sentences(empty, "alpha") == [
        "Nothing is compared: the curve needs alpha 0.5 and another."
    ]


def test_wrong_input_is_named() -> None:
    a = models(0.5, "a", seeds=2)
    with pytest.raises(InputError, match="share no seed"):
        contrast([(1, a), (-1, {7: a[0]})])
    fewer = values(0.5, "b")
    with pytest.raises(InputError, match="not judged on the same questions"):
        contrast([(1, a), (-1, {0: model_sums(fewer[fewer["query_id"] != "q3"], CLUSTERS)})])
    with pytest.raises(InputError, match="without a cluster, the first of query 'q0'"):
        model_sums(fewer, CLUSTERS.drop("q0"))


def test_a_study_without_curves_says_which_key_gives_them(tmp_path: Path) -> None:
    run = Run(open_study("starter"), tmp_path)
    assert make_curves(run) == 0
    for section, key in {"alpha": "alphas", "rows": "rows", "batch_size": "batch_sizes", "pairs": "pairs"}.items():
        assert curve_scores(run, section).columns.tolist() == COLUMNS and curve_scores(run, section).empty
        assert curves.curve_contrasts(run, section).empty
        assert f"`curve: {{{key}: [" in missing_points(run, section)
