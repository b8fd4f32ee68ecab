"""The weights between two encoders, of every kind."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.embedding import encode
from hybridkit.models.interpolation import interpolate
from tests.encoder_kinds import KINDS, WORDS, built, static

TEXTS = [" ".join(WORDS[n : n + 4]) for n in range(8)]


@pytest.mark.parametrize("kind", KINDS)
def test_half_way_of_every_kind(kind: str, tmp_path: Path) -> None:
    start = KINDS[kind](tmp_path)
    trained = deepcopy(start)
    names = [name for name, one in trained.named_parameters() if one.is_floating_point()]
    frozen = names[0] if len(names) > 1 else ""
    with torch.no_grad():
        for name, one in trained.named_parameters():
            if name != frozen:
                one.add_(0.25 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1)))
    before = encoder.weights_hash(start), encoder.weights_hash(trained)
    made = interpolate(start, trained, 0.5)
    assert (encoder.weights_hash(start), encoder.weights_hash(trained)) == before
    weights = [dict(model.state_dict()) for model in (start, trained, made)]
    for name, one in weights[0].items():
        if one.is_floating_point():
            assert weights[2][name].dtype == torch.float32
            torch.testing.assert_close(weights[2][name], (one + weights[1][name]) / 2, rtol=1e-6, atol=1e-6)
        else:
            assert torch.equal(weights[2][name], weights[1][name])
    if frozen:
        assert torch.equal(weights[2][frozen], weights[0][frozen])
    assert np.isfinite(encode(made, TEXTS)).all()
    for w, same in ((0, start), (1, trained)):
        np.testing.assert_array_equal(encode(interpolate(start, trained, w), TEXTS), encode(same, TEXTS))


def test_weights_that_do_not_fit() -> None:
    made = built(static(dim=8))
    with pytest.raises(
        InputError, match=r"0.embedding.weight is \(\d+, 8\) in the start and \(\d+, 4\) in the trained"
    ):
        interpolate(made, built(static(dim=4)), 0.5)
    from sentence_transformers.sentence_transformer.modules import Dense

    more = built(static(dim=8), Dense(8, 8))
    with pytest.raises(InputError, match=r"only the trained encoder has the weight 1.linear.bias \(2 such\)"):
        interpolate(made, more, 0.5)
    with pytest.raises(InputError, match="only the start has the weight"):
        interpolate(more, made, 0.5)
    with pytest.raises(InputError, match=r"must be a number from 0 to 1 \(got 2\)"):
        interpolate(made, made, 2)


def test_other_tokens_are_refused() -> None:
    one = encoder.make(["who wrote the book"], vocab_size=24, dim=4)
    other = deepcopy(one)
    other.tokenizer.enable_truncation(2)
    with pytest.raises(InputError, match="cut texts into other tokens; give the encoder that the training started"):
        interpolate(one, other, 0.5)
