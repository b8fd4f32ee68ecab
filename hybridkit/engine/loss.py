"""The loss of a batch: in-batch InfoNCE over cosines, with a hard negative per row where there is one."""

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from sentence_transformers.util import all_gather_with_grad
from torch import Tensor, nn

from hybridkit.engine.packing import Packed
from hybridkit.errors import InputError


def batch_loss(model: nn.Module, temperature: float, mini_batch: int = 0, bf16: bool = False) -> nn.Module:
    """Make the loss: cross-entropy of each query over passages and hard negatives (arXiv 2408.10536, section 2).

    It is called with the columns query, passage and, if any row has one, negative; labels are then 1 where a row has a
    negative and 0 where its column holds a filler that nobody is compared with. With `mini_batch` above 0 gradients are
    cached (GradCache, arXiv 2101.06983) as sentence-transformers does it: memory of so many texts instead of the batch,
    the same gradients. Among several processes each scores its own queries against the passages of all.

    Raises InputError for a `mini_batch` with an encoder that has no mini-batches (a static one, which needs none).
    """
    if not mini_batch:
        return _Plain(model, temperature, bf16)
    try:
        return _Cached(model, temperature, mini_batch, bf16)
    except ValueError as error:
        raise InputError(
            f"training.mini_batch: {mini_batch} is not for this encoder, which has no mini-batches; leave it out"
        ) from error


class _Plain(nn.Module):
    def __init__(self, model: nn.Module, temperature: float, bf16: bool) -> None:
        super().__init__()
        self.model, self.scale, self.bf16 = Packed(model), 1 / temperature, bf16

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        with _outer_autocast(self.model, self.bf16):
            embeddings = self.model.embed(list(sentence_features))
        return info_nce(embeddings, labels, self.scale, _processes() > 1)


class _Cached(CachedMultipleNegativesRankingLoss):
    def __init__(self, model: nn.Module, temperature: float, mini_batch: int, bf16: bool) -> None:
        super().__init__(
            model, scale=1 / temperature, mini_batch_size=mini_batch, gather_across_devices=_processes() > 1
        )
        self.model, self.bf16 = Packed(model), bf16

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        with _outer_autocast(self.model, self.bf16):
            loss: Tensor = self.forward_cached(sentence_features, labels)
        return loss

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss from the embeddings of mini-batches; what sentence-transformers' cached forward pass calls."""
        with torch.autocast(reps[0][0].device.type, enabled=False):
            loss = info_nce([torch.cat(one) for one in reps], labels, self.scale, self.gather_across_devices)
            if with_backward:
                loss.backward()
                loss = loss.detach()
        return loss


def _outer_autocast(model: nn.Module, bf16: bool) -> torch.autocast:
    """Around all micro-batches, so that weights are turned into bf16 once a step and not once a micro-batch."""
    return torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=bf16)


def info_nce(embeddings: list[Tensor], present: Tensor | None, scale: float, gather: bool = False) -> Tensor:
    """InfoNCE of queries (n, dim) over passages (n, dim) and negatives (n, dim) that are `present` (n,), over cosines.

    >>> query, passage = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> round(float(info_nce([query, passage], None, scale=1.0)), 4)  # ln 2: nothing tells the passages apart
    0.6931
    """
    unit: list[Any] = [nn.functional.normalize(one.float(), dim=-1) for one in embeddings]
    queries, first = unit[0], 0
    targets = unit[1:]
    known = None if present is None or len(targets) < 2 else present.to(queries.device) > 0
    if gather:
        targets = [all_gather_with_grad(one) for one in targets]
        first = _rank() * len(queries)
        known = None if known is None else all_gather_with_grad(known.float()) > 0
    scores = queries @ torch.cat(targets).T * scale
    if known is not None:
        scores[:, len(targets[0]) :].masked_fill_(~known, -torch.inf)
    own = torch.arange(first, first + len(queries), device=queries.device)
    return nn.functional.cross_entropy(scores, own)


def _processes() -> int:
    return torch.distributed.get_world_size() if _distributed() else 1


def _rank() -> int:
    return torch.distributed.get_rank() if _distributed() else 0


def _distributed() -> bool:
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())
