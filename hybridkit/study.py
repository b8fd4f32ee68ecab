"""A study: what is trained on what, how often, and how it is judged; one YAML file under studies/, checked whole."""

import contextlib
import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hybridkit.errors import InputError
from hybridkit.files import digest
from hybridkit.places import checkout
from hybridkit.sampling import Strategy, cross, hybrid, mono, parse
from hybridkit.training import TrainingSettings

UNTRAINED = "untrained"


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder: a name for `encoder.open`, or "static" to make one from scratch on the study's rows."""

    name: str
    vocab_size: int = 8000
    dim: int = 256
    seed: int = 0
    prompts: dict[str, str] | None = None


@dataclass(frozen=True)
class RowSettings:
    """Training rows: names of data sets or paths, pooled; `use` "common" keeps what every strategy can use, "each" not.

    `held_out` is the share of groups kept out of training to choose by; `languages` restricts the rows to some.
    """

    files: tuple[str, ...]
    use: str = "common"
    held_out: float = 0.0
    languages: tuple[str, ...] | None = None


@dataclass(frozen=True)
class EvaluationSettings:
    """Benchmarks by name (a slice of articles as in "xquad-r[16:]"), and how texts are encoded for them.

    `judged` are sets that are judged language by language, in MIRACL's or BEIR's layout, as in "tydi-goldp[fi,sw]".
    """

    benchmarks: tuple[str, ...]
    max_length: int | None = None
    precision: str = "float32"
    top: int = 10
    judged: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurveSettings:
    """The curve over alpha: an encoder, a training and benchmarks of its own, cheap enough for many seeds."""

    alphas: tuple[float, ...]
    seeds: tuple[int, ...]
    encoder: EncoderSettings
    training: TrainingSettings
    benchmarks: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """Every setting of a study; `compare` are two strategies whose difference is drawn, the first minus the second."""

    name: str
    title: str
    rows: RowSettings
    encoder: EncoderSettings
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    training: TrainingSettings
    evaluation: EvaluationSettings
    curve: CurveSettings | None = None
    untrained: bool = True
    compare: tuple[str, ...] = ("hybrid(alpha=0.5)", "mono")
    notebooks: tuple[str, ...] = field(default=("01", "02", "03", "04", "05"))

    @property
    def key(self) -> str:
        """SHA-256 of the settings, as hex."""
        return digest(dataclasses.asdict(self))

    def parsed(self) -> list[Strategy]:
        """The strategies as values."""
        return [parse(text) for text in self.strategies]

    def every_strategy(self) -> list[Strategy]:
        """The strategies of the study and of its curve: what the common rows must serve."""
        return [*self.parsed(), *(strategy_at(alpha) for alpha in (self.curve.alphas if self.curve else ()))]


def strategy_at(alpha: float) -> Strategy:
    """The strategy at a point of the curve; the ends are `cross` and `mono` themselves.

    >>> [str(strategy_at(alpha)) for alpha in (0, 0.25, 1)]
    ['cross', 'hybrid(alpha=0.25)', 'mono']
    """
    return {0.0: cross(), 1.0: mono()}.get(float(alpha)) or hybrid(alpha=float(alpha))


def open_study(name: str | Path) -> Study:
    """Read a study by its name (a file under studies/) or its path. InputError names the file and the key.

    A study may say `extends: other.yaml`: it is that one, with what it says itself in place of what that says.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        folder = (checkout() or Path()) / "studies"
        path = folder / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
            cure = f"there are {known}, or give a path to a YAML file"
            raise InputError(f"study {str(name)!r}: there is no such study; {cure}")
    study: Study = _build(Study, _read(path), str(path), "")
    return _checked(study, str(path))


def _read(path: Path, above: tuple[Path, ...] = ()) -> Any:  # noqa: ANN401  whatever the YAML held
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
    under = _read(path.parent / base, (*above, path))
    return _merged(under, value) if isinstance(under, dict) else under


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings key by key, the second's values before the first's; everything else, lists too, as a whole."""
    both = {key: _merged(under[key], value) if isinstance(value, dict) and isinstance(under.get(key), dict) else value
            for key, value in over.items()}  # fmt: skip
    return under | both


def _checked(study: Study, where: str) -> Study:
    # one spelling of each strategy from here on: `hybrid` and `hybrid(alpha=.5)` are one model
    strategies = [_strategy(text, f"{where}: strategies[{place}]") for place, text in enumerate(study.strategies)]
    named = set(strategies) | {UNTRAINED}
    compare = [text if text in named else _strategy(text, f"{where}: compare") for text in study.compare]
    study = dataclasses.replace(study, strategies=tuple(strategies), compare=tuple(compare))
    rules = {
        "name": study.name.replace("-", "").replace("_", "").isalnum(),
        "strategies": len(set(study.strategies)) == len(study.strategies) > 0,
        "seeds": _seeds(study.seeds),
        "curve.seeds": study.curve is None or _seeds(study.curve.seeds),
        "rows.files": len(study.rows.files) > 0,
        "rows.use": study.rows.use in ("common", "each"),
        "rows.held_out": 0 <= study.rows.held_out < 1,
        "evaluation.benchmarks": len(study.evaluation.benchmarks) > 0,
        "evaluation.precision": study.evaluation.precision in ("float32", "bf16"),
        "curve.alphas": study.curve is None or all(0 <= alpha <= 1 for alpha in study.curve.alphas),
    }
    for key, good in rules.items():
        if not good:
            value: Any = study
            for part in key.split("."):
                value = getattr(value, part)
            raise InputError(f"{where}: {key}: {value!r} cannot be; see {type(study).__name__} in hybridkit/study.py")
    if len(set(compare)) != 2 or not set(compare) <= named:
        raise InputError(f"{where}: compare: {compare} cannot be; name two of {', '.join(sorted(named))}")
    return study


def _strategy(text: str, where: str) -> str:
    try:
        return str(parse(text))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _seeds(seeds: tuple[int, ...]) -> bool:
    """At least one, all different, and none that numpy's or PyTorch's global generators refuse."""
    return len(set(seeds)) == len(seeds) > 0 and all(0 <= seed < 2**32 for seed in seeds)


def _build(kind: Any, value: Any, where: str, key: str) -> Any:  # noqa: ANN401  whatever the YAML held
    """Turn plain YAML values into the dataclass or type `kind`, naming the key of whatever does not fit."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value, where, key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        if value is None and type(None) in arguments:
            return None
        return _build(next(one for one in arguments if one is not type(None)), value, where, key)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_build(arguments[0], one, where, f"{key}[{number}]") for number, one in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {str(name): _build(arguments[1], one, where, f"{key}.{name}") for name, one in value.items()}
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
    built = {name: _build(hints[name], one, where, prefix + name) for name, one in value.items()}
    try:
        return kind(**built)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
