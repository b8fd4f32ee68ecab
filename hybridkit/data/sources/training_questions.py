"""Training questions with judged passages: Mr. TyDi and MIRACL.

Mr. TyDi (arXiv 2108.08787): the hub's castorini/mr-tydi, a JSON line a question. MIRACL (doi:10.1162/tacl_a_00595): the
hub's miracl/miracl (topics, judgements) and miracl/miracl-corpus (passages). Both are Apache-2.0.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridkit.data.collection import read_qrels
from hybridkit.data.rows import Row
from hybridkit.data.sources.readers import passage_of, read_passage, read_questions
from hybridkit.errors import InputError
from hybridkit.utils.files import read_lines
from hybridkit.utils.reading import encodable, json_value

_NAMES = (
    "ar=arabic bn=bengali en=english fi=finnish id=indonesian ja=japanese ko=korean ru=russian sw=swahili te=telugu "
    "th=thai"
)
LANGUAGES = dict(pair.split("=") for pair in _NAMES.split())
log = logging.getLogger("hybridkit")
# Number of files of each language's corpus, as in the corpus' own loader; German and Yoruba have no training split.
_COUNTS = "ar=5 bn=1 en=66 es=21 fa=5 fi=4 fr=30 hi=2 id=3 ja=14 ko=3 ru=20 sw=1 te=2 th=2 zh=10"
_DOCID = re.compile(r'\s*\{\s*"docid"\s*:\s*"([^"\\]*)"')


def read_mrtydi(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Yield a row for every question and positive passage, in one language each, with one of the question's negatives.

    `folder` holds `mr-tydi/mrtydi-v1.1-LANGUAGE/train.jsonl.gz`; `words` may name languages (all by default). A
    passage's text is its title, a space and its text. The n-th positive of a question gets its n-th negative, in turn.
    Questions without a positive are counted in the log.

    Raises:
        InputError: With file and line, for a line that is not JSON or of another form.
    """
    for tag in [tag for tag in LANGUAGES if tag in words] or LANGUAGES:
        path = folder / "mr-tydi" / f"mrtydi-v1.1-{LANGUAGES[tag]}" / "train.jsonl.gz"
        empty = 0
        for number, text in read_lines(path):
            where = f"{path}, line {number}"
            value = json_value(text, where, "a whole JSON object")
            question, name = _text(value, "query", where), _text(value, "query_id", where)
            positives = _passages(value, "positive_passages", where)
            negatives = _passages(value, "negative_passages", where)
            empty += not positives
            yield from judged_rows(tag, name, question, positives, negatives)
        if empty:
            log.info("mr-tydi, %s: %d questions have no positive passage and are dropped", tag, empty)


def judged_rows(
    language: str, name: str, question: str, positives: Mapping[str, str], negatives: Mapping[str, str]
) -> Iterator[Row]:
    """Yield the rows of one question in one language: one for each positive passage (id to text), each with a negative.

    A negative that has the text of a positive is left out.

    >>> [row.negative for row in judged_rows("sw", "1", "Nani?", {"a": "A", "b": "B"}, {"c": "B", "d": "D"})]
    [{'sw': 'D'}, {'sw': 'D'}]
    """
    texts = set(positives.values())
    against = [text for text in negatives.values() if text not in texts]
    for nth, (passage, text) in enumerate(positives.items()):
        negative = {language: against[nth % len(against)]} if against else {}
        yield Row(
            f"{language}:{name}:{passage}",
            f"{language}:{passage}",
            f"{language}:{name}",
            {language: question},
            {language: text},
            negative,
        )


def _passages(value: Any, key: str, where: str) -> dict[str, str]:
    found = value.get(key)
    if not isinstance(found, list):
        raise InputError(f"{where}: {key} is a {type(found).__name__}, not a list; this is not Mr. TyDi's format")
    read = {}
    for nth, passage in enumerate(found):
        name, text = passage_of(passage, f"{where}: {key}[{nth}]")
        if not text:
            raise InputError(f"{where}: {key}[{nth}]: title and text are empty; give one or leave the passage out")
        read[name] = text
    return read


def _text(value: Any, key: str, where: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str) or not found.strip():
        raise InputError(f"{where}: {key} is missing or an empty text; this is not Mr. TyDi's format")
    return encodable(found, f"{where}: {key}")


CORPUS_FILES = {tag: int(count) for tag, count in (pair.split("=") for pair in _COUNTS.split())}


def files_of(language: str) -> tuple[str, ...]:
    """Return the files of a language in a data folder: topics, judgements, passages.

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
    """Yield a row for every question and relevant passage, with a passage judged not relevant as its negative.

    `words` may name languages (all 16 by default). The corpus of each is read once as a stream, and only judged
    passages are kept, one language at a time. The n-th relevant passage of a question gets its n-th negative, in turn.
    Judged passages that are not in the corpus and questions without a relevant one are counted in the log.

    Raises:
        InputError: With file and line, for a line of another form.
    """
    for language in [tag for tag in CORPUS_FILES if tag in words] or CORPUS_FILES:
        topics_file, qrels_file, *corpus = (folder / file for file in files_of(language))
        topics = {name: question for _, name, question in read_questions(topics_file)}
        judged: dict[str, dict[str, int]] = {}
        for topic, passage, relevance in read_qrels(qrels_file).itertuples(index=False):
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


def _find(corpus: Sequence[Path], wanted: set[str]) -> dict[str, str]:
    """The texts of the wanted passages; the other lines of the corpus, millions, are not parsed."""
    texts: dict[str, str] = {}
    for path in corpus:
        if len(texts) == len(wanted):
            break
        for number, line in read_lines(path):
            match = _DOCID.match(line)
            if match and match[1] not in wanted:
                continue
            name, text = read_passage(line, f"{path}, line {number}")
            if name in wanted and text:
                texts[name] = text
    return texts
