"""The English twin of a passage, for a reader who cannot read the passage itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from hybridkit.benchmark import Benchmark
    from hybridkit.widgets.opening import Inspected

ENGLISH = "en"
_Tables = tuple[dict[str, str], Counter[tuple[str, str]]]
_known: WeakKeyDictionary[Inspected, _Tables] = WeakKeyDictionary()


def english_twin(inspected: Inspected, passage_id: str) -> str:
    """The text of a passage's English twin; empty for an English passage and where none is known.

    First the English passage that answers the same question; else the one with the same id in English, where the
    document (the id up to its last colon) has as many passages in both languages, so that they most likely correspond.
    """
    if inspected not in _known:
        _known[inspected] = (_judged(inspected.benchmark), Counter(map(_document, inspected.passage_places)))
    judged, counts = _known[inspected]
    name, language, rest = (*passage_id.split(":", 2), "", "")[:3]
    if language == ENGLISH or passage_id not in inspected.passage_places:
        return ""
    twin = judged.get(passage_id, "")
    if not twin:
        same = f"{name}:{ENGLISH}:{rest}"
        twin = same if counts[_document(passage_id)] == counts[_document(same)] else ""
    place = inspected.passage_places.get(twin, -1)
    return inspected.passage_texts[place] if place >= 0 else ""


def _judged(benchmark: Benchmark) -> dict[str, str]:
    """The English passage that answers the first question that a passage answers."""
    judgements = benchmark.judgements
    english = judgements[judgements["passage_language"] == ENGLISH].drop_duplicates("query_id")
    answers = dict(zip(english["query_id"], english["passage_id"], strict=True))
    found: dict[str, str] = {}
    for query, passage in zip(judgements["query_id"], judgements["passage_id"], strict=True):
        if query in answers:
            found.setdefault(passage, answers[query])
    return found


def _document(passage_id: str) -> tuple[str, str]:
    """Language and document of a passage: NAME:LANGUAGE:DOCUMENT:SENTENCE, or NAME:LANGUAGE:DOCUMENT#2."""
    _, language, rest = (*passage_id.split(":", 2), "", "")[:3]
    return language, rest.rpartition(":")[0] or rest.partition("#")[0]
