"""From a run to frames and sentences, a module for each topic of the notebooks.

It may import `study`, `plots` and all below. Start at `scores`. The names below are what notebooks use, each imported
when it is first used: the modules `data`, `scores`, `curves`, `bias`, `diversity` and `claims`, and from the study
`sweep`, which trains models, and the names of two strategies.
"""

from importlib import import_module
from typing import Any

_MODULES = ("bias", "claims", "curves", "data", "diversity", "scores")
_HOMES = {"sweep": "study.sweep", "HYBRID": "study.settings", "UNTRAINED": "sampling.labels"}

__all__ = [*_MODULES, *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"hybridkit.analysis.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'hybridkit.analysis' has no attribute {name!r}")
    return getattr(import_module(f"hybridkit.{_HOMES[name]}"), name)
