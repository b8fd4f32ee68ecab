"""Mr. TyDi (arXiv 2108.08787): questions of eleven languages with judged passages and negatives, one JSON line each.

Apache-2.0, the hub's castorini/mr-tydi.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridkit.errors import InputError
from hybridkit.files import read_lines
from hybridkit.reading import json_value
from hybridkit.rows import Row

LANGUAGES = {
    "ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian", "ja": "japanese",
    "ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu", "th": "thai",
}  # fmt: skip

log = logging.getLogger("hybridkit")


def read_mrtydi(folder: Path, words: Sequence[str] = ()) -> Iterator[Row]:
    """A row for every question and positive passage, in one language each, with one of the question's negatives.

    `folder` holds `mr-tydi/mrtydi-v1.1-LANGUAGE/train.jsonl.gz`; `words` may name languages (all by default). A
    passage's text is its title, a space and its text. The n-th positive of a question takes its n-th negative, round
    and round. Questions without a positive are counted in the log. Raises InputError (file and line) for a line that
    is no JSON or of another shape.
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
    """Rows of one question in one language: one a positive passage (id to text), each with one negative if there is.

    A negative that has the text of a positive is none.

    >>> [row.negative for row in judged_rows("sw", "1", "Nani?", {"a": "A", "b": "B"}, {"c": "B", "d": "D"})]
    [{'sw': 'D'}, {'sw': 'D'}]
    """
    texts = set(positives.values())
    against = [text for text in negatives.values() if text not in texts]
    for nth, (passage, text) in enumerate(positives.items()):
        negative = {language: against[nth % len(against)]} if against else {}
        yield Row(
            f"{language}:{name}:{passage}", f"{language}:{passage}", f"{language}:{name}", {language: question},
            {language: text}, negative,
        )  # fmt: skip


def passage_text(title: str, text: str) -> str:
    """Title and text of a passage as one text.

    >>> passage_text("Lima", "A city."), passage_text("", "A city.")
    ('Lima A city.', 'A city.')
    """
    return f"{title} {text}".strip()


def passage_of(line: str, where: str, key: str = "docid") -> tuple[str, str]:
    """Return the id and the text (title, space, text) that a line holds; InputError, with `where`, for any other line.

    >>> passage_of('{"docid": "7#0", "title": "Lima", "text": "A city."}', "docs-0.jsonl, line 1")
    ('7#0', 'Lima A city.')
    """
    what, cure = f"a JSON object with {key}, title and text", f'{{"{key}": "1", "title": "", "text": "A text."}}'
    value = json_value(line, where, what, f"a passage is {cure}")
    if not isinstance(value, dict):
        raise InputError(f"{where}: not {what} (it is a {type(value).__name__}); a passage is {cure}")
    if missing := [name for name in (key, "text") if name not in value]:
        raise InputError(f"{where}: not {what} ({missing[0]!r} is missing); a passage is {cure}")
    name, title, text = value[key], value.get("title") or "", value["text"]
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not (isinstance(name, str) and isinstance(title, str) and isinstance(text, str) and name.strip()):
        why = "one of them is no text, or the id is empty"
        raise InputError(f"{where}: not {what} ({why}); a passage is {cure}")
    return whole(name, where), whole(passage_text(title, text), where)


def whole(text: str, where: str) -> str:
    """Give a text back. Raises InputError for one with half a character, which JSON can write and no file can hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where} holds half a character; write it whole") from error
    return text


def _passages(value: Any, key: str, where: str) -> dict[str, str]:  # noqa: ANN401  JSON
    found = value.get(key)
    if not isinstance(found, list):
        raise InputError(f"{where}: {key} is a {type(found).__name__}, not a list; this is not Mr. TyDi's format")
    read = {}
    for nth, one in enumerate(found):
        here = f"{where}: {key}[{nth}]"
        name, text = _text(one, "docid", here), _text(one, "text", here)
        title = one.get("title")
        read[name] = whole(passage_text(title if isinstance(title, str) else "", text), here)
    return read


def _text(value: Any, key: str, where: str) -> str:  # noqa: ANN401  JSON
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str) or not found.strip():
        raise InputError(f"{where}: {key} is missing, or no text with something in it; this is not Mr. TyDi's format")
    return whole(found, f"{where}: {key}")
