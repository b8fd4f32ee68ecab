"""Texts of a million characters: cut, before a tokenizer holds all their tokens, far beyond what a model reads."""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger("hybridkit")
_LETTERS = 64  # characters for each token that the model reads; hardly a token has as many


def cut_long(encoder: "SentenceTransformer", texts: list[str]) -> list[str]:
    """The texts as they are, but for those far longer than the encoder reads: of them a beginning, with one notice.

    Give the texts with their prompts. What is left of a text holds twice the tokens that the encoder reads, so that its
    vector is that of the whole text. An encoder without a limit, or that reads the end of a text, gets all of it.
    """
    from hybridkit.embedding import input_modules

    modules = input_modules(encoder)  # each with limits of its own
    limits = [_limit(module) for module in modules]
    limit = max(limits)
    if not min(limits) or limit > 1_000_000 or max(map(len, texts), default=0) <= _LETTERS * limit:
        return texts
    tokenizers = [getattr(module, "tokenizer", None) for module in modules]
    if any(getattr(tokenizer, "truncation_side", "right") == "left" for tokenizer in tokenizers):
        return texts
    backends = [getattr(tokenizer, "backend_tokenizer", tokenizer) for tokenizer in tokenizers]
    found = [_beginning(text, limit, backends) for text in texts]
    cut = [len(text) for text, left in zip(texts, found, strict=True) if len(left) < len(text)]
    if cut:
        log.info(
            "%d texts of up to %s characters are cut before they are split into tokens; the encoder reads %d tokens",
            len(cut), f"{max(cut):,}", limit,
        )  # fmt: skip
    return found


def _limit(module: Any) -> int:  # noqa: ANN401  an input module
    """Tokens that a module reads of a text, of a query or a passage at most; 0 where there is no limit."""
    common = getattr(module, "max_seq_length", None) or 0
    own = [getattr(module, name, None) or 0 for name in ("query_length", "document_length")]
    return max(common, *own) if common else 0


def _beginning(text: str, limit: int, backends: list[Any]) -> str:
    letters = _LETTERS * limit
    while letters < len(text):
        if min(_tokens(text[:letters], backend) for backend in backends) >= 2 * limit:
            return text[:letters]
        letters *= 4  # spaces, or a word that is one unknown token
    return text


def _tokens(text: str, backend: Any) -> int:  # noqa: ANN401  a tokenizer
    """Tokens of a text, whether or not the tokenizer cuts or pads: that stays as it is set."""
    if not hasattr(backend, "encode_batch_fast"):
        return len(text) // 32  # a tokenizer in Python; no token is longer on average
    found = backend.encode(text)
    return sum(sum(part.attention_mask) for part in (found, *found.overflowing))
