"""Rank distance: how far apart the pool ranks a query's parallel passages, in ranks and beside a random ranking."""

import pandas as pd

from hybridkit.evaluation.measures import distances


def rank_distance(ranks: pd.DataFrame) -> pd.DataFrame:
    """Average rank distance by query language: the largest minus the smallest pool rank of a query's relevant passages.

    Takes a rank table; gives query_language, value and queries, the number of queries with relevant passages in two
    languages or more, which are those it is over. In ranks; lower is less language bias (arXiv 2408.10536, where the
    mean over query languages is reported: see `mean_rank_distance`).

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "p", "q", "q"],
    ...                       "passage_language": ["de", "en", "de", "en"], "pool_rank": [9, 1, 2, 4]})
    >>> rank_distance(ranks).values.tolist()
    [['en', 5.0, 2]]
    """
    grouped = distances(ranks).groupby("query_language", sort=False)["rank_distance"]
    frame: pd.DataFrame = grouped.agg(value="mean", queries="size").reset_index()
    return frame


def mean_rank_distance(ranks: pd.DataFrame) -> float:
    """Average `rank_distance` over query languages, each weighing the same; NaN where no query has two languages.

    >>> ranks = pd.DataFrame({"query_language": ["de", "de", "en", "en"], "query_id": "q",
    ...                       "passage_language": ["de", "en", "de", "en"], "pool_rank": [1, 9, 5, 1]})
    >>> mean_rank_distance(ranks)
    6.0
    """
    return float(rank_distance(ranks)["value"].mean())


def normalised_distance(ranks: pd.DataFrame) -> pd.DataFrame:
    """Average rank distance by query language on a scale from 0, the least there can be, to 1, that of random order.

    A query with n relevant passages in a pool of N has a distance of n - 1 when they stand together, and one of
    (n - 1)(N + 1) / (n + 1) on average when the pool is in random order (the expected range of n ranks drawn from
    1 .. N without replacement). Its value is (distance - least) / (random - least), so that pools of different size and
    queries known in different numbers of languages compare; above 1 its passages are further apart than at random.
    The distance is that of arXiv 2408.10536, the scale is ours. Takes a rank table; gives query_language, value and
    queries, over the queries that `rank_distance` is over, less those whose pool is nothing but relevant.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "en"],
    ...                       "pool_rank": [1, 5], "pool_candidates": 8})
    >>> normalised_distance(ranks).values.tolist()  # distance 4; least 1, random 9 / 3 = 3
    [['en', 1.5, 1]]
    """
    keys = ["query_language", "query_id"]
    found = distances(ranks).merge(random_distances(ranks), on=keys)
    found = found[found["random"] > found["least"]]
    value = (found["rank_distance"] - found["least"]) / (found["random"] - found["least"])
    grouped = found.assign(value=value).groupby("query_language", sort=False)["value"]
    frame: pd.DataFrame = grouped.agg(value="mean", queries="size").reset_index()
    return frame


def random_distances(ranks: pd.DataFrame) -> pd.DataFrame:
    """Least and expected rank distance of every query under random order: query_language, query_id, least, random.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "pool_rank": [1, 5], "pool_candidates": 8})
    >>> random_distances(ranks).values.tolist()
    [['en', 'q', 1, 3.0]]
    """
    grouped = ranks.groupby(["query_language", "query_id"])["pool_candidates"].agg(["size", "first"])
    count, pool = grouped["size"], grouped["first"]
    frame: pd.DataFrame = grouped.assign(least=count - 1, random=(count - 1) * (pool + 1) / (count + 1)).reset_index()
    return frame[["query_language", "query_id", "least", "random"]]
