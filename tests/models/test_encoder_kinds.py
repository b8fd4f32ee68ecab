"""Every kind of encoder: embedded, evaluated, trained, saved and opened again as sentence-transformers does it."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from hybridkit.data.benchmark import Benchmark
from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.evaluation.encoder_scores import evaluate_encoder
from hybridkit.evaluation.measures import macro, scores_of
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.models import encoder
from hybridkit.models.embedding import TASKS, encode, token_counts
from hybridkit.models.training import TrainingSettings, train
from hybridkit.sampling import hybrid
from hybridkit.utils.progress import calm_bars
from tests.encoder_kinds import KINDS, PADDED_OTHERWISE, library_training, text

pytestmark = pytest.mark.usefixtures("one_thread")


CORPUS = ParallelCorpus.from_rows(
    Row(
        str(n),
        str(n),
        str(n),
        {"en": f"who {text(n, 1 + n % 5)}", "de": f"wer {text(n + 40, 1 + n % 4)}"},
        {"en": f"the {text(n + 80, 2 + n)}", "de": f"die {text(n + 120, 1 + 2 * n % 11)}"},
        {},
    )
    for n in range(14)
)
PLAN = hybrid(alpha=0.5).plan(CORPUS, 2, 8, seed=1)
SETTINGS = TrainingSettings(steps=2, batch_size=8, learning_rate=1e-3, warmup=0.0, checkpoint_every=1)
TEXTS = {"query": CORPUS.query_table("en")[1], "passage": CORPUS.passage_table("en")[1]}


def by_the_library(model: SentenceTransformer, side: str, count: int | None = None) -> np.ndarray:
    own = {"query": model.encode_query, "passage": model.encode_document}[side]
    return np.asarray(own(TEXTS[side][:count], normalize_embeddings=encoder.similarity_of(model) == "cosine"))


@pytest.mark.parametrize("kind", KINDS)
def test_as_sentence_transformers_does_it(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = KINDS[kind](tmp_path / "parts")
    with calm_bars():
        made.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    ours = encoder.open(tmp_path / "model", device="cpu")
    # the library imports our own module only if it may run code
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu", trust_remote_code="convolutions" in kind)
    before = encoder.model_hash(ours)

    with caplog.at_level(logging.WARNING, logger="hybridkit"):
        for side in TEXTS:
            for count in (None, 2):  # many texts and few
                expected = by_the_library(theirs, side, count)
                np.testing.assert_allclose(encode(ours, TEXTS[side][:count], side), expected, rtol=1e-5, atol=1e-5)
    aside = [record for record in caplog.records if "own encode" in record.message]
    assert len(aside) == (kind in PADDED_OTHERWISE)
    token_counts(ours, TEXTS["query"])
    benchmark = Benchmark.from_corpus(CORPUS, "toy")
    query = theirs.encode_query(benchmark.queries["text"].tolist())
    passage = theirs.encode_document(benchmark.passages["text"].tolist())
    expected_ranks = rank_table_from_scores(benchmark, lambda rows: theirs.similarity(query[rows], passage).numpy())
    expected_scores = macro(scores_of(expected_ranks)).set_index(["setting", "measure"])["value"]
    scores = evaluate_encoder(ours, benchmark)
    for setting in ("mono", "cross", "pool"):
        assert scores[f"AP {setting}"] == pytest.approx(expected_scores[setting, "AP"], abs=1e-6)
    assert encoder.model_hash(ours) == before, "a look has changed the model"

    caplog.clear()
    train(ours, CORPUS, PLAN, SETTINGS, tmp_path / "trained")
    aside = [record for record in caplog.records if "plain steps" in record.message]
    assert len(aside) == (kind in PADDED_OTHERWISE)
    prompts = {"query": theirs.prompts.get("query") or "", "passage": theirs.prompts.get("document") or ""}
    out, more = tmp_path / "theirs", {"logging_steps": 1, "router_mapping": TASKS, "prompts": prompts}
    trainer = library_training(theirs, CORPUS, PLAN, SETTINGS, out, max_steps=2, **more)
    expected_losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    losses = [json.loads(line)["loss"] for line in (tmp_path / "trained" / "steps.jsonl").read_text().splitlines()]
    np.testing.assert_allclose(losses, expected_losses, rtol=2e-4)
    for side in TEXTS:
        np.testing.assert_allclose(encode(ours, TEXTS[side], side), by_the_library(theirs, side), rtol=1e-3, atol=1e-3)

    again = encoder.open(tmp_path / "trained")
    assert encoder.model_hash(again) == encoder.model_hash(ours) != before
    for side in TEXTS:
        np.testing.assert_array_equal(encode(again, TEXTS[side], side), encode(ours, TEXTS[side], side))
