"""Embeddings of a collection's passages on disk: encoded as they stream by, kept, and gone on with after a kill."""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.data.storage.columns import id_writer, open_ids
from hybridkit.errors import InputError
from hybridkit.models.embedding import encode, prompt_of
from hybridkit.utils.files import digest, write_text
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.products import adopt, is_whole, remove, require, seal
from hybridkit.utils.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sentence_transformers import SentenceTransformer

    from hybridkit.data.collection import Collection
    from hybridkit.data.storage.columns import StringColumn


log = logging.getLogger("hybridkit")
PASSAGES_FORMAT = 1
CHUNK = 8192  # passages that are encoded, written and marked as done at a time
_KEY, _DONE, _VECTORS = "key.json", "done.json", "vectors.npy"


def embed_passages(
    collection: Collection,
    encoder: SentenceTransformer,
    *,
    max_length: int | None = None,
    precision: str = "float32",
    folder: Path | None = None,
    chunk: int = CHUNK,
) -> EmbeddedPassages:
    """Encode the passages of a collection into a folder, or open it where that has been done.

    Passages are read, encoded and written `chunk` at a time, so that memory does not grow with their number. A call
    that was killed goes on at the chunk where it was; a damaged folder is made anew. `folder` is by default in the
    cache, named by `passages_key`. Equal texts get equal embeddings within a chunk; `max_length` and `precision` are
    those of `encode`.

    Raises InputError for a folder made from something else (see `EmbeddedPassages.open`), a stream with another number
    of passages than the collection has, and as `encode` does.
    """
    key = passages_key(collection, encoder, max_length, precision)
    folder = folder or cache_folder() / "passages" / digest(key)[:24]
    if is_whole(folder):
        opened = EmbeddedPassages.open(folder, key)
        adopt(folder)
        return opened
    remove(folder)
    partial = folder.with_name(folder.name + ".partial")
    if (partial / _KEY).is_file():
        _check_key(partial, _read_key(partial), key)
    else:
        _begin(partial, key)
    _fill(partial, collection, encoder, key, chunk)
    try:
        os.replace(partial, folder)
        seal(folder)
    except OSError:
        if not (folder / _KEY).is_file():
            raise
        shutil.rmtree(partial, ignore_errors=True)  # another process was faster; it wrote the same
    return EmbeddedPassages.open(folder, key)


@dataclass(frozen=True, eq=False)
class EmbeddedPassages:
    """The embeddings of all passages of a collection by one encoder, and their ids, mapped from a folder.

    `vectors` is a float32 memory map (passages, dimensions) in the order of the collection's stream, `ids` has its ids,
    `key` what they were made from.
    """

    folder: Path
    key: Mapping[str, Any]
    vectors: np.memmap
    ids: StringColumn

    @classmethod
    def open(cls, folder: Path, key: Mapping[str, Any] | None = None) -> EmbeddedPassages:
        """Open the embeddings of a folder; with `key`, only if they were made from that.

        Raises InputError for a folder that is empty or damaged, or that was made with another encoder, of another
        collection or with other settings; the message says which.
        """
        require(folder, "delete the folder and make it again")
        found = _read_key(folder)
        if key is not None:
            _check_key(folder, found, key)
        try:
            vectors = np.load(folder / _VECTORS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{folder / _VECTORS}: cannot be read ({error}); delete the folder and make it again"
            ) from error
        ids = open_ids(folder)
        if vectors.dtype != np.float32 or vectors.shape != (found["size"], found["dimensions"]):
            raise InputError(
                f"{folder / _VECTORS}: {vectors.dtype} of shape {vectors.shape}, and it must be float32 of "
                f"({found['size']}, {found['dimensions']}); delete the folder and make it again"
            )
        if len(ids) != found["size"]:
            raise InputError(f"{folder}: {len(ids)} ids for {found['size']} passages; delete it and make it again")
        return cls(folder, found, vectors, ids)


def passages_key(
    collection: Collection, encoder: SentenceTransformer, max_length: int | None = None, precision: str = "float32"
) -> dict[str, Any]:
    """Return what a collection's passage embeddings are made from: equal keys, equal embeddings (on one machine)."""
    from hybridkit.models.encoder import model_hash

    return {
        "format": PASSAGES_FORMAT,
        "encoder": model_hash(encoder),
        "dimensions": encoder.get_embedding_dimension(),
        "set": f"{collection.name}, {collection.language}" if collection.setting == "mono" else collection.name,
        "corpus": collection.corpus,
        "size": collection.size,
        "prompt": prompt_of(encoder, "passage"),
        "max_length": max_length,
        "precision": precision,
    }


def _begin(partial: Path, key: Mapping[str, Any]) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.lib.format.open_memmap(
        partial / _VECTORS, mode="w+", dtype=np.float32, shape=(max(1, key["size"]), key["dimensions"])
    )
    write_text(partial / _KEY, json.dumps(key, indent=2, ensure_ascii=False) + "\n")


def _fill(
    partial: Path, collection: Collection, encoder: SentenceTransformer, key: Mapping[str, Any], chunk: int
) -> None:
    """Encode what is not done yet; ids are written anew, because the stream is read from its start anyway."""
    note = partial / _DONE
    done = int(json.loads(note.read_text())["passages"]) if note.is_file() else 0
    if done:
        log.info("%s: %d of %d passages were encoded before; going on", key["set"], done, key["size"])
    header = np.load(partial / _VECTORS, mmap_mode="r", allow_pickle=False).offset
    row = 4 * key["dimensions"]
    count = 0
    shown = bar(total=key["size"], initial=done, desc=f"{key['set']} passages", unit="text")
    with id_writer(partial) as add, (partial / _VECTORS).open("r+b") as file, shown:
        for ids, texts in rechunked(collection, chunk):
            add(ids)
            start, count = max(count, done), count + len(ids)
            if count > key["size"]:
                break
            if start >= count:
                continue
            found = encode(
                encoder, texts[start - count :], "passage", max_length=key["max_length"], precision=key["precision"]
            )
            file.seek(header + start * row)
            file.write(found.tobytes())
            file.flush()
            os.fsync(file.fileno())  # before the note: what it counts is on disk
            write_text(note, json.dumps({"passages": count}))
            shown.update(count - start)
    if count != key["size"] or not count:
        raise InputError(
            f"{key['set']}: {'more than ' if count > key['size'] else ''}{min(count, key['size'])} passages were read "
            f"instead of {key['size']}; did its files change? Open the collection anew"
        )


def rechunked(collection: Collection, size: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the passages of a collection as (ids, texts) of `size` each, however its stream is cut.

    >>> from types import SimpleNamespace
    >>> toy = SimpleNamespace(passages=lambda: iter([(["a", "b", "c"], ["A", "B", "C"]), (["d"], ["D"])]))
    >>> list(rechunked(toy, 2))
    [(['a', 'b'], ['A', 'B']), (['c', 'd'], ['C', 'D'])]
    """
    ids: list[str] = []
    texts: list[str] = []
    for more_ids, more_texts in collection.passages():
        ids += more_ids
        texts += more_texts
        while len(ids) >= size:
            yield ids[:size], texts[:size]
            ids, texts = ids[size:], texts[size:]
    if ids:
        yield ids, texts


def _read_key(folder: Path) -> dict[str, Any]:
    try:
        value = json.loads((folder / _KEY).read_text(encoding="utf-8"))
        if not isinstance(value, dict) or "size" not in value:
            raise ValueError("not a key of embeddings")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: it has no passage embeddings ({error}); give another folder") from error
    return value


def _check_key(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    words = {"encoder": "with another encoder", "corpus": "of other passages", "set": "of another collection"}
    for name, value in wanted.items():
        if found.get(name) != value:
            both = f": {found.get(name)!r} instead of {value!r}" if name not in ("encoder", "corpus") else ""
            raise InputError(
                f"{folder}: these embeddings were made {words.get(name, f'with another {name}')}{both}; "
                "delete the folder or give another one"
            )
