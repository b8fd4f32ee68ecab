"""Everything that a study's notebooks read of its models, made before they run: where many machines make it."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from hybridkit.analysis.remedies import evaluated_on
from hybridkit.analysis.scores import collections_made, make_collections
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import DISTILLED, RERANKER
from hybridkit.study.shards import is_large, make_shards
from hybridkit.study.sweep import Job, is_made, make, make_jobs, run_of
from hybridkit.study.workers import Workers
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import is_whole

_READ = {  # the notebooks that read models of a section
    "main": {"03", "04", "05", "07", "08"},
    "recipes": {"04", "07"},
    "curve": {"02", "07"},
    "diversity": {"06", "07"},
    RERANKER: {"04", "07"},
    DISTILLED: {"04"},
}


@dataclass(frozen=True)
class WholeJob(Job):
    """A model to make, with its results on collections and with every remedy."""

    collections: tuple[str, ...] = ()
    remedies: tuple[ModelSpec, ...] = ()
    """The same model with each remedy."""
    remedied: tuple[str, ...] = ()
    """The benchmarks that remedies are evaluated on."""


def make_everything(run: Run, numbers: Sequence[str], workers: Workers | None = None) -> int:
    """Make every model that some notebooks of a study read, with all its results; return how many were missing.

    One job makes a model whole: trained, scored on its benchmarks and collections, and with every remedy, so that its
    embeddings stay where they are used. A collection of several shards is encoded and searched by a job for each
    (`study.shards`) before it is scored. Products are those that the notebooks would make.
    """
    jobs = jobs_of(run, [name for name in run.study.sections if _READ[name] & set(numbers)])
    if "08" not in numbers:
        jobs = [replace(job, remedies=()) for job in jobs]
    missing = [job for job in jobs if not _is_made(run, job)]
    print(f"{len(jobs)} models, {len(missing)} to make", file=sys.stderr)
    learners = [job for job in missing if job.spec.section == DISTILLED]  # they learn from some of the others
    others = [job for job in missing if job.spec.section != DISTILLED]
    large = {name for name in {name for job in missing for name in job.collections} if is_large(run, name)}
    for some in (others, learners):
        first = [replace(job, collections=tuple(name for name in job.collections if name not in large)) for job in some]
        make_jobs(run, make_whole, [job for job in first if not _is_made(run, job)], workers)
    last = [job for job in missing if large & {*job.collections}]
    make_shards(run, [(job.spec, [name for name in job.collections if name in large]) for job in last], workers)
    make_jobs(run, make_whole, last, workers)
    return len(missing)


def jobs_of(run: Run, sections: Sequence[str]) -> list[WholeJob]:
    """Return one job for each different model of some sections: a model of two sections has the benchmarks of both."""
    found: dict[tuple[bool, str], WholeJob] = {}
    study = run.study
    remedied = tuple(evaluated_on(run)) if study.remedies else ()
    with_remedy: dict[ModelSpec, list[ModelSpec]] = {}
    for one in run.systems() if study.remedies else ():
        if one.remedy:
            with_remedy.setdefault(replace(one, remedy=""), []).append(one)
    for section in sections:
        for spec in run.models(section):
            benchmarks = (*run.study.section(section).benchmarks,)
            remedies = tuple(with_remedy.get(spec, ()))
            job = WholeJob(study, run.folder, spec, benchmarks, study.judged_in(section), remedies, remedied)
            key = section in (RERANKER, DISTILLED), run.trained.key(spec)  # the questions that are re-ranked are fewer
            if (other := found.get(key)) is not None:
                job = replace(
                    other,
                    benchmarks=tuple(dict.fromkeys(other.benchmarks + job.benchmarks)),
                    collections=tuple(dict.fromkeys(other.collections + job.collections)),
                )
            found[key] = job
    return list(found.values())


def make_whole(job: WholeJob) -> None:
    """Make a model and all of its results."""
    with threads(1) if job.static else nullcontext():
        run = run_of(job)
        make(run, job.spec, job.benchmarks)
        make_collections(run, job.spec, job.collections)
        for spec in job.remedies:
            for name in job.remedied:
                run.single_pools(spec, name)
                run.ranks(spec, name)
            make_collections(run, spec, job.collections)


def _is_made(run: Run, job: WholeJob) -> bool:
    return (
        is_made(run, job.spec, job.benchmarks)
        and collections_made(run, job.spec, job.collections)
        and all(is_whole(run.ranks_path(spec, name), thorough=False) for spec in job.remedies for name in job.remedied)
        and all(collections_made(run, spec, job.collections) for spec in job.remedies)
    )
