"""BM25 index of a collection that streams by, in bm25s' own files: built in bounded memory and mapped."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.errors import InputError
from hybridkit.files import atomic_folder, digest
from hybridkit.places import cache_folder
from hybridkit.products import adopt, is_whole, seal
from hybridkit.reading import json_file
from hybridkit.retrieval.bm25 import K1, B, check_parameters
from hybridkit.retrieval.ids import id_writer, open_ids
from hybridkit.retrieval.tokens import VERSION, stemmer_version, tokens

if TYPE_CHECKING:
    from hybridkit.judged import JudgedSet
    from hybridkit.storage.columns import StringColumn

_SPILL = "triples.i32"
_TRIPLES = 1 << 22  # that are sorted at a time


def bm25_index(judged: JudgedSet, k1: float = K1, b: float = B, folder: Path | None = None) -> tuple[Any, StringColumn]:
    """Open a set's BM25 index, made now if it is not there: a `bm25s.BM25` with its arrays mapped, and passage ids.

    Passages are cut into `tokens` of the set's language; in a pool, of the language that stands in front of their id.
    The vocabulary is in memory, postings are written to disk as the stream goes by, weighed there by Lucene's formula
    as bm25s has it (arXiv 2407.03618), and never in memory whole. `folder` is by default one of the cache; a damaged
    index is made anew.

    Raises InputError for a stream with another number of passages than the set says, and for a folder that holds the
    index of something else.
    """
    check_parameters(k1, b)
    key = {
        "tokens": VERSION, "stemmer": stemmer_version(), "k1": k1, "b": b, "corpus": judged.corpus, "size": judged.size,
        "language": "in the ids" if judged.setting == "pool" else judged.language,
    }  # fmt: skip
    folder = folder or cache_folder() / "bm25" / digest(key)[:24]
    if not is_whole(folder):
        with atomic_folder(folder) as temporary:
            _build(temporary, judged, k1, b)
            (temporary / "key.json").write_text(json.dumps(key, indent=2) + "\n", encoding="utf-8")
        seal(folder)
    import bm25s

    cure = "delete the folder"
    if (found := json_file(folder / "key.json", cure)) != key:
        raise InputError(
            f"{folder}: this BM25 index was made from another set or with other settings ({found}); "
            "delete the folder or give another one"
        )
    try:
        opened = bm25s.BM25.load(folder, mmap=True, show_progress=False), open_ids(folder)
    except InputError:
        raise
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"{folder}: no BM25 index can be read here ({error}); {cure}") from error
    adopt(folder)
    return opened


def _build(folder: Path, judged: JudgedSet, k1: float, b: float) -> None:
    vocabulary: dict[str, int] = {}
    lengths, documents = array("i"), array("i")  # tokens of each passage, passages of each token
    with id_writer(folder) as add, (folder / _SPILL).open("wb") as spill:
        for ids, texts in judged.passages():
            add(ids)
            triples = array("i")
            for name, text in zip(ids, texts, strict=True):
                language = name.partition(":")[0] if judged.setting == "pool" else judged.language
                found = tokens(text, language)
                for token, times in Counter(found).items():
                    number = vocabulary.setdefault(token, len(vocabulary))
                    if number == len(documents):
                        documents.append(0)
                    documents[number] += 1
                    triples.extend((number, len(lengths), times))
                lengths.append(len(found))
            spill.write(triples.tobytes())
        if not vocabulary and lengths:  # bm25s reads no index of nothing; no text has the empty token
            vocabulary[""] = 0
            documents.append(1)
            spill.write(array("i", (0, 0, 1)).tobytes())
    if len(lengths) != judged.size:
        raise InputError(
            f"{judged.name}, {judged.language}: {len(lengths)} passages were read, and it says it has {judged.size}; "
            "did its files change? Open the set anew"
        )
    _weigh(folder, np.array(documents, np.int64), np.array(lengths, np.float32), k1, b)
    (folder / _SPILL).unlink()
    (folder / "vocab.index.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    settings = {
        "k1": k1, "b": b, "delta": 0.5, "method": "lucene", "idf_method": "lucene", "dtype": "float32",
        "int_dtype": "int32", "num_docs": len(lengths), "backend": "numpy",
    }  # fmt: skip
    (folder / "params.index.json").write_text(json.dumps(settings, indent=4), encoding="utf-8")


def _weigh(folder: Path, documents: np.ndarray, lengths: np.ndarray, k1: float, b: float) -> None:
    """Sort the spilled (token, passage, times) into columns, a piece at a time, and weigh them."""
    starts = np.concatenate([[0], np.cumsum(documents)])
    np.save(folder / "indptr.csc.index.npy", starts)
    data, indices = (
        np.lib.format.open_memmap(folder / f"{name}.csc.index.npy", mode="w+", dtype=dtype, shape=(int(starts[-1]),))
        for name, dtype in (("data", np.float32), ("indices", np.int32))
    )
    inverse = np.log(1 + (len(lengths) - documents + 0.5) / (documents + 0.5))
    damping = k1 * (1 - b + b * lengths / (lengths.mean(dtype=np.float64) or 1.0))
    free = starts[:-1].copy()  # where the next posting of each token goes
    with (folder / _SPILL).open("rb") as spill:
        while len(piece := np.fromfile(spill, np.int32, 3 * _TRIPLES).reshape(-1, 3)):
            piece = piece[np.argsort(piece[:, 0], kind="stable")]
            token, passage, times = piece.T
            first = np.searchsorted(token, token)  # of its token in this piece
            place = free[token] + np.arange(len(token)) - first
            indices[place] = passage
            data[place] = inverse[token] * times / (times + damping[passage])
            free += np.bincount(token, minlength=len(free))
