"""Figures of language diversity: a measure by number of training languages, by distance, and pair by pair."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import SEEN_GROUPS, SETTINGS, measure_of
from hybridkit.evaluation.resampling import TRAININGS_NEEDED, over_sets
from hybridkit.evaluation.significance import OVERALL
from hybridkit.plots.marks import (
    DIFFERENCE,
    FAR,
    better,
    difference_bars,
    difference_key,
    handles,
    inside,
    matrix,
    one,
    pick,
    reach,
    require_columns,
    row_axis,
)
from hybridkit.plots.pairs import READABLE, colour_bar, heat, small_multiples
from hybridkit.plots.palette import NEUTRAL, SEEN, colour, marker
from hybridkit.plots.style import WIDTH, foot, language_label, panels, printed, round_ticks
from hybridkit.sampling.labels import UNTRAINED, label, order
from hybridkit.utils.naming import split_name

_SERIES = {"fixed": "same rows for every set", "growing": "rows grow with the languages"}
_ROOM = 0.8  # of the lines around a value of x, as a share of the way to the next
_ALL, _RANDOM, _ALL_BUT_ONE = "all", "random", "all but one"
_MARKS = {_RANDOM: "o", "spread": "D", _ALL_BUT_ONE: "x", _ALL: "o"}  # how a set was chosen; families: a plus


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
    figure, grid = _grid(trained, groups, trained["k"].nunique())
    strategies, places = order(trained["strategy"]), _sizes(trained)
    range_of = (measure_of(measure).least, measure_of(measure).most)
    for (series, seen), axes in grid.items():
        part = trained[(trained["series"] == series) & (trained["seen"] == seen)]
        base = frame.loc[(frame["strategy"] == UNTRAINED) & (frame["series"] == series), "value"]
        if len(base):
            axes.axhline(float(base.mean()), color=NEUTRAL, linestyle=":", linewidth=0.9)
        for nth, name in enumerate(strategies):
            own, look = part[part["strategy"] == name], (colour(name), marker(name), "-")
            _line(axes, own, places, _ROOM, (nth, len(strategies)), look, name, range_of)
    _finish(figure, grid, f"mean {measure}\n{better(measure, True)}", strategies, trained, places, _ROOM)
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
    groups, places = [name for name in SEEN_GROUPS if name in set(frame["seen"])], _sizes(frame)
    figure, grid = _grid(frame.assign(seen=frame["strategy"]), list(dict.fromkeys(frame["strategy"])), len(places))
    for (series, name), axes in grid.items():
        _by_seen(axes, frame[(frame["series"] == series) & (frame["strategy"] == name)], groups, places, measure)
    _finish(figure, grid, f"Δ mean {measure}\n{better(measure, True)}", groups, frame, places, _ROOM)
    figure.suptitle(
        f"Difference by number of training languages: {measure}"
        + f", {SETTINGS.get(setting, setting)} pairs" * bool(setting)
    )
    return figure


@printed
def diversity_collections(frame: pd.DataFrame, measure: str = "RR@10") -> Figure:
    """What training gains on test collections against the number of training languages: a line for seen, and unseen.

    The columns of `diversity_interaction`, benchmark and setting, of `outcomes.gains`. A row of panels a collection, a
    column a strategy and series.
    """
    columns = ("series", "strategy", "benchmark", "setting", "seen", "group", "k", "languages", "seed", "value")
    require_columns(frame, "diversity_collections", *columns)
    one(frame, "diversity_collections", "measure")
    frame = frame.assign(seen=frame["seen"].map(_SIDE))  # a question is answered in its own language
    groups, places = [name for name in ("seen", "unseen") if name in set(frame["seen"])], _sizes(frame)
    rows = _collection_names(frame)
    across = list(dict.fromkeys(zip(frame["strategy"], frame["series"], strict=True)))
    if not across:
        raise InputError("figure of test collections: no trained models in the frame; nothing to draw")
    figure, axes = panels(
        len(rows), len(across), _width(len(across), len(places)), 1.7 * len(rows) + 1.4, sharex=True, sharey=True
    )
    grid = dict(zip(product(rows, across), axes, strict=True))
    for ((name, setting), (strategy, series)), ax in grid.items():
        own = (frame["benchmark"] == name) & (frame["setting"] == setting)
        own &= (frame["strategy"] == strategy) & (frame["series"] == series)
        _by_seen(ax, frame[own], groups, places, measure)
        growing = f", {_SERIES[series]}" * (len(set(frame["series"])) > 1)
        ax.set_title(f"{rows[name, setting]}\n{label(strategy)}{growing}")
    _finish(figure, grid, f"gain in mean {measure}\n{better(measure, True)}", groups, frame, places, _ROOM)
    figure.suptitle(f"{measure} gained over the untrained encoder by number of training languages")
    return figure


_SIDE = {"seen-seen": "seen", "unseen-unseen": "unseen"}


def _collection_names(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What each collection of a frame, in its setting, is called: without its languages where that is clear."""
    kinds = list(dict.fromkeys(zip(frame["benchmark"], frame["setting"], strict=True)))
    short = {kind: Path(split_name(kind[0])[0]).name + ", pool" * (kind[1] == "pool") for kind in kinds}
    clear = len(set(short.values())) == len(short)
    return short if clear else {kind: Path(kind[0]).name for kind in kinds}


def _by_seen(axes: Axes, part: pd.DataFrame, groups: Sequence[str], places: dict[float, float], measure: str) -> None:
    """Differences against the number of training languages, a line a seen group."""
    axes.axhline(0, color=NEUTRAL, linewidth=0.8)
    for nth, seen in enumerate(groups):
        own, look = part[part["seen"] == seen], SEEN[seen]
        _line(axes, own, places, _ROOM, (nth, len(groups)), look, seen, _of_difference(measure))


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
    sides = list(dict.fromkeys(frame["side"]))
    figure, grid = _grid(frame.assign(seen=frame["side"]), sides, frame["distance"].nunique())
    strategies = order(frame["strategy"])
    values = np.unique(frame["distance"].dropna())
    places = {float(value): float(value) for value in values}
    room = _ROOM * (float(np.diff(values).min()) if len(values) > 1 else 1.0)
    for (series, side), axes in grid.items():
        part = frame[(frame["series"] == series) & (frame["side"] == side)]
        axes.axhline(0, color=NEUTRAL, linewidth=0.8)
        for nth, name in enumerate(strategies):
            own, look = part[part["strategy"] == name], (colour(name), marker(name), "-")
            _line(axes, own, places, room, (nth, len(strategies)), look, name, _of_difference(measure), "distance")
    _finish(
        figure, grid, f"gain in mean {measure}\n{better(measure, True)}", strategies, frame, places, room, "distance"
    )
    which = f"{of} distance" if of else "distance"
    figure.suptitle(f"{measure} gained over the untrained encoder, by {which} to the nearest training language")
    return figure


def _grid(frame: pd.DataFrame, groups: Sequence[str], sizes: int) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Panels by series and seen group: one row for a single series, else the series beside each other.

    `sizes` are how many values of x a panel has: a figure of few is not as wide as a page.
    """
    series = [name for name in _SERIES if name in set(frame["series"])]
    if not series or not groups:
        raise InputError("figure of language diversity: no trained models in the frame; nothing to draw")
    if len(series) == 1:
        figure, axes = panels(1, len(groups), _width(len(groups), sizes), 2.9, sharey=True, sharex=True)
        grid = {(series[0], group): ax for group, ax in zip(groups, axes, strict=True)}
        titles = {key: label(key[1]) for key in grid}
    else:
        figure, axes = panels(len(groups), 2, 5.6, 1.4 * len(groups) + 1.3, sharey="row", sharex=True)
        grid = {
            (name, group): axes[2 * row + col] for row, group in enumerate(groups) for col, name in enumerate(series)
        }
        titles = {(name, group): f"{label(group)}\n{_SERIES[name]}" for name, group in grid}
    for key, text in titles.items():
        grid[key].set_title(text)
    return figure, grid


def _width(columns: int, sizes: int) -> float:
    """Inches for some panels beside each other, of `sizes` values of x each."""
    return min(WIDTH, max(5.6, (0.45 * sizes + 0.35) * columns + 0.8))


def _of_difference(measure: str) -> tuple[float, float]:
    """The range of a difference of two values of a measure."""
    most = measure_of(measure).most - measure_of(measure).least
    return -most, most


def _sizes(frame: pd.DataFrame) -> dict[float, float]:
    """Where each number of training languages is drawn: side by side, whatever lies between them."""
    return {float(size): float(nth) for nth, size in enumerate(sorted(set(frame["k"])))}


def _line(
    axes: Axes,
    part: pd.DataFrame,
    places: dict[float, float],
    room: float,
    slot: tuple[int, int],
    look: tuple[str, str, str],
    name: str,
    range_of: tuple[float, float],
    across: str = "k",
) -> None:
    """Means of the random sets with their intervals, and beside them the points of the models.

    `places` are where the values of `across` are drawn, `room` is that of all lines around one, `slot` which of how
    many lines it is; the left half of a slot is for the mean, the right one for the points. Intervals end at the range
    of the measure, `range_of`. A line joins means that have an interval, and the set of all languages.
    """
    (shade, mark, dashes), (nth, count), part = look, slot, part.dropna(subset=across)
    step = room / count
    shift = (nth - (count - 1) / 2) * step - step / 4
    for group, models in part.groupby("group"):
        axes.plot(
            [places[float(value)] + shift + step * 0.45 for value in models[across]],
            models["value"],
            _MARKS.get(str(group), "P"),
            color=shade,
            markerfacecolor="none" if group not in (_RANDOM, _ALL) else shade,
            markersize=2.2,
            markeredgewidth=0.6,
            alpha=0.6,
            linestyle="none",
            label=f"{name} {group}",
        )
    drawn = part[part["group"].isin([_RANDOM, _ALL] if across == "k" else [_RANDOM])]
    drawn = part if drawn.empty else drawn
    unit = "languages" if across == "k" else "draw"
    at, means, sure = [], [], []
    for value, models in drawn.groupby(across):
        models = models.groupby(["group", unit, "seed"])["value"].mean().reset_index()
        at.append(places[float(str(value))] + shift)
        means.append(float(models["value"].mean()))
        groups = set(models["group"])
        interval = inside(over_sets(models, unit) if groups == {_RANDOM} else None, *range_of)
        sure.append(interval is not None or groups == {_ALL})
        if interval:
            ends = [interval.low, interval.high]
            axes.plot([at[-1], at[-1]], ends, color=shade, linewidth=1.2, label=f"{name} interval")
    axes.plot(at, means, mark, color=shade, markersize=4, linestyle="none", label=name)
    for first in range(len(at) - 1):
        if sure[first] and sure[first + 1]:
            both = slice(first, first + 2)
            axes.plot(at[both], means[both], dashes, color=shade, linewidth=1.0, label=f"{name} line")


def _finish(
    figure: Figure,
    grid: Mapping[Any, Axes],
    ylabel: str,
    names: Sequence[str],
    frame: pd.DataFrame,
    places: dict[float, float],
    room: float,
    across: str = "k",
) -> None:
    for axes in grid.values():
        spec = axes.get_subplotspec()
        axes.set_xticks(list(places.values()), [f"{value:g}" for value in places])
        axes.yaxis.set_major_locator(round_ticks())
        axes.grid(axis="y")
        axes.set_xlim(min(places.values()) - 0.65 * room, max(places.values()) + 0.65 * room)
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
    groups = ["groups: query-passage"] if across == "k" and frame["seen"].str.contains("-").any() else []
    text = "; ".join([*groups, "large: means, small: models", *notes]) + "\n" + "; ".join([bars, *dotted])
    joined = {str(line.get_label()) for axes in grid.values() for line in axes.lines}
    foot(figure, [_entry(name, f"{name} line" in joined) for name in names], text)


def _entry(name: str, joined: bool) -> Line2D:
    """The legend's entry of a strategy or seen group: its marker, and its line where one is drawn."""
    shade, mark, dashes = SEEN.get(name) or (colour(name), marker(name), "-")
    entry = Line2D([], [], color=shade, marker=mark, markersize=4.5, label=label(name))
    entry.set_linestyle(dashes if joined else "none")  # type: ignore[arg-type]
    return entry


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
    height = max(0.3, 0.12 * len(strategies)) * len(tags) + 2.2
    figure, axes = panels(1, len(kinds), WIDTH, height, sharey=True)
    far: list[float] = []
    for ax, (setting, pairs) in zip(axes, kinds, strict=True):
        ax.axvline(0, color=NEUTRAL, linewidth=0.8, zorder=0.5)
        own = frame[(frame["setting"] == setting) & (frame["pairs"] == pairs)]
        far.append(reach(own))
        for name, tag, *row in own[["strategy", "language", *DIFFERENCE]].itertuples(index=False, name=None):
            shift = 0.8 / len(strategies) * (strategies.index(name) - (len(strategies) - 1) / 2)
            difference_bars(ax, row, tags.index(tag) + shift, colour(name), marker(name), far[-1])
        row_axis(ax, ["mean" if tag == OVERALL else language_label(tag) for tag in tags])
        ax.axhline(len(tags) - 1.5, color=NEUTRAL, linewidth=0.6)
        ax.xaxis.set_major_locator(round_ticks(3))
        ax.margins(x=0.1)
        ax.set_title(_LEFT_OUT[setting, pairs])
        measure = str(frame["measure"].iloc[0])
        ax.set_xlabel(f"Δ mean {measure}\n{better(measure)}")
    axes[0].set_ylabel("language left out")
    foot(figure, [*handles(strategies), *difference_key()], FAR * any(map(math.isfinite, far)), columns=1)
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
    figure, axes, first = small_multiples(3, len(languages), 0.24 if numbers else 0.1, most=2)
    for ax, which in zip(axes, parts, strict=False):
        heat(ax, tables[which], languages if ax in first else [], languages, "cividis", norm, ".2f" if numbers else "")
        trained = str(parts[which]["languages"].iloc[0]).split()
        _bold(ax, trained)
        mean = float(np.nanmean(tables[which]))
        ax.set_title(f"{which} diverse: {_named(trained)}\nmean {mean:.3f}")
    heat(axes[2], change, languages, languages, "PuOr_r", both, "+.2f" if len(languages) <= _SIGNED else "")
    axes[2].set_title(f"most minus least\nmean {float(np.nanmean(change)):+.3f}".replace("-", "−"))
    for ax in axes:
        ax.set_xlabel("passage language")
    for ax in first:
        ax.set_ylabel("query language")
    colour_bar(figure, axes[:2], "cividis", norm, f"mean {measure}")
    colour_bar(figure, axes[2:], "PuOr_r", both, f"Δ mean {measure}")
    foot(figure, [], "bold: training languages")
    figure.suptitle(f"{measure} by pair of languages" + f", {label(strategy)}" * bool(strategy))
    return figure


_SIGNED = 11  # languages up to which a cell of half a page has room for a number with its sign


def _named(tags: list[str]) -> str:
    return " ".join(tags) if len(tags) <= 4 else f"{len(tags)} languages"


def _bold(axes: Axes, tags: list[str]) -> None:
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        if text.get_text() in tags:
            text.set(fontweight="bold", fontfamily="DejaVu Sans")  # the fonts of other scripts have no bold
