"""Remedies on scores: by hand, against a plain computation, in blocks and threads, with cells that are not there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from hybridkit.errors import InputError
from hybridkit.evaluation.rank_table import rank_table_from_scores
from hybridkit.remedies import calibrate, parse, zscore
from hybridkit.remedies import scores as module
from hybridkit.remedies.scores import on_block
from tests.remedies.pools import pool

SLICES = {"de": slice(0, 3), "en": slice(3, 5)}


def plain(remedy: str, block: np.ndarray, slices: dict[str, slice], absent: np.ndarray, top: int) -> np.ndarray:
    """The definition, cell by cell, in float64."""
    out = np.array(block, np.float64)
    for row, gone in zip(out, absent, strict=True):
        for part in slices.values():
            there = row[part][~gone[part]]
            if not len(there):
                continue
            if remedy == "calibrate":
                row[part] = row[part] - np.sort(there)[-top:].mean()
            else:
                row[part] = (row[part] - there.mean()) / (there.std() or np.inf)
    return out


def test_calibrate_by_hand() -> None:
    # de: the best two are .9 and .5, mean .7; en: .4 and .2, mean .3
    block = np.array([[0.9, 0.5, 0.1, 0.4, 0.2]], np.float32)
    found = on_block([calibrate(top=2)], block, SLICES)
    np.testing.assert_allclose(found, [[0.2, -0.2, -0.6, 0.1, -0.1]], atol=1e-7)
    # of English there are only two: the mean of both
    found = on_block([calibrate(top=3)], block, SLICES)
    np.testing.assert_allclose(found, [[0.4, 0.0, -0.4, 0.1, -0.1]], atol=1e-7)
    assert block[0, 0] == np.float32(0.9), "the block that was given is as it was"


def test_zscore_by_hand() -> None:
    # de: mean 4, squares 4 + 0 + 4, std sqrt(8 / 3); en: mean 3, std 1
    found = on_block([zscore()], np.array([[6.0, 4.0, 2.0, 4.0, 2.0]], np.float32), SLICES)
    np.testing.assert_allclose(found, [[1.5**0.5, 0, -(1.5**0.5), 1, -1]], rtol=1e-6)


def test_equal_scores_become_0_by_zscore() -> None:
    block = np.full((2, 5), np.float32(0.1))
    block[1, 3:] = [0.3, 0.1]
    assert on_block([zscore()], block, SLICES).tolist()[0] == [0] * 5
    np.testing.assert_allclose(on_block([zscore()], block, SLICES)[1], [0, 0, 0, 1, -1], rtol=1e-6)


def test_cells_that_are_not_there_count_nothing() -> None:
    block = np.array([[0.9, 0.5, 0.1, 0.4, 0.2]], np.float32)
    absent = np.array([[True, False, False, True, True]])
    found = on_block([calibrate(top=2)], block, SLICES, absent)
    np.testing.assert_allclose(found[~absent], [0.5 - 0.3, 0.1 - 0.3], atol=1e-7)
    found = on_block([zscore()], block, SLICES, absent)
    np.testing.assert_allclose(found[~absent], [1, -1], rtol=1e-6)
    assert np.isfinite(found).all()


@given(st.data())
def test_as_defined(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, 700), min_size=1, max_size=4))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    rows, top = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 20))
    values = random.normal(0.8, 0.05, (rows, sum(counts))).round(data.draw(st.integers(1, 6)))
    block = np.asarray(values, np.float32)  # rounded to few digits there are many ties
    ends = np.cumsum([0, *counts])
    slices = {f"l{n}": slice(int(ends[n]), int(ends[n + 1])) for n in range(len(counts))}
    absent = random.random(block.shape) < data.draw(st.sampled_from([0.0, 0.3, 0.99]))
    for text, part in ((f"calibrate(top={top})", calibrate(top=top)), ("zscore", zscore())):
        for mask in (None, absent):
            gone = np.zeros_like(absent) if mask is None else mask
            expected = plain(text.partition("(")[0], block, slices, gone, top)
            found = on_block([part], block, slices, mask)
            assert np.isfinite(found).all()
            exact = np.abs(expected) < 1e3  # a spread of rounding alone
            np.testing.assert_allclose(found[~gone & exact], expected[~gone & exact], rtol=2e-4, atol=2e-4)
            for columns in slices.values():  # the order within a language stays
                for before, after, here in zip(block[:, columns], found[:, columns], ~gone[:, columns], strict=True):
                    order = np.argsort(before[here], kind="stable")
                    assert (np.diff(after[here][order]) >= 0).all()


@pytest.mark.parametrize("text", ["calibrate(top=1)", "calibrate(top=5)", "calibrate(top=30)", "zscore"])
def test_the_same_bytes_for_any_block_and_number_of_threads(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parse(text).on_scores
    block = np.random.default_rng(0).normal(0.8, 0.05, (40, 3000)).astype(np.float32)
    slices = {"de": slice(0, 2000), "en": slice(2000, 2900), "tr": slice(2900, 3000)}
    whole = on_block(parts, block, slices)
    for height, threads in ((1, 1), (7, 2), (40, 1)):
        monkeypatch.setattr(module, "_TILE_BYTES", 4 * 3000 * height)
        with threadpool_limits(threads, user_api="blas"):
            assert on_block(parts, block, slices).tobytes() == whole.tobytes()
            by_rows = [on_block(parts, block[row : row + 3], slices) for row in range(0, 40, 3)]
            assert np.concatenate(by_rows).tobytes() == whole.tobytes()
    # whether by groups or directly, the best are the same ones
    monkeypatch.setattr(module, "_DIRECT", 10**9)
    assert on_block(parts, block, slices).tobytes() == whole.tobytes()


@pytest.mark.parametrize("text", ["calibrate(top=1)", "calibrate(top=3)", "zscore"])
def test_mono_and_cross_stay_and_the_pool_changes(text: str) -> None:
    benchmark = pool({"de": 30, "en": 30, "tr": 30}, 12)
    scores = np.random.default_rng(1).uniform(0.7, 0.9, (36, 90)).astype(np.float32)
    scores[:, 30:60] += 0.1  # English is nearer to everything
    plain_ranks = rank_table_from_scores(benchmark, lambda rows: scores[rows])
    kept = scores.copy()
    ranks = rank_table_from_scores(benchmark, parse(text).scorer(benchmark, lambda rows: scores[rows]), 4 * 90 * 5)
    assert scores.tobytes() == kept.tobytes(), "a scorer's own memory was written to"
    assert (ranks["rank"] == plain_ranks["rank"]).all()
    assert not (ranks["pool_rank"] == plain_ranks["pool_rank"]).all()


def test_new_blocks_are_changed_in_place_and_a_stored_one_is_not() -> None:
    benchmark, chain = pool({"de": 3, "en": 3}, 3), parse("calibrate(top=1)")
    made: list[np.ndarray] = []

    def fresh(rows: slice) -> np.ndarray:
        made.append(np.ones((rows.stop - rows.start, 6), np.float32))
        return made[-1]

    score = chain.scorer(benchmark, fresh)
    results = [score(slice(n, n + 1)) for n in range(3)]
    assert [found.base is block or found is block for found, block in zip(results, made, strict=True)][1:] == [True] * 2
    stored = np.ones((6, 6), np.float32)
    score = chain.scorer(benchmark, lambda rows: stored[rows])
    assert all((score(slice(n, n + 1)) == 0).all() for n in range(3)) and (stored == 1).all()


def test_a_chain_without_a_part_on_scores_is_the_scorer_itself() -> None:
    def scorer(rows: slice) -> np.ndarray:
        return np.zeros((1, 6))

    assert parse("centre(by='rows')").scorer(pool({"de": 3, "en": 3}, 3), scorer) is scorer


def test_wrong_blocks_are_refused() -> None:
    block = np.zeros((2, 5), np.float32)
    with pytest.raises(InputError, match="end beyond the 4 columns"):
        on_block([zscore()], block[:, :4], SLICES)
    with pytest.raises(InputError, match=r"absent: bool of shape \(1, 5\); give bool of the block's, \(2, 5\)"):
        on_block([zscore()], block, SLICES, np.zeros((1, 5), bool))
    with pytest.raises(InputError, match="absent: float64"):
        on_block([zscore()], block, SLICES, np.zeros((2, 5)))
