"""The names that a check may use, what each takes and returns, and everything that can be checked before a run."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from hybridkit.analysis.claims.grammar import Call, Check, Comparison, Item, Name, Number, Set, Sum, failed, put
from hybridkit.errors import InputError
from hybridkit.evaluation.measures import COLLECTION_MEASURES, DISTANCE, SEEN_GROUPS, SETTINGS
from hybridkit.evaluation.measures import MEASURES as RANK_MEASURES
from hybridkit.study.settings import UNTRAINED

MEASURES = tuple(dict.fromkeys([*RANK_MEASURES, *COLLECTION_MEASURES]))
ROLES = ("mono", "cross", "hybrid")  # what the paper compares; hybrid is the study's hybrid(alpha=0.5)
UNSEEN = "unseen"  # the last three of SEEN_GROUPS together
KINDS = ("mono", "cross", "mixed")
ROWS = "rows"
MOST = 1000  # times that a check may ask


@dataclass(frozen=True)
class Word:
    """What a name takes and gives, each by its kind."""

    takes: tuple[str, ...]
    gives: str
    told: str


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
    "parallel": Word(("benchmark",), "number", "the fewest languages that a question of a benchmark stands in"),
    "leaks": Word(("benchmark",), "number", "texts of a benchmark among the rows that were trained on"),
    "relatives": Word(("benchmark",), "set of sets", "training sets that are parts of a benchmark's own collection"),
    "count": Word(("set",), "number", "how many there are"),
    "benchmarks": Word((), "set of benchmarks", "what the study evaluates on"),
    "encoders": Word((), "set of encoders", "what the study starts from"),
    "start": Word((), "start", "pretrained, or scratch"),
}


def check_names(check: Check) -> None:
    """Raise InputError, with the place, for a name that the kit does not know or a comparison that makes no sense.

    >>> from hybridkit.analysis.claims.grammar import parse
    >>> check_names(parse("count(pairs(xquad-r, cross)) == 110 and best(AP, mlqa-r, pool) == hybrid"))
    >>> check_names(parse("BLEU(hybrid, xquad-r, pool) > .5"))
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: character 1: there is no 'BLEU' with arguments; there are AP, RR, ...
    """
    for one in check.every:
        for name in one.names or ():
            _known(one.variable, name)
    free = {one.variable for one in check.every if one.names is None}
    count = math.prod(len(one.names) for one in check.every if one.names is not None)
    if count == 0:
        raise failed(0, "a variable stands for no name at all; name some in its braces, or leave 'in' out")
    if count > MOST:
        raise failed(0, f"the check asks {count:,} times; {MOST:,} are the most, name fewer")
    for part in check.parts:
        for names in instances(check):
            _check_part(put(part, names), free)


def instances(check: Check, free: dict[str, tuple[str, ...]] | None = None) -> Iterator[dict[str, str]]:
    """Every way of giving names to the check's variables; those without names of their own take them from `free`."""
    chosen = {
        one.variable: (free or {})[one.variable] if one.names is None else tuple(name.text for name in one.names)
        for one in check.every
        if one.names is not None or one.variable in (free or {})
    }
    for names in product(*chosen.values()):
        yield dict(zip(chosen, names, strict=True))


def strategy_of(role: str) -> str:
    """The strategy that a role or a strategy's text names, as studies spell it.

    >>> strategy_of("hybrid"), strategy_of("mono"), strategy_of("hybrid(alpha=.25)")
    ('hybrid(alpha=0.5)', 'mono', 'hybrid(alpha=0.25)')
    """
    from hybridkit.sampling import parse

    return role if role == UNTRAINED else str(parse(role))


def _check_part(part: Comparison, free: set[str]) -> None:
    left, right = _kind(part.left, free), _kind(part.right, free)
    bare = part.right.terms[0][1]
    wrong = failed(_at(part.left), f"{part} compares {_told(left)} with {_told(right)}; compare like with like")
    numbers = ("score", "number")
    if part.operator == "in":
        if left != "name" or not right.startswith("set of ") or not isinstance(part.left.terms[0][1], Name):
            raise failed(_at(part.left), f"{part}: 'in' asks whether a name is in a set such as benchmarks")
        _known(right.removeprefix("set of ").removesuffix("s"), part.left.terms[0][1], free)
    elif left in numbers:
        if right not in numbers:
            raise wrong
        _one_comparison([*part.left.terms, *part.right.terms])
    elif left.startswith("set of "):
        if part.operator not in ("==", "!=", "<=") or (right != left and not isinstance(bare, Set)):
            raise wrong
        if isinstance(bare, Set):
            for name in bare.items:
                _known(left.removeprefix("set of ").removesuffix("s"), name, free)
    elif left in ("strategy", "start"):
        if part.operator != "==" or not isinstance(bare, Name):
            raise wrong
        _known("role" if left == "strategy" else left, bare, free)
    else:
        raise wrong


def _told(kind: str) -> str:
    return {"name": "a name", "set": "a set"}.get(kind, f"a {kind}")


def _one_comparison(terms: list[tuple[float, Item]]) -> None:
    """Scores that are compared with one another are of one measure, benchmark and setting, so that they are paired."""
    scores = [item for _, item in terms if isinstance(item, Call) and WORDS[item.name].gives == "score"]
    if len({(item.name, *map(str, item.arguments[1:])) for item in scores}) > 1:
        raise failed(scores[1].at, f"{scores[0]} and {scores[1]} differ in more than the strategy; make them alike")


def _kind(value: Sum, free: set[str]) -> str:
    kinds = [_item_kind(item, free) for _, item in value.terms]
    plain = len(kinds) == 1 and value.terms[0][0] == 1
    if not plain and not set(kinds) <= {"score", "number"}:
        raise failed(_at(value), f"{value}: only scores and numbers can be added and multiplied")
    return kinds[0] if plain else ("score" if "score" in kinds else "number")


def _item_kind(item: Item, free: set[str]) -> str:
    if isinstance(item, Number):
        return "number"
    if isinstance(item, Set):
        return "set"
    if isinstance(item, Name):
        return WORDS[item.text].gives if item.text in WORDS and not WORDS[item.text].takes else "name"
    if item.name not in WORDS or not WORDS[item.name].takes:
        known = ", ".join(name for name, word in WORDS.items() if word.takes)
        raise failed(item.at, f"there is no {item.name!r} with arguments; there are {known}")
    takes = WORDS[item.name].takes
    if len(item.arguments) != len(takes):
        raise failed(item.at, f"{item.name} takes {len(takes)}: {', '.join(takes)}; here are {len(item.arguments)}")
    for kind, argument in zip(takes, item.arguments, strict=True):
        if kind == "set":
            if not _item_kind(argument, free).startswith("set"):
                raise failed(item.at, f"count takes a set such as languages(xquad-r), not {argument}")
        elif not isinstance(argument, Name):
            raise failed(item.at, f"{item.name}: {argument} is no {kind}")
        else:
            _known(kind, argument, free)
    _possible(item, free)
    return WORDS[item.name].gives


def _possible(item: Call, free: set[str]) -> None:
    """A score that no study can have: a measure or setting that a judged set, or a parallel one, has not."""
    told = {
        kind: str(getattr(one, "text", one)) for kind, one in zip(WORDS[item.name].takes, item.arguments, strict=True)
    }
    told.setdefault("measure", item.name if item.name in (*MEASURES, DISTANCE) else "")
    if item.name == DISTANCE:
        told["setting"] = "pool"
    benchmark, measure, setting = (told.get(kind, "") for kind in ("benchmark", "measure", "setting"))
    if not benchmark or benchmark in free:
        return
    judged = is_collection_name(benchmark)
    has: dict[str, tuple[str, ...]] = {
        "measure": COLLECTION_MEASURES if judged else (*RANK_MEASURES, DISTANCE),
        "setting": ("mono", "pool") if judged else (*SETTINGS, *SEEN_GROUPS, UNSEEN),
    }
    for kind, value in (("measure", measure), ("setting", setting)):
        if value and value not in free and value not in has[kind]:
            raise failed(item.at, f"{item}: {benchmark} has no {kind} {value!r}; it has {', '.join(has[kind])}")


def is_collection_name(benchmark: str) -> bool:
    """Whether a benchmark is one of the kit's judged sets, which have no pairs of languages."""
    from hybridkit.data.sources import collection_files
    from hybridkit.utils.naming import split_name

    return split_name(benchmark)[0] in collection_files.NAMES


def _known(kind: str, name: Name, free: set[str] | frozenset[str] = frozenset()) -> None:
    """Raise InputError for a name that is none of its kind; a free variable stands for any."""
    text = name.text
    if text in free and kind in (text, "data", "role"):
        return
    lists: dict[str, tuple[str, ...]] = {
        "setting": (*SETTINGS, *SEEN_GROUPS, UNSEEN),
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
        good, cure = _is_encoder(text), "xlm-r, labse, e5-small, static, a hub name or a folder in quotes"
    elif kind == "pair":
        good, cure = bool(re.fullmatch(r"[^>]+>[^>]+", text)), '"de>en" in quotes'
    else:
        good, cure = _reads(kind, text), "mono, cross, hybrid, untrained, or a strategy in quotes"
    told = {"role": "strategy", "data": "benchmark"}
    if not good:
        raise failed(name.at, f"{text!r} is no {told.get(kind, kind)} here; there are {cure}")


_BENCHMARKS = 'atlas, xquad-r, mlqa-r, miracl, tydi-goldp, held-out, a part such as xquad-r[16:], a file "rows.jsonl"'


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


def _at(value: Sum) -> int:
    return getattr(value.terms[0][1], "at", 0)
