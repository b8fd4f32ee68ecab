"""The rank table: for every query, the exact rank of each relevant passage in its language and in the pool."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.data.collection import save_judgements, whole
from hybridkit.errors import InputError
from hybridkit.retrieval.dense import ROWS, dense, held_together
from hybridkit.utils.files import atomic_write, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.retrieval import Scorer
    from hybridkit.retrieval.rerank import Reranking


RANKS_FORMAT = 1
_TEXTS = ("query_language", "query_id", "passage_language", "passage_id")
_COUNTS = ("rank", "pool_rank", "candidates", "pool_candidates")
BLOCK_BYTES = 64 * 2**20
_TILE_BYTES = 2**22  # rows that are compared together: few enough to stay in a core's cache


def rank_table(
    benchmark: Benchmark,
    query_embeddings: NDArray[np.floating],
    passage_embeddings: NDArray[np.floating],
    block_bytes: int = BLOCK_BYTES,
    similarity: str = "dot",
) -> pd.DataFrame:
    """Rank every relevant passage by a similarity of embeddings: exact, full depth, in bounded memory.

    `query_embeddings` (queries, dim) and `passage_embeddings` (passages, dim) are in the benchmark's order;
    `similarity` is the model's own (`encoder.similarity_of`). The table is the same for any number of threads and any
    `block_bytes`. For the columns and the rule for ties see `rank_table_from_scores`.

    Raises InputError for embeddings of a wrong size, with NaN or infinity, and for cosine of rows of another length
    than 1.
    """
    scorer = dense(benchmark, query_embeddings, passage_embeddings, similarity)
    return rank_table_from_scores(benchmark, scorer, block_bytes)


def rank_table_from_scores(benchmark: Benchmark, scorer: Scorer, block_bytes: int = BLOCK_BYTES) -> pd.DataFrame:
    """Rank every relevant passage by the scores of any system.

    One row for a query (query_language, query_id) and a relevant passage (passage_language, passage_id), sorted by
    these: score (float32); rank among the `candidates` passages of its language and pool_rank among the
    `pool_candidates` passages of all languages, both from 1. Ties: score descending, then passage id (as bytes)
    descending, as in trec_eval. At most `block_bytes` of scores are held at a time, or four times as many where these
    are of fewer than 64 queries (`dense.held_together`), one query language in a block.

    Raises InputError for scores of a wrong shape, with NaN or infinity.

    >>> ranks = rank_table_from_scores(toy, lambda rows: np.array([[0.9, 0.2, 0.5, 0.5]]))  # de:1, de:2, en:1, en:2
    >>> ranks[["passage_id", "rank", "candidates", "pool_rank"]].to_dict("list")
    {'passage_id': ['t:de:1', 't:en:1'], 'rank': [1, 2], 'candidates': [2, 2], 'pool_rank': [1, 3]}
    """
    query_of, passage_of = relevant_positions(benchmark)
    scores = np.empty(len(query_of), np.float32)
    ranks = np.empty(len(query_of), np.int64)
    pool_ranks = np.empty(len(query_of), np.int64)
    slices = benchmark.passage_slices
    bounds = np.array([[part.start, part.stop] for part in slices.values()]).reshape(-1, 2)
    language_of = np.searchsorted(bounds[:, 1], passage_of, side="right")
    for rows, block in score_blocks(benchmark, scorer, block_bytes):
        at = slice(*np.searchsorted(query_of, [rows.start, rows.stop]))
        local, position = query_of[at] - rows.start, passage_of[at]
        scores[at] = block[local, position]
        ranks[at], pool_ranks[at] = _count(block, local, position, language_of[at], bounds)
    sizes = bounds[:, 1] - bounds[:, 0]
    return named_pairs(benchmark, query_of, passage_of).assign(
        score=scores,
        rank=ranks,
        pool_rank=pool_ranks,
        candidates=sizes[language_of],
        pool_candidates=np.full(len(query_of), len(benchmark.passages)),
    )


def reranked_table(
    benchmark: Benchmark, first: Scorer, reranking: Reranking, block_bytes: int = BLOCK_BYTES
) -> pd.DataFrame:
    """Rank every relevant passage by a first stage whose best passages are re-ranked.

    The columns of `rank_table_from_scores`. In `rank` the best of each language are re-ranked, in `pool_rank` the best
    of all languages together; behind the depth both are the first stage's. `score` is the first stage's score.
    """
    ranks = rank_table_from_scores(benchmark, first, block_bytes)
    pairs = rank_table_from_scores(benchmark, reranking.in_pairs(first), block_bytes)
    pool = rank_table_from_scores(benchmark, reranking.in_pool(first), block_bytes)
    return ranks.assign(rank=pairs["rank"], pool_rank=pool["pool_rank"])


def named_pairs(benchmark: Benchmark, query: NDArray[np.int64], passage: NDArray[np.int64]) -> pd.DataFrame:
    """Name queries and passages by their positions: query_language, query_id, passage_language, passage_id."""
    queries, passages = benchmark.queries, benchmark.passages
    return pd.DataFrame(
        {
            "query_language": queries["language"].array.take(query),
            "query_id": queries["query_id"].array.take(query),
            "passage_language": passages["language"].array.take(passage),
            "passage_id": passages["passage_id"].array.take(passage),
        }
    )


def score_blocks(
    benchmark: Benchmark, scorer: Scorer, block_bytes: int = BLOCK_BYTES, part: slice | None = None
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield (slice of query positions, float32 scores (queries, passages)) for all queries, one language in a block.

    `part` restricts it to the queries at these positions, of one language.
    Raises InputError for scores of a wrong shape, with NaN or infinity.
    """
    width = len(benchmark.passages)
    step = held_together(width, block_bytes)
    step -= step % ROWS if step > ROWS else 0  # whole products of the dense scorer
    for language in [part] if part else benchmark.query_slices.values():
        for start in range(language.start, language.stop, step):
            rows = slice(start, min(start + step, language.stop))
            block = np.asarray(scorer(rows), np.float32)
            if block.shape != (rows.stop - rows.start, width):
                raise InputError(
                    f"{benchmark.name}: scores of shape {block.shape} for {rows.stop - rows.start} queries "
                    f"and {width} passages"
                )
            # min and max carry a NaN along and make no array of their own
            if block.size and not (np.isfinite(block.min()) and np.isfinite(block.max())):
                raise InputError(f"{benchmark.name}: scores of queries {rows.start} to {rows.stop - 1} are not finite")
            yield rows, block


def relevant_positions(benchmark: Benchmark) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of every query and its relevant passages, one pair each, sorted by query, then by passage."""
    queries = pd.DataFrame({"query_id": benchmark.queries["query_id"], "query": np.arange(len(benchmark.queries))})
    ids = benchmark.passages["passage_id"]
    judged = benchmark.judgements["passage_id"]
    known = np.flatnonzero(ids.isin(judged))  # a pool may be much larger than what is judged
    position = pd.Series(known, index=ids.iloc[known])
    relevant = benchmark.judgements[["query_id"]].assign(passage=position[judged].to_numpy())
    both = queries.merge(relevant, on="query_id").sort_values(["query", "passage"])
    return both["query"].to_numpy(np.int64), both["passage"].to_numpy(np.int64)


def _count(
    block: NDArray[np.float32],
    rows: NDArray[np.int64],
    positions: NDArray[np.int64],
    languages: NDArray[np.int64],
    bounds: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks of block[row, position] within the bounds of its language and in the whole row; rows ascend.

    Columns are in the order of ids, so what goes before a passage is what scores higher to its left and what scores
    as high or higher from its own column on (itself included, which makes the rank start at 1). Left and right of the
    language that is one comparison for many rows at once; only inside it equals are ordered by column.
    """
    width, step = block.shape[1], max(1, _TILE_BYTES // (4 * max(1, block.shape[1])))
    tiles = rows // step * len(bounds) + languages
    order = np.argsort(tiles, kind="stable")
    edges = [0, *(np.flatnonzero(np.diff(tiles[order])) + 1).tolist(), len(rows)]
    ahead = np.zeros((step, -(-width // 64) * 64), bool)  # padded: bits are counted 64 at a time
    ranks, pool_ranks = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for begin, end in pairwise(edges):
        for some in range(begin, end, step):  # a row may have several passages of a language
            at = order[some : min(some + step, end)]
            start, stop = bounds[languages[at[0]]].tolist()
            here, columns, out = rows[at], positions[at], ahead[: len(at)]
            first = int(here[0])
            run = np.array_equal(here, np.arange(first, first + len(here)))
            scores = block[first : first + len(here)] if run else block[here]  # a view where it can be
            own = block[here, columns][:, None]
            np.greater(scores[:, :stop], own, out=out[:, :stop])
            np.greater_equal(scores[:, stop:], own, out=out[:, stop:width])
            same = scores[:, start:stop] == own
            alone = np.count_nonzero(same) == len(at)  # each is only the same as itself: nearly always
            equal = 1 if alone else _true(same & (np.arange(start, stop) >= columns[:, None]))
            ranks[at] = _true(out[:, start:stop]) + equal
            pool_ranks[at] = _true(out) + equal
    return ranks, pool_ranks


def _true(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count what is true in each row."""
    bits = np.packbits(cells, axis=1)
    words = bits.view(np.uint64) if bits.shape[1] % 8 == 0 else bits
    counts: NDArray[np.int64] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return counts


def write_ranks(ranks: pd.DataFrame, path: Path) -> None:
    """Write a rank table as parquet, with the version of its format in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(ranks, preserve_index=False)
    own = {"hybridkit.ranks": str(RANKS_FORMAT), "hybridkit.checksum": checksum(ranks)}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **own})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def read_ranks(path: Path) -> pd.DataFrame:
    """Read a rank table written by `write_ranks`.

    Raises InputError for a file of another kind or version, or a damaged one: it holds a checksum of its cells, with
    which those that were read are compared (tables of earlier versions have none), and ranks are from 1 to candidates.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        size = path.stat().st_size
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            own = file.schema_arrow.metadata or {}
            version = own.get(b"hybridkit.ranks", b"none").decode()
            if version != str(RANKS_FORMAT):
                why = f"rank table of format {version}, this version reads {RANKS_FORMAT}"
                raise InputError(f"{path}: {why}; make it again")
            if file.metadata.num_rows > 10**6 + 100 * size:  # no ranks pack like that
                raise ValueError(f"{file.metadata.num_rows} rows in {size} bytes")
            frame: pd.DataFrame = file.read().to_pandas()
        wrong = _wrong(frame)
    except InputError:
        raise
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path}: no rank table can be read here ({error}); make it again") from error
    known = own.get(b"hybridkit.checksum")
    if not wrong and known is not None and known.decode(errors="replace") != checksum(frame):
        wrong = "its cells are not those that were written"
    if wrong:
        raise InputError(f"{path}: a damaged rank table ({wrong}); make it again")
    return frame


def checksum(frame: pd.DataFrame) -> str:
    """Return the SHA-256, as hex, of a table's columns, numbers or texts: their names and their cells, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[Any] = []
    for name in frame.columns:
        column = frame[name]
        parts.append(str(name))
        if pd.api.types.is_numeric_dtype(column):
            parts.append(column.to_numpy())
            continue
        texts = pa.array(column, pa.large_string())
        parts += [np.asarray(pc.binary_length(texts)), "".join(texts.to_pylist()).encode()]
    return digest(*parts)


def _wrong(frame: pd.DataFrame) -> str:
    """Return what is wrong with a table; empty where nothing is."""
    if missing := [name for name in (*_TEXTS, "score", *_COUNTS) if name not in frame.columns]:
        return f"no column {missing[0]}"
    for name in _TEXTS:
        if len(frame) and (frame[name].isna().any() or pd.api.types.infer_dtype(frame[name]) != "string"):
            return f"{name} is not texts throughout"
    for name in _COUNTS:
        if not pd.api.types.is_integer_dtype(frame[name]) or frame[name].isna().any():
            return f"{name} is not whole numbers throughout"
    if not pd.api.types.is_float_dtype(frame["score"]) or not np.isfinite(frame["score"]).all():
        return "score is not numbers throughout"
    rank, pool_rank, candidates, pool_candidates = (frame[name] for name in _COUNTS)
    # where the best of a language and those of the pool are re-ranked, each by themselves, rank may exceed pool_rank
    if not ((rank >= 1) & (pool_rank >= 1) & (rank <= candidates) & (pool_rank <= pool_candidates)).all():
        return "ranks that are not from 1 to the candidates"
    return ""


def write_runs(
    paths: Mapping[str, Path], benchmark: Benchmark, scorer: Scorer, query_language: str, depth: int | None = None
) -> None:
    """Write what a system retrieves for the queries of one language, in trec_eval's order; each query is scored once.

    Every passage language of `paths` has a file, "*" is the pool; the best `depth` of these candidates are written, or
    all. Lines are `query_id Q0 passage_id rank score hybridkit`; scores have nine digits, enough to give every float32
    back. Raises InputError for an id with white space in it, which the format cannot hold, and for a language that is
    not there.
    """
    queries = whole(benchmark.queries["query_id"].to_numpy(object))
    rows_of_language = _part(benchmark.query_slices, query_language, len(benchmark.queries), benchmark)
    every_id = benchmark.passages["passage_id"].to_numpy(object)
    slices = {name: _part(benchmark.passage_slices, name, len(every_id), benchmark) for name in paths}
    ids = {name: whole(every_id[columns]) for name, columns in slices.items()}
    with ExitStack() as stack:
        temporary = {name: stack.enter_context(atomic_write(path)) for name, path in paths.items()}
        files = {name: stack.enter_context(path.open("w", encoding="utf-8")) for name, path in temporary.items()}
        for rows, block in score_blocks(benchmark, scorer, part=rows_of_language):
            for name, file in files.items():
                for query, scores in zip(queries[rows], block[:, slices[name]], strict=True):
                    # a stable sort of the reversed scores puts the greater id first among equals
                    order = len(scores) - 1 - np.argsort(-scores[::-1], kind="stable")[:depth]
                    for rank, position in enumerate(order.tolist(), start=1):
                        file.write(f"{query} Q0 {ids[name][position]} {rank} {scores[position]:.9g} hybridkit\n")


def write_qrels(path: Path, benchmark: Benchmark, query_language: str, passage_language: str = "*") -> None:
    """Write the judgements that a run of the same languages is to be measured by: `query_id 0 passage_id 1`."""
    queries = benchmark.queries.iloc[_part(benchmark.query_slices, query_language, len(benchmark.queries), benchmark)]
    judged = benchmark.judgements[benchmark.judgements["query_id"].isin(queries["query_id"])]
    if passage_language != "*":
        judged = judged[judged["passage_language"] == passage_language]
    save_judgements(judged[["query_id", "passage_id"]].assign(relevance=1), path)


def _part(slices: dict[str, slice], language: str, count: int, benchmark: Benchmark) -> slice:
    if language == "*":
        return slice(0, count)
    if language not in slices:
        raise InputError(f"{benchmark.name} has nothing in {language!r} here; there are {' '.join(slices)}")
    return slices[language]
