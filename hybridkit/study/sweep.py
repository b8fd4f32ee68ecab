"""Many models of a study: counted, trained and scored where missing."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridkit.models.training import TrainingSettings
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import RERANKER, UNTRAINED, Resources, Study
from hybridkit.study.workers import Here, Processes, Workers
from hybridkit.utils.parallel import threads
from hybridkit.utils.products import is_whole
from hybridkit.utils.progress import bar

_runs: dict[tuple[Path, str], Run] = {}  # of this process, opened once for all of its models


@dataclass(frozen=True)
class Job:
    """A model to make: trained, and scored on some benchmarks."""

    study: Study
    folder: Path
    """The run folder."""
    spec: ModelSpec
    benchmarks: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        """Whether the model is small: a training has one thread, so that many run side by side."""
        return self.study.section(self.spec.section).encoder.name == "static"

    @property
    def small(self) -> bool:
        """Whether many are made side by side in processes of one machine."""
        return self.static

    @property
    def needs(self) -> Resources:
        """What one process takes on a cluster."""
        return self.study.resources or Resources()

    @property
    def processes(self) -> int:
        """How many processes train the model together, each of which takes that."""
        training = self.spec.training(self.study)
        shared = self.spec.strategy != UNTRAINED and isinstance(training, TrainingSettings)
        return training.processes if shared else 1

    def __str__(self) -> str:
        return f"study {self.study.name}: {self.spec}"


def sweep(run: Run, specs: Sequence[ModelSpec], benchmarks: Sequence[str] = (), workers: Workers | None = None) -> int:
    """Train the missing ones of some models, score them on some benchmarks, and return how many were missing.

    Without `workers`, models on a static encoder go to one process a core with one thread each, and larger ones are
    made one after the other with all threads. Processes that are given share all of them; on a machine with a GPU the
    small ones only. With the same number of threads, results are the same bytes wherever they are made.
    Every product is whole or not there: stopped at any point, even by a kill, the next call does what is left. An error
    in one model ends the call and keeps the others. Embeddings are kept of the models of the section "main" only.
    """
    missing = _missing(run, specs, benchmarks)
    if missing:
        print(f"{len(set(map(run.trained.key, specs)))} models, {len(missing)} to make", file=sys.stderr)
    return make_jobs(
        run, make_model, [Job(run.study, run.folder, spec, tuple(benchmarks)) for spec in missing], workers
    )


def make_jobs(
    run: Run, work: Callable[[Any], None], jobs: Sequence[Job], workers: Workers | None = None, unit: str = "model"
) -> int:
    """Do some work on the jobs of a run, with one bar, and return how many there are; `workers` as in `sweep`."""
    if not jobs:
        return 0
    _runs.clear()
    _runs[run.folder, run.study.key] = run
    small = [job for job in jobs if job.small]
    if workers is not None and not (isinstance(workers, Processes) and _has_gpu()):
        groups: list[tuple[Workers, Sequence[Job]]] = [(workers, jobs)]
    elif len(small) > 1:
        groups = [(workers or Processes(), small), (Here(), [job for job in jobs if not job.small])]
    else:
        groups = [(Here(), jobs)]
    if not isinstance(groups[0][0], Here):
        for section, seed in {(job.spec.section, job.spec.seed) for job in jobs if job.static}:
            run.trained.encoder(section, seed)  # made once, before those who start from it
    try:
        with bar(total=len(jobs), desc=f"{unit}s", unit=unit) as shown:
            for where, some in groups:
                for _ in where.each(work, some):
                    shown.update()
    finally:
        _runs.clear()
    return len(jobs)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def make_model(job: Job) -> None:
    """Train a model and score it on the job's benchmarks."""
    with threads(1) if job.static else nullcontext():
        make(run_of(job), job.spec, job.benchmarks)


def make(run: Run, spec: ModelSpec, benchmarks: Sequence[str]) -> None:
    """Train one model and score it on the benchmarks."""
    from hybridkit.study.scores import model_scores

    if spec.strategy != UNTRAINED:
        run.forget_model()
        run.trained.train(spec)
    for name in benchmarks:
        run.ranks(spec, name)  # also where only its scores are left
        model_scores(run, spec, name)
    if spec.section == RERANKER:  # it has none: the embeddings are the first stage's, which all of them need
        return
    kept = {run.trained.key(one) for one in run.models()} if "main" in run.study.sections else set()
    for name in benchmarks if run.trained.key(spec) not in kept else ():
        run.forget_embeddings(spec, name)


def run_of(job: Job) -> Run:
    """Return the run that a job belongs to; a process opens it once."""
    key = (job.folder, job.study.key)
    if key not in _runs:
        _runs.clear()
        _runs[key] = Run(job.study, job.folder)
    return _runs[key]


def _missing(run: Run, specs: Sequence[ModelSpec], benchmarks: Sequence[str]) -> list[ModelSpec]:
    """One of the specs of every model that is not trained or not ranked on every benchmark."""
    found = {run.trained.key(spec): spec for spec in specs if not is_made(run, spec, benchmarks)}
    return list(found.values())


def is_made(run: Run, spec: ModelSpec, benchmarks: Sequence[str]) -> bool:
    """Return whether a model is trained and ranked on every benchmark."""
    trained = spec.strategy == UNTRAINED or is_whole(run.trained.path(spec), thorough=False)
    return trained and all(is_whole(run.ranks_path(spec, name), thorough=False) for name in benchmarks)
