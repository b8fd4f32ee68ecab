"""XNLI (arXiv 1809.05053): pairs judged as entailment, the hypothesis as query and the premise as passage.

CC BY-NC 4.0, https://github.com/facebookresearch/XNLI. `xnli` reads the labelled files, which have both sentences in
15 languages; `xnli-15way` takes the pairs from their English lines and the sentences from the parallel corpus.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from hybridkit.errors import InputError
from hybridkit.rows import Row
from hybridkit.sources.archives import member, open_archive, table
from hybridkit.sources.joining import RowJoin

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
SPLITS = ("dev", "test")
_LABELS = ("entailment", "neutral", "contradiction")
_COLUMNS = ("language", "gold_label", "sentence1", "sentence2", "pairID")

log = logging.getLogger("hybridkit")


def read_xnli(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Rows of the labelled files, `XNLI-1.0/xnli.dev.tsv` and `.test.tsv` in `xnli/XNLI-1.0.zip` of a folder.

    `words` may name splits (both by default) and languages (all of them). Raises InputError (file and line) for a
    table of another shape, an archive that is cut short or lacks a member.
    """
    wanted = {tag for tag in LANGUAGES if tag in words} or set(LANGUAGES)
    join = RowJoin()
    for row, language, premise, hypothesis in _entailed(folder, words):
        if language in wanted:
            join.query(row, language, hypothesis)
            join.passage(row, language, premise)
    yield from join.rows()


def read_xnli_15way(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """The same pairs, with the sentences of `XNLI-15way/xnli.15way.orig.tsv` in `xnli/XNLI-15way.zip` of a folder.

    A pair of which the table lacks an English sentence is dropped; how many is logged.
    """
    chosen = [tag for tag in LANGUAGES if tag in words] or list(LANGUAGES)
    path, name = folder / "xnli" / "XNLI-15way.zip", "XNLI-15way/xnli.15way.orig.tsv"
    with open_archive(path, "xnli-15way") as archive, member(archive, name) as file:
        lines = table(file, f"{path}: {name}", sorted({"en", *chosen}))
        parallel = {line["en"]: line for _, line in lines}  # 10,000 sentences in all
    join, lost = RowJoin(), 0
    for row, language, premise, hypothesis in _entailed(folder, words):
        if language != "en":
            continue
        if premise not in parallel or hypothesis not in parallel:
            lost += 1
            continue
        for tag in chosen:
            query, passage = parallel[hypothesis][tag], parallel[premise][tag]
            if query.strip() and passage.strip():
                join.query(row, tag, query)
                join.passage(row, tag, passage)
    if lost:
        log.info("xnli-15way: %d pairs dropped, their English sentences are not in %s", lost, name)
    yield from join.rows()


def _entailed(folder: Path, words: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """(id, language, premise, hypothesis) of every line judged as entailment."""
    path = folder / "xnli" / "XNLI-1.0.zip"
    with open_archive(path, "xnli") as archive:
        for split in [split for split in SPLITS if split in words] or SPLITS:
            name = f"XNLI-1.0/xnli.{split}.tsv"
            with member(archive, name) as file:
                for number, line in table(file, f"{path}: {name}", _COLUMNS):
                    where = f"{path}: {name}, line {number}"
                    if line["gold_label"] not in _LABELS or line["language"] not in LANGUAGES:
                        got = f"{line['language']!r} and {line['gold_label']!r}"
                        raise InputError(f"{where}: {got} are not a language and a label of XNLI; get the file again")
                    if not line["pairID"] or not line["sentence1"].strip() or not line["sentence2"].strip():
                        raise InputError(f"{where}: an empty sentence or pairID; get the file again")
                    if line["gold_label"] == "entailment":
                        yield f"{split}:{line['pairID']}", line["language"], line["sentence1"], line["sentence2"]
