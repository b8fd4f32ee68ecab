"""Retrieval systems: each makes a scorer, a function from a slice of query positions to a block of scores.

It may import `models`, `sampling`, `data` and `utils`. Start at `dense` and `bm25`; `search` searches collections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# A scorer takes a slice of positions in `benchmark.queries` and returns float scores, one row a query, one column
# a passage of `benchmark.passages`. Each call makes a new array, which the caller may change.
Scorer: TypeAlias = Callable[[slice], NDArray[np.floating]]
