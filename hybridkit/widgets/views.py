"""What the inspector shows, as pure functions from what a run left behind to frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridkit.widgets.opening import Inspected, open_inspected

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

POOL = "*"  # the passage language of the pool
MEASURES = ("rank_distance", "AP", "RR", "RR@10", "R@1", "R@10", "nDCG@10")
ORDERS = ("worst", "change", "distance")

__all__ = ["Inspected", "gloss", "ladder", "open_inspected", "pair_matrix", "pair_queries", "ranking"]


def pair_matrix(inspected: Inspected, strategy: str, measure: str = "AP", minus: str | None = None) -> pd.DataFrame:
    """A measure of every pair of languages and of the pool: its mean over a strategy's seeds, or a difference of two.

    Columns: query_language, passage_language ("*" is the pool), value; with `minus` also significant (a randomisation
    test over articles, Holm's correction over the pairs: see `significance.compare`) and value is strategy - minus.

    `measure` is one of `MEASURES`. The rank distance of a pair is how many ranks of the pool the passage in that
    language stands behind the first of its twins, so that its largest over the languages is the query's rank distance,
    which is the pool's value (mean over the queries that are judged in two languages or more).
    """
    raise NotImplementedError


def pair_queries(
    inspected: Inspected, pair: tuple[str, str], strategy: str, minus: str | None = None, order: str = "worst",
    contains: str = "", seed: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The queries of a pair: query_id, text, rank, before, change, rank_distance.

    rank: that of the first relevant passage among the candidates of the pair's passage language ("*": of the pool),
    by the strategy; before: by `minus`; change: rank - before, so that what moved up is negative (before and change are
    NA without `minus`); rank_distance: the largest minus the smallest pool rank of the query's passages, NA for one
    language. Ranks are those of one seed, the first that is there unless `seed` is given.

    `order` is "worst" (rank, descending), "change" (its size, descending) or "distance" (descending); `contains`
    keeps queries whose text or id holds it, capitals or not.
    """
    raise NotImplementedError


def ranking(
    inspected: Inspected, query_language: str, query_id: str, passage_language: str, strategy: str, top: int = 10,
    seed: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """What a strategy's model ranks for a query: rank, passage_id, language, text, score, relevant, twin.

    The `top` passages among the candidates of `passage_language` ("*": of the pool), then the relevant ones below
    them, where they stand. relevant: judged to answer the query; twin: relevant, and in another language than the
    query. Without the model's embeddings there are the relevant passages only.
    """
    raise NotImplementedError


def ladder(
    inspected: Inspected, query_language: str, query_id: str, strategies: Sequence[str], seed: int | None = None
) -> pd.DataFrame:
    """Ranks of all parallel passages of a query: strategy, passage_language, pool_rank, rank; the best a language."""
    raise NotImplementedError


def gloss(inspected: Inspected, passage_id: str) -> str:
    """The text of a passage's English twin; empty for an English passage and where none is known."""
    raise NotImplementedError
