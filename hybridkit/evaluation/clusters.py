"""Which questions belong together, and the values of a model added up by these clusters: what comparisons work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import KEYS, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark


_ROUNDING = 1e-12  # sums smaller than this part of their terms are 0: the order of adding moves the last digits


def question_clusters(benchmark: Benchmark) -> pd.Series:
    """Return the cluster to resample every query_id with, its article, as a Series query_id -> cluster.

    Raises InputError for a question in two articles.

    >>> question_clusters(toy).to_dict()
    {'q': 'a'}
    """
    found = benchmark.queries[["query_id", "article"]].drop_duplicates()
    twice = found["query_id"].duplicated()
    if twice.any():
        raise InputError(
            f"{benchmark.name}: query {found['query_id'][twice].iloc[0]!r} is in two articles; give each query one"
        )
    return found.set_index("query_id")["article"].rename("cluster")


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Values of one measure added up by cluster (rows) and pair of languages (columns): all that a comparison needs.

    Made by `model_sums` for a model, and by `combined` for a sum of models with their factors, such as a difference.

    - pairs: a row a column of the rest: setting, query_language, passage_language, in the order of `in_order`;
    - sums, sizes: the values added up, and how many there are (clusters, pairs);
    - names: of the clusters;
    - questions: a number for the query ids in each cell, by which other models are known to be judged on the same;
    - overall: leave the pairs out of everything derived.

    Everything derived has further columns behind the pairs, one a setting: the mean over its pairs.
    """

    pairs: pd.DataFrame
    sums: NDArray[np.float64]
    sizes: NDArray[np.float64]
    names: NDArray[np.object_]
    questions: NDArray[np.uint64]
    overall: bool = False

    @cached_property
    def settings(self) -> dict[str, NDArray[np.intp]]:
        """The columns of each setting."""
        code, names = pd.factorize(self.pairs["setting"])
        return {str(name): np.flatnonzero(code == nth) for nth, name in enumerate(names)}

    @property
    def labels(self) -> pd.DataFrame:
        """Setting and languages of every pair, then of every setting with "*" for the languages."""
        overall = pd.DataFrame({"setting": list(self.settings), "query_language": "*", "passage_language": "*"})
        return overall if self.overall else pd.concat([self.pairs, overall], ignore_index=True)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """What each cluster adds to each mean: columns add up to the means of pairs and settings."""
        return self.with_settings(self.sums / self.sizes.sum(axis=0))

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """What share of the questions of each column each cluster has; columns add up to 1."""
        return self.with_settings(self.sizes / self.sizes.sum(axis=0))

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean of every pair and setting."""
        found: NDArray[np.float64] = self.shares.sum(axis=0)
        return found

    @property
    def influences(self) -> NDArray[np.float64]:
        """What each cluster moves each mean by: its sum beyond what a cluster of its size has (columns add up to 0)."""
        pairs: NDArray[np.float64] = self.sums.sum(axis=0) / self.sizes.sum(axis=0)
        return replace(self, sums=self.sums - pairs * self.sizes).shares

    @property
    def queries(self) -> NDArray[np.int64]:
        """Queries behind each pair, and the most that a pair of a setting has."""
        own = self.sizes.sum(axis=0)
        return self._beside(own, [own[columns].max() for columns in self.settings.values()])

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Clusters behind each column."""
        there = self.sizes > 0
        either = [there[:, columns].any(axis=1).sum() for columns in self.settings.values()]
        return self._beside(there.sum(axis=0), either)

    def _beside(self, pairs: NDArray[Any], settings: list[Any]) -> NDArray[np.int64]:
        return np.append(pairs[: 0 if self.overall else None], settings).astype(np.int64)

    def with_settings(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Append to values (rows, pairs) a column a setting: the mean over its pairs that are there (not NaN)."""
        means = np.empty((len(values), len(self.settings)))
        for nth, columns in enumerate(self.settings.values()):
            part = values[:, columns]
            there = ~np.isnan(part)
            with np.errstate(invalid="ignore"):
                means[:, nth] = np.where(there, part, 0).sum(axis=1) / there.sum(axis=1)
        return means if self.overall else np.concatenate([values, means], axis=1)

    def select(self, chosen: NDArray[np.bool_], setting: str) -> ClusterSums:
        """Keep some pairs, as one setting of that name, and the clusters that they have.

        >>> values = pd.DataFrame({"setting": "mono", "query_language": ["en", "de"], "passage_language": ["en", "de"],
        ...                        "query_id": "p", "measure": "AP", "value": [0.1, 0.3]})
        >>> sums = model_sums(values, pd.Series(["x"], ["p"]))["AP"]
        >>> sums.select((sums.pairs["query_language"] == "en").to_numpy(), "English").means.tolist()
        [0.1, 0.1]
        """
        rows = (self.sizes[:, chosen] > 0).any(axis=1)
        pairs = self.pairs[chosen].assign(setting=setting).reset_index(drop=True)
        cells = np.ix_(rows, chosen)
        sums, sizes = self.sums[cells], self.sizes[cells]
        return ClusterSums(pairs, sums, sizes, self.names[rows], self.questions[cells], self.overall)

    def weighted(self, weights: NDArray[np.float64], setting: str) -> ClusterSums:
        """Add up the means of all pairs times `weights` (pairs,): one pair "*", the only one of a setting of that name.

        >>> values = pd.DataFrame({"setting": "mono", "query_language": ["en", "de"], "passage_language": ["en", "de"],
        ...                        "query_id": "p", "measure": "AP", "value": [0.1, 0.3]})
        >>> sums = model_sums(values, pd.Series(["x"], ["p"]))["AP"]
        >>> sums.weighted(np.array([1.0, -1.0]), "German less English").means.round(3).tolist()
        [0.2, 0.2]
        """
        sizes = self.sizes.mean(axis=1, keepdims=True)
        sums = (self.sums / self.sizes.sum(axis=0) @ weights)[:, None] * sizes.sum()
        pairs = pd.DataFrame({"setting": [setting], "query_language": "*", "passage_language": "*"})
        return ClusterSums(pairs, sums, sizes, self.names, self.questions.sum(axis=1, keepdims=True), self.overall)

    def on(self, names: NDArray[np.object_]) -> ClusterSums:
        """The same with rows for these clusters, empty where there was none."""
        if np.array_equal(names, self.names):
            return self
        at = pd.Index(self.names).get_indexer(pd.Index(names))
        rows = [np.where((at < 0)[:, None], 0, one[at]) for one in (self.sums, self.sizes, self.questions)]
        return replace(self, sums=rows[0], sizes=rows[1], names=names, questions=rows[2].astype(np.uint64))


def combined(parts: Sequence[tuple[float, ClusterSums]], constant: float = 0.0) -> ClusterSums:
    """Add up sums with their factors, and a constant for every question: ((1, a), (-1, b)) is a difference.

    What is 0 but for the order of adding is 0. Raises InputError where they were not judged on the same questions.

    >>> values = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
    ...                        "query_id": ["p", "q"], "measure": "AP", "value": [0.5, 1.0]})
    >>> sums = model_sums(values, pd.Series(["x", "y"], ["p", "q"]))["AP"]
    >>> combined([(1, sums), (-0.5, sums)], 0.25).means.tolist()
    [0.625, 0.625]
    """
    like = parts[0][1]
    for _, other in parts[1:]:
        same = np.array_equal(other.names, like.names) and other.pairs.equals(like.pairs)
        if not (same and np.array_equal(other.questions, like.questions)):
            raise InputError(f"comparison: the systems were not judged on the same questions: {_differs(like, other)}")
    terms = [factor * one.sums for factor, one in parts] + [constant * like.sizes] * bool(constant)
    total = np.sum(terms, axis=0)
    return replace(like, sums=np.where(np.abs(total) <= _ROUNDING * np.sum(np.abs(terms), axis=0), 0.0, total))


def _differs(a: ClusterSums, b: ClusterSums) -> str:
    """Name the first pair of languages or cluster in which the questions differ."""
    one, other = ({tuple(map(str, row)) for row in each.pairs.to_numpy().tolist()} for each in (a, b))
    if lonely := sorted(one ^ other):
        return f"only one of them has queries in {', '.join(lonely[0])}"
    if unique := sorted({str(name) for name in a.names} ^ {str(name) for name in b.names}):
        return f"only one of them has queries of cluster {unique[0]!r}"
    row, column = np.argwhere(a.questions != b.questions)[0]
    return f"they have other queries of cluster {str(a.names[row])!r} in {', '.join(a.pairs.iloc[column])}"


def model_sums(values: pd.DataFrame, clusters: pd.Series) -> dict[str, ClusterSums]:
    """Add up one model's per-query values (`measures.per_query`) by cluster of questions, measure by measure.

    `clusters` gives every query_id its cluster (`question_clusters`). Raises InputError for a column that is missing,
    no values, a value that is no number, a query that has two values or no cluster.

    >>> values = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
    ...                        "query_id": ["p", "q", "r"], "measure": "AP", "value": [0.1, 0.2, 0.3]})
    >>> found = model_sums(values, pd.Series(["x", "x", "y"], ["p", "q", "r"]))["AP"]
    >>> found.sums.round(2).tolist(), found.sizes.tolist(), found.means.round(2).tolist()
    ([[0.3], [0.3]], [[2.0], [1.0]], [0.2, 0.2])
    """
    keys = [*KEYS, "measure", "query_id"]
    if missing := [column for column in [*keys, "value"] if column not in values]:
        raise InputError(f"comparison: a system has no column {', '.join(missing)}; give per-query values")
    if values.empty:
        raise InputError("comparison: a system has no values; give per-query values")
    if not clusters.index.is_unique:
        raise InputError("comparison: a query has two clusters; give each query_id one")
    wrong = ~np.isfinite(values["value"].to_numpy(float))
    if wrong.any():
        first = values.iloc[int(np.argmax(wrong))]
        raise InputError(f"comparison: a system has no number for {_name(first, keys)} but {first['value']}")
    repeated = values.duplicated(keys).to_numpy(bool)
    if repeated.any():
        raise InputError(f"comparison: a system has two values for {_name(values[repeated].iloc[0], keys)}")
    cluster = values["query_id"].map(clusters)
    if cluster.isna().any():
        count, query = int(cluster.isna().sum()), values["query_id"][cluster.isna()].iloc[0]
        raise InputError(f"comparison: {count} values without a cluster, the first of query {query!r}; give it one")
    rows = values.assign(cluster=cluster)
    return {str(measure): _sums(part) for measure, part in rows.groupby("measure", sort=False)}


def _sums(rows: pd.DataFrame) -> ClusterSums:
    grouped = rows.groupby(KEYS, sort=False)
    pairs = rows[KEYS].drop_duplicates(ignore_index=True)
    place = {name: at for at, name in enumerate(in_order(pairs["setting"]))}
    order = pairs.assign(setting=pairs["setting"].map(place)).sort_values(KEYS, kind="stable").index.to_numpy()
    column = np.argsort(order)[grouped.ngroup().to_numpy()]
    cluster, names = pd.factorize(rows["cluster"].to_numpy(object), sort=True)
    shape = (len(names), len(pairs))
    cell = cluster * shape[1] + column
    sums = np.bincount(cell, rows["value"].to_numpy(float), shape[0] * shape[1]).astype(float).reshape(shape)
    sizes = np.bincount(cell, minlength=shape[0] * shape[1]).astype(float).reshape(shape)
    code, ids = pd.factorize(rows["query_id"])
    questions = np.zeros(shape[0] * shape[1], np.uint64)
    np.add.at(questions, cell, pd.util.hash_array(np.asarray(ids, object))[code])  # sums wrap around
    return ClusterSums(pairs.iloc[order].reset_index(drop=True), sums, sizes, names, questions.reshape(shape))


def _name(row: pd.Series, keys: list[str]) -> str:
    return ", ".join(f"{key} {row[key]}" for key in keys)
