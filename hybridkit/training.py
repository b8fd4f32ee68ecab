"""Train an encoder on a batch plan, with sentence-transformers' trainer; a killed training goes on where it was."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.corpus import ParallelCorpus
from hybridkit.embedding import cut_at
from hybridkit.encoder import calm_bars, weights_hash
from hybridkit.errors import InputError
from hybridkit.files import atomic_folder, digest
from hybridkit.sampling.feed import PlanBatchSampler, plan_dataset
from hybridkit.sampling.plan import BatchPlan

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

_WHOLE = "hybridkit-checkpoint.json"


@dataclass(frozen=True)
class TrainingSettings:
    """How to train. Lengths are tokens; `warmup` is a share of the steps; `freeze` are parts of parameter names.

    `precision` is "float32" or "bf16" (autocast). `evaluate_every` steps the held-out measure is taken, the best
    checkpoint kept, and after `patience` evaluations without a better one the training stops; 0 turns either off.
    """

    steps: int
    batch_size: int
    learning_rate: float = 3e-5
    temperature: float = 0.05
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_length: int | None = None
    precision: str = "float32"
    freeze: tuple[str, ...] = ()
    checkpoint_every: int = 50
    evaluate_every: int = 0
    patience: int = 0

    def __post_init__(self) -> None:
        """Raise InputError naming the setting that cannot be."""
        wrong = {
            "steps": self.steps < 1, "batch_size": self.batch_size < 2, "learning_rate": self.learning_rate <= 0,
            "temperature": self.temperature <= 0, "warmup": not 0 <= self.warmup < 1,
            "weight_decay": self.weight_decay < 0, "max_length": self.max_length is not None and self.max_length < 4,
            "checkpoint_every": self.checkpoint_every < 1, "evaluate_every": self.evaluate_every < 0,
            "precision": self.precision not in ("float32", "bf16"),
            "patience": self.patience < 0 or (self.patience > 0 and not self.evaluate_every),
        }  # fmt: skip
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise InputError(
                    f"training.{name}: {getattr(self, name)!r} cannot be; see TrainingSettings for what can"
                )


def train(
    encoder: "SentenceTransformer",
    corpus: ParallelCorpus,
    plan: BatchPlan,
    settings: TrainingSettings,
    out: Path,
    *,
    beside: Callable[["SentenceTransformer"], Mapping[str, str]] | None = None,
    measure: Callable[["SentenceTransformer"], Mapping[str, float]] | None = None,
) -> Path:
    """Train on every batch of the plan by in-batch InfoNCE over cosines and write the model to the folder `out`.

    The loss is that of arXiv 2408.10536 (section 2): cross-entropy over the batch's passages, scores divided by the
    temperature. `out` is a SentenceTransformer folder with `steps.jsonl` (step, kind, loss, learning_rate) beside it.
    Checkpoints lie in `out` + ".work" until then; called again after a kill, the same training (plan, settings and
    encoder) goes on from the last whole one, to the same weights on the same machine. `measure` gives held-out scores,
    the first of which decides about stopping; `beside` gives texts to write into the folder once it is trained, such as
    its card, by file name. After an error, or an interruption by hand, the encoder is as it was before.

    Raises InputError for a plan of another corpus, a setting that does not fit the encoder, a loss that is no number.
    """
    work = out.with_name(out.name + ".work")
    prompts = {side: encoder.prompts.get(side) or "" for side in ("query", "passage")}
    key = digest(plan.fingerprint, asdict(settings), weights_hash(encoder), prompts)
    with _in_training(encoder, settings), calm_bars():
        trainer = _trainer(encoder, corpus, plan, settings, work, key, measure)
        checkpoint = _last_whole(work, key)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    log = [
        {"step": line["step"] - 1, "kind": str(plan.kinds[line["step"] - 1]), "loss": line["loss"],
         "learning_rate": line["learning_rate"]}
        for line in trainer.state.log_history if "loss" in line
    ]  # fmt: skip
    with atomic_folder(out) as temporary, calm_bars():
        encoder.save_pretrained(str(temporary), create_model_card=False, safe_serialization=True)
        (temporary / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
        for name, text in (beside(encoder) if beside else {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return out


@contextmanager
def _in_training(encoder: "SentenceTransformer", settings: TrainingSettings) -> Iterator[None]:
    """Freeze and cut as the settings say; undo both at the end, and after an error what was learnt."""
    import torch
    from accelerate.utils import extract_model_from_parallel

    frozen = {name for name, _ in encoder.named_parameters() if any(part in name for part in settings.freeze)}
    if settings.freeze and not frozen:
        raise InputError(f"training.freeze: {settings.freeze} is in the name of no parameter of the encoder")
    # what the encoder itself keeps out of training (a pooler that nothing reads) stays out
    trained = {name: one for name, one in encoder.named_parameters() if one.requires_grad and name not in frozen}
    if not trained:
        raise InputError(f"training.freeze: {settings.freeze} leaves no parameter to train")
    held = [one for name, one in encoder.named_parameters() if one.requires_grad and name in frozen]
    before = {name: one.detach().clone() for name, one in trained.items()}
    card, encoder.model_card_data.widget = encoder.model_card_data.widget, [{"text": ""}]  # else the trainer makes some
    try:
        with cut_at(encoder, settings.max_length):
            for parameter in held:
                parameter.requires_grad_(False)
            yield
    except BaseException:
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(before[name])
        raise
    finally:
        # the trainer wraps forward in autocast; the encoder goes back as it came, for float32 encoding
        extract_model_from_parallel(encoder, keep_fp32_wrapper=False)
        encoder.model_card_data.widget = card
        for parameter in held:
            parameter.requires_grad_(True)


def _trainer(
    encoder: "SentenceTransformer", corpus: ParallelCorpus, plan: BatchPlan, settings: TrainingSettings, work: Path,
    key: str, measure: Callable[["SentenceTransformer"], Mapping[str, float]] | None,
) -> "SentenceTransformerTrainer":  # fmt: skip
    import torch
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import EarlyStoppingCallback, PrinterCallback

    from hybridkit.progress import CheckpointMark, FiniteLoss, Progress, measure_as_evaluator

    prompts = {side: encoder.prompts.get(side) or "" for side in ("query", "passage")}
    # the same steps give the same sums, and texts are tokenized in the order of the plan
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.use_deterministic_algorithms(True, warn_only=True)
    evaluates = measure is not None and settings.evaluate_every > 0
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work),
        max_steps=len(plan),
        per_device_train_batch_size=plan.draws.shape[1],
        batch_sampler=PlanBatchSampler,
        prompts={side: prompt for side, prompt in prompts.items() if prompt},
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=round(settings.warmup * len(plan)),
        use_cpu=encoder.device.type == "cpu",
        bf16=settings.precision == "bf16",
        seed=plan.seed,
        data_seed=plan.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would log the mean of the steps before in place of a nan
        save_strategy="steps",
        save_steps=settings.evaluate_every if evaluates else settings.checkpoint_every,
        save_total_limit=2,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=settings.evaluate_every if evaluates else None,
        load_best_model_at_end=evaluates,
        metric_for_best_model="held-out" if evaluates else None,
        greater_is_better=True if evaluates else None,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        accelerator_config={"split_batches": True},
    )
    callbacks: list[Any] = [
        Progress(f"{plan.strategy} seed {plan.seed}"), FiniteLoss(), CheckpointMark(_WHOLE, key)
    ]  # fmt: skip
    if evaluates and settings.patience:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=settings.patience))
    trainer = SentenceTransformerTrainer(
        model=encoder,
        args=arguments,
        train_dataset=plan_dataset(plan, corpus),
        loss=MultipleNegativesRankingLoss(encoder, scale=1 / settings.temperature),
        evaluator=measure_as_evaluator(measure) if evaluates and measure is not None else None,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _last_whole(work: Path, key: str) -> Path | None:
    """The last checkpoint that was written to its end for this very training; broken or foreign ones are removed."""
    whole = []
    for folder in work.glob("checkpoint-*"):
        mark = folder / _WHOLE
        if mark.is_file() and json.loads(mark.read_text()).get("training") == key:
            whole.append(folder)
        else:
            shutil.rmtree(folder)
    return max(whole, key=lambda folder: int(folder.name.split("-")[1]), default=None)
