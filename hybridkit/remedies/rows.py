"""Parallel rows that a remedy is estimated from: chosen by a hash, compared with what is evaluated, embedded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.data.leakage import find_leaks
from hybridkit.data.storage.columns import hash_strings
from hybridkit.errors import InputError
from hybridkit.models.embedding import encode
from hybridkit.utils.files import digest
from hybridkit.utils.numbers import COUNT

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from hybridkit.data.corpus import ParallelCorpus


ROWS = 400  # of a language: more change a mean by little
SIDES = ("query", "passage")
_BLOCK = 8192  # embeddings that are looked at together


@dataclass(frozen=True, eq=False)
class RowEmbeddings:
    """Embeddings of texts in several languages, by side and language: what a remedy is estimated from.

    Attributes:
        query: Language -> float32 (n, dim), of queries, encoded as queries.
        passage: The same of passages, encoded as passages.
        numbers: By side and language, the number of the row that each text is of, (n,): texts with one number say the
            same. Without it, texts at one position do.
        fingerprint: Of the texts, where that is known.

    Raises:
        InputError: Arrays that are not (n, dim) with one `dim`, NaN or infinity, numbers of another length.
    """

    query: Mapping[str, NDArray[np.float32]]
    passage: Mapping[str, NDArray[np.float32]]
    numbers: Mapping[str, Mapping[str, NDArray[np.integer]]] = field(default_factory=dict)
    fingerprint: str = ""

    def __post_init__(self) -> None:
        widths = set()
        for side in SIDES:
            for language, found in self.side(side).items():
                where = f"embeddings of rows: {side} in {language!r}"
                if found.ndim != 2:
                    raise InputError(f"{where}: shape {found.shape}; give (texts, dimensions)")
                if not all(np.isfinite(found[at : at + _BLOCK]).all() for at in range(0, len(found), _BLOCK)):
                    raise InputError(f"{where}: NaN or infinity; was the encoder's training stable?")
                numbers = self.numbers.get(side, {}).get(language)
                if numbers is not None and len(numbers) != len(found):
                    raise InputError(f"{where}: {len(numbers)} numbers of rows for {len(found)} texts; give one each")
                widths.add(found.shape[1])
        if len(widths) > 1:
            raise InputError(f"embeddings of rows: {sorted(widths)} dimensions; encode all with one encoder")

    def side(self, side: str) -> Mapping[str, NDArray[np.float32]]:
        """Return the embeddings of a side by language."""
        return self.query if side == "query" else self.passage

    def both(self, side: str, language: str, other: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the texts that two languages have of the same rows, in each of them."""
        numbers = self.numbers.get(side, {})
        one, two = (
            np.asarray(numbers.get(tag, np.arange(len(self.side(side).get(tag, ()))))) for tag in (language, other)
        )
        _, first, second = np.intersect1d(one, two, return_indices=True)
        return first, second


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a corpus, by side and language: what `embed_rows` embeds.

    `texts` and `numbers` have the texts and the rows that they are of; `corpus` is cut to all rows among them.
    """

    texts: Mapping[str, Mapping[str, list[str]]]
    numbers: Mapping[str, Mapping[str, NDArray[np.int64]]]
    corpus: ParallelCorpus

    @property
    def fingerprint(self) -> str:
        """SHA-256, as hex, of the texts by side and language."""
        return digest(*([side, tag, texts] for side, found in self.texts.items() for tag, texts in found.items()))

    def encode(
        self, encoder: SentenceTransformer, side: str, max_length: int | None = None, precision: str = "float32"
    ) -> NDArray[np.float32]:
        """Return the embeddings of a side, language by language: float32 (texts, dim)."""
        whole = [text for part in self.texts[side].values() for text in part]
        return encode(encoder, whole, side, max_length=max_length, precision=precision)

    def embeddings(self, query: NDArray[np.float32], passage: NDArray[np.float32]) -> RowEmbeddings:
        """Return what `encode` has made of both sides, by language."""
        found = {}
        for side, vectors in zip(SIDES, (query, passage), strict=True):
            ends = np.cumsum([len(part) for part in self.texts[side].values()])
            found[side] = dict(zip(self.texts[side], np.split(vectors, ends[:-1]), strict=True))
        return RowEmbeddings(found["query"], found["passage"], self.numbers, self.fingerprint)


def choose_rows(corpus: ParallelCorpus, languages: Sequence[str], limit: int = ROWS) -> Rows:
    """Return at most `limit` texts of each side and language.

    Rows that are in all of the languages on both sides come first, so that where there are enough of them the means of
    two languages differ by language and not by what their rows are about. Of equals those are chosen whose ids have the
    smallest hashes, whatever else the corpus holds.

    Raises:
        InputError: A language that no row has, with those there are; a limit below 1.

    >>> rows = choose_rows(toy_corpus, ["de", "en"], limit=2)
    >>> [len(texts) for texts in rows.texts["query"].values()], len(rows.corpus)
    ([2, 2], 2)
    """
    COUNT.check(limit, "the number of rows of a language")
    columns = [corpus.column(tag) for tag in languages if tag in corpus.languages]
    missing = sum((corpus.positions[side][:, columns] < 0).sum(axis=1) for side in SIDES)
    order = np.lexsort((hash_strings(corpus.ids[np.arange(len(corpus))].tolist())[:, 0], missing))
    texts: dict[str, dict[str, list[str]]] = {side: {} for side in SIDES}
    numbers: dict[str, dict[str, NDArray[np.int64]]] = {side: {} for side in SIDES}
    for side in SIDES:
        for tag in languages:
            has = corpus.positions[side][:, corpus.column(tag)] >= 0 if tag in corpus.languages else np.zeros(0, bool)
            if not has.any():
                raise InputError(
                    f"rows: no {side} in {tag!r}, so that this language has no mean; the rows have "
                    f"{', '.join(corpus.languages)}: give rows in every language that is evaluated"
                )
            chosen = np.sort(order[has[order]][:limit])
            texts[side][tag] = corpus.take_texts(side, chosen, np.full(len(chosen), corpus.column(tag)))
            numbers[side][tag] = chosen.astype(np.int64)
    every = np.unique(np.concatenate([found for side in numbers.values() for found in side.values()]))
    return Rows(texts, numbers, corpus.select(every))


def refuse_overlap(rows: Rows, targets: pd.DataFrame) -> None:
    """Raise InputError if one of the rows is in what is evaluated (`targets` of `leakage.targets_of`).

    >>> targets = pd.DataFrame([("toy", "query", "en", "q1", "a?")], columns=["benchmark", "side", "language", "id",
    ...                                                                       "text"])
    >>> refuse_overlap(choose_rows(toy_corpus, ["en"]), targets)
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: rows: 1 of 4 are in what is evaluated too; the first is 'a', whose query in 'en' is ...
    """
    found = find_leaks(rows.corpus, targets)
    if len(found):
        first = found.iloc[0]
        raise InputError(
            f"rows: {found['row'].nunique()} of {len(rows.corpus)} are in what is evaluated too; the first is "
            f"{first['id']!r}, whose {first['side']} in {first['training_language']!r} is in {first['benchmark']} "
            f"({first['kind']}); give other rows, or take these out (`hybridkit data check ROWS --against "
            f"{first['benchmark']}` lists them)"
        )


def embed_rows(
    rows: Rows, encoder: SentenceTransformer, max_length: int | None = None, precision: str = "float32"
) -> RowEmbeddings:
    """Return the embeddings of rows, each side with its own prompt; `max_length` and `precision` are those of `encode`.

    >>> from hybridkit.models import encoder
    >>> rows = choose_rows(toy_corpus, ["de", "en"])
    >>> found = embed_rows(rows, encoder.make(toy_corpus.iter_texts(), vocab_size=40, dim=8))
    >>> found.query["de"].shape, [len(both) for both in found.both("passage", "de", "en")]
    ((4, 8), [4, 4])
    """
    return rows.embeddings(*(rows.encode(encoder, side, max_length, precision) for side in SIDES))
