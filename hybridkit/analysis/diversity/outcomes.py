"""The outcomes of a diversity study: a line a model and pair of languages, with what may explain them, and their means.

What other languages would change is known from sets that were drawn at random, draw by draw: the sets of a draw are
nested, and sets that were chosen (spread, of one family, of all languages) are no sample. So every interval here is
over random draws and seeds (`interval`, `resampling.over_sets`); chosen sets are shown without one.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.data.languages import language, language_distance
from hybridkit.data.sources.published import published_table
from hybridkit.data.typology import syntactic_distance
from hybridkit.evaluation.measures import DISTANCE
from hybridkit.evaluation.resampling import TRAININGS_NEEDED, set_table, two_way
from hybridkit.sampling.labels import label
from hybridkit.study.model_spec import design
from hybridkit.study.scores import model_scores
from hybridkit.study.settings import HYBRID, UNTRAINED
from hybridkit.study.sweep import sweep

if TYPE_CHECKING:
    from hybridkit.study.run import Run


# Encoders whose text model is XLM-R, or is made from it: multilingual-e5 starts from XLM-R base and large, its small
# one from Multilingual MiniLM (arXiv 2402.05672), which was distilled from XLM-R base (arXiv 2002.10957). What e5 was
# trained on after that is not published by language.
_FROM_XLMR = ("xlm-r", "xlm-roberta", "e5-small", "multilingual-e5", "multilingual-minilm")
MEASURES = ("RR", "RR@10", "AP", DISTANCE)  # what notebook 06 shows
KEYS = ["group", "draw", "k", "languages", "series", "strategy", "seed"]
PREDICTORS = ["log2_k", "families", "scripts", "query_distance", "passage_distance", "query_share", "passage_share"]
COLUMNS = [*KEYS, "benchmark", "setting", "query_language", "passage_language", "seen", *PREDICTORS, "measure", "value"]
_PAIR = ["series", "benchmark", "setting", "query_language", "passage_language", "measure"]
SIDES = {
    "mono": "unseen language, monolingual",
    "query": "unseen query, seen passage",
    "passage": "seen query, unseen passage",
}
BY = ("series", "strategy", "setting", "seen", "group", "k")
ALL, RANDOM = "all", "random"
MINUS = " minus "


def pretraining_share(encoder: str, language: str) -> float | None:
    """Return the share of a language in the text that an encoder was pretrained on; None where that is not published.

    By size in GiB of CC-100, on which XLM-R was trained (Conneau et al., arXiv 1911.02116, appendix A); a language that
    is not in it has share 0. An encoder made from scratch has no pretraining and so no share.

    >>> round(pretraining_share("e5-small", "en"), 3), pretraining_share("static", "en")
    (0.122, None)
    """
    if not any(name in encoder.lower() for name in _FROM_XLMR):
        return None
    return _shares().get(language, 0.0)


@cache
def _shares() -> dict[str, float]:
    sizes = published_table("cc100.csv", ("language",)).groupby("language")["size_gib"].sum()
    return {str(language): float(size / sizes.sum()) for language, size in sizes.items()}


def models(run: "Run") -> pd.DataFrame:
    """Return the lines of `design` of a run."""
    return design(run.study, run.rows)


def pair_outcomes(run: "Run") -> pd.DataFrame:
    """Return scores of the models of a diversity study by pair of languages, with the predictors; a line a measure.

    Columns: those of `design` without the spec, benchmark, setting, query_language, passage_language ("*" in the pool),
    seen (query and passage, as "seen-unseen"; in the pool "seen-*"), the predictors, measure (RR, RR@10, AP, and the
    rank distance of the pool) and value. Predictors: log2_k; families and scripts of the set; distance of the query's
    and the passage's language to the nearest training language (`language_distance`, 0 to 4); their shares of the
    encoder's pretraining text (`pretraining_share`). What is not known is missing, for k = 0 all of a set's. A study
    without the section has an empty frame. Models that are not made yet are made now.
    """
    lines, parts, scored = models(run), [], {}
    benchmarks = run.benchmarks("diversity") if len(lines) else ()
    sweep(run, list(lines["model"]), benchmarks)
    for line in lines.to_dict("records"):
        for name in benchmarks:
            spec = line["model"]
            if (spec, name) not in scored:
                table = model_scores(run, spec, name)
                scored[spec, name] = table[table["measure"].isin(MEASURES)].drop(columns=["strategy", "seed"])
            keys = {str(key): value for key, value in line.items() if key in KEYS}
            parts.append(scored[spec, name].assign(**keys))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    encoder = run.study.section("diversity").encoder.name
    return with_predictors(pd.concat(parts, ignore_index=True), encoder)[COLUMNS]


def with_predictors(frame: pd.DataFrame, encoder: str) -> pd.DataFrame:
    """Put the columns `seen` and the predictors beside scores with their training `languages` and `k`."""
    keys = ["languages", "query_language", "passage_language"]
    pairs = set(frame[keys].itertuples(index=False, name=None))
    known = {pair: _pair(str(pair[0]), str(pair[1]), str(pair[2]), encoder) for pair in pairs}
    found = pd.DataFrame([known[key] for key in frame[keys].itertuples(index=False, name=None)], index=frame.index)
    logs = frame["k"].map(lambda k: math.log2(k) if k else None).astype(float)
    return frame.assign(log2_k=logs, **{str(column): found[column] for column in found})


def nearest(tag: str, languages: str, distance: Callable[[str, str], float] = language_distance) -> float:
    """Return the distance of a language to the nearest of some (joined by spaces), nan where there are none.

    >>> nearest("es", "th de en"), nearest("de", "de ru"), round(nearest("es", "th de en", syntactic_distance), 2)
    (2.0, 0.0, 0.18)
    """
    return min((float(distance(tag, one)) for one in languages.split()), default=math.nan)


def _pair(languages: str, query: str, passage: str, encoder: str) -> dict[str, Any]:
    some = languages.split()
    known = [language(tag) for tag in some]
    sides: dict[str, Any] = {}
    for side, tag in (("query", query), ("passage", passage)):
        sides[f"{side}_distance"] = math.nan if tag == "*" else nearest(tag, languages)
        share = None if tag == "*" else pretraining_share(encoder, tag)
        sides[f"{side}_share"] = math.nan if share is None else share
    words = [("*" if tag == "*" else "seen" if tag in some else "unseen") for tag in (query, passage)]
    families: dict[str, Any] = {
        "families": len({one.family for one in known}) if some else math.nan,
        "scripts": len({one.script for one in known}) if some else math.nan,
    }
    return {"seen": "-".join(words), **families, **sides}


def spread(languages: str) -> float:
    """Return the mean distance of the languages of a set (joined by spaces) from each other; 0 for one language.

    >>> spread("de en"), spread("ar th zh"), spread("de")
    (1.0, 4.0, 0.0)
    """
    pairs = list(combinations(languages.split(), 2))
    return sum(language_distance(*pair) for pair in pairs) / len(pairs) if pairs else 0.0


def main_strategy(models: pd.DataFrame) -> str:
    """Return the strategy that figures of one show: the hybrid, else the last of a design; "" where none is trained."""
    trained = [*dict.fromkeys(models.loc[models["strategy"] != UNTRAINED, "strategy"])]
    return HYBRID if HYBRID in trained else [*trained, ""][max(0, len(trained) - 1)]


def extremes(frame: pd.DataFrame, strategy: str, measure: str = "RR") -> pd.DataFrame:
    """Return a measure by pair of languages for the least and the most diverse set of a strategy, seeds averaged.

    Diverse is, in this order: more languages, more families, more scripts, farther from each other (`spread`), the
    first by name of equals. The sets are those of the frame's first series.

    Returns:
        A frame with which ("least", "most"), languages, query_language, passage_language, value; without rows where
        the strategy has fewer than two sets.
    """
    chosen = frame[
        (frame["strategy"] == strategy)
        & (frame["series"] == next(iter(frame["series"]), ""))
        & (frame["measure"] == measure)
        & (frame["setting"] != "pool")
    ]
    sets = chosen.drop_duplicates("languages")[["k", "families", "scripts", "languages"]].to_dict("records")
    sets.sort(key=lambda one: str(one["languages"]))
    sets.sort(key=lambda one: (one["k"], one["families"], one["scripts"], spread(str(one["languages"]))))
    by = ["languages", "query_language", "passage_language"]
    parts: list[pd.DataFrame] = [pd.DataFrame(columns=["which", *by, "value"])]
    for which, one in (("least", sets[0]), ("most", sets[-1])) if len(sets) > 1 else ():
        own = chosen[chosen["languages"] == one["languages"]].groupby(by, sort=False)["value"].mean().reset_index()
        own.insert(0, "which", which)
        parts.append(own)
    return pd.concat(parts[1:] or parts, ignore_index=True)


def gains(frame: pd.DataFrame) -> pd.DataFrame:
    """Return outcomes of trained models less those of the untrained encoder on the same pairs, in the same columns."""
    base = frame.loc[frame["strategy"] == UNTRAINED, [*_PAIR, "value"]].rename(columns={"value": "base"})
    trained = frame[frame["strategy"] != UNTRAINED].merge(base, on=_PAIR)
    return trained.assign(value=trained["value"] - trained["base"])[list(frame.columns)]


def by_distance(frame: pd.DataFrame, measure: str = "RR", syntax: bool = False) -> pd.DataFrame:
    """Return the gain over the untrained encoder on the same pairs, by the distance of the unseen language.

    A line a model, side and distance: series, strategy, group, draw, k, languages, seed, side (a value of SIDES),
    distance (0: trained on), value (mean over pairs), pairs. On the sides of cross-lingual pairs the other language is
    seen. The distance is that to the nearest training language: steps of the family tree and the script
    (`language_distance`), or of their syntax (`syntactic_distance`), to one digit.
    """
    chosen = frame[(frame["measure"] == measure) & (frame["setting"] != "pool")]
    if syntax:
        known = {pair: _near(*map(str, pair)) for side in _LANGUAGES for pair in set(_tuples(chosen, side))}
        chosen = chosen.assign(
            **{f"{side}_distance": [known[pair] for pair in _tuples(chosen, side)] for side in _LANGUAGES}
        )
    trained = gains(chosen)
    mono, seen = trained["setting"] == "mono", trained["seen"]
    which = {
        "mono": (mono, "query_distance"),
        "query": (~mono & seen.str.endswith("-seen"), "query_distance"),
        "passage": (~mono & seen.str.startswith("seen-"), "passage_distance"),
    }
    parts = [trained[own].assign(side=SIDES[side], distance=trained[name]) for side, (own, name) in which.items()]
    by = ["series", "strategy", "group", "draw", "k", "languages", "seed", "side", "distance"]
    grouped = pd.concat(parts, ignore_index=True).groupby(by, sort=False)["value"]
    found: pd.DataFrame = grouped.agg(value="mean", pairs="size").reset_index()
    return found


_LANGUAGES = ("query", "passage")


def _tuples(frame: pd.DataFrame, side: str) -> list[tuple[Any, ...]]:
    return list(frame[[f"{side}_language", "languages"]].itertuples(index=False, name=None))


def _near(tag: str, languages: str) -> float:
    """The syntactic distance to the nearest, to one digit; only a language that is trained on has 0."""
    if tag in languages.split():
        return 0.0
    found = nearest(tag, languages, syntactic_distance)
    return found if math.isnan(found) else max(round(found, 1), 0.1)


def per_model(frame: pd.DataFrame, measure: str = "RR", by: Sequence[str] = BY) -> pd.DataFrame:
    """Average a measure over the pairs of languages of each model: `by`, seed, languages, value, pairs.

    Takes `pair_outcomes`. Two draws of a group that give the same set are one. The set of all languages and the
    untrained encoder keep their own group.
    """
    chosen = frame[frame["measure"] == measure]
    keys = list(dict.fromkeys([*by, "seed", "languages"]))
    chosen = chosen.drop_duplicates([*keys, "benchmark", "setting", "query_language", "passage_language"])
    found = chosen.groupby(keys, sort=False, observed=True)["value"].agg(value="mean", pairs="size")
    return found.reset_index()


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the random draws; where there are none, those of all sets but that of all languages."""
    random = frame["group"] == RANDOM
    return frame[random if random.any() else ~frame["group"].isin([ALL, UNTRAINED])]


def interval(values: pd.DataFrame, unit: str = "draw") -> tuple[float, float, float, str]:
    """Return the ends of the interval over random draws and seeds of a mean, p, and why there is none ("" if there is).

    Takes a line a model or draw: group, `unit`, seed, value.

    >>> interval(pd.DataFrame({"group": "random", "draw": [0, 1], "seed": 0, "value": [0.1, 0.2]}))
    (nan, nan, nan, 'no interval: 2 random draws, 3 are needed')
    >>> interval(pd.DataFrame({"group": "spread", "draw": [0, 1, 2], "seed": 0, "value": 0.1}))[3]
    'no interval: the sets are chosen (spread), not drawn at random'
    """
    chosen = [str(name) for name in dict.fromkeys(values["group"]) if name != RANDOM]
    if chosen:
        return (
            math.nan,
            math.nan,
            math.nan,
            f"no interval: the sets are chosen ({', '.join(chosen)}), not drawn at random",
        )
    count = values[unit].nunique()
    if count < TRAININGS_NEEDED:
        draws = f"{count} random draw{'s' * (count != 1)}"
        return math.nan, math.nan, math.nan, f"no interval: {draws}, {TRAININGS_NEEDED} are needed"
    _, low, high, p = map(float, two_way(set_table(values, unit)))
    return low, high, p, ""


def means(frame: pd.DataFrame, measure: str = "RR", by: Sequence[str] = BY) -> pd.DataFrame:
    """Return the mean of a measure by number of languages and group of pairs, with its interval over random sets.

    Every model weighs the same, whatever its number of pairs. Columns: `by`, which holds the group, mean, low, high
    (95 %, `interval`), models, sets. "seen-seen" pairs of one language and "unseen-unseen" ones are kept apart by
    setting, since monolingual pairs are easier and their share among the pairs changes with k.
    """
    rows = []
    for key, part in per_model(frame, measure, by).groupby(list(by), sort=False):
        low, high, *_ = interval(part, "languages")
        rows.append((*key, part["value"].mean(), low, high, len(part), part["languages"].nunique()))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "models", "sets"])


def differences(frame: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return the difference of two strategies, the first minus the second, on the same sets, seeds and pairs.

    Columns: those of the frame, with the difference as value and "FIRST minus SECOND" as strategy.
    """
    keys = [name for name in frame.columns if name not in ("strategy", "value")]
    a, b = (frame[frame["strategy"] == name].drop(columns="strategy") for name in (first, second))
    both = a.merge(b, on=keys, suffixes=("", "_second"))
    return both.assign(value=both["value"] - both["value_second"], strategy=f"{label(first)}{MINUS}{label(second)}")[
        list(frame.columns)
    ]
