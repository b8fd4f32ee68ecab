"""Language bias from several sides: what a multilingual pool's ranking owes to language and not to content.

From the rank table: `rank_distance`, `normalised_distance`, `target_removal`, `language_gap`. From scores:
`language_share`, `peer`. From embeddings: `score_margin`, `language_probe`, `language_centroids`, `language_variance`.
`panel.bias_panel` has all of them for the models of a study, and `verdict` says in words what changes.
"""

from hybridkit.bias.distance import mean_rank_distance, normalised_distance, random_distances, rank_distance
from hybridkit.bias.fairness import kruskal_wallis, peer
from hybridkit.bias.gap import language_gap
from hybridkit.bias.margin import score_margin
from hybridkit.bias.removal import target_removal
from hybridkit.bias.share import language_share, top_columns
from hybridkit.bias.space import language_centroids, language_probe, language_variance
from hybridkit.bias.words import verdict

__all__ = [
    "kruskal_wallis", "language_centroids", "language_gap", "language_probe", "language_share", "language_variance",
    "mean_rank_distance", "normalised_distance", "peer", "random_distances", "rank_distance", "score_margin",
    "target_removal", "top_columns", "verdict",
]  # fmt: skip
