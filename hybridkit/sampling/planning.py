"""Draw a batch plan: rows without replacement, languages by the strategy's rule, never two rows of a group."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.language_pairs import PairTable, Patterns, column, split_pair
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.strategies import Strategy, unwrapped
from hybridkit.utils.numbers import COUNT, PAIRED, check_seed
from hybridkit.utils.seeds import generator

_DRAWS = 1 << 18  # made in one go
_MOST = 1 << 33  # draws, 12 bytes each in memory
_ROUNDING = 1e-9  # of a sum of shares


def make_plan(corpus: ParallelCorpus, strategy: Strategy, steps: int, batch_size: int, seed: int) -> BatchPlan:
    """Return the plan of a strategy: a pure function of its arguments.

    The kind of each batch is drawn first, then for `mono` its language and for one pair a batch its pair: stratified,
    so that every plan has just their shares, or each batch by itself (see `Weighted`). Rows come from an endless
    shuffled queue, one for each of those and one for all other batches of a kind, with every row once an epoch. Where
    rows are drawn equally often (`by="rows"`), a row that is in ten languages is in a tenth as many epochs of a
    language as a row that is in this one only. A row whose group is in the batch already waits for the next batch. The
    pair of languages of a `cross` row, and the language of a `mixed` one, is drawn among those it has. A wrapper's plan
    has the draws of the strategy within it. Time grows with the rows drawn; beside the plan, memory with the rows of
    the corpus.

    Raises:
        InputError: A batch cannot be made: too few rows that may be together, an unknown language or pair.
    """
    steps, batch_size, seed = check_size(steps, batch_size, seed)
    rules = unwrapped(strategy)
    kinds_of = list(rules.shares)
    kinds = _kinds(rules, steps, seed)
    patterns = Patterns.of(corpus)
    sources: list[Source] = []
    source_of_step = np.empty(steps, dtype=np.int64)
    for number, kind in enumerate(kinds_of):
        at = kinds == number
        found, weights = sources_of(rules, kind, patterns)
        stream = generator(seed, "languages" if kind == "mono" else f"pair of {kind} batches")
        if rules.stratified:
            chosen = stratify(weights, int(at.sum()), stream)
        else:  # one is drawn for every step, so that no kind moves the draws of another
            chosen = _choose(np.broadcast_to(weights, (steps, len(weights))), stream)[at]
        source_of_step[at] = len(sources) + chosen
        sources += found
    for source in sources:
        source.check(corpus, batch_size)
    same = _same_rows(rules, steps, batch_size, seed)
    draws = np.empty((steps, batch_size, 3), dtype=np.int32)
    for number in np.unique(source_of_step):  # one after the other, so that one queue at a time is in memory
        at_steps, done = np.flatnonzero(source_of_step == number), 0
        for some in sources[number].batches(corpus, len(at_steps), batch_size, seed, same):
            draws[at_steps[done : done + len(some)]] = some
            done += len(some)
    names = np.array(kinds_of, dtype=object)[kinds]
    return BatchPlan(draws, names, corpus.languages, str(strategy), seed, corpus.fingerprint)


def check_size(steps: int, batch_size: int, seed: int) -> tuple[int, int, int]:
    """Return the numbers that a plan is made of; InputError for one that is out of its range.

    >>> check_size(10, 1, 0)
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: batch size must be a whole number from 2 on (got 1)
    """
    steps, batch_size = int(COUNT.check(steps, "steps")), int(PAIRED.check(batch_size, "batch size"))
    if steps * batch_size > _MOST:
        raise InputError(f"{steps:,} steps of {batch_size:,} rows: a plan holds {_MOST:,} draws at most; give fewer")
    return steps, batch_size, check_seed(seed)


def _kinds(rules: Strategy, steps: int, seed: int) -> np.ndarray:
    """The position in `shares` of the kind of every batch."""
    shares, random = rules.shares_at(steps), generator(seed, "kinds")
    if not rules.stratified:
        return _choose(shares, random)
    if shares.shape[1] == 1:
        return np.zeros(steps, dtype=np.int64)
    order = random.permutation(steps)
    reached = np.floor(np.cumsum(shares[order, 0]) + 0.5 + _ROUNDING)  # so many of the first steps of the order
    first = np.empty(steps, dtype=bool)
    first[order] = np.diff(reached, prepend=0.0) > 0
    return np.where(first, 0, 1)


def stratify(weights: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return `count` positions in random order, each as often as its weight says, rounded up or down at random.

    Systematic sampling (Madow, Annals of Mathematical Statistics 20, 1949): counts differ from count x share by less
    than 1, and are right on average.

    >>> np.bincount(stratify(np.array([2.0, 1.0, 1.0]), 8, np.random.default_rng(0))).tolist()
    [4, 2, 2]
    """
    order = random.permutation(len(weights))
    ends = np.cumsum(weights[order]) / np.sum(weights) * count
    points = np.arange(count) + random.random()
    found = order[np.minimum(np.searchsorted(ends, points, side="right"), len(weights) - 1)]
    return np.asarray(random.permutation(found))


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
    """Same-language rows of each batch of a blend, (steps,): alpha's share, fractions of a row rounded at random."""
    share = rules.same_share(steps)
    if share is None:
        return None
    return np.asarray(np.floor(share * batch_size + generator(seed, "share").random(steps)).astype(np.int64))


@dataclass(frozen=True, eq=False)
class Source:
    """Where batches of one kind come from: all of them, or those in one language or of one pair, its `name`.

    `tables` are the pairs that a row may draw: one table, for a `blend` two, of same-language pairs and of others.
    `choices` (patterns,) is the number of sources that a row of a pattern comes from, where it is to come from each of
    them in turn; None where it is in every epoch of each.
    """

    kind: str
    name: str
    tables: tuple[PairTable, ...]
    choices: np.ndarray | None = None

    def __str__(self) -> str:
        return f"{self.kind} batches" + (f" in {self.name!r}" if self.name else "")

    def rows(self) -> np.ndarray:
        """Return the positions of the rows that it draws from, increasing: those with a pair in every table."""
        return np.flatnonzero(np.logical_and.reduce([table.rows() for table in self.tables]))

    def shares(self) -> np.ndarray | None:
        """Return the share of the epochs that each of its rows is in, float (rows,); None where all are in each."""
        if self.choices is None:
            return None
        own = self.choices[self.tables[0].of_row[self.rows()]]
        return own.min() / own if len(own) and np.ptp(own) else None

    def check(self, corpus: ParallelCorpus, batch_size: int) -> None:
        """Raise InputError where no batch can be made: fewer groups of usable rows than a batch has rows."""
        rows = self.rows()
        groups = np.count_nonzero(np.bincount(corpus.group[rows])) if len(rows) else 0
        if groups < batch_size:
            raise InputError(
                f"{self}: only {groups} rows can be in one batch (of {len(rows)} usable rows, those that share a "
                f"text or a passage count once), the batch size is {batch_size}; make batches smaller, add rows or "
                f"leave the {'pair' if '-' in self.name and self.kind == 'cross' else 'language'} out"
            )

    def batches(
        self, corpus: ParallelCorpus, count: int, batch_size: int, seed: int, same: np.ndarray | None
    ) -> Iterator[np.ndarray]:
        """Yield the first `count` batches in pieces, each int32 (batches, batch_size, 3), as `BatchPlan.draws`.

        `same` (count,) is the number of same-language rows of each batch of a blend.
        """
        rows = self.rows()
        random = generator(seed, "rows", self.kind, self.name)
        queue = RowQueue(rows, corpus.group[rows], batch_size, random, self.shares())
        pairs, slots = generator(seed, "pairs", self.kind, self.name), generator(seed, "slots", self.kind)
        step = max(1, _DRAWS // batch_size)
        for first in range(0, count, step):
            draws = np.empty((min(step, count - first), batch_size, 3), dtype=np.int32)
            draws[..., 0] = queue.take(len(draws))
            chance = pairs.random(draws.shape[:2])
            draws[..., 1:] = self.tables[-1].draw(draws[..., 0], chance)
            if same is not None:
                order = slots.random(draws.shape[:2]).argsort(axis=1).argsort(axis=1)
                at = order < same[first : first + len(draws), None]
                draws[at, 1:] = self.tables[0].draw(draws[at, 0], chance[at])
            yield draws


def sources_of(rules: Strategy, kind: str, patterns: Patterns) -> tuple[list[Source], np.ndarray]:
    """Return the sources of a strategy's batches of one kind, and the probability of each, float (sources,).

    Raises InputError for a language or pair that the strategy names and no row has.
    """
    if kind == "mono":
        _check_named(rules, patterns, same=True)
        tags = rules.mono_languages(patterns)
        columns = [column(tag, patterns.languages, str(rules)) for tag in tags]
        if not tags:
            raise InputError(f"{rules}: no row has its query and its passage in one language; use cross")
        pairs = np.repeat(np.array(columns)[:, None], 2, axis=1)
        return _of_pairs(rules, kind, patterns, tags, pairs, rules.mono_weights(patterns.sizes["both"][columns]))
    sorts = {"cross": (False,), "mixed": (True,), "blend": (True, False)}[kind]
    for same in sorts:
        _check_named(rules, patterns, same)
    weights = [rules.pair_weights(patterns, same) for same in sorts]
    if getattr(rules, "pairs", "all") != "one":
        return [Source(kind, "", tuple(PairTable.of(patterns, one) for one in weights))], np.ones(1)
    pairs = np.argwhere(_held(patterns) & (weights[0] > 0))
    if len(pairs) == 0:
        raise InputError(f"{rules}: no row has its query and its passage in two languages; use mono")
    names = ["-".join(patterns.languages[at] for at in pair) for pair in pairs]
    return _of_pairs(rules, kind, patterns, names, pairs, weights[0][pairs[:, 0], pairs[:, 1]])


def _of_pairs(
    rules: Strategy, kind: str, patterns: Patterns, names: Sequence[str], pairs: np.ndarray, weights: np.ndarray
) -> tuple[list[Source], np.ndarray]:
    """A source for each pair (pairs, 2), of batches in one language or of one pair, and the probability of each.

    By rows, a row comes from one of its pairs at a time, from each equally often: the share of a pair is what its rows
    add up to.
    """
    choices = None
    if rules.rows_first:
        choices = np.zeros(len(patterns.times))
        for query, passage in pairs:
            choices += patterns.query[:, query] & patterns.passage[:, passage]
        part = patterns.times / np.maximum(choices, 1)
        weights = np.array([part @ (patterns.query[:, one] & patterns.passage[:, other]) for one, other in pairs])
    tables = [PairTable(patterns, pair[None], np.ones(1)) for pair in pairs]
    return [Source(kind, name, (table,), choices) for name, table in zip(names, tables, strict=True)], weights


def _held(patterns: Patterns) -> np.ndarray:
    """Bool array (languages, languages): the pairs that some row has."""
    return np.asarray((patterns.query.T.astype(np.int64) @ patterns.passage) > 0)


def _check_named(rules: Strategy, patterns: Patterns, same: bool) -> None:
    """Raise InputError for a language or a pair that the strategy names and that can never be drawn."""
    drawn = _held(patterns) & (rules.pair_weights(patterns, same) > 0)
    for tag, weight in (getattr(rules, "weights", None) or {}).items():
        at = column(tag, patterns.languages, f"{rules}, weights")
        if weight > 0 and not (drawn[at].any() or drawn[:, at].any()):
            what = "its query and its passage" if same else "one side, and the other in another language of weight,"
            raise InputError(f"{rules}, weights: no row has {what} in {tag!r}; leave {tag!r} out")
    pairs = getattr(rules, "pairs", "all")
    if same or pairs in ("all", "one"):
        return
    if isinstance(pairs, str) and not drawn.any():
        raise InputError(f"{rules}: no row has a pair of {pairs[:-2]!r} and another language; give other pairs")
    for pair in () if isinstance(pairs, str) else pairs:
        query, passage = split_pair(pair)
        if not drawn[patterns.languages.index(query), patterns.languages.index(passage)]:
            raise InputError(
                f"{rules}, pair {pair!r}: no row has a query in {query!r} and a passage in {passage!r} "
                "(or weights leave it out); leave the pair out"
            )


class RowQueue:
    """A queue of rows that yields batches of rows of different groups, in order of arrival, each row once an epoch.

    `rows` are increasing positions in a corpus, `group` the group of each of them, `size` the rows of a batch; there
    must be as many groups. A row whose group is in the batch already waits for the next one. Time grows with the rows
    drawn and not with those that wait: of a group only the row that came first can be next, so the heap holds that one.

    With `share` (rows,), above 0 and at most 1, a row is in that share of the epochs only: a third is every third.

    >>> queue = RowQueue(np.array([3, 5, 8]), np.array([0, 0, 1]), 2, np.random.default_rng(0))
    >>> queue.take(2).tolist()
    [[8, 3], [5, 8]]
    """

    def __init__(
        self,
        rows: np.ndarray,
        group: np.ndarray,
        size: int,
        random: np.random.Generator,
        share: np.ndarray | None = None,
    ) -> None:
        self._rows, self._size, self._random = rows, size, random
        self._share, self._epoch = share, 0
        self._phase = None if share is None else random.random(len(rows))
        _, self._group = np.unique(group, return_inverse=True)
        self._group = self._group.astype(np.int32)
        self._fresh = np.arange(len(rows), dtype=np.int32)  # what the next epoch holds, in order
        self._order, self._at = self._fresh[:0], 0
        self._clock = 0  # arrivals so far
        self._used = np.full(int(self._group.max(initial=-1)) + 1, -1, dtype=np.int64)  # when a group was last drawn
        self._waits = np.zeros(len(rows), dtype=bool)
        self._waiting: dict[int, deque[tuple[int, int]]] = {}  # by group: (arrival, row), first come first
        self._next_waiting: list[tuple[int, int]] = []  # heap of (arrival of the first, group)
        self._released: list[int] = []  # rows that waited and were drawn in this epoch

    def take(self, count: int) -> np.ndarray:
        """Return the next `count` batches, int32 (count, size) of positions in the corpus."""
        batches = np.empty((count, self._size), dtype=np.int32)
        for batch in batches:
            self._fill(batch)
        return np.asarray(self._rows[batches], dtype=np.int32)

    def _fill(self, batch: np.ndarray) -> None:
        start = self._clock
        filled, heads = 0, []
        while self._next_waiting and filled < self._size:
            _, group = heappop(self._next_waiting)
            _, row = self._waiting[group].popleft()
            self._used[group] = start
            self._waits[row] = False
            self._released.append(row)
            heads.append(group)
            batch[filled] = row
            filled += 1
        self._clock += 1  # no arrival has the number of the groups that waited
        while filled < self._size:
            arrived = self._arrive(self._size - filled)
            group = self._group[arrived]
            number = np.arange(self._clock, self._clock + len(arrived))
            self._clock += len(arrived)
            free = self._used[group] < start
            self._used[group[free][::-1]] = number[free][::-1]  # of equal groups the first is written last and stays
            free &= self._used[group] == number
            drawn = arrived[free]
            batch[filled : filled + len(drawn)] = drawn
            filled += len(drawn)
            if len(drawn) < len(arrived):
                self._wait(number[~free].tolist(), group[~free].tolist(), arrived[~free])
        for group in heads:
            if self._waiting[group]:
                heappush(self._next_waiting, (self._waiting[group][0][0], group))
            else:
                del self._waiting[group]

    def _wait(self, numbers: list[int], groups: list[int], rows: np.ndarray) -> None:
        self._waits[rows] = True
        for number, group, row in zip(numbers, groups, rows.tolist(), strict=True):
            if group not in self._waiting:
                self._waiting[group] = deque()
                heappush(self._next_waiting, (number, group))
            self._waiting[group].append((number, row))

    def _arrive(self, count: int) -> np.ndarray:
        if self._at == len(self._order):
            # a row that still waits from the epoch before keeps its turn and is not queued twice
            if self._released or self._waiting:
                back = np.array(self._released, dtype=np.int32)
                self._fresh = np.union1d(self._fresh[~self._waits[self._fresh]], back)
                self._released.clear()
            self._order, self._at = self._random.permutation(self._next_epoch()), 0
        arrived = self._order[self._at : self._at + count]
        self._at += len(arrived)
        return arrived

    def _next_epoch(self) -> np.ndarray:
        """Those of the fresh rows whose share of the epochs reaches the next whole number."""
        if self._share is None or self._phase is None:
            return self._fresh
        share, phase = self._share[self._fresh], self._phase[self._fresh]
        reached = np.floor(self._epoch * share + phase), np.floor((self._epoch + 1) * share + phase)
        self._epoch += 1
        return self._fresh[reached[1] > reached[0]]
