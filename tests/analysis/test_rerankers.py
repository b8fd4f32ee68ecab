"""Re-rankers of a study as frames and verdicts: gains by distance from English, the paper's claims, empty studies."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis import claims, rerankers
from hybridkit.analysis.claims.checks import BY_DISTANCE
from hybridkit.analysis.claims.facts import NotTestable, ScoreQuery
from hybridkit.analysis.claims.rerankers import RerankerFacts
from hybridkit.data.typology import syntactic_distance
from hybridkit.evaluation.measures import per_query, scores_of
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from tests.tiny_study import tiny_study

TAGS = ("ar", "de", "en", "tr")
SWITCHED = "codeswitch(english, p=0.5, side='both')"
FAR = {tag: syntactic_distance("en", tag) for tag in TAGS}
QUESTIONS = 40


def run_of(folder: Path, tags: tuple[str, ...] = TAGS) -> Run:
    """A study whose re-rankers are never trained: their rank tables are put in its place."""
    settings = {"steps": 1, "batch_size": 2}
    section = {"strategies": ["english", SWITCHED], "seeds": [0, 1, 2], "training": settings}
    study = tiny_study(folder, reranker=section | {"encoder": {"name": "e5-small"}})
    lines = [
        {"id": f"q{n}", "query": {tag: f"{tag} {n}?" for tag in tags}, "passage": {tag: f"{tag} {n}." for tag in tags}}
        for n in range(QUESTIONS)
    ]
    (folder / "asked.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return Run(study, folder / "run")


def tables(gain: dict[str, float], by_distance: float, tags: tuple[str, ...] = TAGS) -> Any:
    """Rank tables in which the switched re-ranker answers a share of the questions at once that English text misses."""

    def ranks(self: Run, spec: ModelSpec, name: str) -> pd.DataFrame:
        random = np.random.default_rng([spec.seed, len(spec.strategy)])
        lines = []
        for query, passage, n in product(tags, tags, range(QUESTIONS)):
            setting = "mono" if query == passage else "cross"
            share = 0.4
            if spec.strategy == SWITCHED:
                share += gain.get(setting, 0.0)
                share += by_distance * (FAR[query] + FAR[passage]) * (setting == "cross")
            in_pool = 0.4 + gain.get("pool", 0.0) * (spec.strategy == SWITCHED)
            rank, pool_rank = (int(n % 20 + random.uniform(0, 1) >= 20 * one) * 4 + 1 for one in (share, in_pool))
            lines.append((query, f"q{n}", passage, f"asked:{passage}:q{n}", rank, pool_rank * 4 + TAGS.index(passage)))
        columns = ["query_language", "query_id", "passage_language", "passage_id", "rank", "pool_rank"]
        return pd.DataFrame(lines, columns=columns)

    return ranks


@pytest.mark.parametrize(
    ("gain", "by_distance", "verdicts"),
    [
        ({"cross": 0.15, "pool": 0.2}, 0.4, ["holds", "holds", "holds", "holds"]),
        ({"pool": -0.2, "mono": -0.2}, -0.6, ["contradicted"] * 4),
        ({}, 0.0, ["not shown", "not shown", "holds", "not shown"]),
    ],
)
def test_the_claims_are_judged_by_the_rule_of_evidence(
    gain: dict[str, float], by_distance: float, verdicts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "ranks", tables(gain, by_distance))
    found = claims.judge_rerankers(run_of(tmp_path))
    assert [(one.claim.id, one.verdict) for one in found] == list(
        zip(("CLIR", "MLIR", "MoIR", "distant"), verdicts, strict=True)
    )


def test_the_change_by_distance_is_the_slope_of_a_straight_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "ranks", tables({"cross": 0.1}, 0.5))
    run = run_of(tmp_path)
    facts = RerankerFacts(run)
    (name,) = run.benchmarks("reranker")
    slopes = []
    for seed in range(3):
        table = scores_of(run.ranks(ModelSpec(SWITCHED, seed, "reranker"), name))
        cross = table[(table["setting"] == "cross") & (table["measure"] == "RR@10")]
        far = [(FAR[a] + FAR[b]) / 2 for a, b in zip(cross["query_language"], cross["passage_language"], strict=True)]
        slopes.append(np.polyfit(far, cross["value"], 1)[0])
    query = ScoreQuery("RR@10", SWITCHED, name, BY_DISTANCE, "e5-small")
    assert facts.score(query) == pytest.approx(np.mean(slopes), rel=1e-9)
    assert np.mean(slopes) > 0.3
    english = ScoreQuery("RR@10", "english", name, BY_DISTANCE, "e5-small")
    found = facts.difference([(1.0, query), (-1.0, english)])
    assert found.difference == pytest.approx(facts.score(query) - facts.score(english), rel=1e-9)
    assert found.low < found.difference < found.high and found.crossed_low < found.difference < found.crossed_high
    assert (found.trainings, found.basis) == (3, f"{QUESTIONS} articles, 3 seeds")


def test_pairs_of_one_distance_have_no_slope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "ranks", tables({}, 0.0, ("de", "en")))
    run = run_of(tmp_path, ("de", "en"))
    query = ScoreQuery("RR@10", "english", run.benchmarks("reranker")[0], BY_DISTANCE, "e5-small")
    with pytest.raises(NotTestable, match="all of its cross-lingual pairs are equally far from English"):
        RerankerFacts(run).score(query)


def test_gains_are_those_of_the_pairs_and_stand_beside_the_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "ranks", tables({"cross": 0.2, "pool": 0.3}, 0.0))
    run = run_of(tmp_path)
    (name,) = run.study.evaluation.benchmarks
    by_pair = rerankers.gains_by_distance(run)
    assert (
        len(by_pair) == 4 + 12 + 4 and set(by_pair["strategy"]) == {SWITCHED} and set(by_pair["against"]) == {"english"}
    )
    line = by_pair.query("setting == 'cross' and query_language == 'de' and passage_language == 'tr'").iloc[0]
    means = []
    for strategy in (SWITCHED, "english"):
        values = [per_query(run.ranks(ModelSpec(strategy, seed, "reranker"), name), ["RR@10"]) for seed in range(3)]
        own = pd.concat(values).query("setting == 'cross' and query_language == 'de' and passage_language == 'tr'")
        means.append(own["value"].mean())
    assert line["difference"] == pytest.approx(means[0] - means[1])
    assert line["distance"] == pytest.approx((FAR["de"] + FAR["tr"]) / 2)
    gains = rerankers.reranker_gains(run)
    assert gains["setting"].tolist() == ["mono", "cross", "pool"]
    beside = rerankers.beside_published_gains(gains).set_index("setting")
    assert beside["published"].dropna().to_dict() == {"cross": 0.051, "pool": 0.039}
    assert beside["difference"].tolist() == gains["difference"].tolist()
    assert gains.set_index("setting")["difference"]["cross"] == pytest.approx(
        by_pair[by_pair["setting"] == "cross"]["difference"].mean()
    )


def test_the_table_has_settings_groups_and_seeds() -> None:
    lines = [
        ("x", strategy, seed, setting, query, passage, seen, measure, value + seed / 10)
        for strategy, seed, value in (("untrained", 0, 0.1), ("english", 0, 0.3), ("english", 1, 0.3))
        for setting, query, passage, seen in (
            ("mono", "en", "en", "seen-seen"),
            ("mono", "zh", "zh", "unseen-unseen"),
            ("cross", "en", "zh", "seen-unseen"),
            ("pool", "en", "*", "seen-*"),
        )
        for measure in ("RR@10", "AP", "nDCG@10", "R@1")
    ]
    columns = ["benchmark", "strategy", "seed", "setting", "query_language", "passage_language", "seen", "measure"]
    table = rerankers.reranker_table(pd.DataFrame(lines, columns=[*columns, "value"]))
    assert table.index.tolist() == [("x", "untrained"), ("x", "english")]
    groups = ["seen-seen", "unseen-unseen", "seen-unseen"]
    assert table.columns.tolist() == [
        *[("RR@10", name) for name in ("mono", "cross", "pool", *groups)],
        *[(measure, name) for measure in ("AP", "nDCG@10") for name in ("mono", "cross", "pool")],
        ("seeds", ""),
    ]
    assert table.loc[("x", "english"), ("RR@10", "cross")] == pytest.approx(0.35)
    assert table[("seeds", "")].tolist() == [1, 2]


def test_a_study_without_re_rankers_has_empty_frames(tmp_path: Path) -> None:
    run = Run(tiny_study(tmp_path), tmp_path / "run")
    frames = [rerankers.reranker_scores(run), rerankers.reranker_gains(run), rerankers.gains_by_distance(run)]
    frames += [rerankers.reranker_table(frames[0]), rerankers.beside_published_gains(frames[1])]
    assert all(one.empty for one in frames) and claims.judge_rerankers(run) == []
