"""BatchPlan: a whole training as integers, made before it starts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.files import digest
from hybridkit.sampling.planfile import read_plan, write_plan


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """Every batch of a training.

    `draws` is int32 (steps, batch, 3): row of the corpus, query language and passage language as positions in
    `languages`. `kinds` is (steps,) of "mono", "cross", "mixed" or "blend" (see `Strategy`). `corpus` is the
    fingerprint of the corpus that the rows count in, `lexicon` that of what switches the texts, "" where nothing does.
    """

    draws: np.ndarray
    kinds: np.ndarray
    languages: tuple[str, ...]
    strategy: str
    seed: int
    corpus: str
    lexicon: str = ""

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
        known = [self.draws, self.kinds.tolist(), list(self.languages), self.strategy, self.seed, self.corpus]
        return digest(*known, *([self.lexicon] if self.lexicon else []))

    def check(self, corpus: ParallelCorpus) -> None:
        """Raise InputError unless the plan was made of this very corpus, and draws what the corpus has."""
        if self.corpus != corpus.fingerprint:
            raise InputError(
                f"the plan of {self.strategy} (seed {self.seed}) was made of another corpus "
                f"({self.corpus[:12]}, this one is {corpus.fingerprint[:12]}); make it again"
            )
        if unknown := sorted(set(self.languages) - set(corpus.languages)):
            raise InputError(
                f"the plan of {self.strategy} draws in {unknown[0]!r}, which the corpus has not; make it again"
            )
        if self.draws.size and int(self.draws[..., 0].max()) >= len(corpus):
            raise InputError(
                f"the plan of {self.strategy} (seed {self.seed}) draws row {self.draws[..., 0].max()} of a corpus of "
                f"{len(corpus)}; make it again"
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
        width = len(self.languages)
        code = self.draws[..., 1].ravel() * np.int32(width) + self.draws[..., 2].ravel()
        counts = np.bincount(code, minlength=width**2).reshape(width, width)
        return pd.DataFrame(counts, index=list(self.languages), columns=list(self.languages))

    def describe(self) -> pd.Series:
        """The plan in numbers: steps, batch size, share of each batch kind, rows drawn, most draws of one row."""
        times = np.bincount(self.draws[..., 0].ravel())
        times = times[times > 0]
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
        if corpus is not None:
            self.check(corpus)
        write_plan(self, path, corpus)

    @classmethod
    def read(cls, path: Path) -> "BatchPlan":
        """Read a plan that `write` wrote; InputError for anything else."""
        return read_plan(path)
