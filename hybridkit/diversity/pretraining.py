"""Whether the languages that an encoder was pretrained on more fare better: a line over languages."""

import math

import numpy as np
import pandas as pd

from hybridkit.diversity.words import amount
from hybridkit.study import UNTRAINED

LANGUAGES_FOR_LINE = 5


def by_language(frame: pd.DataFrame, measure: str = "RR") -> pd.DataFrame:
    """Value of each query language in cross-lingual pairs with its pretraining share, before and after training.

    Columns: language, share, untrained (mean over passage languages), gain (mean over all models that have trained on
    neither language of a pair, against the untrained encoder on that pair). Empty where shares are not published.
    """
    chosen = frame[(frame["measure"] == measure) & (frame["setting"] == "cross")].dropna(subset=["query_share"])
    pair = ["series", "benchmark", "query_language", "passage_language"]
    base = chosen.loc[chosen["strategy"] == UNTRAINED, [*pair, "value"]].rename(columns={"value": "base"})
    unseen = chosen[(chosen["strategy"] != UNTRAINED) & (chosen["seen"] == "unseen-unseen")].merge(base, on=pair)
    gain = (unseen["value"] - unseen["base"]).groupby(unseen["query_language"]).mean()
    table = pd.DataFrame(
        {"share": chosen.groupby("query_language")["query_share"].first(),
         "untrained": base.groupby("query_language")["base"].mean(), "gain": gain}
    )  # fmt: skip
    return table.rename_axis("language").reset_index()


def share_told(table: pd.DataFrame, measure: str = "RR") -> list[str]:
    """Say what a doubling of the pretraining share goes with, with Student's t interval over languages.

    A language is one point of a straight line in log2 of its share; languages differ by much else, so that this is
    what goes together and no effect.
    """
    if table.empty:
        return ["The encoder's pretraining text is not published by language (or it has none): shares are missing."]
    told = []
    for column, what in (
        ("untrained", f"{measure} of the untrained encoder"),
        ("gain", f"the gain in {measure} unseen"),
    ):
        known = table[(table["share"] > 0) & table[column].notna()]
        if len(known) < LANGUAGES_FOR_LINE:
            told.append(f"How {what} goes with the pretraining share cannot be estimated: {len(known)} languages.")
            continue
        slope, low, high = _line(np.log2(known["share"].to_numpy(float)), known[column].to_numpy(float))
        told.append(
            f"A query language with twice the pretraining text goes with a change of {what} by "
            f"{amount(slope, low, high)} ({len(known)} languages)."
        )
    return told


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    from scipy.stats import linregress, t

    found = linregress(x, y)
    half = float(t.ppf(0.975, len(x) - 2) * found.stderr) if found.stderr > 0 else math.nan
    return float(found.slope), float(found.slope) - half, float(found.slope) + half
