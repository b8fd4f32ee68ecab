"""Is it zero-shot? Training rows that a benchmark holds too: by their texts, their texts nearly, or their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.groups import normalise
from hybridkit.nearness import NearIndex, Nearness, letters
from hybridkit.storage.columns import CHUNK

if TYPE_CHECKING:
    import pyarrow as pa

    from hybridkit.benchmark import Benchmark
    from hybridkit.corpus import ParallelCorpus
    from hybridkit.judged import JudgedSet

VERSION = 2  # of what counts as a hit: part of the name under which a study keeps its hits
COLUMNS = (
    "row", "id", "side", "training_language", "benchmark", "benchmark_language", "benchmark_id", "kind", "similarity",
    "text", "match",
)  # fmt: skip
_TARGETS = ("benchmark", "side", "language", "id", "text")
_ID = 16  # characters from which on an id names one thing anywhere; "17" and "dev-3" do not
_SIDES = {"query": "query", "passage": "passage", "negative": "passage"}  # of training: what it is held against


def find_leaks(corpus: ParallelCorpus, targets: pd.DataFrame, rule: Nearness | None = None) -> pd.DataFrame:
    """Find the training rows that a benchmark holds too; `targets` is made by `targets_of`.

    A line a row, side, language and benchmark, with the columns `COLUMNS`: `kind` is "exact" (the same normalised text,
    in whatever language the benchmark has it), "near" (a text of the same language, by `rule`, with its similarity) or
    "id" (the row's id or passage_id is that of a question or passage there). Queries are held against queries, passages
    and hard negatives against passages. `row` is the position in the corpus: a row that hits in one language is to be
    dropped in all.

    Near duplicates by MinHash (Broder 1997) over shingles, candidates confirmed by the exact Jaccard index.

    >>> import tempfile
    >>> from hybridkit.corpus import ParallelCorpus
    >>> from hybridkit.rows import Row
    >>> corpus = ParallelCorpus.from_rows([Row("1", "1", "1", {"en": "Who was  TESLA?"}, {"de": "Ein Erfinder."}, {})])
    >>> targets = pd.DataFrame([("toy", "query", "en", "q1", "Who was Tesla?")], columns=list(_TARGETS))
    >>> find_leaks(corpus, targets)[["row", "side", "benchmark_id", "kind", "similarity"]].values.tolist()
    [[0, 'query', 'q1', 'exact', 1.0]]
    """
    rule = rule or Nearness()
    found = list(_same_ids(corpus, targets))
    targets = targets.assign(key=list(map(normalise, targets["text"])))
    for side, against in _SIDES.items():
        there = targets[targets["side"] == against]
        for tag in corpus.languages:
            if (side, tag) in corpus.texts and len(there):
                found += _in_texts(corpus, side, tag, there, rule)
    frame = pd.DataFrame(found, columns=list(COLUMNS)).astype({"row": "int64", "similarity": "float64"})
    return frame.sort_values(["row", "side", "training_language", "benchmark"], kind="stable", ignore_index=True)


def targets_of(benchmarks: Sequence[Benchmark], judged: Sequence[JudgedSet] = ()) -> pd.DataFrame:
    """Texts that no training row may hold, with the columns benchmark, side, language, id, text, article.

    All queries and passages of parallel benchmarks; of judged sets the queries and the passages judged relevant, which
    are taken from the stream of all.
    """
    parts = []
    for one in benchmarks:
        parts.append(
            one.queries.rename(columns={"query_id": "id"}).assign(benchmark=one.name, side="query", article="")
        )
        parts.append(one.passages.rename(columns={"passage_id": "id"}).assign(benchmark=one.name, side="passage"))
    for one_set in judged:
        where = {"benchmark": one_set.name, "language": one_set.language, "article": ""}
        parts.append(one_set.queries.rename(columns={"query_id": "id"}).assign(side="query", **where))
        good = set(one_set.judgements.loc[one_set.judgements["relevance"] > 0, "passage_id"])
        kept = [pair for ids, texts in one_set.passages() for pair in zip(ids, texts, strict=True) if pair[0] in good]
        parts.append(pd.DataFrame(kept, columns=["id", "text"]).assign(side="passage", **where))
    if not parts:
        return pd.DataFrame(columns=[*_TARGETS, "article"], dtype=object)
    return pd.concat([part[[*_TARGETS, "article"]] for part in parts], ignore_index=True)


def _same_ids(corpus: ParallelCorpus, targets: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Hits by id, which may have the name of its source or part in front in training, its set and language there.

    What was behind an id of the user's (`#2` of the second text under one passage_id) is not in the article.
    """
    known: dict[str, int] = {}
    articles = targets["article"] if "article" in targets else [""] * len(targets)
    for place, (name, article, benchmark, language) in enumerate(
        zip(targets["id"], articles, targets["benchmark"], targets["language"], strict=True)
    ):
        for form in (name, name.removeprefix(f"{benchmark}:{language}:"), article):
            if len(form) >= _ID:
                known.setdefault(form, place)
    for column in (corpus.ids, corpus.passage_ids) if known else ():
        at = 0
        for chunk in column.chunks():
            for row, name in enumerate(chunk.to_pylist(), start=at):
                same = [known[form] for form in _forms(name) if form in known]
                if same:
                    there = targets.iloc[min(same)]
                    own = "id" if column is corpus.ids else "passage_id"
                    yield (
                        row, corpus.ids[row], own, "", there["benchmark"], there["language"], there["id"], "id", 1.0,
                        name, there["text"],
                    )  # fmt: skip
            at += len(chunk)


def _forms(name: str) -> set[str]:
    """A row's id, and what is left of it without a source or part in front, if it is long enough to name one thing."""
    return {form for form in (name, name.partition("/")[2], name.rpartition(":")[2]) if len(form) >= _ID}


def _in_texts(
    corpus: ParallelCorpus, side: str, tag: str, targets: pd.DataFrame, rule: Nearness
) -> Iterator[tuple[object, ...]]:
    """Hits of one side and language, its texts read chunk by chunk."""
    # one of each text and benchmark stands for all, one of the same language where there is any
    once = targets.assign(other=targets["language"] != tag).sort_values("other", kind="stable")
    once = once.drop_duplicates(["benchmark", "key"])
    there = once[["benchmark", "language", "id", "text"]].to_numpy(object)
    same: dict[str, list[int]] = {}
    for place, key in enumerate(once["key"]):
        same.setdefault(key, []).append(place)
    known_as = list(map(letters, once["key"][~once["other"]]))  # these stand before the others
    spoken = [place for place, form in enumerate(known_as) if form]
    index = NearIndex([known_as[place] for place in spoken], rule)
    column = corpus.places[side][:, corpus.column(tag)]
    for places, texts in _used(corpus.texts[side, tag], column):
        forms = list(map(normalise, texts))
        hits = {(at, there[n][0]): ("exact", 1.0, n) for at, form in enumerate(forms) for n in same.get(form, ())}
        for at, known, value in index.near(list(map(letters, forms))):
            name = (at, there[spoken[known]][0])
            if value > hits.get(name, ("", 0.0, 0))[1]:
                hits[name] = ("near", value, spoken[known])
        for (at, _), (kind, value, n) in hits.items():
            benchmark, language, name, match = there[n]
            for row in np.flatnonzero(column == places[at]).tolist():
                yield (row, corpus.ids[row], side, tag, benchmark, language, name, kind, value, texts[at], match)


def _used(table: pa.Array, column: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Places and texts of a table that some row has, chunk by chunk."""
    used = np.zeros(len(table) + 1, dtype=bool)
    used[column] = True  # the place after the last one is that of -1
    for start in range(0, len(table), CHUNK):
        places = np.flatnonzero(used[start : start + min(CHUNK, len(table) - start)]) + start
        if len(places):
            yield places, table.take(places).to_pylist()
