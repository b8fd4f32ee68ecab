"""The results of a study as tidy frames: macro means, differences, losses, plans, and scores on collections.

Every frame is read from what the run keeps; what is missing is made.
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.data.collection import Collection
from hybridkit.data.sources.open_benchmarks import open_collection
from hybridkit.data.sources.published import published
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import language_share
from hybridkit.evaluation.clusters import question_clusters
from hybridkit.evaluation.collection_scores import collection_values
from hybridkit.evaluation.encoder_scores import batch_losses
from hybridkit.evaluation.loss_and_ap import loss_correlations
from hybridkit.evaluation.measures import DISTANCE, MAIN_MEASURES, SETTINGS, macro, per_query, scores
from hybridkit.evaluation.resampling import ends, t_interval
from hybridkit.evaluation.significance import OVERALL, against, compare, holm
from hybridkit.retrieval.search import dense_search
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import labelled, model_scores
from hybridkit.study.scores import study_scores as study_scores
from hybridkit.study.settings import HYBRID, UNTRAINED
from hybridkit.utils.products import frame

FINDINGS = (
    (HYBRID, "mono", "cross"),
    (HYBRID, "mono", "pool"),
    (HYBRID, "cross", "mono"),
    ("mono", "cross", "mono"),
    ("cross", "mono", "pool"),
)
_COLUMNS = ["benchmark", "strategy", "seed", "train_languages", "setting", "language", "measure", "value", "queries"]


def macro_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return macro means of each model and benchmark: over languages, pairs or query languages (arXiv 2408.10536)."""
    by = ["study", "encoder", "strategy", "seed", "benchmark"]
    parts = []
    for key, part in table.groupby(by, sort=False):
        named: dict[str, Any] = dict(zip(by, key, strict=True))
        parts.append(macro(part).assign(**named))
    return pd.concat(parts, ignore_index=True)[[*by, "setting", "measure", "value"]]


def main_table(macros: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a paper, a line a benchmark and strategy: means over seeds of AP and rank distance."""
    from hybridkit.sampling.labels import order

    kept = macros[macros["measure"].isin(MAIN_MEASURES)]
    names = kept["setting"].where(kept["measure"] == "AP", "rank distance")
    wide = kept.assign(column=names).pivot_table(
        index=["benchmark", "strategy"], columns="column", values="value", aggfunc="mean", sort=False
    )
    lines = [(b, s) for b in dict.fromkeys(kept["benchmark"]) for s in order(kept["strategy"])]
    wide = wide.reindex(pd.MultiIndex.from_tuples(lines, names=["benchmark", "strategy"])).dropna(how="all")
    columns = [name for name in (*SETTINGS, "rank distance") if name in wide]
    seeds = kept.groupby(["benchmark", "strategy"])["seed"].nunique()
    table: pd.DataFrame = wide[columns].join(seeds.rename("seeds")).rename_axis(columns=None)
    return table


def markdown(table: pd.DataFrame) -> str:
    """Return the table of `main_table` in Markdown: AP with three decimals, rank distance in whole ranks."""
    frame = table.reset_index()
    lines = [list(frame.columns), ["---"] * len(frame.columns)]
    for row in frame.to_dict("records"):
        digits = {name: ".0f" if name == "rank distance" else ".3f" for name in row}
        specs = [
            (format(value, digits[name]) if isinstance(value, float) else str(value)) for name, value in row.items()
        ]
        lines.append(specs)
    return "".join(f"| {' | '.join(map(str, specs))} |\n" for specs in lines)


def batch_shares(run: Run, specs: Sequence[ModelSpec]) -> pd.DataFrame:
    """Return the share of each pair in a plan's draws: strategy, query_language, passage_language, share."""
    parts = []
    for spec in specs:
        counts = run.plan(spec).matrix()
        long = counts.rename_axis(index="query_language").reset_index()
        long = long.melt("query_language", var_name="passage_language", value_name="share")
        parts.append(long.assign(strategy=spec.strategy, share=long["share"] / long["share"].sum()))
    return pd.concat(parts, ignore_index=True)[["strategy", "query_language", "passage_language", "share"]]


def first_batches(run: Run, specs: Sequence[ModelSpec], steps: int = 6) -> pd.DataFrame:
    """Return the first batches draw by draw: strategy, step, position, query_language, passage_language."""
    parts = []
    for spec in specs:
        plan = run.plan(spec)[:steps]
        frame = plan.frame()
        parts.append(frame.assign(strategy=spec.strategy, position=np.tile(np.arange(plan.draws.shape[1]), len(plan))))
    columns = ["strategy", "step", "position", "query_language", "passage_language"]
    return pd.concat(parts, ignore_index=True)[columns]


def study_losses(run: Run) -> pd.DataFrame:
    """Return the loss of every step of every training of the main part: strategy, seed, step, kind, loss."""
    specs = [spec for spec in run.models() if spec.strategy != UNTRAINED]
    parts = [run.trained.losses(spec).assign(strategy=spec.strategy, seed=spec.seed) for spec in specs]
    return pd.concat(parts, ignore_index=True)[["strategy", "seed", "step", "kind", "loss"]]


def pair_values(table: pd.DataFrame, benchmark: str, strategies: Sequence[str], measure: str = "AP") -> pd.DataFrame:
    """Return a measure by strategy, query and passage language, averaged over seeds; mono and cross pairs only."""
    chosen = table[
        (table["benchmark"] == benchmark)
        & (table["measure"] == measure)
        & (table["setting"] != "pool")
        & table["strategy"].isin(list(strategies))
    ]
    return chosen.groupby(["strategy", "query_language", "passage_language"], sort=False)["value"].mean().reset_index()


def distances_by_language(table: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Return rank distance by strategy, seed and query language, in ranks of the pool."""
    chosen = table[(table["benchmark"] == benchmark) & (table["measure"] == DISTANCE)]
    return chosen[["strategy", "seed", "query_language", "value"]].reset_index(drop=True)


def language_shares(run: Run, benchmark: str) -> pd.DataFrame:
    """Return the share of each language in the top of the pool by model: strategy, seed, languages, share, expected."""
    parts, top = [], run.study.evaluation.top
    part, _, _ = run.subset(benchmark)
    for spec in run.models():
        path = run.folder / "shares" / f"{run.result_key(spec, part)[:24]}-v2-top{top}.parquet"
        found = frame(path, partial(_shares, run, spec, benchmark))
        parts.append(found.assign(strategy=spec.strategy, seed=spec.seed))
    return pd.concat(parts, ignore_index=True)


def _shares(run: Run, spec: ModelSpec, benchmark: str) -> pd.DataFrame:
    return language_share(run.subset(benchmark)[0], run.scorer(spec, benchmark), k=run.study.evaluation.top)


def beside_published(macros: pd.DataFrame) -> pd.DataFrame:
    """Return our macro means and the published ones of arXiv 2408.10536, for the benchmarks that both have."""
    ours = macros[macros["measure"].isin(MAIN_MEASURES)].assign(source="this study")
    ours = ours.rename(columns={"encoder": "system"})
    theirs = published().rename(columns={"encoder": "system"})
    theirs = theirs[(theirs["language"] == "mean") & theirs["benchmark"].isin(ours["benchmark"])]
    theirs = theirs[theirs["measure"].isin(MAIN_MEASURES)]
    shared = ours[ours["benchmark"].isin(theirs["benchmark"]) & (ours["strategy"] != UNTRAINED)]
    columns = ["benchmark", "setting", "system", "strategy", "measure", "value", "source"]
    return pd.concat([shared, theirs], ignore_index=True)[columns] if len(shared) else shared[columns]


def findings(table: pd.DataFrame, benchmark: str) -> pd.DataFrame:
    """Return how often one strategy beats another, by the claims that are robust in the tables of arXiv 2408.10536.

    AP of each query language and seed, averaged over passage languages, is one comparison. Columns: better, worse,
    setting, comparisons, wins, mean difference, smallest difference. Strategies that are missing are left out.
    """
    chosen = table[(table["benchmark"] == benchmark) & (table["measure"] == "AP")]
    values = chosen.groupby(["setting", "strategy", "seed", "query_language"])["value"].mean()
    out = []
    for better, worse, setting in FINDINGS:
        if {better, worse} <= set(chosen["strategy"]):
            difference = (values[setting, better] - values[setting, worse]).dropna()
            wins, mean, least = int((difference > 0).sum()), float(difference.mean()), float(difference.min())
            out.append((better, worse, setting, len(difference), wins, mean, least))
    columns = ["better", "worse", "setting", "comparisons", "wins", "mean difference", "smallest difference"]
    return pd.DataFrame(out, columns=columns)


def strategy_values(run: Run, benchmark: str, strategy: str, measures: Sequence[str] = MAIN_MEASURES) -> pd.DataFrame:
    """Return per-query values of a strategy's models on a benchmark, with their seed, as `compare` takes them.

    Raises InputError for a strategy that the study does not have.
    """
    specs = [spec for spec in run.models() if spec.strategy == strategy]
    if not specs:
        there = ", ".join(dict.fromkeys(spec.strategy for spec in run.models()))
        raise InputError(f"study {run.study.name}: no strategy {strategy!r}; there are {there}")
    parts = []
    for spec in specs:
        parts.append(per_query(run.ranks(spec, benchmark), measures).assign(seed=spec.seed))
    return pd.concat(parts, ignore_index=True)


def compare_strategies(
    run: Run, benchmark: str, first: str, second: str, unit: str = "article", measures: Sequence[str] = MAIN_MEASURES
) -> pd.DataFrame:
    """Compare two strategies on a benchmark per pair of languages and overall: the frame of `significance.compare`."""
    clusters = question_clusters(run.subset(benchmark)[0], unit)
    a, b = (strategy_values(run, benchmark, name, measures) for name in (first, second))
    return compare(a, b, clusters)


def pair_significance(comparison: pd.DataFrame, measure: str = "AP") -> pd.DataFrame:
    """Return the language pairs of a comparison in the columns that the figure `pair_difference` is drawn from.

    >>> rows = pd.DataFrame({"setting": ["cross", "cross", "pool"], "query_language": ["de", "*", "de"],
    ...                      "passage_language": ["en", "*", "*"], "measure": "AP", "difference": [0.1, 0.1, 0.2],
    ...                      "p_holm": 0.01, "significant": True, "family": ["2 language pairs, AP"] * 3})
    >>> pair_significance(rows)[["query_language", "passage_language", "value"]].values.tolist()
    [['de', 'en', 0.1]]
    """
    kept = (comparison["passage_language"] != OVERALL) & (comparison["measure"] == measure)
    columns = ["query_language", "passage_language", "difference", "p_holm", "significant", "family"]
    return comparison.loc[kept, columns].rename(columns={"difference": "value"}).reset_index(drop=True)


def compare_with_baseline(run: Run, baseline: str, unit: str = "article") -> pd.DataFrame:
    """Compare every trained strategy with one of them, in every setting and benchmark: what tables mark.

    The rows of `significance.against` with a column benchmark in front, corrected as one family: all benchmarks,
    strategies, settings, and the rank distance of the pool. The untrained encoder is left out, since nobody doubts
    that it differs.
    """
    names = list(dict.fromkeys(spec.strategy for spec in run.models() if spec.strategy != UNTRAINED))
    parts = []
    for benchmark in run.study.evaluation.benchmarks:
        values = {name: strategy_values(run, benchmark, name) for name in names}
        found = against(values, baseline, question_clusters(run.subset(benchmark)[0], unit))
        found.insert(0, "benchmark", benchmark)
        parts.append(found)
    table = pd.concat(parts, ignore_index=True)
    return holm(table.assign(family=f"{len(table)} comparisons with {baseline}"))


def seed_differences(macros: pd.DataFrame, baseline: str, measures: Sequence[str] = MAIN_MEASURES) -> pd.DataFrame:
    """Return differences from a baseline seed by seed, and from three seeds on their t interval.

    Takes the frame of `macro_scores`. Columns: benchmark, system, setting, measure, seed, difference, mean, low, high,
    where the last three belong to all seeds of the row's comparison and low and high are NaN below three. Seeds that
    the baseline does not have are left out, and so is the untrained encoder.

    >>> macros = pd.DataFrame({"benchmark": "b", "strategy": ["mono"] * 3 + ["cross"] * 3, "seed": [0, 1, 2] * 2,
    ...                        "setting": "pool", "measure": "AP", "value": [0.1, 0.2, 0.3, 0.2, 0.4, 0.6]})
    >>> found = seed_differences(macros, "mono")
    >>> found["difference"].round(2).tolist(), found[["mean", "low", "high"]].iloc[0].round(3).tolist()
    ([0.1, 0.2, 0.3], [0.2, -0.048, 0.448])
    """
    kept = macros[macros["measure"].isin(list(measures)) & (macros["strategy"] != UNTRAINED)]
    by = ["benchmark", "setting", "measure"]
    base = kept.loc[kept["strategy"] == baseline, [*by, "seed", "value"]].rename(columns={"value": "base"})
    if base.empty:
        raise InputError(f"no baseline {baseline!r}; there are {', '.join(dict.fromkeys(kept['strategy']))}")
    rows = kept[kept["strategy"] != baseline].merge(base, on=[*by, "seed"]).rename(columns={"strategy": "system"})
    rows["difference"] = rows["value"] - rows["base"]
    group = ["benchmark", "system", "setting", "measure"]
    found = {key: ends(t_interval(part)) for key, part in rows.groupby(group)["difference"]}
    rows["mean"] = rows.groupby(group)["difference"].transform("mean")
    intervals = [found[key] for key in rows[group].itertuples(index=False, name=None)]
    rows[["low", "high"]] = np.array(intervals).reshape(-1, 2)
    return rows[[*group, "seed", "difference", "mean", "low", "high"]]


def new_batch_losses(run: Run, benchmark: str, size: int = 32, batches: int = 200) -> pd.DataFrame:
    """Return the loss of every model on the same batches of a benchmark, by kind, beside its AP in that setting.

    Columns: strategy, seed, kind ("mono", "cross": one pair of languages a batch, "pool": candidates in mixed
    languages; see `batch_losses`), loss (nats, mean over batches at the study's temperature), AP (in the setting of
    that name). Raises InputError for a benchmark with too few articles for a batch.
    """
    return pd.concat([_of(run, spec, benchmark, size, batches) for spec in run.models()], ignore_index=True)


def _of(run: Run, spec: ModelSpec, benchmark: str, size: int, batches: int) -> pd.DataFrame:
    part, query, passage = run.subset(benchmark)
    queries, passages = run.embeddings(spec, benchmark)
    losses = batch_losses(part, queries[query], passages[passage], run.study.training.temperature, size, batches)
    macros = macro_scores(model_scores(run, spec, benchmark))
    found = macros[macros["measure"] == "AP"].set_index("setting")["value"]
    frame = losses.groupby("kind", sort=False)["loss"].mean().reset_index()
    frame["AP"] = [float(found.get(kind, float("nan"))) for kind in frame["kind"]]
    return frame.assign(strategy=spec.strategy, seed=spec.seed)[["strategy", "seed", "kind", "loss", "AP"]]


def loss_verdict(frame: pd.DataFrame) -> list[str]:
    """Describe whether a lower loss on new batches goes with a higher AP, one sentence a kind of batch.

    By the rank correlations of `loss_correlations` over the trained models; the untrained encoder, which differs from
    all of them, is reported apart.

    >>> rows = [("untrained", 9.0, 0.1), ("a", 1.0, 0.9), ("b", 2.0, 0.8), ("c", 3.0, 0.7)]
    >>> loss_verdict(pd.DataFrame(rows, columns=["strategy", "loss", "AP"]).assign(kind="pool", seed=0))[0][:73]
    'pool batches: a lower loss goes with a higher AP: rank correlation -1.00 '
    """
    said = []
    for kind, part in loss_correlations(frame).groupby("kind", sort=False):
        found = {(over, untrained): (value, count) for _, over, untrained, count, value in part.to_numpy(object)}
        if ("models", False) not in found:
            continue
        value = found["models", False][0]
        goes = "goes with a higher AP" if value <= -0.5 else "goes with a lower AP" if value >= 0.5 else ""
        numbers = [
            f"{found[over, False][0]:.2f} over {found[over, False][1]} {over}"
            for over in ("models", "strategy means")
            if (over, False) in found
        ]
        also = [
            f"{found[over, True][0]:.2f} over {over}" for over in ("models", "strategy means") if (over, True) in found
        ]
        said.append(
            f"{kind} batches: a lower loss {goes or 'does not clearly go with a higher or lower AP'}: "
            f"rank correlation {', '.join(numbers)}"
            + f"; with the untrained encoder {', '.join(also)}" * bool(also)
            + "."
        )
    return said


def collection_table(
    run: Run, specs: Sequence[ModelSpec] | None = None, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return scores of every model on the collections of its study by language, made now where they are missing.

    Each collection is judged within one language, so there are no pairs of languages: what can be read from it is
    transfer, from the languages of the training rows to the language that is evaluated. Columns: benchmark, strategy,
    seed, train_languages, setting ("mono", or "pool" for one of several languages' passages), language, measure, value,
    queries. Other models than those of the study's main section are named by `specs`, other collections by `names`.
    """
    parts = [table for _, table in collection_tables(run, run.models() if specs is None else specs, names)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)


def by_language(table: pd.DataFrame) -> pd.DataFrame:
    """Lay the frame of `collection_table` out by language, with the mean over languages; a table to look at."""
    by = ["benchmark", "setting", "strategy", "measure"]
    wide = table.astype({"value": float}).pivot_table("value", by, "language", sort=False)
    return wide.assign(mean=wide.mean(axis=1)).round(3)


def collection_tables(
    run: Run, specs: Sequence[ModelSpec], names: Sequence[str] | None = None
) -> list[tuple[ModelSpec, pd.DataFrame]]:
    """Return the same, a table for each collection and model, with the model: labels may not distinguish two."""
    chosen = run.study.evaluation.judged if names is None else names
    sets = [(name, one) for name in chosen for one in open_collection(run.study.at(name))]
    scored = {spec: _scores(run, spec, [one for _, one in sets]) for spec in specs}
    return [
        (spec, labelled(scored[spec][nth], run, spec, name)[_COLUMNS])
        for nth, (name, _) in enumerate(sets)
        for spec in specs
    ]


def _path(run: Run, spec: ModelSpec, collection: Collection) -> Path:
    return run.folder / "judged" / f"{run.result_key(spec, collection)[:24]}.parquet"


def _scores(run: Run, spec: ModelSpec, sets: list[Collection]) -> list[pd.DataFrame]:
    """The scores of a model on the collections; where some are missing it is opened once, and searches."""
    settings, model = run.study.evaluation, cache(lambda: run.trained.open(spec))

    def score(collection: Collection) -> pd.DataFrame:
        found = dense_search(collection, model(), max_length=settings.max_length, precision=settings.precision)
        return scores(collection_values(collection, found)).rename(columns={"query_language": "language"})

    return [frame(_path(run, spec, one), partial(score, one)) for one in sets]
