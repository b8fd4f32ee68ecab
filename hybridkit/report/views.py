"""What inspector and pages show, as functions from an inspected run to frames: matrix, queries, rankings, twins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hybridkit.data.languages import name_of
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import DISTANCE as DISTANCE
from hybridkit.evaluation.measures import LOWER_IS_BETTER, distances, per_query, scores
from hybridkit.evaluation.measures import MEASURES as RANK_MEASURES
from hybridkit.evaluation.significance import BEYOND
from hybridkit.plots.palette import step
from hybridkit.report.filters import filtered
from hybridkit.report.inspected_run import ENGLISH, Inspected, open_inspected
from hybridkit.report.text_map import text_map
from hybridkit.sampling.labels import UNTRAINED
from hybridkit.utils.files import digest
from hybridkit.utils.numbers import bare
from hybridkit.utils.products import frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark

POOL = "*"  # the passage language of the pool
MEASURES = (DISTANCE, *RANK_MEASURES)
ORDERS = ("worst", "change", "distance")
QUERY_COLUMNS = ["query_id", "text", "rank", "before", "change", "rank_distance"]
RANKING_COLUMNS = ["rank", "passage_id", "language", "text", "score", "relevant", "twin"]
__all__ = [
    "Inspected",
    "filtered",
    "gloss",
    "grid",
    "ladder",
    "open_inspected",
    "pair_matrix",
    "pair_queries",
    "ranking",
    "text_map",
]
_KEYS = ["query_language", "passage_language"]
_FORMAT = 2  # of what is kept; to be raised when the test or the measure changes
Ranked = list[tuple[int, float]]  # positions of passages with their scores, best first


def pair_matrix(
    inspected: Inspected, strategy: str, measure: str = "AP", minus: str | None = None, seed: int | None = None
) -> pd.DataFrame:
    """A measure of every pair of languages and of the pool: its mean over a strategy's seeds, or a difference of two.

    With a `seed` the model of that seed alone is measured; the untrained encoder has one and goes with any.

    Columns: query_language, passage_language ("*" is the pool), value; with `minus` value is strategy - minus, and
    there are significant and mark too, by the rule of evidence (`significance.judged`, one family of all pairs).

    `measure` is one of `MEASURES`. The rank distance of a pair is how many ranks of the pool the passage in that
    language is behind the first of its twins; the pool's is the query's own rank distance, the mean over the
    queries that are judged in two languages or more. In ranks; the other measures are shares of 1.
    """
    if measure not in MEASURES:
        raise InputError(f"there is no measure {measure!r}; there are {', '.join(MEASURES)}")
    if minus is None:
        return means(inspected, strategy, measure, seed)
    return difference(inspected, strategy, minus, measure, seed)


def most_biased(inspected: Inspected, strategy: str, seed: int | None = None) -> tuple[str, str] | None:
    """The pair whose passages a strategy ranks farthest behind their twins; None where no query has twins."""
    found = pair_matrix(inspected, strategy, DISTANCE, seed=seed)
    found = found[found["passage_language"] != POOL]
    if found.empty:
        return None
    worst = found.iloc[int(found["value"].to_numpy().argmax())]
    return str(worst["query_language"]), str(worst["passage_language"])


def pair_queries(
    inspected: Inspected,
    pair: tuple[str, str],
    strategy: str,
    minus: str | None = None,
    order: str = "worst",
    contains: str = "",
    seed: int | None = None,
) -> pd.DataFrame:
    """The queries of a pair: query_id, text, rank, before, change, rank_distance.

    rank: that of the first relevant passage among the candidates of the pair's passage language ("*": of the pool),
    by the strategy; before: by `minus`; change: rank - before, so that what moved up is negative (before and change are
    NA without `minus`); rank_distance: the largest minus the smallest pool rank of the query's passages, NA for one
    language. Ranks are those of one seed, the first that is there unless `seed` is given.

    `order` is "worst" (rank, descending), "change" (its size, descending) or "distance" (descending). `contains` is a
    filter as `filters.filtered` takes it: words that text or id hold, and conditions such as `rank>10 change<0`.
    """
    if order not in ORDERS:
        raise InputError(f"there is no order {order!r}; there are {', '.join(ORDERS)}")
    if order == "change" and minus is None:
        raise InputError("order 'change' compares with a second strategy: give minus")
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
    frame = filtered(frame, contains, ("text", "query_id"))
    by = {"worst": frame["rank"], "change": frame["change"].abs(), "distance": frame["rank_distance"]}[order]
    positions = by.reset_index(drop=True).sort_values(ascending=False, kind="stable").index
    return frame.iloc[positions][QUERY_COLUMNS].reset_index(drop=True)


def ranking(
    inspected: Inspected,
    query_language: str,
    query_id: str,
    passage_language: str,
    strategy: str,
    top: int = 10,
    seed: int | None = None,
) -> pd.DataFrame:
    """What a strategy's model ranks for a query: rank, passage_id, language, text, score, relevant, twin.

    The `top` passages among the candidates of `passage_language` ("*": of the pool), then the relevant ones below
    them, where they are. relevant: judged to answer the query; twin: relevant, and in another language than the
    query. Without the model's embeddings there are the relevant passages only.
    """
    own = _of_query(inspected.ranks(strategy, seed), query_language, query_id)
    if passage_language != POOL:
        own = own[own["passage_language"] == passage_language]
    column = "pool_rank" if passage_language == POOL else "rank"
    known = dict(zip(own["passage_id"], own[column].astype(int), strict=True))
    score = dict(zip(own["passage_id"], own["score"].astype(float), strict=True))
    scorer, position = inspected.scorer(strategy, seed), inspected.query_positions.get((query_language, query_id))
    if scorer is None or position is None:
        found = pd.DataFrame({"rank": known, "score": score}, dtype=object).rename_axis("passage_id").reset_index()
    else:
        found = ranked(inspected.benchmark, scorer(slice(position, position + 1))[0], passage_language, top)
        below = [name for name in known if name not in set(found["passage_id"])]
        more = {"passage_id": below, "rank": [known[name] for name in below], "score": [score[name] for name in below]}
        found = pd.concat([found, pd.DataFrame(more, columns=found.columns)], ignore_index=True) if below else found
    found = joined(inspected, found, dict(zip(own["passage_id"], own["passage_language"], strict=True)))
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

    First the English passage that answers the same question; else the one with the same id in English, where the
    document has as many passages in both languages, so that they most likely correspond.
    """
    documents, sizes = inspected.documents, inspected.document_sizes
    if passage_id not in documents or documents[passage_id][0] == ENGLISH:
        return ""
    twin = inspected.english_answers.get(passage_id, "")
    if not twin:
        name, language = inspected.benchmark.name, documents[passage_id][0]
        same = f"{name}:{ENGLISH}:{passage_id.removeprefix(f'{name}:{language}:')}"
        twin = same if same in documents and sizes[documents[passage_id]] == sizes[documents[same]] else ""
    position = inspected.passage_positions.get(twin, -1)
    return inspected.passage_texts[position] if position >= 0 else ""


class Cell(NamedTuple):
    """A cell of a matrix: its text, its step on the colour scale (None without a value), whether it is greyed.

    Steps go from the worst value to the best, whichever end of the measure that is.
    """

    text: str = ""
    step: int | None = None
    grey: bool = False


class Ends(NamedTuple):
    """The ends of a colour scale as texts: of the worst and of the best of its values."""

    worse: str = ""
    better: str = ""


@dataclass(frozen=True, eq=False)
class Grid:
    """A matrix of language pairs as pages and inspector draw it, made by `grid`.

    `queries` and `passages` are the languages of rows and columns, the pool ("*") last; `values` and `cells` are by
    (query language, passage language), and a pair that is not judged is in neither. `pairs` and `pool` are the ends of
    the colour scale in the columns of languages and in that of the pool, which has other values.
    """

    queries: tuple[str, ...]
    passages: tuple[str, ...]
    values: Mapping[tuple[str, str], float]
    cells: Mapping[tuple[str, str], Cell]
    pairs: Ends
    pool: Ends


def grid(frame: pd.DataFrame, measure: str, difference: bool = False) -> Grid:
    """Lay a frame of `pair_matrix` out as a matrix of texts and steps of a colour scale.

    A difference has signs, a scale around zero, a third digit where all are small, is greyed where it is not
    significant and has a star where it holds over other trainings too. The pool has ends of the scale of its own: its
    values are others, and would take all the colours or have none.

    >>> frame = pd.DataFrame({"query_language": "de", "passage_language": ["de", "en", "*"], "value": [0.5, 0.3, 0.1]})
    >>> found = grid(frame, "AP")
    >>> found.passages, found.cells["de", "en"], found.pairs
    (('de', 'en', '*'), Cell(text='.30', step=0, grey=False), Ends(worse='.30', better='.50'))
    >>> grid(frame, "rank_distance").cells["de", "en"].step
    20
    """
    pairs = list(zip(frame["query_language"], frame["passage_language"], strict=True))
    given = zip(pairs, frame["value"].astype(float).tolist(), strict=True)
    values = {pair: value for pair, value in given if not math.isnan(value)}
    tested = frame["significant"] if "significant" in frame else [True] * len(pairs)
    grey = {pair for pair, significant in zip(pairs, tested, strict=True) if difference and not significant}
    marks = frame["mark"] if difference and "mark" in frame else [""] * len(pairs)
    beyond = {pair: BEYOND * (mark == BEYOND) for pair, mark in zip(pairs, marks, strict=True)}
    cells, ends = {}, []
    for pool in (False, True):
        own = {pair: value for pair, value in values.items() if (pair[1] == POOL) == pool}
        low, high = min(own.values(), default=0.0), max(own.values(), default=0.0)
        if difference:
            high = max(abs(low), abs(high), 1e-9)
            low = -high
        digits = 3 if difference and high < 0.05 else 2
        best, worst = (low, high) if measure in LOWER_IS_BETTER else (high, low)
        for pair, value in own.items():
            text = number(value, measure, difference, digits) + beyond[pair]
            cells[pair] = Cell(text, step(value, worst, best), pair in grey)
        ends.append(Ends(*(number(end, measure, difference, digits) for end in (worst, best))) if own else Ends())
    return Grid(
        tuple(sorted({query for query, _ in pairs})),
        tuple(sorted({passage for _, passage in pairs}, key=lambda tag: (tag == POOL, tag))),
        values,
        cells,
        *ends,
    )


def number(value: float, measure: str, signed: bool = False, digits: int = 2) -> str:
    """A value as a cell shows it: without the leading zero, ranks with fewer digits, nothing for NaN.

    >>> number(0.534, "AP"), number(-0.0124, "AP", True, 3), number(0.001, "AP", signed=True)
    ('.53', '−.012', '.00')
    >>> number(1234.5, "rank_distance"), number(2.34, "rank_distance"), number(0.0, "rank_distance")
    ('1,234', '2.3', '0')
    """
    if math.isnan(value):
        return ""
    if measure == DISTANCE:
        digits = 0 if abs(value) >= 10 or float(value).is_integer() else 1 if abs(value) >= 2 else 2
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return bare(text if any(digit in text for digit in "123456789") else text.lstrip("+-"))


def spoken(tag: str) -> str:
    """English name of a language; the tag itself where it is unknown, "pool of all languages" for "*".

    >>> spoken("ar"), spoken("*"), spoken("x1")
    ('Arabic', 'pool of all languages', 'x1')
    """
    return "pool of all languages" if tag == POOL else name_of(tag)


def pair_name(pair: tuple[str, str]) -> str:
    """A pair of languages in words.

    >>> pair_name(("de", "en")), pair_name(("de", "*"))
    ('German queries, English passages', 'German queries, pool of all languages')
    """
    return f"{spoken(pair[0])} queries, {candidates_name(pair[1])}"


def candidates_name(passage_language: str) -> str:
    """The passages that a pair's queries are ranked against, in words: "German passages", "pool of all languages"."""
    return spoken(passage_language) + " passages" * (passage_language != POOL)


def means(inspected: Inspected, strategy: str, measure: str, seed: int | None = None) -> pd.DataFrame:
    """Mean of a measure over a strategy's seeds by pair: query_language, passage_language, value; or of one `seed`."""
    parts = []
    for one in _seeds(inspected, strategy, seed):
        if measure != DISTANCE and inspected.has(strategy, one, "scores"):
            found = pd.read_parquet(inspected.folder / inspected.results[strategy, one].scores)
            found = found[found["measure"] == measure]
            if len(found):
                parts.append(found)
                continue
        path = _path(inspected, "means", measure, [(strategy, one)])
        parts.append(_frame(path, partial(_means_of, inspected, strategy, one, measure)))
    grouped = pd.concat(parts).groupby(_KEYS, sort=True)["value"]
    return grouped.mean().reset_index()


def _means_of(inspected: Inspected, strategy: str, seed: int, measure: str) -> pd.DataFrame:
    return scores(question_values(inspected.ranks(strategy, seed), measure))


def difference(inspected: Inspected, strategy: str, minus: str, measure: str, seed: int | None = None) -> pd.DataFrame:
    """Compare two strategies by pair: query_language, passage_language, value (strategy - minus), significant, mark.

    Kept in the run folder, since the test takes seconds on a benchmark of thousands of queries.
    """
    from hybridkit.evaluation.clusters import model_sums, question_clusters
    from hybridkit.evaluation.significance import FIXED, OVERALL, Models, contrast, judged

    models = _models(inspected, seed, strategy, minus)

    def system(keys: list[tuple[str, int]], clusters: pd.Series) -> Models:
        return {
            FIXED if name == UNTRAINED else seed: model_sums(
                question_values(inspected.ranks(name, seed), measure), clusters
            )
            for name, seed in keys
        }

    def test() -> pd.DataFrame:
        clusters = question_clusters(inspected.benchmark)
        found = contrast([(sign, system(keys, clusters)) for sign, keys in zip((1, -1), models, strict=True)])
        found = judged(found[found["query_language"] != OVERALL], f"pairs of languages and the pool, {measure}")
        found = found.rename(columns={"difference": "value"})
        return found[[*_KEYS, "value", "significant", "mark"]].sort_values(_KEYS, ignore_index=True)

    return _frame(_path(inspected, "difference", measure, *models), test)


def is_kept(inspected: Inspected, strategy: str, minus: str, measure: str, seed: int | None = None) -> bool:
    """Whether the difference of two strategies has been tested and is kept, so that it takes no time."""
    return _path(inspected, "difference", measure, *_models(inspected, seed, strategy, minus)).is_file()


def plain_difference(
    inspected: Inspected, strategy: str, minus: str | None, measure: str, seed: int | None = None
) -> pd.DataFrame:
    """The differences of two strategies' means, not tested: query_language, passage_language, value."""
    found = means(inspected, strategy, measure, seed)
    if minus is None:
        return found
    both = found.merge(means(inspected, minus, measure, seed), on=_KEYS, suffixes=("", "_minus"))
    return both.assign(value=both["value"] - both["value_minus"])[[*_KEYS, "value"]]


def _models(inspected: Inspected, seed: int | None, *strategies: str) -> list[list[tuple[str, int]]]:
    return [[(name, one) for one in _seeds(inspected, name, seed)] for name in strategies]


def _seeds(inspected: Inspected, strategy: str, seed: int | None) -> list[int]:
    return inspected.seeds(strategy) if seed is None else [inspected.key(strategy, seed)[1]]


def _path(inspected: Inspected, what: str, measure: str, *models: list[tuple[str, int]]) -> Path:
    files = [[inspected.results[key].ranks for key in keys] for keys in models]
    return inspected.folder / "inspector" / f"{what}-{digest(_FORMAT, measure, files)[:24]}.parquet"


def _frame(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    made = cache(make)
    try:
        return frame(path, made)
    except OSError:  # a run folder that cannot be written to is inspected all the same
        return made()


def behind(ranks: pd.DataFrame) -> pd.DataFrame:
    """How many ranks of the pool each query's passage in a language is behind the first of its twins.

    Takes a rank table; returns setting (mono or cross), query_language, passage_language, query_id, measure
    ("rank_distance") and value, for the queries that are judged in two languages or more; of several relevant passages
    in a language the first counts for it, and the last counts in `measures.distances`, whose rows (setting pool,
    passage_language "*") follow.

    >>> ranks = pd.DataFrame({"query_language": "en", "query_id": ["p", "p", "q"],
    ...                       "passage_language": ["de", "en", "en"], "pool_rank": [9, 1, 2]})
    >>> behind(ranks)[["setting", "passage_language", "query_id", "value"]].values.tolist()
    [['cross', 'de', 'p', 8.0], ['mono', 'en', 'p', 0.0], ['pool', '*', 'p', 8.0]]
    """
    keys = ["query_language", "query_id"]
    first = ranks.groupby([*keys, "passage_language"])["pool_rank"].min().astype(float).reset_index(name="value")
    of_query = first.groupby(keys)["value"]
    first["value"] -= of_query.transform("min")
    first = first[of_query.transform("size") >= 2]
    setting = np.where(first["query_language"] == first["passage_language"], "mono", "cross")
    pool = distances(ranks).rename(columns={DISTANCE: "value"}).assign(setting="pool")
    both = pd.concat([frame for frame in (first.assign(setting=setting), pool) if len(frame)] or [pool])
    return both.assign(measure=DISTANCE)[["setting", *_KEYS, "query_id", "measure", "value"]].reset_index(drop=True)


def question_values(ranks: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Values of one measure question by question, as `clusters.model_sums` takes them; see `behind`."""
    if measure == DISTANCE:
        return behind(ranks)
    return per_query(ranks, [measure])


def best(scores: NDArray[np.float32], top: int) -> list[Ranked]:
    """The `top` columns of each row with their scores, best first; of equal ones the later column goes first.

    >>> best(np.array([[0.1, 0.5, 0.5, 0.3]], np.float32), 2)
    [[(2, 0.5), (1, 0.5)]]
    """
    from hybridkit.evaluation.bias import top_columns

    count = min(top, scores.shape[1])
    if not count or not len(scores):
        return [[] for _ in scores]
    columns = top_columns(scores, count)[1].reshape(len(scores), count)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort((-columns, -values), axis=1)
    ranked = [np.take_along_axis(one, order, axis=1).tolist() for one in (columns, values)]
    return [list(zip(*row, strict=True)) for row in zip(*ranked, strict=True)]


def ranked(benchmark: Benchmark, scores: NDArray[np.float32], passage_language: str, top: int) -> pd.DataFrame:
    """The `top` passages of one query: rank, passage_id, score; ties as in the rank table (later ids first).

    `scores` (passages,) are in the benchmark's order; `passage_language` is "*" for the pool. Raises InputError for
    a language without passages.
    """
    slices = dict(benchmark.passage_slices) | {POOL: slice(0, len(scores))}
    if passage_language not in slices:
        there = ", ".join(benchmark.passage_slices)
        raise InputError(f"{benchmark.name}: no passages in {passage_language!r}; there are {there}")
    own = slices[passage_language]
    (found,) = best(scores[None, own], top)
    ids = benchmark.passages["passage_id"].array
    rows = [(rank, ids[own.start + column], score) for rank, (column, score) in enumerate(found, 1)]
    return pd.DataFrame(rows, columns=["rank", "passage_id", "score"])


def joined(inspected: Inspected, found: pd.DataFrame, languages: Mapping[str, str]) -> pd.DataFrame:
    """The frame with language and text of each passage_id; `languages` knows those of passages without a text."""
    known = inspected.benchmark.passages["language"].array
    tags, texts = [], []
    for name in found["passage_id"]:
        position = inspected.passage_positions.get(name)
        tags.append(languages.get(name, "") if position is None else known[position])
        texts.append("" if position is None else inspected.passage_texts[position])
    return found.assign(language=tags, text=texts)


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
