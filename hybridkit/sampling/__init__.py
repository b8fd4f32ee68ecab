"""How batches are made: strategies, and the plans that they make of a corpus."""

from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.strategies import Strategy, common_rows, cross, english, hybrid, mixed, mono, parse

__all__ = ["BatchPlan", "Strategy", "common_rows", "cross", "english", "hybrid", "mixed", "mono", "parse"]
