"""Steps between sets of languages, by the rule of evidence: over questions, and over draws too.

Every difference is one of `significance.contrast`, whose trainings are the random draws: `low` and `high` are for other
questions, given these models, `crossed_low` and `crossed_high` for other questions and other draws of languages, from
three draws on.
"""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.analysis.diversity.outcomes import RANDOM, drawn, models
from hybridkit.evaluation.clusters import ClusterSums, combined, model_sums, question_clusters
from hybridkit.evaluation.measures import per_query
from hybridkit.evaluation.resampling import TRAININGS_NEEDED, Resampling
from hybridkit.evaluation.significance import contrast, judged
from hybridkit.study.settings import UNTRAINED

if TYPE_CHECKING:
    from hybridkit.study.run import Run

Key = tuple[str, str, int, str]  # series, strategy, seed, training languages joined by spaces
STEP = ["series", "strategy", "setting", "from_k", "to_k", "was", "seen"]
ENDS = ["low", "high", "crossed_low", "crossed_high"]
SEVERAL = Resampling(resamples=4_000, exchanges=50_000)  # of many lines, on articles


def pair_sums(run: "Run", benchmark: str, measure: str = "RR") -> dict[Key, ClusterSums]:
    """Return the sums of a measure by article and pair of languages of every model of a diversity study."""
    clusters = question_clusters(run.subset(benchmark)[0])
    lines, known = models(run), {}
    for spec in dict.fromkeys(lines["model"]):
        known[spec] = model_sums(per_query(run.ranks(spec, benchmark), [measure]), clusters)[measure]
    keys = lines[["series", "strategy", "seed", "languages", "model"]].itertuples(index=False)
    return {(str(one[0]), str(one[1]), int(one[2]), str(one[3])): known[one[4]] for one in keys}


def mean_steps(table: pd.DataFrame, sums: Mapping[Key, ClusterSums]) -> pd.DataFrame:
    """Return the mean of each kind of step over random draws, with its intervals over questions, and over draws too.

    Takes `sentences.steps` in cross and mono, and `pair_sums` of the same benchmark and measure. Columns: series,
    strategy, setting, from_k, to_k, was, seen, mean, low, high (over questions, given these models), crossed_low,
    crossed_high (over questions and draws), draws, note (why there is no interval over draws), established (by the
    rule of evidence, with all steps of the table as one family). Seeds of a set are averaged; a step between the same
    sets in two draws, as to one language from fewer languages than draws, counts once. A step to the set of all
    languages has none over draws, since its one model a seed is in every draw. Without random draws, means are over
    the sets that were chosen.
    """
    rows = []
    chosen = drawn(table[table["setting"] != "pool"])
    chosen = chosen.drop_duplicates([*STEP, "seed", "from_languages", "to_languages"])  # of several draws
    for key, part in chosen.groupby(STEP, sort=False):
        kind = {str(name): value for name, value in zip(STEP, key, strict=True)}
        draws: dict[int | str, dict[str, ClusterSums]] = {}
        for draw, own in part.groupby(["group", "draw"], sort=False):
            seeds = [_step(one, kind, sums) for one in own.to_dict("records")]
            draws[" ".join(map(str, draw))] = {"": combined([(1 / len(seeds), one) for one in seeds])}
        row = contrast([(1.0, draws)], how=SEVERAL, overall=True).iloc[0]
        note = ""
        if part["to_all"].all():
            note = "the larger set is one, that of all languages"
        elif set(part["group"]) != {RANDOM}:
            names = ", ".join(dict.fromkeys(part["group"]))
            note = f"sets that were chosen ({names}) show nothing of other ones"
        elif len(draws) < TRAININGS_NEEDED:
            note = f"{len(draws)} draw{'s show' if len(draws) > 1 else ' shows'} nothing of other languages"
        over_draws = dict.fromkeys(("crossed_low", "crossed_high", "crossed_p"), np.nan) if note else {}
        ends = {name: row[name] for name in ("low", "high", "p", "crossed_low", "crossed_high", "crossed_p")}
        known = {"difference": row["difference"], **ends, **over_draws, "draws": len(draws), "note": note}
        rows.append({**kind, "measure": "", **known})
    columns = [*STEP, "mean", *ENDS, "draws", "note", "established"]
    if not rows:
        return pd.DataFrame(columns=columns)
    found = judged(pd.DataFrame(rows), "steps to more languages", SEVERAL)
    return found.rename(columns={"difference": "mean"})[columns]


def _step(one: dict[Hashable, Any], kind: dict[str, Any], sums: Mapping[Key, ClusterSums]) -> ClusterSums:
    """The difference of two sets of a draw, on the pairs of a setting that were and are seen as the kind says."""
    before_key = (one["series"], one["strategy"] if one["from_k"] else UNTRAINED, one["seed"] if one["from_k"] else 0)
    after = sums[one["series"], one["strategy"], one["seed"], one["to_languages"]]
    before = sums[*before_key, one["from_languages"]]
    first, second = (each.select(_pairs(each.pairs, one, kind), "step") for each in (after, before))
    return combined([(1.0, first), (-1.0, second)])


def _pairs(pairs: pd.DataFrame, one: dict[Hashable, Any], kind: dict[str, Any]) -> np.ndarray:
    """Which pairs of languages are of a setting and were and are seen as a kind of step says."""
    own = pairs["setting"] == kind["setting"]
    for languages, seen in (("from_languages", kind["was"]), ("to_languages", kind["seen"])):
        for side, word in zip(("query_language", "passage_language"), seen.split("-"), strict=True):
            own &= pairs[side].isin(one[languages].split()) == (word == "seen")
    found: np.ndarray = own.to_numpy(bool)
    return found
