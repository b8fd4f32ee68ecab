"""Strategies: which kinds of batches a training sees, as values that print and parse back.

`english`, `mixed`, `mono` and `cross` are the baselines of arXiv 2408.10536, `hybrid` is its method; the share alpha of
monolingual batches may follow a schedule along the training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.language_pairs import Pairs, Patterns, allowed_pairs, check_pairs, check_weights, column
from hybridkit.sampling.plan import BatchPlan
from hybridkit.utils.numbers import COUNT, COUNT_OR_NONE, SHARE, Range


class Schedule:
    """A share that depends on the step. Make one with `linear(0, 1, steps=1000)` or `step({0: 1.0, 500: 0.5})`."""

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest share."""
        raise NotImplementedError

    def at(self, steps: int) -> np.ndarray:
        """Return the share at each of the steps of a training, float64 (steps,)."""
        raise NotImplementedError


@dataclass(frozen=True)
class linear(Schedule):  # noqa: N801  written as a strategy's option
    """From `start` at the first step to `stop` at step `steps` and after it; over the whole training without `steps`.

    Over the whole training the first batch has `start` and the last `stop`, so the share of a step depends on how many
    there are: such a plan is not the beginning of a longer one, as all others are.

    Raises:
        InputError: A share outside 0..1, or steps below 1.

    >>> linear(0, 1, steps=4).at(6).tolist(), linear(1, 0).at(3).tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0, 1.0], [1.0, 0.5, 0.0])
    >>> str(linear(0, 0.5, steps=1000))
    'linear(0, 0.5, steps=1000)'
    """

    start: float
    stop: float
    steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("start", "stop"):
            SHARE.check(getattr(self, name), f"{name} of linear, a share of mono batches,")
        if self.steps is not None:
            COUNT.check(self.steps, "steps of linear")

    def __str__(self) -> str:
        """The text that parses back."""
        end = "" if self.steps is None else f", steps={self.steps}"
        return f"linear({self.start!r}, {self.stop!r}{end})"

    @property
    def ends(self) -> tuple[float, float]:
        """The smaller and the larger of `start` and `stop`."""
        return min(self.start, self.stop), max(self.start, self.stop)

    def at(self, steps: int) -> np.ndarray:
        """Return the share at each of the steps, float64 (steps,)."""
        way = np.minimum(np.arange(steps) / (max(steps - 1, 1) if self.steps is None else self.steps), 1.0)
        return np.asarray(self.start * (1 - way) + self.stop * way)


@dataclass(frozen=True)
class step(Schedule):  # noqa: N801
    """A share that jumps: `{0: 1.0, 500: 0.5}` is 1.0 in the first 500 steps and 0.5 from step 500 (from 0) on.

    Raises:
        InputError: A share outside 0..1, a step that is not a whole number from 0, or no share for step 0.

    >>> step({0: 1.0, 2: 0.5}).at(4).tolist(), str(step({2: 0.5, 0: 1}))
    ([1.0, 1.0, 0.5, 0.5], 'step({0: 1, 2: 0.5})')
    """

    shares: Mapping[int, float] = field(hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.shares, Mapping) or not self.shares:
            raise InputError(f"step({self.shares!r}): give shares by step, such as step({{0: 1.0, 500: 0.5}})")
        for at, share in self.shares.items():
            COUNT_OR_NONE.check(at, f"step({dict(self.shares)!r}): a step")
            SHARE.check(share, f"step {at}: the share of mono batches")
        if 0 not in self.shares:
            raise InputError(f"step({dict(self.shares)!r}): give the share of step 0 as well")
        object.__setattr__(self, "shares", dict(sorted(self.shares.items())))

    def __str__(self) -> str:
        """The text that parses back."""
        return f"step({self.shares!r})"

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest share."""
        return min(self.shares.values()), max(self.shares.values())

    def at(self, steps: int) -> np.ndarray:
        """Return the share at each of the steps, float64 (steps,)."""
        changes, shares = list(self.shares), np.array(list(self.shares.values()), dtype=float)
        return np.asarray(shares[np.searchsorted(changes, np.arange(steps), side="right") - 1])


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
        """Return the probability of each kind in `shares` at every step of a training, float64 (steps, kinds)."""
        return np.broadcast_to(list(self.shares.values()), (steps, len(self.shares)))

    def same_share(self, steps: int) -> np.ndarray | None:
        """Return the share of same-language rows in each `blend` batch, float64 (steps,); None without such batches."""
        return None

    @property
    def mono_share(self) -> float:
        """Probability that a batch is monolingual: alpha, nan for a strategy whose batches are neither."""
        return {"mono": 1.0, "english": 1.0, "cross": 0.0}.get(type(self).__name__, float("nan"))

    def mono_languages(self, patterns: Patterns) -> list[str]:
        """Return the languages that monolingual batches are made of: those with a row that has both sides."""
        drawn = (patterns.sizes["both"] > 0) & (self.language_weights(patterns, "both") > 0)
        return [tag for tag, has in zip(patterns.languages, drawn, strict=True) if has]

    @property
    def rows_first(self) -> bool:
        """Whether a batch in one language, or of one pair, is drawn so that every row is drawn equally often."""
        return False

    @property
    def stratified(self) -> bool:
        """Whether kinds and languages of batches have their shares in every plan, not only on average."""
        return True

    def mono_weights(self, sizes: np.ndarray) -> np.ndarray:
        """Return the probability of each mono language where it is drawn first, given its number of rows."""
        return np.full(len(sizes), 1 / len(sizes))

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Return the relative weight of each language among those of a row, float (languages,); 0 where never drawn.

        The size of a language is its number of rows that have `side` in it: "query", "passage" or "both".
        """
        return np.ones(len(patterns.languages))

    def pair_weights(self, patterns: Patterns, same: bool) -> np.ndarray:
        """Return the relative weight of each (query language, passage language), float; 0 where never drawn.

        With `same`, of pairs in one language; else of pairs in two, the product of the two languages' weights.
        """
        if same:
            return np.diag(self.language_weights(patterns, "both"))
        weights = np.outer(self.language_weights(patterns, "query"), self.language_weights(patterns, "passage"))
        return np.asarray(weights * allowed_pairs(getattr(self, "pairs", "all"), patterns.languages))

    def usable(self, corpus: ParallelCorpus) -> np.ndarray:
        """Return which rows every kind of batch of the strategy can use, bool (rows,)."""
        patterns = Patterns.of(corpus)
        sorts = {"mono": [True], "mixed": [True], "cross": [False], "blend": [True, False]}
        usable = np.ones(len(patterns.query), dtype=bool)
        for same in {same for kind in self.shares for same in sorts[kind]}:
            usable &= patterns.with_pair(self.pair_weights(patterns, same))
        return np.asarray(usable[patterns.of_row])

    def plan(self, corpus: ParallelCorpus, steps: int, batch_size: int, seed: int) -> BatchPlan:
        """Return the batch plan, a pure function of the arguments; rules and errors are those of `make_plan`."""
        from hybridkit.sampling.planning import make_plan

        return make_plan(corpus, self, steps, batch_size, seed)


def _show(value: object) -> str:
    if isinstance(value, Strategy | Schedule):
        return str(value)
    return repr(list(value) if isinstance(value, tuple) else value)


@dataclass(frozen=True)
class Weighted(Strategy):
    """How languages are drawn: `by` rows, uniformly, by size or by given weights (0 where none is given).

    - "rows" (default): every row is drawn equally often, and then a language or a pair among its own. A batch in one
      language gets it with the probability that the rows have it, and its rows accordingly. So all strategies draw the
      same rows, sources and languages equally often, on each side where rows have both sides in the same languages.
    - "uniform": the language of a batch is drawn first, all equally often (the rule of arXiv 2408.10536, the same as
      "rows" where all rows are parallel), then a row that has it. Rare languages repeat their few rows.
    - "size": the same with a language's number of rows to a `power`; within a row, languages weigh as much.

    `draw` is "stratified" (default): kinds and languages of batches have just their shares in every plan, placed at
    random; or "independent": each batch draws its own, as in versions before, and shares vary from plan to plan.
    """

    by: str = "rows"
    power: float = 1.0
    weights: Mapping[str, float] | None = field(default=None, hash=False)
    draw: str = "stratified"

    def __post_init__(self) -> None:
        if self.by not in ("rows", "uniform", "size"):
            raise InputError(f"by={self.by!r}: languages are drawn by 'rows', 'uniform' or 'size'")
        if self.draw not in ("stratified", "independent"):
            raise InputError(f"draw={self.draw!r}: batches are drawn 'stratified' or 'independent'")
        if not self.whole_batches:
            for name, value in (("by", "uniform"), ("draw", "independent")):
                if getattr(self, name) == value:
                    raise InputError(
                        f"{name}={value!r}: it is for batches in one language or of one pair; leave it out"
                    )
        Range(0, 10).check(self.power, "power")
        if self.weights is not None:
            if self.by != "rows":
                raise InputError(f"by={self.by!r} and weights: languages are drawn by one of them; leave one out")
            object.__setattr__(self, "weights", check_weights(self.weights))

    @property
    def whole_batches(self) -> bool:
        """Whether a batch as a whole may draw its kind, its language or its pair."""
        return True

    @property
    def rows_first(self) -> bool:
        """Whether every row is drawn equally often."""
        return self.by == "rows" and self.weights is None

    @property
    def stratified(self) -> bool:
        """Whether `draw` is "stratified"."""
        return self.draw == "stratified"

    def mono_weights(self, sizes: np.ndarray) -> np.ndarray:
        """Return the probability of each mono language by the rule."""
        if self.weights is not None:  # in order of the tags, as the languages of a corpus are
            return np.array([weight for weight in self.weights.values() if weight > 0])
        raised = sizes.astype(float) ** (self.power if self.by == "size" else 0.0)
        return np.asarray(raised / raised.sum())

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Return the relative weight of each language by the rule; InputError for a language that no row has."""
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

    def mono_languages(self, patterns: Patterns) -> list[str]:
        """Return English alone; InputError where the corpus has none."""
        self.language_weights(patterns, "both")
        return ["en"]

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Return all weight for English."""
        return np.asarray(np.eye(len(patterns.languages))[column("en", patterns.languages, "english")])


@dataclass(frozen=True)
class mixed(Weighted):  # noqa: N801
    """X-X of LAReQA: every row in one language, rows of different languages in one batch.

    A row draws its language among those it has, uniformly or by weight.
    """

    @property
    def whole_batches(self) -> bool:
        """Every row draws for itself."""
        return False


@dataclass(frozen=True)
class mono(Weighted):  # noqa: N801
    """X-X-mono: each batch in one language; `by` says how it is drawn.

    >>> str(mono(by="size", power=0.7)), str(mono()), str(mono(weights={"en": 0.8, "de": 0.2}))
    ("mono(by='size', power=0.7)", 'mono', "mono(weights={'de': 0.2, 'en': 0.8})")
    """


@dataclass(frozen=True)
class cross(Weighted):  # noqa: N801
    """X-Y: every row of a batch draws its own pair of two different languages among those it has.

    `pairs` restricts them: "en-x" (English on either side), or a list of query-passage such as ["de-en", "en-de"].
    With "one" a batch draws one pair for all its rows, among all pairs that some row has, by rows or uniformly. A row's
    pairs weigh the same, or by the product of their languages' weights; by size, a language's size is its number of
    queries or of passages.

    >>> str(cross(pairs=["de-en", "en-de"]))
    "cross(pairs=['de-en', 'en-de'])"
    """

    pairs: Pairs = "all"

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", check_pairs(self.pairs))
        super().__post_init__()

    @property
    def whole_batches(self) -> bool:
        """Whether a batch draws one pair for all of its rows."""
        return self.pairs == "one"


def unwrapped(strategy: Strategy) -> Strategy:
    """Return the strategy whose rules make the draws: the one within a wrapper such as `codeswitch`, or itself."""
    base = getattr(strategy, "base", None)
    return unwrapped(base) if isinstance(base, Strategy) else strategy


def common_rows(corpus: ParallelCorpus, strategies: Sequence[Strategy]) -> np.ndarray:
    """Return which rows every one of the strategies can use, bool (rows,), so that they can be compared fairly."""
    usable = [np.ones(len(corpus), dtype=bool), *(strategy.usable(corpus) for strategy in strategies)]
    return np.asarray(np.logical_and.reduce(usable))


@dataclass(frozen=True)
class hybrid(Weighted):  # noqa: N801
    """Hybrid batch training (arXiv 2408.10536): a share alpha of the batches is `mono`, the others are `cross`.

    Stratified, a plan of n steps has round(alpha n) monolingual batches, placed at random; with draw="independent" each
    batch is one with probability alpha, as the paper writes, and their number varies. `alpha` may move along the
    training: `linear(0, 1, steps=1000)`, `step({0: 1.0, 500: 0.5})`. `pairs` are those of the cross-lingual part, as
    for `cross`. Given weights hold for both parts, `by` for the monolingual one.

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
        if self.level not in ("batch", "row"):
            raise InputError(f"level={self.level!r}: alpha is a share of batches ('batch') or of their rows ('row')")
        super().__post_init__()
        if not isinstance(self.alpha, Schedule):
            SHARE.check(self.alpha, "alpha, the share of mono batches,")
        object.__setattr__(self, "pairs", check_pairs(self.pairs))
        if self.level == "row" and self.pairs == "one":
            raise InputError("pairs='one' with level='row': in a batch of both sorts every row draws its own pair")

    @property
    def whole_batches(self) -> bool:
        """Whether alpha is a share of batches."""
        return self.level == "batch"

    def language_weights(self, patterns: Patterns, side: str) -> np.ndarray:
        """Return the relative weight of each language; by size only where `both` sides are in one language."""
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
        """Return alpha and the rest at every step, float64 (steps, kinds)."""
        if self.level == "row" or len(self.shares) == 1:
            return super().shares_at(steps)
        alpha = self._alpha_at(steps)
        return np.stack([alpha, 1 - alpha], axis=1)

    def same_share(self, steps: int) -> np.ndarray | None:
        """Return alpha at every step where it is a share of rows, else None."""
        return self._alpha_at(steps) if self.level == "row" else None

    def _alpha_at(self, steps: int) -> np.ndarray:
        return self.alpha.at(steps) if isinstance(self.alpha, Schedule) else np.full(steps, float(self.alpha))

    @property
    def mono_share(self) -> float:
        """Alpha; nan where it moves, or is a share of rows."""
        return float("nan") if self.level == "row" else self.shares.get("mono", 0.0)
