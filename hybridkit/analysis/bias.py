"""Every measure of language bias for the models of a study, kept in its run, and what changes, in sentences."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.evaluation.bias import (
    BIAS_MEASURES,
    language_gap,
    language_share,
    normalised_distance,
    peer,
    random_distances,
    rank_distance,
    score_margin,
    target_removal,
)
from hybridkit.evaluation.embedding_space import language_centroids, language_probe, language_variance
from hybridkit.evaluation.measures import macro, scores, scores_of
from hybridkit.evaluation.query_languages import mean_rank_correlation, success_values
from hybridkit.retrieval.dense import dense
from hybridkit.utils.products import frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.study.model_spec import ModelSpec
    from hybridkit.study.run import Run


PANEL_FORMAT = 3  # 2: the share expected of a perfect system, answers overtaken; 3: MRC, Success@k
DEPTH = 100  # of PEER: eleven languages share a top ten with one passage each
MECHANISM = ("score margin", "language bonus", "relevance gap")
CHECK = "answers overtaken"  # of the score margin, which is below 0 for a biased encoder too
AGAIN = "normalised rank distance"  # rank distance on another scale
ANSWERED = ("Success@1", "Success@10")  # they rise with the quality of a model as much as they fall with bias
GAPS = ("AP gap, mono", "AP gap, pool")  # they grow with bias, and also where a better model helps some languages more


def bias_measures(
    benchmark: Benchmark,
    ranks: pd.DataFrame,
    query_embeddings: NDArray[np.floating],
    passage_embeddings: NDArray[np.floating],
    top: int = 10,
    depth: int = DEPTH,
    seed: int = 0,
    similarity: str = "dot",
) -> pd.DataFrame:
    """Return every measure of `BIAS_MEASURES` for one encoder: measure, value, better, chance.

    Values are means over query languages; `chance` is what no preference (random order for the rank distance) would
    give, NaN where there is no such value. `top` is the depth of the language share, `depth` that of PEER, `seed` that
    of the probe's sample, `similarity` the model's own, by which all scores are made; the probe and the language
    variance look at the embeddings as they are, of length 1 where it is cosine. A measure that a benchmark has no
    ground for is left out: all but the spaces' own need parallel passages, the probe two articles.
    """
    scorer = dense(benchmark, query_embeddings, passage_embeddings, similarity)
    languages, articles = benchmark.passages["language"], benchmark.passages["article"]
    shares = language_share(benchmark, scorer, k=top)
    own = shares[shares["query_language"] == shares["passage_language"]]
    removal = target_removal(ranks).pivot(index="query_language", columns="removed", values="fall")
    by_side = language_gap(scores_of(ranks))
    gaps = by_side[by_side["side"] == "query_language"].set_index("setting")["value"]
    margin = score_margin(benchmark, query_embeddings, passage_embeddings, similarity)
    variance, chance = language_variance(passage_embeddings, languages)
    answered = macro(scores(success_values(ranks)))[["measure", "value"]]
    known = random_distances(ranks)
    several = known[known["least"] > 0]
    found = {
        "rank distance": (
            rank_distance(ranks)["value"].mean(),
            several.groupby("query_language")["random"].mean().mean(),
        ),
        "normalised rank distance": (normalised_distance(ranks)["value"].mean(), 1.0),
        "PEER": (peer(benchmark, scorer, depth)["value"].mean(), 0.5),
        "own language in the top": ((own["share"] / own["expected"]).mean(), 1.0),
        "target removal": ((removal["own"] - removal["other"]).mean() if len(removal) else np.nan, 0.0),
        "AP gap, mono": (gaps.get("mono", np.nan), np.nan),
        "AP gap, pool": (gaps.get("pool", np.nan), np.nan),
        "score margin": (margin["margin_sd"].mean(), np.nan),
        "language bonus": (margin["bonus_sd"].mean(), 0.0),
        "relevance gap": (margin["gap_sd"].mean(), 0.0),
        CHECK: (margin["overtaken"].mean(), np.nan),
        "language variance": (variance, chance),
        "MRC": (mean_rank_correlation(benchmark, scorer)["value"].mean(), 0.0),
        **{name: (value, np.nan) for name, value in answered.itertuples(index=False)},
    }
    if len(set(languages)) > 1 and len(set(articles)) > 1:
        probe = language_probe(passage_embeddings, languages, articles, seed=seed)
        found["language probe"] = (probe["value"].mean(), float(probe["chance"].iloc[0]))
    rows = [(name, *found[name], side.better) for name, side in BIAS_MEASURES.items() if name in found]
    frame = pd.DataFrame(rows, columns=["measure", "value", "chance", "better"]).dropna(subset="value")
    return frame[["measure", "value", "better", "chance"]].reset_index(drop=True)


def bias_panel(run: Run, benchmark: str) -> pd.DataFrame:
    """Return every measure of language bias for every model of a study's main section, made now where it is missing.

    Columns: strategy, seed, measure, value, better ("lower", "higher" or "none") and chance; see `bias_measures`. Kept
    under bias/ in the run folder, by the hash of everything that a model's results on a benchmark are made from.
    """
    parts = []
    part, _, _ = run.subset(benchmark)
    top = run.study.evaluation.top
    for spec in run.models():
        path = run.folder / "bias" / f"{run.result_key(spec, part)[:24]}-v{PANEL_FORMAT}-top{top}.parquet"
        found = frame(path, partial(_measures, run, spec, benchmark))
        parts.append(found.assign(strategy=spec.strategy, seed=spec.seed))
    panel = pd.concat(parts, ignore_index=True)
    return panel[["strategy", "seed", "measure", "value", "better", "chance"]]


def language_maps(run: Run, benchmark: str) -> pd.DataFrame:
    """Return where each strategy's first model puts the languages: strategy, seed, language, x, y, shown, variance.

    The axes of a map are free; each is turned and mirrored to lie as near as it can to the first (orthogonal
    Procrustes, without scaling), so that the maps can be compared. `variance` is the share that lies between languages.
    """
    from scipy.linalg import orthogonal_procrustes

    parts: list[pd.DataFrame] = []
    part, _, _ = run.subset(benchmark)
    languages = part.passages["language"]
    for spec in run.models():
        if spec.strategy in {str(one["strategy"].iloc[0]) for one in parts}:
            continue
        passages = _embeddings(run, spec, benchmark)[1]
        found = language_centroids(passages, languages)
        if parts:
            turn, _ = orthogonal_procrustes(found[["x", "y"]].to_numpy(), parts[0][["x", "y"]].to_numpy())
            found[["x", "y"]] = found[["x", "y"]].to_numpy() @ turn
        variance, _ = language_variance(passages, languages)
        parts.append(found.assign(variance=variance, strategy=spec.strategy, seed=spec.seed))
    maps = pd.concat(parts, ignore_index=True)
    return maps[["strategy", "seed", "language", "x", "y", "shown", "variance"]]


def _measures(run: Run, spec: ModelSpec, name: str) -> pd.DataFrame:
    top, similarity = run.study.evaluation.top, run.similarity(spec, name)
    ranks, both = run.ranks(spec, name), _embeddings(run, spec, name)
    return bias_measures(run.subset(name)[0], ranks, *both, top=top, similarity=similarity)


def _embeddings(run: Run, spec: ModelSpec, name: str) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    _, queries, passages = run.subset(name)
    whole = run.embeddings(spec, name)
    return whole[0][queries], whole[1][passages]


def changes(panel: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    """Compare two strategies of a bias panel: the first against the second, as a study's `compare` names them.

    Columns: measure, before (the second's mean over seeds), after (the first's), change, seeds (differences that there
    are: seeds that both have, else one of the means), agree (whether all of these have one sign) and verdict: "less
    bias", "more bias", "no clear change", or "more" and "less" for a measure of which neither is better.

    >>> panel = pd.DataFrame({"strategy": ["mono", "cross"], "seed": 0, "measure": "rank distance",
    ...                       "value": [400.0, 300.0], "better": "lower", "chance": 10846.0})
    >>> changes(panel, ("cross", "mono"))[["change", "verdict"]].values.tolist()
    [[-100.0, 'less bias']]
    """
    first, second = pair
    for name in pair:
        if name not in set(panel["strategy"]):
            known = ", ".join(dict.fromkeys(panel["strategy"]))
            raise InputError(f"bias panel: no strategy {name!r}; there are {known}")
    rows = []
    for measure, part in panel.groupby("measure", sort=False):
        after, before = (part[part["strategy"] == name].set_index("seed")["value"] for name in (first, second))
        paired = (after - before).dropna().to_numpy()
        change = after.mean() - before.mean()
        signs = set(np.sign(paired if len(paired) else [change]))
        agree = len(signs) == 1 and signs != {0.0}
        better = {"lower": -1, "higher": 1}.get(str(part["better"].iloc[0]), 0)
        words = ("less bias", "more bias") if better else ("more", "less")
        verdict = words[0 if change * (better or 1) > 0 else 1] if agree else "no clear change"
        rows.append((measure, before.mean(), after.mean(), change, max(1, len(paired)), agree, verdict))
    columns = ["measure", "before", "after", "change", "seeds", "agree", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def verdict(panel: pd.DataFrame, pair: tuple[str, str] = ("hybrid(alpha=0.5)", "mono")) -> str:
    """Describe what changes from the second strategy of a pair to the first, and by which mechanism; Markdown.

    Takes the frame of `bias_panel`. A measure has changed where every seed says so. Measures are counted once each: not
    the normalised rank distance, which is rank distance on another scale. The mechanism is read off the
    same-language score margin (`score_margin`), which is the language bonus less the relevance gap: an answer in
    another language overtakes irrelevant passages in the query's language because language counts less, or because
    relevance counts more. Whether an encoder is strongly aligned is read off the answers overtaken, and not off the
    margin, which may be below 0 for a biased encoder too.

    Raises InputError for a strategy that is not in the panel.
    """
    from hybridkit.sampling.labels import label

    table = changes(panel, pair).set_index("measure")
    seeds = int(table["seeds"].max())
    after, before = (label(name) for name in pair)
    lines = [f"From **{before}** to **{after}** ({seeds} {'seed' if seeds == 1 else 'seeds'}):", ""]
    sides = table[
        [_better(name) != "none" and name not in (*MECHANISM, *GAPS, *ANSWERED, CHECK, AGAIN) for name in table.index]
    ]
    for word in ("less bias", "more bias", "no clear change"):
        if (sides["verdict"] == word).any():
            chosen = sides[sides["verdict"] == word]
            lines.append(f"- {word} by {len(chosen)} of {len(sides)} measures: {_moves(chosen)}")
    for start, chosen in (
        ("how unevenly languages fare, for whatever reason", table[table.index.isin(GAPS)]),
        ("queries that the top of the pool answers, for whatever reason", table[table.index.isin(ANSWERED)]),
        ("what the space knows of language", table[[_better(name) == "none" for name in table.index]]),
    ):
        lines += [f"- {start}: {_moves(chosen)}"] if len(chosen) else []
    if set(MECHANISM) <= set(table.index):
        lines.append("- " + _mechanism(*(pd.Series(table.loc[name].to_dict()) for name in MECHANISM)))
    if {MECHANISM[0], CHECK} <= set(table.index):
        lines.append("- " + _aligned(*(pd.Series(table.loc[name].to_dict()) for name in (MECHANISM[0], CHECK))))
    agree = "directions of one seed" if seeds == 1 else f"directions in which all {seeds} seeds agree"
    lines.append(f"- these are {agree}, and no test; notebook 04 has the test of rank distance")
    return "\n".join(lines) + "\n"


def _better(measure: object) -> str:
    return BIAS_MEASURES[str(measure)].better if str(measure) in BIAS_MEASURES else "none"


def _moves(rows: pd.DataFrame) -> str:
    return "; ".join(f"{name} {_move(row)}" for name, row in rows.iterrows())


def _move(row: pd.Series) -> str:
    digits = 0 if abs(row["before"]) >= 100 else 3
    clear = "" if row["agree"] else " (seeds disagree)"
    return f"{row['before']:,.{digits}f} → {row['after']:,.{digits}f}{clear}"


def _aligned(margin: pd.Series, overtaken: pd.Series) -> str:
    """One sentence on whether an encoder is strongly aligned, which a margin below 0 cannot show."""
    shares = (
        f"{overtaken['before']:.1%} → {overtaken['after']:.1%} of the answers in another language score below some "
    )
    what = f"{shares}irrelevant passage in the query's language"
    if max(margin["before"], margin["after"]) >= 0:
        return f"strong alignment: none where the margin is above 0; {what}"
    if max(overtaken["before"], overtaken["after"]) == 0:
        return f"strong alignment: {what}, so that both are strongly aligned in this"
    return (
        f"strong alignment: the margin is below 0 for both, which cannot tell; {what}, and in an aligned encoder none"
    )


def _mechanism(margin: pd.Series, bonus: pd.Series, gap: pd.Series) -> str:
    """One sentence on the margin's change and which of its two parts makes it."""
    start = f"the same-language score margin goes {_move(margin)} standard deviations"
    if not margin["agree"]:
        return f"mechanism: {start}, so that neither part of it explains a change"
    # the margin is bonus - gap: each part's share in the margin's own direction
    parts = [
        ("the bonus of the query's language", "shrinks" if bonus["change"] < 0 else "grows", bonus, bonus["change"]),
        ("the weight of relevance across languages", "grows" if gap["change"] > 0 else "shrinks", gap, -gap["change"]),
    ]
    reasons = []
    for name, word, row, part in sorted(parts, key=lambda one: -one[3] / margin["change"]):
        share = part / margin["change"]
        how = f"{share:.0%} of it because {name} {word}" if share > 0 else f"against it, {name} {word}"
        reasons.append(f"{how if row['agree'] else f'no clear part has {name}'} ({_move(row)})")
    return f"mechanism: {start}: {'; '.join(reasons)}"
