"""Mine hard negatives: passages that a model or BM25 ranks high for a row and that do not answer it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.retrieval.bm25 import bm25_of_texts
from hybridkit.utils.files import digest
from hybridkit.utils.numbers import COUNT, COUNT_OR_NONE, Range, check_choice, check_seed
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_SCORES = 1 << 25  # held at a time
_QUERIES = 1 << 14  # whose candidates are held at a time
Ranked: TypeAlias = list[tuple[str, float]]  # passages and their scores, the best first
# Takes queries, the passage that answers each, all passages (each once) and limits; yields a list for every query.
Ranker: TypeAlias = Callable[[Sequence[str], Sequence[str], Sequence[str], "Mining"], Iterator[Ranked]]
log = logging.getLogger("hybridkit")


@dataclass(frozen=True)
class Mining:
    """What counts as a hard negative; margins, scores and `range_max` are those of sentence-transformers' miner.

    The `range_max` best passages are candidates. Of those that are allowed the first `range_min` are skipped, and one
    of the next `top` is drawn.

    Args:
        language: "passage" ranks, for each passage of a row, the passages in its language by the row's query in that
            language; where there is none, a model takes the row's query in another one, BM25 the passage itself. "any"
            ranks the passages of all languages by all queries of the row, takes the row that the best one belongs to,
            and makes that row's passages the negatives, each in its language.
        range_min: Candidates to skip.
        range_max: Candidates.
        top: Candidates to draw from.
        max_score: The highest score that is allowed.
        absolute_margin: How far below the row's own passage a negative must score.
        relative_margin: The same as a share of that passage's score.
        keep: Keep the negatives that rows have already.
        seed: Of the draws.
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
        """Raise InputError that names the setting and its range."""
        check_choice(self.language, ("passage", "any"), "mining: language")
        least = COUNT_OR_NONE.check(self.range_min, "mining: range_min")
        Range(least + 1, whole=True).check(self.range_max, f"mining: range_max, beside range_min {least},")
        COUNT.check(self.top, "mining: top")
        for name in ("max_score", "absolute_margin", "relative_margin"):
            if getattr(self, name) is not None:
                Range().check(getattr(self, name), f"mining: {name}")
        check_seed(self.seed, "mining: seed")


def mine_negatives(
    corpus: ParallelCorpus, system: "SentenceTransformer | Literal['bm25']", mining: Mining | None = None
) -> ParallelCorpus:
    """Return the corpus with a hard negative for every row and language where one is found; a notice says how many.

    A model ranks through `sentence_transformers.util.mine_hard_negatives` with its own prompts and similarity, "bm25"
    through the kit's BM25. A passage of the row's group is never taken: no twin of its passage, no other passage of its
    question, nothing that answers it anywhere in the corpus. The same corpus, system and settings give the same
    negatives on the same machine; the fingerprint depends on what was mined.

    >>> from hybridkit.data.rows import Row
    >>> texts = ["the red house", "a red horse", "blue sky"]
    >>> rows = [Row(str(n), str(n), str(n), {"en": text}, {"en": text + "!"}, {}) for n, text in enumerate(texts)]
    >>> mined = mine_negatives(ParallelCorpus.from_rows(rows), "bm25")
    >>> mined.positions["negative"][:, 0].tolist(), mined.texts["negative", "en"].to_pylist()
    ([1, 0, -1], ['the red house!', 'a red horse!'])
    """
    mining = mining or Mining()
    rank: Ranker = rank_by_bm25 if isinstance(system, str) else rank_by_encoder(system)
    wanted: np.ndarray = np.array(corpus.has_passage)
    if mining.keep:
        wanted &= corpus.positions["negative"] < 0
    if mining.language == "any":
        mined = _by_row(corpus, wanted, rank, mining)
    else:
        mined = _by_language(corpus, wanted, rank, mining, rank is rank_by_bm25)
    found = _with_negatives(corpus, mined, mining.keep)
    counts = negative_counts(found)
    log.info(
        "%s",
        f"{counts['negatives'].sum():,} of {counts['passages'].sum():,} passages have a hard negative, "
        f"{int((mined >= 0).sum()):,} of them mined",
    )
    return found


def negative_counts(corpus: ParallelCorpus) -> pd.DataFrame:
    """Return DataFrame[language, passages, negatives, share]: the passages that have a negative in their language."""
    has, negative = corpus.has_passage, corpus.positions["negative"] >= 0
    counts = pd.DataFrame({"language": corpus.languages, "passages": has.sum(0), "negatives": (has & negative).sum(0)})
    return counts[counts["passages"] > 0].assign(share=counts["negatives"] / counts["passages"])


def _by_language(
    corpus: ParallelCorpus, wanted: np.ndarray, rank: Ranker, mining: Mining, by_words: bool
) -> np.ndarray:
    """Positions in the passage tables, int32 (rows, languages), each language by itself; -1 for none."""
    mined = np.full(wanted.shape, -1, dtype=np.int32)
    for column, tag in enumerate(corpus.languages):
        rows = np.flatnonzero(wanted[:, column])
        if not len(rows):
            continue
        owners = _owners(corpus, [column])
        positives = corpus.take_texts("passage", rows, np.full(len(rows), column))
        known = corpus.has_query[rows, column]
        queries = corpus.take_texts("query", rows, np.where(known, column, corpus.has_query[rows].argmax(axis=1)))
        if by_words:  # which a query in another language shares by accident only
            queries = [query if has else own for query, own, has in zip(queries, positives, known, strict=True)]
        ranked = rank(queries, positives, list(owners), mining)
        chance = generator(mining.seed, "negatives", tag).random(len(rows))
        for row, luck, best in zip(rows.tolist(), chance, ranked, strict=True):
            owner = _choose(corpus, row, best, owners, mining, luck)
            if owner >= 0:
                mined[row, column] = corpus.positions["passage"][owner, column]
    return mined


def _by_row(corpus: ParallelCorpus, wanted: np.ndarray, rank: Ranker, mining: Mining) -> np.ndarray:
    """The same by the one row that is nearest in any language: its passages in all languages that are wanted."""
    mined = np.full(wanted.shape, -1, dtype=np.int32)
    owners = _owners(corpus, range(len(corpus.languages)))
    rows, columns = np.nonzero(corpus.has_query & wanted.any(axis=1, keepdims=True))
    answers = np.where(corpus.has_passage[rows, columns], columns, corpus.has_passage[rows].argmax(axis=1))
    positives = corpus.take_texts("passage", rows, answers)
    ranked = rank(corpus.take_texts("query", rows, columns), positives, list(owners), mining)
    chance = generator(mining.seed, "negatives").random(len(corpus))
    for row, lists in groupby(zip(rows.tolist(), ranked, strict=True), key=lambda pair: pair[0]):
        best = sorted((pair for _, found in lists for pair in found), key=lambda pair: -pair[1])
        owner = _choose(corpus, row, best, owners, mining, chance[row])
        if owner >= 0:
            mined[row] = np.where(wanted[row], corpus.positions["passage"][owner], -1)
    return mined


def _owners(corpus: ParallelCorpus, columns: Sequence[int]) -> dict[str, int]:
    """Every passage in some languages, once, and the first row that has it."""
    found: dict[str, int] = {}
    for column in columns:
        for row, text in zip(*corpus.passage_table(corpus.languages[column]), strict=True):
            found.setdefault(text, int(row))
    return found


def _choose(corpus: ParallelCorpus, row: int, best: Ranked, owners: dict[str, int], mining: Mining, luck: float) -> int:
    """The row whose passage becomes the negative of `row`; -1 where none is allowed."""
    # rows that share a passage are of one group, so that the first row that has a text has the text's group
    rows = (owners[text] for text, _ in best)
    allowed = dict.fromkeys(other for other in rows if corpus.group[other] != corpus.group[row])
    left = list(allowed)[mining.range_min :][: mining.top]
    return left[int(luck * len(left))] if left else -1


def _with_negatives(corpus: ParallelCorpus, mined: np.ndarray, keep: bool) -> ParallelCorpus:
    positions = np.array(corpus.positions["negative"]) if keep else np.full(mined.shape, -1, dtype=np.int32)
    texts = {key: array for key, array in corpus.texts.items() if keep or key[0] != "negative"}
    for column, tag in enumerate(corpus.languages):
        rows = np.flatnonzero(mined[:, column] >= 0)
        if len(rows):
            used, position = np.unique(mined[rows, column], return_inverse=True)
            before = texts.get(("negative", tag), pa.array([], pa.large_string()))
            texts["negative", tag] = pa.concat_arrays([before, corpus.texts["passage", tag].take(pa.array(used))])
            positions[rows, column] = len(before) + position
    # what was mined are positions in the corpus's own tables: with its fingerprint they determine every text
    key = digest(corpus.fingerprint, mined, keep)
    return replace(
        corpus, positions={**corpus.positions, "negative": positions}, texts=texts, fingerprint=key, origin=None
    )


def rank_by_bm25(
    queries: Sequence[str], positives: Sequence[str], passages: Sequence[str], mining: Mining
) -> Iterator[Ranked]:
    """Rank by BM25: only passages that share a token with the query; ties in the order of the passages."""
    score = bm25_of_texts(queries, passages, [""] * len(passages))
    position = {text: number for number, text in enumerate(passages)}
    block = max(1, _SCORES // len(passages))
    for first in range(0, len(queries), block):
        scores = score(slice(first, min(first + block, len(queries))))
        for line, positive in zip(scores, positives[first : first + block], strict=True):
            own = float(line[position[positive]])
            line[position[positive]] = 0
            found = np.flatnonzero((line > 0) & (line <= _limit(own, mining)))
            if len(found) > mining.range_max:  # ties at the end are left to the sort, which keeps their order
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
    """Return the ranker of a model: sentence-transformers' `mine_hard_negatives`, of which all candidates are taken.

    By itself it normalises vectors, and so ranks by cosine whatever the model's similarity is; here it gets the vectors
    of `encode` and the model's own similarity.
    """

    def rank(
        queries: Sequence[str], positives: Sequence[str], passages: Sequence[str], mining: Mining
    ) -> Iterator[Ranked]:
        import torch
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives

        from hybridkit.models.embedding import encode
        from hybridkit.models.encoder import similarity_of
        from hybridkit.retrieval.dense import own_scores, scores_of

        own = similarity_of(encoder)

        def scores(one: Any, other: Any) -> Any:
            return torch.from_numpy(scores_of(np.asarray(one), np.asarray(other), own))

        def of_pairs(one: Any, other: Any) -> Any:
            pairs = zip(np.asarray(one), np.asarray(other), strict=True)
            return torch.tensor([own_scores(query, passage[None], own)[0] for query, passage in pairs])

        model: Any = SimpleNamespace(  # all that the library reads of a model
            device="cpu",
            model_card_data=SimpleNamespace(base_model=""),
            encode_query=lambda texts, **_: encode(encoder, texts, "query", progress="queries"),
            encode_document=lambda texts, **_: encode(encoder, texts, "passage", progress="passages"),
            similarity=scores,
            similarity_pairwise=of_pairs,
        )
        options: dict[str, Any] = {
            "range_max": mining.range_max,
            "num_negatives": mining.range_max,
            "max_score": mining.max_score,
            "absolute_margin": mining.absolute_margin,
            "relative_margin": mining.relative_margin,
            "output_format": "labeled-list",
            "output_scores": True,
            "verbose": False,
        }
        with TemporaryDirectory() as folder:  # where the passages' embeddings wait for the next block of queries
            for first in range(0, len(queries), _QUERIES):
                some, answers = list(queries[first : first + _QUERIES]), list(positives[first : first + _QUERIES])
                pairs = Dataset.from_dict({"query": some, "passage": answers})
                mined = mine_hard_negatives(pairs, model, corpus=list(passages), cache_folder=folder, **options)
                found = {
                    (line["query"], line["passage"][0]): list(zip(line["passage"][1:], line["scores"][1:], strict=True))
                    for line in mined
                }
                yield from (found.get(pair, []) for pair in zip(some, answers, strict=True))

    return rank
