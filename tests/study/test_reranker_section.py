"""Re-rankers of a study: trained, ranked behind the untrained encoder, kept, resumed after a kill, refused early."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table_from_scores, reranked_table
from hybridkit.models import reranker
from hybridkit.retrieval.rerank import PairScores, Reranking
from hybridkit.study import estimate as estimating
from hybridkit.study.model_spec import ModelSpec
from hybridkit.study.run import Run
from hybridkit.study.settings import Study, open_study
from hybridkit.study.sweep import sweep
from tests.tiny_rerankers import make_bert
from tests.tiny_study import GERMAN, WORDS, tiny_study

TRAINING = {"steps": 3, "batch_size": 4, "learning_rate": 0.001, "negatives": "mined", "ratio": 2}
SPEC = ModelSpec("english", 1, "reranker")


def small_study(folder: Path, **changes: Any) -> Study:
    """Two strategies of re-rankers, two seeds, 5 of 8 questions, 3 of 8 passages re-ranked."""
    (folder / "words").mkdir()
    lines = "".join(f"{one} {other}\n" for one, other in zip(WORDS, GERMAN, strict=True))
    (folder / "words" / "en-de.txt").write_text(lines)
    switched = f"codeswitch(english, side='both', lexicon='{folder / 'words'}')"
    value = {"strategies": ["english", switched], "seeds": [0, 1], "questions": 5, "depth": 3, "training": TRAINING}
    bert = make_bert(folder / "bert", labels=0)
    return tiny_study(folder, reranker=value | {"encoder": {"name": str(bert)}} | changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("study")
    made = Run(small_study(folder), folder / "run")
    sweep(made, made.models("reranker"), made.study.evaluation.benchmarks)
    return made


def files(run: Run) -> dict[str, bytes]:
    return {
        str(path.relative_to(run.folder)): path.read_bytes()
        for part in ("models", "plans", "ranks", "scores")
        for path in sorted((run.folder / part).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_the_models_are_the_first_stage_and_every_strategy_and_seed(run: Run) -> None:
    specs = run.models("reranker")
    assert [(one.strategy[:9], one.seed) for one in specs] == [
        *[("untrained", 0), ("english", 0), ("codeswitc", 0), ("english", 1), ("codeswitc", 1)]
    ]
    assert run.study.sections == ("main", "reranker")
    assert len({run.trained.path(one) for one in specs if one.strategy != "untrained"}) == 4
    card = (run.trained.path(specs[2]) / "README.md").read_text()
    assert "pipeline_tag: text-ranking" in card and "words switched, query in en" in card
    assert not (run.trained.path(specs[2]) / "held-out.json").read_text().strip("{}\n")


def test_ranks_are_those_of_the_re_ranker_behind_the_untrained_encoder(run: Run) -> None:
    (name,) = run.study.evaluation.benchmarks
    sample, at = run.reranked_on(name)
    assert sample.queries["query_id"].nunique() == 5 and len(sample.passages) == len(run.subset(name)[0].passages)
    whole = run.scorer(ModelSpec("untrained"), name)(slice(0, len(run.subset(name)[0].queries)))

    def first(rows: slice) -> np.ndarray:
        return whole[at[rows]]

    model = reranker.open(run.trained.path(SPEC))
    expected = reranked_table(sample, first, Reranking(sample, lambda *pairs: reranker.score(model, *pairs), 3))
    assert run.ranks(SPEC, name)["rank"].tolist() == expected["rank"].tolist()
    assert run.ranks(SPEC, name)["pool_rank"].tolist() == expected["pool_rank"].tolist()
    plain = run.ranks(ModelSpec("untrained", 0, "reranker"), name)
    pd.testing.assert_frame_equal(plain, rank_table_from_scores(sample, first))
    assert (plain["rank"] != expected["rank"]).any()


def test_what_is_there_is_read_and_a_kill_costs_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs, names = run.models("reranker"), run.study.evaluation.benchmarks
    assert sweep(run, specs, names) == 0
    again = Run(run.study, tmp_path / "again")
    scored = []

    def stop(self: Any, *pairs: Any) -> Any:
        scored.append(1)
        if len(scored) == 2:  # in the pool of the first re-ranker
            raise KeyboardInterrupt
        return plain(self, *pairs)

    plain = PairScores.__call__
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PairScores, "__call__", stop)
        sweep(again, specs, names)
    assert sweep(again, specs, names) == 4  # the first stage was whole
    assert files(again) == files(run)


def test_a_remedy_and_a_depth_have_results_of_their_own(run: Run) -> None:
    (name,) = run.study.evaluation.benchmarks
    chosen = run.study.reranker
    assert chosen is not None
    others = [replace(chosen, **one) for one in ({"depth": 4}, {"remedy": "calibrate(top=2)"}, {"questions": 6})]
    runs = [run, *(Run(replace(run.study, reranker=one), run.folder) for one in others)]
    assert len({one.ranks_path(SPEC, name) for one in runs}) == 4
    assert len({one.trained.path(SPEC) for one in runs}) == 1
    first = ModelSpec("untrained", 0, "reranker")
    assert runs[1].ranks_path(first, name) == run.ranks_path(first, name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": None}, "^study tiny: reranker.encoder: static has no transformer"),
        ({"depth": 9}, "^rerank: depth 9 is beyond the 8 passages of asked in 'de'"),
        ({"questions": 9}, "^asked: 9 of its questions are asked for, and it has 8$"),
        ({"remedy": "interpolate(0.5)"}, "^study tiny: reranker.remedy: interpolate.0.5. needs a trained encoder"),
        ({"training": TRAINING | {"negatives": "own"}}, "^the plan of english: no draw has a hard negative"),
        ({"training": TRAINING | {"ratio": 99}}, "^ratio 99: in 'en' the rows have"),
        ({"strategies": ["english"]}, "reranker.strategies"),
    ],
)
def test_what_cannot_be_re_ranked_is_refused_before_anything_is_trained(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        Run(small_study(tmp_path, **changes), tmp_path / "run").check()
    assert not list((tmp_path / "run").glob("models/*"))


def test_the_dry_run_counts_trainings_and_pairs(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("time_step", 2.0), ("time_pairs", 0.5), ("time_texts", 0.0)):
        monkeypatch.setattr(estimating, name, lambda *_, value=value: value)
    found = estimating.estimate(Run(run.study, tmp_path / "run"))
    assert found.seconds is not None and found.disk is not None
    assert found.trainings == 2 + 4 and found.steps == 2 * 5 + 4 * 3
    assert found.seconds["training"] == 2.0 * (2 * 5 + 4 * 3)
    assert found.seconds["re-ranking"] == 0.5 * 4 * (5 * 2) * (2 * 3)  # models, queries, passages
    known = estimating.estimate(run).seconds
    assert known is not None and known["training"] == 2.0 * 2 * 5 and "re-ranking" not in known


def test_settings_are_read_back(run: Run, tmp_path: Path) -> None:
    again = Run(run.study, tmp_path / "run")
    again.prepare()
    assert Run.open(again.folder).study == run.study


def test_a_study_without_re_rankers_does_not_name_them() -> None:
    assert "reranker" not in open_study("quick").written()
    assert open_study("reranker").written()["reranker"]["depth"] == 20
