"""Regression of a measure on the number of training languages, on what was seen and on distance, with its checks."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from hybridkit.analysis.diversity.outcomes import MINUS, drawn, interval
from hybridkit.evaluation.measures import SEEN_GROUPS
from hybridkit.study.settings import UNTRAINED

FAR = 3  # the distance at which seen and unseen are compared: another family, or another script within one
LANGUAGE_SEEN, QUERY_SEEN, PASSAGE_SEEN, BOTH_SEEN = "language seen", "query seen", "passage seen", "both seen"
LANGUAGE_DISTANCE, QUERY_DISTANCE, PASSAGE_DISTANCE = "language distance", "query distance", "passage distance"
_SLOPE = "log2 k, "
FEW_DRAWS = 10
INFLATED = 10.0
UNEQUAL = 2.0
SKEWED = 1.0
STRAIGHT = 0.9


@dataclass(frozen=True)
class Regression:
    """A fitted regression, or the `reason` why there is none.

    `table`: term, estimate, low, high, p, note (why there is no interval). `by_draw`: term, group, draw, seed, value:
    what each draw and seed alone estimates. `data` and `matrix` are what it was fitted to, a line an observation with
    its `fitted` value and `residual`, and the terms within pairs of a draw.
    """

    strategy: str
    series: str
    measure: str
    setting: str
    table: pd.DataFrame
    data: pd.DataFrame
    matrix: pd.DataFrame
    draws: int = 0
    reason: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    by_draw: pd.DataFrame = field(default_factory=pd.DataFrame)


def regress(
    frame: pd.DataFrame, strategy: str, series: str = "fixed", measure: str = "RR", setting: str = "cross"
) -> Regression:
    """Regress a measure of a strategy's models on log2 k, seen and distance, draw by draw, and average over draws.

    value = pair + slope(seen group) x log2 k + query seen + passage seen + both seen + distances + error, or, in the
    setting "mono", pair + slope x log2 k + language seen + distance + error. The effect of the pair (of a benchmark)
    takes up how hard it is and the pretraining share of its languages, so that models are only compared on the same
    pairs. The settings are not mixed: what is seen matters differently in them. log2 k has a slope for each seen group,
    the change by a doubling; the effects of being seen are those at the geometric middle of the study's k, against an
    unseen language at distance 3; a distance effect is that of one step farther.

    The unit is a random draw: its sets are nested and share languages, so that they are one observation of what other
    languages would change. Least squares fit every draw and seed on its own, an estimate is the mean over
    draws, and its interval is that of `resampling.over_sets`, from three draws on (one summary a unit: Matthews et al.,
    BMJ 300, 1990; few heterogeneous clusters: Ibragimov and Mueller, J. Business & Economic Statistics 28, 2010). Sets
    that were chosen (spread, of one family, of all languages) are no draws, and take part only where there are no
    random ones, without an interval. A jackknife or sandwich over draws and chosen sets in one fit, as here before, is
    too narrow: chosen sets share models and languages with the draws, and that of all languages is in every comparison.
    Terms that the design cannot separate in every draw are left out with the reason.
    """
    data = _data(frame, strategy, series, measure, setting)
    reason = _refusal(data)
    if reason:
        empty = pd.DataFrame(columns=["term", "estimate", "low", "high", "p", "note"])
        return Regression(strategy, series, measure, setting, empty, data, pd.DataFrame(), reason=reason)
    terms, left_out = _terms(data)
    inside, more = _separate(within(terms, data["pair"]), data)
    value = within(data[["value"]], data["pair"])["value"]
    fitted = pd.Series(0.0, index=data.index)
    parts = []
    for keys, own in data.groupby(["group", "draw", "seed"], sort=False):
        matrix = inside.loc[own.index].to_numpy()
        estimate = np.linalg.lstsq(matrix, value.loc[own.index].to_numpy(), rcond=None)[0]
        fitted.loc[own.index] = matrix @ estimate
        parts += [(str(term), *keys, float(found)) for term, found in zip(inside, estimate, strict=True)]
    by_draw = pd.DataFrame(parts, columns=["term", "group", "draw", "seed", "value"])
    data = data.assign(fitted=data["value"] - value + fitted, residual=value - fitted)
    draws = len(data[["group", "draw"]].drop_duplicates())
    return Regression(
        strategy, series, measure, setting, _table(by_draw), data, inside, draws, "", left_out | more, by_draw
    )


def within(columns: pd.DataFrame, pair: pd.Series) -> pd.DataFrame:
    """Return columns without the mean of each pair, which leaves what least squares with an effect a pair would use.

    >>> within(pd.DataFrame({"x": [1.0, 3.0, 7.0]}), pd.Series(["a", "a", "b"]))["x"].tolist()
    [-1.0, 1.0, 0.0]
    """
    return columns - columns.groupby(pair.to_numpy()).transform("mean")


def _data(frame: pd.DataFrame, strategy: str, series: str, measure: str, setting: str) -> pd.DataFrame:
    """The observations: a line a model of a draw and pair; a pair is one of a draw and seed, which are fitted alone."""
    chosen = frame[
        (frame["strategy"] == strategy)
        & (frame["series"] == series)
        & (frame["measure"] == measure)
        & (frame["setting"] == setting)
        & (frame["strategy"] != UNTRAINED)
    ].dropna(subset=["value", "log2_k", "query_distance", "passage_distance"])
    chosen = drawn(chosen)
    several = chosen.groupby(["group", "draw"])["k"].transform("nunique") > 1
    chosen = (chosen[several] if several.any() else chosen).reset_index(drop=True)
    keys = ["group", "draw", "seed", "benchmark", "query_language", "passage_language"]
    return chosen.assign(pair=[" ".join(map(str, key)) for key in chosen[keys].itertuples(index=False)])


def _refusal(data: pd.DataFrame) -> str:
    if data.empty:
        return "there are no trained models on sets that were drawn"
    if data["k"].nunique() < 2:
        return f"all sets of a draw have {data['k'].iloc[0]} languages, so that nothing varies with their number"
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


def _separate(inside: pd.DataFrame, data: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep the terms that every draw separates, so that all draws estimate the same."""
    left_out: dict[str, str] = {}
    for keys, own in data.groupby(["group", "draw"], sort=False):
        kept, lost = _independent(inside.loc[own.index])
        left_out |= {name: f"in draw {keys[1]} of {keys[0]} sets {why}" for name, why in lost.items()}
        inside = inside[list(kept)]
    return inside, left_out


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


def _table(by_draw: pd.DataFrame) -> pd.DataFrame:
    """The mean over draws of each term, with its interval or why there is none."""
    rows = []
    for term, own in by_draw.groupby("term", sort=False):
        mean = own.groupby(["group", "draw"])["value"].mean().mean()
        rows.append((term, float(mean), *interval(own)))
    return pd.DataFrame(rows, columns=["term", "estimate", "low", "high", "p", "note"])


class Check(NamedTuple):
    """An assumption, whether it holds well enough, and in words what was found and what follows."""

    name: str
    ok: bool
    words: str


def check(regression: Regression) -> list[Check]:
    """Check linearity in log2 k, residuals, their spread, collinearity, bounds and the number of draws.

    Limits: dummies of k explain at most a tenth more than the lines; skew of residuals at most 1; their standard
    deviation differs at most twofold between numbers of languages, seen groups and thirds of the fitted values;
    variance inflation (statsmodels) at most 10; fitted values between 0 and 1 (of differences: -1
    and 1); ten draws. Empty without a fit.
    """
    if regression.reason:
        return []
    found = [_linear(regression), _residuals(regression), _spread(regression), _collinear(regression)]
    return [*found, _bounds(regression), _draws(regression)]


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
        words = "whether effects are linear in log2 k is not tested: no group of pairs has three numbers of languages"
        return Check("linear in log2 k", False, words)
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
    return Check("equal spread", ok, words if ok else words + "; the intervals, over draws, allow for that")


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


def _draws(regression: Regression) -> Check:
    count, sets = regression.draws, regression.data["languages"].nunique()
    words = f"{count} draw{'s' * (count != 1)} with {sets} sets of languages"
    ok = count >= FEW_DRAWS
    return Check("draws", ok, words if ok else words + "; few, so that intervals are wide or missing")
