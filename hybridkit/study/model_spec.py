"""One model of a study by its strategy, seed and section, and the design of a diversity study."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.sampling import parse
from hybridkit.study.language_sets import ALL, LanguageSet, language_sets
from hybridkit.study.settings import UNTRAINED

if TYPE_CHECKING:
    from hybridkit.study.trained_models import Trainings


@dataclass(frozen=True)
class ModelSpec:
    """One model of a study: a strategy (or "untrained") and a seed, in the section "main", "curve" or "diversity".

    What differs from the section's own settings: the training `languages`, the number of training `rows`, `batch_size`
    and `steps`; where they are empty or 0, nothing does.
    """

    strategy: str
    seed: int = 0
    section: str = "main"
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
        where = [] if self.section == "main" else [f"({self.section})"]
        return " ".join([self.strategy + "".join(f", {one}" for one in self._seed() + other), *where])

    def _seed(self) -> list[str]:
        return [] if self.strategy == UNTRAINED else [f"seed {self.seed}"]

    @property
    def slug(self) -> str:
        """A name for files, at most 80 letters and the seed; a hash stands beside it wherever it has to be unique.

        >>> ModelSpec("hybrid(alpha=0.5)", 1).slug
        'hybrid-alpha-0.5-s1'
        """
        named = " ".join([self.strategy, *self.languages])
        plain = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in named).strip("-")
        return f"{plain[:80]}-s{self.seed}"


COLUMNS = ["group", "draw", "k", "languages", "series", "strategy", "seed", "model"]


def design(run: "Trainings") -> pd.DataFrame:
    """Lay out the models of a study's section `diversity`: group, draw, k, languages, series, strategy, seed, model.

    One line a set of languages, series, strategy and seed; `languages` are joined by spaces, `spec` is the model, which
    may stand on several lines (the set of one language belongs to two groups). In the series "fixed" every model is
    trained on equally many rows and steps: `diversity.rows`, or as many as the set with the fewest has. In "growing" a
    set of k of K languages gets the k/K-th part of both, so that a language has as many rows in every set and the two
    series meet at k = K. A study without the section has an empty design.

    Raises InputError for sets that cannot be (see `language_sets`) or a set with fewer rows than `diversity.rows`.
    """
    settings = run.study.diversity
    if settings is None:
        return pd.DataFrame(columns=COLUMNS)
    languages = run.split[0].languages
    sets = language_sets(
        languages, settings.groups, settings.draws, [k for of in settings.strategies.values() for k in of]
    )
    rows = {chosen: run.rows_of(chosen) for chosen in dict.fromkeys(one.languages for one in sets)}
    fewest = min(rows, key=lambda chosen: rows[chosen])
    if rows[fewest] < settings.rows:
        raise InputError(
            f"study {run.study.name}: diversity.rows: {settings.rows} is more than the {rows[fewest]} rows of "
            f"{', '.join(fewest)}; give at most {rows[fewest]}, or 0 for as many as every set has"
        )
    count = settings.rows or rows[fewest]
    lines = [
        (
            one.group,
            one.draw,
            len(one.languages),
            " ".join(one.languages),
            series,
            strategy,
            seed,
            _spec(run, one, strategy, seed, count, series == "growing"),
        )
        for seed in settings.seeds
        for series in settings.series
        for one in sets
        for strategy, of in settings.strategies.items()
        if len(one.languages) in of or (ALL in of and one.group == ALL)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _spec(run: "Trainings", chosen: LanguageSet, strategy: str, seed: int, rows: int, growing: bool) -> ModelSpec:
    """The model of a set; what is as in the whole study is left out, so that it is the same model as there."""
    k, every, steps = len(chosen.languages), len(run.split[0].languages), 0
    if growing and k < every:
        rows, steps = rows * k // every, max(1, run.settings("diversity")[1].steps * k // every)
    some = chosen.languages if k < every else ()
    return ModelSpec(
        strategy, seed, "diversity", some, rows if rows < run.rows_of(chosen.languages) else 0, steps=steps
    )
