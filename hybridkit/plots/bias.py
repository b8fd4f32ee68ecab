"""Figures of language bias: rank distance, the top of the pool, the panel of all measures, and where languages lie."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.evaluation.bias import BIAS_MEASURES
from hybridkit.evaluation.measures import DISTANCE, Measure
from hybridkit.evaluation.resampling import Interval, t_interval
from hybridkit.plots.marks import better, dot_rows, handles, log_ranks, one, require_columns, row_axis, seeds_note
from hybridkit.plots.palette import colour, marker
from hybridkit.plots.style import WIDTH, foot, language_label, many, panels, printed, round_ticks
from hybridkit.sampling.labels import label, order

_LETTERS = 26  # that the labels of a small panel's ticks may have in all
_MAP = 2.35  # inches of a map with its title
_TURNS = (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7)  # fourteenths of a circle, nearest first
_BETTER = {"lower": "← better", "higher": "better →", "none": "neither is better"}
_WORDS = {
    "PEER": "PEER: probability of equal expected rank, whatever the language of a passage",
    "MRC": "MRC: mean rank correlation of a question's rankings in two query languages",
}


@printed
def rank_distance(frame: pd.DataFrame) -> Figure:
    """Rank distance by query language and strategy (mean over seeds), and its mean over languages with the seeds.

    Columns: strategy, seed, query_language, value (ranks: largest minus smallest pool rank of a query's parallel
    passages, mean over queries). Lower is less language bias.
    """
    require_columns(frame, "rank_distance", "strategy", "seed", "query_language", "value")
    one(frame, "rank_distance", "benchmark", "encoder", "study", "measure")
    strategies, languages = order(frame["strategy"]), sorted(set(frame["query_language"]) - {"*"})
    frame = frame[frame["query_language"] != "*"]
    height = max(_line(strategies) * len(languages), 0.3 * len(strategies)) + 1.6
    figure, axes = panels(1, 2, WIDTH, height, width_ratios=[1.25, 1])
    means = frame.groupby(["strategy", "query_language"])["value"].mean()
    _dots(axes[0], means.unstack("strategy").reindex(languages)[strategies])
    axes[0].set(title="by query language (mean over seeds)", ylabel="query language")
    overall = frame.groupby(["strategy", "seed"], dropna=False)["value"].mean().reset_index()
    dot_rows(axes[1], overall, strategies, least=0.0)
    axes[1].set_title("mean over query languages")
    for ax in axes:
        scale = ", log scale" * log_ranks(ax, means)
        ax.set_xlabel(f"rank distance (ranks{scale})\n{better(DISTANCE)}")
    foot(figure, handles(strategies), "right: " + seeds_note(overall, "strategy"))
    figure.suptitle("Rank distance of parallel passages in the pool")
    return figure


@printed
def language_share(frame: pd.DataFrame, k: int = 10) -> Figure:
    """The share of each passage language among the top k of the pool over the share expected, by strategy.

    Columns: strategy, seed, passage_language, share, expected (0 to 1; expected = that of a perfect system that is
    blind to language). Query languages are averaged. The axis is logarithmic: 2 and ½ are as far off. From three seeds
    on a bar is the 95 % t interval of the logarithm over seeds, so that it stays above 0.
    """
    require_columns(frame, "language_share", "strategy", "seed", "passage_language", "share", "expected")
    one(frame, "language_share", "benchmark", "encoder", "study", "k")
    strategies, languages = order(frame["strategy"]), sorted(set(frame["passage_language"]))
    table = frame.groupby(["passage_language", "strategy", "seed"], dropna=False)[["share", "expected"]].mean()
    table = table.assign(ratio=np.log2((table["share"] / table["expected"]).where(table["share"] > 0)))
    ratios = table["ratio"].groupby(["passage_language", "strategy"])
    figure, (axes,) = panels(1, 1, WIDTH * 0.8, _line(strategies) * len(languages) + 1.6)
    means = ratios.mean().unstack("strategy").reindex(languages)[strategies]
    bars = {key: found for key, values in ratios if (found := t_interval(values))}
    _dots(axes, means, bars)  # type: ignore[arg-type]
    axes.axvline(0, color="black", linewidth=1.2, zorder=0.9, label="expected")
    ends = [end for bar in bars.values() for end in bar[1:]]
    span = max(0.3, float(np.nanmax(np.abs([*means.to_numpy().ravel(), *ends]), initial=0.0)) * 1.08 + 0.03)
    axes.set_xlim(-span, span)
    steps = (0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4) if span < 3 else [4.0**power for power in range(-6, 7)]
    shown = [step for step in steps if abs(math.log2(step)) <= span]
    axes.set_xticks([math.log2(step) for step in shown], [f"{step:.3g}" for step in shown])
    axes.set(xlabel="share ÷ share expected (log scale; 1: no language is preferred)", ylabel="passage language")
    shares = 100 * frame["expected"].groupby(frame["passage_language"]).mean()
    texts = list(dict.fromkeys(f"{share:.3g}" for share in (shares.min(), shares.max())))
    notes = [f"expected: {' to '.join(texts)} % of the top {k}"]
    notes += ["mean over seeds" + (" and 95 % t interval" if bars else "")] if frame["seed"].nunique() > 1 else []
    notes += ["no point: the language never occurs in the top"] if means.isna().to_numpy().any() else []
    bar = Line2D([], [], color="black", linewidth=1.2, label="expected")
    foot(figure, [*handles(strategies), bar], "; ".join(notes))
    figure.suptitle(f"Languages in the top {k} of the pool")
    return figure


def _dots(axes: Axes, values: pd.DataFrame, bars: dict[tuple[str, str], Interval] | None = None) -> None:
    """One line a language (index, from the top), one point a strategy (columns), those of a language side by side.

    `bars` are intervals by language and strategy.
    """
    for nth, name in enumerate(values):
        shift = (nth - (values.shape[1] - 1) / 2) * 0.86 / values.shape[1]
        for line, tag in enumerate(values.index):
            if bar := (bars or {}).get((tag, str(name))):
                ends, shade = [bar.low, bar.high], colour(str(name))
                axes.plot(ends, [line + shift] * 2, color=shade, linewidth=1.0, label=f"{name} interval")
        axes.plot(
            values[name],
            np.arange(len(values)) + shift,
            marker(str(name)),
            color=colour(str(name)),
            markersize=3.6,
            linestyle="none",
            label=str(name),
        )
    for line in range(1, len(values)):
        axes.axhline(line - 0.5, color="#eeeeee", linewidth=0.6, zorder=0)
    row_axis(axes, [language_label(tag) for tag in values.index], below=0.5)


def _line(strategies: list[str]) -> float:
    """Inches of a language whose strategies are drawn one below another, no marker on the next."""
    return max(0.24, 0.058 * len(strategies) + 0.04)


@printed
def bias_panel(frame: pd.DataFrame) -> Figure:
    """Draw measures of language bias side by side, a small panel each: one line a strategy, seeds as points.

    Columns: strategy, seed, measure, value, better ("lower", "higher", "none": the order of the panels), chance (what
    no preference would give; NaN where there is no such value). Chance is drawn where it lies near the values, else
    written below them.
    """
    require_columns(frame, "bias_panel", "strategy", "seed", "measure", "value", "better", "chance")
    one(frame, "bias_panel", "benchmark", "encoder", "study")
    ways = frame.groupby("measure", sort=False)["better"].first()
    measures = sorted(ways.index, key=lambda name: list(_BETTER).index(ways[name]))  # those of one direction together
    strategies = order(frame["strategy"])
    figure, axes = many(len(measures), 0.2 * len(strategies) + 0.72, 0.85, WIDTH, sharey=True)
    for ax, measure in zip(axes, measures, strict=True):
        part = frame[frame["measure"] == measure]
        known = BIAS_MEASURES.get(measure, Measure(measure, "value", least=-math.inf, most=math.inf))
        dot_rows(ax, part, strategies, known.least, known.most)
        low, high = ax.get_xlim()
        shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
        if len("".join(ax.xaxis.get_major_formatter().format_ticks(shown))) > _LETTERS:
            ax.xaxis.set_major_locator(round_ticks(2))
        ax.set_title(measure)
        ax.set_xlabel(f"{known.unit}\n{_BETTER[part['better'].iloc[0]]}{_chance(ax, part)}", fontsize=7)
    notes = [seeds_note(frame, "strategy", "measure") + "; dotted: chance, where it is near"]
    notes.append("; ".join(text for name, text in _WORDS.items() if name in measures))
    foot(figure, [], "\n".join(notes).strip())
    figure.suptitle("Language bias from several sides")
    return figure


def _chance(axes: Axes, part: pd.DataFrame) -> str:
    """Draw the chance level where that leaves the values half of the axis or more; else give it as a text."""
    chance = float(part["chance"].mean())
    if math.isnan(chance):
        return ""
    low, high = part["value"].min(), part["value"].max()
    if max(high, chance) - min(low, chance) > 2 * (high - low):
        return f"; chance: {chance:,.{0 if chance >= 100 else 3}f}"
    axes.axvline(chance, color="black", linewidth=0.9, linestyle=":", zorder=0.5, label="chance")
    return ""


@printed
def language_map(frame: pd.DataFrame) -> Figure:
    """Draw the languages' mean embeddings in the plane, one map a strategy, all on one scale.

    Columns: strategy, language, x, y (units of the embeddings), shown (share of the centroids' variance that the plane
    shows) and variance (share of the embeddings' variance that lies between languages). Lengths are drawn in standard
    deviations of the embeddings of that strategy, so that the spread of a map is the variance between its languages,
    whatever the length of its embeddings.
    """
    require_columns(frame, "language_map", "strategy", "language", "x", "y", "shown", "variance")
    one(frame, "language_map", "benchmark", "encoder", "study")
    strategies = order(frame["strategy"])
    figure, axes = many(len(strategies), _MAP, 0.7, WIDTH)
    maps = {name: _standardised(frame[frame["strategy"] == name]) for name in strategies}
    half = max(max(np.ptp(part["x"]), np.ptp(part["y"])) for part in maps.values()) / 2 * 1.3 or 1.0
    for ax, (name, part) in zip(axes, maps.items(), strict=True):
        ax.plot(part["x"], part["y"], "o", color=colour(name), markersize=3.5, linestyle="none", label=name)
        x, y = ((part[side].max() + part[side].min()) / 2 for side in ("x", "y"))
        ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")
        _name(ax, part, half)
        variance = f"{part['variance'].iloc[0]:.1%} of the variance by language"
        ax.set_title(f"{label(name)}\n{variance}\nplane shows {part['shown'].iloc[0]:.0%}", fontsize=7.5)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(round_ticks(4))
        ax.set_xlabel("first axis")
    for ax in axes[:: -(-len(axes) // -(-len(axes) // 3))]:
        ax.set_ylabel("second axis")
    foot(figure, [], "axes of the plane, in standard deviations of the embeddings; one scale for all maps")
    figure.suptitle("Where the languages lie: mean embeddings of their passages")
    return figure


def _standardised(part: pd.DataFrame) -> pd.DataFrame:
    """Coordinates whose mean square is the share of the embeddings' variance that the plane shows."""
    size = (part["x"] ** 2 + part["y"] ** 2).mean()
    factor = math.sqrt(float(part["shown"].iloc[0] * part["variance"].iloc[0] / size)) if size > 0 else 1.0
    return part.assign(x=part["x"] * factor, y=part["y"] * factor)


def _name(axes: Axes, part: pd.DataFrame, half: float) -> None:
    """Write each language at the nearest place that no point and no other name takes, with a line where that is far."""
    points = part[["x", "y"]].to_numpy()
    side = 72 * (_MAP - 0.85)  # of a map in points of print, about
    at = (points - [axes.get_xlim()[0], axes.get_ylim()[0]]) * side / (2 * half)
    outward = np.arctan2(*(at - at.mean(axis=0)).T[::-1])
    taken = [(x, y, 2.5, 2.5) for x, y in at]
    for tag, (x, y), xy, away in zip(part["language"], at, points, outward, strict=True):
        wide, high = 2.4 * len(tag) + 1, 4.2  # half of a name's box
        for radius, turn in itertools.product((8, 11, 15, 20, 26, 33, 41, 50, 60, 72), _TURNS):
            angle = away + turn * math.pi / 7
            a, b = x + radius * math.cos(angle) * (1 + wide / 20), y + radius * math.sin(angle)
            if not (wide < a < side - wide and high < b < side - high):
                continue
            if not any(abs(a - c) < wide + w and abs(b - d) < high + h for c, d, w, h in taken):
                break
        else:
            a, b = x + 9, y + 5
        taken.append((a, b, wide, high))
        line = {"arrowstyle": "-", "linewidth": 0.4, "color": "#8a8a8a", "shrinkA": 0, "shrinkB": 1}
        far = line if math.hypot(a - x, b - y) > 13 else None
        look: dict[str, Any] = {
            "fontsize": 7,
            "ha": "center",
            "va": "center",
            "arrowprops": far,
            "textcoords": "offset points",
        }
        axes.annotate(tag, tuple(xy), (a - x, b - y), **look).set_in_layout(False)
