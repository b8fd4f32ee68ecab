"""Values of a measure by pair of languages: means over a strategy's models, and differences with their significance."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.evaluation.measures import distances, per_query, scores
from hybridkit.files import digest
from hybridkit.products import frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hybridkit.widgets.opening import Inspected

DISTANCE = "rank_distance"
_KEYS = ["query_language", "passage_language"]
_FORMAT = 1  # of what is kept; to be raised when the test or the measure changes


def behind(ranks: pd.DataFrame) -> pd.DataFrame:
    """How many ranks of the pool each query's passage in a language stands behind the first of its twins.

    Takes a rank table; gives setting (mono or cross), query_language, passage_language, query_id, measure
    ("rank_distance") and value, for the queries that are judged in two languages or more; of several relevant passages
    in a language the first counts for it, and the last counts in `measures.distances`, whose rows (setting pool,
    passage_language "*") follow.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "p", "q"],
    ...                       "passage_language": ["de", "en", "en"], "pool_rank": [9, 1, 2]})
    >>> behind(ranks)[["setting", "passage_language", "query_id", "value"]].values.tolist()
    [['cross', 'de', 'p', 8.0], ['mono', 'en', 'p', 0.0], ['pool', '*', 'p', 8.0]]
    """
    codes = [pd.factorize(ranks[name], sort=True) for name in ("query_language", "passage_language", "query_id")]
    (language, languages), (passage, passages), (query, queries) = codes
    row = language * len(queries) + query
    first = np.full((len(languages) * len(queries), len(passages)), np.inf)
    np.minimum.at(first, (row, passage), ranks["pool_rank"].to_numpy(float))
    there = np.isfinite(first)
    first[there.sum(axis=1) < 2] = np.inf
    at, column = np.nonzero(np.isfinite(first))
    best = first.min(axis=1)
    named = pd.DataFrame({
        "query_language": pd.Series(languages).array.take(at // len(queries)),
        "passage_language": pd.Series(passages).array.take(column),
        "query_id": pd.Series(queries).array.take(at % len(queries)),
        "value": first[at, column] - best[at],
    })  # fmt: skip
    same = named["query_language"] == named["passage_language"]
    named["setting"] = np.where(same, "mono", "cross")
    pool = distances(ranks).rename(columns={DISTANCE: "value"}).assign(setting="pool")
    both = pd.concat([named, pool], ignore_index=True) if len(pool) else named
    return both.assign(measure=DISTANCE)[["setting", *_KEYS, "query_id", "measure", "value"]]


def question_values(ranks: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Values of one measure question by question, as `significance.compare` takes them; see `behind`."""
    if measure == DISTANCE:
        return behind(ranks)
    values = per_query(ranks)
    return values[values["measure"] == measure].reset_index(drop=True)


def means(inspected: Inspected, strategy: str, measure: str) -> pd.DataFrame:
    """Mean of a measure over a strategy's seeds by pair: query_language, passage_language, value."""
    parts = []
    for seed in inspected.seeds(strategy):
        if measure != DISTANCE and inspected.has(strategy, seed, "scores"):
            found = pd.read_parquet(inspected.folder / inspected.results[strategy, seed].scores)
            found = found[found["measure"] == measure]
            if len(found):
                parts.append(found)
                continue
        path = _path(inspected, "means", measure, [(strategy, seed)])
        parts.append(_frame(path, partial(_means_of, inspected, strategy, seed, measure)))
    grouped = pd.concat(parts).groupby(_KEYS, sort=True)["value"]
    return grouped.mean().reset_index()


def _means_of(inspected: Inspected, strategy: str, seed: int, measure: str) -> pd.DataFrame:
    return scores(question_values(inspected.ranks(strategy, seed), measure))


def difference(inspected: Inspected, strategy: str, minus: str, measure: str) -> pd.DataFrame:
    """Compare two strategies by pair: query_language, passage_language, value (strategy - minus), significant.

    Kept in the run folder, since the test takes seconds on a benchmark of thousands of queries.
    """
    from hybridkit.evaluation.clusters import question_clusters
    from hybridkit.evaluation.significance import OVERALL, compare

    models = _models(inspected, strategy, minus)

    def test() -> pd.DataFrame:
        a, b = (
            pd.concat([question_values(inspected.ranks(*key), measure).assign(seed=key[1]) for key in keys])
            for keys in models
        )
        found = compare(a, b, question_clusters(inspected.benchmark))
        found = found[found["query_language"] != OVERALL].rename(columns={"difference": "value"})
        return found[[*_KEYS, "value", "significant"]].sort_values(_KEYS, ignore_index=True)

    return _frame(_path(inspected, "difference", measure, *models), test)


def is_kept(inspected: Inspected, strategy: str, minus: str, measure: str) -> bool:
    """Whether the difference of two strategies has been tested and is kept, so that it takes no time."""
    return _path(inspected, "difference", measure, *_models(inspected, strategy, minus)).is_file()


def plain_difference(inspected: Inspected, strategy: str, minus: str | None, measure: str) -> pd.DataFrame:
    """The differences of two strategies' means, not tested: query_language, passage_language, value."""
    a = means(inspected, strategy, measure)
    return (
        a
        if minus is None
        else a.assign(value=a["value"] - a.merge(means(inspected, minus, measure), on=_KEYS)["value_y"])
    )


def _models(inspected: Inspected, *strategies: str) -> list[list[tuple[str, int]]]:
    return [[(name, seed) for seed in inspected.seeds(name)] for name in strategies]


def _path(inspected: Inspected, what: str, measure: str, *models: list[tuple[str, int]]) -> Path:
    files = [[inspected.results[key].ranks for key in keys] for keys in models]
    return inspected.folder / "inspector" / f"{what}-{digest(_FORMAT, measure, files)[:24]}.parquet"


def _frame(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    made = cache(make)
    try:
        return frame(path, made)
    except OSError:  # a run folder that cannot be written to is inspected all the same
        return made()
