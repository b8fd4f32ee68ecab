"""How a finished run is looked at: the HTML report, tables of a paper, pages of language pairs, the inspector.

It may import everything but the command line, and it makes nothing that a run keeps. Start at `html_report`, or at
`views` for what pages and inspector share.
"""

from hybridkit.utils.lazy import lazy_names

_HOMES = {
    "conclusions": "report.conclusions:",
    "inspect": "report.inspector.inspector",
    "inspect_models": "report.inspector.inspector",
    "paper_table": "report.paper_table:",
    "views": "report.views:",
}

__all__ = [*_HOMES]  # noqa: PLE0604

__getattr__ = lazy_names(__name__, _HOMES)
