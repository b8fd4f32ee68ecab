"""What a diversity study shows, in sentences and tables: effects, steps, pretraining, and the limits of so few runs."""

import math
from collections.abc import Collection, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hybridkit.analysis.diversity import regression as terms
from hybridkit.analysis.diversity.outcomes import ALL, RANDOM, differences
from hybridkit.analysis.diversity.regression import FAR, Regression, check, regress
from hybridkit.evaluation.measures import SEEN_GROUPS
from hybridkit.evaluation.resampling import TRAININGS_NEEDED
from hybridkit.evaluation.significance import holm
from hybridkit.sampling.labels import label, order
from hybridkit.study.settings import HYBRID, UNTRAINED
from hybridkit.utils.numbers import amount, number

_EFFECTS = {
    f"log2 k, {seen}": f"doubling the number of training languages changes {{}} on {seen} pairs" for seen in SEEN_GROUPS
}
LANGUAGES_FOR_LINE = 5
THRESHOLD = 0.05
SETTINGS = ("cross", "mono")
_MODEL = ["series", "strategy", "seed"]
_PAIR = ["benchmark", "setting", "query_language", "passage_language"]
_PAIRS = {"cross": "cross-lingual", "mono": "monolingual"}
_EFFECTS |= {
    terms.QUERY_SEEN: f"training on the query's language changes {{}} (against an unseen one at distance {FAR})",
    terms.PASSAGE_SEEN: f"training on the passage's language changes {{}} (against an unseen one at distance {FAR})",
    terms.BOTH_SEEN: "having trained on both changes {} beyond what each does",
    terms.LANGUAGE_SEEN: f"training on the language changes {{}} (against an unseen one at distance {FAR})",
    terms.LANGUAGE_DISTANCE: "one step farther from the nearest training language to an unseen one changes {}",
    terms.QUERY_DISTANCE: "one step farther from the nearest training language to an unseen query's changes {}",
    terms.PASSAGE_DISTANCE: "one step farther from the nearest training language to an unseen passage's changes {}",
}


def regression_sentences(regression: Regression, established: Collection[str] | None = None) -> list[str]:
    """Describe each effect of a regression with its interval, and whether that leaves out 0; why, where it has none.

    A sentence begins with the strategy. An interval that holds 0 shows no effect, nor that there is none: it says how
    large an effect either way may still be. `established` are the terms that Holm's correction keeps (all, where it is
    left out).
    """
    name = label(regression.strategy)
    if regression.reason:
        return [f"{name}: the effect of the number of languages cannot be estimated: {regression.reason}."]
    sentences = []
    for row in regression.table.to_dict("records"):
        effect = _EFFECTS[row["term"]].format(regression.measure)
        said = amount(row["estimate"], row["low"], row["high"], row["note"])
        lost = established is not None and row["term"] not in established and said.endswith(")") and not row["note"]
        sentences.append(f"{name}: {effect} by {said}{', not established' * lost}.")
    for term, reason in regression.left_out.items():
        sentences.append(f"{name}: how {_EFFECTS[term].format(regression.measure)} cannot be estimated: {reason}.")
    return sentences


def fit_sentences(fits: Sequence[Regression]) -> dict[str, list[str]]:
    """Describe every regression, and in brackets what it takes for granted, by "setting, series, strategy".

    All effects of all regressions are one family for Holm's correction.
    """
    table = effects(fits)
    kept = table[table["p_holm"] < THRESHOLD]
    return {
        f"{fit.setting}, {fit.series}, {fit.strategy}": [
            *regression_sentences(fit, set(kept.loc[_of(kept, fit), "term"])),
            *(f"({one.words})" for one in check(fit)),
        ]
        for fit in fits
    }


def _of(table: pd.DataFrame, fit: Regression) -> pd.Series:
    own: pd.Series = (
        (table["setting"] == fit.setting) & (table["series"] == fit.series) & (table["strategy"] == fit.strategy)
    )
    return own


def limits(design: pd.DataFrame) -> list[str]:
    """Describe what the runs of a design cannot show; an empty list is a design without these limits.

    Takes the frame of `design` or the rows of `pair_outcomes`: group, draw, k, languages, series, strategy, seed.
    """
    rows = design[design["strategy"] != UNTRAINED]
    if rows.empty:
        return ["This study trains nothing on sets of languages."]
    return [*_draws(rows), *_seeds(rows), *_sizes(rows), *_series(rows)]


def _draws(rows: pd.DataFrame) -> list[str]:
    sets = rows[rows["group"] != ALL]
    random = sets.loc[sets["group"] == RANDOM, "draw"].nunique()
    chosen = [str(name) for name in dict.fromkeys(sets["group"]) if name != RANDOM]
    found = []
    if random < TRAININGS_NEEDED:
        often = {0: "never", 1: "once", 2: "twice"}.get(random, f"{random} times")
        found.append(
            f"Languages were drawn at random {often}, and an interval needs {TRAININGS_NEEDED} draws: how much a "
            "result depends on which languages were drawn is not known, and a difference between two numbers of "
            "languages may be one between the languages that happened to be drawn."
        )
    if chosen:
        found.append(
            f"Sets that were chosen ({', '.join(chosen)}) are no sample of sets: they are shown in figures and means, "
            "without an interval, and effects are those of the random draws."
            if random
            else f"All sets were chosen ({', '.join(chosen)}): no effect here has an interval."
        )
    for group, part in sets[sets["k"] > 1].groupby(["group", "k"], sort=False)["languages"]:
        name, k = group
        if part.nunique() == 1 and sets.loc[sets["group"] == name, "draw"].nunique() > 1:
            found.append(f"Every draw of {name} gives the same set of {k} languages ({part.iloc[0]}): it counts once.")
    if ALL in set(rows["group"]):
        found.append(
            "The set of all languages is one set: no step to it has an interval, and only languages that no row is in "
            "are unseen to it."
        )
    return found


def _seeds(rows: pd.DataFrame) -> list[str]:
    seeds = rows["seed"].nunique()
    if seeds >= TRAININGS_NEEDED:
        return []
    count = "one seed" if seeds == 1 else f"{seeds} seeds"
    return [
        f"Every model is trained with {count}: how far two trainings on the same languages lie apart "
        + ("is not known" if seeds == 1 else "is hardly known")
        + ", and every interval is one given what a seed does to all sets alike."
    ]


def _sizes(rows: pd.DataFrame) -> list[str]:
    found = []
    sizes = rows.groupby("strategy", sort=False)["k"].agg(lambda k: sorted(set(k)))
    for strategy, ks in sizes.items():
        if len(ks) < 3:
            at = " and ".join(map(str, ks))
            found.append(
                f"{label(str(strategy))} is trained on {at} languages only: "
                + ("two points show a direction and no shape." if len(ks) == 2 else "nothing varies with their number.")
            )
    return found


def _series(rows: pd.DataFrame) -> list[str]:
    series = set(rows["series"])
    if series == {"fixed"}:
        return [
            "All models are trained on the same number of rows, so that more languages mean fewer rows of each: "
            "whether languages that bring rows of their own help more is not tested (series: growing)."
        ]
    if series == {"growing"}:
        return ["Rows grow with the number of languages: the effects of languages and of rows cannot be separated."]
    return []


def by_language(frame: pd.DataFrame, measure: str = "RR") -> pd.DataFrame:
    """Return each query language's value in cross-lingual pairs with its pretraining share, before and after training.

    Columns: language, share, untrained (mean over passage languages), gain (mean over all models that have trained on
    neither language of a pair, against the untrained encoder on that pair). Empty where shares are not published.
    """
    chosen = frame[(frame["measure"] == measure) & (frame["setting"] == "cross")].dropna(subset=["query_share"])
    pair = ["series", "benchmark", "query_language", "passage_language"]
    base = chosen.loc[chosen["strategy"] == UNTRAINED, [*pair, "value"]].rename(columns={"value": "base"})
    unseen = chosen[(chosen["strategy"] != UNTRAINED) & (chosen["seen"] == "unseen-unseen")].merge(base, on=pair)
    gain = (unseen["value"] - unseen["base"]).groupby(unseen["query_language"]).mean()
    table = pd.DataFrame(
        {
            "share": chosen.groupby("query_language")["query_share"].first(),
            "untrained": base.groupby("query_language")["base"].mean(),
            "gain": gain,
        }
    )
    return table.rename_axis("language").reset_index()


def share_sentences(table: pd.DataFrame, measure: str = "RR") -> list[str]:
    """Describe what a doubling of the pretraining share goes with, with Student's t interval over languages.

    A language is one point of a straight line in log2 of its share; languages differ by much else, so that this is
    what goes together and no effect.
    """
    if table.empty:
        return ["The encoder's pretraining text is not published by language (or it has none): shares are missing."]
    sentences = []
    for column, what in (
        ("untrained", f"{measure} of the untrained encoder"),
        ("gain", f"the gain in {measure} unseen"),
    ):
        known = table[(table["share"] > 0) & table[column].notna()]
        if len(known) < LANGUAGES_FOR_LINE:
            sentences.append(f"How {what} goes with the pretraining share cannot be estimated: {len(known)} languages.")
            continue
        slope, low, high = _line(np.log2(known["share"].to_numpy(float)), known[column].to_numpy(float))
        sentences.append(
            f"A query language with twice the pretraining text goes with a change of {what} by "
            f"{amount(slope, low, high)} ({len(known)} languages)."
        )
    return sentences


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    from scipy.stats import linregress, t

    found = linregress(x, y)
    half = float(t.ppf(0.975, len(x) - 2) * found.stderr) if found.stderr > 0 else math.nan
    return float(found.slope), float(found.slope) - half, float(found.slope) + half


def regressions(frame: pd.DataFrame, measure: str = "RR") -> list[Regression]:
    """Regress each strategy of the outcomes in each series and setting, in the kit's order (see `regress`)."""
    trained = frame[frame["strategy"] != UNTRAINED]
    return [
        regress(trained, strategy, series, measure, setting)
        for setting in SETTINGS
        for series in dict.fromkeys(trained["series"])
        for strategy in order(trained["strategy"])
    ]


def strategy_differences(frame: pd.DataFrame, first: str = HYBRID) -> pd.DataFrame:
    """Return the differences of one strategy from every other trained one, in the columns of the outcomes."""
    others = [name for name in dict.fromkeys(frame["strategy"]) if name not in (first, UNTRAINED)]
    parts = [differences(frame, first, name) for name in others]
    return pd.concat(parts, ignore_index=True) if parts else frame.iloc[:0]


def effects(fits: Sequence[Regression]) -> pd.DataFrame:
    """Return one table of all estimates: setting, series, strategy, term, estimate, low, high, p, p_holm, note.

    p_holm is corrected over all effects of the table that have an interval; the note says why one has none.
    """
    parts = []
    for fit in fits:
        table = fit.table
        left = pd.DataFrame(
            [(term, f"cannot be estimated: {reason}") for term, reason in fit.left_out.items()],
            columns=["term", "note"],
        )
        if fit.reason:
            left = pd.DataFrame([("all", f"cannot be estimated: {fit.reason}")], columns=["term", "note"])
        both = pd.concat([one for one in (table, left) if len(one)], ignore_index=True)
        parts.append(both.assign(setting=fit.setting, series=fit.series, strategy=fit.strategy))
    columns = ["setting", "series", "strategy", "term", "estimate", "low", "high", "p", "p_holm", "note"]
    found = pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else pd.DataFrame(columns=columns)
    known = found["p"].notna()
    if known.any():
        found.loc[known, "p_holm"] = holm(found.loc[known, "p"].astype(float), ["effects"] * int(known.sum()))
    return found


class _Set(NamedTuple):
    k: int
    languages: str


def steps(frame: pd.DataFrame, measure: str = "RR") -> pd.DataFrame:
    """Return the difference between a set and the next larger one of its draw on the same pairs, by what is seen.

    Since the sets of a draw are nested, a pair either stays as it is ("unseen-unseen", "seen-seen") or has a language
    that becomes seen: `was` and `seen` say which. The first step is from the untrained encoder. Columns: series,
    strategy, seed, group, draw, from_k, to_k, from_languages, to_languages, to_all (whether the larger set is that of
    all languages), setting, was, seen, difference, pairs.
    """
    chosen = frame[frame["measure"] == measure]
    parts = []
    for (group, draw), own in chosen[~chosen["group"].isin([ALL, UNTRAINED])].groupby(["group", "draw"], sort=False):
        chain = pd.concat([own, chosen[chosen["group"] == ALL]])
        for keys, models in chain.groupby(_MODEL, sort=False):
            base = chosen[(chosen["strategy"] == UNTRAINED) & (chosen["series"] == keys[0])]
            named = dict(zip([*_MODEL, "group", "draw"], (*keys, group, draw), strict=True))
            parts += _along(pd.concat([base, models]), named)
    columns = [*_MODEL, "group", "draw", "from_k", "to_k", "from_languages", "to_languages", "to_all"]
    columns += ["setting", "was", "seen", "difference", "pairs"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _along(models: pd.DataFrame, named: dict[str, Any]) -> list[pd.DataFrame]:
    """The steps of one chain of nested sets, each a line a kind of pair."""
    sets = [
        _Set(int(k), str(languages)) for k, languages in sorted(set(zip(models["k"], models["languages"], strict=True)))
    ]
    found = []
    for first, second in zip(sets, sets[1:], strict=False):
        before = models.loc[models["languages"] == first.languages, [*_PAIR, "seen", "value"]]
        after = models.loc[models["languages"] == second.languages, [*_PAIR, "seen", "value"]]
        both = before.rename(columns={"seen": "was"}).merge(after, on=_PAIR, suffixes=("", "_after"))
        both["difference"] = both["value_after"] - both["value"]
        table = both.groupby(["setting", "was", "seen"], sort=False)["difference"].agg(["mean", "size"]).reset_index()
        table = table.rename(columns={"mean": "difference", "size": "pairs"})
        ends = {"from_k": first.k, "to_k": second.k}
        sets_of = {"from_languages": first.languages, "to_languages": second.languages}
        to_all = bool((models.loc[models["languages"] == second.languages, "group"] == ALL).all())
        found.append(table.assign(**named, **ends, **sets_of, to_all=to_all))
    return found


def step_sentences(means: pd.DataFrame, measure: str = "RR", setting: str = "cross") -> list[str]:
    """Describe what happens to the pairs of a setting from each number of languages to the next, series by series.

    Takes `evidence.mean_steps`.
    """
    chosen = means[means["setting"] == setting]
    rank = chosen["series"].map({name: rank for rank, name in enumerate(dict.fromkeys(means["series"]))})
    sentences = []
    for row in chosen.assign(rank=rank).sort_values(["rank", "strategy", "from_k", "was"]).to_dict("records"):
        kind = f"stay {row['was']}" if row["was"] == row["seen"] else f"go from {row['was']} to {row['seen']}"
        start = "the untrained encoder" if row["from_k"] == 0 else str(row["from_k"])
        languages = "language" if row["to_k"] == 1 else "languages"
        sentences.append(
            f"{label(row['strategy'])}, {start} to {row['to_k']} {languages}: {measure} on {_PAIRS[setting]} pairs "
            f"that {kind} changes by {_step_amount(row)}."
        )
    return sentences


def _step_amount(row: dict[Hashable, Any]) -> str:
    """A mean step with its intervals and what they are over; whether it is an effect is said of those over draws."""
    draws = f"{row['draws']} draw{'s' * (row['draws'] != 1)}"
    ends = f"{number(row['low'])} to {number(row['high'])} over questions, given {draws}"
    if row["note"]:
        return f"{number(row['mean'], '+')} ({ends}; {row['note']})"
    over = f"{number(row['crossed_low'])} to {number(row['crossed_high'])} over questions and draws"
    return f"{number(row['mean'], '+')} ({over}; {ends})" + ("" if row["established"] else ", no effect shown")
