"""What `hybridkit train` finds at its output folder: nothing, an unfinished or a finished training; none is lost."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError
from hybridkit.files import checksum, write_text

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hybridkit.sampling import BatchPlan
    from hybridkit.training import TrainingSettings

RECORD = "hybridkit-train.json"  # beside the checkpoints, then in the model's folder: what it was made from


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

    made_from: dict[str, Any] = {"model": name, "weights": encoder.weights_hash(model), "prompts": dict(model.prompts)}
    made_from["encoder"] = encoder.model_hash(model)
    made_from |= {"strategy": plan.strategy, "seed": plan.seed, "plan": plan.fingerprint}
    values: dict[str, Any] = json.loads(json.dumps(made_from | asdict(settings)))
    return values


def text_of(record: dict[str, Any]) -> str:
    """Write a record as JSON."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def note(out: Path, record: dict[str, Any]) -> None:
    """Write the record beside the checkpoints; InputError where checkpoints of another training lie there."""
    work = work_folder(out)
    if any(work.glob("checkpoint-*")) and (why := _difference(work / RECORD, record)):
        raise InputError(
            f"{work}: the unfinished training here is another one ({why}); give the same options, "
            "start anew with --overwrite, or give another --out"
        )
    write_text(work / RECORD, text_of(record))


def is_finished(out: Path, record: dict[str, Any]) -> bool:
    """Whether this very training lies at `out`, finished; InputError where another one does."""
    if not (out / "steps.jsonl").is_file():
        return False
    if why := _difference(out / RECORD, record):
        raise InputError(
            f"{out}: another training lies here, finished ({why}); give another --out, or replace it with --overwrite"
        )
    for name, known in _read(out / RECORD).get("files", {}).items():
        if not (out / name).is_file() or checksum(out / name) != known:
            raise InputError(f"{out / name}: missing or damaged; train the model again with --overwrite")
    return True


def finish(out: Path, record: dict[str, Any]) -> None:
    """Write the checksums of a finished model's files into its record."""
    paths = sorted(path for path in out.rglob("*") if path.is_file() and path.name != RECORD)
    files = {path.relative_to(out).as_posix(): checksum(path) for path in paths}
    write_text(out / RECORD, text_of(record | {"files": files}))


def _difference(path: Path, record: dict[str, Any]) -> str:
    """How the record of a training differs from one that was written; empty where it does not."""
    before = _read(path)
    if not before:
        return f"{path.name} is missing or damaged"
    before = {"encoder": record["encoder"], **before}  # earlier versions noted weights and prompts alone
    changed = [key for key in record if key != "model" and before.get(key) != record[key]]
    return "; ".join(f"{key}: {before.get(key)!r} there, {record[key]!r} asked for" for key in changed)


def _read(path: Path) -> dict[str, Any]:
    """The record of a training; empty where it is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
