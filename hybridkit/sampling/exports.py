"""A plan's rows for other trainers: JSON lines as FlagEmbedding and tevatron read them, in the order of the plan."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.files import atomic_write
from hybridkit.sampling.negatives import spare_passage
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.texts import PlanTexts

_DRAWS = 4096  # written at a time


def export_plan(plan: BatchPlan, corpus: ParallelCorpus, path: str | Path, form: str) -> int:
    """Write every draw of a plan as a line of JSON for another trainer, and return their number.

    `form` is "flagembedding", `{"query": str, "pos": [str], "neg": [str]}`, or "tevatron", `{"query_id": str, "query":
    str, "positive_passages": [{"docid", "text"}], "negative_passages": [...]}`. Texts are those that the plan trains
    on, byte for byte, switched where it is one of `codeswitch`. There is no title: tevatron puts title, a space and
    text together wherever it finds one, an empty one too. Ids are the row's and the passage's, a colon and the
    language; `:negative` or `:random` behind them tells a negative's from every passage's.

    Prompts are not in the texts, for both trainers put theirs before them: tevatron by `--query_prefix` and
    `--passage_prefix`, FlagEmbedding by `--query_instruction_for_retrieval` and `--passage_instruction_for_retrieval`
    with their formats left at "{}{}".

    Both trainers want a negative in every line as soon as their `train_group_size` is above 1. It is the row's own hard
    negative where that may stand in the batch (`negatives.usable_negatives`), else a random passage that answers no row
    of the batch, as FlagEmbedding's guide advises. Both shuffle lines and make batches of their own: a batch of the
    plan meets as one only where their loader reads in order, with the plan's batch size over all processes.

    Raises InputError for an unknown form, a file that its trainer would pass over, and a plan of another corpus.
    """
    check_export(form, path)
    with atomic_write(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
        count = 0
        for draw in draws(plan, corpus):
            file.write(json.dumps(FORMS[form](draw), ensure_ascii=False) + "\n")
            count += 1
    return count


def check_export(form: str, path: str | Path) -> None:
    """Raise InputError for an unknown form, and for the name of a file that its trainer would pass over unsaid."""
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
        for slot, (ident, passage_id, asked, answer) in enumerate(ids):
            tag = plan.languages[answer]
            yield {
                "query": found["query"][slot], "passage": found["passage"][slot],
                "negative": own[slot] or spare_passage(plan, corpus, first + slot),
                "query_id": f"{ident}:{plan.languages[asked]}", "passage_id": f"{passage_id}:{tag}",
                "negative_id": f"{ident}:{tag}:negative" if own[slot] else f"{first + slot}:{tag}:random",
            }  # fmt: skip


def _flagembedding(draw: dict[str, str]) -> dict[str, Any]:
    return {"query": draw["query"], "pos": [draw["passage"]], "neg": [draw["negative"]]}


def _tevatron(draw: dict[str, str]) -> dict[str, Any]:
    positive, negative = ([{"docid": draw[f"{side}_id"], "text": draw[side]}] for side in ("passage", "negative"))
    return {
        "query_id": draw["query_id"], "query": draw["query"], "positive_passages": positive,
        "negative_passages": negative,
    }  # fmt: skip


FORMS: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {"flagembedding": _flagembedding, "tevatron": _tevatron}
