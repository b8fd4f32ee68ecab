"""LAReQA's XQuAD-R and MLQA-R (arXiv 2004.05484): SQuAD-style files, one a language; sentences or paragraphs.

XQuAD-R: CC BY-SA 4.0; MLQA-R: CC BY-NC 4.0; both from https://github.com/google-research-datasets/lareqa.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import JUDGEMENT_COLUMNS, PASSAGE_COLUMNS, QUERY_COLUMNS, Benchmark
from hybridkit.data.rows import connected_groups
from hybridkit.data.sources.readers import field
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.reading import encodable, json_file

LANGUAGES = {
    "xquad-r": ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    "mlqa-r": ("ar", "de", "en", "es", "hi", "vi", "zh"),
}
UNITS = ("sentence", "paragraph")


class Question(NamedTuple):
    """A question of a paragraph and the index of the sentence in which its first answer starts."""

    query_id: str
    text: str
    sentence: int


class Paragraph(NamedTuple):
    """A paragraph: the index of its article in the file, its text, its sentences and its questions."""

    article: int
    text: str
    sentences: list[str]
    questions: list[Question]


def read_lareqa(
    folder: Path, name: str = "xquad-r", unit: str = "sentence", languages: Sequence[str] | None = None
) -> Benchmark:
    """Read a LAReQA benchmark from the folder that holds its files, LANGUAGE.json.

    Every sentence is a candidate, repeated ones too, with the text that the file has for it (two Turkish sentences of
    XQuAD-R differ from the paragraph between their breaks). Passage ids are NAME:LANGUAGE:PARAGRAPH:SENTENCE, counted
    from 0 in the file and zero-padded, so that the order of bytes is that of the file. A question's relevant sentence
    is the one in which its first answer starts.

    The article is a number, from "0000" on: articles of several languages are one if they share a question. That works
    for translated titles too (MLQA-R), and keeps the file's order in XQuAD-R.

    Args:
        folder: The folder of the files.
        name: "xquad-r" or "mlqa-r".
        unit: What a candidate is: "sentence", or "paragraph" for a benchmark NAME-paragraphs with ids
            NAME-paragraphs:LANGUAGE:PARAGRAPH, where a question's own paragraph is relevant.
        languages: Those to read, all by default.

    Raises:
        MissingDataError: For a missing file.
        InputError: With file and key, for a file that cannot be read.
    """
    if name not in LANGUAGES:
        raise InputError(f"no LAReQA benchmark {name!r}; there are {' and '.join(LANGUAGES)}")
    if unit not in UNITS:
        raise InputError(f"{name} has no unit {unit!r}; give {' or '.join(UNITS)}")
    chosen = LANGUAGES[name] if languages is None else tuple(sorted(set(languages)))
    unknown = sorted(set(chosen) - set(LANGUAGES[name]))
    if unknown or not chosen:
        raise InputError(f"{name}: no language {', '.join(unknown) or 'given'}; it has {' '.join(LANGUAGES[name])}")
    read = {language: read_file(folder / f"{language}.json", name) for language in chosen}
    articles = _articles(read)
    made = name if unit == "sentence" else f"{name}-paragraphs"
    queries, passages, judgements = [], [], []
    for language, paragraphs in read.items():
        for number, paragraph in enumerate(paragraphs):
            article = articles[language, paragraph.article]
            start = f"{made}:{language}:{number:04d}"
            if unit == "paragraph":
                ids, texts = [start], [paragraph.text]
            else:
                ids, texts = [f"{start}:{nth:03d}" for nth in range(len(paragraph.sentences))], paragraph.sentences
            passages += [(language, i, article, text) for i, text in zip(ids, texts, strict=True)]
            queries += [(language, q.query_id, article, q.text) for q in paragraph.questions]
            judgements += [
                (q.query_id, language, ids[q.sentence if unit == "sentence" else 0]) for q in paragraph.questions
            ]
    return Benchmark(
        made,
        pd.DataFrame(queries, columns=list(QUERY_COLUMNS)),
        pd.DataFrame(passages, columns=list(PASSAGE_COLUMNS)),
        pd.DataFrame(judgements, columns=list(JUDGEMENT_COLUMNS)),
    )


def read_file(path: Path, name: str) -> list[Paragraph]:
    """Return the paragraphs of one file, checked; InputError names the file and the key."""
    if not path.is_file():
        raise MissingDataError(
            f"{path.name} of {name} is not in {path.parent}; get it with `hybridkit data fetch {name}`, "
            "or set HYBRIDKIT_DATA to the folder that has it"
        )
    content = json_file(path)
    paragraphs = []
    for nth, article in enumerate(_get(content, "data", list, f"{path}: ")):
        where = f"{path}: data[{nth}]."
        for index, paragraph in enumerate(_get(article, "paragraphs", list, where)):
            paragraphs.append(_paragraph(nth, paragraph, f"{where}paragraphs[{index}]."))
    return paragraphs


def sentence_of(breaks: Sequence[Sequence[int]], start: int) -> int | None:
    """Return the sentence that a character is in; breaks are half-open (start, end) in order.

    A character between two sentences (white space) belongs to the next one, where the answer's first letter is; after
    the last sentence it is None.

    >>> [sentence_of([(0, 5), (6, 9)], start) for start in (0, 4, 5, 6, 9)]
    [0, 0, 1, 1, None]
    """
    found = bisect.bisect_right([end for _, end in breaks], start)
    return found if found < len(breaks) else None


def _paragraph(article: int, paragraph: Any, where: str) -> Paragraph:
    sentences = _get(paragraph, "sentences", list, where)
    breaks = _get(paragraph, "sentence_breaks", list, where)
    if len(sentences) != len(breaks):
        raise InputError(f"{where}sentence_breaks: {len(breaks)} of them for {len(sentences)} sentences")
    for nth, (text, span) in enumerate(zip(sentences, breaks, strict=True)):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}sentences[{nth}]: {text!r} must be a text that is not empty")
        encodable(text, f"{where}sentences[{nth}]")
        low = breaks[nth - 1][1] if nth else 0
        if not (isinstance(span, list) and [type(value) for value in span] == [int, int] and low <= span[0] < span[1]):
            raise InputError(f"{where}sentence_breaks[{nth}]: {span!r} is not [start, end] after {low}")
    questions = []
    for nth, question in enumerate(_get(paragraph, "qas", list, where)):
        here = f"{where}qas[{nth}]."
        answers = _get(question, "answers", list, here)
        if not answers:
            raise InputError(f"{here}answers: no answer")
        start = _get(answers[0], "answer_start", int, f"{here}answers[0].")
        sentence = sentence_of(breaks, start) if start >= 0 else None
        if sentence is None:
            raise InputError(f"{here}answers[0].answer_start: {start} is outside all sentences")
        questions.append(Question(_get(question, "id", str, here), _get(question, "question", str, here), sentence))
    return Paragraph(article, _get(paragraph, "context", str, where), sentences, questions)


def _get(value: Any, key: str, kind: type, where: str) -> Any:
    found = field(value, key, kind, where)
    if kind is not str:
        return found
    if not found:
        raise InputError(f"{where}{key}: the text is empty")
    return encodable(found, f"{where}{key}")


def _articles(read: dict[str, list[Paragraph]]) -> dict[tuple[str, int], str]:
    """Number the articles, those that share a question alike, in the order of the first file that has them."""
    articles: dict[tuple[str, int], int] = {}
    questions: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for language, paragraphs in read.items():
        for paragraph in paragraphs:
            article = articles.setdefault((language, paragraph.article), len(articles))
            known = [questions.setdefault(question.query_id, len(questions)) for question in paragraph.questions]
            pairs += [(article, -1), *((article, question) for question in known)]
    keys = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    groups = connected_groups(len(keys), [[keys[:, 0]], [keys[:, 1]]])
    group_of = dict(zip(keys[:, 0].tolist(), groups.tolist(), strict=True))
    return {name: f"{group_of[article]:04d}" for name, article in articles.items()}
