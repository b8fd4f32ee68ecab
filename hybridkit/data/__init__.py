"""Rows, corpora, benchmarks and collections, and where their files come from.

It may import `utils` only. Start at `rows` (the file format), then `corpus`, `benchmark` and `collection`; `sources`
opens them by name, `storage` keeps a corpus on disk.
"""
