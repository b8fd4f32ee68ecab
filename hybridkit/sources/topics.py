"""Topics and judgements of a collection put together with its passages: what is missing on either side is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from hybridkit.errors import InputError, MissingDataError
from hybridkit.files import digest
from hybridkit.judged import JudgedSet
from hybridkit.languages import language as known_language
from hybridkit.sources.passages import chunks, file_hashes, survey

log = logging.getLogger("hybridkit")


def judged_set(
    name: str, language: str, topics: Mapping[str, str], judgements: pd.DataFrame, qrels: Path,
    corpus: Sequence[Path], *, names: Sequence[str] | None = None, key: str = "docid", skip_own: bool = False,
) -> JudgedSet:  # fmt: skip
    """Make the set of one language from its topics, its judgements and the files of its passages.

    `judgements` (query_id, passage_id, relevance) were read from `qrels`; `names` are the files' names in the cache's
    lock file. Topics without judgements are left out, as the field's tools do; their number goes to the log, and so do
    the numbers of judged passages that are not in the corpus (which count as not found) and of queries without any
    relevant one (which count 0).

    Raises InputError for a judgement of an unknown topic, one given twice, no judgement at all, a language tag that is
    none, and what `passages.survey` raises.
    """
    known_language(language)
    for path in corpus:
        if not path.is_file():
            raise MissingDataError(f"{path}: the passages of {name} in {language!r} are not there; get the file")
    if not len(judgements):
        raise InputError(f"{qrels}: no judgement stands in it; a line is topic, Q0, passage and relevance")
    unknown = judgements.loc[~judgements["query_id"].isin(list(topics)), "query_id"]
    if len(unknown):
        raise InputError(
            f"{qrels}: {len(unknown)} judgements of queries that are not among the topics, the first of "
            f"{unknown.iloc[0]!r}; topics and judgements belong to different sets or versions"
        )
    repeated = judgements[judgements.duplicated(["query_id", "passage_id"])]
    if len(repeated):
        query, passage = repeated.iloc[0][["query_id", "passage_id"]]
        raise InputError(f"{qrels}: query {query!r}, passage {passage!r} stands twice; leave one")
    hashes = file_hashes(corpus, names)
    asked = set(judgements["query_id"])
    queries = pd.DataFrame([one for one in topics.items() if one[0] in asked], columns=["query_id", "text"])
    found = survey(corpus, hashes, set(judgements["passage_id"]), key)
    relevant = judgements[judgements["relevance"] > 0]
    lost = judgements["passage_id"].isin(found.missing)
    for count, what in (
        (len(topics) - len(queries), f"of {len(topics)} topics have no judgement and are left out"),
        (len(queries) - relevant["query_id"].nunique(), "queries have no relevant passage and count 0"),
        (int(lost.sum()), f"of {len(judgements)} judgements name a passage that is not in the corpus"),
        (int((lost & (judgements["relevance"] > 0)).sum()), "of these are relevant, and count as never found"),
        (found.blank, f"of {found.size} passages have neither title nor text"),
    ):
        if count:
            log.warning("%s, %s: %d %s", name, language, count, what)
    own = digest(key, hashes)
    everything = digest(name, language, queries.values.tolist(), judgements.values.tolist(), own, skip_own)
    return JudgedSet(
        name, language, queries, judgements, partial(chunks, tuple(corpus), key), found.size, everything, own,
        skip_own=skip_own,
    )  # fmt: skip
