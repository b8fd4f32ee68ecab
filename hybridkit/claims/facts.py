"""What a ledger asks: scores, differences with their intervals, facts about data; one interface for every source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

NAN = float("nan")
Fact: TypeAlias = "float | str | frozenset[str]"


@dataclass(frozen=True)
class Ask:
    """A score that is asked for, averaged as its setting's macro mean is; the strategy as studies spell it."""

    measure: str
    strategy: str
    benchmark: str
    setting: str
    encoder: str

    def __str__(self) -> str:
        return f"{self.measure} of {self.strategy} on {self.benchmark}, {self.setting}"


@dataclass(frozen=True)
class Gap:
    """A difference with what is known of its chance: an interval over articles and one over trainings, NaN without.

    `unit` says what the second one is over: seeds, or sets of training languages; `basis` what both were made from.
    `scores` are those of the terms that were asked for, in their order.
    """

    difference: float
    low: float = NAN
    high: float = NAN
    seeds_low: float = NAN
    seeds_high: float = NAN
    basis: str = "numbers without an interval"
    scores: tuple[float, ...] = ()
    unit: str = "seeds"


class Lacking(Exception):  # noqa: N818  it is an answer, not an error
    """What was asked for is not there: what is lacking, what would make it testable, and which variables it concerns.

    `about` are variables of a check; an answer that lacks something about a variable that stands for whatever there is
    (`every benchmark`) is no answer of the check.
    """

    def __init__(self, what: str, cure: str = "", *about: str) -> None:
        super().__init__(what)
        self.what, self.cure, self.about = what, cure, frozenset(about)


class Facts(Protocol):
    """A source of facts: a study that was run, or published tables."""

    title: str

    def names(self, variable: str) -> tuple[str, ...]:
        """All that a variable of a check stands for here."""

    def score(self, ask: Ask) -> float:
        """A score; Lacking where there is none."""

    def gap(self, terms: Sequence[tuple[float, Ask]], constant: float = 0.0) -> Gap:
        """The sum of scores with their factors, plus a constant; all of one measure, benchmark, setting and encoder."""

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        """A fact by its name in `words.WORDS`: a number, a word or a set; Lacking where it is not known."""
