"""The published tables as facts: bare numbers of arXiv 2408.10536, without plans, rows or intervals."""

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from hybridkit.claims.facts import Ask, Fact, Gap, Lacking
from hybridkit.claims.words import DISTANCE, ROLES, SETTINGS
from hybridkit.sources.published import published

PAPER = "arXiv 2408.10536"


class PublishedFacts:
    """What the paper's own tables say.

    >>> facts = PublishedFacts()
    >>> ask = Ask("AP", "hybrid(alpha=0.5)", "xquad-r", "pool", "xlm-r")
    >>> facts.score(ask), sorted(facts.fact("benchmarks", (), ""))
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
        return SETTINGS if variable == "setting" else ROLES

    def score(self, ask: Ask) -> float:
        """The mean that was printed."""
        found = self._rows(ask)
        mean = found.loc[found["language"] == "mean", "value"]
        if mean.empty:
            raise Lacking(f"the tables print no mean for {ask}", "", "benchmark", "setting", "measure")
        return float(mean.iloc[0])

    def gap(self, terms: Sequence[tuple[float, Ask]], constant: float = 0.0) -> Gap:
        """A difference of printed numbers, which have no interval."""
        scores = tuple(self.score(ask) for _, ask in terms)
        found = sum(factor * score for (factor, _), score in zip(terms, scores, strict=True)) + constant
        return Gap(round(found, 9), basis="bare numbers, which were published without intervals", scores=scores)

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        """What can be read from tables: their benchmarks, encoders, measures, languages, and means of their parts."""
        table = self._table
        if name in ("benchmarks", "encoders"):
            return frozenset(table[name.removesuffix("s")])
        if name == "macro":
            measure, strategy, benchmark, setting = arguments
            found = self._rows(Ask(measure, strategy, benchmark, setting, encoder))
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
            raise Lacking("the tables print one mean a query language, not each pair of languages")
        what = {
            "kinds": "plans of batches", "start": "encoders themselves, only their names", "parallel": "questions",
            "leaks": "training rows", "relatives": "training rows",
        }  # fmt: skip
        told = what.get(name) or f"{name} of {', '.join(arguments)}"
        raise Lacking(f"the tables hold no {told}", "", "benchmark")

    def _rows(self, ask: Ask) -> pd.DataFrame:
        table = self._table
        setting = "pool" if ask.measure == DISTANCE else ask.setting
        for column, value in (("encoder", ask.encoder), ("benchmark", ask.benchmark), ("strategy", ask.strategy)):
            table = table[table[column] == value]
            if table.empty:
                raise Lacking(f"the tables have no {column} {value}", "", column)
        table = table[(table["setting"] == setting) & (table["measure"] == ask.measure)]
        if table.empty:
            raise Lacking(f"the tables have no {ask}", "", "benchmark", "setting", "measure")
        return table
