"""Data sets by name: where their files are, how they are read, licence and citation.

It may import `data` and `utils`. Start at `registry`, the table of data sets and their readers; `open_rows` opens
training rows and `open_benchmarks` benchmarks and collections.
"""
