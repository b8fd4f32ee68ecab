"""A plan under sentence-transformers' own trainer: exactly its texts, batch by batch, in its order."""

from pathlib import Path

import numpy as np
import pytest

from hybridkit import encoder
from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.rows import Row
from hybridkit.sampling import hybrid, mono
from hybridkit.sampling.feed import PlanBatchSampler, plan_dataset
from hybridkit.sampling.texts import PlanTexts

CORPUS = ParallelCorpus.from_rows(
    Row(f"r{n}", f"r{n}", f"r{n}", {tag: f"query {n} {tag}" for tag in ("de", "en", "zh")},
        {tag: f"passage {n} {tag}" for tag in ("de", "en", "zh")}, {})
    for n in range(13)
)  # fmt: skip


def test_the_dataset_is_the_plan_looked_up() -> None:
    plan = hybrid(alpha=0.5).plan(CORPUS, 6, 4, 0)
    dataset = plan_dataset(plan, CORPUS)
    texts = PlanTexts(plan, CORPUS)(np.arange(24))
    assert len(dataset) == 24
    assert dataset[:] == texts
    assert dataset[[5, 1]] == {side: [found[5], found[1]] for side, found in texts.items()}
    with pytest.raises(InputError, match="another corpus"):
        plan_dataset(plan, CORPUS.keep_languages(["de", "en"]))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_trainer_reads_batches_in_the_order_of_the_plan(tmp_path: Path, seed: int) -> None:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    plan = hybrid(alpha=0.5).plan(CORPUS, 7, 4, 3)
    model = encoder.make(CORPUS.iter_texts(), vocab_size=60, dim=8)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        max_steps=7,
        batch_sampler=PlanBatchSampler,
        seed=seed,  # whatever the trainer would shuffle by
        report_to="none",
        use_cpu=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=plan_dataset(plan, CORPUS), loss=MultipleNegativesRankingLoss(model)
    )
    loader = trainer.get_train_dataloader()
    assert len(loader) == 7
    for step, features in enumerate(loader):
        for side, texts in PlanTexts(plan, CORPUS)(np.arange(4 * step, 4 * step + 4)).items():
            assert features[f"{side}_input_ids"].tolist() == model.preprocess(texts)["input_ids"].tolist()


def test_the_sampler_gives_every_place_once() -> None:
    assert list(PlanBatchSampler(range(6), 3, seed=5, generator=None)) == [[0, 1, 2], [3, 4, 5]]
    assert list(PlanBatchSampler(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(PlanBatchSampler(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    for size in range(1, 9):
        for drop_last in (False, True):
            sampler = PlanBatchSampler(range(size), 3, drop_last)
            sampler.set_epoch(4)
            assert len(list(sampler)) == len(sampler)
    plan = mono().plan(CORPUS, 5, 2, 0)
    assert len(PlanBatchSampler(plan_dataset(plan, CORPUS), 2)) == len(plan)
