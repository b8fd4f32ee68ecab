"""A study and its run folder: settings, training rows, models, ranks and scores, and the notebooks through papermill.

It may import `evaluation`, `retrieval`, `models`, `sampling` and `data`. Start at `settings`, then `run`.
"""
