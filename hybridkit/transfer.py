"""A study's models on judged sets, language by language: how training in some languages serves every other."""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.evaluation.judged import judged_values
from hybridkit.evaluation.measures import scores
from hybridkit.judged import JudgedSet, open_judged
from hybridkit.products import frame
from hybridkit.results import labelled
from hybridkit.retrieval.search import dense_search
from hybridkit.run import Run

_COLUMNS = ["benchmark", "strategy", "seed", "train_languages", "setting", "language", "measure", "value", "queries"]


def judged_table(run: Run, cells: Sequence[Cell] | None = None, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Scores of every model on the judged sets of its study, one language at a time, made now where they are missing.

    Each set is judged within one language, so there are no pairs of languages: what can be read from it is transfer,
    from the languages of the training rows to the language that is evaluated. Columns: benchmark, strategy, seed,
    train_languages, setting ("mono", or "pool" for a set of several languages' passages), language, measure, value,
    queries. Other models than those of the study's main part are named by `cells`, other sets by `names`.
    """
    parts = [table for _, table in judged_tables(run, run.cells() if cells is None else cells, names)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)


def judged_tables(
    run: Run, cells: Sequence[Cell], names: Sequence[str] | None = None
) -> list[tuple[Cell, pd.DataFrame]]:
    """The same, a table for each judged set and model, with the model: two may differ by more than their labels say."""
    asked = run.study.evaluation.judged if names is None else names
    sets = [(name, one) for name in asked for one in open_judged(run.study.at(name))]
    scored = {cell: _scores(run, cell, [one for _, one in sets]) for cell in cells}
    return [
        (cell, labelled(scored[cell][place], run, cell, name)[_COLUMNS])
        for place, (name, _) in enumerate(sets)
        for cell in cells
    ]


def _path(run: Run, cell: Cell, judged: JudgedSet) -> Path:
    return run.folder / "judged" / f"{run.result_key(cell, judged)[:24]}.parquet"


def _scores(run: Run, cell: Cell, sets: list[JudgedSet]) -> list[pd.DataFrame]:
    """The scores of a model on the sets; where some are missing it is opened once for all of them, and searches."""
    settings, model = run.study.evaluation, cache(lambda: run.open_model(cell))

    def score(judged: JudgedSet) -> pd.DataFrame:
        found = dense_search(judged, model(), max_length=settings.max_length, precision=settings.precision)
        return scores(judged_values(judged, found)).rename(columns={"query_language": "language"})

    return [frame(_path(run, cell, judged), partial(score, judged)) for judged in sets]
