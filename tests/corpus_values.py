"""What a corpus holds, as plain values that two of them can be compared by, and a corpus written as a stream."""

from collections.abc import Iterable
from pathlib import Path

from hybridkit.data.corpus import ParallelCorpus
from hybridkit.data.rows import SIDES, Row
from hybridkit.data.storage.corpus_writer import corpus_writer


def write_corpus(folder: Path, rows: Iterable[Row]) -> None:
    """Write rows as a stream."""
    with corpus_writer(folder) as writer:
        writer.add(rows)


def look(corpus: ParallelCorpus) -> dict[str, object]:
    """Everything in a corpus, as plain values."""
    return {
        "languages": corpus.languages,
        "ids": corpus.ids.tolist(),
        "passage_ids": corpus.passage_ids.tolist(),
        "group": corpus.group.tolist(),
        "places": {side: corpus.positions[side].tolist() for side in SIDES},
        "texts": {key: array.to_pylist() for key, array in corpus.texts.items()},
        "fingerprint": corpus.fingerprint,
        "negative_group": corpus.negative_group.tolist(),
    }
