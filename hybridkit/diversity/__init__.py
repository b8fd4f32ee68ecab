"""How the diversity of the training languages changes retrieval: sets of languages, what comes out, and statistics."""
