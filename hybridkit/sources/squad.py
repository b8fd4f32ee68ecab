"""SQuAD's JSON, read paragraph by paragraph; XTREME's translations of its training part as rows.

SQuAD 1.1 (arXiv 1606.05250) is CC BY-SA 4.0; its machine translations come from XTREME (arXiv 2003.11080).
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from hybridkit.errors import InputError
from hybridkit.reading import Shallow
from hybridkit.rows import Row
from hybridkit.sources.joining import RowJoin

TRANSLATED = ("ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")
UNITS = ("sentence", "paragraph")

log = logging.getLogger("hybridkit")


class Question(NamedTuple):
    """A question and its first answer: the text and the character of the paragraph at which it is said to start."""

    id: str
    text: str
    answer: str
    start: int


class Paragraph(NamedTuple):
    """A paragraph and the questions about it."""

    text: str
    questions: list[Question]


def read_translated(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Rows of SQuAD's training part in English and XTREME's ten translations, joined on the ids of questions.

    `folder` holds `squad-translate-train/train-v1.1.json` and `squad.translate.train.en-LANG.json` beside it. `words`
    may name languages (all of them by default) and the unit of a passage: `sentence` (the one in which the answer
    starts, the default) or `paragraph`. A question whose answer is not in its paragraph is dropped in that language;
    how many is logged. Raises InputError (file and key) for JSON that is cut short or of another shape.
    """
    unit = next((word for word in words if word in UNITS), "sentence")
    languages = [word for word in words if word not in UNITS] or ["en", *TRANSLATED]
    join = RowJoin()
    for language in sorted(languages, key=lambda tag: (tag != "en", tag)):
        name = "train-v1.1.json" if language == "en" else f"squad.translate.train.en-{language}.json"
        path = folder / "squad-translate-train" / name
        with path.open("rb") as file:
            lost, asked = collect(join, paragraphs(file, str(path)), language, unit)
        if lost:
            log.info("squad-translate-train, %s: %d of %d questions dropped, their answers are not in their paragraphs",
                     language, lost, asked)  # fmt: skip
    single = 0
    for row in join.rows():
        single += len(row.query) < len(languages)
        yield row
    if single:
        log.info("squad-translate-train: %d of %d questions are not known in all of the languages", single, len(join))


def collect(
    join: RowJoin, read: Iterator[Paragraph], language: str, unit: str, asked_in: str = "", prefix: str = ""
) -> tuple[int, int]:
    """Add the questions and passages of one file to a join; gives (questions dropped, questions in all).

    `language` is that of the passages, and of the questions unless `asked_in` says another; `prefix` goes before ids.
    """
    lost = asked = 0
    for paragraph in read:
        spans = boundaries(paragraph.text, language) if unit == "sentence" else [(0, len(paragraph.text))]
        for question in paragraph.questions:
            asked += 1
            start = locate(paragraph.text, question.answer, question.start)
            if start is None or not question.text.strip():
                lost += 1
                continue
            first, last = next((low, high) for low, high in spans if start < high)
            join.query(prefix + question.id, asked_in or language, question.text)
            join.passage(prefix + question.id, language, paragraph.text[first:last].strip())
    return lost, asked


def paragraphs(file: IO[bytes], where: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a file in SQuAD's format, one article in memory at a time.

    Raises InputError naming `where` and the key for JSON that is cut short or of another shape.
    """
    import ijson

    count = -1
    try:
        for count, article in enumerate(ijson.items(Shallow(file, where), "data.item", use_float=True)):
            at = f"{where}: data[{count}]."
            for nth, paragraph in enumerate(_get(article, "paragraphs", list, at)):
                yield _paragraph(paragraph, f"{at}paragraphs[{nth}].")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        after = f"after {count + 1} articles" if count >= 0 else "at its beginning"
        told = " ".join(str(error).split())[:120]
        raise InputError(f"{where}: not whole JSON, {after} ({told}); is it cut short? Get it again") from error
    if count < 0:
        raise InputError(f'{where}: no articles; SQuAD\'s format is {{"data": [{{"paragraphs": [...]}}]}}')


def locate(paragraph: str, answer: str, start: int) -> int | None:
    """Where an answer really starts: at the given character, else at its occurrence nearest to that, else nowhere.

    Offsets of translated files are often off by some characters.

    >>> locate("a b a", "a", 0), locate("a b a", "a", 3), locate("a b a", "c", 0)
    (0, 4, None)
    """
    text = answer.strip()
    if not text:
        return None
    if start >= 0 and paragraph.startswith(text, start):
        return start
    found, at = [], paragraph.find(text)
    while at >= 0:
        found.append(at)
        at = paragraph.find(text, at + 1)
    return min(found, key=lambda place: (abs(place - start), place), default=None)


def boundaries(text: str, language: str) -> list[tuple[int, int]]:
    """Half-open spans of the sentences of a text, without gaps, by the rules of the library sentencex.

    Thai is written without marks at the ends of sentences: its paragraphs mostly stay whole.

    >>> boundaries("They came at 5 p.m. to us. He left.", "en")
    [(0, 27), (27, 35)]
    """
    import sentencex

    ends = [int(one["end_index"]) for one in sentencex.get_sentence_boundaries(language, text)]
    ends = [end for end in ends if 0 < end < len(text)] + [len(text)]
    return [(low, high) for low, high in zip([0, *ends[:-1]], ends, strict=True) if text[low:high].strip()]


def _paragraph(paragraph: Any, where: str) -> Paragraph:  # noqa: ANN401  JSON
    questions = []
    for nth, question in enumerate(_get(paragraph, "qas", list, where)):
        here = f"{where}qas[{nth}]."
        answers = _get(question, "answers", list, here)
        answer, start = "", -1
        if answers:  # a question may have none, and is dropped then
            answer = _get(answers[0], "text", str, f"{here}answers[0].")
            start = _get(answers[0], "answer_start", int, f"{here}answers[0].")
        questions.append(
            Question(_get(question, "id", str, here), _get(question, "question", str, here), answer, start)
        )
    return Paragraph(_get(paragraph, "context", str, where), questions)


def _get(value: Any, key: str, kind: type, where: str) -> Any:  # noqa: ANN401  JSON
    if not isinstance(value, dict) or not isinstance(value.get(key), kind):
        raise InputError(f"{where}{key}: missing, or not a {kind.__name__}; this is not SQuAD's format")
    return value[key]
