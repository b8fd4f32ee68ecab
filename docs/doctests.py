"""Examples in docstrings that are under no heading are shown as code."""

import re
from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Fence every block of a docstring that begins with >>>."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^>>> (?:.+\n?)+", r"```pycon\n\g<0>\n```\n", obj.docstring.value)
