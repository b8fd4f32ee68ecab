"""The grammar of a claim's check, and its parser. Nothing is looked up or run here.

    check      = ["every" variable {"," variable} ":"] comparison {"and" comparison}
    variable   = ("encoder" | "benchmark" | "setting" | "strategy" | "measure") ["in" set]
    comparison = value ("==" | "!=" | "<=" | ">=" | "<" | ">" | "in") value
    value      = [number "*"] item {("+" | "-") [number "*"] item}
    item       = number | name | name "(" [item {"," item}] ")" | set
    set        = "{" [name {"," name}] "}"

A name is a word such as `xquad-r`, `R@10` or `xquad-r[16:]`; whatever is no such word stands in quotes. A minus between
two values has a space behind it. What names mean is told by `words`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from hybridkit.errors import InputError

NAME = r"[A-Za-z_][\w@.]*(?:-[\w@.]+)*(?:\[[^\[\]\n\"']*\])?"  # as it is written without quotes
RESERVED = ("every", "and", "in")
_PLAIN = re.compile(NAME, re.ASCII)


def plain(value: float) -> str:
    """A number without an exponent.

    >>> plain(0.9), plain(110.0), plain(1e-4)
    ('0.9', '110', '0.0001')
    """
    return f"{value:.12f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    value: float

    def __str__(self) -> str:
        return plain(self.value)


@dataclass(frozen=True)
class Name:
    """A word: a strategy, a benchmark, a variable and so on, by where it stands; `at` is its place in the text.

    >>> str(Name("xquad-r[16:]")), str(Name("my file.jsonl"))
    ('xquad-r[16:]', '"my file.jsonl"')
    """

    text: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if _PLAIN.fullmatch(self.text) and self.text not in RESERVED:
            return self.text
        return f"'{self.text}'" if '"' in self.text else f'"{self.text}"'


@dataclass(frozen=True)
class Set:
    """Names in braces."""

    items: tuple[Name, ...]

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.items)) + "}"


@dataclass(frozen=True)
class Call:
    """A name with arguments in parentheses."""

    name: str
    arguments: "tuple[Item, ...]"
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


Item: TypeAlias = Number | Name | Set | Call


@dataclass(frozen=True)
class Sum:
    """Items with factors, as in `.9 * rank_distance(mono, xquad-r) + 5`."""

    terms: tuple[tuple[float, Item], ...]

    def __str__(self) -> str:
        parts = []
        for place, (factor, item) in enumerate(self.terms):
            sign = ("- " if factor < 0 else "+ ") if place else ""
            size = abs(factor) if place else factor
            parts.append(sign + (f"{plain(size)} * {item}" if size != 1 else str(item)))
        return " ".join(parts)


@dataclass(frozen=True)
class Comparison:
    """Two values and what is said of them."""

    left: Sum
    operator: str
    right: Sum

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True)
class Every:
    """A variable and the names that it stands for one after the other; None for all that there are."""

    variable: str
    names: tuple[Name, ...] | None = None

    def __str__(self) -> str:
        return self.variable + (f" in {Set(self.names)}" if self.names is not None else "")


@dataclass(frozen=True)
class Check:
    """A whole check: its variables, and its comparisons, each of which it says is true."""

    every: tuple[Every, ...]
    parts: tuple[Comparison, ...]

    def __str__(self) -> str:
        head = f"every {', '.join(map(str, self.every))}: " if self.every else ""
        return head + " and ".join(map(str, self.parts))


def put(part: Comparison, names: dict[str, str]) -> Comparison:
    """A comparison with names in the places of its variables.

    >>> best = Sum(((1.0, Call("best", (Name("AP"), Name("benchmark")))),))
    >>> str(put(Comparison(best, "==", Sum(((1.0, Name("hybrid")),))), {"benchmark": "mlqa-r"}))
    'best(AP, mlqa-r) == hybrid'
    """

    def item(one: Item) -> Item:
        if isinstance(one, Name):
            return Name(names.get(one.text, one.text), one.at)
        if isinstance(one, Call):
            return Call(one.name, tuple(item(inner) for inner in one.arguments), one.at)
        return one

    def value(one: Sum) -> Sum:
        return Sum(tuple((factor, item(inner)) for factor, inner in one.terms))

    return Comparison(value(part.left), part.operator, value(part.right))


VARIABLES = ("encoder", "benchmark", "setting", "strategy", "measure")
OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "in")
LONGEST = 1000  # characters of a check
DEEPEST = 4  # calls inside calls
_TOKEN = re.compile(
    rf"""(?P<number>(?:\d{{1,12}}(?:\.\d{{1,12}})?|\.\d{{1,12}})(?![\w.@]))|(?P<name>{NAME})|(?P<quoted>"[^"\n]*"|'[^'\n]*')"""
    r"""|(?P<sign>==|!=|<=|>=|[-+*<>(){},:])""",
    re.ASCII,
)
_One = TypeVar("_One")


def parse(text: str) -> Check:
    """Parse the text of a check. Raises InputError with the place for whatever is not of the grammar.

    >>> check = parse("every benchmark: rank_distance(hybrid, benchmark) < .9 * rank_distance(mono, benchmark)")
    >>> check.every[0].variable, check.parts[0].operator, str(check.parts[0].right)
    ('benchmark', '<', '0.9 * rank_distance(mono, benchmark)')
    >>> parse("__import__('os') == 1 or 2")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: character 23: 'or 2' stands where 'and' or the end is expected
    """
    if len(text) > LONGEST:
        raise InputError(f"the check has {len(text):,} characters; {LONGEST:,} are the most, make two claims of it")
    return _Parser(text).check()


def failed(at: int, what: str) -> InputError:
    """An error at a place of the text, which people count from 1."""
    return InputError(f"character {at + 1}: {what}")


class _Parser:
    """Recursive descent over the tokens of one text: (kind, text, place), the last one of the kind "end"."""

    def __init__(self, text: str) -> None:
        self.text, self.place, self.depth = text, 0, 0
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            at += len(text[at:]) - len(text[at:].lstrip())
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise failed(at, f"{text[at : at + 12]!r} is nothing that a check can hold")
            self.tokens.append((match.lastgroup, match[0], at))
            at = match.end()
        self.tokens.append(("end", "", len(text)))

    def peek(self, *texts: str) -> bool:
        kind, text, _ = self.tokens[self.place]
        return kind in ("sign", "name") and text in texts

    def take(self, expected: str = "", *kinds: str) -> tuple[str, str, int]:
        token = self.tokens[self.place]
        if kinds and (token[0] not in kinds or (token[0] == "name" and token[1] in RESERVED)):
            raise self.wrong(expected)
        self.place += 1
        return token

    def need(self, sign: str) -> None:
        if not self.peek(sign):
            raise self.wrong(repr(sign))
        self.take()

    def wrong(self, expected: str) -> InputError:
        kind, _, at = self.tokens[self.place]
        found = "the check ends" if kind == "end" else f"{self.text[at : at + 12].strip()!r} stands"
        return failed(at, f"{found} where {expected} is expected")

    def listed(self, one: Callable[[], _One]) -> tuple[_One, ...]:
        found = [one()]
        while self.peek(","):
            self.take()
            found.append(one())
        return tuple(found)

    def check(self) -> Check:
        every: tuple[Every, ...] = ()
        if self.peek("every"):
            self.take()
            every = self.listed(self.variable)
            self.need(":")
        names = [one.variable for one in every]
        if len(set(names)) < len(names):
            raise failed(0, f"a variable stands twice in 'every {', '.join(names)}'")
        parts = [self.comparison()]
        while self.peek("and"):
            self.take()
            parts.append(self.comparison())
        if self.tokens[self.place][0] != "end":
            raise self.wrong("'and' or the end")
        return Check(every, tuple(parts))

    def variable(self) -> Every:
        expected = f"a variable ({', '.join(VARIABLES)})"
        if not self.peek(*VARIABLES):
            raise self.wrong(expected)
        variable = self.take()[1]
        if not self.peek("in"):
            return Every(variable)
        self.take()
        return Every(variable, self.set().items)

    def comparison(self) -> Comparison:
        left = self.value()
        if not self.peek(*OPERATORS):
            raise self.wrong(f"a comparison ({' '.join(OPERATORS)})")
        return Comparison(left, self.take()[1], self.value())

    def value(self) -> Sum:
        terms = [self.term(1.0)]
        while self.peek("+", "-"):
            terms.append(self.term(1.0 if self.take()[1] == "+" else -1.0))
        return Sum(tuple(terms))

    def term(self, sign: float) -> tuple[float, Item]:
        found = self.item()
        if not self.peek("*"):
            return sign, found
        if not isinstance(found, Number):
            raise self.wrong("no '*' (a factor is a number and stands before it)")
        self.take()
        return sign * found.value, self.item()

    def item(self) -> Item:
        if self.peek("{"):
            return self.set()
        kind, text, at = self.take("a name, a number or a set", "name", "number", "quoted")
        if kind == "number":
            return Number(float(text))
        if kind == "quoted" or not self.peek("("):
            return Name(text[1:-1] if kind == "quoted" else text, at)
        self.take()
        self.depth += 1
        if self.depth > DEEPEST:
            raise failed(at, f"more than {DEEPEST} calls stand inside one another")
        arguments = () if self.peek(")") else self.listed(self.item)
        self.need(")")
        self.depth -= 1
        return Call(text, arguments, at)

    def set(self) -> Set:
        self.need("{")
        items = () if self.peek("}") else self.listed(self.name)
        self.need("}")
        return Set(items)

    def name(self) -> Name:
        kind, text, at = self.take("a name", "name", "quoted")
        return Name(text[1:-1] if kind == "quoted" else text, at)
