"""A cell of a study: one model, by its strategy and seed."""

from dataclasses import dataclass

from hybridkit.sampling import parse
from hybridkit.study import UNTRAINED


@dataclass(frozen=True)
class Cell:
    """One model of a study: a strategy (or "untrained") and a seed, in the study's main part or in its curve."""

    strategy: str
    seed: int = 0
    part: str = "main"

    @property
    def alpha(self) -> float:
        """Share of monolingual batches; nan where batches are neither monolingual nor cross-lingual."""
        return float("nan") if self.strategy == UNTRAINED else parse(self.strategy).mono_share

    def __str__(self) -> str:
        """Say which model it is, to a person."""
        where = "" if self.part == "main" else " (curve)"
        return self.strategy + ("" if self.strategy == UNTRAINED else f", seed {self.seed}") + where

    @property
    def slug(self) -> str:
        """A name for files, at most 80 letters and the seed; a hash stands beside it wherever it has to be unique.

        >>> Cell("hybrid(alpha=0.5)", 1).slug
        'hybrid-alpha-0.5-s1'
        """
        plain = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in self.strategy).strip("-")
        return f"{plain[:80]}-s{self.seed}"
