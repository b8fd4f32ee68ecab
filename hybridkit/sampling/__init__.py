"""How batches are made: strategies, and the plans that they make of a corpus.

It may import `data` and `utils`. Start at `strategies`, then `planning` and `plan`.
"""

from hybridkit.sampling.codeswitch import codeswitch
from hybridkit.sampling.parsing import parse
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_checks import PlanReport, check_plan
from hybridkit.sampling.strategies import Strategy, common_rows, cross, english, hybrid, linear, mixed, mono, step

__all__ = [
    "BatchPlan",
    "PlanReport",
    "Strategy",
    "check_plan",
    "codeswitch",
    "common_rows",
    "cross",
    "english",
    "hybrid",
    "linear",
    "mixed",
    "mono",
    "parse",
    "step",
]
