"""hybridkit: how should the batches be made when a multilingual encoder is fine-tuned for retrieval?"""

__version__ = "0.1.0"
