"""How much of an encoder's pretraining text was in a language, where that is published."""

from functools import cache

import pandas as pd

from hybridkit.errors import MissingDataError
from hybridkit.places import checkout

# Encoders whose text model is XLM-R, or is made from it: multilingual-e5 starts from XLM-R base and large, its small
# one from Multilingual MiniLM (arXiv 2402.05672), which was distilled from XLM-R base (arXiv 2002.10957). What e5 was
# trained on after that is not published by language.
_FROM_XLMR = ("xlm-r", "xlm-roberta", "e5-small", "multilingual-e5", "multilingual-minilm")


def pretraining_share(encoder: str, language: str) -> float | None:
    """Share of a language in the text that an encoder was pretrained on; None where that is not published.

    By size in GiB of CC-100, on which XLM-R was trained (Conneau et al., arXiv 1911.02116, appendix A); a language that
    is not in it has share 0. An encoder made from scratch has no pretraining and so no share.

    >>> round(pretraining_share("e5-small", "en"), 3), pretraining_share("static", "en")
    (0.122, None)
    """
    if not any(name in encoder.lower() for name in _FROM_XLMR):
        return None
    return _shares().get(language, 0.0)


@cache
def _shares() -> dict[str, float]:
    home = checkout()
    path = home / "data" / "published" / "cc100.csv" if home else None
    if path is None or not path.is_file():
        raise MissingDataError("data/published/cc100.csv comes with a git checkout of the kit: run from one")
    sizes = pd.read_csv(path, keep_default_na=False).groupby("language")["size_gib"].sum()
    return {str(language): float(size / sizes.sum()) for language, size in sizes.items()}
