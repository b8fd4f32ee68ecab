"""Target removal: how much AP falls when the relevant passage in the query's own language is taken from the pool."""

import numpy as np
import pandas as pd


def target_removal(ranks: pd.DataFrame) -> pd.DataFrame:
    """Compare AP in the pool after taking away the relevant passages of one language: the query's own, or another.

    A system that ranks a question's passages by content alone loses as much by one as by another; one that prefers
    the query's language has its early hit there and loses more by it (after LAReQA, arXiv 2004.05484, which takes
    targets out of the pool to lay its same-language bias open). Nothing is searched again: a passage that goes moves up
    by one whatever stood behind it, so that the rank table gives the new ranks exactly.

    Takes a rank table; gives query_language, removed ("own" or "other"), before, after (AP), fall (before - after) and
    queries. "other" is the mean over a query's other languages, one taken away at a time. It is over the queries that
    have relevant passages in their own language and in another. A fall may be negative: without a passage that is
    ranked last the mean over the rest is higher. The bias is the fall by "own" less that by "other"; 0 is none.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "en"],
    ...                       "pool_rank": [4, 1]})
    >>> target_removal(ranks)[["removed", "before", "after"]].values.tolist()  # (1/1 + 2/4) / 2; 1/3; 1/1
    [['own', 0.75, 0.3333333333333333], ['other', 0.75, 1.0]]
    """
    frame = ranks.sort_values(["query_language", "query_id", "pool_rank"], kind="stable")
    query, _ = pd.factorize(frame["query_language"] + "\0" + frame["query_id"])
    first = np.flatnonzero(np.diff(query, prepend=-1))
    nth = np.arange(len(frame)) - first[query] if len(frame) else np.empty(0, int)
    names, code = np.unique(frame["passage_language"].to_numpy(object).astype(str), return_inverse=True)
    asked = frame["query_language"].to_numpy(object)[first]
    shape = (len(first), int(nth.max(initial=-1)) + 1)
    rank, language = np.ones(shape), np.full(shape, -1)  # -1: the query has fewer passages
    rank[query, nth], language[query, nth] = frame["pool_rank"].to_numpy(float), code
    before, _ = _precision(rank, language >= 0)
    own, other, others = np.full(len(first), np.nan), np.zeros(len(first)), np.zeros(len(first))
    for number, name in enumerate(names):
        gone = language == number
        after, left = _precision(rank - np.cumsum(gone, axis=1), (language >= 0) & ~gone)
        there = gone.any(axis=1) & left
        mine = asked == name
        own[there & mine] = after[there & mine]
        other[there & ~mine] += after[there & ~mine]
        others += there & ~mine
    kept = ~np.isnan(own) & (others > 0)
    wide = pd.DataFrame({"query_language": asked, "before": before, "own": own})[kept]
    wide["other"] = other[kept] / others[kept]
    mean = wide.groupby("query_language", sort=True).agg(
        before=("before", "mean"), own=("own", "mean"), other=("other", "mean"), queries=("own", "size")
    )
    long = mean.reset_index().melt(
        ["query_language", "before", "queries"], ["own", "other"], var_name="removed", value_name="after"
    )
    long = long.sort_values("query_language", kind="stable", ignore_index=True)
    long["fall"] = long["before"] - long["after"]
    out: pd.DataFrame = long[["query_language", "removed", "before", "after", "fall", "queries"]]
    return out


def _precision(rank: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AP of each row's ranks (ascending) where they are there, and whether any is."""
    count = there.sum(axis=1)
    nth = np.cumsum(there, axis=1)
    total = np.divide(nth, rank, out=np.zeros(rank.shape), where=there).sum(axis=1)
    return total / np.maximum(count, 1), count > 0
