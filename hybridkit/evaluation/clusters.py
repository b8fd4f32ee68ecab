"""Paired differences summed by cluster: which questions belong together, and the sums that resampling works on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import KEYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark


_PARAGRAPH = re.compile(r"([^:]+:[^:]+:\d+)(:\d+)?")  # NAME:LANGUAGE:PARAGRAPH or NAME:LANGUAGE:PARAGRAPH:SENTENCE
_ROUNDING = 1e-12  # values of measures that differ by less, relative to 1, are equal


def question_clusters(benchmark: Benchmark, unit: str = "article") -> pd.Series:
    """Return the cluster to resample every query_id with, as a Series query_id -> cluster.

    Args:
        benchmark: The queries, and the judgements where `unit` is "paragraph".
        unit: "article", as the benchmark has it, or "paragraph" for passages of LAReQA (NAME:LANGUAGE:PARAGRAPH and so
            on): questions belong together that are judged in one paragraph of any language, and those joined by others.

    Raises:
        InputError: For another unit, ids without paragraphs, a question in two articles.

    Example:
        >>> question_clusters(toy).to_dict(), question_clusters(toy, "paragraph").to_dict()
        ({'q': 'a'}, {'q': '0'})
    """
    if unit == "article":
        found = benchmark.queries[["query_id", "article"]].drop_duplicates()
        twice = found["query_id"].duplicated()
        if twice.any():
            raise InputError(
                f"{benchmark.name}: query {found['query_id'][twice].iloc[0]!r} is in two articles; give each query one"
            )
        return found.set_index("query_id")["article"].rename("cluster")
    if unit != "paragraph":
        raise InputError(f"no unit {unit!r} to resample; there are 'article' and 'paragraph'")
    return _paragraphs(benchmark)


def _paragraphs(benchmark: Benchmark) -> pd.Series:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    judged = benchmark.judgements
    matches = [_PARAGRAPH.fullmatch(name) for name in judged["passage_id"]]
    for name, match in zip(judged["passage_id"], matches, strict=True):
        if match is None:
            raise InputError(f"{benchmark.name}: passage {name!r} names no paragraph; resample by 'article'")
    query, ids = pd.factorize(judged["query_id"])
    paragraph, names = pd.factorize(pd.Series([match[1] for match in matches if match], dtype=object))
    edges = coo_array((np.ones(len(query)), (query, paragraph + len(ids))), shape=(len(ids) + len(names),) * 2)
    _, part = connected_components(edges, directed=False)
    return pd.Series(part[: len(ids)].astype(str), index=pd.Index(ids, name="query_id"), name="cluster")


def paired(a: pd.DataFrame, b: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Subtract b's per-query values from a's: the columns of both with `difference` and the number of the `cluster`.

    Seeds of a question are averaged first. Raises InputError as `significance.compare` does.
    """
    keys = [*KEYS, "measure", "query_id"]
    left, right = _checked(a, keys, "a"), _checked(b, keys, "b")
    for here, there, name in ((left, right, "b"), (right, left, "a")):
        lonely = here.merge(there[keys], on=keys, how="left", indicator=True)["_merge"] != "both"
        if lonely.any():
            first = _name(here[lonely.to_numpy(bool)].iloc[0], keys)
            raise InputError(
                f"comparison: system {name} does not have {int(lonely.sum())} values, the first of {first}; "
                "both systems must have the same queries"
            )
    both = left.merge(right, on=keys, how="left")
    if not clusters.index.is_unique:
        raise InputError("comparison: a query has two clusters; give each query_id one")
    cluster = both["query_id"].map(clusters)
    if cluster.isna().any():
        count, query = int(cluster.isna().sum()), both["query_id"][cluster.isna()].iloc[0]
        raise InputError(f"comparison: {count} values without a cluster, the first of query {query!r}; give it one")
    value, other = both["value_a"].to_numpy(float), both["value_b"].to_numpy(float)
    # sums of seeds in another order differ in the last digit, which is not a difference
    difference = np.where(np.abs(value - other) < _ROUNDING * np.maximum(1, np.abs(value)), 0.0, value - other)
    return both[keys].assign(difference=difference, cluster=pd.factorize(cluster)[0])


def _checked(frame: pd.DataFrame, keys: list[str], name: str) -> pd.DataFrame:
    missing = [column for column in [*keys, "value"] if column not in frame]
    if missing or frame.empty:
        raise InputError(f"comparison: system {name} has no {', '.join(missing) or 'values'}; give per-query values")
    wrong = ~np.isfinite(frame["value"].to_numpy(float))
    if wrong.any():
        first = frame.iloc[int(np.argmax(wrong))]
        raise InputError(f"comparison: system {name} has no number for {_name(first, keys)} but {first['value']}")
    seeded = [*keys, "seed"] if "seed" in frame else keys
    repeated = frame.duplicated(seeded)
    if repeated.any():
        raise InputError(f"comparison: system {name} has two values for {_name(frame[repeated].iloc[0], seeded)}")
    if "seed" in frame:
        grouped = frame.groupby(keys, sort=False)["value"].agg(["mean", "size"]).reset_index()
        short = grouped["size"] < frame["seed"].nunique()
        if short.any():
            first = grouped[short].iloc[0]
            raise InputError(f"comparison: system {name} has {first['size']} of the seeds for {_name(first, keys)}")
        frame = grouped.rename(columns={"mean": "value"})
    return frame[[*keys, "value"]].rename(columns={"value": f"value_{name}"})


def _name(row: pd.Series, keys: list[str]) -> str:
    return ", ".join(f"{key} {row[key]}" for key in keys)


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Differences of one measure by cluster (rows) and pair of languages (columns); see `cluster_sums`.

    `pairs` has a row a column of `sums` and `sizes`: setting, query_language, passage_language. Everything derived has
    further columns behind those, one a setting: the mean over its pairs.
    """

    pairs: pd.DataFrame
    sums: NDArray[np.float64]
    sizes: NDArray[np.float64]
    questions: tuple[int, ...]

    @cached_property
    def settings(self) -> dict[str, NDArray[np.intp]]:
        """The columns of each setting."""
        code, names = pd.factorize(self.pairs["setting"])
        return {str(name): np.flatnonzero(code == nth) for nth, name in enumerate(names)}

    @property
    def labels(self) -> pd.DataFrame:
        """Setting and languages of every pair, then of every setting with "*" for the languages."""
        overall = pd.DataFrame({"setting": list(self.settings), "query_language": "*", "passage_language": "*"})
        return pd.concat([self.pairs, overall], ignore_index=True)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """What each cluster adds to each difference: columns add up to the pairs' and the settings' differences."""
        return self.with_settings(self.sums / self.sizes.sum(axis=0))

    @property
    def queries(self) -> NDArray[np.int64]:
        """Distinct queries behind each column."""
        return np.append(self.sizes.sum(axis=0), self.questions).astype(np.int64)

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Clusters behind each column."""
        there = self.sizes > 0
        either = [there[:, columns].any(axis=1).sum() for columns in self.settings.values()]
        return np.append(there.sum(axis=0), either).astype(np.int64)

    def with_settings(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Append to values (rows, pairs) a column a setting: the mean over its pairs that are there (not NaN)."""
        means = np.empty((len(values), len(self.settings)))
        for nth, columns in enumerate(self.settings.values()):
            part = values[:, columns]
            there = ~np.isnan(part)
            with np.errstate(invalid="ignore"):
                means[:, nth] = np.where(there, part, 0).sum(axis=1) / there.sum(axis=1)
        return np.concatenate([values, means], axis=1)


def cluster_sums(differences: pd.DataFrame) -> ClusterSums:
    """Add up the differences of one measure by cluster and pair of languages; takes rows of `paired`.

    >>> rows = pd.DataFrame({"setting": "mono", "query_language": "en", "passage_language": "en",
    ...                      "query_id": ["p", "q", "r"], "difference": [0.1, 0.2, 0.3], "cluster": [0, 0, 1]})
    >>> found = cluster_sums(rows)
    >>> found.sums.round(2).tolist(), found.sizes.tolist(), found.shares.sum(axis=0).round(2).tolist()
    ([[0.3], [0.3]], [[2.0], [1.0]], [0.2, 0.2])
    """
    grouped = differences.groupby(KEYS, sort=False)
    column = grouped.ngroup().to_numpy()
    pairs = differences[KEYS].drop_duplicates(ignore_index=True)
    cluster = pd.factorize(differences["cluster"])[0]
    shape = (int(cluster.max()) + 1, len(pairs))
    cell = cluster * shape[1] + column
    sums = np.bincount(cell, differences["difference"].to_numpy(float), shape[0] * shape[1]).astype(float)
    sizes = np.bincount(cell, minlength=shape[0] * shape[1]).astype(float)
    questions = differences.groupby("setting", sort=False)["query_id"].nunique()
    return ClusterSums(pairs, sums.reshape(shape), sizes.reshape(shape), tuple(questions.tolist()))
