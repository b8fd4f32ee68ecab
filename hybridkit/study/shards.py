"""Judged collections of many passages: encoded and searched in shards, each a job of its own, by any workers.

A job encodes a shard of a corpus and searches it for the questions of every collection that has the corpus. What it
found lies in the run folder until the collection is measured; the embeddings are kept in the cache of the machine that
made them.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hybridkit.data.collection import Collection, across
from hybridkit.errors import InputError
from hybridkit.retrieval.passage_embeddings import embed_passages, shards
from hybridkit.retrieval.runs import merge_runs
from hybridkit.retrieval.search import dense_search
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import TOP, Run
from hybridkit.study.settings import Resources
from hybridkit.study.sweep import Job, make_jobs, run_of
from hybridkit.study.workers import Workers
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import frame, is_whole

_MERGED = 8  # shards whose runs are merged at a time


class Shard(NamedTuple):
    """Some passages of a corpus."""

    name: str
    language: str
    corpus: str
    """Hash of all of its passages."""
    start: int
    stop: int


@dataclass(frozen=True)
class ShardJob(Job):
    """A shard that a model encodes and searches."""

    shard: Shard = Shard("", "", "", 0, 0)
    collections: tuple[str, ...] = ()
    """The collections whose questions it is searched for, if they have its corpus."""

    @property
    def small(self) -> bool:
        """Many shards are made side by side, whatever the encoder."""
        return True

    @property
    def processes(self) -> int:
        """A shard is encoded and searched by one process, however many trained the model."""
        return 1

    def __str__(self) -> str:
        shard = self.shard
        return f"{super().__str__()}: {shard.name}, {shard.language}, passages {shard.start:,} to {shard.stop:,}"


def make_shards(run: Run, wanted: Sequence[tuple[ModelSpec, Sequence[str]]], workers: Workers | None = None) -> int:
    """Encode and search what is missing of large collections, for the models named with each; return how many jobs."""
    jobs = [job for spec, names in wanted for job in missing_shards(run, spec, names)]
    if jobs:
        print(f"{len(jobs)} shards of collections to encode and search", file=sys.stderr)
    try:
        return make_jobs(run, make_shard, jobs, workers, "shard")
    finally:
        run.forget_model()


def missing_shards(run: Run, spec: ModelSpec, names: Sequence[str]) -> list[ShardJob]:
    """Return the jobs that are left of a model's search of some collections; a collection of one shard has none."""
    found: dict[Shard, None] = {}
    for one in run.collections(*names):
        if not is_whole(run.judged_path(spec, one, "queries")):
            found |= {shard: None for _, _, shard in shards_of(run, one) if not is_whole(_path(run, spec, one, shard))}
    return [ShardJob(run.study, run.folder, spec, (), shard, tuple(names)) for shard in found]


def make_shard(job: ShardJob) -> None:
    """Encode a shard, and write the run of each collection on it.

    Raises InputError where this machine has other passages than the one that made the job.
    """
    with threads(1) if job.static else nullcontext():
        run, settings = run_of(job), job.study.evaluation
        options: dict[str, Any] = {"max_length": settings.max_length, "precision": settings.precision}
        encoder, within = run.model(job.spec), slice(job.shard.start, job.shard.stop)
        having = [
            (one, front, part)
            for one in run.collections(*job.collections)
            for front, part, shard in shards_of(run, one)
            if shard == job.shard
        ]
        if not having:
            raise InputError(f"{job}: this machine has other passages; put the same files on every machine")
        embedded = cache(lambda: embed_passages(having[0][2], encoder, within=within, **options))

        def search(front: str, part: Collection) -> pd.DataFrame:
            found = dense_search(part, encoder, TOP, embedded=embedded(), **options)
            return found.assign(passage_id=front + found["passage_id"])

        for one, front, part in having:
            frame(_path(run, job.spec, one, job.shard), partial(search, front, part))


def found_by_shards(run: Run, spec: ModelSpec, one: Collection) -> pd.DataFrame | None:
    """Return the run of a large collection from those of its shards; None of another, or where a shard is missing."""
    paths = [_path(run, spec, one, shard) for _, _, shard in shards_of(run, one)]
    if not paths or not all(map(is_whole, paths)):
        return None
    found = merge_runs([pd.read_parquet(paths[0])], TOP)
    for first in range(1, len(paths), _MERGED):
        last = found.groupby("query_id")["score"].agg(["min", "size"])
        floor = last["min"].where(last["size"] >= TOP)  # what is below will not be in
        more = (pd.read_parquet(path) for path in paths[first : first + _MERGED])
        found = merge_runs([found, *(run[~(run["score"] < run["query_id"].map(floor))] for run in more)], TOP)
    return found


def forget_shards(run: Run, spec: ModelSpec, one: Collection) -> None:
    """Remove what was found in the shards of a collection: its values are there."""
    shutil.rmtree(_folder(run, spec, one), ignore_errors=True)


def is_large(run: Run, name: str) -> bool:
    """Return whether one of the collections of this name has several shards."""
    return any(shards_of(run, one) for one in run.collections(name))


def shards_of(run: Run, one: Collection) -> list[tuple[str, Collection, Shard]]:
    """Return the shards of a collection, with the front of their ids and the passages; none where one holds all."""
    size = (run.study.resources or Resources()).passages
    found = [
        (front, part, Shard(part.name, part.language, part.corpus, within.start, within.stop))
        for front, part in _parts(one)
        for within in shards(part.size, size)
    ]
    return found if len(found) > len(_parts(one)) else []


def _parts(one: Collection) -> tuple[tuple[str, Collection], ...]:
    return across(one) if one.parts else (("", one),)


def _path(run: Run, spec: ModelSpec, one: Collection, shard: Shard) -> Path:
    return _folder(run, spec, one) / f"{shard.language}-{shard.start}-{shard.stop}.parquet"


def _folder(run: Run, spec: ModelSpec, one: Collection) -> Path:
    return run.judged_path(spec, one, "shards").with_suffix("")
