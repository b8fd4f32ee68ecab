"""Long texts are cut far beyond what a model reads: the tokens that it reads stay the same, and so does the model."""

import logging
import random
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from hybridkit.models.embedding import cut_long

CHANCE = random.Random(0)
WORDS = ["".join(CHANCE.choices("abcdefgh", k=CHANCE.randint(1, 9))) for _ in range(300)]
PROSE = " ".join(CHANCE.choices(WORDS, k=40_000))
TEXTS = {
    "prose": PROSE,
    "one word": PROSE.replace(" ", ""),
    "one unknown word, then prose": "x" * 5000 + " " + PROSE,
    "spaces first": " " * 9000 + PROSE,
    "spaces only": " " * 20_000,
}


def tokenizer(kind: str) -> Tokenizer:
    """A small tokenizer of a kind, trained on the prose."""
    trained: dict[str, tuple[Any, Any]] = {
        "BPE": (models.BPE(unk_token="[UNK]"), trainers.BpeTrainer),
        "WordPiece": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer),
        "Unigram": (models.Unigram(), trainers.UnigramTrainer),
    }
    model, trainer = trained[kind]
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    more = {"unk_token": "[UNK]"} if kind == "Unigram" else {}
    made.train_from_iterator([PROSE[:20_000]], trainer(vocab_size=200, special_tokens=["[UNK]"], **more))
    return made


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["BPE", "WordPiece", "Unigram"])
def test_the_tokens_that_are_read_stay_the_same(kind: str, text: str) -> None:
    made = tokenizer(kind)
    encoder: Any = [SimpleNamespace(tokenizer=made, max_seq_length=16)]
    (cut,) = cut_long(encoder, [TEXTS[text]])
    assert made.encode(cut).ids[:16] == made.encode(TEXTS[text]).ids[:16]
    assert len(cut) < 20_000 or made.encode(cut).ids == [0] or not cut.strip()  # nothing more to read


def test_a_look_leaves_the_tokenizer_as_it_is_set() -> None:
    made = tokenizer("BPE")
    made.enable_truncation(16)
    made.enable_padding(length=16)
    before = made.to_str()
    encoder: Any = [SimpleNamespace(tokenizer=SimpleNamespace(backend_tokenizer=made), max_seq_length=16)]
    short = PROSE[:1024]
    found = cut_long(encoder, [PROSE, short])
    assert found == [PROSE[:1024], short]
    assert made.to_str() == before


@pytest.mark.parametrize("limit", [None, 0, float("inf"), 10**30])
def test_an_encoder_without_a_limit_reads_everything(limit: float | None) -> None:
    encoder: Any = [SimpleNamespace(tokenizer=tokenizer("BPE"), max_seq_length=limit)]
    assert cut_long(encoder, [PROSE])[0] is PROSE


def test_one_notice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hybridkit")
    slow: Any = [SimpleNamespace(tokenizer=object(), max_seq_length=16)]
    assert [len(text) for text in cut_long(slow, [PROSE, PROSE, "short"])] == [1024, 1024, 5]
    assert [record.getMessage() for record in caplog.records] == [
        f"2 texts of up to {len(PROSE):,} characters are cut before they are split into tokens; the encoder reads "
        "16 tokens"
    ]
    caplog.clear()
    assert cut_long(slow, ["short"]) == ["short"] and not caplog.records


def test_the_longer_limit_of_queries_and_passages_counts() -> None:
    made = tokenizer("BPE")
    limits = {"max_seq_length": 4, "query_length": None, "document_length": 40}
    (cut,) = cut_long([SimpleNamespace(tokenizer=made, **limits)], [PROSE])  # type: ignore[arg-type]
    assert len(cut) < len(PROSE) and made.encode(cut).ids[:40] == made.encode(PROSE).ids[:40]
