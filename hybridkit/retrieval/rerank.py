"""rerank: the best passages of a first stage, in the order of a re-ranker, whose scores are kept by content."""

from __future__ import annotations

import logging
import re
import sqlite3
import struct
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.retrieval.runs import run_frame
from hybridkit.utils.files import digest
from hybridkit.utils.numbers import COUNT
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sentence_transformers import CrossEncoder

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.retrieval import Scorer

    # Takes queries and passages, n each, and returns the scores of the pairs, (n,).
    Score: TypeAlias = Callable[[Sequence[str], Sequence[str]], NDArray[np.float32]]
NAME = "rerank"
EXAMPLE = "rerank(dense, model=my-reranker, depth=20)"
_PART = re.compile(r"""(?:[^,"'()]|"[^"]*"|'[^']*'|\([^()]*\))+""")
_CHUNK = 4096  # pairs that are scored and then kept
_ASKED = 900  # keys of one question to SQLite
_TABLE = "CREATE TABLE IF NOT EXISTS scores (pair BLOB PRIMARY KEY, score REAL, sum INTEGER) WITHOUT ROWID"
log = logging.getLogger("hybridkit")


@dataclass(frozen=True)
class Rerank:
    """A system: the best `depth` passages of a first stage are put in the order of a re-ranker.

    In a pair of languages they are the best of the pair, in the pool those of the pool. Passages behind them keep the
    ranks that the first stage gives them. Where two of them have one score, the greater id is first, as everywhere.

    >>> parse("rerank(bm25, model='my folder', depth=5)")
    Rerank(first='bm25', model='my folder', depth=5)
    >>> str(parse("rerank(dense,model=runs/a)"))
    'rerank(dense, model=runs/a, depth=20)'
    """

    first: str
    model: str
    depth: int = 20

    def __post_init__(self) -> None:
        COUNT.check(self.depth, f"{NAME}: depth, the number of passages to re-rank,")

    def __str__(self) -> str:
        """The text that `parse` reads."""
        plain = re.fullmatch(r"""[^,"'()\s]+""", self.model)
        quote = "'" if '"' in self.model else '"'
        return f"{NAME}({self.first}, model={self.model if plain else quote + self.model + quote}, depth={self.depth})"


def is_rerank(system: str) -> bool:
    """Return whether a system's text is one of `rerank`."""
    return re.match(rf"\s*{NAME}\b", system) is not None


def parse(text: str) -> Rerank:
    """Return the system that a text names, such as "rerank(dense, model=FOLDER, depth=20)".

    A folder with commas, quotes, brackets or spaces in its name is written in quotes. Raises InputError for a text that
    cannot be read, an unknown or missing part, a depth below 1, and a re-ranker as the first stage.
    """
    where = f"system {text!r}"
    match = re.fullmatch(rf"\s*{NAME}\s*\((.*)\)\s*", text, re.DOTALL)
    parts = [part.strip() for part in _PART.findall(match[1])] if match else []
    if parts and is_rerank(parts[0]):
        raise InputError(f"{where}: the first stage is a re-ranker itself; give dense, bm25 or fusion")
    if not parts or "=" in parts[0]:
        raise InputError(f"{where}: cannot be read; write e.g. {EXAMPLE}")
    given: dict[str, str] = {}
    for part in parts[1:]:
        name, equals, value = (one.strip() for one in part.partition("="))
        if not equals or name not in ("model", "depth") or name in given or not value:
            raise InputError(f"{where}: {part!r} is not model=FOLDER or depth=N, once each; write e.g. {EXAMPLE}")
        given[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    if "model" not in given:
        raise InputError(f"{where}: which re-ranker? Write e.g. {EXAMPLE}")
    depth = given.get("depth", "20")
    if not re.fullmatch(r"-?\d{1,9}", depth):
        raise InputError(f"{where}: depth must be {COUNT} (got {depth})")
    try:
        return Rerank(parts[0], given["model"], int(depth))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def first_stage(system: str) -> str:
    """Return the first stage of a re-ranked system; of any other the system itself.

    >>> first_stage("rerank(bm25, model=x)"), first_stage("dense")
    ('bm25', 'dense')
    """
    return parse(system).first if is_rerank(system) else system


class PairScores:
    """The scores of a re-ranker, each pair of texts scored once and kept on disk.

    They are kept under (re-ranker, maximum length, precision; query text, passage text), so that a pair that recurs in
    a pair of languages and in the pool, with another remedy or in another command is not scored again. A score depends
    on the others that it was computed with by rounding only (1e-6 of its size in float32).

    Args:
        model: The re-ranker.
        max_length: Cut pairs at so many tokens.
        precision: "float32" or "bf16".
        folder: Where scores are kept; by default in the cache.
    """

    def __init__(
        self, model: CrossEncoder, max_length: int | None = None, precision: str = "float32", folder: Path | None = None
    ) -> None:
        from hybridkit.models.encoder import model_hash

        self.model, self.max_length, self.precision = model, max_length, precision
        key = digest("pair scores", 1, model_hash(model), max_length, precision)
        self.path = (folder or cache_folder() / "rerank") / f"{key[:24]}.sqlite"
        self.scored = self.cut = 0
        """Pairs that were scored so far, and not found; and those of them that are too long for the re-ranker."""

    def __call__(self, queries: Sequence[str], passages: Sequence[str]) -> NDArray[np.float32]:
        """Return the scores of pairs, float32 (n,)."""
        keys = [_key(query, passage) for query, passage in zip(queries, passages, strict=True)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._scores(keys, queries, passages)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, a full disk: not damaged
                raise InputError(f"{self.path}: scores cannot be kept ({error}); make room, or try again") from error
            log.warning("%s: damaged (%s); it is made anew", self.path.name, error)
            self.path.unlink(missing_ok=True)
            return self._scores(keys, queries, passages)

    def _scores(self, keys: Sequence[bytes], queries: Sequence[str], passages: Sequence[str]) -> NDArray[np.float32]:
        from hybridkit.models.reranker import score_and_count

        with closing(sqlite3.connect(self.path, timeout=600)) as base:
            base.execute(_TABLE)
            known = _kept(base, keys)
            missing = [*{key: at for at, key in enumerate(keys) if key not in known}.values()]
            shown = bar(total=len(missing), desc="re-ranking", unit="pair", disable=not missing)
            with shown:
                for first in range(0, len(missing), _CHUNK):
                    some = missing[first : first + _CHUNK]
                    texts = [queries[at] for at in some], [passages[at] for at in some]
                    found, cut = score_and_count(self.model, *texts, self.max_length, self.precision)
                    new = {keys[at]: value for at, value in zip(some, found.tolist(), strict=True)}
                    rows = [(key, value, _sum(key, value)) for key, value in new.items()]
                    with base:  # a transaction: a kill leaves whole chunks
                        base.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)
                    known |= new
                    self.scored, self.cut = self.scored + len(some), self.cut + cut
                    shown.update(len(some))
        return np.array([known[key] for key in keys], np.float32)

    def report(self) -> None:
        """Say how many of the pairs that were scored are cut, where any is."""
        from hybridkit.models.reranker import report_cut

        report_cut(self.model, self.cut, self.scored, self.max_length)


def _key(query: str, passage: str) -> bytes:
    first, second = (text.encode("utf-8", "surrogatepass") for text in (query, passage))
    return blake2b(struct.pack("<q", len(first)) + first + second, digest_size=16).digest()


def _sum(key: bytes, value: float) -> int:
    return crc32(key + struct.pack("<d", value))


def _kept(base: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, float]:
    """The scores that are kept under some keys; those that were damaged are left out."""
    found: dict[bytes, float] = {}
    wanted = list(dict.fromkeys(keys))
    for first in range(0, len(wanted), _ASKED):
        some = wanted[first : first + _ASKED]
        marks = ",".join("?" * len(some))
        rows = base.execute(f"SELECT pair, score, sum FROM scores WHERE pair IN ({marks})", some)  # noqa: S608
        found |= {key: value for key, value, sum_ in rows if isinstance(value, float) and _sum(key, value) == sum_}
    return found


class Reranking:
    """The re-ranked order of a benchmark's passages, as scorers that any ranking of scores takes.

    What they return are the first stage's scores, but for the best `depth` of every query, which stand above all
    others, in the re-ranker's order. Equal scores of the re-ranker stay equal.

    Raises:
        InputError: A depth beyond the passages of a language.
    """

    def __init__(self, benchmark: Benchmark, score: Score, depth: int) -> None:
        check_depth(depth, {tag: part.stop - part.start for tag, part in benchmark.passage_slices.items()}, benchmark)
        self.benchmark, self.score, self.depth = benchmark, score, depth
        self._queries, self._passages = (
            frame["text"].to_numpy(object) for frame in (benchmark.queries, benchmark.passages)
        )

    def in_pairs(self, first: Scorer) -> Scorer:
        """Return the scorer in which the best of every language are re-ranked; it orders a language's passages."""
        spans = list(self.benchmark.passage_slices.values())

        def score(rows: slice) -> NDArray[np.float32]:
            return self._lifted(np.arange(rows.start, rows.stop), np.array(first(rows), np.float32), spans)

        return score

    def in_pool(self, first: Scorer) -> Scorer:
        """Return the scorer in which the best of all languages together are re-ranked; it orders the pool."""

        def score(rows: slice) -> NDArray[np.float32]:
            return self.of_pool(np.arange(rows.start, rows.stop), np.asarray(first(rows)))

        return score

    def of_pool(
        self, queries: NDArray[np.int64], block: NDArray[np.floating], absent: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Return the first stage's scores of some queries (their positions) with their pools re-ranked.

        `absent` is True for cells that are not in the pool, as in `single_pools_from_scores`.
        """
        return self._lifted(queries, np.array(block, np.float32), [slice(0, block.shape[1])], absent)

    def _lifted(
        self,
        queries: NDArray[np.int64],
        block: NDArray[np.float32],
        spans: Sequence[slice],
        absent: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        if absent is not None:
            block[absent] = -np.inf
        cells = [
            (row, span.start + best_of(block[row, span], self.depth)) for row in range(len(block)) for span in spans
        ]
        asked = [query for row, best in cells for query in [self._queries[queries[row]]] * len(best)]
        answers = self._passages[np.concatenate([best for _, best in cells])].tolist() if cells else []
        found = np.split(self.score(asked, answers), np.cumsum([len(best) for _, best in cells])[:-1])
        for (row, best), scores in zip(cells, found, strict=True):
            block[row, best] = lifted(block[row, best], scores)
        return block


def pairs_in(benchmark: Benchmark, depth: int) -> int:
    """Return how many pairs are scored where the best `depth` of every language are re-ranked.

    Those of the pool are among them, unless a remedy of the first stage changes the order within a language.
    """
    return len(benchmark.queries) * len(benchmark.passage_slices) * depth


def check_depth(depth: int, sizes: dict[str, int], of: Benchmark | Collection) -> None:
    """Raise InputError for a depth beyond the passages of a language; `sizes` are the passages of each."""
    tag = min(sizes, key=lambda one: sizes[one])
    if depth > sizes[tag]:
        raise InputError(
            f"{NAME}: depth {depth} is beyond the {sizes[tag]:,} passages of {of.name} in {tag!r}; lower the depth"
        )


def best_of(scores: NDArray[np.float32], depth: int) -> NDArray[np.int64]:
    """Return the positions of the best `depth` scores, the best first; of equal ones the greater position is first.

    Scores of minus infinity are none.

    >>> best_of(np.array([0.5, 0.9, 0.5, 0.1]), 2).tolist()
    [1, 2]
    """
    if depth < len(scores):
        least = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        some = np.flatnonzero((scores >= least) & (scores > -np.inf))
    else:
        some = np.flatnonzero(scores > -np.inf)
    return some[np.lexsort((-some, -scores[some]))][:depth]


def lifted(first: NDArray[np.floating], scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return numbers in the order of `scores`, equal where these are, all above the greatest of `first`.

    >>> lifted(np.array([0.9, 0.8, 0.7]), np.array([-1.0, 3.0, -1.0])).round(3).tolist()
    [0.9010000228881836, 0.9020000100135803, 0.9010000228881836]
    """
    top = float(first.max())
    place = np.unique(scores, return_inverse=True)[1]
    return np.asarray(top + max(1.0, abs(top)) / 1024 * (place + 1), np.float32)


def rerank_run(run: pd.DataFrame, collection: Collection, score: Score, depth: int) -> pd.DataFrame:
    """Return a first stage's run with the best `depth` passages of each query in the order of a re-ranker.

    The stream of passages is read once, and only the texts that are re-ranked are held. The scores of what was
    re-ranked are numbers above the first stage's, in the re-ranker's order; the others stay.

    Raises:
        InputError: A passage of the run that the stream does not have.
    """
    place = run.groupby("query_id").cumcount().to_numpy()
    top = run[place < depth]
    texts = _texts(collection, top["passage_id"])
    queries = dict(zip(collection.queries["query_id"], collection.queries["text"], strict=True))
    found = score([queries[name] for name in top["query_id"]], [texts[name] for name in top["passage_id"]])
    scores = run["score"].to_numpy(np.float32, copy=True)
    at = np.flatnonzero(place < depth)
    for own in np.split(np.arange(len(at)), np.flatnonzero(place[at] == 0)[1:]) if len(at) else []:
        scores[at[own]] = lifted(scores[at[own]], found[own])
    return run_frame(run["query_id"], run["passage_id"], scores)


def _texts(collection: Collection, names: Iterable[str]) -> dict[str, str]:
    wanted = set(names)
    found: dict[str, str] = {}
    for ids, texts in collection.passages() if wanted else ():
        found |= {name: text for name, text in zip(ids, texts, strict=True) if name in wanted}
    if missing := wanted - found.keys():
        raise InputError(
            f"{collection.name}, {collection.language}: passage {min(missing)!r} of the run is not in the collection; "
            "make the run on this one"
        )
    return found
