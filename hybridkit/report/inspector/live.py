"""Search a benchmark's passages with a run's own models: any query, in any language, now."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.report.views import POOL, joined, ranked
from hybridkit.retrieval.dense import COSINE, own_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.report.inspected_run import Inspected


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

    def ready(self, strategy: str, seed: int | None = None) -> bool:
        """Whether the model of a strategy is loaded, so that a search takes no time to speak of."""
        return self.inspected.key(strategy, seed) in self._models

    def load(self, strategy: str, seed: int | None = None) -> SentenceTransformer:
        """The model of a strategy, opened now if it is not; raises InputError where it is deleted.

        It is that of the first seed unless one is given.
        """
        inspected, key = self.inspected, self.inspected.key(strategy, seed)
        if remedy := inspected.results[key].remedy:
            raise InputError(f"the search asks encoders as they are, without a remedy such as {remedy}")
        if key not in self._models:
            model = inspected.open_model(*key)
            self._models = dict(list(self._models.items())[1 - _KEPT :])
            self.encode(model, "warm")  # the first text that a model reads takes it seconds
            self._models[key] = model
        return self._models[key]

    def find(
        self, text: str, strategy: str, passage_language: str = POOL, top: int = 10, seed: int | None = None
    ) -> tuple[pd.DataFrame, float]:
        """The passages that a strategy's model ranks first for a text, with the seconds that it took.

        The frame has rank, passage_id, language, text, score. Raises InputError for an empty query, a deleted model,
        and where the passages' embeddings are not there.
        """
        if not self.cut(text):
            raise InputError("the search is empty; type a question, in any language")
        model, key = self.load(strategy, seed), self.inspected.key(strategy, seed)
        start = perf_counter()
        query = self.encode(model, self.cut(text))
        scores = own_scores(query, self._passages(key), self._similarity(key, model))
        found = joined(self.inspected, ranked(self.inspected.benchmark, scores, passage_language, top), {})
        return found[["rank", "passage_id", "language", "text", "score"]], perf_counter() - start

    def encode(self, model: SentenceTransformer, text: str) -> NDArray[np.float32]:
        """The embedding of one query, made as those of the benchmark were."""
        from hybridkit.models.embedding import encode

        return np.asarray(encode(model, [text], "query", **self.inspected.limits)[0], np.float32)

    def _similarity(self, key: tuple[str, int], model: SentenceTransformer) -> str:
        """The model's own similarity, for which the passages must have been encoded."""
        from hybridkit.models.encoder import similarity_of

        own = similarity_of(model)
        if own != COSINE and self.inspected.similarity(*key) != own:
            raise InputError(
                f"the passages' embeddings by {key[0]}, seed {key[1]} are of an earlier version of the kit, which took "
                f"every model for one of cosine; make them again with {self.inspected.cure}"
            )
        return own

    def _passages(self, key: tuple[str, int]) -> NDArray[np.float32]:
        if not self.inspected.has(*key, "passages"):
            raise InputError(
                f"the passages' embeddings by {key[0]}, seed {key[1]} are not there; make them with "
                f"{self.inspected.cure}"
            )
        return np.asarray(self.inspected.embeddings(*key, "passage"), np.float32)
