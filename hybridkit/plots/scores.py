"""Figures of results: a measure by setting, differences from a baseline, published numbers beside ours, and losses."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hybridkit.errors import InputError
from hybridkit.evaluation.loss_and_ap import loss_correlations
from hybridkit.evaluation.measures import DISTANCE, SETTINGS, in_order, measure_of
from hybridkit.plots.marks import (
    DIFFERENCE,
    FAR,
    better,
    difference_bars,
    difference_key,
    dot_rows,
    handles,
    log_ranks,
    name_grid,
    one,
    pick,
    reach,
    require_columns,
    row_axis,
    seeds_note,
    strategy_axis,
)
from hybridkit.plots.palette import INK, colour, marker
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks
from hybridkit.sampling.labels import UNTRAINED, label, order

_DISTANCE = "rank distance"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
KINDS = ("mono", "cross", "mixed")
OURS = "this study"  # a source of numbers
_BATCHES = {"mono": "one language", "cross": "one pair of languages", "pool": "mixed languages"}


@printed
def settings(frame: pd.DataFrame, measure: str = "AP") -> Figure:
    """A measure by setting (columns) and strategy (rows), one line of panels a benchmark, seeds as points.

    Columns: strategy, seed, benchmark, setting ("mono", "cross", "pool"), measure, value (macro means). From three
    seeds on a bar shows the 95 % t interval of the mean over seeds; the dotted line is the untrained encoder.
    """
    require_columns(frame, "settings", "strategy", "seed", "benchmark", "setting", "measure", "value")
    one(frame, "settings", "encoder", "study")
    frame = pick(frame, "settings", "measure", measure)
    benchmarks, columns = list(dict.fromkeys(frame["benchmark"])), in_order(frame["setting"])
    strategies, measured = order(frame["strategy"]), measure_of(measure)
    height = len(benchmarks) * (0.26 * len(strategies) + 0.6) + 0.95
    figure, axes = panels(len(benchmarks), len(columns), WIDTH, height, sharey=True)
    for number, ax in enumerate(axes):
        benchmark, setting = benchmarks[number // len(columns)], columns[number % len(columns)]
        part = frame[(frame["benchmark"] == benchmark) & (frame["setting"] == setting)]
        dot_rows(ax, part, strategies, measured.least, measured.most)
        untrained = part.loc[part["strategy"] == UNTRAINED, "value"].mean()
        if not pd.isna(untrained):
            ax.axvline(untrained, color="#767676", linewidth=0.8, linestyle=":", zorder=0.5)
    _same_length(axes, measured.least, measured.most)
    below = [f"{measured.label.partition(' (')[0]}\n{better(measure)}"] * len(columns)
    name_grid(axes, [SETTINGS.get(name, name) for name in columns], below, benchmarks)
    notes = [seeds_note(frame, "strategy", "benchmark", "setting") + "; dotted: untrained" * (UNTRAINED in strategies)]
    notes.append("the same difference has the same length in all panels" + "".join(map(_part, benchmarks)))
    foot(figure, [], "\n".join(notes))
    figure.suptitle(f"{measure} by setting and strategy")
    return figure


def _same_length(axes: list[Axes], least: float, most: float) -> None:
    """Let all x axes span as much as the longest, so that differences can be compared across panels by eye."""
    span = max(high - low for low, high in (ax.get_xlim() for ax in axes))
    for ax in axes:
        low = sum(ax.get_xlim()) / 2 - span / 2
        if span < most - least:  # an axis does not go on where no value can be
            low = min(max(low, least - 0.05 * span), most - 0.95 * span)
        ax.set_xlim(low, low + span)


def _part(benchmark: str) -> str:
    """What the brackets of a benchmark's name say, for the foot of a figure; "" for a whole benchmark."""
    whole, bracket, part = benchmark.partition("[")
    if not bracket:
        return ""
    first, colon, last = part.rstrip("]").partition(":")
    if not colon:
        return f"; {benchmark}: the languages {part.rstrip(']')} of {whole}"
    where = f"{int(first or 0) + 1} to {last}" if last else f"{int(first or 0) + 1} and later"
    return f"; {benchmark}: articles {where} of {whole}"


@printed
def effects(frame: pd.DataFrame, baseline: str = "", measure: str = "AP") -> Figure:
    """The difference of each system from a baseline, a panel a setting and one for the rank distance.

    Columns: system, against, setting, measure, difference, low, high, crossed_low, crossed_high, mark: the rows of
    `scores.compare_with_baseline`. Thick bars are intervals over questions, thin ones over questions and trainings.
    What is compared with another system than the baseline has rows of its own; benchmark makes a line of panels each.
    """
    require_columns(frame, "effects", "system", "against", "setting", "measure", *DIFFERENCE)
    one(frame, "effects", "encoder", "study")
    names = frame["setting"].where(frame["measure"] == measure, _DISTANCE)
    frame = frame.assign(panel=names)[frame["measure"].isin([measure, DISTANCE])]
    if frame.empty:
        raise InputError(f"figure effects: no rows of {measure!r} or 'rank_distance'; nothing to draw")
    frame = frame.assign(other=frame["against"].where(frame["against"] != baseline, ""))
    rows = list(dict.fromkeys(frame["benchmark"])) if "benchmark" in frame.columns else [""]
    columns, systems = in_order(frame["panel"]), order(frame["system"])
    columns = [name for name in columns if name != _DISTANCE] + [_DISTANCE] * (_DISTANCE in columns)
    pairs = sorted(set(zip(frame["system"], frame["other"], strict=True)), key=lambda at: (at[1], systems.index(at[0])))
    height = len(rows) * (0.26 * len(pairs) + 0.1 * sum(bool(other) for _, other in pairs) + 0.75) + 1.25
    figure, axes = panels(len(rows), len(columns), WIDTH, height, sharey=True)
    far: list[float] = []
    for number, ax in enumerate(axes):
        row, name = rows[number // len(columns)], columns[number % len(columns)]
        chosen = frame["panel"] == name
        part = frame[chosen & (frame["benchmark"] == row) if row else chosen]
        far.append(reach(part))
        _forest(ax, part, pairs, far[-1])
    titles = [SETTINGS.get(name, "language bias" if name == _DISTANCE else name) for name in columns]
    below = [
        f"Δ rank distance (ranks)\n{better(DISTANCE)}" if name == _DISTANCE else f"Δ mean {measure}\n{better(measure)}"
        for name in columns
    ]
    name_grid(axes, titles, below, rows)
    notes = ["each panel has its own scale", *[FAR] * any(map(math.isfinite, far))]
    foot(figure, difference_key(), "; ".join(notes) + "".join(map(_part, rows)), columns=1)
    figure.suptitle("Difference" + f" from {label(baseline)}" * bool(baseline))
    return figure


def _forest(axes: Axes, frame: pd.DataFrame, pairs: list[tuple[str, str]], far: float) -> None:
    """A row for each system and what else it is compared with ("": the baseline)."""
    axes.axvline(0, color="#767676", linewidth=0.8, zorder=0.5)
    for system, other, *row in frame[["system", "other", *DIFFERENCE]].itertuples(index=False, name=None):
        difference_bars(axes, row, pairs.index((system, other)), colour(system), marker(system), far)
    row_axis(axes, ["\n− ".join(label(name) for name in pair if name) for pair in pairs])
    axes.xaxis.set_major_locator(round_ticks(3))
    axes.margins(x=0.1)


@printed
def published(frame: pd.DataFrame) -> Figure:
    """Published numbers (hollow) beside ours (filled), by strategy, in one panel a setting and measure.

    Columns: benchmark, setting, system (the encoder), strategy, measure, value, source (where the number is from; rows
    of `OURS` are drawn filled). One line of panels a benchmark; several rows of one point (seeds) are averaged.
    """
    require_columns(frame, "published", "benchmark", "setting", "system", "strategy", "measure", "value", "source")
    points = frame.groupby(["benchmark", "setting", "measure", "strategy", "system", "source"], sort=False)["value"]
    frame = points.mean().reset_index()
    kinds = list(dict.fromkeys(zip(frame["setting"], frame["measure"], strict=True)))
    kinds.sort(key=lambda kind: (kind[1] == DISTANCE, kind[1], in_order(frame["setting"]).index(kind[0])))
    benchmarks, strategies = list(dict.fromkeys(frame["benchmark"])), order(frame["strategy"])
    systems = sorted({(system, source) for system, source in zip(frame["system"], frame["source"], strict=True)})
    names = sorted({system for system, _ in systems})
    height = len(benchmarks) * (0.28 * len(strategies) + 0.62) + 0.3 + 0.2 * -(-len(systems) // 3)
    figure, axes = panels(len(benchmarks), len(kinds), max(WIDTH * min(len(kinds), 4) / 4, 4.2), height, sharey=True)
    log = False
    for number, ax in enumerate(axes):
        benchmark, (setting, measure) = benchmarks[number // len(kinds)], kinds[number % len(kinds)]
        here = (frame["benchmark"] == benchmark) & (frame["setting"] == setting) & (frame["measure"] == measure)
        for nth, (system, source) in enumerate(systems):
            shift = (nth - (len(systems) - 1) / 2) * 0.6 / max(len(systems), 1)
            part = frame[here & (frame["system"] == system) & (frame["source"] == source)]
            at = [strategies.index(name) + shift for name in part["strategy"]]
            ax.plot(part["value"], at, label=f"{system}, {source}", **_look(names.index(system), source == OURS))
        for line in range(1, len(strategies)):
            ax.axhline(line - 0.5, color="#eeeeee", linewidth=0.6, zorder=0)
        strategy_axis(ax, strategies, below=0.5)
        if measure == DISTANCE:  # one scale for all benchmarks
            distances = frame.loc[frame["measure"] == DISTANCE, "value"]
            log = log_ranks(ax, distances, ticks=(1.0, 3.0))
            if not log:
                ax.set_xlim(0, 1.06 * distances.max())
    titles = ["language bias" if name == DISTANCE else SETTINGS.get(setting, setting) for setting, name in kinds]
    below = [
        f"rank distance (ranks{', log scale' * log})\n{better(name)}"
        if name == DISTANCE
        else f"mean {name}\n{better(name)}"
        for _, name in kinds
    ]
    name_grid(axes, titles, below, benchmarks)
    entries = [
        Line2D([], [], label=f"{system}, {source}", **_look(names.index(system), source == OURS))
        for system, source in systems
    ]
    foot(figure, entries, columns=2)
    figure.suptitle("Published numbers (hollow) and ours (filled)")
    return figure


def _look(number: int, filled: bool) -> dict[str, Any]:
    look: dict[str, Any] = {"marker": _MARKERS[number % len(_MARKERS)], "linestyle": "none", "markersize": 4.5}
    return {**look, "color": INK, "markerfacecolor": INK if filled else "none", "markeredgewidth": 1.0}


def smooth(losses: pd.Series, span: int) -> pd.Series:
    """Exponentially weighted mean of a series, weight 2 / (span + 1) on the newest value, bias of the start corrected.

    It begins where a quarter of the span is there: a mean of one or two batches would be a start that was none.

    >>> [round(value, 3) for value in smooth(pd.Series([1.0, 0.0, 0.0]), span=3)]
    [1.0, 0.333, 0.143]
    """
    return losses.ewm(span=span, adjust=True, min_periods=min(span // 4, len(losses))).mean()


@printed
def loss_curves(frame: pd.DataFrame, span: int = 20) -> Figure:
    """Smoothed training loss by step, one panel a batch kind, thin lines for seeds and a thick one for their mean.

    Columns: strategy, seed, step (from 0), kind ("mono", "cross", "mixed"), loss (in-batch InfoNCE, nats). Kinds have
    panels of their own because their losses do not compare: the negatives of a batch in one language are harder to
    distinguish from the passage than those of a batch in many. `span` is the smoothing, in batches of that kind.
    """
    require_columns(frame, "loss_curves", "strategy", "seed", "step", "kind", "loss")
    kinds = sorted(set(frame["kind"]), key=lambda kind: (KINDS.index(kind) if kind in KINDS else 9, kind))
    figure, axes = panels(1, len(kinds), WIDTH if len(kinds) > 1 else 4.6, 2.9, sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        for name in order(frame["strategy"]):
            part = frame[(frame["kind"] == kind) & (frame["strategy"] == name)].sort_values("step")
            curves = [
                pd.Series(smooth(run["loss"], span).to_numpy(), index=run["step"].to_numpy())
                for _, run in part.groupby("seed", dropna=False)
            ]
            for curve in curves if len(curves) > 1 else []:
                ax.plot(curve.index + 1, curve.to_numpy(), color=colour(name), linewidth=0.5, alpha=0.45)
            if curves:  # a hybrid's seeds have their batches of a kind at different steps
                table = pd.concat(curves, axis=1).sort_index().interpolate(limit_area="inside")
                mean = table.dropna().mean(axis=1)
                ax.plot(mean.index + 1, mean.to_numpy(), color=colour(name), linewidth=1.6, label=name)
        ax.set(title=f"{kind} batches", xlabel="step", xlim=(0, int(frame["step"].max()) + 2))
        ax.grid(axis="y")
    axes[0].set_ylabel("InfoNCE loss (nats)")
    axes[0].set_ylim(bottom=0)
    seeds = frame["seed"].nunique()
    text = f"smoothed over {span} batches" + (f"; thin: {seeds} seeds, thick: their mean" if seeds > 1 else "")
    foot(figure, handles(frame["strategy"], line=True), text)
    figure.suptitle("Training loss by kind of batch")
    return figure


@printed
def loss_and_ap(frame: pd.DataFrame) -> Figure:
    """AP of each model over its loss on new batches, one panel a kind of batch, with the rank correlations.

    Columns: strategy, seed, kind ("mono", "cross", "pool"), loss (nats), AP (in the setting of that kind). Small points
    are models, large ones the means of a strategy over its seeds; the untrained encoder is hollow.
    """
    require_columns(frame, "loss_and_ap", "strategy", "seed", "kind", "loss", "AP")
    one(frame, "loss_and_ap", "benchmark", "encoder", "study")
    frame = frame.dropna(subset="AP")
    kinds, strategies, found = in_order(frame["kind"]), order(frame["strategy"]), loss_correlations(frame)
    figure, axes = panels(1, len(kinds), WIDTH if len(kinds) > 1 else 4.6, 3.5)
    for ax, kind in zip(axes, kinds, strict=True):
        part = frame[frame["kind"] == kind]
        for name in strategies:
            own = part[part["strategy"] == name]
            look: dict[str, Any] = {"marker": marker(name), "color": colour(name), "linestyle": "none"}
            look["markerfacecolor"] = "none" if name == UNTRAINED else colour(name)
            if len(own) > 1:
                ax.plot(own["loss"], own["AP"], **{**look, "markersize": 3, "alpha": 0.5})
            ax.plot([own["loss"].mean()], [own["AP"].mean()], label=name, markersize=6, **look)
        ax.set_title(f"{_BATCHES.get(kind, kind)}\n{_correlations(found[found['kind'] == kind])}", fontsize=8)
        ax.set_xlabel("loss (nats)")
        ax.set_ylabel(f"AP, {kind}")
        ax.grid(axis="both")
        ax.margins(0.12)
    text = "titles: rank correlations (in brackets with the untrained encoder); large: mean over seeds, small: models"
    foot(figure, handles(strategies), text)
    figure.suptitle("Loss on new batches, and AP in the setting of that kind")
    return figure


def _correlations(found: pd.DataFrame) -> str:
    """The rank correlations of a panel: over models and over means, without the untrained encoder and with it."""
    lines = []
    for over, name in (("models", "models"), ("strategy means", "means")):
        rows = found[found["over"] == over]
        # two strategies have a correlation with the untrained encoder only
        shown = []
        for untrained, value in sorted(zip(rows["untrained"], rows["value"], strict=True)):
            text = f"{value:.2f}".replace("-", "−")  # noqa: RUF001
            shown.append(f"({text})" if untrained else text)
        lines += [f"{name}: {' '.join(shown)}"] * bool(shown)
    return "\n".join(lines) or "too few models"
