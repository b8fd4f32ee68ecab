"""Check a user's own parallel rows and tell what is in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hybridkit.sources.rowsets import open_corpus
from hybridkit.storage.hashes import first_equal, hash_strings


@dataclass(frozen=True)
class RowsReport:
    """What a file of parallel rows holds.

    `groups` counts the sets of rows that may never meet in a batch (they share a passage or a text), `largest_group`
    the rows of the largest; `languages` has a line a language: language, queries, passages, both, negatives (rows that
    have the text in it).
    """

    path: str
    rows: int
    passages: int
    groups: int
    largest_group: int
    languages: pd.DataFrame

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.rows:,} rows over {self.passages:,} passages; {self.groups:,} groups of rows that may "
            f"not meet in a batch, the largest of {self.largest_group:,}\n{self.languages.to_string(index=False)}"
        )


def check_rows(path: str | Path) -> RowsReport:
    """Read a user's JSON lines (also `.gz`, `.xz`), or a data set by its name, as training would, and summarise them.

    Raises InputError naming file, line and key for the first row that cannot be used.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.jsonl"
    >>> _ = path.write_text('{"id": "1", "query": {"en": "Who?", "de": "Wer?"}, "passage": {"de": "Sie."}}')
    >>> check_rows(path).languages
      language  queries  passages  both  negatives
    0       de        1         1     1          0
    1       en        1         0     0          0
    """
    corpus = open_corpus([path])
    query, passage, negative = (corpus.places[side] >= 0 for side in ("query", "passage", "negative"))
    languages = pd.DataFrame(
        {
            "language": corpus.languages,
            "queries": query.sum(axis=0),
            "passages": passage.sum(axis=0),
            "both": (query & passage).sum(axis=0),
            "negatives": negative.sum(axis=0),
        }
    )
    sizes = np.unique(corpus.group, return_counts=True)[1]
    hashes = [hash_strings(part.to_pylist()) for part in corpus.passage_ids.chunks()]
    passages = len(np.unique(first_equal(np.concatenate(hashes))))
    return RowsReport(str(path), len(corpus), passages, len(sizes), int(sizes.max()), languages)
