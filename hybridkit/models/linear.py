"""Linear layers in float32 through oneDNN: on a CPU that is not Intel's, PyTorch's default (MKL) is half as fast."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


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
    # no view of `flat`, as `linear` itself returns none: some encoders go on in place
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
    """Let every linear layer of a float32 model on the CPU use oneDNN inside the block; elsewhere nothing changes.

    The results are those of float32 arithmetic, added up in another order (differences of 1e-6). A layer whose forward
    pass somebody has replaced (an adapter, an outer block of this kind) stays as it is.
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
