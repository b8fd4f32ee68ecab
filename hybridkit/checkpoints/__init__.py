"""Readers of checkpoint files that are no SentenceTransformer folder; each converts its file into one, once."""
