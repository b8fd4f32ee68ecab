"""A plan under sentence-transformers' own trainer: its batches, in its order, on one process and on two."""

import copy
import json
import logging
import os
import pickle
import re
import socket
import subprocess
import sys
from multiprocessing import context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models import encoder
from hybridkit.models.plan_dataset import PlanBatchSampler, plan_arguments, plan_dataset, texts_dataset
from hybridkit.sampling import hybrid, mono
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.paths import checkout

TAGS = ("de", "en", "zh")
CORPUS = ParallelCorpus.from_rows(
    Row(
        f"r{n}",
        f"r{n}",
        f"r{n}",
        {tag: f"query {n} {tag}" for tag in TAGS},
        {tag: f"passage {n} {tag}" for tag in TAGS},
        {"de": f"wrong {n} de"} if n else {},
    )
    for n in range(13)
)
PLAN = hybrid(alpha=0.5).plan(CORPUS, 7, 4, 3)


def static() -> Any:
    return encoder.make(CORPUS.iter_texts(), vocab_size=60, dim=8)


def trainer_of(folder: Path, dataset: Any = None, **given: Any) -> Any:
    """The trainer of a script of somebody else, and in `seen` what its loss is given."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    seen: list[list[list[list[int]]]] = []

    class Spy(MultipleNegativesRankingLoss):
        def forward(self, sentence_features: Any, labels: Any) -> Any:
            seen.append([rows_of(one) for one in sentence_features])
            return super().forward(sentence_features, labels)

    model = static()
    options = plan_arguments(PLAN) | {
        "learning_rate": 0.05,
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
        "dataloader_pin_memory": False,
    }
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(output_dir=str(folder), **(options | given)),
        train_dataset=plan_dataset(PLAN, CORPUS) if dataset is None else dataset,
        loss=Spy(model),
    )
    trainer.seen = seen
    return trainer


def rows_of(features: Any) -> list[list[int]]:
    """The tokens of each text; the static encoder holds them in one line, with the place where each begins."""
    return [part.tolist() for part in np.split(features["input_ids"].numpy(), features["offsets"].numpy()[1:])]


def tokens_of(negatives: bool = False) -> list[list[list[list[int]]]]:
    """What the loss is to be given: queries, passages and perhaps negatives of each batch of the plan."""
    model, whole = static(), plan_dataset(PLAN, CORPUS, negatives=negatives)
    batches = [whole[step * 4 : step * 4 + 4] for step in range(len(PLAN))]
    return [[rows_of(model.preprocess(texts)) for texts in batch.values()] for batch in batches]


def test_the_dataset_is_the_plan_looked_up() -> None:
    dataset = plan_dataset(PLAN, CORPUS)
    texts = PlanTexts(PLAN, CORPUS)
    assert len(dataset) == 28
    assert dataset.column_names == ["position"]
    assert dataset[:] == texts(np.arange(28))
    assert dataset[[5, 1]] == texts(np.array([5, 1]))
    row, query, passage = PLAN.draws[1, 2].tolist()
    assert dataset[6] == {"query": f"query {row} {TAGS[query]}", "passage": f"passage {row} {TAGS[passage]}"}
    assert copy.deepcopy(dataset)[6] == dataset.select([6, 7])[0] == dataset[6]
    with pytest.raises(InputError, match="another corpus"):
        plan_dataset(PLAN, CORPUS.keep_languages(["de", "en"]))


def test_labels_say_what_a_row_has_and_where_its_teachers_texts_are() -> None:
    texts = PlanTexts(PLAN, CORPUS, negatives=True, teacher="zh")
    assert texts.teacher is not None
    found = texts_dataset(texts, gaps=True)[:]
    assert list(found) == ["query", "passage", "negative", "label"]
    assert [line[0] for line in found["label"]] == [int(bool(text)) for text in found["negative"]]
    assert {line[1] for line in found["label"]} == {0}  # there are no twins
    assert [line[2:] for line in found["label"]] == texts.teacher.places.tolist()
    assert "label" not in texts_dataset(PlanTexts(PLAN, CORPUS), gaps=True)[:]
    negatives = texts_dataset(PlanTexts(PLAN, CORPUS, negatives=True), gaps=True)[:]["label"]
    both = texts_dataset(PlanTexts(PLAN, CORPUS, negatives=True, twins=True), gaps=True)[:]["label"]
    assert both == [[has, 1] for has in negatives]


def test_every_row_gets_a_negative_where_they_are_wanted(caplog: pytest.LogCaptureFixture) -> None:
    plan = mono().plan(CORPUS, 20, 4, 0)
    dataset = plan_dataset(plan, CORPUS, negatives=True)
    found = dataset[:]
    row, _, passage = plan.draws.reshape(-1, 3).T
    own = (passage == 0) & (row > 0)
    assert 0 < own.sum() < 80
    assert f"{80 - own.sum()} of 80 draws have no hard negative" in caplog.text
    for position, negative in enumerate(found["negative"]):
        tag = TAGS[passage[position]]
        if own[position]:
            assert negative == f"wrong {row[position]} {tag}"
        else:  # a passage in the same language, and none of the batch's
            assert negative in {f"passage {n} {tag}" for n in set(range(13)) - set(plan.draws[position // 4, :, 0])}
    assert dataset[[50, 3]]["negative"] == [found["negative"][50], found["negative"][3]]
    bare = ParallelCorpus.from_rows(Row(n, n, n, {"en": f"q {n}"}, {"en": f"p {n}"}, {}) for n in "abcd")
    with pytest.raises(InputError, match="no draw has a hard negative"):
        plan_dataset(mono().plan(bare, 2, 2, 0), bare, negatives=True)


@pytest.mark.parametrize(
    "given",
    [
        {"seed": 0},
        {"seed": 5, "data_seed": 9, "dataloader_drop_last": True},
        {"dataloader_num_workers": 2},
        {"gradient_accumulation_steps": 2},
        {"accelerator_config": {"split_batches": True}},
    ],
)
def test_training_reads_the_batches_of_the_plan_in_order(tmp_path: Path, given: dict[str, Any]) -> None:
    trainer = trainer_of(tmp_path, **given)
    trainer.train()
    assert trainer.seen == tokens_of()
    assert trainer.state.global_step == (4 if "gradient_accumulation_steps" in given else 7)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_training_reads_what_is_left(tmp_path: Path, workers: int) -> None:
    whole = trainer_of(tmp_path / "whole", save_strategy="steps", save_steps=3, dataloader_num_workers=workers)
    whole.train()
    resumed = trainer_of(tmp_path / "resumed", dataloader_num_workers=workers, seed=8)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    assert resumed.seen == tokens_of()[3:]
    assert encoder.weights_hash(resumed.model) == encoder.weights_hash(whole.model)


def test_a_second_epoch_is_the_plan_again_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = trainer_of(tmp_path, num_train_epochs=3)
    with caplog.at_level(logging.WARNING, "hybridkit"):
        trainer.train()
    assert trainer.seen == tokens_of() * 3
    assert caplog.text.count("reads the plan of 7 batches again") == 1


def test_what_does_not_fit_the_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batches have 8 rows .* those of the plan 4;"):
        trainer_of(tmp_path, per_device_train_batch_size=8).train()
    for sampler in ("batch_sampler", "no_duplicates"):  # the trainer's own shuffle
        with pytest.raises(InputError, match="not what process 1 of 1 has to read of a plan with batches of 4"):
            trainer_of(tmp_path, batch_sampler=sampler).train()
    for changed in (plan_dataset(PLAN, CORPUS).select(range(8)), plan_dataset(PLAN, CORPUS).shuffle(seed=0)):
        with pytest.raises(InputError, match="selected or shuffled"):
            trainer_of(tmp_path, dataset=changed).train()


def test_any_other_data_set_is_read_in_order(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = Dataset.from_dict({"query": [f"q {n}" for n in range(6)], "passage": [f"p {n}" for n in range(6)]})
    trainer = trainer_of(tmp_path, per_device_eval_batch_size=4)
    assert [len(batch["query_input_ids"]) > 0 for batch in trainer.get_eval_dataloader(rows)] == [True, True]
    assert list(PlanBatchSampler(rows, 4)) == [[0, 1, 2, 3], [4, 5]]
    assert list(PlanBatchSampler(range(5), 2, drop_last=True, seed=5, generator=None)) == [[0, 1], [2, 3]]
    for size in range(1, 9):
        for drop_last in (False, True):
            sampler = PlanBatchSampler(range(size), 3, drop_last)
            sampler.set_epoch(4)
            assert len(list(sampler)) == len(sampler)


@pytest.mark.parametrize("processes", [2, 4])
def test_each_process_reads_its_part_of_every_batch(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.data_loader import BatchSamplerShard

    plan = hybrid(alpha=0.5).plan(CORPUS, 5, 8, 0)
    whole, texts = np.arange(40).reshape(5, 8), PlanTexts(plan, CORPUS)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    assert plan_arguments(plan)["per_device_train_batch_size"] == 8 // processes
    for size, split in ((8 // processes, False), (8, True)):
        parts = []
        for rank in range(processes):
            monkeypatch.setenv("RANK", str(rank))
            dataset = plan_dataset(plan, CORPUS)
            sampler = PlanBatchSampler(dataset, size)
            shard = BatchSamplerShard(sampler, processes, rank, split_batches=split, even_batches=rank == 0)
            parts.append(list(shard))
            assert len(shard) == 5
            read = [row["query"] for keys in shard for row in dataset.__getitems__(keys)]
            assert read == texts(np.array(parts[-1]).ravel())["query"]
            why = f"not what process {rank + 1} of {processes} has to read|multiple of the number of processes"
            with pytest.raises(ValueError, match=why):  # accelerate refuses to split 2 rows among 4 by itself
                dataset.__getitems__(next(iter(BatchSamplerShard(sampler, processes, rank, split_batches=not split))))
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    with pytest.raises(InputError, match="those of the plan 8, or "):
        PlanBatchSampler(plan_dataset(plan, CORPUS), 16)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="3 processes cannot share a plan batch of 8 rows equally"):
        plan_arguments(plan)


def test_a_spawned_worker_gets_the_texts_and_a_hash_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = plan_dataset(PLAN, CORPUS)
    look_up = dataset.format["format_kwargs"]["transform"]
    assert len(pickle.dumps(look_up)) < 300  # what `datasets` hashes, however large the corpus
    with pytest.raises(InputError, match="make it again"):
        pickle.loads(pickle.dumps(dataset))[0]  # noqa: S301  our own bytes
    dataset.share = (1, 2)
    monkeypatch.setattr(context._tls, "spawning_popen", object(), raising=False)
    there = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert there[:] == dataset[:]
    assert there.__getitems__([2, 3])[0] == dataset[2]


SCRIPT = """
import json, os, sys
sys.path.insert(0, {root!r})
import importlib.util
spec = importlib.util.spec_from_file_location("outside_tests", {file!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
from pathlib import Path
from hybridkit.errors import InputError
out, rank = Path({out!r}), os.environ["RANK"]
seen = {{}}
for name, given in tests.WAYS.items():
    trainer = tests.gathered(out / name, **given)
    trainer.train()
    seen[name] = trainer.seen
    if rank == "0":
        tests.encoder.save(trainer.model, out / name / "model")
for name, given in tests.WRONG_WAYS.items():
    try:
        next(iter(tests.gathered(out / name, **given).get_train_dataloader()))
    except InputError as error:
        seen[name] = str(error)
(out / f"seen-{{rank}}.json").write_text(json.dumps(seen))
"""
WAYS: dict[str, dict[str, Any]] = {
    "parts": {"dataloader_num_workers": 1, "gradient_accumulation_steps": 2},
    "split": {"per_device_train_batch_size": 4, "accelerator_config": {"split_batches": True}},
}
WRONG_WAYS: dict[str, dict[str, Any]] = {
    "whole batches": {"per_device_train_batch_size": 4},
    "split parts": {"accelerator_config": {"split_batches": True}},
    "own sampler": {"batch_sampler": "batch_sampler"},
}


def gathered(folder: Path, **given: Any) -> Any:
    """SGD, whose steps are the gradients themselves; in the way "split" with hard negatives."""
    dataset = plan_dataset(PLAN, CORPUS, negatives=folder.name == "split")
    trainer = trainer_of(folder, dataset, optim="sgd", learning_rate=1.0, max_grad_norm=1e9, **given)
    trainer.loss.gather_across_devices = True
    return trainer


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(checkout()), file=__file__, out=str(tmp_path)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # without a GPU only this launcher of accelerate's starts several processes; the script's use_cpu does the rest
    launch = [
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        str(port),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *launch, str(script)],
        env=environment,
        timeout=240,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    for name, given in WAYS.items():
        batches = tokens_of(negatives=name == "split")
        halves = [[[side[:2] for side in batch], [side[2:] for side in batch]] for batch in batches]
        assert [list(pair) for pair in zip(first[name], second[name], strict=True)] == halves
        steps = given.get("gradient_accumulation_steps", 1)
        alone = gathered(tmp_path / "alone" / name, gradient_accumulation_steps=steps)
        before = alone.model.encode(["query 1 de"])
        alone.train()
        together = encoder.open(tmp_path / name / "model")
        for one, other in zip(alone.model.parameters(), together.parameters(), strict=True):
            np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), atol=1e-6)
        assert np.abs(before - together.encode(["query 1 de"])).max() > 0.01  # there was something to learn
    for name in WRONG_WAYS:
        for rank, seen in enumerate((first, second)):
            assert f"not what process {rank + 1} of 2 has to read" in seen[name]


def test_the_example_of_the_documentation_runs(
    parallel_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sentence_transformers

    model = encoder.make(ParallelCorpus.from_jsonl(parallel_rows).iter_texts(), vocab_size=200, dim=8)
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", lambda _: model)
    monkeypatch.chdir(tmp_path)
    page = (Path(str(checkout())) / "docs" / "own-training.md").read_text(encoding="utf-8")
    (example,) = [one for one in re.findall(r"```python\n(.*?)```", page, flags=re.S) if "plan_dataset" in one]
    space: dict[str, Any] = {}
    exec(compile(example, "own-training.md", "exec"), space)  # noqa: S102  our own example, as written
    assert space["trainer"].state.global_step == len(space["plan"])
