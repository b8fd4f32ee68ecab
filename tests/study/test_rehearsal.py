"""The paper's study in small: its files in the published formats, both kinds of encoders, two processes, MIRACL."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from hybridkit.analysis.whole_study import make_everything
from hybridkit.study.run import Run
from hybridkit.study.settings import open_study
from hybridkit.study.workers import Here

SHARED = Path(os.environ.get("HYBRIDKIT_DATA", "nowhere"))
SIZES = {
    "name",
    "title",
    "rows.held_out",
    "encoder.name",
    "seeds",
    "training.steps",
    "training.evaluate_every",
    "training.patience",
    "training.checkpoint_every",
    "training.processes",
    "evaluation.judged",
}
SMALL = (
    "rows.held_out=0.1",
    "training.steps=4",
    "training.batch_size=8",
    "training.evaluate_every=2",
    "training.checkpoint_every=2",
    "training.patience=1",
    "evaluation.benchmarks=['xquad-r[:8,ar,de]', 'mlqa-r[:8,ar,de]']",
    "evaluation.judged=['miracl-pool[yo]']",
)


def flat(value: Any, above: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {above: value}
    parts = ((f"{above}.{name}" if above else name, one) for name, one in value.items())
    return {name: one for part, inner in parts for name, one in flat(inner, part).items()}


def test_the_rehearsal_changes_sizes_only() -> None:
    paper, rehearsal = (flat(open_study(name).written(Path.cwd())) for name in ("paper", "paper-rehearsal"))
    differ = {name for name in paper.keys() | rehearsal.keys() if paper.get(name) != rehearsal.get(name)}
    assert differ - {"folder"} == SIZES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (SHARED / "train" / "xnli-entailment.jsonl").is_file() or not (SHARED / "miracl-pool").is_dir():
        pytest.skip("needs HYBRIDKIT_DATA with train, xquad-r, mlqa-r and miracl-pool")
    script = Path(__file__).parents[2] / "benchmarks" / "rehearsal.py"
    spec = importlib.util.spec_from_file_location("rehearsal", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TEXTS = 3000  # that the tokenizers learn from
    folder = tmp_path_factory.mktemp("rehearsal")
    made = module.write(SHARED, folder, 2000, limit=60, pieces=4000)
    assert made["mmarco"] == 2000 and made["squad-translate-train"] > 30
    return folder


def small(data: Path, encoder: str, monkeypatch: pytest.MonkeyPatch, *changes: str) -> Run:
    monkeypatch.setenv("HYBRIDKIT_DATA", str(data))
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(data / "cache"))
    study = open_study("paper-rehearsal", [*SMALL, f"encoder.name={data / 'encoders' / encoder}", *changes])
    return Run(study, data / "runs" / encoder)


def test_the_papers_study_runs_to_its_end_in_small(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small(data, "xlm-r", monkeypatch)
    run.prepare()
    run.check()
    corpus = run.split[0]
    assert set(corpus.languages) == {"ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"}
    assert (corpus.positions["negative"] >= 0).any() and len(run.split[1])
    assert make_everything(run, ["04"], Here()) == 4  # the encoder as it is, and three strategies
    for spec in run.models()[1:]:
        folder = run.trained.path(spec)
        assert 2 <= (folder / "steps.jsonl").read_text().count("\n") <= 4
        assert json.loads((folder / "held-out.json").read_text())[run.study.training.watch] > 0
    assert make_everything(Run(run.study, run.folder), ["04"], Here()) == 0


def test_its_second_encoder_learns_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small(data, "labse", monkeypatch, "name=paper-rehearsal-labse", "training.processes=1")
    spec = run.models()[-1]
    before = {name: value.clone() for name, value in run.trained.encoder().state_dict().items()}
    after = run.trained.open(spec).state_dict()
    moved = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {"0", "2"}  # the transformer and the projection
