"""What an embedding space knows of languages: a probe for them, where they lie, how much of the variance is theirs.

Everything here looks at the embeddings as they are, which `encode` returns of length 1 for an encoder of cosine and as
they come from the model for another: then long vectors weigh more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.utils.parallel import one_blas_thread
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray


_ROWS = 4096  # rows that are held in float64 at a time


def blocks(embeddings: NDArray[np.floating]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield (slice of rows, those rows in float64) a block at a time; the embeddings may be mapped from disk."""
    for start in range(0, len(embeddings), _ROWS):
        rows = slice(start, min(start + _ROWS, len(embeddings)))
        yield rows, np.asarray(embeddings[rows], np.float64)


@one_blas_thread()
def language_probe(
    embeddings: NDArray[np.floating],
    languages: Iterable[str],
    articles: Iterable[str],
    folds: int = 5,
    most: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how well a linear probe recognises a passage's language from its embedding, on unseen articles.

    A logistic regression (scikit-learn; embeddings standardised on the training folds, C = 1), cross-validated with
    whole articles in a fold, so that no content is in training in one language and in the test in another. It says
    whether languages can be separated, not that retrieval is misled by it: a direction that no query's score depends on
    does no harm.

    Args:
        embeddings: (passages, dim).
        languages: The language of each passage.
        articles: The article of each passage.
        folds: Of the cross-validation.
        most: Passages of a language, or as many as the smallest has; drawn with the seed.
        seed: Of the draw.

    Returns:
        language, value (share of its passages that are recognised), chance (one over the number of languages) and
        passages. The mean of `value` is the probe's accuracy.

    Raises:
        InputError: For fewer than two languages or articles.

    Source:
        Linear probes for language: Libovický et al., arXiv 1911.03310.

    Example:
        >>> space = np.array([[1.0, 0.1 * n] if n % 2 else [-1.0, 0.1 * n] for n in range(8)])
        >>> found = language_probe(space, ["de", "en"] * 4, [n // 2 for n in range(8)], folds=2)
        >>> found.values.tolist()
        [['de', 1.0, 0.5, 4], ['en', 1.0, 0.5, 4]]
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names, code = np.unique(np.array([*languages], str), return_inverse=True)
    groups = np.array([*articles], str)
    if len(names) < 2 or len(set(groups)) < 2:
        raise InputError(f"language probe: {len(names)} languages in {len(set(groups))} articles; it takes two of each")
    size = min(most, int(np.bincount(code).min()))
    drawn = [
        generator(seed, "probe", name).permutation(np.flatnonzero(code == number))[:size]
        for number, name in enumerate(names)
    ]
    chosen = np.sort(np.concatenate(drawn))
    x, y, groups = np.asarray(embeddings[chosen], np.float64), code[chosen], groups[chosen]
    found = np.full(len(y), -1)
    for train, test in GroupKFold(min(folds, len(set(groups)))).split(x, y, groups):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-3))
        found[test] = probe.fit(x[train], y[train]).predict(x[test])
    value = np.bincount(y, found == y) / np.bincount(y)
    return pd.DataFrame({"language": names, "value": value, "chance": 1 / len(names), "passages": size})


@one_blas_thread()
def language_centroids(embeddings: NDArray[np.floating], languages: Iterable[str]) -> pd.DataFrame:
    """Return the languages' mean embeddings laid out in the plane, as near to their distances as a plane can be.

    The two first principal components of the centroids, each language weighing the same. The sign of an axis is free;
    here its largest entry is positive.

    Returns:
        language, x, y (in units of the embeddings, whose centre is 0) and shown, the share of the centroids' variance
        that the plane shows.

    Source:
        Classical multidimensional scaling of Euclidean distances (Gower 1966, doi:10.1093/biomet/53.3-4.325).

    Example:
        >>> space = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0], [4.0, 1.0]])
        >>> language_centroids(space, ["de", "de", "en", "en"]).round(3).values.tolist()
        [['de', -2.0, 0.0, 1.0], ['en', 2.0, 0.0, 1.0]]
    """
    names, means, _, _ = _sums(embeddings, languages)
    centred = means - means.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    kept = np.flatnonzero(scale[:2] > 1e-9 * np.abs(means).max(initial=0))  # the rest is rounding
    points = np.zeros((len(names), 2))
    points[:, kept] = left[:, kept] * scale[kept]
    far = np.abs(points) >= np.abs(points).max(axis=0) * (1 - 1e-9)
    last = len(names) - 1 - np.argmax(far[::-1], axis=0)  # of two ends that are as far, the last
    points *= np.where(points[last, [0, 1]] < 0, -1.0, 1.0)
    whole = (scale**2).sum()
    shown = float((scale[:2] ** 2).sum() / whole) if len(kept) else 1.0
    return pd.DataFrame({"language": names, "x": points[:, 0], "y": points[:, 1], "shown": shown})


@one_blas_thread()
def language_variance(embeddings: NDArray[np.floating], languages: Iterable[str]) -> tuple[float, float]:
    """Compute the share of the embeddings' variance that lies between languages, and the share expected by chance.

    Squared distances of the languages' means to the common mean, weighted by their size, over those of all embeddings
    (eta squared, as in an analysis of variance); with labels at random it is (languages - 1) / (embeddings - 1) on
    average. Where content is parallel it is due to language alone; else to content, too.

    >>> language_variance(np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0], [4.0, 1.0]]), ["de", "de", "en", "en"])
    (0.8888888888888888, 0.3333333333333333)
    """
    names, means, size, squares = _sums(embeddings, languages)
    centre = (means * size[:, None]).sum(axis=0) / size.sum()
    between = (size * ((means - centre) ** 2).sum(axis=1)).sum()
    around = squares - size.sum() * (centre**2).sum()
    return float(between / around) if around > 0 else 0.0, (len(names) - 1) / max(1, int(size.sum()) - 1)


def _sums(
    embeddings: NDArray[np.floating], languages: Iterable[str]
) -> tuple[list[str], NDArray[np.float64], NDArray[np.int64], float]:
    """Languages, their mean embeddings and sizes, and the sum of all squared entries."""
    names, code = np.unique(np.array([*languages], str), return_inverse=True)
    if len(code) != len(embeddings) or not len(code):
        raise InputError(f"languages: {len(code)} for {len(embeddings)} embeddings; give each one its own")
    sums, squares = np.zeros((len(names), embeddings.shape[1])), 0.0
    for rows, part in blocks(embeddings):
        sums += (code[rows] == np.arange(len(names))[:, None]).astype(float) @ part
        squares += float((part**2).sum())
    size = np.bincount(code)
    return names.tolist(), sums / size[:, None], size, squares
