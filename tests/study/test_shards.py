"""Collections of many passages in shards: the bytes of one process, and a kill or damage costs a shard."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.scores import collection_table, make_collections
from hybridkit.analysis.whole_study import make_everything
from hybridkit.cli import main
from hybridkit.errors import InputError, TroubleError
from hybridkit.models import embedding
from hybridkit.retrieval import passage_embeddings as streaming
from hybridkit.retrieval.runs import merge_runs, run_frame
from hybridkit.study import shards
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.ray_cluster import attempt
from hybridkit.study.run import Run
from hybridkit.study.settings import UNTRAINED, Resources, Study
from hybridkit.study.shards import ShardJob, found_by_shards, make_shard, make_shards, missing_shards
from hybridkit.study.workers import Here, Processes
from hybridkit.utils.object_store import Mirror
from hybridkit.utils.products import product_of
from hybridkit.utils.seeds import generator
from tests.many_passages import SHARD, study_of_many

UNTAUGHT = ModelSpec(UNTRAINED, 0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of_many(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def alone(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """What one process without shards makes of the collections, in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYBRIDKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        run = Run(study, tmp_path_factory.mktemp("alone"))
        collection_table(run)
        yield made(run)


@pytest.fixture
def run(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    return Run(replace(study, resources=Resources(passages=SHARD)), tmp_path / "run")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of passages that the encoder got, call by call; a 0 put in front ends the next call."""
    calls: list[int] = []
    encode = embedding.encode

    def counting(encoder: Any, texts: list[str], *rest: Any, **more: Any) -> np.ndarray:
        if calls[:1] == [0]:
            raise KeyboardInterrupt
        calls.append(len(texts))
        return encode(encoder, texts, *rest, **more)

    monkeypatch.setattr(streaming, "encode", counting)
    return calls


def made(run: Run) -> dict[str, bytes]:
    """What is known of the models on collections, by file."""
    found = (path for path in (run.folder / "judged").rglob("*") if path.is_file())
    return {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in found}


def test_shards_in_processes_have_the_bytes_of_one_process(
    run: Run, alone: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    run.check()
    assert make_shards(run, [(UNTAUGHT, run.study.evaluation.judged)], Processes(2)) == 4
    capsys.readouterr()
    assert make_everything(run, ["08"], Here()) == 2
    assert "4 shards of collections to encode and search" in capsys.readouterr().err, "those of the trained model"
    assert made(run) == alone
    assert make_everything(Run(run.study, run.folder), ["08"], Here()) == 0


def test_a_killed_process_costs_its_shard(run: Run, alone: dict[str, bytes], encoded: list[int]) -> None:
    names = run.study.evaluation.judged
    run.trained.encoder("main", 0)
    jobs = missing_shards(run, UNTAUGHT, names)
    assert [(job.shard.language, job.shard.start, job.shard.stop) for job in jobs] == [
        ("en", 0, SHARD),
        ("en", SHARD, 2 * SHARD),
        ("en", 2 * SHARD, 16_700),
        ("de", 0, 30),  # of the pool
    ]
    with pytest.raises(TroubleError, match="a process that made models was killed"):
        list(Processes(1).each(killed_in_the_second, jobs))
    assert make_shards(run, [(UNTAUGHT, names)], Here()) == 3
    assert encoded == [SHARD, 316, 30], "the first shard was not encoded again"
    assert not list(Path(os.environ["HYBRIDKIT_CACHE"]).rglob("*.tmp"))
    make_collections(run, UNTAUGHT, names)
    assert encoded == [SHARD, 316, 30], "nor are the German passages, for their own collection"
    assert made(run).items() <= alone.items() and made(run)
    assert not missing_shards(run, UNTAUGHT, names)


def killed_in_the_second(job: ShardJob) -> None:
    """Make shards in a process that is killed while it encodes the second."""

    def die(*_: Any, **__: Any) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        return np.empty(0)

    if job.shard.start == SHARD:
        streaming.encode = die
    make_shard(job)


def test_a_second_run_makes_only_the_shards_that_are_missing(run: Run, encoded: list[int]) -> None:
    names = run.study.evaluation.judged[:1]
    encoded.append(0)
    with pytest.raises(KeyboardInterrupt):
        make_shards(run, [(UNTAUGHT, names)], Here())
    encoded.clear()
    assert make_shards(run, [(UNTAUGHT, names)], Here()) == 3
    assert encoded == [SHARD, SHARD, 316]
    english = next(one for one in run.collections(names[0]) if one.language == "en")
    want = found_by_shards(run, UNTAUGHT, english)
    assert want is not None and len(want) == 8000
    middle = next(run.folder.rglob(f"en-{SHARD}-*.parquet"))
    middle.write_bytes(middle.read_bytes()[:-9])
    vectors = next(Path(os.environ["HYBRIDKIT_CACHE"]).rglob(f"{SHARD}-{2 * SHARD}/vectors.npy"))
    vectors.write_bytes(vectors.read_bytes()[:-9])
    encoded.clear()
    assert found_by_shards(run, UNTAUGHT, english) is None
    assert make_shards(run, [(UNTAUGHT, names)], Here()) == 1 and encoded == [SHARD]
    again = found_by_shards(run, UNTAUGHT, english)
    assert again is not None and again.equals(want)


@pytest.mark.parametrize("merged", [1, 2, 9])
def test_runs_are_merged_some_at_a_time(run: Run, merged: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = generator(0, "merged")
    paths = [tmp_path / f"{n}.parquet" for n in range(7)]
    for n, path in enumerate(paths):
        asked = draw.choice(["q0", "q1", "q2"], 12) if n % 2 else np.repeat(["q1", "q2"], 6)  # and q3 in the last alone
        names = [f"{n}-{number}" for number in range(12)]
        run_frame(
            [*asked, *["q3"] * (n == 6)], [*names, *["only"] * (n == 6)], draw.integers(0, 4, 12 + (n == 6))
        ).to_parquet(path)
    monkeypatch.setattr(shards, "TOP", 5)
    monkeypatch.setattr(shards, "_MERGED", merged)
    monkeypatch.setattr(shards, "shards_of", lambda *_: [("", None, path) for path in paths])
    monkeypatch.setattr(shards, "_path", lambda *words: words[-1])
    found = found_by_shards(run, UNTAUGHT, None)  # type: ignore[arg-type]
    want = merge_runs([pd.read_parquet(path) for path in paths], 5)
    assert found is not None and found.equals(want) and len(want) == 16


def test_embeddings_from_before_there_were_shards_are_found(run: Run, alone: dict[str, bytes]) -> None:
    names = run.study.evaluation.judged
    encoder = run.trained.open(UNTAUGHT)
    for one in run.collections(names[0]):
        streaming.embed_passages(one, encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "encode", None)
        assert make_shards(run, [(UNTAUGHT, names)], Here()) == 4
        make_collections(run, UNTAUGHT, names)
    assert made(run).items() <= alone.items() and made(run)


def test_a_machine_without_a_common_folder_sends_what_it_found(
    study: Study, alone: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "driver"))
    mirror = Mirror(f"file://{tmp_path}/store", "tiny")
    run = Run(replace(study, resources=Resources(passages=SHARD)), mirror.folder)
    run.trained.encoder("main", 0)
    mirror.send()
    names = run.study.evaluation.judged
    jobs = missing_shards(run, UNTAUGHT, names)
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "node"))
    for job in jobs:
        outcome = attempt(make_shard, job, 1, mirror.store, {})
        assert outcome.error is None
        for name in outcome.sent:
            mirror.bring(product_of(mirror.folder / name))
    sent = {path.parent.name for path in (tmp_path / "store").rglob("*.npy")}
    assert not sent, "no vectors"
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "driver"))
    assert not missing_shards(run, UNTAUGHT, names)
    make_collections(run, UNTAUGHT, names)
    assert made(run).items() <= alone.items() and made(run)


def test_a_machine_with_other_passages_is_an_error(run: Run) -> None:
    job = missing_shards(run, UNTAUGHT, run.study.evaluation.judged)[1]
    other = replace(job, shard=job.shard._replace(corpus="f00"))
    with pytest.raises(InputError, match="many, en, passages 8,192 to 16,384: this machine has other passages"):
        make_shard(other)


def test_the_command_makes_everything_in_processes(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("hybridkit.analysis.whole_study.make_everything", lambda *words: asked.append(words))
    monkeypatch.setattr("hybridkit.study.pipeline.run_study", lambda *words: words[-1](run, ["08"]) and None)
    monkeypatch.setattr("hybridkit.report.html_report.write_report", lambda run: run.folder)
    assert main(["run", "quick", "--processes", "3"]) == 0
    ((made_of, numbers, workers),) = asked
    assert made_of is run and numbers == ["08"] and isinstance(workers, Processes) and workers.count == 3
    for words in (["--processes", "0"], ["--processes", "2", "--on", "ray"]):
        with pytest.raises(SystemExit):
            main(["run", "quick", *words])


def test_a_collection_of_one_shard_needs_no_jobs(study: Study, tmp_path: Path) -> None:
    run = Run(study, tmp_path / "run")
    assert not missing_shards(run, UNTAUGHT, study.evaluation.judged)
    assert study.key == replace(study, resources=Resources(passages=SHARD)).key
