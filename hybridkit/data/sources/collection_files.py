"""Collections as files: MIRACL's layout (doi:10.1162/tacl_a_00595) and BEIR's (arXiv 2104.08663).

MIRACL: topics are lines `id TAB question`, judgements lines `topic Q0 passage relevance`, passages JSON lines with
docid, title and text in shards `docs-N.jsonl.gz`. Passages are read as a stream.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pandas as pd

from hybridkit.data.collection import Chunk, Collection, read_qrels
from hybridkit.data.languages import language as known_language
from hybridkit.data.languages import tag_at_end
from hybridkit.data.sources.fetch import home_of, recorded
from hybridkit.data.sources.readers import read_passage, read_questions, text_object
from hybridkit.data.sources.registry import DATA_SETS, DataSet, locate
from hybridkit.data.storage.columns import first_equal, hash_strings
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.files import digest, read_lines, sha256_file, write_text
from hybridkit.utils.paths import cache_folder, data_folders
from hybridkit.utils.reading import json_file, json_value, whole_number

CHUNK = 16_384  # passages
_LARGE = 100_000_000  # bytes; reading more takes a while and is logged
log = logging.getLogger("hybridkit")
NAMES = ("miracl", "miracl-pool", "tydi-goldp")
_TOPICS = re.compile(r"topics\.(.+)-dev\.tsv")
_SHARD = re.compile(r"docs-(\d+)\.jsonl(?:\.gz)?")
_HEAD = ("query-id", "corpus-id", "score")


@dataclass(frozen=True)
class Survey:
    """What reading all passages once found: how many there are, how many are blank, which judged ones are missing."""

    size: int
    blank: int
    missing: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    """Passages of each file; empty in a survey from before they were counted."""


@dataclass(frozen=True)
class Stream:
    """The passages of some files, from the first or any other one on: `Collection.passages`."""

    files: tuple[Path, ...]
    key: str = "docid"
    sizes: tuple[int, ...] = ()
    """Passages of each file, where they are known: one before the start is not opened."""

    def __call__(self, start: int = 0) -> Iterator[Chunk]:
        """Return the stream, as `chunks` cuts it."""
        left = start
        for nth, size in enumerate(self.sizes):
            if left < size:
                return chunks(self.files[nth:], self.key, start=left)
            left -= size
        return chunks(self.files[len(self.sizes) :], self.key, start=left)


def read_passages(files: Sequence[Path], key: str = "docid", start: int = 0) -> Iterator[tuple[Path, int, str, str]]:
    """Yield (file, line number, id, text) of each passage in file order; the text is title, space and text.

    A line is a JSON object with `key`, text and perhaps title. A passage with neither title nor text, which is a
    candidate all the same, is a space. The first `start` passages are passed over.

    Raises:
        InputError: With file and line, for any other line and for a file that is cut short.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "docs-0.jsonl"
    >>> _ = path.write_text('{"docid": "7#0", "title": "Lima", "text": "A city."}')
    >>> [(number, name, text) for _, number, name, text in read_passages([path])]
    [(1, '7#0', 'Lima A city.')]
    """
    for path in files:
        for number, line in read_lines(path):
            if start:
                start -= 1
                continue
            name, text = read_passage(line, f"{path}, line {number}", key)
            yield path, number, name, text or " "


def chunks(files: Sequence[Path], key: str = "docid", size: int = CHUNK, start: int = 0) -> Iterator[Chunk]:
    """Yield (ids, texts) of `size` passages at a time, as `read_passages` reads them."""
    ids: list[str] = []
    texts: list[str] = []
    for _, _, name, text in read_passages(files, key, start):
        ids.append(name)
        texts.append(text)
        if len(ids) == size:
            yield ids, texts
            ids, texts = [], []
    if ids:
        yield ids, texts


def survey(files: Sequence[Path], hashes: Sequence[str], judged: set[str], key: str = "docid") -> Survey:
    """Read all passages once: count them, check that no id is duplicated, and look for the judged ones.

    The result is kept in the cache by the files' hashes and the judged ids. In memory are some bytes a passage.

    Raises:
        InputError: For a duplicate id (with both lines), files without a passage, and as `read_passages`.
    """
    kept = cache_folder() / "judged" / f"{digest('survey', list(hashes), sorted(judged), key)[:24]}.json"
    if kept.is_file():
        with suppress(InputError, KeyError, TypeError):  # damaged: made again
            value = json_file(kept)
            return Survey(value["size"], value["blank"], tuple(value["missing"]), tuple(value.get("sizes", ())))
    if (total := sum(path.stat().st_size for path in files)) > _LARGE:
        log.info("%s: %d files of %.1f GB are read once, to count and check", files[0].parent, len(files), total / 1e9)
    missing, sizes, blank = set(judged), [0] * len(files), 0
    with TemporaryFile() as spill:
        for nth, path in enumerate(files):
            for ids, texts in chunks([path], key):
                sizes[nth] += len(ids)
                blank += sum(text == " " for text in texts)
                missing.difference_update(ids)
                hash_strings(ids).tofile(spill)
        size = sum(sizes)
        if not size:
            raise InputError(f"{files[0].parent}: {', '.join(path.name for path in files)} hold no passage")
        spill.flush()
        first = first_equal(np.memmap(spill, dtype="<u8", mode="r", shape=(size, 2)))
        again = np.flatnonzero(first != np.arange(size))
    if len(again):
        raise InputError(_duplicates(files, key, int(first[again[0]]), int(again[0]), len(again)))
    found = Survey(size, blank, tuple(sorted(missing)), tuple(sizes))
    write_text(kept, json.dumps(asdict(found)))
    return found


def _duplicates(files: Sequence[Path], key: str, first: int, again: int, count: int) -> str:
    lines = {}
    for nth, (path, number, name, _) in enumerate(read_passages(files, key)):
        if nth in (first, again):
            lines[nth] = f"{path.name}, line {number}", name
        if nth == again:
            break
    return (
        f"{files[0].parent}: {count} passages have the id of an earlier one, the first {lines[again][1]!r} in "
        f"{lines[again][0]}, as in {lines[first][0]}; give every passage its own"
    )


@dataclass(frozen=True)
class Files:
    """The files of one language: topics, judgements, passages in order (`key` is that of ids), their registry names."""

    topics: Path
    qrels: Path
    corpus: tuple[Path, ...]
    names: tuple[str, ...] = ()
    key: str = "docid"

    def read(self, name: str, language: str) -> Collection:
        """Read them as the collection of a language."""
        return make_collection(name, language, self, read_topics(self.topics), read_qrels(self.qrels))


def make_collection(
    name: str, language: str, files: Files, topics: Mapping[str, str], judgements: pd.DataFrame, skip_own: bool = False
) -> Collection:
    """Make the collection of one language from its topics and judgements, which were read from `files`.

    `judgements` has query_id, passage_id, relevance. Topics without judgements are left out, as the field's tools do;
    their number goes to the log, and so do the numbers of judged passages that are not in the corpus (which count as
    not found) and of queries without any relevant one (which count 0).

    Raises:
        InputError: For a judgement that is duplicated or of an unknown topic, no judgement at all, an invalid language
            tag, and as `survey`.
    """
    known_language(language)
    for path in files.corpus:
        if not path.is_file():
            raise MissingDataError(f"{path}: the passages of {name} in {language!r} are missing; get the file")
    if not len(judgements):
        raise InputError(f"{files.qrels}: the file holds no judgement; a line is topic, Q0, passage and relevance")
    unknown = judgements.loc[~judgements["query_id"].isin(list(topics)), "query_id"]
    if len(unknown):
        raise InputError(
            f"{files.qrels}: {len(unknown)} judgements of queries that are not among the topics, the first of "
            f"{unknown.iloc[0]!r}; topics and judgements belong to different sets or versions"
        )
    repeated = judgements[judgements.duplicated(["query_id", "passage_id"])]
    if len(repeated):
        query, passage = repeated.iloc[0][["query_id", "passage_id"]]
        raise InputError(f"{files.qrels}: query {query!r}, passage {passage!r} is duplicated; leave one")
    file_names = files.names or [""] * len(files.corpus)
    hashes = [recorded(path, file) or sha256_file(path) for path, file in zip(files.corpus, file_names, strict=True)]
    judged = set(judgements["query_id"])
    queries = pd.DataFrame([topic for topic in topics.items() if topic[0] in judged], columns=["query_id", "text"])
    found = survey(files.corpus, hashes, set(judgements["passage_id"]), files.key)
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
    own = digest(files.key, hashes)
    everything = digest(name, language, queries.values.tolist(), judgements.values.tolist(), own, skip_own)
    return Collection(
        name,
        language,
        queries,
        judgements,
        Stream(tuple(files.corpus), files.key, found.sizes),
        found.size,
        everything,
        own,
        skip_own=skip_own,
    )


def open_known(name: str, languages: Sequence[str] = ()) -> tuple[Collection, ...]:
    """Return a collection of the registry in the languages given, or in all of them.

    Topics and judgements are fetched where they are missing; a corpus of gigabytes is not.

    Raises:
        InputError: For a language that the collection does not have.
        MissingDataError: For a missing corpus, with the command that fetches it.
    """
    data = DATA_SETS[name]
    known = data.by_language
    for tag in languages:
        if tag not in known:
            raise InputError(f"{name}: no language {tag!r}; there are {', '.join(known)}")
    chosen = [tag for tag in known if tag in languages] or list(known)
    # every file is looked for before the first is read
    files = {tag: _miracl_files(data, tag) if name == "miracl" else _files_of(data.choose([tag])) for tag in chosen}
    return tuple(own.read(name, tag) for tag, own in files.items())


def open_folder(folder: Path, languages: Sequence[str] = ()) -> tuple[Collection, ...]:
    """Return a folder in MIRACL's layout as collections named after it, in the languages given or in all that it has.

    The dev topics of each language are `topics.NAME-LANGUAGE-dev.tsv` in the folder itself, in a folder of it, or in a
    folder `topics` of either; judgements `qrels.NAME-LANGUAGE-dev.tsv` and shards `docs-N.jsonl.gz` are beside them, or
    in folders `qrels` and `corpus` there. Shards may also be in a folder of their own, as on the hub: those of
    `FOLDER/...-LANGUAGE` in `FOLDER-corpus/...-LANGUAGE`.

    Raises:
        InputError: For a folder without topics, a language that it does not have, shards with a gap or a duplicate.
        MissingDataError: For missing judgements or shards.
    """
    found: dict[str, Files] = {}
    for topics, tag in _topic_files(folder):
        if tag in found:
            raise InputError(f"{topics}: {found[tag].topics} has topics in {tag!r} too; give a folder with one set")
        if not languages or tag in languages:
            home = topics.parent.parent if topics.parent.name == "topics" else topics.parent
            found[tag] = Files(topics, _qrels(home, topics), _shards(folder, home, tag))
    if missing := [tag for tag in languages if tag not in found]:
        raise InputError(f"{folder}: no topics in {missing[0]!r}; give one of its languages")
    if not found:
        raise InputError(
            f"{folder}: neither MIRACL's layout (topics.NAME-LANGUAGE-dev.tsv) nor BEIR's (corpus.jsonl, "
            f"queries.jsonl, qrels/test.tsv); the kit's own collections are {', '.join(NAMES)}"
        )
    return tuple(files.read(folder.resolve().name, tag) for tag, files in sorted(found.items()))


def read_topics(path: Path) -> dict[str, str]:
    r"""Return the questions of a file of topics by id (see `read_questions`); InputError for a duplicate id.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "topics.toy-sw-dev.tsv"
    >>> _ = path.write_text("7\tNani?")
    >>> read_topics(path)
    {'7': 'Nani?'}
    """
    found = _by_id(path, read_questions(path))
    if not found:
        raise InputError(f"{path}: the file holds no topic; give a line of an id, a tab and a question for each")
    return found


def _by_id(path: Path, queries: Iterable[tuple[int, str, str]]) -> dict[str, str]:
    """Queries by id, of (line number, id, text)."""
    found: dict[str, str] = {}
    for number, name, text in queries:
        if name in found:
            raise InputError(f"{path}, line {number}: the query {name!r} is duplicated; leave one")
        found[name] = text
    return found


def _files_of(data: DataSet) -> Files:
    home = home_of(data)
    topics, qrels, *corpus = data.files
    return Files(home / topics, home / qrels, tuple(home / file for file in corpus), tuple(corpus))


def _miracl_files(data: DataSet, tag: str) -> Files:
    corpus = DATA_SETS["miracl-corpus"].choose([tag])
    folder, topics = locate(corpus), locate(data.choose([tag]))
    if folder is None:
        # a corpus may also lie beside the topics, as in the layout of other collections
        home = None if topics is None else (topics / data.choose([tag]).files[0]).parents[1] / "corpus"
        beside = [] if home is None else [home / Path(file).name for file in corpus.files]
        if beside and all(path.is_file() for path in beside):
            own = _files_of(data.choose([tag]))
            return Files(own.topics, own.qrels, tuple(beside), corpus.files)
        raise MissingDataError(
            f"miracl: its passages in {tag!r} ({len(corpus.files)} of such files as {corpus.files[0]}) are not in "
            f"{' nor in '.join(map(str, data_folders()))}; get them with `hybridkit data fetch {corpus.name}`, which "
            "shows their size first, or name the languages that are here, as in miracl[sw,yo]"
        )
    own = _files_of(data.choose([tag]))
    return Files(own.topics, own.qrels, tuple(folder / file for file in corpus.files), corpus.files)


def _topic_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for pattern in ("", "topics/", "*/", "*/topics/"):
        if pattern == "*/":  # what `topics/` has found already
            paths = [path for path in sorted(folder.glob("*/topics.*.tsv")) if path.parent.name != "topics"]
        else:
            paths = sorted(folder.glob(f"{pattern}topics.*.tsv"))
        for path in paths:
            if (match := _TOPICS.fullmatch(path.name)) and (tag := tag_at_end(match[1])):
                yield path, tag


def _qrels(home: Path, topics: Path) -> Path:
    name = topics.name.replace("topics.", "qrels.", 1)
    paths = [home / "qrels" / name, home / name]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise MissingDataError(f"{paths[0]}: the judgements of {topics} are missing; put the file beside them")
    return found


def _shards(folder: Path, home: Path, tag: str) -> tuple[Path, ...]:
    apart = folder.resolve().with_name(folder.resolve().name + "-corpus")
    for shards in (home / "corpus", home, *sorted(apart.glob(f"*-{tag}"))):
        found = [(int(match[1]), path) for path in shards.glob("docs-*") if (match := _SHARD.fullmatch(path.name))]
        if found:
            if sorted(number for number, _ in found) != list(range(len(found))):
                raise InputError(
                    f"{shards}: its shards are {', '.join(sorted(path.name for _, path in found))}; give docs-0 to "
                    f"docs-{max(found)[0]}, each once"
                )
            return tuple(path for _, path in sorted(found))
    raise MissingDataError(f"{home / 'corpus'}: there is no shard docs-N.jsonl.gz, nor in {apart}; get the passages")


def is_beir(folder: Path) -> bool:
    """Return whether a folder has BEIR's queries, plain or as `.gz`.

    >>> is_beir(Path("/nowhere"))
    False
    """
    return _file(folder, "queries.jsonl").is_file()


def open_beir(folder: Path, languages: Sequence[str] = ()) -> tuple[Collection]:
    """Return the test split of a BEIR folder as a collection of one language, named after the folder.

    `languages` is at most one tag; English without it. A passage's text is title, space and text. As in BEIR, a passage
    that has the id of the query is not an answer to it, unless some judgement says so: then queries and passages were
    numbered independently. Queries without test judgements are left out and counted in the log.

    Raises:
        InputError: With file and line, for what cannot be read, and for more than one language.
    """
    if len(languages) > 1:
        raise InputError(f"{folder}: a BEIR folder is in one language; give {languages[0]!r} or another, not several")
    corpus = (_file(folder, "corpus.jsonl"),)
    files = Files(_file(folder, "queries.jsonl"), folder / "qrels" / "test.tsv", corpus, key="_id")
    judgements = read_beir_qrels(files.qrels)
    apart = (judgements["query_id"] == judgements["passage_id"]) & (judgements["relevance"] > 0)
    name, language = folder.resolve().name, languages[0] if languages else "en"
    return (make_collection(name, language, files, read_queries(files.topics), judgements, not apart.any()),)


def read_queries(path: Path) -> dict[str, str]:
    """Return the texts of BEIR's queries by id; InputError with file and line for other lines and duplicate ids.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "queries.jsonl"
    >>> _ = path.write_text('{"_id": "q1", "text": "Who?", "metadata": {}}')
    >>> read_queries(path)
    {'q1': 'Who?'}
    """
    return _by_id(path, _queries(path))


def _queries(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in read_lines(path):
        where = f"{path}, line {number}"
        what, cure = "a JSON object with _id and text", 'a query is {"_id": "q1", "text": "Who?"}'
        name, _, text = text_object(json_value(line, where, what, cure), where, "_id")
        if not text.strip():
            raise InputError(f"{where}: the text is empty; {cure}")
        yield number, name, text


def read_beir_qrels(path: Path) -> pd.DataFrame:
    r"""Return BEIR's judgements, `query-id TAB corpus-id TAB score`: query_id, passage_id, relevance.

    The first line may be the header. Raises InputError with file and line for other lines.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "test.tsv"
    >>> _ = path.write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\n")
    >>> read_beir_qrels(path).values.tolist()
    [['q1', 'd1', 2]]
    """
    rows: list[tuple[str, str, int]] = []
    for number, line in read_lines(path):
        cells = tuple(line.split("\t"))
        if not rows and cells == _HEAD:
            continue
        try:
            query, passage, relevance = cells[0], cells[1], whole_number(cells[2])
            if len(cells) > 3 or not query.strip() or not passage.strip():
                raise ValueError(line)
        except (ValueError, IndexError) as error:
            why = "not query-id, corpus-id and a whole score with tabs between them"
            raise InputError(f"{path}, line {number}: {why}, but {line[:60]!r}; write it so") from error
        rows.append((query, passage, relevance))
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "relevance"])


def _file(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name
