"""Search systems by name, one interface: a judged set goes in, a run of the top k passages of each query comes out."""

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
from hybridkit.models.encoder import similarity_of
from hybridkit.retrieval.bm25 import K1, B, bm25_index, tokens
from hybridkit.retrieval.passage_embeddings import embed_passages
from hybridkit.retrieval.runs import frame_of_positions, fuse, merge_runs
from hybridkit.retrieval.topk import KINDS, FaissSettings, check_index, cut, exact_topk, faiss_topk, measured_recall
from hybridkit.utils.numbers import COUNT

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.collection import Collection

    Embeddings: TypeAlias = tuple[NDArray[np.floating], NDArray[np.floating]]
log = logging.getLogger("hybridkit")
SYSTEMS = ("dense", "bm25", "fusion", "rrf", *KINDS)


def search(
    system: str,
    judged: Collection,
    encoder: SentenceTransformer | Embeddings | None = None,
    k: int = 1000,
    **options: Any,
) -> pd.DataFrame:
    """Search a set by a system's name: the run DataFrame[query_id, passage_id, score] of the top k of each query.

    `system` is "dense" (exact), "bm25", "fusion" (dense and BM25 interpolated), "rrf" (their ranks fused), or dense by
    an index of faiss: "faiss-flat", "ivf", "hnsw". `options` are those of `dense_search`. For the order of a run see
    `run_frame`. Raises InputError for another name, and for a system that needs an encoder without one.
    """
    return searches([system], judged, encoder, k, **options)[system]


def searches(
    systems: Sequence[str],
    judged: Collection,
    encoder: SentenceTransformer | Embeddings | None = None,
    k: int = 1000,
    **options: Any,
) -> dict[str, pd.DataFrame]:
    """Search a set by several systems, as `search` does each; what two of them have in common is done once."""
    unknown = [system for system in systems if system not in SYSTEMS]
    if unknown:
        raise InputError(f"system {unknown[0]!r}: there are {', '.join(SYSTEMS)}")
    for index in set(systems) & set(KINDS):
        check_index(index, _similarity(encoder, options.get("similarity")))
    runs: dict[str, pd.DataFrame] = {}

    def run(system: str) -> pd.DataFrame:
        if system not in runs:
            if system == "bm25":
                runs[system] = bm25_search(judged, k)
            elif system in ("fusion", "rrf"):
                how: Any = "rrf" if system == "rrf" else "interpolation"
                runs[system] = fuse(run("dense"), run("bm25"), how, k=k)
            elif encoder is None:
                raise InputError(f"system {system!r} needs an encoder; give one, or its embeddings")
            else:
                index = "exact" if system == "dense" else system
                runs[system] = dense_search(judged, encoder, k, index, **options)
        return runs[system]

    return {system: run(system) for system in systems}


def dense_search(
    judged: Collection,
    encoder: SentenceTransformer | Embeddings,
    k: int = 1000,
    index: str = "exact",
    *,
    max_length: int | None = None,
    precision: str = "float32",
    folder: Path | None = None,
    recall_of: int = 100,
    similarity: str | None = None,
    **settings: int,
) -> pd.DataFrame:
    """Search a set by a similarity of embeddings: an encoder's own, or for given embeddings `similarity` ("dot").

    `encoder` is an encoder, or the embeddings of the set's queries and passages in its order. An encoder's embeddings
    of passages are streamed to `folder` (see `embed_passages`) and read back block by block, so that memory does not
    grow with the corpus but for the index that is asked for: `index` "exact" has none in memory, "faiss-flat", "ivf"
    and "hnsw" are faiss' (`settings` are those of `FaissSettings`). A pool is searched corpus by corpus and the runs
    are merged, so that passages are embedded once, for their own language and for every pool.

    Of an approximate index recall against exact search is measured on `recall_of` queries, logged, and given as
    `run.attrs["recall"]`. Raises InputError as `exact_topk`, `faiss_topk` and `embed_passages` do.
    """
    unknown = set(settings) - {field.name for field in fields(FaissSettings)}
    if unknown:
        raise InputError(f"dense search: there is no setting {', '.join(sorted(unknown))}")
    similarity = _similarity(encoder, similarity)
    if index != "exact":
        check_index(index, similarity)
    if judged.parts and folder is None and not isinstance(encoder, tuple):
        given: dict[str, Any] = {"max_length": max_length, "precision": precision, "recall_of": recall_of, **settings}
        found = [(front, dense_search(part, encoder, k, index, **given)) for front, part in across(judged)]
        return merge_runs([run.assign(passage_id=front + run["passage_id"]) for front, run in found], k)
    if isinstance(encoder, tuple):
        (queries, passages), ids, kept = encoder, ids_in_memory(judged.passages()), None
    else:
        from hybridkit.models.embedding import encode

        embedded = embed_passages(judged, encoder, max_length=max_length, precision=precision, folder=folder)
        passages, ids, kept = embedded.vectors, embedded.ids, embedded.folder
        texts = judged.queries["text"].tolist()
        queries = encode(encoder, texts, "query", max_length=max_length, precision=precision)
    if len(queries) != len(judged.queries):
        raise InputError(f"{len(queries)} embeddings of queries for {len(judged.queries)} queries of {judged.name}")
    names = judged.queries["query_id"].tolist()
    if index == "exact":
        return frame_of_positions(names, ids, *exact_topk(queries, passages, ids, k, similarity=similarity))
    scores, places = faiss_topk(queries, passages, ids, k, index, FaissSettings(**settings), kept, similarity)
    run = frame_of_positions(names, ids, scores, places)
    if index != "faiss-flat" and recall_of:
        run.attrs["recall"] = measured_recall(queries, passages, ids, places, recall_of, similarity=similarity)
        log.info(
            "%s, %s: recall@%d of %s against exact search %.4f (%d queries)",
            judged.name,
            judged.language,
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
    judged: Collection, k: int = 1000, k1: float = K1, b: float = B, folder: Path | None = None
) -> pd.DataFrame:
    """Search a set by BM25 (see `bm25_index`): the top k among the passages that share a token with the query.

    The weight of a token that a query has twice counts twice, as in Lucene. Raises InputError as `bm25_index` does.
    """
    COUNT.check(k, "k, the number of passages to retrieve,")
    index, ids = bm25_index(judged, k1, b, folder)
    scores = np.full((len(judged.queries), k), -np.inf, np.float32)
    places = np.full(scores.shape, -1, np.int64)
    for row, text in enumerate(judged.queries["text"]):
        known = index.get_tokens_ids(tokens(text, judged.language))
        if not known:
            continue
        line = index.get_scores_from_ids(known)
        hits = np.flatnonzero(line > 0)
        best, where = cut(line[None, hits], hits[None], k, ids)
        scores[row, : best.shape[1]], places[row, : best.shape[1]] = best, where
    return frame_of_positions(judged.queries["query_id"].tolist(), ids, scores, places)
