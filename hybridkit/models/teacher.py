"""The vectors that distillation draws texts to: made once, by the encoder as it is at the start, and kept in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.models.embedding import encode, prompt_of
from hybridkit.models.encoder import model_hash
from hybridkit.sampling.plan_texts import PlanTexts, TeacherTexts
from hybridkit.utils.files import atomic_write, checksum, digest, write_text

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hybridkit.models.training import TrainingSettings

CHUNK = 20_000  # texts that are embedded at a time


def teacher_vectors(
    encoder: "SentenceTransformer", texts: PlanTexts, settings: "TrainingSettings", folder: Path
) -> np.ndarray:
    """Return the encoder's vectors of a plan's `TeacherTexts`, float32 (texts, dimensions), mapped from a file.

    Each is embedded with the prompt and route of its side, cut and in the precision of the training, in all dimensions
    that are trained. The file is `teacher-KEY.npy` in `folder`, where a training that goes on finds it; one that is
    missing or damaged is made again. Among several processes each makes the same, so that none waits for another; the
    last one's is kept.
    """
    teacher = texts.teacher
    if teacher is None:
        raise TypeError("the plan's texts were opened without a teacher")
    key = digest(
        texts.corpus.fingerprint,
        teacher.language,
        *teacher.positions.values(),
        model_hash(encoder),
        [prompt_of(encoder, side) for side in teacher.positions],
        [settings.max_length, settings.precision],
    )
    corpus = texts.corpus
    return kept_array(folder / f"teacher-{key[:16]}.npy", lambda path: _write(encoder, teacher, corpus, settings, path))


def kept_array(path: Path, write: Callable[[Path], None]) -> np.ndarray:
    """Return the array in a file, mapped; `write` makes it in a temporary file where it is missing or damaged."""
    mark = path.with_suffix(".xxh128")
    if not (path.is_file() and mark.is_file() and mark.read_text() == checksum(path)):
        with atomic_write(path) as temporary:
            write(temporary)
            found = checksum(temporary)
        write_text(mark, found)
    kept: np.ndarray = np.load(path, mmap_mode="r")
    return kept


def _write(
    encoder: "SentenceTransformer",
    teacher: TeacherTexts,
    corpus: ParallelCorpus,
    settings: "TrainingSettings",
    path: Path,
) -> None:
    """Embed all texts, a chunk at a time, into an array in a file."""
    from hybridkit.models.plan_dataset import processes_here

    first, shown = 0, "teacher" if processes_here()[0] == 0 else None
    given: dict[str, Any] = {"max_length": settings.max_length, "precision": settings.precision, "progress": shown}
    cut, encoder.truncate_dim = encoder.truncate_dim, None  # which cuts what is encoded, and not what is trained
    try:
        for side, some in teacher.chunks(corpus, CHUNK):
            found = encode(encoder, some, side, **given)
            mode: Any = "r+" if first else "w+"
            shape = None if first else (len(teacher), found.shape[1])
            out = np.lib.format.open_memmap(path, mode=mode, dtype=np.float32, shape=shape)
            out[first : first + len(found)] = found
            out.flush()
            first += len(found)
    finally:
        encoder.truncate_dim = cut
