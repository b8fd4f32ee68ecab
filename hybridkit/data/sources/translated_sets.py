"""Question and inference sets in several languages: SQuAD with XTREME's translations, MLQA, XNLI.

SQuAD 1.1 (arXiv 1606.05250) is CC BY-SA 4.0; its machine translations come from XTREME (arXiv 2003.11080).
MLQA (arXiv 1910.07475, CC BY-SA 3.0) is read from the archive MLQA_V1.zip. XNLI's (arXiv 1809.05053, CC BY-NC 4.0)
entailed pairs become rows, the hypothesis as query and the premise as passage: `xnli` reads the labelled files, which
have both sentences in 15 languages; `xnli-15way` takes the pairs from their English lines and the sentences from the
parallel corpus.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from hybridkit.data.rows import Row
from hybridkit.data.sources.readers import RowJoin, field, member, open_archive, table
from hybridkit.errors import InputError
from hybridkit.utils.reading import Shallow

TRANSLATED = ("ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh")
UNITS = ("sentence", "paragraph")
log = logging.getLogger("hybridkit")
MLQA_LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
MLQA_SPLITS = ("test", "dev")
XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
XNLI_SPLITS = ("dev", "test")
_LABELS = ("entailment", "neutral", "contradiction")
_COLUMNS = ("language", "gold_label", "sentence1", "sentence2", "pairID")


class Question(NamedTuple):
    """A question and its first answer: the text, and the character of the paragraph where it is said to start."""

    id: str
    text: str
    answer: str
    start: int


class Paragraph(NamedTuple):
    """A paragraph and the questions about it."""

    text: str
    questions: list[Question]


def read_translated(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of SQuAD's training split in English and XTREME's ten translations, joined on question ids.

    `folder` holds `squad-translate-train/train-v1.1.json` and `squad.translate.train.en-LANG.json` beside it. `words`
    may name languages (all of them by default) and the unit of a passage: `sentence` (the one in which the answer
    starts, the default) or `paragraph`. A question whose answer is not in its paragraph is dropped in that language;
    the log counts them.

    Raises:
        InputError: With file and key, for JSON that is cut short or of another form.
    """
    unit = next((word for word in words if word in UNITS), "sentence")
    languages = [word for word in words if word not in UNITS] or ["en", *TRANSLATED]
    join = RowJoin()
    for language in sorted(languages, key=lambda tag: (tag != "en", tag)):
        name = "train-v1.1.json" if language == "en" else f"squad.translate.train.en-{language}.json"
        path = folder / "squad-translate-train" / name
        with path.open("rb") as file:
            lost, count = collect(join, paragraphs(file, str(path)), language, unit)
        if lost:
            log.info(
                "squad-translate-train, %s: %d of %d questions dropped, their answers are not in their paragraphs",
                language,
                lost,
                count,
            )
    single = 0
    for row in join.rows():
        single += len(row.query) < len(languages)
        yield row
    if single:
        log.info("squad-translate-train: %d of %d questions are not known in all of the languages", single, len(join))


def collect(
    join: RowJoin, read: Iterator[Paragraph], language: str, unit: str, question_language: str = "", prefix: str = ""
) -> tuple[int, int]:
    """Add the questions and passages of one file to a join; return (questions dropped, questions in all).

    `language` is that of the passages, and of the questions without `question_language`; `prefix` goes before ids.
    """
    lost = count = 0
    for paragraph in read:
        spans = boundaries(paragraph.text, language) if unit == "sentence" else [(0, len(paragraph.text))]
        for question in paragraph.questions:
            count += 1
            start = locate(paragraph.text, question.answer, question.start)
            if start is None or not question.text.strip():
                lost += 1
                continue
            first, last = next((low, high) for low, high in spans if start < high)
            join.query(prefix + question.id, question_language or language, question.text)
            join.passage(prefix + question.id, language, paragraph.text[first:last].strip())
    return lost, count


def paragraphs(file: IO[bytes], where: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a file in SQuAD's format, one article in memory at a time.

    Raises:
        InputError: With `where` and the key, for JSON that is cut short or of another form.
    """
    import ijson

    count = -1
    try:
        for count, article in enumerate(ijson.items(Shallow(file, where), "data.item", use_float=True)):
            at = f"{where}: data[{count}]."
            for nth, paragraph in enumerate(field(article, "paragraphs", list, at)):
                yield _paragraph(paragraph, f"{at}paragraphs[{nth}].")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        after = f"after {count + 1} articles" if count >= 0 else "at its beginning"
        why = " ".join(str(error).split())[:120]
        raise InputError(f"{where}: not whole JSON, {after} ({why}); is it cut short? Get it again") from error
    if count < 0:
        raise InputError(f'{where}: no articles; SQuAD\'s format is {{"data": [{{"paragraphs": [...]}}]}}')


def locate(paragraph: str, answer: str, start: int) -> int | None:
    """Return where an answer starts: at the given character, else at its nearest occurrence, else None.

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
    return min(found, key=lambda found_at: (abs(found_at - start), found_at), default=None)


def boundaries(text: str, language: str) -> list[tuple[int, int]]:
    """Return half-open spans of the sentences of a text, without gaps, by the rules of the library sentencex.

    Thai has no marks at the ends of sentences: its paragraphs mostly stay whole.

    >>> boundaries("They came at 5 p.m. to us. He left.", "en")
    [(0, 27), (27, 35)]
    """
    import sentencex

    ends = [int(found["end_index"]) for found in sentencex.get_sentence_boundaries(language, text)]
    ends = [end for end in ends if 0 < end < len(text)] + [len(text)]
    return [(low, high) for low, high in zip([0, *ends[:-1]], ends, strict=True) if text[low:high].strip()]


def _paragraph(paragraph: Any, where: str) -> Paragraph:
    questions = []
    for nth, question in enumerate(field(paragraph, "qas", list, where)):
        here = f"{where}qas[{nth}]."
        answers = field(question, "answers", list, here)
        answer, start = "", -1
        if answers:  # a question may have none, and is dropped then
            answer = field(answers[0], "text", str, f"{here}answers[0].")
            start = field(answers[0], "answer_start", int, f"{here}answers[0].")
        questions.append(
            Question(field(question, "id", str, here), field(question, "question", str, here), answer, start)
        )
    return Paragraph(field(paragraph, "context", str, where), questions)


def read_mlqa(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of MLQA: each question and its passage in every language that has them.

    `folder` holds `mlqa/MLQA_V1.zip`, whose members are `MLQA_V1/test/test-context-de-question-ar.json` and so on.
    `words` may name splits (`test` by default: the benchmark MLQA-R is made of `dev`), languages (all of them) and the
    unit of a passage, `sentence` (by default) or `paragraph`.

    Raises:
        InputError: For an archive that is cut short or has a member missing.
    """
    splits = [word for word in words if word in MLQA_SPLITS] or ["test"]
    languages = [tag for tag in MLQA_LANGUAGES if tag in words] or list(MLQA_LANGUAGES)
    unit = next((word for word in words if word in UNITS), "sentence")
    join, lost = RowJoin(), 0
    path = folder / "mlqa" / "MLQA_V1.zip"
    with open_archive(path, "mlqa") as archive:
        for split in splits:
            for context in languages:
                for question in languages:
                    name = f"MLQA_V1/{split}/{split}-context-{context}-question-{question}.json"
                    with member(archive, name) as file:
                        read = paragraphs(file, f"{path}: {name}")
                        lost += collect(join, read, context, unit, question, f"{split}:")[0]
    if lost:
        log.info("mlqa: %d times an answer is not in its paragraph; the question is dropped there", lost)
    yield from join.rows()


def read_xnli(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of the labelled files, `XNLI-1.0/xnli.dev.tsv` and `.test.tsv` in `xnli/XNLI-1.0.zip` of a folder.

    `words` may name splits (both by default) and languages (all of them).

    Raises:
        InputError: With file and line, for a table of another form, or an archive that is cut short or has a member
            missing.
    """
    wanted = {tag for tag in XNLI_LANGUAGES if tag in words} or set(XNLI_LANGUAGES)
    join = RowJoin()
    for row, language, premise, hypothesis in _entailed(folder, words):
        if language in wanted:
            join.query(row, language, hypothesis)
            join.passage(row, language, premise)
    yield from join.rows()


def read_xnli_15way(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the same pairs with the sentences of `XNLI-15way/xnli.15way.orig.tsv` in `xnli/XNLI-15way.zip` of a folder.

    A pair is dropped if one of its English sentences is not in the table; the log counts them.
    """
    chosen = [tag for tag in XNLI_LANGUAGES if tag in words] or list(XNLI_LANGUAGES)
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
        for split in [split for split in XNLI_SPLITS if split in words] or XNLI_SPLITS:
            name = f"XNLI-1.0/xnli.{split}.tsv"
            with member(archive, name) as file:
                for number, line in table(file, f"{path}: {name}", _COLUMNS):
                    where = f"{path}: {name}, line {number}"
                    if line["gold_label"] not in _LABELS or line["language"] not in XNLI_LANGUAGES:
                        got = f"{line['language']!r} and {line['gold_label']!r}"
                        raise InputError(f"{where}: {got} must be a language and a label of XNLI; get the file again")
                    if not line["pairID"] or not line["sentence1"].strip() or not line["sentence2"].strip():
                        raise InputError(f"{where}: an empty sentence or pairID; get the file again")
                    if line["gold_label"] == "entailment":
                        yield f"{split}:{line['pairID']}", line["language"], line["sentence1"], line["sentence2"]
