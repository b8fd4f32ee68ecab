"""The card of a trained model, in Markdown with the front matter that the hub reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from hybridkit.data.corpus import ParallelCorpus

_TEMPLATE = """---
{{ card_data }}
---

# {{ encoder }}, trained on {{ strategy }} batches

{{ origin }}

{{ settings }}
{{ scores }}"""
TAGS = ["sentence-transformers", "hybridkit", "multilingual", "retrieval"]


def model_card(
    origin: str,
    encoder: str,
    strategy: str,
    corpus: ParallelCorpus,
    settings: Mapping[str, Any],
    scores: str = "",
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
        pipeline: The hub's word for what it does; "text-ranking" for a re-ranker.
    """
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(
        library_name="sentence-transformers",
        pipeline_tag=pipeline,
        tags=[*TAGS, *(["cross-encoder", "reranker"] if pipeline == "text-ranking" else [])],
        language=list(corpus.languages),
    )
    values = {"encoder at the start": encoder, "strategy": f"`{strategy}`", **settings}
    values = {name.replace("_", " "): value for name, value in values.items()}
    card = ModelCard.from_template(
        data,
        template_str=_TEMPLATE,
        origin=origin,
        encoder=encoder,
        strategy=strategy,
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
