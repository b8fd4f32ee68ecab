"""Texts of data sets for pages: each kept once, as `characters.shown` shows it, and written as JSON for scripts."""

import json
from typing import Any

from hybridkit.characters import shown


def as_json(value: Any) -> str:  # noqa: ANN401  any JSON-able value
    r"""A value as JSON that may stand inside a <script> element and in a script file.

    No `<`, `>` or `&` is left, so that nothing in it can end the element or begin a comment, and none of the two line
    separators that older scripts end a line at.

    >>> as_json(["</script>", "]]>", "\u2028"])
    '["\\u003c/script\\u003e","]]\\u003e","\\u2028"]'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class TextStore:
    """The texts of all pages, each once, by language: a query or passage is known by its place among them.

    >>> store = TextStore()
    >>> store.passage("t:de:1", "de", "Ja.", ""), store.passage("t:de:1", "de", "Ja.", "")
    (0, 0)
    >>> store.files()["de"]
    {'queries': [], 'passages': [['t:de:1', 'Ja.', -1]]}
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], int] = {}
        self._files: dict[str, dict[str, list[list[Any]]]] = {}
        self._english: dict[str, int] = {}

    def query(self, query_id: str, language: str, text: str) -> int:
        """Place of a query among those of its language."""
        return self._place("queries", language, query_id, lambda: [query_id, shown(text)])

    def passage(self, passage_id: str, language: str, text: str, english: str) -> int:
        """Place of a passage among those of its language; `english` is its twin's text, empty where there is none."""
        if language == "en" and (known := self._english.get(shown(text))) is not None:
            entry = self._files["en"]["passages"][known]
            if entry[0] in ("", passage_id):  # so far it was only the twin of another
                entry[0] = passage_id
                return known
        place = self._place(
            "passages", language, passage_id, lambda: [passage_id, shown(text), self._gloss(language, english)]
        )
        if language == "en":
            self._english.setdefault(shown(text), place)
        return place

    def files(self) -> dict[str, dict[str, list[list[Any]]]]:
        """What each language's data file holds: queries [id, text], passages [id, text, place of the English twin]."""
        return {language: self._files[language] for language in sorted(self._files)}

    def _gloss(self, language: str, english: str) -> int:
        if language == "en" or not english:
            return -1
        text = shown(english)
        if text not in self._english:
            self._english[text] = self._place("passages", "en", f"\0{text}", lambda: ["", text, -1])
        return self._english[text]

    def _place(self, kind: str, language: str, key: str, make: Any) -> int:  # noqa: ANN401
        if (kind, language, key) not in self._places:
            entry = make()  # may itself add the English twin
            entries = self._files.setdefault(language, {"queries": [], "passages": []})[kind]
            self._places[kind, language, key] = len(entries)
            entries.append(entry)
        return self._places[kind, language, key]
