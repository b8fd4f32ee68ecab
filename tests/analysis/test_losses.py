"""Loss on new batches beside AP: each kind of batch with the setting that has its candidates."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis import scores as scores_module
from hybridkit.analysis.scores import loss_verdict, new_batch_losses
from hybridkit.data.benchmark import Benchmark
from hybridkit.evaluation.loss_and_ap import loss_correlations
from hybridkit.evaluation.measures import scores_of
from hybridkit.evaluation.rank_table import rank_table

TAGS = ("de", "en", "zh")
PULLS = {"cross": 0.2, "hybrid": 0.5, "mono": 0.8, "mixed": 1.2, "untrained": 2.0}


def benchmark(count: int = 24) -> Benchmark:
    lines = [(tag, f"q{n:02d}", f"t:{tag}:{n:02d}", f"a{n:02d}", "?") for tag in TAGS for n in range(count)]
    table = pd.DataFrame(lines, columns=["language", "query_id", "passage_id", "article", "text"])
    judged = table.rename(columns={"language": "passage_language"})
    return Benchmark("t", table, table, judged)


def embeddings(pull: float, seed: int, count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Content that is the same in all languages, and `pull` times a direction for each, which is all that differs."""
    draw = np.random.default_rng(seed)
    content, language = draw.normal(size=(count, 16)), np.linalg.qr(draw.normal(size=(16, 3)))[0].T
    rows = np.concatenate([content + pull * 3 * direction for direction in language])
    noise = np.random.default_rng(99).normal(size=(2, *rows.shape))
    both = rows + 0.9 * noise
    unit = both / np.linalg.norm(both, axis=2, keepdims=True)
    return unit[0].astype(np.float32), unit[1].astype(np.float32)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    toy = benchmark()
    specs = [SimpleNamespace(strategy=name, seed=seed) for name in PULLS for seed in (0, 1)]

    def model_scores(run: Any, spec: Any, name: str) -> pd.DataFrame:
        ranks = rank_table(toy, *run.embeddings(spec, name), similarity="cosine")
        return scores_of(ranks).assign(study="s", encoder="e", strategy=spec.strategy, seed=spec.seed, benchmark="t")

    monkeypatch.setattr(scores_module, "model_scores", model_scores)
    return SimpleNamespace(
        models=lambda: specs,
        subset=lambda name: (toy, slice(None), slice(None)),
        embeddings=lambda spec, name: embeddings(PULLS[spec.strategy], spec.seed),
        study=SimpleNamespace(training=SimpleNamespace(temperature=0.1)),
    )


def test_a_bias_of_languages_is_in_the_loss_of_batches_that_mix_them_and_in_the_pool(run: Any) -> None:
    frame = new_batch_losses(run, "t", size=12, batches=40)
    assert frame["kind"].unique().tolist() == ["mono", "cross", "pool"] and len(frame) == 3 * len(PULLS) * 2
    means = frame.groupby(["kind", "strategy"], sort=False)[["loss", "AP"]].mean()
    pool = means.loc["pool"]
    assert pool["loss"].is_monotonic_increasing and pool["AP"].is_monotonic_decreasing
    found = loss_correlations(frame).set_index(["kind", "over", "untrained"])["value"]
    assert found["pool", "strategy means"].tolist() == pytest.approx([-1, -1])
    # candidates in one language share its direction: what sets the strategies apart is hardly seen there
    cross = means.loc["cross", "loss"]
    assert cross.max() - cross.min() < 0.3 * (pool["loss"].max() - pool["loss"].min())
    assert loss_verdict(frame)[2].startswith("pool batches: a lower loss goes with a higher AP: rank correlation -")


def test_the_untrained_encoder_is_apart_and_means_are_not_models() -> None:
    # among the trained models a lower loss goes with a lower AP; the untrained one, far from them, hides it
    rows = [("untrained", 0, 9.0, 0.1)]
    rows += [(name, seed, at + seed / 10, 0.5 + at / 10) for at, name in enumerate("abc") for seed in (0, 1)]
    frame = pd.DataFrame(rows, columns=["strategy", "seed", "loss", "AP"]).assign(kind="cross")
    found = loss_correlations(frame)
    assert found[["over", "untrained", "count"]].to_numpy().tolist() == [
        ["models", False, 6],
        ["strategy means", False, 3],
        ["models", True, 7],
        ["strategy means", True, 4],
    ]
    assert found["value"].iloc[1] == 1 and found["value"].iloc[3] == pytest.approx(-0.2)
    (text,) = loss_verdict(frame)
    assert text.startswith("cross batches: a lower loss goes with a lower AP: rank correlation 0.")
    assert "1.00 over 3 strategy means; with the untrained encoder" in text
    flat = frame.assign(AP=[0.1, 0.5, 0.7, 0.7, 0.5, 0.5, 0.7])
    assert "does not clearly go with a higher or lower AP" in loss_verdict(flat)[0]
    assert loss_verdict(frame.iloc[:2]) == []
