"""The grammar of claims: what it reads, how it prints, and that nothing but InputError ever comes of a text."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridkit.analysis.claims.checks import (
    DEEPEST,
    LONGEST,
    MEASURES,
    VARIABLES,
    WORDS,
    Call,
    check_names,
    instances,
    parse,
    put,
)
from hybridkit.errors import InputError

TEXT = """every in and : , ( ) { } == != <= >= < > + - * .9 110 AP best count pairs languages rank_distance hybrid
mono cross pool unseen benchmark encoder setting rows __import__ eval os.system lambda \\ ' é [ ] ; # @ for if ** -1 1j
True 'R@10' 'xquad-r' 'xquad-r[16:]' 'mlqa-r' 'de>en' 'hybrid(alpha=.25)'"""
PIECES = [*TEXT.split(), "\n"]

MANY = {name: ", ".join([name] * 40) for name in ("atlas", "mono")}


def test_a_comparison_of_scores() -> None:
    (part,) = parse("rank_distance(hybrid, 'xquad-r') < .9 * rank_distance(mono, 'xquad-r') - 5").parts
    ((factor, left),) = part.left
    assert (factor, part.operator) == (1.0, "<") and isinstance(left, Call)
    assert (left.name, left.arguments) == ("rank_distance", ("hybrid", "xquad-r"))
    assert [(factor, str(item)) for factor, item in part.right] == [
        (0.9, "rank_distance(mono, 'xquad-r')"),
        (-1.0, "5.0"),
    ]


def test_variables_sets_and_parts() -> None:
    check = parse("every encoder, benchmark in {'xquad-r', 'my rows.jsonl'}: AP in measures(benchmark) and 1 == 2")
    assert check.every == {"encoder": None, "benchmark": ("xquad-r", "my rows.jsonl")}
    assert [part.operator for part in check.parts] == ["in", "=="]
    assert list(instances(check, {"encoder": ("a", "b")})) == [
        {"encoder": "a", "benchmark": "xquad-r"},
        {"encoder": "a", "benchmark": "my rows.jsonl"},
        {"encoder": "b", "benchmark": "xquad-r"},
        {"encoder": "b", "benchmark": "my rows.jsonl"},
    ]


def test_put_replaces_variables_alone() -> None:
    part = parse("AP(strategy, benchmark, pool) > .5").parts[0]
    assert str(put(part, {"benchmark": "mlqa-r"})) == "AP(strategy, 'mlqa-r', pool) > 0.5"
    assert str(put(part, {"benchmark": "in", "strategy": "mono"})) == "AP(mono, 'in', pool) > 0.5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the check cannot be read"),
        ("AP(hybrid, 'xquad-r', pool)", "a comparison"),
        ("AP(hybrid, 'xquad-r', pool) > ", "the check cannot be read"),
        ("AP(hybrid, xquad-r, pool) > 1", '"xquad - r": a name is expected'),
        ("every dog: 1 == 1", '"dog": a variable'),
        ("every benchmark, benchmark: 1 == 1", "the variable 'benchmark' is duplicated"),
        ("every benchmark: 1 == 1][encoder: 1 == 1", "'every' takes variables"),
        ("every benchmark: 1 == 1] + x[0:1", "'every' takes variables"),
        ("every benchmark: 1 == 1: 2", "'every' takes variables"),
        ("1 == 1 or 2", "a comparison"),
        ("1 < 2 < 3", "a comparison"),
        ("1 is 1", "a comparison"),
        ("AP(hybrid) * 2 > 1", "a number before '*'"),
        ("-1 == 1", '"-1": a name'),
        ("True == 1", '"True": a name'),
        ("a.b().c == 1", '"a.b().c": a name'),
        ("AP(hybrid, on='x') == 1", ": a name"),
        ("AP(*x) == 1", ": a name"),
        ("f'{1}' == 1", ": a name"),
        ("(lambda: 1) == 1", ": a name"),
        ("[x for x in y] == 1", ": a name"),
        ("{'a': 1} == 1", "a set such as"),
        ("`ls` == 1", "the check cannot be read"),
        ("1 == 9999999999999999", ": a name"),
        ("1 == 1e999", ": a name"),
        ("count(" * 9 + "x" + ")" * 9 + " == 1", f"more than {DEEPEST} calls"),
        ("1 == 1 " + "and 1 == 1 " * 100, f"{LONGEST:,} are the most"),
    ],
)
def test_what_is_not_a_check_is_named_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BLEU(hybrid, 'xquad-r', pool) > 1", "no 'BLEU'"),
        ("AP(hybird, 'xquad-r', pool) > 1", "'hybird' is not a strategy"),
        ("AP(hybrid, xquad, pool) > 1", "'xquad' is not a benchmark"),
        ("AP(hybrid, 'xquad-r', polo) > 1", "'polo' is not a setting"),
        ("AP(hybrid, 'xquad-r') > 1", "AP takes 3"),
        ("AP(hybrid, benchmark, pool) > 1", "'benchmark' is not a benchmark"),
        ("every benchmark in {xquad}: 1 == 1", "'xquad' is not a benchmark"),
        ("every encoder in {bert}: 1 == 1", "'bert' is not an encoder"),
        ("AP(hybrid, miracl, mono) > 1", "miracl has no measure 'AP'"),
        ("'nDCG@10'(hybrid, miracl, cross) > 1", "miracl has no setting 'cross'"),
        ("rank_distance(hybrid, miracl) > 1", "miracl has no measure 'rank_distance'"),
        ("'R@100'(hybrid, 'xquad-r', pool) > 1", "xquad-r has no measure 'R@100'"),
        ("every benchmark in {'xquad-r', miracl}: AP(hybrid, benchmark, pool) > 1", "miracl has no measure 'AP'"),
        ("best(AP, 'xquad-r', pool) == english", "'english' is not a strategy"),
        ("best(AP, 'xquad-r', pool) > hybrid", "compare like with like"),
        ("best(AP, 'xquad-r', pool) == languages(rows)", "compare like with like"),
        ("AP(hybrid, 'xquad-r', pool) > AP(mono, 'xquad-r', cross)", "differ in more than the strategy"),
        ("AP(hybrid, 'xquad-r', pool) > AP(mono, 'mlqa-r', pool)", "differ in more than the strategy"),
        ("AP(hybrid, 'xquad-r', pool) == {de}", "compare like with like"),
        ("languages('xquad-r') == {de, klingon}", "'klingon' is not a language"),
        ("kinds(hybrid) == {mono, dual}", "'dual' is not a kind"),
        ("start == good", "'good' is not a start"),
        ("2 * languages('xquad-r') == 11", "only scores and numbers"),
        ("count('xquad-r') == 11", "count takes a set"),
        ("hybrid == hybrid", "compare like with like"),
        ("11 in languages('xquad-r')", "'in' tests"),
        ("dog in benchmarks", "'dog' is not a benchmark"),
        ("os.system('ls') == 1", ": a name"),
        ("every benchmark in {}: 1 == 1", "has no name to take"),
        (f"every benchmark in {{{MANY['atlas']}}}, strategy in {{{MANY['mono']}}}: 1 == 1", "1,600 comparisons"),
    ],
)
def test_names_that_the_kit_does_not_know(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_names(parse(text))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "AP(hybrid, 'xquad-r', pool) > AP(mono, 'xquad-r', pool)",
        "every benchmark, encoder: best(AP, benchmark, pool) == hybrid",
        "every strategy in {mono, cross}: AP(hybrid, atlas, pool) > AP(strategy, atlas, pool)",
        "count(pairs('xquad-r', cross)) == 110 and 'de>en' in pairs('xquad-r', cross)",
        "kinds(hybrid) == {mono, cross} and languages(atlas) <= {de, en} and languages(rows) != {}",
        'AP("hybrid(alpha=.25)", "xquad-r[16:]", "seen-unseen") - AP(english, "xquad-r[16:]", "seen-unseen") >= .01',
        "'nDCG@10'(hybrid, miracl, mono) > 'nDCG@10'(untrained, miracl, mono)",
        "'xquad-r' in benchmarks and labse in encoders and AP in measures('xquad-r')",
        "leaks('xquad-r') == 0 and relatives('xquad-r') == {} and parallel('mlqa-r') >= 2 and start == pretrained",
    ],
)
def test_checks_that_make_sense(text: str) -> None:
    check_names(parse(text))


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join) | st.text(max_size=60))
@example("every benchmark: AP(hybrid, benchmark, pool) > .9 * AP(mono, benchmark, pool)")
@example("((((" * 200)
@example("{" * 999)
@example("a" + "+a" * 490)
@example("- " * 490 + "1")
@example("not " * 240 + "1")
def test_any_text_reads_and_prints_back_or_is_an_input_error(text: str) -> None:
    try:
        check = parse(text)
    except InputError:
        return
    assert parse(str(check)) == check
    try:
        check_names(check)
    except InputError:
        return
    names = {item.name for part in check.parts for item in part.items if isinstance(item, Call)}
    assert names <= set(WORDS)


FRAMES = (
    'AP("{}", atlas, pool) > 1',
    'AP(mono, "{}", pool) > 1',
    'AP(mono, atlas, "{}") > 1',
    '"{}" in encoders',
    'languages(rows) == {{"{}"}}',
    '"{}" in pairs(atlas, cross)',
)


@given(st.text(max_size=20).filter(lambda text: not set(text) & set('"\n')))
@example("hybrid(alpha=0.5")
@example("codeswitch(codeswitch(mono))")
@example("zh-")
@example("\0[1:")
@example("\\d")
def test_any_quoted_name_is_known_or_an_input_error(text: str) -> None:
    for frame in FRAMES:
        with suppress(InputError):
            check_names(parse(frame.format(text)))


ROLES = st.sampled_from(["mono", "cross", "hybrid", "untrained", "english", "strategy"])
BENCHMARKS = st.sampled_from(["'xquad-r'", "'mlqa-r'", "atlas", "miracl", "benchmark", "nothing"])
SETTINGS = st.sampled_from(["mono", "cross", "pool", "unseen", "setting", "rank"])
SCORES = st.builds(
    lambda *names: "'{}'({}, {}, {})".format(*names), st.sampled_from(MEASURES), ROLES, BENCHMARKS, SETTINGS
)
HEADS = st.sampled_from(["", *(f"every {name}: " for name in VARIABLES), "every strategy, benchmark, setting: "])


@given(HEADS, SCORES, st.sampled_from(["<", ">=", "=="]), SCORES | st.just(".5"))
def test_near_checks_pass_or_are_input_errors(head: str, left: str, operator: str, right: str) -> None:
    check = parse(f"{head}{left} {operator} {right}")
    try:
        check_names(check)
    except InputError:
        return
    free = set(check.every)
    named = {
        name
        for part in check.parts
        for item in part.items
        if isinstance(item, Call)
        for name in map(str, item.arguments)
    }
    assert named <= free | {
        "mono",
        "cross",
        "hybrid",
        "untrained",
        "english",
        "xquad-r",
        "mlqa-r",
        "atlas",
        "miracl",
        "pool",
        "unseen",
    }
