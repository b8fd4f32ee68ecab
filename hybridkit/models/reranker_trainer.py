"""The trainer and losses of cross-encoders of sentence-transformers on the pairs of a plan, in packed micro-batches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.cross_encoder import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments, losses
from sentence_transformers.cross_encoder.data_collator import CrossEncoderDataCollator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PrinterCallback

from hybridkit.models.loss import TOKENS_CPU, TOKENS_ELSEWHERE, Packed, with_gradient
from hybridkit.models.plan_dataset import PlanDataset
from hybridkit.models.reranker import pair_features
from hybridkit.models.trainer import WHOLE, CheckpointMark, FiniteLoss, Progress, TrainedOnly, common_arguments
from hybridkit.sampling.plan_pairs import PlanPairs

if TYPE_CHECKING:
    from hybridkit.models.reranker_training import RerankerSettings

LISTS: dict[str, Any] = {"listnet": losses.ListNetLoss, "lambda": losses.LambdaLoss}


class RerankerTrainer(TrainedOnly, CrossEncoderTrainer):
    """The trainer of a re-ranker on a plan."""


class FlatPairs(CrossEncoderDataCollator):
    """Makes a batch of single pairs with their labels out of queries with lists of passages."""

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the columns query, passages and label, one entry a pair."""
        batch: dict[str, Any] = super().__call__(features)
        lists = batch["passages"]
        batch["query"] = [
            query for query, passages in zip(batch["query"], lists, strict=True) for _ in range(len(passages))
        ]
        batch["passages"] = [passage for passages in lists for passage in passages]
        batch["label"] = torch.cat(batch["label"])
        return batch


class PackedPairs(Packed):
    """A cross-encoder for the library's losses, whose every call is split into micro-batches of like length.

    With `mini_batch` above 0 the activations of a micro-batch, of at most so many pairs, are thrown away and computed
    again for the gradient (gradient checkpointing, arXiv 1604.06174). With `bf16` autocast is around all micro-batches.
    """

    def __init__(self, model: CrossEncoder, mini_batch: int = 0, bf16: bool = False) -> None:
        super().__init__(model, output="scores")
        self._own = [model]  # in a list, so that it is not a second child
        self.mini_batch, self.bf16 = mini_batch, bf16

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return self._own[0].device

    def preprocess(self, pairs: Sequence[tuple[str, str]], **_: Any) -> dict[str, Any]:
        """Return what the model reads of pairs."""
        return pair_features(self._own[0], pairs)

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        """Return the `scores` (n, 1) of the features of n pairs."""
        if self.mini_batch:
            most = TOKENS_CPU if self.device.type == "cpu" else TOKENS_ELSEWHERE
            self.tokens = min(most, self.mini_batch * int(features["attention_mask"].shape[1]))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return super().forward(features)

    def inner(self, features: dict[str, Any]) -> Tensor:
        """Return the scores of a micro-batch."""
        if self.mini_batch and torch.is_grad_enabled():
            found: Tensor = checkpoint(super().inner, features, use_reentrant=False)
            return found
        return super().inner(features)


def pair_loss(
    model: CrossEncoder, name: str, mini_batch: int = 0, bf16: bool = False, packed: bool = True
) -> nn.Module:
    """Return sentence-transformers' loss of a name (`RerankerSettings.loss`).

    Without `packed` all pairs of a batch go through the model at once, as in the library, and `mini_batch` is left out.
    """
    if name in LISTS:
        loss: Any = LISTS[name](model, mini_batch_size=-1)
    else:
        loss = losses.BinaryCrossEntropyLoss(model)
    if packed:
        loss.model = PackedPairs(model, mini_batch, bf16)
    made: nn.Module = loss
    return made


def sample_loss(
    model: CrossEncoder, draws: Mapping[str, Sequence[Any]], name: str, library: bool = False
) -> tuple[float, float]:
    """Return the loss of some draws of `PlanPairs` and the norm of its gradient, without dropout; nothing is learnt.

    It is the kit's, or with `library` that of sentence-transformers.
    """
    rows = [dict(zip(draws, row, strict=True)) for row in zip(*draws.values(), strict=True)]
    batch = _collator(model, name)(rows)
    labels = batch.pop("label")
    loss = pair_loss(model, name, packed=not library)
    return with_gradient(model, lambda: loss(list(batch.values()), labels))


def _collator(model: CrossEncoder, name: str) -> CrossEncoderDataCollator:
    return (CrossEncoderDataCollator if name in LISTS else FlatPairs)(preprocess_fn=model.preprocess)


def reranker_trainer(
    model: CrossEncoder, pairs: PlanPairs, settings: "RerankerSettings", work: Path, key: str, packed: bool = True
) -> RerankerTrainer:
    """Return the trainer of a plan's pairs; its checkpoints go to `work`, marked with `key` once whole."""
    plan = pairs.plan
    arguments = CrossEncoderTrainingArguments(
        **common_arguments(plan, settings, work, model.device.type), save_steps=settings.checkpoint_every
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # as for encoders: several GPUs are for several processes
    name = f"re-ranker, {plan.strategy} seed {plan.seed}"
    cure = FiniteLoss("lower training.learning_rate")
    trainer = RerankerTrainer(
        model=model,
        args=arguments,
        train_dataset=PlanDataset.make(pairs, gaps=False),
        loss=pair_loss(model, settings.loss, settings.mini_batch, settings.precision == "bf16", packed),
        data_collator=_collator(model, settings.loss),
        callbacks=[Progress(name), cure, CheckpointMark(WHOLE, key)],
    )
    trainer.key = key
    trainer.remove_callback(PrinterCallback)
    return trainer
