"""Re-rankers: scores are the library's, a head is drawn by name, and what is no re-ranker is refused."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from torch import nn
from transformers import AutoModelForSequenceClassification

from hybridkit.errors import InputError
from hybridkit.models import encoder, reranker
from hybridkit.utils.progress import calm_bars
from tests.encoder_kinds import FAMILIES, WORDS, transformer
from tests.tiny_rerankers import CITIES, make_bert

PAIRS = [
    (f"where is {one} now", f"{other} is over there" + " far away" * (n % 4))
    for n, one in enumerate(CITIES)
    for other in CITIES[n % 3 :: 3]
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("reranker"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("plain"), labels=0)


def library(model: CrossEncoder, pairs: list[tuple[str, str]]) -> np.ndarray:
    return np.asarray(model.predict(pairs, activation_fn=nn.Identity()))


def columns(pairs: list[tuple[str, str]]) -> list[list[str]]:
    return [list(side) for side in zip(*pairs, strict=True)]


def test_scores_are_those_of_predict_in_order_and_of_equal_pairs_equal(folder: Path) -> None:
    model = reranker.open(folder)
    model.train()
    found = reranker.score(model, *columns(PAIRS))
    assert model.training and found.dtype == np.float32
    np.testing.assert_allclose(found, library(model, PAIRS), atol=2e-5)
    assert found.std() > 0.003
    twice = reranker.score(model, *columns(PAIRS + PAIRS[:5]))
    assert (twice[-5:] == twice[:5]).all()
    assert reranker.score(model, [], []).shape == (0,)
    few = reranker.score(model, *columns(PAIRS[:2]))
    np.testing.assert_allclose(few, found[:2], atol=2e-5)


@pytest.mark.parametrize("family", ["xlm-roberta", "distilbert", "modernbert", "fnet", "qwen3 left"])
def test_any_family_scores_as_the_library(family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    transformer(tmp_path, family)  # its tokenizer and sizes
    config = json.loads((tmp_path / "config.json").read_text())
    torch.manual_seed(0)
    with calm_bars():
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=1)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(2)
        model.save_pretrained(tmp_path)
    assert config["model_type"] == FAMILIES[family][0]
    opened = reranker.open(tmp_path)
    rng = np.random.default_rng(0)
    pairs = [(" ".join(rng.choice(WORDS, 4)), " ".join(rng.choice(WORDS, n % 9 + 1))) for n in range(40)]
    with caplog.at_level(logging.WARNING, "hybridkit"):
        found = reranker.score(opened, *columns(pairs))
    np.testing.assert_allclose(found, library(opened, pairs), atol=1e-4)
    assert ("depend on how pairs are put into batches" in caplog.text) == (family == "fnet")


def test_pairs_that_are_cut_are_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = reranker.open(folder)
    long = [(query, passage + " far away" * 30) for query, passage in PAIRS[:7]]
    with caplog.at_level(logging.INFO, "hybridkit"):
        found = reranker.score(model, *columns(PAIRS + long))
    assert f"7 of {len(PAIRS) + 7} pairs are longer than the 32 tokens" in caplog.text
    np.testing.assert_allclose(found, library(model, PAIRS + long), atol=2e-5)
    exact, _ = reranker.pair_lengths(model, PAIRS)
    assert exact.tolist() == [len(model.tokenizer(*pair)["input_ids"]) for pair in PAIRS]
    short = reranker.score(model, *columns(PAIRS), max_length=12)
    assert model.max_seq_length == 32 and np.abs(short - found[: len(PAIRS)]).max() > 1e-3
    huge = "far away " * 4000  # only its beginning is split into tokens
    np.testing.assert_allclose(
        reranker.score(model, ["where"] * 6, [*"abcde", huge])[-1:], library(model, [("where", huge)]), atol=2e-5
    )


def test_what_cannot_be_scored(folder: Path) -> None:
    model = reranker.open(folder)
    with pytest.raises(InputError, match="passage 1 is ''"):
        reranker.score(model, ["a", "b"], ["c", ""])
    with torch.no_grad():
        model.get_parameter(reranker._head(model)[-1]).fill_(np.nan)
    with pytest.raises(InputError, match="nan or infinite"):
        reranker.score(model, *columns(PAIRS))


def test_a_head_is_drawn_by_the_seed_and_the_encoder_stays(plain: Path) -> None:
    first, again, other = (reranker.start(plain, seed=seed) for seed in (3, 3, 4))
    assert encoder.weights_hash(first) == encoder.weights_hash(again) != encoder.weights_hash(other)
    assert reranker._head(first) == ["0.model.classifier.weight", "0.model.classifier.bias"]
    bert = encoder.open(plain)
    own = {name.replace("0.model.", "0.model.bert."): one for name, one in bert.state_dict().items()}
    body = {name: one for name, one in first.state_dict().items() if "classifier" not in name}
    assert body.keys() == own.keys() and all(bool((body[name] == own[name]).all()) for name in own)
    assert float(first.get_parameter("0.model.classifier.weight").detach().std()) == pytest.approx(0.02, rel=0.5)
    assert first.num_labels == 1 and reranker.score(first, ["a"], ["b"]).shape == (1,)


def test_a_pooler_that_was_never_trained_is_drawn_too(plain: Path, tmp_path: Path) -> None:
    model = encoder.open(plain)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "pooler" in name:
                parameter.zero_()
    encoder.save(model, tmp_path / "dual")  # as the wheel's e5-small is
    started = reranker.start(tmp_path / "dual")
    pooler = started.get_parameter("0.model.bert.pooler.dense.weight")
    assert float(pooler.detach().std()) == pytest.approx(0.02, rel=0.2)
    assert vars(started)["origin"] == {"source": plain.name}
    found = reranker.score(started, *columns(PAIRS))
    assert len(np.unique(found)) > 10


def test_a_reranker_starts_as_it_is_and_saves_as_one(folder: Path, tmp_path: Path) -> None:
    model = reranker.start(folder, seed=5)
    assert encoder.weights_hash(model) == encoder.weights_hash(reranker.open(folder))
    model.save_pretrained(str(tmp_path / "saved"), create_model_card=False, safe_serialization=True)
    again = reranker.open(tmp_path / "saved")
    assert encoder.model_hash(again) == encoder.model_hash(model)
    assert (reranker.score(again, *columns(PAIRS)) == reranker.score(model, *columns(PAIRS))).all()


def changed(folder: Path, to: Path, name: str, **values: Any) -> Path:
    shutil.copytree(folder, to)
    path = to / name
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | values))
    return to


def test_what_is_no_reranker(folder: Path, plain: Path, tmp_path: Path) -> None:
    dual = tmp_path / "dual"
    encoder.save(encoder.open(plain), dual)
    for wrong, why in (
        (dual, "this is a dual encoder"),
        (plain, "this model has no head"),
        (make_bert(tmp_path / "three", labels=3), "it gives 3 scores to a pair"),
        (
            changed(plain, tmp_path / "empty", "config.json", architectures=["BertForSequenceClassification"]),
            "do not have classifier.weight",
        ),
        (tmp_path, "neither modules.json nor config.json"),
        (tmp_path / "none", "there is no such folder"),
    ):
        with pytest.raises(InputError, match=why):
            reranker.open(wrong)
    static = encoder.make(["a b c"], vocab_size=10, dim=4)
    encoder.save(static, tmp_path / "static")
    with pytest.raises(InputError, match="its first module is no transformer"):
        reranker.start(tmp_path / "static")
    with pytest.raises(InputError, match="its head gives 3 scores|it gives 3 scores"):
        reranker.start(tmp_path / "three")
    with pytest.raises(InputError, match="seed must be"):
        reranker.start(plain, seed=-1)


@pytest.mark.parametrize("name", ["torch.hub.list", "os.abort", "torch.nn.modules.activation.Tanh.x"])
def test_an_activation_is_never_imported_from_elsewhere(folder: Path, tmp_path: Path, name: str) -> None:
    places: list[tuple[str, dict[str, Any]]] = [
        ("config.json", {"sbert_ce_default_activation_function": name}),
        ("config.json", {"sentence_transformers": {"activation_fn": name}}),
        ("config_sentence_transformers.json", {"activation_fn": name}),
    ]
    for number, (file, values) in enumerate(places):
        with pytest.raises(InputError, match="is not one of torch.nn"):
            reranker.open(changed(folder, tmp_path / str(number), file, **values))


def test_no_pickle_is_opened(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickled"):
        reranker.open(tmp_path / "pickled")
