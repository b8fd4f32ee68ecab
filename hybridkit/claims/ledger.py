"""The ledger: a verdict on every claim, in words, with the answers behind it."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from hybridkit.characters import escaped
from hybridkit.claims.facts import Facts
from hybridkit.claims.file import Claim
from hybridkit.claims.judge import FAILS, HOLDS, NOT_SHOWN, UNTESTED, Answer, ask
from hybridkit.claims.words import DISTANCE

PART = "holds in part"
VERDICTS = (HOLDS, PART, FAILS, UNTESTED)
MARKS = {HOLDS: "✓", PART: "◐", FAILS: "✗", UNTESTED: "–"}
_SHOWN = 3  # answers that a sentence tells


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
        """The verdict as it is told: "not testable in this study"."""
        where = "on" if "tables" in self.source else "in"
        return f"{self.verdict} {where} {self.source}" if self.verdict == UNTESTED else self.verdict


def ledger(claims: Sequence[Claim], facts: Facts) -> list[Entry]:
    """Judge every claim by the facts of a study or of the published tables.

    A claim holds if every answer to its check does; it does not hold if none does; in part if some do, or if what was
    tested holds and the check names something that is not there, or if a difference has the claimed sign without being
    shown (zero lies inside an interval). What cannot be tested says what is lacking, and tells the answer to `instead`.

    >>> from hybridkit.claims import open_claims
    >>> from hybridkit.claims.tables import PublishedFacts
    >>> [(entry.claim.id, entry.verdict) for entry in ledger(open_claims()[8:11], PublishedFacts())]
    [('9', 'holds in part'), ('10', 'holds in part'), ('11', 'holds')]
    """
    entries = []
    for claim in claims:
        answers = tuple(ask(claim.check, facts))
        verdict = verdict_of(answers)
        sentence = _sentence(verdict, answers)
        if verdict == UNTESTED and claim.instead is not None:
            instead = tuple(ask(claim.instead, facts))
            if (other := verdict_of(instead)) != UNTESTED:
                sentence += f" Asked instead ({claim.instead}): {_sentence(other, instead)}"
                answers += tuple(instead)
        entries.append(Entry(claim, facts.title, verdict, sentence, answers))
    return entries


def verdict_of(answers: Sequence[Answer]) -> str:
    """The verdict on a claim by the answers to its check."""
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
    told = {FAILS: "Not so", NOT_SHOWN: "The right sign, but not shown, zero lies inside an interval"}
    for outcome in told:
        parts += [f"{told[outcome]}: {_few([tell(one) for one in by[outcome]])}."] if by[outcome] else []
    if len(by[HOLDS]) == tested > 0:
        parts.append(f"{_few([tell(one) for one in by[HOLDS]])}.")
    if by[UNTESTED]:
        parts.append(f"Not tested: {_few([one.reason for one in by[UNTESTED]])}.")
        if cures := list(dict.fromkeys(one.cure for one in by[UNTESTED] if one.cure)):
            parts.append(f"It would take {_few(cures)}.")
    return " ".join(parts)


def tell(answer: Answer) -> str:
    """An answer in words: the comparison and what was found, with the interval of a difference.

    >>> from hybridkit.claims.facts import Gap
    >>> tell(Answer("AP(hybrid, b, pool) > AP(mono, b, pool)", "labse", HOLDS, ".5", ".4", Gap(0.1)))
    'labse: AP(hybrid, b, pool) > AP(mono, b, pool) (.5 against .4)'
    >>> tell(Answer("AP(hybrid, b, pool) > .4", "labse", HOLDS, ".5", ".4", Gap(0.1, 0.05, 0.15)))
    'labse: AP(hybrid, b, pool) > .4 (.5 against .4; +0.1000, +0.0500 to +0.1500 over articles)'
    >>> tell(Answer("count(languages(b)) == 11", "", FAILS, "7", "11"))
    'count(languages(b)) == 11 (it is 7)'
    """
    gap = answer.gap
    if answer.against.startswith("{") and not answer.value.startswith("{"):
        found = f"there is {answer.against}"
    elif gap.difference == gap.difference:
        found = f"{answer.value} against {answer.against}"
        ends = (("articles", gap.low, gap.high), (gap.unit, gap.seeds_low, gap.seeds_high))
        form = "+,.1f" if DISTANCE in answer.part else "+.4f"
        told = [f"{low:{form}} to {high:{form}} over {unit}" for unit, low, high in ends if low == low]
        found += f"; {gap.difference:{form}}, {', '.join(told)}" * bool(told)
    else:
        found = f"it is {answer.value}"
    return f"{answer.encoder}: " * bool(answer.encoder) + f"{answer.part} ({found})"


def _few(texts: Sequence[str]) -> str:
    once = list(dict.fromkeys(texts))
    more = f"; and {len(once) - _SHOWN} more" if len(once) > _SHOWN else ""
    return "; ".join(once[:_SHOWN]) + more


def summary(entries: Sequence[Entry], drawn: Collection[str] | None = None) -> pd.DataFrame:
    """One line a claim: claim, text, verdict with its mark, reasons, figure, source.

    `drawn` are the names of the figures that the run has; of one that is not among them the table says so.
    """
    names = [one.claim.figure for one in entries]
    there = names if drawn is None else ["", *drawn]
    figures = [name + " (not drawn in this run)" * (name not in there) for name in names]
    return pd.DataFrame(
        {
            "claim": [one.claim.id for one in entries], "text": [one.claim.text for one in entries],
            "verdict": [f"{MARKS[one.verdict]} {one.words}" for one in entries],
            "why": [one.sentence for one in entries], "figure": figures,
            "source": [one.claim.source for one in entries],
        }
    )  # fmt: skip


def matrix(ledgers: Sequence[Sequence[Entry]]) -> pd.DataFrame:
    """One line a claim and source, in the columns of the figure `claims`: claim, text, source, verdict."""
    lines = [(one.claim.id, one.claim.text, one.source, one.verdict) for entries in ledgers for one in entries]
    return pd.DataFrame(lines, columns=["claim", "text", "source", "verdict"])


def evidence(entries: Sequence[Entry]) -> pd.DataFrame:
    """One line an answer: claim, check, encoder, outcome, value, against, difference, its intervals, basis, reason."""
    lines = []
    for entry in entries:
        for one in entry.answers:
            gap = (
                {key: value for key, value in asdict(one.gap).items() if key != "scores"}
                if one.gap.difference == one.gap.difference
                else {}
            )
            keys = {"check": one.part, "encoder": one.encoder, "outcome": one.outcome, "value": one.value}
            rest = {"against": one.against, **gap, "reason": one.reason}
            lines.append({"claim": entry.claim.id, **keys, **rest})
    columns = ["claim", "check", "encoder", "outcome", "value", "against", "difference", "low", "high", "seeds_low"]
    return pd.DataFrame(lines, columns=[*columns, "seeds_high", "unit", "basis", "reason"])


def readings(claims: Sequence[Claim]) -> pd.DataFrame:
    """How each claim was turned into its check: claim, check, reading."""
    lines = [(one.id, str(one.check), one.reading) for one in claims]
    return pd.DataFrame(lines, columns=["claim", "check", "reading"])


def as_html(frame: pd.DataFrame) -> str:
    """A frame as a table of HTML with whole texts; every text is escaped.

    >>> as_html(pd.DataFrame({"text": ["<b>"]})).count("&lt;b&gt;")
    1
    """
    head = "".join(f"<th>{escaped(str(name))}</th>" for name in frame.columns)
    lines = []
    for row in frame.itertuples(index=False):
        cells = "".join(f'<td style="text-align:left;vertical-align:top">{escaped(_cell(value))}</td>' for value in row)
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:+,.4f}"
    return "" if value is None else str(value)
