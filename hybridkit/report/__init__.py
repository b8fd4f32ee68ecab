"""How a finished run is looked at: the HTML report, tables of a paper, pages of language pairs, the inspector.

It may import everything but the command line, and it makes nothing that a run keeps. Start at `html_report`, or at
`views` for what pages and inspector share.
"""

from importlib import import_module
from typing import Any

_HOMES = {"inspect": "inspector.inspector:inspect", "paper_table": "paper_table", "views": "views"}

__all__ = [*_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hybridkit.report' has no attribute {name!r}")
    module, _, function = _HOMES[name].partition(":")
    found = import_module(f"hybridkit.report.{module}")
    return getattr(found, function) if function else found
