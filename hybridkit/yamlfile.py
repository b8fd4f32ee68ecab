"""A YAML file as a dataclass: read safely, one file on top of another, every key and type checked and named."""

import contextlib
import dataclasses
import math
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from hybridkit.errors import InputError


def read(path: Path, above: tuple[Path, ...] = ()) -> Any:  # noqa: ANN401  whatever the YAML held
    """The YAML of a study; one that `extends` a file beside it says only what is different from that one."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{place}: not YAML ({getattr(error, 'problem', error)})") from error
    if not isinstance(value, dict) or "extends" not in value:
        return value
    base = value.pop("extends")
    if not isinstance(base, str) or Path(base).name != base:
        raise InputError(f"{path}: extends: {base!r} is not the name of a YAML file beside this one")
    if path.parent / base in (*above, path):
        raise InputError(f"{path}: extends: {base} extends this file in turn; leave one of the two out")
    under = read(path.parent / base, (*above, path))
    return _merged(under, value) if isinstance(under, dict) else under


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings key by key, the second's values before the first's; everything else, lists too, as a whole."""
    both = {key: _merged(under[key], value) if isinstance(value, dict) and isinstance(under.get(key), dict) else value
            for key, value in over.items()}  # fmt: skip
    return under | both


def build(kind: Any, value: Any, where: str, key: str = "") -> Any:  # noqa: ANN401  whatever the YAML held
    """Turn plain YAML values into the dataclass or type `kind`, naming the key of whatever does not fit."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value, where, key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        if value is None and type(None) in arguments:
            return None
        some = [one for one in arguments if one is not type(None)]
        for one in some[:-1]:
            with contextlib.suppress(InputError):
                return build(one, value, where, key)
        return build(some[-1], value, where, key)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(build(arguments[0], one, where, f"{key}[{number}]") for number, one in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {str(name): build(arguments[1], one, where, f"{key}.{name}") for name, one in value.items()}
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 3e-5 as a text
            value = float(value)
    wrong = (kind is int and isinstance(value, bool)) or (isinstance(value, float) and not math.isfinite(value))
    if isinstance(kind, type) and isinstance(value, kind) and not wrong:
        return value
    expected = {tuple: "a list", dict: "a mapping", float: "a number", int: "a whole number", str: "a text"}
    expected |= {bool: "true or false"}
    raise InputError(f"{where}: {key}: {value!r} is not {expected.get(origin or kind, kind)}")


def _build_dataclass(kind: Any, value: Any, where: str, key: str) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        raise InputError(f"{where}: {key or 'the file'}: {value!r} is not a mapping of settings")
    fields = {one.name: one for one in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    prefix = f"{key}." if key else ""
    if unknown := [name for name in value if name not in fields]:
        raise InputError(f"{where}: unknown key {prefix}{unknown[0]}; there are {', '.join(fields)}")
    needed = [
        name for name, one in fields.items()
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING and name not in value
    ]  # fmt: skip
    if needed:
        raise InputError(f"{where}: the key {prefix}{needed[0]} is missing")
    built = {name: build(hints[name], one, where, prefix + name) for name, one in value.items()}
    try:
        return kind(**built)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
