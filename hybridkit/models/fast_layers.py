"""Layers that replace an encoder's own inside a block: same results, less time and memory.

`onednn_linear` computes linear layers in float32 by oneDNN: on a CPU that is not Intel's, PyTorch's default (MKL) is
half as fast. `trimmed` trains only the word embeddings that occur: the others get no gradient.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hybridkit.models.embedding import features_of, input_modules


class _Linear(torch.autograd.Function):
    """x @ weight.T + bias and its gradients, each one oneDNN product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        to_x = _product(gradient, weight.t().contiguous(), None).view(x.shape) if wants_x else None
        to_weight = None
        if wants_weight:
            to_weight = _product(gradient.t().contiguous(), x.reshape(-1, x.shape[-1]).t().contiguous(), None)
        return to_x, to_weight, gradient.sum(dim=0) if wants_bias and ctx.has_bias else None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    flat = torch.ops.mkldnn._linear_pointwise(x.reshape(-1, x.shape[-1]), weight, bias, "none", [], "")
    # not a view of `flat`, as with `linear` itself: some encoders change the result in place
    found: Tensor = torch.ops.aten._unsafe_view(flat, [*x.shape[:-1], weight.shape[0]])
    return found


def _forward(layer: nn.Linear, x: Tensor) -> Tensor:
    if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return nn.functional.linear(x, layer.weight, layer.bias)
    if not torch.is_grad_enabled():
        return _product(x, layer.weight, layer.bias)
    found: Tensor = _Linear.apply(x, layer.weight, layer.bias)
    return found


@contextmanager
def onednn_linear(model: nn.Module) -> Iterator[None]:
    """Compute the linear layers of a float32 model on the CPU by oneDNN inside the block; no other layer changes.

    The results are those of float32 arithmetic, added in another order (differences of 1e-6). A layer whose forward
    pass is replaced already (by an adapter, an outer block of this kind) is left as it is.
    """
    layers = [
        one
        for one in model.modules()
        if type(one) is nn.Linear and one.weight.device.type == "cpu" and "forward" not in vars(one)
    ]
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        layers = []
    for layer in layers:
        layer.forward = lambda x, layer=layer: _forward(layer, x)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


class TrimmedEmbedding(nn.Embedding):
    """The rows of an embedding that occur in a training, under the token numbers of the whole one.

    `decay` is what weight decay has made of the rows that do not occur: AdamW multiplies each weight by 1 - lr * decay
    at every step, gradient or not. Outside training mode every token is known, so that any text can be encoded; in
    training mode any other token is an IndexError.
    """

    decay: Tensor
    position: Tensor

    def __init__(self, whole: nn.Embedding, tokens: Tensor) -> None:
        position = torch.full((whole.num_embeddings,), -1, dtype=torch.long)
        position[tokens] = torch.arange(len(tokens))
        padding = -1 if whole.padding_idx is None else int(position[whole.padding_idx])  # it learns nothing
        weight = whole.weight.detach()[tokens].clone()
        super().__init__(len(tokens), whole.embedding_dim, padding if padding >= 0 else None, _weight=weight)
        self.register_buffer("position", position.to(whole.weight.device), persistent=False)
        self.register_buffer("decay", torch.ones((), dtype=torch.float64))
        self._whole = [whole]  # in a list, so that it is neither trained nor saved

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the engine's name
        """Embed token numbers of the whole vocabulary."""
        positions = self.position[input]
        if self.training or bool((positions >= 0).all()):
            return nn.functional.embedding(positions, self.weight, self.padding_idx)
        found = nn.functional.embedding(positions.clamp(min=0), self.weight)
        others = nn.functional.embedding(input, self._whole[0].weight.detach()) * float(self.decay)
        return torch.where((positions >= 0).unsqueeze(-1), found, others)

    def restored(self) -> nn.Embedding:
        """Return the whole embedding as a training of all its rows would have left it."""
        whole = self._whole[0]
        with torch.no_grad():
            whole.weight.mul_(float(self.decay))
            whole.weight[self.position >= 0] = self.weight
        return whole

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Update `decay` at every step of an optimizer that has this embedding's weight."""

        def before_step(stepping: torch.optim.Optimizer, *_: Any) -> None:
            for group in stepping.param_groups:
                if any(one is self.weight for one in group["params"]):
                    self.decay.mul_(1 - group["lr"] * group["weight_decay"])

        optimizer.register_step_pre_hook(before_step)


def can_be_trimmed(encoder: Any) -> bool:
    """Return whether an encoder's word embeddings are trained, and are a plain look-up that it uses once.

    It may not scale or renormalise what it finds, have hooks, or share its weight with another layer; the encoder may
    not have several input modules, each with token numbers of its own.
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
    """Return the token numbers in chunks of (texts, side, prompt) and the special ones, ascending."""
    return token_numbers(encoder, (features_of(encoder, *chunk)["input_ids"] for chunk in texts))


def token_numbers(model: Any, batches: Iterable[Tensor]) -> Tensor:
    """Return the token numbers in batches of them and the special ones, ascending."""
    found = torch.zeros(model.transformers_model.get_input_embeddings().num_embeddings, dtype=torch.bool)
    found[[token for token in model.tokenizer.all_special_ids if token < len(found)]] = True
    for batch in batches:
        found[batch.reshape(-1)] = True
    return torch.nonzero(found).reshape(-1)


@contextmanager
def trimmed(encoder: Any, tokens: Tensor) -> Iterator[TrimmedEmbedding]:
    """Replace the encoder's embedding by a trimmed one inside the block.

    Afterwards the whole one is back with what was learnt, after an error as it was.
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
