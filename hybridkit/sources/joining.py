"""Rows whose queries and passages come language by language, joined on the row's id outside of memory."""

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from itertools import groupby

from hybridkit.rows import Row


class RowJoin:
    """Collects queries and passages of rows in any order and gives the rows, in the order in which ids came first.

    Texts lie in a temporary database of sqlite that goes away with this object, each passage once; in memory are the
    ids. The first text of an id and language stays. A row's passage_id is the hash of its passage in English, else in
    its first language: rows that ask about one passage have one id.

    >>> join = RowJoin()
    >>> join.query("q1", "de", "Wer?"), join.query("q1", "en", "Who?"), join.passage("q1", "en", "She.")
    (None, None, None)
    >>> [(row.query, row.passage) for row in join.rows()]
    [({'de': 'Wer?', 'en': 'Who?'}, {'en': 'She.'})]
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._base = sqlite3.connect("")  # an empty name: a file of its own that nobody else sees, deleted when closed
        self._base.execute("PRAGMA cache_size = -65536")  # KiB in memory before it spills
        self._base.execute("PRAGMA journal_mode = OFF")
        for table, rest in (("query", "text TEXT"), ("passage", "hash TEXT")):
            columns = f"place INTEGER, language TEXT, {rest}, PRIMARY KEY (place, language)"
            self._base.execute(f"CREATE TABLE {table} ({columns}) WITHOUT ROWID")
        self._base.execute("CREATE TABLE body (hash TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")

    def __len__(self) -> int:
        """Number of ids so far, whole or not."""
        return len(self._places)

    def query(self, row: str, language: str, text: str) -> None:
        """Add the query of a row in a language."""
        self._base.execute("INSERT OR IGNORE INTO query VALUES (?, ?, ?)", (self._place(row), language, text))

    def passage(self, row: str, language: str, text: str) -> None:
        """Add the passage of a row in a language."""
        key = blake2b(text.encode(), digest_size=12).hexdigest()
        self._base.execute("INSERT OR IGNORE INTO body VALUES (?, ?)", (key, text))
        self._base.execute("INSERT OR IGNORE INTO passage VALUES (?, ?, ?)", (self._place(row), language, key))

    def rows(self) -> Iterator[Row]:
        """Every row that has a query and a passage, in whatever languages."""
        passages = self._base.execute(
            "SELECT place, language, body.text, hash FROM passage JOIN body USING (hash) ORDER BY place, language"
        )
        queries = self._base.execute("SELECT place, language, text FROM query ORDER BY place, language")
        found = ((place, list(lines)) for place, lines in groupby(passages, key=lambda line: line[0]))
        at, lines = next(found, (-1, []))
        names = list(self._places)
        for place, asked in groupby(queries, key=lambda line: line[0]):
            while 0 <= at < place:
                at, lines = next(found, (-1, []))
            if at != place:
                continue
            query = {language: text for _, language, text in asked}
            passage = {language: text for _, language, text, _ in lines}
            key = next((key for _, language, _, key in lines if language == "en"), lines[0][3])
            yield Row(names[place], key, names[place], query, passage, {})

    def _place(self, row: str) -> int:
        return self._places.setdefault(row, len(self._places))
