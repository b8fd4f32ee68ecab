"""Curves over alpha, training rows and batch size, pairs in batches; whether a point is better than another."""
