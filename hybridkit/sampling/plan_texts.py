"""The texts of a plan's draws: looked up, switched, with negatives, twins and a teacher's; exported for trainers."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.codeswitch import switcher_of
from hybridkit.sampling.plan import BatchPlan
from hybridkit.utils.files import atomic_write
from hybridkit.utils.seeds import generator

_STEPS = 4096  # looked at together, so that memory does not grow with the plan
_TRIES = (64, 4096)  # rows drawn before all are looked at
_DRAWS = 4096  # written at a time


class PlanTexts:
    """The texts of any draws of a plan, by their positions: step * batch + slot.

    The texts of a position depend on (plan, position) only: not on the order of reading, on what else is read, or on
    the number of workers. A plan of `codeswitch` has them switched, all others have those of the corpus. Cut the
    positions, not the plan: `plan[10:]` counts its positions from 0 again, so that its texts are switched anew.

    Raises:
        InputError: A plan of another corpus, or one of `codeswitch` whose lexicon has changed since.

    Example:
        >>> from hybridkit.data.rows import Row
        >>> from hybridkit.sampling import mono
        >>> rows = (Row(n, n, n, {"en": f"who is {n}"}, {"en": f"she is {n}"}, {}) for n in "ab")
        >>> corpus = ParallelCorpus.from_rows(rows)
        >>> texts = PlanTexts(mono().plan(corpus, steps=1, batch_size=2, seed=0), corpus)
        >>> {side: sorted(found) for side, found in texts(np.array([0, 1])).items()}
        {'query': ['who is a', 'who is b'], 'passage': ['she is a', 'she is b']}
    """

    def __init__(
        self,
        plan: BatchPlan,
        corpus: ParallelCorpus,
        *,
        negatives: bool = False,
        twins: bool = False,
        teacher: str = "",
    ) -> None:
        plan.check(corpus)
        self.plan, self.corpus, self.negatives = plan, corpus, negatives
        self.usable: np.ndarray | None = None  # bool (draws,): which have a negative; None where none has one
        self.twins: np.ndarray | None = None  # int16 (draws,): language of the query's twin; None where none has one
        if negatives:
            usable = usable_negatives(plan, corpus).reshape(-1)
            self.usable = usable if usable.any() else None
        if twins:
            columns = twin_languages(plan, corpus).reshape(-1)
            self.twins = columns if (columns >= 0).any() else None
        # of the rows in the language `teacher`, where it is given; they are not among those that a call returns
        self.teacher = teacher_texts(plan, corpus, teacher) if teacher else None
        switcher_of(plan)  # a lexicon that cannot be read is an error now, not when the first batch is read

    def __call__(self, positions: np.ndarray) -> dict[str, list[str]]:
        """Return the texts of positions (n,), n of each side: `query`, `passage`, `negative`, `twin`.

        `negative` and `twin` are there only if they were asked for and any draw of the plan has one. A negative that
        does not exist in the passage's language, or may not be in its batch (see `usable_negatives`), is "". A twin is
        the row's query in another language (see `twin_languages`), "" where there is none; it is never switched.
        """
        positions = np.asarray(positions, dtype=np.int64)
        flat = self.plan.draws.reshape(-1, 3)
        if len(positions) and (positions.min() < 0 or positions.max() >= len(flat)):
            raise InputError(f"positions {positions.min()} to {positions.max()}: the plan has 0 to {len(flat) - 1}")
        row, query, passage = flat[positions].T
        found = {"query": self.take("query", positions, row, query)}
        found["passage"] = self.take("passage", positions, row, passage)
        if self.usable is not None:
            has = self.usable[positions]
            texts = np.full(len(positions), "", dtype=object)
            texts[has] = self.take("negative", positions[has], row[has], passage[has])
            found["negative"] = texts.tolist()
        if self.twins is not None:
            columns = self.twins[positions]
            has = columns >= 0
            texts = np.full(len(positions), "", dtype=object)
            texts[has] = self.corpus.take_texts("query", row[has], columns[has])
            found["twin"] = texts.tolist()
        return found

    def take(
        self, side: str, positions: np.ndarray, rows: np.ndarray, columns: np.ndarray, part: str = ""
    ) -> list[str]:
        """Return texts of the corpus as they are at some positions, switched where the plan's strategy switches.

        `part` names the switching of several texts that one side has at a position.
        """
        texts = self.corpus.take_texts(side, rows, columns)
        known = switcher_of(self.plan)
        if known is None or not known[0].switches(side):
            return texts
        tags = [self.plan.languages[column] for column in columns.tolist()]
        return known[1].switch(texts, tags, positions, part or side)


def usable_negatives(plan: BatchPlan, corpus: ParallelCorpus) -> np.ndarray:
    """Return which draws have a negative in the passage's language that may be in their batch, bool (steps, batch).

    A negative may not be in a batch where it answers a row: where the rows that have its text as a passage, in any
    language (`corpus.negative_group`), are of the group of a row of the batch. In a batch every row's negative meets
    every query, so all of the batch's rows count, not only the negative's own.

    Raises InputError for a plan of another corpus.
    """
    plan.check(corpus)
    usable = np.zeros(plan.draws.shape[:2], dtype=bool)
    for first in range(0, len(plan), _STEPS):
        rows, passage = plan.draws[first : first + _STEPS, :, 0], plan.draws[first : first + _STEPS, :, 2]
        usable[first : first + _STEPS] = (corpus.positions["negative"][rows, passage] >= 0) & ~_among(
            corpus.negative_group[rows, passage], corpus.group[rows]
        )
    return usable


def twin_languages(plan: BatchPlan, corpus: ParallelCorpus) -> np.ndarray:
    """Return the language of a twin of each draw's query, int16 (steps, batch): a column of `plan.languages`.

    It is drawn uniformly among the languages other than the drawn one in which the row has a query, whether or not the
    strategy draws them; -1 for a row with its query in one language. It depends on the plan's seed, the draw and its
    position only.

    Raises InputError for a plan of another corpus.
    """
    plan.check(corpus)
    random = generator(plan.seed, "twin")
    found = np.full(plan.draws.shape[:2], -1, dtype=np.int16)
    for first in range(0, len(plan), _STEPS):
        rows, query = plan.draws[first : first + _STEPS, :, 0], plan.draws[first : first + _STEPS, :, 1]
        others = corpus.positions["query"][rows] >= 0
        np.put_along_axis(others, query[..., None].astype(np.int64), False, axis=-1)
        rank = np.cumsum(others, axis=-1, dtype=np.int16)
        drawn = (random.random(query.shape) * rank[..., -1]).astype(np.int16)  # the drawn one has so many before it
        column = np.argmax(rank > drawn[..., None], axis=-1)
        found[first : first + _STEPS] = np.where(rank[..., -1] > 0, column, -1)
    return found


@dataclass(frozen=True, eq=False)
class TeacherTexts:
    """What a teacher embeds for a plan: the texts of its rows in one language, each distinct text of a side once.

    `positions` has those of queries and of passages in the corpus's `texts`, ascending. `places` is int32 (draws, 2):
    where the query and the passage of each draw's row are among all of them, queries first; -1 for what a row does not
    have in that language. It depends on the row only, not on the languages that are drawn.
    """

    language: str
    positions: Mapping[str, np.ndarray]
    places: np.ndarray

    def __len__(self) -> int:
        """Number of texts."""
        return sum(map(len, self.positions.values()))

    def chunks(self, corpus: ParallelCorpus, size: int) -> Iterator[tuple[str, list[str]]]:
        """Yield all texts in their order, at most `size` at a time, each time with their side."""
        for side, positions in self.positions.items():
            for first in range(0, len(positions), size):
                some = pa.array(positions[first : first + size])
                yield side, corpus.texts[side, self.language].take(some).to_pylist()


def teacher_texts(plan: BatchPlan, corpus: ParallelCorpus, language: str) -> TeacherTexts:
    """Return the texts that a plan's rows have in a language, drawn or not; none for a language of no row.

    They are the rows' own texts, also where a strategy switches what it draws.

    Raises InputError for a plan of another corpus.
    """
    plan.check(corpus)
    rows = plan.draws[..., 0].reshape(-1)
    places, positions, count = np.full((len(rows), 2), -1, dtype=np.int32), {}, 0
    for number, side in enumerate(("query", "passage")):
        found = np.full(len(rows), -1, dtype=np.int32)
        if language in corpus.languages:
            found = corpus.positions[side][rows, corpus.column(language)]
        has = found >= 0
        positions[side] = np.unique(found[has])
        places[has, number] = count + np.searchsorted(positions[side], found[has])
        count += len(positions[side])
    return TeacherTexts(language, positions, places)


def _among(groups: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Whether each of `groups` (steps, n) is among the groups of its step, `batch` (steps, batch)."""
    span = max(int(batch.max(initial=0)), int(groups.max(initial=0))) + 2
    step = np.arange(len(batch), dtype=np.int64)[:, None] * span  # a range of keys for each step; no group's -1 is 0
    return np.asarray(np.isin(step + groups + 1, step + batch + 1))


def spare_passage(plan: BatchPlan, corpus: ParallelCorpus, position: int) -> str:
    """Return a random passage in a draw's language that answers no row of its batch, for a draw without a negative.

    It depends on (plan, position) only. It counts as one more in-batch negative, as easy as the others, where a format
    or a library wants a negative in every row. `position` is step * batch + slot.

    Raises InputError where the corpus has no such passage.
    """
    step, slot = divmod(position, plan.draws.shape[1])
    column = int(plan.draws[step, slot, 2])
    batch = corpus.group[plan.draws[step, :, 0]]
    random = generator(plan.seed, "spare passage", str(position))
    for tries in (*_TRIES, len(corpus)):
        rows = random.integers(len(corpus), size=tries) if tries in _TRIES else np.arange(len(corpus))
        fit = rows[(corpus.positions["passage"][rows, column] >= 0) & ~np.isin(corpus.group[rows], batch)]
        if len(fit):
            return corpus.take_texts("passage", random.choice(fit, 1), np.array([column]))[0]
    raise InputError(
        f"step {step}: every passage in {plan.languages[column]!r} belongs to a row of the batch, so that none can be "
        "a negative; make batches smaller or add rows"
    )


def export_plan(plan: BatchPlan, corpus: ParallelCorpus, path: str | Path, form: str) -> int:
    """Write every draw of a plan as a line of JSON for another trainer, and return their number.

    `form` is "flagembedding", `{"query": str, "pos": [str], "neg": [str]}`, or "tevatron", `{"query_id": str, "query":
    str, "positive_passages": [{"docid", "text"}], "negative_passages": [...]}`. Texts are those that the plan trains
    on, byte for byte. There is no title, which tevatron would put before the text, an empty one too. Ids are the row's
    and the passage's, a colon and the language; those of negatives end in `:negative` or `:random`.

    Prompts are not in the texts, because both trainers add theirs: tevatron by `--query_prefix` and `--passage_prefix`,
    FlagEmbedding by `--query_instruction_for_retrieval` and `--passage_instruction_for_retrieval` with their formats
    left at "{}{}".

    Both trainers want a negative in every line as soon as their `train_group_size` is above 1. It is the row's own hard
    negative where that may be in the batch (`usable_negatives`), else a random passage that answers no row of the
    batch, as FlagEmbedding's guide advises. Both shuffle lines and make batches of their own: they keep a batch of the
    plan only where their loader reads in order, with the plan's batch size over all processes.

    Raises InputError for an unknown form, a file that its trainer would skip, and a plan of another corpus.
    """
    check_export(form, path)
    with atomic_write(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
        count = 0
        for draw in draws(plan, corpus):
            file.write(json.dumps(FORMS[form](draw), ensure_ascii=False) + "\n")
            count += 1
    return count


def check_export(form: str, path: str | Path) -> None:
    """Raise InputError for an unknown form, and for the name of a file that its trainer would silently skip."""
    if form not in FORMS:
        raise InputError(f"export {form!r}: no such form; there are {', '.join(FORMS)}")
    if form == "flagembedding" and not str(path).endswith((".json", ".jsonl")):
        raise InputError(f"export {form}: {path}: FlagEmbedding reads files *.json and *.jsonl only; name it so")


def draws(plan: BatchPlan, corpus: ParallelCorpus) -> Iterator[dict[str, str]]:
    """Yield every draw in order: `query`, `passage`, `negative`, and the `query_id`, `passage_id`, `negative_id`."""
    texts, flat = PlanTexts(plan, corpus, negatives=True), plan.draws.reshape(-1, 3)
    for first in range(0, len(flat), _DRAWS):
        positions = np.arange(first, min(first + _DRAWS, len(flat)))
        found = texts(positions)
        row, query, passage = flat[positions].T
        own = found.get("negative", [""] * len(positions))
        ids = zip(corpus.ids[row], corpus.passage_ids[row], query.tolist(), passage.tolist(), strict=True)
        for slot, (row_id, passage_id, query, passage) in enumerate(ids):
            tag = plan.languages[passage]
            yield {
                "query": found["query"][slot],
                "passage": found["passage"][slot],
                "negative": own[slot] or spare_passage(plan, corpus, first + slot),
                "query_id": f"{row_id}:{plan.languages[query]}",
                "passage_id": f"{passage_id}:{tag}",
                "negative_id": f"{row_id}:{tag}:negative" if own[slot] else f"{first + slot}:{tag}:random",
            }


def _flagembedding(draw: dict[str, str]) -> dict[str, Any]:
    return {"query": draw["query"], "pos": [draw["passage"]], "neg": [draw["negative"]]}


def _tevatron(draw: dict[str, str]) -> dict[str, Any]:
    positive, negative = ([{"docid": draw[f"{side}_id"], "text": draw[side]}] for side in ("passage", "negative"))
    return {
        "query_id": draw["query_id"],
        "query": draw["query"],
        "positive_passages": positive,
        "negative_passages": negative,
    }


FORMS: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {"flagembedding": _flagembedding, "tevatron": _tevatron}
