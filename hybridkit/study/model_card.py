"""The card of a trained model, in Markdown with the front matter that the hub reads."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.sources.registry import DATA_SETS
from hybridkit.models.encoder import ALIASES
from hybridkit.utils.naming import split_name, stem_of

_TEMPLATE = """---
{{ card_data }}
---

# {{ encoder }}, trained on {{ strategy }} batches

{{ origin }}

{{ use }}
## Training

{{ settings }}
{{ sources }}
{{ scores }}"""
TAGS = ["sentence-transformers", "hybridkit", "multilingual", "retrieval"]
HERE = "path/of/this/folder"  # what a card says until the model has a name on the hub
_UNKNOWN = "not known to the kit"
_OF_ENCODERS = {  # licences, as their cards on the hub say
    "FacebookAI/xlm-roberta-base": "MIT",
    "intfloat/multilingual-e5-small": "MIT",
    "sentence-transformers/LaBSE": "Apache-2.0",
    "use-multilingual": "Apache-2.0",
}
# Data sets of the hub that rows of the kit are made from.
_ON_THE_HUB = {
    "miracl-train": "miracl/miracl",
    "mlqa": "facebook/mlqa",
    "mlqa-test": "facebook/mlqa",
    "mmarco": "unicamp-dl/mmarco",
    "mr-tydi": "castorini/mr-tydi",
    "xnli": "facebook/xnli",
    "xnli-15way": "facebook/xnli",
    "xnli-entailment": "facebook/xnli",
}
_METRICS = {"AP": "map", "RR": "mrr", "RR@10": "mrr_at_10", "R@1": "recall_at_1", "R@10": "recall_at_10"}
_METRICS |= {"nDCG@10": "ndcg_at_10", "rank_distance": "rank_distance"}  # as sentence-transformers names them


class Source(NamedTuple):
    """What a model was made from: "encoder" or "rows", its name, its licence, and its name on the hub ("" if none)."""

    what: str
    name: str
    licence: str
    hub: str


def sources(encoder: str, files: Sequence[str]) -> list[Source]:
    """Return what a model is made from, with licences: the encoder at the start and the rows.

    >>> [one.licence for one in sources("e5-small", ["mlqa-test", "mine.jsonl"])]
    ['MIT', 'CC BY-SA 3.0', 'not known to the kit']
    """
    found = []
    if encoder != "static":  # made from scratch
        name = shown(ALIASES.get(encoder, encoder))
        found.append(Source("encoder", name, _OF_ENCODERS.get(name, _UNKNOWN), name if "/" in name else ""))
    for file in dict.fromkeys(files):
        base = split_name(file)[0]
        if base in DATA_SETS:
            found.append(Source("rows", base, DATA_SETS[base].licence, _ON_THE_HUB.get(base, "")))
        else:
            found.append(Source("rows", stem_of(base), _UNKNOWN, ""))
    return found


def shown(encoder: str) -> str:
    """Return the name of a model that others can know: of a folder its own name."""
    return Path(encoder).expanduser().resolve().name if Path(encoder).expanduser().exists() else encoder


def use_section(name: str) -> str:
    """Return the section of a card that shows how a model is used; `name` is its folder or its name on the hub."""
    return (
        "## Use\n\n```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        f'model = SentenceTransformer("{name}")\n'
        'queries = model.encode_query(["Where does the Nile end?"])\n'
        'passages = model.encode_document(["Der Nil mündet ins Mittelmeer.", "El Niño es un fenómeno climático."])\n'
        "print(model.similarity(queries, passages))\n```\n\n"
        "`encode_query` and `encode_document` put the model's own prompts before the texts.\n"
    )


def finished(text: str, name: str, model: str, made_from: Sequence[Source], scores: pd.DataFrame) -> str:
    """Return the card of a model for the hub: the card that training wrote, with a name, its sources and its scores.

    Args:
        text: The card in the model's folder.
        name: The folder or the name on the hub, for the example.
        model: The model's name in the model index.
        made_from: Its sources, which the front matter names.
        scores: Macro scores on benchmarks: benchmark, setting, measure, value.
    """
    from huggingface_hub import EvalResult, ModelCard
    from huggingface_hub.repocard_data import eval_results_to_model_index

    card = ModelCard(text, ignore_metadata_errors=True)
    for key, value in _front_matter(made_from).items():
        card.data[key] = value
    card.data["tags"] = list(dict.fromkeys([*(card.data.get("tags") or []), *TAGS]))
    results = [
        EvalResult(
            task_type="information-retrieval",
            task_name="Information Retrieval",
            dataset_type=benchmark,
            dataset_name=f"{benchmark}, {setting}",
            dataset_config=setting,
            metric_type=_METRICS.get(measure, measure),
            metric_name=measure.replace("_", " "),
            metric_value=round(float(value), 1 if measure == "rank_distance" else 4),
        )
        for benchmark, setting, measure, value in scores.itertuples(index=False)
    ]
    card.data["model-index"] = eval_results_to_model_index(model, results)
    first, *rest = re.split(r"(?m)^(?=## )", card.text)
    kept = [one for one in rest if not one.startswith(("## Use", "## What it was made from"))]
    parts = [first, use_section(name), *kept, sources_section(made_from), score_section(scores)]
    card.text = "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    return str(card)


def sources_section(made_from: Sequence[Source]) -> str:
    """Return the section of a card on what a model was made from, and under which licences."""
    if not made_from:
        return ""
    home = {"encoder": "https://huggingface.co/", "rows": "https://huggingface.co/datasets/"}
    names = [f"[{one.name}]({home[one.what]}{one.hub})" if one.hub else one.name for one in made_from]
    rows = [[one.what, name, one.licence] for one, name in zip(made_from, names, strict=True)]
    return "## What it was made from\n\nUse the model as all of these licences allow.\n\n" + _table(
        ["what", "name", "licence"], rows
    )


def _front_matter(made_from: Sequence[Source]) -> dict[str, Any]:
    """What the hub reads of a model's sources: the licence where all have the same one, else "other"."""
    licences = {_spdx(one.licence) for one in made_from}
    known = licences.pop() if len(licences) == 1 else "other"
    found: dict[str, Any] = {"license": known}
    if known == "other":
        found |= {"license_name": "of-its-sources", "license_link": "README.md#what-it-was-made-from"}
    base = [one.hub for one in made_from if one.what == "encoder" and one.hub]
    data = list(dict.fromkeys(one.hub for one in made_from if one.what == "rows" and one.hub))
    return found | ({"base_model": base[0]} if base else {}) | ({"datasets": data} if data else {})


def _spdx(licence: str) -> str:
    """A licence as the hub writes it, "other" for several in one.

    >>> _spdx("CC BY-SA 3.0"), _spdx("MIT; facts from CLDR, Unicode-3.0"), _spdx("GPL")
    ('cc-by-sa-3.0', 'other', 'other')
    """
    text = licence.lower().replace("cc by", "cc-by").replace(" ", "-")
    known = r"mit|apache-2\.0|mpl-2\.0|cc-by(-nc)?(-sa)?-[34]\.0"
    return text if re.fullmatch(known, text) else "other"


def model_card(
    origin: str,
    encoder: str,
    strategy: str,
    corpus: ParallelCorpus,
    settings: Mapping[str, Any],
    scores: str = "",
    files: Sequence[str] = (),
    pipeline: str = "sentence-similarity",
) -> str:
    """Return the card of a model that a strategy trained on the rows of a corpus.

    Args:
        origin: A sentence on what made the model.
        encoder: Name of the encoder at the start.
        strategy: The strategy as text.
        corpus: The training rows.
        settings: What else the training depended on, by name, for a table.
        scores: A section of Markdown to put at the end.
        files: Names of the rows: data sets of the kit, or files.
        pipeline: The hub's word for what it does; "text-ranking" for a re-ranker.
    """
    from huggingface_hub import ModelCard, ModelCardData

    made_from = sources(encoder, files)
    encoder = shown(encoder)
    data = ModelCardData(
        library_name="sentence-transformers",
        pipeline_tag=pipeline,
        tags=[*TAGS, *(["cross-encoder", "reranker"] if pipeline == "text-ranking" else [])],
        language=list(dict.fromkeys(tag.partition("-")[0] for tag in corpus.languages)),  # the hub takes ISO 639 alone
        **_front_matter(made_from),
    )
    values = {"encoder at the start": encoder, "strategy": f"`{strategy}`", **settings}
    values = {name.replace("_", " "): value for name, value in values.items()}
    card = ModelCard.from_template(
        data,
        template_str=_TEMPLATE,
        origin=origin,
        encoder=encoder,
        strategy=strategy,
        use=use_section(HERE),
        sources=sources_section(made_from),
        settings=_table(["what", "value"], values.items()),
        scores=scores,
    )
    return str(card).rstrip("\n") + "\n"


def held_out_section(scores: Mapping[str, float], rows: int) -> str:
    """Return the section of a card with a model's scores on the study's held-out rows."""
    if not scores:
        return "## Held-out rows\n\nThe study holds no rows out.\n"
    return f"## Held-out rows\n\n{rows:,} rows that share no text and no passage with the training rows.\n\n" + _table(
        ["measure", "value"], ((name, f"{value:.4f}") for name, value in scores.items())
    )


def score_section(table: pd.DataFrame) -> str:
    r"""Return the section of a card with scores on benchmarks: a line a benchmark and setting, a column a measure.

    Args:
        table: Macro scores with the columns benchmark, setting, measure, value.

    Example:
        >>> table = pd.DataFrame({"benchmark": "toy", "setting": ["mono", "pool", "pool"],
        ...                       "measure": ["AP", "AP", "rank_distance"], "value": [0.5, 0.25, 12.0]})
        >>> print("\n".join(score_section(table).splitlines()[4:]))
        | benchmark | setting | AP | rank distance |
        | --- | --- | --- | --- |
        | toy | mono | 0.5000 |  |
        | toy | pool | 0.2500 | 12.0 |
    """
    measures = list(dict.fromkeys(table["measure"]))
    lines = []
    for (benchmark, setting), group in table.groupby(["benchmark", "setting"], sort=False):
        values = dict(zip(group["measure"], group["value"], strict=True))
        digits = {name: 1 if name == "rank_distance" else 4 for name in measures}
        texts = [f"{values[name]:.{digits[name]}f}" if name in values else "" for name in measures]
        lines.append([benchmark, setting, *texts])
    return (
        "## Benchmarks\n\n"
        "Means over languages (mono, pool) or pairs of languages (cross), each weighing the same; ranks of full depth."
        "\n\n" + _table(["benchmark", "setting", *(name.replace("_", " ") for name in measures)], lines)
    )


def _table(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
