"""Encode the texts of a batch in micro-batches of like length, so that little time and memory goes into padding."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

TOKENS_CPU = 512  # tokens of a micro-batch, padding included; small ones stay in a CPU's cache
TOKENS_ELSEWHERE = 16384  # a GPU wants fewer and larger ones


class Packed(nn.Module):
    """An encoder whose every call is split into micro-batches of like length; the embeddings are the encoder's own.

    The encoder hangs in it under the name `model`, where sentence-transformers' trainer looks for what it has wrapped.
    Encoders without an attention mask (static embeddings have no padding) are called as they are.
    """

    def __init__(self, model: nn.Module, tokens: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.tokens = tokens

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """Embed one column of texts: features of n texts in, `sentence_embedding` (n, dim) out."""
        return {"sentence_embedding": self.embed([features])[0]}

    def embed(self, columns: Sequence[dict[str, Any]]) -> list[Tensor]:
        """Embed several columns of texts together; gives an (n, dim) tensor for each."""
        if any("attention_mask" not in column for column in columns):
            return [self.model(column)["sentence_embedding"] for column in columns]
        merged = _merge(columns)
        lengths = merged["attention_mask"].sum(dim=1)
        order = torch.argsort(lengths, stable=True)
        budget = self.tokens or (TOKENS_CPU if lengths.device.type == "cpu" else TOKENS_ELSEWHERE)
        outputs = []
        for part, width in micro_batches(lengths[order].tolist(), budget):
            few = {key: value[order[part], :width] for key, value in merged.items()}
            outputs.append(self.model(few)["sentence_embedding"])
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return list(torch.cat(outputs)[back].split([len(column["attention_mask"]) for column in columns]))


def micro_batches(lengths: Sequence[int], budget: int) -> list[tuple[slice, int]]:
    """Cut ascending lengths into consecutive parts of at most `budget` padded tokens; one text too long stands alone.

    >>> micro_batches([3, 4, 4, 9, 30], budget=12)
    [(slice(0, 3, None), 4), (slice(3, 4, None), 9), (slice(4, 5, None), 30)]
    """
    parts, first = [], 0
    for number in range(1, len(lengths) + 1):
        if number == len(lengths) or (number + 1 - first) * lengths[number] > budget:
            parts.append((slice(first, number), lengths[number - 1]))
            first = number
    return parts


def _merge(columns: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """One batch of the texts of all columns, each padded on the right to the widest."""
    if len(columns) == 1:
        return {key: value for key, value in columns[0].items() if _by_token(value, columns[0])}
    width = max(column["attention_mask"].shape[1] for column in columns)
    keys = [key for key, value in columns[0].items() if _by_token(value, columns[0])]
    return {
        # what fills up is masked, so its value does not matter
        key: torch.cat([nn.functional.pad(one[key], (0, width - one[key].shape[1])) for one in columns])
        for key in keys
    }


def _by_token(value: Any, column: dict[str, Any]) -> bool:  # noqa: ANN401  features hold prompts' lengths and more
    return isinstance(value, Tensor) and value.shape == column["attention_mask"].shape
