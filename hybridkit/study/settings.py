"""A study: what is trained on what, how often, and how it is evaluated; one YAML file under studies/, checked whole."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, PlainValidator, Strict, TypeAdapter, ValidationInfo, WithJsonSchema

from hybridkit.data.languages import families
from hybridkit.errors import InputError
from hybridkit.models.encoder import ALIASES
from hybridkit.models.reranker import ALIASES as RERANKERS
from hybridkit.models.reranker_training import RerankerSettings
from hybridkit.models.training import Precision, TrainingSettings
from hybridkit.remedies import NONE
from hybridkit.remedies import parse as parse_remedy
from hybridkit.sampling import Strategy, cross, hybrid, mono, parse
from hybridkit.sampling.labels import UNTRAINED as UNTRAINED
from hybridkit.utils import yaml_files
from hybridkit.utils.files import digest
from hybridkit.utils.naming import meant, split_name
from hybridkit.utils.numbers import COUNT, COUNT_OR_NONE, LENGTH, PAIRED, POSITIVE, SEED, SHARE, SHARE_BELOW_1
from hybridkit.utils.paths import bundled, project
from hybridkit.utils.products import require
from hybridkit.utils.reading import json_file
from hybridkit.utils.yaml_files import settings

SETTINGS = "settings.json"  # of a run folder: the study as it was last run
HYBRID = "hybrid(alpha=0.5)"
ALL = "all"
ALL_BUT_ONE = "all but one"
RERANKER = "reranker"
DISTILLED = "distilled"  # dual encoders beside the re-rankers, some of which learn their scores
ANY_LANGUAGES = ("random", "spread")  # groups of languages that are no family


def check_group(group: str) -> str:
    """Return a group of languages; InputError unless it is "random", "spread", or a family or branch of languages."""
    if group not in (*ANY_LANGUAGES, *families()):
        raise InputError(
            f"unknown group {group!r}; there are {', '.join(ANY_LANGUAGES)}, and families and branches of languages: "
            f"{', '.join(families())}"
        )
    return group


def spelt(text: str) -> str:
    """Return a strategy in the one spelling that it prints, so that `hybrid` and `hybrid(alpha=.5)` are one model."""
    return str(parse(text))


def _spelt_model(text: str) -> str:
    return text if text == UNTRAINED else spelt(text)


def _seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError(f"must be one seed or more, all different (got {list(seeds)})")
    return seeds


def _different(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(texts)) != len(texts):
        raise InputError(f"must be one strategy or more, each once (got {list(texts)})")
    return texts


def _teachers(texts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    known = info.data.get("strategies", texts)
    if len(set(texts)) != len(texts) or not set(texts) <= set(known):
        raise InputError(f"must be some of its strategies, each once: {', '.join(known)} (got {list(texts)})")
    return texts


def _remedies(texts: tuple[str, ...]) -> tuple[str, ...]:
    if NONE in texts or len(set(texts)) != len(texts):
        raise InputError(f"must be chains of remedies, each once; {NONE} is always there (got {list(texts)})")
    return texts


def _compared(texts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    named = {*info.data.get("strategies", texts), UNTRAINED}
    if len(set(texts)) != 2 or not set(texts) <= named:
        raise InputError(f"must be two of {', '.join(sorted(named))} (got {list(texts)})")
    return texts


def _own_recipes(recipes: dict[str, "Recipe"], info: ValidationInfo) -> dict[str, "Recipe"]:
    known = info.data.get("strategies", tuple(recipes))
    for text in recipes:
        if text not in known:
            raise InputError(f"must name strategies of the study: {', '.join(known)} (got {text!r})")
    return recipes


def _own_seeds(seeds: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
    known = info.data.get("seeds", seeds or ())
    if seeds is not None and not set(seeds) <= set(known):
        raise InputError(f"must be some of the study's seeds: {list(known)} (got {list(seeds)})")
    return seeds


def _name(name: str) -> str:
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"must be letters, digits, - and _ (got {name!r})")
    return name


def _pairs(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(texts) == 1:
        raise InputError(f"must name two strategies or more, or none (got {list(texts)})")
    return texts


def _size(size: Any) -> int | str:
    try:
        return size if size in (ALL, ALL_BUT_ONE) else int(COUNT.check(size, ""))
    except InputError as error:
        raise InputError(f"must be {ALL!r}, {ALL_BUT_ONE!r} or {COUNT} (got {size!r})") from error


def _sizes(strategies: dict[str, tuple[int | str, ...]]) -> dict[str, tuple[int | str, ...]]:
    for text, sizes in strategies.items():
        if {"cross", "blend"} & set(parse(text).shares) and 1 in sizes:
            raise InputError(f"{text}: a set of 1 language has no pair of two languages; leave the 1 out")
        if ALL_BUT_ONE in sizes and ALL not in sizes:
            raise InputError(f"{text}: {ALL_BUT_ONE!r} is compared with {ALL!r}; add it")
    return strategies


StrategyText = Annotated[str, AfterValidator(spelt)]
RemedyText = Annotated[str, AfterValidator(lambda text: str(parse_remedy(text)))]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Seeds = Annotated[tuple[Annotated[int, SEED], ...], AfterValidator(_seeds)]
Size = Annotated[
    int | str,
    PlainValidator(_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"enum": [ALL, ALL_BUT_ONE]}]}),
]


@settings("encoder")
class EncoderSettings:
    """Which encoder, by its name or folder, or "static" to make one from scratch on the study's rows."""

    name: str
    """static, e5-small, use-multilingual, xlm-r, labse, a name of the hub or the path of a folder."""
    vocab_size: Annotated[int, COUNT] = 8000
    """Tokens of an encoder made from scratch."""
    dim: Annotated[int, COUNT] = 256
    """Length of the vectors of an encoder made from scratch."""
    seed: Annotated[int, SEED] = 0
    """Of an encoder made from scratch; a training adds its own seed, so that each starts from other random vectors."""
    prompts: dict[str, str] | None = None
    """What is put before each query and passage; the encoder's own unless given."""


@settings(kw_only=True)
class SectionSettings:
    """What a section of a study has of its own; where it has none, encoder, training, benchmarks are the study's."""

    seeds: Seeds
    encoder: EncoderSettings | None = None
    training: TrainingSettings | None = None
    benchmarks: tuple[str, ...] | None = None


@settings("curve", kw_only=True)
class CurveSettings(SectionSettings):
    """Curves over alpha and, for some strategies, over training rows and batch sizes."""

    alphas: tuple[Annotated[float, SHARE], ...] = ()
    rows: tuple[Annotated[int, PAIRED], ...] = ()
    """Numbers of training rows; fewer rows are trained on for as many steps."""
    batch_sizes: tuple[Annotated[int, PAIRED], ...] = ()
    """Batch sizes; a training with another one draws as many rows in all."""
    strategies: Annotated[tuple[StrategyText, ...], Field(min_length=1)] = ("mono", "cross", HYBRID)
    """Strategies of the curves over rows and batch sizes."""
    pairs: Annotated[tuple[StrategyText, ...], AfterValidator(_pairs)] = ()
    """Two strategies or more to compare beside the curves."""


@settings("diversity", kw_only=True)
class DiversitySettings(SectionSettings):
    """Training languages as the factor: models trained on sets of languages of several sizes."""

    strategies: Annotated[
        dict[StrategyText, Annotated[tuple[Size, ...], Field(min_length=1)]],
        Field(min_length=1),
        AfterValidator(_sizes),
    ]
    """For each strategy the sizes of its sets of languages; all is the set of every language, all but one are the sets
    that leave one language out, each once."""
    groups: Annotated[tuple[Annotated[str, AfterValidator(check_group)], ...], Field(min_length=1)] = ANY_LANGUAGES
    """How sets are chosen: random, spread (over families and scripts), or a family or branch, as Indo-European."""
    draws: Annotated[int, COUNT] = 2
    """Sets of each group and size; those of all but one are as many as there are languages."""
    series: Annotated[tuple[Literal["fixed", "growing"], ...], Field(min_length=1)] = ("fixed",)
    """fixed: every set has as many rows and steps; growing: both grow with the number of languages."""
    rows: Annotated[int, COUNT_OR_NONE] = 0
    """Training rows of every set in the fixed series; 0 for as many as all sets have."""
    judged: tuple[str, ...] | None = None
    """Collections to evaluate these models on; without it those of `evaluation.judged`."""


@settings("reranker", kw_only=True)
class RerankerSection(SectionSettings):
    """Re-rankers of the best passages that the study's encoder, untrained, finds."""

    training: RerankerSettings  # type: ignore[assignment]  # a section trains encoders, but for this one
    strategies: Annotated[tuple[StrategyText, ...], Field(min_length=2), AfterValidator(_different)]
    """Strategies to compare, two or more; gains are over the first of them."""
    depth: Annotated[int, COUNT] = 20
    """Passages of each query that are re-ranked; those behind them keep their ranks."""
    remedy: RemedyText | None = None
    """A remedy of the first stage, as calibrate(top=5)."""
    questions: Annotated[int, COUNT_OR_NONE] = 0
    """Questions of each benchmark, drawn evenly from its articles, each in all its languages; 0 for all."""
    distilled: Annotated[tuple[StrategyText, ...], AfterValidator(_teachers)] = ()
    """Strategies, some of these, whose re-rankers a dual encoder learns from: the study's encoder, by the study's
    training and first strategy, with hard negatives and the scores of the re-ranker of the same seed. One that learns
    from none is trained beside them."""
    margin_mse: Annotated[float, POSITIVE] = 0.01
    """Weight of the scores in the loss of these dual encoders (training.margin_mse)."""


@settings("rows")
class RowSettings:
    """Training rows: which files, and which rows of them."""

    files: Names
    """Names of data sets, or paths; they are pooled."""
    use: Literal["equal", "common", "each"] = "equal"
    """equal keeps the rows that every strategy can use, in the languages that they have on both sides, so that all are
    trained on the same rows, sources and languages; common keeps all texts of these rows; each gives every strategy the
    rows that it can use."""
    limit: Annotated[int, COUNT_OR_NONE] = 0
    """Rows of each file at most, chosen at random; 0 for all."""
    held_out: Annotated[float, SHARE_BELOW_1] = 0.0
    """Share of the groups of rows that is kept out of training to choose by."""
    languages: tuple[str, ...] | None = None
    """Languages to keep; all unless given."""


@settings("evaluation")
class EvaluationSettings:
    """Benchmarks, and how texts are encoded for them."""

    benchmarks: Names
    """Names or paths; a slice of articles as in xquad-r[16:]; held-out for the study's own rows."""
    max_length: Annotated[int, LENGTH] | None = None
    """Tokens of a text; the encoder's own limit unless given."""
    precision: Precision = "float32"
    top: Annotated[int, COUNT] = 10
    """Passages at the top of a ranking whose languages are counted."""
    judged: tuple[str, ...] = ()
    """Collections judged language by language, in MIRACL's or BEIR's layout, as in tydi-goldp[fi,sw]."""


@settings("resources")
class Resources:
    """What one process takes on a cluster (`hybridkit run STUDY --on ray`); `training.processes` train a model."""

    cpus: Annotated[int, COUNT_OR_NONE] = 0
    """Cores; 0 for one where the encoder is static, and otherwise for all of a machine, shared out among processes."""
    gpus: Annotated[int, COUNT_OR_NONE] | None = None
    """GPUs; unless given, one where a machine has some and the encoder is not static."""
    passages: Annotated[int, COUNT] = 98_304
    """Passages of a large collection that one job encodes and searches; rounded up to a multiple of 8,192."""


@settings("recipes")
class Recipe:
    """How a strategy is trained: what is chosen for each of them on held-out rows (`hybridkit recipe`)."""

    learning_rate: Annotated[float, POSITIVE]
    temperature: Annotated[float, POSITIVE]
    steps: Annotated[int, COUNT]


class Section(NamedTuple):
    """What the models of a section of a study start from, how they are trained and what they are evaluated on."""

    encoder: EncoderSettings
    training: TrainingSettings
    benchmarks: tuple[str, ...]


@settings()
class Study:
    """Every setting of a study.

    Names of files and folders stay as they are written; `at` and `encoder_at` return where they lie.
    """

    name: Annotated[str, AfterValidator(_name)]
    """Name of the run folder: letters, digits, - and _."""
    title: str
    rows: RowSettings
    encoder: EncoderSettings
    strategies: Annotated[tuple[StrategyText, ...], Field(min_length=1), AfterValidator(_different)]
    """Strategies to compare: english, mixed, mono, cross, hybrid(alpha=0.5), codeswitch(...), ..."""
    seeds: Seeds
    """One model is trained of every strategy and seed."""
    training: TrainingSettings
    evaluation: EvaluationSettings
    recipes: Annotated[dict[StrategyText, Recipe], AfterValidator(_own_recipes)] = field(default_factory=dict)
    """The recipe of each strategy that is best for it; `training` has the shared one. Results are made of both."""
    recipe_seeds: Annotated[Seeds | None, AfterValidator(_own_seeds)] = None
    """Seeds of the models that are trained by own recipes, some of `seeds`; all unless given."""
    remedies: Annotated[tuple[RemedyText, ...], AfterValidator(_remedies)] = ()
    """Chains of remedies against language bias, as centre(by='rows') + calibrate(top=5): every model is evaluated with
    each and without any, on every benchmark and collection of `evaluation`."""
    curve: CurveSettings | None = None
    diversity: DiversitySettings | None = None
    reranker: RerankerSection | None = None
    untrained: Annotated[bool, Strict()] = True
    """Whether the encoder as it is at the start is evaluated too."""
    compare: Annotated[tuple[Annotated[str, AfterValidator(_spelt_model)], ...], AfterValidator(_compared)] = (
        HYBRID,
        "mono",
    )
    """Two strategies (or untrained) whose difference is drawn: the first minus the second."""
    notebooks: tuple[str, ...] = ("01", "02", "03", "04", "05", "06", "07", "08")
    """Numbers of the notebooks that are run."""
    resources: Resources | None = field(default=None, compare=False)
    """What one process takes on a cluster. No hash depends on it."""
    folder: str | None = field(default=None, compare=False)
    """What relative paths start from: the folder of the study's own file unless given. No hash depends on it."""

    @property
    def key(self) -> str:
        """SHA-256 of the settings, as hex."""
        return digest(self.written())

    def written(self, beside: Path | None = None) -> dict[str, Any]:
        """Return the settings as plain values, which `open_study` reads back from a file in the folder `beside`.

        Where one of them is a relative path, the key `folder` leads from there to the study's folder.
        """
        value = dataclasses.asdict(self)
        del value["folder"]
        if beside is None or self.resources is None:
            del value["resources"]
        if self.reranker is None:  # it came later, and the keys of studies without it stay as they were
            del value[RERANKER]
        elif not self.reranker.distilled:
            del value[RERANKER]["distilled"], value[RERANKER]["margin_mse"]
        for part in (value, value["curve"], value["diversity"]):
            training = part and part["training"]
            if training and (beside is None or not training["report_to"]):
                del training["report_to"]
            if training and training["processes"] == 1:  # as in settings of studies from before there were more
                del training["processes"]
            if training and not training["margin_mse"]:  # it came later
                del training["margin_mse"], training["reranker"]
        if beside is not None and self.folder is not None and self.paths():
            value["folder"] = os.path.relpath(self.folder, beside.resolve())  # a run folder may be reached by links
        return value

    def at(self, name: str) -> str:
        """Return where rows, a benchmark or a collection are: a name of the kit as it is, a path made whole."""
        return placed(name, self.folder)

    def encoder_at(self, name: str) -> str:
        """Return where an encoder is: a path made whole, any other name as it is.

        A name that could be one of the hub is a path where such a folder is beside the study.
        """
        if self.folder is None or name in ("static", *ALIASES, *RERANKERS):
            return name
        path = whole_path(name, self.folder)
        return path if name.startswith((".", "~")) or Path(path).is_dir() else name

    def paths(self) -> list[tuple[str, str]]:
        """Return the study's names that are relative paths: (what it is, the name as it is written)."""
        encoders = dict.fromkeys(self.section(name).encoder.name for name in self.own_sections())
        found = [("rows", name) for name in self.rows.files if self.at(name) != name]
        found += [("benchmark", name) for name in self.benchmarks if self.at(name) != name]
        found += [("collection", name) for name in self.judged if self.at(name) != name]
        found += [("lexicon", name) for name in self.lexicons if not is_known(name) and not Path(name).is_absolute()]
        found += [("re-ranker", name) for name in self.teachers if self.encoder_at(name) != name]
        return found + [("encoder", name) for name in encoders if self.encoder_at(name) != name]

    @property
    def teachers(self) -> tuple[str, ...]:
        """The re-rankers that trainings of the study name (`training.reranker`), without repeats."""
        trainings = [self.section(name).training for name in self.own_sections() if name != RERANKER]
        return tuple(dict.fromkeys(one.reranker for one in trainings if one.reranker))

    @property
    def judged(self) -> tuple[str, ...]:
        """The collections of every section, without repeats."""
        more = self.judged_in("diversity") if self.diversity else ()
        return tuple(dict.fromkeys([*self.evaluation.judged, *more]))

    def judged_in(self, section: str) -> tuple[str, ...]:
        """Return the collections that the models of a section are evaluated on."""
        own = self.diversity.judged if section == "diversity" and self.diversity else None
        names = self.evaluation.judged if own is None else own
        return tuple(dict.fromkeys(names)) if section in ("main", "diversity") else ()

    @property
    def lexicons(self) -> tuple[str, ...]:
        """The lexicons that the study's strategies switch words by, without repeats."""
        names = (getattr(strategy, "lexicon", "") for strategy in self.every_strategy())
        return tuple(dict.fromkeys(name for name in names if name))

    def own_sections(self) -> list[str]:
        """Return the sections that have an encoder, training and benchmarks: "main", and those of their own keys."""
        return ["main", *(name for name in ("curve", "diversity", RERANKER) if getattr(self, name))]

    def every_strategy(self) -> list[Strategy]:
        """Return the strategies of every section: what the common rows must serve."""
        curve, diversity = self.curve, self.diversity
        texts = [*self.strategies, *(diversity.strategies if diversity else ())]
        texts += self.reranker.strategies if self.reranker else ()
        if curve is not None:
            texts += [*(curve.strategies if curve.rows or curve.batch_sizes else ()), *curve.pairs]
            texts += [str(strategy_at(alpha)) for alpha in curve.alphas]
        return [parse(text) for text in dict.fromkeys(texts)]

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that the study's notebooks train models of, from main to reranker and distilled.

        >>> open_study("starter").sections
        ('main', 'recipes')
        """
        trained = {
            "main": {"03", "04", "05", "08"},
            "recipes": {"04"},
            "curve": {"02"},
            "diversity": {"06"},
            RERANKER: {"04"},
            DISTILLED: {"04"},
        }
        there = {name: bool(getattr(self, name, None)) for name in trained} | {"main": True}
        there[DISTILLED] = bool(self.reranker and self.reranker.distilled)
        return tuple(name for name, where in trained.items() if there[name] and where & set(self.notebooks))

    def section(self, name: str) -> Section:
        """Return encoder, training and benchmarks of a section; InputError where the study does not have it."""
        if name in ("main", "recipes"):
            return Section(self.encoder, self.training, self.evaluation.benchmarks)
        if name == DISTILLED:
            main = self.section("main")
            training = dataclasses.replace(main.training, negatives=True, margin_mse=0.0, reranker="")
            return Section(main.encoder, training, self.section(RERANKER).benchmarks)
        own: SectionSettings | None = getattr(self, name)
        if own is None:
            raise InputError(f"study {self.name}: it has no {name}; add the key {name}")
        main = self.section("main")
        return Section(own.encoder or main.encoder, own.training or main.training, own.benchmarks or main.benchmarks)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks of every section, without repeats."""
        return tuple(dict.fromkeys(name for one in self.own_sections() for name in self.section(one).benchmarks))

    def labels(self) -> dict[str, str]:
        """Return what tables and figures call each benchmark, by its name in the study: an own file by its stem.

        Where two would be called the same, or one as a benchmark of the kit, they stay as they are written.
        """
        from hybridkit.data.sources.open_rows import own_name

        names = dict.fromkeys(self.benchmarks)
        found = {name: own_name(name) for name in names}
        called = list(found.values())
        return {
            name: name if called.count(text) > 1 or is_known(split_name(text)[0]) else text
            for name, text in found.items()
        }

    def named(self, label: str) -> str:
        """Return the name in the study of what tables call by a label: a benchmark, the whole or a part of one."""
        from hybridkit.data.sources.open_benchmarks import base_name

        if label in self.benchmarks:
            return label
        labels = self.labels()
        whole = {base_name(text): base_name(name) for name, text in labels.items() if text != name}
        base = base_name(label)
        return next(
            (name for name, text in labels.items() if text == label), whole.get(base, base) + label[len(base) :]
        )

    def embedded(self, name: str) -> str:
        """Return the benchmark whose texts are encoded for one of the study's: itself, or the whole of several parts.

        >>> study = open_study("starter")
        >>> study.embedded("xquad-r[16:]"), study.embedded("mlqa-r")
        ('xquad-r', 'mlqa-r')
        >>> alone = dataclasses.replace(study.evaluation, benchmarks=("xquad-r[ar,de]",))
        >>> dataclasses.replace(study, evaluation=alone).embedded("xquad-r[ar,de]")
        'xquad-r[ar,de]'
        >>> parts = dataclasses.replace(study.evaluation, benchmarks=("tydi-goldp", "tydi-goldp[sw]"))
        >>> dataclasses.replace(study, evaluation=parts).embedded("tydi-goldp[sw]")  # parts of collections: each alone
        'tydi-goldp[sw]'
        """
        from hybridkit.data.sources.open_benchmarks import is_collection

        name = self.named(name)
        whole = name if is_collection(self.at(name)) else split_name(name)[0]  # parts of a collection: each alone
        return name if {one for one in self.benchmarks if split_name(one)[0] == whole} <= {name} else whole


def strategy_at(alpha: float) -> Strategy:
    """Return the strategy at a point of the curve; the ends are `cross` and `mono` themselves.

    >>> [str(strategy_at(alpha)) for alpha in (0, 0.25, 1)]
    ['cross', 'hybrid(alpha=0.25)', 'mono']
    """
    return {0.0: cross(), 1.0: mono()}.get(float(alpha)) or hybrid(alpha=float(alpha))


def open_study(name: str | Path, changes: Sequence[str] = ()) -> Study:
    """Read a study by its name (a file under studies/ of the project or of the kit) or the path of its YAML file.

    With the key `extends: other.yaml` it is a variation of the study beside it: its own keys replace those. Relative
    paths in it start from its own folder, wherever it is opened. Each of the `changes` replaces a setting, as in
    "training.steps=50", "seeds=[0]" or "encoder.name=static": a key with dots, and a value in YAML.

    Raises InputError for what does not fit, with the file, the key, the value and what is allowed.
    """
    path = study_path(name)
    value = yaml_files.read(path)
    for change in changes:
        yaml_files.change(value, change, f"--set {change}")
    where = f"{path} with {' '.join(f'--set {change}' for change in changes)}" if changes else path
    return _study_of(value, where, path.absolute().parent)


def study_path(name: str | Path) -> Path:
    """Return the YAML file of a study, by the study's name or the file's path; InputError for an unknown name.

    A study of the project (see `utils.paths.project`) goes before one of the kit that has the same name.
    """
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        return path
    known = known_studies()
    if str(name) not in known:
        cure = f"there are {', '.join(sorted(known)) or 'none'}, or give a path to a YAML file"
        raise InputError(f"study {str(name)!r}: there is no such study{meant(str(name), known)}; {cure}")
    return known[str(name)]


def known_studies() -> dict[str, Path]:
    """Return the YAML file of every study that has a name here: those of the kit and of the project.

    >>> known_studies()["quick"].name
    'quick.yaml'
    """
    home = project()
    folders = [bundled("studies"), *([home / "studies"] if home else [])]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def study_of_run(folder: Path) -> Study:
    """Read the study of a run folder, as it was when it was last run; InputError as in `open_study`."""
    path = require(folder / SETTINGS, cure := "run the study again")
    value = json_file(path, cure)  # not as YAML, for which some characters in a prompt end a line
    try:
        return _study_of(value, path, folder.resolve())
    except InputError as error:
        raise InputError(f"{error}; {cure}") from error


def _study_of(value: Any, path: Path | str, beside: Path) -> Study:
    study = yaml_files.build(Study, value, str(path))
    return dataclasses.replace(study, folder=whole_path(study.folder or ".", str(beside)))


def whole_path(path: str, folder: str) -> str:
    """Return a path that starts from a folder, made whole.

    >>> whole_path("../rows.jsonl", "/home/me/studies"), whole_path("/data/rows.jsonl", "/home/me")
    ('/home/me/rows.jsonl', '/data/rows.jsonl')
    """
    return os.path.normpath(Path(folder, Path(path).expanduser()))


def placed(name: str, folder: str | None) -> str:
    """Return where a study whose paths start from `folder` has rows, a benchmark or a collection; brackets stay.

    >>> placed("mine.jsonl[2:]", "/home/me"), placed("xquad-r[16:]", "/home/me"), placed("../held", "/home/me")
    ('/home/me/mine.jsonl[2:]', 'xquad-r[16:]', '/home/held')
    """
    if folder is None or is_known(split_name(name)[0]):
        return name
    whole = whole_path(name, folder)
    base = split_name(whole)[0]
    return os.path.normpath(base) + whole[len(base) :]


def is_known(name: str) -> bool:
    """Return whether a name without brackets is a data set, benchmark, collection or lexicon of the kit or the hub.

    >>> is_known("xquad-r-paragraphs"), is_known("held-out"), is_known("mine.jsonl")
    (True, True, False)
    """
    from hybridkit.data.sources.hub_rows import MARK
    from hybridkit.data.sources.open_benchmarks import NAMES
    from hybridkit.data.sources.registry import DATA_SETS

    return name in DATA_SETS or name in NAMES or name == "held-out" or name.startswith(MARK)


def schema() -> str:
    """Return the JSON schema of a study's YAML file, which editors complete and check keys by.

    It is kept in studies/schema.json. A study may extend another, so that no key is required.
    """
    value = TypeAdapter(Study).json_schema()
    for section in (value, *value["$defs"].values()):
        section["description"] = section["description"].partition("\n")[0]
        section.pop("required", None)
    extends = {
        "type": "string",
        "description": "Name of a YAML file beside this one, of which this one is a variation.",
    }
    value["properties"]["extends"] = extends
    value |= {"$schema": "http://json-schema.org/draft-07/schema#"}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
