"""From a run to frames and sentences, a module for each topic of the notebooks.

It may import `study`, `plots` and all below. Start at `scores`.
"""
