"""The check of a claim: a small part of Python's expressions, the names it may use, and what can be checked of it.

    check      = ["every" variable {"," variable} ":"] comparison {"and" comparison}
    variable   = ("encoder" | "benchmark" | "setting" | "strategy" | "measure") ["in" set]
    comparison = value ("==" | "!=" | "<=" | ">=" | "<" | ">" | "in") value
    value      = [number "*"] item {("+" | "-") [number "*"] item}
    item       = number | name | name "(" [item {"," item}] ")" | set
    set        = "{" [name {"," name}] "}"

A name is a word such as `hybrid`, or is in quotes, such as "xquad-r" and "R@10". Python's `ast` reads the text;
only nodes of this grammar are taken, and nothing is looked up or run. `WORDS` says what names mean.
"""

import ast
import keyword
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeAlias

from hybridkit.errors import InputError
from hybridkit.evaluation.measures import COLLECTION_MEASURES, DISTANCE, SEEN_GROUPS, SETTINGS
from hybridkit.evaluation.measures import MEASURES as RANK_MEASURES
from hybridkit.sampling.labels import UNTRAINED

VARIABLES = ("encoder", "benchmark", "setting", "strategy", "measure")
LONGEST = 1000  # characters of a check
DEEPEST = 4  # calls inside calls
MOST = 1000  # comparisons that a check may make
_LARGEST = 1e12  # of numbers
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.LtE: "<=",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.Gt: ">",
    ast.In: "in",
}
_EXAMPLE = 'AP(hybrid, "xquad-r", pool) > AP(mono, "xquad-r", pool)'
MEASURES = tuple(dict.fromkeys([*RANK_MEASURES, *COLLECTION_MEASURES]))
ROLES = ("mono", "cross", "hybrid")  # what the paper compares; hybrid is the study's hybrid(alpha=0.5)
UNSEEN = "unseen"  # the last three of SEEN_GROUPS together
BY_DISTANCE = "by distance"  # what a measure of cross-lingual pairs changes by, per unit of distance from English
_GROUPS = (*SETTINGS, *SEEN_GROUPS, UNSEEN, BY_DISTANCE)
KINDS = ("mono", "cross", "mixed")
ROWS = "rows"
_BENCHMARKS = (
    'atlas, "xquad-r", "mlqa-r", miracl, "tydi-goldp", "held-out", a part such as "xquad-r[16:]", a file "rows.jsonl"'
)


@dataclass(frozen=True)
class Call:
    """A name with arguments in parentheses, and its text."""

    name: str
    arguments: "tuple[Item, ...]"
    text: str

    def __str__(self) -> str:
        return self.text


Item: TypeAlias = float | str | tuple[str, ...] | Call  # a number, a name, a set of names, a call
Terms: TypeAlias = tuple[tuple[float, Item], ...]  # items with their factors, which are added


@dataclass(frozen=True)
class Comparison:
    """Two sums of items, what is said of them, and its text."""

    left: Terms
    operator: str
    right: Terms
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def items(self) -> list[Item]:
        """All items of both sides."""
        return [item for _, item in (*self.left, *self.right)]


@dataclass(frozen=True)
class Check:
    """A whole check: its variables, each with its names (None for all that there are), its comparisons, its text."""

    every: dict[str, tuple[str, ...] | None]
    parts: tuple[Comparison, ...]
    text: str

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Check:
    """Read the text of a check; the inverse of `str`. Nothing of the text is run.

    Raises:
        InputError: For whatever is not of the grammar, with what is allowed.

    Example:
        >>> check = parse('every benchmark: rank_distance(hybrid, benchmark) < .9 * rank_distance(mono, benchmark)')
        >>> check.every, check.parts[0].operator, check.parts[0].right[0][0]
        ({'benchmark': None}, '<', 0.9)
        >>> parse("__import__('os').system('ls') == 1")
        Traceback (most recent call last):
        ...
        hybridkit.errors.InputError: "__import__('os').system": a name is expected: a word, or a text in ...
    """
    if len(text) > LONGEST:
        raise InputError(f"the check has {len(text):,} characters; {LONGEST:,} are the most, make two claims of it")
    text = text.strip()
    variables = re.match(r"every\s", text)
    try:  # `every X: Y` is Python's every[X: Y], a slice of as many characters
        with warnings.catch_warnings(action="ignore", category=Warning):  # of odd escapes in quoted names
            node = ast.parse(f"every[{text[6:]}]" if variables else text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: brackets nested deep
        raise InputError(f"the check cannot be read ({error}); write e.g. {_EXAMPLE}") from error
    every: dict[str, tuple[str, ...] | None] = {}
    if variables:
        heads, node = _heads(node)
        for head in heads:
            name, names = _variable(head)
            if name in every:
                raise InputError(f"the variable {name!r} is duplicated; name it once")
            every[name] = names
    parts = node.values if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) else [node]
    return Check(every, tuple(map(_comparison, parts)), text)


def _heads(node: ast.expr) -> tuple[list[ast.expr], ast.expr]:
    """Return the variables before the colon of `every`, and what follows it."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        *heads, last = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if isinstance(last, ast.Slice) and last.lower is not None and last.upper is not None and last.step is None:
            return [*heads, last.lower], last.upper
    raise InputError("'every' takes variables, one colon and comparisons, e.g. every encoder, benchmark: ...")


def _variable(node: ast.expr) -> tuple[str, tuple[str, ...] | None]:
    names: tuple[str, ...] | None = None
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In):
        names, node = _set(node.comparators[0]), node.left
    if not isinstance(node, ast.Name) or node.id not in VARIABLES:
        raise _wrong(node, f"a variable ({', '.join(VARIABLES)}), alone or with 'in' and a set,")
    return node.id, names


def _comparison(node: ast.expr) -> Comparison:
    if not isinstance(node, ast.Compare) or len(node.ops) > 1 or type(node.ops[0]) not in _OPERATORS:
        raise _wrong(node, f"a comparison ({' '.join(_OPERATORS.values())}), or several joined by 'and',")
    left, right = _terms(node.left), _terms(node.comparators[0])
    return Comparison(left, _OPERATORS[type(node.ops[0])], right, ast.unparse(node))


def _terms(node: ast.expr) -> Terms:
    found: list[tuple[float, Item]] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        found.insert(0, _term(node.right, 1.0 if isinstance(node.op, ast.Add) else -1.0))
        node = node.left
    return (_term(node, 1.0), *found)


def _term(node: ast.expr, sign: float) -> tuple[float, Item]:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return sign, _item(node)
    factor = _item(node.left)
    if not isinstance(factor, float):
        raise _wrong(node, "a number before '*'")
    return sign * factor, _item(node.right)


def _item(node: ast.expr, depth: int = 0) -> Item:
    if isinstance(node, ast.Set | ast.Dict):
        return _set(node)
    number = node.value if isinstance(node, ast.Constant) else None
    if isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < _LARGEST:
        return float(number)
    if not isinstance(node, ast.Call) or node.keywords:
        return _name(node)
    if depth == DEEPEST:
        raise InputError(f"more than {DEEPEST} calls are inside one another; {DEEPEST} are allowed")
    return Call(_name(node.func), tuple(_item(one, depth + 1) for one in node.args), ast.unparse(node))


def _set(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Dict) and not node.keys:
        return ()
    if not isinstance(node, ast.Set):
        raise _wrong(node, "a set such as {mono, cross}")
    return tuple(map(_name, node.elts))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise _wrong(node, 'a name is expected: a word, or a text in quotes such as "xquad-r"', "")


def _wrong(node: ast.expr, expected: str, ends: str = " is expected") -> InputError:
    try:
        text = ast.unparse(node)
    except RecursionError:
        text = "something that is nested too deep"
    text = text if len(text) <= 40 else text[:40] + "..."
    return InputError(f'"{text}": {expected}{ends}; write e.g. {_EXAMPLE}')


class _Put(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802  the name that ast calls
        text = self.names.get(node.id, node.id)
        return ast.Name(text) if text.isidentifier() and not keyword.iskeyword(text) else ast.Constant(text)


def put(part: Comparison, names: dict[str, str]) -> Comparison:
    """Return a comparison with names for its variables.

    >>> str(put(parse("best(AP, benchmark, pool) == hybrid").parts[0], {"benchmark": "mlqa-r"}))
    "best(AP, 'mlqa-r', pool) == hybrid"
    """
    return _comparison(_Put(names).visit(ast.parse(part.text, mode="eval").body))


@dataclass(frozen=True)
class Word:
    """What a name takes and gives, each by its kind, and what it means."""

    takes: tuple[str, ...]
    gives: str
    meaning: str


_SCORE = Word(("strategy", "benchmark", "setting"), "score", "a measure, averaged as the setting's mean is")
WORDS: dict[str, Word] = {
    **dict.fromkeys(MEASURES, _SCORE),
    DISTANCE: Word(("strategy", "benchmark"), "score", "rank distance in the pool, in ranks"),
    "macro": Word(("measure", "strategy", "benchmark", "setting"), "number", "the mean over what is reported in parts"),
    "best": Word(("measure", "benchmark", "setting"), "strategy", "the best of mono, cross and hybrid"),
    "languages": Word(("data",), "set of languages", "languages of a benchmark, or of the training rows"),
    "pairs": Word(("benchmark", "setting"), "set of pairs", "pairs of languages that are scored"),
    "measures": Word(("benchmark",), "set of measures", "what is reported on a benchmark"),
    "kinds": Word(("strategy",), "set of kinds", "kinds of batches in a strategy's plan"),
    "parallel": Word(("benchmark",), "number", "the fewest languages that a question of a benchmark has"),
    "leaks": Word(("benchmark",), "number", "texts of a benchmark among the rows that were trained on"),
    "relatives": Word(("benchmark",), "set of sets", "training sets that are parts of a benchmark's own collection"),
    "count": Word(("set",), "number", "how many there are"),
    "benchmarks": Word((), "set of benchmarks", "what the study evaluates on"),
    "encoders": Word((), "set of encoders", "what the study starts from"),
    "start": Word((), "start", "pretrained, or scratch"),
}


def check_names(check: Check) -> None:
    """Raise InputError for a name that the kit does not know, or a comparison that makes no sense.

    >>> check_names(parse('count(pairs("xquad-r", cross)) == 110 and best(AP, "mlqa-r", pool) == hybrid'))
    >>> check_names(parse('BLEU(hybrid, "xquad-r", pool) > .5'))
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: there is no 'BLEU' with arguments; there are AP, RR, ...
    """
    for variable, names in check.every.items():
        for name in names or ():
            _known(variable, name)
    free = {variable for variable, names in check.every.items() if names is None}
    count = math.prod(len(names) for names in check.every.values() if names is not None)
    if count == 0:
        raise InputError("a variable has no name to take; give some in its braces, or leave 'in' out")
    if count > MOST:
        raise InputError(f"the check makes {count:,} comparisons; {MOST:,} are allowed, name fewer")
    for part in check.parts:
        for one in instances(check):
            _check_part(put(part, one), free)


def instances(check: Check, free: dict[str, tuple[str, ...]] | None = None) -> Iterator[dict[str, str]]:
    """Yield every way of giving names to the check's variables; `free` has the names of those without their own."""
    chosen = {name: (free or {}).get(name) if names is None else names for name, names in check.every.items()}
    named = {name: names for name, names in chosen.items() if names is not None}
    for one in product(*named.values()):
        yield dict(zip(named, one, strict=True))


def strategy_of(role: str) -> str:
    """Return the strategy that a role or a strategy's text names, as studies spell it.

    >>> strategy_of("hybrid"), strategy_of("mono"), strategy_of("hybrid(alpha=.25)")
    ('hybrid(alpha=0.5)', 'mono', 'hybrid(alpha=0.25)')
    """
    from hybridkit.sampling import parse as strategy

    return role if role == UNTRAINED else str(strategy(role))


def _check_part(part: Comparison, free: set[str]) -> None:
    left, right = _kind(part.left, free), _kind(part.right, free)
    (_, first), (_, second) = part.left[0], part.right[0]
    wrong = InputError(f"{part} compares {_a(left)} with {_a(right)}; compare like with like")
    if part.operator == "in":
        if left != "name" or not right.startswith("set of ") or not isinstance(first, str):
            raise InputError(f"{part}: 'in' tests whether a name is in a set such as benchmarks")
        _known(_member(right), first, free)
    elif left in ("score", "number"):
        if right not in ("score", "number"):
            raise wrong
        _one_comparison(part)
    elif left.startswith("set of "):
        if part.operator not in ("==", "!=", "<=") or (right != left and not isinstance(second, tuple)):
            raise wrong
        for name in second if isinstance(second, tuple) else ():
            _known(_member(left), name, free)
    elif left in ("strategy", "start") and part.operator == "==" and isinstance(second, str):
        _known("role" if left == "strategy" else left, second, free)
    else:
        raise wrong


def _member(kind: str) -> str:
    return kind.removeprefix("set of ").removesuffix("s")


def _a(kind: str) -> str:
    return {"name": "a name", "set": "a set"}.get(kind, f"a {kind}")


def _one_comparison(part: Comparison) -> None:
    """Scores that are compared with one another are of one measure, benchmark and setting, so that they are paired."""
    scores = [item for item in part.items if isinstance(item, Call) and WORDS[item.name].gives == "score"]
    if len({(item.name, *item.arguments[1:]) for item in scores}) > 1:
        raise InputError(f"{scores[0]} and {scores[1]} differ in more than the strategy; make them alike")


def _kind(value: Terms, free: set[str]) -> str:
    kinds = [_item_kind(item, free) for _, item in value]
    plain = len(kinds) == 1 and value[0][0] == 1
    if not plain and not set(kinds) <= {"score", "number"}:
        raise InputError(f"{value[0][1]}: only scores and numbers can be added and multiplied")
    return kinds[0] if plain else ("score" if "score" in kinds else "number")


def _item_kind(item: Item, free: set[str]) -> str:
    if isinstance(item, float):
        return "number"
    if isinstance(item, tuple):
        return "set"
    if isinstance(item, str):
        return WORDS[item].gives if item in WORDS and not WORDS[item].takes else "name"
    if item.name not in WORDS or not WORDS[item.name].takes:
        known = ", ".join(name for name, word in WORDS.items() if word.takes)
        raise InputError(f"there is no {item.name!r} with arguments; there are {known}")
    takes = WORDS[item.name].takes
    if len(item.arguments) != len(takes):
        raise InputError(f"{item.name} takes {len(takes)}: {', '.join(takes)}; here are {len(item.arguments)}")
    for kind, argument in zip(takes, item.arguments, strict=True):
        if kind == "set":
            if not _item_kind(argument, free).startswith("set"):
                raise InputError(f'count takes a set such as languages("xquad-r"), not {argument}')
        elif not isinstance(argument, str):
            raise InputError(f"{item.name}: {argument} is not a {kind}; write a name")
        else:
            _known(kind, argument, free)
    _possible(item, free)
    return WORDS[item.name].gives


def _possible(item: Call, free: set[str]) -> None:
    """A score that no study can have: a measure or setting that a test collection, or a parallel one, does not have."""
    named = {kind: str(one) for kind, one in zip(WORDS[item.name].takes, item.arguments, strict=True)}
    named.setdefault("measure", item.name if item.name in (*MEASURES, DISTANCE) else "")
    if item.name == DISTANCE:
        named["setting"] = "pool"
    benchmark, measure, setting = (named.get(kind, "") for kind in ("benchmark", "measure", "setting"))
    if not benchmark or benchmark in free:
        return
    collection = is_collection_name(benchmark)
    has: dict[str, tuple[str, ...]] = {
        "measure": COLLECTION_MEASURES if collection else (*RANK_MEASURES, DISTANCE),
        "setting": ("mono", "pool") if collection else _GROUPS,
    }
    for kind, value in (("measure", measure), ("setting", setting)):
        if value and value not in free and value not in has[kind]:
            raise InputError(f"{item}: {benchmark} has no {kind} {value!r}; it has {', '.join(has[kind])}")


def is_collection_name(benchmark: str) -> bool:
    """Return whether a benchmark is one of the kit's test collections, which have no pairs of languages."""
    from hybridkit.data.sources import collection_files
    from hybridkit.utils.naming import split_name

    return split_name(benchmark)[0] in collection_files.NAMES


def _known(kind: str, text: str, free: set[str] | frozenset[str] = frozenset()) -> None:
    """Raise InputError for a name that is not one of its kind; a free variable is any of them."""
    if text in free and kind in (text, "data", "role"):
        return
    lists: dict[str, tuple[str, ...]] = {
        "setting": _GROUPS,
        "measure": (*MEASURES, DISTANCE),
        "role": ROLES,
        "kind": KINDS,
        "start": ("pretrained", "scratch"),
    }
    cure = ", ".join(lists.get(kind, ()))
    if kind == "set":  # of training sets, which may be anybody's files
        return
    if kind in lists:
        good = text in lists[kind]
    elif kind in ("benchmark", "data"):
        good, cure = _is_benchmark(text) or (kind == "data" and text == ROWS), _BENCHMARKS
    elif kind == "encoder":
        good = _is_encoder(text)
        cure = '"xlm-r", labse, "e5-small", "use-multilingual", static, a hub name or a folder in quotes'
    elif kind == "pair":
        good, cure = bool(re.fullmatch(r"[^>]+>[^>]+", text)), '"de>en" in quotes'
    else:
        good, cure = _reads(kind, text), "mono, cross, hybrid, untrained, or a strategy in quotes"
    if not good:
        what = {"role": "strategy", "data": "benchmark"}.get(kind, kind)
        raise InputError(f"{text!r} is not {'an' if what == 'encoder' else 'a'} {what} here; there are {cure}")


def _is_benchmark(text: str) -> bool:
    from hybridkit.data.sources.open_benchmarks import NAMES, base_name

    base = base_name(text)
    return base in (*NAMES, "held-out") or is_collection_name(text) or Path(base).suffix == ".jsonl"


def _is_encoder(text: str) -> bool:
    from hybridkit.models.encoder import ALIASES

    return text.lower() in (*ALIASES, "static") or "/" in text


def _reads(kind: str, text: str) -> bool:
    from hybridkit.data.languages import language

    try:
        language(text) if kind == "language" else strategy_of(text)
    except InputError:
        return False
    return True
