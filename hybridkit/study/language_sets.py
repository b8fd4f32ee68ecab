"""Sets of training languages: drawn at random, spread over families and scripts, or within one family; nested."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hybridkit.data.languages import families, language, language_distance
from hybridkit.errors import InputError
from hybridkit.utils.seeds import generator

ALL = "all"
_CHOSEN = ("random", "spread")


@dataclass(frozen=True)
class LanguageSet:
    """Some languages of a study's rows, sorted, with the group and the draw that they were chosen by."""

    group: str
    draw: int
    languages: tuple[str, ...]


def check_group(group: str) -> None:
    """Raise InputError for a group that is neither "random" nor "spread" nor a family or branch of languages."""
    if group not in (*_CHOSEN, *families()):
        raise InputError(
            f"diversity.groups: unknown group {group!r}; there are {', '.join(_CHOSEN)}, and families and branches of "
            f"languages: {', '.join(families())}"
        )


def language_sets(
    languages: Sequence[str], groups: Sequence[str], draws: int, sizes: Iterable[int | str]
) -> list[LanguageSet]:
    """Choose the sets of every group, draw and size, each once; of all languages there is one, whose group is "all".

    A draw is an order of the languages, and its set of size k the first k of it: sets of a draw are nested, so that
    what changes with k is not which languages there are. Random order: a shuffle named by the draw, which begins with
    another language in every draw. Spread: begins with
    the language that the random order of the same draw begins with, then always adds the one that is farthest from the
    nearest of those chosen (`language_distance`; of equals the first in the random order). A family or branch: its
    languages in the random order; sizes that it has not are left out. The set of one language is the random one, and
    the same for "spread".

    Raises InputError for an unknown group, a size larger than the languages, a family with fewer than two of them.

    >>> [" ".join(one.languages) for one in language_sets(["ar", "de", "en", "zh"], ["spread"], 1, [1, 2, "all"])]
    ['ar', 'ar en', 'ar de en zh']
    """
    known = sorted(languages)
    counts = sorted({len(known) if size == ALL else int(size) for size in sizes})
    if not known or counts[-1] > len(known):
        raise InputError(
            f"diversity.strategies: a set of {counts[-1]} languages cannot be chosen, the training rows have "
            f"{len(known)}: {', '.join(known)}"
        )
    found: dict[LanguageSet, None] = {}  # each once, in order
    for group in groups:
        check_group(group)
        if group not in _CHOSEN and sum(_belongs(tag, group) for tag in known) < 2:
            raise InputError(f"diversity.groups: the training rows have fewer than two languages of {group!r}")
        for draw in range(draws):
            order = _order(known, group, draw)
            for count in (count for count in counts if count <= len(order)):
                chosen = tuple(sorted(order[:count]))
                found[LanguageSet(ALL, 0, chosen) if count == len(known) else LanguageSet(group, draw, chosen)] = None
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
