"""Language diversity: outcomes and predictors, means with intervals, steps along nested sets, what cannot be shown."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.diversity import evidence, outcomes, sentences
from hybridkit.analysis.diversity.outcomes import pretraining_share
from hybridkit.evaluation.clusters import ClusterSums, model_sums
from hybridkit.study.model_spec import ModelSpec

COLUMNS = [
    "group",
    "draw",
    "k",
    "languages",
    "series",
    "strategy",
    "seed",
    "query_language",
    "passage_language",
    "value",
]


def frame(rows: list[tuple[object, ...]], encoder: str = "static") -> pd.DataFrame:
    """Outcomes in RR of a benchmark "toy", from the columns of COLUMNS."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    same = table["query_language"] == table["passage_language"]
    table["setting"] = np.where(table["passage_language"] == "*", "pool", np.where(same, "mono", "cross"))
    return outcomes.with_predictors(table.assign(benchmark="toy", measure="RR"), encoder)


def model(
    group: str, draw: int, languages: str, strategy: str, values: dict[str, float], seed: int = 0
) -> list[tuple[object, ...]]:
    k = len(languages.split())
    return [
        (group, draw, k, languages, "fixed", strategy, seed, *pair.split(">"), value) for pair, value in values.items()
    ]


UNTRAINED = model("untrained", 0, "", "untrained", {"de>de": 0.4, "de>en": 0.1, "en>de": 0.2, "de>th": 0.0})


def test_predictors_by_hand() -> None:
    table = frame(model("random", 0, "de hi", "mono", {"de>en": 0.1, "th>de": 0.2, "en>*": 0.3}), "e5-small")
    first, second, pool = table.to_dict("records")
    assert (first["seen"], second["seen"], pool["seen"]) == ("seen-unseen", "unseen-seen", "unseen-*")
    assert (first["log2_k"], first["families"], first["scripts"]) == (1.0, 1, 2)
    # English is in the branch of German; Thai is of another family and script than both
    assert (first["query_distance"], first["passage_distance"], second["query_distance"]) == (0, 1, 4)
    assert math.isnan(pool["passage_distance"]) and math.isnan(pool["passage_share"])
    # CC-100: German 66.6, English 300.8 of 2467.2 GiB
    assert first["query_share"] == pytest.approx(66.6 / 2467.2) and first["passage_share"] == pytest.approx(
        300.8 / 2467.2
    )


def test_without_training_languages_what_is_theirs_is_missing() -> None:
    table = frame(UNTRAINED)
    assert set(table["seen"]) == {"unseen-unseen"} and set(table["k"]) == {0}
    assert table[outcomes.PREDICTORS].isna().all().all()


def test_pretraining_shares() -> None:
    assert pretraining_share("intfloat/multilingual-e5-base", "sw") == pytest.approx(1.6 / 2467.2)
    assert pretraining_share("FacebookAI/xlm-roberta-base", "my") == pytest.approx(2.0 / 2467.2)  # stands in two lines
    assert pretraining_share("e5-small", "ace") == 0
    assert pretraining_share("sentence-transformers/LaBSE", "de") is None


def test_outcomes_hold_every_line_of_the_design_and_the_untrained_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = ModelSpec("mono", 3, "diversity", ("de",))
    line = {"group": "random", "draw": 1, "k": 1, "languages": "de", "series": "fixed", "strategy": "mono", "seed": 3}
    untrained = ModelSpec("untrained", 0, "diversity")
    first = {"group": "untrained", "k": 0, "languages": "", "strategy": "untrained", "seed": 0, "model": untrained}
    lines = [line | first, *(line | {"group": group, "model": trained} for group in ("random", "spread"))]
    monkeypatch.setattr(outcomes, "design", lambda study, rows: pd.DataFrame(lines))
    scored = []
    section = SimpleNamespace(encoder=SimpleNamespace(name="static"), benchmarks=("toy",))
    study = SimpleNamespace(diversity=SimpleNamespace(judged=None), section={"diversity": section}.__getitem__)
    run = SimpleNamespace(study=study, rows=None, benchmarks=lambda _: section.benchmarks)

    def model_scores(run: object, spec: ModelSpec, name: str) -> pd.DataFrame:
        scored.append(spec)
        rows = [("mono", "de", "de", "RR", 0.5), ("mono", "de", "de", "R@1", 0.4), ("pool", "de", "*", "AP", 0.3)]
        columns = ["setting", "query_language", "passage_language", "measure", "value"]
        return pd.DataFrame(rows, columns=columns).assign(strategy="?", seed=9, benchmark=name)

    monkeypatch.setattr(outcomes, "model_scores", model_scores)
    monkeypatch.setattr(outcomes, "sweep", lambda run, specs, benchmarks: 0)
    table = outcomes.pair_outcomes(run)  # type: ignore[arg-type]
    assert list(table.columns) == outcomes.COLUMNS and len(table) == 3 * 2  # R@1 is not among them
    assert scored == [untrained, trained]  # a model on two lines is read once
    assert table["group"].tolist() == ["untrained"] * 2 + ["random"] * 2 + ["spread"] * 2
    assert set(table.loc[table["group"] == "spread", "seen"]) == {"seen-seen", "seen-*"}
    assert set(table.loc[table["group"] == "spread", "seed"]) == {3}


def test_means_by_hand_and_no_interval_below_three_sets() -> None:
    rows = []
    for draw, (languages, value) in enumerate([("de en", 0.1), ("de th", 0.5)]):
        rows += model("random", draw, languages, "mono", {"ar>zh": value, "zh>ar": value + 0.1})
    found = outcomes.means(frame(rows))
    assert found[["seen", "k", "models", "sets"]].values.tolist() == [["unseen-unseen", 2, 2, 2]]
    assert found["mean"].iloc[0] == pytest.approx(0.35) and found[["low", "high"]].isna().all().all()
    # the same set drawn twice is one set, and counts once
    again = frame([*rows, *model("random", 2, "de en", "mono", {"ar>zh": 0.1, "zh>ar": 0.2})])
    assert outcomes.means(again)[["models", "sets"]].values.tolist() == [[2, 2]]


def test_differences_are_on_the_same_sets_seeds_and_pairs() -> None:
    table = frame(
        [
            *model("random", 0, "de en", "mono", {"de>en": 0.5, "ar>zh": 0.1}, seed=1),
            *model("random", 0, "de en", "hybrid(alpha=0.5)", {"de>en": 0.8, "ar>zh": 0.2}, seed=1),
            *model("random", 1, "de th", "hybrid(alpha=0.5)", {"de>en": 0.9}),  # no other strategy has this set
        ]
    )
    found = outcomes.differences(table, "hybrid(alpha=0.5)", "mono")
    assert list(found.columns) == list(table.columns) and set(found["strategy"]) == {"hybrid α = 0.5 minus mono"}
    assert found["value"].tolist() == pytest.approx([0.3, 0.1])


CHAIN = [
    *UNTRAINED,
    *model("random", 0, "de", "mono", {"de>de": 0.8, "de>en": 0.3, "en>de": 0.3, "de>th": 0.1}),
    *model("spread", 0, "de", "mono", {"de>de": 0.8, "de>en": 0.3, "en>de": 0.3, "de>th": 0.1}),
    *model("random", 0, "de en", "mono", {"de>de": 0.7, "de>en": 0.6, "en>de": 0.7, "de>th": 0.1}),
    *model("all", 0, "de en th", "mono", {"de>de": 0.6, "de>en": 0.5, "en>de": 0.5, "de>th": 0.4}),
]


def test_steps_follow_the_same_pairs_along_nested_sets() -> None:
    found = sentences.steps(frame(CHAIN))
    values = {
        (row["from_k"], row["to_k"], row["setting"], row["was"], row["seen"]): round(row["difference"], 6)
        for row in found[found["group"] == "random"].to_dict("records")
    }
    assert values == {
        (0, 1, "mono", "unseen-unseen", "seen-seen"): 0.4,
        (0, 1, "cross", "unseen-unseen", "seen-unseen"): 0.15,  # de>en + .2, de>th + .1
        (0, 1, "cross", "unseen-unseen", "unseen-seen"): 0.1,
        (1, 2, "mono", "seen-seen", "seen-seen"): -0.1,
        (1, 2, "cross", "seen-unseen", "seen-seen"): 0.3,
        (1, 2, "cross", "seen-unseen", "seen-unseen"): 0.0,
        (1, 2, "cross", "unseen-seen", "seen-seen"): 0.4,
        (2, 3, "mono", "seen-seen", "seen-seen"): -0.1,
        (2, 3, "cross", "seen-seen", "seen-seen"): -0.15,
        (2, 3, "cross", "seen-unseen", "seen-seen"): 0.3,
    }
    # the spread draw goes from the same one language straight to all
    spread = found[found["group"] == "spread"]
    assert {tuple(one) for one in spread[["from_k", "to_k", "to_all"]].values.tolist()} == {(0, 1, False), (1, 3, True)}
    means = evidence.mean_steps(found, sums_of(frame(CHAIN)))
    assert set(means["draws"]) == {1} and means["crossed_low"].isna().all()  # the random draw alone
    by_hand = {key[:2] + key[2:]: value for key, value in values.items()}
    keys = ["from_k", "to_k", "setting", "was", "seen"]
    assert {tuple(row[:5]): row[5] for row in means[[*keys, "mean"]].values.tolist()} == pytest.approx(by_hand)
    assert set(means.loc[means["to_k"] == 3, "note"]) == {"the larger set is one, that of all languages"}
    assert set(means.loc[means["to_k"] < 3, "note"]) == {"1 draw shows nothing of other languages"}


def sums_of(table: pd.DataFrame) -> dict[evidence.Key, ClusterSums]:
    """Sums of six questions whose values lie around those of the models."""
    found = {}
    keys = ["series", "strategy", "seed", "languages"]
    once = table[table["setting"] != "pool"].drop_duplicates([*keys, "query_language", "passage_language"])
    for key, own in once.groupby(keys):
        parts = [own.assign(query_id=f"q{n}", value=own["value"] * (1 + 0.02 * (n - 2.5))) for n in range(6)]
        ids = [f"q{n}" for n in range(6)]
        found[key] = model_sums(pd.concat(parts), pd.Series(ids, ids))["RR"]
    return found  # type: ignore[return-value]


def test_steps_have_an_interval_over_draws_from_three_on() -> None:
    rows = list(UNTRAINED)
    for draw, (languages, value) in enumerate([("el", 0.1), ("ru", 0.2), ("hi", 0.3)]):
        rows += model("random", draw, languages, "mono", {"de>de": 0.4 + value})

    def followed(rows: list[tuple[object, ...]]) -> pd.DataFrame:
        return evidence.mean_steps(sentences.steps(frame(rows)), sums_of(frame(rows)))

    (row,) = followed(rows).to_dict("records")
    # over draws alone t(.975, 2) = 4.302653, s = .1, n = 3: ± .248; questions add little, as each is .02 or so off
    assert row["mean"] == pytest.approx(0.2) and row["high"] - row["low"] < 0.05
    assert -0.06 < row["crossed_low"] < -0.04 and 0.44 < row["crossed_high"] < 0.46 and not row["established"]
    (told,) = sentences.step_sentences(followed(rows), setting="mono")
    assert told.startswith("mono, the untrained encoder to 1 language: RR on monolingual pairs that stay unseen-unseen")
    assert told.endswith("over questions, given 3 draws), no effect shown.") and "over questions and draws; " in told
    said = sentences.step_sentences(followed(rows[:-1]), setting="mono")[0]
    assert "over questions, given 2 draws; 2 draws show nothing of other languages)." in said and "effect" not in said
    spread = [*UNTRAINED, *(("spread", *row[1:]) for row in rows[len(UNTRAINED) :])]
    said = sentences.step_sentences(followed(spread), setting="mono")[0]
    assert "sets that were chosen (spread) show nothing of other ones)." in said


def test_a_set_that_two_draws_have_counts_once() -> None:
    rows = list(UNTRAINED)
    for draw, (languages, value) in enumerate([("el", 0.1), ("ru", 0.2), ("hi", 0.3), ("hi", 0.3)]):
        rows += model("random", draw, languages, "mono", {"de>de": 0.4 + value})
    twice, once = (
        evidence.mean_steps(sentences.steps(frame(some)), sums_of(frame(some))).iloc[0] for some in (rows, rows[:-1])
    )
    assert twice["draws"] == 3 and twice.equals(once)


def test_a_step_that_every_draw_shows_is_established() -> None:
    rows = list(UNTRAINED)
    for draw, (languages, value) in enumerate([("el", 0.30), ("ru", 0.301), ("hi", 0.302), ("tr", 0.301)]):
        rows += model("random", draw, languages, "mono", {"de>de": 0.4 + value})
    found = evidence.mean_steps(sentences.steps(frame(rows)), sums_of(frame(rows)))
    assert found["established"].all()
    assert "no effect shown" not in sentences.step_sentences(found, setting="mono")[0]


def test_the_least_and_the_most_diverse_set() -> None:
    assert outcomes.spread("de en ru") == pytest.approx((1 + 3 + 3) / 3)
    table = frame(
        [
            *model("random", 0, "de en", "mono", {"de>en": 0.3}),
            *model("random", 1, "de th", "mono", {"de>en": 0.2}),
            *model("random", 1, "de th", "mono", {"de>en": 0.4}, seed=1),
            *model("random", 2, "de es", "mono", {"de>en": 0.1}),
        ]
    )
    found = outcomes.extremes(table, "mono")
    assert found[["which", "languages"]].values.tolist() == [["least", "de en"], ["most", "de th"]]
    assert found["value"].tolist() == pytest.approx([0.3, 0.3])  # seeds are averaged
    assert list(outcomes.extremes(table, "cross")) == list(found) and outcomes.extremes(table, "cross").empty


def test_gains_by_distance_are_over_the_untrained_encoder_on_the_same_pair() -> None:
    table = frame(
        [*UNTRAINED, *model("random", 0, "de", "mono", {"de>de": 0.8, "de>en": 0.3, "en>de": 0.3, "de>th": 0.1})]
    )
    found = outcomes.by_distance(table).set_index(["side", "distance"])["value"].round(6).to_dict()
    assert found == {
        ("unseen language, monolingual", 0.0): 0.4,
        ("unseen query, seen passage", 1.0): 0.1,
        ("seen query, unseen passage", 1.0): 0.2,
        ("seen query, unseen passage", 4.0): 0.1,
    }


def test_gains_by_syntactic_distance_are_to_one_digit_and_0_only_for_what_is_trained_on() -> None:
    rows = [*UNTRAINED, *model("random", 0, "en", "mono", {"de>de": 0.5, "de>en": 0.4, "en>de": 0.25, "de>th": 0.3})]
    found = outcomes.by_distance(frame(rows), syntax=True)
    by_hand = {
        (outcomes.SIDES["mono"], 0.1): 0.1,
        (outcomes.SIDES["query"], 0.1): 0.3,
        (outcomes.SIDES["passage"], 0.1): 0.05,
    }
    shown = found[found["distance"] == 0.1]  # German is at .10 of English
    assert len(shown) == len(found) and outcomes.nearest("en", "de en", outcomes.syntactic_distance) == 0
    assert dict(zip(zip(shown["side"], shown["distance"], strict=True), shown["value"], strict=True)) == pytest.approx(
        by_hand
    )


def test_pretraining_share_goes_with_a_planted_slope() -> None:
    shares = {"ar": 1, "de": 2, "en": 4, "es": 8, "th": 16, "zh": 32}
    table = pd.DataFrame(
        {
            "language": list(shares),
            "share": [one / 100 for one in shares.values()],
            "gain": math.nan,
            "untrained": [0.1 + 0.02 * n + 0.001 * (-1) ** n for n in range(6)],
        }
    )
    first, second = sentences.share_sentences(table)
    assert "RR of the untrained encoder by +.020 (.019 to .021) (6 languages)" in first
    assert second.startswith("How the gain in RR unseen goes") and "0 languages" in second
    assert "missing" in sentences.share_sentences(table.iloc[:0])[0]


def test_pretraining_means_by_language() -> None:
    base = model("untrained", 0, "", "untrained", {"de>en": 0.1, "de>th": 0.3, "en>de": 0.2})
    rows = [*base, *model("random", 0, "ar", "mono", {"de>en": 0.2, "de>th": 0.5, "en>de": 0.2})]
    found = sentences.by_language(frame(rows, "e5-small")).set_index("language")
    assert found.loc["de", ["untrained", "gain"]].tolist() == pytest.approx([0.2, 0.15])
    assert found.loc["en", "gain"] == pytest.approx(0)
    assert sentences.by_language(frame(rows)).empty


def test_limits_name_what_is_missing_and_end_where_nothing_is() -> None:
    small = frame(CHAIN).query("measure == 'RR'")
    told = " ".join(sentences.limits(small))
    for said in (
        "drawn at random once",
        "(spread)",
        "one seed",
        "The set of all languages is one set",
        "series: growing",
    ):
        assert said in told
    tags = ["de", "en", "ru", "th", "vi", "de", "en", "ru"]
    whole = pd.DataFrame(
        [
            ("random", draw, k, " ".join(tags[draw : draw + k]), series, "mono", seed)
            for draw in range(4)
            for k in (1, 2, 4)
            for series in ("fixed", "growing")
            for seed in range(3)
        ],
        columns=outcomes.KEYS,
    )
    assert sentences.limits(whole) == []
    same = whole.assign(languages=whole["k"].map({1: "de", 2: "de en", 4: "de en ru th"}))
    assert "Every draw of random gives the same set of 2 languages (de en): it counts once." in sentences.limits(same)
    assert sentences.limits(small[small["strategy"] == "untrained"]) == [
        "This study trains nothing on sets of languages."
    ]


def test_published_sizes_are_complete() -> None:
    table = pd.read_csv(Path(__file__).parents[2] / "data" / "published" / "cc100.csv", keep_default_na=False)
    assert len(table) == 100 and table["size_gib"].sum() == pytest.approx(2467.2)
    doubled = table["language"].value_counts()
    assert doubled[doubled > 1].to_dict() == {"my": 2}
