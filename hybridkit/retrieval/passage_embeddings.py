"""Embeddings of a collection's passages on disk: encoded as they stream by, kept, and gone on with after a kill.

They are one folder, or lie in shards beside it, each made by a worker: chunks of passages are encoded alike in both.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.data.sources.collection_files import Stream
from hybridkit.data.storage.columns import id_writer, open_ids
from hybridkit.errors import InputError
from hybridkit.models.embedding import encode, prompt_of
from hybridkit.utils.files import atomic_folder, digest, remove_leftovers, write_text
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.products import adopt, is_whole, remove, require, seal
from hybridkit.utils.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.collection import Collection
    from hybridkit.data.storage.columns import StringColumn

    Vectors = Callable[[list[str], int], NDArray[np.float32]]  # of texts, the first at a position


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
    within: slice | None = None,
    known: str | None = None,
) -> EmbeddedPassages:
    """Encode the passages of a collection into a folder, or open it where that has been done.

    Passages are read, encoded and written `chunk` at a time, so that memory does not grow with their number. A call
    that was killed goes on at the chunk where it was; a damaged folder is made anew. `folder` is by default in the
    cache, named by `passages_key`. Equal texts get equal embeddings within a chunk; `max_length` and `precision` are
    those of `encode`; `known` is the encoder's `model_hash` where the caller has it.

    With `within`, only the passages at these positions are encoded: a shard (`shards`), which is kept beside the
    folder. It appears whole or not at all, so that workers may make shards at the same time. Where the folder is there,
    the shard is a part of it; where shards are there, their passages are not encoded again for the folder, which takes
    their place.

    Raises InputError for a folder made from something else (see `EmbeddedPassages.open`), a stream with another number
    of passages than the collection has, and as `encode` does.
    """
    key = passages_key(collection, encoder, max_length, precision, known)
    folder = folder or cache_folder() / "passages" / digest(key)[:24]
    if is_whole(folder):
        opened = EmbeddedPassages.open(folder, key)
        adopt(folder)
        return opened if within is None else opened.part(within)
    beside = folder.with_name(f"{folder.name}.shards")

    def encoded(texts: list[str], _: int) -> NDArray[np.float32]:
        return encode(encoder, texts, "passage", max_length=max_length, precision=precision)

    if within is not None:
        return _shard(beside / f"{within.start}-{within.stop}", collection, key, within, chunk, encoded)
    remove(folder)
    partial = folder.with_name(folder.name + ".partial")
    if (partial / _KEY).is_file():
        _check_key(partial, _read_key(partial), key)
    else:
        _begin(partial, key)
    ready = _ready(beside, key)

    def vectors(texts: list[str], start: int) -> NDArray[np.float32]:
        for first, one in ready:
            if first <= start and start + len(texts) <= first + len(one.ids):
                return np.array(one.vectors[start - first : start - first + len(texts)])
        return encoded(texts, start)

    _fill(partial, collection, key, slice(0, collection.size), chunk, vectors)
    try:
        os.replace(partial, folder)
        seal(folder)
    except OSError:
        if not (folder / _KEY).is_file():
            raise
        shutil.rmtree(partial, ignore_errors=True)  # another process was faster; it wrote the same
    opened = EmbeddedPassages.open(folder, key)
    shutil.rmtree(beside, ignore_errors=True)
    return opened


def shards(size: int, passages: int) -> list[slice]:
    """Return the shards of a corpus, of about `passages` each: of whole chunks, so that these are encoded alike.

    >>> shards(20_000, 8_000)
    [slice(0, 8192, None), slice(8192, 16384, None), slice(16384, 20000, None)]
    """
    step = -(-passages // CHUNK) * CHUNK
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _shard(
    folder: Path, collection: Collection, key: Mapping[str, Any], within: slice, chunk: int, vectors: Vectors
) -> EmbeddedPassages:
    own = _shard_key(key, within)
    if not is_whole(folder):
        remove_leftovers(folder.parent)  # of killed workers
        with atomic_folder(folder) as half:
            _begin(half, own)
            _fill(half, collection, own, within, chunk, vectors)
        seal(folder)
    return EmbeddedPassages.open(folder, own)


def _shard_key(key: Mapping[str, Any], within: slice) -> dict[str, Any]:
    return {**key, "size": within.stop - within.start, "from": within.start, "of": key["size"]}


def _ready(folder: Path, key: Mapping[str, Any]) -> list[tuple[int, EmbeddedPassages]]:
    """The shards that workers have made, and where each begins."""
    found = []
    for path in folder.glob("[0-9]*-*[0-9]"):
        first, _, stop = path.name.partition("-")
        if is_whole(path):
            found.append((int(first), EmbeddedPassages.open(path, _shard_key(key, slice(int(first), int(stop))))))
    return found


@dataclass(frozen=True, eq=False)
class EmbeddedPassages:
    """The embeddings of all passages of a collection by one encoder, and their ids, mapped from a folder.

    `vectors` is a float32 memory map (passages, dimensions) in the order of the collection's stream, `ids` has its ids,
    `key` what they were made from.
    """

    folder: Path
    key: Mapping[str, Any]
    vectors: NDArray[np.float32]
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

    def part(self, within: slice) -> EmbeddedPassages:
        """Return the embeddings and ids at some positions; nothing is copied."""
        rows = np.arange(within.start, within.stop)
        return replace(self, vectors=self.vectors[within], ids=self.ids.take(rows))


def passages_key(
    collection: Collection,
    encoder: SentenceTransformer,
    max_length: int | None = None,
    precision: str = "float32",
    known: str | None = None,
) -> dict[str, Any]:
    """Return what a collection's passage embeddings are made from: equal keys, equal embeddings (on one machine)."""
    from hybridkit.models.encoder import model_hash

    return {
        "format": PASSAGES_FORMAT,
        "encoder": known or model_hash(encoder),
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
    partial: Path, collection: Collection, key: Mapping[str, Any], within: slice, chunk: int, vectors: Vectors
) -> None:
    """Write what is not done yet of the passages within; `vectors` makes those of some texts from a position on.

    Ids are written anew: to go on, the passages within are read from their start anyway.
    """
    note = partial / _DONE
    done = within.start + (int(json.loads(note.read_text())["passages"]) if note.is_file() else 0)
    if done > within.start:
        log.info("%s: %d of %d passages were encoded before; going on", key["set"], done, key["size"])
    header = np.load(partial / _VECTORS, mmap_mode="r", allow_pickle=False).offset
    row = 4 * key["dimensions"]
    count = within.start
    shown = bar(
        total=key["size"],
        initial=done - within.start,
        desc=f"{key['set']} passages",
        unit="text",
        disable="of" in key,  # the caller has a bar of shards
    )
    with id_writer(partial) as add, (partial / _VECTORS).open("r+b") as file, shown:
        for ids, texts in rechunked(collection, chunk, within.start):
            first, count = count, count + len(ids)
            if count > collection.size:
                break
            add(ids[: within.stop - first])
            start, stop = max(first, done), min(count, within.stop)
            if start < stop:
                found = vectors(texts[start - first : stop - first], start)
                file.seek(header + (start - within.start) * row)
                file.write(found.tobytes())
                file.flush()
                os.fsync(file.fileno())  # before the note: what it counts is on disk
                write_text(note, json.dumps({"passages": stop - within.start}))
                shown.update(stop - start)
            if within.stop <= count and within.stop < collection.size:
                break  # at the end of the last shard, one more look: are there more?
    if count < within.stop or count > collection.size or not count:
        raise InputError(
            f"{key['set']}: {'more than ' if count > collection.size else ''}{min(count, collection.size)} passages "
            f"were read instead of {collection.size}; did its files change? Open the collection anew"
        )


def rechunked(collection: Collection, size: int, start: int = 0) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the passages of a collection as (ids, texts) of `size` each, however its stream is cut.

    Those before `start` are left out; files know how to pass over them.

    >>> from types import SimpleNamespace
    >>> toy = SimpleNamespace(passages=lambda: iter([(["a", "b", "c"], ["A", "B", "C"]), (["d"], ["D"])]))
    >>> list(rechunked(toy, 2))
    [(['a', 'b'], ['A', 'B']), (['c', 'd'], ['C', 'D'])]
    >>> list(rechunked(toy, 2, start=1))
    [(['b', 'c'], ['B', 'C']), (['d'], ['D'])]
    """
    if isinstance(collection.passages, Stream):
        stream, start = collection.passages(start), 0
    else:
        stream = collection.passages()
    ids: list[str] = []
    texts: list[str] = []
    for more_ids, more_texts in stream:
        left, start = min(start, len(more_ids)), max(0, start - len(more_ids))
        ids += more_ids[left:]
        texts += more_texts[left:]
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
