"""Random generators made from named seeds, so that every random draw can be repeated."""

import hashlib

import numpy as np

from hybridkit.utils.numbers import check_seed


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the random generator of a seed and a path of names.

    Equal arguments give equal streams; another seed or name gives an independent stream (PCG64 seeded by SHA-256), so
    that nothing depends on the order in which streams are made.

    Raises:
        InputError: For a seed that is not a whole number from 0 to 4294967295.

    >>> int(generator(0, "plan", "mono", "de").integers(1000)) == int(generator(0, "plan", "mono", "de").integers(1000))
    True
    >>> generator(0, "a", "b").random() == generator(0, "a/b").random()
    False
    """
    key = "\0".join([str(check_seed(seed)), *names]).encode()
    return np.random.default_rng(np.frombuffer(hashlib.sha256(key).digest(), dtype=np.uint32))
