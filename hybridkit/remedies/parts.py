"""What all remedies have in common: a part of a chain is a frozen value that prints, and says what it needs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hybridkit.remedies.chains import Chain
    from hybridkit.remedies.rows import RowEmbeddings


STAGES = ("weights", "embeddings", "scores")  # in the order in which they act


@dataclass(frozen=True)
class Remedy:
    """A part of a chain. Make one with `centre()`, `calibrate(top=5)`, ... or `parse`; `+` joins parts to a chain.

    Attributes:
        stage: What it acts on: "weights", "embeddings" or "scores".
        hidden: Options that are not printed at their default.
        at_query_time: What must be known, and done, when a query is asked, in words.
        at_index_time: The same for when passages are indexed.
    """

    stage: ClassVar[str] = ""
    hidden: ClassVar[tuple[str, ...]] = ()

    def __str__(self) -> str:
        """The text that `parse` turns back into the same value."""
        shown = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if one.name not in self.hidden or getattr(self, one.name) != one.default
        ]
        return type(self).__name__ + (f"({', '.join(shown)})" if shown else "")

    def __add__(self, other: Remedy | Chain) -> Chain:
        """Join two remedies to a chain."""
        from hybridkit.remedies.chains import Chain

        return Chain((self,)) + other

    @property
    def at_query_time(self) -> str:
        """What is needed when a query is asked."""
        raise NotImplementedError

    @property
    def at_index_time(self) -> str:
        """What is needed when passages are indexed."""
        raise NotImplementedError


# By side ("query", "passage") and language: float32 (m, dim), what is taken off the embeddings of that language.
Vectors = dict[str, dict[str, "NDArray[np.float32]"]]


@dataclass(frozen=True)
class OnEmbeddings(Remedy):
    """A remedy on embeddings: it estimates vectors of each language and takes them off every embedding."""

    stage: ClassVar[str] = "embeddings"

    @property
    def from_rows(self) -> bool:
        """Whether it is estimated from training rows, and not from the texts that are searched."""
        return getattr(self, "by", "rows") == "rows"

    def vectors(self, texts: RowEmbeddings) -> Vectors:
        """Return what is taken off each side and language, estimated from the embeddings of some texts."""
        raise NotImplementedError

    def take_off(self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        """Take the vectors (m, dim) of a language off its embeddings (n, dim), in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class OnScores(Remedy):
    """A remedy on scores: for each query it makes the scores of every language's passages comparable.

    It keeps the order of the passages within a language, so that `mono` and `cross` stay as they are: the function is
    monotone. Where two scores differ by less than a rounding step of float32 at the new place they may become equal.
    """

    stage: ClassVar[str] = "scores"

    def on_tile(self, tile: NDArray[np.float32], slices: Mapping[str, slice], absent: NDArray[np.bool_] | None) -> None:
        """Change the scores of a few queries in place; see `scores.on_block`."""
        raise NotImplementedError
