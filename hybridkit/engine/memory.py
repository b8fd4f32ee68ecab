"""Say before a training starts that its batches cannot fit into memory, and what would."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hybridkit.errors import InputError

if TYPE_CHECKING:
    from hybridkit.training import TrainingSettings


def check_memory(encoder: Any, texts: list[str], settings: "TrainingSettings", total: int | None = None) -> None:  # noqa: ANN401
    """Raise InputError when the activations of one batch, its `texts`, are more than the memory of the device.

    What is counted is a lower bound: the input, query, key, value and output of each attention and the inner layer of
    each feed-forward part, which every training keeps for the way back. `total` is in bytes, by default all there is.
    """
    inner = encoder.transformers_model
    if inner is None:
        return
    shape, size = inner.config, 2 if settings.precision == "bf16" else 4
    lengths = np.sort(encoder.preprocess(texts)["attention_mask"].sum(dim=1).numpy())[::-1]
    token = size * shape.num_hidden_layers * (5 * shape.hidden_size + 2 * shape.intermediate_size)
    needed = token * int(lengths[: settings.mini_batch or None].sum())
    total = total or _total(encoder.device)
    if needed > total:
        fit = int(np.searchsorted(np.cumsum(lengths) * token, total / 2))
        raise InputError(
            f"training.batch_size: {len(lengths)} texts of a batch need at least {needed / 1e9:,.1f} GB for training, "
            f"and {encoder.device} has {total / 1e9:,.1f} GB. {_cure(fit)}"
        )


@contextmanager
def told_if_full(settings: "TrainingSettings") -> Iterator[None]:
    """Turn an allocation that fails in the middle of a training into an InputError with the cure."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "can't allocate memory" not in str(error):
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
