"""Strategies: which kinds of batches a training sees, as values that print and parse back."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.sampling.plan import BatchPlan

_KINDS = ("mono", "cross", "mixed")


@dataclass(frozen=True)
class Strategy:
    """A rule for batches (arXiv 2408.10536, section 2). Make one with `mono()`, `hybrid(alpha=0.5)`, ... or `parse`."""

    def __str__(self) -> str:
        """The text that `parse` turns back into the same value, defaults left out except a hybrid's alpha."""
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name == "alpha" or getattr(self, field.name) != field.default
        ]
        return type(self).__name__ + (f"({', '.join(shown)})" if shown else "")

    @property
    def shares(self) -> dict[str, float]:
        """Probability of each batch kind (`mono`, `cross`, `mixed`)."""
        return {type(self).__name__: 1.0}

    @property
    def mono_share(self) -> float:
        """Probability that a batch is monolingual: alpha, nan for a strategy whose batches are neither."""
        return {"mono": 1.0, "english": 1.0, "cross": 0.0}.get(type(self).__name__, float("nan"))

    def mono_languages(self, corpus: ParallelCorpus) -> list[str]:
        """Languages of which monolingual batches are made: those with at least one row that has both sides."""
        both = (corpus.has_query & corpus.has_passage).any(axis=0)
        return [tag for tag, has in zip(corpus.languages, both, strict=True) if has]

    def mono_weights(self, sizes: np.ndarray) -> np.ndarray:
        """Probability of each mono language, given its number of rows."""
        return np.full(len(sizes), 1 / len(sizes))

    def usable(self, corpus: ParallelCorpus) -> np.ndarray:
        """Bool array (rows,): the rows that every kind of batch of the strategy can use."""
        both = corpus.has_query & corpus.has_passage
        n_pairs = corpus.has_query.sum(1) * corpus.has_passage.sum(1)
        usable = [n_pairs - both.sum(1) > 0 if kind == "cross" else both.any(1) for kind in self.shares]
        return np.asarray(np.logical_and.reduce(usable))

    def plan(self, corpus: ParallelCorpus, steps: int, batch_size: int, seed: int) -> BatchPlan:
        """Make the batch plan: a pure function of its arguments; see `draw.make_plan` for the rules and errors."""
        from hybridkit.sampling.draw import make_plan

        return make_plan(corpus, self, steps, batch_size, seed)


@dataclass(frozen=True)
class _Weighted(Strategy):
    by: str = "uniform"
    power: float = 1.0

    def __post_init__(self) -> None:
        if self.by not in ("uniform", "size"):
            raise InputError(f"by={self.by!r}: languages are drawn by 'uniform' or by 'size'")
        if isinstance(self.power, bool) or not isinstance(self.power, int | float) or not 0 <= self.power <= 10:
            raise InputError(f"power={self.power!r}: give a number from 0 to 10")

    def mono_weights(self, sizes: np.ndarray) -> np.ndarray:
        raised = sizes.astype(float) ** (self.power if self.by == "size" else 0.0)
        return np.asarray(raised / raised.sum())


@dataclass(frozen=True)
class english(Strategy):  # noqa: N801  strategies are written as the field writes them
    """En-En of LAReQA (arXiv 2004.05484): English queries with English passages only."""

    @property
    def shares(self) -> dict[str, float]:
        """English batches are monolingual ones."""
        return {"mono": 1.0}

    def mono_languages(self, corpus: ParallelCorpus) -> list[str]:
        """English alone; InputError where the corpus has none."""
        corpus.column("en")
        return ["en"]

    def usable(self, corpus: ParallelCorpus) -> np.ndarray:
        """Rows with an English query and an English passage."""
        column = corpus.column("en")
        return np.asarray(corpus.has_query[:, column] & corpus.has_passage[:, column])


@dataclass(frozen=True)
class mixed(Strategy):  # noqa: N801
    """X-X of LAReQA: every row in one language, rows of different languages in one batch."""


@dataclass(frozen=True)
class mono(_Weighted):  # noqa: N801
    """X-X-mono: each batch in one language, drawn uniformly (the paper's rule) or by its rows to a power.

    >>> str(mono(by="size", power=0.7)), str(mono())
    ("mono(by='size', power=0.7)", 'mono')
    """


@dataclass(frozen=True)
class cross(Strategy):  # noqa: N801
    """X-Y: every row of a batch draws its own pair of two different languages among those it has."""


@dataclass(frozen=True)
class hybrid(_Weighted):  # noqa: N801
    """Hybrid batch training (arXiv 2408.10536): each batch is `mono` with probability alpha, else `cross`.

    >>> str(hybrid()), hybrid(alpha=0.25).shares
    ('hybrid(alpha=0.5)', {'mono': 0.25, 'cross': 0.75})
    """

    by: str = "uniform"
    power: float = 1.0
    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, int | float) or not 0 <= self.alpha <= 1:
            raise InputError(f"alpha={self.alpha!r}: the share of mono batches is a number from 0 to 1")

    @property
    def shares(self) -> dict[str, float]:
        """The two kinds; at alpha 0 or 1 only one remains."""
        both = {"mono": float(self.alpha), "cross": 1 - float(self.alpha)}
        return {kind: share for kind, share in both.items() if share > 0}

    @property
    def mono_share(self) -> float:
        """Alpha."""
        return float(self.alpha)


_STRATEGIES: dict[str, type[Strategy]] = {kind.__name__: kind for kind in (english, mixed, mono, cross, hybrid)}


def parse(text: str) -> Strategy:
    """Turn the text of a strategy into its value; the inverse of `str`. Nothing of the text is executed.

    >>> parse("hybrid(alpha=0.5)") == hybrid(alpha=0.5), parse("mono")
    (True, mono(by='uniform', power=1.0))
    >>> parse("hybrd")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: strategy 'hybrd': no such strategy; there are english, mixed, mono, cross, hybrid
    """
    where = f"strategy {text!r}"
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: brackets nested deep
        raise InputError(f"{where}: cannot be read; write e.g. mono or hybrid(alpha=0.5)") from error
    call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
    name = call.func.id if isinstance(call.func, ast.Name) else text
    if name not in _STRATEGIES:
        raise InputError(f"{where}: no such strategy; there are {', '.join(_STRATEGIES)}")
    known = [field.name for field in fields(_STRATEGIES[name])]
    given = [word.arg for word in call.keywords]
    if len(set(given)) < len(given):
        raise InputError(f"{where}: an option stands twice; leave one")
    options: dict[str, object] = {}
    for word in call.keywords:
        if word.arg not in known or not isinstance(word.value, ast.Constant):
            raise InputError(
                f"{where}: {ast.unparse(word)} is not for {name}; it takes {', '.join(known) or 'nothing'}"
            )
        options[word.arg] = word.value.value
    if call.args:
        raise InputError(f"{where}: write options by name, e.g. hybrid(alpha=0.5)")
    try:
        return _STRATEGIES[name](**options)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def common_rows(corpus: ParallelCorpus, strategies: Sequence[Strategy]) -> np.ndarray:
    """Bool array (rows,): the rows that every one of the strategies can use, so that they can be compared fairly."""
    usable = [np.ones(len(corpus), dtype=bool), *(one.usable(corpus) for one in strategies)]
    return np.asarray(np.logical_and.reduce(usable))
