"""Train a re-ranker on the pairs of a batch plan by sentence-transformers' trainer and losses; a kill costs nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.models.embedding import failing_clearly, rounding, some_by_length
from hybridkit.models.encoder import model_hash
from hybridkit.models.reranker import pair_features, pair_lengths, report_cut
from hybridkit.models.training import Precision, go_on, in_training, speed_up, write_model
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_pairs import RATIO, PlanPairs
from hybridkit.utils.files import digest
from hybridkit.utils.numbers import COUNT, COUNT_OR_NONE, LENGTH, POSITIVE, SHARE_BELOW_1, Range
from hybridkit.utils.progress import calm_bars
from hybridkit.utils.yaml_files import settings

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


_SAMPLE = 500  # draws whose pairs are counted that are cut


@settings("training")
class RerankerSettings:
    """How to train a re-ranker.

    Raises:
        InputError: For a setting outside of its range, with the range.

    Example:
        >>> RerankerSettings(steps=10, batch_size=8, ratio=0)
        Traceback (most recent call last):
        ...
        hybridkit.errors.InputError: training.ratio must be a whole number from 1 on (got 0)
    """

    steps: Annotated[int, COUNT]
    batch_size: Annotated[int, COUNT]
    """Rows of a batch, shared out among the processes; each makes 1 + ratio pairs."""
    learning_rate: Annotated[float, POSITIVE] = 2e-5
    negatives: Literal["own", "mined", "random"] = "own"
    """What a query is paired with that does not answer it (`PlanPairs`)."""
    ratio: Annotated[int, COUNT] = RATIO
    """Negatives of each positive."""
    loss: Literal["binary", "listnet", "lambda"] = "binary"
    """Binary cross-entropy of every pair, or a loss of a query's list: ListNet, LambdaLoss."""
    warmup: Annotated[float, SHARE_BELOW_1] = 0.1
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Range(0)] = 0.01
    max_length: Annotated[int, LENGTH] | None = None
    """Tokens of a pair; of a longer one the longer text is cut. The model's own limit unless given."""
    precision: Precision = "float32"
    """Arithmetic of the training: float32, or bf16 (autocast)."""
    freeze: tuple[str, ...] = ()
    """Parts of the names of parameters that stay as they are."""
    checkpoint_every: Annotated[int, COUNT] = 50
    """Steps between checkpoints."""
    mini_batch: Annotated[int, COUNT_OR_NONE] = 0
    """Pairs whose activations are in memory at a time; they are computed again for the gradient. 0 for the batch."""

    @property
    def key(self) -> dict[str, Any]:
        """What a training depends on, for its hash."""
        return self.written

    @property
    def written(self) -> dict[str, Any]:
        """The settings as they are written beside a model."""
        return asdict(self)


def train_reranker(
    model: "CrossEncoder",
    corpus: ParallelCorpus,
    plan: BatchPlan,
    settings: RerankerSettings,
    out: Path,
    *,
    beside: Callable[["CrossEncoder"], Mapping[str, str]] | None = None,
    callbacks: Sequence[Any] = (),
) -> Path:
    """Train on every batch of the plan, each draw with its negatives (`PlanPairs`), and return the folder `out`.

    Checkpoints, resumption, several processes, errors and `steps.jsonl` are as for encoders (`training.train`). Where
    sentence-transformers' own loss and gradient on some pairs of the first batch are the same, pairs go through the
    model in micro-batches of like length, with only the word embeddings that occur and oneDNN.

    Args:
        model: The model, of `reranker.start` or `reranker.open`, which is trained in place.
        corpus: The corpus that the plan was made of.
        plan: The batches.
        settings: How to train.
        out: A CrossEncoder folder to write, with `steps.jsonl` (step, kind, loss, learning_rate).
        beside: Returns more texts to write into the folder, by file name, such as the model's card.
        callbacks: More callbacks of the trainer.

    Raises:
        InputError: As `PlanPairs`; a setting that does not fit the model, or a loss that is not a number.

    Source:
        arXiv 2305.05295, section 4: binary cross-entropy of pairs; sentence-transformers' losses of cross-encoders.
    """
    work = out.with_name(out.name + ".work")
    key = digest("reranker", plan.fingerprint, settings.key, model_hash(model))
    pairs = PlanPairs(plan, corpus, settings.negatives, settings.ratio)
    size = plan.draws.shape[1]
    starts = range(0, len(plan) * size, size)

    def prepare(sped_up: ExitStack) -> str:
        from hybridkit.models.fast_layers import token_numbers
        from hybridkit.models.reranker_trainer import sample_loss
        from hybridkit.models.trainer import check_memory

        _count_cut(model, pairs)
        first = pairs(np.arange(size))
        some = some_by_length(np.array([sum(map(len, texts)) for texts in first["passages"]]))
        sample = {side: [found[at] for at in some] for side, found in first.items()}
        with failing_clearly("train on the first batch", "re-ranker"):
            check_memory(model, [pair_features(model, pairs_of(first))], settings)
            expected = sample_loss(model, sample, settings.loss, library=True)
        batches = (pair_features(model, pairs_of(pairs(np.arange(at, at + size))))["input_ids"] for at in starts)
        return speed_up(
            sped_up,
            model,
            len(plan) * size * (1 + settings.ratio),
            lambda: token_numbers(model, batches),
            lambda: sample_loss(model, sample, settings.loss),
            expected,
            rounding(model),
        )

    with _same_config(model), in_training(model, settings, prepare) as packed, calm_bars():
        from hybridkit.models.reranker_trainer import reranker_trainer

        trainer = reranker_trainer(model, pairs, settings, work, key, packed)
        go_on(trainer, settings, work, key, callbacks)
    return write_model(trainer, model, plan, out, work, beside)


@contextmanager
def _same_config(model: "CrossEncoder") -> Iterator[None]:
    """Undo what a trainer writes into a model's configuration (the tokenizer's marks): its hash stays as it was."""
    own = vars(model.config)
    before = dict(own)
    try:
        yield
    finally:
        own.clear()
        own.update(before)


def pairs_of(draws: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    """Return all pairs of some draws of `PlanPairs`, those of a draw beside each other.

    >>> pairs_of({"query": ["a", "b"], "passages": [["1", "2"], ["3"]]})
    [('a', '1'), ('a', '2'), ('b', '3')]
    """
    found = zip(draws["query"], draws["passages"], strict=True)
    return [(query, passage) for query, passages in found for passage in passages]


def _count_cut(model: "CrossEncoder", pairs: PlanPairs) -> None:
    """Say how many of the plan's pairs the model cuts, from a sample that is spread over it."""
    count = len(pairs.hard)
    some = pairs_of(pairs(np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64))))
    report_cut(model, int(pair_lengths(model, some)[1].sum()), len(some), what="pairs of the plan that were looked at")
