"""Evaluation: the rank table, and the measures that are read off it."""
