"""Remedies against language bias without training: in the weights, on embeddings, on scores; chains of them.

It may import `retrieval`, `models`, `data` and `utils`. Start at `chains`, then `embeddings` and `scores`.
"""

from hybridkit.remedies.chains import NONE, Chain, parse
from hybridkit.remedies.embeddings import centre, lir, shift
from hybridkit.remedies.estimates import Estimate
from hybridkit.remedies.rows import RowEmbeddings, choose_rows, embed_rows, refuse_overlap
from hybridkit.remedies.scores import calibrate, zscore
from hybridkit.remedies.weights import interpolate

__all__ = [
    "NONE",
    "Chain",
    "Estimate",
    "RowEmbeddings",
    "calibrate",
    "centre",
    "choose_rows",
    "embed_rows",
    "interpolate",
    "lir",
    "parse",
    "refuse_overlap",
    "shift",
    "zscore",
]
