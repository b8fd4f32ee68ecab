"""PEER: how probable a ranking is if passages of equal relevance, whatever their language, had equal expected ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.bias.share import top_columns
from hybridkit.errors import InputError
from hybridkit.evaluation.ranks import BLOCK_BYTES, relevant_positions, score_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer

IRRELEVANT = {0: 1.0}


def kruskal_wallis(values: Sequence[float], groups: Sequence[object]) -> float:
    """Compute the p-value of the Kruskal-Wallis H test: the groups' values come from one distribution (1: no doubt).

    Ties get their mean rank and H is corrected for them, as in `scipy.stats.kruskal`; with one group, or all values
    the same, there is nothing to tell apart and it is 1.

    >>> round(kruskal_wallis([1, 2, 3, 4], ["de", "de", "en", "en"]), 4)  # H = 12/20 (9/2 + 49/2) - 15 = 2.4
    0.1213
    """
    from scipy.stats import rankdata

    names, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    ranks = rankdata(values)
    size, total = np.bincount(code, minlength=len(names))[None], np.bincount(code, ranks, len(names))[None]
    return float(_p_values(size, total, np.array([(ranks**2).sum()]))[0])


def peer(
    benchmark: Benchmark,
    scorer: Scorer,
    k: int = 100,
    weights: Mapping[int, float] = IRRELEVANT,
    unretrieved: bool = True,
    block_bytes: int = BLOCK_BYTES,
) -> pd.DataFrame:
    """Compute PEER@k by query language: the p-value that languages are ranked alike, mean over queries; 1 is fair.

    For a query and each level of relevance (0, 1) in `weights` (which add up to 1), a Kruskal-Wallis test over the
    ranks in the pool of the passages of that level, grouped by language; what stands below rank k ties at the end. Its
    p-values, weighted, are the query's PEER. Over queries without any preference p is uniform: .5 on average.

    Source: Yang et al., "Language Fairness in Multilingual Information Retrieval", arXiv 2405.00978. Three things to
    know. With one relevant passage a language every group has one member, H is the number of languages less one
    whatever the ranking, and the p-value a constant (.44 with eleven languages): level 1 says nothing about parallel
    benchmarks, where rank distance looks at the same passages. So the default asks it of the irrelevant ones alone,
    which a parallel pool offers alike in every language. Second, the authors' package (hltcoe/peer_measure) leaves out
    irrelevant passages below k, so that a top k in one language alone has nothing to compare and counts as fair (1);
    here they tie at the end with the rest, unless `unretrieved` is False. Third, that package puts places in the list
    into the formula, this one ranks among the tested passages, as the test is defined. And a p-value mixes size with
    certainty: it says whether there is a preference, not how large.

    Gives query_language, value, tested (share of the queries with two languages or more to compare at each level; the
    others count as 1) and queries. Raises InputError for weights of another level or sum, and for bad scores.

    >>> from hybridkit.benchmark import Benchmark
    >>> queries = pd.DataFrame({"language": ["en"], "query_id": ["q"], "article": "a", "text": ["Who?"]})
    >>> ids = ["t:de:1", "t:de:2", "t:en:1", "t:en:2"]
    >>> passages = pd.DataFrame({"language": ["de", "de", "en", "en"], "passage_id": ids, "article": "a", "text": "x"})
    >>> toy = Benchmark("t", queries, passages, pd.DataFrame(columns=["query_id", "passage_language", "passage_id"]))
    >>> peer(toy, lambda rows: np.array([[0.1, 0.2, 0.8, 0.9]])).round(4).values.tolist()
    [['en', 0.1213, 1.0, 1]]
    """
    if not set(weights) <= {0, 1} or not np.isclose(sum(weights.values()), 1):
        raise InputError(f"PEER: weights {dict(weights)} cannot be; give levels 0 and 1 weights that add up to 1")
    bounds = np.array([part.stop for part in benchmark.passage_slices.values()], np.int64)
    sizes, width, k = np.diff(bounds, prepend=0), len(benchmark.passages), min(k, len(benchmark.passages))
    query_of, passage_of = relevant_positions(benchmark)
    values, tested = np.zeros(len(benchmark.queries)), np.ones(len(benchmark.queries), bool)
    for rows, block in score_blocks(benchmark, scorer, block_bytes):
        at = slice(*np.searchsorted(query_of, [rows.start, rows.stop]))
        keys = (query_of[at] - rows.start) * width + passage_of[at]
        relevant = _by_language(keys // width, np.searchsorted(bounds, passage_of[at], "right"), len(block), len(sizes))
        columns = _best_first(block, k)
        language = np.searchsorted(bounds, columns, "right")
        hit = np.isin(np.arange(len(block))[:, None] * width + columns, keys)
        for level, weight in weights.items():
            total = relevant if level else sizes - relevant
            p, several = _level(hit if level else ~hit, language, total, unretrieved or level == 1)
            values[rows] += weight * p
            tested[rows] &= several
    frame = pd.DataFrame({"query_language": benchmark.queries["language"], "value": values, "tested": tested})
    grouped = frame.groupby("query_language", sort=False)
    out: pd.DataFrame = grouped.agg(value=("value", "mean"), tested=("tested", "mean"), queries=("value", "size"))
    return out.reset_index()


def _best_first(block: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns (queries, k) of the k best scores of each row, best first; of equals the greater column leads."""
    columns = top_columns(block, k)[1].reshape(len(block), k)[:, ::-1]
    order = np.argsort(-np.take_along_axis(block, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def _level(
    member: NDArray[np.bool_], language: NDArray[np.int64], total: NDArray[np.int64], unretrieved: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The p-value of each row, and whether it compares two languages.

    `member` and `language` (rows, k) say of the ranking's top which passages are tested and in which language they
    are; `total` (rows, languages) how many there are of each in the pool.
    """
    rank, rows = np.cumsum(member, axis=1), np.nonzero(member)[0]
    found = _by_language(rows, language[member], len(total), total.shape[1])
    sums = _by_language(rows, language[member], len(total), total.shape[1], weights=np.asarray(rank[member], np.int64))
    tail = total - found if unretrieved else np.zeros_like(total)
    last, left = rank[:, -1].astype(float), tail.sum(axis=1)
    tie = last + (left + 1) / 2
    squares = last * (last + 1) * (2 * last + 1) / 6 + left * tie**2
    size = found + tail
    return _p_values(size, sums + tail * tie[:, None], squares), (size > 0).sum(axis=1) > 1


def _by_language(
    rows: NDArray[np.int64],
    language: NDArray[np.int64],
    height: int,
    width: int,
    weights: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    counts = np.bincount(rows * width + language, weights, height * width)
    return counts.astype(np.int64).reshape(height, width)


def _p_values(size: NDArray[Any], total: NDArray[Any], squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """H test of each row: group sizes and sums of ranks (rows, groups), and the sum of all squared ranks (rows)."""
    from scipy.stats import chi2

    count = size.sum(axis=1)
    mean = (count + 1) / 2
    means = np.divide(total, size, out=np.zeros(size.shape), where=size > 0)
    between = (size * (means - mean[:, None]) ** 2).sum(axis=1)
    around = squares - count * mean**2
    groups = (size > 0).sum(axis=1)
    able = (groups > 1) & (around > 1e-9 * np.maximum(squares, 1))
    h = np.divide((count - 1) * between, around, out=np.zeros(len(size)), where=able)
    return np.where(able, chi2.sf(h, np.maximum(groups - 1, 1)), 1.0)
