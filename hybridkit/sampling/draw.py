"""Draw a batch plan: rows without replacement, languages by the strategy's rule, never two rows of a group."""

from collections.abc import Callable

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.strategies import Strategy
from hybridkit.seeds import generator


def make_plan(corpus: ParallelCorpus, strategy: Strategy, steps: int, batch_size: int, seed: int) -> BatchPlan:
    """Make the plan of a strategy: a pure function of its arguments.

    The kind of each batch is drawn first, then for `mono` its language; rows come from an endless shuffled queue, one
    per mono language and one for `cross` and `mixed`, in which every row stands once an epoch. A row whose group is in
    the batch already waits for the next batch. The pair of languages of a `cross` row, and the language of a `mixed`
    one, is uniform over those it has. The plan of n steps is the beginning of every longer plan.

    Raises InputError where a batch cannot be made: too few rows that can stand together, an unknown language.
    """
    if steps < 1 or batch_size < 2:
        raise InputError(f"steps {steps}, batch size {batch_size}: a plan needs 1 step and 2 rows a batch at least")
    kinds_of = list(strategy.shares)
    kinds = _choose(np.array(list(strategy.shares.values())), generator(seed, "kinds"), steps)
    queues: list[_Queue] = []
    queue_of_step = np.empty(steps, dtype=np.int64)
    for number, kind in enumerate(kinds_of):
        at = kinds == number
        if kind != "mono":
            queue_of_step[at] = len(queues)
            queues.append(_queue(corpus, kind, None, batch_size, seed))
            continue
        tags = strategy.mono_languages(corpus)
        if not tags:
            raise InputError(f"{strategy}: no row has its query and its passage in one language; use cross")
        monos = [_queue(corpus, "mono", tag, batch_size, seed) for tag in tags]
        weights = strategy.mono_weights(np.array([len(queue.rows) for queue in monos]))
        queue_of_step[at] = len(queues) + _choose(weights, generator(seed, "languages"), steps)[at]
        queues += monos
    draws = np.empty((steps, batch_size, 3), dtype=np.int32)
    for step, number in enumerate(queue_of_step.tolist()):
        draws[step, :, 0] = queues[number].take()
    for number, queue in enumerate(queues):
        at = queue_of_step == number
        draws[at, :, 1:] = queue.pairs(draws[at, :, 0])
    names = np.array(kinds_of, dtype=object)[kinds]
    return BatchPlan(draws, names, corpus.languages, str(strategy), seed, corpus.fingerprint)


def _choose(weights: np.ndarray, random: np.random.Generator, size: int) -> np.ndarray:
    """Draw `size` positions with the given weights, one uniform number each: a longer draw begins with a shorter."""
    bounds = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(bounds, random.random(size), side="right"), len(weights) - 1)


def _queue(corpus: ParallelCorpus, kind: str, tag: str | None, batch_size: int, seed: int) -> "_Queue":
    has_query, has_passage = corpus.has_query, corpus.has_passage
    allowed = np.eye(len(corpus.languages), dtype=bool)
    if kind == "cross":
        allowed = ~allowed
    elif tag is not None:
        allowed &= np.arange(len(corpus.languages)) == corpus.column(tag)
    # rows that know the same languages have the same pairs to choose from: look at each pattern once
    patterns, pattern = np.unique(np.concatenate([has_query, has_passage], axis=1), axis=0, return_inverse=True)
    width = len(corpus.languages)
    choices = [np.argwhere(np.outer(one[:width], one[width:]) & allowed) for one in patterns]
    counts = np.array([len(choice) for choice in choices])
    rows = np.flatnonzero(counts[pattern.ravel()] > 0)
    what = f"{kind} batches" + (f" in {tag!r}" if tag else "")
    groups = len(np.unique(corpus.group[rows]))
    if groups < batch_size:
        raise InputError(
            f"{what}: only {groups} rows can stand in one batch (of {len(rows)} usable rows, those that share a text "
            f"or a passage count once), the batch size is {batch_size}; make batches smaller, add rows or leave the "
            f"language out"
        )
    table = np.concatenate(choices)
    first = np.cumsum(counts) - counts

    def pairs(drawn: np.ndarray) -> np.ndarray:
        chance = generator(seed, "pairs", kind, tag or "").random(drawn.shape)
        own = pattern.ravel()[drawn]
        return np.asarray(table[first[own] + (chance * counts[own]).astype(np.int64)])

    return _Queue(rows, corpus.group, batch_size, generator(seed, "rows", kind, tag or ""), pairs)


class _Queue:
    """An endless shuffled queue of rows that gives batches of different groups, in order of arrival."""

    def __init__(
        self, rows: np.ndarray, group: np.ndarray, size: int, random: np.random.Generator,
        pairs: Callable[[np.ndarray], np.ndarray],
    ) -> None:  # fmt: skip
        self.rows, self.pairs = rows, pairs
        self._group, self._size, self._random = group, size, random
        self._order, self._at = rows[:0], 0
        self._waiting: list[int] = []

    def take(self) -> list[int]:
        batch: list[int] = []
        used: set[int] = set()
        waiting: list[int] = []
        arrived, self._waiting = self._waiting, waiting
        while True:
            for row, group in zip(arrived, self._group[arrived].tolist(), strict=True):
                if group in used or len(batch) == self._size:
                    waiting.append(row)
                else:
                    used.add(group)
                    batch.append(row)
            if len(batch) == self._size:
                return batch
            arrived = self._next(self._size - len(batch))

    def _next(self, count: int) -> list[int]:
        if self._at == len(self._order):
            # a row that still waits from the epoch before keeps its place and is not queued twice
            fresh = np.setdiff1d(self.rows, self._waiting) if self._waiting else self.rows
            self._order, self._at = self._random.permutation(fresh), 0
        part = self._order[self._at : self._at + count]
        self._at += len(part)
        return [int(row) for row in part]
