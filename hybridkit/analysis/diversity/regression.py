"""Regression of a measure on the number of training languages, on what was seen and on distance, with its checks."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from hybridkit.analysis.diversity.outcomes import ALL, MINUS
from hybridkit.evaluation.measures import SEEN_GROUPS
from hybridkit.study.settings import UNTRAINED

CLUSTERS_FOR_INTERVAL = 4
FAR = 3  # the distance at which seen and unseen are compared: another family, or another script within one
LANGUAGE_SEEN, QUERY_SEEN, PASSAGE_SEEN, BOTH_SEEN = "language seen", "query seen", "passage seen", "both seen"
LANGUAGE_DISTANCE, QUERY_DISTANCE, PASSAGE_DISTANCE = "language distance", "query distance", "passage distance"
_SLOPE = "log2 k, "
FEW_CLUSTERS = 10
INFLATED = 10.0
UNEQUAL = 2.0
SKEWED = 1.0
STRAIGHT = 0.9


@dataclass(frozen=True)
class Regression:
    """A fitted regression, or the `reason` why there is none.

    `table`: term, estimate, low, high, note (why there is no interval, or no estimate). `data` and `matrix` are what it
    was fitted to, a line an observation with its `fitted` value and `residual`, and the terms within pairs.
    """

    strategy: str
    series: str
    measure: str
    setting: str
    table: pd.DataFrame
    data: pd.DataFrame
    matrix: pd.DataFrame
    clusters: int = 0
    reason: str = ""
    left_out: dict[str, str] = field(default_factory=dict)


def regress(
    frame: pd.DataFrame, strategy: str, series: str = "fixed", measure: str = "RR", setting: str = "cross"
) -> Regression:
    """Regress a measure of a strategy's models on log2 k, seen and distance, with an effect of each pair of languages.

    value = pair + slope(seen group) x log2 k + query seen + passage seen + both seen + distances + error, or, in the
    setting "mono", pair + slope x log2 k + language seen + distance + error. The effect of the pair (of a benchmark)
    takes up how hard it is and the pretraining share of its languages, so that models are only compared on the same
    pairs. The settings are not mixed: what is seen matters differently in them. log2 k has a slope for each seen group,
    the change by a doubling; the effects of being seen are those at the geometric middle of the study's k, against an
    unseen language at distance 3; a distance effect is that of one step farther. Least squares by statsmodels.

    Intervals are by the jackknife over clusters (CV3 of MacKinnon, Nielsen & Webb 2023, J. Econometrics 232) and
    Student's t with clusters - 1 degrees of freedom. A cluster is a draw of a group, since its sets are nested and so
    share languages; the set of all languages is one of its own. That was chosen before a random intercept by training
    set, which takes nested sets for independent ones, and before the usual sandwich, which is too narrow for a handful
    of clusters. Terms that the design cannot separate are left out with the reason, and one that rests on a single
    cluster has no interval. Models on several lines of the design count once.
    """
    data = _data(frame, strategy, series, measure, setting)
    reason = _refusal(data)
    if reason:
        empty = pd.DataFrame(columns=["term", "estimate", "low", "high", "note"])
        return Regression(strategy, series, measure, setting, empty, data, pd.DataFrame(), reason=reason)
    terms, left_out = _terms(data)
    inside, more = _independent(within(terms, data["pair"]))
    value = within(data[["value"]], data["pair"])["value"]
    estimate = _fit(inside, value)
    clusters = data["cluster"].unique()
    table = _table(inside, value, data, estimate)
    fitted = inside @ estimate
    data = data.assign(fitted=data["value"] - value + fitted, residual=value - fitted)
    return Regression(strategy, series, measure, setting, table, data, inside, len(clusters), left_out=left_out | more)


def within(columns: pd.DataFrame, pair: pd.Series) -> pd.DataFrame:
    """Return columns without the mean of each pair, which leaves what least squares with an effect a pair would use.

    >>> within(pd.DataFrame({"x": [1.0, 3.0, 7.0]}), pd.Series(["a", "a", "b"]))["x"].tolist()
    [-1.0, 1.0, 0.0]
    """
    return columns - columns.groupby(pair.to_numpy()).transform("mean")


def _data(frame: pd.DataFrame, strategy: str, series: str, measure: str, setting: str) -> pd.DataFrame:
    """The observations: a line a model and pair, with its pair and cluster."""
    chosen = frame[
        (frame["strategy"] == strategy)
        & (frame["series"] == series)
        & (frame["measure"] == measure)
        & (frame["setting"] == setting)
        & (frame["strategy"] != UNTRAINED)
    ].dropna(subset=["value", "log2_k", "query_distance", "passage_distance"])
    once = ["languages", "seed", "benchmark", "query_language", "passage_language"]
    chosen = chosen.drop_duplicates(once).reset_index(drop=True)
    pair = chosen["benchmark"] + " " + chosen["query_language"] + ">" + chosen["passage_language"]
    return chosen.assign(pair=pair, cluster=chosen["group"] + " " + chosen["draw"].astype(str))


def _refusal(data: pd.DataFrame) -> str:
    if data.empty:
        return "there are no trained models with known training languages"
    if data["k"].nunique() < 2:
        return f"every model has {data['k'].iloc[0]} training languages: nothing varies with their number"
    if data["languages"].nunique() < 3:
        return f"there are only {data['languages'].nunique()} sets of training languages"
    return ""


def _terms(data: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns of the regression before the effects of pairs are taken out, and terms that are left out."""
    query, passage = data["seen"].str.startswith("seen-"), data["seen"].str.endswith("-seen")
    middle = data.groupby("languages")["log2_k"].first()
    logs = data["log2_k"] - (middle.min() + middle.max()) / 2
    columns, left_out = {}, {}
    mono = (data["setting"] == "mono").all()
    for group in ("seen-seen", "unseen-unseen") if mono else SEEN_GROUPS:
        own = data["seen"] == group
        ks = sorted(data.loc[own, "k"].unique())
        if len(ks) > 1:
            columns[_SLOPE + group] = logs.where(own, 0.0)
        else:
            there = f"all of its models have k = {ks[0]}" if ks else "there are no such pairs"
            left_out[_SLOPE + group] = there
    if mono:
        columns[LANGUAGE_SEEN] = query.astype(float)
        columns[LANGUAGE_DISTANCE] = (data["query_distance"] - FAR).where(~query, 0.0)
        return pd.DataFrame(columns), left_out
    columns |= {QUERY_SEEN: query.astype(float), PASSAGE_SEEN: passage.astype(float)}
    columns |= {BOTH_SEEN: (query & passage).astype(float)}
    columns[QUERY_DISTANCE] = (data["query_distance"] - FAR).where(~query, 0.0)
    columns[PASSAGE_DISTANCE] = (data["passage_distance"] - FAR).where(~passage, 0.0)
    return pd.DataFrame(columns), left_out


def _independent(inside: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep the terms that vary within pairs and are no combination of those before them."""
    kept: list[str] = []
    left_out: dict[str, str] = {}
    scale = np.sqrt((inside**2).mean())
    # what comes first is kept; where the design cannot separate the effect of both seen, that is the one to go
    order = sorted(map(str, inside), key=lambda name: name == BOTH_SEEN)
    for name in order:
        others = ", ".join(kept)
        if scale[name] < 1e-9:
            left_out[name] = "it does not vary within pairs"
        elif np.linalg.matrix_rank((inside[[*kept, name]] / scale[[*kept, name]]).to_numpy(), tol=1e-6) <= len(kept):
            left_out[name] = f"it cannot be separated from {others}"
        else:
            kept.append(name)
    return inside[[name for name in inside if name in kept]], left_out


def _fit(matrix: pd.DataFrame, value: pd.Series) -> pd.Series:
    import statsmodels.api as sm

    found: pd.Series = sm.OLS(value, matrix).fit().params
    return found


def _table(matrix: pd.DataFrame, value: pd.Series, data: pd.DataFrame, estimate: pd.Series) -> pd.DataFrame:
    """Estimates with their jackknife intervals; NaN and a note for a term that rests on one cluster."""
    from scipy.stats import t

    clusters, left = data["cluster"].unique(), {}
    count = len(clusters)
    alone: dict[str, list[str]] = {str(name): [] for name in matrix}
    for cluster in clusters:
        rest = data["cluster"] != cluster
        part = within(matrix[rest], data.loc[rest, "pair"])
        lost = _lost(part)
        for name in lost:
            alone[name].append(str(cluster))
        known = _independent(part)[0] if lost else part  # the other terms are the same whichever of the lost ones go
        left[cluster] = _fit(known, within(value[rest].to_frame(), data.loc[rest, "pair"]).iloc[:, 0])
    without = pd.DataFrame(left)
    spread = np.sqrt((count - 1) / count * ((without.sub(estimate, axis=0)) ** 2).sum(axis=1))
    half = float(t.ppf(0.975, count - 1)) * spread if count > 1 else spread * np.nan
    rows = []
    for term, found in zip(map(str, matrix), estimate, strict=True):
        note = f"no interval: it rests on {' or '.join(map(_named, alone[term]))} alone" if alone[term] else ""
        if count < CLUSTERS_FOR_INTERVAL:
            note = f"no interval: only {count} draws"
        ends = (np.nan, np.nan) if note else (found - half[term], found + half[term])
        rows.append((term, found, *ends, note))
    return pd.DataFrame(rows, columns=["term", "estimate", "low", "high", "note"])


def _named(cluster: str) -> str:
    group, draw = cluster.rsplit(" ", 1)
    return "the set of all languages" if group == ALL else f"the sets of {group}, draw {draw}"


def _lost(matrix: pd.DataFrame) -> list[str]:
    """Terms that the remaining observations cannot separate from the others."""
    scale = np.sqrt((matrix**2).mean()).replace(0, 1)
    values = (matrix / scale).to_numpy()
    rank = np.linalg.matrix_rank(values, tol=1e-6)
    every = range(values.shape[1])
    if rank == len(every):
        return []
    # a column is separate where leaving it out loses a rank
    return [
        str(name)
        for nth, name in enumerate(matrix)
        if np.linalg.matrix_rank(values[:, [one for one in every if one != nth]], tol=1e-6) == rank
    ]


class Check(NamedTuple):
    """An assumption, whether it holds well enough, and in words what was found and what follows."""

    name: str
    ok: bool
    words: str


def check(regression: Regression) -> list[Check]:
    """Check linearity in log2 k, residuals, their spread, collinearity, bounds and the number of clusters.

    Limits: dummies of k explain at most a tenth more than the lines; skew of residuals at most 1; their standard
    deviation differs at most twofold between numbers of languages, seen groups and thirds of the fitted values;
    variance inflation (statsmodels) at most 10; fitted values between 0 and 1 (of differences: -1
    and 1); ten clusters. Empty without a fit.
    """
    if regression.reason:
        return []
    found = [_linear(regression), _residuals(regression), _spread(regression), _collinear(regression)]
    return [*found, _bounds(regression), _clusters(regression)]


def _linear(regression: Regression) -> Check:
    """Lines in log2 k against a dummy for every k, seen group by seen group."""
    data, matrix = regression.data, regression.matrix
    dummies: dict[str, pd.Series] = {}
    for seen in SEEN_GROUPS:
        own = data["seen"] == seen
        ks = sorted(data.loc[own, "k"].unique())
        # two of a line's points say nothing on its shape
        dummies |= {f"{seen}, k = {k}": (own & (data["k"] == k)).astype(float) for k in ks[1:-1]}
    if not dummies:
        return Check("linear in log2 k", False, "cannot be seen: no group of pairs has three numbers of languages")
    bent = within(pd.DataFrame(dummies), data["pair"])
    slopes = [name for name in matrix if str(name).startswith("log2 k")]
    value = within(data[["value"]], data["pair"])["value"]
    rest = matrix.drop(columns=slopes)
    plain, lines, free = (_left(value, one) for one in (rest, matrix, pd.concat([matrix, bent], axis=1)))
    share = (plain - lines) / (plain - free) if plain > free else 1.0
    off = np.linalg.lstsq(pd.concat([matrix, bent], axis=1).to_numpy(), value.to_numpy(), rcond=None)[0][
        matrix.shape[1] :
    ]
    worst = int(np.abs(off).argmax())
    words = (
        f"straight lines in log2 k explain {share:.0%} of what a dummy for every k explains; farthest from the line: "
        f"{bent.columns[worst]}, by {off[worst]:+.3f}"
    )
    ok = bool(share >= STRAIGHT)
    return Check("linear in log2 k", ok, words if ok else words + "; read the slope as an average over the range")


def _left(value: pd.Series, matrix: pd.DataFrame) -> float:
    """Sum of squares that the columns leave."""
    values = matrix.to_numpy()
    fitted = values @ np.linalg.lstsq(values, value.to_numpy(), rcond=None)[0]
    return float(((value.to_numpy() - fitted) ** 2).sum())


def _residuals(regression: Regression) -> Check:
    from scipy.stats import skew

    residual = regression.data["residual"]
    spread = float(residual.std())
    found = float(skew(residual)) if spread > 1e-12 else 0.0
    far = float((residual.abs() > 4 * spread).mean()) if spread > 1e-12 else 0.0
    words = f"residuals have standard deviation {spread:.3f} and skew {found:+.1f}; {far:.1%} lie beyond four of them"
    ok = abs(found) <= SKEWED
    return Check("residuals", ok, words if ok else words + "; a few pairs may carry the estimates")


def _spread(regression: Regression) -> Check:
    data = regression.data
    thirds = (
        pd.qcut(data["fitted"], 3, labels=["lowest", "middle", "highest"], duplicates="drop") if len(data) > 8 else None
    )
    by = {"k": data["k"], "pairs": data["seen"]} | ({"fitted third": thirds} if thirds is not None else {})
    ratios = {}
    for name, groups in by.items():
        spreads = data["residual"].groupby(groups, observed=True).agg(["std", "size"]).query("size > 8")["std"]
        if len(spreads) > 1 and spreads.min() > 1e-12:
            between = f"{name} {spreads.idxmax()} against {spreads.idxmin()}"
            ratios[between] = float(spreads.max() / spreads.min())
    if not ratios:
        return Check("equal spread", True, "too little varies for unequal spread to show")
    worst = max(ratios, key=lambda name: ratios[name])
    words = f"residuals spread {ratios[worst]:.1f} times as wide for {worst}"
    ok = ratios[worst] <= UNEQUAL
    return Check("equal spread", ok, words if ok else words + "; the intervals, of the jackknife, allow for that")


def _collinear(regression: Regression) -> Check:
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    matrix = regression.matrix
    values = matrix.to_numpy()
    if matrix.shape[1] < 2:
        return Check("collinearity", True, "there is one term")
    factors = {name: float(variance_inflation_factor(values, nth)) for nth, name in enumerate(matrix)}
    worst = max(factors, key=lambda name: factors[name])
    words = f"largest variance inflation {factors[worst]:.1f} ({worst})"
    ok = factors[worst] <= INFLATED
    return Check("collinearity", ok, words if ok else words + "; its effect can hardly be separated from the others'")


def _bounds(regression: Regression) -> Check:
    fitted, value = regression.data["fitted"], regression.data["value"]
    if value.max() > 1:
        return Check("bounds", True, "the measure has no bound that is near")
    low = -1 if MINUS in regression.strategy else 0
    out = float(((fitted < low) | (fitted > 1)).mean())
    words = f"{out:.1%} of the fitted values lie outside {low} to 1".replace("-", "−")
    return Check("bounds", out <= 0.01, words if out <= 0.01 else words + "; lines do not suit values so near a bound")


def _clusters(regression: Regression) -> Check:
    count, sets = regression.clusters, regression.data["languages"].nunique()
    words = f"{count} draws (clusters) with {sets} sets of languages"
    ok = count >= FEW_CLUSTERS
    return Check("clusters", ok, words if ok else words + "; few, so the intervals are wide and themselves uncertain")
