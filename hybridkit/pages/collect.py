"""Collect what the pages show from a run's results: matrices, the queries of each pair, rankings and texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.pages.rankings import rankings
from hybridkit.pages.texts import TextStore
from hybridkit.pages.values import Collected, Pair, View
from hybridkit.widgets import views
from hybridkit.widgets.ranked import POOL

if TYPE_CHECKING:
    from hybridkit.widgets.views import Inspected

SHOWN = 20  # queries of each list of a page
DIFFERENCES = ("rank_distance", "AP")  # measures whose differences are tested and shown; each test takes seconds


def collect(inspected: "Inspected", compare: Sequence[str]) -> Collected:
    """Everything the pages of a benchmark show; `compare` are two strategies, now and before.

    Where one of the two is not there, the other strategies stand in; with one strategy only there is no before.
    Raises InputError where no strategy has a rank table.
    """
    now, before = chosen(inspected.strategies, compare)
    found = tuple(_views(inspected, now, before))
    pairs = tuple(_pairs(inspected, found, now, before))
    texts = TextStore()
    places = _queries(inspected, pairs, texts)
    kept = rankings(inspected, pairs, [name for name in (now, before) if name], texts)
    return Collected(
        inspected.benchmark_name, inspected.benchmark, now, before, found, pairs, kept, texts, places,
        _seeds(inspected, now), tuple(inspected.missing),
    )  # fmt: skip


def chosen(strategies: Sequence[str], compare: Sequence[str]) -> tuple[str, str]:
    """The strategies now and before: those compared where they are there, else the last and the first of all.

    >>> chosen(["untrained", "mono", "cross"], ["cross", "mono"]), chosen(["mono"], ["cross", "mono"])
    (('cross', 'mono'), ('mono', ''))
    >>> chosen(["untrained", "mixed", "english"], ["cross", "mono"])
    ('english', 'untrained')
    """
    there = [name for name in compare if name in strategies]
    if not strategies:
        raise InputError("no strategy has a rank table; make them with `hybridkit run STUDY`")
    if len(there) == 2:
        return there[0], there[1]
    others = [name for name in strategies if name not in there]
    now = there[0] if there else others.pop()
    return now, others[0] if others else ""


def _views(inspected: "Inspected", now: str, before: str) -> Iterator[View]:
    for strategy in inspected.strategies:
        for measure in views.MEASURES:
            frame = views.pair_matrix(inspected, strategy, measure)
            if len(frame):
                yield View(strategy, "", measure, frame)
    for measure in DIFFERENCES if before else ():
        if len(views.pair_matrix(inspected, now, measure)):  # without twins there is no rank distance to compare
            yield View(now, before, measure, views.pair_matrix(inspected, now, measure, minus=before))


def _seeds(inspected: "Inspected", strategy: str) -> str:
    """Which models the ranks are of, where there are several."""
    seeds = inspected.seeds(strategy)
    several = f"Ranks are those of seed {seeds[0]}; the measures of every strategy are means over {len(seeds)} seeds."
    return several if len(seeds) > 1 else ""


def _pairs(inspected: "Inspected", found: Sequence[View], now: str, before: str) -> Iterator[Pair]:
    measured = next(view.frame for view in found if view.strategy == now and view.measure == "AP")
    keys = zip(measured["query_language"], measured["passage_language"], strict=True)
    for query, passage in sorted(keys, key=lambda key: (key[0] + ":", key[1] == POOL, key[1] + ":")):
        frame = views.pair_queries(inspected, (query, passage), now, minus=before or None)
        frame = frame.astype(dict.fromkeys(("rank", "before", "change", "rank_distance"), float))
        worst = frame.sort_values(["rank", "query_id"], ascending=[False, True], kind="stable").head(SHOWN)
        yield Pair(query, passage, frame, worst, most_changed(frame) if before else frame.head(0))


def most_changed(frame: pd.DataFrame) -> pd.DataFrame:
    """The queries whose rank changed by the largest factor, up or down; those that stayed are left out.

    >>> frame = pd.DataFrame({"query_id": list("abc"), "rank": [100, 10, 5], "before": [200, 1, 5]})
    >>> most_changed(frame)["query_id"].tolist()
    ['b', 'a']
    """
    low, high = frame[["rank", "before"]].min(axis=1), frame[["rank", "before"]].max(axis=1)
    order = frame.assign(factor=high / low)
    order = order[order["factor"] > 1].sort_values(["factor", "query_id"], ascending=[False, True], kind="stable")
    return order.drop(columns="factor").head(SHOWN)


def _queries(inspected: "Inspected", pairs: Sequence[Pair], texts: TextStore) -> Mapping[tuple[str, str], int]:
    """Put the queries that are named, and their English twins, among the texts; gives their places."""
    queries = inspected.benchmark.queries
    words = dict(zip(zip(queries["language"], queries["query_id"], strict=True), queries["text"], strict=True))
    named = {(pair.query_language, query): None for pair in pairs for query in pair.listed}
    named |= {("en", query): None for _, query in named if ("en", query) in words}
    return {(tag, query): texts.query(query, tag, words[tag, query]) for tag, query in named}
