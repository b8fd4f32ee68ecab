"""Data sets by name: where their files are, how they are read, licence and citation.

It may import `data` and `utils`. Start at `registry`; `open_rows` and `open_benchmarks` are the doors.
"""
