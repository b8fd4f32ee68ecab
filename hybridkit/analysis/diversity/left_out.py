"""What leaving one language out of the training changes: for its own queries and passages, and for other languages."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from hybridkit.analysis.diversity.evidence import SEVERAL, Key
from hybridkit.evaluation.clusters import ClusterSums, combined
from hybridkit.evaluation.resampling import Resampling
from hybridkit.evaluation.significance import BEYOND, GIVEN, OVERALL, contrast, judged
from hybridkit.sampling.labels import label
from hybridkit.study.settings import ALL, ALL_BUT_ONE
from hybridkit.utils.numbers import number

# kinds of pairs, by what the language that is left out has to do with them
KINDS = {
    ("mono", "both"): "monolingual pairs of the language",
    ("cross", "query"): "cross-lingual queries in the language",
    ("cross", "passage"): "cross-lingual passages in the language",
    ("pool", "query"): "queries in the language, in the pool",
    ("mono", "other"): "monolingual pairs of other languages",
    ("cross", "other"): "cross-lingual pairs of other languages",
    ("pool", "other"): "queries in other languages, in the pool",
}
_MODEL = ["series", "strategy", "seed"]


def left_out(
    models: pd.DataFrame, sums: Mapping[Key, ClusterSums], measure: str = "RR", how: Resampling = SEVERAL
) -> pd.DataFrame:
    """Return the change of a measure when one language is left out of the training, by language and kind of pairs.

    Models of all languages but one are compared with the model of all languages of the same series, strategy and seed,
    which had as many rows and steps. Takes `outcomes.models` and `evidence.pair_sums`.

    Returns:
        The columns series, strategy, language ("*": the mean over the languages, each left out once), setting, pairs
        (both, query, passage: what of a pair is in the language; other: neither), difference (without minus with the
        language), and those of `significance.contrast` and `judged`, whose trainings are seeds. The means are one
        family for Holm's correction, the single languages another. Empty for a study without such sets.
    """
    whole = {tuple(one[:3]): one[3] for one in _keys(models[models["group"] == ALL])}
    # models without each language, by series and strategy, by seed, by language
    known: dict[tuple[str, str], dict[int, dict[str, ClusterSums]]] = {}
    for series, strategy, seed, languages in _keys(models[models["group"] == ALL_BUT_ONE]):
        (gone,) = set(whole[series, strategy, seed].split()) - set(languages.split())
        own = known.setdefault((series, strategy), {}).setdefault(seed, {})
        own[gone] = sums[series, strategy, seed, languages]
    rows = []
    for (series, strategy), seeds in known.items():
        tags = list(next(iter(seeds.values())))
        for kind in KINDS:
            for chosen in (tags, *([tag] for tag in tags)):
                changes: dict[int | str, dict[str, ClusterSums]] = {}
                for seed, own in seeds.items():
                    with_it = sums[series, strategy, seed, whole[series, strategy, seed]]
                    if (one := _change({tag: own[tag] for tag in chosen}, with_it, kind)) is not None:
                        changes[seed] = {measure: one}
                if not changes:
                    continue
                found = contrast([(1.0, changes)], how=how, overall=True).iloc[[0]]
                named = {"series": series, "strategy": strategy, "setting": kind[0], "pairs": kind[1]}
                named |= {"language": OVERALL if chosen is tags else chosen[0], "family": _FAMILIES[chosen is tags]}
                rows.append(found.assign(**named))
    if not rows:
        return pd.DataFrame(columns=[*_MODEL[:2], "language", "setting", "pairs", "difference"])
    table = judged(pd.concat(rows, ignore_index=True), how=how)
    first = ["series", "strategy", "language", "setting", "pairs"]
    shown = [name for name in table.columns if name not in (*first, "query_language", "passage_language", "effect")]
    return table[[*first, *shown]]


_FAMILIES = {True: "mean over the languages that are left out", False: "languages that are left out, one by one"}


def _keys(models: pd.DataFrame) -> list[tuple[str, str, int, str]]:
    found = models[[*_MODEL, "languages"]].itertuples(index=False, name=None)
    return [(str(one[0]), str(one[1]), int(one[2]), str(one[3])) for one in found]


def _change(without: Mapping[str, ClusterSums], with_it: ClusterSums, kind: tuple[str, str]) -> ClusterSums | None:
    """The change on the pairs of a kind, each the mean over the languages that it is of that kind for; None without."""
    total, count = np.zeros_like(with_it.sums), np.zeros(len(with_it.pairs))
    for tag, one in without.items():
        mask = _mask(with_it.pairs, *kind, tag)
        count += mask
        total += np.where(mask, combined([(1.0, one), (-1.0, with_it)]).sums, 0.0)
    change = replace(with_it, sums=total / np.maximum(count, 1))
    return change.select(count > 0, "step") if count.any() else None


def _mask(pairs: pd.DataFrame, setting: str, kind: str, tag: str) -> np.ndarray:
    """Which pairs are of a setting and have a language as a kind says; in the pool passages are of every language."""
    query, passage = pairs["query_language"] == tag, pairs["passage_language"] == tag
    chosen = {
        "both": query & passage,
        "query": query & ~passage,
        "passage": passage & ~query,
        "other": ~query & ~passage,
    }
    found: np.ndarray = ((pairs["setting"] == setting) & chosen[kind]).to_numpy(bool)
    return found


def left_out_sentences(table: pd.DataFrame) -> list[str]:
    """Describe the mean change over the languages that are left out, one sentence a strategy and kind of pairs."""
    sentences = []
    means = table[table["language"] == OVERALL]
    count = table.loc[table["language"] != OVERALL, "language"].nunique()
    for row in means.to_dict("records"):
        trained = row["crossed_low"] == row["crossed_low"]
        low, high = (row["crossed_low"], row["crossed_high"]) if trained else (row["low"], row["high"])
        over = "over questions and trainings" if trained else "over questions, given these trainings"
        mark = {BEYOND: " *", GIVEN: " °"}.get(str(row["mark"]), ", not shown")
        sentences.append(
            f"{label(str(row['strategy']))}: leaving a language out changes {row['measure']} of "
            f"{KINDS[row['setting'], row['pairs']]} by {number(row['difference'], '+')} "
            f"({number(low)} to {number(high)} {over}; mean over {count} languages){mark}."
        )
    return sentences
