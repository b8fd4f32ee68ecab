"""What a trainer is told while it runs: progress, marks on whole checkpoints, a held-out measure."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator
from transformers import TrainerCallback

from hybridkit.bars import bar
from hybridkit.errors import InputError
from hybridkit.files import checksum, write_text


class Progress(TrainerCallback):
    """A calm progress bar on stderr: it moves at most every ten seconds where nobody watches a terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Open the bar where the training stands."""
        self._bar = bar(total=state.max_steps, initial=state.global_step, desc=self._name, unit="step")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Move on."""
        self._bar.update(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Close the bar."""
        self._bar.close()


class FiniteLoss(TrainerCallback):
    """Stops a training whose loss is no number any more, before a checkpoint is made of it."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:  # noqa: ANN401
        """Raise InputError at the step whose loss is nan or infinite."""
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            raise InputError(
                f"training, step {state.global_step - 1}: the loss is {loss}; lower training.learning_rate or raise "
                f"training.temperature"
            )


class CheckpointMark(TrainerCallback):
    """Marks every checkpoint once it is whole: a kill in the middle of writing one, or damage, costs only that one."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Write the mark, atomically and last: of which training the checkpoint is, and every file's checksum."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process writes a file of its own
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        with suppress(FileNotFoundError):  # another run of the same study was faster, and has removed it
            files = {path.name: checksum(path) for path in sorted(folder.iterdir()) if path.name != self._name}
            write_text(folder / self._name, json.dumps({"training": self._key, "files": files}))


def checkpoint_fault(folder: Path, name: str, key: str) -> str:
    """Why a checkpoint cannot be gone on from: its mark `name` or a file is missing or damaged; "" where it is whole.

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
    """Make an evaluator of a function from encoder to named scores, of which `watch` decides.

    It raises InputError for a score that is not there.
    """

    class HeldOut(SentenceEvaluator):
        primary_metric = "held-out"

        def __call__(self, model: SentenceTransformer, *_: Any, **__: Any) -> dict[str, float]:  # noqa: ANN401
            with _unwrapped(model):
                scores = dict(measure(model))
            if watch not in scores:
                raise InputError(f"training.watch: {watch!r} is no held-out score; there are {', '.join(scores)}")
            return {"held-out": scores[watch]} | scores

    return HeldOut()


@contextmanager
def _unwrapped(model: SentenceTransformer) -> Iterator[None]:
    """Take the autocast off that a trainer of bf16 puts around `forward`: what is measured says its own precision."""
    wrapped, own = vars(model).get("forward"), vars(model).get("_original_forward")  # accelerate's name for it
    if own is not None:
        vars(model)["forward"] = own
    try:
        yield
    finally:
        if own is not None:
            vars(model)["forward"] = wrapped
