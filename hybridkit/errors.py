"""Errors that a user can fix: each message names the file, line or key, and the cure."""

import re

# A quoted value that is longer than anybody reads. No letter is before an opening quote or after a closing one, so that
# an apostrophe is neither.
_LONG = re.compile(r"""(?<!\w)(?P<quote>['"])(?P<inside>.{121,}?)(?P=quote)(?!\w)""", re.DOTALL)
# Embeddings, overrides and isolates of direction: they turn or hide letters beyond their own text.
DIRECTION_CONTROLS = "\u202a-\u202e\u2066-\u2069"
_UNSEEN = re.compile(f"[\x00-\x08\x0e-\x1f\x7f-\x9f\u2028\u2029{DIRECTION_CONTROLS}\ud800-\udfff]")
_SHORT, _HEAD, _TAIL = 600, 900, 300  # characters


class InputError(ValueError):
    """Something the user gave cannot be used; the message names where it is and the cure.

    Long quotes from the input are cut in the middle; invisible characters and controls of direction are written out.

    >>> raise InputError("rows.jsonl, line 3: the query in 'de' is empty; give a text or leave the language out")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: rows.jsonl, line 3: the query in 'de' is empty; give a text or leave the language out
    >>> str(InputError(f"rows.jsonl: {'x' * 100_000!r} is not a tag; leave it out"))
    "rows.jsonl: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ...
     xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is not a tag; leave it out"
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(readable(message))


def readable(message: str) -> str:
    r"""Return a message that fits a screen and shows every character it has.

    >>> readable("the id 'a\u202eb' is duplicated")
    "the id 'a\\u202eb' is duplicated"
    """
    if len(message) > _SHORT:
        if len(message) > 4 * _HEAD + 4 * _TAIL:
            message = f"{message[: 4 * _HEAD]} ... {message[-4 * _TAIL :]}"
        message = _LONG.sub(lambda found: f"{found[1]}{found[2][:80]} ... {found[2][-40:]}{found[1]}", message)
        if len(message) > _HEAD + _TAIL:  # file and line come first, the cure last
            message = f"{message[:_HEAD]} ... {message[-_TAIL:]}"
    message = " ".join(message.splitlines())
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), message)


def first_line(error: BaseException) -> str:
    """Return an error of a library in one line.

    >>> first_line(KeyError("type"))
    "KeyError: 'type'"
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class TroubleError(RuntimeError):
    """A machine, a cluster or a store failed, not what the user gave; the message names it and the cure.

    >>> raise TroubleError("s3://mine/runs: not reached for 60 s; run the same command again")
    Traceback (most recent call last):
    ...
    hybridkit.errors.TroubleError: s3://mine/runs: not reached for 60 s; run the same command again
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(readable(message))


class MissingDataError(InputError):
    """A file is missing; the message names it, the folders that were searched and the command that fetches it."""
