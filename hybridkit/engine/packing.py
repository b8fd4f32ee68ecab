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
    Features without an attention mask over one kind of padding (static embeddings have no padding) go through whole.
    """

    def __init__(self, model: nn.Module, tokens: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.tokens = tokens
        # a merged batch is filled up with it, as a tokenizer does: some encoders look at what is masked
        self.padding = int(getattr(getattr(model, "tokenizer", None), "pad_token_id", None) or 0)

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """Embed one column of texts: features of n texts in, `sentence_embedding` (n, dim) out."""
        return {"sentence_embedding": self.embed([features])[0]}

    def embed(self, columns: Sequence[dict[str, Any]]) -> list[Tensor]:
        """Embed several columns of texts, together where all but their tokens is equal; an (n, dim) tensor for each."""
        sides = [_padding(column) for column in columns]
        if len(columns) == 1 or len(set(sides)) > 1 or None in sides or not _alike(columns):
            return [
                self._embed(column, side) if side else self.model(column)["sentence_embedding"]
                for column, side in zip(columns, sides, strict=True)
            ]
        found = self._embed(_merge(columns, str(sides[0]), self.padding), str(sides[0]))
        return list(found.split([len(column["attention_mask"]) for column in columns]))

    def _embed(self, features: dict[str, Any], side: str) -> Tensor:
        mask = features["attention_mask"]
        lengths = mask.sum(dim=1)
        order = torch.argsort(lengths, stable=True)
        budget = self.tokens or (TOKENS_CPU if lengths.device.type == "cpu" else TOKENS_ELSEWHERE)
        outputs = []
        for part, width in micro_batches(lengths[order].tolist(), budget):
            kept = slice(0, width) if side == "right" else slice(mask.shape[1] - width, None)
            few = dict(features)
            for key, value in features.items():
                if isinstance(value, Tensor):
                    few[key] = value[order[part]]
                    if value.shape[:2] == mask.shape:
                        few[key] = few[key][:, kept]
            outputs.append(self.model(few)["sentence_embedding"])
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return torch.cat(outputs)[back]


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


def _padding(features: dict[str, Any]) -> str | None:
    """The side on which texts are padded, as their mask shows; None for features that cannot be split by rows."""
    mask = features.get("attention_mask")
    if not isinstance(mask, Tensor) or mask.ndim != 2 or not len(mask):
        return None
    if any(isinstance(one, Tensor) and (not one.ndim or len(one) != len(mask)) for one in features.values()):
        return None
    lengths, places = mask.sum(dim=1, keepdim=True), torch.arange(mask.shape[1], device=mask.device)
    if bool((mask == (places < lengths)).all()):
        return "right"
    return "left" if bool((mask == (places >= mask.shape[1] - lengths)).all()) else None


def _alike(columns: Sequence[dict[str, Any]]) -> bool:
    """Whether columns differ in nothing but their tokens, so that they can be one batch."""
    first = columns[0]
    for other in columns[1:]:
        if other.keys() != first.keys():
            return False
        for key, value in first.items():
            if not isinstance(value, Tensor):  # length of the prompt, route
                if other[key] != value:
                    return False
            elif not (_by_token(value, first["attention_mask"]) and _by_token(other[key], other["attention_mask"])):
                return False
    return True


def _merge(columns: Sequence[dict[str, Any]], side: str, padding: int) -> dict[str, Any]:
    """One batch of the texts of all columns, each padded to the widest with masked tokens of number `padding`."""
    width = max(column["attention_mask"].shape[1] for column in columns)
    merged = dict(columns[0])
    for key, value in columns[0].items():
        if isinstance(value, Tensor):
            missing = [width - column[key].shape[1] for column in columns]
            pads = [(0, count) if side == "right" else (count, 0) for count in missing]
            fill = padding if key == "input_ids" else 0
            merged[key] = torch.cat(
                [nn.functional.pad(one[key], pad, value=fill) for one, pad in zip(columns, pads, strict=True)]
            )
    return merged


def _by_token(value: Any, mask: Tensor) -> bool:  # noqa: ANN401  features hold prompts' lengths and more
    return isinstance(value, Tensor) and value.shape == mask.shape
