"""Runs and qrels in TREC's format, full depth, for checks with trec_eval, ir_measures or ranx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.ranks import score_blocks
from hybridkit.files import atomic_write, read_lines
from hybridkit.reading import whole_number

if TYPE_CHECKING:
    from pathlib import Path

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer


def write_run(
    path: Path, benchmark: Benchmark, scorer: Scorer, query_language: str, passage_language: str = "*", tag: str = "kit"
) -> None:
    """Write what a system retrieves for the queries of one language, every candidate, in trec_eval's order.

    `passage_language` chooses the candidates, "*" is the pool. Lines are `query_id Q0 passage_id rank score tag`;
    scores have nine digits, enough to give every float32 back. Raises InputError for an id with white space in it,
    which the format cannot hold, and for a language that is not there.
    """
    columns = _part(benchmark.passage_slices, passage_language, len(benchmark.passages), benchmark)
    ids = whole(benchmark.passages["passage_id"].to_numpy(object)[columns])
    asked = _part(benchmark.query_slices, query_language, len(benchmark.queries), benchmark)
    queries = whole(benchmark.queries["query_id"].to_numpy(object))
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for rows, block in score_blocks(benchmark, scorer, part=asked):
            for query, scores in zip(queries[rows], block[:, columns], strict=True):
                # a stable sort of the reversed scores puts the greater id first among equals
                order = len(ids) - 1 - np.argsort(-scores[::-1], kind="stable")
                for rank, place in enumerate(order.tolist(), start=1):
                    file.write(f"{query} Q0 {ids[place]} {rank} {scores[place]:.9g} {tag}\n")


def write_qrels(path: Path, benchmark: Benchmark, query_language: str, passage_language: str = "*") -> None:
    """Write the judgements that `write_run` with the same languages is to be measured by: `query_id 0 passage_id 1`."""
    asked = benchmark.queries.iloc[_part(benchmark.query_slices, query_language, len(benchmark.queries), benchmark)]
    judged = benchmark.judgements[benchmark.judgements["query_id"].isin(asked["query_id"])]
    if passage_language != "*":
        judged = judged[judged["passage_language"] == passage_language]
    save_judgements(judged[["query_id", "passage_id"]].assign(relevance=1), path)


def save_judgements(judgements: pd.DataFrame, path: Path) -> None:
    """Write a frame of query_id, passage_id and relevance as lines `query_id 0 passage_id relevance`.

    Raises InputError for an id with white space in it, which the format cannot hold.
    """
    for column in ("query_id", "passage_id"):
        whole(judgements[column].to_numpy(object))
    lines = (f"{query} 0 {passage} {value}\n" for query, passage, value in judgements.itertuples(index=False))
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def read_run(path: Path) -> pd.DataFrame:
    """Read a run: a frame with query_id, passage_id, rank, score, tag. InputError names the line that is none.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.txt"
    >>> _ = path.write_text("q1 Q0 p7 1 0.5 kit")
    >>> read_run(path).values.tolist()
    [['q1', 'p7', 1, 0.5, 'kit']]
    """
    rows = [(query, passage, int(rank), float(score), tag) for query, _, passage, rank, score, tag in _fields(path, 6)]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "rank", "score", "tag"])


def read_qrels(path: Path) -> pd.DataFrame:
    """Read qrels: a frame with query_id, passage_id, relevance. InputError names the line that is none.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "qrels.txt"
    >>> _ = path.write_text("q1 0 p7 1")
    >>> read_qrels(path).values.tolist()
    [['q1', 'p7', 1]]
    """
    rows = [(query, passage, int(relevance)) for query, _, passage, relevance in _fields(path, 4)]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "relevance"])


def _fields(path: Path, count: int) -> list[list[str]]:
    """Split every line, with its numbers checked here so that the error can name the line."""
    found = []
    for number, text in read_lines(path):
        fields = text.split()
        try:
            if len(fields) != count:
                raise ValueError(f"{len(fields)} fields")
            whole_number(fields[3])
            if count == 6 and not np.isfinite(float(fields[4])):
                raise ValueError(f"score {fields[4]}")
        except ValueError as error:
            form = "query Q0 passage rank score tag" if count == 6 else "query 0 passage relevance"
            raise InputError(f"{path}, line {number}: not a line of the form `{form}` ({error})") from error
        found.append(fields)
    return found


def _part(slices: dict[str, slice], language: str, count: int, benchmark: Benchmark) -> slice:
    if language == "*":
        return slice(0, count)
    if language not in slices:
        raise InputError(f"{benchmark.name} has nothing in {language!r} here; there are {' '.join(slices)}")
    return slices[language]


def whole(ids: np.ndarray) -> np.ndarray:
    """Give the ids back, or raise InputError for one with white space in it."""
    for name in ids:
        if len(name.split()) != 1:
            raise InputError(f"id {name!r} has white space in it, which a TREC file cannot hold; rename it")
    return ids
