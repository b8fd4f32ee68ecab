"""The ledger: every check evaluated on facts, a verdict on every claim, in words, with the answers behind it."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
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
from hybridkit.analysis.claims.facts import Fact, Facts, NotTestable, ScoreQuery
from hybridkit.analysis.claims.file import Claim
from hybridkit.evaluation.measures import DISTANCE, LOWER_IS_BETTER
from hybridkit.evaluation.significance import NAN, Difference
from hybridkit.utils.characters import safe

HOLDS, NOT_SHOWN, FAILS, UNTESTED = "holds", "not shown", "does not hold", "not testable"
_WORST = (FAILS, NOT_SHOWN, HOLDS)
_EQUAL = 1e-4  # tables are printed to four decimals, and so is what is compared with ==
_NO_DIFFERENCE = 1e-12
PART = "holds in part"
MARKS = {HOLDS: "✓", PART: "◐", FAILS: "✗", UNTESTED: "–"}
_SHOWN = 3  # answers in a sentence


@dataclass(frozen=True)
class Answer:
    """The answer to one comparison, of which `outcome` says whether it holds.

    A comparison of scores holds if the difference has the claimed sign and every interval there is lies wholly on that
    side of zero; with the sign but with zero inside an interval it is not shown. Everything else is compared as it is.
    `part` is the comparison with names for its variables, `value` and `against` are its sides; `reason` says
    what is missing where it could not be tested, `cure` what would help, `about` which variables that concerns.
    """

    part: str
    encoder: str
    outcome: str
    value: str = ""
    against: str = ""
    difference: Difference = Difference(NAN)
    reason: str = ""
    cure: str = ""
    about: frozenset[str] = frozenset()


def evaluate(check: Check, facts: Facts) -> list[Answer]:
    """Answer a check by facts: an answer for each of its comparisons and for every name of its variables.

    A check about scores that names no encoder is evaluated for every encoder. Where a variable means all that there
    are, those without what it needs are left out, unless nothing else remains.

    >>> from hybridkit.analysis.claims.checks import parse
    >>> from hybridkit.analysis.claims.facts import PublishedFacts
    >>> check = parse("every encoder, benchmark: best(AP, benchmark, pool) == hybrid")
    >>> [(answer.encoder, answer.outcome) for answer in evaluate(check, PublishedFacts())][:2]
    [('xlm-r', 'does not hold'), ('xlm-r', 'holds')]
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
    kept = [one for one in found if one.outcome != UNTESTED or not one.about & open_variables]
    return kept or found


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
        if part.operator in ("<", "<=", ">", ">=") and any(map(_is_score, part.items)):
            return _ordered(answer, part, facts, encoder)
        value, other = (_value(side, facts, encoder) for side in (part.left, part.right))
        held = _compare(value, part.operator, other)
        return replace(answer, outcome=HOLDS if held else FAILS, value=written(value), against=written(other))
    except NotTestable as missing:
        return replace(answer, reason=missing.what, cure=missing.cure, about=missing.about)


def _best(answer: Answer, left: Call, best: str, facts: Facts, encoder: str) -> Answer:
    """The named strategy against each of the others; the answer is that of the one that is hardest to beat."""
    measure, benchmark, setting = map(str, left.arguments)
    sign = -1.0 if measure in LOWER_IS_BETTER else 1.0
    query = {role: ScoreQuery(measure, strategy_of(role), benchmark, setting, encoder) for role in ROLES}
    found = []
    for role in ROLES:
        if role != best:
            one = facts.difference([(1.0, query[best]), (-1.0, query[role])])
            values = (written(one.scores[0]), f"{written(one.scores[1])} of {role}")
            found.append((_WORST.index(_shown(one, sign)), sign * one.difference, values, one))
    worst, _, (value, against), difference = min(found, key=lambda one: one[:2])
    return replace(answer, outcome=_WORST[worst], value=value, against=against, difference=difference)


def _ordered(answer: Answer, part: Comparison, facts: Facts, encoder: str) -> Answer:
    terms: list[tuple[float, ScoreQuery]] = []
    constants: dict[float, float] = {}
    for side, sign in ((part.left, 1.0), (part.right, -1.0)):
        terms += [(sign * factor, _query_of(item, encoder)) for factor, item in side if _is_score(item)]
        plain = [(factor, _item(item, facts, encoder)) for factor, item in side if not _is_score(item)]
        constants[sign] = sum(factor * _number(value) for factor, value in plain)
    difference = facts.difference(terms, constants[1.0] - constants[-1.0])
    outcome = _shown(difference, 1.0 if part.operator[0] == ">" else -1.0, part.operator.endswith("="))
    count = sum(_is_score(item) for _, item in part.left)
    parts = [factor * score for (factor, _), score in zip(terms, difference.scores, strict=True)]
    value, against = sum(parts[:count]) + constants[1.0], constants[-1.0] - sum(parts[count:])
    return replace(answer, outcome=outcome, value=written(value), against=written(against), difference=difference)


def _shown(found: Difference, sign: float, or_equal: bool = False) -> str:
    """Whether a difference is on the side of `sign`, and its intervals with it."""

    def beyond(value: float) -> bool:
        return sign * value > _NO_DIFFERENCE or (or_equal and sign * value > -_NO_DIFFERENCE)

    if not beyond(found.difference):
        return FAILS
    ends = (found.low, found.seeds_low) if sign > 0 else (found.high, found.seeds_high)
    return HOLDS if all(beyond(end) for end in ends if not math.isnan(end)) else NOT_SHOWN


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


def _few(names: list[str], most: int = 12) -> Iterator[str]:
    yield from names[:most]
    if len(names) > most:
        yield f"and {len(names) - most} more"


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
        """The verdict in words: "not testable in this study"."""
        where = "on" if "tables" in self.source else "in"
        return f"{self.verdict} {where} {self.source}" if self.verdict == UNTESTED else self.verdict


def judge(claims: Sequence[Claim], facts: Facts) -> list[Entry]:
    """Judge every claim by the facts of a study or of the published tables.

    A claim holds if every answer to its check does; it does not hold if none does; in part if some do, or if what was
    tested holds and the check names something that is not there, or if a difference has the claimed sign without being
    shown (zero lies inside an interval). What cannot be tested says what is missing, and gives the answer to `instead`.

    >>> from hybridkit.analysis.claims.file import open_claims
    >>> from hybridkit.analysis.claims.facts import PublishedFacts
    >>> [(entry.claim.id, entry.verdict) for entry in judge(open_claims()[8:11], PublishedFacts())]
    [('9', 'holds in part'), ('10', 'holds in part'), ('11', 'holds')]
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
    if outcomes <= {UNTESTED}:
        return UNTESTED
    if outcomes == {HOLDS}:
        return HOLDS
    return FAILS if outcomes <= {FAILS, UNTESTED} else PART


def _sentence(verdict: str, answers: Sequence[Answer]) -> str:
    """The verdict's reasons: what does not hold first, then what does."""
    by = {
        outcome: [one for one in answers if one.outcome == outcome] for outcome in (FAILS, NOT_SHOWN, HOLDS, UNTESTED)
    }
    tested = len(answers) - len(by[UNTESTED])
    parts = []
    if tested > 1:
        parts.append(f"{len(by[HOLDS])} of {tested} comparisons hold{' beyond doubt' * bool(by[NOT_SHOWN])}.")
    starts = {FAILS: "Not so", NOT_SHOWN: "The right sign, but not shown, zero lies inside an interval"}
    for outcome, start in starts.items():
        parts += [f"{start}: {_first_few([answer_text(one) for one in by[outcome]])}."] if by[outcome] else []
    if len(by[HOLDS]) == tested > 0:
        parts.append(f"{_first_few([answer_text(one) for one in by[HOLDS]])}.")
    if by[UNTESTED]:
        parts.append(f"Not tested: {_first_few([one.reason for one in by[UNTESTED]])}.")
        if cures := list(dict.fromkeys(one.cure for one in by[UNTESTED] if one.cure)):
            parts.append(f"It would take {_first_few(cures)}.")
    return " ".join(parts)


def answer_text(answer: Answer) -> str:
    """Return an answer in words: the comparison and what was found, with the interval of a difference.

    >>> from hybridkit.evaluation.significance import Difference
    >>> answer_text(Answer("AP(hybrid, b, pool) > AP(mono, b, pool)", "labse", HOLDS, ".5", ".4", Difference(0.1)))
    'labse: AP(hybrid, b, pool) > AP(mono, b, pool) (.5 against .4)'
    >>> answer_text(Answer("AP(hybrid, b, pool) > .4", "labse", HOLDS, ".5", ".4", Difference(0.1, 0.05, 0.15)))
    'labse: AP(hybrid, b, pool) > .4 (.5 against .4; +0.1000, +0.0500 to +0.1500 over articles)'
    >>> answer_text(Answer("count(languages(b)) == 11", "", FAILS, "7", "11"))
    'count(languages(b)) == 11 (it is 7)'
    """
    found = answer.difference
    if answer.against.startswith("{") and not answer.value.startswith("{"):
        text = f"there is {answer.against}"
    elif not math.isnan(found.difference):
        text = f"{answer.value} against {answer.against}"
        ends = (("articles", found.low, found.high), (found.unit, found.seeds_low, found.seeds_high))
        form = "+,.1f" if DISTANCE in answer.part else "+.4f"
        intervals = [f"{low:{form}} to {high:{form}} over {unit}" for unit, low, high in ends if not math.isnan(low)]
        text += f"; {found.difference:{form}}, {', '.join(intervals)}" * bool(intervals)
    else:
        text = f"it is {answer.value}"
    return f"{answer.encoder}: " * bool(answer.encoder) + f"{answer.part} ({text})"


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
    """Return a line an answer: claim, check, encoder, outcome, value, against, difference, intervals, basis, reason."""
    lines = []
    for entry in entries:
        for one in entry.answers:
            known = {} if math.isnan(one.difference.difference) else asdict(one.difference)
            known.pop("scores", None)
            keys = {"check": one.part, "encoder": one.encoder, "outcome": one.outcome, "value": one.value}
            rest = {"against": one.against, **known, "reason": one.reason}
            lines.append({"claim": entry.claim.id, **keys, **rest})
    columns = ["claim", "check", "encoder", "outcome", "value", "against", "difference", "low", "high", "seeds_low"]
    return pd.DataFrame(lines, columns=[*columns, "seeds_high", "unit", "basis", "reason"])


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
