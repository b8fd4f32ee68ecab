"""The top passages of every query that a page names, under the strategies compared, with their marks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hybridkit.pages.texts import TextStore
from hybridkit.pages.top import Ranked, top_passages
from hybridkit.pages.values import Pair, Top
from hybridkit.widgets import views

if TYPE_CHECKING:
    from hybridkit.widgets.views import Inspected

TOP = 5


def rankings(
    inspected: "Inspected", pairs: Sequence[Pair], strategies: Sequence[str], texts: TextStore
) -> dict[tuple[str, str, str], list[list[Top] | None]]:
    """Top passages by (query language, passage language, query id): a list for each strategy, None where it has none.

    The same as the first rows of `views.ranking`, made for all queries in one pass over a strategy's scores; empty
    where no strategy has embeddings. The passages that come up are put among the texts with their English twins.
    """
    queries = inspected.benchmark.queries
    positions = {key: at for at, key in enumerate(zip(queries["language"], queries["query_id"], strict=True))}
    wanted = {pair.key: [positions[pair.query_language, query] for query in pair.listed] for pair in pairs}
    found = []
    for name in strategies:
        scorer = inspected.scorer(name)
        found.append(top_passages(inspected.benchmark, scorer, wanted, TOP) if scorer is not None else None)
    if not any(found):
        return {}
    marked = _Marks(inspected, texts)
    kept: dict[tuple[str, str, str], list[list[Top] | None]] = {}
    for pair in pairs:
        for query in pair.listed:
            at = positions[pair.query_language, query], pair.passage_language
            kept[*pair.key, query] = [one if one is None else marked.tops(one[at], query, pair) for one in found]
    return kept


class _Marks:
    """Turns positions of passages into what a page shows: language, place among the texts, score, mark."""

    def __init__(self, inspected: "Inspected", texts: TextStore) -> None:
        judged = inspected.benchmark.judgements
        self._inspected, self._texts = inspected, texts
        self._relevant = set(zip(judged["query_id"], judged["passage_id"], strict=True))
        passages = inspected.benchmark.passages
        self._ids, self._languages = passages["passage_id"].tolist(), passages["language"].tolist()
        self._placed: dict[int, int] = {}

    def tops(self, ranked: Ranked, query: str, pair: Pair) -> list[Top]:
        """The entries of one ranking; a mark is 1 for a relevant passage, 2 where it is in another language."""
        found = []
        for position, score in ranked:
            relevant = (query, self._ids[position]) in self._relevant
            mark = relevant + (relevant and self._languages[position] != pair.query_language)
            found.append((self._languages[position], self._place(position), round(score, 3), int(mark)))
        return found

    def _place(self, position: int) -> int:
        if position not in self._placed:
            name = self._ids[position]
            text = self._inspected.passage_texts[position]
            english = views.gloss(self._inspected, name)
            self._placed[position] = self._texts.passage(name, self._languages[position], text, english)
        return self._placed[position]
