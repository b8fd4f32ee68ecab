"""Collection: one language of a test collection whose judgements need not be parallel, passages read as a stream.

Qrels and runs are read and written in TREC's formats.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from hybridkit.data.benchmark import Benchmark, checked_frame
from hybridkit.errors import InputError
from hybridkit.utils.files import atomic_write, digest, read_lines
from hybridkit.utils.reading import whole_number

if TYPE_CHECKING:
    from pathlib import Path


# Ids and texts of some passages of a collection, in file order.
Chunk: TypeAlias = tuple[list[str], list[str]]
POOL = "pool"
RANKED_IN_FULL = 500_000  # passages of a collection that may become a benchmark
log = logging.getLogger("hybridkit")


@dataclass(frozen=True, eq=False)
class Collection:
    """One language of a test collection; the frames are checked and put in order when it is made.

    `queries` has query_id and text, sorted by query_id; `judgements` has query_id, passage_id and relevance (an
    integer; above 0 is relevant), sorted by both ids. `passages()` starts the stream of all `size` passages anew, as
    (ids, texts) in chunks and in file order. `corpus` is a hash of the passages alone, which collections may share,
    and `fingerprint` one of everything.

    `setting` is "mono", or "pool" where unjudged passages of other languages are candidates too; `parts` are then the
    collections whose passages it has. With `skip_own`, a passage that has the id of the query is not an answer to it
    (BEIR's rule: in ArguAna every query is itself in the corpus).

    Raises:
        InputError: For a missing column, an empty id or text, a duplicate query, a judgement that is duplicated or of
            an unknown query, a relevance that is not an integer.

    >>> queries = pd.DataFrame({"query_id": ["2", "1"], "text": ["Wer?", "Wo?"]})
    >>> judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [1]})
    >>> toy = Collection("toy", "de", queries, judgements, lambda: iter([(["a", "b"], ["Hier.", "Sie."])]), 2, "f00")
    >>> toy.queries["query_id"].tolist(), next(toy.passages())
    (['1', '2'], (['a', 'b'], ['Hier.', 'Sie.']))
    """

    name: str
    language: str
    queries: pd.DataFrame
    judgements: pd.DataFrame
    passages: Callable[[], Iterator[Chunk]]
    size: int
    fingerprint: str
    corpus: str = ""
    setting: str = "mono"
    skip_own: bool = False
    parts: tuple[Collection, ...] = ()

    def __post_init__(self) -> None:
        """Check the frames and sort them."""
        where = f"{self.name}, {self.language}"
        queries = checked_frame(f"{where}: queries", self.queries, ["query_id", "text"], key=["query_id"])
        ids = ["query_id", "passage_id"]
        judgements = checked_frame(f"{where}: judgements", self.judgements, ids, ["relevance"], key=ids)
        if not pd.api.types.is_integer_dtype(judgements["relevance"]):
            raise InputError(f"{where}: judgements: relevance is {judgements['relevance'].dtype}; give integers")
        unknown = judgements.loc[~judgements["query_id"].isin(queries["query_id"]), "query_id"]
        if len(unknown):
            raise InputError(f"{where}: {len(unknown)} judgements of unknown queries, the first {unknown.iloc[0]!r}")
        judgements = judgements.sort_values(ids, kind="stable", ignore_index=True)
        object.__setattr__(self, "queries", queries.sort_values("query_id", kind="stable", ignore_index=True))
        object.__setattr__(self, "judgements", judgements)
        object.__setattr__(self, "corpus", self.corpus or self.fingerprint)


def pooled(collections: Sequence[Collection]) -> tuple[Collection, ...]:
    """Return collections in several languages as one multilingual pool: each one's queries against all passages.

    Ids get their language in front ("sw:12#0", queries too), `setting` is "pool". Judgements are those of the query's
    language. A passage of another language may well answer a query and counts as not relevant, so that scores are a
    lower bound; Judged@10 says how many of the first ten were judged.

    Raises:
        InputError: For fewer than two collections, two of one language, or one that is a pool already.

    >>> def one(tag):
    ...     queries = pd.DataFrame({"query_id": ["1"], "text": ["?"]})
    ...     judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [1]})
    ...     return Collection("toy", tag, queries, judgements, lambda: iter([(["a"], [f"text in {tag}"])]), 1, tag)
    >>> swahili, yoruba = pooled([one("sw"), one("yo")])
    >>> list(swahili.passages())
    [(['sw:a'], ['text in sw']), (['yo:a'], ['text in yo'])]
    >>> yoruba.judgements.values.tolist(), yoruba.size, swahili.corpus == yoruba.corpus
    ([['yo:1', 'yo:a', 1]], 2, True)
    """
    tags = [own.language for own in collections]
    if len(collections) < 2 or len(set(tags)) < len(tags) or any(own.setting == POOL for own in collections):
        raise InputError(
            f"a pool must be of collections in two or more different languages, not {', '.join(tags) or 'none'}; "
            "name two or more beside `pool`, or none for all that there are"
        )
    corpus = digest(POOL, [[own.language, own.corpus] for own in collections])
    return tuple(
        replace(
            own,
            queries=own.queries.assign(query_id=f"{own.language}:" + own.queries["query_id"]),
            judgements=own.judgements.assign(
                query_id=f"{own.language}:" + own.judgements["query_id"],
                passage_id=f"{own.language}:" + own.judgements["passage_id"],
            ),
            passages=partial(_all_passages, tuple(collections)),
            size=sum(other.size for other in collections),
            fingerprint=digest(POOL, own.fingerprint, corpus),
            corpus=corpus,
            setting=POOL,
            parts=tuple(collections),
        )
        for own in collections
    )


def across(pool: Collection) -> tuple[tuple[str, Collection], ...]:
    """Return the queries of a pool with the passages of each language, unjudged: (prefix of passage ids, collection).

    Passages that were embedded language by language are not embedded again for the pool: their results are merged.

    >>> def one(tag):
    ...     queries = pd.DataFrame({"query_id": ["1"], "text": [f"query in {tag}"]})
    ...     judgements = pd.DataFrame({"query_id": ["1"], "passage_id": ["a"], "relevance": [1]})
    ...     return Collection("toy", tag, queries, judgements, lambda: iter([(["a"], [f"text in {tag}"])]), 1, tag)
    >>> pool, _ = pooled([one("sw"), one("yo")])
    >>> [(front, part.queries["text"].item(), next(part.passages())[1]) for front, part in across(pool)]
    [('sw:', 'query in sw', ['text in sw']), ('yo:', 'query in sw', ['text in yo'])]
    """
    none = pool.judgements.iloc[:0]
    return tuple((f"{part.language}:", replace(part, queries=pool.queries, judgements=none)) for part in pool.parts)


def _all_passages(collections: Sequence[Collection]) -> Iterator[Chunk]:
    for collection in collections:
        for ids, texts in collection.passages():
            yield [f"{collection.language}:{name}" for name in ids], texts


def benchmark_of(collections: Sequence[Collection]) -> Benchmark:
    """Return small collections as one benchmark, so that ranks, remedies and measures of bias serve natural pools too.

    A question is asked in one language and answered in it: there are the settings mono (own language) and pool (all
    passages), and no cross. The query id is LANGUAGE:ID, as in `pooled`, the passage id NAME:LANGUAGE:ID. Relevant is
    what has a relevance above 0; in the pool, unjudged passages of other languages count as not relevant. RR@10 and
    nDCG@10 are those of a search of the collections, but for the gain of graded judgements, which is 1 here (logged).
    The article of a passage is its document, that of a query the first document of its cluster, or itself
    where every query is its own (`query_clusters`).

    Raises:
        InputError: For a pool, two collections of one language or different names, more than 500,000 passages; for what
            ranks cannot say: queries without a relevant passage, relevant passages that are not in the corpus, passages
            that may not answer the query of their own id (`skip_own`).

    >>> queries = pd.DataFrame({"query_id": ["7"], "text": ["Wer?"]})
    >>> judgements = pd.DataFrame({"query_id": ["7"], "passage_id": ["2#0"], "relevance": [1]})
    >>> passages = ["1#0", "2#0", "2#1"], ["A.", "B.", "C."]
    >>> toy = benchmark_of([Collection("toy", "de", queries, judgements, lambda: iter([passages]), 3, "f00")])
    >>> toy.queries["query_id"].item(), toy.judgements["passage_id"].item(), list(toy.passages["article"])
    ('de:7', 'toy:de:2#0', ['de:1', 'de:2', 'de:2'])
    """
    names, tags = {one.name for one in collections}, [one.language for one in collections]
    if len(names) != 1 or len(set(tags)) < len(tags) or any(one.setting == POOL for one in collections):
        raise InputError(
            f"a benchmark must be of the languages of one collection, each once and without 'pool' "
            f"(it has that setting anyway), not of {', '.join(sorted(names)) or 'none'} in {', '.join(tags) or 'none'}"
        )
    name, size = names.pop(), sum(one.size for one in collections)
    if size > RANKED_IN_FULL:
        raise InputError(
            f"{name}: {size:,} passages are too many to be ranked in full, which is for {RANKED_IN_FULL:,} at most; "
            "search it: name it under `judged` in a study, or use `hybridkit evaluate`"
        )
    parts = [_as_frames(one) for one in collections]
    queries, passages, judgements = (pd.concat(frames, ignore_index=True) for frames in zip(*parts, strict=True))
    return Benchmark(name, queries, passages, judgements)


def _as_frames(one: Collection) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The queries, passages and judgements of a collection as a benchmark has them."""
    where, tag = f"{one.name}, {one.language}", one.language
    chunks = list(one.passages())
    ids = pd.Series([name for names, _ in chunks for name in names], dtype=object)
    texts = [text for _, some in chunks for text in some]
    relevant = one.judgements[one.judgements["relevance"] > 0]
    for count, what in (
        (int((~one.queries["query_id"].isin(relevant["query_id"])).sum()), "queries have no relevant passage"),
        (int((~relevant["passage_id"].isin(ids)).sum()), "relevant passages are not in the corpus"),
        (len(ids) * one.skip_own, "passages may have the id of a query that they may not answer"),
    ):
        if count:
            raise InputError(f"{where}: {count} {what}, which ranks cannot count; search it with `hybridkit evaluate`")
    if (relevant["relevance"] > 1).any():
        log.warning("%s: judgements are graded; ranked in full, every relevant passage has the gain 1", where)
    front, documents = f"{one.name}:{tag}:", f"{tag}:" + ids.str.rsplit("#", n=1).str[0]
    clusters, unit = query_clusters(one)
    answer = pd.DataFrame({"cluster": relevant["query_id"].map(clusters), "document": relevant["passage_id"]})
    first = (f"{tag}:" + answer["document"].str.rsplit("#", n=1).str[0]).groupby(answer["cluster"]).min()
    article = one.queries["query_id"].map(clusters)
    article = article.map(first) if unit == "documents" else f"{tag}:query " + article
    queries = one.queries.assign(language=tag, query_id=f"{tag}:" + one.queries["query_id"], article=article)
    passages = pd.DataFrame({"language": tag, "passage_id": front + ids, "article": documents, "text": texts})
    judgements = relevant.assign(
        query_id=f"{tag}:" + relevant["query_id"], passage_language=tag, passage_id=front + relevant["passage_id"]
    )
    return queries, passages, judgements


def query_clusters(collection: Collection) -> tuple[pd.Series, str]:
    """Return what to resample the queries of a collection by: query_id -> cluster, and the name of that unit.

    Queries that are answered in one document are no independent draws: where they share the document of a relevant
    passage (an id up to its last "#", as in MIRACL, else the passage) they belong together ("documents"). Where that
    ties a quarter of the queries or more into one cluster, each is its own ("queries").

    >>> query_clusters(toy_collection)[1]
    'documents'
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    relevant = collection.judgements[collection.judgements["relevance"] > 0]
    asked = pd.Index(sorted(set(collection.judgements["query_id"])), name="query_id")
    document, names = pd.factorize(relevant["passage_id"].str.rsplit("#", n=1).str[0])
    query, size = asked.get_indexer(pd.Index(relevant["query_id"])), len(asked) + len(names)
    edges = coo_array((np.ones(len(query)), (query, document + len(asked))), shape=(size, size))
    part = connected_components(edges, directed=False)[1][: len(asked)]
    if np.bincount(part).max(initial=0) > max(1, len(asked) / 4):
        return pd.Series(asked, index=asked, name="cluster"), "queries"
    return pd.Series([f"d{number}" for number in part], index=asked, name="cluster"), "documents"


def save_judgements(judgements: pd.DataFrame, path: Path) -> None:
    """Write a frame of query_id, passage_id and relevance as lines `query_id 0 passage_id relevance`.

    Raises:
        InputError: For an id with white space in it, which the format cannot hold.
    """
    for column in ("query_id", "passage_id"):
        whole(judgements[column].to_numpy(object))
    lines = (f"{query} 0 {passage} {value}\n" for query, passage, value in judgements.itertuples(index=False))
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def read_qrels(path: Path) -> pd.DataFrame:
    """Read qrels: a frame with query_id, passage_id, relevance; InputError names a line of another form.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "qrels.txt"
    >>> _ = path.write_text("q1 0 p7 1")
    >>> read_qrels(path).values.tolist()
    [['q1', 'p7', 1]]
    """
    rows = []
    for number, text in read_lines(path):
        fields = text.split()
        try:
            if len(fields) != 4:
                raise ValueError(f"{len(fields)} fields")
            rows.append((fields[0], fields[2], whole_number(fields[3])))
        except ValueError as error:
            form = "query 0 passage relevance"
            raise InputError(f"{path}, line {number}: not a line of the form `{form}` ({error})") from error
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "relevance"])


def whole(ids: np.ndarray) -> np.ndarray:
    """Return the ids; InputError for one with white space in it."""
    for name in ids:
        if len(name.split()) != 1:
            raise InputError(f"id {name!r} has white space in it, which a TREC file cannot hold; rename it")
    return ids
