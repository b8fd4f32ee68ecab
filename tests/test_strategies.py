"""Strategies print and parse back, know the rows they can use, and weigh languages by the rule they name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.corpus import ParallelCorpus
from hybridkit.errors import InputError
from hybridkit.rows import Row
from hybridkit.sampling import Strategy, common_rows, cross, english, hybrid, mixed, mono, parse

number = st.floats(0, 10, allow_nan=False) | st.integers(0, 10)
by = st.sampled_from(["uniform", "size"])
any_strategy = st.one_of(
    st.sampled_from([english(), mixed(), cross()]),
    st.builds(mono, by=by, power=number),
    st.builds(hybrid, alpha=st.floats(0, 1) | st.integers(0, 1), by=by, power=number),
)

# what each row has: r0 de>de, r1 de>en, r2 en>en, r3 de+en>de+en, r4 en>de+fr
SHAPES = [("de", "de"), ("de", "en"), ("en", "en"), ("de en", "de en"), ("en", "de fr")]
CORPUS = ParallelCorpus.from_rows(
    Row(f"r{at}", f"r{at}", f"r{at}", {tag: f"q{at}{tag}" for tag in query.split()},
        {tag: f"p{at}{tag}" for tag in passage.split()}, {})
    for at, (query, passage) in enumerate(SHAPES)
)  # fmt: skip


@given(any_strategy)
def test_print_and_parse_back(strategy: Strategy) -> None:
    assert parse(str(strategy)) == strategy
    assert parse(f"  {strategy} ") == strategy
    assert type(parse(str(strategy))) is type(strategy)


@pytest.mark.parametrize(
    ("text", "strategy", "printed"),
    [
        ("mono", mono(), "mono"),
        ("mono()", mono(), "mono"),
        ("hybrid", hybrid(alpha=0.5), "hybrid(alpha=0.5)"),
        ("hybrid(alpha=.25)", hybrid(alpha=0.25), "hybrid(alpha=0.25)"),
        ('mono(by="size", power=0.7)', mono(by="size", power=0.7), "mono(by='size', power=0.7)"),
        ("hybrid(alpha=1, by='size')", hybrid(alpha=1, by="size"), "hybrid(by='size', alpha=1)"),
    ],
)
def test_texts_of_strategies(text: str, strategy: Strategy, printed: str) -> None:
    assert parse(text) == strategy
    assert str(strategy) == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("hybrid(", "cannot be read; write e.g. mono or hybrid"),
        ("hybrid(alpha=0.5) more", "cannot be read"),
        ("mono and cross", "no such strategy"),
        ("(" * 9999, "cannot be read"),
        ("hybrd(alpha=0.5)", "no such strategy; there are english, mixed, mono, cross, hybrid"),
        ("codeswitch", "no such strategy"),
        ("hybridkit.hybrid()", "no such strategy"),
        ("__import__('os')", "no such strategy"),
        ("hybrid(0.5)", "write options by name"),
        ("hybrid(beta=0.5)", "beta=0.5 is not for hybrid; it takes by, power, alpha"),
        ("cross(alpha=0.5)", "alpha=0.5 is not for cross; it takes nothing"),
        ("hybrid(**{'alpha': 1})", "is not for hybrid"),
        ("hybrid(alpha=1/2)", "is not for hybrid"),
        ("hybrid(alpha=0.5, alpha=0.7)", "stands twice"),
        ("hybrid(alpha=1.5)", "alpha=1.5: the share of mono batches is a number from 0 to 1"),
        ("hybrid(alpha=True)", "alpha=True"),
        ("hybrid(alpha='x')", "alpha='x'"),
        ("mono(by='rows')", "by='rows': languages are drawn by 'uniform' or by 'size'"),
        ("mono(by='size', power=11)", "power=11: give a number from 0 to 10"),
        ("mono(power=True)", "power=True"),
    ],
)
def test_what_does_not_parse(text: str, message: str) -> None:
    with pytest.raises(InputError, match="^strategy ") as error:
        parse(text)
    assert message in str(error.value)
    with pytest.raises(InputError, match="alpha=nan"):
        hybrid(alpha=float("nan"))


@pytest.mark.parametrize(
    ("strategy", "rows"),
    [
        (english(), [2, 3]),
        (mixed(), [0, 2, 3]),
        (mono(), [0, 2, 3]),
        (cross(), [1, 3, 4]),
        (hybrid(alpha=0.5), [3]),
        (hybrid(alpha=0), [1, 3, 4]),
        (hybrid(alpha=1), [0, 2, 3]),
    ],
)
def test_usable_rows(strategy: Strategy, rows: list[int]) -> None:
    assert np.flatnonzero(strategy.usable(CORPUS)).tolist() == rows


def test_common_rows_serve_every_strategy() -> None:
    assert np.flatnonzero(common_rows(CORPUS, [mono(), cross()])).tolist() == [3]
    assert np.flatnonzero(common_rows(CORPUS, [english(), mixed()])).tolist() == [2, 3]
    assert common_rows(CORPUS, []).all()


def test_languages_of_mono_batches() -> None:
    assert mono().mono_languages(CORPUS) == ["de", "en"]  # French has passages only
    assert english().mono_languages(CORPUS) == ["en"]
    with pytest.raises(InputError, match="'en' is in no row"):
        english().usable(CORPUS.keep_languages(["de"]))


def test_shares_and_alpha() -> None:
    assert hybrid(alpha=0.3).shares == {"mono": 0.3, "cross": 0.7}
    assert (hybrid(alpha=0).shares, hybrid(alpha=1).shares) == ({"cross": 1.0}, {"mono": 1.0})
    assert [one.mono_share for one in (hybrid(alpha=0.3), mono(), english(), cross())] == [0.3, 1.0, 1.0, 0.0]
    assert np.isnan(mixed().mono_share)


def test_weights_by_size_to_a_power() -> None:
    sizes = np.array([100, 400, 2500])
    np.testing.assert_allclose(mono().mono_weights(sizes), [1 / 3] * 3)
    np.testing.assert_allclose(mono(by="size").mono_weights(sizes), [100 / 3000, 400 / 3000, 2500 / 3000])
    # square roots 10, 20, 50
    np.testing.assert_allclose(mono(by="size", power=0.5).mono_weights(sizes), [1 / 8, 2 / 8, 5 / 8])
    np.testing.assert_allclose(hybrid(by="size", power=0).mono_weights(sizes), [1 / 3] * 3)
