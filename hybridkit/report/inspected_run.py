"""The results of a run, or of any models, on one benchmark, with a sentence on each that is missing."""

from __future__ import annotations

from collections import Counter
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from hybridkit import remedies
from hybridkit.data.benchmark import JUDGEMENT_COLUMNS, PASSAGE_COLUMNS, QUERY_COLUMNS, Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import read_ranks
from hybridkit.sampling.labels import UNTRAINED, order
from hybridkit.study.run import Run, find_run
from hybridkit.study.scores import INDEX, Result, read_index, write_index
from hybridkit.study.settings import SETTINGS, Study
from hybridkit.utils.paths import runs_folder
from hybridkit.utils.products import changed, is_whole, require

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hybridkit.retrieval import Scorer


ENGLISH = "en"
_OPEN = 4  # rank tables and scorers that are held at a time
_EMPTY = [pd.DataFrame(columns=list(names)) for names in (QUERY_COLUMNS, PASSAGE_COLUMNS, JUDGEMENT_COLUMNS)]


def open_inspected(run: Run | Path | str, benchmark: str | None = None) -> Inspected:
    """Open what a run left behind for one benchmark of its study, the first one unless another is named.

    `run` is a Run, a run folder or the name of a study. Nothing is trained, encoded or ranked: `missing` describes what
    is not there, and a folder without a run opens too. `inspected_models.open_models` opens any models.

    Raises:
        InputError: for a benchmark that is not one of the study's.
    """
    name, folder = _named(run)
    there = require(folder / SETTINGS, "run the study again").is_file()
    opened = Run.open(folder) if there else None
    names = opened.study.evaluation.benchmarks if opened else ()
    chosen = benchmark or (names[0] if names else "")
    chosen = opened.study.named(chosen) if opened else chosen
    if opened and chosen not in names:
        raise InputError(f"{name}: the study has no benchmark {chosen!r}; it has {', '.join(names)}")
    whole, missing = _texts(chosen, opened)
    found = Inspected(name, folder, opened.study if opened else None, chosen, whole)
    if opened is None:
        found.missing.append(f"No run is at {name}: make one with `hybridkit run quick`, and open that.")
        return found
    found.missing += missing
    results, missing = _results(opened)
    results = [one for one in results if one.benchmark == chosen]
    if len(whole.queries) and any(one.texts != found.benchmark.fingerprint for one in results):
        results = []
        found.missing.append(f"{chosen} has other texts than when its rank tables were made, which are left out.")
    found.results = {(one.system, one.seed): one for one in results if not one.remedy or _is_there(folder, one)}
    found.missing += missing or missing_results(found)
    return found


class Inspected:
    """What a run left behind for one benchmark; made by `open_inspected`. `InspectedModels` is the same of any models.

    - `name`: how the run was named; `benchmark_name`: the benchmark's; `benchmarks`: all that can be opened by `at`;
    - `benchmark`: its queries, passages and judgements; empty frames where its files are nowhere;
    - `results`: by strategy and seed, where the files of a model lie, which need not be there; a strategy with a remedy
      is one of its own, named "mono with calibrate(top=5)";
    - `strategies`: those that have rank tables, in the kit's order; `compare`: the study's two that are compared;
    - `missing`: sentences on what is not there, each with the command that makes it.
    """

    def __init__(self, name: str, folder: Path, study: Study | None, benchmark: str, whole: Benchmark) -> None:
        from hybridkit.data.sources.open_benchmarks import subset_of

        self.name, self.folder, self.study, self.benchmark_name = name, folder, study, benchmark
        self.benchmark = whole
        self.positions: tuple[Any, Any] = (slice(None), slice(None))  # of its texts among the embeddings
        if benchmark.endswith("]") and len(whole.queries):
            self.benchmark, *positions = subset_of(whole, benchmark)
            if study is None or study.embedded(benchmark) != benchmark:
                self.positions = (positions[0], positions[1])
        self.missing: list[str] = []
        self.results: dict[tuple[str, int], Result] = {}
        self._ranks = lru_cache(_OPEN)(lambda key: read_ranks(self._whole(self.results[key].ranks)))
        self._scorer = lru_cache(_OPEN)(self._open_scorer)

    @cached_property
    def strategies(self) -> list[str]:
        """The strategies that have rank tables, in the kit's order."""
        return order(strategy for strategy, seed in self.results if self.has(strategy, seed))

    @property
    def compare(self) -> tuple[str, ...]:
        """The two strategies that the study compares, less those without rank tables."""
        return tuple(name for name in (self.study.compare if self.study else ()) if name in self.strategies)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks that there are results on."""
        return self.study.evaluation.benchmarks if self.study else ()

    def at(self, benchmark: str) -> Inspected:
        """The same run on another benchmark."""
        return open_inspected(self.folder, benchmark)

    @property
    def call(self) -> str:
        """A call in Python that opens the same again."""
        return f"open_inspected({self.name!r}, {self.benchmark_name!r})"

    @property
    def cure(self) -> str:
        """The command that makes what is missing."""
        return f"`hybridkit inspect {self.name} --complete`"

    @property
    def limits(self) -> dict[str, Any]:
        """The arguments with which `encode` made the embeddings: max_length and precision."""
        settings = cast("Study", self.study).evaluation  # there is one wherever there are results
        return {"max_length": settings.max_length, "precision": settings.precision}

    def open_model(self, strategy: str, seed: int) -> SentenceTransformer:
        """Open the encoder of a strategy and seed, as it encodes without a remedy; InputError where it is deleted."""
        from hybridkit.models import encoder

        own = self.results[strategy, seed].model  # empty for an untrained encoder that is opened by its name
        if own and not self.has(strategy, seed, "model"):
            raise InputError(f"the model of {strategy}, seed {seed} is deleted; make it again with {self.cure}")
        if own:
            return encoder.open(self.folder / own)
        study = cast("Study", self.study)
        model = encoder.open(study.encoder_at(study.encoder.name))
        encoder.set_prompts(model, study.encoder.prompts or {})
        return model

    def has(self, strategy: str, seed: int, kind: str = "ranks") -> bool:
        """Whether a file of a model is there, undamaged: "ranks", "scores", "queries", "passages" or "model"."""
        result = self.results.get((strategy, seed))
        path = self.folder / (getattr(result, kind) if result else "")
        return result is not None and path.exists() and not changed(path, thorough=False)

    @property
    def shared_seeds(self) -> list[int]:
        """The seeds that every strategy was trained with; the untrained encoder goes with any."""
        trained = [set(self.seeds(name)) for name in self.strategies if self._base(name) != UNTRAINED]
        return sorted(set.intersection(*trained)) if trained else []

    def seeds(self, strategy: str) -> list[int]:
        """The seeds of a strategy that have rank tables; InputError for a strategy that has none."""
        found = [seed for name, seed in self.results if name == strategy and self.has(name, seed)]
        if not found:
            there = ", ".join(self.strategies) or "no strategy"
            raise InputError(f"{self.name}: no rank tables of {strategy!r} on {self.benchmark_name}; there is {there}")
        return found

    def ranks(self, strategy: str, seed: int | None = None) -> pd.DataFrame:
        """The rank table of a strategy, of its first seed unless one is given; the last few are kept."""
        found: pd.DataFrame = self._ranks(self.key(strategy, seed))
        return found

    def scorer(self, strategy: str, seed: int | None = None) -> Scorer | None:
        """Scores of queries and passages by a strategy's model; None where its embeddings are not there."""
        key = self.key(strategy, seed)
        there = self.has(*key, "queries") and self.has(*key, "passages") and len(self.benchmark.queries)
        return self._scorer(key) if there else None

    def _open_scorer(self, key: tuple[str, int]) -> Scorer:
        from hybridkit.retrieval.dense import dense

        chain = remedies.parse(self.results[key].remedy or remedies.NONE)
        similarity = self.similarity(*key) or "dot"
        return chain.scorer(self.benchmark, dense(self.benchmark, *self.vectors(*key), similarity))

    def vectors(self, strategy: str, seed: int | None = None) -> tuple[Any, Any]:
        """Embeddings of all queries and passages, as the remedy changes them; InputError where they are not there."""
        key = self.key(strategy, seed)
        if not (self.has(*key, "queries") and self.has(*key, "passages")):
            raise InputError(f"the embeddings by {strategy}, seed {key[1]} are not there; make them with {self.cure}")
        result = self.results[key]
        both = self.embeddings(*key, "query"), self.embeddings(*key, "passage")
        chain = remedies.parse(result.remedy or remedies.NONE)
        known = remedies.Estimate.open(self._whole(result.estimate)) if result.estimate else None
        remedied: tuple[Any, Any] = chain.embeddings(self.benchmark, *both, known, self.similarity(*key) or "dot")
        return remedied

    def embeddings(self, strategy: str, seed: int, side: str) -> Any:
        """Embeddings of the benchmark's "query" or "passage" texts by a model, mapped from disk where they can be."""
        result, positions = self.results[strategy, seed], dict(zip(("query", "passage"), self.positions, strict=True))
        path = self._whole(result.queries if side == "query" else result.passages)
        return np.load(path, mmap_mode="r", allow_pickle=False)[positions[side]]

    def similarity(self, strategy: str, seed: int) -> str | None:
        """How a model compares a query with a passage; None where an earlier version of the kit made its embeddings."""
        from hybridkit.retrieval.dense import read_similarity, similarity_path

        path = similarity_path(self.folder / self.results[strategy, seed].passages)
        return read_similarity(path) if path.is_file() else None

    @cached_property
    def query_texts(self) -> dict[tuple[str, str], str]:
        """Text of each query by its language and id."""
        frame = self.benchmark.queries
        return dict(zip(zip(frame["language"], frame["query_id"], strict=True), frame["text"], strict=True))

    @cached_property
    def query_positions(self) -> dict[tuple[str, str], int]:
        """Position of each query in the benchmark by its language and id."""
        return {key: position for position, key in enumerate(self.query_texts)}

    @cached_property
    def passage_positions(self) -> dict[str, int]:
        """Position of each passage in the benchmark by its id."""
        return {name: position for position, name in enumerate(self.benchmark.passages["passage_id"])}

    @cached_property
    def passage_texts(self) -> list[str]:
        """Text of each passage, by position."""
        return list(self.benchmark.passages["text"])

    @cached_property
    def english_answers(self) -> dict[str, str]:
        """By passage, the English passage that answers the first question that it answers."""
        judgements = self.benchmark.judgements
        english = judgements[judgements["passage_language"] == ENGLISH].drop_duplicates("query_id")
        answers = dict(zip(english["query_id"], english["passage_id"], strict=True))
        first = judgements[judgements["query_id"].isin(answers.keys())].drop_duplicates("passage_id")
        return dict(zip(first["passage_id"], first["query_id"].map(answers), strict=True))

    @cached_property
    def documents(self) -> dict[str, tuple[str, str]]:
        """Language and document of every passage.

        An id is NAME:LANGUAGE:ARTICLE, with #2 or so behind it, where passages are those of a file; else it is
        NAME:LANGUAGE:DOCUMENT:SENTENCE. Names and articles of a user may have colons and # in them.
        """
        found = {}
        columns = (self.benchmark.passages[name] for name in ("passage_id", "language", "article"))
        for passage_id, language, article in zip(*columns, strict=True):
            rest = passage_id.removeprefix(f"{self.benchmark.name}:{language}:")
            own = rest == article or rest.startswith(f"{article}#")
            found[passage_id] = (language, article if own else rest.rpartition(":")[0] or rest)
        return found

    @cached_property
    def document_sizes(self) -> Counter[tuple[str, str]]:
        """Number of passages of each document in each language."""
        return Counter(self.documents.values())

    def _whole(self, path: str) -> Path:
        return require(self.folder / path, f"make it again with {self.cure}")

    def _base(self, system: str) -> str:
        """The strategy of a system, without its remedy."""
        return next((one.strategy for (name, _), one in self.results.items() if name == system), system)

    def key(self, strategy: str, seed: int | None = None) -> tuple[str, int]:
        """Strategy and seed of one model: the first seed unless one is given; InputError where it is not there."""
        there = self.seeds(strategy)
        if seed is not None and seed not in there and self._base(strategy) == UNTRAINED:
            return strategy, there[0]
        if seed is not None and seed not in there:
            raise InputError(f"{self.name}: no rank table of {strategy}, seed {seed}; there are seeds {there}")
        return strategy, there[0] if seed is None else seed


def _is_there(folder: Path, result: Result) -> bool:
    """Whether results with a remedy were made; notebook 08 makes them, and they are not missed before."""
    return all((folder / path).is_file() for path in (result.ranks, result.estimate) if path)


def missing_results(found: Inspected) -> list[str]:
    """Sentences on what the inspector shows and this run does not have, each with the command that makes it."""
    study, complete = found.study.name if found.study else found.name, found.cure
    if not any(found.has(*key) for key in found.results):
        return [
            f"There are no rank tables on {found.benchmark_name}: make them with `hybridkit run {study}`, "
            f"or with {complete} if it has been run."
        ]
    sentences = []
    for kind, effect in (
        ("ranks", "No rank tables of {}; they are left out"),
        ("passages", "No embeddings of {}; its rankings show the relevant passages only"),
        ("model", "The model of {} is deleted; the search leaves it out"),
    ):
        gone: dict[str, list[str]] = {}
        for strategy, seed in found.results:
            if not found.has(strategy, seed, kind):
                gone.setdefault(strategy, []).append(str(seed))
        if gone:
            names = ", ".join(f"{name} (seed {' '.join(seeds)})" for name, seeds in gone.items())
            sentences.append(f"{effect.format(names)}: make them with {complete}.")
    name = "name a benchmark with parallel passages, such as xquad-r, under `evaluation.benchmarks`"
    sentences += without_twins(found.benchmark, f"{name}, and `hybridkit run {study}`")
    if len(found.strategies) == 1:
        sentences.append(
            f"There is one strategy only, {found.strategies[0]}: name another under `strategies` in the study, and "
            f"`hybridkit run {study}` makes it, to have differences."
        )
    return sentences


def without_twins(benchmark: Benchmark, cure: str) -> list[str]:
    """A sentence on a benchmark in which no query has relevant passages in two languages; none for any other."""
    judged = benchmark.judgements
    if not len(judged) or judged.groupby("query_id")["passage_language"].nunique().max() >= 2:
        return []
    return [
        f"No query of {benchmark.name} has twins, relevant passages in two languages, so there is no rank distance: "
        f"{cure}."
    ]


def _named(run: Run | Path | str) -> tuple[str, Path]:
    """A run's name in a line of Python, and its folder: no path where the name alone opens it, else one from here."""
    folder = find_run(run, there=False) if isinstance(run, str | Path) else run.folder
    if folder.parent.resolve() == runs_folder().resolve():
        return folder.name, folder
    whole, here = folder.absolute(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(
        run if isinstance(run, str) else folder
    ), folder


def _texts(name: str, run: Run | None) -> tuple[Benchmark, list[str]]:
    """The whole benchmark that a name is of; an empty one and a sentence where its files are nowhere."""
    from hybridkit.data.sources.open_benchmarks import base_name

    base = base_name(name) if name else "none"
    try:
        if run is not None:
            return run.benchmark(base), []
    except InputError as error:
        return Benchmark(base, *_EMPTY), [f"The texts of {base} cannot be shown: {error}."]
    return Benchmark(base, *_EMPTY), []


def _results(run: Run) -> tuple[list[Result], list[str]]:
    """The index of a run, made and written where it is missing or damaged; a sentence where it cannot be made."""
    found = read_index(run.folder) if is_whole(run.folder / INDEX) else None
    if found is not None:
        return found, []
    cure = f"`hybridkit run {run.study.name}`"
    if not any((run.folder / "ranks").glob("*.parquet")):
        return [], [f"There are no rank tables: make them with {cure}."]
    try:
        return write_index(run), []
    except InputError as error:
        return [], [f"Which files belong to which model is unknown ({error}): run {cure}."]
