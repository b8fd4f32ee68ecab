"""Commands on one training, without a study: plan, train."""

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hybridkit.commands import exporting
from hybridkit.commands.options import Commands, Told, add_plan_options, command, open_rows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hybridkit.corpus import ParallelCorpus
    from hybridkit.training import TrainingSettings


def add(commands: Commands) -> None:
    """Declare the commands."""
    planning = command(
        commands, "plan", "make a batch plan: every row and pair of languages of a training, as a table", plan,
        'plan --rows mine.jsonl --strategy "hybrid(alpha=0.5)" --steps 100 --batch-size 32 --seed 0 --out plan.parquet',
    )  # fmt: skip
    add_plan_options(planning)
    planning.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table, a parquet file")
    planning.add_argument("--model", metavar="NAME", help="tell how many texts this model would cut")
    planning.add_argument("--max-length", type=int, metavar="N", help="at so many tokens (the model's own limit)")
    exporting.add_option(planning)
    training = command(
        commands, "train", "train an encoder on parallel rows, without a study; --resume goes on with a killed one",
        train,
        'train --model e5-small --rows mine.jsonl --strategy "hybrid(alpha=0.5)" --steps 150 --batch-size 32 '
        "--lr 1e-5 --temperature 0.02 --out my-model",
        "train --model static --rows atlas --strategy mono --steps 500 --batch-size 64 --lr 0.01 --out static-mono",
    )  # fmt: skip
    _add_training_options(training)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--model", required=True, metavar="NAME",
           help="a folder, a hub name, xlm-r, labse, e5-small, or static (made from scratch on the rows)")  # fmt: skip
    add_plan_options(parser)
    option("--lr", type=float, dest="learning_rate", metavar="X", help="learning rate (3e-5)")
    option("--temperature", type=float, metavar="X", help="temperature of the loss (0.05)")
    option("--warmup", type=float, metavar="X", help="share of the steps in which the learning rate rises (0.1)")
    option("--weight-decay", type=float, metavar="X", help="weight decay (0.01)")
    option("--max-length", type=int, metavar="N", help="cut texts at so many tokens (the model's own limit)")
    option("--precision", choices=("float32", "bf16"), help="arithmetic of the training (float32)")
    option("--mini-batch", type=int, metavar="N",
           help="texts in memory at a time: any batch size, the same gradients, more time (all)")  # fmt: skip
    option("--negatives", action="store_true", default=None, help="use the rows' hard negatives too")
    option("--freeze", type=lambda text: tuple(text.split(",")), metavar="PART,PART",
           help="parts of the names of parameters that stay as they are, e.g. word_embeddings")  # fmt: skip
    option("--checkpoint-every", type=int, metavar="N", help="steps between checkpoints (50)")
    option("--out", type=Path, required=True, metavar="FOLDER", help="folder of the trained model")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on from the last checkpoint of the same training")
    again.add_argument("--overwrite", action="store_true", help="start anew, whatever training lies there")
    parser.set_defaults(stopped="; go on from the last checkpoint by adding --resume")


def plan(args: argparse.Namespace) -> Told:
    """Make a batch plan, write it, and tell what is in it and whether it keeps to its strategy."""
    from hybridkit.errors import InputError
    from hybridkit.ranges import LENGTH
    from hybridkit.sampling import BatchPlan, parse
    from hybridkit.sampling.checks import check_plan as checked
    from hybridkit.sampling.draw import check_plan

    check_plan(args.steps, args.batch_size, args.seed)
    if args.max_length is not None:
        LENGTH.check(args.max_length, "--max-length")
        if not args.model:
            raise InputError("--max-length: say by --model whose tokens are counted")
    if args.out.exists():
        try:
            BatchPlan.read(args.out)
        except InputError as error:
            raise InputError(f"{args.out}: it exists and is no batch plan; give another --out") from error
    exporting.refuse(args.export)
    strategy, corpus = parse(args.strategy), open_rows(args.rows)
    made = strategy.plan(corpus, args.steps, args.batch_size, args.seed)
    made.write(args.out, corpus)
    exporting.export(args.export, made, corpus)
    described, matrix = made.describe(), made.matrix()
    encoder = _model(args.model, corpus) if args.model else None
    report = checked(made, corpus, strategy, encoder, args.max_length)
    draws = f"Draws by query language (down) and passage language (across)\n{matrix.to_string()}"
    numbers = {name: value.item() if hasattr(value, "item") else value for name, value in described.items()}
    value = {"plan": str(args.out), "fingerprint": made.fingerprint, **numbers, "matrix": matrix.T.to_dict()}
    value |= {"ok": report.ok, "checks": report.checks.to_dict("records")}
    return Told(f"{described.to_string()}\n\n{draws}\n\n{report.text}\n\n{args.out}", value)


def train(args: argparse.Namespace) -> Told:
    """Train an encoder on the plan of a strategy; under `accelerate launch` the first process keeps the books."""
    import pandas as pd

    from hybridkit import training
    from hybridkit.commands import unfinished
    from hybridkit.sampling import parse
    from hybridkit.sampling.feed import processes_here

    out, first = args.out.expanduser().absolute(), processes_here()[0] == 0
    if first:
        unfinished.refuse(out, args.resume, args.overwrite)
    strategy, settings = parse(args.strategy), _settings(args)
    corpus = open_rows(args.rows)
    plan = strategy.plan(corpus, settings.steps, settings.batch_size, args.seed)
    model = _model(args.model, corpus)
    record = unfinished.record(args.model, model, plan, settings)
    if args.resume and unfinished.is_finished(out, record):
        return Told(f"{out}: this training is finished", {"model": str(out), "plan": plan.fingerprint})
    if first:
        if args.overwrite:
            shutil.rmtree(unfinished.work_folder(out), ignore_errors=True)
        unfinished.note(out, record)
    beside = {
        "README.md": _card(args, corpus, settings, plan.fingerprint),
        unfinished.RECORD: unfinished.text_of(record),
    }
    training.train(model, corpus, plan, settings, out, beside=lambda _: beside)
    if not first:
        args.json = None
        return Told("")
    unfinished.finish(out, record)
    log = pd.read_json(out / "steps.jsonl", lines=True)
    start, end = float(log["loss"].iloc[0]), float(log["loss"].iloc[-1])
    value = {"model": str(out), "plan": plan.fingerprint, "steps": len(log), "first_loss": start, "last_loss": end}
    return Told(f"{out}: {len(log)} steps, loss {start:.4f} at the first and {end:.4f} at the last", value)


def _settings(args: argparse.Namespace) -> "TrainingSettings":
    from dataclasses import fields

    from hybridkit.training import TrainingSettings

    given = {one.name: getattr(args, one.name, None) for one in fields(TrainingSettings)}
    return TrainingSettings(**{name: value for name, value in given.items() if value is not None})


def _model(name: str, corpus: "ParallelCorpus") -> "SentenceTransformer":
    from hybridkit import encoder
    from hybridkit.sections import EncoderSettings

    if name != "static":
        return encoder.open(name)
    size = EncoderSettings(name)
    return encoder.make(corpus.iter_texts(), size.vocab_size, size.dim, size.seed)


def _card(args: argparse.Namespace, corpus: "ParallelCorpus", settings: "TrainingSettings", plan: str) -> str:
    rows = ", ".join(Path(name).name for name in args.rows)
    values = {
        "encoder at the start": Path(args.model).name if Path(args.model).exists() else args.model,
        "strategy": f"`{args.strategy}`", "seed": args.seed,
        "training rows": f"{len(corpus):,} of {rows} in {len(corpus.languages)} languages",
        "corpus": f"`{corpus.fingerprint}`", "batch plan": f"`{plan}`",
        **{name.replace("_", " "): value for name, value in vars(settings).items()},
    }  # fmt: skip
    lines = [
        "---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, hybridkit, multilingual, retrieval]",
        f"language: [{', '.join(corpus.languages)}]", "---", "",
        f"# {values['encoder at the start']}, trained on {args.strategy} batches", "",
        "Made by `hybridkit train`; no rows were held out.", "", "| what | value |", "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in values.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
