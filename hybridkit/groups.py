"""Which rows may never meet in a batch: groups of rows that share an id or a text, directly or through others."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybridkit.characters import visible
from hybridkit.storage.hashes import first_equal, hash_strings

VERSION = 2  # of what counts as one text: a corpus that the kit keeps and that has other groups is made anew
_BLOCK = 1 << 20  # rows looked at together


def normalise(text: str) -> str:
    r"""The form in which two texts count as the same: what is `visible`, NFKC, case folded, spaces collapsed.

    >>> normalise(" Ｏverview  of Fi\u00adles ") == normalise("overview of files")
    True
    """
    form = text if text.isascii() else unicodedata.normalize("NFKC", visible(text))  # ASCII is its own NFKC
    return " ".join(form.casefold().split())


@dataclass(frozen=True)
class TextKeys:
    """Equal numbers for equal normalised texts: `keys[starts[side, language] + place]` belongs to a text of a table."""

    keys: np.ndarray
    starts: Mapping[tuple[str, str], int]

    @classmethod
    def make(cls, texts: Mapping[tuple[str, str], Any], sides: Sequence[str]) -> "TextKeys":
        """Number the texts of some sides' tables (Arrow arrays) in memory; the sides are compared with each other."""
        starts, parts = {}, [np.empty((0, 2), dtype=np.uint64)]
        for key in sorted(key for key in texts if key[0] in sides):
            starts[key] = sum(map(len, parts))
            parts.append(hash_strings(map(normalise, texts[key].to_pylist())))
        return cls(first_equal(np.concatenate(parts)), starts)

    def of(self, side: str, tag: str, places: np.ndarray) -> np.ndarray:
        """Keys of the texts at some places of a table, -1 where the place is."""
        if (side, tag) not in self.starts:
            return np.full(len(places), -1, dtype=np.int32)
        return np.where(places >= 0, self.keys[self.starts[side, tag] + np.maximum(places, 0)], np.int32(-1))

    def columns(self, side: str, languages: Sequence[str], places: np.ndarray) -> Iterator[np.ndarray]:
        """The keys of a side's texts, int32 (rows,), language by language."""
        for column, tag in enumerate(languages):
            yield self.of(side, tag, places[:, column])


def connected_groups(count: int, spaces: Iterable[Iterable[np.ndarray]]) -> np.ndarray:
    """Number the connected components of rows that share a key, directly or through other rows.

    Each space is one or more int arrays (rows,): rows that have one key anywhere in a space are joined, -1 is no key;
    keys of different spaces are different things. Returns int32 (rows,), numbered in order of first rows; in memory are
    a few integers a row and a key.

    >>> connected_groups(4, [[np.array([7, 8, 7, 9])], [np.array([0, 1, -1, 2]), np.array([3, -1, -1, 1])]])
    array([0, 1, 0, 1], dtype=int32)
    """
    labels = np.arange(count, dtype=np.int32)
    for space in spaces:
        row_of = np.empty(0, dtype=np.int32)  # a row that has the key, whatever its label becomes
        for keys in space:
            grown = np.full(max(len(row_of), int(keys.max(initial=-1)) + 1), -1, dtype=np.int32)
            grown[: len(row_of)] = row_of
            labels, row_of = _joined(labels, keys, grown), grown
    first = np.full(count, count, dtype=np.int32)
    first[labels[::-1]] = np.arange(count, dtype=np.int32)[::-1]  # of equal places the last one stays: the first row
    leaders = np.flatnonzero(first < count)
    rank = np.empty(count, dtype=np.int32)
    rank[leaders[np.argsort(first[leaders])]] = np.arange(len(leaders), dtype=np.int32)
    return rank[labels]


def _joined(labels: np.ndarray, keys: np.ndarray, row_of: np.ndarray) -> np.ndarray:
    """Labels after the rows of each key were joined to any one of them; new keys are entered in `row_of`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = np.flatnonzero(keys >= 0)
    keys = keys[rows]
    fresh = row_of[keys] < 0
    row_of[keys[fresh]] = rows[fresh]
    one, other = labels[rows], labels[row_of[keys]]
    apart = one != other  # few, once the ids have joined what belongs together
    if not apart.any():
        return labels
    size = int(labels.max()) + 1
    edges = (np.ones(int(apart.sum()), dtype=np.int8), (one[apart], other[apart]))
    components = connected_components(coo_matrix(edges, shape=(size, size)), directed=False)[1]
    return np.asarray(components[labels], dtype=np.int32)


def groups_of_negatives(
    group: np.ndarray, places: Mapping[str, np.ndarray], keys: TextKeys, languages: Sequence[str], out: np.ndarray
) -> np.ndarray:
    """Fill `out`, int32 (rows, languages), with the group that each negative's text belongs to, -1 for none.

    That is the group of the rows one of whose passages, in any language, is the same normalised text; they are all of
    one group. `keys` are those of passages and negatives together.
    """
    group_of = np.full(len(keys.keys), -1, dtype=np.int32)
    for found in keys.columns("passage", languages, places["passage"]):
        group_of[found[found >= 0]] = group[found >= 0]
    for start in range(0, len(group), _BLOCK):
        block = places["negative"][start : start + _BLOCK]
        for column, tag in enumerate(languages):
            found = keys.of("negative", tag, block[:, column])
            out[start : start + _BLOCK, column] = np.where(found >= 0, group_of[np.maximum(found, 0)], -1)
    return out
