"""Top-k search with faiss: flat, and the approximate IVF and HNSW, whose recall against exact search is measured."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.errors import InputError
from hybridkit.files import atomic_write, digest
from hybridkit.ranges import COUNT, SEED
from hybridkit.retrieval.similarity import DISTANCES, own_scores
from hybridkit.retrieval.topk import BLOCK_BYTES, blocks, check_pair, cut, exact_topk
from hybridkit.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridkit.storage.columns import StringColumn

log = logging.getLogger("hybridkit")
KINDS = ("faiss-flat", "ivf", "hnsw")
_SPARE = 32  # candidates beyond k, so that ties at the end can be settled by their ids
_GROUP = 256  # queries that are asked at a time


@dataclass(frozen=True)
class FaissSettings:
    """How faiss searches; None is chosen by the number of passages n.

    IVF: `lists` clusters (4 sqrt(n), at least 39 passages each, as faiss advises), of which the `probes` nearest are
    searched (a quarter, at least 8). HNSW (arXiv 1603.09320): `links` of a node (M), `build` and `effort` are its
    efConstruction and efSearch (2 k, at least 256). `seed` draws the passages that IVF's clusters are learnt from.

    >>> FaissSettings(probes=64)
    FaissSettings(lists=None, probes=64, links=32, build=200, effort=None, seed=0)
    """

    lists: int | None = None
    probes: int | None = None
    links: int = 32
    build: int = 200
    effort: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for numbers below 1, and a seed that is none."""
        for name, value in asdict(self).items():
            if value is not None or name not in ("lists", "probes", "effort"):
                (SEED if name == "seed" else COUNT).check(value, f"faiss: {name}")


def faiss_topk(
    queries: NDArray[np.floating], passages: NDArray[np.floating], ids: StringColumn, k: int, kind: str,
    settings: FaissSettings | None = None, folder: Path | None = None, similarity: str = "dot",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:  # fmt: skip
    """Find the top k by a faiss index of `kind` ("faiss-flat", "ivf", "hnsw"); arguments and result as `exact_topk`.

    faiss proposes; what it found is scored anew as `exact_topk` scores, and ties are broken by ids. The index is built
    from blocks and is in memory whole while it is searched. With `folder` an approximate index is kept there and read
    back; it must be the folder of these very embeddings. Cosine and dot are searched by inner product, euclidean by L2,
    manhattan by "faiss-flat" alone.

    Raises InputError as `exact_topk` does, for another kind, and where faiss is not installed.
    """
    settings = settings or FaissSettings()
    check_pair(queries, passages, len(ids), k, similarity)
    index = open_index(passages, kind, settings, folder, similarity)
    return ask(index, queries, passages, ids, k, kind, settings, similarity)


def ask(
    index: Any, queries: NDArray[np.floating], passages: NDArray[np.floating], ids: StringColumn, k: int, kind: str,  # noqa: ANN401
    settings: FaissSettings, similarity: str = "dot",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:  # fmt: skip
    """Search an index of `build_index` or `open_index`; the rest is as for `faiss_topk`."""
    queries = check_pair(queries, passages, len(ids), k, similarity)
    count = len(passages)
    if kind == "ivf":
        index.nprobe = min(settings.probes or max(8, index.nlist // 4), index.nlist)
    elif kind == "hnsw":
        index.hnsw.efSearch = max(settings.effort or max(256, 2 * k), min(k + _SPARE, count))
    scores = np.full((len(queries), k), -np.inf, np.float32)
    places = np.full((len(queries), k), -1, np.int64)
    for first in range(0, len(queries), _GROUP):
        part = slice(first, first + _GROUP)
        _, found = index.search(queries[part], min(k + _SPARE, count))
        exact = np.full(found.shape, -np.inf, np.float32)
        for query, line, row in zip(queries[part], exact, found, strict=True):
            there = row >= 0  # an approximate index may find fewer
            line[there] = own_scores(query, np.asarray(passages[row[there]], np.float32), similarity)
        kept = cut(exact, found, k, ids)
        scores[part, : kept[0].shape[1]], places[part, : kept[1].shape[1]] = kept
    return scores, places


def measured_recall(
    queries: NDArray[np.floating], passages: NDArray[np.floating], ids: StringColumn, places: NDArray[np.int64],
    sample: int = 100, seed: int = 0, similarity: str = "dot",
) -> float:  # fmt: skip
    """Mean share of the exact top k that `places` (queries, k) hold, over `sample` queries drawn at random.

    >>> import pyarrow as pa
    >>> from hybridkit.storage.columns import StringColumn
    >>> ids = StringColumn(pa.array(["a", "b", "c"], pa.large_string()))
    >>> measured_recall(np.eye(2), np.array([[3, 1], [2, 3], [1, 2]]), ids, np.array([[0, 1], [0, 1]]))
    0.75
    """
    chosen = np.sort(generator(seed, "recall").permutation(len(queries))[:sample])
    _, exact = exact_topk(np.asarray(queries)[chosen], passages, ids, places.shape[1], similarity=similarity)
    pairs = zip(exact, places[chosen], strict=True)
    return float(np.mean([np.isin(right[right >= 0], found).mean() for right, found in pairs]))


def open_index(
    passages: NDArray[np.floating], kind: str, settings: FaissSettings, folder: Path | None = None,
    similarity: str = "dot",
) -> Any:  # noqa: ANN401  an index of faiss  # fmt: skip
    """Build an index of passages, or read the one that the folder of these embeddings keeps; see `faiss_topk`."""
    faiss = _faiss()
    made_by = {"ivf": ("lists", "seed"), "hnsw": ("links", "build")}.get(kind, ())
    metric = [] if _by_product(similarity) else [similarity]
    name = digest([kind, faiss.__version__, *(getattr(settings, setting) for setting in made_by), *metric])[:16]
    path = folder / f"{kind}-{name}.faiss" if folder and made_by else None
    if path is None or not path.is_file():
        index = build_index(passages, kind, settings, similarity)
        if path is not None:
            with atomic_write(path) as temporary:
                faiss.write_index(index, str(temporary))
        return index
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read ({str(error)[:80]}); delete it, and it is made again") from error
    if (index.ntotal, index.d) != passages.shape:
        raise InputError(
            f"{path}: an index of {index.ntotal} passages in {index.d} dimensions, and these are {passages.shape}; "
            "it was made from others: delete it or give another folder"
        )
    return index


def build_index(passages: NDArray[np.floating], kind: str, settings: FaissSettings, similarity: str = "dot") -> Any:  # noqa: ANN401
    """Build an index of faiss from passages, block by block; InputError for NaN, infinity and an unknown kind."""
    check_index(kind, similarity)
    faiss = _faiss()
    count, width = passages.shape
    metric = faiss.METRIC_INNER_PRODUCT if _by_product(similarity) else faiss.METRIC_L2
    if kind == "faiss-flat":
        index = faiss.IndexFlat(width, faiss.METRIC_L1 if similarity == "manhattan" else metric)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(width, settings.links, metric)
        index.hnsw.efConstruction = settings.build
    else:
        lists = max(1, min(settings.lists or round(4 * count**0.5), count // 39))
        index = faiss.IndexIVFFlat(faiss.IndexFlat(width, metric), width, lists, metric)
        sample = generator(settings.seed, "ivf").permutation(count)[: 64 * lists]
        index.train(np.ascontiguousarray(passages[np.sort(sample)], np.float32))
    for start, block in blocks(passages, max(1, BLOCK_BYTES // (4 * width))):
        if not np.isfinite(np.vecdot(block, block)).all():
            raise InputError(f"embeddings of passages: NaN or infinity in rows {start} to {start + len(block) - 1}")
        index.add(block)
    return index


def check_index(kind: str, similarity: str) -> None:
    """Raise InputError for an index that there is not, or that cannot search by a similarity."""
    if kind not in KINDS:
        raise InputError(f"index {kind!r}: there are exact, {', '.join(KINDS)}")
    if similarity == "manhattan" and kind != "faiss-flat":
        raise InputError(
            f"index {kind!r} knows no manhattan distance, which this model is made for; use dense or faiss-flat"
        )


def _by_product(similarity: str) -> bool:
    return similarity not in DISTANCES


def _faiss() -> Any:  # noqa: ANN401  a module
    try:
        import faiss
    except ImportError as error:
        raise InputError("this index needs faiss, which is not here; `pip install faiss-cpu`") from error
    return faiss
