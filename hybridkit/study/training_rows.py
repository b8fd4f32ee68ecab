"""The training rows of a study: read once, compared with all benchmarks, those that every strategy can use.

Rows that a benchmark holds too are found, listed and dropped; a benchmark's own file among the rows is an error.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.leakage import VERSION, Nearness, find_leaks, targets_of
from hybridkit.data.sources.open_benchmarks import (
    base_name,
    benchmark_path,
    is_collection,
    open_benchmark,
    open_collection,
)
from hybridkit.data.sources.open_rows import corpus_key, kept_corpus, open_corpus, own_name, source_hashes, source_stems
from hybridkit.data.storage.columns import hash_strings
from hybridkit.errors import InputError
from hybridkit.retrieval.mining import Mining, mine_negatives
from hybridkit.sampling import common_rows, parse
from hybridkit.study.settings import DISTILLED, RERANKER, SETTINGS, Study
from hybridkit.utils.files import digest, remove_leftovers, sha256_file
from hybridkit.utils.naming import split_name
from hybridkit.utils.products import frame, write
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from hybridkit.study.model_spec import ModelSpec

log = logging.getLogger("hybridkit")
_VERSIONED = ("hybridkit", "torch", "transformers", "sentence-transformers", "tokenizers", "numpy", "pandas")
_MADE_OF = {"mlqa-r": ("mlqa", "dev")}  # benchmark: data set of rows and the split with the same questions


class TrainingRows:
    """The rows that a study trains on: read, searched for leaks and split when they are first used.

    The corpus, the leaks and `data.json`, with the hashes of the data files, are kept in the run folder.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        self.study = study
        self.folder = folder
        self._last: tuple[object, ParallelCorpus] | None = None  # the rows of the last model
        self._counts: dict[tuple[str, ...], int] = {}

    def prepare(self) -> None:
        """Write settings.json and versions.json, and remove what a killed process left half written."""
        remove_leftovers(self.folder)
        write_json(self.folder / SETTINGS, self.study.written(self.folder))
        write_json(self.folder / "versions.json", {name: version(name) for name in _VERSIONED})

    @cached_property
    def whole(self) -> ParallelCorpus:
        """Every row of the study's files in the study's languages, before any is dropped."""
        self.prepare()
        settings, files = self.study.rows, [self.study.at(name) for name in self.study.rows.files]
        hashes = source_hashes(files)
        write_json(self.folder / "data.json", hashes)
        corpus = kept_corpus(self.folder / "corpus" / corpus_key(hashes), files)
        return corpus if settings.languages is None else corpus.keep_languages(settings.languages)

    @cached_property
    def usable(self) -> ParallelCorpus:
        """The rows that no benchmark holds and that every strategy can use (with `use: each`: any)."""
        each, whole = self.study.rows.use == "each", self.whole
        if self.study.rows.use == "equal":
            whole = whole.both_sides()
        usable = common_rows(whole, [] if each else self.study.every_strategy())
        kept = without_leaks(whole, usable, self.leaks)
        if kept.sum() < usable.sum():
            log.info("%d rows are dropped that a benchmark holds too", usable.sum() - kept.sum())
        if not each and kept.sum() < len(whole):
            log.info("%d of %d rows can be used by every strategy; the rest is dropped", kept.sum(), len(whole))
        sources = self.sources(whole) if self.study.rows.limit else np.empty(0, dtype=object)
        for source in dict.fromkeys(sources):
            own = np.flatnonzero(kept & (sources == source))
            # by a hash of the id, so that where a row is dropped only one other takes its place
            order = hash_strings(self.whole.ids[own].tolist())[:, 0].argsort(kind="stable")
            kept[own[order[self.study.rows.limit :]]] = False
        return whole if each and kept.all() else whole.select(kept)

    def sources(self, rows: ParallelCorpus) -> np.ndarray:
        """Return the file or data set, as the study names it, of each of some rows, text (rows,)."""
        return sources_of(rows.ids, self.study.rows.files, list(map(self.study.at, self.study.rows.files)))

    @cached_property
    def leaks(self) -> pd.DataFrame:
        """Rows of the study's files that a benchmark of it holds too; none of them is trained on (see `leaks_of`)."""
        return leaks_of(self.study, self.whole, self.folder)

    @cached_property
    def split(self) -> tuple[ParallelCorpus, ParallelCorpus]:
        """Training rows and held-out rows; they share no text and no passage_id."""
        return self.usable.split(self.study.rows.held_out)

    @cached_property
    def held_out(self) -> Benchmark:
        """The benchmark of the study's held-out rows; InputError where no rows are held out."""
        if len(self.split[1]) == 0:
            raise InputError(f"study {self.study.name}: no rows are held out; set rows.held_out, say to 0.05")
        return Benchmark.from_corpus(self.split[1], "held-out")

    def of(self, spec: "ModelSpec") -> ParallelCorpus:
        """The training rows of a model."""
        chosen = self.study.reranker if spec.section in (RERANKER, DISTILLED) else None
        mined = chosen is not None and chosen.training.negatives == "mined"
        key = (spec.strategy if self.study.rows.use == "each" else "", spec.languages, spec.rows, spec.seed, mined)
        if self._last is None or key != self._last[0]:
            corpus = self._in_languages(spec.languages, spec.strategy, self._mined if mined else self.split[0])
            if spec.rows > len(corpus):
                raise InputError(f"study {self.study.name}: {spec}: there are only {len(corpus)} rows; give fewer")
            if spec.rows:  # those of a smaller number are among those of a larger one
                corpus = corpus.select(np.sort(generator(spec.seed, "rows").permutation(len(corpus))[: spec.rows]))
            self._last = (key, corpus)
        return self._last[1]

    def count(self, languages: tuple[str, ...]) -> int:
        """How many training rows every strategy of the section "diversity" can use in some languages."""
        if languages not in self._counts:
            self._counts[languages] = len(self._in_languages(languages, "", self.split[0]))
        return self._counts[languages]

    @cached_property
    def _mined(self) -> ParallelCorpus:
        """The training rows with the hard negatives that BM25 finds among them."""
        return mine_negatives(self.split[0], "bm25", Mining(keep=False))

    def _in_languages(self, languages: tuple[str, ...], strategy: str, corpus: ParallelCorpus) -> ParallelCorpus:
        """The rows of a corpus in some languages (all where none is named) that the strategies can use there."""
        diversity = self.study.diversity
        if languages and set(languages) != set(corpus.languages):
            corpus = corpus.keep_languages(languages)
            sizes = diversity.strategies if diversity else {}
            usable = common_rows(corpus, [parse(text) for text, of in sizes.items() if len(languages) in of])
            corpus = corpus if usable.all() else corpus.select(usable)
        return corpus.select(parse(strategy).usable(corpus)) if strategy and self.study.rows.use == "each" else corpus


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file of a run folder, unless it holds just that already."""
    write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def evaluated(study: Study) -> tuple[list[str], list[str]]:
    """Return the names of whole benchmarks and of collections of a study, without its own held-out rows.

    >>> from hybridkit.study.settings import open_study
    >>> evaluated(open_study("starter"))
    (['xquad-r', 'mlqa-r'], [])
    """
    names = dict.fromkeys(map(base_name, study.benchmarks))
    return [name for name in names if name != "held-out"], list(study.judged)


def leaks_of(study: Study, rows: ParallelCorpus, folder: Path) -> pd.DataFrame:
    """Return the rows of a study that a benchmark holds too: source, then the columns of `leakage.COLUMNS`.

    They are kept in `folder`. Raises InputError where a benchmark's own file is among the study's rows.
    """
    names, collections = evaluated(study)
    files, benchmarks = list(map(study.at, study.rows.files)), list(map(study.at, names))
    refuse_own_files(files, benchmarks, f"study {study.name}: rows.files")
    sets, rule = _sets(list(map(study.at, collections))), Nearness()

    def find() -> pd.DataFrame:
        targets = targets_of(list(map(open_benchmark, benchmarks)), sets)
        return _with_source(find_leaks(rows, targets, rule), study.rows.files, files)

    key = digest(VERSION, rows.fingerprint, _contents(study, names, sets), asdict(rule))
    return frame(folder / "leaks" / f"{key[:16]}.parquet", find)


def evaluated_key(study: Study) -> str:
    """Return the hash of the content of all that a study is evaluated on."""
    names, collections = evaluated(study)
    return digest(_contents(study, names, _sets(list(map(study.at, collections)))))


def _contents(study: Study, names: Sequence[str], sets: Sequence[Collection]) -> list[list[Any]]:
    hashes = [[name, _hashes(study.at(name))] for name in names]
    return hashes + [[one.name, one.fingerprint] for one in sets]


def check_file(file: str | Path, benchmarks: Sequence[str]) -> pd.DataFrame:
    """Return the rows of one file or data set that some benchmarks or collections hold too."""
    collections = [name for name in benchmarks if is_collection(name)]
    parallel = dict.fromkeys(base_name(name) for name in benchmarks if name not in collections)
    targets = targets_of([open_benchmark(name) for name in parallel], _sets(collections))
    return _with_source(find_leaks(open_corpus([file]), targets), [str(file)])


def _with_source(found: pd.DataFrame, files: Sequence[str], paths: Sequence[str] | None = None) -> pd.DataFrame:
    """Hits with the file or data set of each row, known by its id, as the first column."""
    out = found.copy()
    out.insert(0, "source", pd.Series(sources_of(found["id"], files, paths), dtype=object))
    return out


def sources_of(ids: Iterable[str], files: Sequence[str], paths: Sequence[str] | None = None) -> np.ndarray:
    """Return the file or data set of each row, known by its id: text (rows,).

    It is named as in `files`; a file is called by its stem, with folders in front where two stems are equal.
    """
    stems = source_stems(paths or files)
    named = {stem: name if own_name(str(name)) == str(name) else stem for stem, name in zip(stems, files, strict=True)}
    found = [named[name.partition("/")[0]] if len(files) > 1 else named[stems[0]] for name in ids]
    return np.array(found, dtype=object)


def summary(leaks: pd.DataFrame) -> pd.DataFrame:
    """Return the texts that were found and the rows dropped for them, by source, benchmark, kind and side."""
    keys = ["source", "benchmark", "kind", "side"]
    return leaks.groupby(keys, as_index=False).agg(texts=("text", "nunique"), rows=("row", "nunique"))


def without_leaks(rows: ParallelCorpus, usable: np.ndarray, leaks: pd.DataFrame) -> np.ndarray:
    """Return a bool array (rows,): usable and not a leak; a row that is one in one language is dropped in all."""
    leaked = np.zeros(len(rows), dtype=bool)
    leaked[leaks["row"].to_numpy()] = True
    return np.asarray(usable & ~leaked)


def refuse_leaks(corpus: ParallelCorpus, leaks: pd.DataFrame, where: str) -> None:
    """Raise InputError if a leak is among the rows that are trained on."""
    left = set(leaks["id"]) & set(corpus.ids)
    if left:
        first = leaks[leaks["id"].isin(left)].iloc[0]
        raise InputError(
            f"{where}: row {first['id']!r} is trained on, and {first['benchmark']} has its {first['side']} "
            f"({first['kind']}: {first['match']!r}); take the row out of the file, or its id is not its own"
        )


def refuse_own_files(files: Sequence[str | Path], benchmarks: Sequence[str], where: str) -> None:
    """Raise InputError if rows are read from a benchmark's own file, or from the data that it was made of.

    Example:
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
            if own or set(source_hashes([name]).values()) & set(_hashes(benchmark)):
                cure = "evaluate on another benchmark, or train on other rows"
                raise InputError(f"{where}: {name} holds the questions of the benchmark {benchmark}; {cure}")


def _sets(names: Sequence[str]) -> list[Collection]:
    """The collections of some names, each once; a pool is that of its parts."""
    sets = {part.fingerprint: part for name in names for one in open_collection(name) for part in one.parts or (one,)}
    return list(sets.values())


def _hashes(benchmark: str) -> list[str]:
    path = benchmark_path(benchmark)
    if benchmark == "atlas":
        return [sha256_file(path / "heldout.jsonl.xz")]
    return [sha256_file(file) for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
