"""Find training rows that a benchmark holds too, by their ids, their texts, or nearly equal texts.

MinHash (rensa) finds long texts that are nearly the same, words find short ones; shingles and numbers decide.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import category

import numpy as np
import pandas as pd

from hybridkit.data.rows import normalise
from hybridkit.data.storage.columns import pieces

if TYPE_CHECKING:
    import pyarrow as pa

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.data.corpus import ParallelCorpus


_BANDS, _WIDTH, _SEED = 20, 5, 1  # of pairs with a similarity of 0.8 the bands find 9,996 in 10,000
_MASK = [np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_HAN = re.compile("[\u3040-\u9fff\U00020000-\U0003ffff]")
VERSION = 2  # of what counts as a hit: in the name under which a study keeps its hits
_ROW = ("row", "id", "side", "training_language")
COLUMNS = (*_ROW, "benchmark", "benchmark_language", "benchmark_id", "kind", "similarity", "text", "match")
_TARGETS = ("benchmark", "side", "language", "id", "text")
_ID = 16  # characters from which on an id is unique anywhere, unlike "17" and "dev-3"
# Side of training -> side of the benchmark that it is compared with.
_SIDES = {"query": "query", "passage": "passage", "negative": "passage"}


@dataclass(frozen=True)
class Nearness:
    """When two texts count as nearly the same.

    They share at least `similarity` of their shingles (Jaccard; runs of `shingle` letters and digits) and of their
    numbers. In texts of up to `sentence` letters (a Chinese character counts as three), one word or letter makes
    another question ("capital of Chad" and "capital of Mali", Irland and Island): there the words must be the same, in
    nearly the same order, or the letters, however they are divided into words.
    """

    similarity: float = 0.8
    shingle: int = 5
    sentence: int = 200


class _Letters(dict[int, str]):
    """For `str.translate`: letters, marks and digits stay, the rest is a space; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if category(chr(code))[0] in "LMN" else " "
        return self[code]


_LETTERS = _Letters()


def letters(text: str) -> str:
    """Return the letters and digits of a text, normalised, with single spaces between words.

    >>> letters("Who is  “Tesla”?"), letters("पानी?")
    ('who is tesla', 'पानी')
    """
    return " ".join(normalise(text).translate(_LETTERS).split())


def shingles(text: str, size: int) -> set[str]:
    """Return the runs of `size` characters of a text from `letters`, with a space before and after it.

    >>> sorted(shingles("a bc", 3))
    [' a ', ' bc', 'a b', 'bc ']
    """
    text = f" {text} ".ljust(size)
    return {text[start : start + size] for start in range(len(text) - size + 1)}


def similarity(text: str, other: str, rule: Nearness) -> float:
    """Return the similarity of two texts from `letters`, 0..1; 0 where the rule says that they are not near.

    >>> rule = Nearness()
    >>> similarity("what is the capital of chad", "what is the capital of mali", rule)
    0.0
    >>> similarity("what is the data base format", "what is the database format", rule)
    1.0
    """
    if not text or not other:  # without a letter a text is near no other
        return 0.0
    if _joined(text) == _joined(other):
        return 1.0
    if not min(_size(text), _size(other)) > rule.sentence and _bag(text) != _bag(other):
        return 0.0
    numbers = [Counter(re.findall(r"\d+", either)) for either in (text, other)]
    if (numbers[0] & numbers[1]).total() < rule.similarity * (numbers[0] | numbers[1]).total():
        return 0.0
    first, second = shingles(text, rule.shingle), shingles(other, rule.shingle)
    shared = len(first & second) / len(first | second)
    return shared if shared >= rule.similarity else 0.0


def _joined(text: str) -> str:
    return text.replace(" ", "")


def _bag(text: str) -> str:
    return " ".join(sorted(text.split()))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text) + 2 * len(_HAN.findall(text))


class NearIndex:
    """An index of texts from `letters`, to find those that other texts are near to."""

    def __init__(self, texts: Sequence[str], rule: Nearness) -> None:
        self._texts, self._rule = texts, rule
        self._same: dict[str, list[int]] = {}  # by the sorted words, and by the letters alone
        for position, text in enumerate(texts):
            for key in {_bag(text), _joined(text)}:
                self._same.setdefault(key, []).append(position)
        self._long = [position for position, text in enumerate(texts) if _size(text) > rule.sentence]
        self._digests = _digests([texts[position] for position in self._long], rule.shingle)
        keys = _band_keys(self._digests)
        self._order = np.argsort(keys, axis=0, kind="stable")
        self._keys = np.take_along_axis(keys, self._order, axis=0)

    def near(self, texts: Sequence[str]) -> Iterator[tuple[int, int, float]]:
        """Yield (position in `texts`, position in the index, similarity) of every pair that is near, in order."""
        pairs = {
            (query, known)
            for query, text in enumerate(texts)
            for key in (_bag(text), _joined(text))
            for known in self._same.get(key, ())
        }
        if self._long:
            long = [position for position, text in enumerate(texts) if _size(text) > self._rule.sentence]
            digests = _digests([texts[position] for position in long], self._rule.shingle)
            for query, known in _pairs(_band_keys(digests), self._keys, self._order):
                # the estimate of 100 hashes is 0.2 too low in less than one of a million pairs
                if np.mean(digests[query] == self._digests[known]) >= self._rule.similarity - 0.2:
                    pairs.add((long[query], self._long[known]))
        for query, known in sorted(pairs):
            found = similarity(texts[query], self._texts[known], self._rule)
            if found:
                yield query, known, found


def _pairs(keys: np.ndarray, known: np.ndarray, order: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (query, known) that share the key of a band."""
    found: set[tuple[int, int]] = set()
    for band in range(keys.shape[1]):
        low = np.searchsorted(known[:, band], keys[:, band], side="left")
        high = np.searchsorted(known[:, band], keys[:, band], side="right")
        for query in np.flatnonzero(high > low).tolist():
            found.update((query, int(order[at, band])) for at in range(low[query], high[query]))
    return sorted(found)


def _digests(texts: Sequence[str], size: int) -> np.ndarray:
    """MinHash of each text's shingles, uint32 (texts, bands x width); shingles are hashed as polynomials at once."""
    from rensa import RMinHash

    padded = [f" {text} ".ljust(size) for text in texts]
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = max(len(codes) - size + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
        hashes = hashes * _MASK[0] + codes[offset : offset + count] + np.uint64(1)
    for shift, factor in ((30, _MASK[1]), (27, _MASK[2])):  # SplitMix64's mixing
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * factor
    ends = np.cumsum(lengths)
    left = np.repeat(ends, lengths)[:count] - np.arange(count) if count else np.zeros(0, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths - size + 1)]).astype(np.uint64)
    rows = RMinHash.digest_matrix_from_flat_token_hashes(
        hashes[left >= size], offsets, _BANDS * _WIDTH, _SEED
    ).to_rows()
    return np.array(rows, dtype=np.uint32).reshape(len(texts), _BANDS * _WIDTH)


def _band_keys(digests: np.ndarray) -> np.ndarray:
    bands = digests.reshape(len(digests), _BANDS, _WIDTH).astype(np.uint64)
    keys = np.zeros(bands.shape[:2], dtype=np.uint64)
    for column in range(_WIDTH):
        keys = (keys ^ bands[:, :, column]) * _MASK[1]
        keys ^= keys >> np.uint64(31)
    return keys


def find_leaks(corpus: ParallelCorpus, targets: pd.DataFrame, rule: Nearness | None = None) -> pd.DataFrame:
    """Find the training rows that a benchmark holds too; `targets` is made by `targets_of`.

    Queries are compared with queries, passages and hard negatives with passages. A row that hits in one language must
    be dropped in all.

    Returns:
        A line for each row, side, language and benchmark, with the columns `COLUMNS`: `row` is the position in the
        corpus; `kind` is "exact" (the same normalised text, in any language of the benchmark), "near" (a text of the
        same language, by `rule`, with its similarity) or "id" (the row's id or passage_id is that of a question or
        passage there).

    Source: Broder (1997), MinHash over shingles; candidates are confirmed by the exact Jaccard index.

    >>> import tempfile
    >>> from hybridkit.data.corpus import ParallelCorpus
    >>> from hybridkit.data.rows import Row
    >>> corpus = ParallelCorpus.from_rows([Row("1", "1", "1", {"en": "Who was  TESLA?"}, {"de": "Ein Erfinder."}, {})])
    >>> targets = pd.DataFrame([("toy", "query", "en", "q1", "Who was Tesla?")], columns=list(_TARGETS))
    >>> find_leaks(corpus, targets)[["row", "side", "benchmark_id", "kind", "similarity"]].values.tolist()
    [[0, 'query', 'q1', 'exact', 1.0]]
    """
    rule = rule or Nearness()
    found = list(_same_ids(corpus, targets))
    targets = targets.assign(key=list(map(normalise, targets["text"])))
    for side, against in _SIDES.items():
        there = targets[targets["side"] == against]
        for tag in corpus.languages:
            if (side, tag) in corpus.texts and len(there):
                found += _in_texts(corpus, side, tag, there, rule)
    frame = pd.DataFrame(found, columns=list(COLUMNS)).astype({"row": "int64", "similarity": "float64"})
    return frame.sort_values(["row", "side", "training_language", "benchmark"], kind="stable", ignore_index=True)


def targets_of(benchmarks: Sequence[Benchmark], collections: Sequence[Collection] = ()) -> pd.DataFrame:
    """Return the texts that no training row may hold, with the columns benchmark, side, language, id, text, article.

    These are all queries and passages of parallel benchmarks; of collections the queries and the passages judged
    relevant, which are taken from the stream of all passages.
    """
    frames = []
    for benchmark in benchmarks:
        for side, frame in (("query", benchmark.queries.assign(article="")), ("passage", benchmark.passages)):
            frames.append(frame.rename(columns={f"{side}_id": "id"}).assign(benchmark=benchmark.name, side=side))
    for collection in collections:
        where = {"benchmark": collection.name, "language": collection.language, "article": ""}
        frames.append(collection.queries.rename(columns={"query_id": "id"}).assign(side="query", **where))
        good = set(collection.judgements.loc[collection.judgements["relevance"] > 0, "passage_id"])
        kept = [
            pair for ids, texts in collection.passages() for pair in zip(ids, texts, strict=True) if pair[0] in good
        ]
        frames.append(pd.DataFrame(kept, columns=["id", "text"]).assign(side="passage", **where))
    if not frames:
        return pd.DataFrame(columns=[*_TARGETS, "article"], dtype=object)
    return pd.concat([frame[[*_TARGETS, "article"]] for frame in frames], ignore_index=True)


def _same_ids(corpus: ParallelCorpus, targets: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Hits by id; in training it may have its source or split in front, in the benchmark its name and language.

    A benchmark's article is the passage_id without what was added to it (`#2` for a second text).
    """
    known: dict[str, int] = {}
    articles = targets["article"] if "article" in targets else [""] * len(targets)
    for position, (name, article, benchmark, language) in enumerate(
        zip(targets["id"], articles, targets["benchmark"], targets["language"], strict=True)
    ):
        for form in (name, name.removeprefix(f"{benchmark}:{language}:"), article):
            if len(form) >= _ID:
                known.setdefault(form, position)
    for column in (corpus.ids, corpus.passage_ids) if known else ():
        at = 0
        for chunk in column.chunks():
            for row, name in enumerate(chunk.to_pylist(), start=at):
                same = [known[form] for form in _forms(name) if form in known]
                if same:
                    there = targets.iloc[min(same)]
                    own = "id" if column is corpus.ids else "passage_id"
                    yield (
                        row,
                        corpus.ids[row],
                        own,
                        "",
                        there["benchmark"],
                        there["language"],
                        there["id"],
                        "id",
                        1.0,
                        name,
                        there["text"],
                    )
            at += len(chunk)


def _forms(name: str) -> set[str]:
    """A row's id, with and without a source or split in front, where that is long enough to be unique."""
    return {form for form in (name, name.partition("/")[2], name.rpartition(":")[2]) if len(form) >= _ID}


def _in_texts(
    corpus: ParallelCorpus, side: str, tag: str, targets: pd.DataFrame, rule: Nearness
) -> Iterator[tuple[object, ...]]:
    """Hits of one side and language; its texts are read chunk by chunk."""
    # each text of a benchmark is kept once, in the same language if there is one
    once = targets.assign(other=targets["language"] != tag).sort_values("other", kind="stable")
    once = once.drop_duplicates(["benchmark", "key"])
    there = once[["benchmark", "language", "id", "text"]].to_numpy(object)
    same: dict[str, list[int]] = {}
    for position, key in enumerate(once["key"]):
        same.setdefault(key, []).append(position)
    known_as = list(map(letters, once["key"][~once["other"]]))  # these come before the others
    lettered = [position for position, form in enumerate(known_as) if form]
    index = NearIndex([known_as[position] for position in lettered], rule)
    column = corpus.positions[side][:, corpus.column(tag)]
    for positions, texts in _used(corpus.texts[side, tag], column):
        forms = list(map(normalise, texts))
        hits = {(at, there[n][0]): ("exact", 1.0, n) for at, form in enumerate(forms) for n in same.get(form, ())}
        for at, known, value in index.near(list(map(letters, forms))):
            name = (at, there[lettered[known]][0])
            if value > hits.get(name, ("", 0.0, 0))[1]:
                hits[name] = ("near", value, lettered[known])
        for (at, _), (kind, value, n) in hits.items():
            benchmark, language, name, match = there[n]
            for row in np.flatnonzero(column == positions[at]).tolist():
                yield (row, corpus.ids[row], side, tag, benchmark, language, name, kind, value, texts[at], match)


def _used(table: pa.Array, column: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Positions and texts of a table that some row has, chunk by chunk."""
    used = np.zeros(len(table) + 1, dtype=bool)
    used[column] = True  # the position after the last one is that of -1
    start = 0
    for piece in pieces(table):
        positions = np.flatnonzero(used[start : start + len(piece)])
        if len(positions):
            yield positions + start, piece.take(positions).to_pylist()
        start += len(piece)
