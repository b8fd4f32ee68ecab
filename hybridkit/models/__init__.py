"""Encoders: opened, made, trained on a batch plan, saved; always a SentenceTransformer, always safetensors.

It may import `sampling`, `data` and `utils`. Start at `encoder`, then `embedding` and `training`.
"""
