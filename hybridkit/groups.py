"""Which rows may never meet in a batch: groups of rows that share an id or a text, directly or through others."""

import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa


def normalise(text: str) -> str:
    """The form in which two texts count as the same: NFKC, case folded, spaces collapsed.

    >>> normalise(" Ｏverview  of Files ") == normalise("overview of files")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def connected_groups(
    names: np.ndarray,
    places: Mapping[str, np.ndarray],
    texts: Mapping[tuple[str, str], pa.Array],
    languages: Sequence[str],
) -> np.ndarray:
    """Number the connected components of rows that share a name or a normalised text.

    `names` is (rows, kinds of name), say passage_id and query_id; `places` and `texts` are those of a ParallelCorpus.
    Returns int32 (rows,). A shared text counts in any language: what answers a heading in German answers its English
    twin too. Queries are compared with queries, passages with passages.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    keys: dict[tuple[str, str], int] = {}
    rows: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    for number in range(names.shape[1]):
        rows.append(np.arange(len(names)))
        found = [keys.setdefault((f"name {number}", name), len(keys)) for name in names[:, number]]
        targets.append(np.array(found, dtype=np.int64))
    for side in ("query", "passage"):
        for column, tag in enumerate(languages):
            if (side, tag) not in texts:
                continue
            key = [keys.setdefault((side, normalise(text)), len(keys)) for text in texts[side, tag].to_pylist()]
            has = np.flatnonzero(places[side][:, column] >= 0)
            rows.append(has)
            targets.append(np.array(key, dtype=np.int64)[places[side][has, column]])
    row, target = np.concatenate(rows), np.concatenate(targets) + len(names)
    size = len(names) + len(keys)
    graph = coo_matrix((np.ones(len(row), dtype=np.int8), (row, target)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1][: len(names)], dtype=np.int32)
