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
import scipy.stats
import yaml

from hybridkit.analysis.claims import study_facts
from hybridkit.analysis.claims.checks import parse
from hybridkit.analysis.claims.facts import Fact, NotTestable, PublishedFacts, ScoreQuery
from hybridkit.analysis.claims.file import check_claims, open_claims
from hybridkit.analysis.claims.ledger import (
    FAILS,
    HOLDS,
    NOT_SHOWN,
    PART,
    UNTESTED,
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
from hybridkit.evaluation.measures import per_query
from hybridkit.evaluation.significance import NAN, Difference, compare
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


def test_claim_9_does_not_hold_for_xlm_r_on_xquad_r_as_published() -> None:
    entry = verdicts("9")
    assert entry.verdict == PART
    outcomes = {(one.encoder, one.part.split(", ")[1].strip("'")): one for one in entry.answers}
    for (backbone, dataset, kind, language), values in printed().items():
        if kind == "multilingual mAP" and language == "mean":
            best = values["Hybrid"] > max(values["X-X-mono"], values["X-Y"])
            assert outcomes[backbone.lower(), dataset.lower()].outcome == (HOLDS if best else FAILS)
    lost = outcomes["xlm-r", "xquad-r"]
    assert (lost.outcome, lost.value, lost.against) == (FAILS, ".5927", ".5934 of cross")
    assert ".5927 against .5934 of cross" in entry.sentence


def test_the_published_tables_on_all_twelve() -> None:
    found = {entry.claim.id: entry.verdict for entry in judge(open_claims(), PublishedFacts())}
    untested = dict.fromkeys(("1", "4", "5", "12"), UNTESTED)
    assert found == untested | {
        "2": HOLDS,
        "3": PART,
        "6": HOLDS,
        "7": HOLDS,
        "8": PART,
        "9": PART,
        "10": PART,
        "11": HOLDS,
    }
    lost = [one for one in verdicts("10").answers if one.outcome == FAILS]
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
    """Facts by hand: scores by strategy and benchmark, and how far an interval lies around a difference."""

    title = "this double"

    def __init__(self, scores: dict[tuple[str, str], float], around: float = NAN, seeds: float = NAN) -> None:
        self.scores, self.around, self.seeds = scores, around, seeds

    def names(self, variable: str) -> tuple[str, ...]:
        return {"encoder": ("labse",), "benchmark": ("atlas", "xquad-r")}.get(variable, ("mono", "cross"))

    def score(self, one: ScoreQuery) -> float:
        if (one.strategy, one.benchmark) not in self.scores:
            raise NotTestable(f"no {one.benchmark}", f"{one.benchmark} in the study", "benchmark")
        return self.scores[one.strategy, one.benchmark]

    def difference(self, terms: Sequence[tuple[float, ScoreQuery]], constant: float = 0.0) -> Difference:
        scores = tuple(self.score(one) for _, one in terms)
        found = sum(factor * score for (factor, _), score in zip(terms, scores, strict=True)) + constant
        ends = (found - self.around, found + self.around, found - self.seeds, found + self.seeds)
        return Difference(found, *ends, "double", scores)

    def fact(self, name: str, arguments: tuple[str, ...], encoder: str) -> Fact:
        return {"leaks": 2.0, "relatives": frozenset({"a set"}), "benchmarks": frozenset({"atlas"})}[name]


SCORES = {("mono", "atlas"): 0.5, ("hybrid(alpha=0.5)", "atlas"): 0.6, ("cross", "atlas"): 0.4}


@pytest.mark.parametrize(
    ("check", "around", "seeds", "outcome"),
    [
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.05, 0.05, HOLDS),
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.15, 0.05, NOT_SHOWN),
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", 0.05, 0.15, NOT_SHOWN),
        ("AP(hybrid, atlas, pool) > AP(mono, atlas, pool)", NAN, NAN, HOLDS),
        ("AP(mono, atlas, pool) > AP(hybrid, atlas, pool)", 0.15, NAN, FAILS),
        ("AP(mono, atlas, pool) < AP(hybrid, atlas, pool)", 0.05, NAN, HOLDS),
        ("AP(mono, atlas, pool) > AP(mono, atlas, pool)", 0.0, NAN, FAILS),
        ("AP(mono, atlas, pool) >= AP(mono, atlas, pool)", 0.0, NAN, HOLDS),
        ("AP(cross, atlas, pool) < .9 * AP(mono, atlas, pool)", 0.04, NAN, HOLDS),
        ("AP(cross, atlas, pool) < .8 * AP(mono, atlas, pool)", 0.04, NAN, FAILS),
        ("AP(hybrid, atlas, pool) - AP(mono, atlas, pool) > .05", 0.04, NAN, HOLDS),
        ("best(AP, atlas, pool) == hybrid", 0.05, NAN, HOLDS),
        ("best(AP, atlas, pool) == hybrid", 0.15, NAN, NOT_SHOWN),
        ("best(AP, atlas, pool) == mono", 0.15, NAN, FAILS),
        ("AP(hybrid, 'xquad-r', pool) > .5", NAN, NAN, UNTESTED),
        ("leaks(atlas) == 0", NAN, NAN, FAILS),
        ("count(relatives(atlas)) == 1", NAN, NAN, HOLDS),
        ("'xquad-r' in benchmarks", NAN, NAN, FAILS),
        ("benchmarks <= {atlas, 'mlqa-r'}", NAN, NAN, HOLDS),
    ],
)
def test_one_comparison(check: str, around: float, seeds: float, outcome: str) -> None:
    (answer,) = evaluate(parse(check), Double(SCORES, around, seeds))
    assert answer.outcome == outcome


def test_best_tells_the_one_that_is_hardest_to_beat() -> None:
    (answer,) = evaluate(parse("best(rank_distance, atlas, pool) == cross"), Double(SCORES, 0.05))
    assert (answer.outcome, answer.value, answer.against) == (HOLDS, ".4000", ".5000 of mono")


def test_what_a_free_variable_lacks_is_no_answer_and_what_is_named_is() -> None:
    text = "every benchmark{}: AP(hybrid, benchmark, pool) > AP(mono, benchmark, pool)"
    (free,) = evaluate(parse(text.format("")), Double(SCORES))
    assert free.outcome == HOLDS
    named = evaluate(parse(text.format(" in {atlas, 'xquad-r'}")), Double(SCORES))
    assert [one.outcome for one in named] == [HOLDS, UNTESTED]
    assert verdict_of(named) == PART
    lacking = evaluate(parse(text.format("")), Double({}))
    assert [(one.outcome, one.reason) for one in lacking] == [(UNTESTED, "no atlas"), (UNTESTED, "no xquad-r")]


def test_verdicts_by_outcomes() -> None:
    cases = {
        (HOLDS, HOLDS): HOLDS,
        (HOLDS, FAILS): PART,
        (HOLDS, NOT_SHOWN): PART,
        (HOLDS, UNTESTED): PART,
        (NOT_SHOWN, NOT_SHOWN): PART,
        (FAILS, NOT_SHOWN): PART,
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
    (entry,) = entries = judge(open_claims(path), Double(SCORES, 0.05))
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
    (name,) = run.study.evaluation.benchmarks
    parts = [
        per_query(run.ranks(spec, name)).assign(seed=spec.seed) for spec in run.models() if spec.strategy == strategy
    ]
    table = pd.concat(parts)
    return table[table["measure"] == measure]


@pytest.mark.parametrize(("measure", "setting"), [("AP", "pool"), ("AP", "cross"), ("rank_distance", "pool")])
def test_differences_and_intervals_are_those_of_significance_and_scipy(
    tiny: Run, facts: StudyFacts, measure: str, setting: str
) -> None:
    (name,) = tiny.study.evaluation.benchmarks
    one, other = (ScoreQuery(measure, strategy, name, setting, "static") for strategy in ("hybrid(alpha=0.5)", "mono"))
    gap = facts.difference([(1.0, one), (-0.5, other)])
    a, b = values(tiny, one.strategy, measure), values(tiny, "mono", measure)
    articles = pd.Series({f"r{n}": f"p{n}" for n in range(40, 64)})
    found = compare(a, b.assign(value=b["value"] * 0.5), articles).query(
        f"query_language == '*' and setting == '{setting}'"
    )
    expected = found[["difference", "low", "high"]].iloc[0].tolist()
    assert [gap.difference, gap.low, gap.high] == pytest.approx(expected, abs=1e-9)
    assert facts.score(one) - 0.5 * facts.score(other) == pytest.approx(gap.difference)
    pairs = ["setting", "query_language", "passage_language"]
    means = [
        table[table["setting"] == setting].groupby(["seed", *pairs])["value"].mean().groupby("seed").mean()
        for table in (a, b)
    ]
    differences = means[0] - 0.5 * means[1]
    interval = scipy.stats.ttest_1samp(differences, 0).confidence_interval()
    assert [gap.seeds_low, gap.seeds_high] == pytest.approx([interval.low, interval.high])
    assert gap.basis == "24 articles, 3 seeds"


def test_unseen_pairs_by_hand(tiny: Run, facts: StudyFacts) -> None:
    (name,) = tiny.study.evaluation.benchmarks
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
    assert gap.basis == "24 articles, 3 seeds" and not math.isnan(gap.seeds_low)


def test_facts_of_a_study(tiny: Run, facts: StudyFacts) -> None:
    (name,) = tiny.study.evaluation.benchmarks
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
    (name,) = tiny.study.evaluation.benchmarks
    there = [str(tiny.split[0].ids[place]) for place in (0, 1)]
    leaks = pd.DataFrame({"id": ["dropped", there[0], there[0], there[1]], "benchmark": ["asked"] * 3 + ["other"]})
    monkeypatch.setattr(tiny.rows, "leaks", leaks)
    assert facts.fact("leaks", (name,), "static") == 1
    monkeypatch.setattr(tiny.rows, "leaks", leaks[leaks["id"] == "dropped"])
    assert facts.fact("leaks", (name,), "static") == 0


def test_the_whole_ledger_on_a_study(facts: StudyFacts) -> None:
    found = {entry.claim.id: entry for entry in judge(open_claims(), facts)}
    assert found["1"].verdict == PART  # both kinds of batches, on an encoder made from scratch
    assert found["2"].verdict == FAILS
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
    assert found["verdicts"]["1"] == PART  # made from scratch, not fine-tuned
    assert found["verdicts"]["11"] == HOLDS
    assert found["verdicts"]["10"] == UNTESTED
    assert found["published"]["9"] == PART
