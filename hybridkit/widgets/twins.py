"""The English twin of a passage, for a reader who cannot read the passage itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from hybridkit.benchmark import Benchmark
    from hybridkit.widgets.opening import Inspected

ENGLISH = "en"
_Document = tuple[str, str]
_Tables = tuple[dict[str, str], dict[str, _Document], Counter[_Document]]
_known: WeakKeyDictionary[Inspected, _Tables] = WeakKeyDictionary()


def english_twin(inspected: Inspected, passage_id: str) -> str:
    """The text of a passage's English twin; empty for an English passage and where none is known.

    First the English passage that answers the same question; else the one with the same id in English, where the
    document (see `_documents`) has as many passages in both languages, so that they most likely correspond.
    """
    if inspected not in _known:
        documents = _documents(inspected.benchmark)
        _known[inspected] = (_judged(inspected.benchmark), documents, Counter(documents.values()))
    judged, documents, counts = _known[inspected]
    if passage_id not in documents or documents[passage_id][0] == ENGLISH:
        return ""
    twin = judged.get(passage_id, "")
    if not twin:
        name, (language, _) = inspected.benchmark.name, documents[passage_id]
        same = f"{name}:{ENGLISH}:{passage_id.removeprefix(f'{name}:{language}:')}"
        there = same in documents and counts[documents[passage_id]] == counts[documents[same]]
        twin = same if there else ""
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


def _documents(benchmark: Benchmark) -> dict[str, _Document]:
    """Language and document of every passage.

    An id is NAME:LANGUAGE:ARTICLE, with #2 or so behind it, where passages are those of a file; else it is
    NAME:LANGUAGE:DOCUMENT:SENTENCE. Names and articles of a user may have colons and # in them.
    """
    found = {}
    columns = (benchmark.passages[name] for name in ("passage_id", "language", "article"))
    for passage_id, language, article in zip(*columns, strict=True):
        rest = passage_id.removeprefix(f"{benchmark.name}:{language}:")
        own = rest == article or rest.startswith(f"{article}#")
        found[passage_id] = (language, article if own else rest.rpartition(":")[0] or rest)
    return found
