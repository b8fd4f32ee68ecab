"""The sides of language bias: what each measure is called, which way is better, and its unit on an axis."""

from typing import NamedTuple


class Side(NamedTuple):
    """A measure of bias: which way is better ("lower", "higher", or "none" where neither is) and its unit."""

    better: str
    unit: str


SIDES = {
    "rank distance": Side("lower", "ranks"),
    "normalised rank distance": Side("lower", "0: together, 1: random order"),
    "PEER": Side("higher", "mean p-value, irrelevant passages"),
    "own language in the top": Side("lower", "share ÷ share expected"),
    "target removal": Side("lower", "fall of AP, own − other language"),
    "AP gap, mono": Side("lower", "AP, best − worst language"),
    "AP gap, pool": Side("lower", "AP, best − worst query language"),
    "score margin": Side("lower", "standard deviations of a score"),
    "language bonus": Side("lower", "standard deviations of a score"),
    "relevance gap": Side("higher", "standard deviations of a score"),
    "language probe": Side("none", "accuracy"),
    "language variance": Side("none", "share of the variance"),
}
