"""Remedies on embeddings: what an embedding tells of its language is estimated and taken off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hybridkit.errors import InputError
from hybridkit.remedies.parts import OnEmbeddings, Vectors
from hybridkit.utils.numbers import COUNT, check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.remedies.rows import RowEmbeddings


_ROWS = 2048  # embeddings that are read or changed together
_RANK = 1e-12  # squared singular values are relative to the largest; below this they are rounding of float32
_SOURCES = ("rows", "passages")


def _blocks(embeddings: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(embeddings), _ROWS):
        yield np.asarray(embeddings[start : start + _ROWS], np.float64)


def _mean(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    total = np.zeros(embeddings.shape[1])
    for block in _blocks(embeddings):
        total += block.sum(axis=0)
    return total / len(embeddings)


def _several(name: str, side: str, found: Mapping[str, NDArray[np.floating]]) -> None:
    """Raise InputError where a language cannot be told from the others, or a mean would be the text itself."""
    if len(found) < 2:
        raise InputError(
            f"{name}: one language only ({', '.join(found) or 'none'}); it takes off what differs between languages: "
            "give texts in two or more"
        )
    for language, texts in found.items():
        if len(texts) < 2:
            raise InputError(
                f"{name}: {len(texts)} {side} text{'' if len(texts) == 1 else 's'} in {language!r}; a language needs "
                "2 or more: give more, or leave the language out"
            )


@dataclass(frozen=True)
class centre(OnEmbeddings):  # noqa: N801  written as a part of a chain
    """Take off each embedding the mean embedding of its language, queries' off queries and passages' off passages.

    With by="rows" the means are those of training rows' texts, never of a benchmark's. With by="passages" they are
    those of the very texts that are searched, the passages' of the passages and the queries' of the queries; in use,
    the queries' mean is then one of queries that were asked before. With side="passage" queries stay as they are.
    Embeddings of a model that compares by cosine get length 1 again. Units are those of the embeddings.

    Raises:
        InputError: Another `by` or `side`; when it is estimated: a language with fewer than two texts, or one only.

    Source:
        Libovický, Rosa and Fraser, "On the Language Neutrality of Pre-trained Multilingual Representations", Findings
        of EMNLP 2020, arXiv 2004.05160 (centering the representations of each language).

    >>> str(centre()), str(centre(by="passages", side="passage"))
    ("centre(by='rows')", "centre(by='passages', side='passage')")
    """

    by: str = "rows"
    side: str = "both"
    hidden: ClassVar[tuple[str, ...]] = ("side",)

    def __post_init__(self) -> None:
        check_choice(self.by, _SOURCES, "centre: by")
        check_choice(self.side, ("both", "passage"), "centre: side")

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        if self.side == "passage":
            return "nothing"
        of = "training rows" if self.by == "rows" else "queries that were asked before"
        return f"the query's language, and its mean over {of}"

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        of = "training rows" if self.by == "rows" else "the passages themselves"
        return f"the passage's language, and its mean over {of}"

    def vectors(self, texts: RowEmbeddings) -> Vectors:
        """Return the mean embedding of each side and language, float32 (1, dim)."""
        found: Vectors = {}
        for side in ("passage",) if self.side == "passage" else ("query", "passage"):
            _several(str(self), side, texts.side(side))
            found[side] = {tag: np.array([_mean(one)], np.float32) for tag, one in texts.side(side).items()}
        return found

    def take_off(self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        """Take the mean off some embeddings, in place."""
        embeddings -= vectors


@dataclass(frozen=True)
class shift(OnEmbeddings):  # noqa: N801
    """Take off each passage the relative vector of its language: its mean less that of the source language.

    Both means are over parallel rows' passages, those that both languages have, so that they differ by the language and
    not by what is said. Queries stay as they are, and so do passages of the source language: only the index changes.
    Embeddings of a model that compares by cosine get length 1 again. Units are those of the embeddings.

    Raises:
        InputError: When it is estimated: no row in the source language, or none that a language shares with it.

    Source:
        SHIFT, arXiv 2606.18801 (relative language vectors from parallel pairs, subtracted when documents are indexed).

    >>> str(shift()), shift().at_query_time
    ("shift(source='en')", 'nothing')
    """

    source: str = "en"

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source:
            raise InputError(f"shift: source must be a language in quotes, such as 'en' (got {self.source!r})")

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        return "nothing"

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        return f"the passage's language, and its vector relative to {self.source!r} from parallel rows"

    def vectors(self, texts: RowEmbeddings) -> Vectors:
        """Return the relative vector of each language, float32 (1, dim)."""
        if self.source not in texts.passage:
            raise InputError(
                f"{self}: the rows have no passage in {self.source!r}; there are {', '.join(texts.passage)}: "
                "name one of these as source, or give other rows"
            )
        _several(str(self), "passage", texts.passage)
        found = {}
        for tag, own in texts.passage.items():
            here, there = texts.both("passage", tag, self.source)
            if not len(here):
                raise InputError(
                    f"{self}: no row has a passage both in {tag!r} and in {self.source!r}; give rows that are parallel"
                )
            less = _mean(own[here]) - _mean(texts.passage[self.source][there])
            found[tag] = np.array([less], np.float32)
        return {"passage": found}

    def take_off(self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        """Take the relative vector off some embeddings, in place."""
        embeddings -= vectors


@dataclass(frozen=True)
class lir(OnEmbeddings):  # noqa: N801
    """Take off each embedding its projection on the first `k` principal components of its language.

    The components are the first right singular vectors of the matrix of the language's embeddings, which are not
    centred, of queries for queries and of passages for passages; the first is nearly the direction of the mean. `by`
    says whose texts they are, as of `centre`. Embeddings of a model that compares by cosine get length 1 again.

    Raises:
        InputError: `k` below 1, another `by`; when it is estimated: `k` that is not below the rank of a language's
            embeddings, or one language only.

    Source:
        LIR: Yang, Yang, Cer and Darve, EMNLP 2021, arXiv 2109.04727, section 2; evaluated on LAReQA there.

    >>> str(lir()), str(lir(k=3, by="passages"))
    ('lir(k=1)', "lir(k=3, by='passages')")
    """

    k: int = 1
    by: str = "rows"
    hidden: ClassVar[tuple[str, ...]] = ("by",)

    def __post_init__(self) -> None:
        COUNT.check(self.k, "lir: k, the number of components,")
        check_choice(self.by, _SOURCES, "lir: by")

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        return centre(self.by).at_query_time.replace("mean", "components")

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        return centre(self.by).at_index_time.replace("mean", "components")

    def vectors(self, texts: RowEmbeddings) -> Vectors:
        """Return the components of each side and language, float32 (k, dim), of length 1."""
        found: Vectors = {}
        for side in ("query", "passage"):
            _several(str(self), side, texts.side(side))
            found[side] = {tag: self._components(one, side, tag) for tag, one in texts.side(side).items()}
        return found

    def _components(self, embeddings: NDArray[np.floating], side: str, language: str) -> NDArray[np.float32]:
        """By the eigenvectors of the small matrix of products, so that memory does not grow with the texts."""
        products = np.zeros((embeddings.shape[1],) * 2)
        for block in _blocks(embeddings):
            products += block.T @ block
        values, vectors = np.linalg.eigh(products)
        rank = int((values > _RANK * max(values[-1], 0)).sum())
        if self.k >= rank:
            raise InputError(
                f"{self}: the {len(embeddings)} {side} embeddings in {language!r} have rank {rank}, so that nothing "
                f"would be left of them; make k less than {rank}, or give more texts"
            )
        first = vectors[:, ::-1][:, : self.k].T
        largest = first[np.arange(self.k), np.abs(first).argmax(axis=1)]
        return np.asarray(first * np.sign(largest)[:, None], np.float32)  # the sign of a component is free

    def take_off(self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        """Take the projection on the components off some embeddings, in place."""
        for vector in vectors:  # row by row: a product of matrices rounds the last rows of a block in another way
            embeddings -= np.vecdot(embeddings, vector)[:, None] * vector
