"""Search a benchmark's passages with a run's own models: any query, in any language, now."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.report.views import POOL, joined, ranked
from hybridkit.retrieval.dense import COSINE, own_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.report.inspected_run import Inspected
    from hybridkit.study.settings import Study


_MOST = 10_000  # characters of a query that are read; an encoder cuts much earlier
_KEPT = 3  # models that are held at a time


class Search:
    """The models and passage embeddings of a run, opened when they are first used, and the last few kept.

    >>> Search.cut("Who?")
    'Who?'
    """

    def __init__(self, inspected: Inspected) -> None:
        self.inspected = inspected
        self._models: dict[tuple[str, int], SentenceTransformer] = {}

    @staticmethod
    def cut(text: str) -> str:
        """A query as it is read: white space at its ends removed, at most so many characters."""
        return text.strip()[:_MOST]

    def ready(self, strategy: str) -> bool:
        """Whether the model of a strategy is loaded, so that a search takes no time to speak of."""
        return (strategy, self.inspected.seeds(strategy)[0]) in self._models

    def load(self, strategy: str) -> SentenceTransformer:
        """The model of a strategy's first seed, opened now if it is not; raises InputError where it is deleted."""
        from hybridkit.models import encoder

        inspected = self.inspected
        key = (strategy, inspected.seeds(strategy)[0])
        if remedy := inspected.results[key].remedy:
            raise InputError(f"the search asks encoders as they are, without a remedy such as {remedy}")
        if key not in self._models:
            own = inspected.results[key].model  # empty for an untrained encoder that is opened by its name
            if own and not inspected.has(*key, "model"):
                raise InputError(
                    f"the model of {strategy}, seed {key[1]} is deleted; make it again with "
                    f"`hybridkit inspect {inspected.name} --complete`"
                )
            study = self._study
            model = encoder.open(inspected.folder / own if own else study.encoder_at(study.encoder.name))
            if not own:
                encoder.set_prompts(model, study.encoder.prompts or {})
            self._models = dict(list(self._models.items())[1 - _KEPT :])
            self.encode(model, "warm")  # the first text that a model reads takes it seconds
            self._models[key] = model
        return self._models[key]

    @property
    def _study(self) -> Study:
        return cast("Study", self.inspected.study)  # there is one wherever there are results

    def find(self, text: str, strategy: str, passage_language: str = POOL, top: int = 10) -> tuple[pd.DataFrame, float]:
        """The passages that a strategy's model ranks first for a text, with the seconds that it took.

        The frame has rank, passage_id, language, text, score. Raises InputError for an empty query, a deleted model,
        and where the passages' embeddings are not there.
        """
        if not self.cut(text):
            raise InputError("the search is empty; type a question, in any language")
        model = self.load(strategy)
        start = perf_counter()
        query = self.encode(model, self.cut(text))
        scores = own_scores(query, self._passages(strategy), self._similarity(strategy, model))
        found = joined(self.inspected, ranked(self.inspected.benchmark, scores, passage_language, top), {})
        return found[["rank", "passage_id", "language", "text", "score"]], perf_counter() - start

    def encode(self, model: SentenceTransformer, text: str) -> NDArray[np.float32]:
        """The embedding of one query, made as those of the benchmark were."""
        from hybridkit.models.embedding import encode

        settings = self._study.evaluation
        made = encode(model, [text], "query", max_length=settings.max_length, precision=settings.precision)
        return np.asarray(made[0], np.float32)

    def _similarity(self, strategy: str, model: SentenceTransformer) -> str:
        """The model's own similarity, for which the passages must have been encoded."""
        from hybridkit.models.encoder import similarity_of

        own, inspected = similarity_of(model), self.inspected
        seed = inspected.seeds(strategy)[0]
        if own != COSINE and inspected.similarity(strategy, seed) != own:
            raise InputError(
                f"the passages' embeddings by {strategy}, seed {seed} are of an earlier version of the kit, which took "
                f"every model for one of cosine; make them again with `hybridkit inspect {inspected.name} --complete`"
            )
        return own

    def _passages(self, strategy: str) -> NDArray[np.float32]:
        inspected = self.inspected
        seed = inspected.seeds(strategy)[0]
        if not inspected.has(strategy, seed, "passages"):
            raise InputError(
                f"the passages' embeddings by {strategy}, seed {seed} are not there; make them with "
                f"`hybridkit inspect {inspected.name} --complete`"
            )
        return np.asarray(inspected.embeddings(strategy, seed, "passage"), np.float32)
