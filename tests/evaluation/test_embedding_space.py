"""Bias seen in embeddings: margin, probe, centroids and variance, by hand and against other libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import score_margin
from hybridkit.evaluation.embedding_space import language_centroids, language_probe, language_variance


def parallel(questions: int = 6, extra: int = 2, tags: tuple[str, ...] = ("de", "en", "zh")) -> Benchmark:
    """Every question in every language, one relevant passage a language, and `extra` that answer nothing."""
    queries = [(tag, f"q{n}", f"a{n % 3}", "?") for tag in tags for n in range(questions)]
    passages = [(tag, f"t:{tag}:{n:03d}", f"a{n % 3}", "!") for tag in tags for n in range(questions + extra)]
    judged = [(f"q{n}", tag, f"t:{tag}:{n:03d}") for tag in tags for n in range(questions)]
    return Benchmark(
        "t",
        pd.DataFrame(queries, columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(passages, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"]),
    )


def test_margin_by_hand() -> None:
    # one dimension, query 2: passages de 3 (relevant), 1; en 7 (relevant), 4, 6 score 6, 2, 14, 8, 12
    ids = ["t:de:1", "t:de:2", "t:en:1", "t:en:2", "t:en:3"]
    benchmark = Benchmark(
        "t",
        pd.DataFrame({"language": ["en", "sw"], "query_id": "q", "article": "a", "text": "?"}),  # sw has no passages
        pd.DataFrame({"language": ["de", "de", "en", "en", "en"], "passage_id": ids, "article": "a", "text": "!"}),
        pd.DataFrame({"query_id": "q", "passage_language": ["de", "en"], "passage_id": [ids[0], ids[2]]}),
    )
    (row,) = score_margin(benchmark, np.array([[2.0], [2.0]]), np.array([[3.0], [1], [7], [4], [6]])).to_dict("records")
    assert (row["query_language"], row["queries"]) == ("en", 1)
    assert [row[f"{side}_{kind}"] for side in ("own", "other") for kind in ("relevant", "irrelevant")] == [14, 10, 6, 2]
    assert (row["margin"], row["bonus"], row["gap"]) == (10 - 6, 10 - 2, 6 - 2)
    assert row["overtaken"] == 1  # the German answer's 6 is below 12 and 8
    spread = np.std([6, 2, 14, 8, 12])
    assert row["spread"] == pytest.approx(spread) and row["margin_sd"] == pytest.approx(4 / spread)


def test_margin_is_that_of_the_score_matrix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hybridkit.retrieval.dense.COLUMNS", 5)
    benchmark, generator = parallel(), np.random.default_rng(0)
    queries = generator.normal(size=(len(benchmark.queries), 4)).astype(np.float32)
    np.save(tmp_path / "passages.npy", generator.normal(size=(len(benchmark.passages), 4)).astype(np.float32) + 3)
    passages = np.load(tmp_path / "passages.npy", mmap_mode="r")
    found = score_margin(benchmark, queries, passages).set_index("query_language")
    scores = queries.astype(float) @ passages.astype(float).T
    judged = set(zip(benchmark.judgements["query_id"], benchmark.judgements["passage_id"], strict=True))
    relevant = np.array(
        [[(q, p) in judged for p in benchmark.passages["passage_id"]] for q in benchmark.queries["query_id"]]
    )
    own = benchmark.queries["language"].to_numpy()[:, None] == benchmark.passages["language"].to_numpy()[None]
    for tag, at in benchmark.query_slices.items():
        rows = range(at.start, at.stop)
        margins = [scores[r][own[r] & ~relevant[r]].mean() - scores[r][~own[r] & relevant[r]].mean() for r in rows]
        assert found.loc[tag, "margin"] == pytest.approx(np.mean(margins))
        scaled = [margin / scores[r].std() for margin, r in zip(margins, rows, strict=True)]
        assert found.loc[tag, "margin_sd"] == pytest.approx(np.mean(scaled))
    assert np.allclose(found["margin"], found["bonus"] - found["gap"])
    assert np.allclose(found["margin_sd"], found["bonus_sd"] - found["gap_sd"])


@pytest.mark.parametrize(
    ("queries", "passages", "message"),
    [
        ((2, 3), (24, 3), "18 queries"),
        ((18, 3), (24, 2), "3 dimensions, those of passages 2"),
        ((18, 3), (24, 3), "NaN"),
    ],
)
def test_margin_refuses_bad_embeddings(queries: tuple[int, int], passages: tuple[int, int], message: str) -> None:
    given = np.zeros(passages)
    given[5, 0] = np.nan if message == "NaN" else 0
    with pytest.raises(InputError, match=message):
        score_margin(parallel(), np.zeros(queries), given)


def test_probe_is_at_chance_on_noise_and_right_on_labels() -> None:
    generator = np.random.default_rng(1)
    languages, articles = ["de", "en", "zh"] * 100, [str(n // 3 % 20) for n in range(300)]
    noise = language_probe(generator.normal(size=(300, 5)), languages, articles)
    assert noise["chance"].tolist() == [1 / 3] * 3
    assert noise["value"].mean() == pytest.approx(1 / 3, abs=0.1)
    label = np.eye(3)[[0, 1, 2] * 100] + 0.1 * generator.normal(size=(300, 3))
    assert language_probe(label, languages, articles)["value"].tolist() == [1.0] * 3


def test_probe_never_trains_on_the_article_it_is_tested_on() -> None:
    # an article's passages lie together, and each article is of one language: no other article tells anything
    place = np.random.default_rng(2).normal(size=(20, 30))
    articles = [n for n in range(20) for _ in range(10)]
    languages = [("de", "en")[n % 2] for n in articles]
    assert language_probe(place[articles], languages, [str(n) for n in articles], most=100)["value"].mean() < 0.8


def test_probe_is_balanced_seeded_and_says_what_it_needs() -> None:
    generator = np.random.default_rng(3)
    languages, articles = ["de"] * 40 + ["en"] * 15, [str(n % 5) for n in range(55)]
    space = generator.normal(size=(55, 4))
    found = language_probe(space, languages, articles)
    assert found["passages"].tolist() == [15, 15]
    pd.testing.assert_frame_equal(found, language_probe(space, languages, articles))
    assert not all(found.equals(language_probe(space, languages, articles, seed=seed)) for seed in range(1, 6))
    for tags, places in ((["de"] * 55, articles), (languages, ["a"] * 55)):
        with pytest.raises(InputError, match="takes two of each"):
            language_probe(space, tags, places)


def test_centroids_keep_the_distances_that_a_plane_can_hold() -> None:
    # centroids in a plane of five dimensions, each language two passages around its own
    centres = (
        np.array([[0.0, 0], [3, 0], [0, 4], [3, 4]]) @ np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0].T
    )
    shift = np.array([1.0, 2, 3, 4, 5])
    space = np.concatenate([centres + shift, centres - shift])
    found = language_centroids(space, ["ar", "de", "en", "zh"] * 2)
    assert pdist(found[["x", "y"]]) == pytest.approx(pdist(centres)) and found["shown"].tolist() == pytest.approx(
        [1] * 4
    )
    assert found[["x", "y"]].mean().tolist() == pytest.approx([0, 0])
    again = language_centroids(space[::-1], ["zh", "en", "de", "ar"] * 2)
    assert np.allclose(found[["x", "y"]], again[["x", "y"]])


def test_two_languages_lie_on_a_line_and_one_at_the_centre() -> None:
    two = language_centroids(np.array([[0.0, 1.0], [0.0, 3.0]]), ["de", "en"])
    assert two[["x", "y"]].to_numpy().tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    one = language_centroids(np.array([[2.0, 1.0], [0.0, 3.0]]), ["de", "de"])
    assert one[["x", "y", "shown"]].to_numpy().tolist() == [[0.0, 0.0, 1.0]]


def test_variance_by_hand_and_by_chance() -> None:
    # de 0, 2; en 6, 8: means 1 and 7 around 4: between 4 * 9 = 36, in all 16 + 4 + 4 + 16 = 40
    share, chance = language_variance(np.array([[0.0], [2.0], [6.0], [8.0]]), ["de", "de", "en", "en"])
    assert (share, chance) == (pytest.approx(0.9), 1 / 3)
    generator = np.random.default_rng(0)
    space, tags = generator.normal(size=(60, 8)), np.array(["de", "en", "zh"] * 20)
    found = [language_variance(space, generator.permutation(tags))[0] for _ in range(200)]
    assert np.mean(found) == pytest.approx(2 / 59, rel=0.1)
    with pytest.raises(InputError, match="give each one its own"):
        language_variance(space, ["de"])
