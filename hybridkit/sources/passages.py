"""Passages of a collection in JSON lines over many files: read as a stream, and surveyed once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from hybridkit.errors import InputError
from hybridkit.files import digest, read_lines, sha256_file, write_text
from hybridkit.judged import Chunk
from hybridkit.places import cache_folder
from hybridkit.reading import json_file
from hybridkit.sources.fetch import recorded
from hybridkit.sources.mrtydi import passage_of
from hybridkit.storage.hashes import first_equal, hash_strings

CHUNK = 16_384  # passages
_LARGE = 100_000_000  # bytes; reading more takes a while, and is told

log = logging.getLogger("hybridkit")


@dataclass(frozen=True)
class Survey:
    """What reading all passages once found: how many, how many without a word, and judged ones that are not there."""

    size: int
    blank: int
    missing: tuple[str, ...]


def read_passages(files: Sequence[Path], key: str = "docid") -> Iterator[tuple[Path, int, str, str]]:
    """Yield (file, line number, id, text) of each passage in file order; the text is title, space and text.

    A line is a JSON object with `key`, text and perhaps title. A passage with neither title nor text, which is a
    candidate all the same, is a space. Raises InputError with file and line for a line that is none, and for a file
    that is cut short.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "docs-0.jsonl"
    >>> _ = path.write_text('{"docid": "7#0", "title": "Lima", "text": "A city."}')
    >>> [(number, name, text) for _, number, name, text in read_passages([path])]
    [(1, '7#0', 'Lima A city.')]
    """
    for path in files:
        for number, line in read_lines(path):
            name, text = passage_of(line, f"{path}, line {number}", key)
            yield path, number, name, text or " "


def chunks(files: Sequence[Path], key: str = "docid", size: int = CHUNK) -> Iterator[Chunk]:
    """Yield (ids, texts) of so many passages at a time, as `read_passages` reads them."""
    ids: list[str] = []
    texts: list[str] = []
    for _, _, name, text in read_passages(files, key):
        ids.append(name)
        texts.append(text)
        if len(ids) == size:
            yield ids, texts
            ids, texts = [], []
    if ids:
        yield ids, texts


def file_hashes(files: Sequence[Path], names: Sequence[str] | None = None) -> list[str]:
    """SHA-256 of each file; of those that `fetch` put into the cache (by `names` there) the one that it recorded."""
    known = names or [""] * len(files)
    return [recorded(path, name) or sha256_file(path) for path, name in zip(files, known, strict=True)]


def survey(files: Sequence[Path], hashes: Sequence[str], judged: set[str], key: str = "docid") -> Survey:
    """Read all passages once: count them, check that no id stands twice, and look for the judged ones.

    What it found is kept in the cache by the files' hashes and the judged ids. Memory does not grow with the texts, by
    some bytes a passage only. Raises InputError for two passages with one id (both places), files without a passage,
    and what `read_passages` raises.
    """
    kept = cache_folder() / "judged" / f"{digest('survey', list(hashes), sorted(judged), key)[:24]}.json"
    if kept.is_file():
        with suppress(InputError, KeyError, TypeError):  # damaged: it is made again
            value = json_file(kept)
            return Survey(value["size"], value["blank"], tuple(value["missing"]))
    if (total := sum(path.stat().st_size for path in files)) > _LARGE:
        log.info("%s: %d files of %.1f GB are read once, to count and check", files[0].parent, len(files), total / 1e9)
    missing, size, blank = set(judged), 0, 0
    with TemporaryFile() as spill:
        for ids, texts in chunks(files, key):
            size += len(ids)
            blank += sum(text == " " for text in texts)
            missing.difference_update(ids)
            hash_strings(ids).tofile(spill)
        if not size:
            raise InputError(f"{files[0].parent}: {', '.join(path.name for path in files)} hold no passage")
        spill.flush()
        first = first_equal(np.memmap(spill, dtype="<u8", mode="r", shape=(size, 2)))
        again = np.flatnonzero(first != np.arange(size))
    if len(again):
        raise InputError(_twice(files, key, int(first[again[0]]), int(again[0]), len(again)))
    found = Survey(size, blank, tuple(sorted(missing)))
    write_text(kept, json.dumps(asdict(found)))
    return found


def _twice(files: Sequence[Path], key: str, first: int, again: int, count: int) -> str:
    places = {}
    for nth, (path, number, name, _) in enumerate(read_passages(files, key)):
        if nth in (first, again):
            places[nth] = f"{path.name}, line {number}", name
        if nth == again:
            break
    return (
        f"{files[0].parent}: {count} passages have an id that stood before, the first {places[again][1]!r} in "
        f"{places[again][0]}, as in {places[first][0]}; give every passage its own"
    )
