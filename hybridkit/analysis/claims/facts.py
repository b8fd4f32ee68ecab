"""What a ledger needs, whatever the source: scores and differences; and the published tables as such a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import pandas as pd

from hybridkit.analysis.claims.checks import ROLES
from hybridkit.data.sources.published import published
from hybridkit.evaluation.measures import DISTANCE, SETTINGS

Fact: TypeAlias = "float | str | frozenset[str]"
PAPER = "arXiv 2408.10536"
NAN = float("nan")


@dataclass(frozen=True)
class Difference:
    """A sum of scores with their factors and a constant, and what is known of its chance (`significance.contrast`).

    `low`, `high`, `p` are over questions, given these trainings; `crossed_low`, `crossed_high`, `crossed_p` over
    questions and trainings together, NaN below three `trainings` (their `unit`: seeds, or random draws of languages).
    What is `trained` needs both. Numbers that were printed without intervals are not `measured`. `basis` says what all
    of it was made from; `scores` are those of the terms, in their order.
    """

    difference: float = NAN
    low: float = NAN
    high: float = NAN
    p: float = NAN
    crossed_low: float = NAN
    crossed_high: float = NAN
    crossed_p: float = NAN
    trainings: int = 0
    unit: str = "seeds"
    trained: bool = True
    measured: bool = True
    basis: str = ""
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class ScoreQuery:
    """A score that a check names, averaged as its setting's macro mean is; the strategy as studies spell it."""

    measure: str
    strategy: str
    benchmark: str
    setting: str
    encoder: str

    def __str__(self) -> str:
        return f"{self.measure} of {self.strategy} on {self.benchmark}, {self.setting}"


class NotTestable(Exception):  # noqa: N818  it is an answer, not an error
    """What a check needs is not there: what is missing, what would make it testable, and which variables it concerns.

    `about` are variables of a check; an answer without something about a variable that means whatever there is
    (`every benchmark`) is not an answer of the check.
    """

    def __init__(self, what: str, cure: str = "", *about: str) -> None:
        super().__init__(what)
        self.what, self.cure, self.about = what, cure, frozenset(about)


class Facts(Protocol):
    """A source of facts: a study that was run, or published tables.

    `constructed` names the words of checks whose answer its settings or the kit itself make true, so that they cannot
    fail: such an answer is no evidence. Of these, `chosen` are its settings: where they are others than a check says,
    the source does not have what the check is about.
    """

    title: str
    constructed: frozenset[str]
    chosen: frozenset[str]

    def names(self, variable: str) -> tuple[str, ...]:
        """Return all names that a variable of a check may have here."""

    def score(self, query: ScoreQuery) -> float:
        """A score; NotTestable where there is none."""

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        """The sum of scores with their factors, plus a constant; all of one measure, benchmark, setting and encoder."""

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        """A fact by its name in `checks.WORDS`: a number, a word or a set; NotTestable where it is not known."""

    def note(self, name: str, arguments: tuple[str, ...]) -> str:
        """What a reader must know beside a fact, or nothing."""


class PublishedFacts:
    """What the paper's own tables say.

    >>> facts = PublishedFacts()
    >>> query = ScoreQuery("AP", "hybrid(alpha=0.5)", "xquad-r", "pool", "xlm-r")
    >>> facts.score(query), sorted(facts.fact("benchmarks", (), ""))
    (0.5927, ['miracl', 'mlqa-r', 'xquad-r'])
    """

    title = "the published tables"
    constructed: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()

    @cached_property
    def _table(self) -> pd.DataFrame:
        table = published()
        table = table[table["source"] == PAPER]
        return table.assign(encoder=table["encoder"].str.lower())

    def names(self, variable: str) -> tuple[str, ...]:
        """Encoders, benchmarks and measures of the tables, the paper's settings and strategies."""
        if variable in ("encoder", "benchmark", "measure"):
            return tuple(dict.fromkeys(self._table[variable]))
        return tuple(SETTINGS) if variable == "setting" else ROLES

    def score(self, query: ScoreQuery) -> float:
        """The mean that was printed."""
        found = self._rows(query)
        mean = found.loc[found["language"] == "mean", "value"]
        if mean.empty:
            raise NotTestable(f"the tables print no mean for {query}", "", "benchmark", "setting", "measure")
        return float(mean.iloc[0])

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        """A difference of printed numbers, which have no interval."""
        scores = tuple(self.score(query) for _, query in terms)
        found = sum(factor * score for (factor, _), score in zip(terms, scores, strict=True)) + constant
        basis = "printed numbers, without intervals"
        return Difference(round(found, 9), measured=False, basis=basis, scores=scores)

    def note(self, name: str, arguments: tuple[str, ...]) -> str:
        """Nothing."""
        return ""

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        """What can be read from tables: their benchmarks, encoders, measures, languages, and means of their parts."""
        table = self._table
        if name in ("benchmarks", "encoders"):
            return frozenset(table[name.removesuffix("s")])
        if name == "macro":
            measure, strategy, benchmark, setting = arguments
            found = self._rows(ScoreQuery(measure, strategy, benchmark, setting, encoder))
            return float(found.loc[found["language"] != "mean", "value"].mean())
        if name in ("languages", "measures", "pairs") and arguments[0] in set(table["benchmark"]):
            own = table[table["benchmark"] == arguments[0]]
            if name == "measures":
                return frozenset(own["measure"])
            languages = frozenset(own.loc[own["language"] != "mean", "language"])
            if name == "languages":
                return languages
            if arguments[1] == "mono":
                return frozenset(f"{tag}>{tag}" for tag in languages)
            raise NotTestable("the tables print one mean a query language, not each pair of languages")
        what = {
            "kinds": "plans of batches",
            "start": "encoders themselves, only their names",
            "parallel": "questions",
            "leaks": "training rows",
            "relatives": "training rows",
        }
        missing = what.get(name) or f"{name} of {', '.join(arguments)}"
        raise NotTestable(f"the tables hold no {missing}", "", "benchmark")

    def _rows(self, query: ScoreQuery) -> pd.DataFrame:
        table = self._table
        setting = "pool" if query.measure == DISTANCE else query.setting
        for column, value in (("encoder", query.encoder), ("benchmark", query.benchmark), ("strategy", query.strategy)):
            table = table[table[column] == value]
            if table.empty:
                raise NotTestable(f"the tables have no {column} {value}", "", column)
        table = table[(table["setting"] == setting) & (table["measure"] == query.measure)]
        if table.empty:
            raise NotTestable(f"the tables have no {query}", "", "benchmark", "setting", "measure")
        return table
