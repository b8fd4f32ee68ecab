"""The map of all texts, its filter by any column, and how a text is written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridkit.errors import InputError
from hybridkit.report import views
from hybridkit.report.filters import filtered
from hybridkit.report.inspected_run import Inspected, open_inspected
from hybridkit.report.script_of_text import direction_of_text, tag_of_text
from hybridkit.report.text_map import MAP_COLUMNS, principal_plane
from tests.inspected_run import HYBRID, made_run


@pytest.fixture
def run(tmp_path: Path) -> Inspected:
    return open_inspected(made_run(tmp_path / "mine"))


def test_points_are_all_texts_with_what_is_known_of_them(run: Inspected) -> None:
    points, shares = views.text_map(run, "mono")
    assert list(points.columns) == MAP_COLUMNS and len(points) == 72
    assert points["id"].tolist() == [*run.benchmark.queries["query_id"], *run.benchmark.passages["passage_id"]]
    german = points[(points["side"] == "query") & (points["language"] == "de")]
    assert german["rank"].tolist() == [1] * 12 and german["rank_distance"].tolist() == [35] * 12
    assert points["answers"].dropna().tolist() == [1] * 36 and points["rank"].isna().sum() == 36
    assert 0 < shares[1] <= shares[0] < 1


def test_the_plane_is_that_of_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(0)
    both = rng.normal(size=(30, 5)) * [5, 3, 1, 1, 1], rng.normal(size=(20, 5)) + 1
    whole = np.concatenate(both)
    centred = whole - whole.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points, shares = principal_plane(*(one.astype(np.float32) for one in both))
    assert np.abs(points) == pytest.approx(np.abs(left[:, :2] * scale[:2]), abs=1e-4)
    assert shares == pytest.approx(scale[:2] ** 2 / (scale**2).sum(), abs=1e-6)
    assert (points[np.abs(points).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("rows", [np.zeros((3, 4)), np.ones((1, 1)), np.zeros((0, 4))])
def test_texts_that_do_not_differ_lie_in_one_point(rows: np.ndarray) -> None:
    points, shares = principal_plane(rows)
    assert points.shape == (len(rows), 2) and not points.any() and shares == (0.0, 0.0)


def test_a_map_without_embeddings_is_an_error(run: Inspected) -> None:
    (run.folder / "embeddings" / "h-passage.npy").unlink()
    with pytest.raises(InputError, match="embeddings by hybrid"):
        views.text_map(run, HYBRID)


FRAME = pd.DataFrame(
    {
        "text": ["The Danube river", "Eine Stadt", "soft\u00adhyphen"],
        "language": ["en", "de", "de"],
        "rank": pd.array([3, 40, None], dtype="Int64"),
    }
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", [0, 1, 2]),
        ("danube RIVER", [0]),
        ("river danube", []),
        ("softhyphen", [2]),
        ("language=de", [1, 2]),
        ("language=de,en rank>=3", [0, 1]),
        ("language!=de", [0]),
        ("rank<10", [0]),
        ("rank!=3", [1]),
        ("rank=3,40", [0, 1]),
        ("text:stadt rank>1", [1]),
        ('text="eine stadt"', [1]),
        ("rank>39.5 Stadt", [1]),
        ("unknown=3", []),
        ("[", []),
    ],
)
def test_a_filter_leaves_what_fulfils_all_of_it(text: str, left: list[int]) -> None:
    assert filtered(FRAME, text).index.tolist() == left


@pytest.mark.parametrize(
    ("text", "told"), [("rank>many", "'many' is none"), ("rank:3", "rank=3"), ("text>a", "text=a")]
)
def test_a_condition_that_cannot_be_is_told(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        filtered(FRAME, text)


def test_a_filter_runs_no_code() -> None:
    assert filtered(FRAME, "@__import__('os').system('x') rank>0").empty


@pytest.mark.parametrize(
    ("text", "tag", "shown"),
    [
        ("yah kaun hai aur kahan rahta hai?", "hi", ("hi-Latn", "ltr")),
        ("यह कौन है?", "hi", ("hi", "ltr")),
        ("ma hiya al-asima li bilad?", "ar", ("ar-Latn", "ltr")),
        ("ما هي Tesla؟", "ar", ("ar", "rtl")),
        ("Tesla ما هي؟", "fa", ("fa", "rtl")),
        ("یہ کون ہے؟", "hi", ("hi", "rtl")),
        ("Wer ist das denn?", "de", ("de", "ltr")),
        ("who is it, then?", "ar-Latn", ("ar-Latn", "ltr")),
        ("FC Bayern", "zh", ("zh", "ltr")),
        ("", "he", ("he", "rtl")),
        ("any text here", "martian?", ("martian?", "auto")),
    ],
)
def test_a_text_is_shown_as_it_is_written(text: str, tag: str, shown: tuple[str, str]) -> None:
    assert (tag_of_text(text, tag), direction_of_text(text, tag)) == shown
