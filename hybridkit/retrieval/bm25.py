"""BM25 over a pool of passages in any mixture of languages, with one tokenization that needs no word list."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.retrieval import Scorer

# Blocks of the scripts that are written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)


def tokens(text: str) -> list[str]:
    """Split a text of any language: words, casefolded, and pairs of characters where a script has no spaces.

    NFKC first; combining marks and joiners belong to their word, so that Devanagari and pointed Arabic stay whole.

    >>> tokens("Der Fluß, 308 हिन्दी")
    ['der', 'fluss', '308', 'हिन्दी']
    >>> tokens("NFL超級盃 水")
    ['nfl', '超級', '級盃', '水']
    """
    found: list[str] = []
    for match in _runs().finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match.group()
        if match.lastgroup == "word" or len(run) == 1:
            found.append(run)
        else:
            found.extend(run[start : start + 2] for start in range(len(run) - 1))
    return found


def bm25(benchmark: Benchmark, k1: float = 0.9, b: float = 0.4) -> Scorer:
    """Make a BM25 scorer over all passages of the benchmark, one index for the whole pool.

    Lucene's variant (bm25s, arXiv 2407.03618), with the k1 and b that MIRACL's baselines use (arXiv 2210.09984).
    A query without a known token scores 0 everywhere. Scores are float32.
    """
    import bm25s

    index = bm25s.BM25(method="lucene", k1=k1, b=b, backend="numpy")
    index.index([tokens(text) for text in benchmark.passages["text"]], show_progress=False)
    texts = benchmark.queries["text"].tolist()
    count = len(benchmark.passages)

    def score(rows: slice) -> NDArray[np.float32]:
        block = np.zeros((rows.stop - rows.start, count), np.float32)
        for line, text in zip(block, texts[rows], strict=True):
            known = index.get_tokens_ids(tokens(text))
            if known:
                line[:] = index.get_scores_from_ids(known)
        return block

    return score


@cache
def _runs() -> re.Pattern[str]:
    # Python's \w leaves combining marks out; they are listed from its own Unicode tables, planes 0 and 1.
    marks = "".join(chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code)).startswith("M"))
    return re.compile(f"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>(?:(?![{_UNSPACED}])[\\w\u200c\u200d{marks}])+)")
