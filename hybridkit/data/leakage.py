"""Leak search: training rows that a benchmark holds too, by their ids, their texts, or nearly their texts.

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


_BANDS, _WIDTH, _SEED = 20, 5, 1  # of two texts at 0.8 the bands find 9996 of 10,000
_MASK = [np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_HAN = re.compile("[\u3040-\u9fff\U00020000-\U0003ffff]")


@dataclass(frozen=True)
class Nearness:
    """When two texts are nearly the same.

    They share at least `similarity` of their shingles (Jaccard; runs of `shingle` characters, letters and digits only)
    and of their numbers. Up to `sentence` letters (a Chinese character counts as three) a word, even a letter, makes
    another question of a text, "capital of Chad" and "capital of Mali", Irland and Island: there the words must be the
    same, in nearly the same order, or the letters, however they are joined to words.
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
    """The letters and digits of a text, normalised, words parted by single spaces.

    >>> letters("Who is  “Tesla”?"), letters("पानी?")
    ('who is tesla', 'पानी')
    """
    return " ".join(normalise(text).translate(_LETTERS).split())


def shingles(text: str, size: int) -> set[str]:
    """The runs of `size` characters of a text that went through `letters`, with a space before and behind it.

    >>> sorted(shingles("a bc", 3))
    [' a ', ' bc', 'a b', 'bc ']
    """
    text = f" {text} ".ljust(size)
    return {text[start : start + size] for start in range(len(text) - size + 1)}


def similarity(one: str, other: str, rule: Nearness) -> float:
    """How near two texts that went through `letters` are, 0..1: 0 where the rule says that they are not near.

    >>> rule = Nearness()
    >>> similarity("what is the capital of chad", "what is the capital of mali", rule)
    0.0
    >>> similarity("what is the data base format", "what is the database format", rule)
    1.0
    """
    if not one or not other:  # without a letter a text is near no other
        return 0.0
    if _joined(one) == _joined(other):
        return 1.0
    if not min(_size(one), _size(other)) > rule.sentence and _bag(one) != _bag(other):
        return 0.0
    numbers = [Counter(re.findall(r"\d+", text)) for text in (one, other)]
    if (numbers[0] & numbers[1]).total() < rule.similarity * (numbers[0] | numbers[1]).total():
        return 0.0
    first, second = shingles(one, rule.shingle), shingles(other, rule.shingle)
    shared = len(first & second) / len(first | second)
    return shared if shared >= rule.similarity else 0.0


def _joined(text: str) -> str:
    return text.replace(" ", "")


def _bag(text: str) -> str:
    return " ".join(sorted(text.split()))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text) + 2 * len(_HAN.findall(text))


class NearIndex:
    """Texts that went through `letters`, which others are held against: give it the few, ask it of the many."""

    def __init__(self, texts: Sequence[str], rule: Nearness) -> None:
        self._texts, self._rule = texts, rule
        self._same: dict[str, list[int]] = {}  # by the words in order of the alphabet, and by the letters alone
        for place, text in enumerate(texts):
            for key in {_bag(text), _joined(text)}:
                self._same.setdefault(key, []).append(place)
        self._long = [place for place, text in enumerate(texts) if _size(text) > rule.sentence]
        self._digests = _digests([texts[place] for place in self._long], rule.shingle)
        keys = _band_keys(self._digests)
        self._order = np.argsort(keys, axis=0, kind="stable")
        self._keys = np.take_along_axis(keys, self._order, axis=0)

    def near(self, texts: Sequence[str]) -> Iterator[tuple[int, int, float]]:
        """Give (position in `texts`, position in the index, similarity) for every pair that is near, in order."""
        pairs = {
            (asked, place)
            for asked, text in enumerate(texts)
            for key in (_bag(text), _joined(text))
            for place in self._same.get(key, ())
        }
        if self._long:
            long = [place for place, text in enumerate(texts) if _size(text) > self._rule.sentence]
            digests = _digests([texts[place] for place in long], self._rule.shingle)
            for asked, known in _pairs(_band_keys(digests), self._keys, self._order):
                # what 100 hashes tell is less than 0.2 too low in all but one of a million pairs
                if np.mean(digests[asked] == self._digests[known]) >= self._rule.similarity - 0.2:
                    pairs.add((long[asked], self._long[known]))
        for asked, known in sorted(pairs):
            found = similarity(texts[asked], self._texts[known], self._rule)
            if found:
                yield asked, known, found


def _pairs(keys: np.ndarray, known: np.ndarray, order: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (asked, known) that share the key of a band."""
    found: set[tuple[int, int]] = set()
    for band in range(keys.shape[1]):
        low = np.searchsorted(known[:, band], keys[:, band], side="left")
        high = np.searchsorted(known[:, band], keys[:, band], side="right")
        for asked in np.flatnonzero(high > low).tolist():
            found.update((asked, int(order[at, band])) for at in range(low[asked], high[asked]))
    return sorted(found)


def _digests(texts: Sequence[str], size: int) -> np.ndarray:
    """MinHash of each text's shingles, uint32 (texts, bands x width); shingles are hashed as polynomials at once."""
    from rensa import RMinHash

    padded = [f" {text} ".ljust(size) for text in texts]
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = max(len(codes) - size + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        hashes = hashes * _MASK[0] + codes[place : place + count] + np.uint64(1)
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
    parts = digests.reshape(len(digests), _BANDS, _WIDTH).astype(np.uint64)
    keys = np.zeros(parts.shape[:2], dtype=np.uint64)
    for place in range(_WIDTH):
        keys = (keys ^ parts[:, :, place]) * _MASK[1]
        keys ^= keys >> np.uint64(31)
    return keys


VERSION = 2  # of what counts as a hit: part of the name under which a study keeps its hits
_ROW = ("row", "id", "side", "training_language")
COLUMNS = (*_ROW, "benchmark", "benchmark_language", "benchmark_id", "kind", "similarity", "text", "match")
_TARGETS = ("benchmark", "side", "language", "id", "text")
_ID = 16  # characters from which on an id names one thing anywhere; "17" and "dev-3" do not
_SIDES = {"query": "query", "passage": "passage", "negative": "passage"}  # of training: what it is held against


def find_leaks(corpus: ParallelCorpus, targets: pd.DataFrame, rule: Nearness | None = None) -> pd.DataFrame:
    """Find the training rows that a benchmark holds too; `targets` is made by `targets_of`.

    A line a row, side, language and benchmark, with the columns `COLUMNS`: `kind` is "exact" (the same normalised text,
    in whatever language the benchmark has it), "near" (a text of the same language, by `rule`, with its similarity) or
    "id" (the row's id or passage_id is that of a question or passage there). Queries are held against queries, passages
    and hard negatives against passages. `row` is the position in the corpus: a row that hits in one language is to be
    dropped in all.

    Near duplicates by MinHash (Broder 1997) over shingles, candidates confirmed by the exact Jaccard index.

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


def targets_of(benchmarks: Sequence[Benchmark], judged: Sequence[Collection] = ()) -> pd.DataFrame:
    """Texts that no training row may hold, with the columns benchmark, side, language, id, text, article.

    All queries and passages of parallel benchmarks; of judged sets the queries and the passages judged relevant, which
    are taken from the stream of all.
    """
    parts = []
    for one in benchmarks:
        parts.append(
            one.queries.rename(columns={"query_id": "id"}).assign(benchmark=one.name, side="query", article="")
        )
        parts.append(one.passages.rename(columns={"passage_id": "id"}).assign(benchmark=one.name, side="passage"))
    for one_set in judged:
        where = {"benchmark": one_set.name, "language": one_set.language, "article": ""}
        parts.append(one_set.queries.rename(columns={"query_id": "id"}).assign(side="query", **where))
        good = set(one_set.judgements.loc[one_set.judgements["relevance"] > 0, "passage_id"])
        kept = [pair for ids, texts in one_set.passages() for pair in zip(ids, texts, strict=True) if pair[0] in good]
        parts.append(pd.DataFrame(kept, columns=["id", "text"]).assign(side="passage", **where))
    if not parts:
        return pd.DataFrame(columns=[*_TARGETS, "article"], dtype=object)
    return pd.concat([part[[*_TARGETS, "article"]] for part in parts], ignore_index=True)


def _same_ids(corpus: ParallelCorpus, targets: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Hits by id, which may have the name of its source or part in front in training, its set and language there.

    What was behind an id of the user's (`#2` of the second text under one passage_id) is not in the article.
    """
    known: dict[str, int] = {}
    articles = targets["article"] if "article" in targets else [""] * len(targets)
    for place, (name, article, benchmark, language) in enumerate(
        zip(targets["id"], articles, targets["benchmark"], targets["language"], strict=True)
    ):
        for form in (name, name.removeprefix(f"{benchmark}:{language}:"), article):
            if len(form) >= _ID:
                known.setdefault(form, place)
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
    """A row's id, and what is left of it without a source or part in front, if it is long enough to name one thing."""
    return {form for form in (name, name.partition("/")[2], name.rpartition(":")[2]) if len(form) >= _ID}


def _in_texts(
    corpus: ParallelCorpus, side: str, tag: str, targets: pd.DataFrame, rule: Nearness
) -> Iterator[tuple[object, ...]]:
    """Hits of one side and language, its texts read chunk by chunk."""
    # one of each text and benchmark stands for all, one of the same language where there is any
    once = targets.assign(other=targets["language"] != tag).sort_values("other", kind="stable")
    once = once.drop_duplicates(["benchmark", "key"])
    there = once[["benchmark", "language", "id", "text"]].to_numpy(object)
    same: dict[str, list[int]] = {}
    for place, key in enumerate(once["key"]):
        same.setdefault(key, []).append(place)
    known_as = list(map(letters, once["key"][~once["other"]]))  # these stand before the others
    spoken = [place for place, form in enumerate(known_as) if form]
    index = NearIndex([known_as[place] for place in spoken], rule)
    column = corpus.places[side][:, corpus.column(tag)]
    for places, texts in _used(corpus.texts[side, tag], column):
        forms = list(map(normalise, texts))
        hits = {(at, there[n][0]): ("exact", 1.0, n) for at, form in enumerate(forms) for n in same.get(form, ())}
        for at, known, value in index.near(list(map(letters, forms))):
            name = (at, there[spoken[known]][0])
            if value > hits.get(name, ("", 0.0, 0))[1]:
                hits[name] = ("near", value, spoken[known])
        for (at, _), (kind, value, n) in hits.items():
            benchmark, language, name, match = there[n]
            for row in np.flatnonzero(column == places[at]).tolist():
                yield (row, corpus.ids[row], side, tag, benchmark, language, name, kind, value, texts[at], match)


def _used(table: pa.Array, column: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Places and texts of a table that some row has, chunk by chunk."""
    used = np.zeros(len(table) + 1, dtype=bool)
    used[column] = True  # the place after the last one is that of -1
    start = 0
    for part in pieces(table):
        places = np.flatnonzero(used[start : start + len(part)])
        if len(places):
            yield places + start, part.take(places).to_pylist()
        start += len(part)
