"""PlanTexts: the texts of a plan's draws, looked up and code-switched when a batch is read."""

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.codeswitch import switcher_of
from hybridkit.sampling.plan import BatchPlan


class PlanTexts:
    """Gives the texts of any draws of a plan, by their positions: step * batch + slot.

    The texts of a position depend on (plan, position) only: not on the order of reading, on what else is read, or on
    the number of workers. A plan of `codeswitch` has them switched, everything else is as it stands in the corpus. Cut
    the positions, not the plan: `plan[10:]` counts its positions from 0 again, so that its texts are switched anew.

    Raises InputError for a plan of another corpus, and for one of `codeswitch` whose lexicon has changed since.

    >>> from hybridkit.rows import Row
    >>> from hybridkit.sampling import mono
    >>> corpus = ParallelCorpus.from_rows(Row(n, n, n, {"en": f"who is {n}"}, {"en": f"she is {n}"}, {}) for n in "ab")
    >>> texts = PlanTexts(mono().plan(corpus, steps=1, batch_size=2, seed=0), corpus)
    >>> {side: sorted(found) for side, found in texts(np.array([0, 1])).items()}
    {'query': ['who is a', 'who is b'], 'passage': ['she is a', 'she is b']}
    """

    def __init__(self, plan: BatchPlan, corpus: ParallelCorpus, *, negatives: bool = False) -> None:
        plan.check(corpus)
        self.plan, self.corpus, self.negatives = plan, corpus, negatives
        self.usable: np.ndarray | None = None  # bool (draws,): which have a negative; None where none has one
        if negatives:
            from hybridkit.sampling.negatives import usable_negatives

            usable = usable_negatives(plan, corpus).reshape(-1)
            self.usable = usable if usable.any() else None
        switcher_of(plan)  # a lexicon that cannot be read is an error now, not when the first batch is read

    def __call__(self, positions: np.ndarray) -> dict[str, list[str]]:
        """Texts of the positions (n,), n of each side: `query`, `passage`, and `negative` where any draw has one.

        Negatives are given where they were asked for; one that does not exist in the passage's language, or may not
        stand in its batch (`negatives.usable_negatives`), is "".
        """
        positions = np.asarray(positions, dtype=np.int64)
        flat = self.plan.draws.reshape(-1, 3)
        if len(positions) and (positions.min() < 0 or positions.max() >= len(flat)):
            raise InputError(f"positions {positions.min()} to {positions.max()}: the plan has 0 to {len(flat) - 1}")
        row, query, passage = flat[positions].T
        found = {"query": self._texts("query", positions, row, query)}
        found["passage"] = self._texts("passage", positions, row, passage)
        if self.usable is not None:
            has = self.usable[positions]
            texts = np.full(len(positions), "", dtype=object)
            texts[has] = self._texts("negative", positions[has], row[has], passage[has])
            found["negative"] = texts.tolist()
        return found

    def _texts(self, side: str, positions: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[str]:
        texts = self.corpus.take_texts(side, rows, columns)
        known = switcher_of(self.plan)
        if known is None or not known[0].switches(side):
            return texts
        return known[1].switch(texts, [self.plan.languages[column] for column in columns.tolist()], positions, side)
