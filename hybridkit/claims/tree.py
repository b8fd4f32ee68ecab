"""What a claim's check is once it is parsed: a small tree of frozen values that print as what they are made from."""

import re
from dataclasses import dataclass, field
from typing import TypeAlias

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
