"""Why a language is preferred: what speaking the query's language adds to a score, and what being relevant adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.bias.space import blocks
from hybridkit.errors import InputError
from hybridkit.evaluation.ranks import relevant_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark

_PAIRS = 2**14  # judged pairs whose embeddings are held at a time


def score_margin(
    benchmark: Benchmark, query_embeddings: NDArray[np.floating], passage_embeddings: NDArray[np.floating]
) -> pd.DataFrame:
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

    Exact in float64 without a score matrix: the mean score over some passages is the score of their mean embedding, so
    that memory is that of the embeddings, a block and a matrix (dim, dim). Raises InputError for embeddings of a wrong
    size, with NaN or infinity.

    >>> from hybridkit.benchmark import Benchmark
    >>> queries = pd.DataFrame({"language": ["en"], "query_id": ["q"], "article": "a", "text": ["Who?"]})
    >>> ids = ["t:de:1", "t:de:2", "t:en:1", "t:en:2"]
    >>> passages = pd.DataFrame({"language": ["de", "de", "en", "en"], "passage_id": ids, "article": "a", "text": "x"})
    >>> judged = pd.DataFrame({"query_id": "q", "passage_language": ["de", "en"], "passage_id": [ids[0], ids[2]]})
    >>> found = score_margin(Benchmark("t", queries, passages, judged), np.ones((1, 1)), np.array([[3], [1], [7], [4]]))
    >>> found[["own_irrelevant", "other_relevant", "margin", "bonus", "gap"]].values.tolist()
    [[4.0, 3.0, 1.0, 3.0, 2.0]]
    """
    _check(benchmark, query_embeddings, passage_embeddings)
    slices = benchmark.passage_slices
    sums = {name: sum(part.sum(axis=0) for _, part in blocks(passage_embeddings[at])) for name, at in slices.items()}
    everything = np.sum(list(sums.values()), axis=0)
    mean = everything / len(passage_embeddings)
    cover = sum((part - mean).T @ (part - mean) for _, part in blocks(passage_embeddings)) / len(passage_embeddings)
    own_sum, all_sum, spread, size = (np.zeros(len(query_embeddings)) for _ in range(4))
    for language, at in benchmark.query_slices.items():
        for rows, part in blocks(query_embeddings[at]):
            here = slice(at.start + rows.start, at.start + rows.stop)
            own_sum[here] = part @ sums.get(language, np.zeros_like(mean))
            all_sum[here] = part @ everything
            spread[here] = np.sqrt(np.maximum(((part @ cover) * part).sum(axis=1), 0))
        own = slices.get(language, slice(0, 0))
        size[at] = own.stop - own.start
    query, passage = relevant_positions(benchmark)
    same = (
        benchmark.queries["language"].to_numpy(object)[query]
        == benchmark.passages["language"].to_numpy(object)[passage]
    )
    scores = np.concatenate([np.empty(0), *(
        np.einsum("nd,nd->n", query_embeddings[query[at : at + _PAIRS]], passage_embeddings[passage[at : at + _PAIRS]],
                  dtype=np.float64)
        for at in range(0, len(query), _PAIRS)
    )])  # fmt: skip
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
            len(passage_embeddings) - size - count["other"]
        )
        frame["margin"] = frame["own_irrelevant"] - frame["other_relevant"]
        frame["bonus"] = frame["own_irrelevant"] - frame["other_irrelevant"]
        frame["gap"] = frame["other_relevant"] - frame["other_irrelevant"]
        for name in ("margin", "bonus", "gap"):
            frame[f"{name}_sd"] = frame[name] / frame["spread"]
    grouped = frame[np.isfinite(frame.drop(columns="query_language")).all(axis=1)].groupby("query_language", sort=False)
    out: pd.DataFrame = grouped.mean().assign(queries=grouped.size()).reset_index()
    return out


def _check(benchmark: Benchmark, queries: NDArray[np.floating], passages: NDArray[np.floating]) -> None:
    for what, found, wanted in (("queries", queries, benchmark.queries), ("passages", passages, benchmark.passages)):
        if found.ndim != 2 or len(found) != len(wanted):
            raise InputError(f"embeddings of {what}: shape {found.shape}, but the benchmark has {len(wanted)} {what}")
        if not all(np.isfinite(part).all() for _, part in blocks(found)):
            raise InputError(f"embeddings of {what} hold NaN or infinity; encode them anew")
    if queries.shape[1] != passages.shape[1]:
        raise InputError(f"embeddings have {queries.shape[1]} and {passages.shape[1]} dimensions; use one encoder")
