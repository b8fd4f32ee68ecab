"""YAML files of settings: read safely, one on top of another, every key and type checked and named."""

import contextlib
import dataclasses
import math
import re
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from hybridkit.errors import InputError

_BYTES = 2**18  # no file of settings or claims is larger
_DEEP = 50  # brackets
_VALUES = 2**16  # that its aliases may stand for
_CORE = "tag:yaml.org,2002:"
_KINDS = {_CORE + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")  # in texts that are paths, and are hashed
_MERGE = _CORE + "merge"  # of the key `<<`


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


def build(kind: Any, value: Any, where: str, key: str = "") -> Any:
    """Turn plain YAML values into the dataclass or type `kind`, naming the key of whatever does not fit."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value, where, key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        if value is None and type(None) in arguments:
            return None
        kinds = [argument for argument in arguments if argument is not type(None)]
        for kind in kinds[:-1]:
            with contextlib.suppress(InputError):
                return build(kind, value, where, key)
        return build(kinds[-1], value, where, key)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(build(arguments[0], item, where, f"{key}[{number}]") for number, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {str(name): build(arguments[1], item, where, f"{key}.{name}") for name, item in value.items()}
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):  # YAML 1.1 reads 3e-5 as a text
            value = float(value)
    wrong = (kind is int and isinstance(value, bool)) or (isinstance(value, float) and not math.isfinite(value))
    if isinstance(kind, type) and isinstance(value, kind) and not wrong:
        return value
    expected = {tuple: "a list", dict: "a mapping", float: "a number", int: "a whole number", str: "a text"}
    expected |= {bool: "true or false"}
    raise InputError(f"{where}: {key}: {value!r} is not {expected.get(origin or kind, kind)}")


def _build_dataclass(kind: Any, value: Any, where: str, key: str) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{where}: {key or 'the file'}: {value!r} is not a mapping of settings")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    prefix = f"{key}." if key else ""
    if unknown := [name for name in value if name not in fields]:
        raise InputError(f"{where}: unknown key {prefix}{unknown[0]}; there are {', '.join(fields)}")
    missing = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and name not in value
    ]
    if missing:
        raise InputError(f"{where}: the key {prefix}{missing[0]} is missing")
    built = {name: build(hints[name], item, where, prefix + name) for name, item in value.items()}
    try:
        return kind(**built)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
