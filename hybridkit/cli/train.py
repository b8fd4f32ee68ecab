"""The commands plan and train: one batch plan or one training, without a study; a killed training can continue."""

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hybridkit.cli.options import (
    CommandResult,
    Commands,
    add_plan_options,
    command,
    completed,
    models,
    open_rows,
    records,
    show,
)
from hybridkit.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

    from hybridkit.data.corpus import ParallelCorpus
    from hybridkit.models.reranker_training import RerankerSettings
    from hybridkit.models.training import TrainingSettings
    from hybridkit.sampling import BatchPlan

    Settings: TypeAlias = TrainingSettings | RerankerSettings
RERANKER = "reranker"
_OF_KIND = {  # options that one kind alone has
    **dict.fromkeys(("temperature", "margin", "consistency"), "encoder"),
    **dict.fromkeys(("distillation", "teacher_language", "contrastive", "margin_mse", "reranker"), "encoder"),
    **dict.fromkeys(("processes", "report_to"), "encoder"),
    **dict.fromkeys(("ratio", "pair_loss"), RERANKER),
}
FORMS = (".parquet", ".csv", ".jsonl")  # of a plan's file
RECORD = "hybridkit-train.json"  # beside the checkpoints, then in the model's folder: what it was made from


def add(commands: Commands) -> None:
    """Declare the commands."""
    planning = command(
        commands,
        "plan",
        "make a batch plan: every row and pair of languages of a training, as a table",
        plan,
        'plan --rows mine.jsonl --strategy "hybrid(alpha=0.5)" --steps 100 --batch-size 32 --seed 0 --out plan.parquet',
    )
    add_plan_options(planning, strategy=False)
    planning.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the table: parquet (which can be read back as a plan), or csv or jsonl",
    )
    planning.add_argument(
        "--compare",
        nargs="+",
        metavar="STRATEGY",
        help="show what two strategies or more would be trained on, side by side; writes nothing",
    )
    planning.add_argument("--model", metavar="NAME", help="count the texts that this model would cut")
    planning.add_argument("--max-length", type=int, metavar="N", help="cut at so many tokens (the model's own limit)")
    planning.add_argument(
        "--export",
        nargs=2,
        metavar=("FORM", "FILE"),
        help="also write every row as JSON lines for another trainer; FORM is flagembedding or tevatron",
    )
    training = command(
        commands,
        "train",
        "train an encoder or a re-ranker on parallel rows, without a study; --resume continues a killed one",
        train,
        'train --model e5-small --rows mine.jsonl --strategy "hybrid(alpha=0.5)" --steps 150 --batch-size 32 '
        "--lr 1e-5 --temperature 0.02 --out my-model",
        "train --model static --rows atlas --strategy mono --steps 500 --batch-size 64 --lr 0.01 --out static-mono",
        'train --kind reranker --model e5-small --rows mine.jsonl --strategy "codeswitch(english, p=0.5)" '
        "--negatives mined --ratio 4 --steps 500 --batch-size 8 --out my-reranker",
    )
    _add_training_options(training)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "--kind",
        choices=("encoder", "reranker"),
        default="encoder",
        help="a dual encoder, or a cross-encoder under a new head (encoder)",
    )
    model = option(
        "--model",
        required=True,
        metavar="NAME",
        help="folder, hub name, xlm-r, labse, e5-small, use-multilingual, mminilm (re-rankers only), or static (made "
        "from scratch on the rows; encoders only)",
    )
    completed(model, models)
    add_plan_options(parser)
    option("--lr", type=float, dest="learning_rate", metavar="X", help="learning rate (3e-5; re-rankers 2e-5)")
    option("--temperature", type=float, metavar="X", help="temperature of the loss of encoders (0.05)")
    option("--warmup", type=float, metavar="X", help="share of the steps in which the learning rate rises (0.1)")
    option("--weight-decay", type=float, metavar="X", help="weight decay (0.01)")
    option("--max-length", type=int, metavar="N", help="cut texts at so many tokens (the model's own limit)")
    option("--precision", choices=("float32", "bf16"), help="arithmetic of the training (float32)")
    option(
        "--mini-batch",
        type=int,
        metavar="N",
        help="texts in memory at a time: any batch size, the same gradients, more time (all)",
    )
    option(
        "--negatives",
        nargs="?",
        const="own",
        choices=("own", "mined", "random"),
        help="use the rows' hard negatives too; for re-rankers own (the rows' own), mined (by BM25) or random (own)",
    )
    option("--ratio", type=int, metavar="N", help="negatives of each positive, of re-rankers (4)")
    losses = "binary (cross-entropy of each pair), or listnet or lambda of a query's list, of re-rankers (binary)"
    option("--pair-loss", choices=("binary", "listnet", "lambda"), help=losses)
    option("--margin", type=float, metavar="X", help="taken off the cosine of a query and its own passage (0)")
    option(
        "--consistency",
        type=float,
        metavar="X",
        help="weight of scoring passages alike by a query in two languages; queries are encoded twice (0)",
    )
    option(
        "--distillation",
        type=float,
        metavar="X",
        help="weight of drawing texts to where their rows' texts in one language were before the training (0)",
    )
    option("--teacher-language", metavar="TAG", help="the language that distillation draws the others to (en)")
    option(
        "--margin-mse",
        type=float,
        metavar="X",
        help="weight of learning the scores of --reranker by MarginMSE; with --negatives (0)",
    )
    option("--reranker", metavar="FOLDER", help="the re-ranker that an encoder learns from, or a hub name")
    option("--contrastive", type=float, metavar="X", help="weight of InfoNCE; 0 for distillation alone (1)")
    option(
        "--freeze",
        type=lambda text: tuple(text.split(",")),
        metavar="PART,PART",
        help="parts of the names of parameters that stay as they are, e.g. word_embeddings",
    )
    option(
        "--processes", type=int, metavar="N", help="processes that share each batch, one a GPU if there are some (1)"
    )
    option(
        "--report-to",
        type=lambda text: tuple(text.split(",")),
        metavar="NAME,NAME",
        help="trackers that follow the training: tensorboard, wandb, mlflow, trackio (none)",
    )
    option("--checkpoint-every", type=int, metavar="N", help="steps between checkpoints (50)")
    option("--out", type=Path, required=True, metavar="FOLDER", help="folder of the trained model")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="continue from the last checkpoint of the same training")
    again.add_argument("--overwrite", action="store_true", help="start again, whatever training is there")
    parser.set_defaults(stopped="; add --resume to continue from the last checkpoint")


def plan(args: argparse.Namespace) -> CommandResult:
    """Make a batch plan, write it, and describe it: what is in it, and whether it keeps to its strategy."""
    from hybridkit.models.embedding import text_lengths
    from hybridkit.sampling import BatchPlan, check_plan, parse
    from hybridkit.sampling.codeswitch import rate_sentences, switch_rates
    from hybridkit.sampling.plan_texts import check_export, export_plan
    from hybridkit.sampling.planning import check_size
    from hybridkit.utils.numbers import LENGTH

    check_size(args.steps, args.batch_size, args.seed)
    if args.compare:
        return compare(args)
    for name, value in (("--strategy", args.strategy), ("--out", args.out)):
        if value is None:
            raise InputError(f"{name}: it is missing; give it, or --compare with some strategies")
    if args.max_length is not None:
        LENGTH.check(args.max_length, "--max-length")
        if not args.model:
            raise InputError("--max-length: the tokens of which model? give --model NAME too")
    form = args.out.suffix.lower() or FORMS[0]
    if form not in FORMS:
        raise InputError(f"--out {args.out}: the ending says what is written; it must be {', '.join(FORMS)}")
    if args.out.exists():
        if form != ".parquet":
            raise InputError(f"{args.out}: it exists; give another --out, or remove it")
        try:
            BatchPlan.read(args.out)
        except InputError as error:
            raise InputError(f"{args.out}: it exists and is not a batch plan; give another --out") from error
    if args.export is not None:
        exported = Path(args.export[1]).expanduser()
        check_export(args.export[0], args.export[1])
        if exported.exists():
            raise InputError(f"{args.export[1]}: it exists; give --export another file, or remove it")
    strategy, corpus = parse(args.strategy), open_rows(args.rows)
    made = strategy.plan(corpus, args.steps, args.batch_size, args.seed)
    _write(made, args.out, corpus)
    if args.export is not None:
        export_plan(made, corpus, exported, args.export[0])
    described, matrix = made.describe(), made.matrix()
    lengths = text_lengths(_model(args.model, corpus), args.max_length) if args.model else None
    report = check_plan(made, corpus, strategy, lengths)
    draws = f"Draws by query language (down) and passage language (across)\n{matrix.to_string()}"
    rates = rate_sentences(made, corpus)
    draws += "".join(f"\nWords switched, {name}: {text}" for name, text in rates.items())
    numbers = {name: value.item() if hasattr(value, "item") else value for name, value in described.items()}
    value = {"plan": str(args.out), "fingerprint": made.fingerprint, **numbers, "matrix": matrix.T.to_dict()}
    value |= {"ok": report.ok, "checks": report.checks.to_dict("records")}
    value |= {"switched": records(switch_rates(made, corpus))} if rates else {}
    return CommandResult(f"{described.to_string()}\n\n{draws}\n\n{report.text}\n\n{args.out}", value)


def _write(plan: "BatchPlan", path: Path, corpus: "ParallelCorpus") -> None:
    """Write a plan by the ending of the file's name: parquet, csv, or jsonl with an object a draw."""
    from hybridkit.utils.files import atomic_write

    if path.suffix.lower() in ("", FORMS[0]):
        plan.write(path, corpus)
        return
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        step = max(1, 1_000_000 // plan.draws.shape[1])
        for first in range(0, len(plan), step):  # a plan may have ten million draws
            part = plan[first : first + step].frame(corpus)
            part["step"] += first
            if path.suffix.lower() == ".csv":
                part.to_csv(file, index=False, header=first == 0)
            else:
                part.to_json(file, orient="records", lines=True, force_ascii=False)


def compare(args: argparse.Namespace) -> CommandResult:
    """Make a plan of each strategy and show what they draw, side by side: sources, languages, rows, texts, tokens."""
    from hybridkit.models.embedding import text_lengths
    from hybridkit.sampling import parse
    from hybridkit.sampling.exposure import exposure, exposure_sentences, side_by_side
    from hybridkit.study.training_rows import sources_of

    if args.strategy or args.out or args.export:
        raise InputError("--compare: it writes nothing; leave --strategy, --out and --export out")
    strategies = list(dict.fromkeys(parse(text) for text in args.compare))
    if len(strategies) < 2:
        raise InputError(f"--compare: give two different strategies or more (got {' '.join(args.compare)})")
    corpus = open_rows(args.rows)
    plans = {str(one): [one.plan(corpus, args.steps, args.batch_size, args.seed)] for one in strategies}
    lengths = text_lengths(_model(args.model, corpus), args.max_length) if args.model else None
    frame = exposure(plans, corpus, sources_of(corpus.ids, args.rows), lengths)
    table = side_by_side(frame[frame["by"] != "pair"]).reset_index()
    sentences = exposure_sentences(frame)
    text = "\n".join([show(table), "", *sentences])
    return CommandResult(text, {"exposure": records(frame), "sentences": sentences})


def train(args: argparse.Namespace) -> CommandResult:
    """Train a model on the plan of a strategy; under `accelerate launch` the first process writes the records."""
    import pandas as pd

    from hybridkit.models.launch import launch
    from hybridkit.models.plan_dataset import processes_here
    from hybridkit.models.training import TrainingSettings
    from hybridkit.sampling import parse

    out, first = args.out.expanduser().absolute(), processes_here()[0] == 0
    if first:
        refuse(out, args.resume, args.overwrite)
    strategy, settings = parse(args.strategy), _settings(args)
    if isinstance(settings, TrainingSettings) and settings.processes > 1 and processes_here()[1] == 1:
        launch(settings.processes, "hybridkit", *args.words)  # the same command; the first of them prints and writes
        args.json = None
        return CommandResult("")
    corpus = _rows(args)
    plan = strategy.plan(corpus, settings.steps, settings.batch_size, args.seed)
    model = _start(args, plan, corpus)
    made = record(args.model, model, plan, settings)
    if args.resume and is_finished(out, made):
        return CommandResult(f"{out}: this training is finished", {"model": str(out), "plan": plan.fingerprint})
    if first:
        if args.overwrite:
            shutil.rmtree(work_folder(out), ignore_errors=True)
        note(out, made)
    beside = {"README.md": _card(args, corpus, settings, plan), RECORD: text_of(made)}
    _trained(model, corpus, plan, settings, out, beside)
    if not first:
        args.json = None
        return CommandResult("")
    finish(out, made)
    log = pd.read_json(out / "steps.jsonl", lines=True)
    start, end = float(log["loss"].iloc[0]), float(log["loss"].iloc[-1])
    value = {"model": str(out), "plan": plan.fingerprint, "steps": len(log), "first_loss": start, "last_loss": end}
    return CommandResult(f"{out}: {len(log)} steps, loss {start:.4f} at the first and {end:.4f} at the last", value)


def _settings(args: argparse.Namespace) -> "Settings":
    from dataclasses import fields

    from hybridkit.models.reranker_training import RerankerSettings
    from hybridkit.models.training import TrainingSettings

    for name, kind in _OF_KIND.items():
        if getattr(args, name) is not None and args.kind != kind:
            raise InputError(f"--{name.replace('_', '-')}: it is for --kind {kind}; leave it out")
    known: Any = RerankerSettings if args.kind == RERANKER else TrainingSettings
    given = {one.name: getattr(args, one.name, None) for one in fields(known)}
    if args.kind == RERANKER:
        given["loss"] = args.pair_loss
    elif args.negatives not in (None, "own"):
        raise InputError(
            f"--negatives {args.negatives}: it is for --kind {RERANKER}; an encoder uses the rows' own, which "
            "`hybridkit data negatives` mines"
        )
    else:
        given["negatives"] = args.negatives and True
    made: Settings = known(**{name: value for name, value in given.items() if value is not None})
    return made


def _rows(args: argparse.Namespace) -> "ParallelCorpus":
    """The rows, with mined negatives where a re-ranker is to have them."""
    corpus = open_rows(args.rows)
    if args.kind != RERANKER or args.negatives != "mined":
        return corpus
    from hybridkit.retrieval.mining import Mining, mine_negatives

    return mine_negatives(corpus, "bm25", Mining(keep=False, seed=args.seed))


def _start(
    args: argparse.Namespace, plan: "BatchPlan", corpus: "ParallelCorpus"
) -> "SentenceTransformer | CrossEncoder":
    """The model to train, once all is checked that can be checked without it."""
    from hybridkit.models import reranker
    from hybridkit.models.reranker_training import RerankerSettings
    from hybridkit.models.training import open_texts
    from hybridkit.sampling.plan_pairs import PlanPairs

    settings = _settings(args)
    if not isinstance(settings, RerankerSettings):
        open_texts(plan, corpus, settings)
        return _model(args.model, corpus)
    if args.model == "static":
        raise InputError("--model static: it has no transformer, which a re-ranker needs; give e5-small or a folder")
    PlanPairs(plan, corpus, settings.negatives, settings.ratio)
    return reranker.start(args.model, args.seed)


def _trained(
    model: Any, corpus: "ParallelCorpus", plan: "BatchPlan", settings: Any, out: Path, beside: dict[str, str]
) -> None:
    from hybridkit.models import training
    from hybridkit.models.reranker_training import RerankerSettings, train_reranker

    train_one = train_reranker if isinstance(settings, RerankerSettings) else training.train
    train_one(model, corpus, plan, settings, out, beside=lambda _: beside)


def _model(name: str, corpus: "ParallelCorpus") -> "SentenceTransformer":
    from hybridkit.models import encoder
    from hybridkit.study.settings import EncoderSettings

    if name != "static":
        return encoder.open(name)
    size = EncoderSettings(name)
    return encoder.make(corpus.iter_texts(), size.vocab_size, size.dim, size.seed)


def _card(args: argparse.Namespace, corpus: "ParallelCorpus", settings: "Settings", plan: "BatchPlan") -> str:
    from hybridkit.sampling.codeswitch import rate_sentences
    from hybridkit.study.model_card import model_card, shown

    files = ", ".join(Path(name).name for name in args.rows)
    own = settings.written
    if args.kind != RERANKER and args.reranker:
        own["reranker"] = shown(args.reranker)
    values = {
        "seed": args.seed,
        "training rows": f"{len(corpus):,} of {files} in {len(corpus.languages)} languages",
        "corpus": f"`{corpus.fingerprint}`",
        "batch plan": f"`{plan.fingerprint}`",
        **own,
        **{f"words switched, {name}": text for name, text in rate_sentences(plan, corpus).items()},
    }
    kind = {"pipeline": "text-ranking"} if args.kind == RERANKER else {}
    made = f"Made by `hybridkit train{' --kind reranker' if kind else ''}`; no rows were held out."
    return model_card(made, args.model, args.strategy, corpus, values, files=args.rows, **kind)


def work_folder(out: Path) -> Path:
    """Where `training.train` keeps checkpoints until the model is whole."""
    return out.with_name(out.name + ".work")


def refuse(out: Path, resume: bool, overwrite: bool) -> None:
    """Raise InputError where a training would replace something without --resume or --overwrite."""
    work = work_folder(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not (out / "steps.jsonl").is_file():
            raise InputError(f"{out}: it exists and is not a model that the kit trained; give another --out")
        if not (resume or overwrite):
            raise InputError(f"{out}: a finished training is here; give another --out, or replace it with --overwrite")
    if any(work.glob("checkpoint-*")) and not (resume or overwrite):
        raise InputError(
            f"{work}: an unfinished training is here; continue with --resume, or start again with --overwrite"
        )


def record(name: str, model: Any, plan: "BatchPlan", settings: "Settings") -> dict[str, Any]:
    """Everything that a training is made from, as plain JSON values; of a re-ranker to learn from its hash."""
    from hybridkit.models import encoder, reranker

    own = settings.written
    if own.get("reranker"):
        own["reranker"] = encoder.model_hash(reranker.open(own["reranker"]))
    made_from: dict[str, Any] = {"model": name, "weights": encoder.weights_hash(model), "prompts": dict(model.prompts)}
    made_from["encoder"] = encoder.model_hash(model)
    made_from |= {"strategy": plan.strategy, "seed": plan.seed, "plan": plan.fingerprint}
    values: dict[str, Any] = json.loads(json.dumps(made_from | own))
    return values


def text_of(record: dict[str, Any]) -> str:
    """A record as JSON."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def note(out: Path, record: dict[str, Any]) -> None:
    """Write the record beside the checkpoints; InputError where checkpoints of another training are there."""
    from hybridkit.utils.files import write_text

    work = work_folder(out)
    if any(work.glob("checkpoint-*")) and (why := _difference(work / RECORD, record)):
        raise InputError(
            f"{work}: the unfinished training here is another one ({why}); give the same options, "
            "start again with --overwrite, or give another --out"
        )
    write_text(work / RECORD, text_of(record))


def is_finished(out: Path, record: dict[str, Any]) -> bool:
    """Whether this very training is at `out`, finished; InputError where another one is."""
    from hybridkit.utils.files import checksum

    if not (out / "steps.jsonl").is_file():
        return False
    if why := _difference(out / RECORD, record):
        raise InputError(
            f"{out}: another training is here, finished ({why}); give another --out, or replace it with --overwrite"
        )
    for name, known in _read(out / RECORD).get("files", {}).items():
        if not (out / name).is_file() or checksum(out / name) != known:
            raise InputError(f"{out / name}: missing or damaged; train the model again with --overwrite")
    return True


def finish(out: Path, record: dict[str, Any]) -> None:
    """Write the checksums of a finished model's files into its record."""
    from hybridkit.utils.files import checksum, write_text

    paths = sorted(path for path in out.rglob("*") if path.is_file() and path.name != RECORD)
    files = {path.relative_to(out).as_posix(): checksum(path) for path in paths}
    write_text(out / RECORD, text_of(record | {"files": files}))


def _difference(path: Path, record: dict[str, Any]) -> str:
    """How the record of a training differs from one that was written; empty where it does not."""
    from hybridkit.models.training import PLAIN_LOSS

    before = _read(path)
    if not before:
        return f"{path.name} is missing or damaged"
    # earlier versions noted weights and prompts alone, and had the plain loss only
    before = {"encoder": record["encoder"], **PLAIN_LOSS, **before}
    changed = [key for key in record if key != "model" and before.get(key) != record[key]]
    return "; ".join(f"{key}: {before.get(key)!r} there, {record[key]!r} in this command" for key in changed)


def _read(path: Path) -> dict[str, Any]:
    """The record of a training; empty where it is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
