"""The dry run of a study: what is missing and its cure, rows, steps, disk, and the time by real first steps."""

import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from hybridkit.analysis.scores import make_collections
from hybridkit.cli import commands as main
from hybridkit.models.embedding import encode
from hybridkit.models.encoder import weights_hash
from hybridkit.study import estimate as estimating
from hybridkit.study.estimate import estimate, missing, time_step
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import DiversitySettings, Study, open_study


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """40 rows in English and German, 4 of them English only; a benchmark of 10 rows in both; 2 strategies, 2 seeds."""
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HYBRIDKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    lines = []
    for n in range(50):
        both = ("en", "de") if n >= 4 else ("en",)
        text = {tag: f"{tag} number {n}" for tag in both}
        row = {"id": str(n), "query": {tag: f"what is {one}" for tag, one in text.items()}, "passage": text}
        lines.append(json.dumps(row | ({"negative": {"en": "none of these"}} if n >= 40 - 5 else {})))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines[:40]))
    (tmp_path / "asked.jsonl").write_text("\n".join(lines[40:]))
    value = {
        "name": "tiny",
        "title": "A test",
        "rows": {"files": [str(tmp_path / "rows.jsonl")], "held_out": 0.2},
        "encoder": {"name": "static", "vocab_size": 120, "dim": 16},
        "strategies": ["mono", "cross"],
        "seeds": [0, 1],
        "compare": ["cross", "mono"],
        "evaluation": {"benchmarks": [str(tmp_path / "asked.jsonl")]},
        "training": {"steps": 6, "batch_size": 4, "learning_rate": 0.02, "checkpoint_every": 2, "evaluate_every": 3},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(value))
    return open_study(tmp_path / "tiny.yaml")


def test_everything_here(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(study)
    monkeypatch.setattr(estimating, "time_step", lambda *_: 2.0)
    monkeypatch.setattr(estimating, "time_texts", lambda *_: 0.5)
    found = estimate(run)
    assert (found.trainings, found.left, found.steps, found.missing) == (4, 4, 4 * 6, [])
    assert found.rows is not None
    assert found.disk is not None
    train, held = (len(part) for part in run.split)
    assert train + held == 36, "four rows cannot be used by cross batches"
    assert (found.rows.attrs["rows"], found.rows.attrs["held_out"]) == (train, held)
    assert found.rows["language"].tolist() == ["de", "en"]
    assert found.rows["queries"].tolist() == found.rows["passages"].tolist() == [train, train]
    encoder = run.trained.encoder()
    weights = 4 * sum(one.numel() for one in encoder.parameters())
    assert found.disk["models"] == 4 * weights
    assert found.disk["checkpoints while training"] == 2 * 3 * weights
    # the untrained encoder and four models, each on 10 queries and 10 passages in two languages
    assert found.disk["embeddings"] == 5 * 40 * 16 * 4
    assert found.disk["corpus"] == sum(file.stat().st_size for file in (run.folder / "corpus").rglob("*.*"))
    assert found.seconds == {
        "training": 4 * 6 * 2.0,
        "encoding": 5 * 40 * 0.5,
        "held-out scores": 4 * 2 * (4 * held) * 0.5,
    }
    text = str(found)
    assert "4 trainings, 4 of them missing: 24 steps in all" in text
    assert f"{train} training rows, {held} held out" in text
    assert "missing:\n" not in text


def test_what_is_made_is_not_counted_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study = replace(study, seeds=(0,))
    run = Run(study)
    monkeypatch.setattr(estimating, "time_step", lambda *_: 2.0)
    monkeypatch.setattr(estimating, "time_texts", lambda *_: 0.5)
    specs = run.models()
    run.trained.train(specs[1])
    run.ranks(specs[1], study.evaluation.benchmarks[0])
    found = estimate(Run(study))
    assert (found.trainings, found.left, found.steps) == (2, 1, 6)
    assert found.seconds is not None
    assert found.seconds["encoding"] == 2 * 40 * 0.5


def test_weights_half_way_are_encoded_anew_and_other_remedies_are_not(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = replace(study, seeds=(0,), remedies=("calibrate(top=2)", "interpolate(0.5)"))
    run = Run(study)
    monkeypatch.setattr(estimating, "time_step", lambda *_: 2.0)
    monkeypatch.setattr(estimating, "time_texts", lambda *_: 0.5)
    found = estimate(run)
    assert found.seconds is not None and found.seconds["encoding"] == (3 + 2) * 40 * 0.5
    for spec in run.models():  # ranked without a remedy: only the weights between are left
        run.ranks(spec, study.evaluation.benchmarks[0])
    found = estimate(Run(study))
    assert found.seconds is not None and found.seconds["encoding"] == 2 * 40 * 0.5


def test_steps_are_real_and_undone(study: Study) -> None:
    run = Run(study)
    encoder, spec = run.trained.encoder(), run.models()[1]
    before, vector = weights_hash(encoder), encode(encoder, ["what is en number 7"])
    spent = time_step(encoder, run.corpus(spec), run.plan(spec), study.training)
    assert 0 < spent < 60
    assert weights_hash(encoder) == before
    assert np.array_equal(encode(encoder, ["what is en number 7"]), vector)
    assert not list(run.folder.glob("models/*.work"))


def test_a_step_that_several_processes_share_is_timed_in_one(study: Study) -> None:
    run = Run(study)
    spec = run.models()[1]
    shared = replace(study.training, processes=2)
    assert (time_step(run.trained.encoder(), run.corpus(spec), run.plan(spec), shared) or 0) > 0


def test_the_time_is_that_of_the_steps_after_the_first(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(study)
    spec = run.models()[1]
    times = iter([0.0, 9.0, 10.0, 11.0, 12.0])  # the first step takes nine seconds, the others one
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: next(times))
    assert time_step(run.trained.encoder(), run.corpus(spec), run.plan(spec), study.training) == 1.0
    slow = iter([0.0, 25.0])
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: next(slow))
    assert time_step(run.trained.encoder(), run.corpus(spec), run.plan(spec), study.training) == 25.0


def test_the_papers_study_without_anything_here(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    file = tmp_path / "estimate.json"
    assert main.main(["run", "paper-labse", "--dry-run", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "9 trainings, 9 of them missing: 360,000 steps in all" in out
    for cure in (
        'data fetch "mmarco[ar,de,en,es,hi,ru,vi,zh]"',
        'data fetch "squad-translate-train"',
        "model fetch labse",
    ):
        assert f"hybridkit {cure}" in out
    assert "licence CC BY-SA 4.0" in out
    left = json.loads(file.read_text())["estimate"]
    assert (left["steps"], left["rows"], left["disk"], len(left["missing"])) == (360000, None, None, 5)


def test_judged_collections_are_counted_once_a_model_and_a_pool_has_those_of_its_languages(
    study: Study, judged_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (str(judged_folder), f"{judged_folder}[de,en,pool]")
    run = Run(replace(study, evaluation=replace(study.evaluation, judged=names)))
    assert missing(run.study) == []
    asked: list[int] = []
    monkeypatch.setattr(estimating, "time_step", lambda *_: 2.0)
    real = estimating.time_passages
    monkeypatch.setattr(estimating, "time_passages", lambda *args: (asked.append(1), real(*args), 0.5)[-1])
    found = estimate(run)
    # 5 passages, by the untrained encoder and four trained ones
    assert asked and found.seconds is not None and found.seconds["collections"] == 5 * 5 * 0.5
    assert "collections 12 s" in str(found)
    make_collections(run, ModelSpec("untrained"), names)
    again = estimate(run)
    assert again.seconds is not None and again.seconds["collections"] == 4 * 5 * 0.5
    # the untrained encoder and the models of all languages are in two sections
    sets = DiversitySettings(strategies={"mono": (1, "all")}, groups=("random",), draws=2, seeds=(0, 1))
    both = estimate(Run(replace(run.study, diversity=sets), tmp_path / "both"))
    assert both.seconds is not None and both.seconds["collections"] == (5 + 2 * 2) * 5 * 0.5
    gone = replace(study, evaluation=replace(study.evaluation, judged=("miracl[yo,pool]",)))
    assert [one.message.split(" (")[0] for one in missing(gone)] == ["collection miracl[yo]"]


def test_rows_here_and_the_encoder_not(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    far = replace(study, encoder=replace(study.encoder, name="xlm-r"))
    found = estimate(Run(far))
    assert found.missing == ["encoder xlm-r (FacebookAI/xlm-roberta-base): hybridkit model fetch xlm-r"]
    assert found.rows is not None
    assert found.disk is None
    gone = replace(study, rows=replace(study.rows, files=("gone.jsonl", "mlqa-test")))
    needs = missing(gone)
    assert [one.kind for one in needs] == ["rows", "rows"]
    assert (
        needs[0].message.startswith("rows gone.jsonl: no such file (")
        and "start from its own folder" in needs[0].message
    )
    assert needs[1].message.endswith("licence CC BY-SA 3.0): put it into a folder that HYBRIDKIT_DATA names")


def test_a_step_that_is_too_slow_is_given_up_and_told_as_a_range(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hybridkit")
    run = Run(study)

    def slow(*_: object, **__: object) -> None:
        time.sleep(60)

    with monkeypatch.context() as patched:
        patched.setattr(estimating, "_PATIENCE", 0.3)
        patched.setattr(estimating, "train", slow)
        patched.setattr(estimating, "time_texts", lambda *_: 0.5)
        start = time.monotonic()
        found = estimate(run)
        assert time.monotonic() - start < 30
    assert found.seconds is not None and found.longest is not None
    # 4 trainings of 6 steps, each of 4 queries and 4 passages at 0.5 s
    assert found.seconds["training"] == 4 * 6 * 8 * 0.5 * 3 and found.longest["training"] == 4 * 6 * 8 * 0.5 * 6
    assert found.longest["encoding"] == found.seconds["encoding"]
    assert "training 5 min to 10 min" in str(found)
    assert "a step took too long to be timed" in str(found)
    assert "timing a training step of static (4 rows)" in caplog.text
    assert "given up; by the time of its texts a step takes 12 s to 24 s" in caplog.text
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_dry_run_says_that_it_times_a_step_and_what_it_took(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hybridkit")
    found = estimate(Run(study))
    assert (
        "timing a training step of static (4 rows), for at most 30 s" in caplog.text and "a step takes" in caplog.text
    )
    assert found.longest is None and "by first timed steps" in str(found)
