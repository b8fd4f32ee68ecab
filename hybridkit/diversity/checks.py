"""Checks of what a regression takes for granted, told in words."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from hybridkit.diversity.means import MINUS
from hybridkit.diversity.outcomes import SEEN
from hybridkit.diversity.regression import Regression, within

FEW_CLUSTERS = 10
INFLATED = 10.0
UNEQUAL = 2.0
SKEWED = 1.0
STRAIGHT = 0.9


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
    for seen in SEEN:
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
            told = f"{name} {spreads.idxmax()} against {spreads.idxmin()}"
            ratios[told] = float(spreads.max() / spreads.min())
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
    factors = {name: float(variance_inflation_factor(values, place)) for place, name in enumerate(matrix)}
    worst = max(factors, key=lambda name: factors[name])
    words = f"largest variance inflation {factors[worst]:.1f} ({worst})"
    ok = factors[worst] <= INFLATED
    return Check("collinearity", ok, words if ok else words + "; its effect can hardly be told from the others'")


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
