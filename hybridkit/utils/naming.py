"""Names of data sets, benchmarks and files as people write them: words in brackets, and file stems that differ."""

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hybridkit.errors import InputError

_PACKED = (".gz", ".xz")
_LINES = (".jsonl", ".json", ".ndjson", ".jsonlines", ".jl", ".txt", ".csv", ".tsv", ".parquet")


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Split a name into the data set and the words in brackets after it; the path of an existing file is not split.

    Every name in a study, on the command line and in Python goes through this: "mmarco[de]", "tydi-goldp[fi,sw]",
    "xquad-r[16:]".

    >>> split_name("miracl-train[sw, te]"), split_name("xquad-r[16:]"), split_name("rows[1].jsonl")
    (('miracl-train', ('sw', 'te')), ('xquad-r', ('16:',)), ('rows[1].jsonl', ()))
    >>> split_name("my sets/[old]/here[de, pool]")
    ('my sets/[old]/here', ('de', 'pool'))
    """
    base, bracket, words = name.removesuffix("]").rpartition("[")
    if not name.endswith("]") or not bracket or not base or _lies_here(name):
        return name, ()
    return base, tuple(word.strip() for word in words.split(","))


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; "" for none.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def meant(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the known name that is nearest to a wrong one; "" where none is near.

    >>> meant("hybird", ["mono", "cross", "hybrid"]), meant("x", ["mono"])
    (' (did you mean hybrid?)', '')
    """
    nearest = difflib.get_close_matches(name, list(known), 1) if " " not in name else []
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def stem_of(path: str | Path) -> str:
    """Return a file's name without the endings of JSON lines, tables and compression; dots within it stay.

    >>> stem_of("my.data.v2.jsonl"), stem_of("train.jsonl.xz"), stem_of("notes.2024")
    ('my.data.v2', 'train', 'notes.2024')
    """
    name = Path(path).name
    for endings in (_PACKED, _LINES):
        name = next((name.removesuffix(end) for end in endings if name.endswith(end) and name != end), name)
    return name


def stems_of(paths: Sequence[Path]) -> list[str]:
    """Return the stems of files, with folders in front where two stems are equal: those in which the paths differ.

    What such paths have in common is left out, so that a stem does not depend on where a folder is.

    Raises:
        InputError: For no file, a file that is duplicated, and stems that are equal all the same.

    >>> stems_of([Path("a/rows.jsonl"), Path("b/rows.jsonl"), Path("b/more.jsonl")])
    ['a:rows', 'b:rows', 'more']
    """
    stems = [stem_of(path) for path in paths]
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  a link's own name, not what it leads to
    twice = {stem for stem in stems if stems.count(stem) > 1}
    for stem in twice:
        same = [position for position, other in enumerate(stems) if other == stem]
        common = os.path.commonpath([whole[position].parent for position in same])
        for position in same:
            stems[position] = ":".join([*whole[position].parent.relative_to(common).parts, stem])
    if not paths or len(set(stems)) < len(stems):
        equal = ", ".join(str(path) for path, stem in zip(paths, stems, strict=True) if stems.count(stem) > 1)
        raise InputError(f"{equal or 'no file'}: give one or more files with different names")
    return stems


def _lies_here(name: str) -> bool:
    try:
        return Path(name).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # too long, no home, a zero byte
        return False
