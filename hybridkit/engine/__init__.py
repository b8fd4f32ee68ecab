"""What makes a training fast: packed batches, one loss for every memory, a vocabulary cut to what occurs."""
