"""Open what a run left behind for one benchmark: settings and texts at once, the rest when it is asked for."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.benchmark import JUDGEMENT_COLUMNS, PASSAGE_COLUMNS, QUERY_COLUMNS, Benchmark
from hybridkit.errors import InputError
from hybridkit.evaluation.ranks import read_ranks
from hybridkit.places import runs_folder
from hybridkit.widgets.index import Result, read_index, write_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.retrieval import Scorer
    from hybridkit.run import Run

_KEPT = 8  # rank tables and scorers that are held at a time


class Inspected:
    """What a run left behind for one benchmark; made by `open_inspected`.

    - `name`: how the run was named, for a line of Python that opens it again; `benchmark_name`: the benchmark's;
    - `benchmark`: its queries, passages and judgements; empty frames where its files are nowhere;
    - `strategies`: those that have rank tables, in the kit's order; `compare`: the two that the study compares;
    - `missing`: sentences that say what is not there, each with the command that makes it.
    """

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], benchmark_name: str, missing: list[str]) -> None:
        self.name, self.folder, self.settings = name, folder, settings
        self.benchmark_name, self.missing = benchmark_name, missing
        self.results: dict[tuple[str, int], Result] = {}
        self.strategies: list[str] = []
        self._ranks: dict[tuple[str, int], pd.DataFrame] = {}
        self._scorers: dict[tuple[str, int], Scorer] = {}

    @cached_property
    def _opened(self) -> tuple[Benchmark, NDArray[np.int64] | None, NDArray[np.int64] | None]:
        raise NotImplementedError

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark, or the part of one that the study names."""
        return self._opened[0]


def open_inspected(run: Run | Path | str, benchmark: str | None = None) -> Inspected:
    """Open what a run left behind for one benchmark of its study, the first one unless another is named.

    `run` is a Run, a run folder or the name of a study. Nothing is trained, encoded or ranked, and what is not there is
    told in `missing`. Raises InputError for a benchmark that the study has not.
    """
    raise NotImplementedError
