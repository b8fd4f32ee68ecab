"""Dual encoders beside a study's re-rankers: they learn from those of the same seed, and are ranked on the same."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.analysis import rerankers
from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.models import encoder, reranker
from hybridkit.models.embedding import encode
from hybridkit.models.training import open_texts, train
from hybridkit.retrieval.dense import dense
from hybridkit.study import estimate as estimating
from hybridkit.study import sweep as sweeping
from hybridkit.study import trained_models
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import open_study
from hybridkit.study.workers import Here
from tests.study.test_reranker_section import TRAINING, small_study
from tests.tiny_rerankers import make_bert
from tests.tiny_study import tiny_study

CALLED = ["dual encoder", "dual encoder distilled from english"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("study")
    made = Run(small_study(folder, distilled=["english"], margin_mse=2.0, remedy="calibrate(top=2)"), folder / "run")
    made.check()
    assert not list((folder / "run").glob("models/*-*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "Processes", Here)  # here, since processes take long to start
        rerankers.reranker_scores(made)
    return made


def test_a_dual_encoder_learns_from_the_re_ranker_of_its_seed_and_one_from_none(run: Run) -> None:
    specs = run.models("distilled")
    assert [(one.called, one.seed, one.strategy) for one in specs] == [
        (name, seed, "mono") for seed in (0, 1) for name in CALLED
    ]
    assert run.study.sections == ("main", "reranker", "distilled")
    assert len({run.trained.path(one) for one in specs}) == 4
    logs = [run.trained.losses(one) for one in specs]
    assert ["margin_mse" in one for one in logs] == [False, True, False, True]
    card = (run.trained.path(specs[1]) / "README.md").read_text()
    assert "| margin mse | 2.0 |" in card and "| reranker | english |" in card and str(run.folder) not in card
    plan, corpus = run.plan(specs[3]), run.corpus(specs[3])  # as a script would train it
    settings = replace(
        run.study.training, negatives=True, margin_mse=2.0, reranker=str(run.trained.path(specs[3].reranker))
    )
    assert specs[3].reranker == ModelSpec("english", 1, "reranker")
    usable = open_texts(plan, corpus, settings).usable
    assert usable is not None and usable.any()  # BM25 found them, as for the re-rankers
    again = train(run.trained.encoder("distilled", 1), corpus, plan, settings, run.folder / "again")
    kept = [encoder.weights_hash(encoder.open(one)) for one in (again, run.trained.path(specs[3]))]
    assert kept[0] == kept[1]


def test_it_is_ranked_on_the_same_questions_with_the_same_remedy_and_not_re_ranked(run: Run) -> None:
    (name,), spec = run.study.evaluation.benchmarks, run.models("distilled")[1]
    sample, _ = run.reranked_on(name)
    model = encoder.open(run.trained.path(spec))
    both = (
        encode(model, frame["text"].tolist(), side)
        for side, frame in (("query", sample.queries), ("passage", sample.passages))
    )
    expected = rank_table_from_scores(
        sample, spec.chain.scorer(sample, dense(sample, *both, run.similarity(spec, name)))
    )
    assert spec.remedy == "calibrate(top=2)"
    pd.testing.assert_frame_equal(run.ranks(spec, name), expected)
    assert not [path for path in run.embedding_paths(spec, name) if path.exists()]  # they are not kept


def test_its_row_is_beside_the_re_rankers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_models, "train", lambda *_, **__: pytest.fail("it is trained already"))
    scores = rerankers.reranker_scores(run)
    own = scores[scores["strategy"].isin(CALLED)]
    assert set(own["system"]) == {"dense with calibrate(top=2)"} and set(own["seed"]) == {0, 1}
    kinds = [
        set(map(tuple, one[["setting", "query_language", "passage_language"]].to_numpy())) for one in (own, scores)
    ]
    assert kinds[0] == kinds[1]
    table = rerankers.reranker_table(scores)
    assert [strategy for _, strategy in table.index if strategy in CALLED] == CALLED
    (name,) = run.study.evaluation.benchmarks
    assert table.loc[(name, CALLED[1]), ("seeds", "")] == 2 and not table.isna().any().any()
    gains = rerankers.distillation_gains(run)
    assert set(zip(gains["system"], gains["against"], strict=True)) == {(CALLED[1], CALLED[0])}
    means = own[(own["measure"] == "RR@10") & (own["setting"] == "mono")].groupby("strategy")["value"].mean()
    difference = gains.set_index("setting")["difference"]["mono"]
    assert difference == pytest.approx(means[CALLED[1]] - means[CALLED[0]])
    assert set(rerankers.reranker_gains(run)["system"]).isdisjoint(CALLED)
    plain = Run(replace(run.study, reranker=replace(run.study.reranker, distilled=())), run.folder)  # type: ignore[type-var]
    assert rerankers.distillation_gains(plain).empty and not plain.models("distilled")
    assert plain.study.sections == ("main", "reranker")


def test_its_key_has_the_re_ranker_and_those_of_others_stay(run: Run) -> None:
    chosen = run.study.reranker
    assert chosen is not None
    taught, alone = run.models("distilled")[1], run.models("distilled")[0]
    others = [
        Run(replace(run.study, reranker=replace(chosen, **change)), run.folder)
        for change in ({"margin_mse": 1.0}, {"training": replace(chosen.training, steps=4)}, {"depth": 4})
    ]
    keys = [one.trained.key(taught) for one in (run, *others)]
    assert len(set(keys)) == 3 and keys[3] == keys[0]
    assert len({one.trained.key(alone) for one in (run, *others)}) == 1
    without = Run(replace(run.study, reranker=replace(chosen, distilled=())), run.folder)
    for section in ("main", "reranker"):
        assert [*map(run.trained.key, run.models(section))] == [*map(without.trained.key, without.models(section))]
    assert (
        "distilled" not in without.study.written()["reranker"]
        and "margin_mse" not in without.study.written()["reranker"]
    )
    assert run.study.written()["reranker"]["distilled"] == ("english",)


def test_a_kill_costs_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again, names = Run(run.study, tmp_path / "again"), run.study.evaluation.benchmarks
    taught = again.models("distilled")[1]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("hybridkit.models.training.atomic_folder", _interrupt)
        again.trained.train(again.models("reranker")[1])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("hybridkit.models.training.go_on", _interrupt)
        again.trained.train(taught)  # its re-ranker first
    assert again.trained.path(taught.reranker).is_dir()
    assert list(again.trained.path(taught).parent.glob("*.work/margins-*.npy"))
    monkeypatch.setattr(sweeping, "Processes", Here)
    assert sweeping.sweep(again, again.models("distilled"), names) == 4
    for spec in run.models("distilled"):
        weights = [next(one.trained.path(spec).rglob("model.safetensors")).read_bytes() for one in (run, again)]
        assert weights[0] == weights[1]
        pd.testing.assert_frame_equal(again.ranks(spec, names[0]), run.ranks(spec, names[0]))


def _interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_the_dry_run_counts_them(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("time_step", 2.0), ("time_pairs", 0.0), ("time_texts", 0.5)):
        monkeypatch.setattr(estimating, name, lambda *_, value=value: value)
    monkeypatch.setattr(reranker, "score", lambda _, queries, *__, **___: np.zeros(len(queries)))
    found = estimating.estimate(Run(run.study, tmp_path / "run"))
    assert found.seconds is not None
    assert found.trainings == 2 + 4 + 4 and found.steps == 2 * 5 + 4 * 3 + 4 * 5
    assert found.seconds["training"] == 2.0 * found.steps and found.seconds["re-ranker's scores"] >= 0
    texts = sum(map(len, (run.subset("asked")[0].queries, run.subset("asked")[0].passages)))
    assert found.seconds["encoding"] == 0.5 * texts * (1 + 2 + 4)  # untrained, main, dual encoders
    known = estimating.estimate(run).seconds
    assert known is not None and "re-ranker's scores" not in known


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distilled": ["cross"]}, r"reranker.distilled must be some of its strategies, each once: .*got \['cross'\]"),
        ({"distilled": ["english", "english"]}, "reranker.distilled must be some of its strategies, each once"),
        ({"distilled": ["english"], "margin_mse": 0}, "reranker.margin_mse must be a number above 0"),
        (
            {"distilled": ["english"], "training": TRAINING | {"negatives": "random"}},
            "^training.margin_mse: no draw of the plan of mono has a hard negative",
        ),
    ],
)
def test_what_cannot_be_distilled_is_refused_before_anything_is_trained(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        Run(small_study(tmp_path, **changes), tmp_path / "run").check()
    assert not list((tmp_path / "run").glob("models/*-*"))


def test_the_study_of_re_rankers_has_them() -> None:
    chosen = open_study("reranker").reranker
    assert chosen is not None and chosen.distilled == ("english",)


def test_any_training_of_a_study_may_learn_from_a_re_ranker(tmp_path: Path) -> None:
    make_bert(tmp_path / "mine")
    training = {"steps": 2, "batch_size": 4, "negatives": True, "margin_mse": 0.5, "reranker": "./mine"}
    study = tiny_study(tmp_path, training=training)
    rows = tmp_path / "rows.jsonl"
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for line in lines:
        line["negative"] = {tag: f"nothing {tag} {line['id']}" for tag in line["passage"]}
    rows.write_text("\n".join(map(json.dumps, lines)))
    run = Run(study, tmp_path / "run")
    run.check()
    spec = ModelSpec("cross", 0)
    key = run.trained.key(spec)
    run.trained.train(spec)
    assert (run.trained.losses(spec)["margin_mse"] > 0).all()
    run.prepare()
    assert Run.open(run.folder).trained.key(spec) == key  # the path leads from the run folder to the study's
    make_bert(tmp_path / "mine", hidden=8)
    assert Run(study, tmp_path / "run").trained.key(spec) != key
    encoder.save(encoder.make(["a text"], 20, 4), tmp_path / "dual")
    for name, why in (("./dual", "this is a dual encoder"), ("./gone", "there is no such folder")):
        wrong = replace(study, training=replace(study.training, reranker=name))
        with pytest.raises(InputError, match=why):
            Run(wrong, tmp_path / "other").check()
        assert ("gone" in name) == any("gone" in one.message for one in estimating.missing(wrong))
