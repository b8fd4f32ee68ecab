"""Search a collection by embeddings or by words: the result is a run, the top k passages of each query."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.data.collection import across
from hybridkit.errors import InputError
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import model_hash, similarity_of
from hybridkit.retrieval.bm25 import bm25_index, tokens
from hybridkit.retrieval.passage_embeddings import embed_passages
from hybridkit.retrieval.runs import frame_of_positions, merge_runs
from hybridkit.retrieval.topk import SAMPLE, cut, exact_topk, faiss_topk, measured_recall
from hybridkit.utils.numbers import COUNT

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.collection import Collection
    from hybridkit.data.storage.columns import StringColumn
    from hybridkit.retrieval.passage_embeddings import EmbeddedPassages

log = logging.getLogger("hybridkit")


def dense_search(
    collection: Collection,
    encoder: SentenceTransformer,
    k: int = 1000,
    *,
    max_length: int | None = None,
    precision: str = "float32",
    embedded: EmbeddedPassages | None = None,
) -> pd.DataFrame:
    """Return the run of an exact search by embeddings: DataFrame[query_id, passage_id, score], see `run_frame`.

    Embeddings of passages are kept (see `embed_passages`) and read back block by block, so that memory does not grow
    with their number. A pool is searched corpus by corpus and the runs are merged, so that passages are embedded once,
    for their own language and for every pool.

    Args:
        collection: The collection.
        encoder: The encoder.
        k: Passages of each query.
        max_length: Cut texts at so many tokens.
        precision: "float32" or "bf16".
        embedded: A shard of `embed_passages`, which the encoder made of the collection, to be searched in place of all
            passages. The runs over all shards, merged (`merge_runs`), are the run over the collection, scores and ties
            included.

    Raises:
        InputError: As `exact_topk` and `embed_passages` do, and for a shard that is not of this collection.
    """
    options: dict[str, Any] = {"max_length": max_length, "precision": precision}
    return merge_runs(runs_by_language(collection, encoder, k, embedded=embedded, **options), k)


def runs_by_language(
    collection: Collection,
    encoder: SentenceTransformer,
    k: int = 1000,
    index: str = "exact",
    embedded: EmbeddedPassages | None = None,
    **options: Any,
) -> list[pd.DataFrame]:
    """Return the run of embeddings over the passages of each language by itself (`by_language`).

    As `dense_search`, or by an `index` of faiss (`search_vectors`). `options` are max_length and precision of `encode`.
    """
    if embedded is not None and embedded.key["corpus"] != collection.corpus:
        raise InputError(f"{embedded.folder}: these embeddings are not of {collection.name}, {collection.language}")
    queries = encode(encoder, collection.queries["text"].tolist(), "query", **options)
    known = None if embedded else model_hash(encoder)
    found = []
    for front, part in by_language(collection):
        held = embedded or embed_passages(part, encoder, known=known, **options)
        run = search_vectors(part, queries, held.vectors, held.ids, held.folder, k, index, similarity_of(encoder))
        found.append(run.assign(passage_id=front + run["passage_id"]))
    return found


def by_language(collection: Collection) -> tuple[tuple[str, Collection], ...]:
    """Return what is searched by itself: the corpora of a pool (see `across`), or the collection."""
    return across(collection) if collection.parts else (("", collection),)


def search_vectors(
    collection: Collection,
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    kept: Path | None = None,
    k: int = 1000,
    index: str = "exact",
    similarity: str = "dot",
) -> pd.DataFrame:
    """Return the run of vectors of a collection's queries over vectors of passages with these ids.

    `index` is "exact", or one of faiss: "faiss-flat", "ivf", "hnsw", which is kept in the folder `kept` of the
    passages' vectors. The share of exact search that an approximate one finds on some queries is logged, and is
    `run.attrs["recall"]`.
    """
    names = collection.queries["query_id"].tolist()
    if len(queries) != len(names):
        raise InputError(f"{len(queries)} embeddings of queries for {len(names)} queries of {collection.name}")
    if index == "exact":
        return frame_of_positions(names, ids, *exact_topk(queries, passages, ids, k, similarity=similarity))
    found = faiss_topk(queries, passages, ids, k, index, kept, similarity)
    run = frame_of_positions(names, ids, *found)
    if index != "faiss-flat":
        run.attrs["recall"] = measured_recall(queries, passages, ids, found[1], similarity)
        log.info(
            "%s, passages in %s: recall@%d of %s against exact search %.4f (%d queries, the first is %s)",
            collection.name,
            collection.language,
            min(k, len(ids)),
            index,
            run.attrs["recall"],
            min(SAMPLE, len(queries)),
            names[0],
        )
    return run


def bm25_search(collection: Collection, k: int = 1000, within: slice | None = None) -> pd.DataFrame:
    """Return the run of a search by BM25 (see `bm25_index`): only passages that share a token with the query.

    `within` are the positions of those that are searched, such as one language's in a pool; all without it. The weight
    of a token that a query has twice counts twice, as in Lucene. Raises InputError as `bm25_index` does.
    """
    COUNT.check(k, "k, the number of passages to retrieve,")
    index, ids = bm25_index(collection)
    scores = np.full((len(collection.queries), k), -np.inf, np.float32)
    positions = np.full(scores.shape, -1, np.int64)
    for row, text in enumerate(collection.queries["text"]):
        known = index.get_tokens_ids(tokens(text, collection.language))
        if not known:
            continue
        line = index.get_scores_from_ids(known)
        part = slice(0, len(line)) if within is None else within
        hits = part.start + np.flatnonzero(line[part] > 0)
        best, where = cut(line[None, hits], hits[None], k, ids)
        scores[row, : best.shape[1]], positions[row, : best.shape[1]] = best, where
    return frame_of_positions(collection.queries["query_id"].tolist(), ids, scores, positions)
