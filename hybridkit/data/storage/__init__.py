"""How a corpus lies on disk: string columns, distinct texts and integer rows, written as a stream and mapped back.

It may import `data.rows` and `utils`. Start at `corpus_folder`.
"""
