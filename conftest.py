"""Toys that the doctests of the package share: a benchmark, a test collection and training rows of a few lines."""

from typing import Any

import pandas as pd
import pytest


@pytest.fixture(autouse=True, scope="session")
def _toys(doctest_namespace: dict[str, Any]) -> None:
    """Give doctests `toy`, one English query with a relevant passage in two languages, and other toys."""
    doctest_namespace.update(_make())


def _make() -> dict[str, Any]:
    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.data.corpus import ParallelCorpus
    from hybridkit.data.rows import Row

    ids = ["t:de:1", "t:de:2", "t:en:1", "t:en:2"]
    queries = pd.DataFrame({"language": ["en"], "query_id": ["q"], "article": "a", "text": ["Who?"]})
    passages = pd.DataFrame({"language": ["de", "de", "en", "en"], "passage_id": ids, "article": "a", "text": "x"})
    judged = pd.DataFrame({"query_id": "q", "passage_language": ["de", "en"], "passage_id": [ids[0], ids[2]]})
    asked = pd.DataFrame({"query_id": ["1", "2"], "text": ["?", "!"]})
    known = pd.DataFrame({"query_id": ["1", "2"], "passage_id": ["a", "c"], "relevance": [1, 1]})
    rows = [Row(n, n, n, {"de": f"{n} de?", "en": f"{n}?"}, {"de": f"{n} de", "en": n}, {}) for n in "abcd"]
    return {
        "pd": pd,
        "toy_corpus": ParallelCorpus.from_rows(rows),
        "toy": Benchmark("t", queries, passages, judged),
        "toy_collection": Collection("toy", "de", asked, known, lambda: iter([]), 3, "f00"),
    }
