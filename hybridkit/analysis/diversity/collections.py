"""What training on sets of languages does on test collections, on which a question is answered in its own language."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.analysis.diversity.outcomes import ALL, COLUMNS, KEYS, PREDICTORS, RANDOM, drawn, models
from hybridkit.analysis.scores import whole_collections
from hybridkit.evaluation.clusters import ClusterSums, combined, model_sums
from hybridkit.evaluation.collection_scores import clusters_in
from hybridkit.evaluation.resampling import Resampling
from hybridkit.evaluation.significance import OVERALL, contrast, judged
from hybridkit.sampling.labels import label
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.settings import UNTRAINED
from hybridkit.utils.numbers import number

if TYPE_CHECKING:
    from hybridkit.study.run import Run

MEASURES = ("RR@10", "nDCG@10")
OUTCOMES = [name for name in COLUMNS if name not in PREDICTORS]
EFFECTS = ["benchmark", "setting", "language", "series", "strategy", "k", "seen", "measure"]
EFFECTS += ["value", "gain", "low", "high", "crossed_low", "crossed_high", "draws", "queries", "established"]
_OVER_LANGUAGES = Resampling(resamples=4_000, exchanges=50_000)
_OF_ONE = Resampling(resamples=2_000, exchanges=1_000)  # for intervals alone


Values = dict[str, dict[ModelSpec, pd.DataFrame]]  # of every question, by collection and model


def collection_values(run: "Run") -> Values:
    """Return the values of every question of each collection by every model of a diversity study, languages together.

    The collections are `diversity.judged`, else `evaluation.judged`. Models that are not made yet are made now.
    """
    return whole_collections(run, run.models("diversity"), run.study.judged_in("diversity"), MEASURES)


def collection_outcomes(run: "Run", values: Values) -> pd.DataFrame:
    """Return the means of `collection_values` by model and language, in the columns of `pair_outcomes`.

    But for the predictors. passage_language is the question's language in the pool too, since only passages of that
    language are judged.
    """
    lines, parts = models(run), []
    for name, by_model in values.items():
        for spec, frame in by_model.items():
            by = ["setting", "query_language", "measure"]
            means = frame.groupby(by, sort=False)["value"].mean().reset_index()
            own = lines.loc[lines["model"] == spec, KEYS]
            parts.append(own.merge(means.assign(benchmark=name, passage_language=means["query_language"]), how="cross"))
    if not parts:
        return pd.DataFrame(columns=OUTCOMES)
    table = pd.concat(parts, ignore_index=True)
    known = [tag in of.split() for tag, of in zip(table["query_language"], table["languages"], strict=True)]
    return table.assign(seen=np.where(known, "seen-seen", "unseen-unseen"))[OUTCOMES]


def collection_effects(run: "Run", values: Values) -> pd.DataFrame:
    """Return what training gains over the untrained encoder on each collection, by language, k and seen.

    Takes `collection_values`. Lines of the language "*" are means over the languages that a model was trained on (seen)
    or was not (unseen): every language weighs the same, and the untrained encoder has the same languages. Sets are
    those of the random draws and that of all languages; seeds of a set are averaged, and a set that two draws have
    counts once.

    Returns:
        benchmark, setting (mono, or pool), language, series, strategy, k, seen, measure (RR@10, nDCG@10), value, gain,
        low, high (95 %, over questions, given these models), crossed_low, crossed_high (over questions and random
        draws, from three draws on), draws, queries, established (of "*", by the rule of evidence: those of a collection
        and measure are one family; never of one language).
    """
    lines = models(run)
    trained = lines[lines["strategy"] != UNTRAINED]
    trained = pd.concat([drawn(trained), trained[trained["group"] == ALL]]) if len(trained) else trained
    found = []
    for name, by_model in values.items():
        sums = {spec: model_sums(frame, clusters_in(frame)) for spec, frame in by_model.items()}
        tags = list(dict.fromkeys(next(iter(by_model.values()))["query_language"]))
        for keys, part in trained.groupby(["series", "strategy", "k"], sort=False):
            for measure in MEASURES:
                own = {spec: one[measure] for spec, one in sums.items()}
                for language in (*tags, OVERALL):
                    rows = _effects(part, own, tags if language == OVERALL else [language], measure)
                    front = {"benchmark": name, "language": language}
                    found += [front | dict(zip(("series", "strategy", "k"), keys, strict=True)) | row for row in rows]
    if not found:
        return pd.DataFrame(columns=EFFECTS)
    table = pd.DataFrame(found)
    family = "what training gains on " + table["benchmark"] + ", " + table["measure"]
    every = table["language"] == OVERALL
    verdicts = judged(table[every].assign(family=family), how=_OVER_LANGUAGES)["established"]
    table["established"] = verdicts.reindex(table.index, fill_value=False).astype(bool)
    return table.rename(columns={"difference": "gain", "trainings": "draws"})[EFFECTS]


def collection_sentences(effects: pd.DataFrame) -> list[str]:
    """Describe the lines of `collection_effects` that are over languages, RR@10, a sentence a collection and strategy.

    >>> row = {"benchmark": "b[de,en]", "setting": "mono", "language": "*", "series": "fixed", "strategy": "mono",
    ...        "k": 1, "seen": "unseen", "measure": "RR@10", "value": 0.5, "gain": 0.1, "low": 0.05, "high": 0.15,
    ...        "crossed_low": 0.02, "crossed_high": 0.18, "draws": 3, "queries": 9, "established": True}
    >>> collection_sentences(pd.DataFrame([row]))
    ['b[de,en], mono: RR@10 changes over the untrained encoder by +.100 (.020 to .180) in unseen languages from 1.']
    """
    said = []
    chosen = effects[(effects["language"] == OVERALL) & (effects["measure"] == MEASURES[0])]
    for (name, series, strategy), part in chosen.groupby(["benchmark", "series", "strategy"], sort=False):
        amounts = []
        for row in part.sort_values(["seen", "k"]).to_dict("records"):
            over = "crossed_" * (not np.isnan(row["crossed_low"]))
            ends = f"{number(row[over + 'low'])} to {number(row[over + 'high'])}"
            ends = "no interval" if np.isnan(row[over + "low"]) else ends
            ends += "" if over else f", given {row['draws']} set{'s' * (row['draws'] > 1)}"
            shown = "" if row["established"] else ", not established"
            amounts.append(f"{number(row['gain'], '+')} ({ends}{shown}) in {row['seen']} languages from {row['k']}")
        growing = ", growing" * (series == "growing")
        front = f"{name}, {label(str(strategy))}{growing}: RR@10 changes over the untrained encoder by "
        said.append(front + ", ".join(amounts) + ".")
    return said


def _effects(
    part: pd.DataFrame, sums: dict[ModelSpec, ClusterSums], tags: Sequence[str], measure: str
) -> Iterator[dict[str, Any]]:
    """The lines of some languages, seen and unseen, for the sets of one size."""
    base = sums[ModelSpec(UNTRAINED, 0, "diversity")]
    how = _OVER_LANGUAGES if len(tags) > 1 else _OF_ONE
    language, setting = base.pairs["query_language"], str(base.pairs["setting"].iloc[0])
    for seen in ("seen", "unseen"):
        values: list[float] = []
        gains: dict[int | str, dict[str, ClusterSums]] = {}
        for languages, own in part.drop_duplicates(["languages", "model"]).groupby("languages", sort=False):
            known = language.isin(str(languages).split()) == (seen == "seen")
            chosen = (language.isin(tags) & known).to_numpy(bool)
            if chosen.any():
                mean = combined([(1 / len(own), sums[spec]) for spec in own["model"]]).select(chosen, setting)
                values.append(float(replace(mean, overall=True).means[0]))
                gains[str(languages)] = {measure: combined([(1.0, mean), (-1.0, base.select(chosen, setting))])}
        if not gains:
            continue
        row = contrast([(1.0, gains)], how=how, overall=True).iloc[0].to_dict()
        if set(part["group"]) != {RANDOM}:  # chosen sets show nothing of other ones
            row |= dict.fromkeys(("crossed_low", "crossed_high", "crossed_p"), np.nan)
        asked = max(int(one[measure].sizes.sum()) for one in gains.values())
        yield {
            **{str(name): one for name, one in row.items()},
            "seen": seen,
            "value": np.mean(values),
            "queries": asked,
        }
