"""One function a figure: a tidy frame in, a matplotlib Figure out; `draw` also keeps its frame, PNG and SVG.

A figure knows its frame and nothing of studies or runs: this room may import evaluation, data and utils, and the labels
of sampling. Start at `scores.settings`; every figure of the kit is in `FIGURES`, by the name of its function. A figure
is imported when it is first used, so that the colours of strategies (`palette`) cost no plotting library.
"""

from typing import TYPE_CHECKING, Any

from hybridkit.utils.lazy import lazy_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from hybridkit.plots.figure_files import draw as draw
    from hybridkit.plots.figure_files import kept as kept
    from hybridkit.plots.style import save as save

    FIGURES: dict[str, Callable[..., Figure]]

_HOMES = {
    "batches": ("batch_composition", "exposure", "batch_examples", "plan_languages"),
    "bias": ("rank_distance", "language_share", "bias_panel", "language_map"),
    "claim_matrix": ("claims",),
    "setting_curves": ("curves", "curve_differences", "pair_batches"),
    "data": ("coverage", "text_lengths", "sample_row"),
    "diversity": (
        "diversity_curve",
        "diversity_collections",
        "diversity_interaction",
        "diversity_pairs",
        "diversity_distance",
        "diversity_left_out",
    ),
    "pairs": ("language_pairs", "pair_difference"),
    "remedies": ("remedy_planes", "remedy_effects", "remedy_collections"),
    "rerankers": ("gains_by_distance",),
    "scores": ("settings", "effects", "published", "loss_curves", "loss_and_ap"),
}
_FOUND = {name: f"plots.{module}" for module, names in _HOMES.items() for name in names} | {
    "draw": "plots.figure_files",
    "kept": "plots.figure_files",
    "save": "plots.style",
}

__all__ = [*_FOUND, "FIGURES"]  # noqa: PLE0604

_find = lazy_names(__name__, _FOUND)


def __getattr__(name: str) -> Any:
    if name == "FIGURES":
        return {figure: _find(figure) for names in _HOMES.values() for figure in names}
    return _find(name)
