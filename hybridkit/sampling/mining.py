"""Mine hard negatives: passages that a model or BM25 ranks high for a row and that do not answer it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from hybridkit.corpus import ParallelCorpus
from hybridkit.files import digest
from hybridkit.sampling.ranking import Mining, Ranked, Ranker, rank_by_bm25, rank_by_encoder
from hybridkit.seeds import generator

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

log = logging.getLogger("hybridkit")


def mine_negatives(
    corpus: ParallelCorpus, system: "SentenceTransformer | Literal['bm25']", mining: Mining | None = None
) -> ParallelCorpus:
    """Give the corpus with a hard negative for every row and language where one is found; a notice says how many.

    A model ranks through `sentence_transformers.util.mine_hard_negatives` with its own prompts and similarity, "bm25"
    through the kit's BM25. Never taken is a passage of the row's group: no twin of its passage, no other passage of its
    question, nothing that stands as an answer to it anywhere in the corpus. The same corpus, system and settings give
    the same negatives on the same machine; the fingerprint depends on what was mined.

    >>> from hybridkit.rows import Row
    >>> texts = ["the red house", "a red horse", "blue sky"]
    >>> rows = [Row(str(n), str(n), str(n), {"en": text}, {"en": text + "!"}, {}) for n, text in enumerate(texts)]
    >>> mined = mine_negatives(ParallelCorpus.from_rows(rows), "bm25")
    >>> mined.places["negative"][:, 0].tolist(), mined.texts["negative", "en"].to_pylist()
    ([1, 0, -1], ['the red house!', 'a red horse!'])
    """
    mining = mining or Mining()
    rank: Ranker = rank_by_bm25 if isinstance(system, str) else rank_by_encoder(system)
    wanted: np.ndarray = np.array(corpus.has_passage)
    if mining.keep:
        wanted &= corpus.places["negative"] < 0
    if mining.language == "any":
        mined = _by_row(corpus, wanted, rank, mining)
    else:
        mined = _by_language(corpus, wanted, rank, mining, rank is rank_by_bm25)
    found = _with_negatives(corpus, mined, mining.keep)
    counts = negative_counts(found)
    log.info("%s", f"{counts['negatives'].sum():,} of {counts['passages'].sum():,} passages have a hard negative, "
             f"{int((mined >= 0).sum()):,} of them mined")  # fmt: skip
    return found


def negative_counts(corpus: ParallelCorpus) -> pd.DataFrame:
    """Count passages, and those that have a negative in their language: language, passages, negatives, share."""
    has, negative = corpus.has_passage, corpus.places["negative"] >= 0
    counts = pd.DataFrame({"language": corpus.languages, "passages": has.sum(0), "negatives": (has & negative).sum(0)})
    return counts[counts["passages"] > 0].assign(share=counts["negatives"] / counts["passages"])


def _by_language(
    corpus: ParallelCorpus, wanted: np.ndarray, rank: Ranker, mining: Mining, by_words: bool
) -> np.ndarray:
    """Places in the passage tables, int32 (rows, languages), each language by itself; -1 for none."""
    mined = np.full(wanted.shape, -1, dtype=np.int32)
    for column, tag in enumerate(corpus.languages):
        rows = np.flatnonzero(wanted[:, column])
        if not len(rows):
            continue
        owners = _owners(corpus, [column])
        positives = corpus.take_texts("passage", rows, np.full(len(rows), column))
        known = corpus.has_query[rows, column]
        asked = np.where(known, column, corpus.has_query[rows].argmax(axis=1))
        queries = corpus.take_texts("query", rows, asked)
        if by_words:  # which a query in another language has by accident only
            queries = [query if has else own for query, own, has in zip(queries, positives, known, strict=True)]
        ranked = rank(queries, positives, list(owners), mining)
        chance = generator(mining.seed, "negatives", tag).random(len(rows))
        for row, luck, best in zip(rows.tolist(), chance, ranked, strict=True):
            owner = _choose(corpus, row, best, owners, mining, luck)
            if owner >= 0:
                mined[row, column] = corpus.places["passage"][owner, column]
    return mined


def _by_row(corpus: ParallelCorpus, wanted: np.ndarray, rank: Ranker, mining: Mining) -> np.ndarray:
    """The same, by the one row that is nearest in any language; its passages in all languages that are wanted."""
    mined = np.full(wanted.shape, -1, dtype=np.int32)
    owners = _owners(corpus, range(len(corpus.languages)))
    rows, asked = np.nonzero(corpus.has_query & wanted.any(axis=1, keepdims=True))
    answers = np.where(corpus.has_passage[rows, asked], asked, corpus.has_passage[rows].argmax(axis=1))
    positives = corpus.take_texts("passage", rows, answers)
    ranked = rank(corpus.take_texts("query", rows, asked), positives, list(owners), mining)
    chance = generator(mining.seed, "negatives").random(len(corpus))
    for row, lists in groupby(zip(rows.tolist(), ranked, strict=True), key=lambda pair: pair[0]):
        best = sorted((one for _, found in lists for one in found), key=lambda one: -one[1])
        owner = _choose(corpus, row, best, owners, mining, chance[row])
        if owner >= 0:
            mined[row] = np.where(wanted[row], corpus.places["passage"][owner], -1)
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
    # rows that share a passage are of one group, so that the first row that has it tells the group of the text
    allowed = dict.fromkeys(_allowed(corpus, row, best, owners))
    left = list(allowed)[mining.range_min :][: mining.top]
    return left[int(luck * len(left))] if left else -1


def _allowed(corpus: ParallelCorpus, row: int, best: Ranked, owners: dict[str, int]) -> Iterator[int]:
    for text, _ in best:
        if corpus.group[owners[text]] != corpus.group[row]:
            yield owners[text]


def _with_negatives(corpus: ParallelCorpus, mined: np.ndarray, keep: bool) -> ParallelCorpus:
    places = np.array(corpus.places["negative"]) if keep else np.full(mined.shape, -1, dtype=np.int32)
    texts = {key: array for key, array in corpus.texts.items() if keep or key[0] != "negative"}
    for column, tag in enumerate(corpus.languages):
        rows = np.flatnonzero(mined[:, column] >= 0)
        if len(rows):
            used, place = np.unique(mined[rows, column], return_inverse=True)
            before = texts.get(("negative", tag), pa.array([], pa.large_string()))
            texts["negative", tag] = pa.concat_arrays([before, corpus.texts["passage", tag].take(pa.array(used))])
            places[rows, column] = len(before) + place
    # what was mined are places in the corpus's own tables: with its fingerprint they tell every text
    key = digest(corpus.fingerprint, mined, keep)
    return replace(
        corpus, places={**corpus.places, "negative": places}, texts=texts, fingerprint=key, origin=None
    )  # fmt: skip
