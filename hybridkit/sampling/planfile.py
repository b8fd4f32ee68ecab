"""Batch plans as parquet tables, written and read in parts so that a plan of ten million draws needs little memory."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hybridkit.errors import InputError
from hybridkit.files import atomic_write
from hybridkit.reading import json_value

if TYPE_CHECKING:
    from hybridkit.corpus import ParallelCorpus
    from hybridkit.sampling.plan import BatchPlan

_FORMAT = 1
_DRAWS = 1 << 20  # draws of one part
_TEXT = pa.large_string()
KINDS = ("mono", "cross", "mixed", "blend")
_META = {
    "format": int, "languages": list, "strategy": str, "seed": int, "corpus": str, "batch": int, "lexicon": str,
    "fingerprint": str,
}  # fmt: skip


def write_plan(plan: "BatchPlan", path: Path, corpus: "ParallelCorpus | None") -> None:
    """Write a plan as a table of one line a draw, with the ids where the corpus is given; see `BatchPlan.frame`."""
    meta = {"format": _FORMAT, "languages": plan.languages, "strategy": plan.strategy, "seed": plan.seed}
    meta |= {"corpus": plan.corpus, "batch": plan.draws.shape[1]}
    if plan.lexicon:
        meta["lexicon"] = plan.lexicon
    meta["fingerprint"] = plan.fingerprint
    types = {"step": pa.int64(), "kind": _TEXT, "row": pa.int32()}
    types |= {"id": _TEXT, "passage_id": _TEXT} if corpus is not None else {}
    types |= {"query_language": _TEXT, "passage_language": _TEXT}
    schema = pa.schema(types.items(), {"hybridkit": json.dumps(meta)})
    batch, tags = plan.draws.shape[1], pa.array(plan.languages, _TEXT)
    part_of = max(1, _DRAWS // batch)
    with atomic_write(Path(path)) as temporary, _writer(temporary, schema) as writer:
        for first in range(0, max(1, len(plan)), part_of):
            part = plan.draws[first : first + part_of]
            row, query, passage = np.ascontiguousarray(part.reshape(-1, 3).T)
            step = np.repeat(np.arange(first, first + len(part)), batch)
            columns = [pa.array(step), pa.array(plan.kinds[step], _TEXT), pa.array(row)]
            if corpus is not None:
                columns += [pa.array(names[row], _TEXT) for names in (corpus.ids, corpus.passage_ids)]
            columns += [tags.take(pa.array(column)) for column in (query, passage)]
            writer.write_table(pa.table(columns, schema=schema))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


def read_plan(path: Path) -> "BatchPlan":
    """Read a plan that `write_plan` wrote; InputError for anything else, a damaged plan too.

    The file holds the plan's fingerprint, and what was read is compared with it (plans of earlier versions have none).
    """
    from hybridkit.sampling.plan import BatchPlan

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
    """What the file says of its plan, each value of its type; ValueError for anything else."""
    meta = json_value(((file.schema_arrow.metadata or {})[b"hybridkit"]).decode(), str(path), "a batch plan")
    if not isinstance(meta, dict) or not meta.keys() <= _META.keys():
        raise ValueError("its settings are not those of a plan")
    if meta.get("format") != _FORMAT:
        raise InputError(f"{path}: plan format {meta.get('format')}, this kit reads {_FORMAT}; make the plan again")
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
    """The column of rows, int32 and none below 0; ValueError for another."""
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
        place = np.array([known.index(text) for text in chunk.dictionary.to_pylist()], dtype=np.int32)
        found.append(place[chunk.indices.to_numpy()])
    return np.concatenate(found)
