"""Training triples of ids (query, positive, negative): read once into integers on disk, judged and counted there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hybridkit.sources.tsv import read_tsv
from hybridkit.storage.columns import CHUNK

_MANY = 1 << 22  # numbers that wait before the distinct ones among them are kept
_SHIFT = np.int64(32)


@dataclass(frozen=True)
class Triples:
    """`lines` is int32 (lines, 3): ids of query, positive and negative, -1 for a negative that may not be one.

    `judged` are the distinct (query, positive) as sorted int64, the query in the upper half; `queries`, `positives` and
    `negatives` the sorted distinct ids of each column; `dropped` counts negatives that are positives of their query.
    """

    lines: np.ndarray
    judged: np.ndarray
    negatives: np.ndarray
    dropped: int

    @property
    def queries(self) -> np.ndarray:
        """Sorted distinct ids of the queries, int32."""
        return np.unique(self.judged >> _SHIFT).astype(np.int32)

    @property
    def positives(self) -> np.ndarray:
        """Sorted distinct ids of the positives, int32."""
        return np.unique(self.judged.astype(np.int32))

    def one_each(self, random: np.random.Generator) -> "Triples":
        """One line for every distinct (query, positive), in order of ids; its negative is drawn from its lines.

        A line whose negative may not be one takes part only where no other does.
        """
        chosen, best = np.full(len(self.judged), -1, dtype=np.int32), np.full(len(self.judged), np.inf)
        for block in _blocks(self.lines):
            chance = random.random(len(block))
            order = np.argsort(-chance)  # of lines of one pair the last stays: the one with the smallest number
            order = order[block[order, 2] >= 0]
            pair = np.searchsorted(self.judged, _paired(block[order, 0], block[order, 1]))
            lower = chance[order] < best[pair]
            best[pair[lower]], chosen[pair[lower]] = chance[order][lower], block[order, 2][lower]
        lines = np.stack([(self.judged >> _SHIFT).astype(np.int32), self.judged.astype(np.int32), chosen], axis=1)
        return replace(self, lines=lines, negatives=np.unique(chosen[chosen >= 0]))


def read_triples(path: Path, work: Path, done: Callable[[int], object] = lambda _: None) -> Triples:
    """Read a file of lines QUERY TAB POSITIVE TAB NEGATIVE; the numbers lie in the folder `work`, 12 bytes a line.

    Raises InputError with file and line for a line of another shape, MissingDataError for no file.
    """
    columns = {"query": "id", "positive": "id", "negative": "id"}
    pairs, count = _Distinct(), 0
    with (work / "triples").open("wb") as file:
        for batch in read_tsv(path, columns, done, "mmarco"):
            ids = np.stack([batch[name].to_numpy() for name in columns], axis=1)
            file.write(ids.data)
            pairs.add(_paired(ids[:, 0], ids[:, 1]))
            count += len(ids)
    judged = pairs.all()
    lines = np.asarray(np.memmap(work / "triples", dtype=np.int32, mode="r+", shape=(count, 3)))
    negatives, dropped = _Distinct(), 0
    for block in _blocks(lines):
        key = _paired(block[:, 0], block[:, 2])
        wrong = judged[np.minimum(np.searchsorted(judged, key), len(judged) - 1)] == key
        block[wrong, 2] = -1
        dropped += int(wrong.sum())
        negatives.add(block[~wrong, 2])
    return Triples(lines, judged, negatives.all(), dropped)


class _Distinct:
    """Collects the distinct numbers of a stream; those that wait are few."""

    def __init__(self) -> None:
        self._whole, self._waiting = np.empty(0, dtype=np.int64), [np.empty(0, dtype=np.int64)]

    def add(self, numbers: np.ndarray) -> None:
        """Look at some more."""
        self._waiting.append(np.unique(numbers))
        if sum(map(len, self._waiting)) > max(_MANY, len(self._whole)):
            self.all()

    def all(self) -> np.ndarray:
        """Sorted, int64."""
        self._whole, self._waiting = np.unique(np.concatenate([self._whole, *self._waiting])), []
        return self._whole


def _blocks(lines: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(lines), CHUNK):
        yield lines[start : start + CHUNK]


def _paired(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    return np.asarray((high.astype(np.int64) << _SHIFT) | low)
