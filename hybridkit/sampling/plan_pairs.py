"""The pairs of a plan's draws for a re-ranker: a query with the passage that answers it, and with some that do not."""

from functools import cached_property
from typing import Any

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.numbers import COUNT, check_choice
from hybridkit.utils.seeds import generator

NEGATIVES = ("own", "mined", "random")
RATIO = 4  # negatives of a positive: that of the paper's repository, which is sentence-transformers' for MS MARCO
_SPARE = 12  # rows drawn beside those that are wanted, before all are looked at
_DRAWS = 1 << 16  # looked at together


class PlanPairs:
    """The pairs of any draws of a plan, by their positions: step * batch + slot.

    A draw has its query and a list of passages: first the one that answers it, then `ratio` negatives in that passage's
    language. With "own" and "mined" the first of them is the row's hard negative ("mined" says that `mine_negatives`
    put it there) where it exists in that language and does not answer the row; all others are passages of random rows.
    None answers a query of the row's group (`ParallelCorpus.group`), so that no twin and no copy of the answer in
    another language is among them; no two of a draw are the same text. The pairs of a position depend on (plan,
    position) only. A plan of `codeswitch` has its texts switched; negatives are switched as passages are.

    Raises:
        InputError: Another word for negatives, a ratio below 1; "own" or "mined" where no draw has a hard negative; too
            few groups of rows for so many negatives; and as `PlanTexts`.

    Source:
        arXiv 2305.05295, whose repository trains on pairs with labels, one positive to four negatives.

    Example:
        >>> from hybridkit.data.rows import Row
        >>> from hybridkit.sampling import mono
        >>> rows = (Row(n, n, n, {"en": f"who is {n}"}, {"en": f"she is {n}"}, {}) for n in "abc")
        >>> corpus = ParallelCorpus.from_rows(rows)
        >>> pairs = PlanPairs(mono().plan(corpus, steps=1, batch_size=2, seed=0), corpus, "random", ratio=2)
        >>> found = pairs(np.array([0]))
        >>> ((own, *others),) = found["passages"]
        >>> found["query"], own, sorted(others), found["labels"]
        (['who is c'], 'she is c', ['she is a', 'she is b'], [[1.0, 0.0, 0.0]])
    """

    def __init__(self, plan: BatchPlan, corpus: ParallelCorpus, negatives: str = "own", ratio: int = RATIO) -> None:
        check_choice(negatives, NEGATIVES, "negatives")
        COUNT.check(ratio, "ratio, the number of negatives of a positive,")
        self._texts = PlanTexts(plan, corpus)
        self.plan, self.corpus, self.negatives, self.ratio = plan, corpus, negatives, ratio
        self.hard = np.zeros(plan.draws.shape[0] * plan.draws.shape[1], dtype=bool)
        """Which draws have a hard negative among their negatives, bool (draws,)."""
        if negatives != "random":
            self._look_for_hard()
        for column in np.unique(plan.draws[..., 2]).tolist():
            groups = len(np.unique(corpus.group[self._rows[column]]))
            if groups <= ratio:
                raise InputError(
                    f"ratio {ratio}: in {plan.languages[column]!r} the rows have {groups} groups of passages, so that "
                    f"a query has at most {groups - 1} passages that do not answer it; lower the ratio or add rows"
                )

    def _look_for_hard(self) -> None:
        plan, corpus = self.plan, self.corpus
        flat = plan.draws.reshape(-1, 3)
        for first in range(0, len(flat), _DRAWS):
            row, _, column = flat[first : first + _DRAWS].T
            there = corpus.positions["negative"][row, column] >= 0
            there &= corpus.negative_group[row, column] != corpus.group[row]
            self.hard[first : first + _DRAWS] = there
        if not self.hard.any():
            raise InputError(
                f"the plan of {plan.strategy}: no draw has a hard negative; mine some (`hybridkit train --negatives "
                "mined`, mine_negatives in Python) or take random ones"
            )

    def __call__(self, positions: np.ndarray) -> dict[str, list[Any]]:
        """Return `query` (n texts), `passages` (n lists of 1 + ratio texts, the answer first), `labels` (1 and 0)."""
        positions = np.asarray(positions, dtype=np.int64)
        found = self._texts(positions)
        row, _, column = self.plan.draws.reshape(-1, 3)[positions].T
        passages = [[text] for text in found["passage"]]
        hard = self.hard[positions]
        own = np.flatnonzero(hard)
        texts = self._texts.take("negative", positions[own], row[own], column[own])
        for slot, text in zip(own.tolist(), texts, strict=True):
            passages[slot].append(text)
        others = self._random(positions, row, column, hard)
        for nth in range(self.ratio):
            at = np.flatnonzero(others[:, nth] >= 0)
            texts = self._texts.take("passage", positions[at], others[at, nth], column[at], f"negative {nth}")
            for slot, text in zip(at.tolist(), texts, strict=True):
                passages[slot].append(text)
        labels = [1.0] + [0.0] * self.ratio
        return {"query": found["query"], "passages": passages, "labels": [list(labels) for _ in passages]}

    @cached_property
    def _rows(self) -> dict[int, np.ndarray]:
        """By column the rows that have a passage there, those of drawn passage languages."""
        columns = np.unique(self.plan.draws[..., 2]).tolist()
        return {column: np.flatnonzero(self.corpus.has_passage[:, column]) for column in columns}

    def _random(self, positions: np.ndarray, row: np.ndarray, column: np.ndarray, hard: np.ndarray) -> np.ndarray:
        """Rows whose passages are the random negatives of positions (n,): int64 (n, ratio), -1 for none behind them."""
        found = np.full((len(positions), self.ratio), -1, dtype=np.int64)
        for nth, position in enumerate(positions.tolist()):
            rows, wanted = self._rows[int(column[nth])], self.ratio - int(hard[nth])
            taken = {int(self.corpus.group[row[nth]])}
            if hard[nth]:  # -1, where its text is no passage, is the group of none
                taken.add(int(self.corpus.negative_group[row[nth], column[nth]]))
            random = generator(self.plan.seed, "pair negatives", str(position))
            chosen = self._of_other_groups(rows[random.integers(len(rows), size=wanted + _SPARE)], taken, wanted)
            if len(chosen) < wanted:
                chosen += self._of_other_groups(random.permutation(rows), taken, wanted - len(chosen))
            found[nth, : len(chosen)] = chosen
        return found

    def _of_other_groups(self, rows: np.ndarray, taken: set[int], count: int) -> list[int]:
        """The first `count` of some rows with a group each that is not taken; their groups are taken then."""
        chosen: list[int] = []
        for row, group in zip(rows.tolist(), self.corpus.group[rows].tolist(), strict=True):
            if len(chosen) == count:
                break
            if group not in taken:
                taken.add(group)
                chosen.append(row)
        return chosen
