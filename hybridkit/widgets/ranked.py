"""Scores to ranked passages, as frames that say whose and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hybridkit.benchmark import Benchmark
    from hybridkit.widgets.opening import Inspected

POOL = "*"  # the passage language of the pool


def ranked(benchmark: Benchmark, scores: NDArray[np.float32], passage_language: str, top: int) -> pd.DataFrame:
    """The `top` passages of one query: rank, passage_id, score; ties as in the rank table (later ids first).

    `scores` (passages,) stand in the benchmark's order; `passage_language` is "*" for the pool. Raises InputError for
    a language without passages.
    """
    slices = benchmark.passage_slices
    if passage_language != POOL and passage_language not in slices:
        raise InputError(f"{benchmark.name}: no passages in {passage_language!r}; there are {', '.join(slices)}")
    part = slice(0, len(scores)) if passage_language == POOL else slices[passage_language]
    own = scores[part]
    order = np.lexsort((-np.arange(len(own)), -own))[:top]
    ids = benchmark.passages["passage_id"].array.take(order + part.start)
    return pd.DataFrame({"rank": np.arange(1, len(order) + 1), "passage_id": ids, "score": own[order].astype(float)})


def told(inspected: Inspected, found: pd.DataFrame, languages: Mapping[str, str]) -> pd.DataFrame:
    """The frame with language and text of each passage_id; `languages` knows those of passages without a text."""
    benchmark = inspected.benchmark
    places = [inspected.passage_places.get(name, -1) for name in found["passage_id"]]
    names = benchmark.passages["language"].array
    spoken = [
        names[place] if place >= 0 else languages.get(name, "")
        for place, name in zip(places, found["passage_id"], strict=True)
    ]
    texts = [inspected.passage_texts[place] if place >= 0 else "" for place in places]
    return found.assign(language=spoken, text=texts)
