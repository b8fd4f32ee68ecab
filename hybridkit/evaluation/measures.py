"""AP, RR, R@k, nDCG@10 and rank distance, read off the rank table; per query, per pair and as macro means."""

from __future__ import annotations

import numpy as np
import pandas as pd

MEASURES = ("AP", "RR", "R@1", "R@10", "nDCG@10")
KEYS = ["setting", "query_language", "passage_language"]


def per_query(ranks: pd.DataFrame) -> pd.DataFrame:
    """Compute the value of every measure for every query in every setting.

    Takes a rank table; gives a frame with the columns setting (mono, cross or pool), query_language,
    passage_language ("*" in the pool), query_id, measure and value. In the pool all relevant passages of a query count
    together: R@k is their share in the top k, the ideal of nDCG@10 has min(n, 10) of them on top, AP is over the full
    depth. Measures carry ir_measures' names. `rank_distance` stands in the pool for queries whose relevant passages are
    in two languages or more.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "en"],
    ...                       "rank": [1, 2], "pool_rank": [5, 2]})
    >>> values = per_query(ranks)
    >>> values[values.measure == "AP"][["setting", "passage_language", "value"]].values.tolist()
    [['mono', 'en', 0.5], ['cross', 'de', 1.0], ['pool', '*', 0.45]]
    """
    same = ranks["query_language"] == ranks["passage_language"]
    pool = ranks.assign(passage_language="*", rank=ranks["pool_rank"])
    parts = [
        _long("mono", _wide(ranks[same])),
        _long("cross", _wide(ranks[~same])),
        _long("pool", _wide(pool)),
        _long("pool", distances(ranks)),
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def scores(values: pd.DataFrame) -> pd.DataFrame:
    """Average per-query values over the queries of each pair, and of each query language in the pool.

    Gives the columns setting, query_language, passage_language, measure, value and queries, the number of queries
    that the mean is over (a pair has those that are judged in its passage language).

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "q"], "passage_language": "en",
    ...                       "rank": [1, 2], "pool_rank": [1, 4]})
    >>> table = scores(per_query(ranks))
    >>> table[table.measure == "RR"][["setting", "value", "queries"]].values.tolist()
    [['mono', 0.75, 2], ['pool', 0.625, 2]]
    """
    grouped = values.groupby([*KEYS, "measure"], sort=False)["value"]
    return grouped.agg(value="mean", queries="size").reset_index()


def macro(table: pd.DataFrame) -> pd.DataFrame:
    """Average scores over languages (mono), ordered pairs (cross) and query languages (pool), as arXiv 2408.10536 does.

    Takes the frame of `scores`, gives the columns setting, measure and value; every pair or language weighs the same,
    whatever its number of queries.

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


def _wide(ranks: pd.DataFrame) -> pd.DataFrame:
    """One row a query and passage language, one column a measure."""
    keys = ["query_language", "passage_language", "query_id"]
    ranks = ranks[[*keys, "rank"]].sort_values([*keys, "rank"], kind="stable", ignore_index=True)
    first = ~ranks.duplicated(keys).to_numpy(bool)
    starts = np.flatnonzero(first)
    if not len(starts):
        return pd.DataFrame(columns=[*keys, *MEASURES])
    sizes = np.diff(np.append(starts, len(ranks)))
    rank = ranks["rank"].to_numpy(np.int64)
    nth = np.arange(len(ranks)) - np.repeat(starts, sizes) + 1  # this is the query's nth relevant passage
    gain = np.where(rank <= 10, 1 / np.log2(rank + 1.0), 0.0)
    ideal = np.cumsum(1 / np.log2(np.arange(10) + 2.0))
    columns = {
        "AP": np.add.reduceat(nth / rank, starts) / sizes,
        "RR": 1 / rank[starts],
        "R@1": np.add.reduceat((rank <= 1).astype(float), starts) / sizes,
        "R@10": np.add.reduceat((rank <= 10).astype(float), starts) / sizes,
        "nDCG@10": np.add.reduceat(gain, starts) / ideal[np.minimum(sizes, 10) - 1],
    }
    return ranks.loc[first, keys].assign(**columns)


def _long(setting: str, wide: pd.DataFrame) -> pd.DataFrame:
    """Turn measure columns into rows, measure by measure."""
    keys = ["query_language", "passage_language", "query_id"]
    long = wide.melt(id_vars=keys, var_name="measure", value_name="value")
    long["value"] = long["value"].astype(float)
    long.insert(0, "setting", setting)
    return long.sort_values([*KEYS, "query_id"], kind="stable", ignore_index=True)
