"""What a strategy makes one expect of its plan: batches of a kind, languages and pairs, each with an exact interval."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hybridkit.sampling.patterns import Patterns
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.sources import Source, sources_of
from hybridkit.sampling.strategies import Strategy

LEVEL = 0.999  # of all plans, so many lie within an interval, or within all intervals of one kind of batch
_STEPS = 4096


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one kind of batch drew by pair of languages, and what was to be expected.

    `drawn` (ints) and `probability` are (languages, languages), query by passage. `unit` is "batches" where a batch
    draws its languages as a whole, else "rows". `times` has for each source the draws of each row it may draw, with
    `rows` being their positions.
    """

    kind: str
    unit: str
    drawn: np.ndarray
    probability: np.ndarray
    sources: tuple[Source, ...]
    times: tuple[np.ndarray, ...]
    rows: tuple[np.ndarray, ...]


def drawn_of(plan: BatchPlan, rules: Strategy, patterns: Patterns) -> Iterator[Drawn]:
    """Look at every kind of batch of a plan, beside what its strategy makes one expect."""
    width = len(patterns.languages)
    for kind in rules.shares:
        steps = np.flatnonzero(plan.kinds == kind)
        sources, weights = sources_of(rules, kind, patterns)
        rows = tuple(source.rows() for source in sources)
        counts = np.zeros((width, width), dtype=np.int64)
        if kind == "mono" or len(sources) > 1:
            probability, times = np.zeros((width, width)), []
            first = plan.draws[steps, 0, 1:]
            np.add.at(counts, (first[:, 0], first[:, 1]), 1)
            code = first[:, 0] * width + first[:, 1]
            order = np.argsort(code, kind="stable")
            code, steps = code[order], steps[order]
            for source, weight, own in zip(sources, weights / weights.sum(), rows, strict=True):
                query, passage = source.tables[0].pairs[0].tolist()
                probability[query, passage] = weight
                start, stop = np.searchsorted(code, [query * width + passage, query * width + passage + 1])
                at = steps[start:stop]
                times.append(np.bincount(plan.draws[at, :, 0].ravel(), minlength=len(patterns.of_row))[own])
            yield Drawn(kind, "batches", counts, probability, tuple(sources), tuple(times), rows)
            continue
        total = np.zeros(len(patterns.of_row), dtype=np.int64)
        expected = np.zeros((width, width))
        for first_step in range(0, len(steps), _STEPS):
            row, query, passage = np.moveaxis(plan.draws[steps[first_step : first_step + _STEPS]], 2, 0)
            counts += np.bincount((query * width + passage).ravel(), minlength=width**2).reshape(width, width)
            total += np.bincount(row.ravel(), minlength=len(total))
            # a row of a blend is same-language or not by its place, and draws within its table
            parts = [row.ravel()] if len(sources[0].tables) == 1 else [row[query == passage], row[query != passage]]
            for table, part in zip(sources[0].tables, parts, strict=True):
                expected += table.expected(np.bincount(patterns.of_row[part], minlength=len(patterns.query)))
        probability = expected / max(1, counts.sum())
        yield Drawn(kind, "rows", counts, probability, tuple(sources), (total[rows[0]],), rows)


def interval(count: int, probability: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the central binomial interval of each probability, ints of its shape.

    >>> [int(end) for end in interval(100, np.array(0.5))]
    [34, 66]
    """
    from scipy.stats import binom

    low, high = binom.interval(level, count, np.clip(probability, 0, 1))
    return np.maximum(low, 0).astype(int), np.maximum(high, 0).astype(int)


def moving_interval(shares: np.ndarray, level: float = LEVEL) -> tuple[int, int]:
    """Ends of the central interval of the number of hits when every step has a share of its own (Poisson binomial).

    >>> moving_interval(np.full(100, 0.5)), moving_interval(np.array([0.0, 1.0, 1.0]))
    ((34, 66), (2, 2))
    """
    from scipy.signal import fftconvolve
    from scipy.stats import binom

    values, counts = np.unique(shares, return_counts=True)
    parts = [
        binom.pmf(np.arange(count + 1), count, value) for value, count in zip(values, counts.tolist(), strict=True)
    ]
    while len(parts) > 1:  # always two of about equal length, so that a long plan takes a second
        parts = [
            fftconvolve(*parts[at : at + 2]) if at + 1 < len(parts) else parts[at] for at in range(0, len(parts), 2)
        ]
    total = np.cumsum(parts[0])
    return int(np.searchsorted(total, (1 - level) / 2)), int(np.searchsorted(total, (1 + level) / 2))
