"""Which pairs of languages a strategy's rows may draw, and with what weight."""

from collections.abc import Mapping, Sequence

import numpy as np

from hybridkit.errors import InputError
from hybridkit.languages import language

Pairs = str | tuple[str, ...]  # "all", "one", "en-x", or pairs such as "de-en"


def check_pairs(value: object) -> Pairs:
    """Check the option `pairs` and give it back, a list as a tuple.

    "all" pairs of two different languages; "one" pair a batch; "en-x", those with one language (here English) on either
    side; or a list of pairs, query language first. Raises InputError for anything else.

    >>> check_pairs(["de-en", "zh-Hant-en"]), check_pairs("en-x")
    (('de-en', 'zh-Hant-en'), 'en-x')
    """
    if isinstance(value, str):
        if value in ("all", "one"):
            return value
        if value.endswith("-x"):
            _known(value[:-2], f"pairs={value!r}")
            return value
    if isinstance(value, list | tuple) and value and all(isinstance(pair, str) for pair in value):
        pairs = tuple(_spelt(*split_pair(pair)) for pair in value)
        if len(set(pairs)) < len(pairs):
            raise InputError(f"pairs={list(value)!r}: a pair stands twice; leave one")
        return pairs
    raise InputError(f"pairs={value!r}: give 'all', 'one', 'en-x' or a list of pairs such as ['de-en', 'en-de']")


def split_pair(pair: str) -> tuple[str, str]:
    """The query language and the passage language of a pair, with a hyphen or a > between them.

    Raises InputError where it names no two different languages.

    >>> split_pair("zh-Hant-en"), split_pair("en-pt-BR"), split_pair("en-x-foo>be-tarask")
    (('zh-Hant', 'en'), ('en', 'pt-BR'), ('en-x-foo', 'be-tarask'))
    """
    parts = pair.split("-")
    cuts = [("-".join(parts[:cut]), "-".join(parts[cut:])) for cut in range(1, len(parts))]
    for sides in cuts if ">" not in pair else [pair.split(">", 1)]:
        try:
            both = [language(tag).tag for tag in sides]
        except InputError:
            continue
        if both[0] != both[1]:
            return both[0], both[1]
    raise InputError(f"pairs: {pair!r} is no pair of two different languages; write query-passage, such as 'de-en'")


def _spelt(query: str, passage: str) -> str:
    """A pair with a hyphen, and with a > where that would be another pair."""
    return f"{query}-{passage}" if split_pair(f"{query}-{passage}") == (query, passage) else f"{query}>{passage}"


def check_weights(value: object) -> dict[str, float]:
    """Check given weights of languages and give them back in order of the tags; they are numbers that sum to 1.

    >>> check_weights({"en": 0.75, "de": 0.25})
    {'de': 0.25, 'en': 0.75}
    """
    if not isinstance(value, Mapping) or not value or not all(isinstance(tag, str) for tag in value):
        raise InputError(f"weights={value!r}: give a weight by language, such as {{'en': 0.5, 'de': 0.5}}")
    for tag, weight in value.items():
        _known(tag, "weights")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise InputError(f"weights: {weight!r} of {tag!r}: give a number from 0 to 1")
    if abs((total := sum(value.values())) - 1) > 1e-6:
        raise InputError(f"weights={dict(value)!r}: they sum to {total:g}; weights of languages sum to 1")
    return dict(sorted(value.items()))


def allowed_pairs(pairs: Pairs, languages: Sequence[str]) -> np.ndarray:
    """Bool array (languages, languages), query by passage: the pairs of two languages that `pairs` allows.

    Raises InputError for a language that is not among those of the rows.

    >>> allowed_pairs("en-x", ["de", "en"]).tolist()
    [[False, True], [True, False]]
    """
    different = ~np.eye(len(languages), dtype=bool)
    if pairs in ("all", "one"):
        return different
    allowed = np.zeros_like(different)
    if isinstance(pairs, str):
        centre = column(pairs[:-2], languages, f"pairs={pairs!r}")
        allowed[centre], allowed[:, centre] = True, True
        return np.asarray(allowed & different)
    for pair in pairs:
        query, passage = (column(tag, languages, f"pair {pair!r}") for tag in split_pair(pair))
        allowed[query, passage] = True
    return allowed


def column(tag: str, languages: Sequence[str], what: str) -> int:
    """Column of a language; InputError, beginning with `what`, for one that is not there."""
    if tag not in languages:
        raise InputError(f"{what}: language {tag!r} is in no row; the corpus has {', '.join(languages) or 'none'}")
    return list(languages).index(tag)


def _known(tag: str, what: str) -> None:
    try:
        language(tag)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
