"""What mining looks at: the passages that BM25 or a model ranks highest for each query, within limits of score."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
import pandas as pd

from hybridkit.ranges import COUNT, COUNT_OR_NONE, Range, check_choice, check_seed
from hybridkit.retrieval.bm25 import bm25

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hybridkit.benchmark import Benchmark

_CELLS = 1 << 25  # scores that are held at a time
_QUERIES = 1 << 14  # whose lists of texts are held at a time

Ranked: TypeAlias = list[tuple[str, float]]  # passages and their scores, the best first
# Takes queries, the passage that answers each, all passages (each once) and limits; gives a list for every query.
Ranker: TypeAlias = Callable[[Sequence[str], Sequence[str], Sequence[str], "Mining"], Iterator[Ranked]]


@dataclass(frozen=True)
class Mining:
    """What counts as a hard negative; margins, scores and `range_max` are those of sentence-transformers' miner.

    `language` "passage" ranks, for each passage of a row, the passages in its language by the row's query in that
    language; where it has none, a model takes its query in another one, BM25 the passage itself. "any" ranks the
    passages of all languages by all queries of the row, takes the row that the best one belongs to, and makes that
    row's passages the negatives, each in its language.

    The `range_max` best are looked at; of those that are allowed the first `range_min` are passed over, and one of the
    next `top` is drawn. Not allowed is a passage that scores more than `max_score`, or closer to the row's own passage
    than `absolute_margin`, or than `relative_margin` of that one's score. `keep` leaves alone the negatives that rows
    have already.
    """

    language: Literal["passage", "any"] = "passage"
    range_min: int = 0
    range_max: int = 20
    top: int = 1
    max_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None
    keep: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError naming what is out of its range, and the range."""
        check_choice(self.language, ("passage", "any"), "mining: language")
        least = COUNT_OR_NONE.check(self.range_min, "mining: range_min")
        Range(least + 1, whole=True).check(self.range_max, f"mining: range_max, beside range_min {least},")
        COUNT.check(self.top, "mining: top")
        for name in ("max_score", "absolute_margin", "relative_margin"):
            if getattr(self, name) is not None:
                Range().check(getattr(self, name), f"mining: {name}")
        check_seed(self.seed, "mining: seed")


def rank_by_bm25(
    queries: Sequence[str], positives: Sequence[str], passages: Sequence[str], mining: Mining
) -> Iterator[Ranked]:
    """Rank with the kit's BM25; a passage that shares no token with the query is not ranked. Ties as they stand."""
    toy = SimpleNamespace(queries=pd.DataFrame({"text": queries}), passages=pd.DataFrame({"text": passages}))
    score, place = bm25(cast("Benchmark", toy)), {text: number for number, text in enumerate(passages)}
    block = max(1, _CELLS // len(passages))
    for first in range(0, len(queries), block):
        scores = score(slice(first, min(first + block, len(queries))))
        for line, positive in zip(scores, positives[first : first + block], strict=True):
            own = float(line[place[positive]])
            line[place[positive]] = 0
            found = np.flatnonzero((line > 0) & (line <= _limit(own, mining)))
            if len(found) > mining.range_max:  # ties at the end stay for the sort, which keeps their order
                found = found[line[found] >= -np.partition(-line[found], mining.range_max - 1)[mining.range_max - 1]]
            best = found[np.argsort(-line[found], kind="stable")][: mining.range_max]
            yield [(passages[number], float(line[number])) for number in best]


def _limit(own: float, mining: Mining) -> float:
    """The highest score that a negative may have beside the answer's own."""
    limits = [np.inf if mining.max_score is None else mining.max_score]
    if mining.absolute_margin is not None:
        limits.append(own - mining.absolute_margin)
    if mining.relative_margin is not None:
        limits.append(own - abs(own) * mining.relative_margin)
    return float(min(limits))


def rank_by_encoder(encoder: "SentenceTransformer") -> Ranker:
    """Make the ranker of a model: sentence-transformers' `mine_hard_negatives`, all of whose candidates are taken.

    It would make every vector one of length 1, and so rank by cosine whatever the model's similarity is; here it gets
    the vectors of `encode` and the model's own similarity.
    """

    def rank(
        queries: Sequence[str], positives: Sequence[str], passages: Sequence[str], mining: Mining
    ) -> Iterator[Ranked]:
        import torch
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives

        from hybridkit.embedding import encode
        from hybridkit.encoder import similarity_of
        from hybridkit.retrieval.similarity import own_scores, scores_of

        own = similarity_of(encoder)

        def scores(one: Any, other: Any) -> Any:  # noqa: ANN401  arrays or tensors to a tensor
            return torch.from_numpy(scores_of(np.asarray(one), np.asarray(other), own))

        def of_pairs(one: Any, other: Any) -> Any:  # noqa: ANN401
            pairs = zip(np.asarray(one), np.asarray(other), strict=True)
            return torch.tensor([own_scores(query, passage[None], own)[0] for query, passage in pairs])

        model: Any = SimpleNamespace(
            device="cpu",
            model_card_data=SimpleNamespace(base_model=""),
            encode_query=lambda texts, **_: encode(encoder, texts, "query", progress="queries"),
            encode_document=lambda texts, **_: encode(encoder, texts, "passage", progress="passages"),
            similarity=scores,
            similarity_pairwise=of_pairs,
        )
        options: dict[str, Any] = {
            "range_max": mining.range_max, "num_negatives": mining.range_max, "max_score": mining.max_score,
            "absolute_margin": mining.absolute_margin, "relative_margin": mining.relative_margin,
            "output_format": "labeled-list", "output_scores": True, "verbose": False,
        }  # fmt: skip
        with TemporaryDirectory() as folder:  # where the passages' embeddings wait for the next block of queries
            for first in range(0, len(queries), _QUERIES):
                asked, right = list(queries[first : first + _QUERIES]), list(positives[first : first + _QUERIES])
                pairs = Dataset.from_dict({"query": asked, "passage": right})
                mined = mine_hard_negatives(pairs, model, corpus=list(passages), cache_folder=folder, **options)
                found = {
                    (line["query"], line["passage"][0]): list(zip(line["passage"][1:], line["scores"][1:], strict=True))
                    for line in mined
                }
                yield from (found.get(pair, []) for pair in zip(asked, right, strict=True))

    return rank
