"""A YAML file as settings: read safely, one file on top of another, every key and value checked and named."""

import contextlib
import dataclasses
import re
import tempfile
import typing
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import pydantic
import yaml
from pydantic import ValidationError

from hybridkit.errors import InputError
from hybridkit.utils.naming import meant

_BYTES = 2**18  # no file of settings or claims is larger
_DEEP = 50  # brackets
_VALUES = 2**16  # that its aliases may stand for
_CORE = "tag:yaml.org,2002:"
_KINDS = {_CORE + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")  # in texts that are paths, and are hashed
# dots and equals signs in brackets belong to a strategy, as in recipes.hybrid(alpha=0.5).steps=50
_ARGUMENTS = r"\((?:[^()]|\([^()]*\))*\)"
_CHANGE = re.compile(rf"(?P<key>(?:[^=()]|{_ARGUMENTS})+)=(?P<value>.*)", re.DOTALL)
_STEP = re.compile(rf"(?:[^.()]|{_ARGUMENTS})+")
_MERGE = _CORE + "merge"  # of the key `<<`
_CONFIG = pydantic.ConfigDict(extra="forbid", use_attribute_docstrings=True, validate_default=True)
_ALLOWED = {  # by what pydantic calls the error
    "bool_type": "true or false",
    "dataclass_type": "a mapping of settings",
    "dict_type": "a mapping",
    "string_too_short": "a text that is not empty",
    "string_type": "a text",
    "too_short": "one or more entries",
    "tuple_type": "a list",
}
T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, to which a date is a text; its time grows with the square of how deep brackets nest."""

    def fetch_flow_collection_start(self, kind: type[yaml.Token]) -> None:
        scanner: Any = self  # it has no annotations
        if scanner.flow_level >= _DEEP:
            raise yaml.scanner.ScannerError(None, None, "brackets nested too deep", scanner.get_mark())
        super().fetch_flow_collection_start(kind)


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag in {*_KINDS, _MERGE}]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path, above: tuple[Path, ...] = ()) -> Any:
    """Return the value of a YAML file; one that `extends` a file beside it holds only what differs from that one."""
    value = value_of(path)
    if not isinstance(value, dict) or "extends" not in value:
        return value
    base = value.pop("extends")
    if not isinstance(base, str) or Path(base).name != base:
        raise InputError(f"{path}: extends: {base!r} is not the name of a YAML file beside this one")
    if path.parent / base in (*above, path):
        raise InputError(f"{path}: extends: {base} extends this file in turn; leave one of the two out")
    under = read(path.parent / base, (*above, path))
    return _merged(under, value) if isinstance(under, dict) else under


def value_of(path: Path) -> Any:
    """Return what a YAML file holds: texts, numbers, booleans, nulls, lists, and mappings with scalar keys.

    Raises:
        InputError: With file and line, for what `tree` refuses, a tag that makes something else of a value, a number
            of thousands of digits and a key that is duplicated in one mapping.
    """
    root = tree(path)
    if root is None:
        return None
    loader, seen = _Loader(""), set()
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        _check(loader, node, path)
        if isinstance(node, yaml.MappingNode):
            todo += [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
    try:
        return loader.construct_document(root)
    except (yaml.YAMLError, ValueError, TypeError) as error:  # `<<` with what is not a mapping
        raise InputError(f"{_where(path, error)}: not YAML ({getattr(error, 'problem', None) or error})") from error


def change(value: Any, text: str, where: str) -> None:
    """Replace one setting in the value of a YAML file, which is changed: `text` is KEY=VALUE, KEY with dots.

    Lists are replaced whole; a mapping that is missing on the way is made. Raises InputError, which begins with
    `where`, for a text of another form, a VALUE that is no YAML, and a key below a value that has no keys.

    >>> found = {"training": {"steps": 100}, "seeds": [0, 1]}
    >>> change(found, "training.steps=50", "--set")
    >>> change(found, "recipes.hybrid(alpha=0.5).steps=3", "--set")
    >>> found
    {'training': {'steps': 50}, 'seeds': [0, 1], 'recipes': {'hybrid(alpha=0.5)': {'steps': 3}}}
    """
    parts = _CHANGE.fullmatch(text)
    steps = [step.strip() for step in _STEP.findall(parts["key"])] if parts else []
    if not parts or not all(steps) or "extends" in steps:
        raise InputError(f"{where}: not KEY=VALUE; write it as training.steps=50 or 'seeds=[0, 1]'")
    with tempfile.TemporaryDirectory() as folder:  # read as a file is, with all its checks
        path = Path(folder, "VALUE")
        path.write_text(parts["value"], encoding="utf-8", errors="surrogatepass")
        try:
            new = value_of(path)
        except InputError as error:
            raise InputError(f"{where}: {str(error).replace(str(path), 'the value')}") from error
    for number, step in enumerate(steps[:-1], start=1):
        if isinstance(value, dict) and value.get(step) is None:
            value[step] = {}
        value = value[step] if isinstance(value, dict) else None
        if not isinstance(value, dict):
            raise InputError(f"{where}: {'.'.join(steps[:number])} has no keys; replace it whole")
    if not isinstance(value, dict):
        raise InputError(f"{where}: the file is not a mapping of settings")
    value[steps[-1]] = new


def tree(path: Path) -> yaml.Node | None:
    """Return the nodes of a YAML file with their lines, None for an empty one.

    Raises:
        InputError: With file and line where it is known, for a file that is larger than 256 kB, not UTF-8 or not YAML,
            brackets nested too deep, and aliases (`*name`) of themselves or of more than 65,536 values.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_BYTES + 1)
        if len(raw) > _BYTES:
            raise InputError(f"{path}: larger than {_BYTES >> 10} kB, which no file of settings is; check the path")
        root = yaml.compose(raw.decode(), Loader=_Loader)
        if root is not None:
            _values(root, path, {})
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except RecursionError as error:
        raise InputError(f"{path}: not YAML that can be read (nested too deep)") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{_where(path, error)}: not YAML ({getattr(error, 'problem', None) or error})") from error
    return root


def _where(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path}, line {mark.line + 1}" if mark else str(path)


def _values(node: yaml.Node, path: Path, known: dict[int, int]) -> int:
    """Count the values of a node, with those of its aliases; 0 marks a node that is being counted."""
    if id(node) not in known:
        known[id(node)] = 0
        children = (
            [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else node.value
        )
        known[id(node)] = 1 + sum(_values(child, path, known) for child in children if isinstance(child, yaml.Node))
    if not 0 < known[id(node)] <= _VALUES:
        many = "itself" if not known[id(node)] else f"more than {_VALUES:,} values"
        raise InputError(f"{path}, line {node.start_mark.line + 1}: an alias stands for {many}; write the values out")
    return known[id(node)]


def _check(loader: _Loader, node: yaml.Node, path: Path) -> None:
    where = f"{path}, line {node.start_mark.line + 1}"
    if isinstance(node, yaml.ScalarNode):
        if _UNUSABLE.search(node.value):
            raise InputError(f"{where}: {node.value!r} holds a zero byte or half a character; write it anew")
        resolved: Any = loader  # it has no annotations
        plain = resolved.resolve(yaml.ScalarNode, node.value, (True, False))
        if node.tag != _CORE + "str" and not (node.tag == plain and node.tag in {*_KINDS, _MERGE}):
            raise InputError(_tagged(where, node, repr(node.value)))
        with contextlib.suppress(yaml.YAMLError):
            try:
                if node.tag != _MERGE:
                    loader.construct_object(node)
            except (ValueError, ArithmeticError) as error:
                raise InputError(f"{where}: {node.value!r} is not a number that can be read") from error
    elif node.tag not in _KINDS:
        raise InputError(_tagged(where, node, "a list or mapping"))
    elif isinstance(node, yaml.MappingNode):
        keys = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{path}, line {key.start_mark.line + 1}: a key must be a text, not a list or mapping")
            if key.value in keys:
                line = key.start_mark.line + 1
                raise InputError(f"{path}, line {line}: the key {key.value!r} is duplicated in one mapping; leave one")
            keys.add(key.value)


def _tagged(where: str, node: yaml.Node, what: str) -> str:
    return f"{where}: not YAML of settings (the tag {node.tag.replace(_CORE, '!!')} on {what}); write it without a tag"


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings key by key, the second's values before the first's; everything else, lists too, as a whole."""
    both = {
        key: _merged(under[key], value) if isinstance(value, dict) and isinstance(under.get(key), dict) else value
        for key, value in over.items()
    }
    return under | both


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(key: str = "", *, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass that checks its values (pydantic); the text below a field describes it.

    Args:
        key: What a study calls these settings, to begin the keys in messages with.
        kw_only: Whether values are given by name only.
    """

    def decorate(cls: type[T]) -> type[T]:
        kind: Any = pydantic.dataclasses.dataclass(frozen=True, kw_only=kw_only, config=_CONFIG)(cls)
        make = kind.__init__

        @wraps(make)
        def checked(self: Any, *values: Any, **named: Any) -> None:
            names = [one.name for one in dataclasses.fields(kind)]
            for name, value in {**dict(zip(names, values, strict=False)), **named}.items():
                if isinstance(value, set | frozenset):  # pydantic would take it, in another order in every process
                    raise InputError(f"{key}.{name} must be a list, which has an order (got {value!r})".lstrip("."))
            try:
                make(self, *values, **named)
            except ValidationError as error:
                raise InputError(_message(error, kind, (key,) if key else ())) from error

        kind.__init__ = checked
        found: type[T] = kind
        return found

    return decorate


def build(kind: type[T], value: Any, where: str) -> T:
    """Turn plain YAML values into settings; InputError names the file, the key, the value and what is allowed."""
    try:
        return pydantic.TypeAdapter(kind).validate_python(value, context="YAML")
    except ValidationError as error:
        raise InputError(f"{where}: {_message(error, kind)}") from error


def _message(error: ValidationError, kind: Any, above: tuple[str, ...] = ()) -> str:
    """One of the errors as a sentence: an unknown key before a missing one, and that before a value."""
    order = {"unexpected_keyword_argument": 0, "invalid_key": 0, "missing": 1}
    first = min(error.errors(include_url=False), key=lambda one: order.get(one["type"], 2))
    what, path, value = first["type"], first["loc"], first["input"]
    steps = [step for step in (*above, *path) if step != "[key]"]  # pydantic's word for a key that is invalid itself
    key = "".join(f"[{step}]" if type(step) is int else f".{step}" for step in steps).lstrip(".")
    if order.get(what) == 0:
        known = _keys(kind, path[:-1])
        return f"unknown key {key}{meant(str(path[-1]), known)}; there are {', '.join(known)}"
    if what == "missing":
        return f"the key {key} is missing"
    if what == "value_error":
        text = str(first["ctx"]["error"])
        return f"{key} {text}" if text.startswith("must ") else f"{key}: {text}" if key else text
    allowed = _ALLOWED.get(what) or first.get("ctx", {}).get("expected") or first["msg"]
    return f"{key or 'the file'} must be {allowed} (got {list(value) if isinstance(value, tuple) else value!r})"


def _keys(kind: Any, path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the settings that a path of keys leads to."""
    for step in path:
        hint = typing.get_type_hints(kind)[str(step)]
        kind = next((one for one in typing.get_args(hint) if dataclasses.is_dataclass(one)), hint)
    return [one.name for one in dataclasses.fields(kind)]
