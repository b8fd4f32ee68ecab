"""Texts to embeddings: each distinct text once, batches of like length under a token budget, exact on request."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.bars import bar
from hybridkit.errors import InputError
from hybridkit.retrieval.similarity import COSINE, similarity_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_CHUNK = 50_000


def encode(
    encoder: "SentenceTransformer",
    texts: Sequence[str],
    side: str = "query",
    *,
    max_length: int | None = None,
    precision: str = "float32",
    batch_tokens: int = 2048,
    progress: str | None = None,
) -> np.ndarray:
    """Embed texts as float32 (n, dimensions) in the order given.

    Rows have length 1 where the encoder's similarity is cosine; else they are the encoder's own (`similarity_of`).

    `side` ("query" or "passage") picks the encoder's prompt. Equal texts get equal rows. Texts are cut at `max_length`
    tokens. Batches hold at most `batch_tokens` tokens with their padding, of texts of like length; `precision` is
    "float32" or "bf16" (autocast). `progress` names a bar on stderr. Raises InputError for a text that is no text or
    an encoder that gives a number that is none.
    """
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise InputError(f"{side} {place} is {text!r}; every text must be a string that is not empty")
    distinct, inverse = np.unique(np.array(texts, dtype=object), return_inverse=True)
    prompt = encoder.prompts.get(side) or ""
    full = [prompt + text for text in distinct]
    with cut_at(encoder, max_length):
        found = _encode(encoder, full, precision, batch_tokens, progress)
    if not np.isfinite(found).all():
        raise InputError(f"the encoder gave a {side} embedding with nan or infinity; was its training stable?")
    if similarity_of(encoder) == COSINE:
        found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return np.asarray(found[inverse], dtype=np.float32)


@contextmanager
def cut_at(encoder: "SentenceTransformer", max_length: int | None) -> Iterator[None]:
    """Let an encoder cut texts at `max_length` tokens inside the block, or at its own maximum if that is less.

    Raises InputError for an encoder that cuts no text, such as a static one.
    """
    if max_length is None:
        yield
        return
    before = encoder.max_seq_length
    try:
        encoder.max_seq_length = min(max_length, before) if before else max_length
    except AttributeError as error:
        raise InputError(
            f"max_length {max_length}: this encoder takes texts of any length and cuts none; leave max_length out"
        ) from error
    try:
        yield
    finally:
        encoder.max_seq_length = before


def _encode(
    encoder: "SentenceTransformer", texts: list[str], precision: str, batch_tokens: int, progress: str | None
) -> np.ndarray:
    import torch

    from hybridkit.engine.linear import onednn_linear

    encoder.eval()
    lengths = _token_lengths(encoder, texts)
    batches = _batches(lengths, batch_tokens)
    out = np.empty((len(texts), encoder.get_embedding_dimension()), dtype=np.float32)
    device = encoder.device.type
    with (
        torch.inference_mode(),
        onednn_linear(encoder),
        torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"),
        bar(total=len(texts), desc=progress, unit="text", disable=progress is None) as shown,
    ):
        for batch in batches:
            features = encoder.preprocess([texts[place] for place in batch])
            moved = {
                name: value.to(encoder.device) if hasattr(value, "to") else value for name, value in features.items()
            }
            out[batch] = encoder(moved)["sentence_embedding"].float().cpu().numpy()
            shown.update(len(batch))
    return out


def _token_lengths(encoder: "SentenceTransformer", texts: list[str]) -> np.ndarray:
    """Tokens of each text as the encoder will see it, cut at its maximum; characters where it has no tokenizer."""
    tokenizer = encoder.tokenizer
    cut = encoder.max_seq_length or 10**9
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "encode_batch_fast"):
        return np.minimum([len(text) for text in texts], cut)
    # what the last batch was padded or cut to stays set in the tokenizer, which sets both anew for the next one
    backend.no_padding()
    backend.no_truncation()
    lengths: list[int] = []
    for first in range(0, len(texts), _CHUNK):
        lengths += [len(one) for one in backend.encode_batch_fast(texts[first : first + _CHUNK])]
    return np.minimum(lengths, cut)


def _batches(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Positions sorted by length, longest first, cut so that a batch with its padding stays within the budget."""
    order = np.argsort(-lengths, kind="stable")
    batches, first = [], 0
    while first < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[first]])))
        batches.append(order[first : first + size])
        first += size
    return batches
