"""Time and peak memory of preparing training rows in mMARCO's format: hybridkit beside pandas, each in its own process.

Makes files of the published shape in a temporary folder: passages and queries of random words in 7 languages (passages
of about 60 characters, a sixth of the real ones; queries of about 30) and triples of ids, of which each query has some
and nearly always one positive. Then each contender joins them into rows with query, passage and negative in all 7
languages. Peer: `pandas.read_csv` and `DataFrame.merge`, whose result is in memory; hybridkit's is on disk, each
distinct text once, with groups and a fingerprint, which pandas does not make. A third process opens hybridkit's
corpus, splits it and reads 100 batches of 100 rows. Peak memory is the process' largest resident set, mapped files
included. On a busy machine compare seconds of CPU, not of the clock.

    python benchmarks/corpus.py --rows 1000000
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from apart import apart, peak_mib

LANGUAGES = ("ar", "de", "en", "es", "fr", "ru", "zh")
# first and last letter of the words of a language
LETTERS = {"ar": ("ا", "ي"), "ru": ("а", "я"), "zh": ("一", "龠")}


def main() -> None:
    """Make the files, run every contender in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="triples; as many passages, 3 queries for 10")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        size = make_files(Path(folder), args.rows)
        print(
            f"{args.rows:,} triples x {len(LANGUAGES)} languages: {size / 2**20:,.0f} MiB of files, made in "
            f"{time.perf_counter() - start:.0f} s"
        )
        found = {}
        for name in CONTENDERS:
            found[name] = apart(measured, name, Path(folder))
            one = found[name]
            print(
                f"{name:<26} {one['seconds']:7.1f} s, CPU {one['cpu']:6.1f} s, {args.rows / one['cpu']:9,.0f} rows "
                f"per CPU s, peak {one['peak']:6,.0f} MiB {one['note']}",
                flush=True,
            )
        ours, peer = found["hybridkit"], found["pandas merge"]
        print(
            f"hybridkit / pandas: {ours['cpu'] / peer['cpu']:.2f} x the CPU time, "
            f"{ours['peak'] / peer['peak']:.2f} x the memory"
        )


def make_files(home: Path, rows: int) -> int:
    """Write collections, queries and triples; returns their bytes."""
    from hybridkit.data.sources.mmarco import TRIPLES, files_of
    from hybridkit.utils.seeds import generator

    queries = max(1, rows * 3 // 10)
    for tag in LANGUAGES:
        random = generator(0, "benchmark", tag)
        low, high = map(ord, LETTERS.get(tag, ("a", "z")))
        letters = random.integers(low, high + 1, (20_000, 3 if tag == "zh" else 7))
        words = ["".join(map(chr, word)) for word in letters.tolist()]
        stream = [words[number] for number in random.integers(0, len(words), rows + 100).tolist()]
        for file, count, length in zip(files_of(tag), (rows, queries), (8, 4), strict=True):
            (home / file).parent.mkdir(parents=True, exist_ok=True)
            starts = random.permutation(rows + 50)[:count].tolist()  # all different
            with (home / file).open("w", encoding="utf-8") as out:
                out.writelines(f"{n}\t{' '.join(stream[at : at + length])}\n" for n, at in enumerate(starts))
    random = generator(0, "benchmark", "triples")
    query = random.integers(0, queries, rows)
    second = queries + random.integers(0, rows - queries + 1, rows)
    positive = np.where(random.random(rows) < 0.05, np.minimum(second, rows - 1), query)
    lines = np.stack([query, positive, random.integers(0, rows, rows)], axis=1)
    np.savetxt(home / TRIPLES, lines, fmt="%d", delimiter="\t")
    return sum(file.stat().st_size for file in home.rglob("*.tsv"))


def hybridkit(home: Path) -> str:
    """Write the corpus."""
    from hybridkit.data.sources.mmarco import add_mmarco
    from hybridkit.data.storage.corpus_writer import corpus_writer

    with corpus_writer(home / "corpus") as writer:
        add_mmarco(writer, home, LANGUAGES)
    size = sum(file.stat().st_size for file in (home / "corpus").iterdir())
    return f"({size / 2**20:,.0f} MiB on disk)"


def opened(home: Path) -> str:
    """Open what was written, split it and read texts."""
    from hybridkit.data.corpus import ParallelCorpus

    train, held_out = ParallelCorpus.open(home / "corpus").split(0.05)
    random = np.random.default_rng(0)
    for _ in range(100):
        rows, columns = random.integers(0, len(train), 100), random.integers(0, len(LANGUAGES), 100)
        train.take_texts("query", rows, columns)
        train.take_texts("passage", rows, columns)
    return f"({len(train):,} + {len(held_out):,} rows)"


def pandas_merge(home: Path) -> str:
    """Join the same rows in memory."""
    import pandas as pd

    from hybridkit.data.sources.mmarco import TRIPLES, files_of

    rows = pd.read_csv(home / TRIPLES, sep="\t", header=None, names=["query", "passage", "negative"])
    for tag in LANGUAGES:
        collection, queries = (
            pd.read_csv(home / file, sep="\t", header=None, names=["id", "text"], quoting=3, keep_default_na=False)
            for file in files_of(tag)
        )
        for side, texts in (("query", queries), ("passage", collection), ("negative", collection)):
            named = texts.rename(columns={"id": side, "text": f"{side}:{tag}"})
            rows = rows.merge(named, on=side, how="left")
    return f"({rows.shape[0]:,} rows of {rows.shape[1]} columns in memory)"


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Seconds, seconds of CPU and peak MiB of this process after a contender's job."""
    start, cpu = time.perf_counter(), time.process_time()
    note = CONTENDERS[name](folder)
    took = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    return took | {"peak": peak_mib(), "note": note}


CONTENDERS: dict[str, Callable[[Path], str]] = {
    "pandas merge": pandas_merge,
    "hybridkit": hybridkit,
    "hybridkit, open and split": opened,
}

if __name__ == "__main__":
    main()
