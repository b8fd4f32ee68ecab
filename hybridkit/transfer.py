"""A study's models on judged sets, language by language: how training in some languages serves every other."""

import pandas as pd

from hybridkit.cell import Cell
from hybridkit.evaluation.judged import judged_values
from hybridkit.files import atomic_write, digest
from hybridkit.judged import JudgedSet, open_judged
from hybridkit.retrieval.search import dense_search
from hybridkit.run import Run
from hybridkit.study import UNTRAINED


def judged_table(run: Run) -> pd.DataFrame:
    """Scores of every model on the judged sets of its study, one language at a time, made now where they are missing.

    Each set is judged within one language, so there are no pairs of languages: what can be read from it is transfer,
    from the languages of the training rows to the language that is evaluated. Columns: benchmark, strategy, seed,
    train_languages, setting ("mono", or "pool" for a set of several languages' passages), language, measure, value,
    queries.
    """
    parts = [
        _of(run, cell, one).assign(
            benchmark=name, strategy=cell.strategy, seed=cell.seed, train_languages=_taught(run, cell)
        )
        for name in run.study.evaluation.judged
        for one in open_judged(name)
        for cell in run.cells()
    ]  # fmt: skip
    columns = ["benchmark", "strategy", "seed", "train_languages", "setting", "language", "measure", "value", "queries"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _taught(run: Run, cell: Cell) -> str:
    return "" if cell.strategy == UNTRAINED else " ".join(run.corpus(cell).languages)


def _of(run: Run, cell: Cell, judged: JudgedSet) -> pd.DataFrame:
    settings = run.study.evaluation
    key = digest(run.model_key(cell), judged.fingerprint, settings.max_length, settings.precision)
    path = run.folder / "judged" / f"{key[:24]}.parquet"
    if not path.is_file():
        length, precision = settings.max_length, settings.precision
        found = dense_search(judged, run.open_model(cell), max_length=length, precision=precision)
        values = judged_values(judged, found)
        by = ["setting", "query_language", "measure"]
        table = values.groupby(by, sort=False)["value"].agg(value="mean", queries="size").reset_index()
        with atomic_write(path) as temporary:
            table.rename(columns={"query_language": "language"}).to_parquet(temporary, index=False)
    return pd.read_parquet(path)
