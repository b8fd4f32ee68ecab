"""sentence-transformers' trainer on a batch plan: loss, batches, checkpoints, progress and held-out scores."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from torch import nn
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback

from hybridkit.errors import InputError
from hybridkit.models.embedding import TASKS, is_full, preprocess
from hybridkit.models.fast_layers import TrimmedEmbedding
from hybridkit.models.loss import Objective, batch_loss
from hybridkit.models.plan_dataset import PlanBatchSampler, texts_dataset
from hybridkit.sampling.plan import BatchPlan
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.files import checksum, write_text
from hybridkit.utils.progress import bar

if TYPE_CHECKING:
    from hybridkit.models.training import TrainingSettings

WEIGHTS = "trained.safetensors"  # of a checkpoint
WHOLE = "hybridkit-checkpoint.json"  # its mark, written last


class Progress(TrainerCallback):
    """A progress bar on stderr, which moves at most every ten seconds where stderr is not a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the bar at the step that the training is at."""
        self._bar = bar(total=state.max_steps, initial=state.global_step, desc=self._name, unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move on."""
        self._bar.update(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the bar."""
        self._bar.close()


class FiniteLoss(TrainerCallback):
    """Stops a training whose loss is not a number any more, before the next checkpoint."""

    def __init__(self, cure: str = "lower training.learning_rate or raise training.temperature") -> None:
        self._cure = cure

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:
        """Raise InputError at the step whose loss is nan or infinite."""
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            raise InputError(f"training, step {state.global_step - 1}: the loss is {loss}; {self._cure}")


class CheckpointMark(TrainerCallback):
    """Marks every checkpoint once it is whole: a kill while it is written, or damage, costs only that one."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the mark, atomically and last: the key of the training, and every file's checksum."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process writes a file of its own
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        with suppress(FileNotFoundError):  # another run of the same study was faster, and has removed it
            files = {path.name: checksum(path) for path in sorted(folder.iterdir()) if path.name != self._name}
            write_text(folder / self._name, json.dumps({"training": self._key, "files": files}))


def checkpoint_fault(folder: Path, name: str, key: str) -> str:
    """Return why a training cannot go on from a checkpoint, whose mark is `name`; "" where it is whole.

    The mark of an earlier version names no files; such a checkpoint is taken as it is.
    """
    try:
        mark = json.loads((folder / name).read_bytes())
        training, files = mark["training"], dict(mark.get("files", {}))
    except FileNotFoundError:
        return "it was not written to its end"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return f"{name} is damaged"
    if training != key:
        return "it is of another training"
    for file, known in files.items():
        try:
            if checksum(folder / file) != known:
                return f"{file} is damaged"
        except OSError:
            return f"{file} is missing"
    return ""


def measure_as_evaluator(
    measure: Callable[[SentenceTransformer], Mapping[str, float]], watch: str
) -> SentenceEvaluator:
    """Return the evaluator of a function from encoder to scores by name; InputError where `watch` is not among them."""

    class HeldOut(SentenceEvaluator):
        primary_metric = "held-out"

        def __call__(self, model: SentenceTransformer, *_: Any, **__: Any) -> dict[str, float]:
            with _unwrapped(model):
                scores = dict(measure(model))
            if watch not in scores:
                known = ", ".join(scores)
                raise InputError(f"training.watch: {watch!r} is not a held-out score; it must be one of {known}")
            return {"held-out": scores[watch]} | scores

    return HeldOut()


@contextmanager
def _unwrapped(model: SentenceTransformer) -> Iterator[None]:
    """Remove the autocast that a trainer of bf16 puts around `forward`: what is measured has its own precision."""
    wrapped, own = vars(model).get("forward"), vars(model).get("_original_forward")  # accelerate's name for it
    if own is not None:
        vars(model)["forward"] = own
    try:
        yield
    finally:
        if own is not None:
            vars(model)["forward"] = wrapped


class TrainedOnly:
    """Makes a trainer's checkpoints hold what is trained and nothing else, read back without building a model."""

    key = ""  # of the training, in the marks of its checkpoints
    model: Any
    args: Any
    state: Any

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Return the trainer's optimizer, which a trimmed embedding follows."""
        optimizer: torch.optim.Optimizer = super().create_optimizer(*args, **kwargs)  # type: ignore[misc]
        for module in self.model.modules():
            if isinstance(module, TrimmedEmbedding):
                module.follow(optimizer)
        return optimizer

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.detach().contiguous() for name, value in self._trained().items()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        saved, own = load_file(Path(checkpoint_path) / WEIGHTS), self._trained()
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(saved[name])

    def _load_best_model(self) -> None:
        best = Path(self.args.output_dir) / Path(self.state.best_model_checkpoint).name  # the run may have been moved
        if fault := checkpoint_fault(best, WHOLE, self.key):
            raise InputError(f"{best}: {fault}; start the training again, it goes on from the last whole checkpoint")
        self._load_from_checkpoint(str(best))

    def _trained(self) -> dict[str, torch.Tensor]:
        """What a training changes, by name: parameters that are not frozen, and saved buffers.

        What has two names (tied weights) is in it once, under the first.
        """
        fixed = {id(one) for one in self.model.parameters() if not one.requires_grad}
        found: dict[int, tuple[str, torch.Tensor]] = {}
        for name, value in self.model.state_dict(keep_vars=True).items():
            if id(value) not in fixed:
                found.setdefault(id(value), (name, value))
        return dict(found.values())


class PlanTrainer(TrainedOnly, SentenceTransformerTrainer):
    """The trainer of an encoder on a plan, whose log has the parts of a loss that has some."""

    kinds: Sequence[str] = ()  # of the batches, by step, where a tracker follows the training

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """Return the trainer's loss, whose parts go to the log."""
        found = super().compute_loss(*args, **kwargs)
        if self.loss.parts:
            self.track_loss_components(self.loss.parts)
        return found

    def log(self, logs: dict[str, float], *words: Any, **more: Any) -> None:
        """Log numbers; for trackers the loss of a step stands under the kind of its batch too, as in loss_mono."""
        if self.kinds and "loss" in logs:
            logs = {**logs, f"loss_{self.kinds[self.state.global_step - 1]}": logs["loss"]}
        super().log(logs, *words, **more)


@contextmanager
def repeatable() -> Iterator[None]:
    """Make steps in the block deterministic, with texts tokenized in the order of the plan.

    PyTorch would then fill all memory that it takes, to show reads of what nobody wrote: a tenth of a step, left out.
    Attention with dropout on a CPU, which has no fused form, stays in bf16 under autocast: as near to float32 as the
    fused one.
    """
    key = "TOKENIZERS_PARALLELISM"
    parallel = os.environ.get(key)
    exact, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    deterministic, attention = torch.utils.deterministic, torch.backends.cuda
    fills, narrow = deterministic.fill_uninitialized_memory, attention.fp16_bf16_reduction_math_sdp_allowed()
    os.environ.setdefault(key, "false")
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False
    attention.allow_fp16_bf16_reduction_math_sdp(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(exact, warn_only=warns)
        deterministic.fill_uninitialized_memory = fills
        attention.allow_fp16_bf16_reduction_math_sdp(narrow)
        if parallel is None:
            os.environ.pop(key, None)


def plan_trainer(
    encoder: SentenceTransformer,
    texts: PlanTexts,
    prompts: Mapping[str, str],
    settings: "TrainingSettings",
    work: Path,
    key: str,
    measure: Callable[[SentenceTransformer], Mapping[str, float]] | None,
    packed: bool = True,
    teacher: np.ndarray | None = None,
    margins: np.ndarray | None = None,
) -> PlanTrainer:
    """Return the trainer of a plan's texts; its checkpoints go to the folder `work`, marked with `key` once whole.

    `prompts` are those of the columns query, passage, negative and twin; `packed` is that of `batch_loss`, `teacher`
    and `margins` are those of `Objective`.
    """
    plan, objective = texts.plan, Objective.of(settings, teacher, margins)
    evaluates = measure is not None and settings.evaluate_every > 0
    arguments = SentenceTransformerTrainingArguments(
        **common_arguments(plan, settings, work, encoder.device.type),
        prompts={side: prompt for side, prompt in prompts.items() if prompt},
        router_mapping=dict(TASKS),
        save_steps=settings.evaluate_every if evaluates else settings.checkpoint_every,
        eval_strategy="steps" if evaluates else "no",
        eval_steps=settings.evaluate_every if evaluates else None,
        load_best_model_at_end=evaluates,
        metric_for_best_model="held-out" if evaluates else None,
        greater_is_better=settings.watch != "rank_distance" if evaluates else None,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs are for several processes, never for copies in one
    callbacks: list[Any] = [Progress(f"{plan.strategy} seed {plan.seed}"), FiniteLoss(), CheckpointMark(WHOLE, key)]
    if evaluates and settings.patience:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=settings.patience))
    trainer = PlanTrainer(
        model=encoder,
        args=arguments,
        train_dataset=texts_dataset(texts, gaps=True, numbered=margins is not None),
        loss=batch_loss(encoder, objective, settings.mini_batch, settings.precision == "bf16", packed),
        evaluator=measure_as_evaluator(measure, settings.watch) if evaluates and measure is not None else None,
        callbacks=callbacks,
    )
    trainer.key = key
    trainer.kinds = list(map(str, plan.kinds)) if settings.report_to else ()
    trainer.data_collator.preprocess_fn = partial(preprocess, encoder)
    trainer.remove_callback(PrinterCallback)
    return trainer


def trackers(names: Sequence[str], logs: Path) -> list[TrainerCallback]:
    """Return transformers' callbacks of some trackers; those that write files write them to the folder `logs`.

    Raises InputError for a tracker that transformers does not know, or that is not installed.
    """
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    found = []
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
            raise InputError(f"training.report_to: unknown tracker {name!r}; there are {known}")
        try:
            callback = INTEGRATION_TO_CALLBACK[name]()
        except (RuntimeError, ImportError) as error:
            raise InputError(f"training.report_to: {name} is not installed; run `pip install {name}`") from error
        if name == "tensorboard" and callback.logging_dir is None:  # else beside the checkpoints, which are removed
            callback.logging_dir = str(logs)
        found.append(callback)
    return found


def common_arguments(plan: BatchPlan, settings: Any, work: Path, device: str) -> dict[str, Any]:
    """Return the arguments that every trainer on a plan has: settings, seeds, steps, and checkpoints in `work`."""
    return {
        "output_dir": str(work),
        "max_steps": len(plan),
        "per_device_train_batch_size": plan.draws.shape[1],
        "batch_sampler": PlanBatchSampler,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "warmup_steps": round(settings.warmup * len(plan)),
        "use_cpu": device == "cpu",
        "bf16": settings.precision == "bf16",
        "seed": plan.seed,
        "data_seed": plan.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would log the mean of the steps before instead of a nan
        "save_strategy": "steps",
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "accelerator_config": {"split_batches": True},
    }


def check_memory(encoder: Any, features: Sequence[dict[str, Any]], settings: Any, total: int | None = None) -> None:
    """Raise InputError when the activations of one batch, its columns' `features`, are more than the device's memory.

    A lower bound is counted: the outputs of all linear layers of the transformer that are trained, which a training
    keeps for the backward pass unless the encoder computes them again (gradient checkpointing). `total` is the memory
    in bytes, by default the device's.
    """
    inner = encoder.transformers_model
    masks = [column["attention_mask"] for column in features if column.get("attention_mask") is not None]
    if inner is None or not masks or getattr(inner, "is_activation_checkpointing", False):
        return
    lengths = np.sort(np.concatenate([mask.sum(dim=1).numpy() for mask in masks]))[::-1]
    layers = [
        one
        for name, one in inner.named_modules()
        if isinstance(one, nn.Linear) and one.weight.requires_grad and "pooler" not in name
    ]
    token = (2 if settings.precision == "bf16" else 4) * sum(one.out_features for one in layers)
    needed = token * int(lengths[: settings.mini_batch or None].sum())
    total = total or _total(encoder.device)
    if needed > total:
        fit = int(np.searchsorted(np.cumsum(lengths) * token, total / 2))
        raise InputError(
            f"training.batch_size: {len(lengths)} texts of a batch need at least {needed / 1e9:,.1f} GB for training, "
            f"and {encoder.device} has {total / 1e9:,.1f} GB. {_cure(fit)}"
        )


@contextmanager
def report_out_of_memory(settings: Any) -> Iterator[None]:
    """Turn an allocation that fails in the middle of a training into an InputError with the cure."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        now = settings.mini_batch or 2 * settings.batch_size
        raise InputError(f"training.batch_size: the memory is full. {_cure(max(1, now // 4))}") from error


def _cure(fit: int) -> str:
    return (
        f"Set training.mini_batch to {max(1, fit)} or less (the same gradients in less memory), cut texts with "
        "max_length, or make the batches smaller"
    )


def _total(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    if not hasattr(os, "sysconf"):
        return sys.maxsize  # unknown on Windows
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
