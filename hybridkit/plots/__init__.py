"""One function a figure: a tidy frame in, a matplotlib Figure out; `save` writes it as PNG and SVG."""

from collections.abc import Callable

from matplotlib.figure import Figure

from hybridkit.evaluation.intervals import Interval, t_interval
from hybridkit.plots.batches import batch_composition, batch_examples
from hybridkit.plots.bias import language_share, rank_distance
from hybridkit.plots.checks import plan_languages
from hybridkit.plots.claims import claims
from hybridkit.plots.curves import curve_differences, curves, pair_batches
from hybridkit.plots.data import coverage, text_lengths
from hybridkit.plots.diversity import diversity_curve, diversity_distance, diversity_interaction
from hybridkit.plots.diversity_pairs import diversity_pairs
from hybridkit.plots.effects import effects
from hybridkit.plots.losses import loss_curves
from hybridkit.plots.pairs import language_pairs, pair_difference
from hybridkit.plots.panel import bias_panel, language_map
from hybridkit.plots.published import published
from hybridkit.plots.sample import sample_row
from hybridkit.plots.scores import settings
from hybridkit.plots.style import save

FIGURES: dict[str, Callable[..., Figure]] = {
    figure.__name__: figure
    for figure in (
        coverage, text_lengths, sample_row, batch_composition, batch_examples, plan_languages, loss_curves, settings,
        language_pairs, pair_difference, effects, curves, curve_differences, pair_batches, rank_distance,
        language_share, bias_panel, language_map, published,
        diversity_curve, diversity_interaction, diversity_pairs, diversity_distance, claims,
    )
}  # fmt: skip

__all__ = [*FIGURES, "FIGURES", "Interval", "save", "t_interval"]  # noqa: PLE0604
