import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridkit.errors import InputError, MissingDataError
from hybridkit.models import encoder
from hybridkit.utils.progress import calm_bars

TEXTS = [
    "The capital of Peru is Lima.",
    "Die Hauptstadt von Peru ist Lima.",
    "秘鲁的首都是利马。",
    "เมืองหลวงของเปรูคือลิมา",
    "पेरू की राजधानी लीमा है।",
    "عاصمة بيرو هي ليما",
    "Столица Перу — Лима.",
] * 3
TRAIN = """
import sys
sys.path.insert(0, {root!r})
from hybridkit.models.encoder import train_tokenizer
sys.stdout.buffer.write(train_tokenizer({texts!r}, 200).to_str().encode())
"""


@pytest.fixture(autouse=True)
def _fresh_notices() -> None:
    encoder._notice.cache_clear()


def plain_bert(folder: Path, **save: Any) -> Path:
    """A tiny transformers folder, no SentenceTransformer."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = encoder.train_tokenizer(TEXTS, 200)
    tokenizer.add_special_tokens(["<pad>"])
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    bert = BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32, **sizes))
    bert.save_pretrained(folder, **save)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=32)
    fast.save_pretrained(folder)
    return folder


def test_tokenizer_is_the_same_in_every_process() -> None:
    made = []
    for seed, threads in (("1", "1"), ("2", "3")):
        code = TRAIN.format(root=str(Path(encoder.__file__).parents[2]), texts=TEXTS)
        env = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        made.append(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
    assert made[0] == made[1]
    assert len(json.loads(made[0])["model"]["merges"]) > 20


def test_tokenizer_knows_every_script() -> None:
    tokenizer = encoder.train_tokenizer(TEXTS, 400)
    for text in TEXTS[:7]:
        assert "<unk>" not in tokenizer.encode(text).tokens
    assert tokenizer.encode("ＬＩＭＡ").tokens == tokenizer.encode("lima").tokens == ["▁lima"]
    assert tokenizer.encode("Q").tokens == ["▁", "<unk>"]


def test_made_encoder_survives_its_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = encoder.make(iter(TEXTS), vocab_size=200, dim=16, seed=3)
    encoder.save(model, tmp_path / "model")
    with caplog.at_level(logging.WARNING):
        again = encoder.open(tmp_path / "model")
    assert not caplog.records
    assert encoder.weights_hash(again) == encoder.weights_hash(model)
    assert encoder.origin(again) == encoder.origin(model)
    assert again.prompts == {"query": "", "passage": "", "document": ""}
    found = again.encode(TEXTS)
    assert np.array_equal(found, model.encode(TEXTS))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert {path.suffix for path in (tmp_path / "model").rglob("*.*")} == {".json", ".safetensors"}


def test_weights_depend_on_the_seed_alone() -> None:
    hashes = [encoder.weights_hash(encoder.make(TEXTS, 100, 8, seed)) for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_no_texts_are_told() -> None:
    with pytest.raises(InputError, match="no texts"):
        encoder.make([])


def test_prompts_of_a_user_are_kept(tmp_path: Path) -> None:
    model = encoder.make(TEXTS, 100, 8)
    model.prompts = {"query": "Frage: ", "document": "Text: "}
    encoder.save(model, tmp_path / "model")
    found = encoder.open(tmp_path / "model")
    assert found.prompts == {"query": "Frage: ", "document": "Text: ", "passage": "Text: "}
    assert not np.allclose(found.encode(["Lima"], prompt_name="query"), found.encode(["Lima"]))


def test_plain_transformers_folder_gets_mean_pooling_and_each_notice_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = plain_bert(tmp_path / "bert")
    with caplog.at_level(logging.WARNING, "hybridkit"):
        model = encoder.open(folder)
        encoder.open(folder)
    notices = [record.getMessage() for record in caplog.records if record.name == "hybridkit"]
    assert [notice.split(": ", 1)[1].split(";")[0] for notice in notices] == [
        "a plain transformers model",
        "the model brings no prompts",
    ]
    assert model[1].pooling_mode == "mean"
    assert model.prompts == {"query": "", "passage": "", "document": ""}
    assert not any(p.requires_grad for name, p in model.named_parameters() if "pooler" in name)
    assert sum(p.requires_grad for p in model.parameters()) > 0


def test_opening_leaves_the_random_numbers_alone(tmp_path: Path) -> None:
    import torch

    folder = plain_bert(tmp_path / "bert")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    encoder.open(folder)
    assert torch.equal(torch.rand(3), expected)


def test_pickles_and_code_are_refused(tmp_path: Path) -> None:
    folder = plain_bert(tmp_path / "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"bert.*pickled.*save_pretrained"):
        encoder.open(folder)
    encoder.save(encoder.make(TEXTS, 100, 8), tmp_path / "model")
    modules = tmp_path / "model" / "modules.json"
    modules.write_text(modules.read_text().replace("sentence_transformers.base.modules.normalize", "evil"))
    with pytest.raises(InputError, match=r"evil\.Normalize' is code of its own"):
        encoder.open(tmp_path / "model")


def test_folders_that_are_no_models_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither modules.json nor config.json"):
        encoder.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="this is a file"):
        encoder.open(tmp_path / "file")
    with pytest.raises(InputError, match="no such folder"):
        encoder.open(tmp_path / "nowhere")
    (tmp_path / "modules.json").write_text('[{"type": ')
    with pytest.raises(InputError, match="its modules.json: not whole JSON"):
        encoder.open(tmp_path)
    folder = plain_bert(tmp_path / "bert")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="bert: model.safetensors is not a whole safetensors file"):
        encoder.open(folder)


def test_no_network_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(name: str, **_: object) -> str:
        raise LocalEntryNotFoundError(f"no connection for {name}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(MissingDataError) as told:
        encoder.open("labse")
    for part in ("sentence-transformers/LaBSE", huggingface_hub.constants.HF_HUB_CACHE, "hybridkit model fetch labse"):
        assert part in str(told.value)


def test_hub_models_open_from_their_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    folder = plain_bert(tmp_path / "0123abcd")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(folder))
    found = encoder.open("intfloat/multilingual-e5-small")
    assert encoder.origin(found) == {"source": "intfloat/multilingual-e5-small", "revision": "0123abcd"}
    assert found.prompts == {"query": "query: ", "passage": "passage: ", "document": "passage: "}
    assert (
        encoder.revision("intfloat/multilingual-e5-small") == "0123abcd"
    )  # it is part of what a training is made from
    monkeypatch.setattr(encoder.e5_small, "is_here", lambda: False)
    assert encoder.revision("e5-small") == "0123abcd"
    monkeypatch.setattr(encoder.e5_small, "is_here", lambda: True)
    assert encoder.revision("e5-small") == encoder.revision(str(folder)) == ""


def test_a_tokenizer_without_padding_is_told_with_the_cure(tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    from tests.encoder_kinds import built, transformer

    built(transformer(tmp_path / "parts", "llama", pad_token=None), Pooling(32)).save_pretrained(
        str(tmp_path / "model")
    )
    with pytest.raises(
        InputError, match=r"model: its tokenizer has no padding token.*name one as .pad_token. in tokeni"
    ):
        encoder.open(tmp_path / "model")


def test_the_hash_of_a_model_covers_what_can_change_a_vector(tmp_path: Path) -> None:
    """Its weights are the same each time."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    from tests.encoder_kinds import WORDS, built, transformer

    def made(pooling: str = "mean", *layers: Any, act: str = "gelu", **more: Any) -> str:
        words = {
            name: more.pop(name) for name in ("truncation_side", "padding_side", "model_max_length") if name in more
        }
        first = transformer(tmp_path / "parts", "bert", **words)
        first.model.config.hidden_act = act
        return encoder.model_hash(built(first, Pooling(32, pooling), *layers, **more))

    same = made()
    assert made() == same
    others = [
        made("cls"),
        made("mean", Normalize()),
        made(truncate_dim=8),
        made(similarity_fn_name="dot"),
        made(act="relu"),
        made(truncation_side="left"),
        made(padding_side="left"),
        made(model_max_length=9),
    ]
    assert len({same, *others}) == 9
    model = built(transformer(tmp_path / "last", "bert"), Pooling(32))
    model.encode(["lima", " ".join(WORDS)])  # the batch's padding stays set in the tokenizer, and is no part of it
    assert encoder.model_hash(model) == same
    from tokenizers.normalizers import Lowercase

    model.tokenizer.backend_tokenizer.normalizer = Lowercase()
    assert encoder.model_hash(model) != same


def test_the_hash_covers_the_words_of_a_tokenizer_of_words(tmp_path: Path) -> None:
    from tests.encoder_kinds import recurrent

    model = recurrent(tmp_path)
    before = encoder.model_hash(model)
    model[0].tokenizer.stop_words = {"the", "of"}
    assert encoder.model_hash(model) != before


def test_of_two_prompts_for_passages_the_engines_own_goes_first(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    from hybridkit.models.embedding import encode
    from tests.encoder_kinds import built, transformer

    prompts = {"passage": "passage that ", "document": "one : "}
    with calm_bars():
        built(transformer(tmp_path / "parts", "bert"), Pooling(32), prompts=prompts).save_pretrained(
            str(tmp_path / "model"), create_model_card=False
        )
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    expected = theirs.encode_document(TEXTS, normalize_embeddings=True)
    assert np.allclose(encode(encoder.open(tmp_path / "model"), TEXTS, "passage"), expected, atol=1e-5)


def test_prompts_that_were_put_in_place_of_others_are_still_there_after_a_training(tmp_path: Path) -> None:
    """A saved model has a prompt under both names of a passage; neither is the old one."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    from hybridkit.models.embedding import encode
    from tests.encoder_kinds import PROMPTS, built, transformer

    encoder.save(built(transformer(tmp_path / "parts", "bert"), Pooling(32), prompts=PROMPTS), tmp_path / "model")
    for passage in ("", "that is "):
        model = encoder.open(tmp_path / "model")
        encoder.set_prompts(model, {"query": "", "passage": passage})
        encoder.save(model, tmp_path / "again")
        expected = encode(model, TEXTS, "passage")
        assert np.array_equal(encode(encoder.open(tmp_path / "again"), TEXTS, "passage"), expected)
        theirs = SentenceTransformer(str(tmp_path / "again"), device="cpu")
        assert np.allclose(theirs.encode_document(TEXTS, normalize_embeddings=True), expected, atol=1e-5)
