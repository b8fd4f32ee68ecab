"""Random generators made from named seeds, so that every draw of the kit can be repeated and told apart."""

import hashlib

import numpy as np

from hybridkit.utils.numbers import check_seed


def generator(seed: int, *names: str) -> np.random.Generator:
    """Make the random generator that belongs to a seed and a path of names.

    Equal arguments give equal streams; another seed or another name gives a stream that is independent of it
    (PCG64 seeded by SHA-256, so nothing depends on the order in which streams are made). Raises InputError for a seed
    that is no whole number from 0 to 4294967295.

    >>> int(generator(0, "plan", "mono", "de").integers(1000)) == int(generator(0, "plan", "mono", "de").integers(1000))
    True
    >>> generator(0, "a", "b").random() == generator(0, "a/b").random()
    False
    """
    key = "\0".join([str(check_seed(seed)), *names]).encode()
    return np.random.default_rng(np.frombuffer(hashlib.sha256(key).digest(), dtype=np.uint32))
