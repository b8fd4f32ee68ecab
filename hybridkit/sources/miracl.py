"""MIRACL (doi:10.1162/tacl_a_00595) and any set in the layout of its hub data sets: topics, judgements, passages.

Topics are lines `id TAB question`, judgements lines `topic Q0 passage relevance`, passages JSON lines with docid,
title and text in shards `docs-N.jsonl.gz`. Apache-2.0, the hub's miracl/miracl and miracl/miracl-corpus.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridkit.errors import InputError, MissingDataError
from hybridkit.evaluation.trec import read_qrels
from hybridkit.judged import JudgedSet
from hybridkit.languages import tag_at_end
from hybridkit.places import data_folders
from hybridkit.sources.fetch import home_of
from hybridkit.sources.registry import data_set, locate
from hybridkit.sources.topics import judged_set
from hybridkit.sources.tsv import read_questions

NAMES = ("miracl", "tydi-goldp")
_TOPICS = re.compile(r"topics\.(.+)-dev\.tsv")
_SHARD = re.compile(r"docs-(\d+)\.jsonl(?:\.gz)?")


@dataclass(frozen=True)
class Files:
    """The files of one language: its topics, its judgements, its shards in order, and these' names in the registry."""

    topics: Path
    qrels: Path
    corpus: tuple[Path, ...]
    names: tuple[str, ...] | None = None

    def read(self, name: str, language: str) -> JudgedSet:
        """Read them as the set of a language."""
        judgements = read_qrels(self.qrels)
        return judged_set(
            name, language, read_topics(self.topics), judgements, self.qrels, self.corpus, names=self.names
        )


def open_known(name: str, languages: Sequence[str] = ()) -> tuple[JudgedSet, ...]:
    """Open a set that the registry knows, in the languages given or in all of them.

    Topics and judgements are fetched where they are missing; a corpus of gigabytes is not: MissingDataError names the
    command. Raises InputError for a language that it has not.
    """
    parts = data_set(name).parts
    for tag in languages:
        if tag not in parts:
            raise InputError(f"{name}: no language {tag!r}; there are {', '.join(parts)}")
    chosen = [tag for tag in parts if tag in languages] or list(parts)
    # every file is looked for before the first is read
    files = {tag: _miracl_files(tag) if name == "miracl" else _files_of(f"{name}[{tag}]") for tag in chosen}
    return tuple(one.read(name, tag) for tag, one in files.items())


def open_folder(folder: Path, languages: Sequence[str] = ()) -> tuple[JudgedSet, ...]:
    """Open a folder in MIRACL's layout, named after the folder, in the languages given or in all that it has.

    The dev topics of each language are `topics.NAME-LANGUAGE-dev.tsv` in the folder itself, in a folder of it, or in a
    folder `topics` of either; judgements `qrels.NAME-LANGUAGE-dev.tsv` and shards `docs-N.jsonl.gz` lie in the same
    place, or in folders `qrels` and `corpus` there. Shards may also be apart, as the hub has MIRACL's: those of
    `FOLDER/...-LANGUAGE` in `FOLDER-corpus/...-LANGUAGE`.

    Raises InputError for a folder without topics, a language that it has not, a shard that is missing among the others
    or there twice, MissingDataError where judgements or all shards are not there.
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
            f"queries.jsonl, qrels/test.tsv); the kit's own judged sets are {', '.join(NAMES)}"
        )
    return tuple(files.read(folder.resolve().name, tag) for tag, files in sorted(found.items()))


def read_topics(path: Path) -> dict[str, str]:
    r"""Read topics: question by id (see `tsv.read_questions`); InputError, with the line, for an id that stood before.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "topics.toy-sw-dev.tsv"
    >>> _ = path.write_text("7\tNani?")
    >>> read_topics(path)
    {'7': 'Nani?'}
    """
    found: dict[str, str] = {}
    for number, name, question in read_questions(path):
        if name in found:
            raise InputError(f"{path}, line {number}: the topic {name!r} stood before; leave one")
        found[name] = question
    if not found:
        raise InputError(f"{path}: the file holds no topic; give a line of an id, a tab and a question for each")
    return found


def _files_of(name: str) -> Files:
    data, home = data_set(name), home_of(name)
    topics, qrels, *corpus = data.files
    return Files(home / topics, home / qrels, tuple(home / file for file in corpus), tuple(corpus))


def _miracl_files(tag: str) -> Files:
    corpus = data_set(f"miracl-corpus[{tag}]")
    folder = locate(corpus)
    if folder is None:
        raise MissingDataError(
            f"miracl: its passages in {tag!r} ({len(corpus.files)} of such files as {corpus.files[0]}) are not in "
            f"{' nor in '.join(map(str, data_folders()))}; get them with `hybridkit data fetch {corpus.name}`, which "
            "tells their size first, or ask for the languages that are here, as in miracl[sw,yo]"
        )
    told = _files_of(f"miracl[{tag}]")
    return Files(told.topics, told.qrels, tuple(folder / file for file in corpus.files), corpus.files)


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
    places = [home / "qrels" / name, home / name]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise MissingDataError(f"{places[0]}: the judgements of {topics} are not there; put the file beside them")
    return found


def _shards(folder: Path, home: Path, tag: str) -> tuple[Path, ...]:
    apart = folder.resolve().with_name(folder.resolve().name + "-corpus")
    for place in (home / "corpus", home, *sorted(apart.glob(f"*-{tag}"))):
        found = [(int(match[1]), path) for path in place.glob("docs-*") if (match := _SHARD.fullmatch(path.name))]
        if found:
            if sorted(number for number, _ in found) != list(range(len(found))):
                raise InputError(
                    f"{place}: its shards are {', '.join(sorted(path.name for _, path in found))}; give docs-0 to "
                    f"docs-{max(found)[0]}, each once"
                )
            return tuple(path for _, path in sorted(found))
    raise MissingDataError(f"{home / 'corpus'}: no shard docs-N.jsonl.gz is there, nor in {apart}; get the passages")
