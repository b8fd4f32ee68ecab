"""The run folder of a study: every product made once, whole, under a name that is the hash of what it was made from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.benchmark import Benchmark
from hybridkit.cell import Cell
from hybridkit.embedding import encode
from hybridkit.evaluation.ranks import rank_table_from_scores, read_ranks, write_ranks
from hybridkit.files import atomic_write, digest
from hybridkit.hygiene import evaluated, refuse_leaks
from hybridkit.judged import open_judged
from hybridkit.retrieval import Scorer
from hybridkit.retrieval.dense import dense
from hybridkit.sources.benchmarks import base_name, benchmark_path, open_benchmark, part_of
from hybridkit.study import UNTRAINED, Study
from hybridkit.trainings import Trainings


class Run(Trainings):
    """What a study has made so far, and makes when it is asked for: its trainings, then embeddings and rank tables."""

    def __init__(self, study: Study | str | Path, folder: Path | None = None) -> None:
        super().__init__(study, folder)
        self._parts: dict[str, tuple[Benchmark, np.ndarray, np.ndarray]] = {}

    def check(self) -> None:
        """Raise InputError now for what would fail later: missing files, unknown benchmarks, impossible batches."""
        for name in self.study.benchmarks:
            if base_name(name) != "held-out":
                benchmark_path(self.study.at(base_name(name)))
        for name in evaluated(self.study)[1]:
            open_judged(self.study.at(name))
        for part in self.parts:
            refuse_leaks(part, self.leaks, f"study {self.study.name}")
        for cell in self:
            if cell.strategy != UNTRAINED:
                self.plan(cell)

    def benchmark(self, name: str) -> Benchmark:
        """A whole benchmark by name; "held-out" is that of the study's held-out rows. Kept once opened."""
        if name not in self._parts:
            whole = self.held_out if name == "held-out" else open_benchmark(self.study.at(name))
            self._parts[name] = (whole, np.arange(len(whole.queries)), np.arange(len(whole.passages)))
        return self._parts[name][0]

    def part(self, name: str) -> tuple[Benchmark, np.ndarray, np.ndarray]:
        """The part of a benchmark that a name asks for, with its positions in the whole. Kept once opened."""
        if name not in self._parts:
            self._parts[name] = part_of(self.benchmark(base_name(name)), name)
        return self._parts[name]

    def embeddings(self, cell: Cell, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of a whole benchmark's queries and passages by a model, float32, mapped from disk."""
        settings, benchmark = self.study.evaluation, self.benchmark(base_name(name))
        paths = self.embedding_paths(cell, name)
        missing = [path for path in paths if not path.is_file()]
        model = self.open_model(cell) if missing else None
        for path, side, frame in zip(paths, ("query", "passage"), (benchmark.queries, benchmark.passages), strict=True):
            if path in missing and model is not None:
                found = encode(
                    model, frame["text"].tolist(), side, max_length=settings.max_length, precision=settings.precision,
                    progress=f"{cell}: {benchmark.name} {side}",
                )  # fmt: skip
                with atomic_write(path) as temporary, temporary.open("wb") as file:
                    np.save(file, found, allow_pickle=False)
        query, passage = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
        return query, passage

    def result_key(self, cell: Cell, benchmark: Benchmark) -> str:
        """Hash of everything that a model's results on a benchmark, or a part of one, are made from."""
        settings = self.study.evaluation
        return digest(self.model_key(cell), benchmark.fingerprint, settings.max_length, settings.precision)

    def scorer(self, cell: Cell, name: str) -> Scorer:
        """The dense scorer of a model on a benchmark or a part of one."""
        part, queries, passages = self.part(name)
        whole = self.embeddings(cell, name)
        return dense(part, whole[0][queries], whole[1][passages])

    def ranks(self, cell: Cell, name: str) -> pd.DataFrame:
        """The rank table of a model on a benchmark or a part of one."""
        path = self.ranks_path(cell, name)
        if not path.is_file():
            write_ranks(rank_table_from_scores(self.part(name)[0], self.scorer(cell, name)), path)
        return read_ranks(path)

    def ranks_path(self, cell: Cell, name: str) -> Path:
        """Where the rank table of a model on a benchmark lies, or will lie."""
        return self.folder / "ranks" / f"{self.result_key(cell, self.part(name)[0])[:24]}.parquet"

    def forget_embeddings(self, cell: Cell, name: str) -> None:
        """Remove a model's embeddings of a benchmark: of hundreds of models that are ranked they only take room."""
        for path in self.embedding_paths(cell, name):
            path.unlink(missing_ok=True)

    def embedding_paths(self, cell: Cell, name: str) -> list[Path]:
        """Where the embeddings of a whole benchmark's queries and passages by a model lie, or will lie."""
        key = self.result_key(cell, self.benchmark(base_name(name)))
        return [self.folder / "embeddings" / f"{key[:24]}-{side}.npy" for side in ("query", "passage")]

    def finish(self, number: str, numbers: dict[str, Any]) -> None:
        """Write a notebook's key numbers to notebooks/NUMBER.json, which tests and the next notebooks read."""
        text = pd.Series(numbers, dtype=object).to_json(indent=2, double_precision=6, force_ascii=False)
        self.write_json(f"notebooks/{number}.json", json.loads(text))
