"""README and docs say what is so: examples run, tables are those of the committed scores, what is linked exists."""

import json
import re
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

from hybridkit import ParallelCorpus
from hybridkit.analysis.scores import macro_scores, main_table, markdown
from hybridkit.data.languages import language
from hybridkit.data.rows import Row
from hybridkit.data.sources.registry import DATA_SETS
from hybridkit.models import encoder
from hybridkit.plots.figure_files import read_frame
from hybridkit.utils.paths import checkout

HOME = Path(str(checkout()))
README = (HOME / "README.md").read_text(encoding="utf-8")
RESULTS = (HOME / "docs" / "results.md").read_text(encoding="utf-8")
PAGES = [HOME / "README.md", HOME / "CONTRIBUTING.md", *sorted((HOME / "docs").rglob("*.md"))]


def test_the_python_example_runs(
    parallel_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = list(ParallelCorpus.from_jsonl(parallel_rows).iter_texts())
    monkeypatch.setattr(encoder, "open", lambda name: encoder.make(texts, vocab_size=200, dim=8))
    monkeypatch.chdir(tmp_path)
    (example,) = [one for one in re.findall(r"```python\n(.*?)```", README, flags=re.S) if "TrainingSettings" in one]
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  our own example, as written
    assert "'AP pool'" in capsys.readouterr().out
    assert (tmp_path / "my-model" / "modules.json").is_file()


@pytest.mark.parametrize("study", sorted(path.parent.name for path in (HOME / "figures").glob("*/scores.csv")))
def test_the_table_is_that_of_the_committed_scores(study: str) -> None:
    table = markdown(main_table(macro_scores(read_frame(HOME / "figures" / study / "scores.csv"))))
    assert f"## {study}" in RESULTS
    assert table in RESULTS, f"put figures/{study}/table.md into docs/results.md"


@pytest.mark.parametrize(("page", "text"), [("README.md", README), ("docs/results.md", RESULTS)])
def test_a_page_is_what_the_committed_figures_fill_it_with(page: str, text: str) -> None:
    fill = run_path(str(HOME / "figures" / "readme.py"))
    assert fill["render"](page) == text, "edit its template under figures/ and say make readme"


def test_a_finding_says_no_more_than_its_mark(tmp_path: Path) -> None:
    """Better, better for these trainings, or not shown: the words follow the rule of evidence, on either side."""
    fill = run_path(str(HOME / "figures" / "readme.py"))
    row = {"benchmark": "b", "setting": "pool", "measure": "AP", "system": "hybrid", "against": "mono"}
    row |= {"difference": 0.0234, "low": 0.018, "high": 0.029, "crossed_low": -0.01, "crossed_high": 0.05, "better": 1}
    found = fill["finding"].__globals__
    found["HERE"] = tmp_path
    (tmp_path / "toy").mkdir()

    def said(mark: str, first: str, second: str, **changes: object) -> str:
        found["notebook"].cache_clear()
        (tmp_path / "toy" / "notebook-04.json").write_text(json.dumps({"against": [row | {"mark": mark} | changes]}))
        return str(fill["finding"]("toy", "b", first, second, "pool"))

    amount = "+.023 (.018 to .029 over articles; −.010 to .050 over trainings too) AP"
    assert said("", "hybrid", "mono") == f"no difference between `hybrid` and `mono` is shown, {amount}"
    assert said("°", "hybrid", "mono") == f"`hybrid` is better than `mono`, {amount}, shown for these trainings only"
    assert said("*", "hybrid", "mono") == f"`hybrid` is better than `mono`, {amount}"
    other = "−.023 (−.029 to −.018 over articles; −.050 to .010 over trainings too) AP"
    assert said("*", "mono", "hybrid") == f"`mono` is worse than `hybrid`, {other}"
    assert "no interval over trainings" in said("°", "hybrid", "mono", crossed_low=None, crossed_high=None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    made = {"study.md", "cli.md"}  # by docs/hooks.py
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        there = target.startswith("https://") or (page.parent / target).exists()
        assert there or Path(target).name in made, target


def test_a_strategy_of_ones_own_makes_plans_as_any_other() -> None:
    """The example of docs/extend.md, as written."""
    text = (HOME / "docs" / "extend.md").read_text(encoding="utf-8")
    (example,) = [one for one in re.findall(r"```python\n(.*?)```", text, flags=re.S) if "class near" in one]
    space: dict[str, Any] = {}
    exec(compile(example, "extend.md", "exec"), space)  # noqa: S102  our own example, as written
    sides = [{tag: f"{tag} {n}" for tag in ("ar", "de", "en", "fa")} for n in range(20)]
    corpus = ParallelCorpus.from_rows(Row(f"{n}", f"{n}", f"{n}", one, one, {}) for n, one in enumerate(sides))
    plan = space["near"]().plan(corpus, steps=20, batch_size=2, seed=0)
    scripts = np.array([language(tag).script for tag in plan.languages])
    _, query, passage = plan.draws.reshape(-1, 3).T
    assert (query != passage).all() and (scripts[query] == scripts[passage]).all()
    assert {plan.languages[column] for column in query.tolist()} == {"ar", "de", "en", "fa"}


def test_every_study_is_told() -> None:
    for path in (HOME / "studies").glob("*.yaml"):
        assert f"`{path.stem}`" in README


def test_every_data_set_is_told() -> None:
    text = (HOME / "data" / "README.md").read_text(encoding="utf-8")
    assert [name for name in DATA_SETS if f"`{name}`" not in text] == []
