"""How a corpus is kept on disk: string columns, distinct texts and integer rows, written as a stream and mapped back.

It may import `data.rows` and `utils`. Start at `corpus_folder`, which has the format; `corpus_writer` writes it.
"""
