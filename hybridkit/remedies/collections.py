"""Remedies on collections, whose passages are streamed: runs of every system as a chain changes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import model_hash, similarity_of
from hybridkit.remedies.chains import Chain, take_off
from hybridkit.remedies.estimates import Estimate
from hybridkit.remedies.rows import RowEmbeddings
from hybridkit.remedies.scores import calibrate
from hybridkit.retrieval.passage_embeddings import embed_passages
from hybridkit.retrieval.runs import fuse, merge_runs, run_frame
from hybridkit.retrieval.search import bm25_search, by_language, runs_by_language, search_vectors
from hybridkit.retrieval.topk import KINDS, blocks, check_index

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.collection import Collection


_ROWS = 8192  # passages that are changed together


def languages_of(sets: Sequence[Collection]) -> list[str]:
    """Return the languages of the passages of some collections, without repeats.

    >>> languages_of([toy_collection, toy_collection])
    ['de']
    """
    return list(dict.fromkeys(part.language for one in sets for part in one.parts or (one,)))


def check_chain(chain: Chain, k: int) -> None:
    """Raise InputError for a chain that collections, which are streamed and searched to `k` passages, cannot have.

    That is zscore, which needs the scores of all passages; a `top` of calibrate above `k`; and several parts on
    embeddings of which one is by passages.

    >>> from hybridkit.remedies import parse
    >>> check_chain(parse("zscore"), 1000)
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: zscore: it needs the scores of all passages, and a collection is searched to 1000; ...
    """
    for part in chain.on_scores:
        if not isinstance(part, calibrate):
            raise InputError(
                f"{part}: it needs the scores of all passages, and a collection is searched to {k}; give "
                "calibrate(top=5)"
            )
        if k < part.top:
            raise InputError(
                f"{part}: it needs the best {part.top} passages of a language, and a collection is searched to {k}; "
                "give a smaller top, or search deeper (--depth)"
            )
    if len(chain.on_embeddings) > 1 and not all(part.from_rows for part in chain.on_embeddings):
        raise InputError("on collections, which are streamed, one remedy by passages acts on embeddings; leave one")


def collection_estimate(
    chain: Chain,
    sets: Sequence[Collection],
    encoder: SentenceTransformer,
    rows: RowEmbeddings | None = None,
    **options: Any,
) -> Estimate | None:
    """Return the language vectors of a chain for some collections, or None where nothing acts on embeddings.

    Estimated from `rows`, or with by="passages" from the queries of all `sets` and all of their passages, which are
    embedded and kept (`embed_passages`). `options` are max_length and precision of `encode`.

    Raises:
        InputError: Several parts of which one is by passages; and as the parts do.
    """
    parts = chain.on_embeddings
    if not parts:
        return None
    if all(part.from_rows for part in parts):
        if rows is None:
            raise InputError(f"{chain}: it is estimated from training rows; give rows")
        return chain.estimate(rows, similarity_of(encoder))
    check_chain(chain, k=sys.maxsize)
    corpora = {part.language: part for one in sets for part in one.parts or (one,)}
    queries = {one.language: encode(encoder, one.queries["text"].tolist(), "query", **options) for one in sets}
    known = model_hash(encoder)
    passages = {tag: embed_passages(part, encoder, known=known, **options).vectors for tag, part in corpora.items()}
    return Estimate(str(parts[0]), {type(parts[0]).__name__: parts[0].vectors(RowEmbeddings(queries, passages))})


def remedied_searches(
    chain: Chain,
    systems: Sequence[str],
    collection: Collection,
    encoder: SentenceTransformer | None = None,
    estimate: Estimate | None = None,
    k: int = 1000,
    **options: Any,
) -> dict[str, pd.DataFrame]:
    """Return the run of each system on a collection, as a chain changes it; see `run_frame`.

    What two systems have in common is computed once. In a pool each language is searched by itself, to `k` passages,
    and the runs are merged. `calibrate` takes the mean of the best of each language's own run, in which a passage that
    was not found counts 0, as in BM25.

    Args:
        chain: Remedies; those in the weights are in the encoder already.
        systems: "dense" (exact), "bm25", "fusion" (dense and BM25 interpolated), "rrf" (their ranks fused), or dense by
            an index of faiss: "faiss-flat", "ivf", "hnsw".
        collection: The collection.
        encoder: The encoder; "bm25" needs none.
        estimate: What `collection_estimate` returned.
        k: Passages of each query.
        options: max_length and precision of `encode`.

    Raises:
        InputError: As `check_chain` does; a system that needs an encoder without one, or that has not the encoder's
            similarity; and as the searches do.
    """
    for index in set(systems) & set(KINDS) if encoder else ():
        check_index(index, similarity_of(encoder))
    check_chain(chain, k)
    top = max((part.top for part in chain.on_scores if isinstance(part, calibrate)), default=0)
    parts = by_language(collection)
    sizes = {front: part.size for front, part in parts}
    kept: dict[str, list[pd.DataFrame]] = {}

    def of(system: str) -> list[pd.DataFrame]:
        """The runs over each language's passages."""
        if system not in kept:
            if system == "bm25":
                kept[system] = _by_words(collection, list(sizes.values()), k) if top else [bm25_search(collection, k)]
            elif system in ("fusion", "rrf"):
                how: Any = "rrf" if system == "rrf" else "interpolation"
                deep = k * len(parts) * 2 if top else k
                one, other = (merge_runs(of(name), deep if top else k) for name in ("dense", "bm25"))
                kept[system] = [fuse(one, other, how, k=deep)]
            elif encoder is None:
                raise InputError(f"system {system!r} needs an encoder; give one")
            else:
                index = "exact" if system == "dense" else system
                if estimate is None:
                    kept[system] = runs_by_language(collection, encoder, k, index, **options)
                else:
                    kept[system] = _over_each(chain, parts, encoder, estimate, k, index, options)
        return kept[system]

    found = {system: merge_runs(of(system), k * len(parts) * 2 if top else k) for system in systems}
    return {system: calibrated(run, sizes, top, k) if top else run for system, run in found.items()}


def calibrated(run: pd.DataFrame, sizes: Mapping[str, int], top: int, k: int = 1000) -> pd.DataFrame:
    """Return a run whose scores are less the mean of the query's best `top` in the passage's language; its best `k`.

    `sizes` are the numbers of passages by the beginning of their ids, such as "de:"; of what was not found, the score
    is 0.

    >>> run = run_frame(["q"] * 3, ["de:1", "de:2", "en:1"], [0.75, 0.5, 0.375])
    >>> calibrated(run, {"de:": 2, "en:": 2}, top=2).values.tolist()
    [['q', 'en:1', 0.1875], ['q', 'de:1', 0.125], ['q', 'de:2', -0.125]]
    """
    passage, names = pd.factorize(run["passage_id"].to_numpy(object))
    front, fronts = pd.factorize(
        np.array([name.partition(":")[0] + ":" if any(sizes) else "" for name in names], object)
    )
    group = pd.factorize(run["query_id"])[0] * len(fronts) + front[passage]
    scores = run["score"].to_numpy(np.float64)
    order = np.lexsort((-scores, group))
    best = order[np.arange(len(order)) - np.searchsorted(group[order], group[order]) < top]
    sums = np.bincount(group[best], scores[best])
    counts = np.minimum([sizes[one] for one in fronts], top)[front[passage]]
    return run_frame(run["query_id"], run["passage_id"], scores - sums[group] / counts, k)


def _by_words(collection: Collection, sizes: Sequence[int], k: int) -> list[pd.DataFrame]:
    """BM25's run over each language's passages, of the one index of all."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [bm25_search(collection, k, within=slice(start, stop)) for start, stop in zip(ends, ends[1:], strict=False)]


def _over_each(
    chain: Chain,
    parts: Sequence[tuple[str, Collection]],
    encoder: SentenceTransformer,
    estimate: Estimate,
    k: int,
    index: str,
    options: Mapping[str, Any],
) -> list[pd.DataFrame]:
    """The runs of changed embeddings over the passages of each language, which are in a temporary file.

    All parts have the same queries.
    """
    front, first = parts[0]
    similarity, known = similarity_of(encoder), model_hash(encoder)
    queries = encode(encoder, first.queries["text"].tolist(), "query", **options)
    _change(chain, estimate, queries, "query", _query_language(first, front), similarity)
    found = []
    for front, part in parts:
        embedded = embed_passages(part, encoder, known=known, **options)
        with TemporaryDirectory(prefix="hybridkit-remedy-") as folder:
            path = Path(folder) / "vectors.npy"
            file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=embedded.vectors.shape)
            for start, block in blocks(embedded.vectors, _ROWS):
                _change(chain, estimate, block, "passage", part.language, similarity)
                file[start : start + len(block)] = block
            file.flush()
            del file
            changed = np.load(path, mmap_mode="r", allow_pickle=False)
            run = search_vectors(part, queries, changed, embedded.ids, None, k, index, similarity)
        found.append(run.assign(passage_id=front + run["passage_id"]))
    return found


def _query_language(collection: Collection, front: str) -> str:
    """The language of the queries: in a pool it is at the start of their ids, as `pooled` writes them."""
    return str(collection.queries["query_id"].iloc[0]).partition(":")[0] if front else collection.language


def _change(
    chain: Chain, estimate: Estimate, embeddings: NDArray[np.float32], side: str, language: str, similarity: str
) -> None:
    for part in chain.on_embeddings:
        vectors = estimate.vectors[type(part).__name__]
        if side in vectors:
            take_off(part, embeddings, vectors[side], language, similarity)
