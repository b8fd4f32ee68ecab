"""Benchmark: queries, passages and judgements in several languages, in the order every rank and tie depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridkit.errors import InputError
from hybridkit.utils.characters import visible
from hybridkit.utils.files import digest
from hybridkit.utils.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridkit.data.corpus import ParallelCorpus


QUERY_COLUMNS = ("language", "query_id", "article", "text")
PASSAGE_COLUMNS = ("language", "passage_id", "article", "text")
JUDGEMENT_COLUMNS = ("query_id", "passage_language", "passage_id")


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Queries, candidate passages and judgements; the frames are checked and put in order when it is made.

    `queries` has the columns language, query_id, article, text; one query_id is one question in all its languages.
    `passages` has language, passage_id, article, text; passage ids start with "NAME:LANGUAGE:", so that passages are
    in the byte order of their ids, which breaks ties.
    `judgements` has query_id, passage_language, passage_id: the relevant passages, for the question in any language.
    `article` is a string, the unit of resampling: one article of a document, with all its languages.

    Raises:
        InputError: For a missing column, a duplicate id, an id without its prefix, an empty text, and a judgement of an
            unknown query or passage.

    >>> queries = pd.DataFrame({"language": ["en", "de"], "query_id": "q1", "article": "a", "text": ["Who?", "Wer?"]})
    >>> passages = pd.DataFrame({"language": ["en"], "passage_id": ["toy:en:1"], "article": "a", "text": ["I."]})
    >>> judgements = pd.DataFrame({"query_id": ["q1"], "passage_language": ["en"], "passage_id": ["toy:en:1"]})
    >>> toy = Benchmark("toy", queries, passages, judgements)
    >>> toy.languages, list(toy.queries.text)
    (('de', 'en'), ['Wer?', 'Who?'])
    """

    name: str
    queries: pd.DataFrame
    passages: pd.DataFrame
    judgements: pd.DataFrame

    def __post_init__(self) -> None:
        """Check the frames and sort them."""
        queries = checked_frame(f"{self.name}: queries", self.queries, QUERY_COLUMNS, key=["language", "query_id"])
        passages = checked_frame(f"{self.name}: passages", self.passages, PASSAGE_COLUMNS, key=["passage_id"])
        prefix = self.name + ":" + passages["language"] + ":"
        for passage_id, start in zip(passages["passage_id"], prefix, strict=True):
            if not passage_id.startswith(start):
                raise InputError(f"{self.name}: passage id {passage_id!r} must start with {start!r}")
        # The languages' order is that of their ids ("zh-Hant:" before "zh:"), so that position and id always agree.
        queries = queries.assign(key=queries["language"] + ":").sort_values(["key", "query_id"], kind="stable")
        passages = passages.sort_values("passage_id", kind="stable")
        judgements = self._checked_judgements(queries, passages)
        object.__setattr__(self, "queries", queries[list(QUERY_COLUMNS)].reset_index(drop=True))
        object.__setattr__(self, "passages", passages[list(PASSAGE_COLUMNS)].reset_index(drop=True))
        object.__setattr__(self, "judgements", judgements)

    def _checked_judgements(self, queries: pd.DataFrame, passages: pd.DataFrame) -> pd.DataFrame:
        where = f"{self.name}: judgements"
        judgements = checked_frame(where, self.judgements, JUDGEMENT_COLUMNS, key=["query_id", "passage_id"])
        unknown = judgements[~judgements["query_id"].isin(queries["query_id"])]
        if len(unknown):
            raise InputError(f"{where}: {len(unknown)} with unknown queries, the first {unknown['query_id'].iloc[0]!r}")
        language = judgements["passage_id"].map(passages.set_index("passage_id")["language"])
        wrong = judgements[(language != judgements["passage_language"]).to_numpy(bool)]
        if len(wrong):
            first = wrong.iloc[0]
            raise InputError(
                f"{where}: {len(wrong)} name a passage that is not among those of its language, "
                f"the first {first['passage_id']!r} as {first['passage_language']!r}"
            )
        return judgements.sort_values(["query_id", "passage_id"], kind="stable").reset_index(drop=True)

    @classmethod
    def from_corpus(cls, corpus: ParallelCorpus, name: str, questions: Mapping[str, str] | None = None) -> Benchmark:
        """Return a benchmark of parallel rows: a question for each query, a candidate for each passage of a passage_id.

        Rows with one query are one question, to which the passages of all of them are relevant: nothing tells a system
        which of them is meant. Its id is that of the first of these rows, its article that row's passage_id. A passage
        is called `NAME:LANGUAGE:PASSAGE_ID`, with `#2` and so on behind it where rows of one passage_id hold different
        texts in a language (say, answer sentences of one paragraph); a number that would make it another passage_id is
        skipped.

        Args:
            corpus: The rows.
            name: Name of the benchmark.
            questions: Query ids by row id; rows with one query id are one question. Without them, rows are one that
                have the same text in the language in which most rows have a query (where a row has none in it, in the
                next one). Where they differ in another language, the first row's text is asked.

        Raises:
            InputError: Where rows of one query id have different queries in a language.
        """
        rows_of = corpus.ids[np.arange(len(corpus))]
        if questions is None:
            query_ids = rows_of[_same_query(corpus)]
        else:
            query_ids = np.array([questions[row] for row in rows_of], dtype=object)
        articles: dict[str, str] = {}
        for question, article in zip(query_ids, corpus.passage_ids[np.arange(len(corpus))], strict=True):
            articles.setdefault(question, article)
        taken = set(corpus.passage_ids[np.arange(len(corpus))])
        query_frames, passage_frames, judgement_frames = [], [], []
        for language in corpus.languages:
            rows, texts = corpus.query_table(language)
            once = _questions(query_ids[rows], texts, f"{name}, {language}" if questions is not None else None)
            query_frames.append((language, list(once), [articles[question] for question in once], list(once.values())))
            rows, texts = corpus.passage_table(language)
            ids: dict[tuple[str, str], str] = {}
            seen: dict[str, int] = {}
            for article, text in zip(corpus.passage_ids[rows], texts, strict=True):
                if (article, text) not in ids:
                    seen[article] = seen.get(article, 0) + 1
                    while seen[article] > 1 and f"{article}#{seen[article]}" in taken:
                        seen[article] += 1
                    again = f"#{seen[article]}" if seen[article] > 1 else ""
                    ids[article, text] = f"{name}:{language}:{article}{again}"
            own = [ids[key] for key in zip(corpus.passage_ids[rows], texts, strict=True)]
            passage_frames.append((language, list(ids.values()), [key[0] for key in ids], [key[1] for key in ids]))
            judgement_frames.append((query_ids[rows], language, own))
        queries, passages = _stack(query_frames, QUERY_COLUMNS), _stack(passage_frames, PASSAGE_COLUMNS)
        judgements = _stack(judgement_frames, JUDGEMENT_COLUMNS)
        judgements = judgements[judgements["query_id"].isin(queries["query_id"])]
        return cls(name, queries, passages, judgements.drop_duplicates(["query_id", "passage_id"]))

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Languages of the queries and passages, in the order of the frames."""
        both = {*self.queries["language"], *self.passages["language"]}
        return tuple(sorted(both, key=lambda language: language + ":"))

    @cached_property
    def query_slices(self) -> dict[str, slice]:
        """Positions in `queries` of each language's queries."""
        return _slices(self.queries["language"])

    @cached_property
    def passage_slices(self) -> dict[str, slice]:
        """Positions in `passages` of each language's passages."""
        return _slices(self.passages["language"])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, as hex, over the name and all three frames."""
        frames = (self.queries, self.passages, self.judgements)
        return digest(self.name, *(frame[column].tolist() for frame in frames for column in frame))

    def subset(
        self, start: int | None = None, stop: int | None = None, languages: Sequence[str] = ()
    ) -> tuple[Benchmark, NDArray[np.int64], NDArray[np.int64]]:
        """Return a range of articles in some languages (all unless given), as in "xquad-r[16:,ar,de]".

        The result is the subset, its query positions and its passage positions; the pool is that of the languages.

        Articles are counted in the order of their first passages in the frame (for LAReQA's files: the file order of
        the first language, then articles that are missing there), and cut like a Python slice. The positions are those
        in this benchmark, so that its embeddings can be cut alike.
        """
        kept = set(pd.unique(pd.concat([self.passages["article"], self.queries["article"]]))[start:stop])
        queries, passages = (
            np.flatnonzero(frame["article"].isin(kept) & frame["language"].isin(languages or self.languages))
            for frame in (self.queries, self.passages)
        )
        inside = self.judgements["query_id"].isin(self.queries["query_id"].iloc[queries])
        inside &= self.judgements["passage_id"].isin(self.passages["passage_id"].iloc[passages])
        subset = Benchmark(self.name, self.queries.iloc[queries], self.passages.iloc[passages], self.judgements[inside])
        return subset, queries, passages

    def sample(self, count: int, seed: int = 0) -> tuple[Benchmark, NDArray[np.int64]]:
        """Return the benchmark with some of its questions and all passages, and the positions of their queries here.

        Questions are drawn evenly from the articles: one from each, in random order, then a second, and so on. Each is
        kept in all its languages, and a larger sample has the questions of a smaller one. InputError for more questions
        than there are.
        """
        asked = self.queries.drop_duplicates("query_id")
        if count > len(asked):
            raise InputError(f"{self.name}: {count} of its questions are asked for, and it has {len(asked):,}")
        random = generator(seed, "questions", self.name)
        drawn = asked.sort_values("query_id").iloc[random.permutation(len(asked))]
        articles = random.permutation(np.unique(drawn["article"])).tolist()
        turn = [drawn.groupby("article").cumcount(), drawn["article"].map(articles.index)]
        chosen = drawn["query_id"].to_numpy()[np.lexsort(turn[::-1])[:count]]
        positions = np.flatnonzero(self.queries["query_id"].isin(chosen))
        judgements = self.judgements[self.judgements["query_id"].isin(chosen)]
        return Benchmark(self.name, self.queries.iloc[positions], self.passages, judgements), positions


def _same_query(corpus: ParallelCorpus) -> NDArray[np.int64]:
    """The first row that has the query of each row, in the language of most queries that the row has one in."""
    found = corpus.positions["query"]
    order = np.argsort(-(found >= 0).sum(axis=0), kind="stable")
    column = order[(found[:, order] >= 0).argmax(axis=1)]
    keys = np.stack([column, found[np.arange(len(found)), column]], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first[inverse]


def _questions(ids: Iterable[str], texts: Iterable[str], where: str | None) -> dict[str, str]:
    """First text of each question by its id, in order; with `where`, InputError for a question with two texts."""
    found: dict[str, str] = {}
    for question, text in zip(ids, texts, strict=True):
        first = found.setdefault(question, text)
        if where is not None and visible(first) != visible(text):
            raise InputError(f"{where}: query_id {question!r} has two different queries; give each its own")
    return found


def checked_frame(
    where: str, frame: pd.DataFrame, texts: Sequence[str], more: Sequence[str] = (), key: Sequence[str] = ()
) -> pd.DataFrame:
    """Return some columns of a frame: `texts`, each a text that is not empty, and `more`, as they are.

    Raises InputError, which begins with `where`, for a missing column, an empty text and a `key` that is duplicated.
    """
    columns = [*texts, *more]
    if missing := [column for column in columns if column not in frame]:
        raise InputError(f"{where}: no column {', '.join(missing)}; give {', '.join(columns)}")
    for column in texts:
        for value in frame[column]:
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"{where}: {column} {value!r} must be a text that is not empty")
    frame = frame[columns].astype(dict.fromkeys(texts, str))
    if key and (repeated := frame.duplicated(list(key))).any():
        first = ", ".join(frame.loc[repeated, list(key)].iloc[0])
        raise InputError(f"{where}: {first} is duplicated; leave one")
    return frame


def _slices(languages: pd.Series) -> dict[str, slice]:
    names, starts, counts = np.unique(languages.to_numpy(object), return_index=True, return_counts=True)
    found = zip(names.tolist(), starts.tolist(), counts.tolist(), strict=True)
    return {name: slice(start, start + count) for name, start, count in sorted(found, key=lambda found: found[1])}


def _stack(frames: Sequence[tuple[object, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(dict(zip(columns, frame, strict=True))) for frame in frames], ignore_index=True)
