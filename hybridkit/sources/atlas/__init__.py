"""atlas, the bundled parallel corpus: generated from CLDR (through Babel) and sentence templates, in 11 languages."""

from hybridkit.sources.atlas.build import build, write

__all__ = ["build", "write"]
