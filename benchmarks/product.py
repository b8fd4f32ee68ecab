"""The bare matrix product of the linear layers that a model computed: what a training or encoding is a share of."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Shape = tuple[int, int, int, bool, bool]  # rows, inputs, outputs; are gradients of inputs and of weights computed?


@contextmanager
def linear_shapes(model: Any) -> Iterator[Counter[Shape]]:
    """Count the calls of every linear layer of a model inside the block, by shape."""
    import torch

    found: Counter[Shape] = Counter()

    def count(layer: Any, inputs: tuple[Any, ...], _: Any) -> None:
        rows = inputs[0].numel() // layer.in_features
        learns = torch.is_grad_enabled()
        found[
            rows,
            layer.in_features,
            layer.out_features,
            learns and inputs[0].requires_grad,
            learns and layer.weight.requires_grad,
        ] += 1

    hooks = [one.register_forward_hook(count) for one in model.modules() if isinstance(one, torch.nn.Linear)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def product_seconds(shapes: Counter[Shape], precision: str, device: str = "cpu", rounds: int = 5) -> float:
    """Return the seconds that the products of these calls take by themselves, forward and backward.

    Each shape is timed for `rounds` products after two that warm up; the fastest counts.
    """
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    total = 0.0
    for (rows, inputs, outputs, to_inputs, to_weights), calls in shapes.items():
        sizes = [(rows, inputs, outputs)]
        sizes += [(rows, outputs, inputs)] * to_inputs + [(outputs, rows, inputs)] * to_weights
        total += calls * sum(_seconds(size, dtype, device, rounds) for size in sizes)
    return total


def _seconds(size: tuple[int, int, int], dtype: Any, device: str, rounds: int) -> float:
    """The fastest of some products (n, k) @ (k, m), by oneDNN on a CPU, which is what the kit computes them by."""
    import torch

    rows, inner, columns = size
    left, right = torch.randn(rows, inner).to(device, dtype), torch.randn(columns, inner).to(device, dtype)
    found = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        if device == "cpu" and dtype == torch.float32:
            torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
        else:
            torch.nn.functional.linear(left, right)
        if device != "cpu":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return min(found[2:])
