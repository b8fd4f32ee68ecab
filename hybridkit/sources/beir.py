"""Folders in BEIR's layout (arXiv 2104.08663): corpus.jsonl, queries.jsonl and qrels/test.tsv."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hybridkit.errors import InputError
from hybridkit.files import read_lines
from hybridkit.judged import JudgedSet
from hybridkit.reading import json_value, whole_number
from hybridkit.sources.mrtydi import whole
from hybridkit.sources.topics import judged_set

_HEAD = ("query-id", "corpus-id", "score")


def is_beir(folder: Path) -> bool:
    """Tell whether a folder has BEIR's queries, plain or as `.gz`.

    >>> is_beir(Path("/nowhere"))
    False
    """
    return _file(folder, "queries.jsonl").is_file()


def open_beir(folder: Path, languages: Sequence[str] = ()) -> tuple[JudgedSet]:
    """Open the test part of a BEIR folder, named after it, as a set of one language.

    `languages` tells the language, which the folder does not: one tag, English if there is none. A passage's text is
    title, space and text. As BEIR measures, a passage that has the id of the query is no answer to it, unless the
    judgements say so somewhere: then queries and passages were numbered apart. Queries without test judgements, those
    of the other parts, are left out and counted in the log.

    Raises InputError with file and line for what does not read, and for more than one language.
    """
    if len(languages) > 1:
        raise InputError(f"{folder}: a BEIR folder is in one language; give {languages[0]!r} or another, not several")
    qrels = folder / "qrels" / "test.tsv"
    judgements = read_beir_qrels(qrels)
    apart = (judgements["query_id"] == judgements["passage_id"]) & (judgements["relevance"] > 0)
    return (
        judged_set(
            folder.resolve().name, languages[0] if languages else "en", read_queries(_file(folder, "queries.jsonl")),
            judgements, qrels, [_file(folder, "corpus.jsonl")], key="_id", skip_own=not apart.any(),
        ),
    )  # fmt: skip


def read_queries(path: Path) -> dict[str, str]:
    """Read queries: text by id. Raises InputError with file and line for another shape or an id that stood before.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "queries.jsonl"
    >>> _ = path.write_text('{"_id": "q1", "text": "Who?", "metadata": {}}')
    >>> read_queries(path)
    {'q1': 'Who?'}
    """
    found: dict[str, str] = {}
    for number, line in read_lines(path):
        where = f"{path}, line {number}"
        form = '{"_id": "q1", "text": "Who?"}'
        value = json_value(line, where, "a JSON object with _id and text", f"a query is {form}")
        if not (isinstance(value, dict) and {"_id", "text"} <= value.keys()):
            raise InputError(f"{where}: not a JSON object with _id and text; a query is {form}")
        name, text = value["_id"], value["text"]
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else name
        if not (isinstance(name, str) and isinstance(text, str) and name.strip() and text.strip()):
            raise InputError(f"{where}: _id or text is empty or no text; give both")
        if name in found:
            raise InputError(f"{where}: the query {name!r} stood before; leave one")
        found[whole(name, where)] = whole(text, where)
    return found


def read_beir_qrels(path: Path) -> pd.DataFrame:
    r"""Read judgements, `query-id TAB corpus-id TAB score` below such a head line: query_id, passage_id, relevance.

    Raises InputError with file and line for another shape.

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
