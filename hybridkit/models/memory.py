"""Say before a training starts that its batches cannot fit into memory, and what would."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hybridkit.errors import InputError

if TYPE_CHECKING:
    from hybridkit.models.training import TrainingSettings


def check_memory(
    encoder: Any, features: Sequence[dict[str, Any]], settings: "TrainingSettings", total: int | None = None
) -> None:
    """Raise InputError when the activations of one batch, its columns' `features`, are more than the device's memory.

    What is counted is a lower bound: the output of every linear layer that is trained of the encoder's transformer,
    which a training keeps for the way back, unless the encoder computes it again (gradient checkpointing). `total` is
    in bytes, by default all there is.
    """
    inner = encoder.transformers_model
    masks = [column["attention_mask"] for column in features if column.get("attention_mask") is not None]
    if inner is None or not masks or getattr(inner, "is_activation_checkpointing", False):
        return
    lengths = np.sort(np.concatenate([mask.sum(dim=1).numpy() for mask in masks]))[::-1]
    layers = [
        one
        for name, one in inner.named_modules()
        if isinstance(one, nn.Linear) and one.weight.requires_grad and "pooler" not in name
    ]
    token = (2 if settings.precision == "bf16" else 4) * sum(one.out_features for one in layers)
    needed = token * int(lengths[: settings.mini_batch or None].sum())
    total = total or _total(encoder.device)
    if needed > total:
        fit = int(np.searchsorted(np.cumsum(lengths) * token, total / 2))
        raise InputError(
            f"training.batch_size: {len(lengths)} texts of a batch need at least {needed / 1e9:,.1f} GB for training, "
            f"and {encoder.device} has {total / 1e9:,.1f} GB. {_cure(fit)}"
        )


def is_full(error: BaseException) -> bool:
    """Whether an error says that memory is full, in the words of Python, of a GPU or of PyTorch's CPU allocator."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


@contextmanager
def report_out_of_memory(settings: "TrainingSettings") -> Iterator[None]:
    """Turn an allocation that fails in the middle of a training into an InputError with the cure."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        now = settings.mini_batch or 2 * settings.batch_size
        raise InputError(f"training.batch_size: the memory is full. {_cure(max(1, now // 4))}") from error


def _cure(fit: int) -> str:
    return (
        f"Set training.mini_batch to {max(1, fit)} or less (the same gradients in less memory), cut texts with "
        "max_length, or make the batches smaller"
    )


def _total(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    if not hasattr(os, "sysconf"):
        return sys.maxsize  # Windows does not tell
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
