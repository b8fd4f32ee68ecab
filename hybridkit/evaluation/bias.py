"""Language bias: what the ranking of a multilingual pool owes to language and not to content.

From the rank table: rank distance, target removal and gaps between languages. From scores: the share of each language
in the top of the pool, PEER, and the score margin. Measures of the embeddings themselves are in `embedding_space`,
what depends on the language of the query alone in `query_languages`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.evaluation.measures import DISTANCE, Measure, distances
from hybridkit.evaluation.rank_table import BLOCK_BYTES, relevant_positions, score_blocks
from hybridkit.retrieval.dense import dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.retrieval import Scorer

_LANGUAGE_COLUMNS = {
    "mono": ("query_language",),
    "cross": ("query_language", "passage_language"),
    "pool": ("query_language",),
}
_BIAS_MEASURES = (
    Measure("rank distance", "ranks", "lower", most=math.inf),
    Measure("normalised rank distance", "rank distance, 0: least, 1: random", "lower", most=math.inf),
    Measure("PEER", "mean p-value, irrelevant passages", "higher"),
    Measure("own language in the top", "share ÷ share expected", "lower", most=math.inf),
    Measure("target removal", "fall of AP, own − other language", "lower", least=-1.0),
    Measure("AP gap, mono", "AP, best − worst language", "lower"),
    Measure("AP gap, pool", "AP, best − worst query language", "lower"),
    Measure("score margin", "standard deviations of a score", "lower", -math.inf, math.inf),
    Measure("language bonus", "standard deviations of a score", "lower", -math.inf, math.inf),
    Measure("relevance gap", "standard deviations of a score", "higher", -math.inf, math.inf),
    Measure("answers overtaken", "share of answers in other languages", "lower"),
    Measure("language probe", "accuracy", "none"),
    Measure("language variance", "share of the variance", "none"),
    Measure("MRC", "Spearman's correlation, query languages", "higher", least=-1.0),
    Measure("Success@1", "share of queries answered", "higher"),
    Measure("Success@10", "share of queries answered", "higher"),
)


def rank_distance(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return average rank distance by query language: the largest minus the smallest pool rank of a query's passages.

    Args:
        ranks: A rank table.

    Returns:
        query_language, value (ranks; lower is less language bias) and queries: those with relevant passages in two
        languages or more, which the mean is over.

    Source:
        arXiv 2408.10536, which reports the mean over query languages.

    Example:
        >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "p", "q", "q"],
        ...                       "passage_language": ["de", "en", "de", "en"], "pool_rank": [9, 1, 2, 4]})
        >>> rank_distance(ranks).values.tolist()
        [['en', 5.0, 2]]
    """
    grouped = distances(ranks).groupby("query_language", sort=False)[DISTANCE]
    frame: pd.DataFrame = grouped.agg(value="mean", queries="size").reset_index()
    return frame


def normalised_distance(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return average rank distance by query language on a scale from 0, the least there can be, to 1, random order.

    It is no measure of its own: where all queries are known in equally many languages it is an affine image of
    `rank_distance`, so that the two agree on every comparison within a benchmark and count once. It is for comparing
    benchmarks.

    A query with n relevant passages in a pool of N has a distance of n - 1 when they are ranked together, and one of
    (n - 1)(N + 1) / (n + 1) on average in random order (the expected range of n ranks drawn from 1 .. N without
    replacement). Its value is (distance - least) / (random - least), so that pools of different size and queries known
    in different numbers of languages compare; above 1 its passages are further apart than at random.

    Args:
        ranks: A rank table.

    Returns:
        query_language, value and queries: those of `rank_distance`, less those whose pool is nothing but relevant.

    Source:
        The distance is that of arXiv 2408.10536, the scale is ours.

    Example:
        >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "passage_language": ["de", "en"],
        ...                       "pool_rank": [1, 5], "pool_candidates": 8})
        >>> normalised_distance(ranks).values.tolist()  # distance 4; least 1, random 9 / 3 = 3
        [['en', 1.5, 1]]
    """
    keys = ["query_language", "query_id"]
    found = distances(ranks).merge(random_distances(ranks), on=keys)
    found = found[found["random"] > found["least"]]
    value = (found[DISTANCE] - found["least"]) / (found["random"] - found["least"])
    grouped = found.assign(value=value).groupby("query_language", sort=False)["value"]
    frame: pd.DataFrame = grouped.agg(value="mean", queries="size").reset_index()
    return frame


def random_distances(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return the least and the expected rank distance of every query in random order.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": "q", "pool_rank": [1, 5], "pool_candidates": 8})
    >>> random_distances(ranks).to_dict("records")
    [{'query_language': 'en', 'query_id': 'q', 'least': 1, 'random': 3.0}]
    """
    grouped = ranks.groupby(["query_language", "query_id"])["pool_candidates"].agg(["size", "first"])
    count, pool = grouped["size"], grouped["first"]
    frame: pd.DataFrame = grouped.assign(least=count - 1, random=(count - 1) * (pool + 1) / (count + 1)).reset_index()
    return frame[["query_language", "query_id", "least", "random"]]


def language_gap(table: pd.DataFrame, measure: str = "AP") -> pd.DataFrame:
    """Return the best language's score less the worst's, in each setting.

    A gap has other reasons besides bias: how hard the language's passages are, how many there are. Compare it between
    models, not with 0.

    Args:
        table: The frame of `measures.scores`.
        measure: One of its measures.

    Returns:
        setting, side ("query_language" or "passage_language": whose languages are compared), value (best - worst),
        best, worst, mean. In `cross` a language's score is the mean over the languages on the other side.

    Source:
        XTREME (arXiv 2003.11080) takes the gap to English, for models trained on English alone; here no language is the
        yardstick.

    Example:
        >>> table = pd.DataFrame({"setting": "mono", "query_language": ["de", "en", "th"], "measure": "AP",
        ...                       "passage_language": ["de", "en", "th"], "value": [0.75, 1.0, 0.5]})
        >>> language_gap(table).values.tolist()
        [['mono', 'query_language', 0.5, 'en', 'th', 0.75]]
    """
    chosen = table[table["measure"] == measure]
    rows = []
    for setting, part in chosen.groupby("setting", sort=False):
        for side in _LANGUAGE_COLUMNS[str(setting)]:
            by = part.groupby(side)["value"].mean()
            rows.append((setting, side, by.max() - by.min(), by.idxmax(), by.idxmin(), by.mean()))
    return pd.DataFrame(rows, columns=["setting", "side", "value", "best", "worst", "mean"])


def target_removal(ranks: pd.DataFrame) -> pd.DataFrame:
    """Return AP in the pool without the relevant passages of one language: the query's own, or another.

    A system that ranks a question's passages by content alone loses as much by one as by another; one that prefers the
    query's language has its early hit there and loses more by it. Nothing is searched again: a removed passage moves up
    by one whatever stood behind it, so that the rank table gives the new ranks exactly.

    Args:
        ranks: A rank table.

    Returns:
        query_language, removed ("own" or "other"), before, after (AP), fall (before - after) and queries: those that
        have relevant passages in their own language and in another. "other" is the mean over a query's other languages,
        removed one at a time. A fall may be negative: without a passage that is ranked last the mean over the rest is
        higher. The bias is the fall by "own" less that by "other"; 0 is no bias.

    Source:
        After LAReQA, arXiv 2004.05484, which takes targets out of the pool to lay its same-language bias open.

    Example:
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
    own_language = frame["query_language"].to_numpy(object)[first]
    shape = (len(first), int(nth.max(initial=-1)) + 1)
    rank, language = np.ones(shape), np.full(shape, -1)  # -1: the query has fewer passages
    rank[query, nth], language[query, nth] = frame["pool_rank"].to_numpy(float), code
    before, _ = _precision(rank, language >= 0)
    own, other, others = np.full(len(first), np.nan), np.zeros(len(first)), np.zeros(len(first))
    for number, name in enumerate(names):
        gone = language == number
        after, left = _precision(rank - np.cumsum(gone, axis=1), (language >= 0) & ~gone)
        there = gone.any(axis=1) & left
        mine = own_language == name
        own[there & mine] = after[there & mine]
        other[there & ~mine] += after[there & ~mine]
        others += there & ~mine
    kept = ~np.isnan(own) & (others > 0)
    wide = pd.DataFrame({"query_language": own_language, "before": before, "own": own})[kept]
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


BIAS_MEASURES = {measure.label: measure for measure in _BIAS_MEASURES}


def language_share(benchmark: Benchmark, scorer: Scorer, k: int = 10, block_bytes: int = BLOCK_BYTES) -> pd.DataFrame:
    """Return the share of each language among the top k of the pool, beside the share expected.

    Args:
        benchmark: Queries and the pool; `toy` below has two German and two English passages.
        scorer: Scores of any system, such as `retrieval.dense.dense(benchmark, queries, passages)`.
        k: Depth. Ties are broken as in the rank table.
        block_bytes: Scores held at a time.

    Returns:
        query_language, passage_language, share (mean over the queries; sums to 1 for each query language) and expected
        (sums to 1 too): the share under a perfect system that is blind to language. It ranks the relevant passages of a
        query first and all others behind them, each in random order. So both a language's relevant passages and its
        other ones count, as far as they reach into the top k.

    Raises:
        InputError: For scores of a wrong shape, with NaN or infinity.

    Example:
        >>> language_share(toy, lambda rows: np.array([[0.9, 0.6, 0.5, 0.1]]), k=2).values.tolist()
        [['en', 'de', 1.0, 0.5], ['en', 'en', 0.0, 0.5]]

    Source:
        The expected share is ours. A language's share of all candidates, by which it is often divided, is that of a
        system that ranks at random: by it a perfect system prefers the languages with few sentences.
    """
    slices = benchmark.passage_slices
    starts = [part.start for part in slices.values()]
    sizes = np.array([part.stop - part.start for part in slices.values()])
    k = min(k, len(benchmark.passages))
    counts = {language: np.zeros(len(slices), np.int64) for language in benchmark.query_slices}
    expected = {language: np.zeros(len(slices)) for language in benchmark.query_slices}
    query, passage = relevant_positions(benchmark)
    relevant = _by_language(
        query, np.searchsorted(starts, passage, side="right") - 1, len(benchmark.queries), len(slices)
    )
    language_of = benchmark.queries["language"].to_numpy(object)
    for rows, block in score_blocks(benchmark, scorer, block_bytes):
        columns = top_columns(block, k)[1]
        nth = np.searchsorted(starts, columns, side="right") - 1
        counts[language_of[rows.start]] += np.bincount(nth, minlength=len(slices))
        expected[language_of[rows.start]] += _expected_shares(relevant[rows], sizes, k).sum(axis=0)
    parts = [
        pd.DataFrame(
            {
                "query_language": query_language,
                "passage_language": list(slices),
                "share": found / found.sum(),
                "expected": expected[query_language] / expected[query_language].sum(),
            }
        )
        for query_language, found in counts.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _expected_shares(relevant: NDArray[np.int64], sizes: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """The share of each language in the top k of a perfect and blind system, (queries, languages).

    >>> _expected_shares(np.array([[1, 1], [1, 0]]), np.array([3, 1]), 2).round(3).tolist()  # 1/2; 1 + 2/3 of 2
    [[0.5, 0.5], [0.833, 0.167]]
    """
    known = relevant.sum(axis=1, keepdims=True)
    first = np.minimum(known, k)
    rest = (sizes - relevant) / np.maximum(sizes.sum() - known, 1)
    shares: NDArray[np.float64] = (first * relevant / np.maximum(known, 1) + (k - first) * rest) / k
    return shares


def top_columns(block: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the k best columns of each row as (rows, columns), columns ascending; of equals the greater column is in.

    >>> top_columns(np.array([[0.5, 0.9, 0.5, 0.5]], np.float32), 2)[1].tolist()
    [1, 3]
    """
    kth = np.partition(block, block.shape[1] - k, axis=1)[:, [block.shape[1] - k]]
    rows, columns = np.nonzero(block >= kth)
    tied = block[rows, columns] == kth[rows, 0]
    room = k - np.bincount(rows[~tied], minlength=len(block))
    # how many of the row's ties are at or after this one: the last `room` of them are in
    after = np.bincount(rows[tied], minlength=len(block)).cumsum()[rows] - np.cumsum(tied) + 1
    kept = ~tied | (after <= room[rows])
    return rows[kept], columns[kept]


def peer(benchmark: Benchmark, scorer: Scorer, k: int = 100, block_bytes: int = BLOCK_BYTES) -> pd.DataFrame:
    """Return PEER@k by query language: the p-value that languages are ranked alike, mean over queries; 1 is fair.

    For a query, a Kruskal-Wallis test over the ranks in the pool of the irrelevant passages, grouped by language; what
    is ranked below k ties at the end. Over queries without any preference p is uniform: .5 on average. A p-value mixes
    size with certainty: it says whether there is a preference, not how large.

    The authors' level of relevant passages is left out. With one relevant passage a language every group has one
    member, H is the number of languages less one whatever the ranking, and the p-value a constant (.44 with eleven
    languages): it says nothing about parallel benchmarks, where rank distance looks at the same passages. Their package
    (hltcoe/peer_measure) also leaves out what is below k, so that a top k in one language alone has nothing to compare
    and counts as fair, and puts positions in the list into the formula; here it is ranks among the tested passages, as
    the test is defined.

    Args:
        benchmark: Queries and the pool.
        scorer: Scores of any system.
        k: Depth.
        block_bytes: Scores held at a time.

    Returns:
        query_language, value, tested (share of the queries with two languages or more to compare; the others count
        as 1) and queries.

    Raises:
        InputError: For scores of a wrong shape, with NaN or infinity.

    Source:
        Yang et al., "Language Fairness in Multilingual Information Retrieval", arXiv 2405.00978.

    Example:
        >>> peer(toy, lambda rows: np.array([[0.1, 0.2, 0.8, 0.9]])).round(4).values.tolist()  # irrelevant: de:2, en:2
        [['en', 0.3173, 1.0, 1]]
    """
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
        values[rows], tested[rows] = _fairness(~hit, language, sizes - relevant)
    frame = pd.DataFrame({"query_language": benchmark.queries["language"], "value": values, "tested": tested})
    grouped = frame.groupby("query_language", sort=False)
    out: pd.DataFrame = grouped.agg(value=("value", "mean"), tested=("tested", "mean"), queries=("value", "size"))
    return out.reset_index()


def _best_first(block: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns (queries, k) of the k best scores of each row, best first; of equals the greater column leads."""
    columns = top_columns(block, k)[1].reshape(len(block), k)[:, ::-1]
    order = np.argsort(-np.take_along_axis(block, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def _fairness(
    member: NDArray[np.bool_], language: NDArray[np.int64], total: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The p-value of each row, and whether it compares two languages.

    `member` and `language` (rows, k) say of the ranking's top which passages are tested and in which language they
    are; `total` (rows, languages) how many there are of each in the pool.
    """
    rank, rows = np.cumsum(member, axis=1), np.nonzero(member)[0]
    found = _by_language(rows, language[member], len(total), total.shape[1])
    sums = _by_language(rows, language[member], len(total), total.shape[1], weights=np.asarray(rank[member], np.int64))
    tail = total - found
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


def score_margin(
    benchmark: Benchmark,
    query_embeddings: NDArray[np.floating],
    passage_embeddings: NDArray[np.floating],
    similarity: str = "dot",
) -> pd.DataFrame:
    """Return average scores by query language of passages in the query's language and in others, relevant and not.

    Args:
        benchmark: Queries and the pool.
        query_embeddings: (queries, dim), in the benchmark's order.
        passage_embeddings: (passages, dim), in the benchmark's order.
        similarity: The model's own; scores are those of the rank table, added up in float64 a block at a time.

    Returns:
        query_language and, averaged over its queries, own_relevant, own_irrelevant, other_relevant, other_irrelevant
        (each a query's mean score over such passages of the pool), overtaken (below), and from the means

        - margin = own_irrelevant - other_relevant: above 0, an irrelevant passage in the query's language outscores the
          answer in another;
        - bonus = own_irrelevant - other_irrelevant: what language alone adds;
        - gap = other_relevant - other_irrelevant: what relevance adds, across languages.

        The margin is the bonus less the gap. It compares averages, and below 0 it does not say that an encoder is
        strongly aligned (LAReQA: every answer, in whatever language, scores above everything that is irrelevant): the
        average irrelevant passage is far away from any encoder. `overtaken` checks that: the share of a query's answers
        in other languages that score below some irrelevant passage in its own language. Strongly aligned is 0.

        `spread` is the standard deviation of a query's scores over the pool;
        margin_sd, bonus_sd and gap_sd are divided by it query by query, since encoders differ in the range of their
        scores. `queries` counts those with relevant and irrelevant passages on both sides, which all of it is over.

    Raises:
        InputError: For embeddings of a wrong size, with NaN or infinity.

    Source:
        Strong alignment is LAReQA's (arXiv 2004.05484, section 2); the measures are ours.

    Example:
        >>> found = score_margin(toy, np.ones((1, 1)), np.array([[3], [1], [7], [4]]))  # relevant: de 3, en 7
        >>> found[["own_irrelevant", "other_relevant", "margin", "bonus", "gap", "overtaken"]].values.tolist()
        [[4.0, 3.0, 1.0, 3.0, 2.0, 1.0]]
    """
    slices = benchmark.passage_slices
    spoken, starts = list(slices), [part.start for part in slices.values()]
    query, passage = relevant_positions(benchmark)
    same = (
        benchmark.queries["language"].to_numpy(object)[query]
        == benchmark.passages["language"].to_numpy(object)[passage]
    )
    scores = np.empty(len(query))
    own_sum, all_sum, spread, size = (np.zeros(len(benchmark.queries)) for _ in range(4))
    best = np.full(len(benchmark.queries), -np.inf)  # score of the best irrelevant passage in the query's language
    scorer = dense(benchmark, query_embeddings, passage_embeddings, similarity)
    for rows, block in score_blocks(benchmark, scorer):
        here = slice(*np.searchsorted(query, [rows.start, rows.stop]))
        scores[here] = block[query[here] - rows.start, passage[here]]
        by_language = np.add.reduceat(block, starts, axis=1, dtype=np.float64)
        all_sum[rows] = by_language.sum(axis=1)
        squares = np.einsum("ij,ij->i", block, block, dtype=np.float64) / block.shape[1]
        spread[rows] = np.sqrt(np.maximum(squares - (all_sum[rows] / block.shape[1]) ** 2, 0))
        language = benchmark.queries["language"].iloc[rows.start]
        if language in slices:
            own_sum[rows] = by_language[:, spoken.index(language)]
            size[rows] = slices[language].stop - slices[language].start
            own = block[:, slices[language]].copy()
            mine = np.flatnonzero(same[here]) + here.start
            own[query[mine] - rows.start, passage[mine] - slices[language].start] = -np.inf
            best[rows] = own.max(axis=1, initial=-np.inf)
    frame = pd.DataFrame({"query_language": benchmark.queries["language"], "spread": spread})
    length = len(frame)
    total, count = {}, {}
    for side, chosen in (("own", same), ("other", ~same)):
        total[side], count[side] = (np.bincount(query[chosen], weight, length) for weight in (scores[chosen], None))
    with np.errstate(invalid="ignore", divide="ignore"):
        frame["own_relevant"] = total["own"] / count["own"]
        frame["own_irrelevant"] = (own_sum - total["own"]) / (size - count["own"])
        frame["other_relevant"] = total["other"] / count["other"]
        frame["other_irrelevant"] = (all_sum - own_sum - total["other"]) / (
            len(benchmark.passages) - size - count["other"]
        )
        overtaken = np.bincount(query[~same], scores[~same] < best[query[~same]], length)
        frame["overtaken"] = overtaken / count["other"]
        frame["margin"] = frame["own_irrelevant"] - frame["other_relevant"]
        frame["bonus"] = frame["own_irrelevant"] - frame["other_irrelevant"]
        frame["gap"] = frame["other_relevant"] - frame["other_irrelevant"]
        for name in ("margin", "bonus", "gap"):
            frame[f"{name}_sd"] = frame[name] / frame["spread"]
    grouped = frame[np.isfinite(frame.drop(columns="query_language")).all(axis=1)].groupby("query_language", sort=False)
    out: pd.DataFrame = grouped.mean().assign(queries=grouped.size()).reset_index()
    return out
