"""A check asked of facts: one answer for each comparison and each name of its variables."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hybridkit.claims.facts import NAN, Ask, Fact, Facts, Gap, Lacking
from hybridkit.claims.tree import Call, Check, Comparison, Item, Name, Number, Set, Sum, put
from hybridkit.claims.vocabulary import instances, strategy_of
from hybridkit.claims.words import DISTANCE, LOWER_IS_BETTER, ROLES, WORDS

HOLDS, NOT_SHOWN, FAILS, UNTESTED = "holds", "not shown", "does not hold", "not testable"
_WORST = (FAILS, NOT_SHOWN, HOLDS)
_EQUAL = 1e-4  # tables are printed to four decimals, and so is what is compared with ==
_NO_DIFFERENCE = 1e-12


@dataclass(frozen=True)
class Answer:
    """The answer to one comparison, of which `outcome` says whether it holds.

    A comparison of scores holds if the difference has the claimed sign and every interval there is lies wholly on that
    side of zero; with the sign but with zero inside an interval it is not shown. Everything else is compared as it is.
    `part` is the comparison with names in the places of variables, `value` and `against` are its sides; `reason` says
    what is lacking where it could not be tested, `cure` what would help, `about` which variables that concerns.
    """

    part: str
    encoder: str
    outcome: str
    value: str = ""
    against: str = ""
    gap: Gap = Gap(NAN)
    reason: str = ""
    cure: str = ""
    about: frozenset[str] = frozenset()


def ask(check: Check, facts: Facts) -> list[Answer]:
    """Ask a check of facts: an answer for each of its comparisons and for every name of its variables.

    A check about scores that names no encoder is asked for every encoder. Where a variable stands for all that there
    are, those that lack what is asked for are left out, unless nothing else remains.

    >>> from hybridkit.claims.grammar import parse
    >>> from hybridkit.claims.tables import PublishedFacts
    >>> check = parse("every encoder, benchmark: best(AP, benchmark, pool) == hybrid")
    >>> [(answer.encoder, answer.outcome) for answer in ask(check, PublishedFacts())][:2]
    [('xlm-r', 'does not hold'), ('xlm-r', 'holds')]
    """
    free = {one.variable: facts.names(one.variable) for one in check.every if one.names is None}
    found: list[Answer] = []
    encoders = facts.names("encoder")
    scored = _of_scores(check)
    implicit = "encoder" not in {one.variable for one in check.every} and scored
    for names in instances(check, free):
        for encoder in encoders if implicit else (names.get("encoder", encoders[0]),):
            parts = [put(part, names) for part in check.parts]
            found += [_answer(part, facts, encoder.lower(), encoder if scored else "") for part in parts]
    open_variables = {*free, *(["encoder"] if implicit else [])}
    kept = [one for one in found if one.outcome != UNTESTED or not one.about & open_variables]
    return kept or found


def _of_scores(check: Check) -> bool:
    items = [item for part in check.parts for _, item in (*part.left.terms, *part.right.terms)]
    return any(isinstance(item, Call) and (item.name in ("best", "macro") or _is_score(item)) for item in items)


def _is_score(item: Item) -> bool:
    return isinstance(item, Call) and WORDS[item.name].gives == "score"


def _answer(part: Comparison, facts: Facts, encoder: str, shown: str) -> Answer:
    answer = Answer(str(part), shown, UNTESTED)
    left = part.left.terms[0][1]
    try:
        if isinstance(left, Call) and left.name == "best":
            return _best(answer, left, str(part.right), facts, encoder)
        if part.operator in ("<", "<=", ">", ">=") and any(map(_is_score, _items(part))):
            return _ordered(answer, part, facts, encoder)
        value, other = (_value(side, facts, encoder) for side in (part.left, part.right))
        held = _compare(value, part.operator, other)
        return replace(answer, outcome=HOLDS if held else FAILS, value=told(value), against=told(other))
    except Lacking as lack:
        return replace(answer, reason=lack.what, cure=lack.cure, about=lack.about)


def _items(part: Comparison) -> list[Item]:
    return [item for _, item in (*part.left.terms, *part.right.terms)]


def _best(answer: Answer, left: Call, best: str, facts: Facts, encoder: str) -> Answer:
    """The named strategy against each of the others; the answer is that of the one that is hardest to beat."""
    measure, benchmark, setting = map(_text, left.arguments)
    sign = -1.0 if measure in LOWER_IS_BETTER else 1.0
    asked = {role: Ask(measure, strategy_of(role), benchmark, setting, encoder) for role in ROLES}
    found = []
    for role in ROLES:
        if role != best:
            gap = facts.gap([(1.0, asked[best]), (-1.0, asked[role])])
            values = (told(gap.scores[0]), f"{told(gap.scores[1])} of {role}")
            found.append((_WORST.index(_shown(gap, sign)), sign * gap.difference, values, gap))
    worst, _, (value, against), gap = min(found, key=lambda one: one[:2])
    return replace(answer, outcome=_WORST[worst], value=value, against=against, gap=gap)


def _ordered(answer: Answer, part: Comparison, facts: Facts, encoder: str) -> Answer:
    terms: list[tuple[float, Ask]] = []
    constants: dict[float, float] = {}
    for side, sign in ((part.left, 1.0), (part.right, -1.0)):
        asked = [(factor, _ask_of(item, encoder)) for factor, item in side.terms if _is_score(item)]
        terms += [(sign * factor, one) for factor, one in asked]
        plain = [(factor, _item(item, facts, encoder)) for factor, item in side.terms if not _is_score(item)]
        constants[sign] = sum(factor * _number(value) for factor, value in plain)
    gap = facts.gap(terms, constants[1.0] - constants[-1.0])
    outcome = _shown(gap, 1.0 if part.operator[0] == ">" else -1.0, part.operator.endswith("="))
    count = sum(_is_score(item) for _, item in part.left.terms)
    parts = [factor * score for (factor, _), score in zip(terms, gap.scores, strict=True)]
    value, against = sum(parts[:count]) + constants[1.0], constants[-1.0] - sum(parts[count:])
    return replace(answer, outcome=outcome, value=told(value), against=told(against), gap=gap)


def _shown(gap: Gap, sign: float, or_equal: bool = False) -> str:
    """Whether a difference is on the side of `sign`, and its intervals with it."""

    def beyond(value: float) -> bool:
        return sign * value > _NO_DIFFERENCE or (or_equal and sign * value > -_NO_DIFFERENCE)

    if not beyond(gap.difference):
        return FAILS
    ends = (gap.low, gap.seeds_low) if sign > 0 else (gap.high, gap.seeds_high)
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


def _value(side: Sum, facts: Facts, encoder: str) -> Fact:
    values = [(factor, _item(item, facts, encoder)) for factor, item in side.terms]
    if len(values) == 1 and values[0][0] == 1.0:
        return values[0][1]
    return sum(factor * _number(value) for factor, value in values)


def _item(item: Item, facts: Facts, encoder: str) -> Fact:
    if isinstance(item, Number):
        return item.value
    if isinstance(item, Set):
        return frozenset(name.text for name in item.items)
    if isinstance(item, Name):
        return facts.fact(item.text, (), encoder) if item.text in WORDS and not WORDS[item.text].takes else item.text
    if item.name == "count":
        inner = _item(item.arguments[0], facts, encoder)
        return float(len(inner)) if isinstance(inner, frozenset) else NAN
    if _is_score(item):
        return facts.score(_ask_of(item, encoder))
    texts = zip(WORDS[item.name].takes, map(_text, item.arguments), strict=True)
    return facts.fact(
        item.name, tuple(strategy_of(text) if kind == "strategy" else text for kind, text in texts), encoder
    )


def _ask_of(item: Item, encoder: str) -> Ask:
    assert isinstance(item, Call)
    strategy, benchmark, *setting = map(_text, item.arguments)
    measure = item.name
    return Ask(measure, strategy_of(strategy), benchmark, "pool" if measure == DISTANCE else setting[0], encoder)


def _text(item: Item) -> str:
    return str(getattr(item, "text", item))


def _number(value: Fact) -> float:
    return value if isinstance(value, int | float) else NAN


def told(value: Fact) -> str:
    """A value in words: counts whole, scores with four decimals, ranks with one, sets in order.

    >>> told(0.59271), told(110.0), told(286.64), told(frozenset({"mono", "cross"}))
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
