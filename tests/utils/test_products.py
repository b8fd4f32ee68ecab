"""Products are whole or made anew: every kind of file of a run folder, damaged in every way, is never used as it is."""

import json
import logging
import os
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
from xxhash import xxh3_128

from hybridkit import plots
from hybridkit.analysis.bias import bias_panel
from hybridkit.analysis.scores import collection_table, language_shares
from hybridkit.errors import InputError
from hybridkit.plots.figure_files import draw
from hybridkit.report.html_report import redraw_study, write_report
from hybridkit.report.inspected_run import open_inspected
from hybridkit.report.views import DISTANCE, difference, means
from hybridkit.study import pipeline
from hybridkit.study.export import export_model, find_model
from hybridkit.study.run import Run, open_run
from hybridkit.study.scores import study_scores
from hybridkit.study.settings import UNTRAINED, Study
from hybridkit.utils import files, products
from hybridkit.utils.products import changed, is_whole, kept, remove_damaged, require, seal, sums_path, write
from tests.plots.test_figure_files import FRAME
from tests.tiny_study import tiny_study

NOISE = np.random.default_rng(0).bytes(1 << 20)
DAMAGES = {
    "emptied": lambda raw: b"",
    "halved": lambda raw: raw[: len(raw) // 2],
    "zeroed": lambda raw: bytes(len(raw)),
    "noise": lambda raw: NOISE[: len(raw)],
    "flipped": lambda raw: raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:],
}
CODE = """
import pandas as pd
from hybridkit import Run, plots
run = Run(study)
pairs = {"strategy": ["mono", "cross"], "query_language": "de", "passage_language": "en", "share": [1.0, 0.5]}
frame = pd.DataFrame(pairs)
plots.draw(run.folder / "figures", "01_shares", plots.batch_composition, frame, "How to read it")
run.finish("01", {"rows": len(run.rows.whole)})
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return tiny_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with every product of a study."""
    folder = tmp_path_factory.mktemp("whole") / "tiny"
    everything(study, folder)
    return folder


def everything(study: Study, folder: Path) -> Run:
    """Read every product of a run, which makes it where it is not there."""
    run, name = Run(study, folder), study.evaluation.benchmarks[0]
    for spec in run.models():
        run.ranks(spec, name)
        run.embeddings(spec, name)
    study_scores(run)
    language_shares(run, name)
    bias_panel(run, name)
    collection_table(run)
    for spec in run.models():
        run.trained.open(spec)
        if spec.strategy != UNTRAINED:
            assert len(run.trained.losses(spec)) == 5
            assert set(run.trained.held_out_scores(spec)) >= {"AP", "rank_distance"}
    inspected = open_inspected(run)
    assert inspected.missing == []
    means(inspected, "mono", DISTANCE)
    difference(inspected, "cross", "mono", "AP")
    return run


def contents(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def one_of_each_kind(folder: Path) -> list[Path]:
    """A file of each kind that the run folder holds; a corpus has checksums of its own (see `storage`)."""
    kinds: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not path.name.startswith(".") and place.parts[0] != "corpus":
            static = "static" if "static-" in str(place) else ""
            ending = path.name.rpartition("-")[2] if place.parts[0] == "embeddings" else path.suffix
            same = path.name if place.parts[0] == "models" or len(place.parts) == 1 else ending
            kinds[f"{place.parts[0]}/{static}/{same}"] = path
    return list(kinds.values())


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_file_is_made_anew_to_the_same_bytes_with_a_line(
    study: Study, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(whole, folder)
    before = contents(folder)
    damaged = one_of_each_kind(folder)
    assert len(damaged) >= 25
    for path in damaged:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        everything(study, folder)
    after = contents(folder)
    assert {name for name in before if before[name] != after[name]} == set()
    assert before.keys() == after.keys()
    lines = [record.getMessage() for record in caplog.records]
    models = list(folder.glob("models/*"))
    told = {next((model for model in models if path.is_relative_to(model)), path) for path in damaged}
    for path in told:
        assert len([line for line in lines if line.startswith(f"{path.parent.name}/{path.name}: damaged")]) == 1, path
    assert len(lines) == len(told)


@pytest.mark.parametrize("damage", ["emptied", "halved", "zeroed", "noise", "one digit"])
def test_damaged_checksums_are_written_anew_and_nothing_else(
    study: Study, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(whole, folder)
    before, sums = contents(folder), list(folder.rglob(".*.sum"))
    for path in sums:
        digit = path.read_bytes().translate(bytes.maketrans(b"01", b"10"))  # of every product: none of them is lost
        path.write_bytes(digit if damage == "one digit" else DAMAGES[damage](path.read_bytes()))
    everything(study, folder)
    assert contents(folder) == before
    assert {record.getMessage().partition(": ")[2] for record in caplog.records} == {
        "damaged; the checksums are written anew"
    }


def test_a_run_of_an_earlier_version_is_read_as_it_is_and_sealed(
    study: Study, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(whole, folder)
    before = contents(folder)
    for path in folder.rglob(".*.sum"):
        path.unlink()
    for path in folder.glob("scores/*.parquet"):
        path.write_bytes(b"PAR1")  # and what cannot be read is made anew all the same
    everything(study, folder)
    assert contents(folder) == before
    assert len(caplog.records) == 3
    assert all("scores/" in record.getMessage() and "damaged" in record.getMessage() for record in caplog.records)


def test_an_unreadable_model_of_an_earlier_version_is_left_to_people(study: Study, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(whole, folder)
    for path in folder.rglob(".*.sum"):
        path.unlink()
    for name in ("model.safetensors", "steps.jsonl", "held-out.json"):
        for path in folder.glob(f"models/[mc]*/{name}"):
            path.write_bytes(NOISE[: path.stat().st_size])
    run = Run(study, folder)
    before = contents(folder / "models")
    for read in (run.trained.open, run.trained.losses, run.trained.held_out_scores):
        with pytest.raises(InputError, match=r"models.mono-s0-\w+: (damaged \(|model.safetensors is not a whole)"):
            read(run.models()[1])
    assert contents(folder / "models") == before


def test_a_card_is_written_anew_without_a_training(
    study: Study, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(whole, folder)
    before = contents(folder)
    for path in folder.glob("models/mono-*/README.md"):
        path.write_text("mine")
    for path in folder.glob("models/cross-*/h*.json"):
        path.unlink()
    monkeypatch.setattr("hybridkit.study.trained_models.train", None)
    everything(study, folder)
    assert contents(folder) == before


def test_what_only_a_run_makes_is_one_sentence(
    study: Study, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / "tiny"
    shutil.copytree(whole, folder)
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(folder.parent))
    draw(folder / "figures", "01_a", plots.curves, FRAME, "How to read it")
    (folder / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), folder / "notebooks" / "01_a.ipynb")
    seal(folder / "01_a", folder / "notebooks" / "01_a.ipynb", *(folder / "figures").iterdir())
    yaml = str(Path(study.evaluation.benchmarks[0]).with_name("tiny.yaml"))
    run = Run(study, folder)
    weights = next(folder.glob("models/mono-*/model.safetensors"))
    raw = weights.read_bytes()
    weights.write_bytes(bytes(len(raw)))
    with pytest.raises(
        InputError, match=r"model.safetensors: damaged: its checksum differs; make it with `hybridkit run"
    ):
        export_model(run, find_model(run, "mono"))
    assert any("The model of mono (seed 0)" in line for line in open_inspected(folder).missing)
    settings = folder / "settings.json"
    text = settings.read_text()
    settings.write_text(text.replace('"steps": 5', '"steps": 6'))
    for opened in (open_run, open_inspected):
        with pytest.raises(InputError, match=r"settings.json: damaged: its checksum differs; run the study again"):
            opened(str(folder))
    settings.write_text(text)
    (folder / "notebooks" / "01_a.ipynb").write_bytes(NOISE)
    with pytest.raises(
        InputError, match=r"01_a.ipynb: damaged: its checksum differs; make it again with `hybridkit run tiny`"
    ):
        write_report(run)
    figure = folder / "figures" / "01_a.png"
    picture = figure.read_bytes()
    figure.write_bytes(b"")
    assert redraw_study(yaml) == [figure]  # a picture is drawn anew
    assert figure.read_bytes() == picture
    assert changed(folder / "01_a") == [folder / "notebooks" / "01_a.ipynb"]
    frame = figure.with_suffix(".json").read_text()
    figure.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match=r"01_a.json: damaged: its checksum differs; make it again with `hybridkit"):
        redraw_study(yaml)
    figure.with_suffix(".json").write_text(frame)
    sums_path(folder / "01_a").unlink()  # as an earlier version left it
    with pytest.raises(InputError, match=r"01_a.ipynb: this is not a notebook that can be read"):
        write_report(run)
    figure.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match=r"01_a.json: not a figure of the kit"):
        redraw_study(yaml)


def test_what_a_notebook_left_is_made_anew_by_running_it_again(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "01_a.ipynb"
    cells = [nbformat.v4.new_code_cell("study = 'tiny'", id="a", metadata={"tags": ["parameters"]})]
    notebook = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(CODE, id="b")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, source)
    monkeypatch.setattr(pipeline, "notebooks", lambda: {"01": source})
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path / "runs"))
    yaml = str(Path(study.evaluation.benchmarks[0]).with_name("tiny.yaml"))
    pipeline.run_study(yaml, ["01"])
    folder = tmp_path / "runs" / "tiny"
    before = contents(folder)
    pipeline.run_study(yaml, ["01"])
    assert "01_a: up to date" in capsys.readouterr().err
    stamp = folder / "notebooks" / "01_a.stamp"
    left = [folder / "notebooks" / "01_a.ipynb", folder / "notebooks" / "01.json"]
    left += [folder / "figures" / f"01_shares.{ending}" for ending in ("csv", "json", "png", "svg")]
    for path, damage in zip(left, [*DAMAGES, *DAMAGES], strict=False):  # each is seen by itself
        whole = path.read_bytes()
        path.write_bytes(DAMAGES[damage](whole))
        assert changed(folder / "01_a") == [path]
        path.write_bytes(whole)
    for some in ([stamp], left[:1], left[1:]):
        for path, damage in zip(some, DAMAGES, strict=False):
            path.write_bytes(DAMAGES[damage](path.read_bytes()))
        pipeline.run_study(yaml, ["01"])
        assert "up to date" not in capsys.readouterr().err
        after = contents(folder)
        assert {name for name in before if before[name] != after[name]} == set(), some
        nbformat.read(folder / "notebooks" / "01_a.ipynb", as_version=4)
    for name in ("rows.jsonl", "asked.jsonl"):  # the data of the study, under the name that it had
        data = Path(study.evaluation.benchmarks[0]).with_name(name)
        data.write_bytes(data.read_bytes().replace(b"what of", b"what about"))
        pipeline.run_study(yaml, ["01"])
        assert "up to date" not in capsys.readouterr().err, name
    pipeline.run_study(yaml, ["01"])
    assert "up to date" in capsys.readouterr().err


def test_large_files_are_read_again_only_where_they_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "LARGE", 3)
    path, read = tmp_path / "a", []
    write(path, "abcdef")
    checksum = files.checksum
    monkeypatch.setattr(products, "checksum", lambda path: (read.append(path), checksum(path))[1])
    assert is_whole(path, thorough=False) and read == []
    assert is_whole(path) and is_whole(path) and read == [path]
    stat = path.stat()
    path.write_text("abcdeX")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # a fault that leaves size and time
    products._known.clear()
    assert is_whole(path, thorough=False)
    assert not is_whole(path)
    path.write_text("abcdef")  # copied without its time: read once
    read.clear()
    assert is_whole(path, thorough=False) and read == [path]
    assert is_whole(path, thorough=False) and read == [path]


def test_checksums_lead_nowhere_else(tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine.txt", tmp_path / "run"
    folder.mkdir()
    mine.write_text("mine")
    (folder / "a").write_text("a")
    for name in ("../mine.txt", str(mine), "a/../../mine.txt"):
        text = f"{'0' * 32}  {name}\n"
        sums_path(folder / "a").write_text(f"{text}# {xxh3_128(text.encode()).hexdigest()}\n")
        assert remove_damaged(folder) == []
    assert mine.read_text() == "mine"


def test_another_content_is_never_beside_the_checksums_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write(path, "1")
    monkeypatch.setattr(products, "seal", None)  # a kill right before they are written
    with pytest.raises(TypeError):
        write(path, "2")
    assert (path.read_text(), changed(path)) == ("2", [])
    monkeypatch.undo()
    write(path, "2")
    assert sums_path(path).is_file()
    path.write_text("3")
    monkeypatch.setattr(files, "_temporary", None)  # and one right before a damaged file is replaced
    with pytest.raises(TypeError):
        write(path, "2")
    assert not path.exists()


def test_a_reader_that_fails_on_a_whole_product_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write(path, "{")
    with pytest.raises(json.JSONDecodeError):
        kept(path, lambda path: None, lambda path: json.loads(path.read_text()))
    assert require(path, "") == path
