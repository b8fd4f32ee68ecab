"""Texts per second of encoding a benchmark: hybridkit beside SentenceTransformer.encode, in one run.

Queries and passages of a benchmark (or `--sample` of each, drawn at random) are encoded by each contender in turn, for
`--rounds` rounds in one process. Peer: `SentenceTransformer.encode` at its defaults (batches of 32, sorted by length).
Every text is different, so that nothing is won by encoding a text once. `share` is the part of the time that the bare
matrix products of the linear layers take, of the same shapes and in the same precision, on the same cores.

    HYBRIDKIT_DATA=... python benchmarks/encode.py --benchmark xquad-r --sample 2000
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from product import Shape, linear_shapes, product_seconds


def main() -> None:
    """Run every contender in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--benchmark", default="atlas")
    parser.add_argument("--sample", type=int, default=2000, help="texts of each side; 0 for all")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    from hybridkit.data.sources.open_benchmarks import open_benchmark
    from hybridkit.models import encoder
    from hybridkit.models.embedding import encode
    from hybridkit.utils.seeds import generator

    model = encoder.open(args.model)
    model.max_seq_length = min(args.max_length, model.max_seq_length)
    benchmark = open_benchmark(args.benchmark)
    sides = {}
    for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages)):
        texts = frame["text"].drop_duplicates().to_numpy()
        size = min(args.sample, len(texts)) or len(texts)
        sides[side] = generator(0, "benchmark", side).permutation(texts)[:size].tolist()

    def peer(side: str) -> np.ndarray:
        return np.asarray(
            model.encode(sides[side], prompt=model.prompts[side], normalize_embeddings=True, show_progress_bar=False)
        )

    contenders: dict[str, Callable[[str], np.ndarray]] = {
        "SentenceTransformer.encode": peer,
        "hybridkit float32": lambda side: encode(model, sides[side], side),
        "hybridkit bf16": lambda side: encode(model, sides[side], side, precision="bf16"),
    }
    for encoding in contenders.values():  # the first products of a process are slow
        sides["warm"], model.prompts["warm"] = sides["query"][:64], ""
        encoding("warm")
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    vectors: dict[str, dict[str, np.ndarray]] = {}
    shapes: dict[str, Counter[Shape]] = {}
    for _ in range(args.rounds):
        for name, encoding in contenders.items():
            with linear_shapes(model) as shapes[name]:
                start = time.perf_counter()
                vectors[name] = {side: encoding(side) for side in ("query", "passage")}
                seconds[name].append(time.perf_counter() - start)
    number = sum(len(sides[side]) for side in ("query", "passage"))
    first = next(iter(contenders))
    print(
        f"{args.model}, {number:,} texts of {args.benchmark}, {args.max_length} tokens, median of {args.rounds} rounds"
    )
    print(f"{'contender':28} {'texts/s':>8} {'ratio':>6} {'share':>6} {'largest difference':>19} {'lowest cosine':>14}")
    for name, times in seconds.items():
        gap = max(float(np.abs(vectors[name][side] - vectors[first][side]).max()) for side in vectors[name])
        cosine = min(float((vectors[name][side] * vectors[first][side]).sum(axis=1).min()) for side in vectors[name])
        ratio = statistics.median(seconds[first]) / statistics.median(times)
        share = product_seconds(shapes[name], name.split()[-1], str(model.device)) / statistics.median(times)
        speed = number / statistics.median(times)
        print(f"{name:28} {speed:8.1f} {ratio:6.2f} {share:6.2f} {gap:19.1e} {cosine:14.5f}")


if __name__ == "__main__":
    main()
