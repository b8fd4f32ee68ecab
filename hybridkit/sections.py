"""Parts that a study may have beside its main one: curves over one setting, and language diversity."""

from collections.abc import Sequence
from dataclasses import dataclass

from hybridkit.diversity.sets import check_group
from hybridkit.errors import InputError
from hybridkit.ranges import COUNT, COUNT_OR_NONE, PAIRED, SHARE, check_choice, check_seed
from hybridkit.sampling import parse
from hybridkit.training import TrainingSettings

HYBRID = "hybrid(alpha=0.5)"


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
class PartSettings:
    """What a part of a study has of its own; where it says nothing, encoder, training, benchmarks are the study's."""

    seeds: tuple[int, ...]
    encoder: EncoderSettings | None = None
    training: TrainingSettings | None = None
    benchmarks: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class CurveSettings(PartSettings):
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
class DiversitySettings(PartSettings):
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


def _spell(settings: PartSettings, name: str, key: str) -> None:
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
