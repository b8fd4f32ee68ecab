"""BM25 on a judged collection by several ways of cutting texts into words: nDCG@10 and R@100, as CSV.

The kit's words are beside those between white space, as written, which is how MIRACL's published BM25 reads a language
that Lucene has no analyzer for, and beside words without any marks above or below their letters: questions are often
typed without them. All are indexed by bm25s with the same k1 and b.

    HYBRIDKIT_DATA=FOLDER python benchmarks/words.py --benchmark "miracl[yo]" > figures/miracl/words-yo.csv
"""

import argparse
import unicodedata
from collections.abc import Callable

import bm25s
import pandas as pd

from hybridkit.data.collection import Collection
from hybridkit.data.sources.open_benchmarks import open_collection
from hybridkit.evaluation.collection_scores import collection_values
from hybridkit.retrieval.bm25 import K1, B, tokens
from hybridkit.retrieval.runs import run_frame

DEPTH = 100
MEASURES = ["nDCG@10", "R@100"]


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", default="miracl[yo]")
    args = parser.parse_args()
    print("language", "words", *MEASURES, sep=",")
    for one in open_collection(args.benchmark):
        tag = one.language
        ways: dict[str, Callable[[str], list[str]]] = {
            "between white space": str.split,
            "the kit's": lambda text, tag=tag: tokens(text, tag),  # type: ignore[misc]
            "the kit's without marks": lambda text, tag=tag: tokens(unmarked(text), tag),  # type: ignore[misc]
        }
        for name, cut in ways.items():
            values = collection_values(one, _run(one, cut), MEASURES).groupby("measure")["value"].mean()
            print(tag, name, *(f"{values[measure]:.4f}" for measure in MEASURES), sep=",", flush=True)


def unmarked(text: str) -> str:
    """Return a text without combining marks."""
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


def _run(collection: Collection, cut: Callable[[str], list[str]]) -> pd.DataFrame:
    ids: list[str] = []
    words: list[list[str]] = []
    for some, texts in collection.passages():
        ids += some
        words += map(cut, texts)
    index = bm25s.BM25(k1=K1, b=B)
    index.index(words, show_progress=False)
    names = collection.queries["query_id"]
    queries = [[word for word in cut(text) if word in index.vocab_dict] for text in collection.queries["text"]]
    found, scores = index.retrieve(queries, k=min(DEPTH, len(ids)), show_progress=False)
    asked = names.repeat(found.shape[1])
    return run_frame(asked, [ids[at] for at in found.ravel()], scores.ravel())


if __name__ == "__main__":
    main()
