"""Draw a batch plan: rows without replacement, languages by the strategy's rule, never two rows of a group."""

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.ranges import COUNT, PAIRED, check_seed
from hybridkit.sampling.alpha import hybrid
from hybridkit.sampling.patterns import Patterns
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.sources import Source, sources_of
from hybridkit.sampling.strategies import Strategy, unwrapped
from hybridkit.seeds import generator

_MOST = 1 << 33  # draws, 12 bytes each in memory


def make_plan(corpus: ParallelCorpus, strategy: Strategy, steps: int, batch_size: int, seed: int) -> BatchPlan:
    """Make the plan of a strategy: a pure function of its arguments.

    The kind of each batch is drawn first, then for `mono` its language and for one pair a batch its pair; rows come
    from an endless shuffled queue, one for each of those and one for all other batches of a kind, in which every row
    stands once an epoch. A row whose group is in the batch already waits for the next batch. The pair of languages of a
    `cross` row, and the language of a `mixed` one, is drawn among those it has. The plan of n steps is the beginning of
    every longer plan, unless alpha moves over the whole plan. A wrapper's plan has the draws of the strategy within it.
    Time grows with the rows drawn; beside the plan, memory with the rows of the corpus.

    Raises InputError where a batch cannot be made: too few rows that can stand together, an unknown language or pair.
    """
    steps, batch_size, seed = check_plan(steps, batch_size, seed)
    rules = unwrapped(strategy)
    kinds_of = list(rules.shares)
    kinds = _choose(rules.shares_at(steps), generator(seed, "kinds"))
    patterns = Patterns.of(corpus)
    sources: list[Source] = []
    source_of_step = np.empty(steps, dtype=np.int64)
    for number, kind in enumerate(kinds_of):
        at = kinds == number
        found, weights = sources_of(rules, kind, patterns)
        # a language or a pair is drawn for every step, so that no kind moves the draws of another
        stream = generator(seed, "languages" if kind == "mono" else f"pair of {kind} batches")
        source_of_step[at] = len(sources) + _choose(np.broadcast_to(weights, (steps, len(weights))), stream)[at]
        sources += found
    for source in sources:
        source.check(corpus, batch_size)
    same = _same_rows(rules, steps, batch_size, seed)
    draws = np.empty((steps, batch_size, 3), dtype=np.int32)
    for number in np.unique(source_of_step):  # one after the other, so that one queue at a time is in memory
        at_steps, done = np.flatnonzero(source_of_step == number), 0
        for part in sources[number].batches(corpus, len(at_steps), batch_size, seed, same):
            draws[at_steps[done : done + len(part)]] = part
            done += len(part)
    names = np.array(kinds_of, dtype=object)[kinds]
    return BatchPlan(draws, names, corpus.languages, str(strategy), seed, corpus.fingerprint)


def check_plan(steps: int, batch_size: int, seed: int) -> tuple[int, int, int]:
    """Return the numbers that a plan is made of; InputError for one that is out of its range.

    >>> check_plan(10, 1, 0)
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: batch size must be a whole number from 2 on (got 1)
    """
    steps, batch_size = int(COUNT.check(steps, "steps")), int(PAIRED.check(batch_size, "batch size"))
    if steps * batch_size > _MOST:
        raise InputError(f"{steps:,} steps of {batch_size:,} rows: a plan holds {_MOST:,} draws at most; give fewer")
    return steps, batch_size, check_seed(seed)


def _choose(weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw a position for every step by its weights (steps, positions), one uniform number each.

    A longer draw begins with a shorter one.
    """
    chance, last = random.random(len(weights)), weights.shape[1] - 1
    if weights.strides[0] == 0:  # the same at every step
        bounds = np.cumsum(weights[0]) / np.sum(weights[0])
        return np.asarray(np.minimum(np.searchsorted(bounds, chance, side="right"), last))
    bounds = np.cumsum(weights, axis=1) / np.sum(weights, axis=1, keepdims=True)
    return np.asarray(np.minimum((bounds <= chance[:, None]).sum(axis=1), last))


def _same_rows(rules: Strategy, steps: int, batch_size: int, seed: int) -> np.ndarray | None:
    """Same-language rows of each batch of a blend, (steps,): alpha's share, a part of a row rounded at random."""
    if not isinstance(rules, hybrid) or rules.level != "row":
        return None
    share = rules.alpha_at(steps) * batch_size
    return np.asarray(np.floor(share + generator(seed, "share").random(steps)).astype(np.int64))
