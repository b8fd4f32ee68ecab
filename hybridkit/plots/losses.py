"""The figure of training: loss against step."""

import pandas as pd
from matplotlib.figure import Figure

from hybridkit.plots.frames import need
from hybridkit.plots.strategies import colour, handles, order
from hybridkit.plots.style import WIDTH, foot, panels, printed

KINDS = ("mono", "cross", "mixed")


def smooth(losses: pd.Series, span: int) -> pd.Series:
    """Exponentially weighted mean of a series, weight 2 / (span + 1) on the newest value, bias of the start corrected.

    >>> [round(value, 3) for value in smooth(pd.Series([1.0, 0.0, 0.0]), span=3)]
    [1.0, 0.333, 0.143]
    """
    return losses.ewm(span=span, adjust=True).mean()


@printed
def loss_curves(frame: pd.DataFrame, span: int = 20) -> Figure:
    """Smoothed training loss by step, one panel a batch kind, thin lines for seeds and a thick one for their mean.

    Columns: strategy, seed, step (from 0), kind ("mono", "cross", "mixed"), loss (in-batch InfoNCE, nats). Kinds have
    panels of their own because their losses do not compare: the negatives of a batch in one language are harder to
    tell from the passage than those of a batch in many. `span` is the smoothing, in batches of that kind.
    """
    need(frame, "loss_curves", "strategy", "seed", "step", "kind", "loss")
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
