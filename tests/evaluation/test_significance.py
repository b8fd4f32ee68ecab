"""Tests of significance: against scipy, by hand, and their error rates on data where the truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import cluster_sums, question_clusters
from hybridkit.evaluation.resampling import Resampling, bootstrap, effect_size, randomisation
from hybridkit.evaluation.significance import COLUMNS, against, compare, holm
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
    assert list(found.columns) == list(COLUMNS)
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


def test_seeds_of_a_question_are_averaged_before_the_test() -> None:
    parts = [values(np.array([0.2, 0.4, 0.1]) + shift).assign(seed=seed) for seed, shift in enumerate((0.0, 0.1, 0.2))]
    seeded = compare(pd.concat(parts), values(np.zeros(3)).assign(seed=7), own_cluster(3))
    mean = compare(values(np.array([0.3, 0.5, 0.2])), values(np.zeros(3)), own_cluster(3))
    pd.testing.assert_frame_equal(seeded, mean)
    with pytest.raises(InputError, match="system a has 2 of the seeds for .*query_id q0"):
        compare(pd.concat([*parts[:2], parts[2].iloc[1:]]), values(np.zeros(3)), own_cluster(3))
    # the same system in another order of its seeds is the same system
    same = compare(pd.concat(parts), pd.concat(parts[::-1]), own_cluster(3))
    assert (same["p"] == 1).all() and (same["difference"] == 0).all()


def test_identical_systems_have_p_one_and_no_mark() -> None:
    table = generator(2, "test").random((30, 3))
    found = compare(values(table, "def"), values(table, "def"), own_cluster(30))
    assert (found["p"] == 1).all() and (found["p_holm"] == 1).all() and not found["significant"].any()
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
    frame = pd.DataFrame({"p": [0.04, 0.01, 0.03, 0.02, 0.03], "family": ["a", "a", "a", "a", "b"]})
    found = holm(frame)
    assert found["p_holm"].tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06, 0.03])
    assert found["significant"].tolist() == [False, True, False, False, True]
    assert not holm(frame, threshold=0.03)["significant"].any()
    table = generator(4, "test").random((20, 2))
    parts = [values(table, "de"), values(table, "de", "cross"), values(table, "de", "pool")]
    mixed = pd.concat(parts)
    families = compare(mixed, mixed.assign(value=0.0), own_cluster(20), Resampling(100))["family"].value_counts()
    assert families.to_dict() == {"4 languages, AP": 4, "2 query languages of the pool, AP": 2, "3 settings, AP": 3}


def test_against_a_baseline_is_one_family() -> None:
    table = generator(5, "test").random(12)
    systems = {"base": values(table), "same": values(table), "better": values(table + 0.1)}
    found = against(systems, "base", own_cluster(12))
    assert found["system"].tolist() == ["same", "better"] and set(found["query_language"]) == {"*"}
    assert set(found["family"]) == {"2 comparisons with base"}
    assert found["p"].tolist() == [1, 2 / 2**12] and found["p_holm"].tolist() == [1, 4 / 2**12]
    assert found["significant"].tolist() == [False, True] and np.isinf(found["effect"][1])
    with pytest.raises(InputError, match="no baseline 'none'"):
        against(systems, "none", own_cluster(12))


def test_what_cannot_be_compared_is_named() -> None:
    a, clusters = values([0.1, 0.2]), own_cluster(2)
    with pytest.raises(InputError, match="system b does not have 1 values, the first of .*query_id q1"):
        compare(a, a.iloc[:1], clusters)
    with pytest.raises(InputError, match="system a does not have 1 values, the first of .*query_id q1"):
        compare(a.iloc[:1], a, clusters)
    with pytest.raises(InputError, match="system b has no number for .*query_id q1.* but nan"):
        compare(a, a.assign(value=[0.1, np.nan]), clusters)
    with pytest.raises(InputError, match="1 values without a cluster, the first of query 'q1'"):
        compare(a, a, clusters.iloc[:1])
    with pytest.raises(InputError, match="two values for .*query_id q0"):
        compare(pd.concat([a, a]), a, clusters)
    with pytest.raises(InputError, match="has no measure"):
        compare(a.drop(columns="measure"), a, clusters)
    with pytest.raises(InputError, match="two clusters"):
        compare(a, a, pd.concat([clusters, clusters]))
    with pytest.raises(InputError, match="has no values"):
        compare(a.iloc[:0], a, clusters)


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
    kept = randomisation(cluster_sums(frame), Resampling(2000)) < 0.05
    naive = randomisation(cluster_sums(frame.assign(cluster=frame["query_id"])), Resampling(2000)) < 0.05
    for columns in (slice(None, 1200), slice(1200, None)):  # 600 worlds in two languages; their 600 means
        # three standard errors of 600 tests are 3 sqrt(.05 .95 / 600) = .027
        assert abs(kept[columns].mean() - 0.05) < 0.027
        assert naive[columns].mean() > 0.15


def test_the_interval_covers_the_truth() -> None:
    sizes = 1 + np.arange(60) % 3
    frame = clustered(generator(7, "test", "coverage"), sizes, worlds=400)
    low, high = bootstrap(cluster_sums(frame), Resampling(1000))
    covered = (low <= 0) & (high >= 0)
    low, high = bootstrap(cluster_sums(frame.assign(cluster=frame["query_id"])), Resampling(1000))
    naive = (low <= 0) & (high >= 0)
    for columns in (slice(None, 800), slice(800, None)):
        # percentile intervals of 60 clusters run a little short of 95 %; those that ignore clusters far
        assert 0.92 < covered[columns].mean() < 0.97
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
    sums = cluster_sums(frame)
    low, high = bootstrap(sums, Resampling(300))
    assert np.isfinite(low).all() and (low < high).all() and sums.clusters.tolist() == [6, 2, 6]
    assert np.isfinite(effect_size(sums)).all()


def toy() -> Benchmark:
    """Question q1 in paragraphs 0 (de) and 5 (en), q2 in 5 (en) and 1 (de), q3 in 2; articles a, a, b."""
    judged = [
        ("q1", "de", "0000"),
        ("q1", "en", "0005"),
        ("q2", "en", "0005"),
        ("q2", "de", "0001"),
        ("q3", "de", "0002"),
    ]
    return Benchmark(
        "toy",
        pd.DataFrame(
            [(tag, query, "b" if query == "q3" else "a", "Who?") for query, tag, _ in judged],
            columns=["language", "query_id", "article", "text"],
        ),
        pd.DataFrame(
            sorted({(tag, f"toy:{tag}:{paragraph}:001", "a", "It.") for _, tag, paragraph in judged}),
            columns=["language", "passage_id", "article", "text"],
        ),
        pd.DataFrame(
            [(query, tag, f"toy:{tag}:{paragraph}:001") for query, tag, paragraph in judged],
            columns=["query_id", "passage_language", "passage_id"],
        ),
    )


def test_questions_join_through_paragraphs_of_any_language() -> None:
    assert question_clusters(toy()).to_dict() == {"q1": "a", "q2": "a", "q3": "b"}
    paragraphs = question_clusters(toy(), "paragraph")
    assert paragraphs["q1"] == paragraphs["q2"] != paragraphs["q3"]
    with pytest.raises(InputError, match="no unit 'word'"):
        question_clusters(toy(), "word")


def test_xquad_r_has_240_paragraphs_in_48_articles(real_data: object) -> None:
    from hybridkit.data.sources.lareqa import read_lareqa

    benchmark = read_lareqa(real_data / "xquad-r", languages=["de", "en"])  # type: ignore[operator]
    assert question_clusters(benchmark).nunique() == 48
    paragraphs = question_clusters(benchmark, "paragraph")
    assert paragraphs.nunique() == 240 and len(paragraphs) == 1190
