"""What the inspector shows, as pure functions from what a run left behind to frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.characters import visible
from hybridkit.errors import InputError
from hybridkit.widgets import values
from hybridkit.widgets.opening import Inspected, open_inspected
from hybridkit.widgets.ranked import POOL, ranked, told
from hybridkit.widgets.twins import english_twin

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURES = ("rank_distance", "AP", "RR", "RR@10", "R@1", "R@10", "nDCG@10")
ORDERS = ("worst", "change", "distance")
QUERY_COLUMNS = ["query_id", "text", "rank", "before", "change", "rank_distance"]
RANKING_COLUMNS = ["rank", "passage_id", "language", "text", "score", "relevant", "twin"]

__all__ = ["Inspected", "gloss", "ladder", "open_inspected", "pair_matrix", "pair_queries", "ranking"]


def pair_matrix(inspected: Inspected, strategy: str, measure: str = "AP", minus: str | None = None) -> pd.DataFrame:
    """A measure of every pair of languages and of the pool: its mean over a strategy's seeds, or a difference of two.

    Columns: query_language, passage_language ("*" is the pool), value; with `minus` also significant (a randomisation
    test over articles, Holm's correction over the pairs: see `significance.compare`) and value is strategy - minus.

    `measure` is one of `MEASURES`. The rank distance of a pair is how many ranks of the pool the passage in that
    language stands behind the first of its twins; the pool's is the query's own rank distance, the mean over the
    queries that are judged in two languages or more. In ranks; the other measures are shares of 1.
    """
    if measure not in MEASURES:
        raise InputError(f"no measure {measure!r}; there are {', '.join(MEASURES)}")
    if minus is None:
        return values.means(inspected, strategy, measure)
    return values.difference(inspected, strategy, minus, measure)


def most_biased(inspected: Inspected, strategy: str) -> tuple[str, str] | None:
    """The pair whose passages a strategy ranks farthest behind their twins; None where no query has twins."""
    found = pair_matrix(inspected, strategy, values.DISTANCE)
    found = found[found["passage_language"] != POOL]
    if found.empty:
        return None
    worst = found.iloc[int(found["value"].to_numpy().argmax())]
    return str(worst["query_language"]), str(worst["passage_language"])


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
    if order not in ORDERS:
        raise InputError(f"no order {order!r}; there are {', '.join(ORDERS)}")
    if order == "change" and minus is None:
        raise InputError("order 'change' needs a second strategy: give minus")
    tables = [inspected.ranks(name, seed) for name in (strategy, minus) if name is not None]
    now, *then = [table[table["query_language"] == pair[0]] for table in tables]
    frame = _first_ranks(now, pair[1]).to_frame("rank")
    if frame.empty:
        raise InputError(f"{inspected.benchmark_name}: no query in {pair[0]!r} is judged in {pair[1]!r}")
    none = pd.Series(pd.NA, index=frame.index, dtype="Int64")
    frame["before"] = _first_ranks(then[0], pair[1]).reindex(frame.index) if then else none
    frame["change"] = frame["rank"] - frame["before"]
    grouped = now.groupby("query_id")
    span = (grouped["pool_rank"].max() - grouped["pool_rank"].min()).astype("Int64")
    frame["rank_distance"] = span.where(grouped["passage_language"].nunique() >= 2).reindex(frame.index)
    frame = frame.rename_axis("query_id").reset_index()
    frame.insert(1, "text", [inspected.query_texts.get((pair[0], name), "") for name in frame["query_id"]])
    if contains:
        sought = visible(contains).casefold()
        both = zip(frame["text"], frame["query_id"], strict=True)
        kept = [sought in visible(f"{text}\n{name}").casefold() for text, name in both]
        frame = frame[kept]
    by = {"worst": frame["rank"], "change": frame["change"].abs(), "distance": frame["rank_distance"]}[order]
    places = by.reset_index(drop=True).sort_values(ascending=False, kind="stable").index
    return frame.iloc[places][QUERY_COLUMNS].reset_index(drop=True)


def ranking(
    inspected: Inspected, query_language: str, query_id: str, passage_language: str, strategy: str, top: int = 10,
    seed: int | None = None,
) -> pd.DataFrame:  # fmt: skip
    """What a strategy's model ranks for a query: rank, passage_id, language, text, score, relevant, twin.

    The `top` passages among the candidates of `passage_language` ("*": of the pool), then the relevant ones below
    them, where they stand. relevant: judged to answer the query; twin: relevant, and in another language than the
    query. Without the model's embeddings there are the relevant passages only.
    """
    own = _of_query(inspected.ranks(strategy, seed), query_language, query_id)
    if passage_language != POOL:
        own = own[own["passage_language"] == passage_language]
    column = "pool_rank" if passage_language == POOL else "rank"
    known = dict(zip(own["passage_id"], own[column].astype(int), strict=True))
    score = dict(zip(own["passage_id"], own["score"].astype(float), strict=True))
    scorer, place = inspected.scorer(strategy, seed), inspected.query_places.get((query_language, query_id))
    if scorer is None or place is None:
        found = pd.DataFrame({"rank": known, "score": score}, dtype=object).rename_axis("passage_id").reset_index()
    else:
        found = ranked(inspected.benchmark, scorer(slice(place, place + 1))[0], passage_language, top)
        below = [name for name in known if name not in set(found["passage_id"])]
        more = {"passage_id": below, "rank": [known[name] for name in below], "score": [score[name] for name in below]}
        found = pd.concat([found, pd.DataFrame(more, columns=found.columns)], ignore_index=True) if below else found
    found = told(inspected, found, dict(zip(own["passage_id"], own["passage_language"], strict=True)))
    relevant = found["passage_id"].isin(known)
    found = found.assign(relevant=relevant, twin=relevant & (found["language"] != query_language))
    return found.sort_values("rank", kind="stable", ignore_index=True)[RANKING_COLUMNS]


def ladder(
    inspected: Inspected, query_language: str, query_id: str, strategies: Sequence[str], seed: int | None = None
) -> pd.DataFrame:
    """Ranks of all parallel passages of a query: strategy, passage_language, pool_rank, rank; the best a language.

    Sorted by pool rank within a strategy: a model that is blind to language has them all at the top, together.
    """
    parts = []
    for strategy in strategies:
        own = _of_query(inspected.ranks(strategy, seed), query_language, query_id)
        best = own.groupby("passage_language", as_index=False)[["pool_rank", "rank"]].min()
        parts.append(best.sort_values("pool_rank", kind="stable").assign(strategy=strategy))
    columns = ["strategy", "passage_language", "pool_rank", "rank"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def gloss(inspected: Inspected, passage_id: str) -> str:
    """The text of a passage's English twin; empty for an English passage and where none is known.

    A twin is the English passage that answers the same question, or the one with the same place in the same document
    where both languages have as many passages of it.
    """
    return english_twin(inspected, passage_id)


def _of_query(ranks: pd.DataFrame, language: str, query_id: str) -> pd.DataFrame:
    found = ranks[(ranks["query_id"] == query_id) & (ranks["query_language"] == language)]
    if found.empty:
        raise InputError(f"no query {query_id!r} in {language!r} has ranks; pair_queries lists those that have")
    return found


def _first_ranks(own: pd.DataFrame, passage_language: str) -> pd.Series:
    """Rank of the first relevant passage by query, of the rows of one query language."""
    pool = passage_language == POOL
    kept = own if pool else own[own["passage_language"] == passage_language]
    return kept.groupby("query_id")["pool_rank" if pool else "rank"].min().astype("Int64")
