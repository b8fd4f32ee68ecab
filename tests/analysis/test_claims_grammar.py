"""The grammar of claims: what it reads, how it prints, and that nothing but InputError ever comes of a text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridkit.analysis.claims.grammar import (
    DEEPEST,
    LONGEST,
    VARIABLES,
    Call,
    Check,
    Comparison,
    Every,
    Name,
    Number,
    Set,
    Sum,
    parse,
    put,
)
from hybridkit.analysis.claims.vocabulary import MEASURES, WORDS, check_names, instances
from hybridkit.errors import InputError

PIECES = [
    "every",
    "in",
    "and",
    ":",
    ",",
    "(",
    ")",
    "{",
    "}",
    "==",
    "!=",
    "<=",
    ">=",
    "<",
    ">",
    "+",
    "- ",
    "*",
    ".9",
    "110",
    "AP",
    "R@10",
    "best",
    "count",
    "pairs",
    "languages",
    "rank_distance",
    "xquad-r",
    "xquad-r[16:]",
    "mlqa-r",
    "hybrid",
    "mono",
    "cross",
    "pool",
    "unseen",
    "benchmark",
    "encoder",
    "setting",
    "'de>en'",
    '"hybrid(alpha=.25)"',
    "rows",
    "__import__",
    "eval",
    "os.system",
    "lambda",
    "\\",
    "'",
    "\n",
    "é",
    "[",
    ";",
]

MANY = {name: ", ".join([name] * 40) for name in ("atlas", "mono")}


def one(item: Call | Name | Number | Set) -> Sum:
    return Sum(((1.0, item),))


def test_a_comparison_of_scores() -> None:
    check = parse("rank_distance(hybrid, xquad-r) < .9 * rank_distance(mono, xquad-r) - 5")
    distance = [Call("rank_distance", (Name(role), Name("xquad-r"))) for role in ("hybrid", "mono")]
    assert check == Check((), (Comparison(one(distance[0]), "<", Sum(((0.9, distance[1]), (-1.0, Number(5))))),))


def test_variables_sets_and_parts() -> None:
    check = parse("every encoder, benchmark in {xquad-r, 'my rows.jsonl'}: AP in measures(benchmark) and 1 == 2")
    assert check.every == (Every("encoder"), Every("benchmark", (Name("xquad-r"), Name("my rows.jsonl"))))
    assert [part.operator for part in check.parts] == ["in", "=="]
    assert list(instances(check, {"encoder": ("a", "b")})) == [
        {"encoder": "a", "benchmark": "xquad-r"},
        {"encoder": "a", "benchmark": "my rows.jsonl"},
        {"encoder": "b", "benchmark": "xquad-r"},
        {"encoder": "b", "benchmark": "my rows.jsonl"},
    ]


def test_a_dash_is_part_of_a_name_and_a_minus_between_spaces_is_not() -> None:
    assert parse("xquad-r in benchmarks").parts[0].left == one(Name("xquad-r"))
    assert parse("count(a) - 1 == 2").parts[0].left == Sum(((1.0, Call("count", (Name("a"),))), (-1.0, Number(1))))


def test_put_replaces_variables_alone() -> None:
    part = parse("AP(strategy, benchmark, pool) > .5").parts[0]
    assert str(put(part, {"benchmark": "mlqa-r"})) == "AP(strategy, mlqa-r, pool) > 0.5"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the check ends where a name"),
        ("AP(hybrid, xquad-r, pool)", "a comparison"),
        ("AP(hybrid, xquad-r, pool) > ", "the check ends"),
        ("AP(hybrid xquad-r) > 1", "character 11: 'xquad-r) > 1' stands where ')'"),
        ("every dog: 1 == 1", "character 7"),
        ("every benchmark, benchmark: 1 == 1", "stands twice"),
        ("1 == 1 or 2", "'and' or the end"),
        ("AP(hybrid) * 2 > 1", "no '*'"),
        ("a.b().c == 1", "'.c == 1' is nothing"),
        ("f'{1}' == 1", "character 2"),
        ("`ls` == 1", "is nothing that a check can hold"),
        ("1 == 9999999999999999", "is nothing"),
        ("count(" * 9 + "x" + ")" * 9 + " == 1", f"more than {DEEPEST} calls"),
        ("1 == 1 " + "and 1 == 1 " * 100, f"{LONGEST:,} are the most"),
    ],
)
def test_what_is_no_check_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("BLEU(hybrid, xquad-r, pool) > 1", "no 'BLEU'"),
        ("AP(hybird, xquad-r, pool) > 1", "'hybird' is no strategy"),
        ("AP(hybrid, xquad, pool) > 1", "'xquad' is no benchmark"),
        ("AP(hybrid, xquad-r, polo) > 1", "'polo' is no setting"),
        ("AP(hybrid, xquad-r) > 1", "AP takes 3"),
        ("AP(hybrid, benchmark, pool) > 1", "'benchmark' is no benchmark"),
        ("every benchmark in {xquad}: 1 == 1", "'xquad' is no benchmark"),
        ("every encoder in {bert}: 1 == 1", "'bert' is no encoder"),
        ("AP(hybrid, miracl, mono) > 1", "miracl has no measure 'AP'"),
        ("nDCG@10(hybrid, miracl, cross) > 1", "miracl has no setting 'cross'"),
        ("rank_distance(hybrid, miracl) > 1", "miracl has no measure 'rank_distance'"),
        ("R@100(hybrid, xquad-r, pool) > 1", "xquad-r has no measure 'R@100'"),
        ("every benchmark in {xquad-r, miracl}: AP(hybrid, benchmark, pool) > 1", "miracl has no measure 'AP'"),
        ("best(AP, xquad-r, pool) == english", "'english' is no strategy"),
        ("best(AP, xquad-r, pool) > hybrid", "compare like with like"),
        ("best(AP, xquad-r, pool) == languages(rows)", "compare like with like"),
        ("AP(hybrid, xquad-r, pool) > AP(mono, xquad-r, cross)", "differ in more than the strategy"),
        ("AP(hybrid, xquad-r, pool) > AP(mono, mlqa-r, pool)", "differ in more than the strategy"),
        ("AP(hybrid, xquad-r, pool) == {de}", "compare like with like"),
        ("languages(xquad-r) == {de, klingon}", "'klingon' is no language"),
        ("kinds(hybrid) == {mono, dual}", "'dual' is no kind"),
        ("start == good", "'good' is no start"),
        ("2 * languages(xquad-r) == 11", "only scores and numbers"),
        ("count(xquad-r) == 11", "count takes a set"),
        ("hybrid == hybrid", "compare like with like"),
        ("11 in languages(xquad-r)", "'in' asks"),
        ("dog in benchmarks", "'dog' is no benchmark"),
        ("os.system('ls') == 1", "no 'os.system'"),
        ("every benchmark in {}: 1 == 1", "no name at all"),
        (f"every benchmark in {{{MANY['atlas']}}}, strategy in {{{MANY['mono']}}}: 1 == 1", "1,600 times"),
    ],
)
def test_names_that_the_kit_does_not_know(text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        check_names(parse(text))
    assert told in str(error.value)
    assert str(error.value).startswith("character ")


@pytest.mark.parametrize(
    "text",
    [
        "AP(hybrid, xquad-r, pool) > AP(mono, xquad-r, pool)",
        "every benchmark, encoder: best(AP, benchmark, pool) == hybrid",
        "every strategy in {mono, cross}: AP(hybrid, atlas, pool) > AP(strategy, atlas, pool)",
        "count(pairs(xquad-r, cross)) == 110 and 'de>en' in pairs(xquad-r, cross)",
        "kinds(hybrid) == {mono, cross} and languages(atlas) <= {de, en} and languages(rows) != {}",
        'AP("hybrid(alpha=.25)", "xquad-r[16:]", seen-unseen) - AP(english, "xquad-r[16:]", seen-unseen) >= .01',
        "nDCG@10(hybrid, miracl, mono) > nDCG@10(untrained, miracl, mono)",
        "xquad-r in benchmarks and labse in encoders and AP in measures(xquad-r)",
        "leaks(xquad-r) == 0 and relatives(xquad-r) == {} and parallel(mlqa-r) >= 2 and start == pretrained",
    ],
)
def test_checks_that_make_sense(text: str) -> None:
    check_names(parse(text))


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join) | st.text(max_size=60))
@example("every benchmark: AP(hybrid, benchmark, pool) > .9 * AP(mono, benchmark, pool)")
@example("((((" * 200)
@example("{" * 999)
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
    names = {
        item.name for part in check.parts for _, item in (*part.left.terms, *part.right.terms) if isinstance(item, Call)
    }
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
def test_any_quoted_name_is_known_or_an_input_error(text: str) -> None:
    for frame in FRAMES:
        try:
            check_names(parse(frame.format(text)))
        except InputError as error:
            assert str(error).startswith("character ")


ROLES = st.sampled_from(["mono", "cross", "hybrid", "untrained", "english", "strategy"])
BENCHMARKS = st.sampled_from(["xquad-r", "mlqa-r", "atlas", "miracl", "benchmark", "nothing"])
SETTINGS = st.sampled_from(["mono", "cross", "pool", "unseen", "setting", "rank"])
SCORES = st.builds(
    lambda *names: "{}({}, {}, {})".format(*names), st.sampled_from(MEASURES), ROLES, BENCHMARKS, SETTINGS
)
HEADS = st.sampled_from(["", *(f"every {name}: " for name in VARIABLES), "every strategy, benchmark, setting: "])


@given(HEADS, SCORES, st.sampled_from(["<", ">=", "=="]), SCORES | st.just(".5"))
def test_near_checks_pass_or_are_told(head: str, left: str, operator: str, right: str) -> None:
    check = parse(f"{head}{left} {operator} {right}")
    try:
        check_names(check)
    except InputError as error:
        assert "character" in str(error)
        return
    free = {one.variable for one in check.every}
    named = {
        name
        for part in check.parts
        for _, item in (*part.left.terms, *part.right.terms)
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
