"""Hybrid batch training: which share of a training is monolingual, and when."""

from dataclasses import dataclass

import numpy as np

from hybridkit.errors import InputError
from hybridkit.sampling.pairs import Pairs, check_pairs
from hybridkit.sampling.patterns import Patterns
from hybridkit.sampling.schedules import Schedule, check_share
from hybridkit.sampling.strategies import Weighted


@dataclass(frozen=True)
class hybrid(Weighted):  # noqa: N801
    """Hybrid batch training (arXiv 2408.10536): each batch is `mono` with probability alpha, else `cross`.

    `alpha` may move along the training: `linear(0, 1, steps=1000)`, `step({0: 1.0, 500: 0.5})`. `pairs` are those of
    the cross-lingual part, as for `cross`. Given weights hold for both parts, those by size for the monolingual one.

    With `level="row"` every batch is a `blend`: a share alpha of its rows is same-language, each in a language of its
    own as in `mixed`, the others are cross-lingual as in `cross`; all come from one queue of the rows that can do both.
    Where the share is no whole number of rows it is rounded up or down at random, so that it holds on average.

    >>> str(hybrid()), hybrid(alpha=0.25).shares, hybrid(level="row").shares
    ('hybrid(alpha=0.5)', {'mono': 0.25, 'cross': 0.75}, {'blend': 1.0})
    """

    alpha: float | Schedule = 0.5
    pairs: Pairs = "all"
    level: str = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.alpha, Schedule):
            check_share(self.alpha, "alpha")
        object.__setattr__(self, "pairs", check_pairs(self.pairs))
        if self.level not in ("batch", "row"):
            raise InputError(f"level={self.level!r}: alpha is a share of batches ('batch') or of their rows ('row')")
        if self.level == "row" and self.pairs == "one":
            raise InputError("pairs='one' with level='row': in a batch of both sorts every row draws its own pair")

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Relative weight of each language; by size only where `both` sides are in one language."""
        if self.weights is None and side != "both":
            return np.ones(len(patterns.languages))
        return super().language_weights(patterns, side)

    @property
    def shares(self) -> dict[str, float]:
        """The two kinds, at an alpha that stays 0 or 1 only one; `blend` at the level of rows."""
        if self.level == "row":
            return {"blend": 1.0}
        low, high = self.alpha.ends if isinstance(self.alpha, Schedule) else (float(self.alpha),) * 2
        share = low if low == high else float("nan")
        return {kind: value for kind, value in (("mono", share), ("cross", 1 - share)) if value != 0}

    def shares_at(self, steps: int) -> np.ndarray:
        """Alpha and the rest at every step, float64 (steps, kinds)."""
        if self.level == "row" or len(self.shares) == 1:
            return super().shares_at(steps)
        alpha = self.alpha_at(steps)
        return np.stack([alpha, 1 - alpha], axis=1)

    def alpha_at(self, steps: int) -> np.ndarray:
        """Alpha at every step of a training, float64 (steps,)."""
        return self.alpha.at(steps) if isinstance(self.alpha, Schedule) else np.full(steps, float(self.alpha))

    @property
    def mono_share(self) -> float:
        """Alpha; nan where it moves, or is a share of rows."""
        return float("nan") if self.level == "row" else self.shares.get("mono", 0.0)
