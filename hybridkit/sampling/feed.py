"""A batch plan as what a SentenceTransformerTrainer takes: a dataset view and a batch sampler."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.sampling.plan import BatchPlan

if TYPE_CHECKING:
    from datasets import Dataset


def plan_dataset(plan: BatchPlan, corpus: ParallelCorpus) -> "Dataset":
    """The plan's draws as a data set of `query` and `passage`, in the order of the plan.

    It stores integers; texts are looked up when a batch is read. Raises InputError if the plan is of another corpus.
    """
    from datasets import Dataset

    plan.check(corpus)
    names = ("row", "query_language", "passage_language")
    flat = plan.draws.reshape(-1, 3)

    def look_up(batch: dict[str, list[int]]) -> dict[str, list[str]]:
        queries, passages = plan.texts(corpus, np.stack([batch[name] for name in names], axis=1))
        return {"query": queries, "passage": passages}

    return Dataset.from_dict({name: flat[:, i] for i, name in enumerate(names)}).with_transform(look_up)


class PlanBatchSampler:
    """Yields the positions of one planned batch after the other; give it as the trainer's `batch_sampler`.

    Whatever the trainer shuffles or seeds, the plan has fixed the order already.

    >>> list(PlanBatchSampler(range(4), batch_size=2))
    [[0, 1], [2, 3]]
    """

    def __init__(self, dataset: Any, batch_size: int, drop_last: bool = False, **_: Any) -> None:  # noqa: ANN401
        self.size, self.batch_size, self.drop_last = len(dataset), batch_size, drop_last

    def __len__(self) -> int:
        """Number of batches."""
        return self.size // self.batch_size if self.drop_last else -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Positions of each batch, in the order of the plan."""
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            yield list(range(first, min(first + self.batch_size, self.size)))

    def set_epoch(self, epoch: int) -> None:
        """Nothing changes from epoch to epoch: the plan is the whole training."""
