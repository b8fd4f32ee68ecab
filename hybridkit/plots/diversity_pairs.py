"""Figure of the pairs of languages under the least and the most diverse set of training languages."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from hybridkit.plots.frames import matrix, need, one, pick
from hybridkit.plots.matrix import READABLE, colour_bar, heat, small_multiples
from hybridkit.plots.strategies import label
from hybridkit.plots.style import foot, printed


@printed
def diversity_pairs(frame: pd.DataFrame, strategy: str = "", measure: str = "RR") -> Figure:
    """A measure by pair of languages for the least and the most diverse set, and their difference.

    Columns: which ("least", "most"), languages, query_language, passage_language, value (`slices.extremes`). Languages
    that the set has are in bold at its axes.
    """
    need(frame, "diversity_pairs", "which", "languages", "query_language", "passage_language", "value")
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
