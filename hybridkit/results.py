"""A study's results as tidy frames: scores of every model, their macro means, losses, plans and language shares."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from hybridkit.bias import language_share
from hybridkit.cell import Cell
from hybridkit.evaluation.measures import MEASURES, macro, scores_of
from hybridkit.products import frame, remove, write
from hybridkit.run import Run
from hybridkit.sections import HYBRID
from hybridkit.sources.published import published
from hybridkit.study import UNTRAINED
from hybridkit.widgets.index import write_index

FRONT = ["study", "encoder", "strategy", "alpha", "seed", "train_languages", "benchmark"]


def labelled(table: pd.DataFrame, run: Run, cell: Cell, benchmark: str) -> pd.DataFrame:
    """The table with the columns that say which model and benchmark it is of (see DESIGN: one tidy frame) in front."""
    trained = cell.languages or run.parts[0].languages
    languages = "" if cell.strategy == UNTRAINED else " ".join(trained)
    name = run.settings(cell.part)[0].name
    front = pd.DataFrame(index=table.index)
    for column, value in zip(
        FRONT, (run.study.name, name, cell.strategy, cell.alpha, cell.seed, languages, benchmark), strict=True
    ):
        front[column] = pd.Series([value] * len(table), index=table.index)
    return pd.concat([front, table], axis=1)


def cell_scores(run: Run, cell: Cell, benchmark: str) -> pd.DataFrame:
    """Scores of one model on one benchmark, by setting, pair of languages and measure; made now if they are missing.

    A file that an earlier version of the kit kept without one of today's measures is made anew from the ranks.
    """
    part = run.part(benchmark)[0]
    path = run.folder / "scores" / f"{run.result_key(cell, part)[:24]}.parquet"

    def make() -> pd.DataFrame:
        return scores_of(run.ranks(cell, benchmark))

    found = frame(path, make)
    if not set(MEASURES) <= set(found["measure"]):
        remove(path)
        found = frame(path, make)
    return labelled(found, run, cell, benchmark)


def study_scores(run: Run) -> pd.DataFrame:
    """Scores of every model of the study's main part on every benchmark; kept as scores.parquet and scores.csv."""
    names = run.study.evaluation.benchmarks
    table = pd.concat([cell_scores(run, cell, name) for cell in run.cells() for name in names], ignore_index=True)
    write(run.folder / "scores.parquet", table.to_parquet(index=False))
    write(run.folder / "scores.csv", table.round({"value": 6}).to_csv(index=False))
    write_index(run)
    return table


def macro_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Macro means of each model and benchmark: over languages, ordered pairs, query languages (arXiv 2408.10536)."""
    by = ["study", "encoder", "strategy", "seed", "benchmark"]
    parts = []
    for key, part in table.groupby(by, sort=False):
        found = macro(part)
        for column, value in zip(by, key, strict=True):
            found[column] = pd.Series([value] * len(found))
        parts.append(found)
    return pd.concat(parts, ignore_index=True)[[*by, "setting", "measure", "value"]]


def main_table(macros: pd.DataFrame) -> pd.DataFrame:
    """The table of a paper, a line a benchmark and strategy: mean over seeds of AP by setting and of rank distance."""
    from hybridkit.plots.strategies import order

    kept = macros[(macros["measure"] == "AP") | (macros["measure"] == "rank_distance")]
    names = kept["setting"].where(kept["measure"] == "AP", "rank distance")
    wide = kept.assign(column=names).pivot_table(
        index=["benchmark", "strategy"], columns="column", values="value", aggfunc="mean", sort=False
    )
    lines = [(b, s) for b in dict.fromkeys(kept["benchmark"]) for s in order(kept["strategy"])]
    wide = wide.reindex(pd.MultiIndex.from_tuples(lines, names=["benchmark", "strategy"])).dropna(how="all")
    columns = [name for name in ("mono", "cross", "pool", "rank distance") if name in wide]
    seeds = kept.groupby(["benchmark", "strategy"])["seed"].nunique()
    table: pd.DataFrame = wide[columns].join(seeds.rename("seeds")).rename_axis(columns=None)
    return table


def markdown(table: pd.DataFrame) -> str:
    """The table of `main_table` in Markdown: AP with three decimals, rank distance in whole ranks."""
    frame = table.reset_index()
    lines = [list(frame.columns), ["---"] * len(frame.columns)]
    for row in frame.to_dict("records"):
        digits = {name: ".0f" if name == "rank distance" else ".3f" for name in row}
        cells = [
            (format(value, digits[name]) if isinstance(value, float) else str(value)) for name, value in row.items()
        ]
        lines.append(cells)
    return "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in lines)


def batch_shares(run: Run, cells: Sequence[Cell]) -> pd.DataFrame:
    """Share of each pair of languages among a plan's draws: strategy, query_language, passage_language, share."""
    parts = []
    for cell in cells:
        counts = run.plan(cell).matrix()
        long = counts.rename_axis(index="query_language").reset_index()
        long = long.melt("query_language", var_name="passage_language", value_name="share")
        parts.append(long.assign(strategy=cell.strategy, share=long["share"] / long["share"].sum()))
    return pd.concat(parts, ignore_index=True)[["strategy", "query_language", "passage_language", "share"]]


def first_batches(run: Run, cells: Sequence[Cell], steps: int = 6) -> pd.DataFrame:
    """The first batches draw by draw: strategy, step, position, query_language, passage_language."""
    parts = []
    for cell in cells:
        plan = run.plan(cell)[:steps]
        frame = plan.frame()
        parts.append(frame.assign(strategy=cell.strategy, position=np.tile(np.arange(plan.draws.shape[1]), len(plan))))
    columns = ["strategy", "step", "position", "query_language", "passage_language"]
    return pd.concat(parts, ignore_index=True)[columns]


def study_losses(run: Run) -> pd.DataFrame:
    """Loss of every step of every training of the main part: strategy, seed, step, kind, loss."""
    cells = [cell for cell in run.cells() if cell.strategy != UNTRAINED]
    parts = [run.losses(cell).assign(strategy=cell.strategy, seed=cell.seed) for cell in cells]
    return pd.concat(parts, ignore_index=True)[["strategy", "seed", "step", "kind", "loss"]]


def pair_values(table: pd.DataFrame, benchmark: str, strategies: Sequence[str], measure: str = "AP") -> pd.DataFrame:
    """A measure by strategy, query and passage language, averaged over seeds; mono and cross pairs only."""
    chosen = table[
        (table["benchmark"] == benchmark) & (table["measure"] == measure) & (table["setting"] != "pool")
        & table["strategy"].isin(list(strategies))
    ]  # fmt: skip
    return chosen.groupby(["strategy", "query_language", "passage_language"], sort=False)["value"].mean().reset_index()


def distances_by_language(table: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Rank distance by strategy, seed and query language, in ranks of the pool."""
    chosen = table[(table["benchmark"] == benchmark) & (table["measure"] == "rank_distance")]
    return chosen[["strategy", "seed", "query_language", "value"]].reset_index(drop=True)


def language_shares(run: Run, benchmark: str) -> pd.DataFrame:
    """Share of each language among the top of the pool for every model: strategy, seed, languages, share, expected."""
    parts, top = [], run.study.evaluation.top
    part, _, _ = run.part(benchmark)
    for cell in run.cells():
        path = run.folder / "shares" / f"{run.result_key(cell, part)[:24]}-top{top}.parquet"
        found = frame(path, partial(_shares, run, cell, benchmark))
        parts.append(found.assign(strategy=cell.strategy, seed=cell.seed))
    return pd.concat(parts, ignore_index=True)


def _shares(run: Run, cell: Cell, benchmark: str) -> pd.DataFrame:
    return language_share(run.part(benchmark)[0], run.scorer(cell, benchmark), k=run.study.evaluation.top)


def beside_published(macros: pd.DataFrame) -> pd.DataFrame:
    """Our macro means and the published ones of arXiv 2408.10536, for the benchmarks that both have."""
    ours = macros[macros["measure"].isin(["AP", "rank_distance"])].assign(source="this study")
    ours = ours.rename(columns={"encoder": "system"})
    theirs = published().rename(columns={"encoder": "system"})
    theirs = theirs[(theirs["language"] == "mean") & theirs["benchmark"].isin(ours["benchmark"])]
    theirs = theirs[theirs["measure"].isin(["AP", "rank_distance"])]
    shared = ours[ours["benchmark"].isin(theirs["benchmark"]) & (ours["strategy"] != UNTRAINED)]
    columns = ["benchmark", "setting", "system", "strategy", "measure", "value", "source"]
    return pd.concat([shared, theirs], ignore_index=True)[columns] if len(shared) else shared[columns]


FINDINGS = (
    (HYBRID, "mono", "cross"), (HYBRID, "mono", "pool"), (HYBRID, "cross", "mono"), ("mono", "cross", "mono"),
    ("cross", "mono", "pool"),
)  # fmt: skip


def findings(table: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """How often one strategy beats another, by the claims that are robust in the tables of arXiv 2408.10536.

    AP of each query language and seed, averaged over passage languages, is one comparison. Columns: better, worse,
    setting, comparisons, wins, mean difference, smallest difference. Strategies a study lacks are left out.
    """
    chosen = table[(table["benchmark"] == benchmark) & (table["measure"] == "AP")]
    values = chosen.groupby(["setting", "strategy", "seed", "query_language"])["value"].mean()
    out = []
    for better, worse, setting in FINDINGS:
        if {better, worse} <= set(chosen["strategy"]):
            difference = (values[setting, better] - values[setting, worse]).dropna()
            out.append(
                {"better": better, "worse": worse, "setting": setting, "comparisons": len(difference),
                 "wins": int((difference > 0).sum()), "mean difference": float(difference.mean()),
                 "smallest difference": float(difference.min())}
            )  # fmt: skip
    columns = ["better", "worse", "setting", "comparisons", "wins", "mean difference", "smallest difference"]
    return pd.DataFrame(out, columns=columns)
