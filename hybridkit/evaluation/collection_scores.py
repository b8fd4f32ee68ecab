"""Measures of a run on a test collection, by ir_measures, with intervals over its queries, and what nobody judged."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.data.collection import POOL, Collection
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import model_sums
from hybridkit.evaluation.measures import COLLECTION_MEASURES, scores
from hybridkit.evaluation.resampling import DEFAULT, Resampling, bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ir_measures import Measure


UNJUDGED = "holes@10"  # passages among the top ten that nobody judged
log = logging.getLogger("hybridkit")


def collection_values(
    collection: Collection, run: pd.DataFrame, measures: Sequence[str] = COLLECTION_MEASURES, depth: int = 0
) -> pd.DataFrame:
    """Measure a run query by query, in the columns of `measures.per_query`: its means and the tests take it.

    Ties are broken by trec_eval's rule (score descending, then passage id descending) for every measure alike; a judged
    query for which nothing was retrieved counts 0; relevance above 0 is relevant, nDCG's gain is the relevance. A run
    that is cut before a measure's cut-off is named in the log. `holes@10` is among the measures: how many of the top
    ten passages nobody judged. They count as not relevant in every measure, which is a guess: the more of them, the
    less the scores say.

    Args:
        collection: Queries with judgements.
        run: query_id, passage_id and score.
        measures: Names of ir_measures (arXiv 2111.13466).
        depth: To how many passages was searched, where that is known: BM25 finds fewer where no word is shared.

    Returns:
        setting, query_language, passage_language ("*" in a pool), query_id, measure, value.

    Raises:
        InputError: For a run of another collection (unknown queries), a duplicate passage of a query, a score that is
            not a number, and an unknown measure.

    Example:
        >>> run = pd.DataFrame({"query_id": ["1", "1"], "passage_id": ["a", "b"], "score": [0.5, 0.4]})
        >>> collection_values(toy_collection, run, ["RR@10"])[["query_id", "measure", "value"]].values.tolist()
        [['1', 'RR@10', 1.0], ['2', 'RR@10', 0.0], ['1', 'holes@10', 1.0], ['2', 'holes@10', 0.0]]
    """
    ranked = ranked_run(collection, run)
    parts = [_scores(collection, ranked, measures, depth), _unjudged(collection, ranked)]
    values = pd.concat(parts, ignore_index=True)
    target = "*" if collection.setting == POOL else collection.language
    keys = {"setting": collection.setting, "query_language": collection.language, "passage_language": target}
    order = {name: nth for nth, name in enumerate([*measures, UNJUDGED])}
    ordered = values.assign(**keys, nth=values["measure"].map(order)).sort_values(["nth", "query_id"], kind="stable")
    return ordered[[*keys, "query_id", "measure", "value"]].reset_index(drop=True)


def clusters_in(values: pd.DataFrame) -> pd.Series:
    """Return the cluster of each query_id of values that have a column `cluster`."""
    return values.drop_duplicates("query_id").set_index("query_id")["cluster"]


def with_intervals(values: pd.DataFrame, clusters: pd.Series, unit: str, how: Resampling = DEFAULT) -> pd.DataFrame:
    """Return the means of `collection_values`, each with its interval over other queries.

    The columns of `measures.scores`, then low and high (`resampling.bootstrap` of the clusters; NaN of a single one),
    clusters and unit. It says how sure a value is of the population of queries, given this training.

    >>> from hybridkit.data.collection import query_clusters
    >>> run = pd.DataFrame({"query_id": ["1", "1"], "passage_id": ["a", "b"], "score": [0.5, 0.4]})
    >>> values = collection_values(toy_collection, run, ["RR@10"])
    >>> found = with_intervals(values, *query_clusters(toy_collection))
    >>> found[["measure", "value", "low", "high", "clusters", "unit"]].values.tolist()[0]
    ['RR@10', 0.5, 0.0, 1.0, 2, 'documents']
    """
    means = scores(values)
    together = values.assign(setting=values["measure"], measure="all")  # one draw of the queries for all measures
    sums = model_sums(together, clusters)["all"]
    low, high = bootstrap([sums], how)
    at = pd.Index(sums.pairs["setting"]).get_indexer(pd.Index(means["measure"]))
    return means.assign(low=low[at], high=high[at], clusters=sums.clusters[at], unit=unit)


def ranked_run(collection: Collection, run: pd.DataFrame) -> pd.DataFrame:
    """Put a run in trec_eval's order: query_id, passage_id and rank from 1, sorted by query and rank.

    Passages that `collection.skip_own` rules out are gone, and so are queries without a judgement. Raises InputError as
    `collection_values` does.

    >>> run = pd.DataFrame({"query_id": "1", "passage_id": ["a", "b"], "score": [0.5, 0.5]})
    >>> ranked_run(toy_collection, run).values.tolist()
    [['1', 'b', 1], ['1', 'a', 2]]
    """
    where = f"{_where(collection)}: the run"
    if missing := [column for column in ("query_id", "passage_id", "score") if column not in run]:
        raise InputError(f"{where} has no column {missing[0]}; give query_id, passage_id and score")
    unknown = run.loc[~run["query_id"].isin(collection.queries["query_id"]), "query_id"]
    if len(unknown):
        raise InputError(f"{where} has queries of another set, such as {unknown.iloc[0]!r}; make it on this one")
    repeated = run[run.duplicated(["query_id", "passage_id"])]
    if len(repeated):
        query, passage = repeated.iloc[0][["query_id", "passage_id"]]
        raise InputError(f"{where} has passage {passage!r} twice for query {query!r}; leave one")
    if not np.isfinite(run["score"].to_numpy(float)).all():
        raise InputError(f"{where} has a score that is NaN or infinite; was it made by a broken encoder?")
    kept = run["query_id"].isin(collection.judgements["query_id"])
    if collection.skip_own:
        kept &= run["query_id"] != run["passage_id"]
    ranked = run.loc[kept, ["query_id", "passage_id", "score"]].sort_values(
        ["query_id", "score", "passage_id"], ascending=[True, False, False], kind="stable", ignore_index=True
    )
    return ranked.assign(rank=ranked.groupby("query_id").cumcount() + 1)[["query_id", "passage_id", "rank"]]


def _scores(collection: Collection, ranked: pd.DataFrame, measures: Sequence[str], depth: int) -> pd.DataFrame:
    import ir_measures

    parsed = [_measure(name) for name in measures]
    deepest = depth or (int(ranked["rank"].max()) if len(ranked) else 0)
    size = collection.size
    cuts = [int(found[1]) if (found := re.search(r"@(\d+)$", name)) else size for name in measures]
    if deeper := [name for name, cut in zip(measures, cuts, strict=True) if min(cut, size) > deepest]:
        log.warning(
            "%s: the run has %d passages of a query at most; what is behind them counts as not found in %s",
            _where(collection),
            deepest,
            ", ".join(deeper),
        )
    ranked = ranked[ranked["rank"] <= max(cuts)]
    # Its back ends break ties in different ways and compare scores in different precisions: ranks leave them none.
    hits = ranked.assign(score=-ranked["rank"].astype(float)).rename(columns={"passage_id": "doc_id"})
    qrels = collection.judgements.rename(columns={"passage_id": "doc_id"})
    values = {
        (one.query_id, str(one.measure)): float(one.value)
        for one in ir_measures.iter_calc(parsed, qrels, hits[["query_id", "doc_id", "score"]])
    }
    rows = [
        (query, name, values.get((query, str(measure)), 0.0))
        for query in sorted(set(collection.judgements["query_id"]))
        for name, measure in zip(measures, parsed, strict=True)
    ]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def _unjudged(collection: Collection, ranked: pd.DataFrame) -> pd.DataFrame:
    """Count what nobody judged; Judged@10 of ir_measures is a share of what was retrieved, and so not this number."""
    keys = ["query_id", "passage_id"]
    top = ranked[ranked["rank"] <= 10].merge(collection.judgements, on=keys, how="left")
    counts = top["relevance"].isna().groupby(top["query_id"]).sum()
    queries = sorted(set(collection.judgements["query_id"]))
    values = counts.reindex(queries, fill_value=0).to_numpy(float)
    return pd.DataFrame({"query_id": queries, "measure": UNJUDGED, "value": values})


def _measure(name: str) -> Measure:
    import ir_measures

    try:
        measure: Measure = ir_measures.parse_measure(name)
    except (ValueError, NameError, SyntaxError, AttributeError) as error:
        raise InputError(
            f"{name!r} is not a measure of ir_measures ({error}); write nDCG@10, R@100 or RR@10"
        ) from error
    return measure


def _where(collection: Collection) -> str:
    return f"{collection.name}, {collection.language}"
