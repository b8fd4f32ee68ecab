"""Measures of a run on a judged set, by ir_measures, and the holes in its judgements."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.data.collection import POOL, Collection, save_judgements
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import COLLECTION_MEASURES

if TYPE_CHECKING:
    from pathlib import Path

    from ir_measures import Measure


HOLES = "holes@10"
log = logging.getLogger("hybridkit")


def collection_scores(
    judged: Collection, run: pd.DataFrame, measures: Sequence[str] = COLLECTION_MEASURES
) -> pd.DataFrame:
    """Measure a run query by query: a frame with query_id, measure and value, sorted by both.

    `run` has query_id, passage_id and score. Ties are broken by trec_eval's rule (score descending, then passage id
    descending) for every measure alike; a judged query for which nothing was retrieved counts 0; relevance above 0 is
    relevant, nDCG's gain is the relevance. `measures` are names of ir_measures (arXiv 2111.13466). A run that is cut
    before a measure's cut-off is told in the log.

    Raises InputError for a run of another set (unknown queries), a passage twice for one query, a score that is no
    number, and for what is no measure.

    >>> queries = pd.DataFrame({"query_id": ["1", "2"], "text": ["?", "!"]})
    >>> judgements = pd.DataFrame({"query_id": ["1", "2"], "passage_id": ["a", "c"], "relevance": [1, 1]})
    >>> toy = Collection("toy", "de", queries, judgements, lambda: iter([]), 3, "f00")
    >>> run = pd.DataFrame({"query_id": ["1", "1"], "passage_id": ["a", "b"], "score": [0.5, 0.5]})
    >>> collection_scores(toy, run, ["RR@10"]).values.tolist()
    [['1', 'RR@10', 0.5], ['2', 'RR@10', 0.0]]
    """
    return _scores(judged, ranked_run(judged, run), measures)


def _scores(judged: Collection, ranked: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    import ir_measures

    parsed = [_measure(name) for name in measures]
    deepest = int(ranked["rank"].max()) if len(ranked) else 0
    cuts = [int(found[1]) if (found := re.search(r"@(\d+)$", name)) else judged.size for name in measures]
    for name, cut in zip(measures, cuts, strict=True):
        if deepest < min(cut, judged.size):
            log.warning(
                "%s: %s looks at %d passages, the run has %d at most",
                _where(judged),
                name,
                min(cut, judged.size),
                deepest,
            )
    ranked = ranked[ranked["rank"] <= max(cuts)]
    # Its back ends break ties in different ways and compare scores in different precisions: ranks leave them none.
    hits = ranked.assign(score=-ranked["rank"].astype(float)).rename(columns={"passage_id": "doc_id"})
    qrels = judged.judgements.rename(columns={"passage_id": "doc_id"})
    values = {
        (one.query_id, str(one.measure)): float(one.value)
        for one in ir_measures.iter_calc(parsed, qrels, hits[["query_id", "doc_id", "score"]])
    }
    rows = [
        (query, name, values.get((query, str(measure)), 0.0))
        for query in sorted(set(judged.judgements["query_id"]))
        for name, measure in zip(measures, parsed, strict=True)
    ]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def unjudged(judged: Collection, run: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    """Count the passages among each judged query's top k that nobody judged: query_id, value.

    They count as not relevant in every measure, which is a guess: the more of them, the less the scores say.

    >>> queries = pd.DataFrame({"query_id": ["1"], "text": ["?"]})
    >>> judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [0]})
    >>> toy = Collection("toy", "de", queries, judgements, lambda: iter([]), 3, "f00")
    >>> unjudged(toy, pd.DataFrame({"query_id": "1", "passage_id": ["a", "b"], "score": [0.7, 0.5]})).values.tolist()
    [['1', 1]]
    """
    return _unjudged(judged, ranked_run(judged, run), k)


def _unjudged(judged: Collection, ranked: pd.DataFrame, k: int = 10) -> pd.DataFrame:
    top = ranked[ranked["rank"] <= k].merge(judged.judgements, on=["query_id", "passage_id"], how="left")
    counts = top["relevance"].isna().groupby(top["query_id"]).sum()
    asked = sorted(set(judged.judgements["query_id"]))
    return pd.DataFrame({"query_id": asked, "value": counts.reindex(asked, fill_value=0).to_numpy(np.int64)})


def collection_values(
    judged: Collection, run: pd.DataFrame, measures: Sequence[str] = COLLECTION_MEASURES
) -> pd.DataFrame:
    """The same in the columns of `measures.per_query`, with the holes, so that its means and the tests take it.

    setting, query_language, passage_language ("*" in a pool), query_id, measure, value; `holes@10` is among the
    measures: the mean number of the top ten passages that nobody judged.

    >>> queries = pd.DataFrame({"query_id": ["1"], "text": ["?"]})
    >>> judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [1]})
    >>> toy = Collection("toy", "de", queries, judgements, lambda: iter([]), 1, "f00")
    >>> run = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "score": [0.5]})
    >>> collection_values(toy, run, ["RR@10"]).values.tolist()
    [['mono', 'de', 'de', '1', 'RR@10', 1.0], ['mono', 'de', 'de', '1', 'holes@10', 0.0]]
    """
    ranked = ranked_run(judged, run)
    unjudged = _unjudged(judged, ranked).assign(measure=HOLES)
    values = pd.concat([_scores(judged, ranked, measures), unjudged.astype({"value": float})], ignore_index=True)
    target = "*" if judged.setting == POOL else judged.language
    keys = {"setting": judged.setting, "query_language": judged.language, "passage_language": target}
    columns = [*keys, "query_id", "measure", "value"]
    order = {name: nth for nth, name in enumerate([*measures, HOLES])}
    return (
        values.assign(**keys)
        .sort_values(["measure", "query_id"], kind="stable", key=lambda c: c.map(order) if c.name == "measure" else c)
        .reset_index(drop=True)[columns]
    )


def ranked_run(judged: Collection, run: pd.DataFrame) -> pd.DataFrame:
    """Put a run in trec_eval's order: query_id, passage_id and rank from 1, sorted by query and rank.

    Passages that `judged.skip_own` rules out are gone, and so are queries without a judgement. Raises InputError as
    `collection_scores` says.

    >>> queries = pd.DataFrame({"query_id": ["1"], "text": ["?"]})
    >>> judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [1]})
    >>> toy = Collection("toy", "de", queries, judgements, lambda: iter([]), 3, "f00")
    >>> ranked_run(toy, pd.DataFrame({"query_id": "1", "passage_id": ["a", "b"], "score": [0.5, 0.5]})).values.tolist()
    [['1', 'b', 1], ['1', 'a', 2]]
    """
    where = f"{_where(judged)}: the run"
    if missing := [column for column in ("query_id", "passage_id", "score") if column not in run]:
        raise InputError(f"{where} has no column {missing[0]}; give query_id, passage_id and score")
    unknown = run.loc[~run["query_id"].isin(judged.queries["query_id"]), "query_id"]
    if len(unknown):
        raise InputError(f"{where} has queries of another set, such as {unknown.iloc[0]!r}; make it on this one")
    repeated = run[run.duplicated(["query_id", "passage_id"])]
    if len(repeated):
        query, passage = repeated.iloc[0][["query_id", "passage_id"]]
        raise InputError(f"{where} has passage {passage!r} twice for query {query!r}; leave one")
    if not np.isfinite(run["score"].to_numpy(float)).all():
        raise InputError(f"{where} has a score that is NaN or infinite; was it made by a broken encoder?")
    kept = run["query_id"].isin(judged.judgements["query_id"])
    if judged.skip_own:
        kept &= run["query_id"] != run["passage_id"]
    ranked = run.loc[kept, ["query_id", "passage_id", "score"]].sort_values(
        ["query_id", "score", "passage_id"], ascending=[True, False, False], kind="stable", ignore_index=True
    )
    return ranked.assign(rank=ranked.groupby("query_id").cumcount() + 1)[["query_id", "passage_id", "rank"]]


def save_qrels(judged: Collection, path: Path) -> None:
    """Write a set's judgements in TREC's format, `query_id 0 passage_id relevance`, beside its runs.

    Raises InputError for an id with white space in it, which the format cannot hold.

    >>> import tempfile, pathlib
    >>> queries = pd.DataFrame({"query_id": ["1"], "text": ["?"]})
    >>> judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [2]})
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "qrels.txt"
    >>> save_qrels(Collection("toy", "de", queries, judgements, lambda: iter([]), 3, "f00"), path)
    >>> path.read_text().splitlines()
    ['1 0 a 2']
    """
    save_judgements(judged.judgements, path)


def _measure(name: str) -> Measure:
    import ir_measures

    try:
        measure: Measure = ir_measures.parse_measure(name)
    except (ValueError, NameError, SyntaxError, AttributeError) as error:
        raise InputError(f"{name!r} is no measure of ir_measures ({error}); write nDCG@10, R@100 or RR@10") from error
    return measure


def _where(judged: Collection) -> str:
    return f"{judged.name}, {judged.language}"
