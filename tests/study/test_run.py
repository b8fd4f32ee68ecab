"""The run folder: every product made once and whole; after a kill, only what is missing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis.scores import language_shares
from hybridkit.data.rows import normalise
from hybridkit.data.sources import open_rows
from hybridkit.errors import InputError
from hybridkit.report.inspected_run import Inspected
from hybridkit.sampling import Strategy
from hybridkit.study import run as runs
from hybridkit.study import trained_models
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run, open_run
from hybridkit.study.scores import index_of, study_scores
from hybridkit.study.settings import CurveSettings, Study
from tests.tiny_study import tiny_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two strategies on 40 rows in two languages, three of them in one only; held-out rows and a benchmark."""
    return tiny_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The study run through without an interruption."""
    run = Run(study, tmp_path_factory.mktemp("whole"))
    study_scores(run)
    return run


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("this product is there already")


def test_the_second_run_makes_nothing(study: Study, whole: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before, table = files(whole.folder), study_scores(whole)
    for owner, name in (
        (trained_models, "train"),
        (runs, "encode"),
        (runs, "rank_table_from_scores"),
        (trained_models.encoders, "make"),
        (trained_models.encoders, "open"),
        (open_rows, "write_pooled"),
        (Strategy, "plan"),
    ):
        monkeypatch.setattr(owner, name, never)
    again = study_scores(Run(study, whole.folder))
    assert again.equals(table)
    assert files(whole.folder) == before
    assert not [name for name in before if ".tmp" in name or ".work" in name]


def test_consistency_of_queries_in_one_language_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    training = {"steps": 5, "batch_size": 4, "consistency": 1.0}
    for lone in (40, 3):
        folder = tmp_path / str(lone)
        folder.mkdir()
        run = Run(
            tiny_study(folder, lone=lone, strategies=["mono"], compare=["mono", "untrained"], training=training),
            folder / "run",
        )
        if lone == 40:
            with pytest.raises(
                InputError, match=r"^training.consistency: no query of the plan of mono .* \(en\); give"
            ):
                run.check()
        else:
            run.check()
        assert not (run.folder / "models").exists()


def test_distillation_without_a_text_of_the_teacher_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    for language in ("en", "fi"):
        folder = tmp_path / language
        folder.mkdir()
        training = {"steps": 5, "batch_size": 4, "distillation": 1.0, "contrastive": 0, "teacher_language": language}
        study = tiny_study(folder, strategies=["mono"], compare=["mono", "untrained"], training=training)
        run = Run(study, folder / "run")
        if language == "fi":
            with pytest.raises(
                InputError, match="^training.distillation: no row of the plan of mono has a text in 'fi'"
            ):
                run.check()
        else:
            run.check()
        assert not (run.folder / "models").exists()


def test_scores_kept_without_one_of_the_measures_are_made_anew(study: Study, whole: Run, tmp_path: Path) -> None:
    shutil.copytree(whole.folder, tmp_path / "run")
    run = Run(study, tmp_path / "run")
    before = files(run.folder)
    for path in (run.folder / "scores").glob("*.parquet"):
        kept = pd.read_parquet(path)
        kept[kept["measure"] != "RR@10"].to_parquet(path, index=False)
    assert set(study_scores(run)["measure"]) >= {"RR", "RR@10"}
    assert files(run.folder) == before


def test_another_folder_gives_the_same_scores_to_the_byte(study: Study, whole: Run, tmp_path: Path) -> None:
    study_scores(Run(study, tmp_path))
    mine, theirs = files(tmp_path), files(whole.folder)
    assert mine.keys() == theirs.keys()
    assert {name for name in mine if mine[name] != theirs[name]} == set()


@pytest.mark.parametrize(
    ("name", "call", "kept"),
    [
        ("train", 2, "models/mono-s0-*"),
        ("encode", 4, "embeddings/*-query.npy"),
        ("rank_table_from_scores", 1, "embeddings/*.npy"),
        ("write_ranks", 2, "ranks/*.parquet"),
        ("read_ranks", 3, "models/cross-s0-*"),
    ],
)
def test_a_stop_keeps_what_is_finished_and_the_next_run_goes_on(
    study: Study, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int, kept: str
) -> None:
    counts: dict[str, int] = {}

    def counted(which: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            counts[which] = counts.get(which, 0) + 1
            if which == name and counts[which] == call:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return called

    makers = ("train", "encode", "rank_table_from_scores", "write_ranks", "read_ranks")
    for which in makers:
        owner = trained_models if which == "train" else runs
        monkeypatch.setattr(owner, which, counted(which, getattr(owner, which)))
    with pytest.raises(KeyboardInterrupt):
        study_scores(Run(study, tmp_path))
    assert list(tmp_path.glob(kept))
    finished = files(tmp_path)
    study_scores(Run(study, tmp_path))
    after = files(tmp_path)
    assert all(after[one] == content for one, content in finished.items())
    assert after["scores.parquet"] == (whole.folder / "scores.parquet").read_bytes()
    assert after.keys() == files(whole.folder).keys()
    # what was cut off is made once more, and nothing else
    once = {"train": 2, "rank_table_from_scores": 3, "write_ranks": 3}
    for which, times in once.items():
        again = which == name or (name == "write_ranks" and which == "rank_table_from_scores")
        assert counts[which] == times + again, which


def test_a_model_says_where_it_comes_from(whole: Run) -> None:
    spec = ModelSpec("cross", 0)
    folder = whole.trained.train(spec)
    card = (folder / "README.md").read_text(encoding="utf-8")
    for said in ("cross", "| seed | 0 |", whole.corpus(spec).fingerprint, whole.plan(spec).fingerprint, "rows.jsonl"):
        assert said in card
    scores = json.loads((folder / "held-out.json").read_text())
    assert scores == pytest.approx(whole.trained.score_held_out(whole.trained.open(spec)))
    assert f"| AP pool | {scores['AP pool']:.4f} |" in card
    assert [line["kind"] for line in map(json.loads, (folder / "steps.jsonl").read_text().splitlines())] == [
        "cross"
    ] * 5


def test_rows_plans_and_parts(study: Study, whole: Run) -> None:
    assert (len(whole.rows.whole), len(whole.rows.usable)) == (32, 29)  # three rows have one language only
    train, held_out = whole.split
    assert len(train) + len(held_out) == 29
    assert len(held_out) > 0
    texts = [{normalise(text) for text in part.iter_texts()} for part in (train, held_out)]
    assert not texts[0] & texts[1]
    assert set(whole.benchmark("held-out").queries["query_id"]) == set(held_out.ids)
    assert [str(spec) for spec in whole] == ["untrained", "mono, seed 0", "cross, seed 0"]
    for spec in whole.models()[1:]:
        plan = whole.plan(spec)
        plan.check(train)
        assert (len(plan), plan.draws.shape[1], plan.strategy) == (5, 4, spec.strategy)
    each = Run(replace(study, rows=replace(study.rows, use="each")), whole.folder / "each")
    assert len(each.rows.usable) == 32
    assert len(each.corpus(ModelSpec("mono"))) > len(each.corpus(ModelSpec("cross")))


def test_rows_are_used_in_the_languages_of_both_sides_and_up_to_a_limit_of_each_file(tmp_path: Path) -> None:
    lines = [
        {"id": f"r{n}", "query": {"de": f"was {n}", "en": f"what {n}", "fr": f"quoi {n}"}, "passage": passage}
        for n in range(12)
        for passage in ({"de": f"das {n}", "en": f"that {n}"},)
    ]
    for name, some in (("a", lines[:8]), ("b", lines[8:])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)))
    rows = {"files": [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")], "limit": 3}
    study = tiny_study(tmp_path, rows=rows)
    run = Run(study, tmp_path / "run")
    usable = run.rows.usable
    assert [name[0] for name in usable.ids] == list("aaabbb")
    more = Run(replace(study, rows=replace(study.rows, limit=4)), tmp_path / "4").rows.usable
    assert set(usable.ids) < set(more.ids)
    assert not usable.has_query[:, usable.column("fr")].any()  # French is on one side only
    assert len(Run(replace(study, rows=replace(study.rows, limit=5)), tmp_path / "5").rows.usable) == 9
    common = Run(replace(study, rows=replace(study.rows, use="common", limit=0)), tmp_path / "common").rows.usable
    assert (len(common), common.has_query[:, common.column("fr")].all()) == (12, True)
    assert set(run.rows.sources(run.rows.whole)) == {Path(name).stem for name in rows["files"]}  # type: ignore[call-overload]


def test_encoders_made_from_scratch_start_from_other_vectors_for_every_seed(study: Study, whole: Run) -> None:
    starts = [whole.trained.encoder("main", seed) for seed in (0, 1)]
    weights = [next(iter(one.parameters())).detach().numpy() for one in starts]
    assert weights[0].shape == weights[1].shape
    assert np.abs(weights[0] - weights[1]).max() > 1e-3
    assert starts[0].tokenizer.get_vocab() == starts[1].tokenizer.get_vocab()
    own = Run(replace(study, encoder=replace(study.encoder, seed=1)), whole.folder / "seed")
    assert own.trained.encoder_key("main", 0) == whole.trained.encoder_key("main", 1)


def test_the_untrained_model_is_the_encoder_and_training_moves_it(whole: Run) -> None:
    found = {spec.strategy: whole.embeddings(spec, whole.study.evaluation.benchmarks[0])[0] for spec in whole.models()}
    assert all(one.shape == (16, 16) for one in found.values())
    assert all(np.abs(found[name] - found["untrained"]).max() > 1e-3 for name in ("mono", "cross"))


def test_keys_hang_on_what_a_product_is_made_from(study: Study, whole: Run) -> None:
    spec = ModelSpec("mono", 0)
    key = whole.trained.key(spec)
    assert whole.trained.key(ModelSpec("mono", 1)) != key != whole.trained.key(ModelSpec("cross", 0))
    for other in (
        replace(study, training=replace(study.training, learning_rate=0.03)),
        replace(study, encoder=replace(study.encoder, seed=1)),
        replace(study, rows=replace(study.rows, held_out=0.3)),
    ):
        assert Run(other, whole.folder / "other").trained.key(spec) != key
    same = replace(study, title="Another", evaluation=replace(study.evaluation, top=5), seeds=(0, 1, 2))
    assert Run(same, whole.folder / "other").trained.key(spec) == key


def test_where_run_folders_lie(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path / "mine"))
    run = Run(study)
    assert run.folder == tmp_path / "mine" / "tiny" and not run.folder.exists()
    run.prepare()
    settings = json.loads((run.folder / "settings.json").read_text())
    assert settings["training"]["steps"] == 5
    assert "torch" in json.loads((run.folder / "versions.json").read_text())


def test_what_a_study_lacks_is_said(study: Study, tmp_path: Path) -> None:
    nothing = Run(replace(study, rows=replace(study.rows, held_out=0.0)), tmp_path / "a")
    with pytest.raises(InputError, match="study tiny: no rows are held out; set rows.held_out"):
        nothing.benchmark("held-out")
    with pytest.raises(InputError, match="study tiny: it has no curve; add the key curve"):
        nothing.study.section("curve")
    missing = Run(replace(study, rows=replace(study.rows, files=("none.jsonl",))), tmp_path / "b")
    with pytest.raises(InputError, match=r"none\.jsonl: no such file, and no data set of rows"):
        missing.rows.whole  # noqa: B018
    large = Run(replace(study, training=replace(study.training, batch_size=64)), tmp_path / "c")
    with pytest.raises(InputError, match="mono batches in 'de': only .* rows can be in one batch"):
        large.trained.train(ModelSpec("mono"))
    assert not list((tmp_path / "c").glob("models/*"))


def test_results_belong_to_how_the_texts_were_encoded(study: Study, whole: Run, tmp_path: Path) -> None:
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True)
    name, spec = study.evaluation.benchmarks[0], whole.models()[0]
    part, top = whole.subset(name)[0], study.evaluation.top

    def with_settings(**changed: Any) -> Run:
        return Run(replace(study, evaluation=replace(study.evaluation, **changed)), tmp_path)

    for other in (with_settings(max_length=7), with_settings(precision="bf16")):
        assert other.result_key(spec, part) != whole.result_key(spec, part)
    for run in (with_settings(), with_settings(top=3)):
        assert run.result_key(spec, part) == whole.result_key(spec, part)
        language_shares(run, name)
    assert {path.stem.split("-")[-1] for path in (tmp_path / "shares").glob("*.parquet")} == {"top3", f"top{top}"}


def test_a_part_of_a_benchmark_is_encoded_alone_and_ranked_as_within_the_whole(
    study: Study, whole: Run, tmp_path: Path
) -> None:
    name = study.evaluation.benchmarks[0]
    part = f"{name}[2:]"
    alone = Run(replace(study, evaluation=replace(study.evaluation, benchmarks=(part,))), tmp_path / "alone")
    both = Run(replace(study, evaluation=replace(study.evaluation, benchmarks=(part, name))), tmp_path / "both")
    spec = ModelSpec("untrained")
    queries = alone.subset(part)[0].queries
    assert 0 < len(queries) == len(alone.embeddings(spec, part)[0]) < len(both.embeddings(spec, part)[0])
    for run in (alone, both):
        pd.testing.assert_frame_equal(run.ranks(spec, part), both.ranks(spec, part))
        inspected = Inspected("toy", run.folder, run.study, part, run.benchmark(name))
        inspected.results = {("untrained", 0): next(one for one in index_of(run) if one.benchmark == part)}
        found = inspected.embeddings("untrained", 0, "query")
        np.testing.assert_allclose(found, run.remedied(spec, part)[0])
        assert len(found) == len(queries)


def test_a_part_with_its_own_training_is_measured_as_it_is_trained(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(study.training, watch="AP en>de", precision="bf16", evaluate_every=5)
    curve = CurveSettings(training=own, alphas=(0.5,), seeds=(0,))
    run = Run(replace(study, curve=curve), tmp_path)
    scores = run.trained.held_out_scores(ModelSpec("cross", 0, "curve"))
    assert "AP en>de" in scores and "AP en>de" not in run.trained.held_out_scores(ModelSpec("cross", 0))


def test_a_run_folder_is_opened_as_it_is(study: Study, whole: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(whole.folder.parent))
    before = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*")}
    for opened in (Run.open(whole.folder), open_run(whole.folder), open_run(whole.folder.name)):
        assert (opened.study, opened.folder) == (study, whole.folder)
        for spec in opened.models():
            assert opened.trained.path(spec) == whole.trained.path(spec)
    assert {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*")} == before
    with pytest.raises(InputError, match=r"study 'nothing': no run is there .*\. There is no such study; there are"):
        open_run("nothing")
