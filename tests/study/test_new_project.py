"""`hybridkit init`: a project whose study fits the rows, found from inside it, and a report on own rows from there."""

import csv
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hybridkit.cli import main
from hybridkit.errors import InputError
from hybridkit.study import new_project as init
from hybridkit.study.new_project import new_project
from hybridkit.study.pipeline import notebooks
from hybridkit.study.run import Run
from hybridkit.study.settings import Study, known_studies, open_study
from hybridkit.utils.paths import project, runs_folder
from tests.tiny_study import GERMAN, WORDS

COLUMNS = "id=nr,query.en=question,query.de=frage,passage.en=answer,passage.de=antwort"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with spaces and other letters in its path, and nothing of the user's."""
    folder = tmp_path / "own rows, größer"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HYBRIDKIT_RUNS", raising=False)
    monkeypatch.setenv("HYBRIDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(init.e5_small, "is_here", lambda: False)
    return folder


def checked(study: Study) -> Run:
    run = Run(study, Path("run", study.name))
    run.check()
    return run


def table(path: Path, count: int = 300, german: int = 300) -> Path:
    """A CSV of other columns than the kit's; the first `german` rows are known in German too."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["nr", "question", "frage", "answer", "antwort"])
        for n in range(count):
            en, de = (" ".join(words[i] for i in (n % 8, n // 8 % 8, n // 64)) for words in (WORDS, GERMAN))
            both = [f"was ist mit {de} {n}", f"{de} kostet {3 * n}"] if n < german else ["", ""]
            out.writerow([n, f"what of {en} {n}", both[0], f"{en} costs {3 * n}", both[1]])
    return path


def made(**more: Any) -> tuple[Any, str]:
    path = new_project(Path("shop"), **more)[0]
    return open_study(path), path.read_text()


def test_from_own_rows_to_a_report_in_three_commands_and_one_edited_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(here / "faq.csv")
    assert main(["init", "shop", "--rows", f"faq.csv[{COLUMNS}]"]) == 0
    assert "hybridkit run faq" in capsys.readouterr().out
    study = here / "shop" / "studies" / "faq.yaml"
    text = study.read_text()
    for before, after in (
        ("seeds: [0, 1, 2]", "seeds: [0]"),
        ("vocab_size: 5000, dim: 128", "vocab_size: 300, dim: 16"),
        ("steps: 131", "steps: 10"),
        ("notebooks: ['01', '02', '03', '04', '05']", "notebooks: ['01', '04']"),
    ):
        assert before in text
        text = text.replace(before, after)
    study.write_text(text)
    monkeypatch.chdir("shop")
    assert main(["run", "faq"]) == 0
    run = here / "shop" / "runs" / "faq"
    assert "held-out" in (run / "report" / "04_evaluation.html").read_text()
    assert (run / "report" / "index.html").is_file()
    for path in (*(run / "notebooks").glob("*.ipynb"), run / "settings.json"):
        assert str(here.parent) not in path.read_text().encode().decode("unicode_escape", "replace"), path
        assert str(here) not in path.read_text(), path


def test_the_study_fits_the_rows(here: Path) -> None:
    table(here / "faq.csv", german=250)
    study, text = made(rows=[f"faq.csv[{COLUMNS}]"])
    assert study.strategies == ("mono", "cross", "hybrid(alpha=0.5)") and study.encoder.name == "static"
    assert "250 of 300 rows can be used by every strategy" in text
    assert study.rows.files == (f"../../faq.csv[{COLUMNS}]",) and study.rows.held_out == 0.3
    assert len(checked(study).rows.usable) == 250
    # one language more, of few rows
    lines = [json.dumps({"id": str(n), "query": {"en": f"q {n}"}, "passage": {"en": f"p {n}"}}) for n in range(80)]
    lines += [json.dumps({"id": f"x{n}", "query": {"fr": f"r {n}"}, "passage": {"fr": f"s {n}"}}) for n in range(9)]
    (here / "one.jsonl").write_text("\n".join(lines))
    study, text = made(rows=["one.jsonl"])
    assert (study.strategies, study.compare) == (("mono",), ("mono", "untrained"))
    assert study.rows.languages == ("en",) and "fewer than 16 rows: fr" in text
    checked(study)
    (here / "few.jsonl").write_text("\n".join(lines[:5]))
    with pytest.raises(InputError, match="the rows are too few to train on: 5 in all, and at most 5 with query"):
        made(rows=["few.jsonl"])


def test_rows_of_languages_that_never_meet_are_compared_in_batches_of_one_and_of_all(here: Path) -> None:
    lines = [
        json.dumps({"id": f"{tag}{n}", "query": {tag: f"{tag} q {n}"}, "passage": {tag: f"{tag} p {n}"}})
        for tag in ("en", "fi")
        for n in range(60)
    ]
    (here / "apart.jsonl").write_text("\n".join(lines))
    study, _ = made(rows=["apart.jsonl"])
    assert study.strategies == study.compare == ("mono", "mixed")
    checked(study)


def test_a_real_encoder_gets_its_recipe(here: Path) -> None:
    table(here / "faq.csv")
    study, text = made(rows=[f"faq.csv[{COLUMNS}]"], encoder="e5-small", name="e5")
    assert study.name == "e5" and study.encoder.name == "e5-small" and "letters" in text
    assert (study.training.max_length, study.training.freeze) == (32, ("word_embeddings",))
    assert study.training.learning_rate == 3e-5 and study.training.batch_size == 32


def test_without_rows_the_study_is_on_the_bundled_corpus(here: Path) -> None:
    study, _ = made()
    assert (study.name, study.rows.files) == ("mine", ("atlas",))


def test_a_project_is_found_from_inside_and_its_files_go_first(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(here / "faq.csv")
    assert project() is None and "faq" not in known_studies()
    files = new_project(here / "shop", [f"faq.csv[{COLUMNS}]"])
    assert {path.name for path in files if path.parent == here / "shop"} == {".hybridkit", ".gitignore", "Makefile"}
    own = here / "shop" / "notebooks" / "04_evaluation.ipynb"
    first = next(cell for cell in nbformat.read(own, as_version=4).cells if cell.cell_type == "code")
    assert 'study = "faq"' in first.source
    monkeypatch.chdir(here / "shop" / "notebooks")
    assert project() == here / "shop" and runs_folder() == here / "shop" / "runs"
    assert Run("faq").folder == here / "shop" / "runs" / "faq"
    assert notebooks()["04"] == own
    own.unlink()
    assert notebooks()["04"].name == own.name and notebooks()["04"] != own  # the kit's, where the project has none
    assert known_studies()["quick"].is_file()


def test_nothing_of_the_user_s_is_replaced(here: Path) -> None:
    table(here / "faq.csv")
    (here / "shop").mkdir()
    (here / "shop" / "Makefile").write_text("mine")
    new_project(here / "shop", [f"faq.csv[{COLUMNS}]"])
    assert (here / "shop" / "Makefile").read_text() == "mine"
    with pytest.raises(InputError, match=r"studies/faq.yaml: it is there already; give another name \(--name\)"):
        new_project(here / "shop", [f"faq.csv[{COLUMNS}]"])
    assert new_project(here / "shop", [f"faq.csv[{COLUMNS}]"], name="again")[0].name == "again.yaml"


def test_rows_elsewhere_are_named_by_their_whole_path(here: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    far = table(tmp_path / "far" / "faq.csv")
    study, _ = made(rows=[f"{far}[{COLUMNS}]"])
    assert study.rows.files == (f"{far}[{COLUMNS}]",)
