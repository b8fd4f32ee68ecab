"""What trainings would take on a GPU that is not here: products of some real steps, at a share of a card's peak."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import nn

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.models.embedding import text_lengths
from hybridkit.models.training import TrainingSettings, open_texts
from hybridkit.sampling.plan import BatchPlan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PEAKS = {"H100": 989e12, "A100": 312e12, "L4": 121e12}
"""Dense products in bf16 a second, as NVIDIA's data sheets have them (H100: of the SXM module)."""
SHARE = 0.35  # of the peak that trainings are taken to reach; not measured by the kit
_STEPS = 4


class StepCost(NamedTuple):
    """The mean of some steps: operations of their matrix products, and tokens."""

    operations: float
    tokens: float


def step_cost(
    encoder: "SentenceTransformer", corpus: ParallelCorpus, plan: BatchPlan, settings: TrainingSettings
) -> StepCost | None:
    """Return what a training step on a plan takes, counted from the texts of its first steps; None without layers.

    A text of n tokens takes 2 n operations for each weight of the linear layers and 4 n^2 for each layer and dimension
    of the attention (arXiv 2001.08361, section 2.1), forward, and twice as many backward; once more forward where
    gradients are cached. Padding is not counted, as batches are packed. What is frozen is counted as if it learnt.
    """
    measure = text_lengths(encoder, settings.max_length)
    config = next(
        (one.config for one in encoder.modules() if hasattr(getattr(one, "config", None), "hidden_size")), None
    )
    if measure is None or config is None:
        return None
    layers = [one.weight for one in encoder.modules() if isinstance(one, nn.Linear)]
    weights = sum(one.numel() for one in layers if one.requires_grad)  # a pooler that nothing reads is frozen
    squared = 4 * config.num_hidden_layers * config.hidden_size
    steps = min(_STEPS, len(plan))
    texts = open_texts(plan, corpus, settings)
    operations = tokens = 0.0
    for side, found in texts(np.arange(steps * plan.draws.shape[1])).items():
        counts, longest = measure([text for text in found if text], "query" if side in ("query", "twin") else "passage")
        read = np.minimum(counts, longest).astype(np.float64)
        operations += float((2 * weights * read + squared * read**2).sum())
        tokens += float(read.sum())
    passes = 4 if settings.mini_batch else 3
    return StepCost(passes * operations / steps, tokens / steps)


def hours(operations: float) -> dict[str, float]:
    """Return the hours that matrix products take on each card.

    >>> {name: round(one, 2) for name, one in hours(1e18).items()}
    {'H100': 0.8, 'A100': 2.54, 'L4': 6.56}
    """
    return {name: operations / (peak * SHARE) / 3600 for name, peak in PEAKS.items()}
