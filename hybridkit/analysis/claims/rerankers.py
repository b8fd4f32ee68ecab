"""The claims of arXiv 2305.05295 on training re-rankers on code-switched text, judged by a study's re-rankers."""

from functools import cached_property

import pandas as pd

from hybridkit.analysis.claims.file import open_claims
from hybridkit.analysis.claims.ledger import Entry, judge
from hybridkit.analysis.claims.study_facts import StudyFacts
from hybridkit.analysis.rerankers import reranker_scores
from hybridkit.study.run import Run
from hybridkit.study.settings import RERANKER

CLAIMS = "data/claims_2305.05295.yaml"


class RerankerFacts(StudyFacts):
    """What the re-rankers of a study measured, on the questions that were drawn for them."""

    title = "this study's re-rankers"
    section = RERANKER

    @cached_property
    def _collection_names(self) -> tuple[str, ...]:
        return ()

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return reranker_scores(self.run)


def judge_rerankers(run: Run, claims: str = CLAIMS) -> list[Entry]:
    """Judge claims by the re-rankers of a study; none where it has no re-rankers."""
    return judge(open_claims(claims), RerankerFacts(run)) if run.study.reranker else []
