"""Why a language is preferred: what speaking the query's language adds to a score, and what being relevant adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.evaluation.ranks import relevant_positions, score_blocks
from hybridkit.retrieval.dense import dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark


def score_margin(
    benchmark: Benchmark, query_embeddings: NDArray[np.floating], passage_embeddings: NDArray[np.floating],
    similarity: str = "dot",
) -> pd.DataFrame:  # fmt: skip
    """Average scores by query language of passages in the query's own language and in others, relevant and not.

    Gives query_language and, averaged over its queries: own_relevant, own_irrelevant, other_relevant,
    other_irrelevant (each a query's mean score over such passages of the pool), and from these

    - margin = own_irrelevant - other_relevant: above 0, an irrelevant passage in the query's language outscores
      the answer in another. LAReQA (arXiv 2004.05484) calls an encoder without this weakness strongly aligned;
    - bonus = own_irrelevant - other_irrelevant: what language alone adds;
    - gap = other_relevant - other_irrelevant: what relevance adds, across languages.

    The margin is the bonus less the gap, so that a change of it is told apart into the two: that is ours. `spread` is
    the standard deviation of a query's scores over the pool; margin_sd, bonus_sd and gap_sd are divided by it query by
    query, since encoders differ in the range of their scores. `queries` counts those with relevant and irrelevant
    passages on both sides, which all of it is over.

    Scores are those of the rank table, by the model's own similarity, added up in float64 a block at a time. Raises
    InputError for embeddings of a wrong size, with NaN or infinity.

    >>> from hybridkit.benchmark import Benchmark
    >>> queries = pd.DataFrame({"language": ["en"], "query_id": ["q"], "article": "a", "text": ["Who?"]})
    >>> ids = ["t:de:1", "t:de:2", "t:en:1", "t:en:2"]
    >>> passages = pd.DataFrame({"language": ["de", "de", "en", "en"], "passage_id": ids, "article": "a", "text": "x"})
    >>> judged = pd.DataFrame({"query_id": "q", "passage_language": ["de", "en"], "passage_id": [ids[0], ids[2]]})
    >>> found = score_margin(Benchmark("t", queries, passages, judged), np.ones((1, 1)), np.array([[3], [1], [7], [4]]))
    >>> found[["own_irrelevant", "other_relevant", "margin", "bonus", "gap"]].values.tolist()
    [[4.0, 3.0, 1.0, 3.0, 2.0]]
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
        frame["margin"] = frame["own_irrelevant"] - frame["other_relevant"]
        frame["bonus"] = frame["own_irrelevant"] - frame["other_irrelevant"]
        frame["gap"] = frame["other_relevant"] - frame["other_irrelevant"]
        for name in ("margin", "bonus", "gap"):
            frame[f"{name}_sd"] = frame[name] / frame["spread"]
    grouped = frame[np.isfinite(frame.drop(columns="query_language")).all(axis=1)].groupby("query_language", sort=False)
    out: pd.DataFrame = grouped.mean().assign(queries=grouped.size()).reset_index()
    return out
