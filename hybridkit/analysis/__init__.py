"""From a run to frames and sentences, a module for each topic of the notebooks.

It may import `study`, `plots` and all below. Start at `scores`. The names below are what notebooks use, each imported
when it is first used: the modules, and from the study `sweep`, which trains models, and the names of two strategies.
"""

from hybridkit.utils.lazy import lazy_names

_MODULES = ("bias", "claims", "curves", "data", "diversity", "exposure", "remedies", "rerankers", "scores")
_HOMES = {name: f"analysis.{name}:" for name in _MODULES}
_HOMES |= {"sweep": "study.sweep", "HYBRID": "study.settings", "UNTRAINED": "sampling.labels"}

__all__ = [*_HOMES]  # noqa: PLE0604

__getattr__ = lazy_names(__name__, _HOMES)
