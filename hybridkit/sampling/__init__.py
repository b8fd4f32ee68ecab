"""How batches are made: strategies, and the plans that they make of a corpus."""

from hybridkit.sampling.alpha import hybrid
from hybridkit.sampling.checks import PlanReport, check_plan
from hybridkit.sampling.codeswitch import codeswitch
from hybridkit.sampling.parsing import parse
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.schedules import linear, step
from hybridkit.sampling.strategies import Strategy, common_rows, cross, english, mixed, mono

__all__ = [
    "BatchPlan", "PlanReport", "Strategy", "check_plan", "codeswitch", "common_rows", "cross", "english", "hybrid",
    "linear", "mixed", "mono", "parse", "step",
]  # fmt: skip
