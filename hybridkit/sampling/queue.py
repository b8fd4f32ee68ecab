"""An endless shuffled queue of rows that gives batches of rows that may stand together."""

from collections import deque
from heapq import heappop, heappush

import numpy as np


class RowQueue:
    """Gives batches of rows of different groups, in order of arrival; in it every row stands once an epoch.

    `rows` are increasing positions in a corpus, `group` the group of each of them, `size` the rows of a batch; there
    must be as many groups. A row whose group is in the batch already waits for the next one. Time grows with the rows
    drawn and not with those that wait: of a group only the row that came first can be next, so a heap has it.

    >>> queue = RowQueue(np.array([3, 5, 8]), np.array([0, 0, 1]), 2, np.random.default_rng(0))
    >>> queue.take(2).tolist()
    [[8, 3], [5, 8]]
    """

    def __init__(self, rows: np.ndarray, group: np.ndarray, size: int, random: np.random.Generator) -> None:
        self._rows, self._size, self._random = rows, size, random
        _, self._group = np.unique(group, return_inverse=True)
        self._group = self._group.astype(np.int32)
        self._fresh = np.arange(len(rows), dtype=np.int32)  # what the next epoch holds, in order
        self._order, self._at = self._fresh[:0], 0
        self._clock = 0  # arrivals so far
        self._used = np.full(int(self._group.max(initial=-1)) + 1, -1, dtype=np.int64)  # when a group was last drawn
        self._waits = np.zeros(len(rows), dtype=bool)
        self._waiting: dict[int, deque[tuple[int, int]]] = {}  # by group: (arrival, row), first come first
        self._next_waiting: list[tuple[int, int]] = []  # heap of (arrival of the first, group)
        self._released: list[int] = []  # rows that waited and were drawn in this epoch

    def take(self, count: int) -> np.ndarray:
        """The next `count` batches, int32 (count, size) of positions in the corpus."""
        batches = np.empty((count, self._size), dtype=np.int32)
        for batch in batches:
            self._fill(batch)
        return np.asarray(self._rows[batches], dtype=np.int32)

    def _fill(self, batch: np.ndarray) -> None:
        start = self._clock
        filled, heads = 0, []
        while self._next_waiting and filled < self._size:
            _, group = heappop(self._next_waiting)
            _, row = self._waiting[group].popleft()
            self._used[group] = start
            self._waits[row] = False
            self._released.append(row)
            heads.append(group)
            batch[filled] = row
            filled += 1
        self._clock += 1  # no arrival has the number of the groups that waited
        while filled < self._size:
            arrived = self._arrive(self._size - filled)
            group = self._group[arrived]
            number = np.arange(self._clock, self._clock + len(arrived))
            self._clock += len(arrived)
            free = self._used[group] < start
            self._used[group[free][::-1]] = number[free][::-1]  # of equal groups the first is written last and stays
            free &= self._used[group] == number
            drawn = arrived[free]
            batch[filled : filled + len(drawn)] = drawn
            filled += len(drawn)
            if len(drawn) < len(arrived):
                self._wait(number[~free].tolist(), group[~free].tolist(), arrived[~free])
        for group in heads:
            if self._waiting[group]:
                heappush(self._next_waiting, (self._waiting[group][0][0], group))
            else:
                del self._waiting[group]

    def _wait(self, numbers: list[int], groups: list[int], rows: np.ndarray) -> None:
        self._waits[rows] = True
        for number, group, row in zip(numbers, groups, rows.tolist(), strict=True):
            if group not in self._waiting:
                self._waiting[group] = deque()
                heappush(self._next_waiting, (number, group))
            self._waiting[group].append((number, row))

    def _arrive(self, count: int) -> np.ndarray:
        if self._at == len(self._order):
            # a row that still waits from the epoch before keeps its place and is not queued twice
            if self._released or self._waiting:
                back = np.array(self._released, dtype=np.int32)
                self._fresh = np.union1d(self._fresh[~self._waits[self._fresh]], back)
                self._released.clear()
            self._order, self._at = self._random.permutation(self._fresh), 0
        part = self._order[self._at : self._at + count]
        self._at += len(part)
        return part
