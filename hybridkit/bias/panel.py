"""All sides of language bias for every model of a study, made once and kept in its run folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.bias.distance import normalised_distance, random_distances, rank_distance
from hybridkit.bias.fairness import peer
from hybridkit.bias.gap import language_gap
from hybridkit.bias.margin import score_margin
from hybridkit.bias.removal import target_removal
from hybridkit.bias.share import language_share
from hybridkit.bias.sides import SIDES
from hybridkit.bias.space import language_centroids, language_probe, language_variance
from hybridkit.evaluation.measures import scores_of
from hybridkit.products import frame
from hybridkit.retrieval.dense import dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.cell import Cell
    from hybridkit.run import Run

PANEL_FORMAT = 1
DEPTH = 100  # of PEER: eleven languages share a top ten with one passage each


def bias_sides(
    benchmark: Benchmark,
    ranks: pd.DataFrame,
    query_embeddings: NDArray[np.floating],
    passage_embeddings: NDArray[np.floating],
    top: int = 10,
    depth: int = DEPTH,
    seed: int = 0,
    similarity: str = "dot",
) -> pd.DataFrame:
    """Compute every measure of `SIDES` for one encoder: measure, value, better, chance.

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
    known = random_distances(ranks)
    several = known[known["least"] > 0]
    found = {
        "rank distance": (rank_distance(ranks)["value"].mean(),
                          several.groupby("query_language")["random"].mean().mean()),
        "normalised rank distance": (normalised_distance(ranks)["value"].mean(), 1.0),
        "PEER": (peer(benchmark, scorer, depth)["value"].mean(), 0.5),
        "own language in the top": ((own["share"] / own["expected"]).mean(), 1.0),
        "target removal": ((removal["own"] - removal["other"]).mean() if len(removal) else np.nan, 0.0),
        "AP gap, mono": (gaps.get("mono", np.nan), np.nan),
        "AP gap, pool": (gaps.get("pool", np.nan), np.nan),
        "score margin": (margin["margin_sd"].mean(), np.nan),
        "language bonus": (margin["bonus_sd"].mean(), 0.0),
        "relevance gap": (margin["gap_sd"].mean(), 0.0),
        "language variance": (variance, chance),
    }  # fmt: skip
    if len(set(languages)) > 1 and len(set(articles)) > 1:
        probe = language_probe(passage_embeddings, languages, articles, seed=seed)
        found["language probe"] = (probe["value"].mean(), float(probe["chance"].iloc[0]))
    rows = [(name, *found[name], side.better) for name, side in SIDES.items() if name in found]
    frame = pd.DataFrame(rows, columns=["measure", "value", "chance", "better"]).dropna(subset="value")
    return frame[["measure", "value", "better", "chance"]].reset_index(drop=True)


def bias_panel(run: Run, benchmark: str) -> pd.DataFrame:
    """Every side of language bias for every model of a study's main part, made now where it is missing.

    Gives strategy, seed, measure, value, better ("lower", "higher" or "none") and chance; see `bias_sides`. Kept under
    bias/ in the run folder, by the hash of everything that a model's results on a benchmark are made from.
    """
    parts = []
    part, _, _ = run.part(benchmark)
    top = run.study.evaluation.top
    for cell in run.cells():
        path = run.folder / "bias" / f"{run.result_key(cell, part)[:24]}-v{PANEL_FORMAT}-top{top}.parquet"
        found = frame(path, partial(_sides, run, cell, benchmark))
        parts.append(found.assign(strategy=cell.strategy, seed=cell.seed))
    panel = pd.concat(parts, ignore_index=True)
    return panel[["strategy", "seed", "measure", "value", "better", "chance"]]


def language_maps(run: Run, benchmark: str) -> pd.DataFrame:
    """Where each strategy's first model puts the languages' passages: strategy, seed, language, x, y, shown, variance.

    The axes of a map are free; each is turned and mirrored to lie as near as it can to the first (orthogonal
    Procrustes, without scaling), so that the maps can be compared. `variance` is the share that lies between languages.
    """
    from scipy.linalg import orthogonal_procrustes

    parts: list[pd.DataFrame] = []
    part, _, _ = run.part(benchmark)
    languages = part.passages["language"]
    for cell in run.cells():
        if cell.strategy in {str(one["strategy"].iloc[0]) for one in parts}:
            continue
        passages = _embeddings(run, cell, benchmark)[1]
        found = language_centroids(passages, languages)
        if parts:
            turn, _ = orthogonal_procrustes(found[["x", "y"]].to_numpy(), parts[0][["x", "y"]].to_numpy())
            found[["x", "y"]] = found[["x", "y"]].to_numpy() @ turn
        variance, _ = language_variance(passages, languages)
        parts.append(found.assign(variance=variance, strategy=cell.strategy, seed=cell.seed))
    maps = pd.concat(parts, ignore_index=True)
    return maps[["strategy", "seed", "language", "x", "y", "shown", "variance"]]


def _sides(run: Run, cell: Cell, name: str) -> pd.DataFrame:
    top, similarity = run.study.evaluation.top, run.similarity(cell, name)
    ranks, both = run.ranks(cell, name), _embeddings(run, cell, name)
    return bias_sides(run.part(name)[0], ranks, *both, top=top, similarity=similarity)


def _embeddings(run: Run, cell: Cell, name: str) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    _, queries, passages = run.part(name)
    whole = run.embeddings(cell, name)
    return whole[0][queries], whole[1][passages]
