"""Batch plans as parquet tables, written and read in parts so that a plan of ten million draws needs little memory."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hybridkit.errors import InputError
from hybridkit.files import atomic_write

if TYPE_CHECKING:
    from hybridkit.corpus import ParallelCorpus
    from hybridkit.sampling.plan import BatchPlan

_FORMAT = 1
_DRAWS = 1 << 20  # draws of one part
_TEXT = pa.large_string()


def write_plan(plan: "BatchPlan", path: Path, corpus: "ParallelCorpus | None") -> None:
    """Write a plan as a table of one line a draw, with the ids where the corpus is given; see `BatchPlan.frame`."""
    meta = {"format": _FORMAT, "languages": plan.languages, "strategy": plan.strategy, "seed": plan.seed}
    meta |= {"corpus": plan.corpus, "batch": plan.draws.shape[1]}
    if plan.lexicon:
        meta["lexicon"] = plan.lexicon
    types = {"step": pa.int64(), "kind": _TEXT, "row": pa.int32()}
    types |= {"id": _TEXT, "passage_id": _TEXT} if corpus is not None else {}
    types |= {"query_language": _TEXT, "passage_language": _TEXT}
    schema = pa.schema(types.items(), {"hybridkit": json.dumps(meta)})
    batch, tags = plan.draws.shape[1], pa.array(plan.languages, _TEXT)
    part_of = max(1, _DRAWS // batch)
    with atomic_write(Path(path)) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for first in range(0, max(1, len(plan)), part_of):
            part = plan.draws[first : first + part_of]
            row, query, passage = np.ascontiguousarray(part.reshape(-1, 3).T)
            step = np.repeat(np.arange(first, first + len(part)), batch)
            columns = [pa.array(step), pa.array(plan.kinds[step], _TEXT), pa.array(row)]
            if corpus is not None:
                columns += [pa.array(names[row], _TEXT) for names in (corpus.ids, corpus.passage_ids)]
            columns += [tags.take(pa.array(column)) for column in (query, passage)]
            writer.write_table(pa.table(columns, schema=schema))


def read_plan(path: Path) -> "BatchPlan":
    """Read a plan that `write_plan` wrote; InputError for anything else."""
    from hybridkit.sampling.plan import BatchPlan

    try:
        with pq.ParquetFile(path, read_dictionary=["kind", "query_language", "passage_language"]) as file:
            meta = json.loads((file.schema_arrow.metadata or {})[b"hybridkit"])
            if meta.get("format") != _FORMAT:
                raise InputError(
                    f"{path}: plan format {meta.get('format')}, this kit reads {_FORMAT}; make the plan again"
                )
            draws = np.empty((file.metadata.num_rows, 3), dtype=np.int32)
            draws[:, 0] = file.read(["row"])["row"].to_numpy()
            for side, name in enumerate(("query_language", "passage_language"), start=1):
                draws[:, side] = _codes(file, name, meta["languages"])
            draws = draws.reshape(-1, meta["batch"], 3)
            known = np.array(["mono", "cross", "mixed", "blend"], dtype=object)
            kinds = known[_codes(file, "kind", known.tolist())[:: meta["batch"]]]
    except (OSError, pa.ArrowInvalid, KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a batch plan ({error}); make one with `hybridkit plan`") from error
    lexicon = meta.get("lexicon", "")
    return BatchPlan(
        draws, kinds, tuple(meta["languages"]), meta["strategy"], meta["seed"], meta["corpus"], lexicon
    )  # fmt: skip


def _codes(file: pq.ParquetFile, name: str, known: list[str]) -> np.ndarray:
    """A column of texts as positions in a list of known ones, int32; ValueError for a text that is not in it."""
    found = []
    for chunk in file.read([name])[name].chunks:
        place = np.array([known.index(text) for text in chunk.dictionary.to_pylist()], dtype=np.int32)
        found.append(place[chunk.indices.to_numpy()])
    return np.concatenate(found) if found else np.empty(0, dtype=np.int32)
