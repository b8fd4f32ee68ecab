"""Collect what the pages show from a run: matrices, queries of each pair, rankings and texts.

Every text of a data set is kept once, made safe to show, and written as JSON for scripts; rankings of many queries come
from one pass over the scores.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.languages import direction_of
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import score_blocks
from hybridkit.report import views
from hybridkit.report.script_of_text import direction_of_text, tag_of_text
from hybridkit.report.views import POOL, Ranked, best
from hybridkit.retrieval import Scorer
from hybridkit.utils.characters import safe, shown

if TYPE_CHECKING:
    from hybridkit.report.inspected_run import Inspected

Top = tuple[str, int, float, int]  # language, position in its texts, score, 0 or 1 relevant or 2 relevant twin
TOP = 5
SHOWN = 20  # queries of each list of a page
DIFFERENCES = (views.DISTANCE, "AP")  # measures whose differences are tested and shown; each test takes seconds


def as_json(value: Any) -> str:
    r"""A value as JSON that may be inside a <script> element and in a script file.

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
    """The texts of all pages, each once and safe to show, by language; a text is known by its position among them.

    >>> store = TextStore()
    >>> store.passage("t:de:1", "de", "Ja.", ""), store.passage("t:de:1", "de", "Ja.", "")
    (0, 0)
    >>> store.files()["de"]
    {'queries': [], 'passages': [['t:de:1', 'Ja.', -1]]}
    """

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str, str], int] = {}
        self._files: dict[str, dict[str, list[list[Any]]]] = {}
        self._english: dict[str, int] = {}

    def query(self, query_id: str, language: str, text: str) -> int:
        """Position of a query among those of its language."""
        return self._position(
            "queries", language, query_id, lambda: [safe(query_id), shown(text), *_way(text, language)]
        )

    def passage(self, passage_id: str, language: str, text: str, english: str) -> int:
        """Position of a passage among those of its language; `english` is its twin's text, empty without one."""
        name, text = safe(passage_id), shown(text)
        if language == "en" and (known := self._english.get(text)) is not None:
            entry = self._files["en"]["passages"][known]
            if entry[0] in ("", name):  # so far it was only the twin of another
                entry[0] = name
                return known
        position = self._position(
            "passages",
            language,
            passage_id,
            lambda: [name, text, self._gloss(language, english), *_way(text, language)],
        )
        if language == "en":
            self._english.setdefault(text, position)
        return position

    def files(self) -> dict[str, dict[str, list[list[Any]]]]:
        """What each language's data file holds: queries [id, text], passages [id, text, position of English twin].

        Behind these is [tag, direction] where a text is not written as its language is: romanised Hindi.
        """
        return {language: self._files[language] for language in sorted(self._files)}

    def _gloss(self, language: str, english: str) -> int:
        if language == "en" or not english:
            return -1
        text = shown(english)
        if text not in self._english:
            self._english[text] = self._position("passages", "en", f"\0{text}", lambda: ["", text, -1])
        return self._english[text]

    def _position(self, kind: str, language: str, key: str, make: Callable[[], list[Any]]) -> int:
        if (kind, language, key) not in self._positions:
            entry = make()  # may itself add the English twin
            entries = self._files.setdefault(language, {"queries": [], "passages": []})[kind]
            self._positions[kind, language, key] = len(entries)
            entries.append(entry)
        return self._positions[kind, language, key]


def _way(text: str, language: str) -> list[list[str]]:
    found = [tag_of_text(text, language), direction_of_text(text, language)]
    return [found] if found != [language, direction_of(language)] else []


@dataclass(frozen=True)
class View:
    """A measure of a strategy for every pair or, with `minus`, by how much it is above that of another strategy."""

    strategy: str
    minus: str
    measure: str
    grid: views.Grid

    def value(self, pair: tuple[str, str]) -> float:
        """The value of a pair; NaN where it has none."""
        return self.grid.values.get(pair, float("nan"))


@dataclass(frozen=True, eq=False)
class Pair:
    """The queries of one pair of languages, "*" for the pool.

    `queries` is the frame of `views.pair_queries` for the strategy now against the one before: query_id, text, rank,
    before, change, rank_distance (before and change are missing where there is one strategy only). `worst` and
    `changed` are the rows of it that the page lists.
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

    `now` and `before` are the two strategies compared; `before` is empty where a run has one only. `rankings` has for
    (query language, passage language, query id) the top passages under each of the two, None where its embeddings are
    gone; it is empty where both are. `positions` are those of queries among the texts, by (language, query id).
    """

    inspected: "Inspected"
    now: str
    before: str
    views: tuple[View, ...]
    pairs: tuple[Pair, ...]
    rankings: Mapping[tuple[str, str, str], list[list[Top] | None]]
    texts: TextStore
    positions: Mapping[tuple[str, str], int]

    @property
    def compared(self) -> list[str]:
        """The strategies that the pages compare: now and, where there is one, before."""
        return [name for name in (self.now, self.before) if name]

    def candidates(self, pair: Pair) -> int:
        """Number of passages that a pair's queries are ranked against."""
        passages = slice(0, len(self.inspected.benchmark.passages))
        where = self.inspected.benchmark.passage_slices.get(pair.passage_language, passages)
        return int(where.stop - where.start)

    def tops(self, pair: Pair) -> dict[str, list[list[Top] | None]]:
        """Top passages of each query that a pair's page names, for the strategy now and the one before."""
        found = {query: self.rankings.get((*pair.key, query)) for query in pair.listed}
        return {query: sides for query, sides in found.items() if sides}


def top_passages(
    benchmark: Benchmark, scorer: Scorer, wanted: Mapping[tuple[str, str], Collection[int]], top: int = 5
) -> dict[tuple[int, str], Ranked]:
    """The `top` passages of queries among one language's candidates or the pool's.

    `wanted` has positions of queries by query language and passage language ("*" is the pool). Returns passages by
    (position of the query, passage language); ties as in the rank table: score descending, then passage id descending.
    One language of queries is scored at a time, in bounded memory.
    """
    found: dict[tuple[int, str], Ranked] = {}
    sides = dict(benchmark.passage_slices) | {POOL: slice(0, len(benchmark.passages))}
    for language, rows in benchmark.query_slices.items():
        sought = {side: np.asarray(sorted(wanted.get((language, side), ())), np.int64) for side in sides}
        if not any(len(positions) for positions in sought.values()):
            continue
        for part, block in score_blocks(benchmark, scorer, part=rows):
            for side, positions in sought.items():
                here = positions[(positions >= part.start) & (positions < part.stop)]
                at = sides[side]
                for position, ranked in zip(here.tolist(), best(block[here - part.start, at], top), strict=True):
                    found[position, side] = [(column + at.start, score) for column, score in ranked]
    return found


def rankings(
    inspected: "Inspected", pairs: Sequence[Pair], strategies: Sequence[str], texts: TextStore
) -> dict[tuple[str, str, str], list[list[Top] | None]]:
    """Top passages by (query language, passage language, query id): a list for each strategy, None where it has none.

    The same as the first rows of `views.ranking`, made for all queries in one pass over a strategy's scores; empty
    where no strategy has embeddings. The passages that come up are put among the texts with their English twins.
    """
    benchmark, positions = inspected.benchmark, inspected.query_positions
    wanted = {pair.key: [positions[pair.query_language, query] for query in pair.listed] for pair in pairs}
    scorers = map(inspected.scorer, strategies)
    found = [scorer and top_passages(benchmark, scorer, wanted, TOP) for scorer in scorers]
    if not any(found):
        return {}
    relevant = set(zip(benchmark.judgements["query_id"], benchmark.judgements["passage_id"], strict=True))
    ids, languages = (benchmark.passages[name].tolist() for name in ("passage_id", "language"))

    @cache
    def position_of(passage: int) -> int:
        text, english = inspected.passage_texts[passage], views.gloss(inspected, ids[passage])
        return texts.passage(ids[passage], languages[passage], text, english)

    def tops(ranked: Ranked, query: str, pair: Pair) -> list[Top]:
        entries = []
        for passage, score in ranked:
            mark = (query, ids[passage]) in relevant and 1 + (languages[passage] != pair.query_language)
            entries.append((languages[passage], position_of(passage), round(score, 3), int(mark)))
        return entries

    kept: dict[tuple[str, str, str], list[list[Top] | None]] = {}
    for pair in pairs:
        for query in pair.listed:
            at = positions[pair.query_language, query], pair.passage_language
            kept[*pair.key, query] = [one if one is None else tops(one[at], query, pair) for one in found]
    return kept


def collect(inspected: "Inspected", compare: Sequence[str]) -> Collected:
    """Everything the pages of a benchmark show; `compare` are two strategies, now and before.

    Where one of the two is missing, another strategy is used instead; with one strategy only there is no before.
    Raises InputError where no strategy has a rank table.
    """
    now, before = chosen(inspected.strategies, compare)
    pairs, texts = tuple(_pairs(inspected, now, before)), TextStore()
    named = {(pair.query_language, query): None for pair in pairs for query in pair.listed}
    named |= {("en", query): None for _, query in named if ("en", query) in inspected.query_texts}
    return Collected(
        inspected,
        now,
        before,
        tuple(_views(inspected, now, before)),
        pairs,
        rankings(inspected, pairs, [name for name in (now, before) if name], texts),
        texts,
        {(tag, query): texts.query(query, tag, inspected.query_texts[tag, query]) for tag, query in named},
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
    wanted = [(strategy, "", measure) for strategy in inspected.strategies for measure in views.MEASURES]
    wanted += [(now, before, measure) for measure in DIFFERENCES if before]
    for strategy, minus, measure in wanted:
        # without twins there is no rank distance, nor any to compare
        if len(frame := views.pair_matrix(inspected, strategy, measure)):
            frame = views.pair_matrix(inspected, strategy, measure, minus) if minus else frame
            yield View(strategy, minus, measure, views.grid(frame, measure, bool(minus)))


def _pairs(inspected: "Inspected", now: str, before: str) -> Iterator[Pair]:
    measured = views.pair_matrix(inspected, now, "AP")
    keys = zip(measured["query_language"], measured["passage_language"], strict=True)
    for query, passage in sorted(keys, key=lambda key: (key[0], key[1] == POOL, key[1])):
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
