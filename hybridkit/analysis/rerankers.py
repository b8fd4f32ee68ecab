"""Re-rankers of a study: scores beside those of the first stage, gains of strategies, and their distance from English.

Every frame is read from what the run keeps; what is missing is made. A study without re-rankers has empty frames.
"""

from collections.abc import Iterable

import pandas as pd

from hybridkit.analysis.scores import compare_with_baseline, system
from hybridkit.data.sources.published import published_gains
from hybridkit.data.typology import syntactic_distance
from hybridkit.evaluation.measures import SETTINGS
from hybridkit.evaluation.significance import OVERALL, contrast, judged
from hybridkit.retrieval.rerank import NAME
from hybridkit.sampling.labels import order
from hybridkit.study.model_spec import DUAL, ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.scores import FRONT, model_scores
from hybridkit.study.settings import DISTILLED, RERANKER, UNTRAINED
from hybridkit.study.sweep import sweep
from hybridkit.utils.products import write

MEASURE = "RR@10"  # that of arXiv 2305.05295
SHOWN = (MEASURE, "AP", "nDCG@10")
ENGLISH = "en"  # what its re-rankers are trained on; distances start there


def reranker_scores(run: Run) -> pd.DataFrame:
    """Return the scores of the first stage, every re-ranker and every dual encoder beside them.

    They are kept in rerankers.parquet and .csv. The columns are those of `study_scores`, with `system` behind the
    strategy (such as "rerank(dense, depth=20)"; the first stage has the strategy "untrained", a dual encoder is called
    "dual encoder", or "dual encoder distilled from" the strategy of a re-ranker) and `seen` behind the passage's
    language: whether the query's and the passage's are among those of the training rows, as "seen-unseen"; in the pool
    "seen-*".
    """
    specs = run.models(RERANKER)
    if not specs:
        return pd.DataFrame()
    names = run.study.section(RERANKER).benchmarks
    sweep(run, specs, names)
    sweep(run, run.models(DISTILLED), names)  # afterwards: they learn from re-rankers
    parts = []
    for spec in [*specs, *run.models(DISTILLED)]:
        for name in names:
            table = model_scores(run, spec, name).assign(strategy=spec.called)
            table.insert(FRONT.index("strategy") + 1, "system", _system(run, spec))
            seen = _seen(table, run.split[0].languages)
            table.insert(list(table.columns).index("passage_language") + 1, "seen", seen)
            parts.append(table)
    found = pd.concat(parts, ignore_index=True)
    write(run.folder / "rerankers.parquet", found.to_parquet(index=False))
    write(run.folder / "rerankers.csv", found.round({"value": 6}).to_csv(index=False))
    return found


def _system(run: Run, spec: ModelSpec) -> str:
    chosen = run.study.reranker
    if chosen is None:
        return ""
    first = f"dense with {chosen.remedy}" if chosen.remedy else "dense"
    return (
        first if spec.strategy == UNTRAINED or spec.section == DISTILLED else f"{NAME}({first}, depth={chosen.depth})"
    )


def _seen(table: pd.DataFrame, languages: Iterable[str]) -> pd.Series:
    words = dict.fromkeys(languages, "seen") | {OVERALL: OVERALL}
    query, passage = (table[f"{side}_language"].map(words).fillna("unseen") for side in ("query", "passage"))
    return query + "-" + passage


def reranker_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a line a benchmark and strategy of `reranker_scores`: means over languages or pairs, then over seeds.

    Columns: (measure, column) for RR@10, AP and nDCG@10, in mono, cross and pool, and RR@10 over the pairs, mono and
    cross, of each group of languages that were seen or not; then the number of seeds.
    """
    if table.empty:
        return table
    by_setting = table.assign(column=table["setting"])
    by_group = table[(table["measure"] == MEASURE) & (table["setting"] != "pool")].assign(column=table["seen"])
    long = pd.concat([by_setting, by_group], ignore_index=True)
    long = long[long["measure"].isin(SHOWN)]
    keys = ["benchmark", "strategy", "seed", "measure", "column"]
    means = long.groupby(keys, sort=False)["value"].mean().reset_index()
    wide = means.pivot_table("value", ["benchmark", "strategy"], ["measure", "column"], "mean")
    columns = [*SETTINGS, *(name for name in dict.fromkeys(long["column"]) if name not in SETTINGS)]
    kept = [(measure, name) for measure in SHOWN for name in columns if (measure, name) in wide]
    lines = [
        (b, s) for b in dict.fromkeys(table["benchmark"]) for s in order(table["strategy"]) if (b, s) in wide.index
    ]
    found: pd.DataFrame = wide.loc[lines, kept].copy()
    found["seeds", ""] = table.groupby(["benchmark", "strategy"])["seed"].nunique()
    return found


def in_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `reranker_table` with a row a number: benchmark, strategy, measure, column, value.

    >>> columns = pd.MultiIndex.from_tuples([("RR@10", "mono"), ("seeds", "")])
    >>> at = pd.MultiIndex.from_tuples([("toy", "english")], names=["benchmark", "strategy"])
    >>> in_rows(pd.DataFrame([[0.5, 1]], at, columns)).to_dict("split")["data"]
    [['toy', 'english', 'RR@10', 'mono', 0.5], ['toy', 'english', 'seeds', '', 1.0]]
    """
    if table.empty:
        return table
    return table.rename_axis(columns=["measure", "column"]).melt(ignore_index=False).reset_index()


def reranker_gains(run: Run) -> pd.DataFrame:
    """Compare the strategies of re-rankers in RR@10: `compare_with_baseline`, the first of them being the baseline."""
    chosen = run.study.reranker
    if chosen is None:
        return pd.DataFrame()
    return compare_with_baseline(run, chosen.strategies[0], section=RERANKER, measures=[MEASURE])


def distillation_gains(run: Run) -> pd.DataFrame:
    """Compare dual encoders that learn from a re-ranker with the one that does not, in RR@10: `compare_with_baseline`.

    All are trained on the same batches with the same hard negatives and ranked without re-ranking.
    """
    if not run.models(DISTILLED):
        return pd.DataFrame()
    return compare_with_baseline(run, DUAL, section=DISTILLED, measures=[MEASURE])


def gains_by_distance(run: Run) -> pd.DataFrame:
    """Return what each strategy gains over the first in RR@10, by pair of languages, with its distance from English.

    Columns: benchmark, strategy, against, setting, query_language, passage_language, distance (`from_english`), then
    those of `significance.contrast` and `significance.judged`, all pairs and strategies of a benchmark as one family.
    """
    chosen, parts = run.study.reranker, []
    if chosen is None:
        return pd.DataFrame()
    first = chosen.strategies[0]
    for benchmark in run.study.section(RERANKER).benchmarks:
        base = system(run, benchmark, first, [MEASURE], section=RERANKER)
        for strategy in chosen.strategies[1:]:
            own = system(run, benchmark, strategy, [MEASURE], section=RERANKER)
            rows = contrast([(1, own), (-1, base)])
            rows = rows[rows["query_language"] != OVERALL]
            rows.insert(3, "distance", from_english(rows))
            front = {"benchmark": benchmark, "strategy": strategy, "against": first}
            parts.append(pd.DataFrame(front, index=rows.index).join(rows))
    table = pd.concat(parts, ignore_index=True)
    return judged(table.assign(family="re-rankers by pair of languages, on " + table["benchmark"]))


def from_english(pairs: pd.DataFrame) -> pd.Series:
    """Return how far the languages of each pair are from English, by syntax: the mean of the query's and the passage's.

    In the pool it is the query's. InputError for a language without features (`typology.syntactic_distance`).

    >>> pairs = pd.DataFrame({"query_language": ["en", "en", "de"], "passage_language": ["en", "de", "*"]})
    >>> from_english(pairs).round(2).tolist()
    [0.0, 0.05, 0.1]
    """
    far = {
        tag: syntactic_distance(ENGLISH, tag)
        for tag in {*pairs["query_language"], *pairs["passage_language"]} - {OVERALL}
    }
    query, passage = (pairs[f"{side}_language"].map(far).astype(float) for side in ("query", "passage"))
    return (query + passage.fillna(query)) / 2


def beside_published_gains(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the gains of code-switched re-rankers beside those that arXiv 2305.05295 prints in its abstract.

    Columns: benchmark, system, against, setting, difference, crossed_low, crossed_high, mark, published.
    """
    if gains.empty:
        return gains
    theirs = published_gains().set_index("setting")["difference"]
    ours = gains[gains["system"].str.startswith("codeswitch(")]
    shown = ["benchmark", "system", "against", "setting", "difference", "crossed_low", "crossed_high", "mark"]
    found: pd.DataFrame = ours[shown].assign(published=ours["setting"].map(theirs).astype(float))
    return found.reset_index(drop=True)
