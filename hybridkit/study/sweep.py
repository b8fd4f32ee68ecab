"""Many models of a study: counted, trained and scored where missing."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import RERANKER, UNTRAINED, Study
from hybridkit.utils.parallel import processes, threads
from hybridkit.utils.products import is_whole
from hybridkit.utils.progress import bar

_runs: dict[tuple[Path, str], Run] = {}  # of this process, opened once for all of its models


def sweep(run: Run, specs: Sequence[ModelSpec], benchmarks: Sequence[str] = ()) -> int:
    """Train the missing ones of some models, score them on some benchmarks, and return how many were missing.

    Models on a static encoder go to one process a core with one thread each, larger ones are made one after the other
    with all threads; results are the same bytes either way. Every product is whole or not there: stopped at any point,
    even by a kill, the next call does what is left. An error in one model ends the call and keeps the others.
    Embeddings are kept of the models of the section "main" only.
    """
    missing = _missing(run, specs, benchmarks)
    if not missing:
        return 0
    print(f"{len(set(map(run.trained.key, specs)))} models, {len(missing)} to make", file=sys.stderr)
    small = [spec for spec in missing if run.study.section(spec.section).encoder.name == "static"]
    with bar(total=len(missing), desc="models", unit="model") as shown:
        for _ in _in_processes(run, small, benchmarks) if len(small) > 1 else ():
            shown.update()
        for spec in _missing(run, missing, benchmarks):
            make(run, spec, benchmarks)
            shown.update()
    return len(missing)


def make(run: Run, spec: ModelSpec, benchmarks: Sequence[str]) -> None:
    """Train one model and score it on the benchmarks."""
    from hybridkit.study.scores import model_scores

    if spec.strategy != UNTRAINED:
        run.trained.train(spec)
    for name in benchmarks:
        run.ranks(spec, name)  # also where only its scores are left
        model_scores(run, spec, name)
    if spec.section == RERANKER:  # it has none: the embeddings are the first stage's, which all of them need
        return
    kept = {run.trained.key(one) for one in run.models()} if "main" in run.study.sections else set()
    for name in benchmarks if run.trained.key(spec) not in kept else ():
        run.forget_embeddings(spec, name)


def _missing(run: Run, specs: Sequence[ModelSpec], benchmarks: Sequence[str]) -> list[ModelSpec]:
    """One of the specs of every model that is not trained or not ranked on every benchmark."""
    found = {
        run.trained.key(spec): spec
        for spec in specs
        if (spec.strategy != UNTRAINED and not is_whole(run.trained.path(spec), thorough=False))
        or not all(is_whole(run.ranks_path(spec, name), thorough=False) for name in benchmarks)
    }
    return list(found.values())


def _in_processes(run: Run, specs: Sequence[ModelSpec], benchmarks: Sequence[str]) -> Iterator[None]:
    for section, seed in {(spec.section, spec.seed) for spec in specs}:
        run.trained.encoder(section, seed)  # made once, before the processes that start from it
    with processes(len(specs)) as pool:
        jobs = [pool.submit(_make, run.study, run.folder, spec, tuple(benchmarks)) for spec in specs]
        for job in as_completed(jobs):
            job.result()
            yield


def _make(study: Study, folder: Path, spec: ModelSpec, benchmarks: Sequence[str]) -> None:
    with threads(1):
        make(_run_here(folder, study), spec, benchmarks)


def _run_here(folder: Path, study: Study) -> Run:
    key = (folder, study.key)
    if key not in _runs:
        _runs.clear()
        _runs[key] = Run(study, folder)
    return _runs[key]
