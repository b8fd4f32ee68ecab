"""BM25 against the formula, tokens of scripts with and without spaces, fusion by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from hybridkit.data.benchmark import Benchmark
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.retrieval.bm25 import bm25, tokens
from hybridkit.retrieval.runs import fusion


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Straße, STRASSE!", ["strasse", "strasse"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs and virama stay in their word
        ("كتاب، قَلَم", ["كتاب", "قَلَم"]),
        ("ΣΟΦΌΣ", ["σοφόσ"]),
        ("北京大学", ["北京", "京大", "大学"]),
        ("在NFL里", ["在", "nfl", "里"]),
        ("ภาษา 2", ["ภา", "าษ", "ษา", "2"]),
        ("ﬁn １２", ["fin", "12"]),  # NFKC
        ("🙂 …", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def toy(queries: list[str], passages: dict[str, list[str]]) -> Benchmark:
    rows = [(tag, f"t:{tag}:{n}", "a", text) for tag, texts in passages.items() for n, text in enumerate(texts)]
    asked = [("en", f"q{n}", "a", text) for n, text in enumerate(queries)]
    tag = next(iter(passages))
    return Benchmark(
        "t",
        pd.DataFrame(asked, columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(rows, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame({"query_id": ["q0"], "passage_language": [tag], "passage_id": [f"t:{tag}:0"]}),
    )


def test_bm25_is_lucenes_formula_over_the_pool() -> None:
    benchmark = toy(["blue cat", "zebra", "…"], {"de": ["cat tier"], "en": ["blue blue cat", "dog"]})
    block = bm25(benchmark)(slice(0, 3))
    average = (2 + 3 + 1) / 3

    def weight(frequency: int, length: int, documents: int) -> float:
        inverse = math.log(1 + (3 - documents + 0.5) / (documents + 0.5))
        return inverse * frequency / (frequency + 0.9 * (1 - 0.4 + 0.4 * length / average))

    assert block[0].tolist() == pytest.approx([weight(1, 2, 2), weight(2, 3, 1) + weight(1, 3, 2), 0], rel=1e-5)
    assert not block[1:].any()
    ranks = rank_table_from_scores(benchmark, bm25(benchmark))
    assert ranks[["rank", "pool_rank"]].to_numpy().tolist() == [[1, 2]]


def test_fusion_by_hand() -> None:
    one = np.array([[0.0, 1.0, 4.0], [2.0, 2.0, 2.0]], np.float32)
    other = np.array([[0.7, 0.9, 0.8], [0.0, 0.5, 1.0]], np.float32)
    fused = fusion(lambda rows: one[rows], lambda rows: other[rows])(slice(0, 2))
    # scaled: 0 .25 1 and 0 1 .5; the second query's first system says nothing
    np.testing.assert_allclose(fused, [[0, 0.125 + 0.5, 0.5 + 0.25], [0, 0.25, 0.5]], rtol=1e-6)
