"""The results of a study as tidy frames: macro means, differences, losses, plans, and scores on collections.

Every frame is read from what the run keeps; what is missing is made.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from hybridkit.data.collection import Collection, query_clusters
from hybridkit.data.sources.open_benchmarks import base_name
from hybridkit.data.sources.published import mteb, published
from hybridkit.errors import InputError
from hybridkit.evaluation.bias import language_share
from hybridkit.evaluation.clusters import model_sums, question_clusters
from hybridkit.evaluation.collection_scores import clusters_in, collection_values, with_intervals
from hybridkit.evaluation.encoder_scores import batch_losses
from hybridkit.evaluation.loss_and_ap import loss_correlations
from hybridkit.evaluation.measures import COLLECTION_MEASURES, DISTANCE, MAIN_MEASURES, SETTINGS, macro, per_query
from hybridkit.evaluation.significance import FIXED, INTERVALS, OVERALL, Models, contrast, judged
from hybridkit.evaluation.significance import marks_note as marks_note
from hybridkit.remedies import Estimate
from hybridkit.remedies.collections import collection_estimate, languages_of, remedied_searches
from hybridkit.retrieval.search import dense_search
from hybridkit.sampling.labels import alpha, label, order, switched
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.recipes import AXES
from hybridkit.study.run import TOP, Run
from hybridkit.study.scores import labelled, model_scores
from hybridkit.study.scores import study_scores as study_scores
from hybridkit.study.settings import HYBRID, UNTRAINED
from hybridkit.study.shards import forget_shards, found_by_shards
from hybridkit.utils.naming import listed, split_name
from hybridkit.utils.products import frame, is_whole

_OF_SECTION = {
    "recipes": ", own recipes",
    "reranker": ", re-rankers",
    "distilled": ", distilled",
}  # behind the name of a family
FINDINGS = (
    (HYBRID, "mono", "cross"),
    (HYBRID, "mono", "pool"),
    (HYBRID, "cross", "mono"),
    ("mono", "cross", "mono"),
    ("cross", "mono", "pool"),
)
_COLUMNS = ["benchmark", "strategy", "seed", "train_languages", "setting", "language", "measure", "value", "queries"]
_COLUMNS += ["low", "high", "clusters", "unit"]


def macro_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return macro means of each model and benchmark: over languages, pairs or query languages (arXiv 2408.10536)."""
    by = ["study", "encoder", "strategy", "seed", "benchmark"]
    parts = []
    for key, part in table.groupby(by, sort=False):
        named: dict[str, Any] = dict(zip(by, key, strict=True))
        parts.append(macro(part).assign(**named))
    return pd.concat(parts, ignore_index=True)[[*by, "setting", "measure", "value"]]


def own_recipes(run: Run, baseline: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the main table and the comparisons with a baseline of strategies that are trained by their own recipes.

    Both are empty for a study that has one recipe for all.
    """
    if not run.study.recipes:
        return pd.DataFrame(), pd.DataFrame()
    names = run.benchmarks()
    found = [model_scores(run, spec, name) for spec in run.models("recipes") for name in names]
    table = main_table(macro_scores(pd.concat(found, ignore_index=True)))
    return table, compare_with_baseline(run, baseline, section="recipes")


def recipe_table(run: Run) -> pd.DataFrame:
    """Return learning_rate, temperature and steps of the shared recipe and of each strategy's own."""
    lines = {
        spec.strategy: spec.training(run.study) for spec in run.models("recipes") if spec.seed == run.study.seeds[0]
    }
    named = {"all, shared recipe": run.study.training} | {f"{text}, own recipe": one for text, one in lines.items()}
    rows = [(text, *(getattr(one, name) for name in AXES)) for text, one in named.items()]
    return pd.DataFrame(rows, columns=["strategy", *AXES]).set_index("strategy")


def main_table(macros: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a paper, a line a benchmark and strategy: means over seeds of AP and rank distance."""
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


def collections_beside_published(ours: pd.DataFrame) -> pd.DataFrame:
    """Return scores on MIRACL beside the published ones of the same languages, passages and measures.

    Only what is equal stands side by side: MIRACL's dev part with its whole corpus, monolingual, by language, nDCG@10
    and R@100. miracl-pool and MTEB's part of hard negatives have fewer passages and are not in it.

    Args:
        ours: The frame of `collection_table`, or one with benchmark, system (for strategy), setting, language, measure
            and value.

    Returns:
        benchmark, language, measure, system, value, source ("this study" first); empty where ours has no MIRACL.

    >>> ours = pd.DataFrame({"benchmark": ["miracl[yo]"], "system": "bm25", "setting": "mono", "language": "yo",
    ...                      "measure": "nDCG@10", "value": 0.5})
    >>> found = collections_beside_published(ours)
    >>> found[found["system"].isin(["bm25", "intfloat/multilingual-e5-small"])][["value", "source"]].values.tolist()
    [[0.5, 'this study'], [0.4059, 'Pyserini, MIRACL reproductions'], [0.45278, 'MTEB, MIRACLRetrieval']]
    """
    columns = ["benchmark", "language", "measure", "system", "value", "source"]
    chosen = ours[ours["benchmark"].map(lambda name: split_name(name)[0] == "miracl") & (ours["setting"] == "mono")]
    chosen = chosen.rename(columns={} if "system" in chosen else {"strategy": "system"})
    chosen = chosen.assign(benchmark="miracl", source="this study")
    means = chosen.groupby(["benchmark", "language", "measure", "system", "source"], sort=False)["value"].mean()
    own = means.reset_index()
    baselines = published().query("benchmark == 'miracl' and split == 'dev' and strategy == ''")
    baselines = baselines.rename(columns={"encoder": "system"})
    theirs = mteb().query("task == 'MIRACLRetrieval'").rename(columns={"model": "system", "query_language": "language"})
    theirs = theirs.assign(benchmark="miracl", source="MTEB, MIRACLRetrieval")
    others = pd.concat([baselines, theirs], ignore_index=True)
    others = others.merge(own[["language", "measure"]].drop_duplicates(), on=["language", "measure"])
    return pd.concat([own, others], ignore_index=True)[columns]


def findings(table: pd.DataFrame, benchmark: str, compared: pd.DataFrame) -> pd.DataFrame:
    """Return what the claims that are robust in the tables of arXiv 2408.10536 come to here, and what the rule says.

    AP of each query language and seed, averaged over passage languages, is one comparison. Columns: better, worse,
    setting, comparisons, wins, mean difference, smallest difference: counts, which say nothing of chance; then
    difference, crossed_low, crossed_high and mark of `compared` (`compare_with_baseline`), with "against " in front
    of a mark for the other side, and "not compared" for what it does not hold. Strategies that are missing are left
    out.
    """
    chosen = table[(table["benchmark"] == benchmark) & (table["measure"] == "AP")]
    values = chosen.groupby(["setting", "strategy", "seed", "query_language"])["value"].mean()
    out = []
    for better, worse, setting in FINDINGS:
        if {better, worse} <= set(chosen["strategy"]):
            difference = (values[setting, better] - values[setting, worse]).dropna()
            wins, mean, least = int((difference > 0).sum()), float(difference.mean()), float(difference.min())
            by_rule = _by_rule(compared[compared["benchmark"] == benchmark], better, worse, setting)
            out.append((better, worse, setting, len(difference), wins, mean, least, *by_rule))
    columns = ["better", "worse", "setting", "comparisons", "wins", "mean difference", "smallest difference"]
    return pd.DataFrame(out, columns=[*columns, "difference", "crossed_low", "crossed_high", "mark"])


def _by_rule(rows: pd.DataFrame, better: str, worse: str, setting: str) -> tuple[float, float, float, str]:
    """A comparison among judged rows, in the direction that is asked for."""
    rows = rows[(rows["setting"] == setting) & (rows["measure"] == "AP")]
    for system, against, sign in ((better, worse, 1), (worse, better, -1)):
        found = rows[(rows["system"] == system) & (rows["against"] == against)]
        if len(found):
            row = found.iloc[0]
            ends = sorted((sign * float(row["crossed_low"]), sign * float(row["crossed_high"])))
            side = "against " if row["mark"] and sign * row["difference"] < 0 else ""
            return sign * float(row["difference"]), ends[0], ends[1], side + row["mark"]
    return float("nan"), float("nan"), float("nan"), "not compared"


def part_of(run: Run, names: Sequence[str]) -> dict[str, str]:
    """Return the benchmarks that are a part of another of them, each with that other: `xquad-r[16:]` of `xquad-r`.

    Of the benchmarks that share questions, the one with most of them (of equals the first) is the whole. Parts are
    judged in families of their own: a set and a part of itself are not two tests of one thing.
    """
    sizes = {name: set(run.subset(name)[0].queries["query_id"]) for name in names}
    bases = {name: base_name(run.study.at(run.study.named(name))) for name in names}
    wholes: list[str] = []
    found = {}
    for name in sorted(sizes, key=lambda name: -len(sizes[name])):
        own = [one for one in wholes if bases[one] == bases[name] and sizes[one] & sizes[name]]
        if own:
            found[name] = own[0]
        else:
            wholes.append(name)
    return found


def families(benchmarks: pd.Series, what: str, parts: Mapping[str, str] | None = None) -> list[str]:
    """Name the family of each row by its benchmark: one for all that are whole, one for each that is a part.

    >>> families(pd.Series(["a", "b", "a[3:]"]), "all with mono", {"a[3:]": "a"})
    ['all with mono, on a and b', 'all with mono, on a and b', 'all with mono, on a[3:], a part of a']
    """
    parts = parts or {}
    whole = [name for name in dict.fromkeys(benchmarks) if name not in parts]
    return [f"{what}, on {f'{one}, a part of {parts[one]}' if one in parts else listed(whole)}" for one in benchmarks]


def system(
    run: Run, benchmark: str, strategy: str, measures: Sequence[str] = MAIN_MEASURES, section: str = "main"
) -> Models:
    """Return a strategy's models on a benchmark as `significance.contrast` takes them: by seed and measure.

    The untrained encoder is the same for every seed. With the section "recipes" the models are those of the strategy's
    own recipe, with "reranker" they are re-rankers, with "distilled" the dual encoders beside them, as
    `ModelSpec.called` calls them.
    Raises InputError for a strategy that the study does not have.
    """
    specs = [spec for spec in run.models(section) if spec.called == strategy]
    if not specs:
        there = ", ".join(dict.fromkeys(spec.called for spec in run.models(section)))
        raise InputError(f"study {run.study.name}: no strategy {strategy!r}; there are {there}")
    clusters = question_clusters(run.subset(benchmark)[0])
    return {
        FIXED if strategy == UNTRAINED else spec.seed: model_sums(
            per_query(run.ranks(spec, benchmark), measures), clusters
        )
        for spec in specs
    }


def compare_strategies(
    run: Run, benchmark: str, first: str, second: str, measures: Sequence[str] = MAIN_MEASURES
) -> pd.DataFrame:
    """Compare two strategies on a benchmark per pair of languages and overall: `contrast`, judged as `compare` does."""
    return judged(
        contrast([(sign, system(run, benchmark, name, measures)) for sign, name in ((1, first), (-1, second))])
    )


def pair_significance(comparison: pd.DataFrame, measure: str = "AP") -> pd.DataFrame:
    """Return the language pairs of a comparison in the columns that the figure `pair_difference` is drawn from.

    >>> rows = pd.DataFrame({"setting": ["cross", "cross", "pool"], "query_language": ["de", "*", "de"],
    ...                      "passage_language": ["en", "*", "*"], "measure": "AP", "difference": [0.1, 0.1, 0.2],
    ...                      "p_holm": 0.01, "crossed_p_holm": 0.2, "mark": "°", "family": "pairs"})
    >>> pair_significance(rows)[["query_language", "passage_language", "value", "mark"]].values.tolist()
    [['de', 'en', 0.1, '°']]
    """
    kept = (comparison["passage_language"] != OVERALL) & (comparison["measure"] == measure)
    columns = ["query_language", "passage_language", "difference", "p_holm", "crossed_p_holm", "mark", "family"]
    return comparison.loc[kept, columns].rename(columns={"difference": "value"}).reset_index(drop=True)


def compared_pairs(strategies: Sequence[str], baseline: str) -> list[tuple[str, str]]:
    """Return what the main table compares, before any number is seen: the family that its marks are corrected for.

    Every strategy with the baseline, every hybrid with `cross`, every code-switched strategy with what it switches.
    The untrained encoder is left out, since nobody doubts that it differs.

    >>> compared_pairs(["untrained", "mono", "cross", "hybrid(alpha=0.5)"], "mono")
    [('cross', 'mono'), ('hybrid(alpha=0.5)', 'mono'), ('hybrid(alpha=0.5)', 'cross')]
    """
    names = [name for name in dict.fromkeys(strategies) if name != UNTRAINED]
    if baseline not in names or len(names) < 2:
        raise InputError(f"no baseline {baseline!r} and another strategy; there are {', '.join(names) or 'none'}")
    pairs = [(name, baseline) for name in names if name != baseline]
    pairs += [(name, "cross") for name in names if alpha(name) is not None and "cross" in names]
    pairs += [(name, base) for name in names if (base := switched(name)) in names]
    return list(dict.fromkeys(pairs))


def compare_with_baseline(
    run: Run, baseline: str, section: str = "main", measures: Sequence[str] = MAIN_MEASURES
) -> pd.DataFrame:
    """Compare every trained strategy with one of them, and hybrids with `cross`, in every setting and benchmark.

    This is what tables mark. Columns: benchmark, system, against, then those of `significance.contrast` without
    languages and of `significance.judged`. One family holds all comparisons (`compared_pairs`) on all benchmarks, all
    `measures` (AP in each setting and the rank distance of the pool); a benchmark that is a part of another is a family
    of its own. With the section "recipes" each strategy is trained by its own recipe, with "reranker" the strategies
    are those of re-rankers, and the family is one of its own.
    """
    pairs = compared_pairs([spec.called for spec in run.models(section)], baseline)
    names = run.benchmarks(section)
    found = []
    for benchmark in names:
        own = {name: system(run, benchmark, name, measures, section) for name in dict.fromkeys(sum(pairs, ()))}
        for first, second in pairs:
            rows = contrast([(1, own[first]), (-1, own[second])], overall=True)
            rows.insert(0, "against", second)
            rows.insert(0, "system", first)
            rows.insert(0, "benchmark", benchmark)
            found.append(rows.drop(columns=["query_language", "passage_language"]))
    table = pd.concat(found, ignore_index=True)
    beside = [f"{label(first)} with {label(second)}" for first, second in pairs if second != baseline]
    what = "; ".join([f"every strategy with {label(baseline)}", *beside]) + _OF_SECTION.get(section, "")
    return judged(table.assign(family=families(table["benchmark"], what, part_of(run, names))))


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


def collection_table(run: Run) -> pd.DataFrame:
    """Return scores of every model on the collections of its study by language, made now where they are missing.

    Each collection is judged within one language, so there are no pairs of languages: what can be read from it is
    transfer, from the languages of the training rows to the language that is evaluated. Columns: benchmark, strategy,
    seed, train_languages, setting ("mono", or "pool" for one of several languages' passages), language, measure, value,
    queries, low, high (an interval over other queries, given this training), clusters and their unit (see
    `collection_scores.query_clusters`).
    """
    specs = run.models()
    sets = [(name, one) for name in run.study.evaluation.judged for one in run.collections(name)]
    scored = {spec: _scores(run, spec, [one for _, one in sets]) for spec in specs}
    parts = [
        labelled(scored[spec][nth], run, spec, name)[_COLUMNS] for nth, (name, _) in enumerate(sets) for spec in specs
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)


def by_language(table: pd.DataFrame) -> pd.DataFrame:
    """Lay the frame of `collection_table` out by language, with the mean over languages; a table to look at.

    A value over seeds has the widest of their intervals over queries in brackets behind it.
    """
    by = ["benchmark", "setting", "strategy", "measure"]
    found = table.astype({"value": float, "low": float, "high": float}).groupby([*by, "language"], sort=False)
    cells = found.agg(value=("value", "mean"), low=("low", "min"), high=("high", "max"))
    text = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in cells.to_numpy().tolist()]
    wide: pd.DataFrame = pd.Series(text, cells.index, dtype=object).unstack("language", sort=False)
    return wide.assign(mean=cells["value"].groupby(by, sort=False).mean().round(3))


def collection_queries(
    run: Run, specs: Sequence[ModelSpec], names: Sequence[str] | None = None
) -> list[tuple[str, ModelSpec, pd.DataFrame]]:
    """Return the values of every query of each collection and model, with the collection's name and the model.

    The frame is that of `collection_values` with the columns cluster and unit (`query_clusters`).
    """
    chosen = run.study.evaluation.judged if names is None else names
    sets = [(name, one) for name in chosen for one in run.collections(name)]
    values = {spec: _values(run, spec, [one for _, one in sets]) for spec in specs}
    return [(name, spec, values[spec][nth]) for nth, (name, _) in enumerate(sets) for spec in specs]


def make_collections(run: Run, spec: ModelSpec, names: Sequence[str]) -> None:
    """Make the scores of a model on some collections where they are missing."""
    _scores(run, spec, run.collections(*names))


def collections_made(run: Run, spec: ModelSpec, names: Sequence[str]) -> bool:
    """Return whether the scores of a model on some collections are there."""
    return all(is_whole(run.judged_path(spec, one, "intervals"), thorough=False) for one in run.collections(*names))


def compare_on_collections(run: Run, baseline: str, measure: str = COLLECTION_MEASURES[0]) -> pd.DataFrame:
    """Compare what the main table compares (`compared_pairs`) on the study's collections, by the same rule.

    One row for each collection, comparison and language, and one for the mean over its languages ("*"): benchmark,
    setting, system, against, language, then the columns of `significance.contrast` and `significance.judged`. Each
    collection is a family. Empty where the study names none.
    """
    found = []
    trained = [one for one in run.models() if one.strategy != UNTRAINED]
    for name, of in whole_collections(run, trained, run.study.evaluation.judged, [measure]).items():
        systems: dict[str, dict[int | str, Any]] = {}
        for spec, values in of.items():
            systems.setdefault(spec.strategy, {})[spec.seed] = model_sums(values, clusters_in(values))
        for first, second in compared_pairs(list(systems), baseline):
            rows = contrast([(1, systems[first]), (-1, systems[second])]).rename(columns={"query_language": "language"})
            family = f"strategies on {name}, {measure}"
            found.append(rows.assign(benchmark=name, system=first, against=second, family=family))
    front = ["benchmark", "setting", "system", "against", "language"]
    if not found:
        return pd.DataFrame(columns=[*front, "measure", *INTERVALS, "mark"])
    table = judged(pd.concat(found, ignore_index=True).drop(columns="passage_language"))
    return table[[*front, *[name for name in table if name not in front]]]


def whole_collections(
    run: Run, specs: Sequence[ModelSpec], names: Sequence[str], measures: Sequence[str]
) -> dict[str, dict[ModelSpec, pd.DataFrame]]:
    """Return the values of every query of each collection, all languages together, by the collection's name and model.

    Some measures of `collection_queries`, as `together` puts them.
    """
    parts: dict[str, dict[ModelSpec, list[pd.DataFrame]]] = {}
    for name, spec, values in collection_queries(run, specs, names):
        parts.setdefault(name, {}).setdefault(spec, []).append(values)
    return {name: {spec: together(frames, measures) for spec, frames in of.items()} for name, of in parts.items()}


def together(parts: Sequence[pd.DataFrame], measures: Sequence[str]) -> pd.DataFrame:
    """Return the values of all languages of a collection; a query and a document belong to their language.

    Takes the frames of `collection_queries` of one model, and keeps some measures.
    """
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["measure"].isin(measures)]
    own = frame["setting"] + " " + frame["query_language"] + " "
    return frame.assign(query_id=own + frame["query_id"], cluster=own + frame["cluster"])


def _scores(run: Run, spec: ModelSpec, sets: list[Collection]) -> list[pd.DataFrame]:
    """The scores of a model on the collections, with intervals, made from the values of every query."""
    return [
        frame(run.judged_path(spec, one, "intervals"), partial(_means_of, run, spec, sets, nth))
        for nth, one in enumerate(sets)
    ]


def _means_of(run: Run, spec: ModelSpec, sets: list[Collection], nth: int) -> pd.DataFrame:
    values = _values(run, spec, sets)[nth]
    table = with_intervals(values.drop(columns=["cluster", "unit"]), clusters_in(values), str(values["unit"].iloc[0]))
    return table.rename(columns={"query_language": "language"})


def _values(run: Run, spec: ModelSpec, sets: list[Collection]) -> list[pd.DataFrame]:
    """The values of every query; where some are missing the model searches what shards do not have.

    What was found in shards is removed when its values are there.
    """
    estimate = cache(partial(_estimate, run, spec))  # once for the collections of a name

    def search(collection: Collection) -> pd.DataFrame:
        found = _found(run, spec, collection, estimate)
        values, (clusters, unit) = collection_values(collection, found), query_clusters(collection)
        return values.assign(cluster=values["query_id"].map(clusters), unit=unit)

    values = []
    for one in sets:
        values.append(frame(run.judged_path(spec, one, "queries"), partial(search, one)))
        if not spec.remedy:
            forget_shards(run, spec, one)
    return values


def _found(
    run: Run, spec: ModelSpec, collection: Collection, estimate: Callable[[tuple[Collection, ...]], Estimate | None]
) -> pd.DataFrame:
    """The run of a model on a collection, with its remedy."""
    options = _options(run)
    if not spec.remedy:
        found = found_by_shards(run, spec, collection)
        return dense_search(collection, run.model(spec), TOP, **options) if found is None else found
    known = estimate(run.beside(collection))
    return remedied_searches(spec.chain, ["dense"], collection, run.model(spec), known, TOP, **options)["dense"]


def _estimate(run: Run, spec: ModelSpec, sets: tuple[Collection, ...]) -> Estimate | None:
    """What a model's remedy estimates for the collections of a name."""
    rows = run.row_embeddings(spec, languages_of(sets)) if spec.chain.needs_rows else None
    return collection_estimate(spec.chain, sets, run.model(spec), rows, **_options(run))


def _options(run: Run) -> dict[str, Any]:
    """How a study's texts are encoded."""
    settings = run.study.evaluation
    return {"max_length": settings.max_length, "precision": settings.precision}
