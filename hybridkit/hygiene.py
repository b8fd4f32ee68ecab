"""A study's training rows held against all it is evaluated on: what hits is kept, dropped and told; own files fail."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.files import digest, sha256_file
from hybridkit.judged import JudgedSet, is_judged, open_judged
from hybridkit.leakage import VERSION, find_leaks, targets_of
from hybridkit.naming import split_name
from hybridkit.nearness import Nearness
from hybridkit.products import frame
from hybridkit.sources.benchmarks import base_name, benchmark_path, open_benchmark
from hybridkit.sources.rowsets import source_hashes, source_stems
from hybridkit.study import Study

_MADE_OF = {"mlqa-r": ("mlqa", "dev")}  # benchmark: data set of rows and the word that asks for the same questions


def evaluated(study: Study) -> tuple[list[str], list[str]]:
    """Whole parallel benchmarks and judged collections of every part of a study, without its own held-out rows.

    >>> from hybridkit.study import open_study
    >>> evaluated(open_study("starter"))
    (['xquad-r', 'mlqa-r'], [])
    """
    names = dict.fromkeys(map(base_name, study.benchmarks))
    return [name for name in names if name != "held-out"], list(study.judged)


def leaks_of(study: Study, rows: ParallelCorpus, folder: Path) -> pd.DataFrame:
    """The hits of a study's rows, the columns of `leakage.COLUMNS` behind the source; found once, kept in `folder`.

    Raises InputError where a benchmark's own file is among the study's rows (see `refuse_own_files`).
    """
    names, judged = evaluated(study)
    files, benchmarks = list(map(study.at, study.rows.files)), list(map(study.at, names))
    refuse_own_files(files, benchmarks, f"study {study.name}: rows.files")
    sets, rule = _sets(list(map(study.at, judged))), Nearness()

    def find() -> pd.DataFrame:
        targets = targets_of(list(map(open_benchmark, benchmarks)), sets)
        return with_source(find_leaks(rows, targets, rule), study.rows.files, files)

    key = digest(VERSION, rows.fingerprint, _contents(study, names, sets), asdict(rule))
    return frame(folder / "leaks" / f"{key[:16]}.parquet", find)


def evaluated_key(study: Study) -> str:
    """Hash of the content of all that a study is evaluated on."""
    names, judged = evaluated(study)
    return digest(_contents(study, names, _sets(list(map(study.at, judged)))))


def _contents(study: Study, names: Sequence[str], sets: Sequence[JudgedSet]) -> list[list[Any]]:
    hashes = [[name, list(_hashes(study.at(name)).values())] for name in names]
    return hashes + [[one.name, one.fingerprint] for one in sets]


def check_file(file: str | Path, benchmarks: Sequence[str]) -> pd.DataFrame:
    """The hits of one file or data set of rows in benchmarks, parallel or judged, by their names."""
    from hybridkit.sources.rowsets import open_corpus

    judged = [name for name in benchmarks if is_judged(name)]
    parallel = dict.fromkeys(base_name(name) for name in benchmarks if name not in judged)
    targets = targets_of([open_benchmark(name) for name in parallel], _sets(judged))
    return with_source(find_leaks(open_corpus([file]), targets), [str(file)])


def with_source(found: pd.DataFrame, files: Sequence[str], places: Sequence[str] | None = None) -> pd.DataFrame:
    """Hits with the file or data set that each row came from, told by its id, as the first column.

    `places` are where the files lie, if not under their names.
    """
    named = dict(zip(source_stems(places or files), files, strict=True))
    source = [named[name.partition("/")[0]] if len(files) > 1 else files[0] for name in found["id"]]
    out = found.copy()
    out.insert(0, "source", pd.Series(source, dtype=object))
    return out


def summary(leaks: pd.DataFrame) -> pd.DataFrame:
    """Hits by source, benchmark, kind and side: texts that hit, and rows that were dropped for them."""
    keys = ["source", "benchmark", "kind", "side"]
    return leaks.groupby(keys, as_index=False).agg(texts=("text", "nunique"), rows=("row", "nunique"))


def without_leaks(rows: ParallelCorpus, usable: np.ndarray, leaks: pd.DataFrame) -> np.ndarray:
    """Bool array (rows,): usable and no hit; a row that hits in one language is dropped in all."""
    leaked = np.zeros(len(rows), dtype=bool)
    leaked[leaks["row"].to_numpy()] = True
    return np.asarray(usable & ~leaked)


def refuse_leaks(corpus: ParallelCorpus, leaks: pd.DataFrame, where: str) -> None:
    """Raise InputError if a row that hits is among those that are trained on."""
    left = set(leaks["id"]) & set(corpus.ids)
    if left:
        first = leaks[leaks["id"].isin(left)].iloc[0]
        raise InputError(
            f"{where}: row {first['id']!r} is trained on, and {first['benchmark']} has its {first['side']} "
            f"({first['kind']}: {first['match']!r}); take the row out of the file, or its id is not its own"
        )


def refuse_own_files(files: Sequence[str | Path], benchmarks: Sequence[str], where: str) -> None:
    """Raise InputError if rows are read from a benchmark's own file, or from the data that it was made of.

    >>> refuse_own_files(["mlqa[dev]"], ["mlqa-r"], "rows.files")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: rows.files: mlqa[dev] holds the questions of the benchmark mlqa-r; ...
    """
    for name in files:
        base, words = split_name(str(name))
        for benchmark in benchmarks:
            data, word = _MADE_OF.get(benchmark.removesuffix("-paragraphs"), ("", ""))
            own = base == data and word in words
            if own or set(source_hashes([name]).values()) & set(_hashes(benchmark).values()):
                cure = "evaluate on another benchmark, or train on other rows"
                raise InputError(f"{where}: {name} holds the questions of the benchmark {benchmark}; {cure}")


def _sets(judged: Sequence[str]) -> list[JudgedSet]:
    """The sets of judged collections, each once; a pool is that of its parts."""
    sets = {part.fingerprint: part for name in judged for one in open_judged(name) for part in one.parts or (one,)}
    return list(sets.values())


def _hashes(benchmark: str) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in _files(benchmark)}


def _files(benchmark: str) -> Iterator[Path]:
    path = benchmark_path(benchmark)
    if benchmark == "atlas":
        yield path / "heldout.jsonl.xz"
    else:
        yield from sorted(path.glob("*.json")) if path.is_dir() else [path]
