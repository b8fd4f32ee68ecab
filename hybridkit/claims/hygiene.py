"""Which data sets are parts of one collection: what "no sample, from training or test splits" is decided by."""

from typing import TYPE_CHECKING

from hybridkit.naming import split_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from hybridkit.corpus import ParallelCorpus

# Collections by data set of the registry, each by its origin there; what is made up or of one's own has none in common.
_COLLECTIONS = {
    "atlas": "atlas", "mlqa": "MLQA", "mlqa-test": "MLQA", "mlqa-r": "MLQA", "mlqa-r-paragraphs": "MLQA",
    "xquad-r": "SQuAD", "xquad-r-paragraphs": "SQuAD", "squad2-fi-en": "SQuAD", "squad-translate-train": "SQuAD",
    "miracl": "MIRACL", "miracl-train": "MIRACL", "mr-tydi": "TyDi QA", "tydi-goldp": "TyDi QA",
}  # fmt: skip
# What encoders were fine-tuned on for retrieval by their authors, as far as it is of a collection above.
# e5-small: model card of intfloat/multilingual-e5-small, "supervised fine-tuning"; arXiv 2402.05672.
_MET = {"e5-small": ("SQuAD", "TyDi QA", "MIRACL"), "intfloat/multilingual-e5-small": ("SQuAD", "TyDi QA", "MIRACL")}


def collection(name: str) -> str:
    """The collection that a data set is a part of; "" for one that is not known to be part of any.

    >>> collection("xquad-r[16:]"), collection("squad2-fi-en"), collection("mine.jsonl")
    ('SQuAD', 'SQuAD', '')
    """
    return _COLLECTIONS.get(split_name(name)[0], "")


def relatives(benchmark: str, files: tuple[str, ...], encoder: str) -> tuple[str, ...]:
    """Training files, and the encoder's own fine-tuning, that are of the collection of a benchmark.

    >>> relatives("mlqa-r", ("mlqa-test", "xnli-entailment"), "e5-small")
    ('mlqa-test',)
    >>> relatives("xquad-r", ("mlqa-test",), "e5-small")
    ('the fine-tuning of e5-small',)
    """
    own = collection(benchmark)
    if benchmark.startswith("held-out"):
        return files
    found = [name for name in files if own and collection(name) == own]
    return tuple(found + [f"the fine-tuning of {encoder}"] * (own in _MET.get(encoder, ())))


def left(leaks: "pd.DataFrame", benchmark: str, corpora: "Sequence[ParallelCorpus]") -> int:
    """How many rows that hold a text of a benchmark are among some corpora nevertheless; 0 once they were dropped.

    `leaks` has the columns id and benchmark, as `leakage.find_leaks` makes them; `benchmark` is the name that it has
    there.
    """
    hit = set(leaks.loc[leaks["benchmark"] == benchmark, "id"])
    chunks = (chunk for corpus in corpora for chunk in corpus.ids.chunks()) if hit else ()
    return sum(name in hit for chunk in chunks for name in chunk.to_pylist())
