"""A cell of a study: one model, by its strategy and seed."""

from dataclasses import dataclass

from hybridkit.sampling import parse
from hybridkit.study import UNTRAINED


@dataclass(frozen=True)
class Cell:
    """One model of a study: a strategy (or "untrained") and a seed, in the study's main part, its curve or diversity.

    What differs from the part's own settings: the training `languages`, the number of training `rows`, `batch_size` and
    `steps`; where they are empty or 0, nothing does.
    """

    strategy: str
    seed: int = 0
    part: str = "main"
    languages: tuple[str, ...] = ()
    rows: int = 0
    batch_size: int = 0
    steps: int = 0

    @property
    def alpha(self) -> float:
        """Share of monolingual batches; nan where batches are neither monolingual nor cross-lingual."""
        return float("nan") if self.strategy == UNTRAINED else parse(self.strategy).mono_share

    def __str__(self) -> str:
        """Say which model it is, to a person."""
        other = [f"languages {' '.join(self.languages)}"] if self.languages else []
        other += [f"{self.rows} rows"] if self.rows else []
        other += [f"batches of {self.batch_size}"] if self.batch_size else []
        other += [f"{self.steps} steps"] if self.steps else []
        where = [] if self.part == "main" else [f"({self.part})"]
        return " ".join([self.strategy + "".join(f", {one}" for one in self._seed() + other), *where])

    def _seed(self) -> list[str]:
        return [] if self.strategy == UNTRAINED else [f"seed {self.seed}"]

    @property
    def slug(self) -> str:
        """A name for files, at most 80 letters and the seed; a hash stands beside it wherever it has to be unique.

        >>> Cell("hybrid(alpha=0.5)", 1).slug
        'hybrid-alpha-0.5-s1'
        """
        named = " ".join([self.strategy, *self.languages])
        plain = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in named).strip("-")
        return f"{plain[:80]}-s{self.seed}"
