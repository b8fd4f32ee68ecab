"""The models of a study: which there are in each section, and the sets of training languages of a diversity study."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridkit.data.languages import language, language_distance
from hybridkit.errors import InputError
from hybridkit.models.training import TrainingSettings
from hybridkit.remedies import Chain
from hybridkit.remedies import parse as parse_remedy
from hybridkit.sampling import parse
from hybridkit.study.settings import (
    ALL,
    ALL_BUT_ONE,
    ANY_LANGUAGES,
    DISTILLED,
    RERANKER,
    UNTRAINED,
    Recipe,
    Study,
    check_group,
    strategy_at,
)
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from hybridkit.study.training_rows import TrainingRows

CURVES = ("alpha", "rows", "batch_size", "pairs")
DUAL = "dual encoder"  # how one beside re-rankers is called that learns from none of them
COLUMNS = ["group", "draw", "k", "languages", "series", "strategy", "seed", "model"]


@dataclass(frozen=True)
class ModelSpec:
    """One model of a study: a strategy (or "untrained"), a seed and the section it belongs to.

    Sections are "main", "recipes" (each strategy with its own recipe), "curve", "diversity", "reranker", whose
    untrained model is the first stage alone, and "distilled", dual encoders beside the re-rankers.

    What differs from the section's own settings: the training `languages`, the number of training `rows`, `batch_size`,
    `steps`, `learning_rate` and `temperature`; where they are empty or 0, nothing does.
    """

    strategy: str
    seed: int = 0
    section: str = "main"
    languages: tuple[str, ...] = ()
    rows: int = 0
    batch_size: int = 0
    steps: int = 0
    learning_rate: float = 0.0
    temperature: float = 0.0
    remedy: str = ""
    """A chain of remedies that its results are of; "" for none. The same model is trained with any."""
    teacher: str = ""
    """The strategy of the re-ranker, of the same seed, whose scores it learns; "" for none."""

    @property
    def called(self) -> str:
        """What tables call it: its strategy, or of dual encoders beside re-rankers from which of them it is distilled.

        >>> ModelSpec("mono", section="distilled", teacher="english").called, ModelSpec("mono").called
        ('dual encoder distilled from english', 'mono')
        """
        if self.section != DISTILLED:
            return self.strategy
        return f"{DUAL} distilled from {self.teacher}" if self.teacher else DUAL

    @property
    def reranker(self) -> "ModelSpec":
        """The re-ranker whose scores it learns."""
        return ModelSpec(self.teacher, self.seed, RERANKER)

    @property
    def chain(self) -> Chain:
        """The remedy as a value."""
        return parse_remedy(self.remedy) if self.remedy else Chain()

    @property
    def encoded(self) -> "ModelSpec":
        """The model whose embeddings the remedy starts from: of a remedy in the weights, the one with such weights."""
        weights = [part for part in self.chain.parts if part.stage == "weights"]
        return replace(self, remedy=str(Chain(tuple(weights))) if weights else "")

    @property
    def alpha(self) -> float:
        """Share of monolingual batches; nan where batches are neither monolingual nor cross-lingual."""
        return float("nan") if self.strategy == UNTRAINED else parse(self.strategy).mono_share

    def training(self, study: Study) -> TrainingSettings:
        """How the model is trained: as its section says, but for what it has of its own."""
        names = ("batch_size", "steps", "learning_rate", "temperature")
        own = {name: getattr(self, name) for name in names if getattr(self, name)}
        if self.teacher and study.reranker:
            own |= {"margin_mse": study.reranker.margin_mse, "reranker": self.teacher}
        return replace(study.section(self.section).training, **own)

    def with_recipe(self, recipe: Recipe) -> "ModelSpec":
        """Return the same model trained by a recipe."""
        return replace(self, **asdict(recipe))

    def __str__(self) -> str:
        other = [f"languages {' '.join(self.languages)}"] if self.languages else []
        other += [f"{self.rows} rows"] if self.rows else []
        other += [f"batches of {self.batch_size}"] if self.batch_size else []
        other += [f"{self.steps} steps"] if self.steps else []
        other += [f"learning rate {self.learning_rate:g}"] if self.learning_rate else []
        other += [f"temperature {self.temperature:g}"] if self.temperature else []
        other += [f"distilled from {self.teacher}"] if self.teacher else []
        other += [self.remedy] if self.remedy else []
        where = [] if self.section == "main" else [f"({self.section})"]
        return " ".join([self.strategy + "".join(f", {one}" for one in self._seed() + other), *where])

    def _seed(self) -> list[str]:
        return [] if self.strategy == UNTRAINED else [f"seed {self.seed}"]

    @property
    def slug(self) -> str:
        """A name for files, at most 80 letters and the seed; a hash follows it wherever it must be unique.

        Example:
            >>> ModelSpec("hybrid(alpha=0.5)", 1).slug
            'hybrid-alpha-0.5-s1'
        """
        named = " ".join([self.strategy, *self.languages])
        plain = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in named).strip("-")
        return f"{plain[:80]}-s{self.seed}"


def models(study: Study, rows: "TrainingRows", section: str = "main") -> list[ModelSpec]:
    """Return the models of a section, the untrained one first, then seed by seed: an early stop leaves whole seeds."""
    if section == "curve":
        return list(dict.fromkeys(spec for curve in CURVES for spec in curve_models(study, curve)))
    if section == "diversity":
        return list(dict.fromkeys(design(study, rows)["model"]))
    if section == "recipes":  # a strategy without a recipe of its own is trained by the shared one
        return [
            ModelSpec(text, seed, section).with_recipe(study.recipes[text])
            if text in study.recipes
            else ModelSpec(text, seed)
            for seed in study.recipe_seeds or study.seeds
            for text in study.strategies
        ]
    if section == RERANKER:
        chosen = study.reranker
        pairs = [(seed, text) for seed in chosen.seeds for text in chosen.strategies] if chosen else []
        return [ModelSpec(text, seed, section) for seed, text in [*[(0, UNTRAINED)] * bool(chosen), *pairs]]
    if section == DISTILLED:
        chosen = study.reranker
        if chosen is None or not chosen.distilled:
            return []
        dual = ModelSpec(study.strategies[0], section=section, remedy=chosen.remedy or "")
        return [replace(dual, seed=seed, teacher=text) for seed in chosen.seeds for text in ("", *chosen.distilled)]
    trained = [ModelSpec(text, seed) for seed in study.seeds for text in study.strategies]
    return ([ModelSpec(UNTRAINED)] if study.untrained else []) + trained


def curve_models(study: Study, curve: str) -> list[ModelSpec]:
    """Return the models of one curve, seed by seed: over "alpha", "rows" or "batch_size", or the compared "pairs"."""
    settings = study.curve
    if settings is None:
        return []
    training = study.section("curve").training
    draws = training.steps * training.batch_size
    texts = {"alpha": [str(strategy_at(alpha)) for alpha in settings.alphas], "pairs": settings.pairs}
    if curve in texts:
        return [ModelSpec(text, seed, "curve") for seed in settings.seeds for text in texts[curve]]
    at = [(count, 0, 0) for count in settings.rows]
    if curve == "batch_size":  # the same number of draws in all
        at = [(0, size, max(1, draws // size)) for size in settings.batch_sizes]
    return [
        ModelSpec(text, seed, "curve", (), rows, size, steps)
        for seed in settings.seeds
        for rows, size, steps in at
        for text in settings.strategies
    ]


def design(study: Study, rows: "TrainingRows") -> pd.DataFrame:
    """Return the models of a study's section "diversity": one line a set of languages, series, strategy and seed.

    The untrained encoder comes first, once for each series: k = 0, no languages.

    In the series "fixed" every model is trained on equally many rows and steps: `diversity.rows`, or as many as the set
    with the fewest has. In "growing" a set of k of K languages gets k/K of both: a language has as many rows in every
    set, and the two series meet at k = K.

    Returns:
        group, draw, k, languages (joined by spaces), series, strategy, seed, model (a ModelSpec; a model may be on
        two lines, as the set of one language belongs to two groups). Empty for a study without the section.

    Raises:
        InputError: For impossible sets (see `language_sets`) or a set with fewer rows than `diversity.rows`.
    """
    settings = study.diversity
    if settings is None:
        return pd.DataFrame(columns=COLUMNS)
    sizes = [k for of in settings.strategies.values() for k in of]
    sets = language_sets(rows.split[0].languages, settings.groups, settings.draws, sizes)
    fewest = min(dict.fromkeys(one.languages for one in sets), key=rows.count)
    most = rows.count(fewest)
    if most < settings.rows:
        raise InputError(
            f"study {study.name}: diversity.rows: {settings.rows} is more than the {most} rows of "
            f"{', '.join(fewest)}; give at most {most}, or 0 for as many as every set has"
        )
    untrained = ModelSpec(UNTRAINED, 0, "diversity")
    lines: list[tuple[Any, ...]] = [(UNTRAINED, 0, 0, "", one, UNTRAINED, 0, untrained) for one in settings.series]
    for seed in settings.seeds:
        for series in settings.series:
            for one in sets:
                named = (one.group, one.draw, len(one.languages), " ".join(one.languages), series)
                for strategy, of in settings.strategies.items():
                    if one.group in of or (one.group != ALL_BUT_ONE and len(one.languages) in of):
                        spec = _spec(study, rows, one, strategy, seed, settings.rows or most, series == "growing")
                        lines.append((*named, strategy, seed, spec))
    return pd.DataFrame(lines, columns=COLUMNS)


def _spec(
    study: Study, rows: "TrainingRows", chosen: "LanguageSet", strategy: str, seed: int, count: int, growing: bool
) -> ModelSpec:
    """The model of a set; what is as in the whole study is left out, so that it is the same model as there."""
    k, every, steps = len(chosen.languages), len(rows.split[0].languages), 0
    if growing and k < every:
        count, steps = count * k // every, max(1, study.section("diversity").training.steps * k // every)
    some = chosen.languages if k < every else ()
    return ModelSpec(
        strategy, seed, "diversity", some, count if count < rows.count(chosen.languages) else 0, steps=steps
    )


@dataclass(frozen=True)
class LanguageSet:
    """Some languages of a study's rows, sorted, with the group and the draw that they were chosen by."""

    group: str
    draw: int
    languages: tuple[str, ...]


def language_sets(
    languages: Sequence[str], groups: Sequence[str], draws: int, sizes: Iterable[int | str]
) -> list[LanguageSet]:
    """Return the sets of every group, draw and size, each once; the one of all languages has the group "all".

    A draw is an order of the languages, and its set of size k is the first k of it: the sets of a draw are nested.

    - random: a shuffle seeded by the draw; every draw begins with another language;
    - spread: begins as the random order of the draw, then always adds the language that is farthest from the nearest of
      those chosen (`language_distance`; of equals the first in the random order);
    - a family or branch: its languages in the random order; sizes larger than it are left out.

    The size "all but one" stands for the sets that leave one language out, each once, beside that of all languages: a
    group of its own, in the order of the languages.

    Raises:
        InputError: For an unknown group, a size larger than the languages, a family with fewer than two of them, and
            for "all but one" of fewer than three.

    Example:
        >>> [" ".join(one.languages) for one in language_sets(["ar", "de", "en", "zh"], ["spread"], 1, [1, 2, "all"])]
        ['ar', 'ar en', 'ar de en zh']
    """
    known = sorted(languages)
    wanted = set(sizes)
    counts = sorted({len(known) if size in (ALL, ALL_BUT_ONE) else int(size) for size in wanted})
    if not known or counts[-1] > len(known):
        raise InputError(
            f"diversity.strategies: a set of {counts[-1]} languages is too large, the training rows have "
            f"{len(known)}: {', '.join(known)}"
        )
    found: dict[LanguageSet, None] = {}  # each once, in order
    for group in groups:
        check_group(group)
        if group not in ANY_LANGUAGES and sum(_belongs(tag, group) for tag in known) < 2:
            raise InputError(f"diversity.groups: the training rows have fewer than two languages of {group!r}")
        for draw in range(draws):
            order = _order(known, group, draw)
            for count in (count for count in counts if count <= len(order)):
                chosen = tuple(sorted(order[:count]))
                found[LanguageSet(ALL, 0, chosen) if count == len(known) else LanguageSet(group, draw, chosen)] = None
    if ALL_BUT_ONE in wanted:
        if len(known) < 3:
            raise InputError(
                f"diversity.strategies: {ALL_BUT_ONE!r} needs three languages or more ({', '.join(known)})"
            )
        for number, gone in enumerate(known):
            found[LanguageSet(ALL_BUT_ONE, number, tuple(tag for tag in known if tag != gone))] = None
    return list(found)


def _order(known: list[str], group: str, draw: int) -> list[str]:
    """The languages in the order in which a draw of a group takes them."""
    # draws begin with different languages for as long as there are some, so that the sets of one cover many
    first = known[generator(0, "diversity", "first").permutation(len(known))[draw % len(known)]]
    random = [known[number] for number in generator(draw, "diversity", "languages").permutation(len(known))]
    shuffled = [first, *(tag for tag in random if tag != first)]
    if group == "random":
        return shuffled
    if group != "spread":
        return [tag for tag in shuffled if _belongs(tag, group)]
    order, left = shuffled[:1], shuffled[1:]
    while left:
        farthest = max(left, key=lambda tag: min(language_distance(tag, one) for one in order))
        order.append(farthest)
        left.remove(farthest)
    return order


def _belongs(tag: str, group: str) -> bool:
    return group in (language(tag).family, language(tag).branch)
