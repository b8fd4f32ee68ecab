"""A map of a benchmark's queries and passages: each text a point, where a model's embedding lies in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.utils.parallel import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.report.inspected_run import Inspected


MAP_COLUMNS = ["side", "language", "id", "article", "text", "rank", "rank_distance", "answers", "x", "y"]
_BLOCK = 8192  # rows that are made float64 at a time


class TextMap(NamedTuple):
    """A map: a frame of its points, and the shares of the embeddings' variance that x and y show."""

    points: pd.DataFrame
    shares: tuple[float, float]


def text_map(inspected: Inspected, strategy: str, seed: int | None = None) -> TextMap:
    """Lay out all queries and passages of a benchmark in the plane of their two first principal components.

    Points, queries first: side ("query" or "passage"), language, id, article, text; of queries rank, that of the first
    relevant passage in the pool, and rank_distance (NA for passages, and where a query has none); of passages answers,
    the number of questions to which one is relevant (NA for queries); x and y, in units of the embeddings, whose mean
    is 0. Embeddings are as the strategy's remedy changes them, of one seed, the first that is there unless it is given.

    Raises:
        InputError: Where the embeddings are not there.
    """
    benchmark = inspected.benchmark
    if not len(benchmark.queries):
        raise InputError(f"{inspected.benchmark_name}: its texts are not there, so that they have no map")
    positions, shares = principal_plane(*inspected.vectors(strategy, seed))
    queries, passages = (
        frame.rename(columns={name: "id"}).assign(side=side)
        for frame, name, side in (
            (benchmark.queries, "query_id", "query"),
            (benchmark.passages, "passage_id", "passage"),
        )
    )
    ranks = inspected.ranks(strategy, seed).groupby(["query_language", "query_id"])
    first, last = ranks["pool_rank"].min(), ranks["pool_rank"].max()
    several = ranks["passage_language"].nunique() >= 2
    keys = pd.MultiIndex.from_frame(queries[["language", "id"]])
    queries["rank"] = first.reindex(keys).astype("Int64").to_numpy()
    queries["rank_distance"] = (last - first).astype("Int64").where(several).reindex(keys).to_numpy()
    answers = benchmark.judgements["passage_id"].value_counts()
    passages["answers"] = answers.reindex(passages["id"]).fillna(0).astype("Int64").to_numpy()
    points = pd.concat([queries, passages], ignore_index=True)
    points[["x", "y"]] = positions
    return TextMap(points.astype(dict.fromkeys(("rank", "rank_distance", "answers"), "Int64"))[MAP_COLUMNS], shares)


@one_blas_thread()
def principal_plane(*parts: NDArray[np.floating]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the coordinates of all rows in the plane of their two first principal components, and what each shows.

    Args:
        parts: Embeddings, each (n, dim); the coordinates are of all rows, in their order.

    Returns:
        Coordinates (rows, 2), with the mean at 0 and the largest entry of an axis positive, and the two shares of the
        variance.

    Example:
        >>> points, shares = principal_plane(np.array([[0.0, 3.0], [0.0, -3.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]]))
        >>> points.round(6).tolist(), [round(one, 3) for one in shares]
        ([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0.9, 0.1])
    """
    blocks = [part[start : start + _BLOCK] for part in parts for start in range(0, len(part), _BLOCK)]
    size, dim = sum(map(len, blocks)), parts[0].shape[1]
    mean = sum((np.asarray(one, np.float64).sum(axis=0) for one in blocks), np.zeros(dim)) / max(size, 1)
    spread = np.zeros((dim, dim))
    for one in blocks:
        centred = np.asarray(one, np.float64) - mean
        spread += centred.T @ centred
    values, vectors = np.linalg.eigh(spread)
    axes = np.zeros((dim, 2))
    axes[:, : min(2, dim)] = vectors[:, ::-1][:, :2]
    points = np.concatenate([(np.asarray(one, np.float64) - mean) @ axes for one in blocks] or [np.zeros((0, 2))])
    if size:
        points *= np.where(points[np.abs(points).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    whole = max(float(spread.trace()), 1e-300)
    top = [*np.maximum(values[::-1][:2], 0), 0.0][:2]
    return points, (float(top[0]) / whole, float(top[1]) / whole)
