"""Which hard negatives of a plan may be used, and a passage for the draws that have none."""

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.plan import BatchPlan
from hybridkit.seeds import generator

_STEPS = 4096  # looked at together: bounds the memory, whatever the plan's length
_TRIES = (64, 4096)  # rows drawn before all are looked at


def usable_negatives(plan: BatchPlan, corpus: ParallelCorpus) -> np.ndarray:
    """Bool array (steps, batch): the draw's row has a negative in the passage's language that may stand in its batch.

    A negative may not stand in a batch where it answers a row: where the rows over which that text stands as a passage,
    in any language (`corpus.negative_group`), are of the group of a row of the batch. In a batch every row's negative
    meets every query, so all of the batch's rows count, not only the negative's own.

    Raises InputError for a plan of another corpus.
    """
    plan.check(corpus)
    usable = np.zeros(plan.draws.shape[:2], dtype=bool)
    for first in range(0, len(plan), _STEPS):
        rows, passage = plan.draws[first : first + _STEPS, :, 0], plan.draws[first : first + _STEPS, :, 2]
        usable[first : first + _STEPS] = (corpus.places["negative"][rows, passage] >= 0) & ~_stand_beside(
            corpus.negative_group[rows, passage], corpus.group[rows]
        )
    return usable


def _stand_beside(groups: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Whether each of `groups` (steps, n) is among the groups of its step, `batch` (steps, batch)."""
    span = max(int(batch.max(initial=0)), int(groups.max(initial=0))) + 2
    step = np.arange(len(batch), dtype=np.int64)[:, None] * span  # a range of keys for each step; no group's -1 is 0
    return np.asarray(np.isin(step + groups + 1, step + batch + 1))


def spare_passage(plan: BatchPlan, corpus: ParallelCorpus, position: int) -> str:
    """Give a draw that has no negative of its own a passage in its language that answers no row of its batch.

    The passage is drawn at random, from (plan, position) only. It counts as one more in-batch negative, as easy as the
    others, where a format or a library wants a negative in every row. `position` is step * batch + slot.

    Raises InputError where the corpus has no such passage.
    """
    step, slot = divmod(position, plan.draws.shape[1])
    column = int(plan.draws[step, slot, 2])
    batch = corpus.group[plan.draws[step, :, 0]]
    random = generator(plan.seed, "spare passage", str(position))
    for tries in (*_TRIES, len(corpus)):
        rows = random.integers(len(corpus), size=tries) if tries in _TRIES else np.arange(len(corpus))
        fit = rows[(corpus.places["passage"][rows, column] >= 0) & ~np.isin(corpus.group[rows], batch)]
        if len(fit):
            return corpus.take_texts("passage", random.choice(fit, 1), np.array([column]))[0]
    raise InputError(
        f"step {step}: every passage in {plan.languages[column]!r} belongs to a row of the batch, so that none can be "
        "a negative; make batches smaller or add rows"
    )
