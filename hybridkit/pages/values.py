"""The values that pages are made of: a matrix of one measure, and what the page of one pair of languages shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from hybridkit.benchmark import Benchmark
from hybridkit.pages.texts import TextStore
from hybridkit.widgets.ranked import POOL

Top = tuple[str, int, float, int]  # language, place in the texts of that language, score, 0 or 1 relevant or 2 twin


@dataclass(frozen=True, eq=False)
class View:
    """A measure of a strategy for every pair, or what it is more than that of `minus`.

    `frame` has the columns query_language, passage_language ("*" is the pool), value and, for a difference,
    significant.
    """

    strategy: str
    minus: str
    measure: str
    frame: pd.DataFrame

    def value(self, pair: tuple[str, str]) -> float:
        """The value of a pair; NaN where it has none."""
        return self._values.get(pair, float("nan"))

    def significant(self, pair: tuple[str, str]) -> bool:
        """Whether the difference of a pair is significant; always so for a plain value."""
        return pair in self._significant if self.minus else True

    @cached_property
    def _values(self) -> dict[tuple[str, str], float]:
        keys = zip(self.frame["query_language"], self.frame["passage_language"], strict=True)
        return dict(zip(keys, self.frame["value"].astype(float).tolist(), strict=True))

    @cached_property
    def _significant(self) -> frozenset[tuple[str, str]]:
        kept = self.frame[self.frame["significant"].astype(bool)]
        return frozenset(zip(kept["query_language"], kept["passage_language"], strict=True))


@dataclass(frozen=True, eq=False)
class Pair:
    """What is told of one pair of languages.

    `queries` is the frame of `views.pair_queries` for the strategy now against the one before: query_id, text, rank,
    before, change, rank_distance (before and change are missing where there is one strategy only). `worst` and
    `changed` are rows of it.
    """

    query_language: str
    passage_language: str
    queries: pd.DataFrame
    worst: pd.DataFrame
    changed: pd.DataFrame

    @property
    def key(self) -> tuple[str, str]:
        """Query language and passage language, "*" for the pool."""
        return self.query_language, self.passage_language

    @property
    def pool(self) -> bool:
        """Whether the candidates are those of all languages."""
        return self.passage_language == POOL

    @property
    def listed(self) -> list[str]:
        """Ids of the queries that the page names."""
        return list(dict.fromkeys([*self.worst["query_id"], *self.changed["query_id"]]))


@dataclass(frozen=True, eq=False)
class Collected:
    """Everything that the pages of a benchmark show: matrices, pairs with their queries, rankings, texts once.

    `name` is the benchmark's in the study. `now` and `before` are the two strategies compared; `before` is empty where
    a run has one only. `rankings` has for (query language, passage language, query id) the top passages under each of
    the two, None where its embeddings are gone; it is empty where both are. `missing` are sentences that say what is
    not there and which command makes it.
    """

    name: str
    benchmark: Benchmark
    now: str
    before: str
    views: tuple[View, ...]
    pairs: tuple[Pair, ...]
    rankings: Mapping[tuple[str, str, str], list[list[Top] | None]]
    texts: TextStore
    places: Mapping[tuple[str, str], int]
    seeds: str
    missing: tuple[str, ...]

    def candidates(self, pair: tuple[str, str]) -> int:
        """Number of passages that a pair's queries are ranked against."""
        where = self.benchmark.passage_slices.get(pair[1], slice(0, len(self.benchmark.passages)))
        return int(where.stop - where.start)

    def tops(self, pair: Pair) -> dict[str, list[list[Top] | None]]:
        """Top passages of each query that a pair's page names, for the strategy now and the one before."""
        found = {query: self.rankings.get((*pair.key, query)) for query in pair.listed}
        return {query: sides for query, sides in found.items() if sides}

    def query_place(self, pair: Pair, query_id: str) -> int:
        """Place of a query among the texts of its language."""
        return self.places[pair.query_language, query_id]

    def english_query(self, query_id: str) -> int:
        """Place of a query's English twin, -1 where there is none."""
        return self.places.get(("en", query_id), -1)
