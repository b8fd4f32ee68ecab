"""Relative paths in a study start from its own file, wherever it is opened, run, looked at or moved to."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from hybridkit.analysis.scores import part_of
from hybridkit.cli import main
from hybridkit.models import encoder
from hybridkit.report.inspected_run import open_inspected
from hybridkit.sampling import parse
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.study.estimate import missing
from hybridkit.study.pipeline import _study_parameter
from hybridkit.study.run import Run, open_run
from hybridkit.study.settings import Study, open_study, placed, study_of_run


def rows(path: Path, front: str, count: int, *languages: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = ({tag: f"{front} and {number} {tag}" for tag in languages} for number in range(count))
    lines = [
        {"id": f"{front}{n}", "query": one, "passage": {tag: f"{text} is so" for tag, text in one.items()}}
        for n, one in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def prepared(study: Study) -> Run:
    run = Run(study)
    run.prepare()
    return run


def judged(folder: Path) -> None:
    folder.mkdir()
    (folder / "topics.mine-sw-dev.tsv").write_text("1\tnani huyu\n")
    (folder / "qrels.mine-sw-dev.tsv").write_text("1 Q0 a 1\n")
    (folder / "docs-0.jsonl").write_text('{"docid": "a", "title": "", "text": "nani huyu"}\n')


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study that names files of every kind by paths from its own folder, opened from another folder."""
    home = tmp_path / "project"
    rows(home / "data" / "a,b.v2.jsonl", "train", 16, "de", "en")
    rows(home / "data" / "other" / "a,b.v2.jsonl", "more", 8, "de", "en")
    rows(home / "held.v1.jsonl", "held", 6, "de", "en")
    (home / "words").mkdir()
    (home / "words" / "en-de.txt").write_text("and und\n")
    judged(home / "judged")
    encoder.save(encoder.make(["a text and another"], vocab_size=60, dim=4), home / "start")
    study = {
        "name": "mine",
        "title": "Mine",
        "encoder": {"name": "start"},
        "seeds": [0],
        "compare": ["mono", "english"],
        "rows": {"files": ["data/a,b.v2.jsonl", "./data/other/a,b.v2.jsonl"]},
        "strategies": ["mono", "english", "codeswitch(english, lexicon='words')"],
        "training": {"steps": 2, "batch_size": 4},
        "evaluation": {"benchmarks": ["held.v1.jsonl", "held.v1.jsonl[2:]"], "judged": ["judged[sw]"]},
    }
    (home / "mine.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(home / "runs"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return home


def test_every_kind_of_path_starts_from_the_file_of_the_study(mine: Path) -> None:
    study = open_study(mine / "mine.yaml")
    assert {of for of, _ in study.paths()} == {"rows", "benchmark", "collection", "lexicon", "encoder"}
    assert missing(study) == []
    assert study.evaluation.benchmarks == ("held.v1.jsonl", "held.v1.jsonl[2:]")  # as they are written
    run = Run(study)
    run.check()
    ids = run.rows.whole.ids
    assert len(ids) == 24 and ids[0] == "a,b.v2/train0" and ids[16] == "other:a,b.v2/more0"
    assert len(run.subset("held.v1.jsonl[2:]")[0].queries) == 8
    # tables and figures call them by their stems
    assert run.benchmarks() == ("held.v1", "held.v1[2:]")
    assert set(run.rows.sources(run.rows.whole)) == {"a,b.v2", "other:a,b.v2"}
    assert run.subset("held.v1[2:]") is run.subset("held.v1.jsonl[2:]")
    assert run.benchmark("held.v1") is run.benchmark("held.v1.jsonl")
    assert run.study.embedded("held.v1[2:]") == "held.v1.jsonl"
    assert part_of(run, run.benchmarks()) == {"held.v1[2:]": "held.v1"}
    specs = [spec for spec in run if "codeswitch" in spec.strategy]
    assert run.plan(specs[0]).lexicon and run.trained.train(specs[0]).is_dir()
    assert len(run.ranks(specs[0], "held.v1.jsonl")) == 24  # 6 questions in 2 languages, 2 answers each
    assert main(["run", os.path.relpath(mine / "mine.yaml"), "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("gone", "of"),
    [
        ("data/a,b.v2.jsonl", "rows"),
        ("held.v1.jsonl", "benchmark"),
        ("judged", "collection"),
        ("words", "lexicon"),
        ("start", "encoder"),
    ],
)
def test_what_is_not_there_is_told_at_the_start_with_its_whole_path(mine: Path, gone: str, of: str) -> None:
    shutil.rmtree(mine / gone) if (mine / gone).is_dir() else (mine / gone).unlink()
    if of == "encoder":
        (mine / "mine.yaml").write_text((mine / "mine.yaml").read_text().replace("name: start", "name: ./start"))
    (need,) = missing(open_study(mine / "mine.yaml"))
    assert need.kind == of and str(mine / gone) in need.message


def test_a_run_whose_project_is_moved_opens_where_it_is_now(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(mine / "mine.yaml")
    spec = next(spec for spec in run if spec.strategy == "mono")
    made = run.trained.train(spec)
    assert str(mine) not in (run.folder / "settings.json").read_text()
    keys = [run.trained.key(one) for one in run]
    moved = mine.rename(mine.parent / "moved")
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(moved / "runs"))
    for again in (open_run(str(moved / "runs" / "mine")), Run(moved / "mine.yaml")):
        assert [again.trained.key(one) for one in again] == keys
        assert again.trained.train(spec) == moved / "runs" / "mine" / "models" / made.name
    found = open_inspected(moved / "runs" / "mine", "held.v1.jsonl[2:]")
    assert len(found.benchmark.queries) == 8 and found.study and found.study.encoder_at("start") == str(moved / "start")


def test_settings_of_a_study_without_relative_paths_are_what_they_were(tmp_path: Path) -> None:
    # made before studies knew their folder
    study = open_study("quick")
    assert study.folder is not None and study.paths() == []
    assert "folder" not in study.written(tmp_path)
    assert study.key == dataclasses.replace(study, folder=None).key
    left_out = {"folder", "reranker", "resources"}
    assert set(study.written(tmp_path)) == {one.name for one in dataclasses.fields(Study)} - left_out


def test_a_lexicon_of_the_same_name_elsewhere_is_never_taken_for_the_study_s(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "words").mkdir()
    (tmp_path / "elsewhere" / "words" / "en-de.txt").write_text("and oder\n")
    run = Run(mine / "mine.yaml")
    for _ in range(2):  # made, and read from the run folder
        plan, corpus = (one(next(c for c in run if "codeswitch" in c.strategy)) for one in (run.plan, run.corpus))
        switched = PlanTexts(plan, corpus)(np.arange(8))["query"]
        assert any(" und " in text for text in switched) and not any(" oder " in text for text in switched)
    here = parse("codeswitch(english, lexicon='words')").plan(corpus, 2, 4, 0)  # by hand: from the current folder
    assert any(" oder " in text for text in PlanTexts(here, corpus)(np.arange(8))["query"])
    assert switched == PlanTexts(plan, corpus)(np.arange(8))["query"]


def test_names_of_the_kit_are_no_paths() -> None:
    for name in ("atlas", "mmarco[de]", "xquad-r[16:]", "xquad-r-paragraphs", "miracl[sw,te]", "held-out", "/data/x"):
        assert placed(name, "/home/me") == name
    assert placed("sets/mine[de,pool]", "/home/me") == "/home/me/sets/mine[de,pool]"
    assert placed("mine.jsonl", None) == "mine.jsonl"


@pytest.mark.parametrize("prompt", ["a\u2028 b", "a\x85b", "a\x7fb", "\ufeffa\n\nb", "\t#: "])
def test_a_run_folder_tells_the_very_prompts_that_it_was_run_with(mine: Path, prompt: str) -> None:
    study = open_study(mine / "mine.yaml")
    study = dataclasses.replace(study, encoder=dataclasses.replace(study.encoder, prompts={"query": prompt}))
    assert study_of_run(prepared(study).folder) == study


def test_links_to_a_study_and_to_run_folders_lead_to_the_same_files(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (mine / "runs").symlink_to(tmp_path / "disk", target_is_directory=True)
    run = Run(mine / "mine.yaml")
    run.prepare()
    for folder in (run.folder, run.folder.resolve()):
        assert missing(study_of_run(folder)) == []
    (tmp_path / "kept.yaml").write_bytes((mine / "mine.yaml").read_bytes())
    (mine / "link.yaml").symlink_to(tmp_path / "kept.yaml")
    assert missing(open_study(_study_parameter(str(mine / "link.yaml")))) == []


def test_a_lexicon_that_was_changed_makes_another_plan(mine: Path) -> None:
    run = Run(mine / "mine.yaml")
    spec = next(spec for spec in run if "codeswitch" in spec.strategy)
    before = run.plan(spec)
    assert Run(mine / "mine.yaml").plan(spec).fingerprint == before.fingerprint
    (mine / "words" / "en-de.txt").write_text("and oder\n")
    run = Run(mine / "mine.yaml")
    assert run.plan(spec).lexicon != before.lexicon and run.trained.train(spec).is_dir()


def test_own_files_are_called_by_their_stems_where_that_says_which(mine: Path) -> None:
    study = open_study(mine / "mine.yaml")

    def labels(*names: str) -> dict[str, str]:
        return dataclasses.replace(study, evaluation=dataclasses.replace(study.evaluation, benchmarks=names)).labels()

    names = ("held.v1.jsonl[de]", "../faq.csv[query.en=q,passage.en=a,2:]", "xquad-r[16:]", "held-out")
    assert list(labels(*names).values()) == ["held.v1[de]", "faq[2:]", "xquad-r[16:]", "held-out"]
    same = ("a/held.jsonl", "b/held.jsonl", "x/xquad-r.jsonl")  # two of one name, and one of the kit's
    assert list(labels(*same).values()) == list(same)
    assert labels("hf:me/faq[config=de,query.de=q,passage.de=a]").popitem()[1] == "faq-de-train"
