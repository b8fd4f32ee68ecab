"""The rank table and what is read off it: measures, language bias, statistics.

It may import `remedies`, `retrieval`, `models`, `sampling` and `data`. Start at `rank_table`, then `measures` and
`significance`.
"""
