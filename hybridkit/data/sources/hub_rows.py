"""Rows of any data set of the hub, by its name and its columns: streamed once, kept as JSON lines, at one revision.

hf:OWNER/NAME[config=de, split=train, query.de=question, passage.de=answer]
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridkit.data.rows import row_of
from hybridkit.data.sources.fetch import Locked, read_lock, write_lock
from hybridkit.data.tables import columns_of, rows_of_records
from hybridkit.errors import InputError, MissingDataError
from hybridkit.utils.files import atomic_write, digest, sha256_file
from hybridkit.utils.naming import split_name
from hybridkit.utils.paths import cache_folder

MARK = "hf:"
_NAME = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?", re.ASCII)
_OPTIONS = ("config", "split", "revision")
log = logging.getLogger("hybridkit")


@dataclass(frozen=True)
class HubRows:
    """Rows of a data set of the hub: its name, configuration, split and revision, and which column is what.

    >>> rows = HubRows.of("hf:me/faq[config=de,query.de=question,passage.de=answer]")
    >>> rows.repository, rows.config, rows.split, rows.columns["query.de"], rows.file.name
    ('me/faq', 'de', 'train', 'question', 'faq-de-train.jsonl')
    """

    name: str
    repository: str
    config: str
    split: str
    revision: str
    columns: Mapping[str, str]

    @classmethod
    def of(cls, name: str) -> "HubRows":
        """Read a name; InputError for one that is not of this form."""
        base, words = split_name(name)
        repository = base.removeprefix(MARK)
        if not _NAME.fullmatch(repository):
            raise InputError(f"{name}: {repository!r} is not a name of the hub; write {MARK}OWNER/NAME[...]")
        options = dict.fromkeys(_OPTIONS, "")
        columns = []
        for word in words:
            key, equals, value = (part.strip() for part in word.partition("="))
            if key in options and equals:
                options[key] = value
            else:
                columns.append(word)
        known = columns_of(f"{base}[{','.join(columns)}]")[1] if columns else {}
        return cls(name, repository, options["config"], options["split"] or "train", options["revision"], known)

    @property
    def file(self) -> Path:
        """Where the rows are kept as JSON lines, there or not."""
        key = digest(self.repository, self.config, self.split, self.revision, list(self.columns.items()))[:12]
        words = [self.repository.rpartition("/")[2], *([self.config] if self.config else []), self.split]
        stem = re.sub(r"[^\w.-]", "-", "-".join(words))
        return cache_folder() / "hub" / key / f"{stem}.jsonl"

    def find(self) -> Path:
        """Return the file of the rows; they are streamed from the hub where it is missing.

        The first time, the data set's revision of that day is recorded in the cache's lock file; later times take it.

        Raises:
            InputError: For a column that is missing or a row that cannot be used, with its number.
            MissingDataError: Where the hub does not answer, or does not have the data set, configuration or split.
        """
        if self.file.is_file():
            return self.file
        lock = read_lock().get(self._lock)
        revision, records = self._stream(self.revision or (lock.revision if lock else ""))
        log.info("%s: streamed from the hub at revision %s, into %s", self.name, revision or "?", self.file)
        with atomic_write(self.file) as temporary, temporary.open("w", encoding="utf-8") as out:
            for where, value in rows_of_records(records, self.columns, self.name):
                out.write(json.dumps(_written(value, where), ensure_ascii=False) + "\n")
        found = Locked(f"{MARK}{self.repository}", revision, self.file.stat().st_size, sha256_file(self.file))
        if lock and (lock.bytes, lock.sha256) != (found.bytes, found.sha256):
            self.file.unlink()
            raise InputError(f"{self.name}: at revision {revision} its rows are not those of before; remove the entry "
                             f"{self._lock!r} of {cache_folder()}/data.lock.json to take the new ones")  # fmt: skip
        write_lock(self._lock, found)
        return self.file

    @property
    def recorded(self) -> str:
        """The data set with its revision, as a run notes it."""
        entry = read_lock().get(self._lock)
        return f"{MARK}{self.repository}@{entry.revision if entry else '?'}"

    @property
    def _lock(self) -> str:
        return self.file.relative_to(cache_folder()).as_posix()

    def _stream(self, revision: str) -> tuple[str, Iterator[tuple[str, Any]]]:
        import httpx
        from datasets import load_dataset
        from huggingface_hub import HfApi

        try:
            commit = str(HfApi().dataset_info(self.repository, revision=revision or None).sha)
            data: Any = load_dataset(
                self.repository, self.config or None, split=self.split, revision=commit, streaming=True
            )
            names = data.column_names or []
            own = {name if name in names else name.split(".")[0] for name in self.columns.values()}
            if own and own <= set(names):  # pictures and sound are not decoded
                data = data.select_columns([name for name in names if name in own])
            records = iter(data)
            first = next(records, None)
        except (OSError, ValueError, httpx.HTTPError) as error:
            why = str(error).strip().partition("\n")[0][:300]
            raise MissingDataError(
                f"{self.name}: it cannot be read from the hub ({why}); check name, config= and split=, and the network"
            ) from error
        if first is None:
            raise InputError(f"{self.name}: the split {self.split} has no row; name another, split=NAME")
        return commit, _numbered(self.name, first, records)


def _numbered(name: str, first: Any, rest: Iterator[Any]) -> Iterator[tuple[str, Any]]:
    yield f"{name}, row 1", first
    for number, record in enumerate(rest, start=2):
        yield f"{name}, row {number}", record


def _written(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    row = vars(row_of(value, where))
    return {key: one for key, one in row.items() if one}
