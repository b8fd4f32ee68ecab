"""The loss of a batch: in-batch InfoNCE over cosines, with a hard negative per row where there is one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from sentence_transformers.util import all_gather_with_grad, batch_to_device
from torch import Tensor, nn

from hybridkit.embedding import as_it_was, features_of, some_by_length
from hybridkit.engine.packing import Packed
from hybridkit.engine.vocabulary import TrimmedEmbedding
from hybridkit.errors import InputError


def batch_loss(
    model: nn.Module, temperature: float, mini_batch: int = 0, bf16: bool = False, packed: bool = True
) -> nn.Module:
    """Make the loss: cross-entropy of each query over passages and hard negatives (arXiv 2408.10536, section 2).

    It is called with the columns query, passage and, if any row has one, negative; labels are then 1 where a row has a
    negative and 0 where its column holds a filler that nobody is compared with. With `mini_batch` above 0 gradients are
    cached (GradCache, arXiv 2101.06983) as sentence-transformers does it: memory of so many texts instead of the batch,
    the same gradients. Among several processes each scores its own queries against the passages of all. Without
    `packed` each column of texts goes through the encoder as the library puts it through.

    Raises InputError for a `mini_batch` with an encoder that has no mini-batches (a static one, which needs none).
    """
    if not mini_batch:
        return _Plain(model, temperature, bf16, packed)
    try:
        return _Cached(model, temperature, mini_batch, bf16, packed)
    except ValueError as error:
        raise InputError(
            f"training.mini_batch: {mini_batch} is not for this encoder, which has no mini-batches; leave it out"
        ) from error


class _Plain(nn.Module):
    def __init__(self, model: nn.Module, temperature: float, bf16: bool, packed: bool) -> None:
        super().__init__()
        self.model, self.scale, self.bf16 = Packed(model) if packed else model, 1 / temperature, bf16

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        with _outer_autocast(self.model, self.bf16):
            if isinstance(self.model, Packed):
                embeddings = self.model.embed(list(sentence_features))
            else:
                embeddings = [self.model(column)["sentence_embedding"] for column in sentence_features]
        return info_nce(embeddings, labels, self.scale, _processes() > 1)


class _Cached(CachedMultipleNegativesRankingLoss):
    def __init__(self, model: nn.Module, temperature: float, mini_batch: int, bf16: bool, packed: bool) -> None:
        super().__init__(
            model, scale=1 / temperature, mini_batch_size=mini_batch, gather_across_devices=_processes() > 1
        )
        self.model, self.bf16 = Packed(model) if packed else model, bf16

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


def sample_loss(
    encoder: Any,  # noqa: ANN401
    columns: Sequence[tuple[list[str], str, str]],
    temperature: float,
    library: bool = False,
) -> tuple[float, float]:
    """Loss of some rows of a batch, of different lengths, and the norm of its gradient; the encoder learns nothing.

    By the kit's steps, or by those of sentence-transformers (`MultipleNegativesRankingLoss`); without dropout and in
    the precision of the weights. `columns` are the texts, side and prompt of queries, of passages and, unused, more.
    """
    rows = some_by_length(np.array([len(text) for text in columns[1][0]]))
    features = [
        batch_to_device(features_of(encoder, [texts[row] for row in rows], side, prompt), encoder.device)
        for texts, side, prompt in columns[:2]
    ]
    trained = [one for one in encoder.parameters() if one.requires_grad]
    with as_it_was(encoder), torch.enable_grad(), torch.autocast(encoder.device.type, enabled=False):
        for module in encoder.modules():
            module.training = isinstance(module, TrimmedEmbedding)
        if library:
            among = _processes() > 1  # of a second training in one launch
            own = MultipleNegativesRankingLoss(encoder, scale=1 / temperature, gather_across_devices=among)
            loss = own(features, None)
        else:
            loss = batch_loss(encoder, temperature)(features, None)
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
    norm = sum(float(one.float().square().sum()) for one in gradients if one is not None) ** 0.5
    return float(loss.detach()), norm


def _processes() -> int:
    return torch.distributed.get_world_size() if _distributed() else 1


def _rank() -> int:
    return torch.distributed.get_rank() if _distributed() else 0


def _distributed() -> bool:
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())
