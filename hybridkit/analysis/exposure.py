"""What the strategies of a study are trained on, side by side: whether they saw the same sources and languages."""

from collections.abc import Sequence

import pandas as pd

from hybridkit.models.embedding import text_lengths
from hybridkit.sampling.exposure import COLUMNS, exposure, exposure_sentences, side_by_side
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED
from hybridkit.study.training_rows import sources_of


def study_exposure(run: Run, strategies: Sequence[str] = ()) -> pd.DataFrame:
    """Return the exposure of a study's strategies (all unless some are named), seeds together: that of `exposure`.

    Tokens are those that the study's encoder reads.
    """
    study = run.study
    lengths = text_lengths(run.trained.encoder(), study.training.max_length)
    paths = list(map(study.at, study.rows.files))
    parts = []
    for name in strategies or dict.fromkeys(spec.strategy for spec in run.models()):
        specs = [spec for spec in run.models() if spec.strategy == name and name != UNTRAINED]
        if specs:
            corpus = run.corpus(specs[0])
            sources = sources_of(corpus.ids, study.rows.files, paths)
            parts.append(exposure({name: [run.plan(spec) for spec in specs]}, corpus, sources, lengths))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def exposure_table(frame: pd.DataFrame, pairs: bool = False) -> pd.DataFrame:
    """Return the frame as a table, strategies across, shares in percent; pairs of languages only where asked for."""
    table = side_by_side(frame if pairs else frame[frame["by"] != "pair"])
    shares = ~table.index.get_level_values("by").isin(("tokens", "distinct rows", "distinct texts"))
    table[shares] *= 100
    return table.rename(index={by: f"{by}, %" for by in ("source", "query language", "passage language", "pair")})


def exposure_note(frame: pd.DataFrame) -> str:
    """Return what a table of differences between strategies must say of their exposure, a line each."""
    return "\n".join(exposure_sentences(frame))
