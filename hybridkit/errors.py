"""What went wrong, told to a person: every error names the place and the cure."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message names the place and the cure.

    >>> raise InputError("rows.jsonl, line 3: the query in 'de' is empty; give a text or leave the language out")
    Traceback (most recent call last):
    ...
    hybridkit.errors.InputError: rows.jsonl, line 3: the query in 'de' is empty; give a text or leave the language out
    """


class MissingDataError(InputError):
    """A file that is needed is nowhere; the message names it, where it was sought and the command that fetches it."""
