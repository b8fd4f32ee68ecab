"""A study: what is trained on what, how often, and how it is judged; one YAML file under studies/, checked whole."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hybridkit.data.languages import families
from hybridkit.errors import InputError
from hybridkit.models.encoder import ALIASES
from hybridkit.models.training import TrainingSettings
from hybridkit.sampling import Strategy, cross, hybrid, mono, parse
from hybridkit.utils import yaml_files
from hybridkit.utils.files import digest
from hybridkit.utils.naming import split_name
from hybridkit.utils.numbers import COUNT, COUNT_OR_NONE, LENGTH, PAIRED, SHARE, SHARE_BELOW_1, check_choice, check_seed
from hybridkit.utils.paths import checkout
from hybridkit.utils.products import require
from hybridkit.utils.reading import json_file

SETTINGS = "settings.json"  # of a run folder: the study as it was last run
HYBRID = "hybrid(alpha=0.5)"
ANY_LANGUAGES = ("random", "spread")  # groups of languages that are no family


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder: a name for `encoder.open`, or "static" to make one from scratch on the study's rows."""

    name: str
    vocab_size: int = 8000
    dim: int = 256
    seed: int = 0
    prompts: dict[str, str] | None = None

    def __post_init__(self) -> None:
        """Raise InputError naming the key that is out of its range, and the range."""
        COUNT.check(self.vocab_size, "encoder.vocab_size")
        COUNT.check(self.dim, "encoder.dim")
        check_seed(self.seed, "encoder.seed")


@dataclass(frozen=True, kw_only=True)
class SectionSettings:
    """What a part of a study has of its own; where it says nothing, encoder, training, benchmarks are the study's."""

    seeds: tuple[int, ...]
    encoder: EncoderSettings | None = None
    training: TrainingSettings | None = None
    benchmarks: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class CurveSettings(SectionSettings):
    """Curves over alpha and, for some `strategies`, over training rows and batch sizes; `pairs` are compared beside.

    Fewer `rows` are trained on for as many steps. A training with another batch size draws as many rows in all.
    """

    alphas: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    strategies: tuple[str, ...] = ("mono", "cross", HYBRID)
    pairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError naming the key that is out of its range, and the range."""
        _spell(self, "strategies", "curve.strategies")
        _spell(self, "pairs", "curve.pairs")
        check_seeds(self.seeds, "curve.seeds")
        for name, allowed in (("alphas", SHARE), ("rows", PAIRED), ("batch_sizes", PAIRED)):
            for place, value in enumerate(getattr(self, name)):
                allowed.check(value, f"curve.{name}[{place}]")
        if not self.strategies:
            raise InputError("curve.strategies must name one strategy or more (got none)")
        if len(self.pairs) == 1:
            raise InputError(f"curve.pairs must name two strategies or more, or none (got {list(self.pairs)})")


@dataclass(frozen=True, kw_only=True)
class DiversitySettings(SectionSettings):
    """Training languages as the factor: `strategies` says for each strategy the sizes of its sets ("all": every one).

    `groups` say how sets are chosen: "random", "spread" (over families and scripts), or within a family or branch, as
    "Indo-European"; `draws` of each. In the series "fixed" every set has the same number of rows (`rows`, 0 for as many
    as all have) and steps, in "growing" both grow with the number of languages and are the same for all of them.
    """

    strategies: dict[str, tuple[int | str, ...]]
    groups: tuple[str, ...] = ("random", "spread")
    draws: int = 2
    series: tuple[str, ...] = ("fixed",)
    rows: int = 0
    judged: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InputError naming the key that is out of its range, and the range."""
        named = {spelt(text, "diversity.strategies"): sizes for text, sizes in self.strategies.items()}
        object.__setattr__(self, "strategies", named)
        for text, sizes in named.items():
            key = f"diversity.strategies.{text}"
            if not sizes:
                raise InputError(f'{key} must have numbers of languages, or "all" (got none)')
            for size in sizes:
                if size != "all":
                    COUNT.check(size, f'{key}: a number of languages that is not "all"')
            if {"cross", "blend"} & set(parse(text).shares) and 1 in sizes:
                raise InputError(f"{key}: a set of 1 language has no pair of two languages; leave the 1 out")
        for group in self.groups:
            check_group(group)
        for name in ("strategies", "groups", "series"):
            if not getattr(self, name):
                raise InputError(f"diversity.{name} must name one or more (got none)")
        for place, series in enumerate(self.series):
            check_choice(series, ("fixed", "growing"), f"diversity.series[{place}]")
        COUNT.check(self.draws, "diversity.draws")
        COUNT_OR_NONE.check(self.rows, "diversity.rows")
        check_seeds(self.seeds, "diversity.seeds")


def check_group(group: str) -> None:
    """Raise InputError for a group that is neither "random" nor "spread" nor a family or branch of languages."""
    if group not in (*ANY_LANGUAGES, *families()):
        raise InputError(
            f"diversity.groups: unknown group {group!r}; there are {', '.join(ANY_LANGUAGES)}, and families and "
            f"branches of languages: {', '.join(families())}"
        )


def _spell(settings: SectionSettings, name: str, key: str) -> None:
    """Give every strategy of a setting its one spelling."""
    texts = tuple(spelt(text, f"{key}[{place}]") for place, text in enumerate(getattr(settings, name)))
    object.__setattr__(settings, name, texts)


def spelt(text: str, where: str) -> str:
    """Spell a strategy in the one way that it prints; InputError says where it stands."""
    try:
        return str(parse(text))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def check_seeds(seeds: Sequence[int], what: str) -> None:
    """Raise InputError unless there are one or more seeds, each once."""
    for place, seed in enumerate(seeds):
        check_seed(seed, f"{what}[{place}]")
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError(f"{what} must be one seed or more, all different (got {list(seeds)})")


UNTRAINED = "untrained"


@dataclass(frozen=True)
class RowSettings:
    """Training rows: names of data sets or paths, pooled; `use` "common" keeps what every strategy can use, "each" not.

    `held_out` is the share of groups kept out of training to choose by; `languages` restricts the rows to some.
    """

    files: tuple[str, ...]
    use: str = "common"
    held_out: float = 0.0
    languages: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InputError naming the key that is out of its range, and the range."""
        if not self.files:
            raise InputError("rows.files must name one data set or file, or more (got none)")
        check_choice(self.use, ("common", "each"), "rows.use")
        SHARE_BELOW_1.check(self.held_out, "rows.held_out")


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

    def __post_init__(self) -> None:
        """Raise InputError naming the key that is out of its range, and the range."""
        if not self.benchmarks:
            raise InputError("evaluation.benchmarks must name one benchmark or more (got none)")
        if self.max_length is not None:
            LENGTH.check(self.max_length, "evaluation.max_length")
        check_choice(self.precision, ("float32", "bf16"), "evaluation.precision")
        COUNT.check(self.top, "evaluation.top")


class Section(NamedTuple):
    """What the models of a section of a study start from, how they are trained and what they are evaluated on."""

    encoder: EncoderSettings
    training: TrainingSettings
    benchmarks: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """Every setting of a study; `compare` are two strategies whose difference is drawn, the first minus the second.

    `folder` is what relative paths start from, wherever a study names a file or folder of the user's: rows, benchmarks,
    judged sets, encoders, lexicons. It is that of the study's own file unless the file says another, and no setting:
    no hash depends on it. Names stay as they are written; `at` and `encoder_at` say where they lie.
    """

    name: str
    title: str
    rows: RowSettings
    encoder: EncoderSettings
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    training: TrainingSettings
    evaluation: EvaluationSettings
    curve: CurveSettings | None = None
    diversity: DiversitySettings | None = None
    untrained: bool = True
    compare: tuple[str, ...] = (HYBRID, "mono")
    notebooks: tuple[str, ...] = field(default=("01", "02", "03", "04", "05", "06", "07"))
    folder: str | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """SHA-256 of the settings, as hex."""
        return digest(self.written())

    def written(self, beside: Path | None = None) -> dict[str, Any]:
        """The settings as plain values, which `open_study` reads back from a file in the folder `beside`.

        Where one of them is a relative path, `folder` says how `folder` is reached from there.
        """
        value = dataclasses.asdict(self)
        del value["folder"]
        if beside is not None and self.folder is not None and self.paths():
            value["folder"] = os.path.relpath(self.folder, beside.resolve())  # a run folder may be reached by links
        return value

    def at(self, name: str) -> str:
        """Where rows, a benchmark or a judged set of the study lie: a name of the kit's as it is, a path made whole."""
        return placed(name, self.folder)

    def encoder_at(self, name: str) -> str:
        """Where an encoder of the study lies: a path made whole, any other name as it is.

        A name that could be the hub's is a path where such a folder stands beside the study.
        """
        if self.folder is None or name in ("static", *ALIASES):
            return name
        path = whole_path(name, self.folder)
        return path if name.startswith((".", "~")) or Path(path).is_dir() else name

    def paths(self) -> list[tuple[str, str]]:
        """What of the study's names are relative paths: (what it is, the name as it is written)."""
        encoders = dict.fromkeys(self.section(part).encoder.name for part in self._all_sections())
        found = [("rows", name) for name in self.rows.files if self.at(name) != name]
        found += [("benchmark", name) for name in self.benchmarks if self.at(name) != name]
        found += [("judged set", name) for name in self.judged if self.at(name) != name]
        found += [("lexicon", name) for name in self.lexicons if not is_known(name) and not Path(name).is_absolute()]
        return found + [("encoder", name) for name in encoders if self.encoder_at(name) != name]

    @property
    def judged(self) -> tuple[str, ...]:
        """The judged sets of every part that the study has, without repeats."""
        more = (self.diversity.judged or ()) if self.diversity else ()
        return tuple(dict.fromkeys([*self.evaluation.judged, *more]))

    @property
    def lexicons(self) -> tuple[str, ...]:
        """The lexicons that the study's strategies switch words by, without repeats."""
        names = (getattr(strategy, "lexicon", "") for strategy in self.every_strategy())
        return tuple(dict.fromkeys(name for name in names if name))

    def _all_sections(self) -> list[str]:
        return ["main", *(part for part in ("curve", "diversity") if getattr(self, part))]

    def parsed(self) -> list[Strategy]:
        """The strategies as values."""
        return [parse(text) for text in self.strategies]

    def every_strategy(self) -> list[Strategy]:
        """The strategies of every part of the study: what the common rows must serve."""
        curve, diversity = self.curve, self.diversity
        texts = [*self.strategies, *(diversity.strategies if diversity else ())]
        if curve is not None:
            texts += [*(curve.strategies if curve.rows or curve.batch_sizes else ()), *curve.pairs]
            texts += [str(strategy_at(alpha)) for alpha in curve.alphas]
        return [parse(text) for text in dict.fromkeys(texts)]

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that the study's notebooks train models of, out of "main", "curve" and "diversity".

        >>> open_study("starter").sections
        ('main',)
        """
        trained = {"main": {"03", "04", "05"}, "curve": {"02"}, "diversity": {"06"}}
        there = {"main": True, "curve": self.curve is not None, "diversity": self.diversity is not None}
        return tuple(part for part, where in trained.items() if there[part] and where & set(self.notebooks))

    def section(self, name: str) -> Section:
        """Return encoder, training and benchmarks of a section; InputError where the study does not have it."""
        if name == "main":
            return Section(self.encoder, self.training, self.evaluation.benchmarks)
        own: SectionSettings | None = getattr(self, name)
        if own is None:
            raise InputError(f"study {self.name}: it has no {name}; add the key {name}")
        main = self.section("main")
        return Section(own.encoder or main.encoder, own.training or main.training, own.benchmarks or main.benchmarks)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks of every part that the study has, without repeats."""
        return tuple(dict.fromkeys(name for part in self._all_sections() for name in self.section(part).benchmarks))


def strategy_at(alpha: float) -> Strategy:
    """The strategy at a point of the curve; the ends are `cross` and `mono` themselves.

    >>> [str(strategy_at(alpha)) for alpha in (0, 0.25, 1)]
    ['cross', 'hybrid(alpha=0.25)', 'mono']
    """
    return {0.0: cross(), 1.0: mono()}.get(float(alpha)) or hybrid(alpha=float(alpha))


def open_study(name: str | Path) -> Study:
    """Read a study by its name (a file under studies/) or its path. InputError names the file and the key.

    A study may say `extends: other.yaml`: it is that one, with what it says itself in place of what that says. Relative
    paths in it start from its own folder, wherever it is opened.
    """
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        folder = (checkout() or Path()) / "studies"
        path = folder / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
            cure = f"there are {known}, or give a path to a YAML file"
            raise InputError(f"study {str(name)!r}: there is no such study; {cure}")
    return _study_of(yaml_files.read(path), path, path.absolute().parent)


def study_of_run(folder: Path) -> Study:
    """Read the study of a run folder, as it was when it was last run. InputError names the file and the key."""
    path = require(folder / SETTINGS, cure := "run the study again")
    value = json_file(path, cure)  # not as YAML, to which some signs in a prompt are ends of lines
    try:
        return _study_of(value, path, folder.resolve())
    except InputError as error:
        raise InputError(f"{error}; {cure}") from error


def _study_of(value: Any, path: Path, beside: Path) -> Study:
    study: Study = yaml_files.build(Study, value, str(path))
    start = whole_path(study.folder or ".", str(beside))
    return _checked(dataclasses.replace(study, folder=start), str(path))


def whole_path(path: str, folder: str) -> str:
    """A path that starts from a folder, made whole.

    >>> whole_path("../rows.jsonl", "/home/me/studies"), whole_path("/data/rows.jsonl", "/home/me")
    ('/home/me/rows.jsonl', '/data/rows.jsonl')
    """
    return os.path.normpath(Path(folder, Path(path).expanduser()))


def placed(name: str, folder: str | None) -> str:
    """Where a study whose paths start from `folder` has rows, a benchmark or a judged set; brackets stay.

    >>> placed("mine.jsonl[2:]", "/home/me"), placed("xquad-r[16:]", "/home/me"), placed("../held", "/home/me")
    ('/home/me/mine.jsonl[2:]', 'xquad-r[16:]', '/home/held')
    """
    if folder is None or is_known(split_name(name)[0]):
        return name
    whole = whole_path(name, folder)
    base = split_name(whole)[0]
    return os.path.normpath(base) + whole[len(base) :]


def is_known(name: str) -> bool:
    """Whether the kit knows a data set, benchmark, judged set or lexicon by a name without brackets.

    >>> is_known("xquad-r-paragraphs"), is_known("held-out"), is_known("mine.jsonl")
    (True, True, False)
    """
    from hybridkit.data.sources.open_benchmarks import NAMES
    from hybridkit.data.sources.registry import DATA_SETS

    return name in DATA_SETS or name in NAMES or name == "held-out"


def _checked(study: Study, where: str) -> Study:
    # one spelling of each strategy from here on: `hybrid` and `hybrid(alpha=.5)` are one model
    strategies = [spelt(text, f"{where}: strategies[{place}]") for place, text in enumerate(study.strategies)]
    named = set(strategies) | {UNTRAINED}
    compare = [text if text in named else spelt(text, f"{where}: compare") for text in study.compare]
    study = dataclasses.replace(study, strategies=tuple(strategies), compare=tuple(compare))
    if not study.name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"{where}: name must be letters, digits, - and _ (got {study.name!r})")
    if len(set(strategies)) != len(strategies) or not strategies:
        raise InputError(f"{where}: strategies must be one strategy or more, each once (got {strategies})")
    check_seeds(study.seeds, f"{where}: seeds")
    if len(set(compare)) != 2 or not set(compare) <= named:
        raise InputError(f"{where}: compare must be two of {', '.join(sorted(named))} (got {compare})")
    return study
