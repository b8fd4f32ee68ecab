"""Whether models with a lower loss on new batches have a higher AP: rank correlations by kind of batch."""

import pandas as pd

from hybridkit.sampling.labels import UNTRAINED


def loss_correlations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rank correlation of loss and AP by kind of batch.

    Args:
        frame: A line for each model and kind: strategy, seed, kind, loss, AP. Lines without an AP are left out.

    Returns:
        kind, over ("models" or "strategy means"), untrained (whether the untrained encoder is among them), count, value
        (-1..1; negative: a lower loss goes with a higher AP). Below three models or means there is no line, nor where
        all have one loss or AP. Seeds of one strategy are no independent models; that is why means are there.

    Example:
        >>> rows = [("untrained", 0, 9.0, 0.1), ("mono", 0, 2.0, 0.5), ("cross", 0, 1.0, 0.6), ("mixed", 0, 3.0, 0.7)]
        >>> frame = pd.DataFrame(rows, columns=["strategy", "seed", "loss", "AP"]).assign(kind="pool")
        >>> loss_correlations(frame)[["over", "untrained", "count", "value"]].round(1).values.tolist()[::2]
        [['models', False, 3, 0.5], ['models', True, 4, -0.4]]
    """
    from scipy.stats import spearmanr

    rows = []
    for kind, part in frame.dropna(subset="AP").groupby("kind", sort=False):
        for untrained in (False, True):
            models = part if untrained else part[part["strategy"] != UNTRAINED]
            if untrained and not (part["strategy"] == UNTRAINED).any():
                continue
            means = models.groupby("strategy", sort=False)[["loss", "AP"]].mean()
            for over, points in (("models", models), ("strategy means", means)):
                if len(points) >= 3 and points[["loss", "AP"]].nunique().min() > 1:
                    value = float(spearmanr(points["loss"], points["AP"]).statistic)
                    rows.append((kind, over, untrained, len(points), value))
    return pd.DataFrame(rows, columns=["kind", "over", "untrained", "count", "value"])
