"""Strategies: which kinds of batches a training sees, as values that print and parse back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.pairs import Pairs, allowed_pairs, check_pairs, check_weights, column
from hybridkit.sampling.patterns import Patterns
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.schedules import Schedule


@dataclass(frozen=True)
class Strategy:
    """A rule for batches (arXiv 2408.10536, section 2). Make one with `mono()`, `hybrid(alpha=0.5)`, ... or `parse`.

    Batches are of the kinds `mono` (one language), `cross` (two different languages in every row), `mixed` (every row
    in one language, rows of different languages) or `blend` (some rows as in `mixed`, the others as in `cross`).
    """

    def __str__(self) -> str:
        """The text that `parse` turns back into the same value, defaults left out except a hybrid's alpha."""
        shown = [
            f"{one.name}={_show(getattr(self, one.name))}"
            for one in fields(self)
            if one.name == "alpha" or getattr(self, one.name) != one.default
        ]
        return type(self).__name__ + (f"({', '.join(shown)})" if shown else "")

    @property
    def shares(self) -> dict[str, float]:
        """Probability of each kind of batch that may occur; nan where it moves along the training."""
        return {type(self).__name__: 1.0}

    def shares_at(self, steps: int) -> np.ndarray:
        """Probability of each kind in `shares` at every step of a training, float64 (steps, kinds)."""
        return np.broadcast_to(list(self.shares.values()), (steps, len(self.shares)))

    @property
    def mono_share(self) -> float:
        """Probability that a batch is monolingual: alpha, nan for a strategy whose batches are neither."""
        return {"mono": 1.0, "english": 1.0, "cross": 0.0}.get(type(self).__name__, float("nan"))

    def mono_languages(self, corpus: ParallelCorpus) -> list[str]:
        """Languages of which monolingual batches are made: those with at least one row that has both sides."""
        return self._mono_languages(Patterns.of(corpus))

    def _mono_languages(self, patterns: Patterns) -> list[str]:
        drawn = (patterns.sizes["both"] > 0) & (self.language_weights(patterns, "both") > 0)
        return [tag for tag, has in zip(patterns.languages, drawn, strict=True) if has]

    def mono_weights(self, sizes: np.ndarray) -> np.ndarray:
        """Probability of each mono language, given its number of rows."""
        return np.full(len(sizes), 1 / len(sizes))

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Relative weight of each language among those of one row, float (languages,); 0 for one that is not drawn.

        `side` says what counts as a language's size: rows with a `query`, with a `passage`, or with `both` in it.
        """
        return np.ones(len(patterns.languages))

    def pair_weights(self, patterns: Patterns, same: bool) -> np.ndarray:
        """Relative weight of each (query language, passage language), float; 0 for one that is not drawn.

        Of `same` language, or of two: then it is the product of the two languages' weights.
        """
        if same:
            return np.diag(self.language_weights(patterns, "both"))
        weights = np.outer(self.language_weights(patterns, "query"), self.language_weights(patterns, "passage"))
        return np.asarray(weights * allowed_pairs(getattr(self, "pairs", "all"), patterns.languages))

    def usable(self, corpus: ParallelCorpus) -> np.ndarray:
        """Bool array (rows,): the rows that every kind of batch of the strategy can use."""
        patterns = Patterns.of(corpus)
        sorts = {"mono": [True], "mixed": [True], "cross": [False], "blend": [True, False]}
        needed = {same for kind in self.shares for same in sorts[kind]}
        usable = np.ones(len(patterns.query), dtype=bool)
        for same in needed:
            usable &= patterns.with_pair(self.pair_weights(patterns, same))
        return np.asarray(usable[patterns.of_row])

    def plan(self, corpus: ParallelCorpus, steps: int, batch_size: int, seed: int) -> BatchPlan:
        """Make the batch plan: a pure function of its arguments; see `draw.make_plan` for the rules and errors."""
        from hybridkit.sampling.draw import make_plan

        return make_plan(corpus, self, steps, batch_size, seed)


def _show(value: object) -> str:
    if isinstance(value, Strategy | Schedule):
        return str(value)
    return repr(list(value) if isinstance(value, tuple) else value)


@dataclass(frozen=True)
class Weighted(Strategy):
    """Languages drawn uniformly, by their number of rows to a power, or by given weights (0 where none is given)."""

    by: str = "uniform"
    power: float = 1.0
    weights: Mapping[str, float] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if self.by not in ("uniform", "size"):
            raise InputError(f"by={self.by!r}: languages are drawn by 'uniform' or by 'size'")
        if isinstance(self.power, bool) or not isinstance(self.power, int | float) or not 0 <= self.power <= 10:
            raise InputError(f"power={self.power!r}: give a number from 0 to 10")
        if self.weights is not None:
            if self.by != "uniform":
                raise InputError(f"by={self.by!r} and weights: languages are drawn by one of them; leave one out")
            object.__setattr__(self, "weights", check_weights(self.weights))

    def mono_weights(self, sizes: np.ndarray) -> np.ndarray:
        """Probability of each mono language by the rule."""
        if self.weights is not None:  # in order of the tags, as the languages of a corpus are
            return np.array([weight for weight in self.weights.values() if weight > 0])
        raised = sizes.astype(float) ** (self.power if self.by == "size" else 0.0)
        return np.asarray(raised / raised.sum())

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Relative weight of each language by the rule; InputError for a language that no row has."""
        if self.weights is None:
            return np.asarray(patterns.sizes[side] ** (float(self.power) if self.by == "size" else 0.0))
        given = np.zeros(len(patterns.languages))
        for tag, weight in self.weights.items():
            given[column(tag, patterns.languages, f"{self}, weights")] = weight
        return given


@dataclass(frozen=True)
class english(Strategy):  # noqa: N801  strategies are written as the field writes them
    """En-En of LAReQA (arXiv 2004.05484): English queries with English passages only."""

    @property
    def shares(self) -> dict[str, float]:
        """English batches are monolingual ones."""
        return {"mono": 1.0}

    def _mono_languages(self, patterns: Patterns) -> list[str]:
        """English alone; InputError where the corpus has none."""
        self.language_weights(patterns, "both")
        return ["en"]

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """All weight is English's."""
        return np.asarray(np.eye(len(patterns.languages))[column("en", patterns.languages, "english")])


@dataclass(frozen=True)
class mixed(Weighted):  # noqa: N801
    """X-X of LAReQA: every row in one language, rows of different languages in one batch.

    A row draws its language among those it has, uniformly or by weight.
    """


@dataclass(frozen=True)
class mono(Weighted):  # noqa: N801
    """X-X-mono: each batch in one language, drawn uniformly (the paper's rule), by its rows to a power, or by weights.

    >>> str(mono(by="size", power=0.7)), str(mono()), str(mono(weights={"en": 0.8, "de": 0.2}))
    ("mono(by='size', power=0.7)", 'mono', "mono(weights={'de': 0.2, 'en': 0.8})")
    """


@dataclass(frozen=True)
class cross(Weighted):  # noqa: N801
    """X-Y: every row of a batch draws its own pair of two different languages among those it has.

    `pairs` restricts them: "en-x" (English on either side), or a list of query-passage such as ["de-en", "en-de"].
    With "one" a batch draws one pair for all its rows, among all pairs that some row has. Pairs are drawn uniformly, or
    by the product of their languages' weights; by size, a language's size is its number of queries or of passages.

    >>> str(cross(pairs=["de-en", "en-de"]))
    "cross(pairs=['de-en', 'en-de'])"
    """

    pairs: Pairs = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "pairs", check_pairs(self.pairs))


def unwrapped(strategy: Strategy) -> Strategy:
    """The strategy whose rules make the draws: that within a wrapper such as `codeswitch`, else the strategy itself."""
    base = getattr(strategy, "base", None)
    return unwrapped(base) if isinstance(base, Strategy) else strategy


def common_rows(corpus: ParallelCorpus, strategies: Sequence[Strategy]) -> np.ndarray:
    """Bool array (rows,): the rows that every one of the strategies can use, so that they can be compared fairly."""
    usable = [np.ones(len(corpus), dtype=bool), *(one.usable(corpus) for one in strategies)]
    return np.asarray(np.logical_and.reduce(usable))
