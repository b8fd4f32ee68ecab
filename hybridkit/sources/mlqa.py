"""MLQA (arXiv 1910.07475): questions and answers of seven languages, read from the archive MLQA_V1.zip.

CC BY-SA 3.0, https://github.com/facebookresearch/MLQA.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from hybridkit.rows import Row
from hybridkit.sources.archives import member, open_archive
from hybridkit.sources.joining import RowJoin
from hybridkit.sources.squad import UNITS, collect, paragraphs

LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
SPLITS = ("test", "dev")

log = logging.getLogger("hybridkit")


def read_mlqa(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Rows of MLQA: a question in every language it is asked in, a passage in every language it is answered in.

    `folder` holds `mlqa/MLQA_V1.zip`, whose members are `MLQA_V1/test/test-context-de-question-ar.json` and so on.
    `words` may name splits (`test` by default: the benchmark MLQA-R is made of `dev`), languages (all of them) and the
    unit of a passage, `sentence` (by default) or `paragraph`. Raises InputError for an archive that is cut short or
    lacks a member.
    """
    splits = [word for word in words if word in SPLITS] or ["test"]
    languages = [tag for tag in LANGUAGES if tag in words] or list(LANGUAGES)
    unit = next((word for word in words if word in UNITS), "sentence")
    join, lost = RowJoin(), 0
    path = folder / "mlqa" / "MLQA_V1.zip"
    with open_archive(path, "mlqa") as archive:
        for split in splits:
            for context in languages:
                for asked in languages:
                    name = f"MLQA_V1/{split}/{split}-context-{context}-question-{asked}.json"
                    with member(archive, name) as file:
                        read = paragraphs(file, f"{path}: {name}")
                        lost += collect(join, read, context, unit, asked, f"{split}:")[0]
    if lost:
        log.info("mlqa: %d times an answer is not in its paragraph; the question is dropped there", lost)
    yield from join.rows()
