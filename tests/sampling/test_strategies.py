"""Strategies print and parse back, know the rows they can use, and weigh languages by the rule they name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.sampling import (
    Strategy,
    codeswitch,
    common_rows,
    cross,
    english,
    hybrid,
    linear,
    mixed,
    mono,
    parse,
    step,
)
from hybridkit.sampling.language_pairs import Patterns

number = st.floats(0, 10, allow_nan=False) | st.integers(0, 10)
share = st.floats(0, 1) | st.integers(0, 1)
TAGS = ["de", "en", "pt-BR", "zh-Hant"]
given_weights = st.dictionaries(st.sampled_from(TAGS), st.integers(1, 9), min_size=1).map(
    lambda parts: {tag: part / sum(parts.values()) for tag, part in parts.items()}
)
weighing = st.fixed_dictionaries({"by": st.sampled_from(["rows", "size"]), "power": number}) | st.fixed_dictionaries(
    {"weights": given_weights}
)
drawn = st.sampled_from(["stratified", "independent"])
two = st.permutations(TAGS).map(lambda tags: f"{tags[0]}-{tags[1]}")
listed = st.lists(two, min_size=1, max_size=4, unique=True)
restricted = st.just("all") | st.sampled_from([f"{tag}-x" for tag in TAGS]) | listed
schedules = st.builds(linear, share, share, st.none() | st.integers(1, 10**9)) | st.builds(
    lambda first, later: step({0: first} | later), share, st.dictionaries(st.integers(1, 10**9), share, max_size=4)
)


def built(kind: type[Strategy], **options: st.SearchStrategy[object]) -> st.SearchStrategy[Strategy]:
    return st.tuples(weighing, st.fixed_dictionaries(options)).map(lambda both: kind(**both[0], **both[1]))


plain = st.one_of(
    st.just(english()),
    built(mixed),
    built(mono, draw=drawn),
    st.just(mono(by="uniform")),
    built(cross, pairs=restricted),
    built(cross, pairs=st.just("one"), draw=drawn),
    built(hybrid, alpha=share | schedules, pairs=restricted, level=st.just("row")),
    built(hybrid, alpha=share | schedules, pairs=restricted | st.just("one"), draw=drawn),
)
any_strategy = plain | st.builds(
    codeswitch,
    plain,
    p=share,
    side=st.sampled_from(["query", "passage", "both"]),
    mode=st.sampled_from(["multilingual", "bilingual"]),
    pivot=st.booleans(),
    lexicon=st.sampled_from(["muse", "atlas", "my lexicons/it's (mine)"]),
)

# what each row has: r0 de>de, r1 de>en, r2 en>en, r3 de+en>de+en, r4 en>de+fr
SHAPES = [("de", "de"), ("de", "en"), ("en", "en"), ("de en", "de en"), ("en", "de fr")]
CORPUS = ParallelCorpus.from_rows(
    Row(
        f"r{at}",
        f"r{at}",
        f"r{at}",
        {tag: f"q{at}{tag}" for tag in query.split()},
        {tag: f"p{at}{tag}" for tag in passage.split()},
        {},
    )
    for at, (query, passage) in enumerate(SHAPES)
)


@given(any_strategy)
def test_print_and_parse_back(strategy: Strategy) -> None:
    assert parse(str(strategy)) == strategy
    assert parse(f"  {strategy} ") == strategy
    assert type(parse(str(strategy))) is type(strategy)
    assert str(parse(str(strategy))) == str(strategy)
    assert hash(parse(str(strategy))) == hash(strategy)


@pytest.mark.parametrize(
    ("text", "strategy", "printed"),
    [
        ("mono", mono(), "mono"),
        ("mono()", mono(), "mono"),
        ("hybrid", hybrid(alpha=0.5), "hybrid(alpha=0.5)"),
        ("hybrid(alpha=.25)", hybrid(alpha=0.25), "hybrid(alpha=0.25)"),
        ('mono(by="size", power=0.7)', mono(by="size", power=0.7), "mono(by='size', power=0.7)"),
        ("hybrid(alpha=1, by='size')", hybrid(alpha=1, by="size"), "hybrid(by='size', alpha=1)"),
        ('cross(pairs="one")', cross(pairs="one"), "cross(pairs='one')"),
        ("cross(pairs=('de-en',))", cross(pairs=["de-en"]), "cross(pairs=['de-en'])"),
        ("mixed(weights={'en': 1})", mixed(weights={"en": 1}), "mixed(weights={'en': 1})"),
        (
            "mono(weights={'en':.5,'de':.5})",
            mono(weights={"de": 0.5, "en": 0.5}),
            "mono(weights={'de': 0.5, 'en': 0.5})",
        ),
        ("hybrid(alpha=linear(0, 1, steps=1000))", hybrid(alpha=linear(0, 1, 1000)), None),
        ("hybrid(alpha=linear(0,1,1000))", hybrid(alpha=linear(0, 1, 1000)), "hybrid(alpha=linear(0, 1, steps=1000))"),
        ("hybrid(alpha=linear(0, 1))", hybrid(alpha=linear(0, 1)), None),
        ("hybrid(alpha=linear(stop=1, start=0))", hybrid(alpha=linear(0, 1)), "hybrid(alpha=linear(0, 1))"),
        (
            "hybrid(alpha=step({500: 0.5, 0: 1.0}))",
            hybrid(alpha=step({0: 1.0, 500: 0.5})),
            "hybrid(alpha=step({0: 1.0, 500: 0.5}))",
        ),
        ("hybrid(level='row')", hybrid(level="row"), "hybrid(alpha=0.5, level='row')"),
        (
            "codeswitch(hybrid(alpha=0.5), p=0.5, side='query')",
            codeswitch(hybrid(alpha=0.5), p=0.5),
            "codeswitch(hybrid(alpha=0.5), p=0.5)",
        ),
        ("codeswitch(mono)", codeswitch(mono()), "codeswitch(mono, p=0.5)"),
    ],
)
def test_texts_of_strategies(text: str, strategy: Strategy, printed: str | None) -> None:
    assert parse(text) == strategy
    assert str(strategy) == (printed or text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("hybrid(", "cannot be read; write e.g. mono or hybrid"),
        ("hybrid(alpha=0.5) more", "cannot be read"),
        ("mono and cross", "no such strategy"),
        ("(" * 9999, "cannot be read"),
        ("hybrd(alpha=0.5)", "no such strategy (did you mean hybrid?); there are english, mixed, mono, cross, hybrid"),
        ("codeswitch", "codeswitch takes one strategy first"),
        ("codeswitch(p=0.5)", "codeswitch takes one strategy first, e.g. codeswitch(hybrid(alpha=0.5))"),
        ("codeswitch(base=mono)", "codeswitch takes one strategy first"),
        ("codeswitch(mono, cross)", "codeswitch takes one strategy first"),
        ("codeswitch('mono')", "no such strategy"),
        ("codeswitch(mono, base=cross)", "base=cross is not for codeswitch"),
        ("codeswitch(" * 60 + "mono" + ")" * 60, "give one other strategy first"),
        ("mono(mono)", "write options by name"),
        ("hybridkit.hybrid()", "no such strategy"),
        ("__import__('os')", "no such strategy"),
        ("hybrid(0.5)", "write options by name"),
        ("hybrid(beta=0.5)", "beta=0.5 is not for hybrid; it takes by, power, weights, draw, alpha, pairs, level"),
        ("english(alpha=0.5)", "alpha=0.5 is not for english; it takes nothing"),
        ("hybrid(**{'alpha': 1})", "is not for hybrid"),
        ("hybrid(alpha=nan)", "alpha=nan: the value must be a number"),
        ("hybrid(alpha=1/2)", "the value must be a number, a text in quotes"),
        ("hybrid(alpha=0.5, alpha=0.7)", "is duplicated"),
        ("hybrid(alpha=1.5)", "alpha, the share of mono batches, must be a number from 0 to 1 (got 1.5)"),
        ("hybrid(alpha=True)", "(got True)"),
        ("hybrid(alpha='x')", "(got 'x')"),
        ("mono(by='weight')", "by='weight': languages are drawn by 'rows', 'uniform' or 'size'"),
        ("mono(draw='random')", "draw='random': batches are drawn 'stratified' or 'independent'"),
        ("cross(by='uniform')", "by='uniform': it is for batches in one language or of one pair; leave it out"),
        ("mixed(draw='independent')", "draw='independent': it is for batches in one language or of one pair"),
        ("hybrid(level='row', draw='independent')", "draw='independent': it is for batches in one language or of"),
        ("mono(by='size', power=11)", "power must be a number from 0 to 10 (got 11)"),
        ("mono(power=True)", "power must be a number"),
        ("mono(by=[1])", "by=[1]"),
        ("mono(weights={'en': 0.5})", "weights={'en': 0.5}: they must sum to 1 (they sum to 0.5)"),
        ("mono(weights={'en': 0.5, 'english': 0.5})", "weights: 'english' is not a language tag"),
        ("mono(weights={'en': 1.5, 'de': -0.5})", "weights: that of 'en' must be a number from 0 to 1 (got 1.5)"),
        ("mono(weights={'en': True})", "weights: that of 'en' must be a number"),
        ("mono(weights={'en': float('nan')})", "the value must be a number, a text in quotes"),
        ("mono(weights={})", "weights={}: give a weight by language"),
        ("mono(weights={1: 1})", "weights={1: 1}: give a weight by language"),
        ("mono(weights=['en'])", "weights=['en']: give a weight by language"),
        ("mono(weights={['en']: 1})", "the value must be a number, a text in quotes"),
        ("mono(weights={'en': 1}, by='size')", "by='size' and weights: languages are drawn by one of them"),
        ("cross(pairs='two')", "pairs='two': give 'all', 'one', 'en-x' or a list of pairs"),
        ("cross(pairs='qq-x')", "pairs='qq-x': 'qq' is not a language tag"),
        ("cross(pairs=[])", "pairs=[]: give 'all'"),
        ("cross(pairs=[1])", "pairs=[1]: give 'all'"),
        ("cross(pairs=7)", "pairs=7: give 'all'"),
        ("cross(pairs=['de-en', 'de-en'])", "a pair is duplicated"),
        ("cross(pairs=['de>de'])", "'de>de' is not a pair of two different languages; write query-passage"),
        ("cross(pairs=['de-de'])", "'de-de' is not a pair of two different languages"),
        ("cross(pairs=['de'])", "'de' is not a pair of two different languages"),
        ("hybrid(level='token')", "level='token': alpha is a share of batches ('batch') or of their rows ('row')"),
        ("hybrid(level='row', pairs='one')", "every row draws its own pair"),
        ("hybrid(alpha=linear(0, 1.5))", "stop of linear, a share of mono batches, must be a number from 0 to 1"),
        ("hybrid(alpha=linear(-1, 1))", "start of linear, a share"),
        ("hybrid(alpha=linear(0, 1, steps=0))", "steps of linear must be a whole number from 1 on (got 0)"),
        ("hybrid(alpha=linear(0, 1, steps=0.5))", "(got 0.5)"),
        ("hybrid(alpha=linear(0))", "linear takes start, stop, steps"),
        ("hybrid(alpha=linear(0, 1, 2, 3))", "linear takes start, stop, steps"),
        ("hybrid(alpha=linear(0, stop=1, slope=2))", "slope=2 is not for linear; it takes stop, steps"),
        ("hybrid(alpha=step({0: 2}))", "step 0: the share of mono batches must be a number from 0 to 1 (got 2)"),
        ("hybrid(alpha=step({5: 1}))", "give the share of step 0 as well"),
        ("hybrid(alpha=step({0: 1, -5: 1}))", "a step must be a whole number from 0 on (got -5)"),
        ("hybrid(alpha=step({0: 1, 1.5: 1}))", "(got 1.5)"),
        ("hybrid(alpha=step({}))", "give shares by step"),
        ("hybrid(alpha=step(0.5))", "give shares by step"),
        ("hybrid(alpha=step([0.5]))", "give shares by step"),
        ("hybrid(alpha=cosine(0, 1))", "values that move are linear and step"),
        ("hybrid(alpha=__import__('os').getpid())", "values that move are linear and step"),
        ("hybrid(alpha=linear(__import__('os'), 1))", "values that move are linear and step"),
        ("mono(by=linear(0, 1))", "languages are drawn by 'rows', 'uniform' or 'size'"),
        ("hybrid(alpha=[x for x in (1,)])", "the value must be a number, a text in quotes"),
    ],
)
def test_what_does_not_parse(text: str, message: str) -> None:
    with pytest.raises(InputError, match="^strategy ") as error:
        parse(text)
    assert message in str(error.value)
    with pytest.raises(InputError, match="got nan"):
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
        (hybrid(alpha=linear(0, 1)), [3]),
        (hybrid(alpha=step({0: 0, 9: 0.0})), [1, 3, 4]),
        (hybrid(level="row"), [3]),
        (mono(weights={"en": 1}), [2, 3]),
        (mixed(weights={"en": 0, "de": 1}), [0, 3]),
        (cross(pairs="one"), [1, 3, 4]),
        (cross(pairs="en-x"), [1, 3, 4]),
        (cross(pairs="fr-x"), [4]),
        (cross(pairs=["de-en", "en-fr"]), [1, 3, 4]),
        (cross(pairs=["en-de"]), [3, 4]),
        (cross(weights={"de": 0.5, "en": 0.5}), [1, 3, 4]),
        (cross(weights={"fr": 0.5, "en": 0.5}), [4]),
        (codeswitch(cross(pairs=["en-de"])), [3, 4]),
    ],
)
def test_usable_rows(strategy: Strategy, rows: list[int]) -> None:
    assert np.flatnonzero(strategy.usable(CORPUS)).tolist() == rows


def test_common_rows_serve_every_strategy() -> None:
    assert np.flatnonzero(common_rows(CORPUS, [mono(), cross()])).tolist() == [3]
    assert np.flatnonzero(common_rows(CORPUS, [english(), mixed()])).tolist() == [2, 3]
    assert common_rows(CORPUS, []).all()


def test_languages_of_mono_batches() -> None:
    assert mono().mono_languages(Patterns.of(CORPUS)) == ["de", "en"]  # French has passages only
    assert english().mono_languages(Patterns.of(CORPUS)) == ["en"]
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


def test_languages_that_no_row_has_are_named() -> None:
    for strategy, message in (
        (mono(weights={"th": 1.0}), "weights: language 'th' is in no row; the corpus has de, en, fr"),
        (cross(pairs="th-x"), "pairs='th-x': language 'th' is in no row"),
        (cross(pairs=["de-en", "th-en"]), "pair 'th-en': language 'th' is in no row"),
    ):
        with pytest.raises(InputError, match=message):
            strategy.usable(CORPUS)
        with pytest.raises(InputError, match=message):
            strategy.plan(CORPUS, 1, 2, 0)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (mono(weights={"fr": 1.0}), "weights: no row has its query and its passage in 'fr'; leave 'fr' out"),
        (
            cross(weights={"fr": 1.0}),
            "weights: no row has one side, and the other in another language of weight, in 'fr'",
        ),
        (cross(pairs=["de-en", "de-fr"]), "pair 'de-fr': no row has a query in 'de' and a passage in 'fr'"),
        (cross(pairs="one"), "cross batches in 'de-en': only 2 rows can be in one batch .* leave the pair out"),
    ],
)
def test_languages_and_pairs_that_cannot_be_drawn(strategy: Strategy, message: str) -> None:
    with pytest.raises(InputError, match=message):
        strategy.plan(CORPUS, 1, 3, 0)
