"""BatchPlan: a whole training as integers, made before it starts, kept as a parquet table.

It is written and read in pieces, so that a plan of ten million draws needs little memory.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write, digest
from hybridkit.utils.reading import json_value

FORMAT = 2  # 1: mono and hybrid drew the language first, and the kind of each batch by itself
_DRAWS = 1 << 20  # written at a time
_TEXT = pa.large_string()
KINDS = ("mono", "cross", "mixed", "blend")
_META = {
    "format": int,
    "languages": list,
    "strategy": str,
    "seed": int,
    "corpus": str,
    "batch": int,
    "lexicon": str,
    "fingerprint": str,
}


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
        """Return the plan of some consecutive steps; TypeError for one step, which `draws` has."""
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
                f"the plan of {self.strategy} draws in {unknown[0]!r}, which is not in the corpus; make it again"
            )
        if self.draws.size and int(self.draws[..., 0].max()) >= len(corpus):
            raise InputError(
                f"the plan of {self.strategy} (seed {self.seed}) draws row {self.draws[..., 0].max()} of a corpus of "
                f"{len(corpus)}; make it again"
            )

    def frame(self, corpus: ParallelCorpus | None = None) -> pd.DataFrame:
        """Return one line a draw: step, kind, row, query_language, passage_language; with the corpus its ids too."""
        steps, batch, _ = self.draws.shape
        row, query, passage = self.draws.reshape(-1, 3).T
        tags = np.array(self.languages, dtype=object)
        columns = {"step": np.repeat(np.arange(steps), batch), "kind": np.repeat(self.kinds, batch), "row": row}
        if corpus is not None:
            self.check(corpus)
            columns |= {"id": corpus.ids[row], "passage_id": corpus.passage_ids[row]}
        return pd.DataFrame(columns | {"query_language": tags[query], "passage_language": tags[passage]})

    def matrix(self) -> pd.DataFrame:
        """Return the number of draws by query language (index) and passage language (columns)."""
        width = len(self.languages)
        code = self.draws[..., 1].ravel() * np.int32(width) + self.draws[..., 2].ravel()
        counts = np.bincount(code, minlength=width**2).reshape(width, width)
        return pd.DataFrame(counts, index=list(self.languages), columns=list(self.languages))

    def describe(self) -> pd.Series:
        """Return numbers of the plan: steps, batch size, share of each batch kind, rows drawn, draws of a row."""
        times = np.bincount(self.draws[..., 0].ravel())
        times = times[times > 0]
        kinds = {f"share of {kind} batches": float((self.kinds == kind).mean()) for kind in sorted(set(self.kinds))}
        return pd.Series(
            {
                "steps": len(self),
                "batch size": self.draws.shape[1],
                **kinds,
                "different rows": len(times),
                "fewest draws of a drawn row": int(times.min()),
                "most draws of a row": int(times.max()),
            },
            dtype=object,
        )

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the draws of one step after the other, each int32 (batch, 3)."""
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


def write_plan(plan: "BatchPlan", path: Path, corpus: "ParallelCorpus | None") -> None:
    """Write a plan as a table with one line a draw, with the ids where the corpus is given; see `BatchPlan.frame`."""
    meta = {"format": FORMAT, "languages": plan.languages, "strategy": plan.strategy, "seed": plan.seed}
    meta |= {"corpus": plan.corpus, "batch": plan.draws.shape[1]}
    if plan.lexicon:
        meta["lexicon"] = plan.lexicon
    meta["fingerprint"] = plan.fingerprint
    types = {"step": pa.int64(), "kind": _TEXT, "row": pa.int32()}
    types |= {"id": _TEXT, "passage_id": _TEXT} if corpus is not None else {}
    types |= {"query_language": _TEXT, "passage_language": _TEXT}
    schema = pa.schema(types.items(), {"hybridkit": json.dumps(meta)})
    batch, tags = plan.draws.shape[1], pa.array(plan.languages, _TEXT)
    count = max(1, _DRAWS // batch)
    options: Any = {"compression": "zstd", "write_page_checksum": True}
    with atomic_write(Path(path)) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        for first in range(0, max(1, len(plan)), count):
            draws = plan.draws[first : first + count]
            row, query, passage = np.ascontiguousarray(draws.reshape(-1, 3).T)
            step = np.repeat(np.arange(first, first + len(draws)), batch)
            columns = [pa.array(step), pa.array(plan.kinds[step], _TEXT), pa.array(row)]
            if corpus is not None:
                columns += [pa.array(names[row], _TEXT) for names in (corpus.ids, corpus.passage_ids)]
            columns += [tags.take(pa.array(column)) for column in (query, passage)]
            writer.write_table(pa.table(columns, schema=schema))


def read_plan(path: Path) -> "BatchPlan":
    """Read a plan that `write_plan` wrote; InputError for anything else, a damaged plan too.

    The file holds the plan's fingerprint, and what was read is compared with it (plans of earlier versions have none).
    """
    cure = "make one with `hybridkit plan`"
    try:
        with pq.ParquetFile(
            path, read_dictionary=["kind", "query_language", "passage_language"], page_checksum_verification=True
        ) as file:
            meta = _meta(file, path)
            rows = file.metadata.num_rows
            if rows % meta["batch"] or rows > 10**6 + 100 * path.stat().st_size:  # no draws pack like that
                raise ValueError(f"{rows} draws in batches of {meta['batch']}")
            row = _numbers(file, rows)
            draws = np.empty((rows, 3), dtype=np.int32)
            draws[:, 0] = row
            for side, name in enumerate(("query_language", "passage_language"), start=1):
                draws[:, side] = _codes(file, name, meta["languages"])
            kinds = np.array(KINDS, dtype=object)[_codes(file, "kind", list(KINDS))[:: meta["batch"]]]
    except InputError:
        raise
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: not a batch plan ({error}); {cure}") from error
    draws, lexicon = draws.reshape(-1, meta["batch"], 3), meta.get("lexicon", "")
    plan = BatchPlan(draws, kinds, tuple(meta["languages"]), meta["strategy"], meta["seed"], meta["corpus"], lexicon)
    if "fingerprint" in meta and meta["fingerprint"] != plan.fingerprint:
        raise InputError(f"{path}: damaged, its draws are not those that were written; {cure}")
    return plan


def _meta(file: pq.ParquetFile, path: Path) -> dict[str, Any]:
    """The settings in the file, each value of its type; ValueError for anything else."""
    meta = json_value(((file.schema_arrow.metadata or {})[b"hybridkit"]).decode(), str(path), "a batch plan")
    if not isinstance(meta, dict) or not meta.keys() <= _META.keys():
        raise ValueError("its settings are not those of a plan")
    if meta.get("format") != FORMAT:
        raise InputError(f"{path}: plan format {meta.get('format')}, this kit reads {FORMAT}; make the plan again")
    for key, kind in _META.items():
        if key not in meta and key in ("lexicon", "fingerprint"):
            continue
        if type(meta.get(key)) is not kind:
            raise ValueError(f"{key} is {meta.get(key)!r}")
    languages = meta["languages"]
    if not all(isinstance(tag, str) for tag in languages) or len(set(languages)) < len(languages):
        raise ValueError(f"languages are {languages!r}")
    if meta["batch"] < 1:
        raise ValueError(f"batch is {meta['batch']}")
    return meta


def _numbers(file: pq.ParquetFile, count: int) -> np.ndarray:
    """The column of rows, int32 from 0 on; ValueError for another."""
    column = file.read(["row"])["row"]
    if column.type != pa.int32() or column.null_count or len(column) != count:
        raise ValueError(f"row is {len(column)} values of {column.type}, {column.null_count} of them null")
    found: np.ndarray = column.to_numpy()
    if len(found) and found.min() < 0:
        raise ValueError(f"row {found.min()}")
    return found


def _codes(file: pq.ParquetFile, name: str, known: list[str]) -> np.ndarray:
    """A column of texts as positions in a list of known ones, int32; ValueError for a text that is not in it."""
    column = file.read([name])[name]
    if column.null_count or len(column) != file.metadata.num_rows:
        raise ValueError(f"{name} has {len(column)} values, {column.null_count} of them null")
    found = [np.empty(0, dtype=np.int32)]
    for chunk in column.chunks:
        position = np.array([known.index(text) for text in chunk.dictionary.to_pylist()], dtype=np.int32)
        found.append(position[chunk.indices.to_numpy()])
    return np.concatenate(found)
