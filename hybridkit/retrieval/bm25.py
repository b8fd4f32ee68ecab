"""BM25 in any mixture of languages: tokens, scores of a benchmark, and an index of a collection that streams by.

Tokens are stems where there is a stemmer and n-grams where words have no spaces. The index has bm25s' own files, built
in bounded memory and mapped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from array import array
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.data.languages import language as facts
from hybridkit.data.storage.columns import id_writer, open_ids
from hybridkit.errors import InputError
from hybridkit.utils.characters import JOINERS, marks, visible
from hybridkit.utils.extras import optional
from hybridkit.utils.files import atomic_folder, digest
from hybridkit.utils.paths import cache_folder
from hybridkit.utils.products import adopt, is_whole, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.data.storage.columns import StringColumn
    from hybridkit.retrieval import Scorer


VERSION = 3  # in the key of every index, so that one of other tokens is never read
# Blocks of the scripts that are written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Korean writes its particles onto the word. Lucene's CJKAnalyzer, which MIRACL's baseline reads Korean with, makes
# pairs of its syllables too: nDCG@10 of tydi-goldp[ko] is .71 by pairs and .43 by words.
_HANGUL = "\uac00-\ud7af"
_DOTLESS = str.maketrans({"I": "ı", "İ": "i"})  # Turkish and Azerbaijani, where casefold would write an English i
# k1 and b of Anserini and of MIRACL's baselines (arXiv 2210.09984)
K1, B = 0.9, 0.4
_SPILL = "triples.i32"
_TRIPLES = 1 << 22  # sorted at a time


def bm25(benchmark: Benchmark) -> Scorer:
    """Return a BM25 scorer over all passages of the benchmark, one index for the whole pool.

    Passages are cut into `tokens` of their own language. So is the query for each language's passages, so that a name
    in it is written as they write it: on XQuAD-R mAP is .757 mono, .124 cross, .094 pool, without stems .717, .122,
    .092. A query without a known token scores 0 everywhere, and so does a passage without a token. Scores are float32.

    Source:
        Lucene's variant of bm25s (arXiv 2407.03618); k1 and b of MIRACL's baselines (arXiv 2210.09984).
    """
    passages = benchmark.passages
    return bm25_of_texts(benchmark.queries["text"].tolist(), passages["text"].tolist(), passages["language"].tolist())


def bm25_of_texts(queries: Sequence[str], passages: Sequence[str], languages: Sequence[str]) -> Scorer:
    """Return the scorer of `bm25` for texts; `languages` are the passages' tags, or "" for words that stay whole.

    >>> bm25_of_texts(["blue"], ["red sky", "blue sky"], ["", ""])(slice(0, 1)) > 0
    array([[False,  True]])
    """
    bm25s = optional("bm25s")
    index = bm25s.BM25(method="lucene", k1=K1, b=B, backend="numpy")
    cut = [tokens(text, tag) for text, tag in zip(passages, languages, strict=True)]
    if not any(cut):  # no passage has a token: bm25s would divide by their mean length, 0
        return lambda rows: np.zeros((rows.stop - rows.start, len(passages)), np.float32)
    index.index(cut, show_progress=False)
    starts = [at for at, tag in enumerate(languages) if not at or tag != languages[at - 1]]  # of each language's
    data, indices, bounds = _by_language(index, starts)

    def score(rows: slice) -> NDArray[np.float32]:
        block = np.zeros((rows.stop - rows.start, len(passages)), np.float32)
        for line, text in zip(block, queries[rows], strict=True):
            for number, first in enumerate(starts):
                for token in index.get_tokens_ids(tokens(text, languages[first])):
                    start, stop = bounds[token, number], bounds[token, number + 1]
                    line[indices[start:stop]] += data[start:stop]  # each passage occurs once under a token
        return block

    return score


def _by_language(index: object, firsts: list[int]) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """The weights under each token, their passages in order, and where each language begins (tokens, languages + 1)."""
    scores = vars(index)["scores"]
    starts = scores["indptr"].astype(np.int64)
    count = scores["num_docs"]
    keys = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) * count + scores["indices"]
    order = np.argsort(keys, kind="stable")
    edges = np.array([*firsts, count])
    bounds = np.searchsorted(keys[order], np.arange(len(starts) - 1)[:, None] * count + edges)
    return scores["data"][order], scores["indices"][order].astype(np.int64), bounds


def tokens(text: str, language: str = "") -> list[str]:
    r"""Return the tokens of a text: words, casefolded and stemmed, and pairs of characters where words have no spaces.

    Characters that are not `visible` are dropped, then NFKC is applied. Combining marks and joiners belong to their
    word, so that Devanagari and pointed Arabic stay whole. A text without a letter or digit has no token. `language` is
    a tag: words are stemmed where it has a `stemmer`, and Korean is cut into pairs too; without one words stay whole.
    Raises InputError for an invalid tag.

    >>> tokens("Der Fl\u00aduß, 308 हिन्दी")
    ['der', 'fluss', '308', 'हिन्दी']
    >>> tokens("NFL超級盃 水")
    ['nfl', '超級', '級盃', '水']
    >>> tokens("Two rivers flowed", "en"), tokens("한강이 2", "ko")
    (['two', 'river', 'flow'], ['한강', '강이', '2'])
    """
    base = language.partition("-")[0]
    stem = stemmer(base)
    text = unicodedata.normalize("NFKC", visible(text))
    if base in ("az", "azj", "tr"):
        text = text.translate(_DOTLESS)
    found: list[str] = []
    for match in _runs(_UNSPACED + _HANGUL if base == "ko" else _UNSPACED).finditer(text.casefold()):
        run = match.group()
        if match.lastgroup == "word":
            found.append(stem(run) if stem else run)
        elif len(run) == 1:
            found.append(run)
        else:
            found.extend(run[start : start + 2] for start in range(len(run) - 1))
    return found


@cache
def stemmer(language: str) -> Callable[[str], str] | None:
    """Return Snowball's stemmer of a language (PyStemmer), or None; `language` is a tag without a region.

    >>> stemmer("fi")("taloissa"), stemmer("sw"), stemmer("")
    ('talo', None, None)
    """
    if not language:
        return None
    snowball = _snowball()
    name = facts(language).name.split()[0].lower()  # "Norwegian Bokmål" is Norwegian
    stem: Callable[[str], str] | None = snowball.Stemmer(name).stemWord if name in snowball.algorithms() else None
    return stem


def stemmer_version() -> str:
    """Return the version of the stemmers, which change words now and then."""
    return str(_snowball().version())


def _snowball() -> Any:
    return optional("Stemmer")  # words left whole would silently give other scores


@cache
def _runs(unspaced: str) -> re.Pattern[str]:
    inside = f"(?![{unspaced}])[\\w{JOINERS}{marks()}]"  # a word starts with a letter or digit, not with a mark
    return re.compile(f"(?P<unspaced>[{unspaced}]+)|(?P<word>(?=\\w)(?:{inside})+)")


def bm25_index(collection: Collection) -> tuple[Any, StringColumn]:
    """Return a collection's BM25 index, built unless it is kept: a `bm25s.BM25` with mapped arrays, and passage ids.

    Passages are cut into `tokens` of the collection's language; in a pool, of the language at the start of their id.
    The vocabulary is in memory; postings are written to disk as the stream goes by, weighed there by Lucene's formula
    as bm25s has it (arXiv 2407.03618), and never in memory whole. A damaged index is built anew.

    Raises:
        InputError: The stream has another number of passages than the collection, or the index cannot be read.
    """
    key = {
        "tokens": VERSION,
        "stemmer": stemmer_version(),
        "k1": K1,
        "b": B,
        "corpus": collection.corpus,
        "size": collection.size,
        "language": "in the ids" if collection.setting == "pool" else collection.language,
    }
    folder = cache_folder() / "bm25" / digest(key)[:24]
    if not is_whole(folder):
        with atomic_folder(folder) as temporary:
            _build(temporary, collection)
            (temporary / "key.json").write_text(json.dumps(key, indent=2) + "\n", encoding="utf-8")
        seal(folder)
    bm25s = optional("bm25s")
    try:
        opened = bm25s.BM25.load(folder, mmap=True, show_progress=False), open_ids(folder)
    except InputError:
        raise
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(f"{folder}: the BM25 index cannot be read ({error}); delete the folder") from error
    adopt(folder)
    return opened


def _build(folder: Path, collection: Collection) -> None:
    vocabulary: dict[str, int] = {}
    lengths, documents = array("i"), array("i")  # tokens of each passage, passages of each token
    with id_writer(folder) as add, (folder / _SPILL).open("wb") as spill:
        for ids, texts in collection.passages():
            add(ids)
            triples = array("i")
            for name, text in zip(ids, texts, strict=True):
                language = name.partition(":")[0] if collection.setting == "pool" else collection.language
                found = tokens(text, language)
                for token, times in Counter(found).items():
                    number = vocabulary.setdefault(token, len(vocabulary))
                    if number == len(documents):
                        documents.append(0)
                    documents[number] += 1
                    triples.extend((number, len(lengths), times))
                lengths.append(len(found))
            spill.write(triples.tobytes())
        if not vocabulary and lengths:  # bm25s does not read an empty index; no text has the empty token
            vocabulary[""] = 0
            documents.append(1)
            spill.write(array("i", (0, 0, 1)).tobytes())
    if len(lengths) != collection.size:
        raise InputError(
            f"{collection.name}, {collection.language}: {len(lengths)} passages were read instead of "
            f"{collection.size}; did its files change? Open the collection anew"
        )
    _weigh(folder, np.array(documents, np.int64), np.array(lengths, np.float32))
    (folder / _SPILL).unlink()
    (folder / "vocab.index.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    settings = {
        "k1": K1,
        "b": B,
        "delta": 0.5,
        "method": "lucene",
        "idf_method": "lucene",
        "dtype": "float32",
        "int_dtype": "int32",
        "num_docs": len(lengths),
        "backend": "numpy",
    }
    (folder / "params.index.json").write_text(json.dumps(settings, indent=4), encoding="utf-8")


def _weigh(folder: Path, documents: np.ndarray, lengths: np.ndarray) -> None:
    """Sort the spilled (token, passage, times) into columns, a piece at a time, and weigh them."""
    starts = np.concatenate([[0], np.cumsum(documents)])
    np.save(folder / "indptr.csc.index.npy", starts)
    data, indices = (
        np.lib.format.open_memmap(folder / f"{name}.csc.index.npy", mode="w+", dtype=dtype, shape=(int(starts[-1]),))
        for name, dtype in (("data", np.float32), ("indices", np.int32))
    )
    inverse = np.log(1 + (len(lengths) - documents + 0.5) / (documents + 0.5))
    damping = K1 * (1 - B + B * lengths / (lengths.mean(dtype=np.float64) or 1.0))
    free = starts[:-1].copy()  # where the next posting of each token goes
    with (folder / _SPILL).open("rb") as spill:
        while len(piece := np.fromfile(spill, np.int32, 3 * _TRIPLES).reshape(-1, 3)):
            piece = piece[np.argsort(piece[:, 0], kind="stable")]
            token, passage, times = piece.T
            first = np.searchsorted(token, token)  # of its token in this piece
            posting = free[token] + np.arange(len(token)) - first
            indices[posting] = passage
            data[posting] = inverse[token] * times / (times + damping[passage])
            free += np.bincount(token, minlength=len(free))
