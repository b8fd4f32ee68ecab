"""The folder of a corpus: ids and texts as Arrow files, integer rows as `.npy`, an index with the checksum of each."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from hybridkit.errors import InputError
from hybridkit.rows import SIDES
from hybridkit.storage.checksums import INDEX, check_index, damaged, write_index
from hybridkit.storage.columns import only_chunk, read_arrow, read_npy, write_arrow
from hybridkit.storage.tables import StringSpool

FORMAT = "3"
_STRINGS = {pa.string(), pa.large_string()}


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
    """Write all but the texts, and the index last; `names` are the Arrow large_string arrays of ids and passage_ids."""
    for side, array in places.items():
        np.save(folder / f"{side}.npy", array)
    np.save(folder / "group.npy", group)
    if negative_group is not None:
        np.save(folder / "negative_group.npy", negative_group)
    meta = {"format": FORMAT, "languages": " ".join(languages), "fingerprint": fingerprint}
    write_arrow(folder / "rows.arrow", {"id": names[0], "passage_id": names[1]}, meta)
    write_index(folder)


def joined(parts: Iterable[Any], path: Path) -> Any:  # noqa: ANN401  Arrow arrays
    """Join Arrow large_string arrays through a file at `path`."""
    spool = StringSpool(path)
    for part in parts:
        spool.add(part)
    array = spool.array()
    spool.close()
    return array


def read_folder(folder: Path) -> Saved:
    """Map what `write_rows` and its texts wrote, once the index finds every file to be what was written.

    Folders of formats 1 and 2 have no index: what can be told without one is checked, texts and places read through.
    Raises InputError for what is no corpus, DamagedError for a file that is not what was written.
    """
    rows = folder / "rows.arrow"
    listed = check_index(folder)
    if listed is None and not rows.is_file():
        raise InputError(f"{folder}: no corpus here (rows.arrow is missing); make it with ParallelCorpus.save")
    doubted = listed is None
    files = {path.name for path in (sorted(folder.iterdir()) if listed is None else listed)}
    table = read_arrow(rows, doubted=doubted)
    try:
        meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        languages = tuple(meta["languages"].split())
        if meta.get("format") not in ("1", "2", FORMAT):
            kinds = f"1, 2 and {FORMAT}"
            raise InputError(f"{folder}: corpus format {meta.get('format')}, this kit reads {kinds}; make it again")
        if doubted and meta["format"] == FORMAT:
            raise damaged(folder / INDEX, "it is missing")
        ids, passage_ids = only_chunk(table["id"]), only_chunk(table["passage_id"])
        negative_group = None
        if meta["format"] == "1":  # integers as Arrow columns, one a language: copied into memory
            group = table["group"].to_numpy()
            places = {
                side: np.stack([table[f"{side}:{tag}"].to_numpy() for tag in languages], axis=1) for side in SIDES
            }
        else:
            group = read_npy(folder / "group.npy")
            places = {side: read_npy(folder / f"{side}.npy") for side in SIDES}
            if "negative_group.npy" in files:
                negative_group = read_npy(folder / "negative_group.npy")
        texts = {}
        for name in sorted(name for name in files if name.count(".") == 2 and name.endswith(".arrow")):
            side, tag, _ = name.split(".")
            texts[side, tag] = only_chunk(read_arrow(folder / name, doubted=doubted)["text"])
        saved = Saved(languages, ids, passage_ids, group, places, texts, negative_group, meta["fingerprint"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # no such column, a shape of another kind
        if isinstance(error, InputError):
            raise
        raise damaged(rows, f"{type(error).__name__}: {error}") from error
    if doubted:
        _check(folder, saved)
    return saved


def _check(folder: Path, saved: Saved) -> None:
    """Raise DamagedError where rows, places and texts do not belong together."""
    count, width = len(saved.ids), len(saved.languages)
    for names in (saved.ids, saved.passage_ids):
        if len(names) != count or names.type not in _STRINGS or names.null_count:
            raise damaged(folder / "rows.arrow", "ids of another kind")
    for name, array, shape in (
        ("group", saved.group, (count,)), *((side, places, (count, width)) for side, places in saved.places.items()),
        ("negative_group", saved.negative_group, (count, width)),
    ):  # fmt: skip
        if array is None:
            continue
        if array.dtype != np.int32 or array.shape != shape:
            raise damaged(folder / f"{name}.npy", f"{array.dtype} {array.shape}, not int32 {shape}")
        low = 0 if name == "group" else -1
        if array.size and (array.min() < low or ("group" in name and array.max() >= count)):
            raise damaged(folder / f"{name}.npy", f"numbers from {array.min()} to {array.max()}")
    for side, places in saved.places.items():
        for column, tag in enumerate(saved.languages):
            table = saved.texts.get((side, tag))
            known = 0 if table is None else len(table)
            if count and places[:, column].max() >= known:
                raise damaged(folder / f"{side}.{tag}.arrow", f"{known} texts, there must be more")
    for (side, tag), table in saved.texts.items():
        if table.type != pa.large_string() or table.null_count or tag not in saved.languages or side not in SIDES:
            raise damaged(folder / f"{side}.{tag}.arrow", "no table of texts of this corpus")
