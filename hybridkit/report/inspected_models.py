"""Any models on any parallel benchmark, without a study: encoded and ranked once, kept by content, then inspected."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.data.benchmark import Benchmark
from hybridkit.errors import InputError
from hybridkit.report.inspected_run import Inspected, without_twins
from hybridkit.study.scores import Result
from hybridkit.utils.files import digest, write_text
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.products import is_whole, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer


MODELS_FORMAT = 1  # of embeddings and rank tables in the cache
SIDES = ("query", "passage")


def open_models(
    models: Mapping[str, SentenceTransformer | Path | str],
    benchmark: str | Path | Benchmark | Sequence[str | Path | Benchmark],
    *,
    max_length: int | None = None,
    precision: str = "float32",
    folder: Path | None = None,
) -> InspectedModels:
    """Encode and rank a benchmark by each model, where that is not kept, and open the results.

    Embeddings and rank tables are kept in the cache by content: weights, settings and prompts of the model, texts of
    the benchmark, `max_length` and `precision`. The same model under another name or path is not encoded again.

    Args:
        models: SentenceTransformers, folders or names of the hub, each by a name of your own. The first is what the
            last is compared with.
        benchmark: The name of a parallel benchmark (`xquad-r`, `atlas`, `xquad-r[16:]`, ...), a JSON-lines file of
            parallel rows, or a `Benchmark`. Of several the first is opened, and `at` opens the others.
        max_length: Cut texts at so many tokens, or at the model's own limit.
        precision: "float32", or "bf16" for autocast.
        folder: Where results are kept; `inspected` in the cache unless given.

    Raises:
        InputError: No model, a name that is empty, a model or benchmark that cannot be opened.
    """
    several = [benchmark] if isinstance(benchmark, str | Path | Benchmark) else benchmark
    named = {one.name if isinstance(one, Benchmark) else str(one): one for one in several}
    if not models:
        raise InputError('models: there is none; give some by name, as {"before": "e5-small", "after": "my-model"}')
    for name in models:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"models: the name {name!r} must be a text that is not empty")
    if not named or "" in named:
        raise InputError("benchmark: none is named; give a parallel benchmark such as xquad-r, or a file of your rows")
    limits = {"max_length": max_length, "precision": precision}
    return InspectedModels(dict(models), named, next(iter(named)), limits, folder or cache_folder() / "inspected")


class InspectedModels(Inspected):
    """Any models on one benchmark, in the form of a run's results; made by `open_models`.

    The names of `models` are the strategies, each with one seed, 0; the last is compared with the first.
    """

    def __init__(
        self,
        models: Mapping[str, SentenceTransformer | Path | str],
        benchmarks: Mapping[str, str | Path | Benchmark],
        benchmark: str,
        limits: Mapping[str, Any],
        folder: Path,
    ) -> None:
        if benchmark not in benchmarks:
            raise InputError(f"there is no benchmark {benchmark!r}; there are {', '.join(benchmarks)}")
        super().__init__("models", folder, None, "", _opened(benchmarks[benchmark]))
        self.benchmark_name, self.models = benchmark, models
        self._benchmarks, self._limits = benchmarks, limits
        self.results = {(name, 0): self._made(name) for name in models}
        self.missing = without_twins(self.benchmark, "name a benchmark with parallel passages, such as xquad-r")
        if len(models) == 1:
            self.missing.append(
                f"There is one model only, {next(iter(models))}: give another too, to have differences."
            )

    @cached_property
    def strategies(self) -> list[str]:
        """The names of the models, in the order in which they were given."""
        return list(self.models)

    @property
    def compare(self) -> tuple[str, ...]:
        """The last model and the first, where there are two."""
        return (self.strategies[-1], self.strategies[0]) if len(self.strategies) > 1 else ()

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks that were named."""
        return tuple(self._benchmarks)

    def at(self, benchmark: str) -> Inspected:
        """The same models on another of the benchmarks."""
        return InspectedModels(self.models, self._benchmarks, benchmark, self._limits, self.folder)

    @property
    def call(self) -> str:
        """A call in Python that opens the same again; `models` and `benchmark` stand for objects without a path."""
        paths = {name: str(one) for name, one in self.models.items() if isinstance(one, str | Path)}
        models = repr(paths) if len(paths) == len(self.models) else "models"
        chosen = self._benchmarks[self.benchmark_name]
        benchmark = "benchmark" if isinstance(chosen, Benchmark) else repr(str(chosen))
        given = {"max_length": None, "precision": "float32"}
        more = "".join(f", {name}={value!r}" for name, value in self._limits.items() if value != given[name])
        return f"open_models({models}, {benchmark}{more})"

    @property
    def cure(self) -> str:
        """What makes what is missing."""
        return "`open_models(models, benchmark)`, which encodes again"

    @property
    def limits(self) -> dict[str, Any]:
        """The arguments with which `encode` made the embeddings: max_length and precision."""
        return dict(self._limits)

    def open_model(self, strategy: str, seed: int = 0) -> SentenceTransformer:
        """A model by its name, opened unless it was given as an object."""
        from hybridkit.models import encoder

        given = self.models[strategy]
        return encoder.open(given) if isinstance(given, str | Path) else given

    def _made(self, name: str) -> Result:
        """Make what is missing of a model's results, and return where they lie."""
        from hybridkit.evaluation.rank_table import rank_table_from_scores, read_ranks, write_ranks
        from hybridkit.models.embedding import encode, prompt_of
        from hybridkit.models.encoder import model_hash, similarity_of
        from hybridkit.retrieval.dense import dense, read_similarity, similarity_path
        from hybridkit.study.run import read_embeddings, write_embeddings

        model = self.open_model(name)
        prompts = [prompt_of(model, side) for side in SIDES]
        key = digest(MODELS_FORMAT, model_hash(model), prompts, self.benchmark.fingerprint, self._limits)[:24]
        paths = {side: self.folder / "embeddings" / f"{key}-{side}.npy" for side in SIDES}
        ranks, own = self.folder / "ranks" / f"{key}.parquet", similarity_of(model)

        def embed(path: Path) -> None:
            side = path.stem.rpartition("-")[2]
            texts = (self.benchmark.queries if side == "query" else self.benchmark.passages)["text"].tolist()
            write_embeddings(path, encode(model, texts, side, **self._limits, progress=f"{name}: {side}"))

        def rank(path: Path) -> None:
            queries, passages = (kept(one, embed, read_embeddings) for one in paths.values())
            write_ranks(rank_table_from_scores(self.benchmark, dense(self.benchmark, queries, passages, own)), path)

        kept(similarity_path(paths["query"]), lambda path: write_text(path, f"{own}\n"), read_similarity)
        for path in paths.values():
            if not is_whole(path):
                kept(path, embed, read_embeddings)
        kept(ranks, rank, read_ranks)
        below = {"ranks": ranks, "queries": paths["query"], "passages": paths["passage"]}
        files = {kind: path.relative_to(self.folder).as_posix() for kind, path in below.items()}
        scores = f"scores/{key}.parquet"  # which is not made: means are kept with what else the inspector has counted
        return Result(name, 0, self.benchmark_name, **files, scores=scores, model="", texts=self.benchmark.fingerprint)


def _opened(benchmark: str | Path | Benchmark) -> Benchmark:
    from hybridkit.data.sources.open_benchmarks import open_benchmark

    return benchmark if isinstance(benchmark, Benchmark) else open_benchmark(benchmark)
