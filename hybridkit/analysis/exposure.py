"""What the strategies of a study are trained on, side by side: whether they saw the same sources and languages."""

import pandas as pd

from hybridkit.models.embedding import text_lengths
from hybridkit.sampling.exposure import COMPARED, TOTALS, exposure, exposure_sentences, side_by_side
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED


def study_exposure(run: Run, tokens: bool = True) -> pd.DataFrame:
    """Return the exposure of a study's strategies, seeds together: that of `exposure`.

    Tokens are those that the study's encoder reads; without them no encoder is opened.
    """
    lengths = text_lengths(run.trained.encoder(), run.study.training.max_length) if tokens else None
    specs: dict[str, list[ModelSpec]] = {}
    for spec in run.models():
        if spec.strategy != UNTRAINED:
            specs.setdefault(spec.strategy, []).append(spec)
    parts = []
    for name, own in specs.items():
        corpus = run.corpus(own[0])
        parts.append(exposure({name: [run.plan(spec) for spec in own]}, corpus, run.rows.sources(corpus), lengths))
    return pd.concat(parts, ignore_index=True)


def exposure_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame without pairs of languages as a table, strategies across: shares in percent, and totals."""
    table = side_by_side(frame[frame["by"] != "pair"])
    table[~table.index.get_level_values("by").isin(TOTALS)] *= 100
    return table.rename(index={by: f"{by}, %" for by in COMPARED})


def exposure_note(frame: pd.DataFrame) -> str:
    """Return what a table of differences between strategies must say of their exposure, a line each."""
    return "\n".join(exposure_sentences(frame))
