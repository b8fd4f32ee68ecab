"""Files, paths, names, numbers, seeds, progress: what every room uses and what knows nothing of retrieval.

It imports nothing of the kit but `errors`. Start at `files` and `products`.
"""
