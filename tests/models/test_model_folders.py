"""Folders of models that somebody else made: nothing is run or unpickled, and each is told in one sentence, at once."""

import json
import os
import pickle
import resource
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.model_folders import _NAME, fault

TEXTS = ["The capital of Peru is Lima.", "Die Hauptstadt von Peru ist Lima."] * 3
BASE = "sentence_transformers.base.modules"
TRANSFORMER, NORMALIZE = f"{BASE}.transformer.Transformer", f"{BASE}.normalize.Normalize"
CONFIG, LIST, BERT = "config.json", "modules.json", "sentence_bert_config.json"
LARGE = "far larger model|cannot be opened"


class Evil:
    """What does something as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def bert(folder: Path) -> Path:
    """A plain transformers folder."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = encoder.train_tokenizer(TEXTS, 60)
    tokenizer.add_special_tokens(["<pad>"])
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32, **sizes)).save_pretrained(
        folder
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=32)
    fast.save_pretrained(folder)
    return folder


def saved(modules: list[Any], folder: Path) -> Path:
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Honest models, one of each kind of folder."""
    from sentence_transformers.sentence_transformer import modules as m

    home = tmp_path_factory.mktemp("models")

    def transformer() -> Any:
        return m.Transformer(str(home / "bert"))

    def static() -> Any:
        return m.StaticEmbedding(encoder.train_tokenizer(TEXTS, 60), embedding_dim=8)

    def words() -> Any:
        from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

        drawn = np.random.default_rng(0).standard_normal((4, 8)).astype("float32")
        return m.WordEmbeddings(WhitespaceTokenizer(["capital", "peru", "lima", "hauptstadt"]), drawn)

    bert(home / "bert")
    layers = [transformer(), m.Pooling(8), m.Dense(8, 4), m.LayerNorm(4), m.Dropout(0.1), m.Normalize()]
    saved(layers, home / "st")
    routes = {"query": [static()], "document": [transformer(), m.Pooling(8), m.Dense(8, 8)]}
    saved([m.Router(routes, default_route="document"), m.Normalize()], home / "router")
    saved([m.Router({"query": [static()], "document": [static()]}, default_route="query")], home / "asym")
    saved([words(), m.LSTM(8, 4), m.Pooling(8)], home / "lstm")
    saved([words(), m.CNN(8, 4, [1, 3]), m.Pooling(8)], home / "cnn")
    saved([m.BoW(["capital", "peru"])], home / "bow")
    return {path.name: path for path in home.iterdir()}


def put(path: Path, **values: Any) -> None:
    """Set keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def unsafe(folder: Path, name: str = "pytorch_model.bin") -> None:
    """Weights as a pickle instead."""
    import torch

    torch.save(Evil(folder / "ran"), folder / name)
    for path in folder.glob("model*.safetensors"):
        path.unlink()


def typed(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def told(path: Path, header: Any, rest: bytes = bytes(64)) -> None:
    """A safetensors file with this header."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + rest)


def tensor(start: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [(end - start) // 4], "data_offsets": [start, end]}


def home_of(folder: Path, name: str) -> Path:
    return next(path for path in sorted(folder.rglob("*")) if path.is_dir() and path.name.endswith(name))


def decoy(folder: Path) -> None:
    dense = home_of(folder, "Dense")
    shutil.copy(dense / "model.safetensors", dense / "decoy.safetensors")
    unsafe(dense)


def linked(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")


def own_code(folder: Path) -> None:
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(folder / 'ran')!r})\nclass Evil: pass\n")
    typed(folder / "modules.json", "sentence_transformers.base.modules.normalize.Normalize", "evil.Evil")


def remote_code(folder: Path) -> None:
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(folder / 'ran')!r})\n")
    put(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def index(folder: Path, shard: str) -> None:
    unsafe(folder, "evil.bin")
    names = json.dumps({"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": shard}})
    (folder / "model.safetensors.index.json").write_text(names)


HOSTILE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    # pickles
    "pickle": ("bert", unsafe, "pickled"),
    "pickle of torch": ("bert", lambda f: unsafe(f, "weights.pt"), "pickled"),
    "pickle beside a decoy": ("st", decoy, r"weights in 2_Dense are pickled \(pytorch_model.bin\)"),
    "pickle in a router": ("router", lambda f: unsafe(home_of(f, "Transformer")), "pickled"),
    "pickle of a table in a router": ("router", lambda f: unsafe(home_of(f, "StaticEmbedding")), "pickled"),
    "pickle of words": ("lstm", unsafe, "pickled"),
    "pickle of an LSTM": ("lstm", lambda f: unsafe(home_of(f, "LSTM")), "pickled"),
    "pickle of a CNN": ("cnn", lambda f: unsafe(home_of(f, "CNN")), "pickled"),
    "pickle of a layer norm": ("st", lambda f: unsafe(home_of(f, "LayerNorm")), "pickled"),
    "pickle among shards": ("bert", lambda f: index(f, "evil.bin"), r"pickled \(evil.bin\)"),
    "pickle among shards beside a decoy": (
        "bert",
        lambda f: (
            shutil.copy(f / "model.safetensors", f.parent / "decoy"),
            index(f, "evil.bin"),
            shutil.move(f.parent / "decoy", f / "decoy.safetensors"),
        ),
        r"pickled \(evil.bin\)",
    ),
    "shard elsewhere": ("bert", lambda f: index(f, "../x.safetensors"), "names '../x.safetensors', which is outside"),
    "shard missing": (
        "bert",
        lambda f: index(f, "x.safetensors"),
        "x.safetensors, which has some of the weights, is missing",
    ),
    "pickle named in the configuration": (
        "bert",
        lambda f: (
            unsafe(f, "evil.bin"),
            shutil.copy(f.parent / "weights", f / "model.safetensors"),
            put(f / CONFIG, transformers_weights="evil.bin"),
        ),
        "names the weights 'evil.bin'",
    ),
    "pickle with all its code": (
        "st",
        lambda f: put(f / BERT, model_args={"weights_only": False}),
        "model_args.weights_only, which the kit decides itself",
    ),
    # code
    "code of its own": ("st", own_code, "'evil.Evil' is code of its own"),
    "code of the system": ("st", lambda f: typed(f / LIST, NORMALIZE, "os.system"), "'os.system' is code of its own"),
    "a library in a router": (
        "router",
        lambda f: typed(f / "router_config.json", TRANSFORMER, "sentence_transformers.util.misc.importlib"),
        "importlib' must be one of dense encoders",
    ),
    "a function": (
        "st",
        lambda f: typed(f / LIST, TRANSFORMER, "sentence_transformers.util.http_get"),
        "http_get' must be one of",
    ),
    "a class that is no module": (
        "st",
        lambda f: typed(f / LIST, TRANSFORMER, "sentence_transformers.SentenceTransformer"),
        "SentenceTransformer' must be one of",
    ),
    "something private": (
        "st",
        lambda f: typed(f / LIST, TRANSFORMER, f"{BASE}.dense._Dense"),
        "_Dense' must be one of",
    ),
    "a module's neighbour": (
        "st",
        lambda f: typed(f / LIST, TRANSFORMER, f"{BASE}.dense.Transformer"),
        "cannot be opened",
    ),
    "a type of number": ("st", lambda f: (f / LIST).write_text('[{"type": 5, "path": ""}]'), "5 must be one of"),
    "an activation": (
        "st",
        lambda f: put(home_of(f, "Dense") / "config.json", activation_function="torch.hub.load"),
        "'torch.hub.load' in 2_Dense is not a module of torch.nn",
    ),
    "another activation": (
        "st",
        lambda f: put(home_of(f, "Dense") / "config.json", activation_function="os.system"),
        "is not a module of torch",
    ),
    "a tokenizer": (
        "lstm",
        lambda f: put(f / "wordembedding_config.json", tokenizer_class="evil.Words"),
        "'evil.Words' is code of its own",
    ),
    "code of the model": ("bert", remote_code, "code of its own"),
    "code of the hub": (
        "bert",
        lambda f: put(f / CONFIG, attn_implementation="evil/kernel"),
        "names the code 'evil/kernel'",
    ),
    "an adapter": ("bert", lambda f: (f / "adapter_config.json").write_text("{}"), "adapter of another model"),
    # paths
    "a module outside": ("st", lambda f: typed(f / LIST, '"1_Pooling"', '"../1_Pooling"'), "is outside"),
    "a module anywhere": ("st", lambda f: typed(f / LIST, '"1_Pooling"', '"/tmp"'), "is outside"),
    "another tokenizer": ("st", lambda f: put(f / BERT, tokenizer_name_or_path="/tmp"), "tokenizer from elsewhere"),
    "another folder": (
        "st",
        lambda f: put(f / BERT, processor_kwargs={"subfolder": ".."}),
        "processor_kwargs.subfolder, which the kit decides",
    ),
    "a configuration that is a link": ("bert", lambda f: linked(f, "config.json"), "config.json is a link"),
    "weights that are a link": ("st", lambda f: linked(f, "model.safetensors"), "model.safetensors is a link"),
    "a device": (
        "bert",
        lambda f: ((f / "tokenizer.json").unlink(), (f / "tokenizer.json").symlink_to("/dev/zero")),
        "tokenizer.json is a link",
    ),
    "a pipe": (
        "bert",
        lambda f: ((f / "tokenizer.json").unlink(), os.mkfifo(f / "tokenizer.json")),
        "tokenizer.json is not a plain file",
    ),
    # sizes
    "layers": ("bert", lambda f: put(f / CONFIG, num_hidden_layers=10**9), "has num_hidden_layers 1000000000"),
    "layers of a layer": ("bert", lambda f: put(f / CONFIG, num_hidden_layers=900, hidden_size=2), LARGE),
    "vocabulary": ("bert", lambda f: put(f / CONFIG, vocab_size=10**12), LARGE),
    "width": ("bert", lambda f: put(f / CONFIG, hidden_size=10**8, intermediate_size=10**9), "far larger model"),
    "positions": ("bert", lambda f: put(f / CONFIG, max_position_embeddings=10**10), "far larger model"),
    "a dense layer": (
        "st",
        lambda f: put(home_of(f, "Dense") / "config.json", out_features=10**6, in_features=10**5),
        LARGE,
    ),
    "layers of an LSTM": (
        "lstm",
        lambda f: put(home_of(f, "LSTM") / "lstm_config.json", num_layers=10**9),
        "has num_layers 1000000000",
    ),
    "kernels of a CNN": (
        "cnn",
        lambda f: put(home_of(f, "CNN") / "cnn_config.json", kernel_sizes=[1] * 10**5, stride_sizes=[1] * 10**5),
        "far larger model",
    ),
    "a large tokenizer": ("bert", lambda f: sparse(f / "tokenizer.json"), "tokenizer.json is larger than 256 MiB"),
    "a large list": ("st", lambda f: sparse(f / LIST), "modules.json is larger than 256 MiB"),
    # files
    "broken": ("bert", lambda f: (f / CONFIG).write_text('{"model_type": '), "config.json: not whole JSON"),
    "nested": ("bert", lambda f: (f / CONFIG).write_text('{"a":' * 100_000), "config.json: .* nested too deep"),
    "nested modules": ("st", lambda f: (f / LIST).write_text("[" * 100_000), "modules.json: .* nested too deep"),
    "a list": ("bert", lambda f: (f / CONFIG).write_text("[]"), "config.json holds a list"),
    "digits": ("bert", lambda f: (f / CONFIG).write_text('{"a": ' + "9" * 5000 + "}"), "thousands of digits"),
    "other types": ("bert", lambda f: put(f / CONFIG, num_hidden_layers="many"), "cannot be opened"),
    "no number of heads": ("bert", lambda f: put(f / CONFIG, num_attention_heads=0), "cannot be opened"),
    "prompts": (
        "st",
        lambda f: put(f / "config_sentence_transformers.json", prompts=[1]),
        "prompts that are not texts",
    ),
    "numbers as prompts": (
        "st",
        lambda f: put(f / "config_sentence_transformers.json", prompts={"query": 5}),
        "prompts that are not texts",
    ),
    "broken prompts": (
        "st",
        lambda f: (f / "config_sentence_transformers.json").write_text("{"),
        "transformers.json: not whole JSON",
    ),
    "an origin": ("st", lambda f: (f / "hybridkit.json").write_text("[]"), "hybridkit.json holds a list"),
    "a tokenizer of nothing": ("bert", lambda f: (f / "tokenizer.json").write_text("{}"), "cannot be opened"),
    "nothing": ("st", lambda f: (f / LIST).write_text("[]"), "no weights"),
    "cut": ("bert", lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 7), "is not a whole safetensors file"),
    "overlap": (
        "bert",
        lambda f: told(f / "model.safetensors", {"a": tensor(0, 64), "b": tensor(32, 64)}),
        "is not a whole safetensors file",
    ),
    "before the start": (
        "bert",
        lambda f: told(f / "model.safetensors", {"a": tensor(-64, 64)}),
        "is not a whole safetensors file",
    ),
    "a header of exabytes": (
        "bert",
        lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + bytes(99)),
        "a header of 1,152,921,504,606,846,976 bytes",
    ),
    "a nested header": (
        "bert",
        lambda f: told(f / "model.safetensors", b'{"a":' * 100_000),
        "recursion limit exceeded",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_is_one_sentence(
    kind: str, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    base, spoil, message = HOSTILE[kind]
    folder = tmp_path / "model"
    shutil.copytree(models[base], folder)
    if (folder / "model.safetensors").is_file():
        shutil.copy(folder / "model.safetensors", tmp_path / "weights")
    spoil(folder)
    unpickled: list[str] = []
    for owner, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(owner, name, lambda *_, name=name, **__: unpickled.append(name))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(InputError, match=message) as error:
        encoder.open(folder)
    assert time.monotonic() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB
    assert str(error.value).startswith(f"{folder}: ")
    assert len(str(error.value)) < 1300
    assert "\n" not in str(error.value)
    assert not unpickled
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize("kind", ["bert", "st", "router", "asym", "lstm", "cnn", "bow"])
def test_an_honest_folder_opens(kind: str, models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models[kind], folder)
    for home in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        if (home / "model.safetensors").is_file():  # as on the hub, where it is never opened
            (home / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(folder / "ran")))
    assert fault(folder) is None
    assert np.isfinite(encoder.open(folder).encode(TEXTS[:2])).all()
    assert not (folder / "ran").exists()


def test_weights_in_shards_open(models: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    AutoModel.from_pretrained(models["bert"]).save_pretrained(tmp_path / "model", max_shard_size="1KB")
    AutoTokenizer.from_pretrained(models["bert"]).save_pretrained(tmp_path / "model")
    assert len(list((tmp_path / "model").glob("model-*.safetensors"))) > 2
    whole, parts = encoder.open(models["bert"]).encode(TEXTS), encoder.open(tmp_path / "model").encode(TEXTS)
    assert np.array_equal(whole, parts)


def test_a_folder_of_the_hubs_cache_opens(models: dict[str, Path], tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "0123", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for path in models["bert"].iterdir():
        shutil.copy(path, blobs / path.name)
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    assert fault(snapshot) is None


def test_old_names_of_modules_open(models: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models["st"], folder)
    listed = json.loads((folder / "modules.json").read_text())
    for one in listed:
        one["type"] = f"sentence_transformers.models.{one['type'].rsplit('.', 1)[1]}"
    (folder / "modules.json").write_text(json.dumps(listed))
    expected = encoder.open(models["st"]).encode(TEXTS)
    assert np.array_equal(encoder.open(folder).encode(TEXTS), expected)


def test_every_module_of_sentence_transformers_is_known_by_all_its_names() -> None:
    from sentence_transformers.sentence_transformer import modules
    from sentence_transformers.util.deprecated_import import DEPRECATED_MODULE_PATHS
    from sentence_transformers.util.misc import import_from_string

    known = {getattr(modules, name) for name in modules.__all__} - {modules.Module, modules.InputModule}
    names = {f"{one.__module__}.{one.__name__}" for one in known}
    names |= {f"sentence_transformers.sentence_transformer.modules.{one.__name__}" for one in known}
    names |= {name for name in DEPRECATED_MODULE_PATHS if name.startswith("sentence_transformers.models.")}
    names -= {name for name in names if ".tokenizer" in name or name.endswith("Module")}
    assert len(names) > 40
    for name in names:
        match = _NAME.fullmatch(name)
        assert match, name
        assert import_from_string(name) in known
