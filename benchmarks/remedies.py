"""What a remedy costs: the rank table of XQuAD-R's shapes with each remedy, beside the one without, and peak memory.

13,090 queries x 13,014 candidates x 384 dimensions in 11 languages, random unit vectors; every remedy and "none" in
turns, for `--rounds` rounds in one process, each time the whole of it: embeddings changed, scores, ranks. Medians of
the ratio to "none" of the same round, by the clock and in seconds of CPU: on a busy machine compare the latter. There
are 400 rows a language. Peak memory is the largest resident set of a process that makes one table, libraries included.

    python benchmarks/remedies.py
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from apart import apart, peak_mib
from ranks import CANDIDATES, QUESTIONS, TAGS, clocked, shape, unit

REMEDIES = ("calibrate(top=5)", "zscore", "centre(by='rows')", "lir(k=1)", "centre(by='rows') + calibrate(top=5)")
NONE = "none"


def main() -> None:
    """Time all remedies in turns, and take the peak of each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--remedy", action="append", help="a chain; may be repeated (five of them)")
    args = parser.parse_args()
    remedies = [NONE, *(args.remedy or REMEDIES)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for side, count in (("query", QUESTIONS * len(TAGS)), ("passage", CANDIDATES)):
            np.save(folder / f"{side}.npy", unit(count, side))
        found = apart(timed, folder, remedies, args.rounds)
        for remedy in remedies:
            clock, cpu = (statistics.median(found[remedy][kind]) for kind in ("clock", "cpu"))
            ratios = [
                statistics.median(np.divide(found[remedy][kind], found[NONE][kind])) - 1 for kind in ("clock", "cpu")
            ]
            memory = apart(peak, folder, remedy)
            print(
                f"{remedy:<38} {clock:6.2f} s ({ratios[0]:+6.1%}), CPU {cpu:6.2f} s ({ratios[1]:+6.1%}), peak "
                f"{memory:6,.0f} MiB",
                flush=True,
            )


def timed(folder: Path, remedies: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of every round, by remedy."""
    took: dict[str, dict[str, list[float]]] = {remedy: {"clock": [], "cpu": []} for remedy in remedies}
    for nth in range(rounds + 1):  # the first products of a process are slow
        for remedy in remedies:
            _, clock, cpu = clocked(lambda: table(folder, remedy))  # noqa: B023  called at once
            if nth:
                took[remedy]["clock"].append(clock)
                took[remedy]["cpu"].append(cpu)
    return took


def table(folder: Path, remedy: str) -> object:
    """The rank table with a remedy."""
    from hybridkit.evaluation.rank_table import rank_table_from_scores
    from hybridkit.remedies import RowEmbeddings, parse
    from hybridkit.retrieval.dense import dense

    if folder not in _opened:
        counts = [CANDIDATES // len(TAGS) + (nth < CANDIDATES % len(TAGS)) for nth in range(len(TAGS))]
        rows = RowEmbeddings(*({tag: unit(400, f"{side} {tag}") for tag in TAGS} for side in ("query", "passage")))
        arrays = np.load(folder / "query.npy"), np.load(folder / "passage.npy")
        _opened[folder] = shape(dict(zip(TAGS, counts, strict=True)), QUESTIONS), arrays, rows
    benchmark, embeddings, rows = _opened[folder]
    chain = parse(remedy)
    if chain.on_embeddings:
        embeddings = chain.embeddings(benchmark, *embeddings, rows)
    return rank_table_from_scores(benchmark, chain.scorer(benchmark, dense(benchmark, *embeddings, "cosine")))


_opened: dict = {}


def peak(folder: Path, remedy: str) -> float:
    """Make one table; the process' own peak memory."""
    table(folder, remedy)
    return peak_mib()


if __name__ == "__main__":
    main()
