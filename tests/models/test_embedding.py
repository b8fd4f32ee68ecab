"""Encoding: order kept, equal texts equal, batches within the budget, and the numbers of sentence-transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridkit.errors import InputError
from hybridkit.models import embedding, encoder
from hybridkit.models.embedding import _lengths, batches_by_length, cut_at, encode
from hybridkit.utils.progress import calm_bars

WORDS = ["the", "capital", "of", "Peru", "is", "Lima", "and", "that", "of", "Norway", "is", "Oslo"]
UNEVEN = np.array([1.0] * 8 + [0.999] * 8, np.float32)
TEXTS = [" ".join(WORDS[start:stop]) for start in range(12) for stop in range(start + 1, 13)]  # 1 to 12 words


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny BERT with prompts, 24 positions."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = encoder.train_tokenizer(TEXTS, 60)
    tokenizer.add_special_tokens(["<pad>"])
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=24, **sizes))
    with calm_bars():
        model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=24).save_pretrained(folder)
    opened = encoder.open(folder)
    opened.prompts.update(query="query of ", passage="that is ")
    return opened


@pytest.fixture(scope="module")
def static() -> Any:
    return encoder.make(TEXTS, vocab_size=60, dim=16)


@pytest.mark.parametrize("batch_tokens", [1, 24, 4096])
@pytest.mark.parametrize("side", ["query", "passage"])
def test_the_same_as_sentence_transformers(bert: Any, static: Any, side: str, batch_tokens: int) -> None:
    for model in (bert, static):
        found = encode(model, TEXTS, side, batch_tokens=batch_tokens)
        expected = model.encode(TEXTS, prompt=model.prompts[side], normalize_embeddings=True)
        assert (found.dtype, found.shape) == (np.float32, (len(TEXTS), 16))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_the_side_picks_the_prompt(bert: Any) -> None:
    assert np.abs(encode(bert, TEXTS, "query") - encode(bert, TEXTS, "passage")).max() > 1e-3
    np.testing.assert_allclose(
        encode(bert, ["Lima"], "query"), bert.encode(["query of Lima"], normalize_embeddings=True), atol=1e-5
    )


def test_order_is_kept_and_equal_texts_are_equal_to_the_bit(bert: Any) -> None:
    order = np.random.default_rng(0).integers(0, len(TEXTS), 300)
    found = encode(bert, [TEXTS[place] for place in order], batch_tokens=64)
    for place in range(len(TEXTS)):
        rows = found[order == place]
        assert (rows == rows[:1]).all()
    np.testing.assert_allclose(found, encode(bert, TEXTS)[order], atol=1e-5)


@pytest.mark.parametrize("bad", ["", None, 3])
def test_an_empty_text_is_named(static: Any, bad: Any) -> None:
    with pytest.raises(InputError, match=f"passage 2 is {bad!r}; every text must be a string"):
        encode(static, ["a", "b", bad], "passage")


def test_no_texts(static: Any) -> None:
    assert encode(static, []).shape == (0, 16)


def test_batches_stay_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(0, 60, 500)
    batches = batches_by_length(lengths, 100)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= 100
    longest = [int(lengths[batch].max()) for batch in batches]
    assert longest == sorted(longest, reverse=True)  # what does not fit into memory fails first
    assert [len(batch) for batch in batches_by_length(np.array([500, 500]), 100)] == [1, 1]


def test_lengths_are_those_of_the_texts_whatever_was_encoded_before(bert: Any) -> None:
    """A fast tokenizer stays padded to, and cut at, what its last batch was."""
    texts = ["Lima", "the capital of Peru is Lima"]
    first = _lengths(bert, texts)
    assert first[0] < first[1]
    encode(bert, TEXTS, max_length=4)
    assert _lengths(bert, texts).tolist() == first.tolist()
    with cut_at(bert, 3):
        assert _lengths(bert, texts).tolist() == np.minimum(first, 3).tolist()


def test_the_maximal_length_cuts_and_is_restored(bert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    long = " ".join(WORDS)
    assert bert.max_seq_length == 24
    cut = encode(bert, [long], "", max_length=4)
    assert bert.max_seq_length == 24
    tokens = bert.tokenizer(long, truncation=True, max_length=4)["input_ids"]
    again = bert.tokenizer.decode(tokens)
    assert np.abs(cut - encode(bert, [long], "")).max() > 1e-3
    bert.max_seq_length = 4
    np.testing.assert_allclose(cut, bert.encode([long], normalize_embeddings=True), atol=1e-5)
    bert.max_seq_length = 24
    assert len(again) < len(long)
    np.testing.assert_array_equal(encode(bert, [long], max_length=999), encode(bert, [long]))  # never more than it can
    monkeypatch.setattr(type(bert), "preprocess", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match="ZeroDivisionError: division by zero"):
        encode(bert, [long], max_length=4)
    assert bert.max_seq_length == 24


def test_an_encoder_that_cuts_nothing_says_so(static: Any) -> None:
    with pytest.raises(InputError, match="max_length 8: this encoder takes texts of any length and never cuts"):
        encode(static, ["Lima"], max_length=8)


def test_bf16_is_near_and_not_equal(bert: Any) -> None:
    exact, rough = encode(bert, TEXTS), encode(bert, TEXTS, precision="bf16")
    assert rough.dtype == np.float32
    assert 1e-5 < np.abs(exact - rough).max() < 0.05


def test_an_embedding_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    import torch

    model = encoder.make(TEXTS, vocab_size=60, dim=16)
    with torch.no_grad():
        next(model.parameters())[:] = float("inf")
    with pytest.raises(InputError, match="a query embedding with nan or infinity"):
        encode(model, TEXTS)


def test_a_way_that_errs_steps_aside_and_says_so_once(
    bert: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = bert.encode_query(TEXTS, normalize_embeddings=True)
    monkeypatch.setattr(embedding, "_forward", lambda *args, own=embedding._forward: own(*args) * UNEVEN)
    for _ in range(2):
        np.testing.assert_allclose(encode(bert, TEXTS, "query"), expected, atol=1e-6)
    assert caplog.text.count("depend on how texts are put into batches") == 1


def test_prompts_of_an_encoder_that_the_kit_did_not_open(tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    from tests.encoder_kinds import PROMPTS, built, transformer

    model = built(transformer(tmp_path, "bert"), Pooling(32), prompts=PROMPTS)  # query and document, no passage
    for side, own in (("query", model.encode_query), ("passage", model.encode_document)):
        np.testing.assert_allclose(encode(model, TEXTS, side), own(TEXTS, normalize_embeddings=True), atol=1e-5)


def test_an_encoder_in_training_mode_stays_in_it(bert: Any) -> None:
    bert.train()
    bert[1].eval()
    try:
        assert np.array_equal(encode(bert, TEXTS), encode(bert, TEXTS)), "dropout is on"
        assert [bert.training, bert[0].training, bert[1].training] == [True, True, False]
    finally:
        bert.eval()


def test_a_bag_of_words_cuts_nothing_and_says_so(tmp_path: Path) -> None:
    from tests.encoder_kinds import bag_of_words

    model = bag_of_words(tmp_path)
    with pytest.raises(InputError, match="never cuts; leave max_length out"):
        encode(model, TEXTS, max_length=2)
    assert not hasattr(model[0], "max_seq_length")
