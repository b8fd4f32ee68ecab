"""The run folder of a study: every product made once, whole, under a name that is the hash of what it was made from."""

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection
from hybridkit.data.sources.open_benchmarks import base_name, benchmark_path, open_benchmark, open_collection, subset_of
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table_from_scores, read_ranks, write_ranks
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import similarity_of
from hybridkit.retrieval import Scorer
from hybridkit.retrieval.dense import dense, read_similarity, similarity_in, similarity_path
from hybridkit.sampling import parse
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.settings import UNTRAINED, Study, open_study, study_of_run
from hybridkit.study.trained_models import Trainings
from hybridkit.study.training_rows import evaluated, refuse_leaks
from hybridkit.utils.files import atomic_write, digest, write_text
from hybridkit.utils.paths import runs_folder
from hybridkit.utils.products import kept, remove, require

RESULTS_FORMAT = 2  # of embeddings and what is made from them; those of 1 had length 1 whatever the model's similarity
log = logging.getLogger("hybridkit")


class Run(Trainings):
    """What a study has made so far, and makes when it is asked for: its trainings, then embeddings and rank tables."""

    def __init__(self, study: Study | str | Path, folder: Path | None = None) -> None:
        super().__init__(study, folder)
        self._subsets: dict[str, tuple[Benchmark, np.ndarray, np.ndarray]] = {}
        self._told_old = False

    def check(self) -> None:
        """Raise InputError now for what would fail later: missing files, unknown benchmarks, impossible batches."""
        for name in self.study.benchmarks:
            if base_name(name) != "held-out":
                benchmark_path(self.study.at(base_name(name)))
        for name in evaluated(self.study)[1]:
            open_collection(self.study.at(name))
        for part in self.split:
            refuse_leaks(part, self.leaks, f"study {self.study.name}")
        for spec in self:
            if spec.strategy != UNTRAINED:
                self.plan(spec)

    def benchmark(self, name: str) -> Benchmark:
        """A whole benchmark by name; "held-out" is that of the study's held-out rows. Kept once opened."""
        if name not in self._subsets:
            whole = self.held_out if name == "held-out" else open_benchmark(self.study.at(name))
            self._subsets[name] = (whole, np.arange(len(whole.queries)), np.arange(len(whole.passages)))
        return self._subsets[name][0]

    def subset(self, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
        """The part of a benchmark that a name asks for, with its positions in the whole. Kept once opened."""
        if name not in self._subsets:
            self._subsets[name] = subset_of(self.benchmark(base_name(name)), name)
        return self._subsets[name]

    def embeddings(self, spec: ModelSpec, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of a whole benchmark's queries and passages by a model, float32, mapped from disk."""
        settings, benchmark = self.study.evaluation, self.benchmark(base_name(name))
        self.similarity(spec, name)  # noted first, so that no embeddings are there without it
        model = cache(lambda: self.open_model(spec))  # once for both sides, and not where both are there

        def make(path: Path) -> None:
            side, frame = next(one for one in sides if path.stem.endswith(one[0]))
            found = encode(
                model(),
                frame["text"].tolist(),
                side,
                max_length=settings.max_length,
                precision=settings.precision,
                progress=f"{spec}: {benchmark.name} {side}",
            )
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.save(file, found, allow_pickle=False)

        sides = (("query", benchmark.queries), ("passage", benchmark.passages))
        query, passage = (kept(path, make, read_embeddings) for path in self.embedding_paths(spec, name))
        return query, passage

    def similarity(self, spec: ModelSpec, name: str) -> str:
        """How a model compares a query with a passage (`similarity_of`), kept beside its embeddings."""

        def make(path: Path) -> None:
            trained = spec.strategy != UNTRAINED
            found = similarity_in(self.train(spec)) if trained else similarity_of(self.open_model(spec))
            write_text(path, f"{found}\n")

        return kept(similarity_path(self.embedding_paths(spec, name)[0]), make, read_similarity)

    def result_key(self, spec: ModelSpec, benchmark: Benchmark | Collection) -> str:
        """Hash of everything that a model's results on a benchmark, a part of one or a judged set are made from."""
        return digest(RESULTS_FORMAT, *self._made_from(spec, benchmark))

    def _made_from(self, spec: ModelSpec, benchmark: Benchmark | Collection) -> tuple[Any, ...]:
        settings = self.study.evaluation
        return self.model_key(spec), benchmark.fingerprint, settings.max_length, settings.precision

    def scorer(self, spec: ModelSpec, name: str) -> Scorer:
        """The dense scorer of a model, by its own similarity, on a benchmark or a part of one."""
        part, queries, passages = self.subset(name)
        old = self.folder / "ranks" / f"{digest(*self._made_from(spec, part))[:24]}.parquet"
        if not self._told_old and old.is_file():
            log.warning(
                "%s: its embeddings and rank tables are of an earlier version of the kit, which took every "
                "model for one of cosine; they are made anew",
                self.folder.name,
            )
            self._told_old = True
        whole = self.embeddings(spec, name)
        return dense(part, whole[0][queries], whole[1][passages], self.similarity(spec, name))

    def ranks(self, spec: ModelSpec, name: str) -> pd.DataFrame:
        """The rank table of a model on a benchmark or a part of one."""

        def make(path: Path) -> None:
            write_ranks(rank_table_from_scores(self.subset(name)[0], self.scorer(spec, name)), path)

        return kept(self.ranks_path(spec, name), make, read_ranks)

    def ranks_path(self, spec: ModelSpec, name: str) -> Path:
        """Where the rank table of a model on a benchmark lies, or will lie."""
        return self.folder / "ranks" / f"{self.result_key(spec, self.subset(name)[0])[:24]}.parquet"

    def forget_embeddings(self, spec: ModelSpec, name: str) -> None:
        """Remove a model's embeddings of a benchmark: of hundreds of models that are ranked they only take room."""
        paths = self.embedding_paths(spec, name)
        for path in (*paths, similarity_path(paths[0])):
            remove(path)

    def embedding_paths(self, spec: ModelSpec, name: str) -> list[Path]:
        """Where the embeddings of a whole benchmark's queries and passages by a model lie, or will lie."""
        key = self.result_key(spec, self.benchmark(base_name(name)))
        return [self.folder / "embeddings" / f"{key[:24]}-{side}.npy" for side in ("query", "passage")]

    def finish(self, number: str, numbers: dict[str, Any]) -> None:
        """Write a notebook's key numbers to notebooks/NUMBER.json, which tests and the next notebooks read."""
        text = pd.Series(numbers, dtype=object).to_json(indent=2, double_precision=6, force_ascii=False)
        self.write_json(f"notebooks/{number}.json", json.loads(text))


def read_embeddings(path: Path) -> np.ndarray:
    """Map embeddings from disk."""
    found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def open_run(name: str) -> Run:
    """Open what a study has made: by the study's name, the path of its YAML file, or the path of a run folder.

    Raises InputError where there is no run yet.
    """
    folder = Path(name).expanduser()
    if (folder / "settings.json").is_file():
        return Run(study_of_run(folder), folder.absolute())
    if folder.is_dir() and "/" in name:
        raise InputError(f"{name}: no run folder (settings.json is missing); make one with `hybridkit run STUDY`")
    study = open_study(name)
    folder = runs_folder() / study.name
    if not (folder / "settings.json").is_file():
        raise InputError(f"{folder}: there is no run of study {study.name} yet; make it with `hybridkit run {name}`")
    return Run(study)


def find_model(run: Run, model: str, seed: int | None = None) -> ModelSpec:
    """Find a model of a run by its strategy's text and its seed (the first there is unless given).

    Raises InputError, with what there is, for a model that is not part of the study or is not trained yet.
    """
    if model == UNTRAINED:
        raise InputError(
            f"untrained: that is the encoder which study {run.study.name} starts from, {run.study.encoder.name!r}; "
            "only trained models are exported"
        )
    strategy = str(parse(model))
    specs = [spec for spec in run if spec.strategy == strategy and seed in (None, spec.seed)]
    if not specs:
        known = dict.fromkeys(f"{spec.strategy} (seed {spec.seed})" for spec in run if spec.strategy != UNTRAINED)
        wanted = strategy + ("" if seed is None else f" with seed {seed}")
        raise InputError(f"study {run.study.name}: no model of {wanted}; there are {', '.join(known)}")
    cure = f"make it with `hybridkit run {run.study.name}`"
    if not require(run.model_folder(specs[0]), cure).is_dir():
        raise InputError(f"{run.folder}: the model of {specs[0]} is not trained yet; {cure}")
    return specs[0]
