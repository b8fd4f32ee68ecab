"""Figures of language diversity: a measure by number of training languages, by distance, and pair by pair."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import SEEN_GROUPS, SETTINGS
from hybridkit.evaluation.resampling import TRAININGS_NEEDED, over_sets
from hybridkit.evaluation.significance import OVERALL
from hybridkit.plots.marks import (
    BOTH,
    DIFFERENCE,
    FILLED,
    difference_bars,
    handles,
    matrix,
    one,
    pick,
    require_columns,
    row_axis,
)
from hybridkit.plots.pairs import READABLE, colour_bar, heat, small_multiples
from hybridkit.plots.palette import colour, marker
from hybridkit.plots.style import WIDTH, foot, language_label, panels, printed, round_ticks
from hybridkit.sampling.labels import UNTRAINED, label, order

_SEEN_COLOURS = dict(zip(SEEN_GROUPS, ("#0072B2", "#009E73", "#E69F00", "#CC79A7"), strict=True))
_SERIES = {"fixed": "same rows for every set", "growing": "rows grow with the languages"}
_ALL, _RANDOM, _ALL_BUT_ONE = "all", "random", "all but one"
_MARKS = {_RANDOM: "o", "spread": "D", _ALL_BUT_ONE: "x", _ALL: "o"}  # how a set was chosen; families: a plus
_GREY = "#767676"


@printed
def diversity_curve(frame: pd.DataFrame, measure: str = "RR", setting: str = "") -> Figure:
    """A measure against the number of training languages: a panel a seen group and series, a line a strategy.

    Columns: series, strategy, seen, group, k, languages, seed, value (`outcomes.per_model` of one setting). Lines and
    bars are means and intervals of the random sets (`over_sets`), from three on; points are models. Dotted: untrained.
    """
    require_columns(frame, "diversity_curve", "series", "strategy", "seen", "group", "k", "languages", "seed", "value")
    one(frame, "diversity_curve", "setting", "benchmark", "measure")
    trained = frame[frame["strategy"] != UNTRAINED]
    groups = [name for name in SEEN_GROUPS if name in set(trained["seen"])]
    figure, grid = _grid(trained, groups)
    strategies = order(trained["strategy"])
    for (series, seen), axes in grid.items():
        part = trained[(trained["series"] == series) & (trained["seen"] == seen)]
        base = frame.loc[(frame["strategy"] == UNTRAINED) & (frame["series"] == series), "value"]
        if len(base):
            axes.axhline(float(base.mean()), color=_GREY, linestyle=":", linewidth=0.9)
        for nth, name in enumerate(strategies):
            shift = 0.07 * (nth - (len(strategies) - 1) / 2)
            _line(axes, part[part["strategy"] == name], "k", shift, colour(name), marker(name), name)
        axes.set_ylim(bottom=max(axes.get_ylim()[0], 0))  # no value is below it; intervals of few sets may be
    _finish(figure, grid, f"mean {measure}", handles(strategies, line=True), trained)
    figure.suptitle(
        f"{measure} by number of training languages" + f", {SETTINGS.get(setting, setting)} pairs" * bool(setting)
    )
    return figure


@printed
def diversity_interaction(frame: pd.DataFrame, measure: str = "RR", setting: str = "") -> Figure:
    """The difference of two strategies against the number of training languages, a line a seen group.

    The columns of `diversity_curve`, of `outcomes.differences`; a panel a difference and series.
    """
    require_columns(
        frame, "diversity_interaction", "series", "strategy", "seen", "group", "k", "languages", "seed", "value"
    )
    one(frame, "diversity_interaction", "setting", "benchmark", "measure")
    groups = [name for name in SEEN_GROUPS if name in set(frame["seen"])]
    figure, grid = _grid(frame.assign(seen=frame["strategy"]), list(dict.fromkeys(frame["strategy"])))
    for (series, name), axes in grid.items():
        axes.axhline(0, color=_GREY, linewidth=0.8)
        part = frame[(frame["series"] == series) & (frame["strategy"] == name)]
        for nth, seen in enumerate(groups):
            shift = 0.07 * (nth - (len(groups) - 1) / 2)
            _line(axes, part[part["seen"] == seen], "k", shift, _SEEN_COLOURS[seen], "o", seen)
    lines = [Line2D([], [], color=_SEEN_COLOURS[seen], label=seen) for seen in groups]
    _finish(figure, grid, f"Δ mean {measure}", lines, frame)
    figure.suptitle(
        f"Difference by number of training languages: {measure}"
        + f", {SETTINGS.get(setting, setting)} pairs" * bool(setting)
    )
    return figure


@printed
def diversity_distance(frame: pd.DataFrame, measure: str = "RR", of: str = "") -> Figure:
    """What training gains a language that it does not have, against its distance to the nearest training language.

    Columns: series, strategy, side, distance, group, draw, languages, seed, value (`outcomes.by_distance`): gains over
    the untrained encoder on the same pairs. At 0 the language is trained on. Lines and bars are means and intervals of
    the random draws, whose nested sets are averaged first, from three draws on. `of` says what the distance is of.
    """
    columns = ("series", "strategy", "side", "distance", "group", "draw", "languages", "seed", "value")
    require_columns(frame, "diversity_distance", *columns)
    one(frame, "diversity_distance", "benchmark", "measure")
    figure, grid = _grid(frame.assign(seen=frame["side"]), list(dict.fromkeys(frame["side"])))
    strategies = order(frame["strategy"])
    values = np.unique(frame["distance"].dropna())
    gap = float(np.diff(values).min()) if len(values) > 1 else 1.0  # between two distances that are drawn
    for (series, side), axes in grid.items():
        part = frame[(frame["series"] == series) & (frame["side"] == side)]
        axes.axhline(0, color=_GREY, linewidth=0.8)
        for nth, name in enumerate(strategies):
            shift = 0.1 * gap * (nth - (len(strategies) - 1) / 2)
            _line(axes, part[part["strategy"] == name], "distance", shift, colour(name), marker(name), name)
    _finish(figure, grid, f"gain in mean {measure}", handles(strategies, line=True), frame, "distance")
    which = f"{of} distance" if of else "distance"
    figure.suptitle(f"{measure} gained over the untrained encoder, by {which} to the nearest training language")
    return figure


def _grid(frame: pd.DataFrame, groups: Sequence[str]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Panels by series and seen group: one row for a single series, else the series beside each other."""
    series = [name for name in _SERIES if name in set(frame["series"])]
    if not series or not groups:
        raise InputError("figure of language diversity: no trained models in the frame; nothing to draw")
    if len(series) == 1:
        width = min(WIDTH, max(6.4, 1.75 * len(groups) + 1.8))
        figure, axes = panels(1, len(groups), width, 2.7, sharey=True, sharex=True)
        grid = {(series[0], group): ax for group, ax in zip(groups, axes, strict=True)}
        titles = {key: label(key[1]) for key in grid}
    else:
        figure, axes = panels(len(groups), 2, 5.6, 1.35 * len(groups) + 1.1, sharey="row", sharex=True)
        grid = {
            (name, group): axes[2 * row + col] for row, group in enumerate(groups) for col, name in enumerate(series)
        }
        titles = {(name, group): f"{label(group)}\n{_SERIES[name]}" for name, group in grid}
    for key, text in titles.items():
        grid[key].set_title(text)
    return figure, grid


def _line(axes: Axes, part: pd.DataFrame, across: str, shift: float, shade: str, mark: str, name: str) -> None:
    """Points of the models, and through the random sets' means a line with intervals."""
    for group, models in part.groupby("group"):
        hollow = group not in (_RANDOM, _ALL)
        axes.plot(
            [_x(value, across) + shift for value in models[across]],
            models["value"],
            _MARKS.get(str(group), "P"),
            color=shade,
            markerfacecolor="none" if hollow else shade,
            markersize=2.8,
            alpha=0.55,
            linestyle="none",
            label=f"{name} {group}",
        )
    drawn = part[part["group"].isin([_RANDOM, _ALL] if across == "k" else [_RANDOM])]
    drawn = part if drawn.empty else drawn
    unit = "languages" if across == "k" else "draw"
    at, means = [], []
    for value, models in drawn.groupby(across):
        models = models.groupby(["group", unit, "seed"])["value"].mean().reset_index()
        at.append(_x(float(str(value)), across) + shift)
        means.append(float(models["value"].mean()))
        interval = over_sets(models, unit) if set(models["group"]) == {_RANDOM} else None
        if interval:
            ends = [interval.low, interval.high]
            axes.plot([at[-1], at[-1]], ends, color=shade, linewidth=1.2, label=f"{name} interval")
    axes.plot(at, means, marker=mark, color=shade, markersize=4, label=name)


def _x(value: float, across: str) -> float:
    return math.log2(value) if across == "k" else value


def _finish(
    figure: Figure,
    grid: dict[tuple[str, str], Axes],
    ylabel: str,
    legend: list[Line2D],
    frame: pd.DataFrame,
    across: str = "k",
) -> None:
    values = sorted(set(frame[across].dropna()))
    for axes in grid.values():
        spec = axes.get_subplotspec()
        axes.set_xticks([_x(value, across) for value in values], [f"{value:g}" for value in values])
        axes.yaxis.set_major_locator(round_ticks())
        axes.grid(axis="y")
        axes.margins(x=0.08)
        if spec is not None and spec.is_first_col():
            axes.set_ylabel(ylabel)
        if spec is not None and spec.is_last_row():
            axes.set_xlabel("training languages" if across == "k" else "distance (0: trained on)")
    groups_there = set(frame["group"])
    marks = {_RANDOM: "filled: random sets", "spread": "diamonds: spread sets", _ALL_BUT_ONE: "crosses: all but one"}
    notes = [text for group, text in marks.items() if group in groups_there]
    if groups_there - {*_MARKS, UNTRAINED}:
        notes.append("plus: one family")
    draws = frame.loc[frame["group"] == _RANDOM].groupby(across)["languages" if across == "k" else "draw"].nunique()
    enough = len(draws) and draws.max() >= TRAININGS_NEEDED
    over = "sets" if across == "k" else "draws"
    bars = f"bars: 95 % intervals over random {over} and seeds" if enough else "too few random draws for intervals"
    dotted = ["dotted: untrained"] if ylabel.startswith("mean") else []
    groups = ["groups: query-passage"] if across == "k" else []
    foot(figure, legend, "; ".join([*groups, "points: models", *notes]) + "\n" + "; ".join([bars, *dotted]))


@printed
def diversity_left_out(frame: pd.DataFrame) -> Figure:
    """The change of a measure when a language is left out of the training, a panel a kind of pairs.

    Columns: strategy, language ("*": the mean), setting, pairs, measure, and those of `marks.DIFFERENCE`
    (`analysis.diversity.left_out`). Thick bars are intervals over questions, thin ones over questions and trainings.
    """
    require_columns(frame, "diversity_left_out", "strategy", "language", "setting", "pairs", "measure", *DIFFERENCE)
    one(frame, "diversity_left_out", "series", "measure", "benchmark")
    kinds = list(dict.fromkeys(zip(frame["setting"], frame["pairs"], strict=True)))
    tags = sorted(dict.fromkeys(frame["language"]), key=lambda tag: (tag == OVERALL, tag))
    strategies = order(frame["strategy"])
    figure, axes = panels(1, len(kinds), WIDTH, 0.3 * len(tags) + 1.6, sharey=True)
    for ax, (setting, pairs) in zip(axes, kinds, strict=True):
        ax.axvline(0, color=_GREY, linewidth=0.8, zorder=0.5)
        own = frame[(frame["setting"] == setting) & (frame["pairs"] == pairs)]
        for name, tag, *row in own[["strategy", "language", *DIFFERENCE]].itertuples(index=False, name=None):
            shift = 0.3 * (strategies.index(name) - (len(strategies) - 1) / 2)
            difference_bars(ax, row, tags.index(tag) + shift, 0.06, colour(name), marker(name))
        row_axis(ax, ["mean" if tag == OVERALL else language_label(tag) for tag in tags])
        ax.axhline(len(tags) - 1.5, color=_GREY, linewidth=0.6)
        ax.xaxis.set_major_locator(round_ticks(3))
        ax.margins(x=0.1)
        ax.set_title(_LEFT_OUT[setting, pairs])
        ax.set_xlabel(f"Δ mean {frame['measure'].iloc[0]}")
    axes[0].set_ylabel("language left out")
    foot(figure, handles(strategies), f"{BOTH}\n{FILLED}")
    figure.suptitle("Change when one language is left out of the training: without it minus with it")
    return figure


_LEFT_OUT = {
    ("mono", "both"): "mono\nin the language",
    ("mono", "other"): "mono\nother languages",
    ("cross", "query"): "cross\nqueries in it",
    ("cross", "passage"): "cross\npassages in it",
    ("cross", "other"): "cross\nother languages",
    ("pool", "query"): "pool\nqueries in it",
    ("pool", "other"): "pool\nother queries",
}


@printed
def diversity_pairs(frame: pd.DataFrame, strategy: str = "", measure: str = "RR") -> Figure:
    """A measure by pair of languages for the least and the most diverse set, and their difference.

    Columns: which ("least", "most"), languages, query_language, passage_language, value (`outcomes.extremes`).
    Languages that the set has are in bold at its axes.
    """
    require_columns(frame, "diversity_pairs", "which", "languages", "query_language", "passage_language", "value")
    languages = sorted({*frame["query_language"], *frame["passage_language"]})
    parts = {which: pick(frame, "diversity_pairs", "which", which) for which in ("least", "most")}
    for part in parts.values():
        one(part, "diversity_pairs", "languages")
    tables = {which: matrix(part, languages, languages) for which, part in parts.items()}
    change = tables["most"] - tables["least"]
    values = np.stack(list(tables.values()))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    norm = Normalize(low, high) if high > low else Normalize(low - 0.05, high + 0.05)
    limit = max(float(np.nanmax(np.abs(change))), 1e-9)
    both = TwoSlopeNorm(0.0, -limit, limit)
    numbers = len(languages) <= READABLE
    figure, axes, _ = small_multiples(3, len(languages), 0.225 if numbers else 0.15)
    for ax, which in zip(axes, parts, strict=False):
        heat(ax, tables[which], languages, languages, "cividis", norm, ".2f" if numbers else "", size=5.4)
        trained = str(parts[which]["languages"].iloc[0]).split()
        _bold(ax, trained)
        mean = float(np.nanmean(tables[which]))
        ax.set_title(f"{which} diverse: {_named(trained)}\nmean {mean:.3f}")
    heat(axes[2], change, languages, languages, "PuOr_r", both, "+.2f" if numbers else "", size=5.0)
    axes[2].set_title(f"most minus least\nmean {float(np.nanmean(change)):+.3f}".replace("-", "−"))
    for ax in axes:
        ax.set_xlabel("passage language")
    axes[0].set_ylabel("query language")
    colour_bar(figure, axes[:2], "cividis", norm, f"mean {measure}")
    colour_bar(figure, axes[2:], "PuOr_r", both, f"Δ mean {measure}")
    foot(figure, [], "bold: training languages")
    figure.suptitle(f"{measure} by pair of languages" + f", {label(strategy)}" * bool(strategy))
    return figure


def _named(tags: list[str]) -> str:
    return " ".join(tags) if len(tags) <= 4 else f"{len(tags)} languages"


def _bold(axes: Axes, tags: list[str]) -> None:
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        if text.get_text() in tags:
            text.set(fontweight="bold", fontfamily="DejaVu Sans")  # the fonts of other scripts have no bold
