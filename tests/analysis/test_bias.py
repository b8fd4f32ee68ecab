"""The panel of a study's models, kept by what it was made from, and the verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.bias import bias_measures, bias_panel, changes, language_maps, verdict
from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import BIAS_MEASURES
from hybridkit.evaluation.rank_table import rank_table
from hybridkit.study.model_spec import ModelSpec

TAGS = ("de", "en", "zh")


def benchmark(count: int = 40) -> Benchmark:
    queries = [(tag, f"q{n:02d}", f"a{n % 8}", "?") for tag in TAGS for n in range(count)]
    passages = [(tag, f"t:{tag}:{n:02d}", f"a{n % 8}", "!") for tag in TAGS for n in range(count)]
    judged = [(f"q{n:02d}", tag, f"t:{tag}:{n:02d}") for tag in TAGS for n in range(count)]
    return Benchmark(
        "t",
        pd.DataFrame(queries, columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(passages, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"]),
    )


def embeddings(pull: float, seed: int = 0, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Content that is the same in all languages, and `pull` times a direction for each language."""
    generator = np.random.default_rng(seed)
    content, language = generator.normal(size=(count, 12)), np.linalg.qr(generator.normal(size=(12, 3)))[0].T
    rows = np.concatenate([content + pull * 3 * direction for direction in language])
    queries, passages = (rows + 0.7 * generator.normal(size=rows.shape) for _ in range(2))
    return tuple(  # type: ignore[return-value]
        (part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in (queries, passages)
    )


def sides(pull: float, seed: int = 0) -> pd.DataFrame:
    queries, passages = embeddings(pull, seed)
    toy = benchmark()
    return bias_measures(toy, rank_table(toy, queries, passages), queries, passages, top=5, depth=20)


def test_every_side_sees_a_pull_towards_the_querys_language() -> None:
    free, pulled = (sides(pull).set_index("measure") for pull in (0.0, 1.0))
    assert list(free.index) == list(BIAS_MEASURES) and free["better"].to_dict() == {
        n: s.better for n, s in BIAS_MEASURES.items()
    }
    told = [name for name in BIAS_MEASURES if BIAS_MEASURES[name].better != "none" and not name.startswith("AP gap")]
    for name in told:
        worse = pulled["value"][name] - free["value"][name]
        assert worse > 0 if BIAS_MEASURES[name].better == "lower" else worse < 0, name
    assert pulled["value"]["language variance"] > free["value"]["language variance"] + 0.1
    # without a pull: what chance says
    assert free["value"]["own language in the top"] == pytest.approx(1, abs=0.15)
    assert free["value"]["target removal"] == pytest.approx(0, abs=0.02)
    assert free["value"]["language bonus"] == pytest.approx(0, abs=0.05)
    assert free["value"]["language probe"] < 0.6 < 0.8 < pulled["value"]["language probe"]
    assert free["chance"]["rank distance"] == pytest.approx(2 * 121 / 4)
    assert free["chance"]["language variance"] == pytest.approx(2 / 119)


def test_sides_without_ground_are_left_out() -> None:
    whole = benchmark()
    own = whole.judgements[whole.judgements["passage_language"] == "de"]
    one = Benchmark("t", whole.queries, whole.passages, own)
    queries, passages = embeddings(0.5)
    found = set(bias_measures(one, rank_table(one, queries, passages), queries, passages)["measure"])
    assert {"PEER", "language probe", "language variance", "AP gap, pool"} <= found
    assert not found & {"rank distance", "normalised rank distance", "target removal", "score margin"}


@dataclass
class ToyRun:
    """What the panel asks of a run: models by strategy and seed, whose languages pull as told."""

    folder: Path
    pulls: dict[str, float]
    made: int = 0
    study: ClassVar[object] = SimpleNamespace(evaluation=SimpleNamespace(top=5))

    def models(self) -> list[ModelSpec]:
        return [ModelSpec(name, seed) for seed in (0, 1) for name in self.pulls]

    def subset(self, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
        toy = benchmark()
        return toy, np.arange(len(toy.queries)), np.arange(len(toy.passages))

    def result_key(self, spec: ModelSpec, part: Benchmark) -> str:
        return f"{spec.slug}-{self.pulls[spec.strategy]}".ljust(24, "x")

    def embeddings(self, spec: ModelSpec, name: str) -> tuple[np.ndarray, np.ndarray]:
        self.made += 1
        return embeddings(self.pulls[spec.strategy], spec.seed)

    def similarity(self, spec: ModelSpec, name: str) -> str:
        return "cosine"

    def ranks(self, spec: ModelSpec, name: str) -> pd.DataFrame:
        return rank_table(self.subset(name)[0], *embeddings(self.pulls[spec.strategy], spec.seed))


def test_the_panel_is_kept_and_made_anew_for_another_model(tmp_path: Path) -> None:
    run = ToyRun(tmp_path, {"mono": 1.0, "cross": 0.1})
    panel = bias_panel(run, "t")  # type: ignore[arg-type]
    assert list(panel.columns) == ["strategy", "seed", "measure", "value", "better", "chance"]
    assert len(panel) == 4 * len(BIAS_MEASURES) and run.made == 4
    pd.testing.assert_frame_equal(bias_panel(run, "t"), panel)  # type: ignore[arg-type]
    assert run.made == 4
    run.pulls["cross"] = 0.2
    assert not bias_panel(run, "t").equals(panel) and run.made == 6  # type: ignore[arg-type]


def test_maps_are_turned_to_the_first_and_keep_their_distances(tmp_path: Path) -> None:
    maps = language_maps(ToyRun(tmp_path, {"mono": 1.0, "cross": 0.3}), "t")  # type: ignore[arg-type]
    first, second = (part[["x", "y"]].to_numpy() for _, part in maps.groupby("strategy", sort=False))
    assert len(maps) == 6 and set(maps["seed"]) == {0}
    assert np.linalg.norm(second[0] - second[1]) < np.linalg.norm(first[0] - first[1])
    angle = np.arctan2(*first[0]) - np.arctan2(*second[0])
    assert abs(np.sin(angle)) < 0.2 and np.cos(angle) > 0


def panel(values: dict[str, tuple[list[float], list[float]]]) -> pd.DataFrame:
    rows = [
        (name, seed, measure, value, BIAS_MEASURES[measure].better, 0.0)
        for measure, both in values.items()
        for name, seeds in zip(("mono", "cross"), both, strict=True)
        for seed, value in enumerate(seeds)
    ]
    return pd.DataFrame(rows, columns=["strategy", "seed", "measure", "value", "better", "chance"])


def test_changes_by_hand() -> None:
    frame = panel(
        {
            "rank distance": ([400, 420], [300, 310]),
            "PEER": ([0.5, 0.3], [0.4, 0.1]),
            "target removal": ([0.2, 0.1], [0.1, 0.2]),
            "language probe": ([0.9, 0.9], [0.5, 0.6]),
        }
    )
    found = changes(frame, ("cross", "mono")).set_index("measure")
    assert found["verdict"].to_dict() == {
        "rank distance": "less bias",
        "PEER": "more bias",
        "target removal": "no clear change",
        "language probe": "less",
    }
    assert found.loc["rank distance", ["before", "after", "change", "seeds"]].tolist() == [410, 305, -105, 2]
    assert changes(frame, ("mono", "cross"))["verdict"].iloc[0] == "more bias"
    with pytest.raises(InputError, match="no strategy 'mixed'; there are mono, cross"):
        changes(frame, ("mixed", "mono"))


def test_verdict_names_the_part_that_makes_the_margin() -> None:
    # margin 1 -> -1: the bonus falls by .5 (a quarter of it), the gap grows by 1.5 (three quarters)
    text = verdict(
        panel(
            {
                "rank distance": ([400, 400], [300, 300]),
                "score margin": ([1, 1], [-1, -1]),
                "language bonus": ([2, 2], [1.5, 1.5]),
                "relevance gap": ([1, 1], [2.5, 2.5]),
            }
        ),
        ("cross", "mono"),
    )
    assert text.startswith("From **mono** to **cross** (2 seeds):")
    assert "less bias by 1 of 1 measures: rank distance 400 → 300" in text
    assert text.splitlines()[-2] == (
        "- mechanism: the same-language score margin goes 1.000 → -1.000 standard deviations: 75% of it because the "
        "weight of relevance across languages grows (1.000 → 2.500); 25% of it because the bonus of the query's "
        "language shrinks (2.000 → 1.500)"
    )


def test_verdict_says_what_goes_against_it_and_what_is_not_clear() -> None:
    # margin 1 -> .5: the bonus falls by 1, the gap shrinks by .5
    text = verdict(
        panel({"score margin": ([1], [0.5]), "language bonus": ([2], [1]), "relevance gap": ([1], [0.5])}),
        ("cross", "mono"),
    )
    assert "200% of it because the bonus of the query's language shrinks" in text
    assert "against it, the weight of relevance across languages shrinks" in text
    assert text.splitlines()[-1].startswith("- these are directions of one seed, and no test")
    text = verdict(
        panel(
            {"score margin": ([1, 0], [0, 1]), "language bonus": ([2, 2], [1, 1]), "relevance gap": ([1, 1], [1, 1])}
        ),
        ("cross", "mono"),
    )
    assert "(seeds disagree) standard deviations, so that neither part of it explains a change" in text
    # the margin falls in both seeds, by the bonus; the gap moves both ways
    text = verdict(
        panel(
            {
                "score margin": ([1, 1], [0.1, -0.1]),
                "language bonus": ([2, 2], [1, 1]),
                "relevance gap": ([1, 1], [0.9, 1.1]),
                "AP gap, pool": ([0.1, 0.1], [0.2, 0.3]),
            }
        ),
        ("cross", "mono"),
    )
    assert "no clear part has the weight of relevance across languages (1.000 → 1.000 (seeds disagree))" in text
    assert "- how unevenly languages fare, for whatever reason: AP gap, pool 0.100 → 0.250" in text
    assert "bias by" not in text


def test_rank_distance_on_two_scales_counts_once() -> None:
    measures = {name: ([400, 400], [300, 300]) for name in ("rank distance", "normalised rank distance", "PEER")}
    text = verdict(panel(measures), ("cross", "mono"))
    assert "less bias by 1 of 2 measures: rank distance 400 → 300" in text and "normalised" not in text


def test_a_margin_below_zero_does_not_call_a_biased_encoder_aligned() -> None:
    free, pulled = (sides(pull).set_index("measure")["value"] for pull in (0.0, 0.6))
    # content counts for more than language on average, and still half of the answers are overtaken
    assert pulled["score margin"] < 0 and pulled["answers overtaken"] > 0.5
    assert pulled["answers overtaken"] > free["answers overtaken"] + 0.15
    both = pd.DataFrame(
        [
            (name, 0, measure, value[measure], "lower", np.nan)
            for name, value in (("mono", pulled), ("cross", free))
            for measure in ("score margin", "language bonus", "relevance gap", "answers overtaken")
        ],
        columns=["strategy", "seed", "measure", "value", "better", "chance"],
    )
    assert "strong alignment: the margin is below 0 for both, which cannot tell;" in verdict(both, ("cross", "mono"))
    assert "so that both are" not in verdict(both, ("cross", "mono"))
    above = both.assign(value=both["value"].where(both["measure"] != "score margin", 0.1))
    assert "strong alignment: none where the margin is above 0" in verdict(above, ("cross", "mono"))
    none = both.assign(value=both["value"].where(both["measure"] != "answers overtaken", 0.0))
    assert "so that both are strongly aligned" in verdict(none, ("cross", "mono"))
