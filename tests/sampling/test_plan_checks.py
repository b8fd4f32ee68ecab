"""Checks of a plan find what was done to it, and nothing in a plan as it was made."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import Row
from hybridkit.errors import InputError
from hybridkit.models.embedding import text_lengths
from hybridkit.sampling import BatchPlan, Strategy, codeswitch, cross, english, hybrid, linear, mixed, mono, step
from hybridkit.sampling.plan_checks import PlanReport, check_plan, interval, moving_interval

TAGS = ("de", "en", "th")


def rows(count: int, shared: int = 0) -> ParallelCorpus:
    """Rows known in three languages; the first `shared` of them have one passage."""
    return ParallelCorpus.from_rows(
        Row(
            f"r{n}",
            f"p{0 if n < shared else n}",
            f"r{n}",
            {tag: f"q{n} {tag}" for tag in TAGS},
            {tag: f"a passage {0 if n < shared else n} {tag}" for tag in TAGS},
            {},
        )
        for n in range(count)
    )


CORPUS = rows(60)


def wrong(report: PlanReport) -> list[str]:
    return report.checks.loc[~report.checks["ok"], "check"].tolist()


def value_of(report: PlanReport, check: str) -> object:
    return report.checks.set_index("check")["value"][check]


@pytest.mark.parametrize(
    "strategy",
    [
        english(),
        mixed(),
        mono(),
        mono(by="uniform", draw="independent"),
        cross(),
        hybrid(alpha=0.3),
        hybrid(alpha=0.3, draw="independent"),
        hybrid(alpha=linear(0, 1), draw="independent"),
        mixed(by="size"),
        mono(weights={"de": 0.9, "th": 0.1}),
        cross(pairs="one"),
        cross(pairs="en-x"),
        cross(pairs=["de-en"]),
        cross(weights={"de": 0.5, "en": 0.4, "th": 0.1}),
        hybrid(alpha=0.5, pairs="one"),
        hybrid(alpha=linear(0, 1)),
        hybrid(alpha=step({0: 1.0, 100: 0.5})),
        hybrid(alpha=0.3, level="row"),
        hybrid(alpha=linear(0, 1, steps=100), level="row", pairs="en-x"),
    ],
    ids=str,
)
def test_a_plan_as_it_was_made_keeps_to_its_strategy(strategy: Strategy) -> None:
    report = check_plan(strategy.plan(CORPUS, 400, 7, 3), CORPUS)
    assert wrong(report) == []
    assert report.ok
    assert report.text.splitlines()[0] == f"Plan of {strategy}, seed 3, 400 batches of 7: every check is as expected"
    for _, part in report.languages.groupby(["kind", "side"]):
        assert part["share"].sum() == pytest.approx(1)
        assert ((part["low"] <= part["share"]) & (part["share"] <= part["high"])).all()


def test_a_wrapper_is_looked_at_by_the_strategy_within() -> None:
    plan = replace(mono().plan(CORPUS, 50, 4, 0), strategy=str(codeswitch(mono())))
    assert check_plan(plan, CORPUS).ok


def test_numbers_of_a_plan_by_hand() -> None:
    draws = np.array([[[0, 0, 0], [1, 0, 0]], [[2, 0, 1], [3, 1, 2]], [[1, 2, 2], [0, 2, 2]]], dtype=np.int32)
    strategy = "hybrid(draw='independent', alpha=0.5)"
    plan = BatchPlan(draws, np.array(["mono", "cross", "mono"], dtype=object), TAGS, strategy, 0, CORPUS.fingerprint)
    assert wrong(check_plan(plan, CORPUS, hybrid(alpha=0.5))) == []  # half of 3 is 2, rounded
    assert wrong(check_plan(plan, CORPUS, hybrid(alpha=0.4))) == ["mono batches"]  # one of 3
    report = check_plan(plan, CORPUS)
    assert report.ok
    lines = report.checks.set_index("check")
    assert tuple(lines.loc["mono batches", ["value", "expected"]]) == (2, "0 to 3 of 3, mean 1.5")
    assert value_of(report, "draws of a row in mono batches") == "0 to 1"
    assert lines.loc["draws of a row in mono batches", "expected"] == "by language, mean 0.00 to 0.03"  # 2 of 60 rows
    assert lines.loc["draws of a row in cross batches", "expected"] == "mean 0.03"
    shares = report.languages.set_index(["kind", "side", "language"])["share"]
    assert [shares["mono", "both", tag] for tag in TAGS] == [0.5, 0, 0.5]
    assert [shares["cross", "query", tag] for tag in TAGS] == [0.5, 0.5, 0]
    assert [shares["cross", "passage", tag] for tag in TAGS] == [0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("strategy", "change", "found"),
    [
        (mono(), (0, 1, 0, 1), "batches with twins, a shared passage or an equal text"),  # row 1 beside row 0
        (cross(), (0, 1, 0, 1), "batches with an equal normalised text, of 200 that were read"),
        (mono(), (5, 0, 2, 9), "batches against the rule of their kind"),
        (mixed(), (5, 0, 2, 9), "batches against the rule of their kind"),
        (cross(), (5, 0, 2, 9), "batches against the rule of their kind"),
        (cross(pairs="one"), (5, 0, 2, 9), "batches against the rule of their kind"),
    ],
    ids=str,
)
def test_what_was_done_to_one_draw(strategy: Strategy, change: tuple[int, ...], found: str) -> None:
    corpus = rows(60, shared=2)
    plan = strategy.plan(corpus, 200, 7, 0)
    draws = plan.draws.copy()
    at, slot, column, value = change
    if column == 0:  # rows 0 and 1 share their passage
        draws[at, 0, 0], draws[at, slot, 0] = 0, value
    else:  # another passage language: the query's own in a cross batch, else another
        own = draws[at, slot, 1]
        draws[at, slot, 2] = own if strategy == cross() else next(n for n in range(3) if n not in draws[at, slot, 1:])
    report = check_plan(replace(plan, draws=draws), corpus)
    assert found in wrong(report)
    assert "LOOK" in report.text.splitlines()[0]


def test_a_text_that_does_not_exist() -> None:
    some = ParallelCorpus.from_rows(
        Row(f"r{n}", f"r{n}", f"r{n}", {"de": f"q{n}"}, {"de": f"d{n}", **({"en": f"e{n}"} if n else {})}, {})
        for n in range(9)
    )
    plan = mono().plan(some, 1, 9, 0)
    draws = plan.draws.copy()
    draws[0, draws[0, :, 0] == 0, 2] = 1  # row 0 has no English passage
    assert value_of(check_plan(replace(plan, draws=draws), some), "draws of a text that does not exist") == 1


def test_kinds_languages_and_pairs_that_are_no_chance() -> None:
    plan = hybrid(alpha=0.5).plan(CORPUS, 400, 7, 3)
    assert wrong(check_plan(plan, CORPUS, hybrid(alpha=0.3))) == ["mono batches", "cross batches"]
    assert wrong(check_plan(plan, CORPUS, hybrid(alpha=linear(0, 0.6)))) == ["mono batches", "cross batches"]
    skewed = check_plan(plan, CORPUS, hybrid(alpha=0.5, weights={"de": 0.6, "en": 0.4}))
    assert [check for check in wrong(skewed) if "by chance" in check] == [
        "languages of mono batches drawn more or less often than by chance",
        "pairs of languages of cross batches drawn more or less often than by chance",
    ]
    assert str(value_of(skewed, "languages of mono batches drawn more or less often than by chance")).count("th ") == 1
    rows_of = hybrid(alpha=0.5, level="row").plan(CORPUS, 200, 8, 0)
    report = check_plan(rows_of, CORPUS, hybrid(alpha=0.25, level="row"))
    assert value_of(report, "batches whose share of same-language rows is a row or more from alpha") == 200


def test_rows_that_are_drawn_too_often_and_rows_that_fall_behind() -> None:
    plan = cross().plan(CORPUS, 30, 4, 0)  # 120 draws: each row twice
    check = "draws of a row in cross batches"
    assert value_of(check_plan(plan, CORPUS), check) == "2 to 2"
    draws = plan.draws.copy()
    draws[draws[..., 0] == 5, 0] = 6
    report = check_plan(replace(plan, draws=draws), CORPUS)
    assert value_of(report, check) == "0 to 4"
    assert f"{check}, the largest difference" in wrong(report)
    large = rows(40, shared=30)
    report = check_plan(cross().plan(large, 40, 8, 0), large)
    assert wrong(report) == []
    assert "30 rows fall behind" in report.checks.set_index("check").loc[check, "expected"]


class Cutting(list[SimpleNamespace]):
    """What is asked of an encoder that cuts texts: its input module, with a tokenizer, and its prompts."""

    def __init__(self, tokenizer: Tokenizer, longest: int | None, prompts: dict[str, str]) -> None:
        super().__init__([SimpleNamespace(tokenizer=tokenizer, max_seq_length=longest)])
        self.prompts = prompts

    @property
    def max_seq_length(self) -> int | None:
        return self[0].max_seq_length


def test_texts_that_are_cut() -> None:
    """Queries are two words ("q1 de"), passages four ("a passage 1 de"); a prompt of two words counts."""
    words = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = WhitespaceSplit()  # type: ignore[assignment]
    plan = mono().plan(CORPUS, 30, 4, 0)
    cut = ["query texts that are cut", "passage texts that are cut"]
    for longest, given, prompts, shares in (
        (3, None, {}, (0.0, 1.0)),
        (4, None, {}, (0.0, 0.0)),
        (4, 3, {"query": "ask: me: "}, (1.0, 1.0)),
        (3, 9, {"query": "ask: me: "}, (1.0, 1.0)),
    ):
        encoder = Cutting(words, longest, prompts)
        report = check_plan(plan, CORPUS, None, text_lengths(encoder, given))  # type: ignore[arg-type]
        assert tuple(value_of(report, check) for check in cut) == shares
        assert wrong(report) == [check for check, share in zip(cut, shares, strict=True) if share]
    endless = Cutting(words, None, {})
    assert not set(cut) & set(check_plan(plan, CORPUS, None, text_lengths(endless)).checks["check"])  # type: ignore[arg-type]


def test_a_plan_of_another_corpus() -> None:
    with pytest.raises(InputError, match="another corpus"):
        check_plan(mono().plan(CORPUS, 3, 4, 0), rows(61))


def test_intervals() -> None:
    from scipy.stats import poisson_binom

    low, high = interval(1000, np.array([0.0, 0.3, 1.0]))
    assert (low[0], high[0], low[2], high[2]) == (0, 0, 1000, 1000)
    assert (low[1], high[1]) == (253, 348)  # 300 -+ 3.29 * sqrt(1000 * .3 * .7) = 300 -+ 47.7
    shares = np.linspace(0, 1, 50)
    assert moving_interval(shares) == tuple(int(end) for end in poisson_binom(shares).interval(0.999))
    assert moving_interval(np.full(300, 0.3)) == tuple(int(end) for end in interval(300, np.array(0.3)))
