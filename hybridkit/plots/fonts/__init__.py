"""Subsets of Noto that draw Arabic, Devanagari, Thai and Chinese on a machine without fonts; see README.md here."""
