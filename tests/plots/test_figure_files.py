"""Figures are drawn from frames kept beside them, and again from those alone."""

import json
from pathlib import Path

import pandas as pd
import pytest

from hybridkit import plots
from hybridkit.errors import InputError
from hybridkit.plots.figure_files import draw, kept, read_frame, redraw
from hybridkit.report.html_report import redraw_study

FRAME = pd.DataFrame(
    [
        (a, f"hybrid(alpha={a})", s, setting, "AP", 0.1 * s + a / 3)
        for a in (0.0, 0.5, 1.0)
        for s in (0, 1, 2)
        for setting in ("mono", "cross")
    ],
    columns=["x", "strategy", "seed", "setting", "measure", "value"],
)


def test_a_figure_keeps_its_frame_and_redraws_to_the_same_bytes(tmp_path: Path) -> None:
    draw(tmp_path, "curve", plots.curves, FRAME, "a caption")
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == {"curve.csv", "curve.json", "curve.png", "curve.svg"}
    pd.testing.assert_frame_equal(read_frame(tmp_path / "curve.csv"), FRAME)
    (tmp_path / "curve.png").unlink()
    assert redraw(tmp_path) == [tmp_path / "curve.png"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_an_empty_frame_gives_a_note_and_keeps_nothing(tmp_path: Path) -> None:
    figure = draw(tmp_path, "curve", plots.curves, FRAME.iloc[:0], "Scores by alpha.")
    assert [text.get_text() for text in figure.axes[0].texts] == ["No data: Scores by alpha."]
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no figure 'len'; there are batch_composition"):
        draw(tmp_path, "curve", len, FRAME, "")  # type: ignore[arg-type]


def test_a_language_called_na_is_no_missing_value(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("language,value\nna,1\n,2\n")
    assert read_frame(tmp_path / "f.csv")["language"].isna().tolist() == [False, True]


def test_an_unknown_kind_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    draw(tmp_path, "curve", plots.curves, FRAME, "")
    kept_json = json.loads((tmp_path / "curve.json").read_text())
    (tmp_path / "curve.json").write_text(json.dumps(kept_json | {"kind": "pie"}))
    with pytest.raises(InputError, match=r"curve\.json: no figure 'pie'"):
        redraw(tmp_path)


def test_redraw_takes_the_run_and_copies_what_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDKIT_RUNS", str(tmp_path))
    draw(tmp_path / "quick" / "figures", "curve", plots.curves, FRAME, "")
    (tmp_path / "quick" / "notebooks").mkdir()
    (tmp_path / "quick" / "notebooks" / "02.json").write_text("{}")
    redraw_study("quick", tmp_path / "out")
    assert kept(tmp_path / "out") == ["curve"]
    assert (tmp_path / "out" / "notebook-02.json").read_text() == "{}"
