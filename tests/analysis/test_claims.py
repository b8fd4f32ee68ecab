"""The ledger of claims: its file, its verdicts by hand, its numbers against scipy and the test of significance."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hybridkit.analysis.claims import study_facts
from hybridkit.analysis.claims.checks import parse
from hybridkit.analysis.claims.facts import NAN, Difference, Fact, NotTestable, PublishedFacts, ScoreQuery
from hybridkit.analysis.claims.file import check_claims, open_claims
from hybridkit.analysis.claims.ledger import (
    FAILS,
    GIVEN,
    HOLDS,
    NOT_SHOWN,
    UNTESTED,
    answer_text,
    as_html,
    evaluate,
    evidence,
    judge,
    matrix,
    summary,
    verdict_of,
)
from hybridkit.analysis.claims.study_facts import StudyFacts
from hybridkit.errors import InputError
from hybridkit.evaluation.clusters import ClusterSums, model_sums
from hybridkit.evaluation.measures import per_query
from hybridkit.evaluation.significance import FIXED, contrast, trainings_of
from hybridkit.study.run import Run
from hybridkit.study.settings import open_study
from hybridkit.utils.paths import checkout, runs_folder

ONE = "- id: 1\n  text: a claim\n  source: somebody\n  check: count(languages(atlas)) == 11\n"


def printed() -> dict[tuple[str, str, str, str], dict[str, float]]:
    """The paper's table as it lies there: mAP and distance by backbone, dataset, setting, language and sampling."""
    path = (checkout() or Path()) / "data" / "published" / "hybrid_2408.10536_iclr25.csv"
    found: dict[tuple[str, str, str, str], dict[str, float]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["backbone"], row["dataset"], f"{row['setting']} {row['metric']}", row["language"])
            found.setdefault(key, {})[row["sampling"]] = float(row["value"])
    return found


def verdicts(number: str) -> Any:
    (entry,) = judge([claim for claim in open_claims() if claim.id == number], PublishedFacts())
    return entry


def test_the_twelve_claims_are_there_and_make_sense() -> None:
    check_claims()
    claims = open_claims()
    assert [claim.id for claim in claims] == [str(number) for number in range(1, 13)]
    assert all("2408.10536" in claim.source for claim in claims)


def test_the_figures_that_claims_name_are_drawn_by_a_notebook() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (checkout() or Path()).glob("notebooks/*.py"))
    for claim in open_claims():
        assert f'"{claim.figure}"' in sources, claim.id
    entries = judge(open_claims()[:2], PublishedFacts())
    assert summary(entries, ["04_settings"])["figure"].tolist() == [
        "02_batch_composition (not drawn in this run)",
        "04_settings",
    ]


def test_claim_9_is_not_shown_by_the_printed_numbers_for_xlm_r_on_xquad_r() -> None:
    entry = verdicts("9")
    assert (entry.verdict, entry.words) == (NOT_SHOWN, "not shown in the published tables")
    assert entry.sentence.startswith("3 of 4 comparisons hold.")
    outcomes = {(one.encoder, one.part.split(", ")[1].strip("'")): one for one in entry.answers}
    for (backbone, dataset, kind, language), values in printed().items():
        if kind == "multilingual mAP" and language == "mean":
            best = values["Hybrid"] > max(values["X-X-mono"], values["X-Y"])
            assert outcomes[backbone.lower(), dataset.lower()].outcome == (HOLDS if best else NOT_SHOWN)
    lost = outcomes["xlm-r", "xquad-r"]
    assert (lost.outcome, lost.value, lost.against) == (NOT_SHOWN, ".5927", ".5934 of cross")
    assert ".5927 against .5934 of cross" in entry.sentence


def test_the_published_tables_on_all_twelve() -> None:
    found = {entry.claim.id: entry.verdict for entry in judge(open_claims(), PublishedFacts())}
    untested = dict.fromkeys(("1", "4", "5", "12"), UNTESTED)
    assert found == untested | {
        "2": HOLDS,
        "3": NOT_SHOWN,  # what is printed holds, and the rest is not printed
        "6": HOLDS,
        "7": HOLDS,
        "8": NOT_SHOWN,
        "9": NOT_SHOWN,  # without an interval, a wrong sign contradicts nothing
        "10": NOT_SHOWN,
        "11": HOLDS,
    }
    lost = [one for one in verdicts("10").answers if one.outcome == NOT_SHOWN]
    assert [(one.encoder, one.part) for one in lost] == [("xlm-r", "best(AP, 'xquad-r', pool) == hybrid")]


def test_claim_11_on_published_distances() -> None:
    table = printed()
    for answer in verdicts("11").answers:
        backbone = {"xlm-r": "XLM-R", "labse": "LaBSE"}[answer.encoder]
        dataset = "XQuAD-R" if "xquad-r" in answer.part else "MLQA-R"
        row = table[backbone, dataset, "multilingual rank_distance", "mean"]
        assert answer.difference.difference == pytest.approx(row["Hybrid"] - 0.9 * row["X-X-mono"])
        assert answer.outcome == HOLDS and math.isnan(answer.difference.low)


def test_published_means_are_the_means_of_their_languages() -> None:
    wanted = ("LaBSE", "MLQA-R", "cross-lingual mAP")
    specs = [values["Hybrid"] for key, values in printed().items() if key[:3] == wanted and key[3] != "mean"]
    assert len(specs) == 7
    arguments = ("AP", "hybrid(alpha=0.5)", "mlqa-r", "cross")
    assert PublishedFacts().fact("macro", arguments, "labse") == pytest.approx(np.mean(specs))


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: 1\n", None, "not a list of claims"),
        ("- [1\n", 2, "not YAML"),
        ("- just text\n", 1, "a claim is a mapping"),
        ("- id: 1\n  text: t\n  source: s\n", 1, "the key 'check' is missing"),
        (ONE + "  chek: x\n", 5, "unknown key 'chek'"),
        (ONE + "  text: again\n", 5, "'text' is duplicated"),
        (ONE + ONE, 5, "the id '1' is in line 1 already"),
        (ONE.replace("a claim", "[a, list]"), 2, "text is to be a text"),
        (ONE.replace("== 11", "=! 11"), 4, "check: the check cannot be read"),
        (ONE.replace("atlas", "atlass"), 4, "'atlass' is not a benchmark"),
        (ONE + "  instead: AP(hybrid, miracl, mono) > 1\n", 5, "instead: AP(hybrid, miracl, mono)"),
        (ONE + "  figure: ../x\n", 5, "is not a name such as 04_settings"),
        (ONE.replace("count(", "!!python/object/apply:os.system [ls] #"), 4, "is to be a text"),
        ("- &a\n  id: *a\n", 1, None),
    ],
)
def test_a_wrong_file_is_told_with_its_line(text: str, line: int | None, told: str | None, tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        check_claims(path)
    assert str(error.value).startswith(str(path) + (f", line {line}: " if line and told else ""))
    assert (told or "") in str(error.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        check_claims("nowhere/claims.yaml")


class Double:
    """Facts by hand: scores by strategy and benchmark, how far intervals lie around a difference, how many seeds."""

    title = "this double"
    constructed = frozenset({"benchmarks", "leaks"})
    chosen = frozenset({"benchmarks"})

    def __init__(self, scores: dict[tuple[str, str], float], around: float = 0.01, crossed: float = 0.02) -> None:
        self.scores, self.around, self.crossed = scores, around, crossed

    def names(self, variable: str) -> tuple[str, ...]:
        return {"encoder": ("labse",), "benchmark": ("atlas", "xquad-r")}.get(variable, ("mono", "cross"))

    def score(self, one: ScoreQuery) -> float:
        if (one.strategy, one.benchmark) not in self.scores:
            raise NotTestable(f"no {one.benchmark}", f"{one.benchmark} in the study", "benchmark")
        return self.scores[one.strategy, one.benchmark]

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        scores = tuple(self.score(one) for _, one in terms)
        found = sum(factor * score for (factor, _), score in zip(terms, scores, strict=True)) + constant
        chances: list[float] = []
        for around in (self.around, self.crossed):
            p = NAN if math.isnan(around) else 0.001 if abs(found) > around else 0.5
            chances += [found - around, found + around, p]
        trained = any(one.strategy != "untrained" for _, one in terms)
        seeds = 2 if math.isnan(self.crossed) else 3
        return Difference(found, *chances, seeds, "seeds", trained, basis="double", scores=scores)

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        return {"leaks": 2.0, "relatives": frozenset({"a set"}), "benchmarks": frozenset({"atlas"})}[name]

    def note(self, name: str, arguments: tuple[str, ...]) -> str:
        return "a note" * (name == "leaks")


SCORES = {
    ("untrained", "atlas"): 0.3,
    ("mono", "atlas"): 0.5,
    ("hybrid(alpha=0.5)", "atlas"): 0.6,
    ("cross", "atlas"): 0.4,
}


@pytest.mark.parametrize(
    ("check", "around", "crossed", "outcome"),
    [
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.05, 0.07, HOLDS),
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.15, 0.05, NOT_SHOWN),
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.05, 0.15, NOT_SHOWN),
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.05, NAN, NOT_SHOWN),  # fewer than three trainings
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", NAN, NAN, NOT_SHOWN),
        ("AP(mono, atlas, pool) > AP(hybrid, atlas, pool)", 0.05, 0.07, FAILS),
        ("AP(mono, atlas, pool) > AP(hybrid, atlas, pool)", 0.15, 0.15, NOT_SHOWN),  # a wrong sign inside the interval
        ("AP(mono, atlas, pool) > AP(hybrid, atlas, pool)", 0.05, 0.15, NOT_SHOWN),
        ("AP(mono, atlas, pool) > AP(hybrid, atlas, pool)", 0.05, NAN, NOT_SHOWN),
        ("AP(mono, atlas, pool) < AP(hybrid, atlas, pool)", 0.05, 0.07, HOLDS),
        ("AP(mono, atlas, pool) >= AP(mono, atlas, pool)", 0.05, 0.07, NOT_SHOWN),
        ("AP(mono, atlas, pool) == AP(hybrid, atlas, pool)", 0.05, 0.07, FAILS),
        ("AP(mono, atlas, pool) == AP(hybrid, atlas, pool)", 0.05, 0.15, NOT_SHOWN),
        ("AP(mono, atlas, pool) == .5", 0.05, 0.07, NOT_SHOWN),  # no interval shows that two numbers are equal
        ("AP(mono, atlas, pool) != AP(hybrid, atlas, pool)", 0.05, 0.07, HOLDS),
        ("AP(cross, atlas, pool) < .9 * AP(mono, atlas, pool)", 0.03, 0.04, HOLDS),
        ("AP(cross, atlas, pool) < .7 * AP(mono, atlas, pool)", 0.03, 0.04, FAILS),
        ("AP(hybrid, atlas, pool) - AP(mono, atlas, pool) > .05", 0.03, 0.04, HOLDS),
        ("AP(untrained, atlas, pool) > .2", 0.05, NAN, HOLDS),  # nothing was trained: questions alone decide
        ("AP(untrained, atlas, pool) > .29", 0.05, NAN, NOT_SHOWN),
        ("best(AP, atlas, pool) == hybrid", 0.05, 0.07, HOLDS),
        ("best(AP, atlas, pool) == hybrid", 0.05, 0.15, NOT_SHOWN),
        ("best(AP, atlas, pool) == mono", 0.05, 0.07, FAILS),
        ("best(AP, atlas, pool) == mono", 0.05, 0.15, NOT_SHOWN),
        ("AP(hybrid, 'xquad-r', pool) > .5", NAN, NAN, UNTESTED),
        ("leaks(atlas) == 0", NAN, NAN, FAILS),
        ("leaks(atlas) == 2", NAN, NAN, GIVEN),
        ("count(relatives(atlas)) == 1", NAN, NAN, HOLDS),
        ("'xquad-r' in benchmarks", NAN, NAN, UNTESTED),  # it is not there, which contradicts nothing
        ("benchmarks <= {atlas, 'mlqa-r'}", NAN, NAN, GIVEN),
        ("1 == 1", NAN, NAN, HOLDS),
    ],
)
def test_one_comparison(check: str, around: float, crossed: float, outcome: str) -> None:
    (answer,) = evaluate(parse(check), Double(SCORES, around, crossed))
    assert answer.outcome == outcome


@pytest.mark.parametrize(("parts", "outcome"), [(6, HOLDS), (9, NOT_SHOWN)])  # 36 and 54 comparisons of p = .001
def test_comparisons_of_a_check_are_one_family(parts: int, outcome: str) -> None:
    each = " and ".join(["AP(hybrid, atlas, setting) > AP(strategy, atlas, setting)"] * parts)
    check = f"every strategy in {{mono, cross}}, setting in {{mono, cross, pool}}: {each}"
    answers = evaluate(parse(check), Double(SCORES))
    assert len(answers) == 6 * parts and {answer.outcome for answer in answers} == {outcome}


def test_what_two_trainings_show_is_said_and_shows_nothing_of_others() -> None:
    check = parse("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)")
    (answer,) = evaluate(check, Double(SCORES, 0.05, NAN))
    assert (answer.outcome, answer.given) == (NOT_SHOWN, HOLDS)
    assert "given these 2 seeds, for which it holds; 2 seeds show nothing of others" in answer_text(answer)
    (answer,) = evaluate(parse("AP(mono, atlas, pool) > AP(hybrid, atlas, pool)"), Double(SCORES, 0.05, NAN))
    assert (answer.outcome, answer.given) == (NOT_SHOWN, FAILS)
    assert "for which it is contradicted" in answer_text(answer)


def test_best_tells_the_one_that_is_hardest_to_beat() -> None:
    (answer,) = evaluate(parse("best(rank_distance, atlas, pool) == cross"), Double(SCORES))
    assert (answer.outcome, answer.value, answer.against) == (HOLDS, ".4000", ".5000 of mono")


def test_what_a_free_variable_lacks_is_no_answer_and_what_is_named_is() -> None:
    text = "every benchmark{}: AP(hybrid, benchmark, pool) > AP(mono, benchmark, pool)"
    (free,) = evaluate(parse(text.format("")), Double(SCORES))
    assert free.outcome == HOLDS
    named = evaluate(parse(text.format(" in {atlas, 'xquad-r'}")), Double(SCORES))
    assert [one.outcome for one in named] == [HOLDS, UNTESTED]
    assert verdict_of(named) == NOT_SHOWN
    lacking = evaluate(parse(text.format("")), Double({}))
    assert [(one.outcome, one.reason) for one in lacking] == [(UNTESTED, "no atlas"), (UNTESTED, "no xquad-r")]


def test_verdicts_by_outcomes() -> None:
    cases = {
        (HOLDS, HOLDS): HOLDS,
        (HOLDS, GIVEN): HOLDS,
        (GIVEN, GIVEN): GIVEN,
        (HOLDS, FAILS): FAILS,
        (GIVEN, FAILS): FAILS,
        (HOLDS, NOT_SHOWN): NOT_SHOWN,
        (HOLDS, UNTESTED): NOT_SHOWN,
        (GIVEN, UNTESTED): UNTESTED,
        (NOT_SHOWN, NOT_SHOWN): NOT_SHOWN,
        (FAILS, NOT_SHOWN): FAILS,
        (FAILS, FAILS): FAILS,
        (FAILS, UNTESTED): FAILS,
        (UNTESTED, UNTESTED): UNTESTED,
    }
    for outcomes, verdict in cases.items():
        assert verdict_of([SimpleNamespace(outcome=one) for one in outcomes]) == verdict  # type: ignore[misc]


def test_instead_is_told_and_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(
        "- id: x\n  text: <script>alert(1)</script>\n  source: me\n"
        "  check: AP(hybrid, 'xquad-r', pool) > AP(mono, 'xquad-r', pool)\n"
        "  instead: AP(hybrid, atlas, pool) > AP(mono, atlas, pool)\n"
    )
    (entry,) = entries = judge(open_claims(path), Double(SCORES))
    assert (entry.verdict, entry.words) == (UNTESTED, "not testable in this double")
    assert "no xquad-r" in entry.sentence and "xquad-r in the study" in entry.sentence
    assert "Instead (" in entry.sentence and ".6000 against .5000" in entry.sentence
    assert evidence(entries)["outcome"].tolist() == [UNTESTED, HOLDS]
    assert matrix([entries])["verdict"].tolist() == [UNTESTED]
    page = as_html(summary(entries))
    assert "&lt;script&gt;" in page and "<script>" not in page


def test_relatives_are_other_parts_of_a_benchmarks_collection() -> None:
    files = ("mlqa-test", "squad2-fi-en", "xnli-entailment", "mine.jsonl")
    assert study_facts.relatives("mlqa-r", files, "static") == ("mlqa-test",)
    assert study_facts.relatives("xquad-r[16:]", files, "e5-small") == ("squad2-fi-en", "the fine-tuning of e5-small")
    assert study_facts.relatives("xquad-r", files, "labse") == ("squad2-fi-en",)
    assert study_facts.relatives("mine.jsonl", ("libreoffice-help",), "e5-small") == ()
    assert study_facts.relatives("held-out", files, "static") == files


WORDS = {
    "en": "river stone cloud green seven paper north salt",
    "de": "Fluss Stein Wolke grün sieben Papier Norden Salz",
    "fr": "rivière pierre nuage vert sept papier nord sel",
}
ASKED = {"en": ("what of", "it is"), "de": ("was ist", "ist es"), "fr": ("que dit", "le voilà")}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three strategies, three seeds, rows in English and German, a benchmark in French too; five steps each."""
    folder = tmp_path_factory.mktemp("claims")
    for name, tags, numbers in (("rows", ["en", "de"], range(40)), ("asked", ["en", "de", "fr"], range(40, 64))):
        lines = []
        for n in numbers:
            words = {tag: f"{WORDS[tag].split()[n % 8]} {WORDS[tag].split()[n // 8]}" for tag in tags}
            query = {tag: f"{ASKED[tag][0]} {words[tag]}" for tag in tags}
            passage = {tag: f"{words[tag]} {ASKED[tag][1]}" for tag in tags}
            lines.append(json.dumps({"id": f"r{n}", "passage_id": f"p{n}", "query": query, "passage": passage}))
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    value = {
        "name": "tiny",
        "title": "A test",
        "rows": {"files": [str(folder / "rows.jsonl")]},
        "encoder": {"name": "static", "vocab_size": 120, "dim": 16},
        "strategies": ["mono", "cross", "hybrid"],
        "seeds": [0, 1, 2],
        "evaluation": {"benchmarks": [str(folder / "asked.jsonl")]},
        "training": {"steps": 5, "batch_size": 4, "learning_rate": 0.02},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(value))
    return Run(open_study(folder / "tiny.yaml"), folder / "run")


@pytest.fixture(scope="module")
def facts(tiny: Run) -> StudyFacts:
    return StudyFacts(tiny)


def values(run: Run, strategy: str, measure: str) -> pd.DataFrame:
    """Per-query values of a strategy, by the path that the test of significance takes."""
    (name,) = run.benchmarks()
    parts = [
        per_query(run.ranks(spec, name)).assign(seed=spec.seed) for spec in run.models() if spec.strategy == strategy
    ]
    table = pd.concat(parts)
    return table[table["measure"] == measure]


@pytest.mark.parametrize(("measure", "setting"), [("AP", "pool"), ("AP", "cross"), ("rank_distance", "pool")])
def test_differences_and_intervals_are_those_of_the_rule_of_evidence(
    tiny: Run, facts: StudyFacts, measure: str, setting: str
) -> None:
    (name,) = tiny.benchmarks()
    one, other = (ScoreQuery(measure, strategy, name, setting, "static") for strategy in ("hybrid(alpha=0.5)", "mono"))
    gap = facts.difference([(1.0, one), (-0.5, other)])
    articles = pd.Series({f"r{n}": f"p{n}" for n in range(40, 64)})
    a, b = (trainings_of(values(tiny, strategy, measure), articles) for strategy in (one.strategy, "mono"))
    found = contrast([(1.0, a), (-0.5, b)]).query(f"query_language == '*' and setting == '{setting}'").iloc[0]
    names = ["difference", "low", "high", "p", "crossed_low", "crossed_high", "crossed_p"]
    assert [getattr(gap, name) for name in names] == pytest.approx(found[names].tolist(), abs=1e-9)
    assert facts.score(one) - 0.5 * facts.score(other) == pytest.approx(gap.difference)
    assert (gap.trainings, gap.unit, gap.basis) == (3, "seeds", "24 articles, 3 seeds")


@given(
    st.lists(st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6), min_size=3, max_size=5),
    st.sampled_from([">", "<", ">=", "<="]),
)
@settings(max_examples=25, deadline=None)
@example([[0.1] * 6, [0.11] * 6, [0.105] * 6], "<")
@example([[0.1, 0.2, 0.1, 0.2, 0.1, 0.2]] * 3, ">")
def test_without_three_seeds_nothing_is_shown_whatever_the_numbers(gains: list[list[float]], operator: str) -> None:
    check = parse(f"AP(hybrid, atlas, pool) {operator} AP(mono, atlas, pool)")
    for kept in (2, 1):
        assert {one.outcome for one in evaluate(check, Measured(gains[:kept]))} == {NOT_SHOWN}


@pytest.mark.parametrize("seed", range(12))
def test_fewer_seeds_with_the_same_numbers_never_move_a_verdict_away_from_not_shown(seed: int) -> None:
    random = np.random.default_rng(seed)
    three = random.normal(random.choice([-0.1, 0.0, 0.05, 0.1]), random.choice([0.02, 0.1]), (3, 8))
    three += random.normal(0, 0.03, (3, 1))
    moved = []
    for operator in "<>":
        check = parse(f"AP(hybrid, atlas, pool) {operator} AP(mono, atlas, pool)")
        many, few, two = (
            evaluate(check, Measured(gains.tolist()))[0].outcome for gains in (np.tile(three, (3, 1)), three, three[:2])
        )
        moved += [few in (many, NOT_SHOWN), two == NOT_SHOWN]
    assert all(moved)


class Measured(Double):
    """A double whose differences are measured: what hybrid gains over mono, by seed and question."""

    def __init__(self, gains: list[list[float]]) -> None:
        super().__init__(SCORES)
        ids = [f"q{n}" for n in range(len(gains[0]))]
        rows = [(seed, *one) for seed, gain in enumerate(gains) for one in zip(ids, gain, strict=True)]
        frame = pd.DataFrame(rows, columns=["seed", "query_id", "value"])
        frame = frame.assign(setting="pool", query_language="en", passage_language="*", measure="AP")
        clusters = pd.Series(ids, ids)
        self.systems = {
            "hybrid(alpha=0.5)": trainings_of(frame, clusters),
            "mono": trainings_of(frame.assign(value=0.0), clusters),
        }

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        row = contrast([(factor, self.systems[one.strategy]) for factor, one in terms], constant, overall=True).iloc[0]
        names = ("difference", "low", "high", "p", "crossed_low", "crossed_high", "crossed_p")
        known = {name: float(row[name]) for name in names}
        return Difference(**known, trainings=int(row["trainings"]), scores=(0.0, 0.0))


def test_unseen_pairs_by_hand(tiny: Run, facts: StudyFacts) -> None:
    (name,) = tiny.benchmarks()
    table = values(tiny, "mono", "RR")
    pairs = table[table["setting"] != "pool"].groupby(["seed", "query_language", "passage_language"])["value"].mean()
    seen = pairs[[{a, b} <= {"en", "de"} for _, a, b in pairs.index]]
    unseen = pairs[["fr" in (a, b) for _, a, b in pairs.index]]
    assert len(seen) == 4 * 3 and len(unseen) == 5 * 3
    assert facts.score(ScoreQuery("RR", "mono", name, "seen-seen", "static")) == pytest.approx(seen.mean())
    assert facts.score(ScoreQuery("RR", "mono", name, "unseen", "static")) == pytest.approx(unseen.mean())
    gap = facts.difference(
        [
            (1.0, ScoreQuery("RR", "mono", name, "unseen", "static")),
            (-1.0, ScoreQuery("RR", "untrained", name, "unseen", "static")),
        ]
    )
    untrained = values(tiny, "untrained", "RR")
    untrained = untrained[
        (untrained["setting"] != "pool") & (untrained[["query_language", "passage_language"]] == "fr").any(axis=1)
    ]
    before = untrained.groupby(["query_language", "passage_language"])["value"].mean().mean()
    assert gap.difference == pytest.approx(unseen.mean() - before)
    assert gap.basis == "24 articles, 3 seeds" and not math.isnan(gap.crossed_low)


def test_facts_of_a_study(tiny: Run, facts: StudyFacts) -> None:
    (name,) = tiny.benchmarks()
    assert facts.fact("start", (), "static") == "scratch"
    assert facts.fact("kinds", ("hybrid(alpha=0.5)",), "static") == {"mono", "cross"}
    assert facts.fact("kinds", ("mono",), "static") == {"mono"}
    assert facts.fact("languages", ("rows",), "static") == {"en", "de"}
    assert facts.fact("languages", (name,), "static") == {"en", "de", "fr"}
    assert facts.fact("parallel", (name,), "static") == 3
    pairs = facts.fact("pairs", (name, "cross"), "static")
    assert isinstance(pairs, frozenset) and len(pairs) == 6 and "de>fr" in pairs
    assert facts.fact("relatives", (name,), "static") == frozenset()
    for question in (
        lambda: facts.score(ScoreQuery("AP", "mono", "xquad-r", "pool", "static")),
        lambda: facts.score(ScoreQuery("AP", "mono", name, "pool", "labse")),
        lambda: facts.score(ScoreQuery("AP", "english", name, "pool", "static")),
        lambda: facts.score(ScoreQuery("nDCG@10", "mono", name, "polo", "static")),
    ):
        with pytest.raises(NotTestable) as lack:
            question()
        assert lack.value.about


def test_leaks_are_counted_among_the_rows_that_are_left(
    tiny: Run, facts: StudyFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = tiny.benchmarks()
    there = [str(tiny.split[0].ids[place]) for place in (0, 1)]
    leaks = pd.DataFrame({"id": ["dropped", there[0], there[0], there[1]], "benchmark": ["asked"] * 3 + ["other"]})
    leaks["kind"] = ["near", "exact", "exact", "near"]
    monkeypatch.setattr(tiny.rows, "leaks", leaks)
    assert facts.fact("leaks", (name,), "static") == 1
    monkeypatch.setattr(tiny.rows, "leaks", leaks[leaks["id"] == "dropped"])
    assert facts.fact("leaks", (name,), "static") == 0
    # what was dropped is said beside it, and that none is left is no finding
    assert facts.note("leaks", (name,)) == "found before training, and dropped: 1 row (1 near)"
    (answer,) = evaluate(parse(f"leaks('{name}') == 0"), facts)
    assert answer.outcome == GIVEN and "dropped: 1 row (1 near)" in answer_text(answer)


def test_the_whole_ledger_on_a_study(facts: StudyFacts) -> None:
    found = {entry.claim.id: entry for entry in judge(open_claims(), facts)}
    assert found["1"].verdict == UNTESTED  # both kinds of batches, on an encoder made from scratch
    assert "start == pretrained is not so in this study (scratch)" in found["1"].sentence
    assert found["2"].verdict == UNTESTED
    assert found["4"].verdict == GIVEN
    assert found["4"].sentence.startswith("True by construction: leaks(")
    assert "found before training, and dropped: 0 rows" in found["4"].sentence
    assert (found["6"].verdict, found["7"].verdict) == (UNTESTED, UNTESTED)
    assert (
        {one.outcome for one in found["6"].answers} == {one.outcome for one in found["7"].answers} == {UNTESTED, GIVEN}
    )
    assert found["3"].verdict == found["10"].verdict == UNTESTED
    assert "studies/paper.yaml" in found["10"].sentence
    assert found["5"].verdict == HOLDS
    assert found["12"].verdict != UNTESTED


def test_pairs_by_what_training_saw() -> None:
    pairs = pd.DataFrame([(a, b) for a in "xyz" for b in "xyz"], columns=["query_language", "passage_language"])
    sizes = {
        group: len(study_facts.of_group(pairs, ("x", "y"), group))
        for group in ("seen-seen", "seen-unseen", "unseen-seen")
    }
    assert sizes == {"seen-seen": 4, "seen-unseen": 2, "unseen-seen": 2}
    assert len(study_facts.of_group(pairs, ("x", "y"), "unseen-unseen")) == 1
    assert len(study_facts.of_group(pairs, ("x", "y"), "unseen")) == 5


KEPT = runs_folder() / "quick" / "notebooks" / "07.json"


@pytest.mark.skipif(not KEPT.is_file(), reason="no run of the quick study with notebook 07 here")
def test_what_quick_found() -> None:
    found = json.loads(KEPT.read_text(encoding="utf-8"))
    assert list(found["verdicts"]) == [str(number) for number in range(1, 13)]
    assert found["verdicts"]["1"] == UNTESTED  # made from scratch, not fine-tuned
    assert found["verdicts"]["4"] == GIVEN
    assert found["verdicts"]["10"] == UNTESTED
    assert found["published"]["9"] == NOT_SHOWN


def test_the_nested_sets_of_a_draw_weigh_every_pair_alike_and_systems_share_their_sets() -> None:
    def sums(pairs: dict[tuple[str, str], float]) -> ClusterSums:
        lines = [(a, b, f"q{n}", value + 0.1 * n) for (a, b), value in pairs.items() for n in range(4)]
        frame = pd.DataFrame(lines, columns=["query_language", "passage_language", "query_id", "value"])
        frame = frame.assign(setting="cross", measure="RR")
        ids = [f"q{n}" for n in range(4)]
        return model_sums(frame, pd.Series(ids, ids))["RR"]

    one, two = sums({("de", "en"): 0.1, ("de", "th"): 0.2}), sums({("de", "th"): 0.6})
    joined = study_facts._joined({"en": one, "de en": two})
    assert joined.means.tolist() == pytest.approx([0.15 + 0.3])  # (.1 + .2 + .6) / 3 and the questions' .15
    mono = {draw: {"en": one, "de en": two} for draw in range(3)}
    hybrid = {draw: {"de en": two} for draw in range(3)}
    common = {*study_facts._keys(mono)} & {*study_facts._keys(hybrid)}
    assert study_facts._chosen(mono, common) == hybrid
    untrained = {FIXED: {"": one}}
    assert study_facts._chosen(untrained, common) is untrained
