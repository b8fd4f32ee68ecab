"""How the diversity of the training languages changes retrieval: outcomes, regressions, sentences.

It may import what `analysis` may. Start at `outcomes`.
"""
