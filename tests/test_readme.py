"""The README says what is so: its example runs, its table is that of the committed scores, its files exist."""

import re
from pathlib import Path

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


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (HOME / target).exists(), target


def test_every_study_is_told() -> None:
    for path in (HOME / "studies").glob("*.yaml"):
        assert f"`{path.stem}`" in README
