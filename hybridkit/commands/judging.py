"""What the command evaluate does with judged sets: search, measure, and a table by language."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hybridkit.commands.options import Told, show

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from hybridkit.judged import JudgedSet

MORE_SYSTEMS = ("rrf", "faiss-flat", "ivf", "hnsw")  # beside dense, bm25 and fusion


def search_all(
    args: argparse.Namespace, judged: Mapping[str, Sequence["JudgedSet"]], model: "SentenceTransformer | None"
) -> Told:
    """Search every set by every system, and tell the scores of each language and their mean."""
    import pandas as pd

    from hybridkit.evaluation.judged import judged_values
    from hybridkit.evaluation.measures import scores
    from hybridkit.retrieval.search import searches

    parts = []
    for name, sets in judged.items():
        for one in sets:
            runs = searches(args.system, one, model, args.depth, max_length=args.max_length, precision=args.precision)
            for system, run in runs.items():
                parts.append(scores(judged_values(one, run)).assign(benchmark=name, system=system))
    table = pd.concat(parts, ignore_index=True)
    value = {
        name: {system: as_json(table[(table["benchmark"] == name) & (table["system"] == system)]) for system in systems}
        for name, systems in ((name, dict.fromkeys(args.system)) for name in judged)
    }
    return Told(_text(table, args.strategy_label), value)


def as_json(table: "pd.DataFrame") -> dict[str, dict[str, Any]]:
    """Turn the scores of one system into {setting: {measure: mean}, "languages": {"sw>sw": {measure: value}}}.

    A pool's languages are "sw>*"; each has the number of its `queries` beside its measures.

    >>> import pandas as pd
    >>> keys = {"setting": "mono", "query_language": ["sw", "yo"], "passage_language": ["sw", "yo"]}
    >>> as_json(pd.DataFrame({**keys, "measure": "RR@10", "value": [0.5, 0.25], "queries": [7, 9]}))
    {'mono': {'RR@10': 0.375}, 'languages': {'sw>sw': {'queries': 7, 'RR@10': 0.5}, 'yo>yo': {'queries': 9, ...}}}
    """
    languages: dict[str, dict[str, Any]] = {}
    columns = ["query_language", "passage_language", "measure", "value", "queries"]
    for query, passage, measure, number, queries in table[columns].itertuples(index=False):
        languages.setdefault(f"{query}>{passage}", {"queries": int(queries)})[measure] = float(number)
    return by_setting(table) | {"languages": languages}


def by_setting(table: "pd.DataFrame") -> dict[str, dict[str, Any]]:
    """The macro means of the frame of `measures.scores` as {setting: {measure: value}}."""
    from hybridkit.evaluation.measures import macro

    out: dict[str, dict[str, Any]] = {}
    for setting, measure, number in macro(table)[["setting", "measure", "value"]].itertuples(index=False):
        out.setdefault(setting, {})[measure] = float(number)
    return out


def _text(table: "pd.DataFrame", label: str | None) -> str:
    import pandas as pd

    measures = list(dict.fromkeys(table["measure"]))
    keys = ["benchmark", "system", "setting"]
    blocks = []
    for _, part in table.groupby(keys, sort=False):
        wide = part.pivot(index=["query_language", "queries"], columns="measure", values="value")[measures]
        block = wide.reset_index().rename(columns={"query_language": "language"})
        if len(block) > 1:
            mean = {"language": "mean", "queries": block["queries"].sum(), **block[measures].mean()}
            block = pd.concat([block, pd.DataFrame([mean])], ignore_index=True)
        blocks.append(part[keys].head(1).merge(block, how="cross"))
    shown = pd.concat(blocks, ignore_index=True)
    if label is not None:
        shown.insert(0, "strategy", label)
    return show(shown)
