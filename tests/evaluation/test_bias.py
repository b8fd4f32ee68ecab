"""Language share of the top k; rank distance by hand stands in test_measures.py beside the values it belongs to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridkit.data.benchmark import Benchmark
from hybridkit.evaluation.bias import language_share, top_columns


def toy() -> Benchmark:
    ids = ["t:de:1", "t:de:2", "t:de:3", "t:en:1"]
    return Benchmark(
        "t",
        pd.DataFrame({"language": ["de", "en", "en"], "query_id": ["p", "p", "q"], "article": "a", "text": "?"}),
        pd.DataFrame({"language": ["de", "de", "de", "en"], "passage_id": ids, "article": "a", "text": "!"}),
        pd.DataFrame({"query_id": ["p"], "passage_language": ["de"], "passage_id": ids[:1]}),
    )


def test_shares_by_hand() -> None:
    # de p: top 2 are de:1, de:2. en p: en:1 and, of the tied three, de:3. en q: all tied, so en:1 and de:3.
    scores = np.array([[0.9, 0.8, 0.1, 0.2], [0.5, 0.5, 0.5, 0.6], [0, 0, 0, 0]], np.float32)
    table = language_share(toy(), lambda rows: scores[rows], k=2)
    assert table.to_numpy().tolist() == [
        ["de", "de", 1.0, 0.75],
        ["de", "en", 0.0, 0.25],
        ["en", "de", 0.5, 0.75],
        ["en", "en", 0.5, 0.25],
    ]


def test_a_top_deeper_than_the_pool_is_the_pool() -> None:
    table = language_share(toy(), lambda rows: np.zeros((rows.stop - rows.start, 4)), k=10)
    assert table["share"].tolist() == pytest.approx(table["expected"].tolist())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda width: st.tuples(
            st.lists(
                st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=width, max_size=width), min_size=1, max_size=4
            ),
            st.integers(1, width),
        )
    )
)
def test_top_columns_are_those_of_a_sort(case: tuple[list[list[float]], int]) -> None:
    lines, k = case
    rows, columns = top_columns(np.array(lines, np.float32), k)
    for number, line in enumerate(lines):
        best = sorted(range(len(line)), key=lambda column: (line[column], column), reverse=True)[:k]
        assert columns[rows == number].tolist() == sorted(best)
