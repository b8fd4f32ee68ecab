"""The folder of a saved corpus: `rows.arrow` (ids), `.npy` integer rows, an Arrow file of texts a side and language."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hybridkit.errors import InputError
from hybridkit.rows import SIDES
from hybridkit.storage.columns import only_chunk, read_arrow, read_npy, write_arrow
from hybridkit.storage.tables import StringSpool

FORMAT = "2"


class Saved(NamedTuple):
    """What a corpus folder holds, mapped; `negative_group` is None where it was not saved."""

    languages: tuple[str, ...]
    ids: Any
    passage_ids: Any
    group: np.ndarray
    places: dict[str, np.ndarray]
    texts: dict[tuple[str, str], Any]
    negative_group: np.ndarray | None
    fingerprint: str


def write_rows(
    folder: Path, names: Sequence[Any], places: Mapping[str, np.ndarray], group: np.ndarray,
    negative_group: np.ndarray | None, languages: Sequence[str], fingerprint: str,
) -> None:  # fmt: skip
    """Write all but the texts; `names` are the Arrow large_string arrays of ids and passage_ids."""
    for side, array in places.items():
        np.save(folder / f"{side}.npy", array)
    np.save(folder / "group.npy", group)
    if negative_group is not None:
        np.save(folder / "negative_group.npy", negative_group)
    meta = {"format": FORMAT, "languages": " ".join(languages), "fingerprint": fingerprint}
    write_arrow(folder / "rows.arrow", {"id": names[0], "passage_id": names[1]}, meta)


def joined(parts: Iterable[Any], path: Path) -> Any:  # noqa: ANN401  Arrow arrays
    """Join Arrow large_string arrays through a file at `path`."""
    spool = StringSpool(path)
    for part in parts:
        spool.add(part)
    array = spool.array()
    spool.close()
    return array


def read_folder(folder: Path) -> Saved:
    """Map what `write_rows` and its texts wrote, or format 1. Raises InputError for what is no corpus or damaged."""
    if not (folder / "rows.arrow").is_file():
        raise InputError(f"{folder}: no corpus here (rows.arrow is missing); make it with ParallelCorpus.save")
    table = read_arrow(folder / "rows.arrow")
    meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if meta.get("format") not in ("1", FORMAT):
        raise InputError(f"{folder}: corpus format {meta.get('format')}, this kit reads 1 and {FORMAT}; make it again")
    languages = tuple(meta["languages"].split())
    negative_group = None
    if meta["format"] == "1":  # integers as Arrow columns, one a language: copied into memory
        group = table["group"].to_numpy()
        places = {side: np.stack([table[f"{side}:{tag}"].to_numpy() for tag in languages], axis=1) for side in SIDES}
    else:
        group = read_npy(folder / "group.npy")
        places = {side: read_npy(folder / f"{side}.npy") for side in SIDES}
        if (folder / "negative_group.npy").is_file():
            negative_group = read_npy(folder / "negative_group.npy")
    texts = {}
    for file in sorted(folder.glob("*.*.arrow")):
        side, tag, _ = file.name.split(".")
        texts[side, tag] = only_chunk(read_arrow(file)["text"])
    ids, passage_ids = only_chunk(table["id"]), only_chunk(table["passage_id"])
    return Saved(languages, ids, passage_ids, group, places, texts, negative_group, meta["fingerprint"])
