"""How unlike the syntax of two languages is, by URIEL's vectors: a distance beside that of the family tree."""

from functools import cache

import numpy as np

from hybridkit.data.languages import language
from hybridkit.data.sources.published import published_table
from hybridkit.errors import InputError


def syntactic_distance(one: str, other: str) -> float:
    """Return the cosine distance of two languages' syntactic features: 0 (the same) to 1 (none in common).

    Raises:
        InputError: For a language that is not in data/published/uriel_syntax.csv.

    Source: URIEL and lang2vec (Littell et al., EACL 2017), the vectors `syntax_knn` of lang2vec 1.1.2.

    >>> [round(syntactic_distance("de", other), 2) for other in ("de", "en", "es", "tr", "th")]
    [0.0, 0.1, 0.21, 0.41, 0.43]
    """
    first, second = _vector(one), _vector(other)
    return 0.0 if first is second else max(0.0, float(1 - first @ second))  # not a rounding error beside 0


def _vector(tag: str) -> np.ndarray:
    known, code = _vectors(), language(tag).tag.split("-")[0]
    if code not in known:
        raise InputError(f"{tag}: URIEL's syntactic features are kept for {' '.join(known)}; leave {tag} out")
    return known[code]


@cache
def _vectors() -> dict[str, np.ndarray]:
    table = published_table("uriel_syntax.csv", ("language", "code", "syntax"))
    features = np.array([list(map(int, digits)) for digits in table["syntax"]], float)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return dict(zip(table["language"], features, strict=True))
