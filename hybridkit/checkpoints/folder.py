"""Model folders: is one fit to be opened, and the hub's models as such folders, without their pickles."""

import json
from pathlib import Path
from typing import Any

from hybridkit.errors import MissingDataError

WANTED: dict[str, Any] = {
    "allow_patterns": ["*.json", "*.safetensors", "*.txt", "*.model"],
    "ignore_patterns": ["onnx/*", "openvino/*"],
}


def fault(folder: Path) -> str | None:
    """Say why a folder is no encoder that the kit opens, with the cure; None when it is one.

    Wanted are `modules.json` naming modules of sentence-transformers only, or `config.json` of transformers; and
    weights as safetensors wherever there are weights.

    >>> fault(Path("no-such-folder"))
    'it has neither modules.json nor config.json; give a SentenceTransformer or transformers folder'
    """
    folders = {folder}
    if (folder / "modules.json").is_file():
        try:
            text = (folder / "modules.json").read_text(encoding="utf-8")
            modules = [(str(module["type"]), str(module["path"])) for module in json.loads(text)]
        except (ValueError, KeyError, TypeError) as error:
            return f"its modules.json cannot be read ({error!r}); get the folder again"
        foreign = [kind for kind, _ in modules if not kind.startswith("sentence_transformers.")]
        if foreign:
            return f"its module {foreign[0]} is code of its own, which the kit never runs; use another model"
        folders |= {folder / path for _, path in modules}
    elif not (folder / "config.json").is_file():
        return "it has neither modules.json nor config.json; give a SentenceTransformer or transformers folder"
    for each in sorted(folders):
        if any(each.glob("*.bin")) and not any(each.glob("*.safetensors")):
            return (
                f"the weights in {each.name} are pickled (*.bin), which the kit never reads; write them again with "
                "save_pretrained(folder) of transformers or sentence-transformers, which makes safetensors"
            )
    return None if any(folder.rglob("*.safetensors")) else "it has no weights (*.safetensors); get the folder again"


def fetch(hub: str, cure: str) -> Path:
    """Give the local folder of a hub model, fetching what is missing; its name is the revision.

    Raises MissingDataError naming the model, the hub's cache folder and the cure when it is nowhere.
    """
    import httpx
    from huggingface_hub import constants, snapshot_download

    if (found := here(hub)) is not None:
        return found
    try:
        return Path(str(snapshot_download(hub, **WANTED)))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise MissingDataError(
            f"{hub}: not in {constants.HF_HUB_CACHE} and not fetched from the hub ({first_line(error)}); {cure}"
        ) from error


def here(hub: str) -> Path | None:
    """Give the folder of a hub model in the hub's cache; None where it is not there, not whole, or no hub name."""
    from huggingface_hub import snapshot_download

    try:
        found = Path(str(snapshot_download(hub, local_files_only=True, **WANTED)))
    except (OSError, ValueError):
        return None
    return found if fault(found) is None else None


def first_line(error: BaseException) -> str:
    """Tell an error of a library in one line.

    >>> first_line(KeyError("type"))
    "KeyError: 'type'"
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
