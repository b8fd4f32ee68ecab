"""Strategies from their texts; nothing of a text is executed."""

import ast
from dataclasses import fields
from typing import Any

from hybridkit.errors import InputError
from hybridkit.sampling.codeswitch import codeswitch
from hybridkit.sampling.strategies import Schedule, Strategy, cross, english, hybrid, linear, mixed, mono, step
from hybridkit.utils.expressions import as_call, literal, name_of, options_of, syntax_tree
from hybridkit.utils.naming import meant

_STRATEGIES: dict[str, type[Strategy]] = {
    kind.__name__: kind for kind in (english, mixed, mono, cross, hybrid, codeswitch)
}
_SCHEDULES: dict[str, type[Schedule]] = {"linear": linear, "step": step}


def parse(text: str) -> Strategy:
    """Return the strategy that a text names; the inverse of `str`. Nothing of the text is executed.

    Options are numbers, texts, lists and mappings of them, and schedules; a wrapper takes its strategy first. Raises
    InputError for anything else.

    >>> parse("hybrid(alpha=0.5)") == hybrid(alpha=0.5), str(parse("hybrid(alpha=linear(0,1,steps=100), pairs='en-x')"))
    (True, "hybrid(alpha=linear(0, 1, steps=100), pairs='en-x')")
    >>> str(parse("codeswitch(hybrid, p=0.3)"))
    'codeswitch(hybrid(alpha=0.5), p=0.3)'
    >>> parse("hybrd")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: strategy 'hybrd': no such strategy (did you mean hybrid?); there are english, ...
    """
    where = f"strategy {text!r}"
    node = syntax_tree(text, where, "mono or hybrid(alpha=0.5)")
    try:
        return _strategy(node)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{where}: strategies are nested too deep") from error


def _strategy(node: ast.expr) -> Strategy:
    call = as_call(node)
    name, known = name_of(call), _STRATEGIES
    if name not in known:
        raise InputError(f"no such strategy{meant(name, known)}; there are {', '.join(known)}")
    options = [one.name for one in fields(known[name])]
    wraps = options[:1] == ["base"]
    if wraps and len(call.args) != 1:
        raise InputError(f"{name} takes one strategy first, e.g. {name}(hybrid(alpha=0.5))")
    if call.args and not wraps:
        raise InputError("write options by name, e.g. hybrid(alpha=0.5)")
    inner = [_strategy(one) for one in call.args]
    return known[name](*inner, **options_of(call, name, options[1:] if wraps else options, _value))


def _value(node: ast.expr, what: str) -> Any:
    if not isinstance(node, ast.Call):
        return literal(node, what)
    name = name_of(node)
    if name not in _SCHEDULES:
        raise InputError(f"{what}; values that move are {' and '.join(_SCHEDULES)}")
    options = [one.name for one in fields(_SCHEDULES[name])]  # type: ignore[arg-type]  # every schedule is a dataclass
    given = [_value(one, what) for one in node.args]
    named = options_of(node, name, options[len(given) :], _value)
    try:
        return _SCHEDULES[name](*given, **named)
    except TypeError as error:
        raise InputError(f"{ast.unparse(node)}: {name} takes {', '.join(options)}") from error
