"""A study's run: its rows, models, embeddings and rank tables, each made once, named by the hash of what made it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.collection import Collection
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.sources.open_benchmarks import base_name, benchmark_path, open_benchmark, open_collection, subset_of
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table_from_scores, read_ranks, reranked_table, write_ranks
from hybridkit.evaluation.single_pools import single_pools, single_pools_from_scores
from hybridkit.models import reranker
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import similarity_of
from hybridkit.remedies import Chain, Estimate, RowEmbeddings, choose_rows, parse
from hybridkit.remedies.collections import check_chain, languages_of
from hybridkit.remedies.rows import SIDES, Rows
from hybridkit.retrieval import Scorer
from hybridkit.retrieval.dense import dense, read_similarity, similarity_in, similarity_path
from hybridkit.retrieval.rerank import PairScores, Reranking, check_depth
from hybridkit.sampling import BatchPlan
from hybridkit.study import model_spec
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.settings import (
    DISTILLED,
    RERANKER,
    SETTINGS,
    UNTRAINED,
    RerankerSection,
    Study,
    open_study,
    study_of_run,
)
from hybridkit.study.trained_models import TrainedModels
from hybridkit.study.training_rows import TrainingRows, evaluated, refuse_leaks, write_json
from hybridkit.utils.files import atomic_write, digest, write_text
from hybridkit.utils.paths import runs_folder
from hybridkit.utils.products import frame, kept, remove

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

TOP = 1000  # passages of each question that are searched for in a collection
RESULTS_FORMAT = 2  # of embeddings and what is made from them
REMEDIES_FORMAT = 2  # of results with a remedy
RERANKED_FORMAT = 1  # of results of re-rankers


class Run:
    """A study and everything made from it: what is missing is made when it is used, what is there is read.

    - `study`: the settings; `folder`: the run folder, runs/NAME unless given;
    - `rows`: the training rows (whole, usable, split, held_out, leaks);
    - `trained`: batch plans, encoders and models.

    Embeddings and rank tables are methods of the run. To name a run reads and writes nothing but the study's file.
    """

    def __init__(self, study: Study | str | Path, folder: Path | None = None) -> None:
        self.study = study if isinstance(study, Study) else open_study(study)
        self.folder = folder or runs_folder() / self.study.name
        self.rows = TrainingRows(self.study, self.folder)
        self.trained = TrainedModels(self.study, self.folder, self.rows)
        self._rows: dict[tuple[str, ...], Rows] = {}
        self._subsets: dict[str, tuple[Benchmark, np.ndarray, np.ndarray]] = {}
        self._samples: dict[str, tuple[Benchmark, np.ndarray]] = {}
        self._collections: dict[str, tuple[Collection, ...]] = {}
        self._opened: tuple[tuple[str, str], SentenceTransformer] | None = None

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Open a run folder as it is, with the settings of its last run; InputError where they cannot be read."""
        return cls(study_of_run(folder), folder.absolute())

    def prepare(self) -> None:
        """Write the settings and versions into the folder, and remove what a killed process left half written."""
        self.rows.prepare()

    def check(self) -> None:
        """Raise InputError now for what would fail later: unfit settings, missing files, impossible batches."""
        self.trained.check_settings()
        for name in self.study.benchmarks:
            if base_name(name) != "held-out":
                benchmark_path(self.study.at(base_name(name)))
        for name in evaluated(self.study)[1]:
            self.collections(name)
        for rows in self.split:
            refuse_leaks(rows, self.rows.leaks, f"study {self.study.name}")
        if RERANKER in self.study.sections:
            self._check_reranked()
        for name in self.study.teachers:
            reranker.open(self.study.encoder_at(name))
        for spec in self:
            if spec.strategy != UNTRAINED:
                self.trained.check(spec)
        self._check_remedies()

    def _check_reranked(self) -> None:
        """Raise InputError for re-rankers that the study's benchmarks or encoder cannot have."""
        chosen, where = self._reranker, f"study {self.study.name}: reranker"
        if self.study.section(RERANKER).encoder.name == "static":
            raise InputError(f"{where}.encoder: static has no transformer, which a re-ranker needs; give e5-small, say")
        if chosen.remedy and parse(chosen.remedy).weights is not None:
            raise InputError(f"{where}.remedy: {chosen.remedy} needs a trained encoder, and the first stage has none")
        for name in self.study.section(RERANKER).benchmarks:
            sample = self.reranked_on(name)[0]
            check_depth(chosen.depth, {tag: at.stop - at.start for tag, at in sample.passage_slices.items()}, sample)

    def _check_remedies(self) -> None:
        """Raise InputError for a remedy whose vectors can not be estimated from the study's rows."""
        first = self.study.reranker.remedy if self.study.reranker else None
        for text in [*self.study.remedies, *([first] if first else [])]:
            chain, where = parse(text), f"study {self.study.name}: remedies: {text!r}"
            if not chain.needs_rows:
                continue
            if not all(part.from_rows for part in chain.on_embeddings):
                raise InputError(
                    f"{where}: one part is estimated from rows, another from passages; give one by for all"
                )
            for name in self.study.evaluation.benchmarks:
                try:
                    self.remedy_rows(chain, self.subset(name)[0].languages)
                except InputError as error:
                    raise InputError(f"{where}, on {name}: {error}") from error
        for text, name in product(self.study.remedies, self.study.judged_in("main")):
            chain, sets = parse(text), self.collections(name)
            try:
                check_chain(chain, TOP)
                if chain.needs_rows:
                    self.remedy_rows(chain, languages_of(sets))
            except InputError as error:
                raise InputError(f"study {self.study.name}: remedies: {text!r}, on {name}: {error}") from error

    def benchmarks(self, section: str = "main") -> tuple[str, ...]:
        """Return the benchmarks of a section as tables and figures call them: own files by their stems."""
        labels = self.study.labels()
        return tuple(labels[name] for name in self.study.section(section).benchmarks)

    def models(self, section: str = "main") -> list[ModelSpec]:
        """Return the models of a section of the study (`ModelSpec`)."""
        return model_spec.models(self.study, self.rows, section)

    def systems(self) -> list[ModelSpec]:
        """Return every model of the section "main" without a remedy and with each of the study's.

        A remedy in the weights lies between the start and what was trained: the untrained encoder has none.
        """
        found = []
        for spec in self.models():
            with_one = (replace(spec, remedy=remedy) for remedy in self.study.remedies)
            found += [spec, *(one for one in with_one if spec.strategy != UNTRAINED or one.chain.weights is None)]
        return found

    def __iter__(self) -> Iterator[ModelSpec]:
        """Every model that the study's notebooks make."""
        return iter([spec for section in self.study.sections for spec in self.models(section)])

    @property
    def split(self) -> tuple[ParallelCorpus, ParallelCorpus]:
        """Training rows and held-out rows."""
        return self.rows.split

    def corpus(self, spec: ModelSpec) -> ParallelCorpus:
        """The training rows of a model."""
        return self.rows.of(spec)

    def plan(self, spec: ModelSpec) -> BatchPlan:
        """The batch plan of a model."""
        return self.trained.plan(spec)

    def benchmark(self, name: str) -> Benchmark:
        """Return a whole benchmark by name; "held-out" is that of the study's held-out rows. Kept once opened."""
        name = self.study.named(name)
        if name not in self._subsets:
            whole = self.rows.held_out if name == "held-out" else open_benchmark(self.study.at(name))
            self._subsets[name] = (whole, np.arange(len(whole.queries)), np.arange(len(whole.passages)))
        return self._subsets[name][0]

    def collections(self, *names: str) -> list[Collection]:
        """Return the collections of some names that are judged, one a language. Kept once opened."""
        for name in names:
            if name not in self._collections:
                self._collections[name] = open_collection(self.study.at(name))
        return [one for name in names for one in self._collections[name]]

    def beside(self, collection: Collection) -> tuple[Collection, ...]:
        """Return the collections that were opened by one name with a collection, itself among them."""
        return next(found for found in self._collections.values() if any(one is collection for one in found))

    def subset(self, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
        """Return a benchmark or a subset, with its positions in what is encoded: queries, passages. Kept once opened.

        A subset is encoded alone where the study asks for no other part of the benchmark (`Study.embedded`).
        """
        name = self.study.named(name)
        if name not in self._subsets:
            part, queries, passages = subset_of(self.benchmark(base_name(name)), name)
            if self.study.embedded(name) == name:
                queries, passages = np.arange(len(queries)), np.arange(len(passages))
            self._subsets[name] = part, queries, passages
        return self._subsets[name]

    def embeddings(self, spec: ModelSpec, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a model's embeddings of all queries and passages that `Study.embedded` names: float32, mapped."""
        settings, spec = self.study.evaluation, spec.encoded
        benchmark = self.subset(self.study.embedded(name))[0]
        self.similarity(spec, name)  # kept first, so that no embeddings exist without it

        def make(path: Path) -> None:
            side, frame = next(one for one in sides if path.stem.endswith(one[0]))
            found = encode(
                self.model(spec),
                frame["text"].tolist(),
                side,
                max_length=settings.max_length,
                precision=settings.precision,
                progress=f"{spec}: {benchmark.name} {side}",
            )
            write_embeddings(path, found)

        sides = (("query", benchmark.queries), ("passage", benchmark.passages))
        query, passage = (kept(path, make, read_embeddings) for path in self.embedding_paths(spec, name))
        return query, passage

    def model(self, spec: ModelSpec) -> "SentenceTransformer":
        """Return a model, trained first if it is missing, with the weights of its remedy; the last one is kept."""
        key = self.trained.key(spec), spec.encoded.remedy
        if self._opened is None or self._opened[0] != key:
            self._opened = None  # not two at a time
            self._opened = key, self.trained.open(spec)
        return self._opened[1]

    def forget_model(self) -> None:
        """Forget the model that was opened last: a training needs the room."""
        self._opened = None

    def similarity(self, spec: ModelSpec, name: str) -> str:
        """Return how a model compares a query with a passage (`similarity_of`); kept beside its embeddings."""
        spec = spec.encoded

        def make(path: Path) -> None:
            trained = spec.strategy != UNTRAINED
            found = similarity_in(self.trained.train(spec)) if trained else similarity_of(self.model(spec))
            write_text(path, f"{found}\n")

        return kept(similarity_path(self.embedding_paths(spec, name)[0]), make, read_similarity)

    def result_key(self, spec: ModelSpec, benchmark: Benchmark | Collection) -> str:
        """Return the hash of all that a model's results on a benchmark, a subset of one or a collection depend on."""
        settings = self.study.evaluation
        made_from = (self.trained.key(spec), benchmark.fingerprint, settings.max_length, settings.precision)
        if not spec.remedy:
            return digest(RESULTS_FORMAT, *made_from)
        chain = spec.chain
        what: dict[str, Any] = {"remedy": spec.remedy, "rows": "", "format": REMEDIES_FORMAT}
        beside = () if isinstance(benchmark, Benchmark) else self.beside(benchmark)
        if chain.needs_rows:
            languages = benchmark.languages if isinstance(benchmark, Benchmark) else languages_of(beside)
            what["rows"] = self.remedy_rows(chain, languages).fingerprint
        elif beside and chain.on_embeddings:  # estimated from the passages and questions of all of them
            what["passages"] = [one.fingerprint for one in beside]
        return digest(RESULTS_FORMAT, *made_from, what)

    def remedy_rows(self, chain: Chain, languages: Sequence[str]) -> Rows:
        """Return the training rows that a chain of remedies is estimated from, in some languages and its own."""
        wanted = tuple(dict.fromkeys([*languages, *chain.row_languages]))
        if wanted not in self._rows:
            self._rows[wanted] = choose_rows(self.split[0], wanted)
        return self._rows[wanted]

    def row_embeddings(self, spec: ModelSpec, languages: Sequence[str]) -> RowEmbeddings:
        """Return a model's embeddings of the rows that its remedy is estimated from; kept beside the others."""
        settings, rows = self.study.evaluation, self.remedy_rows(spec.chain, languages)
        key = digest(
            self.trained.key(spec), spec.encoded.remedy, rows.fingerprint, settings.max_length, settings.precision
        )

        def make(path: Path) -> None:
            side = path.stem.rpartition("-")[2]
            write_embeddings(path, rows.encode(self.model(spec), side, settings.max_length, settings.precision))

        paths = [self.folder / "embeddings" / f"{key[:24]}-{side}.npy" for side in SIDES]
        query, passage = (kept(path, make, read_embeddings) for path in paths)
        return rows.embeddings(query, passage)

    def scorer(self, spec: ModelSpec, name: str) -> Scorer:
        """Return the dense scorer of a model, by its own similarity and with its remedy, on a benchmark or a subset."""
        subset = self.subset(name)[0]
        found = dense(subset, *self.remedied(spec, name), self.similarity(spec, name))
        return spec.chain.scorer(subset, found)

    def remedied(self, spec: ModelSpec, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a model's embeddings of a benchmark or a subset, as its remedy changes them."""
        subset, queries, passages = self.subset(name)
        whole, chain = self.embeddings(spec, name), spec.chain
        known = self.estimate(spec, name) if chain.needs_rows else None
        return chain.embeddings(subset, whole[0][queries], whole[1][passages], known, self.similarity(spec, name))

    def estimate(self, spec: ModelSpec, name: str) -> Estimate:
        """Return what a model's remedy has estimated from rows for a benchmark's languages; kept."""
        rows = self.row_embeddings(spec, self.subset(name)[0].languages)
        similarity = self.similarity(spec, name)
        return kept(
            self.estimate_path(spec, name), lambda path: spec.chain.estimate(rows, similarity).save(path), Estimate.open
        )

    def estimate_path(self, spec: ModelSpec, name: str) -> Path:
        """Return the file of what a model's remedy has estimated from rows, there or not."""
        chain = spec.chain
        rows = self.remedy_rows(chain, self.subset(name)[0].languages).fingerprint
        settings = self.study.evaluation
        made_from = (self.trained.key(spec), settings.max_length, settings.precision)
        key = digest(
            REMEDIES_FORMAT, *made_from, str(Chain(chain.parts[: len(chain.parts) - len(chain.on_scores)])), rows
        )
        return self.folder / "estimates" / f"{key[:24]}.safetensors"

    def ranks(self, spec: ModelSpec, name: str) -> pd.DataFrame:
        """Return the rank table of a model on a benchmark or a subset of one."""

        def make(path: Path) -> None:
            if spec.section in (RERANKER, DISTILLED):
                write_ranks(self._reranked(spec, name), path)
            else:
                write_ranks(rank_table_from_scores(self.subset(name)[0], self.scorer(spec, name)), path)

        return kept(self.ranks_path(spec, name), make, read_ranks)

    @property
    def _reranker(self) -> RerankerSection:
        if self.study.reranker is None:
            raise InputError(f"study {self.study.name}: it has no re-rankers; add the key {RERANKER}")
        return self.study.reranker

    def reranked_on(self, name: str) -> tuple[Benchmark, np.ndarray]:
        """Return the part of a benchmark or a subset whose questions are re-ranked, and its queries' positions there.

        All passages are candidates. Kept once drawn.
        """
        if name not in self._samples:
            part, count = self.subset(name)[0], self._reranker.questions
            self._samples[name] = part.sample(count) if count else (part, np.arange(len(part.queries)))
        return self._samples[name]

    def _reranked(self, spec: ModelSpec, name: str) -> pd.DataFrame:
        """The rank table of a first stage with its remedy, and of a re-ranker behind the untrained one."""
        (sample, at), settings = self.reranked_on(name), self.study.evaluation
        first = self._first_stage(spec)
        queries, passages = self.remedied(first, name)
        scorer = first.chain.scorer(sample, dense(sample, queries[at], passages, self.similarity(first, name)))
        if spec.strategy == UNTRAINED or spec.section == DISTILLED:
            return rank_table_from_scores(sample, scorer)
        model = self.trained.open_reranker(spec)
        scores = PairScores(model, settings.max_length, settings.precision, self.folder / "pair-scores")
        table = reranked_table(sample, scorer, Reranking(sample, scores, self._reranker.depth))
        scores.report()
        return table

    def _first_stage(self, spec: ModelSpec) -> ModelSpec:
        """The dense first stage before a re-ranker; a dual encoder beside them is one itself."""
        return spec if spec.section == DISTILLED else ModelSpec(UNTRAINED, remedy=self._reranker.remedy or "")

    def single_pools(self, spec: ModelSpec, name: str) -> pd.DataFrame:
        """Return the ranks of a model where the answer is in one language only (`evaluation.single_pools`)."""
        chain = spec.chain
        if not chain.on_scores:
            return single_pools(self.ranks(spec, name))

        def make() -> pd.DataFrame:
            subset, both = self.subset(name)[0], self.remedied(spec, name)
            scorer = dense(subset, *both, self.similarity(spec, name))  # before the scores are changed
            return single_pools_from_scores(subset, scorer, chain.on_block)

        path = self.ranks_path(spec, name)
        return frame(path.with_name(f"{path.stem}-single.parquet"), make)

    def ranks_path(self, spec: ModelSpec, name: str) -> Path:
        """Return the file of the rank table of a model on a benchmark, there or not."""
        if spec.section in (RERANKER, DISTILLED):
            first = self.result_key(self._first_stage(spec), self.reranked_on(name)[0])
            reranks = spec.section == RERANKER and spec.strategy != UNTRAINED
            depth = (self.trained.key(spec), self._reranker.depth) if reranks else ()
            key = digest("re-ranked", RERANKED_FORMAT, first, *depth)
        else:
            key = self.result_key(spec, self.subset(name)[0])
        return self.folder / "ranks" / f"{key[:24]}.parquet"

    def judged_path(self, spec: ModelSpec, collection: Collection, what: str) -> Path:
        """Return the file of what is known of a model on a collection, there or not."""
        return self.folder / "judged" / f"{self.result_key(spec, collection)[:24]}-{what}.parquet"

    def forget_embeddings(self, spec: ModelSpec, name: str) -> None:
        """Remove a model's embeddings of a benchmark: those of hundreds of models fill the disk."""
        paths = self.embedding_paths(spec, name)
        for path in (*paths, similarity_path(paths[0])):
            remove(path)

    def embedding_paths(self, spec: ModelSpec, name: str) -> list[Path]:
        """Return the files of a model's embeddings of a benchmark's queries and passages, there or not."""
        key = self.result_key(spec.encoded, self.subset(self.study.embedded(name))[0])
        return [self.folder / "embeddings" / f"{key[:24]}-{side}.npy" for side in ("query", "passage")]

    def finish(self, number: str, numbers: dict[str, Any]) -> None:
        """Write a notebook's key numbers to notebooks/NUMBER.json, which tests and the next notebooks read."""
        text = pd.Series(numbers, dtype=object).to_json(indent=2, double_precision=6, force_ascii=False)
        write_json(self.folder / "notebooks" / f"{number}.json", json.loads(text))


def write_embeddings(path: Path, found: np.ndarray) -> None:
    """Write embeddings, whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, found, allow_pickle=False)


def read_embeddings(path: Path) -> np.ndarray:
    """Map embeddings from disk."""
    found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def find_run(name: str | Path, there: bool = True) -> Path:
    """Return the run folder of a study, by the study's name, the path of its YAML file or the path of the folder.

    Args:
        name: What people call the run: a run folder of that name here, else that in `runs_folder`.
        there: Whether the folder must be that of a run, which has settings.json.

    Raises:
        InputError: Where there must be a run and is none, with the runs there are and the command that makes one.
    """
    path, called = Path(name).expanduser(), str(name)
    cure = path.name or "quick"
    if path.suffix in (".yaml", ".yml"):
        folder, cure = runs_folder() / (open_study(path).name if path.is_file() else path.stem), called
    elif called != path.name or (path / SETTINGS).is_file():
        folder = path.absolute()
    else:
        folder, called = runs_folder() / path, f"study {called!r}"
    if there and not (folder / SETTINGS).is_file():
        runs = ", ".join(sorted(one.parent.name for one in runs_folder().glob(f"*/{SETTINGS}"))) or "none"
        cure = f"make one with `hybridkit run {cure}`"
        if called != str(name):
            try:
                open_study(name)
            except InputError as error:  # there is no study either that could be run
                cure = str(error).removeprefix(f"{called}: ")
        raise InputError(
            f"{called}: no run is there (a run folder has {SETTINGS}). {cure[0].upper()}{cure[1:]}. Runs there are in "
            f"{runs_folder()}: {runs}"
        )
    return folder


def open_run(name: str | Path) -> Run:
    """Open what a study has made; `name` as in `find_run`. Nothing is written."""
    return Run.open(find_run(name))
