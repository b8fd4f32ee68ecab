"""The ledger: every check evaluated on facts, a verdict on every claim, in words, with the answers behind it."""

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TypeGuard

import pandas as pd

from hybridkit.analysis.claims.checks import (
    ROLES,
    WORDS,
    Call,
    Check,
    Comparison,
    Item,
    Terms,
    instances,
    put,
    strategy_of,
)
from hybridkit.analysis.claims.facts import NAN, Difference, Fact, Facts, NotTestable, ScoreQuery
from hybridkit.analysis.claims.file import Claim
from hybridkit.evaluation.measures import DISTANCE, LOWER_IS_BETTER
from hybridkit.evaluation.significance import judged
from hybridkit.utils.characters import safe
from hybridkit.utils.numbers import bare

HOLDS, FAILS, NOT_SHOWN = "holds", "contradicted", "not shown"
GIVEN, UNTESTED = "true by construction", "not testable"
_WORST = (FAILS, NOT_SHOWN, HOLDS)
_EQUAL = 1e-4  # tables are printed to four decimals, and so is what is compared with ==
_NO_DIFFERENCE = 1e-12
MARKS = {HOLDS: "✓", FAILS: "✗", NOT_SHOWN: "?", GIVEN: "≡", UNTESTED: "–"}
_SHOWN = 3  # answers in a sentence


@dataclass(frozen=True)
class Trial:
    """A difference of scores that an answer rests on: the operator that it is claimed with, and both sides in words."""

    found: Difference
    operator: str
    value: str
    against: str
    measure: str


@dataclass(frozen=True)
class Answer:
    """The answer to one comparison, of which `outcome` says whether it holds.

    A comparison of measured scores is judged by the rule of evidence (`significance.judged`), over questions and
    trainings, with all comparisons of its check as the family: it holds, or is contradicted, where a difference to that
    side is established, and else is not shown. `given` is the same over questions alone, given these trainings. What
    was printed without intervals holds for the printed numbers, or is not shown: without an interval nothing is
    contradicted. What is not a score is compared as it is. What the settings of a study or the kit itself make true is
    true by construction; what the settings lack is not testable.

    `part` is the comparison with names for its variables, `value` and `against` are its sides, `note` is what a reader
    must know beside them; `reason` says what is missing where it could not be tested, `cure` what would help, `about`
    which variables that concerns. `trials` are the differences behind it, `difference` is the one that decides.
    """

    part: str
    encoder: str
    outcome: str
    value: str = ""
    against: str = ""
    difference: Difference = Difference()
    given: str = ""
    note: str = ""
    reason: str = ""
    cure: str = ""
    about: frozenset[str] = frozenset()
    trials: tuple[Trial, ...] = ()


def evaluate(check: Check, facts: Facts) -> list[Answer]:
    """Answer a check by facts: an answer for each of its comparisons and for every name of its variables.

    A check about scores that names no encoder is evaluated for every encoder. Where a variable means all that there
    are, those without what it needs are left out, unless nothing else remains.

    >>> from hybridkit.analysis.claims.checks import parse
    >>> from hybridkit.analysis.claims.facts import PublishedFacts
    >>> check = parse("every encoder, benchmark: best(AP, benchmark, pool) == hybrid")
    >>> [(answer.encoder, answer.outcome) for answer in evaluate(check, PublishedFacts())][:2]
    [('xlm-r', 'not shown'), ('xlm-r', 'holds')]
    """
    free = {name: facts.names(name) for name, names in check.every.items() if names is None}
    found: list[Answer] = []
    encoders = facts.names("encoder")
    scored = _of_scores(check)
    implicit = "encoder" not in check.every and scored
    for names in instances(check, free):
        for encoder in encoders if implicit else (names.get("encoder", encoders[0]),):
            parts = [put(part, names) for part in check.parts]
            found += [_answer(part, facts, encoder.lower(), encoder if scored else "") for part in parts]
    open_variables = {*free, *(["encoder"] if implicit else [])}
    kept = [one for one in found if not one.reason or not one.about & open_variables]
    return _decided(kept or found)


def _decided(answers: list[Answer]) -> list[Answer]:
    """Give every answer that rests on differences its outcome; all of them are one family."""
    trials = [(nth, one) for nth, answer in enumerate(answers) for one in answer.trials]
    if not trials:
        return answers
    rows = pd.DataFrame([asdict(one.found) | {"measure": one.measure} for _, one in trials])
    table = judged(rows, "the comparisons of the claim")
    marks = zip(table["significant"], table["established"], strict=True)
    outcomes = [
        (nth, one, _outcome(one, bool(known if one.found.trained else given)), _outcome(one, bool(given)))
        for (nth, one), (given, known) in zip(trials, marks, strict=True)
    ]
    found = list(answers)
    for nth, answer in enumerate(answers):
        if own := [line[1:] for line in outcomes if line[0] == nth]:
            worst, outcome, given = min(own, key=lambda one: (_WORST.index(one[1]), _lead(one[0])))
            decided = {"value": worst.value, "against": worst.against, "difference": worst.found}
            found[nth] = replace(answer, outcome=outcome, given=given, **decided)  # type: ignore[arg-type]
    return found


def _lead(trial: Trial) -> float:
    """By how much a difference is on the claimed side."""
    return trial.found.difference * (-1 if trial.operator[0] == "<" else 1)


def _outcome(trial: Trial, decided: bool) -> str:
    """Whether a difference is as claimed; `decided` says whether the evidence settles its sign."""
    found, equal = trial.found.difference, trial.operator in ("==", "!=")
    if not trial.found.measured:
        bound = _EQUAL if equal else _NO_DIFFERENCE
        side = 0 if abs(found) < bound else (1 if found > 0 else -1)
    elif not decided:
        return NOT_SHOWN
    else:
        side = 1 if found > 0 else -1
    signs = {"==": (0,), "!=": (1, -1), ">": (1,), ">=": (0, 1), "<": (-1,), "<=": (-1, 0)}
    if side in signs[trial.operator]:
        return HOLDS
    return FAILS if trial.found.measured or equal else NOT_SHOWN


def _of_scores(check: Check) -> bool:
    items = [item for part in check.parts for item in part.items]
    return any(isinstance(item, Call) and (item.name in ("best", "macro") or _is_score(item)) for item in items)


def _is_score(item: Item) -> TypeGuard[Call]:
    return isinstance(item, Call) and WORDS[item.name].gives == "score"


def _answer(part: Comparison, facts: Facts, encoder: str, shown: str) -> Answer:
    answer = Answer(str(part), shown, UNTESTED)
    (_, left), (_, right) = part.left[0], part.right[0]
    try:
        if isinstance(left, Call) and left.name == "best":
            return _best(answer, left, str(right), facts, encoder)
        constructed = bool(_words(part)) and _words(part) <= facts.constructed
        if any(map(_is_score, part.items)) and not (_says_its_mean(part) and "macro" in facts.constructed):
            return _scored(answer, part, facts, encoder)
        value, other = (_value(side, facts, encoder) for side in (part.left, part.right))
        held = _compare(value, part.operator, other)
        if not held and constructed and _words(part) <= facts.chosen:
            there = written(other) if part.operator == "in" else written(value)
            return replace(answer, reason=f"{part} is not so in {facts.title} ({there})")
        outcome = FAILS if not held else GIVEN if constructed or _says_its_mean(part) else HOLDS
        note = "; ".join(filter(None, (facts.note(one.name, tuple(map(str, one.arguments))) for one in _calls(part))))
        return replace(answer, outcome=outcome, value=written(value), against=written(other), note=note)
    except NotTestable as missing:
        return replace(answer, reason=missing.what, cure=missing.cure, about=missing.about)


def _says_its_mean(part: Comparison) -> bool:
    """Whether a comparison is of a score with the mean of its own parts, which is how a study makes it."""
    return part.operator == "==" and any(one.name == "macro" for one in _calls(part))


def _calls(part: Comparison) -> list[Call]:
    items, found = [*part.items], []
    while items:
        if isinstance(one := items.pop(0), Call):
            found.append(one)
            items += [each for each in one.arguments if isinstance(each, Call)]
    return found


def _words(part: Comparison) -> set[str]:
    """The words of a comparison that stand for facts: calls, but for what counts them, and names such as `start`."""
    names = {item for item in part.items if isinstance(item, str) and item in WORDS and not WORDS[item].takes}
    return names | {one.name for one in _calls(part) if one.name != "count"}


def _best(answer: Answer, left: Call, best: str, facts: Facts, encoder: str) -> Answer:
    """The named strategy against each of the others; the answer is that of the one that is hardest to beat."""
    measure, benchmark, setting = map(str, left.arguments)
    operator = "<" if measure in LOWER_IS_BETTER else ">"
    query = {role: ScoreQuery(measure, strategy_of(role), benchmark, setting, encoder) for role in ROLES}
    trials = []
    for role in ROLES:
        if role != best:
            one = facts.difference([(1.0, query[best]), (-1.0, query[role])])
            first, second = map(written, one.scores)
            trials.append(Trial(one, operator, first, f"{second} of {role}", measure))
    return replace(answer, trials=tuple(trials))


def _scored(answer: Answer, part: Comparison, facts: Facts, encoder: str) -> Answer:
    terms: list[tuple[float, ScoreQuery]] = []
    constants: dict[float, float] = {}
    for side, sign in ((part.left, 1.0), (part.right, -1.0)):
        terms += [(sign * factor, _query_of(item, encoder)) for factor, item in side if _is_score(item)]
        plain = [(factor, _item(item, facts, encoder)) for factor, item in side if not _is_score(item)]
        constants[sign] = sum(factor * _number(value) for factor, value in plain)
    found = facts.difference(terms, constants[1.0] - constants[-1.0])
    count = sum(_is_score(item) for _, item in part.left)
    parts = [factor * score for (factor, _), score in zip(terms, found.scores, strict=True)]
    value, against = sum(parts[:count]) + constants[1.0], constants[-1.0] - sum(parts[count:])
    return replace(answer, trials=(Trial(found, part.operator, written(value), written(against), terms[0][1].measure),))


def _compare(value: Fact, operator: str, other: Fact) -> bool:
    if operator == "in":
        return isinstance(other, frozenset) and value in other
    if isinstance(value, frozenset) and isinstance(other, frozenset):
        return {"==": value == other, "!=": value != other, "<=": value <= other}[operator]
    if isinstance(value, str) or isinstance(other, str):
        return value == other
    a, b = _number(value), _number(other)
    equal = abs(a - b) < _EQUAL
    return {"==": equal, "!=": not equal, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def _value(side: Terms, facts: Facts, encoder: str) -> Fact:
    values = [(factor, _item(item, facts, encoder)) for factor, item in side]
    if len(values) == 1 and values[0][0] == 1.0:
        return values[0][1]
    return sum(factor * _number(value) for factor, value in values)


def _item(item: Item, facts: Facts, encoder: str) -> Fact:
    if isinstance(item, float):
        return item
    if isinstance(item, tuple):
        return frozenset(item)
    if isinstance(item, str):
        return facts.fact(item, (), encoder) if item in WORDS and not WORDS[item].takes else item
    if item.name == "count":
        inner = _item(item.arguments[0], facts, encoder)
        return float(len(inner)) if isinstance(inner, frozenset) else NAN
    if _is_score(item):
        return facts.score(_query_of(item, encoder))
    texts = zip(WORDS[item.name].takes, map(str, item.arguments), strict=True)
    return facts.fact(
        item.name, tuple(strategy_of(text) if kind == "strategy" else text for kind, text in texts), encoder
    )


def _query_of(item: Call, encoder: str) -> ScoreQuery:
    strategy, benchmark, *setting = map(str, item.arguments)
    measure = item.name
    return ScoreQuery(measure, strategy_of(strategy), benchmark, "pool" if measure == DISTANCE else setting[0], encoder)


def _number(value: Fact) -> float:
    return value if isinstance(value, int | float) else NAN


def written(value: Fact) -> str:
    """Return a value in words: counts whole, scores with four decimals, ranks with one, sets in order.

    >>> written(0.59271), written(110.0), written(286.64), written(frozenset({"mono", "cross"}))
    ('.5927', '110', '286.6', '{cross, mono}')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, frozenset):
        return "{" + ", ".join(_few(sorted(value))) + "}"
    if not math.isfinite(value):
        return "–"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4f}".replace("0.", ".", 1)


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= 12 else [*names[:12], f"and {len(names) - 12} more"]


@dataclass(frozen=True)
class Entry:
    """A claim with its verdict on one source of facts (`source`, say "this study"), a sentence and the answers."""

    claim: Claim
    source: str
    verdict: str
    sentence: str
    answers: tuple[Answer, ...]

    @property
    def words(self) -> str:
        """The verdict in words: "not testable in this study", "holds in the published tables"."""
        plain = self.verdict != UNTESTED and "tables" not in self.source
        return self.verdict if plain else f"{self.verdict} in {self.source}"


def judge(claims: Sequence[Claim], facts: Facts) -> list[Entry]:
    """Judge every claim by the facts of a study or of the published tables.

    The verdict is that of the whole claim, whose sentence says for how many comparisons it holds: contradicted if one
    comparison is; else not shown if one is, or if one names something that is not there while another holds; else it
    holds; true by construction if nothing that it says could fail; not testable if nothing of it is tested. What cannot
    be tested says what is missing, and gives the answer to `instead`.

    >>> from hybridkit.analysis.claims.file import open_claims
    >>> from hybridkit.analysis.claims.facts import PublishedFacts
    >>> [(entry.claim.id, entry.verdict) for entry in judge(open_claims()[8:11], PublishedFacts())]
    [('9', 'not shown'), ('10', 'not shown'), ('11', 'holds')]
    """
    entries = []
    for claim in claims:
        answers = tuple(evaluate(claim.check, facts))
        verdict = verdict_of(answers)
        sentence = _sentence(verdict, answers)
        if verdict == UNTESTED and claim.instead is not None:
            instead = tuple(evaluate(claim.instead, facts))
            if (other := verdict_of(instead)) != UNTESTED:
                sentence += f" Instead ({claim.instead}): {_sentence(other, instead)}"
                answers += tuple(instead)
        entries.append(Entry(claim, facts.title, verdict, sentence, answers))
    return entries


def verdict_of(answers: Sequence[Answer]) -> str:
    """Return the verdict on a claim by the answers to its check."""
    outcomes = {answer.outcome for answer in answers}
    if outcomes <= {UNTESTED, GIVEN} and UNTESTED in outcomes:
        return UNTESTED
    if FAILS in outcomes:
        return FAILS
    if outcomes & {NOT_SHOWN, UNTESTED}:
        return NOT_SHOWN
    return HOLDS if HOLDS in outcomes else GIVEN


def _sentence(verdict: str, answers: Sequence[Answer]) -> str:
    """The verdict's reasons: what does not hold first, then what does."""
    by = {name: [one for one in answers if one.outcome == name] for name in (FAILS, NOT_SHOWN, HOLDS, GIVEN, UNTESTED)}
    tested = len(answers) - len(by[UNTESTED])
    parts = []
    if tested > 1:
        both = [f"{len(by[HOLDS])} of {tested} comparisons hold"] if len(by[GIVEN]) < tested else []
        both += [f"{len(by[GIVEN])} of {tested} are true by construction"] if by[GIVEN] else []
        parts.append(f"{', '.join(both)}.")
    starts = {FAILS: "Contradicted", NOT_SHOWN: "Not shown"}
    for outcome, start in starts.items():
        parts += [f"{start}: {_first_few([answer_text(one) for one in by[outcome]])}."] if by[outcome] else []
    if verdict in (HOLDS, GIVEN):
        parts += [f"{_first_few([answer_text(one) for one in by[HOLDS]])}."] if by[HOLDS] else []
        parts += [f"True by construction: {_first_few([answer_text(one) for one in by[GIVEN]])}."] if by[GIVEN] else []
    if by[UNTESTED]:
        parts.append(f"Not tested: {_first_few([one.reason for one in by[UNTESTED]])}.")
        if cures := list(dict.fromkeys(one.cure for one in by[UNTESTED] if one.cure)):
            parts.append(f"It would take {_first_few(cures)}.")
    return " ".join(parts)


def answer_text(answer: Answer) -> str:
    """Return an answer in words: the comparison and what was found, with the intervals of a difference.

    >>> answer_text(Answer("AP(hybrid, b, pool) > AP(mono, b, pool)", "labse", HOLDS, ".5", ".4",
    ...                    Difference(0.1, measured=False)))
    'labse: AP(hybrid, b, pool) > AP(mono, b, pool) (.5 against .4)'
    >>> found = Difference(0.1, 0.05, 0.15, 0.01, 0.02, 0.18, 0.01, 3)
    >>> answer_text(Answer("AP(a, b, pool) > .4", "", HOLDS, ".5", ".4", found))[21:]
    '.5 against .4; +.1000, .0500 to .1500 given these 3 seeds, .0200 to .1800 over questions and seeds)'
    >>> found = Difference(0.1, 0.05, 0.15, 0.01, trainings=2)
    >>> answer_text(Answer("AP(a, b, pool) > .4", "", NOT_SHOWN, ".5", ".4", found, HOLDS))[44:]
    '.0500 to .1500 given these 2 seeds, for which it holds; 2 seeds show nothing of others)'
    >>> answer_text(Answer("count(languages(b)) == 11", "", FAILS, "7", "11"))
    'count(languages(b)) == 11 (it is 7)'
    """
    found = answer.difference
    if answer.against.startswith("{") and not answer.value.startswith("{"):
        text = f"there is {answer.against}"
    elif not math.isnan(found.difference):
        text = f"{answer.value} against {answer.against}" + _chance(answer)
    else:
        text = f"it is {answer.value}"
    note = f"; {answer.note}" if answer.note else ""
    return f"{answer.encoder}: " * bool(answer.encoder) + f"{answer.part} ({text}{note})"


def _chance(answer: Answer) -> str:
    """The intervals of a measured difference, and what is missing of them."""
    found, form = answer.difference, ",.1f" if DISTANCE in answer.part else ".4f"
    if not found.measured:
        return ""
    text = f"; {bare(format(found.difference, '+' + form))}"
    units = found.unit if found.trainings > 1 else found.unit.removesuffix("s").replace("draws", "draw")
    given = f"given {'these' if found.trainings > 1 else 'this'} {found.trainings} {units}" if found.trained else ""
    if not math.isnan(found.low):
        ends = f"{bare(format(found.low, form))} to {bare(format(found.high, form))}"
        text += f", {ends} {given or 'over questions'}"
    if not found.trained:
        return text
    if math.isnan(found.crossed_low):
        alone = f", for which it {'holds' if answer.given == HOLDS else 'is ' + answer.given}" if answer.given else ""
        return text + f"{alone}; {found.trainings} {units} show{'s' * (found.trainings == 1)} nothing of others"
    ends = f"{bare(format(found.crossed_low, form))} to {bare(format(found.crossed_high, form))}"
    return f"{text}, {ends} over questions and {found.unit}"


def _first_few(texts: Sequence[str]) -> str:
    once = list(dict.fromkeys(texts))
    more = f"; and {len(once) - _SHOWN} more" if len(once) > _SHOWN else ""
    return "; ".join(once[:_SHOWN]) + more


def summary(entries: Sequence[Entry], drawn: Collection[str] | None = None) -> pd.DataFrame:
    """Return one line a claim: claim, text, verdict with its mark, reasons, figure, source.

    `drawn` are the names of the figures that the run has; of one that is not among them the table says so.
    """
    names = [one.claim.figure for one in entries]
    there = names if drawn is None else ["", *drawn]
    figures = [name + " (not drawn in this run)" * (name not in there) for name in names]
    return pd.DataFrame(
        {
            "claim": [one.claim.id for one in entries],
            "text": [one.claim.text for one in entries],
            "verdict": [f"{MARKS[one.verdict]} {one.words}" for one in entries],
            "why": [one.sentence for one in entries],
            "figure": figures,
            "source": [one.claim.source for one in entries],
        }
    )


def matrix(ledgers: Sequence[Sequence[Entry]]) -> pd.DataFrame:
    """Return one line a claim and source, in the columns of the figure `claims`: claim, text, source, verdict."""
    lines = [(one.claim.id, one.claim.text, one.source, one.verdict) for entries in ledgers for one in entries]
    return pd.DataFrame(lines, columns=["claim", "text", "source", "verdict"])


def evidence(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return a line an answer: claim, check, encoder, outcome, given, value, against, note, the difference, reason."""
    columns = [one.name for one in fields(Difference) if one.name not in ("scores", "trained", "measured")]
    lines = []
    for entry in entries:
        for one in entry.answers:
            known = {} if math.isnan(one.difference.difference) else asdict(one.difference)
            keys = {"check": one.part, "encoder": one.encoder, "outcome": one.outcome, "given": one.given}
            rest = {"value": one.value, "against": one.against, "note": one.note, **known, "reason": one.reason}
            lines.append({"claim": entry.claim.id, **keys, **rest})
    shown = ["claim", "check", "encoder", "outcome", "given", "value", "against", "note", *columns, "reason"]
    return pd.DataFrame(lines, columns=shown)


def readings(claims: Sequence[Claim]) -> pd.DataFrame:
    """Return how each claim was turned into its check: claim, check, reading."""
    lines = [(one.id, str(one.check), one.reading) for one in claims]
    return pd.DataFrame(lines, columns=["claim", "check", "reading"])


def as_html(frame: pd.DataFrame) -> str:
    """Return a frame as a table of HTML with whole texts; every text is escaped.

    >>> as_html(pd.DataFrame({"text": ["<b>"]})).count("&lt;b&gt;")
    1
    """
    with pd.option_context("display.max_colwidth", None):
        page = frame.map(_cell).to_html(index=False, border=0)
    return page.replace("<td>", '<td style="text-align:left;vertical-align:top">')


def _cell(value: object) -> str:
    if value is None or value != value:
        return ""
    return f"{value:+,.4f}" if isinstance(value, float) else safe(str(value))
