"""JSON and whole numbers from files that others wrote: the value, or one error that names file and line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from hybridkit.errors import InputError

JSON_BYTES = 2**28  # no JSON file that is read whole is larger
_DEEP = 1000  # brackets, as deep as Python's own reader goes
_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


_FINITE, _ANY = json.JSONDecoder(parse_constant=_no_number), json.JSONDecoder()  # made once, for a million lines


def json_value(
    text: str,
    where: str,
    what: str = "whole JSON",
    cure: str = "get the file again",
    pairs: Callable[[list[tuple[str, Any]]], Any] | None = None,
    finite: bool = True,
) -> Any:
    """Return the value of a JSON text; `pairs`, if given, makes an object of its (key, value) pairs.

    Raises:
        InputError: "`where`: not `what` (...); `cure`", for a text that is not JSON or is cut short, NaN and Infinity
            (unless `finite` is false), numbers of thousands of digits and brackets a thousand deep.

    >>> json_value('{"a": [1, 2.5]}', "mine.json")
    {'a': [1, 2.5]}
    >>> json_value('{"a": NaN}', "mine.json")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: mine.json: not whole JSON (NaN is not a number of JSON); get the file again
    """
    try:
        if pairs is None:
            return (_FINITE if finite else _ANY).decode(text)
        return json.loads(text, object_pairs_hook=pairs, parse_constant=_no_number if finite else None)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            why = f"{error.msg} at character {error.pos + 1}"
        elif isinstance(error, RecursionError):
            why = "brackets nested too deep"
        else:
            why = str(error) if "is not a number" in str(error) else "a number of thousands of digits"
        raise InputError(f"{where}: not {what} ({why}); {cure}") from error


def json_file(path: Path, cure: str = "get the file again", what: str = "a whole JSON file") -> Any:
    """Return the value of a JSON file in UTF-8, as `json_value` does.

    Raises:
        InputError: As `json_value`, and for a file that cannot be read or is larger than 256 MiB.
    """
    try:
        if path.stat().st_size > JSON_BYTES:
            raise InputError(f"{path}: larger than {JSON_BYTES >> 20} MiB, which no such file is; {cure}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason}); {cure}") from error
    return json_value(text, str(path), what, cure)


def whole_number(text: str) -> int:
    """Return a text of at most nine ASCII digits, perhaps with a minus, as a number.

    Raises:
        ValueError: For anything else, such as other scripts' digits, "1_000" or thousands of digits.

    >>> whole_number("-3")
    -3
    >>> whole_number("²")
    Traceback (most recent call last):
    ...
    ValueError: '²' is not a whole number of at most nine digits
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a whole number of at most nine digits")
    return int(text)


def encodable(text: str, where: str) -> str:
    """Return a text; InputError for one with half a character, which JSON can write and no file can hold."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = text[error.start].encode("unicode_escape").decode()
            raise InputError(f"{where} holds half a character ({half}); write the character whole") from error
    return text


class Shallow:
    """A binary file of JSON, passed on as it is; InputError, with `where`, as soon as its brackets nest too deep.

    The time of readers that parse JSON as a stream grows with the square of its depth.

    >>> from io import BytesIO
    >>> Shallow(BytesIO(b'{"a": ["[]"]}'), "mine.json").read()
    b'{"a": ["[]"]}'
    >>> Shallow(BytesIO(b"[" * 10_000), "mine.json").read()
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: mine.json: not whole JSON (brackets nested too deep); get the file again
    """

    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file, self._where, self._begun, self._depth = file, where, b"", 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        chunk = self._file.read(size)
        marks = (self._begun + chunk).replace(b"\\\\", b"")  # of the last chunk: a quote, a backslash or both
        ended = b"\\" if marks.endswith(b"\\") else b""
        parts = marks.replace(b'\\"', b"").translate(None, _NO_MARKS).split(b'"')
        self._begun = (b'"' if len(parts) % 2 == 0 else b"") + ended
        brackets = np.frombuffer(b"".join(parts[::2]), np.uint8)  # those outside of texts
        depth = self._depth + np.cumsum(np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1))
        if len(depth):
            self._depth = int(depth[-1])
            if depth.max() > _DEEP:
                raise InputError(f"{self._where}: not whole JSON (brackets nested too deep); get the file again")
        return chunk
