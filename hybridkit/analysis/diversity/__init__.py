# ruff: noqa: F401  public names
"""How the diversity of the training languages changes retrieval: outcomes, regressions, sentences.

It may import what `analysis` may. Start at `outcomes`. A study without the section `diversity` gives empty frames and
lists everywhere.
"""

from hybridkit.analysis.diversity.collections import (
    collection_effects,
    collection_outcomes,
    collection_sentences,
    collection_values,
)
from hybridkit.analysis.diversity.evidence import mean_steps, pair_sums
from hybridkit.analysis.diversity.left_out import left_out, left_out_sentences
from hybridkit.analysis.diversity.outcomes import (
    BY,
    MEASURES,
    by_distance,
    extremes,
    gains,
    main_strategy,
    means,
    models,
    pair_outcomes,
    per_model,
)
from hybridkit.analysis.diversity.regression import check, regress
from hybridkit.analysis.diversity.sentences import (
    by_language,
    effects,
    fit_sentences,
    limits,
    regression_sentences,
    regressions,
    share_sentences,
    step_sentences,
    steps,
    strategy_differences,
)
