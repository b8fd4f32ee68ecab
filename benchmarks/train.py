"""Rows per second and peak memory of a training: hybridkit beside sentence-transformers' trainer, in one run.

Every contender trains the same encoder on the same plan for the same steps, all weights, in a process of its own;
contenders take turns for `--rounds` rounds. Peers: SentenceTransformerTrainer with MultipleNegativesRankingLoss at its
defaults, and the same with `bf16=True`. Dropout draws other numbers where batches are cut otherwise, so losses differ
by its noise; with `--no-dropout` they are the same. `share` is the part of the time that the bare matrix products of
the linear layers take, of the same shapes and in the same precision, on the same cores. `--without trim`, `--without
packing` and `--without onednn` leave one lever of hybridkit out.

    python benchmarks/train.py --rows mlqa-test --steps 12 --rounds 3
    python benchmarks/train.py --model xlm-r-shape --batch-size 100 --rows mlqa-test    # random weights; for a GPU
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from apart import apart, peak_mib
from product import linear_shapes, product_seconds

CONTENDERS = ("trainer", "trainer-bf16", "hybridkit", "hybridkit-bf16")


def main() -> None:
    """Run every contender in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--rows", default="atlas", help="a data set of rows, or a file")
    parser.add_argument("--strategy", default="hybrid(alpha=0.5)")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--no-dropout", action="store_true", help="the losses of all contenders are then the same")
    parser.add_argument("--without", nargs="*", choices=("trim", "packing", "onednn"), default=())
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in args.contenders}
    for number in range(args.rounds):
        for name in args.contenders:
            found[name].append(apart(_contender, name, args))
            print(f"round {number}: {name}: {json.dumps(found[name][-1])}", flush=True)
    print(
        f"\n{args.model}, {args.rows}, {args.strategy}, {args.steps} steps of {args.batch_size} rows, "
        f"{args.max_length} tokens, all weights, median of {args.rounds} rounds"
    )
    print(f"{'contender':16} {'rows/s':>8} {'peak GB':>8} {'last loss':>10} {'share':>6} {'ratio':>6}")
    peer = args.contenders[0]
    for name, rounds in found.items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        ratio = middle["rows/s"] / statistics.median(one["rows/s"] for one in found[peer])
        numbers = f"{middle['rows/s']:8.1f} {middle['peak GB']:8.2f} {middle['loss']:10.4f} {middle['share']:6.2f}"
        print(f"{name:16} {numbers} {ratio:6.2f}")
    print(
        f"loss: mean of the last third of the steps; share: bare product; ratio: rows per second over those of {peer}"
    )


def _contender(name: str, args: argparse.Namespace) -> dict[str, float]:
    import torch

    from hybridkit.cli.options import open_rows
    from hybridkit.models import fast_layers, loss, training
    from hybridkit.sampling import parse

    strategy, corpus = parse(args.strategy), open_rows([args.rows])
    corpus = corpus.select(strategy.usable(corpus))
    plan = strategy.plan(corpus, args.steps, args.batch_size, 0)
    encoder = _encoder(args.model)
    if args.no_dropout:
        for module in encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    if "trim" in args.without:
        training.TRIMMED_DRAWS = 0
    if "packing" in args.without:
        loss.TOKENS_CPU = loss.TOKENS_ELSEWHERE = 10**9
    if "onednn" in args.without:
        fast_layers.onednn_linear = lambda _: nullcontext()
    precision = "bf16" if name.endswith("bf16") else "float32"
    with tempfile.TemporaryDirectory() as folder, linear_shapes(encoder) as shapes:
        if name.startswith("hybridkit"):
            settings = training.TrainingSettings(
                args.steps,
                args.batch_size,
                3e-5,
                0.02,
                max_length=args.max_length,
                precision=precision,
                checkpoint_every=args.steps + 1,
            )
            clock = _Clock(shapes)
            training.train(encoder, corpus, plan, settings, Path(folder) / "model", callbacks=[clock.callback()])
            lines = (Path(folder) / "model" / "steps.jsonl").read_text().splitlines()
            losses = [json.loads(line)["loss"] for line in lines]
        else:
            clock, losses = _plain(encoder, corpus, plan, args, precision, folder, _Clock(shapes))
    peak = peak_mib() / 2**10
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated() / 2**30
    third = losses[-max(1, len(losses) // 3) :]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "rows/s": clock.steps * args.batch_size / clock.seconds,
        "peak GB": peak,
        "loss": statistics.mean(third),
        "share": product_seconds(shapes, precision, device) / clock.seconds,
    }


class _Clock:
    """Seconds from the end of the first step to the end of the last, and the linear layers' calls in that time."""

    def __init__(self, shapes: Any) -> None:
        self.shapes = shapes
        self.steps, self.seconds, self.started = 0, 0.0, 0.0

    def callback(self) -> Any:
        from transformers import TrainerCallback

        clock = self

        class Timed(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                if clock.started:
                    clock.steps += 1
                    clock.seconds = time.perf_counter() - clock.started
                else:
                    clock.shapes.clear()  # what comes before is no training
                    clock.started = time.perf_counter()

        return Timed()


def _plain(
    encoder: Any, corpus: Any, plan: Any, args: argparse.Namespace, precision: str, folder: str, clock: "_Clock"
) -> tuple[_Clock, list[float]]:
    """What a careful user of sentence-transformers writes; the plan's batches, its defaults for all else."""
    import torch
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import PrinterCallback

    from hybridkit.models.plan_dataset import PlanBatchSampler, plan_dataset

    encoder.max_seq_length = args.max_length
    arguments = SentenceTransformerTrainingArguments(
        output_dir=folder,
        max_steps=args.steps,
        per_device_train_batch_size=args.batch_size,
        learning_rate=3e-5,
        weight_decay=0.01,
        warmup_steps=round(0.1 * args.steps),
        batch_sampler=PlanBatchSampler,
        logging_steps=1,
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        prompts={"query": encoder.prompts["query"], "passage": encoder.prompts["passage"]},
    )
    trainer = SentenceTransformerTrainer(
        model=encoder,
        args=arguments,
        train_dataset=plan_dataset(plan, corpus),
        loss=MultipleNegativesRankingLoss(encoder, scale=50.0),
        callbacks=[clock.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock, [line["loss"] for line in trainer.state.log_history if "loss" in line]


def _encoder(name: str) -> Any:
    from hybridkit.models import encoder

    if name != "xlm-r-shape":
        return encoder.open(name)
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoModel, XLMRobertaConfig

    tokenizer = encoder.open("e5-small").tokenizer  # the same vocabulary
    shape = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        AutoModel.from_config(shape).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        inner = Transformer(folder)
        made = SentenceTransformer(modules=[inner, Pooling(768, "mean")])
    made.prompts = {"query": "Query: ", "passage": "Passage: "}
    return made


if __name__ == "__main__":
    main()
