"""Checks of a batch plan before anything is trained on it: no twins, the strategy's rules, chances, repeats, cuts.

What a strategy is expected to draw comes with exact intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import normalise
from hybridkit.sampling.language_pairs import Patterns
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.planning import Source, sources_of
from hybridkit.sampling.strategies import Strategy, unwrapped

LEVEL = 0.999  # of all plans, so many lie within an interval, or within all intervals of one kind of batch
_STEPS_COUNTED = 4096
_TEXTS, _ROWS, _STEPS = 1000, 2000, 4096  # texts a side, rows of whole batches, and steps looked at at a time
_CUT = 0.1  # share of texts that may be cut before the check fails
# Texts and their side to the number of tokens of each, and the number that is read.
TextLengths: TypeAlias = Callable[[list[str], str], tuple[np.ndarray, int]]
Check = tuple[str, Any, str, bool]


@dataclass(frozen=True, eq=False)
class PlanReport:
    """The result of `check_plan`.

    `checks` has check, value, expected (in words) and ok; `languages` what `plots.plan_languages` draws: strategy,
    kind, side ("query", "passage", or "both" where they are the same), language, share (0 to 1), low and high, between
    which the shares of all languages of a kind and side lie in 99.9 % of plans.
    """

    title: str
    checks: pd.DataFrame
    languages: pd.DataFrame

    @property
    def ok(self) -> bool:
        """Whether every check is as expected."""
        return bool(self.checks["ok"].all())

    @property
    def text(self) -> str:
        """The report, one line a check."""
        wrong = int((~self.checks["ok"]).sum())
        end = "every check is as expected" if self.ok else f"{wrong} of {len(self.checks)} checks: LOOK"
        lines = [
            f"  {'ok  ' if ok else 'LOOK'} {check}: {_number(value)} ({expected})"
            for check, value, expected, ok in self.checks.itertuples(index=False)
        ]
        return "\n".join([f"{self.title}: {end}", *lines])


def check_plan(
    plan: BatchPlan, corpus: ParallelCorpus, strategy: Strategy | None = None, lengths: TextLengths | None = None
) -> PlanReport:
    """Return a report on a whole plan: twins in a batch, the strategy's rules, chances, repeats, texts that are cut.

    Chances are compared with exact intervals that 99.9 % of plans lie within.

    Args:
        plan: The plan.
        corpus: The corpus that it was made of.
        strategy: Its strategy; by default the one that the plan names.
        lengths: Counts tokens, see `models.embedding.text_lengths`: with it the texts of 1,000 draws are looked at, and
            those counted that are longer than the encoder reads.

    Raises:
        InputError: The plan was made of another corpus.
    """
    from hybridkit.sampling.parsing import parse

    plan.check(corpus)
    rules = unwrapped(strategy or parse(plan.strategy))
    patterns = Patterns.of(corpus)
    kinds = list(drawn_of(plan, rules, patterns))
    found = [*_apart(plan, corpus), *_shares(plan, rules), *_by_kind(plan, rules)]
    for one in kinds:
        found += [_matrix(one, corpus.languages), *_repeats(one, corpus)]
    if lengths is not None:
        found += _cut_texts(plan, corpus, lengths)
    frame = pd.DataFrame(found, columns=["check", "value", "expected", "ok"]).astype({"value": object, "ok": bool})
    title = f"Plan of {plan.strategy}, seed {plan.seed}, {len(plan):,} batches of {plan.draws.shape[1]}"
    sides = [line for one in kinds for line in _languages(one, plan.strategy, corpus.languages)]
    columns = ["strategy", "kind", "side", "language", "share", "low", "high"]
    return PlanReport(title, frame, pd.DataFrame(sides, columns=columns))


def _apart(plan: BatchPlan, corpus: ParallelCorpus) -> list[Check]:
    """Rows that may not be in one batch, by group in all batches, and by their texts in some."""
    met = absent = 0
    for first in range(0, len(plan), _STEPS):
        row, query, passage = np.moveaxis(plan.draws[first : first + _STEPS], 2, 0)
        met += int((np.diff(np.sort(corpus.group[row], axis=1), axis=1) == 0).any(axis=1).sum())
        for side, column in (("query", query), ("passage", passage)):
            absent += int((corpus.positions[side][row, column] < 0).sum())
    count = min(len(plan), max(1, _ROWS // plan.draws.shape[1]))
    steps = np.unique(np.linspace(0, len(plan) - 1, count).astype(int))
    equal = sum(_share_text(corpus, plan.draws[step, :, 0]) for step in steps)
    return [
        ("batches with twins, a shared passage or an equal text", met, "0", met == 0),
        (f"batches with an equal normalised text, of {len(steps)} that were read", equal, "0", equal == 0),
        ("draws of a text that does not exist", absent, "0", absent == 0),
    ]


def _share_text(corpus: ParallelCorpus, rows: np.ndarray) -> bool:
    """Whether two of the rows share a passage id, or a text of one side in any language."""
    if len(set(corpus.passage_ids[rows])) < len(rows):
        return True
    for side in ("query", "passage"):
        at, column = np.nonzero(corpus.positions[side][rows] >= 0)
        texts = [normalise(text) for text in corpus.take_texts(side, rows[at], column)]
        if len(set(texts)) < len(set(zip(texts, at.tolist(), strict=True))):
            return True
    return False


def _shares(plan: BatchPlan, rules: Strategy) -> list[Check]:
    """Number of batches of each kind; of a blend, the same-language rows, of which every batch has alpha's share."""
    if (share_of_rows := rules.same_share(len(plan))) is not None:
        same = (plan.draws[..., 1] == plan.draws[..., 2]).sum(axis=1)
        off = int((np.abs(same - share_of_rows * plan.draws.shape[1]) >= 1).sum())
        return [("batches whose share of same-language rows is a row or more from alpha", off, "0", off == 0)]
    shares = rules.shares_at(len(plan))
    found: list[Check] = []
    for number, kind in enumerate(rules.shares):
        share, count = shares[:, number], int((plan.kinds == kind).sum())
        if rules.stratified:
            low, high = whole_ends(share.sum()) if number else whole_ends(share.sum(), exact=True)
        elif np.ptp(share) == 0:
            low, high = (int(end) for end in interval(len(plan), share[0]))
        else:
            low, high = moving_interval(share)
        expected = f"{low:,} to {high:,} of {len(plan):,}, mean {share.sum():,.1f}" if low < high else f"{low:,}"
        found.append((f"{kind} batches", count, expected, low <= count <= high))
    return found


def _by_kind(plan: BatchPlan, rules: Strategy) -> list[Check]:
    """Batches that break the rule of their kind."""
    query, passage = plan.draws[..., 1], plan.draws[..., 2]
    same, kinds = query == passage, plan.kinds
    one = (query == query[:, :1]).all(axis=1) & (passage == passage[:, :1]).all(axis=1)
    good = np.select(
        [kinds == "mono", kinds == "mixed", kinds == "cross"],
        [one & same.all(axis=1), same.all(axis=1), ~same.any(axis=1)],
        default=True,
    )
    if getattr(rules, "pairs", "all") == "one":
        good &= one | (kinds != "cross")
    wrong = int((~good).sum() + (~np.isin(kinds.astype(str), list(rules.shares))).sum())
    return [("batches against the rule of their kind", wrong, "0", wrong == 0)]


def _matrix(one: Drawn, tags: tuple[str, ...]) -> Check:
    """The pairs of languages drawn: those that lie outside of their interval."""
    pairs = max(1, int(np.count_nonzero(one.probability)))
    low, high = one.interval(one.probability)
    outside = [
        f"{tags[a] if a == b else f'{tags[a]}-{tags[b]}'} {one.drawn[a, b]:,} ({low[a, b]:,} to {high[a, b]:,})"
        for a, b in np.argwhere((one.drawn < low) | (one.drawn > high)).tolist()
    ]
    value = ", ".join(outside[:3]) + (f" and {len(outside) - 3} more" if len(outside) > 3 else "")
    what = "languages" if one.kind in ("mono", "mixed") else "pairs of languages"
    check = f"{what} of {one.kind} batches drawn more or less often than by chance"
    return check, value or "none", f"none of {pairs}, counted in {one.unit}", not outside


def _repeats(one: Drawn, corpus: ParallelCorpus) -> list[Check]:
    """How often rows are drawn; those that no other row keeps waiting, equally often."""
    if not one.drawn.sum():
        return []
    means = [float(times.mean()) for times in one.times]
    what = f"draws of a row in {one.kind} batches"
    span = f"{min(means):.2f} to {max(means):.2f}" if len(means) > 1 else f"{means[0]:.2f}"
    by = {"mono": "by language, ", "cross": "by pair, "}.get(one.kind, "") if len(means) > 1 else ""
    fewest, most = min(int(times.min()) for times in one.times), max(int(times.max()) for times in one.times)
    spread, behind, allowed = 0, 0, 1
    for source, rows, times in zip(one.sources, one.rows, one.times, strict=True):
        group, share = corpus.group[rows], source.shares()
        alone, same = np.bincount(group)[group] == 1, np.zeros(len(rows)) if share is None else share
        allowed = 1 if share is None else 2  # a row that is in some of the epochs only is early or late in one
        for one_share in np.unique(same[alone]):
            mates = same == one_share
            spread = max(spread, int(np.ptp(times[alone & mates])))
            behind += int((times[mates] < times[alone & mates].min()).sum())
    mates_of = "rows that share nothing" + " and are in equally many languages" * (allowed > 1)
    note = f"{by}mean {span}" + (f"; {behind:,} rows fall behind, others of their group being drawn" if behind else "")
    return [
        (what, f"{fewest:,} to {most:,}", note, True),
        (f"{what}, the largest difference", spread, f"at most {allowed} between {mates_of}", spread <= allowed),
    ]


def _cut_texts(plan: BatchPlan, corpus: ParallelCorpus, measure: TextLengths) -> list[Check]:
    """The share of texts, as they will be read, that are longer than the encoder will see."""
    from hybridkit.sampling.plan_texts import PlanTexts

    count = plan.draws.shape[0] * plan.draws.shape[1]
    texts = PlanTexts(plan, corpus)(np.unique(np.linspace(0, count - 1, min(count, _TEXTS)).astype(np.int64)))
    found: list[Check] = []
    for side in ("query", "passage"):
        lengths, longest = measure(texts[side], side)
        share = float((lengths > longest).mean())
        expected = f"share of {len(lengths):,}, cut at {longest} tokens; at most {_CUT:g}"
        found.append((f"{side} texts that are cut", share, expected, share <= _CUT))
    return found


def _languages(
    one: Drawn, strategy: str, tags: tuple[str, ...]
) -> list[tuple[str, str, str, str, float, float, float]]:
    """Lines of the figure's frame."""
    total, found = int(one.drawn.sum()), []
    if not total:
        return []
    sides = [("both", 0)] if one.kind in ("mono", "mixed") else [("query", 1), ("passage", 0)]
    for side, axis in sides:
        share = one.probability.sum(axis=axis)
        low, high = one.interval(share)
        drawn = one.drawn.sum(axis=axis)
        for tag, here, a, b, chance in zip(tags, drawn, low, high, share, strict=True):
            if here or chance > 0:
                found.append((strategy, one.kind, side, tag, here / total, a / total, b / total))
    return found


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one kind of batch drew by pair of languages, and what is expected.

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
    stratified: bool = False

    def interval(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends that 99.9 % of plans lie between, or all where they are stratified, ints of the shape."""
        total = int(self.drawn.sum())
        if self.stratified:
            return whole_ends(total * probability)
        return interval(total, probability, 1 - (1 - LEVEL) / max(1, int(np.count_nonzero(probability))))


def drawn_of(plan: BatchPlan, rules: Strategy, patterns: Patterns) -> Iterator[Drawn]:
    """Count what every kind of batch of a plan drew, beside what its strategy leads to."""
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
            yield Drawn(kind, "batches", counts, probability, tuple(sources), tuple(times), rows, rules.stratified)
            continue
        total = np.zeros(len(patterns.of_row), dtype=np.int64)
        expected = np.zeros((width, width))
        for first_step in range(0, len(steps), _STEPS_COUNTED):
            row, query, passage = np.moveaxis(plan.draws[steps[first_step : first_step + _STEPS_COUNTED]], 2, 0)
            counts += np.bincount((query * width + passage).ravel(), minlength=width**2).reshape(width, width)
            total += np.bincount(row.ravel(), minlength=len(total))
            # a row of a blend is same-language or not by its slot, and draws within its table
            by_table = [row.ravel()] if len(sources[0].tables) == 1 else [row[query == passage], row[query != passage]]
            for table, rows_of in zip(sources[0].tables, by_table, strict=True):
                expected += table.expected(np.bincount(patterns.of_row[rows_of], minlength=len(patterns.query)))
        probability = expected / max(1, counts.sum())
        yield Drawn(kind, "rows", counts, probability, tuple(sources), (total[rows[0]],), rows)


def whole_ends(expected: np.ndarray, exact: bool = False) -> tuple[Any, Any]:
    """Return the whole numbers that stratified draws are between, given what is expected of each; `exact` rounds.

    >>> [ends.tolist() for ends in whole_ends(np.array([2.0, 2.4]))]
    [[2, 2], [2, 3]]
    """
    expected = np.round(expected, 6)  # sums of shares
    if exact:
        return (nearest := np.floor(expected + 0.5).astype(int)), nearest
    return np.floor(expected).astype(int), np.ceil(expected).astype(int)


def interval(count: int, probability: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the central binomial interval of each probability, ints of its shape.

    >>> [int(end) for end in interval(100, np.array(0.5))]
    [34, 66]
    """
    from scipy.stats import binom

    low, high = binom.interval(level, count, np.clip(probability, 0, 1))
    return np.maximum(low, 0).astype(int), np.maximum(high, 0).astype(int)


def moving_interval(shares: np.ndarray, level: float = LEVEL) -> tuple[int, int]:
    """Return the ends of the central interval of hits when every step has a share of its own (Poisson binomial).

    >>> moving_interval(np.full(100, 0.5)), moving_interval(np.array([0.0, 1.0, 1.0]))
    ((34, 66), (2, 2))
    """
    from scipy.signal import fftconvolve
    from scipy.stats import binom

    values, counts = np.unique(shares, return_counts=True)
    sums = [binom.pmf(np.arange(count + 1), count, value) for value, count in zip(values, counts.tolist(), strict=True)]
    while len(sums) > 1:  # always two of about equal length, so that a long plan takes a second
        sums = [fftconvolve(*sums[at : at + 2]) if at + 1 < len(sums) else sums[at] for at in range(0, len(sums), 2)]
    total = np.cumsum(sums[0])
    return int(np.searchsorted(total, (1 - level) / 2)), int(np.searchsorted(total, (1 + level) / 2))
