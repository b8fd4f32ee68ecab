"""What a ledger needs, whatever the source: scores and differences; and the published tables as such a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import pandas as pd

from hybridkit.analysis.claims.checks import ROLES
from hybridkit.data.sources.published import published
from hybridkit.evaluation.measures import DISTANCE, SETTINGS
from hybridkit.evaluation.significance import Difference

Fact: TypeAlias = "float | str | frozenset[str]"
PAPER = "arXiv 2408.10536"


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
    """A source of facts: a study that was run, or published tables."""

    title: str

    def names(self, variable: str) -> tuple[str, ...]:
        """Return all names that a variable of a check may have here."""

    def score(self, query: ScoreQuery) -> float:
        """A score; NotTestable where there is none."""

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        """The sum of scores with their factors, plus a constant; all of one measure, benchmark, setting and encoder."""

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        """A fact by its name in `checks.WORDS`: a number, a word or a set; NotTestable where it is not known."""


class PublishedFacts:
    """What the paper's own tables say.

    >>> facts = PublishedFacts()
    >>> query = ScoreQuery("AP", "hybrid(alpha=0.5)", "xquad-r", "pool", "xlm-r")
    >>> facts.score(query), sorted(facts.fact("benchmarks", (), ""))
    (0.5927, ['miracl', 'mlqa-r', 'xquad-r'])
    """

    title = "the published tables"

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
        return Difference(round(found, 9), basis="bare numbers, which were published without intervals", scores=scores)

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
