"""Everything that notebooks read of a study's models, made before they run: the same products, none left to make."""

from pathlib import Path

import pytest

from hybridkit.analysis.whole_study import jobs_of, make_everything
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import DISTILLED, RERANKER
from hybridkit.study.sweep import make, sweep
from hybridkit.study.workers import Here
from tests.tiny_rerankers import make_bert
from tests.tiny_study import tiny_study


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Static encoders, and re-rankers that start from a BERT."""
    section = {
        "strategies": ["english", "mono"],
        "seeds": [0],
        "depth": 3,
        "training": {"steps": 2, "batch_size": 4, "ratio": 2, "negatives": "mined"},
        "distilled": ["english"],
        "encoder": {"name": str(make_bert(tmp_path / "bert", labels=0))},
    }
    return Run(tiny_study(tmp_path, reranker=section), tmp_path / "run")


def made(folder: Path) -> dict[str, bytes]:
    found = (path for part in ("models", "plans", "ranks", "scores") for path in (folder / part).rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


def test_re_rankers_are_made_like_other_models(run: Run, tmp_path: Path) -> None:
    run.check()
    assert make_everything(run, ["04"], Here()) == 8  # with the untrained ones of both, and two dual encoders
    for section in ("main", RERANKER, DISTILLED):
        specs, benchmarks = run.models(section), run.study.section(section).benchmarks
        assert sweep(Run(run.study, run.folder), specs, benchmarks) == 0
    assert make_everything(Run(run.study, run.folder), ["04"], Here()) == 0
    other = Run(run.study, tmp_path / "other")
    for section in ("main", RERANKER, DISTILLED):
        for spec in other.models(section):
            make(other, spec, run.study.section(section).benchmarks)
    assert made(run.folder) == made(other.folder)


def test_the_untrained_encoder_and_what_is_re_ranked_behind_it_are_two_jobs(tmp_path: Path) -> None:
    bert = str(make_bert(tmp_path / "bert", labels=0))
    section = {"strategies": ["english", "mono"], "seeds": [0], "depth": 3, "training": {"steps": 2, "batch_size": 4}}
    study = tiny_study(
        tmp_path, reranker=section, encoder={"name": bert}, strategies=["mono"], compare=["mono", "untrained"]
    )
    jobs = jobs_of(Run(study, tmp_path / "run"), ["main", RERANKER])
    untrained = [job.spec for job in jobs if job.spec.strategy == "untrained"]
    assert untrained == [ModelSpec("untrained", 0), ModelSpec("untrained", 0, RERANKER)]
