"""BatchPlan: a whole training as integers, made before it starts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.files import atomic_write, digest

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Every batch of a training.

    `draws` is int32 (steps, batch, 3): row of the corpus, query language and passage language as positions in
    `languages`. `kinds` is (steps,) of "mono", "cross" or "mixed". `corpus` is the fingerprint of the corpus that the
    rows count in.
    """

    draws: np.ndarray
    kinds: np.ndarray
    languages: tuple[str, ...]
    strategy: str
    seed: int
    corpus: str

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.draws)

    def __getitem__(self, steps: slice) -> "BatchPlan":
        """The plan of some consecutive steps; TypeError for one step, which `draws` has."""
        if not isinstance(steps, slice):
            raise TypeError("a plan is cut by a slice, plan[:10]; plan.draws[0] has one step, plan.batches() all")
        return replace(self, draws=self.draws[steps], kinds=self.kinds[steps])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the plan's content, as hex."""
        return digest(self.draws, self.kinds.tolist(), list(self.languages), self.strategy, self.seed, self.corpus)

    def check(self, corpus: ParallelCorpus) -> None:
        """Raise InputError unless the plan was made of this very corpus."""
        if self.corpus != corpus.fingerprint:
            raise InputError(
                f"the plan of {self.strategy} (seed {self.seed}) was made of another corpus "
                f"({self.corpus[:12]}, this one is {corpus.fingerprint[:12]}); make it again"
            )

    def texts(self, corpus: ParallelCorpus, draws: np.ndarray) -> tuple[list[str], list[str]]:
        """Queries and passages of some draws, an int array (n, 3)."""
        return (
            corpus.take_texts("query", draws[:, 0], draws[:, 1]),
            corpus.take_texts("passage", draws[:, 0], draws[:, 2]),
        )

    def frame(self, corpus: ParallelCorpus | None = None) -> pd.DataFrame:
        """One line a draw: step, kind, row, query_language, passage_language, and with the corpus id and passage_id."""
        steps, batch, _ = self.draws.shape
        row, query, passage = self.draws.reshape(-1, 3).T
        tags = np.array(self.languages, dtype=object)
        columns = {"step": np.repeat(np.arange(steps), batch), "kind": np.repeat(self.kinds, batch), "row": row}
        if corpus is not None:
            self.check(corpus)
            columns |= {"id": corpus.ids[row], "passage_id": corpus.passage_ids[row]}
        return pd.DataFrame(columns | {"query_language": tags[query], "passage_language": tags[passage]})

    def matrix(self) -> pd.DataFrame:
        """Number of draws by query language (index) and passage language (columns)."""
        counts = np.zeros((len(self.languages),) * 2, dtype=np.int64)
        np.add.at(counts, (self.draws[..., 1].ravel(), self.draws[..., 2].ravel()), 1)
        return pd.DataFrame(counts, index=list(self.languages), columns=list(self.languages))

    def describe(self) -> pd.Series:
        """The plan in numbers: steps, batch size, share of each batch kind, rows drawn, most draws of one row."""
        _, times = np.unique(self.draws[..., 0], return_counts=True)
        kinds = {f"share of {kind} batches": float((self.kinds == kind).mean()) for kind in sorted(set(self.kinds))}
        return pd.Series(
            {"steps": len(self), "batch size": self.draws.shape[1], **kinds, "different rows": len(times),
             "fewest draws of a drawn row": int(times.min()), "most draws of a row": int(times.max())}, dtype=object,
        )  # fmt: skip

    def batches(self) -> Iterator[np.ndarray]:
        """The draws of one step after the other, each int32 (batch, 3)."""
        yield from self.draws

    def write(self, path: Path, corpus: ParallelCorpus | None = None) -> None:
        """Write the plan as a parquet table (the columns of `frame`) that `read` reads back."""
        meta = {"format": _FORMAT, "languages": self.languages, "strategy": self.strategy, "seed": self.seed}
        meta |= {"corpus": self.corpus, "batch": self.draws.shape[1]}
        table = pa.Table.from_pandas(self.frame(corpus), preserve_index=False)
        with atomic_write(Path(path)) as temporary:
            pq.write_table(
                table.replace_schema_metadata({"hybridkit": json.dumps(meta)}), temporary, compression="zstd"
            )

    @classmethod
    def read(cls, path: Path) -> "BatchPlan":
        """Read a plan that `write` wrote; InputError for anything else."""
        try:
            table = pq.read_table(path)
            meta = json.loads((table.schema.metadata or {})[b"hybridkit"])
        except (OSError, pa.ArrowInvalid, KeyError, json.JSONDecodeError) as error:
            raise InputError(f"{path}: not a batch plan ({error}); make one with `hybridkit plan`") from error
        if meta.get("format") != _FORMAT:
            raise InputError(f"{path}: plan format {meta.get('format')}, this kit reads {_FORMAT}; make the plan again")
        place = {tag: number for number, tag in enumerate(meta["languages"])}
        frame = table.to_pandas()
        draws = np.stack(
            [frame["row"], frame["query_language"].map(place), frame["passage_language"].map(place)], axis=1
        )
        draws = draws.astype(np.int32).reshape(-1, meta["batch"], 3)
        kinds = frame["kind"].to_numpy(dtype=object)[:: meta["batch"]]
        return cls(draws, kinds, tuple(meta["languages"]), meta["strategy"], meta["seed"], meta["corpus"])
