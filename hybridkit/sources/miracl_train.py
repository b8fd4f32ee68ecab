"""MIRACL's training part (doi:10.1162/tacl_a_00595): questions, judgements, and passages found in its corpus.

Apache-2.0, the hub's miracl/miracl (topics, judgements) and miracl/miracl-corpus (passages).
"""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hybridkit.errors import InputError
from hybridkit.files import read_lines
from hybridkit.reading import whole_number
from hybridkit.rows import Row
from hybridkit.sources.mrtydi import judged_rows, passage_of
from hybridkit.sources.tsv import read_questions

# Language and number of files of its corpus, as the corpus' own loader has them; German and Yoruba have no training.
CORPUS_FILES = {
    "ar": 5, "bn": 1, "en": 66, "es": 21, "fa": 5, "fi": 4, "fr": 30, "hi": 2, "id": 3, "ja": 14, "ko": 3, "ru": 20,
    "sw": 1, "te": 2, "th": 2, "zh": 10,
}  # fmt: skip
_DOCID = re.compile(r'\s*\{\s*"docid"\s*:\s*"([^"\\]*)"')

log = logging.getLogger("hybridkit")


def files_of(language: str) -> tuple[str, ...]:
    """The files of a language in a data folder: topics, judgements, passages.

    >>> files_of("sw")[2]
    'miracl-corpus/miracl-corpus-v1.0-sw/docs-0.jsonl.gz'
    """
    name = f"miracl-v1.0-{language}"
    corpus = f"miracl-corpus/miracl-corpus-v1.0-{language}"
    return (
        f"miracl/{name}/topics/topics.{name}-train.tsv",
        f"miracl/{name}/qrels/qrels.{name}-train.tsv",
        *(f"{corpus}/docs-{number}.jsonl.gz" for number in range(CORPUS_FILES[language])),
    )


def read_miracl_train(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """A row for every question and relevant passage, with a passage judged not relevant as its negative.

    `words` may name languages (all 16 by default); of each, the corpus is read once as a stream, and only what is
    judged is kept, one language at a time. The n-th relevant passage of a question takes its n-th other, round and
    round. Judged passages that are not in the corpus and questions without a relevant one are counted in the log.
    Raises InputError (file and line) for a line of another shape.
    """
    for language in [tag for tag in CORPUS_FILES if tag in words] or CORPUS_FILES:
        topics_file, qrels_file, *corpus = (folder / file for file in files_of(language))
        topics = dict(_topics(topics_file))
        judged: dict[str, dict[str, int]] = {}
        for topic, passage, relevance in _judgements(qrels_file):
            if topic not in topics:
                raise InputError(f"{qrels_file}: topic {topic!r} is not in {topics_file.name}; get both files again")
            judged.setdefault(topic, {})[passage] = relevance
        wanted = {passage for passages in judged.values() for passage in passages}
        texts = _find(corpus, wanted)
        empty = 0
        for topic, passages in judged.items():
            found = [(name, texts[name], relevance) for name, relevance in passages.items() if name in texts]
            positives = {name: text for name, text, relevance in found if relevance > 0}
            empty += not positives
            negatives = {name: text for name, text, relevance in found if relevance <= 0}
            yield from judged_rows(language, topic, topics[topic], positives, negatives)
        for count, what in (
            (len(wanted) - len(texts), "judged passages are not in the corpus"),
            (empty, "questions have no relevant passage and are dropped"),
            (len(topics) - len(judged), "questions have no judgement and are dropped"),
        ):
            if count:
                log.info("miracl-train, %s: %d %s", language, count, what)


def _topics(path: Path) -> Iterator[tuple[str, str]]:
    for _, name, question in read_questions(path):
        yield name, question


def _judgements(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, line in read_lines(path):
        try:
            topic, _, passage, relevance = line.split()
            yield topic, passage, whole_number(relevance)
        except ValueError as error:
            why = "not topic, Q0, passage and relevance"
            raise InputError(f"{path}, line {number}: {why} ({error}); get the file again") from error


def _find(corpus: Sequence[Path], wanted: set[str]) -> dict[str, str]:
    """The texts of the wanted passages; the other lines of the corpus, millions of them, are not even parsed."""
    texts: dict[str, str] = {}
    for path in corpus:
        if len(texts) == len(wanted):
            break
        for number, line in read_lines(path):
            match = _DOCID.match(line)
            if match and match[1] not in wanted:
                continue
            name, text = passage_of(line, f"{path}, line {number}")
            if name in wanted and text:
                texts[name] = text
    return texts
