"""The figure of re-rankers: what each strategy gains over the first, by how far the languages are from English."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hybridkit.evaluation.measures import SETTINGS, in_order
from hybridkit.plots.marks import better, handles, name_grid, one, require_columns
from hybridkit.plots.palette import NEUTRAL, colour, marker
from hybridkit.plots.style import WIDTH, foot, panels, printed, round_ticks
from hybridkit.sampling.labels import label, order

_PAPER = {"mono": "MoIR", "cross": "CLIR", "pool": "MLIR"}  # as arXiv 2305.05295 calls the settings


@printed
def gains_by_distance(frame: pd.DataFrame) -> Figure:
    """The gain of each strategy over another by the languages' distance from English, a panel a setting.

    Columns: benchmark (a line of panels each), strategy, against, setting, distance, difference, measure: a point is a
    language (mono, pool) or a pair of languages (cross), averaged over trainings; lines are least squares.
    """
    columns = ("benchmark", "strategy", "against", "setting", "distance", "difference", "measure")
    require_columns(frame, "gains_by_distance", *columns)
    one(frame, "gains_by_distance", "against", "measure", "encoder", "study")
    rows, settings = list(dict.fromkeys(frame["benchmark"])), in_order(frame["setting"])
    strategies, measure = order(frame["strategy"]), str(frame["measure"].iloc[0])
    height = 2.5 * len(rows) + 0.6 + 0.17 * len(strategies)
    figure, axes = panels(len(rows), len(settings), WIDTH, height, sharey=True, sharex=True)
    for number, ax in enumerate(axes):
        row, setting = rows[number // len(settings)], settings[number % len(settings)]
        part = frame[(frame["benchmark"] == row) & (frame["setting"] == setting)]
        ax.axhline(0, color=NEUTRAL, linewidth=0.8, zorder=0.5)
        for name in strategies:
            own = part[part["strategy"] == name]
            x, y = own["distance"].to_numpy(float), own["difference"].to_numpy(float)
            shade = colour(name)
            ax.plot(x, y, linestyle="none", color=shade, marker=marker(name), markersize=3.2, alpha=0.75, label=name)
            if len(set(x)) > 1:
                ends = np.array([x.min(), x.max()])
                ax.plot(ends, np.polyval(np.polyfit(x, y, 1), ends), color=shade, linewidth=1.1, label=f"{name}, line")
        ax.xaxis.set_major_locator(round_ticks(4))
        ax.margins(0.07)
    titles = [f"{SETTINGS.get(name, name)} ({_PAPER[name]})" if name in _PAPER else name for name in settings]
    name_grid(
        axes,
        titles,
        ["distance from English"] * len(settings),
        [f"{one}\nΔ {measure}  {better(measure, True)}" for one in rows],
    )
    note = "distance: by syntax (URIEL), 0 to 1; of a pair the mean of both languages'; in the pool the query's"
    foot(figure, handles(strategies), note, columns=2)
    against = label(str(frame["against"].iloc[0]))
    figure.suptitle(f"{measure} of re-rankers gained over {against}, by distance from English")
    return figure
