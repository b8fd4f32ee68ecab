"""Search a collection by systems' names: the result is a run, the top k passages of each query."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hybridkit.data.collection import across
from hybridkit.data.storage.columns import ids_in_memory
from hybridkit.errors import InputError
from hybridkit.models.encoder import model_hash, similarity_of
from hybridkit.retrieval.bm25 import K1, B, bm25_index, tokens
from hybridkit.retrieval.passage_embeddings import EmbeddedPassages, embed_passages
from hybridkit.retrieval.runs import frame_of_positions, fuse, merge_runs
from hybridkit.retrieval.topk import KINDS, FaissSettings, check_index, cut, exact_topk, faiss_topk, measured_recall
from hybridkit.utils.numbers import COUNT

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.collection import Collection
    from hybridkit.data.storage.columns import StringColumn

    Embeddings: TypeAlias = tuple[NDArray[np.floating], NDArray[np.floating]]
log = logging.getLogger("hybridkit")
SYSTEMS = ("dense", "bm25", "fusion", "rrf", *KINDS)


def searches(
    systems: Sequence[str],
    collection: Collection,
    encoder: SentenceTransformer | Embeddings | None = None,
    k: int = 1000,
    **options: Any,
) -> dict[str, pd.DataFrame]:
    """Return the run of each system by its name: DataFrame[query_id, passage_id, score], see `run_frame`.

    What two systems have in common is computed once.

    Args:
        systems: "dense" (exact), "bm25", "fusion" (dense and BM25 interpolated), "rrf" (their ranks fused), or dense by
            an index of faiss: "faiss-flat", "ivf", "hnsw".
        collection: The collection.
        encoder: An encoder, or the embeddings of the collection's queries and passages; "bm25" needs none.
        k: Passages of each query.
        options: Those of `dense_search`.

    Raises:
        InputError: Another system, or one that needs an encoder without one.
    """
    unknown = [system for system in systems if system not in SYSTEMS]
    if unknown:
        raise InputError(f"system {unknown[0]!r}: it must be one of {', '.join(SYSTEMS)}")
    for index in set(systems) & set(KINDS):
        check_index(index, _similarity(encoder, options.get("similarity")))
    runs: dict[str, pd.DataFrame] = {}

    def run(system: str) -> pd.DataFrame:
        if system not in runs:
            if system == "bm25":
                runs[system] = bm25_search(collection, k)
            elif system in ("fusion", "rrf"):
                how: Any = "rrf" if system == "rrf" else "interpolation"
                runs[system] = fuse(run("dense"), run("bm25"), how, k=k)
            elif encoder is None:
                raise InputError(f"system {system!r} needs an encoder; give one, or its embeddings")
            else:
                index = "exact" if system == "dense" else system
                runs[system] = dense_search(collection, encoder, k, index, **options)
        return runs[system]

    return {system: run(system) for system in systems}


def dense_search(
    collection: Collection,
    encoder: SentenceTransformer | Embeddings,
    k: int = 1000,
    index: str = "exact",
    *,
    max_length: int | None = None,
    precision: str = "float32",
    folder: Path | None = None,
    recall_of: int = 100,
    similarity: str | None = None,
    embedded: EmbeddedPassages | None = None,
    **settings: int,
) -> pd.DataFrame:
    """Return the run of a search by embeddings.

    An encoder's embeddings of passages are streamed to `folder` (see `embed_passages`) and read back block by block, so
    that memory grows only with an index of faiss. A pool is searched corpus by corpus and the runs are merged, so that
    passages are embedded once, for their own language and for every pool.

    Args:
        collection: The collection.
        encoder: An encoder, or the embeddings of the collection's queries and passages in its order.
        k: Passages of each query.
        index: "exact", or an index of faiss: "faiss-flat", "ivf", "hnsw".
        max_length: Cut texts at so many tokens.
        precision: "float32" or "bf16".
        folder: Where embeddings are kept; by default in the cache.
        recall_of: Queries on which an approximate index is compared with exact search; the share that it finds is
            logged, and is `run.attrs["recall"]`.
        embedded: A shard of `embed_passages`, which the encoder made of the collection, to be searched in place of all
            passages. The exact runs over all shards, merged (`merge_runs`), are the run over the collection, scores and
            ties included.
        similarity: Of embeddings that are given ("dot"); an encoder has its own.
        settings: Those of `FaissSettings`.

    Raises:
        InputError: As `exact_topk`, `faiss_topk` and `embed_passages` do, for an unknown setting, and for a shard that
            is not of this collection, or with anything but an encoder and exact search.
    """
    unknown = set(settings) - {field.name for field in fields(FaissSettings)}
    if unknown:
        raise InputError(
            f"dense search: there is no setting {', '.join(sorted(unknown))}; there are "
            f"{', '.join(field.name for field in fields(FaissSettings))}"
        )
    similarity = _similarity(encoder, similarity)
    if index != "exact":
        check_index(index, similarity)
    if embedded is not None and (index != "exact" or isinstance(encoder, tuple)):
        raise InputError("dense search: a shard is searched exactly, by an encoder; leave out the index")
    if embedded is not None and embedded.key["corpus"] != collection.corpus:
        raise InputError(f"{embedded.folder}: these embeddings are not of {collection.name}, {collection.language}")
    how = (k, index, similarity, recall_of, FaissSettings(**settings))
    if isinstance(encoder, tuple):
        queries, passages = encoder
        if len(queries) != len(collection.queries):
            raise InputError(
                f"{len(queries)} embeddings of queries for {len(collection.queries)} queries of {collection.name}"
            )
        return search_vectors(collection, queries, passages, ids_in_memory(collection.passages()), None, *how)
    from hybridkit.models.embedding import encode

    given: dict[str, Any] = {"max_length": max_length, "precision": precision}
    queries = encode(encoder, collection.queries["text"].tolist(), "query", **given)
    if collection.parts and folder is None and embedded is None:
        given["known"] = model_hash(encoder)
        found = []
        for front, one in across(collection):
            part = embed_passages(one, encoder, **given)
            run = search_vectors(one, queries, part.vectors, part.ids, part.folder, *how)
            found.append(run.assign(passage_id=front + run["passage_id"]))
        return merge_runs(found, k)
    part = embedded or embed_passages(collection, encoder, folder=folder, **given)
    return search_vectors(collection, queries, part.vectors, part.ids, part.folder, *how)


def search_vectors(
    collection: Collection,
    queries: NDArray[np.floating],
    passages: NDArray[np.floating],
    ids: StringColumn,
    kept: Path | None,
    k: int = 1000,
    index: str = "exact",
    similarity: str = "dot",
    recall_of: int = 0,
    settings: FaissSettings | None = None,
) -> pd.DataFrame:
    """Return the run of vectors of a collection's queries over vectors of passages with these ids; see `dense_search`.

    `kept` is the folder of the passages' vectors, where an index of faiss is kept too.
    """
    names = collection.queries["query_id"].tolist()
    if index == "exact":
        return frame_of_positions(names, ids, *exact_topk(queries, passages, ids, k, similarity=similarity))
    found = faiss_topk(queries, passages, ids, k, index, settings or FaissSettings(), kept, similarity)
    run = frame_of_positions(names, ids, *found)
    if index != "faiss-flat" and recall_of:
        run.attrs["recall"] = measured_recall(queries, passages, ids, found[1], recall_of, similarity=similarity)
        log.info(
            "%s, %s: recall@%d of %s against exact search %.4f (%d queries)",
            collection.name,
            collection.language,
            k,
            index,
            run.attrs["recall"],
            min(recall_of, len(queries)),
        )
    return run


def _similarity(encoder: SentenceTransformer | Embeddings | None, given: str | None) -> str:
    if encoder is None or isinstance(encoder, tuple):
        return given or "dot"
    own = similarity_of(encoder)
    if given not in (None, own):
        raise InputError(f"dense search: similarity {given!r}, but the encoder has its own, {own}; leave it out")
    return own


def bm25_search(
    collection: Collection,
    k: int = 1000,
    k1: float = K1,
    b: float = B,
    folder: Path | None = None,
    within: slice | None = None,
) -> pd.DataFrame:
    """Return the run of a search by BM25 (see `bm25_index`): only passages that share a token with the query.

    `within` are the positions of those that are searched, such as one language's in a pool; all without it. The weight
    of a token that a query has twice counts twice, as in Lucene. Raises InputError as `bm25_index` does.
    """
    COUNT.check(k, "k, the number of passages to retrieve,")
    index, ids = bm25_index(collection, k1, b, folder)
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
