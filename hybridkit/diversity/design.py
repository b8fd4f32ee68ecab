"""The design of a diversity study: which model is trained on which languages, with how many rows and steps."""

from typing import TYPE_CHECKING

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.diversity.sets import ALL, LanguageSet, language_sets
from hybridkit.errors import InputError

if TYPE_CHECKING:
    from hybridkit.trainings import Trainings

COLUMNS = ["group", "draw", "k", "languages", "series", "strategy", "seed", "cell"]


def design(run: "Trainings") -> pd.DataFrame:
    """Lay out the models of a study's section `diversity`: group, draw, k, languages, series, strategy, seed, cell.

    One line a set of languages, series, strategy and seed; `languages` are joined by spaces, `cell` is the model, which
    may stand on several lines (the set of one language belongs to two groups). In the series "fixed" every model is
    trained on equally many rows and steps: `diversity.rows`, or as many as the set with the fewest has. In "growing" a
    set of k of K languages gets the k/K-th part of both, so that a language has as many rows in every set and the two
    series meet at k = K. A study without the section has an empty design.

    Raises InputError for sets that cannot be (see `language_sets`) or a set with fewer rows than `diversity.rows`.
    """
    settings = run.study.diversity
    if settings is None:
        return pd.DataFrame(columns=COLUMNS)
    languages = run.parts[0].languages
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
        (one.group, one.draw, len(one.languages), " ".join(one.languages), series, strategy, seed,
         _cell(run, one, strategy, seed, count, series == "growing"))
        for seed in settings.seeds
        for series in settings.series
        for one in sets
        for strategy, of in settings.strategies.items()
        if len(one.languages) in of or (ALL in of and one.group == ALL)
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=COLUMNS)


def _cell(run: "Trainings", chosen: LanguageSet, strategy: str, seed: int, rows: int, growing: bool) -> Cell:
    """The model of a set; what is as in the whole study is left out, so that it is the same model as there."""
    k, every, steps = len(chosen.languages), len(run.parts[0].languages), 0
    if growing and k < every:
        rows, steps = rows * k // every, max(1, run.settings("diversity")[1].steps * k // every)
    some = chosen.languages if k < every else ()
    return Cell(strategy, seed, "diversity", some, rows if rows < run.rows_of(chosen.languages) else 0, steps=steps)
