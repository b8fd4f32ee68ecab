"""Model folders: may one be opened, and the hub's models as such folders, without their pickles.

Weights are safetensors; their headers limit how large a model may be before anything is built.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.errors import InputError, MissingDataError, first_line
from hybridkit.utils.reading import json_value

if TYPE_CHECKING:
    import torch


_HEADER_BYTES = 2**24
_SPARE_VALUES, _SPARE_TENSORS = 2**26, 10_000  # that a model may have beside its weights: poolers, tables of positions
WANTED: dict[str, Any] = {
    "allow_patterns": ["*.json", "*.safetensors", "*.txt", "*.model"],
    "ignore_patterns": ["onnx/*", "openvino/*"],
}
# Modules of sentence-transformers for dense encoders, under all names that it ever had for them, by what they open.
_NAME = re.compile(
    r"sentence_transformers\.((base|sentence_transformer)\.)?(models|modules)\.([a-zA-Z_.]+\.)?(?P<kind>\w+)"
)
OWN = "hybridkit.models.conv_text.ConvText"  # the kit's own module, as modules.json names it
_TRANSFORMERS = ("Transformer", "CLIPModel")
_WEIGHED = (
    "ConvText",
    "Dense",
    "LSTM",
    "CNN",
    "LayerNorm",
    "WeightedLayerPooling",
    "StaticEmbedding",
    "WordEmbeddings",
)
_ROUTERS = ("Router", "Asym")
_PLAIN = ("Pooling", "Normalize", "Dropout", "BoW", "WordWeights")
_TOKENIZERS = ("WhitespaceTokenizer", "WordTokenizer", "PhraseTokenizer")
_READ = (".json", ".safetensors", ".txt", ".model", ".jinja", ".md")  # files that are opened
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.h5", "*.msgpack", "*.npy")
_BYTES = 2**28  # no file beside the weights is larger
_DEEP, _MANY = 8, 100  # routers in routers, modules of one
_AGAIN = "get the folder again"
# Settings of a module about where and how files are read, which the kit decides itself.
_OURS = """
    adapter_kwargs adapter_name auto_map cache_dir code_revision config device_map force_download from_flax
    from_tf gguf_file ignore_mismatched_sizes kernel_config load_in_4bit load_in_8bit local_files_only
    offload_folder proxies quantization_config revision state_dict subfolder token use_kernels use_safetensors
    variant weights_only
"""
_SETTINGS = ("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs")
_CONFIGS = """
    config.json sentence_*_config.json config_sentence_transformers.json tokenizer_config.json
    special_tokens_map.json added_tokens.json generation_config.json *processor_config.json lstm_config.json
    cnn_config.json conv_text_config.json wordembedding_config.json hybridkit.json
"""
_LAYERS = re.compile(r"(layers?|depths?|blocks?|groups?)$")


@dataclass(frozen=True)
class Header:
    """How many tensors a file holds, and their bytes in all."""

    tensors: int
    bytes: int


def header(path: Path) -> Header:
    """Read the header of a safetensors file, no weight of it.

    Raises InputError for a file that is cut short, and for tensors that overlap or lie outside it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> from safetensors.numpy import save_file
    >>> import numpy as np
    >>> save_file({"a": np.zeros(2, np.float32)}, path)
    >>> header(path)
    Header(tensors=1, bytes=8)
    """
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    try:
        if length > _HEADER_BYTES:
            raise ValueError(f"a header of {length:,} bytes")
        with safe_open(path, "np") as opened:  # it checks the header against the file's size, and reads no weight
            return Header(len(opened.keys()), path.stat().st_size - 8 - length)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path.name} is not a whole safetensors file ({first_line(error)}); {_AGAIN}") from error


@contextmanager
def held_to(headers: Iterable[Header], name: str) -> Iterator[None]:
    """Stop the building, in the block, of a model that is far larger than its weights.

    Parameters and buffers are counted as modules register them, before they are drawn or read: a million layers end in
    an error after some thousand. Raises InputError that begins with `name`.
    """
    from torch.nn.modules import module as hooks

    known = list(headers)
    # the weights may be half of the model, in 16 bits: the encoder of an encoder and decoder
    values = 2 * sum(one.bytes for one in known) + _SPARE_VALUES
    tensors = 4 * sum(one.tensors for one in known) + _SPARE_TENSORS
    count = [0, 0]
    thread = threading.get_ident()

    def look(module: "torch.nn.Module", key: str, value: "torch.Tensor | None") -> None:
        if value is None or threading.get_ident() != thread:
            return
        if module._parameters.get(key) is not None or module._buffers.get(key) is not None:
            return  # it was registered before, without content
        count[0] += value.numel()
        count[1] += 1
        if count[0] > values or count[1] > tensors:
            raise InputError(_too_large(name))

    handles = [
        hooks.register_module_parameter_registration_hook(look),
        hooks.register_module_buffer_registration_hook(look),
    ]
    try:
        yield
    except Exception as error:
        if count[0] > values or count[1] > tensors:  # a library may have caught ours and raised its own
            raise InputError(_too_large(name)) from error
        raise
    finally:
        for handle in handles:
            handle.remove()


def _too_large(name: str) -> str:
    return f"{name}: its configuration is of a far larger model than its weights; get the folder again"


def fault(folder: Path) -> str | None:
    """Return why the kit does not open a folder as an encoder, with the cure; None when it does.

    A folder must have `modules.json` with modules of sentence-transformers and the kit's `ConvText` only, or
    `config.json` of transformers; and safetensors in each module that has weights (a pickle beside them that nothing
    would open may stay). No file may be a link out of the folder (but into the hub's own cache), and no configuration
    may have more layers than there are tensors. Only headers of the weights are read, and no module is imported.

    >>> fault(Path("no-such-folder"))
    'it has neither modules.json nor config.json; give a SentenceTransformer or transformers folder'
    """
    try:
        headers(folder)
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror}); {_AGAIN}"
    return None


def headers(folder: Path) -> list[Header]:
    """Return the headers of the weights that a model folder's modules open; InputError for what `fault` describes."""
    _check_files(folder, folder)
    if (folder / "modules.json").is_file():
        found = _modules(folder)
    elif (folder / "config.json").is_file():
        found = [("Transformer", folder)]
    else:
        raise InputError(
            "it has neither modules.json nor config.json; give a SentenceTransformer or transformers folder"
        )
    known: dict[Path, Header] = {}
    for kind, home in found:
        weights = _weights(folder, home, kind) if kind in (*_TRANSFORMERS, *_WEIGHED) else []
        known |= {path: header(path) for path in weights}
        _check_settings(folder, home, kind, sum(known[path].tensors for path in weights))
    _check_settings(folder, folder, "", 0)  # of the whole model, because each module may have a folder of its own
    if not known and not any(kind == "BoW" for kind, _ in found):
        raise InputError(f"it has no weights (*.safetensors); {_AGAIN}")
    return list(known.values())


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """The kind and the folder of every module that is opened, those of routers too."""
    listed = _json(folder, folder / "modules.json", list)
    if not all(isinstance(one, dict) and isinstance(one.get("path"), str) for one in listed):
        raise InputError(f"its modules.json is not a list of modules with type and path; {_AGAIN}")
    todo = [(one.get("type"), one["path"], 0) for one in listed]
    found: list[tuple[str, Path]] = []
    while todo:
        name, path, deep = todo.pop(0)
        kind = _kind(name, (*_TRANSFORMERS, *_WEIGHED, *_ROUTERS, *_PLAIN))
        if Path(path).is_absolute() or ".." in Path(path).parts or deep > _DEEP or len(found) == _MANY:
            raise InputError(f"its module {path!r} is outside the folder or too deep in it; {_AGAIN}")
        home = folder / path
        _check_files(folder, home)
        found.append((kind, home))
        if kind in _ROUTERS:
            own = home / "router_config.json"
            settings = _json(folder, own, dict) if own.is_file() else {}
            types = (settings or _json(folder, home / "config.json", dict)).get("types")
            if not isinstance(types, dict):
                raise InputError(f"its router {path!r} does not name its modules; {_AGAIN}")
            todo += [(kind, str(Path(path) / inner), deep + 1) for inner, kind in types.items()]
    return found


def _kind(name: object, kinds: tuple[str, ...]) -> str:
    """Which of the kinds a module's full name means."""
    if name == OWN and "ConvText" in kinds:
        return "ConvText"
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match and match["kind"] in kinds:
        return match["kind"]
    if isinstance(name, str) and not name.startswith("sentence_transformers."):
        raise InputError(f"its module {name!r} is code of its own, which the kit never runs; use another model")
    raise InputError(f"its module {name!r} must be one of dense encoders ({', '.join(kinds)}); use another model")


def _check_files(folder: Path, home: Path) -> None:
    real = folder.resolve()
    homes = [real, *([real.parents[1] / "blobs"] if real.parent.name == "snapshots" else [])]  # the hub's cache
    for path in sorted(home.glob("*")) if home.is_dir() else []:
        if path.suffix not in _READ:
            continue
        name = path.relative_to(folder)
        if not any(path.resolve().is_relative_to(one) for one in homes):
            raise InputError(f"its {name} is a link that leads out of the folder; put the file itself there")
        if not path.is_file() and not path.is_dir():
            raise InputError(f"its {name} is not a plain file; {_AGAIN}")
        if path.suffix != ".safetensors" and path.is_file() and path.stat().st_size > _BYTES:
            raise InputError(f"its {name} is larger than {_BYTES >> 20} MiB, the most that is allowed; {_AGAIN}")


def _weights(folder: Path, home: Path, kind: str) -> list[Path]:
    """The safetensors files that a module opens; InputError where it would open a pickle, or finds nothing."""
    whole, index = home / "model.safetensors", home / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    names: list[str] = []
    if kind in _TRANSFORMERS and index.is_file():
        shards = _json(folder, index, dict).get("weight_map")
        names = sorted(set(map(str, shards.values()))) if isinstance(shards, dict) else []
        if outside := [name for name in names if name != Path(name).name]:
            raise InputError(f"its {index.name} names {outside[0]!r}, which is outside the folder; {_AGAIN}")
        if names and all(name.endswith(".safetensors") for name in names):
            if missing := [name for name in names if not (home / name).is_file()]:
                raise InputError(f"its {missing[0]}, which has some of the weights, is missing; {_AGAIN}")
            return [home / name for name in names]
    pickled = [*names, *sorted(path.name for one in _PICKLES for path in home.glob(one))]
    if pickled:
        raise InputError(
            f"the weights in {home.name} are pickled ({pickled[0]}), which the kit never reads; write them again with "
            "save_pretrained(folder) of transformers or sentence-transformers, which makes safetensors"
        )
    raise InputError(f"it has no weights (*.safetensors) in {home.name}; {_AGAIN}")


def _check_settings(folder: Path, home: Path, kind: str, tensors: int) -> None:
    """Check a module's configuration: it runs no code, opens no other file, and has no more layers than tensors."""
    if kind in _TRANSFORMERS and (home / "adapter_config.json").is_file():
        raise InputError("it is an adapter of another model; merge it into that (merge_and_unload) and save the whole")
    read = {path: _json(folder, path, dict) for name in _CONFIGS.split() for path in sorted(home.glob(name))}
    for path, value in read.items():
        name = path.relative_to(folder)
        for key, one in _settings(value):
            if key == "transformers_weights" and one not in (None, "model.safetensors"):
                raise InputError(f"its {name} names the weights {one!r}, and the kit opens model.safetensors only")
            if key.endswith("attn_implementation") and isinstance(one, str) and not one.isidentifier():
                raise InputError(f"its {name} names the code {one!r} for {key}, which the kit never runs; take it out")
            if type(one) is int and _LAYERS.search(key) and one > max(1000, tensors):
                raise InputError(f"its {name} has {key} {one}, and its weights have {tensors} tensors; {_AGAIN}")
        for key in _SETTINGS if path.match("sentence_*_config.json") else ():
            if not isinstance(value.get(key, {}), dict):
                raise InputError(f"its {name} has a {type(value[key]).__name__} for {key}; {_AGAIN}")
            if ours := sorted(set(_OURS.split()) & set(value.get(key, {}))):
                raise InputError(f"its {name} sets {key}.{ours[0]}, which the kit decides itself; take it out")
        prompts = value.get("prompts", {})
        if not isinstance(prompts, dict) or not all(isinstance(one, str | None) for one in prompts.values()):
            raise InputError(f"its {name} has prompts that are not texts; {_AGAIN}")
        if value.get("tokenizer_name_or_path") is not None and path.match("sentence_*_config.json"):
            raise InputError(f"its {name} takes the tokenizer from elsewhere; put its files into the folder")
    if kind == "Dense":
        named = read.get(home / "config.json", {}).get("activation_function", "torch.nn.modules.")
        if not (isinstance(named, str) and named.startswith("torch.nn.modules.")):
            raise InputError(f"the activation {named!r} in {home.name} is not a module of torch.nn; use another model")
    if kind == "WordEmbeddings":
        _kind(read.get(home / "wordembedding_config.json", {}).get("tokenizer_class"), _TOKENIZERS)


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value of nested objects; of a list under a key, its members under the same key."""
    todo = [("", value)]
    while todo:
        key, one = todo.pop()
        if isinstance(one, dict):
            todo += [(str(name), inner) for name, inner in one.items()]
        elif isinstance(one, list):
            todo += [(key, inner) for inner in one]
        yield key, one


def _json(folder: Path, path: Path, kind: type) -> Any:
    name = path.relative_to(folder)
    if not path.is_file():
        raise InputError(f"its {name} is missing; {_AGAIN}")
    value = json_value(path.read_bytes().decode(errors="replace"), f"its {name}", cure=_AGAIN, finite=False)
    if not isinstance(value, kind):
        raise InputError(f"its {name} holds a {type(value).__name__}, and it must be a {kind.__name__}; {_AGAIN}")
    return value


def made_once(folder: Path, locate: Callable[[], Path], make: Callable[[Path, Path], None]) -> Path:
    """Return a folder that is made of a source the first time; of two processes one makes it and the other waits.

    `locate` returns the source, or raises InputError; `make` makes the folder of it, whole or not at all.
    """
    from filelock import FileLock

    if not folder.is_dir():
        source = locate()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if not folder.is_dir():
                make(source, folder)
    return folder


def fetch(hub: str, cure: str) -> Path:
    """Return the local folder of a hub model, fetching what is missing; its name is the revision.

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
    """Return the folder of a hub model in the hub's cache; None where it is missing, not whole, or not a hub name."""
    from huggingface_hub import snapshot_download

    try:
        found = Path(str(snapshot_download(hub, local_files_only=True, **WANTED)))
    except (OSError, ValueError):
        return None
    return found if fault(found) is None else None
