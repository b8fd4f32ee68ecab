"""Values that people write like calls, as in `hybrid(alpha=0.5)`: read from their syntax tree, nothing is executed."""

import ast
from collections.abc import Callable, Sequence
from typing import Any

from hybridkit.errors import InputError

Read = Callable[[ast.expr, str], Any]  # a node and what to say if it is no value


def syntax_tree(text: str, where: str, example: str) -> ast.expr:
    """Return the syntax tree of an expression; InputError, which begins with `where`, for what is none.

    >>> syntax_tree("mono(", "strategy 'mono('", "mono or hybrid(alpha=0.5)")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: strategy 'mono(': cannot be read; write e.g. mono or hybrid(alpha=0.5)
    """
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: brackets nested deep
        raise InputError(f"{where}: cannot be read; write e.g. {example}") from error


def as_call(node: ast.expr) -> ast.Call:
    """Return a node as a call: `mono` is `mono()`."""
    return node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])


def name_of(call: ast.Call) -> str:
    """Return the name that is called."""
    return call.func.id if isinstance(call.func, ast.Name) else ast.unparse(call.func)


def literal(node: ast.expr, what: str) -> Any:
    """Return the number, text, list or mapping of a node; InputError, `what`, for anything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:  # no literal; a mapping with lists for keys
        raise InputError(what) from error


def options_of(call: ast.Call, name: str, known: Sequence[str], read: Read = literal) -> dict[str, Any]:
    """Return the options of a call by their names; InputError for one that is unknown, duplicated or no value.

    >>> options_of(as_call(syntax_tree("lir(k=2)", "remedy", "lir(k=1)")), "lir", ["k", "by"])
    {'k': 2}
    """
    given = [word.arg for word in call.keywords]
    if len(set(given)) < len(given):
        raise InputError("an option is duplicated; leave one")
    found = {}
    for word in call.keywords:
        if word.arg is None or word.arg not in known:
            raise InputError(f"{ast.unparse(word)} is not for {name}; it takes {', '.join(known) or 'nothing'}")
        what = f"{ast.unparse(word)}: the value must be a number, a text in quotes, a list or a mapping"
        found[word.arg] = read(word.value, what)
    return found
