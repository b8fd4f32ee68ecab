"""Tests of significance: against scipy, by hand, and their error rates on data where the truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, combined, model_sums, question_clusters
from hybridkit.evaluation.resampling import Resampling, bootstrap, effect_size, randomisation
from hybridkit.evaluation.significance import (
    COLUMNS,
    FIXED,
    JUDGED,
    at_most,
    compare,
    contrast,
    holm,
    judged,
    marks_note,
    trainings_of,
)
from hybridkit.utils.seeds import generator


def values(table: np.ndarray, languages: str = "e", setting: str = "mono", measure: str = "AP") -> pd.DataFrame:
    """Per-query values from a table (queries, languages); query ids q0, q1, ..."""
    return pd.DataFrame(
        [
            (setting, language, language, f"q{nth}", measure, float(row[place]))
            for nth, row in enumerate(np.asarray(table).reshape(len(table), -1))
            for place, language in enumerate(languages)
        ],
        columns=["setting", "query_language", "passage_language", "query_id", "measure", "value"],
    )


def own_cluster(count: int) -> pd.Series:
    return pd.Series([f"c{n}" for n in range(count)], index=[f"q{n}" for n in range(count)])


def row(frame: pd.DataFrame, **where: str) -> pd.Series:
    for column, wanted in where.items():
        frame = frame[frame[column] == wanted]
    assert len(frame) == 1
    return frame.iloc[0]


def test_few_clusters_are_enumerated_as_scipy_does() -> None:
    difference = np.array([0.3, -0.1, 0.2, 0.25, 0.05, -0.02, 0.4])
    found = compare(values(difference), values(np.zeros(7)), own_cluster(7))
    theirs = stats.permutation_test(
        (difference, np.zeros(7)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert found["p"].tolist() == pytest.approx([theirs.pvalue, theirs.pvalue], abs=1e-12)
    # and by hand: of 2^7 exchanges those whose sum is at least 1.08 in size
    sums = [abs(np.dot(signs, difference)) for signs in itertools.product([1, -1], repeat=7)]
    assert found["p"][0] == sum(total >= 1.08 - 1e-9 for total in sums) / 128


def test_many_clusters_give_scipys_p_within_the_error_of_drawing() -> None:
    difference = generator(1, "test").normal(0.02, 0.1, 60)
    found = compare(values(difference), values(np.zeros(60)), own_cluster(60))["p"][0]
    theirs = stats.permutation_test(
        (difference, np.zeros(60)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(0),
    ).pvalue
    student = stats.ttest_rel(difference, np.zeros(60)).pvalue
    assert 0.02 < theirs < 0.9
    error = 4 * np.sqrt(theirs * (1 - theirs) * (1 / 10_000 + 1 / 20_000))
    assert found == pytest.approx(theirs, abs=error) and found == pytest.approx(student, abs=0.03)


def test_difference_effect_and_clusters_by_hand() -> None:
    # clusters x: q0 (.3), q1 (.1); y: q2 (.5): sums .4 and .5 over 3 queries; means .2 and .5, deviation .3 / sqrt(2)
    clusters = pd.Series(["x", "x", "y"], index=["q0", "q1", "q2"])
    found = compare(values([0.3, 0.1, 0.5]), values([0.0, 0.0, 0.0]), clusters)
    assert list(found.columns) == [*COLUMNS, *JUDGED]
    pair = row(found, query_language="e")
    assert pair["difference"] == pytest.approx(0.3) and (pair["queries"], pair["clusters"]) == (3, 2)
    assert pair["effect"] == pytest.approx(0.3 / (0.3 / np.sqrt(2)))
    assert pair["p"] == 0.5  # of the four exchanges ±.4 ± .5, two are as large as .9
    # resamples are (x, x), (x, y), (y, x), (y, y): differences .2, .3, .3, .5
    assert (pair["low"], pair["high"]) == pytest.approx((0.2, 0.5))


def test_settings_weigh_pairs_alike_whatever_their_queries() -> None:
    first = values([0.2, 0.4, 0.6], "e")
    second = values([0.9], "d")
    found = compare(
        pd.concat([first, second]), pd.concat([first, second]).assign(value=0.0), own_cluster(3), Resampling(200)
    )
    assert row(found, query_language="*")["difference"] == pytest.approx((0.4 + 0.9) / 2)
    assert row(found, query_language="*")["queries"] == 3 and row(found, query_language="d")["clusters"] == 1
    single = row(found, query_language="d")
    assert single["p"] == 1 and np.isnan(single["low"]) and np.isnan(single["high"]) and np.isnan(single["effect"])


def test_one_cluster_is_exchanged_with_all_its_languages() -> None:
    # two languages that say the same add no evidence: p of the setting is that of one language
    table = np.array([[0.3, 0.3], [0.2, 0.2], [0.4, 0.4], [-0.1, -0.1]])
    found = compare(values(table, "ed"), values(np.zeros((4, 2)), "ed"), own_cluster(4))
    assert found["p"].nunique() == 1 and found["p"][0] == 4 / 16


def test_trainings_are_paired_by_their_seed() -> None:
    parts = [values(np.array([0.2, 0.4, 0.1]) + shift).assign(seed=seed) for seed, shift in enumerate((0.0, 0.1, 0.2))]
    base = values(np.zeros(3))
    seeded = compare(pd.concat(parts), base, own_cluster(3))  # a system without seeds meets every training
    mean = compare(values(np.array([0.3, 0.5, 0.2])), base, own_cluster(3))
    given = ["difference", "low", "high", "p", "effect", "queries", "clusters", "p_holm", "significant"]
    pd.testing.assert_frame_equal(seeded[given], mean[given])
    assert set(seeded["trainings"]) == {3} and set(mean["trainings"]) == {1} and mean["crossed_p"].isna().all()
    # of three trainings and two, the two that both have are compared, each with its own
    fewer = compare(pd.concat(parts), pd.concat(parts[1:]).assign(value=lambda own: own["value"] - 0.5), own_cluster(3))
    assert set(fewer["trainings"]) == {2} and fewer["difference"].tolist() == pytest.approx([0.5, 0.5])
    with pytest.raises(InputError, match="share no seed"):
        compare(pd.concat(parts), base.assign(seed=7), own_cluster(3))
    with pytest.raises(InputError, match="not judged on the same questions: they have other queries|only one of them"):
        compare(pd.concat([*parts[:2], parts[2].iloc[1:]]), base, own_cluster(3))
    # the same system in another order of its seeds is the same system
    same = compare(pd.concat(parts), pd.concat(parts[::-1]), own_cluster(3))
    assert (same["p"] == 1).all() and (same["difference"] == 0).all() and (same["crossed_p"] == 1).all()


def test_identical_systems_have_p_one_and_no_mark() -> None:
    table = generator(2, "test").random((30, 3))
    found = compare(values(table, "def"), values(table, "def"), own_cluster(30))
    assert (found["p"] == 1).all() and (found["p_holm"] == 1).all() and set(found["mark"]) == {""}
    assert (found[["difference", "low", "high", "effect"]] == 0).all(axis=None)


def test_the_same_call_gives_the_same_frame_and_sides_only_change_the_sign() -> None:
    table = generator(3, "test").random((40, 2))
    a, b, clusters = values(table, "de"), values(table**2, "de"), own_cluster(40)
    first = compare(a, b, clusters, Resampling(500))
    pd.testing.assert_frame_equal(
        first, compare(a.sample(frac=1, random_state=0).sort_index(), b, clusters, Resampling(500))
    )
    other = compare(b, a, clusters, Resampling(500))
    assert np.allclose(other["difference"], -first["difference"]) and np.allclose(other["p"], first["p"])
    assert np.allclose(other["low"], -first["high"]) and np.allclose(other["effect"], -first["effect"])


def test_holm_by_hand_and_its_families() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1 are .04 .06 .06 .04, and never below the one before: .04 .06 .06 .06
    assert holm(pd.Series([0.04, 0.01, 0.03, 0.02, 0.03]), [*"aaaab"]).tolist() == pytest.approx(
        [0.06, 0.04, 0.06, 0.06, 0.03]
    )
    p = generator(4, "holm").random(40) ** 3
    assert holm(pd.Series(p), ["all"] * 40) == pytest.approx(multipletests(p, method="holm")[1])
    table = generator(4, "test").random((20, 2))
    parts = [values(table, "de"), values(table, "de", "cross"), values(table, "de", "pool")]
    mixed = pd.concat(parts)
    families = compare(mixed, mixed.assign(value=0.0), own_cluster(20), Resampling(100))["family"].value_counts()
    assert families.to_dict() == {
        "4 comparisons: language pairs, AP": 4,
        "2 comparisons: query languages of the pool, AP": 2,
        "3 comparisons: settings, AP": 3,
    }


def test_marks_are_two_and_fewer_trainings_never_say_more() -> None:
    rows = pd.DataFrame({"measure": ["AP", "AP", "rank_distance", "AP"], "difference": [0.1, 0.1, -9.0, 0.1]})
    rows = rows.assign(low=[0.05, 0.05, -12, -0.01], high=[0.2, 0.2, -2, 0.2], p=[0.001, 0.002, 0.003, 0.004])
    rows = rows.assign(crossed_p=[0.001, 0.03, 0.002, 0.001])
    found = judged(rows, "toys")
    assert found["p_holm"].tolist() == pytest.approx([0.004, 0.006, 0.006, 0.006])
    assert found["crossed_p_holm"].tolist() == pytest.approx([0.004, 0.03, 0.004, 0.004])
    assert found["mark"].tolist() == ["*", "*", "*", ""]  # an interval over questions that holds 0 has no mark
    assert found["better"].tolist() == [1, 1, 1, 1]  # fewer ranks apart are better
    assert judged(rows.assign(crossed_p=[0.001, 0.06, 0.002, 0.001]), "toys")["mark"].tolist() == ["*", "°", "*", ""]
    few = judged(rows.assign(crossed_p=float("nan"), trainings=2), "toys")
    assert few["mark"].tolist() == ["°", "°", "°", ""] and few["crossed_p_holm"].isna().all()
    assert not few["established"].any() and "nothing is shown of other" in marks_note(few)
    # what has no p over trainings still counts as a test of the family
    some = judged(rows.assign(crossed_p=[0.02, *[float("nan")] * 3]), "toys")
    assert some["crossed_p_holm"][0] == pytest.approx(0.08) and some["mark"][0] == "°"


def test_no_p_is_printed_as_nothing() -> None:
    table = generator(5, "test").normal(1, 0.1, 60)
    found = compare(values(table), values(np.zeros(60)), own_cluster(60)).iloc[0]
    assert found["p"] == 1 / 100_001  # the smallest that drawing can give
    assert at_most(found["p"] * 36) == "p ≤ .00036" and at_most(0.0036) == "p ≤ .0036" and at_most(0.5) == "p ≤ .5"
    assert marks_note(judged(found.to_frame().T.convert_dtypes(), "all")).count("p ≤ .00001") == 1


def test_a_system_meets_every_training_and_a_constant_is_added() -> None:
    table = generator(5, "test").random(12)
    trained = trainings_of(
        pd.concat([values(table + seed / 100).assign(seed=seed) for seed in range(4)]), own_cluster(12)
    )
    untrained = trainings_of(values(table), own_cluster(12))
    assert list(untrained) == [FIXED] and sorted(trained) == [0, 1, 2, 3]
    found = contrast([(1, trained), (-1, untrained)], constant=0.2, overall=True)
    assert found["difference"].tolist() == pytest.approx([0.215]) and found["trainings"].tolist() == [4]
    assert found[["setting", "query_language", "passage_language"]].to_numpy().tolist() == [["mono", "*", "*"]]
    several = contrast([(1, trained), (-1, untrained)], overall=True, choices=10)
    assert several["all_high"][0] - several["all_low"][0] > found["crossed_high"][0] - found["crossed_low"][0]
    level = Resampling(level=0.995)
    assert several["all_low"][0] == pytest.approx(
        contrast([(1, trained), (-1, untrained)], how=level, overall=True)["crossed_low"][0]
    )


def test_trainings_of_other_languages_are_compared_over_their_own_pairs() -> None:
    """Sets of training languages leave out other pairs: every set weighs the same, whatever its number of pairs."""
    table = generator(6, "test").random((10, 3))
    sums = model_sums(values(table, "def"), own_cluster(10))["AP"]
    pairs = sums.pairs["query_language"]
    sets = {
        "d e": sums.select((pairs == "f").to_numpy(), "unseen"),
        "d": sums.select((pairs != "d").to_numpy(), "unseen"),
    }
    models = {name: {"AP": one} for name, one in sets.items()}
    found = contrast([(1, models)], overall=True)
    assert found["difference"].tolist() == pytest.approx([(table[:, 2].mean() + table[:, 1:].mean()) / 2])
    assert found["setting"].tolist() == ["unseen"] and found["low"][0] < found["difference"][0] < found["high"][0]
    with pytest.raises(InputError, match="different pairs"):
        contrast([(1, models)])
    three = models | {"f": {"AP": sums.select((pairs == "d").to_numpy(), "unseen")}}
    assert np.isfinite(contrast([(1, three)], overall=True)["crossed_p"]).all()
    # a set whose pairs lack a cluster has no questions there
    lacking = model_sums(values(table, "def").query("query_id != 'q0' or query_language == 'd'"), own_cluster(10))["AP"]
    chosen = lacking.select((pairs != "d").to_numpy(), "unseen")
    assert "c0" not in set(chosen.names) and chosen.on(sums.names).clusters.tolist() == [9, 9, 9]


def test_what_cannot_be_compared_is_named() -> None:
    a, clusters = values([0.1, 0.2]), own_cluster(2)
    for first, second in ((a, a.iloc[:1]), (a.iloc[:1], a)):
        with pytest.raises(InputError, match="the same questions: only one of them has queries of cluster 'c1'"):
            compare(first, second, clusters)
    together = pd.Series("c0", index=["q0", "q1", "q2"])
    with pytest.raises(InputError, match="they have other queries of cluster 'c0' in mono, e, e"):
        compare(a, a.assign(query_id=["q0", "q2"]), together)  # as many of them, but not the same
    with pytest.raises(InputError, match="only one of them has queries in cross, e, e"):
        compare(a, a.assign(setting="cross"), clusters)
    with pytest.raises(InputError, match="no number for .*query_id q1.* but nan"):
        compare(a, a.assign(value=[0.1, np.nan]), clusters)
    with pytest.raises(InputError, match="1 values without a cluster, the first of query 'q1'"):
        compare(a, a, clusters.iloc[:1])
    with pytest.raises(InputError, match="two values for .*query_id q0"):
        compare(pd.concat([a, a]), a, clusters)
    with pytest.raises(InputError, match="has no column measure"):
        compare(a.drop(columns="measure"), a, clusters)
    with pytest.raises(InputError, match="two clusters"):
        compare(a, a, pd.concat([clusters, clusters]))
    with pytest.raises(InputError, match="has no values"):
        compare(a.iloc[:0], a, clusters)


def test_the_order_of_rows_does_not_matter() -> None:
    table = generator(5, "test").random((9, 2))
    frame = pd.concat([values(table, "de", setting) for setting in ("pool", "cross", "mono")])
    ordered = model_sums(frame, own_cluster(9))["AP"]
    mixed = model_sums(frame.sample(frac=1, random_state=0), own_cluster(9))["AP"]
    assert (
        ordered.pairs.equals(mixed.pairs)
        and ordered.pairs["setting"].tolist() == ["mono"] * 2 + ["cross"] * 2 + ["pool"] * 2
    )
    assert (combined([(1, ordered), (-1, mixed)]).sums == 0).all()


def sums_of(frame: pd.DataFrame, unit: str = "cluster") -> ClusterSums:
    """The sums of differences, each world a setting; `unit` is the column to resample by."""
    named = frame.assign(measure="AP", value=frame["difference"], query_id=frame["query_id"].astype(str))
    named["setting"] = [f"{world:04}" for world in frame["setting"]]
    clusters = frame.assign(query_id=named["query_id"]).drop_duplicates("query_id").set_index("query_id")
    own = clusters["cluster"] if unit == "cluster" else pd.Series(clusters.index, clusters.index)
    return model_sums(named, own.astype(str))["AP"]


def clustered(random: np.random.Generator, sizes: np.ndarray, worlds: int = 1) -> pd.DataFrame:
    """Differences with mean 0 in two languages, in many worlds at once (a setting each).

    What the questions of a cluster have in common varies as much as they do, and is the same in both languages.
    """
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    noise = random.normal(0, 1, (worlds, len(sizes), 1))[:, cluster] + random.normal(0, 1, (worlds, len(cluster), 2))
    world, question, language = np.indices(noise.shape).reshape(3, -1)
    tags = np.array(["d", "e"])[language]
    return pd.DataFrame(
        {
            "setting": world,
            "query_language": tags,
            "passage_language": tags,
            "query_id": question,
            "difference": noise.ravel(),
            "cluster": cluster[question],
        }
    )


def test_without_a_difference_five_per_cent_are_rejected_and_many_more_without_clusters() -> None:
    sizes = 1 + np.arange(40) % 5  # 120 questions in 40 clusters of one to five
    frame = clustered(generator(6, "test", "null"), sizes, worlds=600)
    kept = randomisation(sums_of(frame).shares, Resampling(exchanges=2000)) < 0.05
    naive = randomisation(sums_of(frame, "query_id").shares, Resampling(exchanges=2000)) < 0.05
    for columns in (slice(None, 1200), slice(1200, None)):  # 600 worlds in two languages; their 600 means
        # three standard errors of 600 tests are 3 sqrt(.05 .95 / 600) = .027
        assert abs(kept[columns].mean() - 0.05) < 0.027
        assert naive[columns].mean() > 0.15


def test_the_interval_covers_the_truth() -> None:
    sizes = 1 + np.arange(60) % 3
    frame = clustered(generator(7, "test", "coverage"), sizes, worlds=400)
    low, high = bootstrap([sums_of(frame)], Resampling(1000))
    covered = (low <= 0) & (high >= 0)
    low, high = bootstrap([sums_of(frame, "query_id")], Resampling(1000))
    naive = (low <= 0) & (high >= 0)
    for columns in (slice(None, 800), slice(800, None)):
        # those that ignore clusters run far short
        assert 0.93 < covered[columns].mean() < 0.97
        assert naive[columns].mean() < 0.88


def test_the_interval_of_single_queries_is_scipys() -> None:
    difference = generator(8, "test").normal(0.1, 1, 50)
    found = compare(values(difference), values(np.zeros(50)), own_cluster(50)).iloc[0]
    theirs = stats.bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(0))
    assert found[["low", "high"]].tolist() == pytest.approx(list(theirs.confidence_interval), abs=0.02)
    assert found["effect"] == pytest.approx(difference.mean() / difference.std(ddof=1))


def test_a_pair_missing_from_resamples_has_an_interval_from_the_others() -> None:
    frame = clustered(generator(9, "test"), np.ones(6, int))
    frame = frame[(frame["query_language"] == "d") | (frame["cluster"] < 2)]
    sums = sums_of(frame)
    low, high = bootstrap([sums], Resampling(300))
    assert np.isfinite(low).all() and (low < high).all() and sums.clusters.tolist() == [6, 2, 6]
    assert np.isfinite(effect_size([sums])).all()


def test_a_question_is_drawn_with_its_article_and_has_only_one() -> None:
    asked = [("de", "q1", "a", "Wer?"), ("en", "q1", "a", "Who?"), ("en", "q2", "b", "Who?")]
    queries = pd.DataFrame(asked, columns=["language", "query_id", "article", "text"])
    passages = pd.DataFrame([("en", "toy:en:1", "a", "It.")], columns=["language", "passage_id", "article", "text"])
    judged = pd.DataFrame([("q1", "en", "toy:en:1")], columns=["query_id", "passage_language", "passage_id"])
    assert question_clusters(Benchmark("toy", queries, passages, judged)).to_dict() == {"q1": "a", "q2": "b"}
    twice = queries.assign(query_id="q1")
    with pytest.raises(InputError, match="query 'q1' is in two articles"):
        question_clusters(Benchmark("toy", twice.iloc[1:].assign(language=["de", "en"]), passages, judged))


def test_xquad_r_has_48_articles(real_data: object) -> None:
    from hybridkit.data.sources.lareqa import read_lareqa

    benchmark = read_lareqa(real_data / "xquad-r", languages=["de", "en"])  # type: ignore[operator]
    clusters = question_clusters(benchmark)
    assert clusters.nunique() == 48 and len(clusters) == 1190
