"""What `hybridkit train` finds at its output folder: nothing, an unfinished or a finished training; none is lost."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError
from hybridkit.files import atomic_write, digest

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hybridkit.sampling import BatchPlan
    from hybridkit.training import TrainingSettings

_RECORD = "hybridkit-train.json"


def work_folder(out: Path) -> Path:
    """Where `training.train` keeps checkpoints until the model is whole."""
    return out.with_name(out.name + ".work")


def refuse(out: Path, resume: bool, overwrite: bool) -> None:
    """Raise InputError where a training would replace something that the user did not give up."""
    work = work_folder(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not (out / "steps.jsonl").is_file():
            raise InputError(f"{out}: it exists and is no model that the kit trained; give another --out")
        if not (resume or overwrite):
            raise InputError(
                f"{out}: a finished training lies here; give another --out, or replace it with --overwrite"
            )
    if any(work.glob("checkpoint-*")) and not (resume or overwrite):
        raise InputError(
            f"{work}: an unfinished training lies here; go on with --resume, or start anew with --overwrite"
        )


def record(name: str, model: "SentenceTransformer", plan: "BatchPlan", settings: "TrainingSettings") -> dict[str, Any]:
    """Everything that a training is made from, as plain JSON values."""
    from hybridkit import encoder

    weights, values = encoder.weights_hash(model), json.loads(json.dumps(asdict(settings)))
    return {
        "model": name,
        "weights": weights,
        "strategy": plan.strategy,
        "seed": plan.seed,
        "plan": plan.fingerprint,
        **values,
    }


def key_of(record: dict[str, Any]) -> str:
    """SHA-256 of a record as hex, the model's name left out: its weights are in."""
    return digest({key: value for key, value in record.items() if key != "model"})


def note(out: Path, record: dict[str, Any]) -> None:
    """Write the record beside the checkpoints; InputError where checkpoints of another training lie there."""
    work = work_folder(out)
    path = work / _RECORD
    if any(work.glob("checkpoint-*")):
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if not before or key_of(before) != key_of(record):
            changed = [
                f"{key} {before[key]!r}, not {value!r}"
                for key, value in record.items()
                if before.get(key) != value and key in before
            ]
            why = f" ({'; '.join(changed)})" if changed else ""
            raise InputError(
                f"{work}: the unfinished training here is another one{why}; give the same options, "
                "start anew with --overwrite, or give another --out"
            )
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def is_finished(out: Path, record: dict[str, Any]) -> bool:
    """Whether this very training lies at `out`, finished; InputError where another one does."""
    card = out / "README.md"
    if not (out / "steps.jsonl").is_file():
        return False
    if card.is_file() and key_of(record) in card.read_text(encoding="utf-8"):
        return True
    raise InputError(f"{out}: another training lies here, finished; give another --out, or replace it with --overwrite")
