"""The engine: faster, and the same numbers as the plain way."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerCallback

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder, training
from hybridkit.models.embedding import encode
from hybridkit.models.fast_layers import can_be_trimmed, occurring, onednn_linear, trimmed
from hybridkit.models.loss import Objective, Packed, batch_loss, info_nce, micro_batches
from hybridkit.models.trainer import check_memory, report_out_of_memory
from hybridkit.models.training import TrainingSettings, train
from hybridkit.sampling import hybrid, mixed
from hybridkit.sampling.plan_texts import PlanTexts, usable_negatives
from hybridkit.utils.progress import calm_bars
from tests.encoder_kinds import library_training
from tests.tiny_rerankers import make_bert

NAMES = ["Lima", "Oslo", "Rome", "Kyiv", "Bonn", "Bern", "Cork", "Nice", "Gent", "Riga", "Baku", "Doha"]
CORPUS = ParallelCorpus.from_rows(
    Row(
        name,
        name,
        name,
        {"en": f"where is {name} now", "de": f"wo liegt denn {name}"},
        {"en": f"{name} is over there" + " far away" * place, "de": f"{name} liegt dort"},
        {} if place % 3 else {"en": f"nobody knows {place}", "de": f"niemand weiss {place}"},
    )
    for place, name in enumerate(NAMES)
)
PLAN = hybrid(alpha=0.5).plan(CORPUS, 6, 4, seed=2)
SETTINGS = TrainingSettings(steps=6, batch_size=4, learning_rate=0.01, weight_decay=0.5, warmup=0.0)
# some queries in one language only, so that processes have different numbers of twins
SOME_ALONE = ParallelCorpus.from_rows(
    Row(
        name,
        name,
        name,
        {"en": f"where is {name} now"} | ({} if place % 3 == 1 else {"de": f"wo liegt denn {name}"}),
        {"en": f"{name} is over there" + " far away" * place, "de": f"{name} liegt dort"},
        {} if place % 3 else {"en": f"nobody knows {place}", "de": f"niemand weiss {place}"},
    )
    for place, name in enumerate(NAMES)
)
TERMS_PLAN = mixed().plan(SOME_ALONE, 6, 4, seed=2)
TERMS = replace(SETTINGS, margin=0.2, consistency=0.7, negatives=True, distillation=5.0, teacher_language="de")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT without dropout, whose vocabulary knows words that no training text has."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    made = tmp_path_factory.mktemp("bert")
    tokenizer = encoder.train_tokenizer([*CORPUS.iter_texts(), "zebra zebra yak yak quokka quokka"], 150)
    tokenizer.add_special_tokens(["<pad>"])
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    size = tokenizer.get_vocab_size()
    bert = BertModel(BertConfig(vocab_size=size, max_position_embeddings=64, pad_token_id=size - 1, **sizes, **none))
    with calm_bars():
        bert.save_pretrained(made)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=64).save_pretrained(made)
    return made


def columns(model: Any, *texts: Sequence[str]) -> list[dict[str, Any]]:
    return [model.preprocess(list(one)) for one in texts]


QUERIES = CORPUS.query_table("en")[1]
PASSAGES = CORPUS.passage_table("en")[1]


@pytest.mark.parametrize("tokens", [1, 20, 64, 100_000])
def test_packed_embeddings_are_the_encoders_own(folder: Path, tokens: int) -> None:
    model = encoder.open(folder).eval()
    with torch.no_grad():
        expected = [model(one)["sentence_embedding"] for one in columns(model, QUERIES, PASSAGES)]
        found = Packed(model, tokens).embed(columns(model, QUERIES, PASSAGES))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_an_encoder_without_padding_is_called_as_it_is() -> None:
    model = encoder.make(QUERIES, vocab_size=60, dim=8)
    expected = [model(one)["sentence_embedding"] for one in columns(model, QUERIES, PASSAGES)]
    found = Packed(model).embed(columns(model, QUERIES, PASSAGES))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 200))
def test_micro_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    lengths.sort()
    parts = micro_batches(lengths, budget)
    assert [place for part, _ in parts for place in range(part.start, part.stop)] == list(range(len(lengths)))
    for part, width in parts:
        assert width == max(lengths[part])
        assert width * (part.stop - part.start) <= budget or part.stop - part.start == 1


def test_infonce_by_hand_with_negatives_where_there_are_some() -> None:
    random = np.random.default_rng(0)
    query, passage, negative = (random.normal(size=(3, 5)) for _ in range(3))
    unit = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (query, passage, negative)]
    scores = np.hstack([unit[0] @ unit[1].T, (unit[0] @ unit[2].T)[:, [0, 2]]]) / 0.1  # row 1 has no negative
    expected = np.mean([np.log(np.exp(line).sum()) - line[place] for place, line in enumerate(scores)])
    tensors = [torch.tensor(one) for one in (query, passage, negative)]
    assert float(info_nce(tensors, torch.tensor([1, 0, 1]), scale=10.0)) == pytest.approx(expected, rel=1e-6)
    library = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    theirs = library.MultipleNegativesRankingLoss(torch.nn.Identity(), scale=10.0)
    all_present = theirs.compute_loss_from_embeddings(tensors, None)
    assert float(info_nce(tensors, torch.tensor([1, 1, 1]), scale=10.0)) == pytest.approx(float(all_present), rel=1e-6)


@pytest.mark.parametrize("mini_batch", [1, 3, 12])
def test_cached_gradients_are_the_plain_ones(folder: Path, mini_batch: int) -> None:
    labels = torch.tensor([place % 2 for place in range(12)])
    gradients = []
    for size in (0, mini_batch):
        model = encoder.open(folder).train()
        loss = batch_loss(model, Objective(0.1), mini_batch=size)
        value = loss(columns(model, QUERIES, PASSAGES, QUERIES[::-1]), labels)
        value.backward()
        gradients.append([float(value.detach())] + [one.grad for one in model.parameters() if one.grad is not None])
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6)
    assert len(gradients[0]) == len(gradients[1]) > 10
    for plain, cached in zip(gradients[0][1:], gradients[1][1:], strict=True):
        torch.testing.assert_close(plain, cached, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("freeze", [(), ("layer.0",)])
def test_a_cut_vocabulary_learns_what_the_whole_would(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: tuple[str, ...]
) -> None:
    start, settings = encoder.open(folder), replace(SETTINGS, freeze=freeze)
    cut = encoder.open(folder)
    sizes = []
    from hybridkit.models import fast_layers

    monkeypatch.setattr(fast_layers, "occurring", lambda *args: sizes.append(occurring(*args)) or sizes[-1])
    train(cut, CORPUS, PLAN, settings, tmp_path / "cut")
    monkeypatch.setattr(training, "TRIMMED_DRAWS", 0)
    whole = encoder.open(folder)
    train(whole, CORPUS, PLAN, settings, tmp_path / "whole")
    before, after, expected = (one.transformers_model.get_input_embeddings().weight for one in (start, cut, whole))
    assert type(cut.transformers_model.get_input_embeddings()) is torch.nn.Embedding
    assert len(sizes) == 1
    assert len(sizes[0]) < len(before) - 5  # zebra, yak and quokka do not occur
    absent = np.setdiff1d(np.arange(len(before)), sizes[0].numpy())
    assert float((before[absent] - after[absent]).detach().abs().max()) > 1e-3  # weight decay reaches them all the same
    torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-6)
    for (name, one), other in zip(cut.state_dict().items(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5, msg=name)
    saved = encoder.open(tmp_path / "cut").transformers_model.get_input_embeddings().weight
    assert torch.equal(saved, after)


def test_any_text_can_be_encoded_while_the_vocabulary_is_cut(folder: Path) -> None:
    model = encoder.open(folder)
    texts = [*QUERIES, "zebra yak quokka"]
    expected = encode(model, texts)
    tokens = occurring(model, [(QUERIES, "query", "")])
    with trimmed(model, tokens) as small:
        assert len(small.weight) == len(tokens)
        np.testing.assert_array_equal(encode(model, texts), expected)
        with torch.no_grad():
            small.weight.mul_(2)
        assert np.abs(encode(model, texts[:1]) - expected[:1]).max() > 1e-3
        small.weight.data.div_(2)
    np.testing.assert_array_equal(encode(model, texts), expected)


def test_after_an_error_the_vocabulary_is_whole_and_as_it_was(folder: Path) -> None:
    model = encoder.open(folder)
    before = encoder.weights_hash(model)
    with pytest.raises(KeyboardInterrupt), trimmed(model, occurring(model, [(QUERIES, "query", "")])) as small:
        small.weight.data.zero_()
        raise KeyboardInterrupt
    assert encoder.weights_hash(model) == before


def test_the_best_checkpoint_comes_back_by_the_score_that_is_watched(folder: Path, tmp_path: Path) -> None:
    script = iter([(0.9, 5.0), (0.1, 3.0), (0.2, 4.0)])
    seen = []

    def measure(model: Any) -> dict[str, float]:
        seen.append(encode(model, ["zebra", *QUERIES]))
        return dict(zip(("AP", "rank_distance"), next(script), strict=True))

    model = encoder.open(folder)
    settings = replace(SETTINGS, evaluate_every=2, watch="rank_distance")
    train(model, CORPUS, PLAN, settings, tmp_path / "model", measure=measure)
    assert len(seen) == 3
    np.testing.assert_allclose(encode(model, ["zebra", *QUERIES]), seen[1], atol=1e-5)
    assert np.abs(seen[2] - seen[1]).max() > 1e-3
    with pytest.raises(Exception, match="training.watch: 'AP pool' is not a held-out score; it must be one of AP"):
        train(
            encoder.open(folder),
            CORPUS,
            PLAN,
            replace(settings, watch="AP pool"),
            tmp_path / "none",
            measure=lambda _: {"AP": 1.0},
        )


def test_negatives_are_in_the_loss_where_rows_have_them(folder: Path, tmp_path: Path) -> None:
    import json

    usable = usable_negatives(PLAN, CORPUS)[0]
    assert 0 < usable.sum() < 4
    texts = PlanTexts(PLAN, CORPUS, negatives=True)(np.arange(4))
    model = encoder.open(folder)
    query, passage, negative = (
        encode(model, [text or "-" for text in texts[side]]) for side in ("query", "passage", "negative")
    )
    scores = np.hstack([query @ passage.T, (query @ negative.T)[:, usable]]) / SETTINGS.temperature
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[:, :4].diagonal())
    train(model, CORPUS, PLAN, replace(SETTINGS, negatives=True), tmp_path / "model")
    first = json.loads((tmp_path / "model" / "steps.jsonl").read_text().splitlines()[0])
    assert first["loss"] == pytest.approx(expected, rel=1e-4)


def test_linear_layers_through_onednn_are_linear_layers() -> None:
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(7, 5), torch.randn(4, 3, 7)
    found = []
    for fast in (False, True):
        given = x.clone().requires_grad_()
        layer.zero_grad()
        with onednn_linear(layer) if fast else nullcontext():
            assert ("forward" in vars(layer)) == fast
            out = layer(given)
            (out**2).sum().backward()
        found.append([out.detach(), given.grad, layer.weight.grad.clone(), layer.bias.grad.clone()])
    with onednn_linear(layer):
        with onednn_linear(layer):  # held-out texts are embedded in the middle of a training
            pass
        assert "forward" in vars(layer)
    assert "forward" not in vars(layer)
    for plain, other in zip(*found, strict=True):
        torch.testing.assert_close(plain, other, rtol=1e-5, atol=1e-5)


TWO_PROCESSES = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import tests.models.test_loss as tests
from hybridkit.models import encoder
from hybridkit.models.training import train
for name in ("two", "again"):  # the processes know each other from the start the second time
    train(encoder.open({folder!r}), tests.CORPUS, tests.PLAN, tests.SETTINGS, Path({out!r}) / name)
settings = tests.replace(tests.TERMS, margin_mse=0.3, reranker={reranker!r})
train(encoder.open({folder!r}), tests.SOME_ALONE, tests.TERMS_PLAN, settings, Path({out!r}) / "two terms")
import torch.distributed
assert torch.distributed.get_world_size() == 2
"""


def test_two_processes_train_what_one_does(folder: Path, tmp_path: Path) -> None:
    one = encoder.open(folder)
    train(one, CORPUS, PLAN, SETTINGS, tmp_path / "one")
    terms, teacher = encoder.open(folder), make_bert(tmp_path / "reranker")
    settings = replace(TERMS, margin_mse=0.3, reranker=str(teacher))
    train(terms, SOME_ALONE, TERMS_PLAN, settings, tmp_path / "one terms")
    twins = PlanTexts(TERMS_PLAN, SOME_ALONE, twins=True).twins
    assert twins is not None and np.ptp((twins.reshape(-1, 2) >= 0).sum(axis=1)) > 0
    script, root = tmp_path / "script.py", str(Path(training.__file__).parents[2])
    script.write_text(TWO_PROCESSES.format(root=root, folder=str(folder), reranker=str(teacher), out=str(tmp_path)))
    # `accelerate launch --cpu` starts one process however many it is asked for
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    told = subprocess.run(
        launch,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert told.returncode == 0, told.stderr[-3000:]
    assert "plain steps" not in told.stderr
    losses = [(tmp_path / name / "steps.jsonl").read_text().splitlines() for name in ("one", "two")]
    assert len(losses[0]) == len(losses[1]) == 6
    for (name, value), other, again in zip(
        one.state_dict().items(),
        *(encoder.open(tmp_path / two).state_dict().values() for two in ("two", "again")),
        strict=True,
    ):
        torch.testing.assert_close(again, other, rtol=1e-5, atol=1e-6, msg=name)
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-5, msg=name)
    shared = encoder.open(tmp_path / "two terms").state_dict()
    for name, value in terms.state_dict().items():
        torch.testing.assert_close(value, shared[name], rtol=1e-4, atol=1e-5, msg=name)
    logs = [pd.read_json(tmp_path / f"{name} terms" / "steps.jsonl", lines=True) for name in ("one", "two")]
    for part in ("loss", "infonce", "consistency", "distillation", "margin_mse"):
        np.testing.assert_allclose(logs[1][part], logs[0][part], rtol=1e-4, atol=1.01e-4)  # parts have four decimals


def test_a_batch_that_cannot_fit_is_told_with_what_would(folder: Path) -> None:
    model = encoder.open(folder)
    texts = columns(model, ["Lima Lima Lima"] * 6, ["Lima Lima Lima"] * 4)
    tokens = int(sum(one["attention_mask"].sum() for one in texts))
    needed = tokens * 4 * 2 * (5 * 16 + 16)  # float32; two layers of six linear layers, 16 wide each
    settings = replace(SETTINGS, batch_size=5)
    check_memory(model, texts, settings, total=needed)
    with pytest.raises(InputError, match=r"training.batch_size: 10 texts .* Set training.mini_batch to 4 or less"):
        check_memory(model, texts, settings, total=needed - 1)
    check_memory(model, texts, replace(settings, mini_batch=4), total=needed - 1)
    static = encoder.make(["Lima is Lima"], vocab_size=30, dim=4)
    check_memory(static, columns(static, ["Lima"]), settings, total=1)  # nothing to keep
    with (
        pytest.raises(InputError, match="the memory is full. Set training.mini_batch to 2 or less"),
        report_out_of_memory(settings),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="shapes"), report_out_of_memory(settings):
        raise RuntimeError("shapes differ")


def test_the_engine_learns_what_the_library_learns_by_itself(folder: Path, tmp_path: Path) -> None:
    ours, theirs = encoder.open(folder), encoder.open(folder)
    train(ours, CORPUS, PLAN, SETTINGS, tmp_path / "ours")
    library_training(theirs, CORPUS, PLAN, SETTINGS, tmp_path / "theirs", max_steps=6)
    moved = encoder.open(folder).state_dict()
    for (name, one), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5, msg=name)
    assert max(float((value - moved[name]).abs().max()) for name, value in ours.state_dict().items()) > 1e-2


def test_an_engine_that_errs_steps_aside_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(encoder.open(folder), CORPUS, PLAN, SETTINGS, tmp_path / "right")
    assert "plain steps" not in caplog.text
    embed, slope = Packed.embed, 0.001 * torch.arange(16)
    monkeypatch.setattr(Packed, "embed", lambda self, columns: [one + slope for one in embed(self, columns)])
    train(encoder.open(folder), CORPUS, PLAN, SETTINGS, tmp_path / "wrong")
    assert "the kit's loss is" in caplog.text
    assert "trained by sentence-transformers' plain steps" in caplog.text
    losses = [pd.read_json(tmp_path / name / "steps.jsonl", lines=True)["loss"] for name in ("right", "wrong")]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_a_word_that_is_not_in_the_cut_vocabulary_is_an_error_in_training(folder: Path) -> None:
    model = encoder.open(folder)
    with trimmed(model, occurring(model, [(QUERIES, "query", "")])):
        model.train()
        with pytest.raises(IndexError):
            model(model.preprocess(["zebra yak quokka"]))


def test_a_look_up_of_words_that_is_not_plain_stays_whole(folder: Path) -> None:
    class Scaled(torch.nn.Embedding):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
            return super().forward(input) * 3

    model = encoder.open(folder)
    assert can_be_trimmed(model)
    words = model.transformers_model.get_input_embeddings()
    handle = words.register_forward_hook(lambda *_: None)
    assert not can_be_trimmed(model)
    handle.remove()
    model.transformers_model.tied = torch.nn.Linear(16, len(words.weight), bias=False)
    model.transformers_model.tied.weight = words.weight
    assert not can_be_trimmed(model)
    del model.transformers_model.tied
    words.max_norm = 1.0
    assert not can_be_trimmed(model)
    words.max_norm = None
    assert can_be_trimmed(model)
    model.transformers_model.set_input_embeddings(Scaled(10, 16))
    assert not can_be_trimmed(model)


def test_features_that_are_no_tokens_are_left_alone_in_mini_batches(tmp_path: Path) -> None:
    from tests.encoder_kinds import recurrent

    model = recurrent(tmp_path)
    texts = ["who is lima", "quito", "rome or paris", "the river"]
    torch.testing.assert_close(
        Packed(model, 4).embed(columns(model, texts))[0], model(*columns(model, texts))["sentence_embedding"]
    )
    for count in (0, 3):
        batch_loss(model, Objective(0.05), count)(columns(model, texts, texts), None).backward()


def switches() -> tuple[bool, bool, bool, str | None]:
    """Return PyTorch's and the tokenizers' switches that a training sets."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed(),
        os.environ.get("TOKENIZERS_PARALLELISM"),
    )


def test_a_training_leaves_modes_and_switches_as_they_were(folder: Path, tmp_path: Path) -> None:
    model = encoder.open(folder).eval()
    before = switches()
    within = []

    class Looks(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            within.append(switches()[:3])

    train(model, CORPUS, PLAN, SETTINGS, tmp_path / "out", callbacks=[Looks()])
    assert set(within) == {(True, False, True)}
    assert not any(module.training for module in model.modules())
    assert switches() == before


def test_what_is_measured_in_a_training_of_bf16_has_its_own_precision(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[np.ndarray] = []

    def measure(one: Any) -> dict[str, float]:
        seen.append(encode(one, PASSAGES, "passage"))
        return {"AP": float(len(seen))}

    settings = replace(SETTINGS, precision="bf16", evaluate_every=len(PLAN))
    train(encoder.open(folder), CORPUS, PLAN, settings, tmp_path / "out", measure=measure)
    np.testing.assert_allclose(
        seen[-1], encode(encoder.open(tmp_path / "out"), PASSAGES, "passage"), rtol=1e-6, atol=1e-6
    )
    assert "own encode" not in caplog.text


@pytest.mark.parametrize("family", ["bert", "gpt2 left"])
def test_rows_without_a_negative_where_a_text_of_nothing_has_no_token(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers.sentence_transformer.modules import Pooling

    from tests import encoder_kinds

    name, sizes, marks = encoder_kinds.FAMILIES[family]
    bare = marks.replace("around", "bare").replace("end", "bare")
    monkeypatch.setitem(encoder_kinds.FAMILIES, family, (name, sizes, bare))
    model = encoder_kinds.built(encoder_kinds.transformer(tmp_path / "parts", family), Pooling(32))
    assert not len(model.tokenizer("")["input_ids"])
    train(model, CORPUS, PLAN, replace(SETTINGS, negatives=True, mini_batch=1), tmp_path / "out")
    assert all(bool(one.isfinite().all()) for one in model.parameters())


def test_what_a_training_does_not_keep_is_not_counted(folder: Path) -> None:
    model = encoder.open(folder)
    features = columns(model, QUERIES, PASSAGES)
    with pytest.raises(InputError, match="batch_size"):
        check_memory(model, features, SETTINGS, total=1000)
    model.transformers_model.gradient_checkpointing_enable()
    check_memory(model, features, SETTINGS, total=1000)
    model.transformers_model.gradient_checkpointing_disable()
    model.transformers_model.requires_grad_(False)
    check_memory(model, features, SETTINGS, total=1000)
