"""Small parallel benchmarks for remedies."""

import pandas as pd

from hybridkit.data.benchmark import Benchmark


def pool(counts: dict[str, int], questions: int) -> Benchmark:
    """A benchmark of so many passages a language; question n is asked in all and answered by passage n of each."""
    queries = [(tag, f"q{n:03d}", f"a{n}", "?") for tag in counts for n in range(questions)]
    passages = [(tag, f"toy:{tag}:{n:03d}", f"a{n}", "!") for tag, count in counts.items() for n in range(count)]
    judged = [(f"q{n:03d}", tag, f"toy:{tag}:{n:03d}") for tag in counts for n in range(questions)]
    return Benchmark(
        "toy",
        pd.DataFrame(queries, columns=["language", "query_id", "article", "text"]),
        pd.DataFrame(passages, columns=["language", "passage_id", "article", "text"]),
        pd.DataFrame(judged, columns=["query_id", "passage_language", "passage_id"]),
    )
