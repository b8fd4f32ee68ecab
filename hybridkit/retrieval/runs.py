"""Runs: what a system retrieves, as a frame of the top k passages of every query in trec_eval's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.trec import read_run, whole
from hybridkit.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from hybridkit.storage.columns import StringColumn

RUN_COLUMNS = ("query_id", "passage_id", "score")


def run_frame(query_ids: ArrayLike, passage_ids: ArrayLike, scores: ArrayLike, k: int | None = None) -> pd.DataFrame:
    """Make a run: DataFrame[query_id, passage_id, score (float32)] of the best `k` passages of each query.

    The three stand beside each other, in any order. The run is sorted by query_id, then by score descending, then by
    passage id as UTF-8 bytes descending, which is how trec_eval breaks ties.

    Raises InputError for a passage that a query has twice and for scores with NaN or infinity.

    >>> run_frame(["q", "q", "q"], ["a", "b", "c"], [0.5, 0.5, 0.9], k=2).values.tolist()
    [['q', 'c', 0.8999999761581421], ['q', 'b', 0.5]]
    """
    query, queries = pd.factorize(np.asarray(query_ids, object), sort=True)
    # code points sort as their UTF-8 bytes do
    passage, passages = pd.factorize(np.asarray(passage_ids, object), sort=True)
    values = np.asarray(scores, np.float32)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"run: passage {passages[passage[first]]!r} has the score {values[first]}; give finite ones")
    order = np.lexsort((-passage, -values, query))
    query, passage, values = query[order], passage[order], values[order]
    pairs = query.astype(np.int64) * max(1, len(passages)) + passage
    if len(np.unique(pairs)) < len(pairs):
        twice = int(np.flatnonzero(pd.Series(pairs).duplicated())[0])
        raise InputError(
            f"run: query {queries[query[twice]]!r} has passage {passages[passage[twice]]!r} twice; ids are to be "
            "unique over everything that is searched (put the set or the language in front)"
        )
    if k is not None:
        kept = np.arange(len(query)) - np.searchsorted(query, query) < k
        query, passage, values = query[kept], passage[kept], values[kept]
    return pd.DataFrame({"query_id": queries[query], "passage_id": passages[passage], "score": values})


def frame_of_places(
    query_ids: Sequence[str], ids: StringColumn, scores: NDArray[np.float32], places: NDArray[np.int64]
) -> pd.DataFrame:
    """Make a run of scores and places of passages, both (queries, k); a place below 0 is none."""
    query, column = np.nonzero(places >= 0)
    names = ids[places[query, column]] if len(query) else np.empty(0, object)
    return run_frame(np.asarray(query_ids, object)[query], names, scores[query, column])


def merge_runs(runs: Sequence[pd.DataFrame], k: int = 1000) -> pd.DataFrame:
    """Merge what one system found in several parts of a collection into the run over all of it.

    The same as a search over all parts together, where scores do not depend on the part (dense ones do not, BM25's
    do). Raises InputError for an id that stands in two parts.

    >>> parts = [run_frame(["q"], ["de:1"], [0.4]), run_frame(["q", "q"], ["en:1", "en:2"], [0.7, 0.1])]
    >>> merge_runs(parts, k=2)["passage_id"].tolist()
    ['en:1', 'de:1']
    """
    every = pd.concat([run[list(RUN_COLUMNS)] for run in runs], ignore_index=True)
    return run_frame(every["query_id"], every["passage_id"], every["score"], k)


def recall_against(run: pd.DataFrame, exact: pd.DataFrame) -> float:
    """Mean share of the passages of an exact run that another one has, over the exact run's queries; 1 without any.

    >>> exact = run_frame(["q", "q"], ["a", "b"], [0.9, 0.8])
    >>> recall_against(run_frame(["q", "q"], ["a", "c"], [0.9, 0.7]), exact)
    0.5
    """
    both = exact.merge(run[["query_id", "passage_id"]], on=["query_id", "passage_id"])
    wanted = exact.groupby("query_id").size()
    if not len(wanted):
        return 1.0
    return float((both.groupby("query_id").size().reindex(wanted.index, fill_value=0) / wanted).mean())


def save_run(run: pd.DataFrame, path: Path, tag: str = "hybridkit") -> None:
    """Write a run in TREC's format, `query_id Q0 passage_id rank score tag`; nine digits give every float32 back.

    Raises InputError for an id with white space in it, which the format cannot hold.
    """
    queries, passages = (whole(run[column].to_numpy(object)) for column in ("query_id", "passage_id"))
    ranks = run.groupby("query_id").cumcount() + 1
    lines = zip(queries, passages, ranks, run["score"], strict=True)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"{query} Q0 {passage} {rank} {score:.9g} {tag}\n" for query, passage, rank, score in lines)


def load_run(path: Path, k: int | None = None) -> pd.DataFrame:
    """Read a run in TREC's format, of any system; its scores count and not its ranks, as in trec_eval.

    Raises InputError naming a line that is none, and for a passage that a query has twice.
    """
    found = read_run(path)
    return run_frame(found["query_id"], found["passage_id"], found["score"], k)
