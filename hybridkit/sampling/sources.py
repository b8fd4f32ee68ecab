"""Sources of batches: each a kind with the pairs of languages that its rows may draw, and a queue of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.pairs import column, split_pair
from hybridkit.sampling.patterns import PairTable, Patterns
from hybridkit.sampling.queue import RowQueue
from hybridkit.sampling.strategies import Strategy
from hybridkit.seeds import generator

_DRAWS = 1 << 18  # made in one go


@dataclass(frozen=True, eq=False)
class Source:
    """Where batches of one kind come from: all of them, or those in one language or of one pair, its `name`.

    `tables` are the pairs that a row may draw: one table, for a `blend` two, of same-language pairs and of others.
    """

    kind: str
    name: str
    tables: tuple[PairTable, ...]

    def __str__(self) -> str:
        return f"{self.kind} batches" + (f" in {self.name!r}" if self.name else "")

    def rows(self) -> np.ndarray:
        """Positions of the rows that it draws from, increasing: those with a pair in every table."""
        return np.flatnonzero(np.logical_and.reduce([table.rows() for table in self.tables]))

    def check(self, corpus: ParallelCorpus, batch_size: int) -> None:
        """Raise InputError where no batch can be made: fewer groups of usable rows than a batch has rows."""
        rows = self.rows()
        groups = np.count_nonzero(np.bincount(corpus.group[rows])) if len(rows) else 0
        if groups < batch_size:
            raise InputError(
                f"{self}: only {groups} rows can stand in one batch (of {len(rows)} usable rows, those that share a "
                f"text or a passage count once), the batch size is {batch_size}; make batches smaller, add rows or "
                f"leave the {'pair' if '-' in self.name and self.kind == 'cross' else 'language'} out"
            )

    def batches(
        self, corpus: ParallelCorpus, count: int, batch_size: int, seed: int, same: np.ndarray | None
    ) -> Iterator[np.ndarray]:
        """Yield the first `count` batches in parts, each int32 (batches, batch_size, 3), as `BatchPlan.draws`.

        `same` (count,) is the number of same-language rows of each batch of a blend.
        """
        rows = self.rows()
        queue = RowQueue(rows, corpus.group[rows], batch_size, generator(seed, "rows", self.kind, self.name))
        pairs, slots = generator(seed, "pairs", self.kind, self.name), generator(seed, "slots", self.kind)
        step = max(1, _DRAWS // batch_size)
        for first in range(0, count, step):
            part = np.empty((min(step, count - first), batch_size, 3), dtype=np.int32)
            part[..., 0] = queue.take(len(part))
            chance = pairs.random(part.shape[:2])
            part[..., 1:] = self.tables[-1].draw(part[..., 0], chance)
            if same is not None:
                place = slots.random(part.shape[:2]).argsort(axis=1).argsort(axis=1)
                at = place < same[first : first + len(part), None]
                part[at, 1:] = self.tables[0].draw(part[at, 0], chance[at])
            yield part


def sources_of(rules: Strategy, kind: str, patterns: Patterns) -> tuple[list[Source], np.ndarray]:
    """The sources of a strategy's batches of one kind, and the probability of each, float (sources,).

    Raises InputError for a language or pair that the strategy names and no row has.
    """
    if kind == "mono":
        _check_named(rules, patterns, same=True)
        tags = rules._mono_languages(patterns)
        columns = [column(tag, patterns.languages, str(rules)) for tag in tags]
        if not tags:
            raise InputError(f"{rules}: no row has its query and its passage in one language; use cross")
        monos = [Source(kind, tag, (_one(patterns, at, at),)) for tag, at in zip(tags, columns, strict=True)]
        return monos, rules.mono_weights(patterns.sizes["both"][columns])
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
    found = [Source(kind, name, (_one(patterns, *pair),)) for name, pair in zip(names, pairs, strict=True)]
    return found, weights[0][pairs[:, 0], pairs[:, 1]]


def _one(patterns: Patterns, query: int, passage: int) -> PairTable:
    return PairTable(patterns, np.array([[query, passage]]), np.ones(1))


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
