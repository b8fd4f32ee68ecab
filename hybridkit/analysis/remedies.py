"""Remedies against language bias: every model with each in parallel, single and natural pools, and advice.

A parallel pool has an answer in every language and rewards whatever balances languages; a pool with the answer in one
language (`evaluation.single_pools`) may punish it, and so may a test collection, which is judged in the question's
language. What is advised is chosen on the study's held-out rows, and then measured on the benchmarks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.analysis.scores import compared_pairs, part_of, whole_collections
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import model_sums, question_clusters
from hybridkit.evaluation.collection_scores import clusters_in
from hybridkit.evaluation.measures import COLLECTION_MEASURES, DISTANCE, MAIN_MEASURES, per_query, scores
from hybridkit.evaluation.resampling import Resampling
from hybridkit.evaluation.significance import FIXED, INTERVALS, Models, contrast, judged
from hybridkit.evaluation.single_pools import single_pool_values
from hybridkit.remedies import NONE, parse
from hybridkit.sampling.labels import WITH, label, order
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import FRONT, labelled
from hybridkit.study.settings import UNTRAINED
from hybridkit.utils.naming import listed
from hybridkit.utils.numbers import number
from hybridkit.utils.products import write

# the columns of the table: a setting and a measure
COLUMNS = {
    "mono": ("mono", "AP"),
    "cross": ("cross", "AP"),
    "pool": ("pool", "AP"),
    "own": ("own", "RR"),
    "other": ("other", "RR"),
    "rank distance": ("pool", DISTANCE),
}
ON_COLLECTIONS = COLLECTION_MEASURES[0]  # the measure of test collections
PLANES = (("mono", "pool"), ("own", "other"))  # what a system moves along: x, y
SYSTEM = ["strategy", "remedy"]
REMEDY, TRAINED, FREE = "a remedy", "a strategy", "without training"  # kinds of comparisons
# what somebody needs -> the columns whose mean is to be high, and whether the language of a passage is known
NEEDS = {
    "your answers may be in any language": (("pool",), True),
    "your answers are in the query's language": (("own",), True),
    "your answers are in one other language": (("other",), True),
    "you need all of these": (("mono", "cross", "pool", "own", "other"), True),
    "you cannot know a passage's language": (("mono", "cross", "pool", "own", "other"), False),
}
System = tuple[str, str]  # strategy, remedy
_UNTESTED = Resampling(exchanges=1)  # a value by itself has intervals, and nothing that it is tested against


def evaluated_on(run: Run) -> list[str]:
    """Return the benchmarks that remedies are evaluated on: those of the study that are no part of another one."""
    names = run.benchmarks()
    parts = part_of(run, names)
    return [name for name in names if name not in parts and name != "held-out"]


def remedy_values(run: Run, spec: ModelSpec, benchmark: str) -> pd.DataFrame:
    """Return a model's values for every query (`measures.per_query`): AP and rank distance, RR in single pools.

    The settings "own" and "other" are those of `evaluation.single_pools`.
    """
    parallel = per_query(run.ranks(spec, benchmark), MAIN_MEASURES)
    return pd.concat([parallel, single_pool_values(run.single_pools(spec, benchmark), ["RR"])], ignore_index=True)


def remedy_results(run: Run, benchmark: str = "") -> tuple[pd.DataFrame, dict[str, dict[System, Models]]]:
    """Return the scores of every model with every remedy, kept in remedies.parquet and .csv, and what is compared.

    Args:
        run: The run.
        benchmark: One of `evaluated_on`; all of them where it is empty.

    Returns:
        The columns of `study_scores` with `remedy` after the strategy ("none" for none), settings as in
        `remedy_values`; and by benchmark, every strategy with every remedy as `significance.contrast` takes it.

    Raises:
        InputError: For a benchmark that the study does not evaluate remedies on.
    """
    names = evaluated_on(run)
    if benchmark and benchmark not in names:
        raise InputError(f"benchmark: must be one of {', '.join(names)}, or empty for all of them (got {benchmark!r})")
    parts: list[pd.DataFrame] = []
    systems = {}
    for name in [benchmark] if benchmark else names:
        clusters = question_clusters(run.subset(name)[0])
        of = ((spec, remedy_values(run, spec, name), clusters) for spec in run.systems())
        systems[name], tables = _systems(run, name, of)
        parts += tables
    found = pd.concat(parts, ignore_index=True)
    write(run.folder / "remedies.parquet", found.to_parquet(index=False))
    write(run.folder / "remedies.csv", found.round({"value": 6}).to_csv(index=False))
    return found, systems


def collection_remedies(run: Run) -> tuple[pd.DataFrame, dict[str, dict[System, Models]]]:
    """Return the scores of every model with every remedy on the study's collections, and what is compared.

    As `remedy_results`, of nDCG@10; the settings are mono and pool. In a pool passages of all of its languages are
    candidates, and only those of the question's language are judged. Empty where the study names no collection.
    """
    parts: list[pd.DataFrame] = []
    systems = {}
    names = run.study.judged_in("main")
    for name, of in whole_collections(run, run.systems(), names, [ON_COLLECTIONS]).items():
        systems[name], tables = _systems(
            run, name, ((spec, values, clusters_in(values)) for spec, values in of.items())
        )
        parts += tables
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), systems


def _systems(
    run: Run, name: str, found: Iterable[tuple[ModelSpec, pd.DataFrame, pd.Series]]
) -> tuple[dict[System, Models], list[pd.DataFrame]]:
    """Models as they are compared, and their scores, from each one's values and clusters on a benchmark."""
    systems: dict[System, dict[int | str, Any]] = {}
    tables = []
    for spec, values, clusters in found:
        remedy = spec.remedy or NONE
        table = labelled(scores(values), run, spec, name)
        table.insert(FRONT.index("strategy") + 1, "remedy", remedy)
        tables.append(table)
        seed = FIXED if spec.strategy == UNTRAINED else spec.seed
        systems.setdefault((spec.strategy, remedy), {})[seed] = model_sums(values, clusters)
    return dict(systems), tables


def collection_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a line a strategy and remedy of `collection_remedies`, a column a collection, and seeds.

    nDCG@10: means over languages, then over seeds.
    """
    if table.empty:
        return table
    means = table.groupby([*SYSTEM, "benchmark", "seed"], sort=False)["value"].mean()
    found: pd.DataFrame = means.groupby([*SYSTEM, "benchmark"], sort=False).mean().unstack("benchmark", sort=False)
    found = found.assign(seeds=means.reset_index().groupby(SYSTEM)["seed"].nunique())
    remedies = list(dict.fromkeys(table["remedy"]))
    lines = [(strategy, remedy) for strategy in order(table["strategy"]) for remedy in remedies]
    return found.loc[[one for one in lines if one in found.index]].rename_axis(columns=None)


def collection_points(systems: dict[str, dict[System, Models]]) -> pd.DataFrame:
    """Return the mean nDCG@10 of each system of `collection_remedies` with its intervals.

    Columns: benchmark, strategy, remedy, value, low, high (over questions), crossed_low, crossed_high (over questions
    and trainings); `plots.remedy_collections` draws them.
    """
    columns = ["benchmark", *SYSTEM, "value", "low", "high", "crossed_low", "crossed_high"]
    parts = [
        _means(models).assign(benchmark=benchmark, strategy=strategy, remedy=remedy)
        for benchmark, by_system in systems.items()
        for (strategy, remedy), models in by_system.items()
    ]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _means(models: Models) -> pd.DataFrame:
    """The mean of a system in each setting and measure, with its intervals."""
    return contrast([(1, models)], how=_UNTESTED, overall=True).rename(columns={"difference": "value"})


def remedy_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a line a benchmark, strategy and remedy of `remedy_results`: macro means over languages, then over seeds.

    Columns: mono, cross and pool (AP), own and other (RR in single pools), rank distance (ranks), seeds. A benchmark
    without a column's ground leaves it out.
    """
    by = ["benchmark", *SYSTEM, "seed", "setting", "measure"]
    means = table.groupby(by, sort=False)["value"].mean().reset_index()
    wide = {name: part.groupby(["benchmark", *SYSTEM], sort=False)["value"].mean() for name, part in _by_column(means)}
    found = pd.DataFrame(wide).join(means.groupby(["benchmark", *SYSTEM])["seed"].nunique().rename("seeds"))
    remedies = list(dict.fromkeys(table["remedy"]))
    lines = [
        (benchmark, strategy, remedy)
        for benchmark in dict.fromkeys(table["benchmark"])
        for strategy in order(table["strategy"])
        for remedy in remedies
        if (benchmark, strategy, remedy) in found.index
    ]
    return found.loc[lines].dropna(axis="columns", how="all")


def _by_column(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each column of the table, by their setting and measure."""
    return [
        (name, rows[(rows["setting"] == setting) & (rows["measure"] == measure)])
        for name, (setting, measure) in COLUMNS.items()
    ]


def remedy_points(systems: dict[str, dict[System, Models]]) -> pd.DataFrame:
    """Return each system's mean in every column of the table with its intervals, for the planes.

    Columns: benchmark, strategy, remedy, column, value, low, high (over questions), crossed_low, crossed_high (over
    questions and trainings), front (whether no system dominates it in the column's plane).
    """
    found = []
    for benchmark, by_system in systems.items():
        parts = []
        for (strategy, remedy), models in by_system.items():
            rows = _means(models)
            named = {"benchmark": benchmark, "strategy": strategy, "remedy": remedy}
            parts += [own.assign(**named, column=column) for column, own in _by_column(rows)]
        here = pd.concat(parts, ignore_index=True).assign(front=False)
        wide = here.pivot(index=SYSTEM, columns="column", values="value")
        for x, y in PLANES:
            if x in wide and y in wide:
                ahead = front(wide, x, y)
                plane = here["column"].isin([x, y])
                here.loc[plane, "front"] = [
                    ahead[name] for name in zip(*here.loc[plane, SYSTEM].T.to_numpy(), strict=True)
                ]
        found.append(here)
    columns = ["benchmark", *SYSTEM, "column", "value", "low", "high", "crossed_low", "crossed_high", "front"]
    return pd.concat(found, ignore_index=True)[columns]


def front(table: pd.DataFrame, x: str, y: str) -> pd.Series:
    """Return which lines no other one dominates: none is as high in both columns and higher in one of them.

    >>> front(pd.DataFrame({"a": [1.0, 2.0, 3.0, 2.0], "b": [3.0, 2.0, 1.0, 1.0]}), "a", "b").tolist()
    [True, True, True, False]
    """
    values = table[[x, y]].to_numpy(float)
    dominated = [bool(((values >= one).all(axis=1) & (values > one).any(axis=1)).any()) for one in values]
    return pd.Series(np.logical_not(dominated), index=table.index, name="front")


def compare_remedies(run: Run, systems: dict[str, dict[System, Models]], baseline: str) -> pd.DataFrame:
    """Compare systems by the rule of evidence: what a remedy gives, and what still differs once it is applied.

    Three kinds, each a family of its own on all benchmarks together: "a remedy" (each strategy with it and without),
    "a strategy" (what `compared_pairs` names, at each remedy), "without training" (the untrained encoder with each
    remedy against the first of the study's compared strategies without one).

    Args:
        run: The run.
        systems: Those of `remedy_results`, or of `collection_remedies`.
        baseline: The strategy that others are compared with.

    Returns:
        kind, benchmark, strategy, remedy, against_strategy, against_remedy, setting, measure, then the columns of
        `significance.contrast` without languages and of `significance.judged`.
    """
    found = []
    for benchmark, by_system in systems.items():
        strategies = list(dict.fromkeys(strategy for strategy, _ in by_system))
        remedies = list(dict.fromkeys(remedy for _, remedy in by_system))
        wanted = [(REMEDY, (one, remedy), (one, NONE)) for one in strategies for remedy in remedies if remedy != NONE]
        pairs = compared_pairs(strategies, baseline) if len({*strategies} - {UNTRAINED}) > 1 else []
        wanted += [(TRAINED, (one, remedy), (other, remedy)) for remedy in remedies for one, other in pairs]
        wanted += [(FREE, (UNTRAINED, remedy), (run.study.compare[0], NONE)) for remedy in remedies]
        for kind, first, second in wanted:
            if first in by_system and second in by_system and first != second:
                rows = contrast([(1, by_system[first]), (-1, by_system[second])], overall=True)
                own = {"strategy": first[0], "remedy": first[1]}
                other = {"against_strategy": second[0], "against_remedy": second[1]}
                found.append(rows.assign(kind=kind, benchmark=benchmark, **own, **other))
    names = ["kind", "benchmark", *SYSTEM, "against_strategy", "against_remedy", "setting", "measure"]
    if not found:
        return pd.DataFrame(columns=[*names, *INTERVALS, "mark"])
    table = pd.concat(found, ignore_index=True).drop(columns=["query_language", "passage_language"])
    what = {
        REMEDY: "every remedy with none",
        TRAINED: "strategies at each remedy",
        FREE: f"the untrained encoder with each remedy and {label(run.study.compare[0])}",
    }
    where = f"on {listed(list(systems))}"
    table = judged(table.assign(family=[f"{what[kind]}, {where}" for kind in table["kind"]]))
    return table[[*names, *[name for name in table if name not in names]]]


def without_training(compared: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons of the kind "without training" by column of the table, as `plots.remedy_effects` draws."""
    rows = compared[compared["kind"] == FREE]
    return pd.concat([own.assign(column=column) for column, own in _by_column(rows)], ignore_index=True)


def chosen_systems(run: Run) -> pd.DataFrame:
    """Return the system that is best for each need of `NEEDS` on the study's held-out rows.

    Columns: need, strategy, remedy, value (the mean of the need's columns there, over seeds). No benchmark is looked
    at. Empty where the study holds no rows out.
    """
    if len(run.split[1]) == 0:
        return pd.DataFrame(columns=["need", *SYSTEM, "value"])
    parts = []
    for spec in run.systems():
        table = scores(remedy_values(run, spec, "held-out"))
        parts.append(labelled(table, run, spec, "held-out").assign(remedy=spec.remedy or NONE))
    table = remedy_table(pd.concat(parts, ignore_index=True)).droplevel("benchmark")
    lines = []
    for need, (columns, known) in NEEDS.items():
        free = [known or all(part.stage == "weights" for part in parse(remedy).parts) for _, remedy in table.index]
        means = table.loc[free, [name for name in columns if name in table]].mean(axis=1)
        if len(means):
            lines.append((need, *means.index[int(means.argmax())], float(means.max())))
    return pd.DataFrame(lines, columns=["need", *SYSTEM, "value"])


def advice(chosen: pd.DataFrame, table: pd.DataFrame, against: System) -> list[str]:
    """Return a sentence for each need: what was chosen on held-out rows, and what it comes to on each benchmark.

    Args:
        chosen: `chosen_systems`.
        table: `remedy_table`.
        against: The system whose values are beside it.
    """
    said = []
    for need, strategy, remedy, _ in chosen.itertuples(index=False):
        columns = [name for name in NEEDS[need][0] if name in table]
        numbers = []
        for benchmark in dict.fromkeys(table.index.get_level_values("benchmark")):
            ours, theirs = (table.loc[(benchmark, *one)] for one in ((strategy, remedy), against))
            both = (f"{name} {number(ours[name])} ({number(theirs[name])})" for name in columns)
            numbers.append(f"{benchmark}: {', '.join(both)}")
        said.append(
            f"If {need}: {_named(strategy, remedy)}, chosen on held-out rows. {'; '.join(numbers)}; in brackets "
            f"{_named(*against)}."
        )
    return said


def what_is_left(compared: pd.DataFrame, columns: Sequence[str] = ("pool", "other")) -> list[str]:
    """Return a sentence for each remedy on what still differs between strategies once it is applied.

    By the comparisons of the kind "a strategy" in some columns of the table.
    """
    said = []
    rows = compared[compared["kind"] == TRAINED]
    for remedy in dict.fromkeys(rows["remedy"]):
        own = dict(_by_column(rows[rows["remedy"] == remedy]))
        here = [_difference(row, column) for column in columns for row in own[column].to_dict("records")]
        said.append(f"{'Without a remedy' if remedy == NONE else f'With {remedy}'}: {'; '.join(here)}.")
    return said


def _difference(row: Mapping[Any, Any], column: str) -> str:
    first, second = label(row["strategy"]), label(row["against_strategy"])
    text = f"{first} − {second}, {column}, {row['benchmark']}: {number(row['difference'], '+')}"
    if row["crossed_low"] == row["crossed_low"]:
        text += f" ({number(row['crossed_low'], '+')} to {number(row['crossed_high'], '+')})"
    return f"{text} {row['mark'] or 'not shown'}"


def _named(strategy: str, remedy: str) -> str:
    return label(strategy if remedy == NONE else f"{strategy}{WITH}{remedy}")


def needs_table(remedies: Iterable[str]) -> pd.DataFrame:
    """Return what each remedy needs when a query is asked and when passages are indexed, in words.

    >>> needs_table(["calibrate(top=5)"]).columns.tolist()
    ['remedy', 'at query time', 'at index time']
    """
    lines = []
    for remedy in remedies:
        said = dict(line.split(": ", 1) for line in parse(remedy).needs.splitlines())
        lines.append({"remedy": remedy} | said)
    return pd.DataFrame(lines)
