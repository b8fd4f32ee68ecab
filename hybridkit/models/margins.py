"""How far a re-ranker puts each passage of a plan above its hard negative: scored once, and kept in a file."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridkit.data.storage.columns import hash_strings
from hybridkit.models import reranker
from hybridkit.models.encoder import model_hash
from hybridkit.models.teacher import kept_array
from hybridkit.sampling.plan_texts import PlanTexts
from hybridkit.utils.files import digest

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from hybridkit.models.training import TrainingSettings

CHUNK = 20_000  # draws or pairs that are looked up at a time
log = logging.getLogger("hybridkit")


def reranker_margins(texts: PlanTexts, settings: "TrainingSettings", folder: Path) -> tuple[np.ndarray, str]:
    """Return a re-ranker's margins of a plan's draws, float32 (draws,), mapped from a file, and the re-ranker's hash.

    A margin is the score of (query, passage) less that of (query, negative), logits; 0 for a draw without a negative.
    Pairs are scored in the precision of the training and cut at its `max_length` in all, or at the re-ranker's own
    limit if that is less. The texts are those that the draw trains on, switched ones too. Each distinct pair is scored
    once. The file is `margins-KEY.npy` in `folder`, where a training that goes on finds it; one that is missing or
    damaged is made again. Among several processes each makes the same.

    Args:
        texts: The plan's texts, opened with negatives.
        settings: How to train; its `reranker` is opened.
        folder: Where the file is kept.

    Raises:
        InputError: As `reranker.open` and `reranker.score`.
    """
    model = reranker.open(settings.reranker)
    known = model_hash(model)
    how = [settings.max_length, settings.precision]
    key = digest(texts.plan.fingerprint, texts.corpus.fingerprint, known, how)
    path = folder / f"margins-{key[:16]}.npy"
    return kept_array(path, lambda temporary: _write(model, settings, texts, temporary)), known


def _write(model: "CrossEncoder", settings: "TrainingSettings", texts: PlanTexts, path: Path) -> None:
    """Score every pair, a chunk at a time, and write the margins of all draws."""
    from hybridkit.models.plan_dataset import processes_here

    if texts.usable is None:
        raise TypeError("the plan's texts were opened without negatives, or no draw has one")
    positions, shown = np.flatnonzero(texts.usable), "re-ranker's scores" if processes_here()[0] == 0 else None
    hashes = np.empty((len(positions), 2, 4), dtype=np.uint64)  # of each draw's two pairs
    for some in _chunks(len(positions)):
        found = texts(positions[some])
        query, passage, negative = (hash_strings(found[side]) for side in ("query", "passage", "negative"))
        hashes[some] = np.stack([np.hstack([query, one]) for one in (passage, negative)], axis=1)
    _, first, place = np.unique(hashes.reshape(-1, 4), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as the plan has them: texts of one batch lie together
    scores, cut = np.empty(len(first), dtype=np.float32), 0
    for some in _chunks(len(first)):
        draw, is_negative = np.divmod(first[order[some]], 2)
        found = texts(positions[draw])
        both = zip(found["passage"], found["negative"], is_negative.tolist(), strict=True)
        passages = [negative if other else passage for passage, negative, other in both]
        how = settings.max_length, settings.precision
        given = reranker.score_and_count(model, found["query"], passages, *how, progress=shown)
        scores[order[some]], cut = given[0], cut + given[1]
    reranker.report_cut(model, cut, len(first), settings.max_length, "pairs of the plan")
    margins = np.zeros(texts.usable.size, dtype=np.float32)
    pairs = scores[place.reshape(-1, 2)]
    margins[positions] = pairs[:, 0] - pairs[:, 1]
    with path.open("wb") as file:
        np.save(file, margins, allow_pickle=False)
    log.info("the re-ranker scored %s pairs of %s draws", f"{len(first):,}", f"{len(positions):,}")


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))
