"""Figure of the checks of a plan: how often each language was drawn, beside what chance allows."""

from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from hybridkit.plots.frames import need
from hybridkit.plots.strategies import label, order
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks
from hybridkit.plots.text import language_label

SIDES = {"both": ("#0072B2", "o", 0.0), "query": ("#0072B2", "o", -0.2), "passage": ("#E69F00", "s", 0.2)}
TITLE = 34  # characters of a panel's title in one line


@printed
def plan_languages(frame: pd.DataFrame) -> Figure:
    """Share of each language among what a plan drew, and the interval that chance allows, a panel a kind of batch.

    Columns: strategy, kind, side ("query", "passage" or "both"), language, share, low, high (0 to 1), as `languages` of
    a `PlanReport`. Dots outside of their interval are ringed in red.
    """
    need(frame, "plan_languages", "strategy", "kind", "side", "language", "share", "low", "high")
    pairs = frame[["strategy", "kind"]].drop_duplicates()
    parts = [(name, kind) for name in order(pairs["strategy"]) for kind in pairs.loc[pairs["strategy"] == name, "kind"]]
    languages = sorted(set(frame["language"]))
    place = {tag: number for number, tag in enumerate(languages)}
    columns = min(len(parts), 3)
    rows = -(-len(parts) // columns)
    lines = max(len(fill(label(name), TITLE).splitlines()) for name, _ in parts)
    height = rows * (0.2 * len(languages) + 0.75 + 0.13 * lines) + 0.5
    figure, axes = panels(rows, columns, max(WIDTH * columns / 3, 4.2), height, sharey=True)
    for spare in axes[len(parts) :]:
        spare.set_visible(False)
    for ax, (name, kind) in zip(axes, parts, strict=False):
        part = frame[(frame["strategy"] == name) & (frame["kind"] == kind)]
        for side, tag, share, low, high in part[["side", "language", "share", "low", "high"]].itertuples(index=False):
            shade, marker, shift = SIDES[side]
            at = place[tag] + shift
            ax.plot([low, high], [at, at], color="#c8c8c8", linewidth=3.6, solid_capstyle="butt", zorder=1)
            odd: dict[str, Any] = {} if low <= share <= high else {"markeredgecolor": "#CC0000", "markeredgewidth": 1.4}
            ax.plot([share], [at], marker, color=shade, markersize=4, zorder=2, **odd)
        ax.set_title(f"{fill(label(name), TITLE)}\n{kind} batches")
        ax.margins(x=0.08)
        if part["share"].min() == 1:  # one language has all: no scale around a point, nor shares above the whole
            ax.set_xlim(0, 1.04)
        ax.xaxis.set_major_locator(round_ticks(4))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        ax.grid(axis="x")
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("share")
    axes[0].set_yticks(list(place.values()), [language_label(tag) for tag in languages])
    axes[0].set_ylim(len(languages) - 0.4, -0.6)
    sides = [side for side in SIDES if side in set(frame["side"])]
    words = {"both": "language of query and passage", "query": "language of the query", "passage": "of the passage"}
    entries: list[Any] = [Line2D([], [], color=SIDES[one][0], marker=SIDES[one][1], linestyle="none", markersize=4.5,
                      label=words[one]) for one in sides if one != "both" or "query" not in sides]  # fmt: skip
    entries.append(Patch(color="#c8c8c8", label="where all of them lie in 99.9 % of plans"))
    foot(figure, entries)
    figure.suptitle("Languages drawn, and what chance allows")
    return figure
