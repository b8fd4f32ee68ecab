"""Train only the word embeddings that occur: the others get no gradient, so they need no memory and no time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hybridkit.models.embedding import features_of, input_modules


class TrimmedEmbedding(nn.Embedding):
    """The rows of an embedding that occur in a training, under the token numbers of the whole one.

    `decay` is what weight decay has made of the rows that do not occur: AdamW multiplies each weight by 1 - lr * decay
    at every step, gradient or not. Outside training mode every token is known, so that any text can be encoded; in
    training mode any other token is an IndexError.
    """

    decay: Tensor
    place: Tensor

    def __init__(self, whole: nn.Embedding, tokens: Tensor) -> None:
        place = torch.full((whole.num_embeddings,), -1, dtype=torch.long)
        place[tokens] = torch.arange(len(tokens))
        padding = -1 if whole.padding_idx is None else int(place[whole.padding_idx])  # it learns nothing
        weight = whole.weight.detach()[tokens].clone()
        super().__init__(len(tokens), whole.embedding_dim, padding if padding >= 0 else None, _weight=weight)
        self.register_buffer("place", place.to(whole.weight.device), persistent=False)
        self.register_buffer("decay", torch.ones((), dtype=torch.float64))
        self._whole = [whole]  # in a list, so that it is no part of what is trained and saved

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the engine's name
        """Embed token numbers of the whole vocabulary."""
        places = self.place[input]
        if self.training or bool((places >= 0).all()):
            return nn.functional.embedding(places, self.weight, self.padding_idx)
        found = nn.functional.embedding(places.clamp(min=0), self.weight)
        others = nn.functional.embedding(input, self._whole[0].weight.detach()) * float(self.decay)
        return torch.where((places >= 0).unsqueeze(-1), found, others)

    def restored(self) -> nn.Embedding:
        """The whole embedding as a training of all its rows would have left it."""
        whole = self._whole[0]
        with torch.no_grad():
            whole.weight.mul_(float(self.decay))
            whole.weight[self.place >= 0] = self.weight
        return whole

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep `decay` up with an optimizer that has this embedding's weight among its own."""

        def before_step(stepping: torch.optim.Optimizer, *_: Any) -> None:
            for group in stepping.param_groups:
                if any(one is self.weight for one in group["params"]):
                    self.decay.mul_(1 - group["lr"] * group["weight_decay"])

        optimizer.register_step_pre_hook(before_step)


def can_be_trimmed(encoder: Any) -> bool:
    """Whether an encoder's word embeddings are trained, and are a plain look-up that stands at one place only.

    No look-up that scales or renormalises what it finds, with hooks, or whose weight another layer shares; no encoder
    with several input modules, each with token numbers of its own.
    """
    inner = encoder.transformers_model
    whole: Any = inner.get_input_embeddings() if inner is not None and len(input_modules(encoder)) == 1 else None
    if type(whole) is not nn.Embedding or not whole.weight.requires_grad or "forward" in vars(whole):
        return False
    plain = whole.max_norm is None and not whole.sparse and not whole.scale_grad_by_freq
    hooked = whole._forward_hooks or whole._forward_pre_hooks or whole._backward_hooks
    others = (one for module in encoder.modules() if module is not whole for one in module.parameters(recurse=False))
    return plain and not hooked and not any(one is whole.weight for one in others)


def occurring(encoder: Any, texts: Iterable[tuple[list[str], str, str]]) -> Tensor:
    """Token numbers in chunks of (texts, side, prompt), ascending, with all of the tokenizer's special tokens."""
    found = torch.zeros(encoder.transformers_model.get_input_embeddings().num_embeddings, dtype=torch.bool)
    found[[token for token in encoder.tokenizer.all_special_ids if token < len(found)]] = True
    for chunk, side, prompt in texts:
        found[features_of(encoder, chunk, side, prompt)["input_ids"].reshape(-1)] = True
    return torch.nonzero(found).reshape(-1)


@contextmanager
def trimmed(encoder: Any, tokens: Tensor) -> Iterator[TrimmedEmbedding]:
    """Put a trimmed embedding in place of the encoder's; afterwards the whole one is back, with what was learnt.

    After an error it is back as it was.
    """
    inner = encoder.transformers_model
    whole: Any = inner.get_input_embeddings()
    small = TrimmedEmbedding(whole, tokens).to(whole.weight.device)
    inner.set_input_embeddings(small)
    try:
        yield small
        small.restored()
    finally:
        inner.set_input_embeddings(whole)
