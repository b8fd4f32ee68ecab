"""The README says what is so: its example runs, its table is that of the committed scores, its files exist."""

import json
import re
from pathlib import Path
from runpy import run_path

import pytest

from hybridkit import ParallelCorpus
from hybridkit.analysis.scores import macro_scores, main_table, markdown
from hybridkit.models import encoder
from hybridkit.plots.figure_files import read_frame
from hybridkit.utils.paths import checkout

HOME = Path(str(checkout()))
README = (HOME / "README.md").read_text(encoding="utf-8")


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
    assert f"### {study}" in README
    assert table in README, f"put figures/{study}/table.md into the README"


def test_the_readme_is_what_the_committed_figures_fill_it_with() -> None:
    fill = run_path(str(HOME / "figures" / "readme.py"))
    assert fill["render"]() == README, "edit figures/README.md.jinja and say make readme"


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


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (HOME / target).exists(), target


def test_every_study_is_told() -> None:
    for path in (HOME / "studies").glob("*.yaml"):
        assert f"`{path.stem}`" in README
