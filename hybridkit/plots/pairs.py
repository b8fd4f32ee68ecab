"""Figures of the language matrix of a measure: query language by passage language, and the difference of two."""

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from hybridkit.errors import InputError
from hybridkit.plots.frames import matrix, need, one
from hybridkit.plots.matrix import READABLE, colour_bar, grey_out, heat, small_multiples
from hybridkit.plots.strategies import label, order
from hybridkit.plots.style import foot, printed

_SAME = ("benchmark", "measure", "setting", "encoder", "study")


def _languages(frame: pd.DataFrame) -> list[str]:
    return sorted({*frame["query_language"], *frame["passage_language"]} - {"*"})


@printed
def language_pairs(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """A measure for every pair of languages, one heat map a strategy, all on one colour scale.

    Columns: strategy, query_language, passage_language, value. Seeds are averaged; a `setting` column may hold "mono"
    and "cross" together (the diagonal is mono), rows of the pool (passage language "*") are left out; pairs without a
    value are hatched.
    """
    need(frame, "language_pairs", "strategy", "query_language", "passage_language", "value")
    frame = frame[frame["passage_language"] != "*"]
    need(frame, "language_pairs (without the pool)", "strategy", "query_language", "passage_language", "value")
    one(frame, "language_pairs", *[column for column in _SAME if column != "setting"])
    strategies, languages = order(frame["strategy"]), _languages(frame)
    tables = {name: matrix(frame[frame["strategy"] == name], languages, languages) for name in strategies}
    values = np.stack(list(tables.values()))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    norm = Normalize(low, high) if high > low else Normalize(low - 0.05, high + 0.05)
    numbers = len(languages) <= READABLE
    figure, axes, first = small_multiples(len(strategies), len(languages), 0.225 if numbers else 0.15)
    for ax, name in zip(axes, strategies, strict=True):
        heat(ax, tables[name], languages, languages, "cividis", norm, ".2f" if numbers else "", size=5.4)
        off = tables[name][~np.eye(len(languages), dtype=bool)]
        means = [f"mono {np.nanmean(np.diagonal(tables[name])):.3f}"] if _any(np.diagonal(tables[name])) else []
        means += [f"cross {np.nanmean(off):.3f}"] if _any(off) else []
        ax.set_title(f"{label(name)}\n{', '.join(means)}")
        ax.set_xlabel("passage language")
    for ax in first:
        ax.set_ylabel("query language")
    colour_bar(figure, axes, "cividis", norm, f"mean {measure}")
    if np.isnan(values).any():
        foot(figure, [], "hatched: no judged query")
    figure.suptitle(f"{measure} by query and passage language")
    return figure


@printed
def pair_difference(frame: pd.DataFrame, a: str = "", b: str = "", measure: str = "AP") -> Figure:
    """The difference of two strategies for every pair of languages, on a diverging scale centred at 0.

    Columns: query_language, passage_language, value (a minus b), or strategy with a and b's own values, which are then
    subtracted here after the mean over seeds. `a` and `b` name the two in the title. With a column significant (and
    family, what its correction covers), differences that are not significant are greyed out.
    """
    need(frame, "pair_difference", "query_language", "passage_language", "value")
    one(frame, "pair_difference", *[column for column in _SAME if column != "setting"])
    frame = frame[frame["passage_language"] != "*"]
    languages = _languages(frame)
    if "strategy" in frame.columns:
        for name in (a, b):
            if name not in set(frame["strategy"]):
                raise InputError(f"figure pair_difference: no rows of strategy {name!r} in the frame; give a and b")
        difference = matrix(frame[frame["strategy"] == a], languages, languages)
        difference = difference - matrix(frame[frame["strategy"] == b], languages, languages)
    else:
        difference = matrix(frame, languages, languages)
    if not _any(difference):
        raise InputError("figure pair_difference: no pair of languages has a value; nothing to draw")
    limit = max(float(np.nanmax(np.abs(difference))), 1e-9)
    norm = TwoSlopeNorm(0.0, -limit, limit)
    numbers = len(languages) <= READABLE
    figure, axes, _ = small_multiples(1, len(languages), 0.34 if numbers else 0.2, 1.3)
    form = ("+.2f" if limit >= 0.05 else "+.3f") if numbers else ""  # small differences need a digit more
    heat(axes[0], difference, languages, languages, "PuOr_r", norm, form, 6.0, endonyms=True)
    axes[0].set(xlabel="passage language", ylabel="query language")
    names = f"{label(a)} minus {label(b)}" if a and b else "a minus b"
    axes[0].set_title(names)
    colour_bar(figure, axes, "PuOr_r", norm, f"difference in mean {measure}")
    notes = ["hatched: no judged query"] if np.isnan(difference).any() else []
    if "significant" in frame.columns and "strategy" not in frame.columns:
        marked = frame.assign(significant=frame["significant"].astype(float))
        grey_out(axes[0], matrix(marked, languages, languages, "significant") == 0)
        families = ", ".join(dict.fromkeys(frame["family"])) if "family" in frame.columns else ""
        notes.append("grey: not significant" + f" (Holm’s correction: {families})" * bool(families))
    foot(figure, [], "; ".join(notes))
    return figure


def _any(values: np.ndarray) -> bool:
    return bool((~np.isnan(values)).any())
