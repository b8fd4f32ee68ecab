"""Re-rankers: rows per second of a training and pairs per second of scoring, beside sentence-transformers' own.

`train`: every contender trains the same model on the pairs of the same plan for the same steps, all weights, each in a
process of its own; contenders take turns for `--rounds` rounds. Peer: CrossEncoderTrainer with BinaryCrossEntropyLoss
at its defaults. Dropout is off, so that losses are the same where the work is. A row is a query with its passage and
its negatives (`--ratio`).

`predict`: pairs of queries with passages of a benchmark, every one different. Peer: CrossEncoder.predict at its
defaults (batches of 32, sorted by length), without its activation. `share` is the part of the time that the bare matrix
products of the linear layers take, of the same shapes and in the same precision, on the same cores.

    python benchmarks/rerank.py train --rows xnli-entailment --steps 6 --rounds 2
    python benchmarks/rerank.py predict --benchmark xquad-r --pairs 600 --rounds 2
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from apart import apart, peak_mib
from product import Shape, linear_shapes, product_seconds
from train import _Clock

CONTENDERS = ("trainer", "trainer-bf16", "hybridkit", "hybridkit-bf16")


def main() -> None:
    """Run every contender in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "predict"))
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--rows", default="atlas", help="a data set of rows, or a file; to train on")
    parser.add_argument("--benchmark", default="atlas", help="of which pairs are scored")
    parser.add_argument("--strategy", default="mono")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=8, help="rows of a batch")
    parser.add_argument("--ratio", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    args = parser.parse_args()
    (_trainings if args.what == "train" else _predictions)(args)


def _trainings(args: argparse.Namespace) -> None:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in args.contenders}
    for number in range(args.rounds):
        for name in args.contenders:
            found[name].append(apart(_training, name, args))
            print(f"round {number}: {name}: {json.dumps(found[name][-1])}", flush=True)
    print(
        f"\n{args.model}, {args.rows}, {args.strategy}, {args.steps} steps of {args.batch_size} rows, ratio "
        f"{args.ratio}, {args.max_length} tokens, all weights, no dropout, median of {args.rounds} rounds"
    )
    print(f"{'contender':16} {'rows/s':>8} {'peak GB':>8} {'last loss':>10} {'share':>6} {'ratio':>6}")
    peer = args.contenders[0]
    for name, rounds in found.items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        ratio = middle["rows/s"] / statistics.median(one["rows/s"] for one in found[peer])
        numbers = f"{middle['rows/s']:8.2f} {middle['peak GB']:8.2f} {middle['loss']:10.4f} {middle['share']:6.2f}"
        print(f"{name:16} {numbers} {ratio:6.2f}")
    print(f"loss: mean of the last third of the steps; ratio: rows per second over those of {peer}")


def _training(name: str, args: argparse.Namespace) -> dict[str, float]:
    import torch

    from hybridkit.cli.options import open_rows
    from hybridkit.models import reranker
    from hybridkit.models.reranker_training import RerankerSettings, train_reranker
    from hybridkit.sampling import parse

    strategy, corpus = parse(args.strategy), open_rows([args.rows])
    corpus = corpus.select(strategy.usable(corpus))
    plan = strategy.plan(corpus, args.steps, args.batch_size, 0)
    model = reranker.start(args.model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    precision = "bf16" if name.endswith("bf16") else "float32"
    with tempfile.TemporaryDirectory() as folder, linear_shapes(model) as shapes:
        clock = _Clock(shapes)
        if name.startswith("hybridkit"):
            settings = RerankerSettings(
                args.steps,
                args.batch_size,
                negatives="random",
                ratio=args.ratio,
                max_length=args.max_length,
                precision=precision,  # type: ignore[arg-type]
                checkpoint_every=args.steps + 1,
            )
            out = train_reranker(model, corpus, plan, settings, Path(folder) / "model", callbacks=[clock.callback()])
            losses = [json.loads(line)["loss"] for line in (out / "steps.jsonl").read_text().splitlines()]
        else:
            losses = _plain(model, corpus, plan, args, precision, folder, clock)
    peak = peak_mib() / 2**10
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**30
    return {
        "rows/s": clock.steps * args.batch_size / clock.seconds,
        "peak GB": peak,
        "loss": statistics.mean(losses[-max(1, len(losses) // 3) :]),
        "share": product_seconds(shapes, precision, str(model.device)) / clock.seconds,
    }


def _plain(
    model: Any, corpus: Any, plan: Any, args: argparse.Namespace, precision: str, folder: str, clock: _Clock
) -> list[float]:
    """What a careful user of sentence-transformers writes; the plan's pairs, its defaults for all else."""
    import torch
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from transformers import PrinterCallback

    from hybridkit.models.plan_dataset import PlanBatchSampler
    from hybridkit.models.reranker_training import pairs_of
    from hybridkit.sampling.plan_pairs import PlanPairs

    draws = PlanPairs(plan, corpus, "random", args.ratio)(np.arange(args.steps * args.batch_size))
    query, passage = zip(*pairs_of(draws), strict=True)
    columns = {"query": query, "passage": passage, "label": np.concatenate(draws["labels"])}
    model.max_seq_length = args.max_length
    arguments = CrossEncoderTrainingArguments(
        output_dir=folder,
        max_steps=args.steps,
        per_device_train_batch_size=args.batch_size * (1 + args.ratio),
        learning_rate=2e-5,
        weight_decay=0.01,
        warmup_steps=round(0.1 * args.steps),
        batch_sampler=PlanBatchSampler,
        logging_steps=1,
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = CrossEncoderTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_dict(columns), callbacks=[clock.callback()]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


def _predictions(args: argparse.Namespace) -> None:
    from torch import nn

    from hybridkit.data.sources.open_benchmarks import open_benchmark
    from hybridkit.models import reranker
    from hybridkit.utils.seeds import generator

    model = reranker.start(args.model)
    model.max_seq_length = min(args.max_length, model.max_seq_length or args.max_length)
    benchmark = open_benchmark(args.benchmark)
    sides = [
        frame["text"].drop_duplicates().to_numpy()[generator(0, "benchmark", side).permutation(args.pairs)]
        for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages))
    ]
    queries, passages = (one.tolist() for one in sides)

    def peer(queries: list[str], passages: list[str]) -> np.ndarray:
        pairs = list(zip(queries, passages, strict=True))
        return np.asarray(model.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False))

    contenders: dict[str, Callable[[list[str], list[str]], np.ndarray]] = {
        "CrossEncoder.predict": peer,
        "hybridkit float32": lambda *pairs: reranker.score(model, *pairs),
        "hybridkit bf16": lambda *pairs: reranker.score(model, *pairs, precision="bf16"),
    }
    for scoring in contenders.values():  # the first products of a process are slow
        scoring(queries[:32], passages[:32])
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    scores: dict[str, np.ndarray] = {}
    shapes: dict[str, Counter[Shape]] = {}
    for _ in range(args.rounds):
        for name, scoring in contenders.items():
            with linear_shapes(model) as shapes[name]:
                start = time.perf_counter()
                scores[name] = scoring(queries, passages)
                seconds[name].append(time.perf_counter() - start)
    first = next(iter(contenders))
    what = f"{args.pairs:,} pairs of {args.benchmark}, {args.max_length} tokens"
    print(f"{args.model}, {what}, median of {args.rounds} rounds")
    print(f"{'contender':22} {'pairs/s':>8} {'ratio':>6} {'share':>6} {'largest difference':>19}")
    for name, times in seconds.items():
        gap = float(np.abs(scores[name] - scores[first]).max())
        middle = statistics.median(times)
        share = product_seconds(shapes[name], name.split()[-1], str(model.device)) / middle
        ratio = statistics.median(seconds[first]) / middle
        print(f"{name:22} {args.pairs / middle:8.1f} {ratio:6.2f} {share:6.2f} {gap:19.1e}")


if __name__ == "__main__":
    main()
