"""Parts that a study may have beside its main one: curves over one setting, and language diversity."""

from collections.abc import Iterable
from dataclasses import dataclass

from hybridkit.diversity.sets import check_group
from hybridkit.errors import InputError
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
        """Raise InputError naming the key that cannot be."""
        _spell(self, "strategies", "curve.strategies")
        _spell(self, "pairs", "curve.pairs")
        wrong = {
            "alphas": not all(0 <= alpha <= 1 for alpha in self.alphas), "seeds": not different(self.seeds),
            "rows": not all(count > 1 for count in self.rows), "pairs": len(self.pairs) == 1,
            "batch_sizes": not all(size > 1 for size in self.batch_sizes), "strategies": not self.strategies,
        }  # fmt: skip
        _refuse(self, "curve", wrong)


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
        """Raise InputError naming the key that cannot be."""
        named = {spelt(text, "diversity.strategies"): sizes for text, sizes in self.strategies.items()}
        object.__setattr__(self, "strategies", named)
        for text, sizes in named.items():
            key = f"diversity.strategies.{text}"
            for size in sizes:
                if size != "all" and (isinstance(size, str) or size < 1):
                    raise InputError(f'{key}: {size!r} is no number of languages; give whole numbers from 1, or "all"')
            if {"cross", "blend"} & set(parse(text).shares) and 1 in sizes:
                raise InputError(f"{key}: a set of 1 language has no pair of two languages; leave the 1 out")
        for group in self.groups:
            check_group(group)
        wrong = {
            "strategies": not named or not all(named.values()), "groups": not self.groups, "draws": self.draws < 1,
            "series": not self.series or not set(self.series) <= {"fixed", "growing"}, "rows": self.rows < 0,
            "seeds": not different(self.seeds),
        }  # fmt: skip
        _refuse(self, "diversity", wrong)


def _spell(settings: PartSettings, name: str, key: str) -> None:
    """Give every strategy of a setting its one spelling."""
    texts = tuple(spelt(text, f"{key}[{place}]") for place, text in enumerate(getattr(settings, name)))
    object.__setattr__(settings, name, texts)


def _refuse(settings: PartSettings, key: str, wrong: dict[str, bool]) -> None:
    for name, is_wrong in wrong.items():
        if is_wrong:
            value, kind = getattr(settings, name), type(settings).__name__
            raise InputError(f"{key}.{name}: {value!r} cannot be; see {kind} in hybridkit/sections.py")


def spelt(text: str, where: str) -> str:
    """Spell a strategy in the one way that it prints; InputError says where it stands."""
    try:
        return str(parse(text))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def different(seeds: Iterable[int]) -> bool:
    """At least one, all different, and none that numpy's or PyTorch's global generators refuse."""
    seeds = list(seeds)
    return len(set(seeds)) == len(seeds) > 0 and all(0 <= seed < 2**32 for seed in seeds)
