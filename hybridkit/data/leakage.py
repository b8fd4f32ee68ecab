"""Find training rows that a benchmark holds too: by their ids, by equal texts, and by texts that share most letters.

It finds copies, whole or in part and slightly edited, and no paraphrases. The comparison of texts is in `text_overlap`.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridkit.data.rows import normalise
from hybridkit.data.storage.columns import pieces
from hybridkit.data.text_overlap import Letters, Overlap, OverlapIndex, blocks

if TYPE_CHECKING:
    import pyarrow as pa

    from hybridkit.data.benchmark import Benchmark
    from hybridkit.data.collection import Collection
    from hybridkit.data.corpus import ParallelCorpus

log = logging.getLogger("hybridkit")
VERSION = 3  # of what counts as a hit: in the name under which a study keeps its hits
_ROW = ("row", "id", "side", "training_language")
COLUMNS = (*_ROW, "benchmark", "benchmark_language", "benchmark_id", "kind", "similarity", "text", "match")
_TARGETS = ("benchmark", "side", "language", "id", "text")
_OF = ("article", "group")  # columns that targets may have besides
_ID = 16  # characters from which on an id is unique anywhere, unlike "17" and "dev-3"
_ALIKE = 0.6  # of their runs of four letters two questions share that are a little like each other
_PART = 1.5  # a text that is so many times as long as another holds it as a part
# Side of training -> side of the benchmark that it is compared with.
_SIDES = {"query": "query", "passage": "passage", "negative": "passage"}


@dataclass(frozen=True)
class Nearness:
    """When a training text is nearly one of a benchmark, or has it as a part.

    Attributes:
        share: Of the shorter text's letters that are in runs which the longer has too, where the shorter has `letters`
            or more. A Chinese character counts as three letters; spaces and marks count nothing. The numbers of the two
            texts must agree as well.
        letters: In shorter texts one word makes another question ("capital of Chad" and "capital of Mali"). There, from
            `short` letters on, all that may differ is a word of up to `word` letters more in one of them.
        short: See `letters`. Of texts shorter than this all letters must be the same.
        word: See `letters`.
        weak: A share that is enough where query and passage of a row are both like those of one question.
    """

    share: float = 0.8
    letters: int = 40
    short: int = 20
    word: int = 12
    weak: float = 0.4

    def kind(self, found: Overlap, text: str, known: str) -> str:
        """Return "near", "part" or "weak" for two texts from `normalise`, "" where they are not alike."""
        if not _numbers_agree(text, known):
            return ""
        if found.shorter >= self.letters:
            if found.share < self.share:
                return "weak"
            return "near" if found.longer < _PART * found.shorter else "part"
        if found.share < 0.95:
            return ""
        same = found.shorter >= self.short and found.longer <= found.shorter + self.word
        return "near" if same else "weak"


def _numbers_agree(text: str, known: str) -> bool:
    """Whether four fifths of the numbers of the text that has fewer are in the other."""
    one, other = (Counter(re.findall(r"\d+", side)) for side in (text, known))
    return (one & other).total() >= 0.8 * min(one.total(), other.total())


def find_leaks(corpus: ParallelCorpus, targets: pd.DataFrame, rule: Nearness | None = None) -> pd.DataFrame:
    """Find the training rows that a benchmark holds too; `targets` is made by `targets_of`.

    Queries are compared with queries, passages and hard negatives with passages, in all languages. A row that hits in
    one language must be dropped in all. Only ids and equal texts are looked for in a benchmark that is made from
    templates, in which every text is nearly another one; a line of the log says so.

    Returns:
        A line for each row, side, language and benchmark, with the columns `COLUMNS`: `row` is the position in the
        corpus; `kind` is

        - "exact": the same normalised text;
        - "near": the same letters, or small edits (`Nearness`), with the share of letters as similarity;
        - "part": the same, but one of the two texts is only a part of the other;
        - "pair": query and passage are both like those of one question, each too little to count alone;
        - "id": the row's id or passage_id is that of a question or passage there.

    Source: overlap of word or letter runs as in the decontamination of language models (Brown et al. 2020, arXiv
    2005.14165, appendix C), with a tolerance for edits.

    >>> import tempfile
    >>> from hybridkit.data.corpus import ParallelCorpus
    >>> from hybridkit.data.rows import Row
    >>> corpus = ParallelCorpus.from_rows([Row("1", "1", "1", {"en": "Who was  TESLA?"}, {"de": "Ein Erfinder."}, {})])
    >>> targets = pd.DataFrame([("toy", "query", "en", "q1", "Who was Tesla?")], columns=list(_TARGETS))
    >>> find_leaks(corpus, targets)[["row", "side", "benchmark_id", "kind", "similarity"]].values.tolist()
    [[0, 'query', 'q1', 'exact', 1.0]]
    """
    rule = rule or Nearness()
    targets = targets.assign(key=list(map(normalise, targets["text"])))
    targets = targets.assign(**{name: "" for name in _OF if name not in targets})
    found = list(_same_ids(corpus, targets))
    for benchmark, lines in targets.groupby("benchmark", sort=False):
        weak: list[tuple[Any, ...]] = []
        known = {side: _Known.of(lines[lines["side"] == side], f"{benchmark}: {side}") for side in ("query", "passage")}
        for side, against in _SIDES.items():
            for tag in corpus.languages:
                if (side, tag) in corpus.texts and len(known[against].lines):
                    for hit in _in_texts(corpus, side, tag, known[against], rule):
                        (weak if hit[7] == "weak" else found).append(hit)
        dropped = {hit[0] for hit in found}
        found += _pairs(corpus, [hit for hit in weak if hit[0] not in dropped], known["query"], rule)
    frame = pd.DataFrame([hit[: len(COLUMNS)] for hit in found], columns=list(COLUMNS))
    frame = frame.astype({"row": "int64", "similarity": "float64"})
    return frame.sort_values(["row", "side", "training_language", "benchmark"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Known:
    """The texts of one side of a benchmark, each once."""

    lines: pd.DataFrame  # of targets
    keys: list[str]
    at: dict[str, list[int]]  # positions in `lines` by key
    same: dict[bytes, str]  # keys by their letters
    index: OverlapIndex | None

    @classmethod
    def of(cls, lines: pd.DataFrame, name: str) -> _Known:
        at: dict[str, list[int]] = {}
        for position, key in enumerate(lines["key"]):
            at.setdefault(key, []).append(position)
        keys = list(at)
        index = OverlapIndex(keys)
        same = {letters: key for letters, key in zip(index.letters.whole(), keys, strict=True) if letters}
        made = len(keys) > 0 and float((index.formula > 0.5).mean()) > 0.5
        if made:
            log.info("%s texts are made from templates; only equal texts are leaks of them", name)
        return cls(lines, keys, at, same, None if made else index)

    def line(self, key: str, tag: str) -> int:
        """The position of a text, in a language if there is one, else the first."""
        positions = self.at[key]
        return next((n for n in positions if self.lines["language"].iloc[n] == tag), positions[0])


def targets_of(benchmarks: Sequence[Benchmark], collections: Sequence[Collection] = ()) -> pd.DataFrame:
    """Return the texts that no training row may hold: benchmark, side, language, id, text, article, group.

    These are all queries and passages of parallel benchmarks; of collections the queries and the passages judged
    relevant, which are taken from the stream of all passages. A query and the passages of its `group` belong together:
    those of an article, or in a collection the first query that a passage is relevant to.
    """
    frames = []
    for benchmark in benchmarks:
        for side, frame in (("query", benchmark.queries), ("passage", benchmark.passages)):
            names = frame.rename(columns={f"{side}_id": "id"}).assign(benchmark=benchmark.name, side=side)
            frames.append(names.assign(group=frame["article"], article="" if side == "query" else frame["article"]))
    for collection in collections:
        where = {"benchmark": collection.name, "language": collection.language, "article": ""}
        queries = collection.queries.rename(columns={"query_id": "id"})
        frames.append(queries.assign(side="query", group=queries["id"], **where))
        judged = collection.judgements[collection.judgements["relevance"] > 0]
        good = dict(zip(judged["passage_id"][::-1], judged["query_id"][::-1], strict=True))
        kept = [
            (name, text, good[name])
            for ids, texts in collection.passages()
            for name, text in zip(ids, texts, strict=True)
            if name in good
        ]
        frames.append(pd.DataFrame(kept, columns=["id", "text", "group"]).assign(side="passage", **where))
    columns = [*_TARGETS, *_OF]
    if not frames:
        return pd.DataFrame(columns=columns, dtype=object)
    return pd.concat([frame[columns] for frame in frames], ignore_index=True)


def _same_ids(corpus: ParallelCorpus, targets: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Hits by id; in training it may have its source or split in front, in the benchmark its name and language.

    A benchmark's article is the passage_id without what was added to it (`#2` for a second text).
    """
    known: dict[str, int] = {}
    for position, (name, article, benchmark, language) in enumerate(
        zip(targets["id"], targets["article"], targets["benchmark"], targets["language"], strict=True)
    ):
        for form in (name, name.removeprefix(f"{benchmark}:{language}:"), article):
            if len(form) >= _ID:
                known.setdefault(form, position)
    for column in (corpus.ids, corpus.passage_ids) if known else ():
        at = 0
        for chunk in column.chunks():
            for row, name in enumerate(chunk.to_pylist(), start=at):
                same = [known[form] for form in _forms(name) if form in known]
                if same:
                    there = targets.iloc[min(same)]
                    own = "id" if column is corpus.ids else "passage_id"
                    yield (
                        row,
                        corpus.ids[row],
                        own,
                        "",
                        there["benchmark"],
                        there["language"],
                        there["id"],
                        "id",
                        1.0,
                        name,
                        there["text"],
                    )
            at += len(chunk)


def _forms(name: str) -> set[str]:
    """A row's id, with and without a source or split in front, where that is long enough to be unique."""
    return {form for form in (name, name.partition("/")[2], name.rpartition(":")[2]) if len(form) >= _ID}


def _in_texts(corpus: ParallelCorpus, side: str, tag: str, known: _Known, rule: Nearness) -> Iterator[tuple[Any, ...]]:
    """Hits of one side and language, with kind "weak" too and the group behind; texts are read chunk by chunk."""
    column = corpus.positions[side][:, corpus.column(tag)]
    rows_of = np.argsort(column, kind="stable")
    sorted_column = column[rows_of]
    for positions, texts in _used(corpus.texts[side, tag], column):
        forms = list(map(normalise, texts))
        for start, letters in blocks(forms):
            for at, (kind, share, key) in _best(forms, start, letters, known, rule).items():
                line = known.lines.iloc[known.line(key, tag)]
                first, last = (int(np.searchsorted(sorted_column, positions[at], edge)) for edge in ("left", "right"))
                for row in np.sort(rows_of[first:last]).tolist():
                    where = (line["benchmark"], line["language"], line["id"])
                    yield (row, corpus.ids[row], side, tag, *where, kind, share, texts[at], line["text"], line["group"])


def _best(
    forms: Sequence[str], start: int, letters: Letters, known: _Known, rule: Nearness
) -> dict[int, tuple[str, float, str]]:
    """The best hit of each text of a block, by its position in `forms`: kind, similarity and key of the known text."""
    best: dict[int, tuple[str, float, str]] = {}
    for at, whole in enumerate(letters.whole(), start):
        if forms[at] in known.at:
            best[at] = ("exact", 1.0, forms[at])
        elif whole in known.same:
            best[at] = ("near", 1.0, known.same[whole])
    if known.index is None:
        return best
    for found in known.index.find(letters, rule.weak):
        at, key = start + found.text, known.keys[found.known]
        kind = rule.kind(found, forms[at], key)
        before = best.get(at, ("weak", 0.0, ""))
        if kind and (before[0] == "weak", found.share) > (kind == "weak", before[1]):
            best[at] = (kind, found.share, key)
    return best


def _pairs(
    corpus: ParallelCorpus, weak: Sequence[tuple[Any, ...]], known: _Known, rule: Nearness
) -> Iterator[tuple[Any, ...]]:
    """Rows whose passage is a little like one of a group, and whose query is a little like a question of it."""
    groups: dict[object, list[int]] = defaultdict(list)
    for position, group in enumerate(known.lines["group"]):
        groups[group].append(position)
    runs: dict[object, list[set[str]]] = {}  # of the questions of a group
    for row, name, side, _, benchmark, *_, group in weak:
        if side == "query" or not group or group not in groups:
            continue
        if group not in runs:
            runs[group] = _runs(known.lines["key"].iloc[groups[group]].tolist())
        for tag in corpus.languages:
            if corpus.has_query[row, corpus.column(tag)]:
                text = corpus.query_text(row, tag) or ""
                (own,) = _runs([normalise(text)])
                shares = [len(own & other) / max(len(own), len(other), 1) for other in runs[group]]
                best = int(np.argmax(shares))
                if shares[best] >= _ALIKE:
                    line = known.lines.iloc[groups[group][best]]
                    where = (benchmark, line["language"], line["id"])
                    yield (row, name, "query", tag, *where, "pair", shares[best], text, line["text"])


def _runs(texts: Sequence[str]) -> list[set[str]]:
    """The runs of four letters of each text."""
    whole = [letters.decode("utf-32-le", "surrogatepass") for letters in Letters.of(texts).whole()]
    return [{text[at : at + 4] for at in range(max(len(text) - 3, 1))} for text in whole]


def _used(table: pa.Array, column: np.ndarray) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Positions and texts of a table that some row has, chunk by chunk."""
    used = np.zeros(len(table) + 1, dtype=bool)
    used[column] = True  # the position after the last one is that of -1
    start = 0
    for piece in pieces(table):
        positions = np.flatnonzero(used[start : start + len(piece)])
        if len(positions):
            yield positions + start, piece.take(positions).to_pylist()
        start += len(piece)
