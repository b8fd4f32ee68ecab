"""The measures: their labels, units and directions; their values per query, per pair and as macro means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

DISTANCE = "rank_distance"
MEASURES = ("AP", "RR", "RR@10", "R@1", "R@10", "nDCG@10")  # of the rank table, per query, from 0 to 1
MAIN_MEASURES = ("AP", DISTANCE)  # those of the main table, of the curves and of the tests
COLLECTION_MEASURES = ("nDCG@10", "R@100", "RR@10")  # of a test collection: those of MIRACL, and RR@10
LOWER_IS_BETTER = (DISTANCE,)
SETTINGS = {"mono": "monolingual", "cross": "cross-lingual", "pool": "multilingual pool"}
SEEN_GROUPS = ("seen-seen", "seen-unseen", "unseen-seen", "unseen-unseen")  # query and passage language in the rows?
KEYS = ["setting", "query_language", "passage_language"]
_NAMED = ["query_language", "passage_language", "query_id"]
_RANKS = 1 << 19  # ranks whose values are held at a time, those of one query language at least


class Measure(NamedTuple):
    """A measure: its label on an axis, its unit, which way is better ("higher", "lower", "none"), and its range."""

    label: str
    unit: str = ""
    better: str = "higher"
    least: float = 0.0
    most: float = 1.0


def per_query(ranks: pd.DataFrame, measures: Collection[str] = (*MEASURES, DISTANCE)) -> pd.DataFrame:
    """Return the value of every measure, or of some, for every query in every setting.

    In the pool all relevant passages of a query count together: RR is that of the first of them and RR@10 is 0 where
    that is ranked below 10, R@k is their share in the top k, the ideal of nDCG@10 has min(n, 10) of them on top, AP
    is over the full depth. Measures carry ir_measures' names. `rank_distance` is of the pool, for queries whose
    relevant passages are in two languages or more.

    Args:
        ranks: A rank table.
        measures: Names out of `MEASURES` and `DISTANCE`.

    Returns:
        setting (mono, cross or pool), query_language, passage_language ("*" in the pool), query_id, measure and value.

    Example:
        >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "en"],
        ...                       "rank": [1, 2], "pool_rank": [5, 2]})
        >>> values = per_query(ranks)
        >>> values[values.measure == "AP"][["setting", "passage_language", "value"]].values.tolist()
        [['mono', 'en', 0.5], ['cross', 'de', 1.0], ['pool', '*', 0.45]]
    """
    same = (ranks["query_language"] == ranks["passage_language"]).to_numpy(bool)
    coded = [pd.factorize(ranks[column], sort=True) for column in _NAMED]
    codes, names = np.stack([code for code, _ in coded]), [pd.Series(values).array for _, values in coded]
    rank, pool_rank = (ranks[column].to_numpy(np.int64) for column in ("rank", "pool_rank"))
    pool, star = codes * np.array([[1], [0], [1]]), [names[0], pd.Series(["*"]).array, names[2]]
    wanted = [measure for measure in MEASURES if measure in measures]
    parts = [
        _measured("mono", codes[:, same], rank[same], names, wanted),
        _measured("cross", codes[:, ~same], rank[~same], names, wanted),
        _measured("pool", pool, pool_rank, star, wanted),
    ]
    if DISTANCE in measures:
        parts.append(distances(ranks).melt(_NAMED, var_name="measure").assign(setting="pool"))
    columns = [*KEYS, "query_id", "measure", "value"]
    return pd.concat([part[columns] for part in parts if len(part)] or parts[:1], ignore_index=True)


def measure_of(name: str) -> Measure:
    """Return how tables and figures show a measure.

    >>> measure_of("AP").label, measure_of("rank_distance").label
    ('mean AP', 'rank distance (ranks; lower is less bias)')
    """
    if name == DISTANCE:
        return Measure("rank distance (ranks; lower is less bias)", "ranks", "lower", most=math.inf)
    return Measure(f"mean {name}")


def in_order(settings: Iterable[str]) -> list[str]:
    """Return the distinct settings as mono, cross, pool, then others by name."""
    known = list(SETTINGS)
    return sorted(set(settings), key=lambda name: (known.index(name) if name in known else 9, name))


def scores(values: pd.DataFrame) -> pd.DataFrame:
    """Return per-query values averaged over the queries of each pair, and of each query language in the pool.

    Args:
        values: The frame of `per_query`.

    Returns:
        setting, query_language, passage_language, measure, value and queries, the number of queries that the mean is
        over (a pair has those that are judged in its passage language).

    Example:
        >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "q"], "passage_language": "en",
        ...                       "rank": [1, 2], "pool_rank": [1, 4]})
        >>> table = scores(per_query(ranks))
        >>> table[table.measure == "RR"][["setting", "value", "queries"]].values.tolist()
        [['mono', 0.75, 2], ['pool', 0.625, 2]]
    """
    grouped = values.groupby([*KEYS, "measure"], sort=False)["value"]
    return grouped.agg(value="mean", queries="size").reset_index()


def scores_of(ranks: pd.DataFrame) -> pd.DataFrame:
    """Average straight from a rank table: `scores(per_query(ranks))`, some query languages at a time.

    The values of every query in 300 x 300 pairs of languages would take ten times the memory of the ranks themselves.

    >>> ranks = pd.DataFrame({"query_language": ["en", "de"], "query_id": "q", "passage_language": "en",
    ...                       "rank": [1, 2], "pool_rank": [1, 4]})
    >>> scores_of(ranks).equals(scores(per_query(ranks)))
    True
    """
    codes = pd.factorize(ranks["query_language"], sort=True)[0]
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(1, codes.max(initial=0) + 2))
    parts, start = [], 0
    for end, after in zip(ends, [*ends[1:], np.inf], strict=True):
        if after - start > _RANKS:
            parts.append(scores(per_query(ranks.iloc[order[start:end]])))
            start = end
    found = pd.concat(parts, ignore_index=True)
    position = found["setting"].map(list(SETTINGS).index) + (found["measure"] == DISTANCE)
    return found.iloc[np.argsort(position.to_numpy(), kind="stable")].reset_index(drop=True)


def macro(table: pd.DataFrame) -> pd.DataFrame:
    """Return scores averaged over languages (mono), ordered pairs (cross) and query languages (pool).

    Every pair or language weighs the same, whatever its number of queries, as in arXiv 2408.10536.

    Args:
        table: The frame of `scores`.

    Returns:
        setting, measure and value.

    Example:
        >>> table = pd.DataFrame({"setting": "mono", "measure": "AP", "value": [0.2, 0.4], "queries": [1, 99]})
        >>> macro(table).round(3).values.tolist()
        [['mono', 'AP', 0.3]]
    """
    return table.groupby(["setting", "measure"], sort=False)["value"].mean().reset_index()


def distances(ranks: pd.DataFrame) -> pd.DataFrame:
    """Compute rank distance: the largest minus the smallest pool rank of a query's relevant passages.

    One row a query with relevant passages in two languages or more: query_language, query_id, passage_language "*",
    rank_distance (in ranks).

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "p", "q"],
    ...                       "passage_language": ["de", "en", "en"], "pool_rank": [9, 1, 2]})
    >>> distances(ranks).values.tolist()
    [['en', 'p', '*', 8.0]]
    """
    grouped = ranks.groupby(["query_language", "query_id"], sort=True)
    found = grouped.agg(low=("pool_rank", "min"), high=("pool_rank", "max"), known=("passage_language", "nunique"))
    found = found[found["known"] >= 2].reset_index()
    distance = (found["high"] - found["low"]).astype(float)
    return found[["query_language", "query_id"]].assign(passage_language="*", rank_distance=distance)


def _measured(
    setting: str, codes: NDArray[np.int64], rank: NDArray[np.int64], names: list[Any], measures: list[str]
) -> pd.DataFrame:
    """The measures of every query and passage language, row by row.

    `codes` (3, ranks) numbers query language, passage language and query; `names` are what the numbers mean.
    Numbers sort many times faster than texts.
    """
    order = np.lexsort((rank, *codes[::-1]))
    codes, rank = codes[:, order], rank[order]
    starts = np.flatnonzero(np.append(np.ones(min(1, len(rank)), bool), (np.diff(codes) != 0).any(axis=0)))
    if not len(starts) or not measures:
        return pd.DataFrame(columns=[*KEYS, "query_id", "measure", "value"])
    sizes = np.diff(np.append(starts, len(rank)))
    nth = np.arange(len(rank)) - np.repeat(starts, sizes) + 1  # this is the query's nth relevant passage
    gain = np.where(rank <= 10, 1 / np.log2(rank + 1.0), 0.0)
    ideal = np.cumsum(1 / np.log2(np.arange(10) + 2.0))
    found = {
        "AP": np.add.reduceat(nth / rank, starts) / sizes,
        "RR": 1 / rank[starts],
        "RR@10": np.where(rank[starts] <= 10, 1 / rank[starts], 0.0),
        "R@1": np.add.reduceat((rank <= 1).astype(float), starts) / sizes,
        "R@10": np.add.reduceat((rank <= 10).astype(float), starts) / sizes,
        "nDCG@10": np.add.reduceat(gain, starts) / ideal[np.minimum(sizes, 10) - 1],
    }
    found = {measure: found[measure] for measure in measures}
    repeated = np.repeat(codes[:, starts], len(found), axis=1)
    frame = pd.DataFrame({column: name.take(code) for column, name, code in zip(_NAMED, names, repeated, strict=True)})
    named = pd.Series(list(found)).array.take(np.tile(np.arange(len(found)), len(starts)))
    return frame.assign(setting=setting, measure=named, value=np.stack(list(found.values()), axis=1).ravel())
