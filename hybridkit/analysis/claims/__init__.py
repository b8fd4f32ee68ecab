# ruff: noqa: F401  public names
"""A ledger of claims: each a text with a check, which a study's measurements or published tables answer.

It may import what `analysis` may. Start at `checks` for what a check says, then `ledger` for how it is judged.
"""

from hybridkit.analysis.claims.facts import PublishedFacts
from hybridkit.analysis.claims.file import CLAIMS, Claim, check_claims, open_claims
from hybridkit.analysis.claims.ledger import as_html, evidence, judge, matrix, readings, summary
from hybridkit.analysis.claims.rerankers import judge_rerankers
from hybridkit.analysis.claims.study_facts import StudyFacts
