"""Collect what the pages show from a run: matrices, queries of each pair, rankings and texts.

Every text of a data set is kept once, made safe to show, and written as JSON for scripts; rankings of many queries come
from one pass over the scores.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import top_columns
from hybridkit.evaluation.rank_table import score_blocks
from hybridkit.report import views
from hybridkit.report.views import POOL
from hybridkit.retrieval import Scorer
from hybridkit.utils.characters import shown

if TYPE_CHECKING:
    from hybridkit.report.inspected_run import Inspected


def as_json(value: Any) -> str:
    r"""A value as JSON that may stand inside a <script> element and in a script file.

    No `<`, `>` or `&` is left, so that nothing in it can end the element or begin a comment, and none of the two line
    separators that older scripts end a line at.

    >>> as_json(["</script>", "]]>", "\u2028"])
    '["\\u003c/script\\u003e","]]\\u003e","\\u2028"]'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class TextStore:
    """The texts of all pages, each once, by language: a query or passage is known by its place among them.

    >>> store = TextStore()
    >>> store.passage("t:de:1", "de", "Ja.", ""), store.passage("t:de:1", "de", "Ja.", "")
    (0, 0)
    >>> store.files()["de"]
    {'queries': [], 'passages': [['t:de:1', 'Ja.', -1]]}
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], int] = {}
        self._files: dict[str, dict[str, list[list[Any]]]] = {}
        self._english: dict[str, int] = {}

    def query(self, query_id: str, language: str, text: str) -> int:
        """Place of a query among those of its language."""
        return self._place("queries", language, query_id, lambda: [query_id, shown(text)])

    def passage(self, passage_id: str, language: str, text: str, english: str) -> int:
        """Place of a passage among those of its language; `english` is its twin's text, empty where there is none."""
        if language == "en" and (known := self._english.get(shown(text))) is not None:
            entry = self._files["en"]["passages"][known]
            if entry[0] in ("", passage_id):  # so far it was only the twin of another
                entry[0] = passage_id
                return known
        place = self._place(
            "passages", language, passage_id, lambda: [passage_id, shown(text), self._gloss(language, english)]
        )
        if language == "en":
            self._english.setdefault(shown(text), place)
        return place

    def files(self) -> dict[str, dict[str, list[list[Any]]]]:
        """What each language's data file holds: queries [id, text], passages [id, text, place of the English twin]."""
        return {language: self._files[language] for language in sorted(self._files)}

    def _gloss(self, language: str, english: str) -> int:
        if language == "en" or not english:
            return -1
        text = shown(english)
        if text not in self._english:
            self._english[text] = self._place("passages", "en", f"\0{text}", lambda: ["", text, -1])
        return self._english[text]

    def _place(self, kind: str, language: str, key: str, make: Any) -> int:
        if (kind, language, key) not in self._places:
            entry = make()  # may itself add the English twin
            entries = self._files.setdefault(language, {"queries": [], "passages": []})[kind]
            self._places[kind, language, key] = len(entries)
            entries.append(entry)
        return self._places[kind, language, key]


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


Ranked = list[tuple[int, float]]  # positions of passages in the benchmark with their scores, best first


def top_passages(
    benchmark: Benchmark, scorer: Scorer, wanted: Mapping[tuple[str, str], Collection[int]], top: int = 5
) -> dict[tuple[int, str], Ranked]:
    """The `top` passages of queries among one language's candidates or the pool's.

    `wanted` gives for a query language and a passage language ("*" is the pool) the positions of the queries asked for;
    the answer's keys are (position of the query, passage language). Ties as in the rank table: score descending, then
    passage id descending. One language of queries is scored at a time, in bounded memory.
    """
    found: dict[tuple[int, str], Ranked] = {}
    sides = dict(benchmark.passage_slices) | {POOL: slice(0, len(benchmark.passages))}
    for language, rows in benchmark.query_slices.items():
        asked = {side: np.asarray(sorted(wanted.get((language, side), ())), np.int64) for side in sides}
        if not any(len(positions) for positions in asked.values()):
            continue
        for part, block in score_blocks(benchmark, scorer, part=rows):
            for side, positions in asked.items():
                here = positions[(positions >= part.start) & (positions < part.stop)]
                at = sides[side]
                for position, ranked in zip(here.tolist(), best(block[here - part.start, at], top), strict=True):
                    found[position, side] = [(column + at.start, score) for column, score in ranked]
    return found


def best(scores: NDArray[np.float32], top: int) -> list[Ranked]:
    """The `top` columns of each row with their scores, best first; of equal ones the later column goes first.

    >>> best(np.array([[0.1, 0.5, 0.5, 0.3]], np.float32), 2)
    [[(2, 0.5), (1, 0.5)]]
    """
    count = min(top, scores.shape[1])
    if not count or not len(scores):
        return [[] for _ in scores]
    columns = top_columns(scores, count)[1].reshape(len(scores), count)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort((-columns, -values), axis=1)
    ranked = [np.take_along_axis(one, order, axis=1).tolist() for one in (columns, values)]
    return [list(zip(*row, strict=True)) for row in zip(*ranked, strict=True)]


TOP = 5


def rankings(
    inspected: "Inspected", pairs: Sequence[Pair], strategies: Sequence[str], texts: TextStore
) -> dict[tuple[str, str, str], list[list[Top] | None]]:
    """Top passages by (query language, passage language, query id): a list for each strategy, None where it has none.

    The same as the first rows of `views.ranking`, made for all queries in one pass over a strategy's scores; empty
    where no strategy has embeddings. The passages that come up are put among the texts with their English twins.
    """
    queries = inspected.benchmark.queries
    positions = {key: at for at, key in enumerate(zip(queries["language"], queries["query_id"], strict=True))}
    wanted = {pair.key: [positions[pair.query_language, query] for query in pair.listed] for pair in pairs}
    found = []
    for name in strategies:
        scorer = inspected.scorer(name)
        found.append(top_passages(inspected.benchmark, scorer, wanted, TOP) if scorer is not None else None)
    if not any(found):
        return {}
    marked = _Marks(inspected, texts)
    kept: dict[tuple[str, str, str], list[list[Top] | None]] = {}
    for pair in pairs:
        for query in pair.listed:
            at = positions[pair.query_language, query], pair.passage_language
            kept[*pair.key, query] = [one if one is None else marked.tops(one[at], query, pair) for one in found]
    return kept


class _Marks:
    """Turns positions of passages into what a page shows: language, place among the texts, score, mark."""

    def __init__(self, inspected: "Inspected", texts: TextStore) -> None:
        judged = inspected.benchmark.judgements
        self._inspected, self._texts = inspected, texts
        self._relevant = set(zip(judged["query_id"], judged["passage_id"], strict=True))
        passages = inspected.benchmark.passages
        self._ids, self._languages = passages["passage_id"].tolist(), passages["language"].tolist()
        self._placed: dict[int, int] = {}

    def tops(self, ranked: Ranked, query: str, pair: Pair) -> list[Top]:
        """The entries of one ranking; a mark is 1 for a relevant passage, 2 where it is in another language."""
        found = []
        for position, score in ranked:
            relevant = (query, self._ids[position]) in self._relevant
            mark = relevant + (relevant and self._languages[position] != pair.query_language)
            found.append((self._languages[position], self._place(position), round(score, 3), int(mark)))
        return found

    def _place(self, position: int) -> int:
        if position not in self._placed:
            name = self._ids[position]
            text = self._inspected.passage_texts[position]
            english = views.gloss(self._inspected, name)
            self._placed[position] = self._texts.passage(name, self._languages[position], text, english)
        return self._placed[position]


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
        inspected.benchmark_name,
        inspected.benchmark,
        now,
        before,
        found,
        pairs,
        kept,
        texts,
        places,
        _seeds(inspected, now),
        tuple(inspected.missing),
    )


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
