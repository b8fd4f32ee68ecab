"""The products of a training step on a card that is not here, beside those that PyTorch counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from hybridkit.models import encoder
from hybridkit.models.training import TrainingSettings
from hybridkit.sampling import mono
from hybridkit.study.card_cost import step_cost
from hybridkit.study.estimate import Estimate
from tests.tiny_rerankers import CORPUS, make_bert

SETTINGS = TrainingSettings(steps=3, batch_size=4)


def test_a_step_takes_what_pytorch_counts(tmp_path: Path) -> None:
    model = encoder.open(make_bert(tmp_path / "bert", labels=0, hidden=64))
    plan = mono().plan(CORPUS, 3, 4, seed=0)
    found = step_cost(model, CORPUS, plan, SETTINGS)
    assert found is not None
    counted = tokens = 0
    for row, *columns in plan.draws.reshape(-1, 3).tolist():
        for side, column in zip(("query", "passage"), columns, strict=True):
            features = model.preprocess([CORPUS._text(side, row, CORPUS.languages[column])])
            tokens += features["input_ids"].shape[1]
            with FlopCounterMode(display=False) as counter:
                model(features)["sentence_embedding"].sum().backward()
            counted += counter.get_total_flops()
    assert found.tokens == tokens / 3
    # PyTorch leaves out the gradient of what the first layer reads: nothing is below it
    assert found.operations == pytest.approx(counted / 3, rel=0.05)
    cached = step_cost(model, CORPUS, plan, replace(SETTINGS, mini_batch=2))
    assert cached is not None and np.isclose(cached.operations, found.operations * 4 / 3)


def test_an_encoder_without_layers_has_none() -> None:
    model = encoder.make(CORPUS.iter_texts(), 90, 8)
    assert step_cost(model, CORPUS, mono().plan(CORPUS, 3, 4, seed=0), SETTINGS) is None


def test_the_dry_run_says_what_is_assumed() -> None:
    card = {"operations": 3.6e18, "tokens": 7e6, "memory": 4.5e9, "hours": {"H100": 2.9}}
    text = str(Estimate("mine", [], 1, 1, 10, card=card))
    assert "trainings on one GPU: H100 2.9 h (3,600.00 PFLOP, 7.0 million tokens" in text
    assert "35% of the published bf16 peak is assumed, not measured" in text and "4.50 GB" in text
