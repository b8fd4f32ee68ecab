"""How the comparisons along a curve came out, a sentence a setting; what is not established is said to be so."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from hybridkit.curves.compared import CHANGE, LARGEST, PUBLISHED, SMALLEST
from hybridkit.diversity.words import number
from hybridkit.evaluation.intervals import SEEDS_FOR_INTERVAL
from hybridkit.palette import label

_SETTINGS = {"mono": "monolingual retrieval", "cross": "cross-lingual retrieval", "pool": "the multilingual pool"}
ALONG = {"rows": "{:,.0f} training rows", "batch_size": "batches of {:,.0f}"}
Row = Mapping[Any, Any]  # a record of such a frame


def told(frame: pd.DataFrame, section: str) -> list[str]:
    """Say how the comparisons of a section came out (`compared.contrasts`), and first what counts as established.

    One sentence a benchmark, setting and measure for "alpha" and "pairs", one for each other strategy too for "rows"
    and "batch_size". Where nothing is compared, one sentence says why.
    """
    if frame.empty:
        why = {
            "alpha": f"the curve needs alpha {PUBLISHED} and another", "pairs": "there are not two strategies"
        }.get(section, "it takes a hybrid and another strategy")  # fmt: skip
        return [f"Nothing is compared: {why}."]
    by, sentences = ["benchmark", "setting", "measure"], [criterion(frame)]
    for (benchmark, _, _), part in frame.groupby(by, sort=False):
        where = f"{benchmark}, " * (frame["benchmark"].nunique() > 1) + _where(part)
        if section == "alpha":
            sentences.append(f"{where}: {_alpha(part)}.")
        elif section == "pairs":
            sentences += [f"{where}: {_pair(one)}." for one in part.to_dict("records")]
        else:
            for _, own in part.groupby("against", sort=False):
                sentences.append(f"{where}: {_along(own, ALONG[section])}.")
    return sentences


def criterion(frame: pd.DataFrame) -> str:
    """Say when a difference of these comparisons counts as established, and that none can with too few seeds."""
    seeds = int(frame["seeds"].min())
    start = (
        "A difference counts as established only when its 95 % intervals over questions and over seeds both leave out "
        f"0 and the larger of the two p is below .05 after Holm's correction ({frame['family'].iloc[0]})"
    )
    if seeds >= SEEDS_FOR_INTERVAL:
        return f"{start}; {seeds} seeds."
    return f"{start}. With {_seeds(seeds)} there is no interval over seeds, so that none can be established."


def amount(row: Row) -> str:
    """Write a difference with both intervals: AP with three decimals, ranks whole, or with one where all are below 10.

    >>> amount({"measure": "AP", "difference": 0.004, "low": -0.001, "high": 0.009, "seeds": 5, "seeds_low": -0.002,
    ...         "seeds_high": 0.01})
    '+.004 (−.001 to .009 over questions, −.002 to .010 over 5 seeds)'
    >>> amount({"measure": "rank_distance", "difference": -12.3, "low": -20.0, "high": -4.0, "seeds": 1,
    ...         "seeds_low": float("nan"), "seeds_high": float("nan")})
    '−12 ranks (−20 to −4 over questions; 1 seed, no interval over seeds)'
    """
    distance = row["measure"] == "rank_distance"
    ends = [float(row[name]) for name in ("difference", "low", "high", "seeds_low", "seeds_high")]
    places = 3 if not distance else 0 if max(map(abs, ends[:3])) >= 10 else 1
    value, low, high, first, last = (_number(one, places) for one in ends)
    start = f"{'' if value.startswith('−') else '+'}{value}{' ranks' * distance} ({low} to {high} over questions"
    seeds = int(row["seeds"])
    if math.isnan(ends[3]):
        return f"{start}; {_seeds(seeds)}, no interval over seeds)"
    return f"{start}, {first} to {last} over {seeds} seeds)"


def _number(value: float, places: int) -> str:
    value = value if math.isnan(value) or round(value, places) else 0.0  # no minus before a zero
    return number(value) if places == 3 else format(value, f",.{places}f").replace("-", "−")


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _where(part: pd.DataFrame) -> str:
    setting, measure = str(part["setting"].iloc[0]), str(part["measure"].iloc[0])
    name = _SETTINGS.get(setting, setting)
    return f"Rank distance in {name}" if measure == "rank_distance" else f"{measure} in {name}"


def _alpha(part: pd.DataFrame) -> str:
    """Which alphas are established to be better or worse than the published one, and the best of them."""
    best = part.iloc[int((part["difference"].abs() * part["better"]).argmax())].to_dict()
    found = part[part["established"]]
    better, worse = (sorted(found.loc[found["better"] == side, "x"]) for side in (1, -1))
    beats = best["better"] > 0
    nearest = f"the {'best' if beats else 'nearest'} is {best['x']:g} with {amount(best)}"
    if better:
        text = f"{_list(better)} {'is' if len(better) == 1 else 'are'} significantly better than {PUBLISHED}; {nearest}"
    else:
        text = f"no alpha is significantly better than {PUBLISHED}; {nearest}"
        near = sorted(part.loc[part["both"] & ~part["established"] & (part["better"] > 0), "x"])
        text += f"; both intervals leave out 0 at {_list(near)}, yet not after Holm's correction" * bool(near)
    return text + f"; significantly worse: {_list(worse)}" * bool(worse)


def _list(values: list[float]) -> str:
    texts = [f"{value:g}" for value in values]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _pair(row: Row) -> str:
    names = f"{_pairs(str(row['strategy']))} minus {_pairs(str(row['against']))} is {amount(row)}"
    return f"{names}, {_verdict(row)}"


def _pairs(strategy: str) -> str:
    known = {"cross": "pairs mixed inside a batch (cross)", "cross(pairs='one')": "one pair a batch (cross)"}
    return known.get(strategy, label(strategy))


def _verdict(row: Row) -> str:
    if row["established"]:
        return "which is better" if int(row["better"]) > 0 else "which is worse"
    if row["both"]:
        return "both intervals leave out 0, yet not after Holm's correction"
    return "no difference is established"


def _along(rows: pd.DataFrame, name: str) -> str:
    """The difference of the hybrid to another strategy at both ends of a curve, and whether it changes."""
    at = {str(row["at"]): row for row in rows.to_dict("records")}
    first = at[SMALLEST]
    start = f"{label(first['strategy'])} minus {label(first['against'])} is {_point(first, name)}"
    if CHANGE not in at:
        return f"{start}; the curve has one point"
    change = at[CHANGE]
    said = "the difference changes" if change["established"] else "no change of the difference is established"
    return f"{start} and {_point(at[LARGEST], name)}; {said}: {amount(change)}"


def _point(row: Row, name: str) -> str:
    return f"{amount(row)}{'' if row['established'] else ', not established,'} at {name.format(row['x'])}"
